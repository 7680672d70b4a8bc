"""Reading an archive, whole or damaged: every checksum is looked at, and no length is believed.

A killed process leaves half a block, a bad disk a wrong byte, a bad copy a hole. Whoever reads
stored documents must be told, and must still get everything that is whole.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from suitcase.nxstxm._errors import NXstxmError, NXstxmValueError
from suitcase.nxstxm._zlib import crc32
from suitcase.nxstxm.documents._archive import (
    HEADER_SIZE,
    MAGIC,
    MARK,
    STORED,
    Header,
    is_archive,
    parse_header,
)
from suitcase.nxstxm.documents._damage import DamageReport, OnDamage
from suitcase.nxstxm.documents._packing import (
    UNPACKING_ERRORS,
    ArrayRef,
    Decoder,
    Resolve,
    unpack_records,
)
from suitcase.nxstxm.documents._raw_arrays import array_crc32

_ZLIB_LIMIT = 1100  # deflate can not make its input more than 1032 times as long


class ArchiveError(NXstxmValueError):
    """An archive that is damaged, cut short, or none at all."""


def read_archive(
    data: bytes | bytearray | memoryview | BinaryIO,
    *,
    resolve: Resolve | None = None,
    on_damage: OnDamage = "raise",
    damage: list[str] | None = None,
    partial: bool = False,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Read the documents of an archive, block by block.

    Parameters
    ----------
    data : bytes-like or binary file
        A file is read forwards from where it stands, and needs no `seek`.
    resolve : callable, optional
        Gives the array for an `ArrayRef`; its checksum is compared. Without it the references
        stay in the documents.
    on_damage : {"raise", "skip"}
        "skip" goes on with the next block that is whole. A reference that can not be resolved
        then stays in its document.
    damage : list of str, optional
        "skip" adds a message for everything that was lost; without a list they are logged.
    partial : bool
        For an archive that is still written: neither an end mark nor the rest of its last block
        is missed.

    Yields
    ------
    (name, document)
        Tuples come back as lists, numpy scalars as Python's, arrays as arrays of their own.

    Raises
    ------
    ArchiveError
        At the first damage, after all documents before it, with the number of the block and its
        byte offset. An archive without an end mark is damaged.
    """
    report = DamageReport("this archive", on_damage, damage, ArchiveError)
    for _, name, doc in read_blocks(data, report, resolve=resolve, partial=partial):
        yield name, doc


