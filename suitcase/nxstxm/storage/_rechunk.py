"""Other chunks of the same data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._errors import OptionError
from ._kinds import joined, length, split, taken_apart


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
    """
    if isinstance(target, bool) or not isinstance(target, int) or target < 1:
        raise OptionError(f"rechunk={target!r} is no number of bytes")
    held: list[Any] = []
    size = 0
    for chunk in chunks:
        rows, nbytes = length(chunk, axis)
        per_row = nbytes / rows if rows else 0
        pieces = max(int(target // per_row), 1) if per_row else max(rows, 1)
        for piece in split(chunk, pieces, axis):
            piece_bytes = length(piece, axis)[1]
            if held and size + piece_bytes > target:
                yield _merged(held)
                held, size = [], 0
            held.append(piece)
            size += piece_bytes
    if held:
        yield _merged(held)


def _merged(held: list[Any]) -> Any:
    if len(held) == 1:
        return held[0]
    return joined(taken_apart(held[0]).schema, held)
