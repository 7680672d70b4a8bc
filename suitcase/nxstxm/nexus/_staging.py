"""Runs on their way into a file: blocks of columns, held in memory or in the temporary file.

A run that stays small is never written twice. One that grows, or that waits for others of its scan,
lies in the group ``/staging`` of the temporary file until the scan is finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from ..documents import (
    ArchiveWriter,
    ArrayRef,
    Block,
    RunStreams,
    array_crc32,
    read_archive,
)
from ..scans import ScanPlan, read_plan
from ._encoding import chunk_shape
from ._options import WriterOptions
from ._record import SEQ_NUM, TIME, Piece, RunRecord
from ._rows import append
from ._scanfile import ScanFile

STAGING = "staging"
#: A run with more bytes than this in memory goes to the temporary file.
SPILL_BYTES = 8 * 2**20
#: Arrays of at least this size are stored once: the archive refers to them.
REFERENCE_BYTES = 64 * 1024


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
    """

    def __init__(
        self, start: Mapping[str, Any], options: WriterOptions, *, archive: bool = True
    ) -> None:
        plan = read_plan(start)
        self._options = options
        self.record = RunRecord(plan.with_devices(options.devices), start)
        self.streams = RunStreams(self._take)
        self.file: ScanFile | None = None
        self._parts: list[bytes] = []
        self._archive = ArchiveWriter(self._parts.append) if archive else None
        self._bytes = 0
        self._datasets: dict[tuple[Any, ...], str] = {}
        self.take("start", start)

    @property
    def plan(self) -> ScanPlan:
        """The plan, as far as it is bound."""
        return self.record.plan

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document.

        Parameters
        ----------
        name : str
            Kind of document; kinds that carry no readings go to the archive only.
        doc : Mapping
            The document.
        """
        streams = self.streams
        if self._archive is not None:
            self._archive.append(name, self._referring(name, doc))
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
        if self._bytes > SPILL_BYTES and self.file is not None:
            self.spill()

    def _referring(self, name: str, doc: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace large arrays of an event by references to the columns that will hold them."""
        if name not in ("event", "event_page") or not isinstance(doc.get("data"), Mapping):
            return doc
        data: Mapping[str, Any] = doc["data"]
        refs: dict[str, Any]
        if name == "event":
            if not any(_is_large(value) for value in data.values()):
                return doc
            stream, row = self._next_row(doc)
            refs = {k: self._refer(stream, k, row, v) for k, v in data.items() if _is_large(v)}
        else:
            large = [k for k, column in data.items() if any(_is_large(v) for v in column)]
            if not large:
                return doc
            stream, row = self._next_row(doc)
            refs = {
                k: [
                    self._refer(stream, k, row + i, v) if _is_large(v) else v
                    for i, v in enumerate(data[k])
                ]
                for k in large
            }
        return {**doc, "data": {**data, **refs}}

    def _next_row(self, doc: Mapping[str, Any]) -> tuple[str, int]:
        stream = self.streams.stream_of(doc.get("descriptor"))
        return stream, self.streams.n_rows.get(stream, 0)

    def _refer(self, stream: str, key: str, row: int, value: Any) -> ArrayRef:
        self.record.references.add((stream, key))
        return ArrayRef(self.record.uid, stream, key, row, array_crc32(value))

    def _take(self, block: Block) -> None:
        """Note a block of a stream."""
        self._note(block.stream, SEQ_NUM, block.row, block.seq_nums)
        self._note(block.stream, TIME, block.row, block.times)
        for key, chunks in block.columns.items():
            for chunk in chunks:
                values = chunk.values
                if values.dtype.kind == "O":
                    values = _as_text(values)
                self._note(block.stream, key, chunk.row, values)
        if self._bytes > SPILL_BYTES and self.file is not None:
            self.spill()

    def _note(self, stream: str, key: str, row: int, values: np.ndarray[Any, Any]) -> None:
        piece = Piece(row, len(values), values, 0, values.shape[1:], values.dtype)
        self.record.columns.setdefault((stream, key), []).append(piece)
        self._bytes += values.nbytes

    def finish(self) -> RunRecord:
        """Hand on what is still open and complete the record.

        Returns
        -------
        RunRecord
            The record; a run without a stop document has ``stop`` None.
        """
        self.streams.flush()
        record = self.record
        if self._datasets:
            self.spill()  # a column is either in memory or on disk, so that frames can be linked
        record.stop = self.streams.stop
        record.descriptors = self.streams.descriptors
        record.n_rows = self.streams.n_rows
        record.last_time = self.streams.last_time
        if self._archive is not None:
            self._archive.close()
            record.n_documents = self._archive.n_documents
        if isinstance(record.archive, list):
            record.archive = self._parts
        return record

    @property
    def held_bytes(self) -> int:
        """Bytes of columns in memory."""
        return self._bytes

    def spill(self) -> None:
        """Move what is in memory into the temporary file."""
        if self.file is not None:
            with self.file.session() as h5:
                self._spill(h5)

    def _spill(self, h5: h5py.File) -> None:
        home = h5.require_group(f"{STAGING}/{self.record.uid}")
        for column, pieces in self.record.columns.items():
            if any(not isinstance(piece.values, str) for piece in pieces):
                self.record.columns[column] = self._spill_column(home, column, pieces)
        self._bytes = 0
        if self._parts:
            data = np.frombuffer(b"".join(self._parts), np.uint8)
            path = f"{home.name}/archive"
            if path in h5:
                dataset = h5[path]
                n = len(dataset)
                dataset.resize(n + len(data), 0)
                dataset[n:] = data
            else:
                h5.create_dataset(path, data=data, chunks=(256 * 1024,), maxshape=(None,))
            self.record.archive = path
            self._parts.clear()

    def _spill_column(
        self, home: h5py.Group, column: tuple[str, str], pieces: list[Piece]
    ) -> list[Piece]:
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece.values, str):
                out.append(piece)
                continue
            kind = (*column, piece.shape, piece.dtype.str)
            path = self._datasets.get(kind)
            if path is None:
                path = f"{home.name}/{len(self._datasets)}"
                self._datasets[kind] = path
                _new_dataset(home.file, path, piece)
            dataset = home.file[path]
            at = len(dataset)
            append(dataset, piece.values)
            last = out[-1] if out else None
            if (
                last is not None
                and last.values == path
                and last.row + last.n == piece.row
                and last.at + last.n == at
            ):
                out[-1] = replace(last, n=last.n + piece.n)
            else:
                out.append(Piece(piece.row, piece.n, path, at, piece.shape, piece.dtype))
        return out

    def keep(self) -> None:
        """Leave what came in the temporary file, where somebody can find it after an error."""
        if self.file is not None and self.file.path is not None and self.file.path.exists():
            self.store()

    def store(self) -> None:
        """Leave the whole run in the temporary file, for the scan to be finished later."""
        if self.file is None:
            raise AssertionError("a run in memory can not wait for others")
        record = self.finish()
        with self.file.session() as h5:
            self._spill(h5)
            saved: list[bytes] = []
            writer = ArchiveWriter(saved.append)
            writer.append("record", _saved(record, self._options))
            writer.close()
            home = h5[f"{STAGING}/{record.uid}"]
            if "record" in home:
                del home["record"]
            home.create_dataset("record", data=np.frombuffer(b"".join(saved), np.uint8))


