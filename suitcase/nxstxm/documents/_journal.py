"""The journal of a run: an archive that grows on the disk while its documents come.

Whatever a killed process leaves can be read: blocks stand alone, each with its checksums. A block
that could not be written, because the disk is full, is taken back and written again later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmOSError
from .._zlib import crc32
from ._archive import MAGIC, STORED, Header, pack_header
from ._archive_reader import unpack_blocks
from ._columns import LARGE_BYTES
from ._frame_file import FrameFile, Placed
from ._journal_file import Extent as Extent
from ._journal_file import JournalFile
from ._packing import PACKING_ERRORS, PlacedRef, fast_packer
from ._parts import Part, Place, pack_in_parts
from ._storable import pack_carefully

#: What became of a document: packed, or where its arrays are; None when it has them in itself.
Packed = bytes | Placed | None


class Journal:
    """Appends the documents of one run to a file, to be used by one thread.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    remake : callable, optional
        Called when the file was removed, before it is made anew: makes what is beside it.
    run : str
        The run.
    frames : FrameFile, optional
        Where large arrays may be instead.

    Raises
    ------
    NXstxmOSError
        It can not be made.
    """

    def __init__(
        self,
        path: Path,
        remake: Callable[[], object] = lambda: None,
        *,
        run: str = "",
        frames: FrameFile | None = None,
    ) -> None:
        self.path = path
        self.frames = frames
        self._run = run
        self._rows = _Rows()
        self._remake = remake
        try:
            self._file = JournalFile(path)
            self._size = 0
            self._write([MAGIC])
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        self._pack = fast_packer()
        self._parts: list[Part] = []
        self._n_records = 0
        self._next_block = 0
        self._synced = 0

    def add(self, name: str, doc: Mapping[str, Any]) -> Packed:
        """Pack a document; it is written by `flush`.

        Returns
        -------
        bytes, or None, or Mapping of str to sequence of PlacedRef or None
            The packed document, for another archive. None for one with large arrays, which are
            written from where they are and must not change until then. For one with arrays that
            have a place elsewhere, and are there by now, their references by data key.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            Something in it can not be stored; nothing of it is added.
        """
        found = pack_in_parts(self._pack, name, doc, self._place_of(name, doc))
        if found is not None:
            parts, placed = found
            self._parts += parts
            self._n_records += 1
            return placed or None
        try:
            packed = self._pack((name, doc))
        except PACKING_ERRORS:
            packed = pack_carefully(name, doc)
        self._parts.append(packed)
        self._n_records += 1
        return packed

    def add_events(self, docs: Sequence[Mapping[str, Any]]) -> list[Packed] | None:
        """Pack events of one descriptor at once, where it has no arrays.

        Returns
        -------
        list of bytes, or None
            As of `add`; None where they are to be added one by one, and nothing was.
        """
        descriptor = docs[0].get("descriptor")
        if descriptor not in self._rows.plain:
            return None
        pack = self._pack
        try:
            packed: list[Packed] = [pack(("event", doc)) for doc in docs]
        except PACKING_ERRORS:
            return None
        self._rows.count(descriptor, len(docs))
        self._parts += packed  # type: ignore[arg-type] # all of them bytes
        self._n_records += len(docs)
        return packed

    def _place_of(self, name: str, doc: Mapping[str, Any]) -> Place | None:
        """Give what finds a place for the arrays of a document."""
        row, frames = self._rows.take(name, doc), self.frames
        if row < 0 or frames is None:
            return None
        run, stream = self._run, self._rows.stream_of(doc)
        return lambda key, i, array: frames.place(run, stream, key, row + i, array)

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
                crc = crc32(part, crc)
            header = Header(self._next_block, STORED, self._n_records, n_bytes, n_bytes, crc)
            self._write([pack_header(header), *parts])
            self._parts, self._n_records = [], 0
            self._next_block += 1
        return Extent(first, self._size)

    def read(self, extent: Extent) -> Iterator[tuple[str, dict[str, Any], Placed | None]]:
        """Read what was written, and where its arrays are; any thread may.

        Raises
        ------
        ArchiveError
            It is damaged.
        OSError
            The file can not be read.
        """
        data = self._file.read(extent)
        what = f"the journal {self.path} from byte {extent.first} on"
        for name, doc in unpack_blocks(data, what):
            if self.frames is not None and name in ("event", "event_page"):
                placed = _put_back(doc, self.frames)
                yield name, doc, placed or None
            else:
                yield name, doc, None

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed the file while it is written."""
        return self._file.is_gone

    @property
    def is_lost(self) -> bool:
        """Whether somebody removed it while it rested: nothing can be done."""
        return self._file.is_lost

    def remake(self) -> None:
        """Make a file that was removed anew: all that was written is still there for us.

        Raises
        ------
        OSError
            The file can not be made.
        """
        self._remake()
        self._file.remake()
        self._synced = 0

    def look_after(self) -> bool:
        """Make anew what somebody removed, the frames too; tell whether it was the journal.

        Raises
        ------
        OSError
            It can not be made.
        """
        was_gone = self._file.is_gone
        if was_gone:
            self.remake()
        if self.frames is not None:
            self.frames.look_after()
        return was_gone

    def sync(self) -> None:
        """Have the disk take what was written."""
        if self._synced < self._size:
            size, n_made = self._size, self._file.n_made
            if self.frames is not None:
                self.frames.sync()
            self._file.sync()
            if n_made == self._file.n_made:
                self._synced = size

    @property
    def is_synced(self) -> bool:
        """Whether the disk has taken all that was written."""
        return self._synced >= self._size

    def rest(self) -> None:
        """Close the file until somebody reads or writes it again."""
        self._file.close()

    def close(self) -> None:
        """Close the file. It has no end mark: only what is taken away is complete."""
        self._file.close()

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
            self._file.cut(self._size)
            raise
        self._size = size


