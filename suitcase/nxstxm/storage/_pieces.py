"""A piece of data on disk: an HDF5 file whose blocks are compressed and summed here.

HDF5 because it will be read in twenty years, by anything; past its library because h5py lets one
thread in at a time, and whoever else has a file open would wait while it compresses. Blocks are
compressed by Blosc (filter 32001, which hdf5plugin has), summed with CRC-32 and written as they
are; where each lies is noted outside. Reading fetches them from there: no damage of the file's own
structure can lead it astray.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from h5py._objects import phil
from numcodecs import Blosc

from .._beside import Beside
from .._errors import OptionError
from ._dtypes import AnyArray, ArrayType, from_bytes, to_bytes
from ._errors import DataCorrupted

Compression = Literal["lz4", "zstd", "none"]
#: What one block holds before it is compressed: more than one thread has to do, less than memory.
BLOCK_BYTES = 4 << 20
#: Arrays up to this size are not compressed: they would gain nothing.
SMALL = 1024
#: Arrays up to this size are one block for Blosc too, which then takes no threads of its own.
ONE_BLOCK = 128 << 10
#: Threads that compress and sum; more than the disk can follow are of no use.
THREADS = min(4, os.cpu_count() or 1)

_BLOSC_FILTER = 32001
_BLOSC_REVISION, _BLOSC_FORMAT = 2, 2
_CODES = {"lz4": 1, "zstd": 5}
_LEVELS = {"lz4": 5, "zstd": 1}
Fetch = Callable[[int, int], "bytes | memoryview"]


@dataclass(frozen=True)
class Block:
    """Where a block lies in its file, how many bytes it takes there, and their CRC-32."""

    offset: int
    size: int
    crc: int


@dataclass(frozen=True)
class Stored:
    """An array in a piece.

    Attributes
    ----------
    kind : ArrayType
        Its dtype.
    shape, block : tuple of int
        Its shape and that of its blocks.
    compressed : bool
        Whether the blocks are compressed.
    blocks : tuple of Block
        In the order of the array.
    """

    kind: ArrayType
    shape: tuple[int, ...]
    block: tuple[int, ...]
    compressed: bool
    blocks: tuple[Block, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as a line of the log has it."""
        made: dict[str, Any] = {"d": self.kind.descr, "s": self.shape, "c": self.block}
        if self.kind.text:
            made["t"] = self.kind.text
        if self.compressed:
            made["z"] = 1
        made["b"] = [(block.offset, block.size, block.crc) for block in self.blocks]
        return made

    @classmethod
    def of_json(cls, made: Mapping[str, Any]) -> Stored:
        """Undo `as_json`."""
        return cls(
            ArrayType(made["d"], made.get("t", "")),
            tuple(made["s"]),
            tuple(made["c"]),
            bool(made.get("z")),
            tuple(Block(*each) for each in made["b"]),
        )

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return math.prod(self.shape) * self.kind.dtype.itemsize


@dataclass(frozen=True)
class Encoded:
    """An array ready to be written."""

    kind: ArrayType
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    block: tuple[int, ...]
    compressed: bool
    buffers: tuple[Any, ...]
    crcs: tuple[int, ...]
    whole: AnyArray | None = None  # what is not compressed, in one piece


def check_compression(name: str) -> str:
    """Give a compression's name.

    Raises
    ------
    OptionError
        There is no such compression.
    """
    if name not in get_args(Compression):
        raise OptionError(
            f"compression is {name!r}; data are stored with one of "
            f"{', '.join(get_args(Compression))}"
        )
    return name


@contextmanager
def workers(threads: int = THREADS) -> Iterator[Executor | None]:
    """Give threads for blocks; none on a machine with one core."""
    if threads < 2:
        yield None
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="nxstxm-blocks") as pool:
        yield pool


def _each(pool: Executor | None, work: Callable[..., Any], *items: Sequence[Any]) -> list[Any]:
    """Map, by several threads where there is more than one thing to do."""
    if pool is None or len(items[0]) < 2:
        return list(map(work, *items))
    return list(pool.map(work, *items))


