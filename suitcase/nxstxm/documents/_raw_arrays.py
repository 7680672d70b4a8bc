"""Arrays as bytes and back, with nothing believed: the checked way from a stored dtype to memory.

Whoever reads an array from a file takes its dtype, shape and bytes from that file. numpy would
make an array of pointers of a dtype that says so, and as many terabytes as a shape asks for. Here
a dtype is one that values can be stored in, and a shape needs exactly the bytes that are there.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from .._zlib import crc32

# numpy's array protocol strings of values without pointers.
_DTYPE = re.compile(r"[<>|=]?[biufcSUVMm][0-9]+(\[[0-9]*[A-Za-zμ]+\])?")


def array_to_bytes(array: np.ndarray) -> bytes:
    """
    Pack an array: its dtype and shape as msgpack, then its elements in C order.

    Fields of records lose their padding and titles, which are no values.
    """
    if array.dtype.names is not None:
        array = array.astype(dtype_from_spec(dtype_spec(array.dtype)), copy=False)
    return b"".join((array_head(array), elements_of(array)))


def array_head(array: np.ndarray) -> bytes:
    """Give what stands before the elements of a packed array: its dtype and shape."""
    spec = dtype_spec(array.dtype)
    head: bytes = msgpack.packb((spec, array.shape), unicode_errors="surrogatepass")
    return len(head).to_bytes(4, "little") + head


def array_from_bytes(data: bytes) -> np.ndarray:
    """
    Give back the array that `array_to_bytes` packed: a copy, so it is aligned and writable.

    Raises
    ------
    ValueError, TypeError, msgpack.UnpackException
        When the bytes are not such an array.
    """
    start = 4 + int.from_bytes(data[:4], "little")
    spec, shape = msgpack.unpackb(data[4:start], unicode_errors="surrogatepass")
    return array_from_parts(dtype_from_spec(spec), shape, memoryview(data)[start:])


def array_from_parts(
    dtype: np.dtype[Any], shape: object, elements: bytes | memoryview
) -> np.ndarray:
    """
    Make an array of a dtype without pointers, a shape and the elements in C order.

    Raises
    ------
    ValueError
        When the shape does not need exactly the bytes that are there.
    """
    sizes = _checked_shape(shape)
    count = math.prod(sizes)
    if count * dtype.itemsize != len(elements):
        raise ValueError(f"{len(elements)} bytes are not an array of {dtype}, shape {sizes}")
    if count == 0:
        return np.empty(sizes, dtype)
    array: np.ndarray = np.frombuffer(elements, dtype).reshape(sizes).copy()
    return array


def object_array(spec: object, shape: object, content: list[Any]) -> np.ndarray:
    """
    Make an array that holds objects, in itself or in the fields of its records.

    Parameters
    ----------
    spec : str or list
        What `dtype_spec` gave.
    shape : list of int
        The shape of the array.
    content : list
        All elements in C order; for records one array per field.

    Raises
    ------
    ValueError
        When these do not belong together.
    """
    sizes = _checked_shape(shape)
    dtype = dtype_from_spec(spec, objects=True)
    if dtype.names is None:
        if math.prod(sizes) != len(content):
            raise ValueError(f"{len(content)} objects are not an array of shape {sizes}")
        flat = np.empty(len(content), dtype=object)
        for index, value in enumerate(content):  # `flat[:]` would take lists apart
            flat[index] = value
        return flat.reshape(sizes)
    if len(content) != len(dtype.names) or any(
        not isinstance(column, np.ndarray) or column.shape[: len(sizes)] != sizes
        for column in content
    ):
        raise ValueError(f"the fields of {dtype} are not arrays of shape {sizes}")
    records = np.empty(sizes, dtype)
    for name, column in zip(dtype.names, content, strict=True):
        records[name] = column
    return records


def array_crc32(array: np.ndarray) -> int:
    """Give the CRC-32 of an array's elements in C order: what an `ArrayRef` notes."""
    return crc32(elements_of(np.asarray(array)))


def dtype_spec(dtype: np.dtype[Any]) -> str | list[Any]:
    """
    Describe a dtype in strings and lists.

    Returns
    -------
    str or list
        numpy's array protocol string, such as ``<f8``; for records a list of
        ``[name, description, shape]``.

    Raises
    ------
    TypeError
        For records without fields and dtypes that numpy can not describe.
    """
    if dtype.names is None:
        if not (dtype.kind == "O" or _DTYPE.fullmatch(dtype.str)):
            raise TypeError(f"an array of {dtype} can not be stored")
        return str(dtype.str)
    if not dtype.names:
        raise TypeError("an array of records without fields can not be stored")
    fields = ((name, dtype[name]) for name in dtype.names)
    return [[name, dtype_spec(field.base), list(field.shape)] for name, field in fields]


def dtype_from_spec(spec: object, *, objects: bool = False) -> np.dtype[Any]:
    """
    Make the dtype that a description stands for.

    Parameters
    ----------
    spec : str or list
        As `dtype_spec` gives it, or numpy's ``dtype.descr``: a list of (name, description[,
        shape]) where a field without a name is padding.
    objects : bool
        Whether the dtype may hold pointers to objects; never for bytes from a file.

    Raises
    ------
    ValueError
        When this is no such description.
    """
    if isinstance(spec, str):
        if spec == "|O" and objects:
            return np.dtype(object)
        if not _DTYPE.fullmatch(spec):
            raise ValueError(f"{spec[:40]!r} is not a dtype that arrays are stored with")
        try:
            dtype = np.dtype(spec)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"this numpy has no dtype {spec[:40]!r}: {error}") from error
        if dtype.itemsize == 0:
            raise ValueError(f"a dtype {spec!r} has elements without bytes")
        return dtype
    if not isinstance(spec, (list, tuple)) or not spec:
        raise ValueError(f"a {type(spec).__name__} does not describe a dtype")
    return _record_dtype(spec, objects)


def _record_dtype(spec: list[Any] | tuple[Any, ...], objects: bool) -> np.dtype[Any]:
    names, formats, offsets, end = [], [], [], 0
    for part in spec:
        if not isinstance(part, (list, tuple)) or len(part) not in (2, 3):
            raise ValueError("a field of a record is not (name, dtype[, shape])")
        name = part[0][-1] if isinstance(part[0], (list, tuple)) and part[0] else part[0]
        if not isinstance(name, str):
            raise ValueError("the name of a record's field is not a string")
        base = dtype_from_spec(part[1], objects=objects)
        form = np.dtype((base, _checked_shape(part[2]))) if len(part) == 3 and part[2] else base
        if name:
            names.append(name)
            formats.append(form)
            offsets.append(end)
        end += form.itemsize
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": end})


def _checked_shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, (list, tuple)) or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"{str(shape)[:40]} is not the shape of an array")
    return tuple(shape)


def elements_of(array: np.ndarray) -> bytes | memoryview:
    """Give the elements in C order, without a copy when they are."""
    if array.size == 0:
        return b""
    # As bytes, for datetime64 has no buffer to give.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
