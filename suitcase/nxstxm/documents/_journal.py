"""The journal of a run: an archive that grows on the disk while its documents come.

Whatever a killed process leaves can be read: blocks stand alone, each with its checksums. A block
that could not be written, because the disk is full, is taken back and written again later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from .._errors import NXstxmOSError
from ._archive import ArchiveWriter
from ._archive_reader import unpack_blocks

#: Blocks end where `Journal.flush` says, nowhere else.
_NEVER = 2**62


class Extent(NamedTuple):
    """Whole blocks of a journal: first byte, and first byte behind them."""

    first: int
    last: int


class Journal:
    """Appends the documents of one run to a file, to be used by one thread.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    remade : callable, optional
        Called when the file was removed, and is made anew.

    Raises
    ------
    NXstxmOSError
        It can not be made.
    """

    def __init__(self, path: Path, remade: Callable[[], object] = lambda: None) -> None:
        self.path = path
        self._remade = remade
        try:
            self._file = path.open("x+b", buffering=0)
            self._size = 0
            self._writer = ArchiveWriter(self._append, compression="none", block_bytes=_NEVER)
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        self._synced = 0
        self._moving = Lock()

    def add(self, name: str, doc: Mapping[str, Any]) -> bytes:
        """Pack a document, and give it packed; it is written by `flush`.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            Something in it can not be stored; nothing of it is added.
        """
        return self._writer.append(name, doc)

    def flush(self) -> Extent:
        """Write what was added.

        Returns
        -------
        Extent
            Where it is.

        Raises
        ------
        OSError
            The file can not be written. What was added stays, and is written by the next call.
        """
        first = self._size
        self._writer.flush()
        return Extent(first, self._size)

    def read(self, extent: Extent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read what was written; any thread may.

        Raises
        ------
        ArchiveError
            It is damaged.
        OSError
            The file can not be read.
        """
        with self._moving:
            data = _read_at(self._file, extent)
        yield from unpack_blocks(data, f"the journal {self.path} from byte {extent.first} on")

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed the file while it is written."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def remake(self) -> None:
        """Make a file that was removed anew: all that was written is still there for us.

        Raises
        ------
        OSError
            The file can not be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("x+b", buffering=0) as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy, 2**20)
            copy_of_it = os.dup(copy.fileno())
        with self._moving:
            self._file.close()
            self._file = os.fdopen(copy_of_it, "r+b", buffering=0)
        self._file.seek(self._size)
        self._remade()

    def sync(self) -> None:
        """Have the disk take what was written."""
        if self._synced < self._size:
            size = self._size
            os.fsync(self._file.fileno())
            self._synced = size

    def close(self) -> None:
        """Close the file. It has no end mark: only what is taken away is complete."""
        self._file.close()

    def _append(self, data: bytes) -> None:
        """Write all of it, or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except BaseException:
            os.ftruncate(self._file.fileno(), self._size)
            self._file.seek(self._size)
            raise
        self._size += len(data)


def _read_at(file: Any, extent: Extent) -> bytes:
    """Read a part of a file that another thread appends to."""
    if not hasattr(os, "pread"):  # Windows
        with Path(file.name).open("rb") as other:
            other.seek(extent.first)
            return other.read(extent.last - extent.first)
    data = bytearray()
    while extent.first + len(data) < extent.last:
        at = extent.first + len(data)
        piece = os.pread(file.fileno(), min(extent.last - at, 2**30), at)
        if not piece:
            break
        data += piece
    return bytes(data)
