"""The file of a journal: one thread appends to it, any reads it, and others may remove it.

It has one handle of the system, for a process may not have many. That may be closed meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

#: Bytes that are read at once: some systems give no more.
_AT_ONCE = 2**30
#: Reads somewhere without going there; Windows has no such function.
_PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)


class Extent(NamedTuple):
    """A part of a file: first byte, and first byte behind it."""

    first: int
    last: int


class JournalFile:
    """A file that is appended to.

    Parameters
    ----------
    path : Path
        A file that is not there yet.

    Attributes
    ----------
    n_made : int
        How often it was made.

    Raises
    ------
    OSError
        It can not be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_made = 1
        self._file: Any = path.open("x+b", buffering=0)
        #: Held while the handle is used by another thread, or changes.
        self._moving = Lock()

    def write(self, data: bytes | memoryview) -> int:
        """Append some of these bytes; give how many."""
        if self._file.closed:
            with self._moving:
                self._file = _at_end(self.path)
        n: int = self._file.write(data)
        return n

    def cut(self, size: int) -> None:
        """Take back what was written behind this byte."""
        if not self._file.closed:  # else nothing was
            self._file.truncate(size)
            self._file.seek(size)

    def read(self, extent: Extent) -> bytes:
        """Read a part of it, less where it ends; any thread may."""
        with self._moving:
            if self._file.closed or _PREAD is None:
                # there is but one position, that of who appends
                with self.path.open("rb", buffering=0) as file:
                    return _read(file, extent)
            return _read_at(_PREAD, self._file.fileno(), extent)

    def sync(self) -> None:
        """Have the disk take it; any thread may."""
        with self._moving:
            if self._file.closed:
                return
            handle = os.dup(self._file.fileno())  # nobody waits for a slow disk
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed it while it is open."""
        return not self._file.closed and os.fstat(self._file.fileno()).st_nlink == 0

    @property
    def is_lost(self) -> bool:
        """Whether somebody removed it while it was closed: nobody has it any more."""
        return self._file.closed and not self.path.exists()

    def remake(self) -> None:
        """Make a file that was removed anew: all that was written is still there for us.

        Raises
        ------
        OSError
            It can not be made; all is as it was.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.tmp")
        with self._moving:
            try:
                self._file.seek(0)
                with unfinished.open("wb") as copy:
                    shutil.copyfileobj(self._file, copy, 2**20)
                unfinished.replace(self.path)
                again = _at_end(self.path)
            finally:
                self._file.seek(0, os.SEEK_END)
            self._file.close()
            self._file = again
            self.n_made += 1

    def close(self) -> None:
        """Close it; who writes again opens it again, unless somebody removed it."""
        with self._moving:
            self._file.close()


def _at_end(path: Path) -> Any:
    file = path.open("r+b", buffering=0)
    file.seek(0, os.SEEK_END)
    return file


def _read(file: Any, extent: Extent) -> bytes:
    file.seek(extent.first)
    data = bytearray()
    while len(data) < extent.last - extent.first:
        piece = file.read(min(extent.last - extent.first - len(data), _AT_ONCE))
        if not piece:
            break
        data += piece
    return bytes(data)


def _read_at(pread: Callable[[int, int, int], bytes], handle: int, extent: Extent) -> bytes:
    first, last = extent
    data = pread(handle, min(last - first, _AT_ONCE), first)
    if len(data) == last - first:
        return data  # mostly: no copy is made
    whole = bytearray(data)
    while data and len(whole) < last - first:
        data = pread(handle, min(last - first - len(whole), _AT_ONCE), first + len(whole))
        whole += data
    return bytes(whole)
