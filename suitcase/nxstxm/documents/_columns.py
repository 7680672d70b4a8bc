"""Values of one data key as arrays: what a detector gave, in its own dtype and shape.

Sources write the same array as ndarray, as a list of ndarrays or as nested lists; here all become
one thing. A column whose readings change their shape becomes several chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._frames import Frames
from ._storable import storable_value

AnyArray = npt.NDArray[Any]
#: Arrays of this size (bytes) and more are not copied into one.
LARGE_BYTES = 64 * 1024
_SCALARS = (int, float, complex, bool, np.number, np.bool_)
_TEXT = (str, bytes, type(None))


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive readings of one shape.

    Attributes
    ----------
    row : int
        Row of the stream (order of arrival in the run) of the first reading.
    values : ndarray or Frames, shape (n, ...)
        One reading a row; dtype object only for text and what is no array at all.
    """

    row: int
    values: AnyArray | Frames


def chunks(
    rows: Sequence[int], values: Sequence[Any], declared: Mapping[str, Any]
) -> Iterator[Chunk]:
    """Turn readings into arrays.

    Parameters
    ----------
    rows : sequence of int
        Row of each reading.
    values : sequence
        The readings: numbers, text, arrays or nested lists.
    declared : Mapping
        The data key: its ``dtype_numpy`` is used where the values fit it.

    Yields
    ------
    Chunk
        Chunks without gaps in their rows, each of one shape.
    """
    contiguous = len(rows) == 0 or rows[-1] - rows[0] == len(rows) - 1
    first = values[0] if len(values) else None
    if contiguous and isinstance(first, _SCALARS):
        array = _plain_scalars(values)
        if array is not None:
            yield Chunk(rows[0], _as_declared(array, declared))
            return
    arrays = [_reading(value) for value in values]
    begin = 0
    for i in range(1, len(arrays) + 1):
        if (
            i == len(arrays)
            or rows[i] != rows[i - 1] + 1
            or arrays[i].shape != arrays[begin].shape
            or not _alike(arrays[i], arrays[begin])
        ):
            if isinstance(values[begin], np.ndarray):
                yield Chunk(rows[begin], _together(arrays[begin:i]))
            else:
                yield Chunk(rows[begin], _as_declared(np.stack(arrays[begin:i]), declared))
            begin = i


def _plain_scalars(values: Sequence[Any]) -> AnyArray | None:
    """Convert numbers at once; None when one of them is something else."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if array.ndim == 1 and array.dtype.kind in "biufc" else None


def _reading(value: Any) -> AnyArray:
    """Give one reading as an array; text and what has no shape become a 0-d object array."""
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):
            value = np.asarray(storable_value(value))
        return value if _is_array(value) else _text(value)
    if isinstance(value, (list, tuple)):
        try:
            array = np.asarray(value)
        except (ValueError, TypeError, OverflowError):
            return _object(value)
        if array.dtype.kind == "O" and (changed := storable_value(value)) is not value:
            return _reading(changed)
        return array if _is_array(array) else _text(array)
    if isinstance(value, _SCALARS):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else _object(value)
    # as it comes back from the archive, so that a replay gives the same
    return _object(value if isinstance(value, _TEXT) else storable_value(value))


def _is_array(array: AnyArray) -> bool:
    """Tell whether HDF5 can hold it, row by row: it has 32 dimensions, fewer than numpy."""
    return array.dtype.kind in "biufc" and array.ndim < 32


def _text(array: AnyArray) -> AnyArray:
    """Keep lists of text as they are, element by element."""
    if array.dtype.kind in "US" and array.ndim < 32:
        return array.astype(object)
    return _object(array.tolist())


def _object(value: Any) -> AnyArray:
    array = np.empty((), object)
    array[()] = value
    return array


def _alike(a: AnyArray, b: AnyArray) -> bool:
    """Tell whether two readings may share a chunk; arrays keep their own dtype exactly."""
    if a.ndim == 0:
        return (a.dtype.kind == "O") == (b.dtype.kind == "O")
    return a.dtype == b.dtype


def _together(arrays: Sequence[AnyArray]) -> AnyArray | Frames:
    first = arrays[0]
    if len(arrays) == 1:
        return first[np.newaxis]
    return Frames(arrays) if first.nbytes >= LARGE_BYTES else np.stack(arrays)


def _as_declared(array: AnyArray, declared: Mapping[str, Any]) -> AnyArray:
    """Use the declared dtype where it holds the values exactly."""
    name = declared.get("dtype_numpy")
    if not isinstance(name, str):
        return array
    try:
        return cast_exactly(array, np.dtype(name))
    except TypeError:
        return array


def cast_exactly(array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Give numbers in a dtype, if it holds each of them exactly; else as they are."""
    if dtype == array.dtype or not {dtype.kind, array.dtype.kind} <= set("biuf"):
        return array
    if dtype.kind == "f" and array.dtype.kind in "iu" and array.size:
        exact = 2 ** (np.finfo(dtype).nmant + 1)  # beyond, numpy compares what is rounded already
        if not -exact <= int(array.min()) <= int(array.max()) <= exact:
            return array
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    same = np.array_equal(cast, array, equal_nan=array.dtype.kind == "f")
    return cast if same else array
