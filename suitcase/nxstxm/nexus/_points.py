"""The points of an entry in the order in which they were measured, block by block.

Every list and every array of an entry is made from the same blocks, so that they agree: a point
that is in one is in all. Memory is bounded by a block, whatever the scan's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import h5py
import numpy as np
import numpy.typing as npt

from .._errors import NXstxmValueError
from ..documents import REGION
from ..scans import Placement, by_region, detector_columns, place, points_per_event
from ._blocks import Index, PointBlock, gather
from ._forms import usual_length
from ._jobs import EntryJob, Part
from ._lines import Samples
from ._pointreadings import PointReadings, Via
from ._record import SEQ_NUM, TIME, AnyArray, RunRecord

#: Points (or, for frames, bytes) that are held at a time.
POINTS = 65536
FRAME_BYTES = 8 * 2**20
#: A plane of so many points, of which less than one in `SPARSE` came, is nobody's plan.
ABSURD, SPARSE = 2**28, 1000


class Points:
    """The points of an entry, and the shape that its array has.

    Parameters
    ----------
    job : EntryJob
        The entry.
    h5 : h5py.File
        The file that holds the columns.
    """

    def __init__(self, job: EntryJob, h5: h5py.File) -> None:
        self.job = job
        self.h5 = h5
        self.samples = Samples(job, h5)
        self.per_row = {id(part.record): self._points_per_row(part.record) for part in job.parts}
        self.samples.per_row = self.per_row
        self.messages: list[str] = []
        self._latest: tuple[tuple[int, int, int], PointBlock] | None = None
        self._readings = PointReadings(job, h5, self.samples, self.messages)
        self._orders = {id(p.record): self._order(p.record) for p in job.parts}
        self.shape = self._shape()
        #: Columns whose readings stay where they are: a walk need not be short for their sake.
        self.unread: set[str] = set()

    @property
    def arrived(self) -> int:
        """Points that came, those of other entries of the same runs with them."""
        return sum(
            p.record.n_rows.get(p.record.measurement or "", 0) * self.per_row[id(p.record)]
            for p in self.job.parts
        )

    @property
    def are_sparse(self) -> bool:
        """Whether less than half of what was planned can have come."""
        return 2 * self.arrived < prod(self.shape)

    # -- how the run's rows relate to points ---------------------------------------------------

    def detector_keys(self, record: RunRecord) -> list[tuple[str, str | None]]:
        """Give the columns of the detectors, and what the plan says that one reading covers."""
        keys = record.keys(record.measurement or "")
        return [(key, d.covers) for key, _, d in detector_columns(record.plan, keys)]

    def _points_per_row(self, record: RunRecord) -> int:
        stream = record.measurement
        if stream is None:
            return 1
        n_events = self._highest(record)
        choices = [1]
        for key, per in self.detector_keys(record):
            pieces = [p for p in record.columns[stream, key] if p.dtype.kind != "O"]
            sizes = {*(prod(p.shape) for p in pieces)}
            if sizes:  # one odd line does not decide for the others
                likely = (max(sizes), usual_length(pieces))
                choices += [points_per_event(record.plan, n, n_events, per) for n in likely]
        size = record.plan.loops[-1].size if record.plan.loops else None
        if max(choices) == 1 and size is not None and size > 1 and self._has_lines(record, size):
            total = record.plan.n_points
            choices.append(size if total is None or n_events * size <= total else 1)
        return max(choices)

    def _has_lines(self, record: RunRecord, size: int) -> bool:
        lines = self.samples.lines[id(record)]
        return lines is not None or self.samples.are_spectra_of_lines(record, size)

    def is_whole(self) -> bool:
        """Tell whether every row of every run is a point of the entry, in the order it came."""
        if any(self._orders[id(part.record)] is not None for part in self.job.parts):
            return False
        return all(block.select is None for block in self.blocks(books_only=True))

    def _highest(self, record: RunRecord) -> int:
        stream = record.measurement
        highest = 0
        n_rows = record.n_rows.get(stream or "", 0)
        for _, seq in record.read(self.h5, stream or "", SEQ_NUM, 0, n_rows):
            highest = max(highest, int(seq.max(initial=0)))
        return highest

    def _order(self, record: RunRecord) -> Index | None:
        """Give the rows in the order of their sequence numbers, the last of equal ones only.

        None when they came so, which costs no memory.
        """
        stream = record.measurement
        if stream is None:
            return None
        n = record.n_rows[stream]
        previous = 0
        for _, seq in record.read(self.h5, stream, SEQ_NUM, 0, n):
            if seq[0] <= previous or (np.diff(seq) <= 0).any():
                break
            previous = int(seq[-1])
        else:
            return None
        seq = np.concatenate([s for _, s in record.read(self.h5, stream, SEQ_NUM, 0, n)])
        _, last = np.unique(seq[::-1], return_index=True)
        rows: Index = n - 1 - last  # unique keeps the first, which is the last of the reversed
        if len(rows) < n:
            self.messages.append(
                f"{n - len(rows)} rows of run {record.uid:.8} were measured again (sequence "
                f"numbers repeat); the last of each is used, all are in the archive"
            )
        return rows

    def _shape(self) -> tuple[int, ...]:
        """Give the shape of the entry's array; an open axis is as long as the data."""
        shape = list(self.job.plan.shape)
        for i, size in enumerate(shape):
            if size is None:
                inner = prod(s or 1 for s in shape[i + 1 :])
                most = max(
                    (self._highest(p.record) * self.per_row[id(p.record)] for p in self.job.parts),
                    default=0,
                )
                shape[i] = max(-(-most // inner), 1)
        planned = tuple(s or 1 for s in shape)
        self._refuse_absurd(planned)
        return planned

    def _refuse_absurd(self, shape: tuple[int, ...]) -> None:
        """Refuse a picture that no memory holds and that hardly anything came for."""
        plane = prod(shape[1:] if len(shape) > 2 else shape)
        arrived = self.arrived
        if plane > max(ABSURD, SPARSE * arrived):
            raise NXstxmValueError(
                f"entry {self.job.name!r} would have a picture of {shape} points, and {arrived} "
                f"came: a number in the start document, or a sequence number, is wrong"
            )

    def _frame_bytes(self) -> int:
        """Give the bytes of the largest reading of a row that a walk reads."""
        most = 8
        for part in self.job.parts:
            stream = part.record.measurement
            for (s, key), pieces in part.record.columns.items():
                if s == stream and not key.startswith("#") and key not in self.unread:
                    most = max(most, *(prod(p.shape) * p.dtype.itemsize for p in pieces))
        return most

    # -- walking ------------------------------------------------------------------------------

    def blocks(self, *, books_only: bool = False) -> Iterator[PointBlock]:
        """Walk through the points in the order of time.

        Parameters
        ----------
        books_only : bool
            No readings are read on the way, so that a block may have as many rows as it likes.
        """
        frame_rows = POINTS if books_only else max(1, FRAME_BYTES // self._frame_bytes())
        for part in self.job.parts:
            record = part.record
            stream = record.measurement
            if stream is None:
                continue
            per_row = self.per_row[id(record)]
            order = self._orders[id(record)]
            n = record.n_rows[stream] if order is None else len(order)
            step = max(1, min(POINTS // per_row, frame_rows))
            for at in range(0, n, step):
                block = self._block(part, at, min(at + step, n))
                if len(block):
                    yield block

    def _block(self, part: Part, first: int, last: int) -> PointBlock:
        """Give the points of consecutive rows; those that were asked for last are at hand.

        A scan that is one block is walked through half a dozen times.
        """
        asked = id(part), first, last
        if self._latest is None or self._latest[0] != asked:
            order = self._orders[id(part.record)]
            rows = np.arange(first, last) if order is None else order[first:last]
            self._latest = asked, self.block_of(part, rows)
        return self._latest[1]

    def block_of(self, part: Part, rows: Index) -> PointBlock:
        """Give the points of some rows of a run, at least one."""
        record = part.record
        stream, per_row = record.measurement or "", self.per_row[id(record)]
        first, last = int(rows.min()), int(rows.max()) + 1
        seq = gather(record, self.h5, stream, SEQ_NUM, rows, first, last)
        times = gather(record, self.h5, stream, TIME, rows, first, last)
        points = ((seq - 1) * per_row)[:, np.newaxis] + np.arange(per_row)
        placed = place(record.plan, points.ravel())
        placed = self._by_region(record, stream, rows, first, last, placed, per_row)
        arrived = self._arrived(record, stream, rows, first, last, per_row)
        belongs = placed.entry == part.entry
        if len(record.plan.entries) == 1:
            belongs = belongs | (placed.entry == -1)  # beyond the plan, yet measured
        if arrived is not None:
            belongs &= arrived
        select = None if belongs.all() else np.flatnonzero(belongs)

        def pick(values: AnyArray) -> AnyArray:
            return values if select is None else values[select]

        axes = {name: pick(index) for name, index in placed.axes.items()}
        if "energy" in axes:
            axes["energy"] = axes["energy"] + part.energy_offset
        else:
            axes["energy"] = np.full(len(pick(points.ravel())), part.energy_offset, np.int64)
        inside = pick(placed.entry) >= 0
        index = []
        for axis, size in zip(self.job.plan.axes, self.shape, strict=True):
            i = axes.get(axis.name, np.zeros(len(inside), np.int64))
            inside &= i < size
            index.append(np.minimum(i, size - 1))
        position = np.ravel_multi_index(index, self.shape) if index else np.zeros(len(inside), int)
        if not inside.all() and not any("beyond the plan" in m for m in self.messages):
            self.messages.append(
                f"run {record.uid:.8} measured points beyond the plan; they are in the detectors' "
                f"lists and in the archive, not in the image"
            )
        return PointBlock(
            part,
            rows,
            first,
            last,
            per_row,
            select,
            axes,
            np.where(inside, position, -1),
            pick(np.repeat(times, per_row)),
        )

    def _by_region(
        self,
        record: RunRecord,
        stream: str,
        rows: Index,
        first: int,
        last: int,
        placed: Placement,
        per_row: int,
    ) -> Placement:
        """Let the region that a reading names decide the entry, where there are several."""
        if (stream, REGION) not in record.columns or len(record.plan.entries) < 2:
            return placed
        named = np.full(last - first, -1, np.int64)
        for row, array in record.read(self.h5, stream, REGION, first, last):
            named[row - first : row - first + len(array)] = array
        return by_region(record.plan, placed, np.repeat(named[rows - first], per_row))

    def _arrived(
        self, record: RunRecord, stream: str, rows: Index, first: int, last: int, per_row: int
    ) -> npt.NDArray[np.bool_] | None:
        """Tell which points of short or missing lines did not arrive; None when all did."""
        lengths = np.zeros(last - first, np.int64)
        for key, _ in self.detector_keys(record):
            form = self.samples.form(record, key)
            for piece in record.columns[stream, key]:
                a, b = max(first, piece.row), min(last, piece.row + piece.n)
                if a >= b or not prod(piece.shape) or piece.dtype.kind == "O":
                    continue
                n = form.along(piece.shape, piece.dtype) if form.kind == "points" else 0
                if n > per_row:
                    self.messages.append(
                        f"lines of {key!r} of run {record.uid:.8} have {n} values for {per_row} "
                        f"points; the first {per_row} are used, all are in the archive"
                    )
                lengths[a - first : b - first] = np.maximum(
                    lengths[a - first : b - first], min(n or per_row, per_row)
                )
        if not lengths.any():
            return None  # nothing but readings that are no detectors: every row counts
        if (lengths == per_row).all():
            return None
        if per_row > 1:
            short = int((lengths < per_row).sum())
            self.messages.append(
                f"{short} lines of run {record.uid:.8} are shorter than the {per_row} points of "
                f"the plan; what did not arrive is NaN in the image"
            )
        return (np.arange(per_row) < lengths[rows - first, np.newaxis]).ravel()

    # -- reading ------------------------------------------------------------------------------

    def read(
        self, block: PointBlock, key: str, via: Via | None = None
    ) -> tuple[AnyArray, npt.NDArray[np.bool_] | None]:
        """Read a column for the points of a block; see `PointReadings.read`."""
        return self._readings.read(block, key, via)

    def unplaced(self, block: PointBlock, key: str) -> npt.NDArray[np.bool_]:
        """Tell at which points a reading came that has no place; see `PointReadings.unplaced`."""
        return self._readings.unplaced(block, key)
