"""The journal of a run: an archive that grows on the disk while its documents come.

Whatever a killed process leaves can be read: blocks stand alone, each with its checksums. A block
that could not be written, because the disk is full, is taken back and written again later.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from .._errors import NXstxmOSError
from ._archive import MAGIC, STORED, Header, pack_header
from ._archive_reader import unpack_blocks
from ._columns import LARGE_BYTES
from ._packing import PACKING_ERRORS, fast_packer, pack_carefully
from ._parts import Part, pack_in_parts


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
            self._file = path.open("xb", buffering=0)
            #: Reads what was written while another thread writes, also when the file was removed.
            self._reader = path.open("rb", buffering=0)
            self._size = 0
            self._write([MAGIC])
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        self._pack = fast_packer()
        self._parts: list[Part] = []
        self._n_records = 0
        self._next_block = 0
        self._synced = 0
        self._moving = Lock()

    def add(self, name: str, doc: Mapping[str, Any]) -> bytes | None:
        """Pack a document; it is written by `flush`.

        Returns
        -------
        bytes or None
            The packed document, for another archive; None for one with large arrays, which are
            written from where they are and must not change until then.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            Something in it can not be stored; nothing of it is added.
        """
        parts = pack_in_parts(self._pack, name, doc)
        if parts is not None:
            self._parts += parts
            self._n_records += 1
            return None
        try:
            packed = self._pack((name, doc))
        except PACKING_ERRORS:
            packed = pack_carefully(name, doc)
        self._parts.append(packed)
        self._n_records += 1
        return packed

    def flush(self) -> Extent:
        """Write what was added, as a block.

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
        if self._n_records:
            parts = _joined(self._parts)
            n_bytes, crc = 0, 0
            for part in parts:
                n_bytes += len(part)
                crc = zlib.crc32(part, crc)
            header = Header(self._next_block, STORED, self._n_records, n_bytes, n_bytes, crc)
            self._write([pack_header(header), *parts])
            self._parts, self._n_records = [], 0
            self._next_block += 1
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
            data = _read(self._reader, extent)
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
        copy = self.path.open("xb", buffering=0)
        reader = self.path.open("rb", buffering=0)
        with self._moving:
            self._reader.seek(0)
            shutil.copyfileobj(self._reader, copy, 2**20)
            self._file.close()
            self._reader.close()
            self._file, self._reader = copy, reader
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
        self._reader.close()

    def _write(self, parts: Sequence[Part]) -> None:
        """Write all of it, or nothing."""
        size = self._size
        try:
            for part in parts:
                view = memoryview(part)
                size += len(view)
                while view:
                    view = view[self._file.write(view) :]
        except BaseException:
            os.ftruncate(self._file.fileno(), self._size)
            self._file.seek(self._size)
            raise
        self._size = size


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Join parts that are short: a call of the system for each of them would cost more."""
    joined: list[Part] = []
    short: list[Part] = []
    for part in parts:
        if len(part) < LARGE_BYTES:
            short.append(part)
            continue
        if short:
            joined.append(b"".join(short))
            short = []
        joined.append(part)
    if short:
        joined.append(b"".join(short))
    return joined


def _read(file: Any, extent: Extent) -> bytes:
    """Read a part of a file; less where it ends."""
    file.seek(extent.first)
    data = bytearray()
    while len(data) < extent.last - extent.first:
        piece = file.read(min(extent.last - extent.first - len(data), 2**30))
        if not piece:
            break
        data += piece
    return bytes(data)
