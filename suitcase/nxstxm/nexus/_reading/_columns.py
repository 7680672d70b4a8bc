"""Spectra out of a stack that lies on the disk in one piece: what HDF5 reads slowly.

A spectrum of a point takes a few bytes of each image, and these are what is read here. Everything
else HDF5 reads as quickly as anything can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
#: Reads a file at an offset, whatever others do with it; Windows has no such function.
_PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)
#: HDF5 is quicker with more rows of an image than these, and with longer pieces of them.
_MOST_ROWS, _MOST_BYTES = 2, 1024
#: ... and with fewer images.
_LEAST_IMAGES = 4
#: A file begins with this where offsets in it are those of the disk.
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_columns(h5: h5py.File, dataset: h5py.Dataset, key: Sequence[Any]) -> AnyArray | None:
    """Read a few points of many images.

    Parameters
    ----------
    h5 : h5py.File
        The file, open for reading.
    dataset : h5py.Dataset
        A dataset that lies in the file in one piece.
    key : sequence of int, slice or array of int
        One for each dimension as it is stored.

    Returns
    -------
    ndarray or None
        None when HDF5 should read it.
    """
    if len(key) < 3 or _PREAD is None:
        return None
    shape, dtype = dataset.shape, dataset.dtype
    row, column = (_few(each, size) for each, size in zip(key[-2:], shape[-2:], strict=True))
    if row is None or column is None:
        return None
    (first_row, n_rows), (first, n_columns) = row, column
    size = n_columns * dtype.itemsize
    if n_rows > _MOST_ROWS or size > _MOST_BYTES or dtype.kind not in "iuf":
        return None
    outer = [np.arange(n)[each] for each, n in zip(key[:-2], shape[:-2], strict=True)]
    numbers = np.ravel_multi_index(np.ix_(*(np.atleast_1d(o) for o in outer)), shape[:-2])
    offset = dataset.id.get_offset()
    if numbers.size < _LEAST_IMAGES or offset is None:
        return None
    descriptor = h5.id.get_vfd_handle()
    if _PREAD(descriptor, len(_SIGNATURE), 0) != _SIGNATURE:
        return None
    row_bytes = shape[-1] * dtype.itemsize
    start = int(offset) + first_row * row_bytes + first * dtype.itemsize
    step = shape[-2] * row_bytes
    read = b"".join(
        _PREAD(descriptor, size, start + number * step + line * row_bytes)
        for number in numbers.ravel().tolist()
        for line in range(n_rows)
    )
    if len(read) != numbers.size * n_rows * size:
        return None  # it was cut short: HDF5 says so
    inner = [n for each, n in zip(key[-2:], (n_rows, n_columns), strict=True) if not _is_one(each)]
    sizes = [o.size for o in outer if o.ndim] + inner
    return np.frombuffer(bytearray(read), dtype).reshape(sizes)


def _is_one(each: Any) -> bool:
    return isinstance(each, (int, np.integer))


def _few(each: Any, size: int) -> tuple[int, int] | None:
    """Give the first of neighbouring points and how many they are; None for others."""
    if isinstance(each, slice):
        start, stop, step = each.indices(size)
        return (start, stop - start) if step == 1 and stop > start else None
    if _is_one(each):
        return (int(each) + (size if each < 0 else 0), 1)
    return None