# -- writing --------------------------------------------------------------------------------------


def encode(
    arrays: Mapping[str, AnyArray], compression: str = "lz4", pool: Executor | None = None
) -> dict[str, Encoded]:
    """Compress and sum arrays.

    Raises
    ------
    FormatError
        An array can not be stored.
    """
    return {name: _encoded(name, each, compression, pool) for name, each in arrays.items()}


def _encoded(name: str, given: AnyArray, compression: str, pool: Executor | None) -> Encoded:
    array, kind = to_bytes(np.asarray(given), name)
    shape, itemsize = array.shape, array.dtype.itemsize
    block = _block_shape(shape, itemsize)
    compressed = compression != "none" and array.nbytes > SMALL and bool(shape)
    flat = array.reshape(-1).view(np.uint8)
    step = math.prod(block) * itemsize
    parts = [flat[begin : begin + step] for begin, step in _spans(shape, block, itemsize)]
    if not compressed:
        sums = tuple(_each(pool, zlib.crc32, parts))
        return Encoded(kind, array.dtype, shape, block, False, tuple(parts), sums, flat)
    # Blosc shuffles by the width of an element, which it keeps in one byte
    unit = np.dtype(f"V{itemsize}" if itemsize < 256 else "u1")
    small = array.nbytes <= ONE_BLOCK
    inner = array.nbytes if small else 0  # what Blosc finds best
    codec = Blosc(compression, _LEVELS[compression], Blosc.SHUFFLE, inner)

    def work(part: AnyArray) -> tuple[Any, int]:
        if part.nbytes < step:  # HDF5 has chunks of one size
            part = np.concatenate([part, np.zeros(step - part.nbytes, np.uint8)])
        made = codec.encode(part.view(unit))
        return made, zlib.crc32(made)

    if small:
        done = [work(part) for part in parts]
    elif pool is None or len(parts) < 2:
        # not by the main thread, for which Blosc takes threads of its own, whose results lie in any
        # order: equal arrays would not have equal sums
        done = Beside(lambda: list(map(work, parts))).result()
    else:
        done = _each(pool, work, parts)
    buffers, crcs = zip(*done, strict=True)
    return Encoded(kind, array.dtype, shape, block, True, buffers, crcs)


def _block_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Choose blocks that lie in one piece in memory: as many rows as fit, or parts of a row.

    They are as alike as they can be, for the last is stored as long as the others.
    """
    block: list[int] = []
    room = max(BLOCK_BYTES // max(itemsize, 1), 1)
    for size in reversed(shape):
        number = -(-size // room)
        block.append(-(-size // number) if number else 1)
        room = room // size if 0 < size <= room else 1
    return tuple(reversed(block))


def _spans(
    shape: tuple[int, ...], block: tuple[int, ...], itemsize: int
) -> Iterator[tuple[int, int]]:
    """Give first byte and length of each block in the array's bytes."""
    if 0 in shape:
        return
    if not shape:
        yield 0, itemsize
        return
    # blocks divide one axis: all before it have length 1, all behind it are whole
    split = next((axis for axis, size in enumerate(block) if size != 1), len(block) - 1)
    row = math.prod(shape[split + 1 :]) * itemsize
    for outer in range(math.prod(shape[:split])):
        for first in range(0, shape[split], block[split]):
            begin = (outer * shape[split] + first) * row
            yield begin, min(block[split], shape[split] - first) * row


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
    with target.open("x+b", buffering=0) as file:
        patient = _Patient(file)
        with phil, h5py.File(patient, "w", libver=("v110", "v110")) as f:
            stored = {name: _written(f, name, each) for name, each in arrays.items()}
    if patient.error is not None:
        raise patient.error
    return stored


