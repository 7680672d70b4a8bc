"""Other chunks of the same data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._errors import OptionError
from ._dtypes import alike
from ._errors import FormatError
from ._kinds import Framed, joined, length, part, split, taken_apart
from ._schema import difference


def rechunked(chunks: Iterable[Any], target: int, axis: str | None = None) -> Iterator[Any]:
    """Merge and cut chunks so that each has about a size; only two of that size are in memory.

    Parameters
    ----------
    chunks : iterable
        Data that follow each other along an axis.
    target : int
        Bytes of a chunk in memory.
    axis : str, optional
        The axis.

    Raises
    ------
    OptionError
        The size makes no sense.
    FormatError
        Chunks differ in more than their length along the axis.
    """
    if isinstance(target, bool) or not isinstance(target, int) or target < 1:
        raise OptionError(f"rechunk={target!r} is no number of bytes")
    held: list[Any] = []
    size = 0
    for chunk in chunks:
        if isinstance(chunk, Framed):  # each of a shape of its own
            yield chunk
            continue
        rows, nbytes = length(chunk, axis)
        per_row = nbytes / rows if rows else 0
        pieces = max(int(target // per_row), 1) if per_row else max(rows, 1)
        for piece in split(chunk, pieces, axis):
            piece_bytes = length(piece, axis)[1]
            if held and size + piece_bytes > target:
                yield _merged(held, axis)
                held, size = [], 0
            held.append(piece)
            size += piece_bytes
    if held:
        yield _merged(held, axis)


def _merged(held: list[Any], axis: str | None) -> Any:
    if len(held) == 1:
        return held[0]
    # without rows: what has to be alike is there, and nothing lazy is computed twice
    first, *others = (taken_apart(part(each, 0, 0, axis), axis) for each in held)
    for other in others:
        told = difference(first.schema, other.schema)
        if told:
            raise FormatError(f"chunks that are to be merged differ: {told}")
        for name, values in other.constants.items():
            if not alike(values, first.constants[name]):
                raise FormatError(
                    f"{name!r} has other values than in the chunks before; only what has the "
                    f"dimension {first.schema.axis!r} may differ"
                )
    return joined(first.schema, held)
