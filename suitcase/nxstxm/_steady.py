"""A file under HDF5 that is changed whole or not at all.

HDF5 writes its books in any order: a process that dies, or a disk that is full, may leave a file
that nobody can open, with the runs that waited in it. And when a write fails, HDF5 may crash the
whole process while it closes the file, and with it the experiment.

So what was in the file stays untouched on the disk until HDF5 has let go of it: new data are
appended, changes of old places are held in memory and written at the very end. And HDF5 is never
told of a failed write: the first error is noted, and raised at the end.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from ._gathered import Gathered
from ._kept_free import KeptFree

PAGE = 4096
#: What HDF5 may read again of what could not be written: its books, in small pieces. Bytes.
SMALL, HELD = 2**18, 2**26
#: Pieces up to this size wait for others, until there are so many bytes or so many of them.
TINY, GATHERED, PIECES = 2**13, 2**19, 2**9
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Where a superblock says where the file ends, by its version: place, with 8 bytes for a number.
_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
#: Writes at a place; Windows has no such function.
_PWRITE: Callable[[int, Any, int], int] | None = getattr(os, "pwrite", None)


class SteadyFile:
    """A binary file for h5py's driver of file objects.

    Leaving the ``with`` block writes the changes; leaving it through an error takes them back.

    Parameters
    ----------
    path : Path
        The file.
    mode : str
        ``"r+b"``, ``"w+b"`` or ``"x+b"``.
    kept_free : KeptFree, optional
        What others write meanwhile: a page that is held does not cover it.

    Attributes
    ----------
    error : OSError or None
        The first error, raised at the end of the ``with`` block.
    """

    def __init__(self, path: Path, mode: str, kept_free: KeptFree | None = None) -> None:
        self.path = path
        self._kept_free = kept_free or KeptFree()
        self.error: OSError | None = None
        self._file: Any = path.open(mode, buffering=0)
        self._descriptor: int = self._file.fileno()
        self._pages: dict[int, bytearray] = {}
        self._gathered = Gathered()  # new data
        self._at = 0
        self._size = self._end()
        self._old = -(-self._size // PAGE) * PAGE  # what is behind it is new

    def _end(self) -> int:
        """Find where HDF5's data end; what a killed process appended is behind it."""
        size = int(self._file.seek(0, io.SEEK_END))
        head = bytearray(52)
        self._read(0, memoryview(head))
        at = _END_AT.get(head[8]) if head.startswith(_SIGNATURE) else None
        return size if at is None else min(size, int.from_bytes(head[at : at + 8], "little"))

    def __repr__(self) -> str:
        """Give the path: h5py takes it for the name of the file."""
        return str(self.path)

    def __enter__(self) -> SteadyFile:
        """Give the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the changes or take them back, and raise what went wrong with the file."""
        with self._file:
            if error is None and self.error is None:
                self._commit()
            else:
                with suppress(OSError):
                    self._file.truncate(self._old)
            self._descriptor = -1  # it may soon be that of another file
        if self.error is not None and (error is None or isinstance(error, Exception)):
            raise self.error

    def close(self) -> None:
        """Write the changes, as leaving the ``with`` block does; closed already, do nothing.

        Raises
        ------
        OSError
            The first error.
        """
        if not self._file.closed:
            self.__exit__(None, None, None)

    def fileno(self) -> int:
        """Give the descriptor, for who writes beside HDF5."""
        return int(self._file.fileno())

    def commit(self) -> None:
        """Write the changes: an error goes back to this from now on.

        Raises
        ------
        OSError
            The first error; nothing but leaving the ``with`` block makes sense then.
        """
        if self.error is None:
            self._commit()
        if self.error is not None:
            raise self.error
        self._pages.clear()
        self._old = -(-self._size // PAGE) * PAGE

    def _commit(self) -> None:
        """Write the changes of old places, from the end on: only the end may need new space."""
        self._put_gathered()
        if self.error is not None:
            return
        try:
            pages = sorted(self._pages)
            runs = [
                [page for _, page in run]
                for _, run in groupby(enumerate(pages), lambda pair: pair[1] - pair[0])
            ]
            for run in reversed(runs):
                begin, view = run[0] * PAGE, memoryview(b"".join(self._pages[p] for p in run))
                for first, last in self._kept_free.others(begin, begin + len(view)):
                    self._put(first, view[first - begin : last - begin])
            self._file.truncate(self._size)
        except OSError as error:
            self.error = error

    # -- what h5py calls ------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning or the end."""
        self._at = offset + (self._size if whence == io.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read bytes; h5py knows by this method what a file is, and reads with `readinto`."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, beyond the end with zeros as HDF5 wants it."""
        view = memoryview(buffer).cast("B")
        at, end = self._at, self._at + len(view)
        self._read(at, view)
        self._gathered.lay_over(at, view)
        if self._pages:
            for page in range(at // PAGE, -(-end // PAGE)):
                held = self._pages.get(page)
                if held is not None:
                    begin, behind = max(page * PAGE, at), min((page + 1) * PAGE, end)
                    for first, last in self._kept_free.others(begin, behind):
                        its = held[first - page * PAGE : last - page * PAGE]
                        view[first - at : last - at] = its
        self._at = end
        return len(view)

    def write(self, data: Any) -> int:
        """Append what is new; hold what changes an old place, and all that is small on an error."""
        view = memoryview(data).cast("B")
        at, size = self._at, len(view)
        if at < self._old:
            n_old = min(self._old - at, size)
            self._hold(at, view[:n_old])
            at, view = at + n_old, view[n_old:]
        if len(view) <= TINY and self.error is None:
            self._gathered.add(at, bytes(view))
            if self._gathered.n_bytes >= GATHERED or len(self._gathered) >= PIECES:
                self._put_gathered()
        else:
            if self._gathered.meets(at, at + len(view)):
                self._put_gathered()
            self._append(at, view)
        self._at += size
        self._size = max(self._size, self._at)
        return size

    def _put_gathered(self) -> None:
        """Append the small pieces that wait."""
        gathered, self._gathered = self._gathered, Gathered()
        if self.error is None:
            try:
                for at, data in gathered.joined(self._on_disk):
                    self._put(at, memoryview(data))
            except OSError as error:
                self.error = error
        if self.error is not None:
            for at, piece in gathered:
                self._append(at, memoryview(piece))

    def _append(self, at: int, view: memoryview) -> None:
        """Write new data; after an error hold what is small."""
        if self.error is None:
            try:
                self._put(at, view)
            except OSError as error:
                self.error = error
        if self.error is not None and len(view) <= SMALL and len(self._pages) * PAGE < HELD:
            self._hold(at, view)

    def write_through(self, at: int, data: Any) -> None:
        """Write where HDF5 does not: at a place that is kept free.

        Raises
        ------
        OSError
            It can not be written.
        """
        self._put(at, memoryview(data).cast("B"))

    def truncate(self, size: int) -> int:
        """Set the size, at the end."""
        self._size = size
        return size

    def flush(self) -> None:
        """Do nothing: the changes are written at the end."""

    # -- disk and memory ------------------------------------------------------------------------

    def _on_disk(self, at: int, size: int) -> bytearray:
        found = bytearray(size)
        self._read(at, memoryview(found))
        return found

    def _read(self, at: int, view: memoryview) -> None:
        done = 0
        self._file.seek(at)
        while done < len(view):
            n = self._file.readinto(view[done:])
            if not n:
                view[done:] = bytes(len(view) - done)
                return
            done += n

    def _put(self, at: int, view: memoryview) -> None:
        if _PWRITE is None:
            self._file.seek(at)
            while view:
                view = view[self._file.write(view) :]
            return
        while view:
            n = _PWRITE(self._descriptor, view, at)
            view, at = view[n:], at + n

    def _hold(self, at: int, view: memoryview) -> None:
        end = at + len(view)
        for page in range(at // PAGE, -(-end // PAGE)) if len(view) else ():
            held = self._pages.get(page)
            if held is None:
                held = self._pages[page] = bytearray(PAGE)
                self._read(page * PAGE, memoryview(held))
            first, last = max(page * PAGE, at), min((page + 1) * PAGE, end)
            held[first - page * PAGE : last - page * PAGE] = view[first - at : last - at]
