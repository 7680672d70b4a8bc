"""Runs on their way into a file: blocks of columns, held in memory or in the temporary file.

A run that stays small is never written twice. One that grows, or that waits for others of its scan,
lies in the group ``/staging`` of the temporary file until the scan is finished.

With processors its readings also become frames, which go through a handler and come back as columns
of the run like all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from threading import RLock
from typing import Any, NamedTuple
from uuid import uuid4

import h5py
import numpy as np

from .._beside import Beside
from .._errors import NXstxmStateError
from ..data import DataHandler, Failure, Frame
from ..documents import (
    Block,
    Frames,
    Packed,
    Room,
    RoomWanted,
    RunStreams,
)
from ..scans import read_plan
from ._columns import columns_of
from ._detector_files import DetectorFiles, block_of
from ._framestore import PROCESSED, FrameStore
from ._framing import Framing
from ._options import WriterOptions
from ._placing import Placing
from ._record import STAGING, AnyArray, RunRecord, frame_sums, sum_of
from ._runarchive import RunArchive
from ._saved import WHOLE, is_assembled, save_record
from ._scanfile import ScanFile, check_uid
from ._spill import REFERENCE_BYTES, Spilled, add_piece, spill
from ._storage import RunStorage

#: A run with more bytes than this in memory goes to the temporary file.
SPILL_BYTES = 8 * 2**20
#: Arrays that are held because their checksums are still to be taken, bytes.
UNCHECKED_BYTES = 32 * 2**20


class _Sums(NamedTuple):
    """Frames of a column whose sums are wanted."""

    stream: str
    key: str
    row: int
    frames: AnyArray | Frames


class RunStage:
    """Takes the documents of one run.

    Parameters
    ----------
    start : Mapping
        The start document.
    options : WriterOptions
        The writer's options.
    archive : bool
        Keep the archive of the documents.

    Attributes
    ----------
    record : RunRecord
        What is known of the run.
    frames : FrameStore
        What the processors gave.
    storage : RunStorage
        Gives parts of what came, to any thread.
    files : DetectorFiles
        Its readings that lie in files of detectors.
    guard : context manager
        Held while columns are moved: whoever holds it finds each reading in one place.
    """

    def __init__(
        self, start: Mapping[str, Any], options: WriterOptions, *, archive: bool = True
    ) -> None:
        plan = read_plan(start)
        check_uid(start.get("uid"))
        self._options = options
        self.record = RunRecord(plan.with_devices(options.devices), start)
        self.guard = RLock()
        self.streams = RunStreams(self._take, self.guard)
        self.file: ScanFile | None = None
        self.frames = FrameStore()
        self.storage = RunStorage(self)
        self._claim = uuid4().hex
        self._parts: list[bytes] = []
        self._bytes = 0
        self._archive = RunArchive(self.record, self.streams, self._hold) if archive else None
        self._spilled = Spilled()
        self._placing = Placing(self.streams)
        self.files = DetectorFiles(self.record, self.streams, options)
        self._framing: Framing | None = None
        if options.processors is not None:
            self._framing = Framing(self.record, self.streams, options, self.storage)
        self.take("start", start)

    @property
    def handler(self) -> DataHandler:
        """What the frames of the run go through.

        Raises
        ------
        NXstxmStateError
            There are no processors, so there are no frames.
        """
        if self._framing is None:
            raise NXstxmStateError(
                "nothing goes through a handler without processors=[...]; read the storage instead"
            )
        return self._framing.handler

    def processes(self, frame: Frame) -> bool:
        """Tell whether a frame goes through processors."""
        return self._framing is not None and self._framing.concerns(frame)

    def take(self, name: str, doc: Mapping[str, Any], packed: Packed = None) -> None:
        """Take one document.

        Parameters
        ----------
        name : str
            Kind of document; kinds that carry no readings go to the archive only.
        doc : Mapping
            The document.
        packed : bytes or Mapping, optional
            What `Journal.add` gave for it, which spares packing it for the archive, or writing its
            arrays.
        """
        if isinstance(packed, Mapping):
            self._placing.expect(doc, packed)
            try:
                self._enter(name, doc)
            except BaseException:
                self._placing.cancel(packed)
                raise
        else:
            self._enter(name, doc)
        if self._archive is not None:
            # last: what the books refuse is not archived, so that the archive can be replayed
            self._archive.take(name, doc, packed)
            if self._archive.unchecked_bytes > UNCHECKED_BYTES:
                self._archive.note(self._archive.checksums())
        if self._framing is not None:
            self._frame(self._framing, name)
        if self._bytes > SPILL_BYTES and self.file is not None:
            self.spill()

    def take_events(self, docs: Sequence[Mapping[str, Any]], packed: Sequence[Packed] = ()) -> None:
        """Take events of one descriptor, which costs less than one by one.

        Parameters
        ----------
        docs : sequence of Mapping
            The events.
        packed : sequence of bytes, Mapping or None
            The same packed, as `take` has it.
        """
        one_by_one = self._framing is not None or self.files.has_datums
        if one_by_one or not self.streams.take_events(docs):
            for i, doc in enumerate(docs):
                self.take("event", doc, packed[i] if packed else None)
            return
        if self._archive is not None:
            self._archive.take_events(docs, packed)
        if self._bytes > SPILL_BYTES and self.file is not None:
            self.spill()

    def _frame(self, framing: Framing, name: str) -> None:
        """Make frames of what came: of each array at once, of numbers when a line is likely."""
        if name in ("event", "event_page", "bulk_events") and framing.is_due(
            name != "event" or not self.streams.plain
        ):
            framing.feed()
        if self.frames.n_bytes > SPILL_BYTES:
            self._drain()

    def _drain(self) -> None:
        """Make columns of the frames that came back."""
        with self.guard:
            for key, row, values in self.frames.drain():
                self._note(PROCESSED, key, row, values)

    def abandon(self) -> None:
        """Give the run up: nothing more is made of it here."""
        if self._framing is not None:
            self._framing.abandon()

    def check(self) -> None:
        """Raise what a processor raised and was not raised yet; all is stored all the same."""
        if self._framing is not None:
            self._framing.check()

    @property
    def failures(self) -> Sequence[Failure]:
        """What went wrong in processors so far."""
        return () if self._framing is None else self._framing.failures

    def note(self, message: str) -> None:
        """Say something in the entries that are made of the run."""
        self.record.notes.append(message)

    def note_once(self, message: str) -> None:
        """Say it unless it was said."""
        self.record.note_once(message)

    def _enter(self, name: str, doc: Mapping[str, Any]) -> None:
        """Enter a document into the books of the run."""
        streams = self.streams
        if name == "event":
            streams.take_event(doc)
        elif name == "event_page":
            streams.take_event_page(doc)
        elif name == "bulk_events":
            streams.take_bulk_events(doc)
        elif name == "descriptor":
            streams.take_descriptor(doc)
            self.record.plan = self.record.plan.bind(doc)
        elif name == "start":
            streams.take_start(doc)
        elif name == "stop":
            streams.take_stop(doc)
        self.files.take(name, doc)

    def _hold(self, data: bytes) -> None:
        """Hold a block of the archive."""
        self._parts.append(data)
        self._bytes += len(data)

    def _take(self, block: Block) -> None:
        """Note a block of a stream; what is many bytes by now goes to the file."""
        if self._framing is not None:
            self._framing.note(block)
        frames: list[_Sums] = []
        for key, row, values in columns_of(block):
            self._note(block.stream, key, row, values)
            if values.ndim > 1 and values[0].nbytes >= REFERENCE_BYTES:
                # now, while the frames are at hand: the picture needs no second look at them
                frames.append(_Sums(block.stream, key, row, values))
        if self._bytes <= SPILL_BYTES or self.file is None:
            self._note_looks(*self._look(frames))
            return
        looks = Beside(lambda: self._look(frames))
        try:
            self.spill()
        finally:
            self._note_looks(*looks.result())

    def _look(self, frames: Sequence[_Sums] = ()) -> tuple[list[int], list[tuple[_Sums, AnyArray]]]:
        """Look at large arrays: take checksums of some, sums of others; nothing is noted."""
        checksums = [] if self._archive is None else self._archive.checksums()
        return checksums, [(each, frame_sums(each.frames)) for each in frames]

    def _note_looks(self, checksums: list[int], sums: list[tuple[_Sums, AnyArray]]) -> None:
        """Note what `_look` saw."""
        if self._archive is not None:
            self._archive.note(checksums)
        for each, values in sums:
            self._note(each.stream, sum_of(each.key), each.row, values)

    def _note(self, stream: str, key: str, row: int, values: np.ndarray[Any, Any] | Frames) -> None:
        pieces = self._placing.pieces(stream, key, row, values)
        with self.guard:
            column = self.record.columns.setdefault((stream, key), [])
            for piece in pieces:
                add_piece(column, piece)
                if not isinstance(piece.values, str):
                    self._bytes += piece.values.nbytes

    def reserve(self, wanted: RoomWanted) -> Room | None:
        """Have room for frames in the temporary file, which somebody else writes there.

        Parameters
        ----------
        wanted : RoomWanted
            The column, and from which row on.

        Returns
        -------
        Room or None
            None where there can be none; then they come with their documents.

        Raises
        ------
        NXstxmOSError
            The file can not be written.
        """
        if self.file is None or self._options.compression != "none":
            return None
        expected = self.record.plan.n_points
        home = f"/{STAGING}/{self.record.uid}"
        return self._placing.reserve(self.file, home, wanted, expected)

    def finish(self) -> RunRecord:
        """Hand on what is still open and complete the record.

        Returns
        -------
        RunRecord
            The record; a run without a stop document has ``stop`` None. What a processor raised is
            raised by `check`.
        """
        self.files.add_rows()
        self.streams.flush()
        if self.files.wait:
            with self.guard, self._reading() as h5:
                self.files.attach(h5)
            if self._framing is not None:
                self._frame_files(self._framing)
        if self._framing is not None:
            self._framing.finish()
        self.storage.finish()
        with self.guard:
            return self._complete()

    def _reading(self) -> Any:
        """Open what holds columns; nothing where all of them are in memory."""
        if self.file is None or not self._spilled.datasets:
            return nullcontext()
        return self.file.reading()

    def _frame_files(self, framing: Framing) -> None:
        """Make frames of what lies in files of detectors, some at a time."""
        for stream, keys, first, last in self.files.blocks():
            with self._reading() as h5:
                block = block_of(self.record, h5, stream, keys, first, last)
            framing.take(block)
            if self.frames.n_bytes > SPILL_BYTES:
                self._drain()
                self.spill()

    def _complete(self) -> RunRecord:
        self._drain()
        self._note_looks(*self._look())
        record = self.record
        if self._archive is not None:
            record.n_documents = self._archive.close()
        if self._bytes and (record.references or self._spilled.datasets or self._spilled.archive):
            # a column is either in memory or on disk, so that frames can be linked; the archive too
            self.spill()
        if self.file is not None:
            every = chain.from_iterable(record.columns.values())
            self._placing.trim(self.file, record.uid, every)
        record.stop = self.streams.stop
        record.descriptors = self.streams.descriptors
        record.n_rows = self.streams.n_rows
        record.last_time = self.streams.last_time
        if isinstance(record.archive, list):
            record.archive = self._parts
        return record

    @property
    def held_bytes(self) -> int:
        """Bytes of columns and archive in memory."""
        return self._bytes + self.frames.n_bytes

    def join(self, file: ScanFile) -> None:
        """Join the temporary file of a scan.

        What another export of this run left there, by an error or a kill, goes.

        Parameters
        ----------
        file : ScanFile
            The temporary file, which other writers may use too.

        Raises
        ------
        NXstxmStateError
            The run waits there already.
        """
        uid = self.record.uid
        with file.session() as h5:
            _refuse_complete(h5)
            home = h5.get(f"{STAGING}/{uid}")
            if home is not None:
                if home.attrs.get(WHOLE):
                    raise NXstxmStateError(
                        f"run {uid} is already in {file.path}; export each run once, then call "
                        f"finish_export"
                    )
                del h5[f"{STAGING}/{uid}"]
            h5.create_group(f"{STAGING}/{uid}").attrs["claim"] = self._claim
        self.file = file

    def _home(self, h5: h5py.File) -> h5py.Group:
        """Give the group of the run, unless another writer of the same run took it over."""
        _refuse_complete(h5)
        home = h5.require_group(f"{STAGING}/{self.record.uid}")
        if home.attrs.setdefault("claim", self._claim) != self._claim:
            raise NXstxmStateError(
                f"run {self.record.uid} is exported twice at the same time; the export that began "
                f"later goes on in {h5.filename}, this one stops"
            )
        return home

    def spill(self) -> None:
        """Move what is in memory into the temporary file."""
        if self.file is not None:
            self._write(self.file, store=False)

    def keep(self) -> None:
        """Leave what came in the temporary file, where somebody can find it after an error."""
        file = self.file
        if file is None or file.path is None or not file.path.exists():
            return
        with file.session() as h5:
            complete = is_assembled(h5)  # nothing was missing but the name
        if not complete:
            self.store()

    def store(self) -> None:
        """Leave the whole run in the temporary file, for the scan to be finished later."""
        if self.file is None:
            raise AssertionError("a run in memory can not wait for others")
        self.finish()
        self._write(self.file, store=True)

    def _write(self, file: ScanFile, *, store: bool) -> None:
        """Write what is in memory and, to `store` the run, its record."""
        record = self.record
        with self.guard:
            archive = b"".join(self._parts)
            with file.session() as h5:
                home = self._home(h5)
                compression = self._options.compression
                spilled = spill(
                    home, record.columns, archive, self._spilled, compression,
                    rooms=self._placing.rooms, put=file.write_through, store=store,
                )  # fmt: skip
                on_disk = spilled.archive or record.archive
                if store:
                    saved = replace(record, columns=spilled.columns, archive=on_disk)
                    save_record(home, saved, self._options)
            # not before: after an error the file is as it was, and all of this still in memory
            self._spilled = spilled
            record.columns, record.archive = spilled.columns, on_disk
            self._parts.clear()
            self._bytes = 0


def _refuse_complete(h5: h5py.File) -> None:
    if is_assembled(h5):
        raise NXstxmStateError(
            f"{h5.filename} holds a scan that is complete; give it its name with finish_export"
        )