class _Rows:
    """Counts the rows of streams as the books of a run do."""

    def __init__(self) -> None:
        #: Descriptors that declare no arrays.
        self.plain: set[str] = set()
        self._streams: dict[str, str] = {}  # by descriptor
        self._n: dict[str, int] = {}  # of each descriptor

    def take(self, name: str, doc: Mapping[str, Any]) -> int:
        """Count a document; give the row of an event, the first of a page; else -1."""
        if name == "event":
            n, descriptor = 1, doc.get("descriptor")
        elif name == "event_page":
            seq_nums = doc.get("seq_num")
            n = len(seq_nums) if isinstance(seq_nums, (list, tuple, np.ndarray)) else 0
            descriptor = doc.get("descriptor")
        else:
            if name == "descriptor" and isinstance(doc.get("uid"), str):
                self._declare(doc["uid"], doc)
            elif name == "bulk_events":
                for event in chain.from_iterable(filter(_is_list, doc.values())):
                    self.take("event", event if isinstance(event, Mapping) else {})
            return -1
        if type(descriptor) is not str:
            return -1  # refused elsewhere, with a message
        before = self.count(descriptor, n)
        if len(self._streams) < 2:
            return before
        stream = self._streams.get(descriptor)
        return before + sum(
            self._n.get(other, 0)
            for other, name in self._streams.items()
            if name == stream and other != descriptor
        )

    def count(self, descriptor: str, n: int) -> int:
        """Count events of a descriptor; give how many there were before."""
        before = self._n.get(descriptor, 0)
        self._n[descriptor] = before + n
        return before

    def _declare(self, descriptor: str, doc: Mapping[str, Any]) -> None:
        name = doc.get("name", "primary")
        self._streams[descriptor] = name if isinstance(name, str) else "primary"
        if not has_arrays(doc):
            self.plain.add(descriptor)

    def stream_of(self, doc: Mapping[str, Any]) -> str:
        """Give the stream of an event."""
        return self._streams.get(doc["descriptor"], "primary")


def has_arrays(descriptor: Mapping[str, Any]) -> bool:
    """Tell whether the readings of a stream may be arrays, as far as its descriptor tells."""
    data_keys = descriptor.get("data_keys")
    return not isinstance(data_keys, Mapping) or any(
        not isinstance(declared, Mapping) or _may_be_array(declared.get("dtype"))
        for declared in data_keys.values()
    )


def _may_be_array(dtype: Any) -> bool:
    """Tell whether readings of a declared dtype may be arrays; one that is no text may be any."""
    return dtype is not None and (not isinstance(dtype, str) or dtype == "array")


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _put_back(doc: dict[str, Any], frames: FrameFile) -> Placed:
    """Put the arrays that lie elsewhere back into an event, or a page; tell where they are."""
    placed: dict[str, Sequence[PlacedRef | None]] = {}
    data = doc.get("data")
    if not isinstance(data, dict):
        return placed
    for key, value in data.items():
        values = value if type(value) is list else [value]
        refs = [each if type(each) is PlacedRef else None for each in values]
        if any(refs):
            placed[key] = refs
            found = [
                each if ref is None else frames.read(ref)
                for each, ref in zip(values, refs, strict=True)
            ]
            data[key] = found if type(value) is list else found[0]
    return placed


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Join parts that are short: a call of the system for each of them would cost more."""
    if all(n < LARGE_BYTES for n in set(map(len, parts))):
        return [b"".join(parts)]
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
