"""The archive: all documents of a run or a scan in one stream of bytes, in the order they came.

The journal beside a file that is being written, the copy embedded in a finished one, and a file
of its own are this one format. It is made to be appended to by a process that may be killed, and
to be read after that: blocks stand alone, each with checksums and its number, so what is damaged
is known and the rest is read.

Layout, all numbers little-endian::

    8 bytes    magic: 89 'NXD' 0D 0A 1A, then the format's version (1)
    blocks:
      8 bytes  mark: C1 'NXblock' (C1 is the byte that msgpack never uses)
      uint32   number of the block, from 0
      uint8    compression of the payload: 0 none, 1 zlib; 3 bytes of zero
      uint32   number of records
      uint64   stored length of the payload in bytes
      uint64   its length when decompressed
      uint32   CRC-32 of the stored payload
      uint32   CRC-32 of the 40 bytes of header before this one
      payload  records one after the other, each the msgpack of [name, document]

A block without records is the end: an archive without it was not closed. The extension types
inside the msgpack are in ``_packing``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from suitcase.nxstxm._beside import Beside
from suitcase.nxstxm._errors import NXstxmStateError, NXstxmValueError
from suitcase.nxstxm._zlib import compress, crc32
from suitcase.nxstxm.documents._packing import (
    PACKING_ERRORS,
    ArrayRef,
    checksum_at,
    fast_packer,
)
from suitcase.nxstxm.documents._storable import pack_carefully

MAGIC = b"\x89NXD\r\n\x1a\x01"
MARK = b"\xc1NXblock"
STORED, DEFLATED = 0, 1
#: Documents that are added before anybody asks whether a block is full.
_TOGETHER = 256
_HEADER = struct.Struct("<8sIB3xIQQII")
HEADER_SIZE = _HEADER.size


def is_archive(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an archive, of any version."""
    return bytes(head[: len(MAGIC) - 1]) == MAGIC[:-1]


class Header(NamedTuple):
    """What stands before the payload of a block; without records it is the end mark."""

    number: int
    compression: int
    records: int
    stored: int
    raw: int
    crc: int


def pack_header(header: Header) -> bytes:
    """Give the bytes of a header, its own checksum with them."""
    data = _HEADER.pack(MARK, *header, 0)[:-4]
    return data + crc32(data).to_bytes(4, "little")


def parse_header(data: bytes) -> Header | None:
    """Give the header that these bytes begin with, or None when it is broken or not one."""
    if len(data) < HEADER_SIZE or not data.startswith(MARK):
        return None
    *fields, crc = _HEADER.unpack_from(data)
    if crc32(data[: HEADER_SIZE - 4]) != crc:
        return None
    header = Header(*fields[1:])
    return header if header.compression in (STORED, DEFLATED) else None


@dataclass
class _Block:
    """A block that is not written yet, compressed by another thread if there is time."""

    raw: bytes
    n_records: int
    deflated: Beside[bytes] | None = None


