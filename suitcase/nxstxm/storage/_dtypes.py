"""Arrays as bytes, and what has to be noted to make them of the bytes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.recfunctions import repack_fields

from ._errors import DataCorrupted, FormatError

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class ArrayType:
    """What an array is, apart from its shape.

    Attributes
    ----------
    descr : object
        The dtype in which the bytes are stored, as JSON.
    text : str
        For text, that is stored as UTF-8: what it was, ``"U12"``, ``"object"``, ``"string"``.
    """

    descr: Any
    text: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of what is stored."""
        try:
            return np.dtype(np.lib.format.descr_to_dtype(_from_json(self.descr)))
        except (TypeError, ValueError, KeyError) as error:
            raise DataCorrupted(f"{self.descr!r:.100} describes no dtype ({error})") from error


def as_array(data: Any, what: str) -> AnyArray:
    """Give data as an array, of a dtype that can be written down.

    Raises
    ------
    FormatError
        Some of it is masked, or it is no array.
    """
    if np.ma.is_masked(data):
        raise FormatError(f"{what} has a mask, which would be lost; use its method `filled`")
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{what} is no array: {error}") from error
    if array.dtype.names:
        try:
            array.dtype.descr  # noqa: B018 - fields in another order than in memory have none
        except ValueError:
            array = repack_fields(array, recurse=True)
    elif array.dtype.metadata is not None and not array.dtype.hasobject:  # notes of h5py
        array = array.view(array.dtype.str)
    return array


def alike(one: AnyArray, other: AnyArray) -> bool:
    """Tell whether two arrays are stored as the same bytes."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    if one.dtype.hasobject:
        return bool(np.array_equal(one, other))
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def concatenated(arrays: Sequence[AnyArray]) -> AnyArray:
    """Concatenate arrays; their common dtype stays as it is, its byte order and gaps included."""
    first = arrays[0]
    if len(arrays) == 1:
        return first
    if any(each.dtype != first.dtype for each in arrays):
        return np.concatenate(arrays)
    rows = sum(len(each) for each in arrays)
    return np.concatenate(arrays, out=np.empty((rows, *first.shape[1:]), first.dtype))


def to_bytes(array: AnyArray, what: str) -> tuple[AnyArray, ArrayType]:
    """Give an array as it is stored: contiguous, its text as UTF-8.

    Raises
    ------
    FormatError
        It holds objects that are no text.
    """
    text = ""
    if array.dtype.kind == "O":
        array, text = _objects(array, what), "object"
    elif array.dtype.kind == "T":
        array, text = _objects(array.astype(object), what), "string"
    elif array.dtype.kind == "U":
        text = array.dtype.str
    elif array.dtype.hasobject:
        raise FormatError(f"{what} has dtype {array.dtype}: fields that are objects have no form")
    if text:
        array = _encoded(array)
    if array.dtype.itemsize == 0:  # text of no letters: HDF5 has no such type
        if array.dtype.kind != "S":
            raise FormatError(f"{what} has dtype {array.dtype}, which has nothing in it")
        array = array.astype("S1")
    return np.require(array, requirements="C"), ArrayType(_to_json(array.dtype), text)


def from_bytes(array: AnyArray, kind: ArrayType) -> AnyArray:
    """Undo `to_bytes`."""
    if not kind.text:
        return array
    text = _decoded(array)
    if kind.text == "object":
        return text.astype(object)
    if kind.text == "string":
        known = getattr(np.dtypes, "StringDType", None)  # NumPy 2
        return text.astype(object) if known is None else text.astype(known())
    return text.astype(kind.text)


def _encoded(array: AnyArray) -> AnyArray:
    if not array.size:  # NumPy 1 makes numbers of no texts
        return np.zeros(array.shape, "S1")
    return np.char.encode(array, "utf-8", "surrogatepass")


def _decoded(array: AnyArray) -> AnyArray:
    if not array.size:
        return np.zeros(array.shape, "U1")
    return np.char.decode(array, "utf-8", "surrogatepass")


def _objects(array: AnyArray, what: str) -> AnyArray:
    for each in array.reshape(-1):
        if not isinstance(each, str):
            raise FormatError(
                f"{what} has objects such as {each!r:.60}, a {type(each).__name__}; only text, "
                f"numbers and dates can be stored: convert it with astype"
            )
        if each.endswith("\0"):
            raise FormatError(f"{what} has a text that ends with NUL, which would be lost")
    return array.astype("U") if array.size else array.astype("U1")


def _to_json(dtype: np.dtype[Any]) -> Any:
    def named(descr: Any) -> Any:
        if isinstance(descr, tuple):
            return {"t": [named(each) for each in descr]}
        return [named(each) for each in descr] if isinstance(descr, list) else descr

    return named(np.lib.format.dtype_to_descr(dtype))


def _from_json(descr: Any) -> Any:
    if isinstance(descr, dict):
        return tuple(_from_json(each) for each in descr["t"])
    return [_from_json(each) for each in descr] if isinstance(descr, list) else descr
