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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numcodecs import Blosc

from .._beside import Beside
from .._zlib import crc32
from ._dtypes import AnyArray, ArrayType, to_bytes

#: What one block holds before it is compressed: more than one thread has to do, less than memory.
BLOCK_BYTES = 4 << 20
#: Arrays up to this size are not compressed: they would gain nothing.
SMALL = 1024
#: Arrays up to this size are one block for Blosc too, which then takes no threads of its own.
ONE_BLOCK = 128 << 10
#: Threads that compress and sum; more than the disk can follow are of no use.
THREADS = min(4, os.cpu_count() or 1)

_LEVELS = {"lz4": 5, "zstd": 1}


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


@contextmanager
def workers(threads: int = THREADS) -> Iterator[Executor | None]:
    """Give threads for blocks; none on a machine with one core."""
    if threads < 2:
        yield None
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="nxstxm-blocks") as pool:
        yield pool


def each(pool: Executor | None, work: Callable[..., Any], *items: Sequence[Any]) -> list[Any]:
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
    parts = [flat[begin : begin + step] for begin, step in spans(shape, block, itemsize)]
    if not compressed:
        sums = tuple(each(pool, crc32, parts))
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
        return made, crc32(made)

    if small:
        done = [work(part) for part in parts]
    elif pool is None or len(parts) < 2:
        # not by the main thread, for which Blosc takes threads of its own, whose results lie in any
        # order: equal arrays would not have equal sums
        done = Beside(lambda: list(map(work, parts))).result()
    else:
        done = each(pool, work, parts)
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


def spans(
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