class ArchiveWriter:
    """
    Pack documents into an archive and hand its bytes on.

    It is not locked: one thread at a time.

    Parameters
    ----------
    write : callable
        Takes bytes: ``file.write``, or anything else that keeps them in order. The magic is
        written at once, then one call is one block.
    compression : {"zlib", "none"}
        Blocks that do not get smaller are stored as they are.
    level : int
        Of zlib: 1 is quick, 9 is small.
    block_bytes : int
        A block is made when its records are this long (bytes, uncompressed), and written when
        the next one is, or by `flush`.

    Attributes
    ----------
    n_documents : int
        Documents appended so far, written or not.
    n_bytes : int
        Bytes handed to `write` so far.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        compression: Literal["zlib", "none"] = "zlib",
        level: int = 1,
        block_bytes: int = 262144,
    ) -> None:
        if compression not in ("zlib", "none"):
            raise NXstxmValueError(f"compression {compression!r} is not one of 'zlib', 'none'")
        if not 0 <= level <= 9:
            raise NXstxmValueError(f"level {level!r} of zlib is not one of 0 to 9")
        if block_bytes < 1:
            raise NXstxmValueError(f"block_bytes {block_bytes!r} is not a positive number")
        self.n_documents = 0
        self.n_bytes = 0
        self._write = write
        self._level = level if compression == "zlib" else 0
        self._block_bytes = block_bytes
        self._pack = fast_packer()
        self._pending: list[bytes | bytearray] = []
        self._unchecked: list[tuple[bytearray, int]] = []
        self._block: _Block | None = None
        self._pending_bytes = 0
        self._next_block = 0
        self._closed = False
        self._put(MAGIC)

    def append(
        self,
        name: str,
        doc: Mapping[str, Any],
        unchecked: Iterable[ArrayRef] = (),
        *,
        packed: bytes | None = None,
    ) -> bytes:
        """
        Add one document. It is packed at once, so it may be changed afterwards.

        Parameters
        ----------
        name : str
            Kind of document.
        doc : Mapping
            The document.
        unchecked : iterable of ArrayRef
            References in the document whose checksum, still 0, `check` will give; no block is
            written before that.
        packed : bytes, optional
            What an earlier call gave for the same document, which spares packing it again.

        Returns
        -------
        bytes
            The packed document, for another archive; not if there are `unchecked` references.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            When something in the document can not be stored; nothing of it is added.
        NXstxmStateError
            After `close`.
        """
        if self._closed:
            raise NXstxmStateError(f"the archive is closed: no {name} document can be added")
        if packed is None:
            try:
                packed = self._pack((name, doc))
            except PACKING_ERRORS:
                packed = pack_carefully(name, doc)
        record: bytes | bytearray = packed
        for ref in unchecked:
            if not isinstance(record, bytearray):
                record = bytearray(record)
            self._unchecked.append((record, checksum_at(record, ref)))
        self._pending.append(record)
        self._pending_bytes += len(record)
        self.n_documents += 1
        if self._pending_bytes >= self._block_bytes and not self._unchecked:
            self._hand_over()
        return packed

    def append_events(self, docs: Sequence[Mapping[str, Any]]) -> None:
        """Add events, which costs less than one by one; see `append`."""
        try:
            packed = [self._pack(("event", doc)) for doc in docs]
        except PACKING_ERRORS:
            for doc in docs:
                self.append("event", doc)
        else:
            self.extend(packed)

    def extend(self, packed: Sequence[bytes]) -> None:
        """Add documents that `append` of another archive packed."""
        for first in range(0, len(packed), _TOGETHER):
            some = packed[first : first + _TOGETHER]
            self._pending += some
            self._pending_bytes += sum(map(len, some))
            self.n_documents += len(some)
            if self._pending_bytes >= self._block_bytes and not self._unchecked:
                self._hand_over()

    def check(self, checksums: Iterable[int]) -> None:
        """Give the checksums of all references that lack theirs, in the order they came."""
        for (record, at), checksum in zip(self._unchecked, checksums, strict=True):
            record[at : at + 4] = checksum.to_bytes(4, "big")
        self._unchecked.clear()
        if self._pending_bytes >= self._block_bytes:
            self._hand_over()

    def flush(self) -> None:
        """
        Write what was appended as a block, if there is anything.

        When `write` raises, the block is kept and the next flush writes it again. A reader that
        goes on after damage finds the second try.
        """
        if self._unchecked:
            raise NXstxmStateError(f"{len(self._unchecked)} references have no checksum yet")
        self._write_block()
        if self._pending:
            self._begin_block()
            self._write_block()

    def _hand_over(self) -> None:
        """Begin a block of what was appended; it is written when the next one is full."""
        self._write_block()
        self._begin_block()
        block = self._block
        if block is not None and self._level:
            level = self._level
            block.deflated = Beside(lambda: compress(block.raw, level))

    def _begin_block(self) -> None:
        self._block = _Block(b"".join(self._pending), len(self._pending))
        self._pending.clear()
        self._pending_bytes = 0

    def _write_block(self) -> None:
        block = self._block
        if block is None:
            return
        stored, code = block.raw, STORED
        if self._level:
            deflated = block.deflated
            compressed = deflated.result() if deflated else compress(block.raw, self._level)
            if len(compressed) < len(block.raw):
                stored, code = compressed, DEFLATED
        self._put_block(code, block.n_records, stored, len(block.raw))
        self._block = None

    def close(self) -> None:
        """Write what is left and the end mark; again is harmless. What `write` fills stays open."""
        if self._closed:
            return
        self.flush()
        self._put_block(STORED, 0, b"", 0)
        self._closed = True

    def _put_block(self, compression: int, records: int, stored: bytes, raw_length: int) -> None:
        header = Header(
            self._next_block, compression, records, len(stored), raw_length, crc32(stored)
        )
        self._put(pack_header(header) + stored)
        self._next_block += 1

    def _put(self, data: bytes) -> None:
        self._write(data)
        self.n_bytes += len(data)
