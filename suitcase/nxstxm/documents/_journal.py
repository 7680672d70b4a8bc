"""The journal of a run: an archive that grows on the disk while its documents come.

Whatever a killed process leaves can be read: blocks stand alone, each with its checksums. A block
that could not be written, because the disk is full, is taken back and written again later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
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

    Raises
    ------
    NXstxmOSError
        It can not be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("xb", buffering=0)
            self._size = 0
            self._writer = ArchiveWriter(self._append, compression="none", block_bytes=_NEVER)
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        self._synced = 0

    def add(self, name: str, doc: Mapping[str, Any]) -> None:
        """Pack a document; it is written by `flush`.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            Something in it can not be stored; nothing of it is added.
        """
        self._writer.append(name, doc)

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


def read_extent(path: Path, extent: Extent) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read some blocks of a journal that is still written.

    Raises
    ------
    ArchiveError
        They are damaged.
    OSError
        The file can not be read.
    """
    with path.open("rb") as file:
        file.seek(extent.first)
        data = file.read(extent.last - extent.first)
    yield from unpack_blocks(data, f"the journal {path} from byte {extent.first} on")