def _new_dataset(h5: h5py.File, path: str, piece: Piece) -> None:
    dtype = h5py.string_dtype("utf-8") if piece.dtype.kind == "O" else piece.dtype
    one = int(np.prod(piece.shape, dtype=np.int64)) * piece.dtype.itemsize
    if one >= REFERENCE_BYTES:
        chunks = (1, *piece.shape)  # whole frames, so that one is written without its neighbours
    else:
        rows = max(256 * 1024 // max(one, 1), 1)
        chunks = (min(rows, 32768), *chunk_shape(piece.shape, piece.dtype.itemsize))
    shape = (0, *piece.shape)
    h5.create_dataset(path, shape, dtype, chunks=chunks, maxshape=(None, *piece.shape))


def _is_large(value: Any) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.nbytes >= REFERENCE_BYTES
        and value.dtype.kind in "biuf"
    )


def _as_text(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Make text of readings that are no numbers, so that they have a place in the file."""
    out = np.empty(values.shape, object)
    for i, value in np.ndenumerate(values):
        if isinstance(value, str):
            plain = value
        elif isinstance(value, bytes):
            plain = value.decode("utf-8", "replace")
        else:
            plain = json.dumps(value, default=str)
        out[i] = plain.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return out


def _saved(record: RunRecord, options: WriterOptions) -> dict[str, Any]:
    """Write a record down."""
    columns = [
        [stream, key, [[p.row, p.n, p.values, p.at, list(p.shape), p.dtype.str] for p in pieces]]
        for (stream, key), pieces in record.columns.items()
    ]
    return {
        "start": dict(record.start),
        "stop": None if record.stop is None else dict(record.stop),
        "descriptors": [dict(d) for d in record.descriptors],
        "columns": columns,
        "n_rows": record.n_rows,
        "last_time": record.last_time,
        "archive": record.archive,
        "n_documents": record.n_documents,
        "references": [list(r) for r in sorted(record.references)],
        "devices": dict(options.devices),
        "options": options.saved(),
    }


def has_run(file: ScanFile, uid: str) -> bool:
    """Tell whether a run waits in a temporary file; what is left of a broken export goes."""
    with file.session() as h5:
        home = h5.get(f"{STAGING}/{uid}")
        if home is None:
            return False
        if "record" in home:
            return True
        del h5[f"{STAGING}/{uid}"]
        return False


def staged_records(file: ScanFile) -> tuple[list[RunRecord], dict[str, Any]]:
    """Read the runs that wait in a temporary file; see `read_records`."""
    with file.session() as h5:
        return read_records(h5)


def read_records(h5: h5py.File) -> tuple[list[RunRecord], dict[str, Any]]:
    """Read the runs that wait in a temporary file.

    Returns
    -------
    list of RunRecord
        In the order of their start times.
    dict
        Options with which the first of them was written.
    """
    records: list[RunRecord] = []
    options: list[dict[str, Any]] = []
    for uid in h5.get(STAGING, ()):
        home = h5[STAGING][uid]
        if "record" not in home:
            continue  # a run whose export did not come to its end
        ((_, saved),) = read_archive(home["record"][()].tobytes())
        plan = read_plan(saved["start"]).with_devices(saved["devices"])
        for descriptor in saved["descriptors"]:
            plan = plan.bind(descriptor)
        columns = {
            (stream, key): [
                Piece(row, n, path, at, tuple(shape), np.dtype(dtype))
                for row, n, path, at, shape, dtype in pieces
            ]
            for stream, key, pieces in saved["columns"]
        }
        references = {(stream, key) for stream, key in saved["references"]}
        record = RunRecord(plan, saved["start"], saved["stop"], saved["descriptors"], columns)
        record.n_rows, record.last_time = saved["n_rows"], saved["last_time"]
        record.archive, record.n_documents = saved["archive"], saved["n_documents"]
        record.references = references
        records.append(record)
        options.append(saved["options"])
    order = sorted(range(len(records)), key=lambda i: (records[i].plan.time, records[i].uid))
    return [records[i] for i in order], options[order[0]] if order else {}