class _Patient:
    """A file that keeps its errors to itself: HDF5 crashes when it can not close what it wrote.

    Parameters
    ----------
    file : binary file
        Where everything goes, until an error.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = self._size = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            if self.error is None:
                self._file.seek(self._at)
            while left and self.error is None:
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            self.error = error
        self._at += size
        self._size = max(self._size, self._at)
        return size

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._at)
        size = int(self._file.readinto(buffer) or 0)
        self._at += size
        return size

    def read(self, size: int = -1) -> bytes:
        self._file.seek(self._at)
        found = bytes(self._file.read(size) or b"")
        self._at += len(found)
        return found

    def truncate(self, size: int | None = None) -> int:
        self._size = self._at if size is None else size
        try:
            if self.error is None:
                self._file.truncate(self._size)
        except OSError as error:
            self.error = error
        return self._size

    def flush(self) -> None:
        pass


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
    return [dataset.get_chunk_info_by_coord(corner).byte_offset for corner in corners]


def _write_whole(dataset: Any, array: Encoded) -> list[int]:
    if not array.buffers or array.whole is None:
        return []
    dataset.write(h5s.ALL, h5s.ALL, array.whole, dataset.get_type())
    begin = dataset.get_offset()
    return [begin + at for at, _ in _spans(array.shape, array.block, array.dtype.itemsize)]


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


# -- reading --------------------------------------------------------------------------------------


def read(
    fetch: Fetch,
    stored: Stored,
    what: str,
    *,
    rows: tuple[int, int] | None = None,
    out: AnyArray | None = None,
    pool: Executor | None = None,
) -> AnyArray:
    """Read an array of a piece, or some of its rows.

    Parameters
    ----------
    fetch : callable
        Takes offset and size and gives the file's bytes there.
    stored : Stored
        Where it is.
    what : str
        What messages call it.
    rows : (int, int), optional
        Only these rows.
    out : ndarray, optional
        Where they are to be put: contiguous, of the stored dtype, which is not that of text.
    pool : Executor, optional
        Threads that help.

    Raises
    ------
    DataCorrupted
        Bytes are missing, or are not those that were written.
    """
    shape, dtype = stored.shape, stored.kind.dtype
    if rows is not None and shape:
        shape = (rows[1] - rows[0], *shape[1:])
    if out is None:
        out = np.empty(shape, dtype)
    flat = out.reshape(-1).view(np.uint8)
    row = math.prod(stored.shape[1:]) * dtype.itemsize
    first = rows[0] * row if rows is not None and shape else 0
    wanted = [
        (block, begin, size)
        for block, (begin, size) in zip(
            stored.blocks, _spans(stored.shape, stored.block, dtype.itemsize), strict=True
        )
        if begin < first + flat.nbytes and begin + size > first
    ]
    step = math.prod(stored.block) * dtype.itemsize

    def work(item: tuple[Block, int, int]) -> None:
        block, begin, size = item
        data = fetch(block.offset, block.size)
        if len(data) != block.size or zlib.crc32(data) != block.crc:
            raise DataCorrupted(
                f"{what}: {block.size} bytes at {block.offset} are not those that were written"
                f" (checksum {zlib.crc32(data):08x} instead of {block.crc:08x})"
            )
        low, high = max(begin, first), min(begin + size, first + flat.nbytes)
        into = flat[low - first : high - first]
        if not stored.compressed:
            into[:] = np.frombuffer(data, np.uint8)[low - begin : high - begin]
        elif high - low == step:
            _CODEC.decode(data, into)
        else:
            into[:] = np.frombuffer(_CODEC.decode(data), np.uint8)[low - begin : high - begin]

    _each(pool, work, wanted)
    return from_bytes(out, stored.kind)


_CODEC = Blosc()


def check(fetch: Fetch, stored: Iterable[Stored], what: str) -> int:
    """Sum every block of arrays; give how many bytes were read.

    Raises
    ------
    DataCorrupted
        As `read`.
    """
    total = 0
    for array in stored:
        for block in array.blocks:
            data = fetch(block.offset, block.size)
            if len(data) != block.size or zlib.crc32(data) != block.crc:
                raise DataCorrupted(
                    f"{what}: {block.size} bytes at {block.offset} are not those that were written"
                )
            total += block.size
    return total
