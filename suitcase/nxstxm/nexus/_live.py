"""Parts of a run that is being written, from memory and from its temporary file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..data import CHANNEL, DataCoordinates, Frame, missing
from ..documents import REGION
from ..scans import Detector, ScanPlan
from ._blocks import Index
from ._columns import columns_of
from ._frameplaces import FramePlaces, entry_of, labels_of
from ._framestore import read_frame
from ._jobs import Part, jobs
from ._points import POINTS, Points
from ._record import SEQ_NUM, AnyArray, Piece, RunRecord, frame_sums

if TYPE_CHECKING:
    from ._staging import RunStage

Answer = tuple[AnyArray, Mapping[str, Any]]


def read_live(stage: RunStage, coords: DataCoordinates) -> Answer:
    """Give what is at coordinates of a run that is being written.

    Parameters
    ----------
    stage : RunStage
        The run.
    coords : DataCoordinates
        Those of a frame that went through processors; or of a part of a picture.

    Returns
    -------
    data, metadata
        The frame; or the part of the picture, NaN where nothing came yet.

    Raises
    ------
    NXstxmKeyError
        Nothing came there.
    """
    with stage.guard:
        found = stage.frames.find(coords)
        if isinstance(found, Frame):
            return found.data, found.metadata
        record = _as_far_as_it_came(stage)
        with _columns(stage, record) as h5:
            if found is not None:
                return read_frame(record, h5, found)
            return _Part(stage, record, h5, coords).read()


def _as_far_as_it_came(stage: RunStage) -> RunRecord:
    """Give the record with the rows that were not handed on yet; the record itself stays."""
    columns = {column: list(pieces) for column, pieces in stage.record.columns.items()}
    n_rows = dict(stage.streams.n_rows)
    for block in stage.streams.open_blocks():
        n_rows[block.stream] = block.row + len(block.seq_nums)
        for key, row, values in columns_of(block):
            piece = Piece(row, len(values), values, 0, values.shape[1:], values.dtype)
            columns.setdefault((block.stream, key), []).append(piece)
    return replace(
        stage.record, columns=columns, n_rows=n_rows, descriptors=stage.streams.descriptors
    )


def _columns(stage: RunStage, record: RunRecord) -> AbstractContextManager[Any]:
    """Open what holds the columns of a record; nothing where all are in memory."""
    on_disk = any(isinstance(p.values, str) for pieces in record.columns.values() for p in pieces)
    return stage.file.reading() if on_disk and stage.file is not None else nullcontext()


class _Part:
    """A part of a picture, of what came so far."""

    def __init__(
        self, stage: RunStage, record: RunRecord, h5: h5py.File, coords: DataCoordinates
    ) -> None:
        self._stage, self._record, self._h5, self._coords = stage, record, h5, coords
        number = entry_of(record.plan, coords)
        if not 0 <= number < len(record.plan.entries):
            raise missing(coords)
        self._part, self._points = _entry(record, number, h5)
        self._places = FramePlaces(self._points, self._part)
        self._wanted = self._places.indices({k: v for k, v in coords.items() if k != CHANNEL})
        shape = self._points.shape
        sizes = dict(zip(self._places.axes, shape, strict=True))
        fixed = dict(record.plan.fixed)
        for name, index in self._wanted.items():
            known = isinstance(index, int) and 0 <= index < sizes.get(name, 0)
            if not known and not (name not in sizes and fixed.get(name) == index):
                raise missing(coords)
        self._at = {i: self._wanted[n] for i, n in enumerate(sizes) if n in self._wanted}
        self._free = [i for i in range(len(shape)) if i not in self._at]
        self._out = np.full([shape[i] for i in self._free], np.nan)
        self._n = 0

    def read(self) -> Answer:
        """Read it: what processors gave, else the readings as they came."""
        found = labels_of(self._record)
        label = self._places.label(self._coords)
        processed = self._put_frames(label)
        about: dict[str, Any] = {"channel": label, "processed": processed, "run": self._record.uid}
        if label in found:
            key, detector = found[label]
            about |= {"data_key": key, "units": detector.units, "role": detector.role}
            if not processed and not self._are_to_come(label, key, detector):
                frame = self._put_readings(key)
                if frame is not None:
                    return frame, about
        if not self._n:
            raise missing(self._coords)
        return self._out, about

    def _put(self, position: Index, values: AnyArray) -> None:
        """Put values at flat positions of the whole picture, as far as they are wanted."""
        keep = position >= 0
        index = np.unravel_index(np.where(keep, position, 0), self._points.shape)
        for i, wanted in self._at.items():
            keep &= index[i] == wanted
        came = keep & ~np.isnan(values)
        if self._free:
            self._out[tuple(index[i][came] for i in self._free)] = values[came]
        elif came.any():
            self._out[()] = values[came][-1]
        self._n += int(came.sum())

    # -- frames -----------------------------------------------------------------------------------

    def _put_frames(self, label: str) -> bool:
        """Put the frames that are in this part; tell whether there were any."""
        places = self._places
        found = False
        for coords in self._frames_of(label):
            if not places.belongs(coords):
                continue
            at = places.indices(coords)
            if any(at.get(name, index) != index for name, index in self._wanted.items()):
                continue
            fit = places.fit(coords, self._data_at(coords))
            if fit is not None:
                self._put(fit.position, fit.values)
                found = True
        return found

    def _are_to_come(self, label: str, key: str, detector: Detector) -> bool:
        """Tell whether processors will give this part: until then it is not there.

        Readings as they came in one moment, and processed in the next, would be a trap.
        """
        about = {"detector": label, "data_key": key, "role": detector.role}
        place = DataCoordinates({**self._coords, CHANNEL: label})
        if not self._stage.processes(Frame(place, np.empty(0), about)):
            return False
        first = next(self._frames_of(label), None)
        return first is None or self._places.fit(first, self._data_at(first)) is not None

    def _frames_of(self, label: str) -> Iterator[DataCoordinates]:
        """Give the coordinates of the frames of a detector."""
        return (coords for coords in self._stage.frames if self._places.label(coords) == label)

    def _data_at(self, coords: DataCoordinates) -> AnyArray:
        held = self._stage.frames.find(coords)
        if held is None:
            raise missing(coords)
        return held.data if isinstance(held, Frame) else self._read_frame(held)

    def _read_frame(self, row: int) -> AnyArray:
        return read_frame(self._record, self._h5, row)[0]

    # -- readings ---------------------------------------------------------------------------------

    def _put_readings(self, key: str) -> AnyArray | None:
        """Put the readings of this part; give that of one point which is a frame by itself."""
        rows = self._rows()
        step = max(1, POINTS // self._points.per_row[id(self._record)])
        for first in range(0, len(rows), step):
            block = self._points.block_of(self._part, rows[first : first + step])
            if not len(block):
                continue
            values, present = self._points.read(block, key)
            if present is not None and not present.any():
                continue
            if values.ndim > 1 and not self._free and len(values) == 1:
                frame: AnyArray = values[0]
                return frame
            sums = frame_sums(values)
            self._put(block.position, sums if present is None else np.where(present, sums, np.nan))
        return None

    def _rows(self) -> Index:
        """Give the rows in which the points of this part are, in the order of the plan."""
        record = self._record
        stream = record.measurement
        if stream is None:
            return np.zeros(0, np.int64)
        seq_nums = record.whole(self._h5, stream, SEQ_NUM)
        by_order = (stream, REGION) not in record.columns
        low, high = span_of(record.plan, self._wanted, self._part.entry if by_order else None)
        per_row = self._points.per_row[id(record)]
        wanted = seq_nums > low // per_row
        if high is not None:
            wanted &= seq_nums <= -(-high // per_row)
        rows = np.flatnonzero(wanted)
        # of rows that were measured again the last
        _, last = np.unique(seq_nums[rows][::-1], return_index=True)
        found: Index = rows[len(rows) - 1 - last]
        return found


def _entry(record: RunRecord, number: int, h5: h5py.File) -> tuple[Part, Points]:
    for job in jobs([record]):
        for part in job.parts:
            if part.entry == number:
                return part, Points(job, h5)
    raise AssertionError(f"run {record.uid:.8} has no entry {number}")


def span_of(plan: ScanPlan, wanted: Mapping[str, Any], entry: int | None) -> tuple[int, int | None]:
    """Give the points of a run among which those at some indices are: first, and behind the last.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    wanted : Mapping of str to int
        Indices along axes.
    entry : int or None
        The entry, where the order of the points decides it.

    Returns
    -------
    int, int or None
        All of them unless the slowest loops are at known indices; None for an open end.
    """
    entries = [loop.axis for loop in plan.loops].count("entry")
    known = dict(wanted)
    if entry is not None and entries == 1:
        known["entry"] = entry
    sizes: Sequence[int | None] = [loop.size for loop in plan.loops]
    low, passes, around, width = 0, 0, 0, plan.n_points
    for i, loop in enumerate(plan.loops):
        step = known.get(loop.axis)
        inner = sizes[i + 1 :]
        if not isinstance(step, int) or None in inner:
            break
        backwards = (around if loop.restarts else passes) % 2
        if loop.snaked and loop.size is not None and backwards:
            step = loop.size - 1 - step
        passes, around = passes * (loop.size or 1) + step, step
        width = prod(size for size in inner if size is not None)
        low += step * width
    return low, None if width is None else low + width
