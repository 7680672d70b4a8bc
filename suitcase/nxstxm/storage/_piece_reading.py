"""Reading pieces: the bytes of blocks, from where they were noted to lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

import numpy as np
from numcodecs import Blosc

from .._zlib import crc32
from ._dtypes import AnyArray, from_bytes
from ._errors import DataCorrupted
from ._pieces import Block, Stored, each, spans

#: Gives the bytes of a file: offset, size.
Fetch = Callable[[int, int], "bytes | memoryview"]
_CODEC = Blosc()


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
            stored.blocks, spans(stored.shape, stored.block, dtype.itemsize), strict=True
        )
        if begin < first + flat.nbytes and begin + size > first
    ]
    step = math.prod(stored.block) * dtype.itemsize

    def work(item: tuple[Block, int, int]) -> None:
        block, begin, size = item
        data = fetch(block.offset, block.size)
        if len(data) != block.size or crc32(data) != block.crc:
            raise DataCorrupted(
                f"{what}: {block.size} bytes at {block.offset} are not those that were written"
                f" (checksum {crc32(data):08x} instead of {block.crc:08x})"
            )
        low, high = max(begin, first), min(begin + size, first + flat.nbytes)
        into = flat[low - first : high - first]
        if not stored.compressed:
            into[:] = np.frombuffer(data, np.uint8)[low - begin : high - begin]
        elif high - low == step:
            _CODEC.decode(data, into)
        else:
            into[:] = np.frombuffer(_CODEC.decode(data), np.uint8)[low - begin : high - begin]

    each(pool, work, wanted)
    return from_bytes(out, stored.kind)


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
            if len(data) != block.size or crc32(data) != block.crc:
                raise DataCorrupted(
                    f"{what}: {block.size} bytes at {block.offset} are not those that were written"
                )
            total += block.size
    return total
