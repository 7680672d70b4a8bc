"""A look at the heaps of strings before HDF5 reads them: a damaged one can hold it for ever.

HDF5 keeps strings of variable length in "global heap collections" and, as of version 2.0, walks
them without noticing that an object of length 0 takes it nowhere: reading any string of such a
file hangs inside the library, where no Python code can stop it.
(Layout: HDF5 File Format Specification, III.E "Disk Format: Level 1E - Global Heap".)
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from ._errors import NXstxmOSError

_SIGNATURE = b"GCOL\x01"
_HEADER = struct.Struct("<5s3xQ")
_OBJECT = struct.Struct("<HH4xQ")


def refuse_broken_heaps(path: Path) -> None:
    """Raise an error for a file whose strings can hold HDF5 for ever.

    Raises
    ------
    NXstxmOSError
        With the place of the first damage.
    """
    for position in broken_heaps(path):
        raise NXstxmOSError(
            f"{path} is damaged: the strings stored at byte {position} can not be read; "
            "take a copy of the file, or export its documents again"
        )


def broken_heaps(path: Path) -> Iterator[int]:
    """Give the byte position of every heap of strings whose objects do not fit into it.

    Parameters
    ----------
    path : Path
        A file; it is scanned from end to end, at the speed at which it can be read.
    """
    if path.stat().st_size < _HEADER.size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_SIGNATURE)
        while start >= 0:
            if _is_broken(data, start):
                yield start
            start = data.find(_SIGNATURE, start + len(_SIGNATURE))


def _is_broken(data: mmap.mmap, start: int) -> bool:
    if start + _HEADER.size > len(data):
        return False
    _, size = _HEADER.unpack_from(data, start)
    end = start + size
    if end > len(data):
        # HDF5 refuses it by itself, and says so where it is used.
        return False
    position = start + _HEADER.size
    while position + _OBJECT.size <= end:
        index, _, length = _OBJECT.unpack_from(data, position)
        # Object 0 is the free space, its length includes its header; others are padded to 8 bytes.
        step = length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if step == 0 or position + step > end:
            return True
        position += step
    return False
