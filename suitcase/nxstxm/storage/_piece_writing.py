"""Writing pieces: blocks that are compressed already go into an HDF5 file past its filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from h5py._objects import phil
from numcodecs import Blosc

from .._h5chunks import places
from .._steady import SteadyFile
from ._pieces import Block, Encoded, Stored, spans

_BLOSC_FILTER = 32001
_BLOSC_REVISION, _BLOSC_FORMAT = 2, 2
_CODES = {"lz4": 1, "zstd": 5}


def write(target: Path | BinaryIO, arrays: Mapping[str, Encoded]) -> dict[str, Stored]:
    """Write a piece.

    Parameters
    ----------
    target : Path or binary file
        A file that does not exist, or one open for reading and writing.
    arrays : Mapping of str to Encoded
        What it holds.

    Returns
    -------
    dict of str to Stored
        Where everything is.

    Raises
    ------
    OSError
        It can not be written.
    """
    # under h5py's lock, which 3.12 itself does not take where chunks are written past its filters
    if not isinstance(target, Path):
        with phil, h5py.File(target, "w", libver=("v110", "v110")) as f:
            return {name: _written(f, name, each) for name, each in arrays.items()}
    with (
        SteadyFile(target, "x+b") as file,
        phil,
        h5py.File(file, "w", libver=("v110", "v110")) as f,
    ):
        return {name: _written(f, name, each) for name, each in arrays.items()}


def _written(file: h5py.File, name: str, array: Encoded) -> Stored:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    plist.set_fill_time(h5d.FILL_TIME_NEVER)
    plist.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    shape, block, kind = array.shape, array.block, _hdf5_type(array)
    if kind is None:  # no type of HDF5: as bytes
        kind = h5t.NATIVE_UINT8
        shape, block = (*shape, array.dtype.itemsize), (*block, array.dtype.itemsize)
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    if array.compressed:
        plist.set_alloc_time(h5d.ALLOC_TIME_INCR)
        plist.set_chunk(block)
        # 1: a program without Blosc opens the file and can not read this array
        plist.set_filter(_BLOSC_FILTER, 1, _filter_values(array))
    links = h5p.create(h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    dataset = h5d.create(file.id, _path(name), kind, space, dcpl=plist, lcpl=links)
    if array.compressed:
        offsets = _write_chunks(dataset, array, shape, block)
    else:
        offsets = _write_whole(dataset, array)
    blocks = zip(offsets, array.buffers, array.crcs, strict=True)
    return Stored(
        array.kind,
        array.shape,
        array.block,
        array.compressed,
        tuple(Block(at, memoryview(buffer).nbytes, crc) for at, buffer, crc in blocks),
    )


def _path(name: str) -> bytes:
    """Give a name that HDF5 takes: neither a path nor nothing."""
    name = name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00").replace(".", "%2E")
    return (name or "%").encode("utf-8", "surrogatepass")


def _write_chunks(
    dataset: Any, array: Encoded, shape: tuple[int, ...], block: tuple[int, ...]
) -> list[int]:
    grid = [range(0, size, step) for size, step in zip(shape, block, strict=True)]
    corners = [()]
    for axis in grid:
        corners = [(*corner, first) for corner in corners for first in axis]  # type: ignore[misc]
    for corner, buffer in zip(corners, array.buffers, strict=True):
        dataset.write_direct_chunk(corner, buffer)
    return places(dataset, corners)


def _write_whole(dataset: Any, array: Encoded) -> list[int]:
    if not array.buffers or array.whole is None:
        return []
    dataset.write(h5s.ALL, h5s.ALL, array.whole, dataset.get_type())
    begin = dataset.get_offset()
    return [begin + at for at, _ in spans(array.shape, array.block, array.dtype.itemsize)]


def _hdf5_type(array: Encoded) -> Any:
    """Find the type of HDF5 whose bytes are those of an array."""
    dtype = array.dtype
    if array.kind.text:
        dtype = h5py.string_dtype("utf-8", dtype.itemsize)
    try:
        kind = h5t.py_create(dtype, logical=True)
    except (TypeError, ValueError):  # the latter for names of fields
        if dtype.kind in "mM":
            return h5t.py_create(np.dtype(f"{dtype.str[0]}i8"))
        return None
    return kind if kind.get_size() == dtype.itemsize else None


def _filter_values(array: Encoded) -> tuple[int, ...]:
    itemsize = array.dtype.itemsize
    code = memoryview(array.buffers[0])[2] >> 5  # of the compressor, as Blosc's own header has it
    return (
        _BLOSC_REVISION,
        _BLOSC_FORMAT,
        itemsize if itemsize < 256 else 1,
        math.prod(array.block) * itemsize,
        5,
        Blosc.SHUFFLE,
        {1: _CODES["lz4"], 4: _CODES["zstd"]}.get(code, 0),
    )