def read_blocks(
    data: bytes | bytearray | memoryview | BinaryIO,
    report: DamageReport,
    *,
    resolve: Resolve | None = None,
    partial: bool = False,
    first: int = 0,
    last: int | None = None,
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Read an archive as `read_archive` does; give the block's number too, from first to last."""
    file = data if hasattr(data, "read") else io.BytesIO(data)
    hook = Decoder(None if resolve is None else _checked(resolve, report))
    for offset, header, payload in _blocks(_Window(file, report), report, partial):
        if header.number < first:
            continue
        if last is not None and header.number > last:
            return
        try:
            raw = _decompressed(header, payload)
            for name, doc in unpack_records(raw, header.records, hook):
                yield header.number, name, doc
        except ArchiveError:
            raise
        except (*UNPACKING_ERRORS, zlib.error) as error:
            what = str(error) or type(error).__name__
            report(f"block {header.number} at byte {offset} can not be unpacked: {what}", error)


def unpack_blocks(data: bytes, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read whole blocks that stand one after the other, without what begins an archive.

    Raises
    ------
    ArchiveError
        One of them is damaged or cut short; `what` begins the message.
    """
    at = 0
    while at < len(data):
        header = parse_header(data[at : at + HEADER_SIZE])
        if header is None:
            raise ArchiveError(f"{what}: the header of the block at byte {at} is broken")
        payload = data[at + HEADER_SIZE : at + HEADER_SIZE + header.stored]
        if crc32(payload) != header.crc:
            raise ArchiveError(f"{what}: the checksum of block {header.number} is wrong")
        try:
            yield from unpack_records(_decompressed(header, payload), header.records, Decoder())
        except (*UNPACKING_ERRORS, zlib.error) as error:
            raise ArchiveError(
                f"{what}: block {header.number} can not be unpacked: {error}"
            ) from error
        at += HEADER_SIZE + header.stored


def _blocks(
    window: _Window, report: DamageReport, partial: bool
) -> Iterator[tuple[int, Header, bytes]]:
    """Find the blocks whose checksums are right: byte offset, header and payload of each."""
    if not _skip_magic(window, report, partial):
        return
    expected = 0
    while head := window.peek(HEADER_SIZE):
        offset, header = window.offset, parse_header(head)
        if header is None:
            if partial and len(head) < HEADER_SIZE:
                return
            wrong = "cut short" if len(head) < HEADER_SIZE else "broken"
            report(f"the header of block {expected} at byte {offset} is {wrong}")
            if window.find(MARK):
                continue
            return
        where = f"block {header.number} at byte {offset}"
        if header.number < expected:
            report(f"{where} comes again or too late; block {expected} was next")
            if window.find(MARK):
                continue
            return
        if header.number > expected:
            report(f"before {where}, {header.number - expected} blocks are missing")
        expected = header.number + 1
        payload = window.peek(HEADER_SIZE + header.stored)[HEADER_SIZE:]
        if len(payload) < header.stored:
            if partial:
                return
            report(f"{where} is cut short: {len(payload)} of {header.stored} bytes are there")
        elif crc32(payload) != header.crc:
            report(f"the content of {where} is damaged: its checksum is wrong")
        else:
            window.skip(HEADER_SIZE + header.stored)
            if header.records == 0:
                if window.peek(1):
                    report(f"there are more bytes after its end mark, at byte {window.offset}")
                return
            yield offset, header, payload
            continue
        # The lengths may be right and lead to the next block; if not, its mark is searched for.
        after = window.peek(2 * HEADER_SIZE + header.stored)[HEADER_SIZE + header.stored :]
        if parse_header(after) is not None:
            window.skip(HEADER_SIZE + header.stored)
        elif not window.find(MARK):
            return
    if not partial:
        report(f"it ends at byte {window.offset} without an end mark, before block {expected}")


def _skip_magic(window: _Window, report: DamageReport, partial: bool) -> bool:
    magic = window.peek(len(MAGIC))
    if magic == MAGIC:
        window.skip(len(MAGIC))
        return True
    if partial and MAGIC.startswith(magic):
        return False
    if is_archive(magic) and len(magic) == len(MAGIC):
        report(f"byte 7 says version {magic[-1]} of the format; this package reads version 1")
    else:
        report(f"block 0 at byte 0: it does not begin as an archive but with {magic!r}")
    return magic.startswith(MARK) or window.find(MARK)


def _decompressed(header: Header, payload: bytes) -> bytes:
    if header.compression == STORED:
        raw = payload
    else:
        if header.raw > _ZLIB_LIMIT * header.stored:
            raise ValueError(f"{header.stored} bytes can not be {header.raw} decompressed")
        decompressor = zlib.decompressobj()
        raw = decompressor.decompress(payload, header.raw + 1)
        if not decompressor.eof or decompressor.unused_data:
            raise ValueError("its compressed data has another length than it should")
    if len(raw) != header.raw:
        raise ValueError(f"it holds {len(raw)} bytes instead of {header.raw}")
    return raw


def _checked(resolve: Resolve, report: DamageReport) -> Resolve:
    def fetch(reference: ArrayRef) -> object:
        try:
            array = np.asarray(resolve(reference))
            if array_crc32(array) == reference.crc32:
                return array
            report(f"the checksum of the array for {reference} is wrong")
        except ArchiveError:
            raise
        except (NXstxmError, OSError, LookupError, ValueError) as error:
            report(f"no array for {reference}: {error}", error)
        return reference

    return fetch


class _Window:
    """The next bytes of a file that is read forwards, once."""

    def __init__(self, file: Any, report: DamageReport) -> None:
        self.offset = 0
        # `read` gives nothing when it comes to damage in a gzip; `read1` gives what is before it.
        self._read = getattr(file, "read1", file.read)
        self._report = report
        self._bytes = bytearray()

    def peek(self, count: int) -> bytes:
        """Give the next bytes, fewer at the end."""
        while len(self._bytes) < count and self._read_on(count - len(self._bytes)):
            pass
        return bytes(memoryview(self._bytes)[:count])

    def skip(self, count: int) -> None:
        """Go on past bytes that were peeked at."""
        del self._bytes[:count]
        self.offset += count

    def find(self, mark: bytes) -> bool:
        """Go on to the next mark, at least by one byte; False at the end."""
        start = 1
        while (position := self._bytes.find(mark, start)) < 0:
            self.skip(max(len(self._bytes) - len(mark) + 1, 0))
            start = 0
            if not self._read_on(1 << 16):
                self.skip(len(self._bytes))
                return False
        self.skip(position)
        return True

    def _read_on(self, wanted: int) -> bool:
        # In pieces: what a broken length asks for is only reserved as far as it is there.
        try:
            piece = self._read(min(max(wanted, 1 << 16), 1 << 20))
        except (OSError, EOFError, zlib.error) as error:
            self._report(f"it can not be read on after byte {self.offset}: {error}", error)
            return False
        self._bytes += piece or b""
        return bool(piece)
