"""From the columns of a run to frames that know where they belong.

A reading that covers several points (a line, an image, a camera's picture of one) is a frame as it
comes. Readings of single points are gathered until their line is complete: a coordinate for each
pixel would cost more than the pixel.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..documents import Block, Frames
from ..scans import Detector, Loop, Placement, ScanPlan, place, points_per_event
from ._where import CHANNEL, EVENT, REGION_AXIS, Spot, by_region, details, spot

AnyArray = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
#: Takes coordinates, data and metadata.
Put = Callable[[Mapping[str, Any], AnyArray, Mapping[str, Any]], object]
#: Points of a batch, where the plan does not say how long a line is.
BATCH = 256
#: The axis of such batches: their ordinal.
BATCHES = "batch"
#: Lines that are open, or may still be measured again.
LINES = 64
#: Key of metadata: not all points of a line came.
COMPLETE = "complete"
#: Loops that are no axis of an entry's array.
_NO_AXES = ("entry", "visit")
_REGION = "#region"


class Framer:
    """Cuts what the detectors of a run gave into frames.

    Parameters
    ----------
    put : callable
        Takes each frame: coordinates, data, metadata.
    """

    def __init__(self, put: Put) -> None:
        self._put = put
        self._lines: OrderedDict[tuple[Any, ...], _Line] = OrderedDict()
        self._highest = 0
        self._per_row = 1  # points that a row covers: as many as its longest reading
        self._several: bool | None = None
        self._current: float | None = None  # of the ring, as the baseline has it

    def take(self, plan: ScanPlan, block: Block) -> None:
        """Take a block of any stream of the run.

        Parameters
        ----------
        plan : ScanPlan
            The plan, bound to the descriptors that came so far.
        block : Block
            The block.
        """
        if block.stream == "baseline":
            self._note_current(plan, block)
            return
        columns = [
            (key, label, detector, chunk)
            for key, label, detector in detector_columns(plan, block.columns)
            for chunk in block.columns[key]
            if chunk.values.dtype.kind in "biufc" and len(chunk.values)
        ]
        if not columns:
            return
        self._highest = max(self._highest, int(block.seq_nums.max()))
        if self._several is None:
            self._several = len({key for key, _, _, _ in columns}) > 1
        current = self._ring_current(plan, block)
        regions = _regions(plan, block)
        for _, _, detector, chunk in columns:
            n_values = prod(chunk.values.shape[1:])
            covered = points_per_event(plan, n_values, self._highest, _per(detector))
            self._per_row = max(self._per_row, covered)
        for key, label, detector, chunk in columns:
            at = chunk.row - block.row
            rows = slice(at, at + len(chunk.values))
            about: dict[str, Any] = {
                "data_key": key,
                "detector": label,
                "role": detector.role,
                "units": detector.units,
                "run": plan.run,
            }
            readings = _Readings(
                plan,
                detector,
                chunk.values,
                block.seq_nums[rows],
                block.times[rows],
                None if current is None else current[rows],
                None if regions is None else regions[rows],
                about,
            )
            if self._per_row == 1 and prod(chunk.values.shape[1:]) == 1:
                self._take_points(readings)
            else:
                self._take_frames(readings)

    # -- readings that are frames -----------------------------------------------------------------

    def _take_frames(self, readings: _Readings) -> None:
        plan, covered = readings.plan, self._per_row
        per = _per(readings.detector)
        for i, reading in enumerate(readings.values):
            data, is_complete = _as_row(reading, covered, per)
            seq_num = int(readings.seq_nums[i])
            placed = readings.placed(slice(i, i + 1), covered)
            found = spot(plan, placed)
            coords = found.coordinates
            if not found.inside:
                coords = {**coords, EVENT: seq_num}
            elif covered > 1:
                data = in_order_of_axes(plan, placed, found, data)
            about = details(plan, placed, readings.about)
            about["time"] = float(readings.times[i])
            if not is_complete:
                about[COMPLETE] = False
            if readings.current is not None:
                about["ring_current"] = readings.current_of(i, covered)
            self._give(coords, data, about)

    # -- readings of points -----------------------------------------------------------------------

    def _take_points(self, readings: _Readings) -> None:
        plan = readings.plan
        placed = readings.placed(slice(None), 1)
        values = np.asarray(readings.values).reshape(len(readings.seq_nums))
        loop = fastest_loop(plan)
        axis, size = (BATCHES, None) if loop is None else (loop.axis, loop.size)
        along = placed.axes.get(axis)
        if along is None or size is None:
            axis, size = BATCHES, BATCH
            along = (readings.seq_nums - 1) % BATCH
        keys = {name: index.tolist() for name, index in placed.axes.items() if name != axis}
        if axis == BATCHES:
            keys = {BATCHES: ((readings.seq_nums - 1) // BATCH).tolist()}
        entries = placed.entry.tolist()
        # rows of one line come one after the other: few pieces, whatever the block is long
        line = [tuple(each) for each in zip(entries, *keys.values(), strict=True)]
        edges = [0, *(i for i in range(1, len(line)) if line[i] != line[i - 1]), len(line)]
        for first, last in pairwise(edges):
            if first == last:
                continue
            if entries[first] < 0:
                for i in range(first, last):
                    self._give({EVENT: int(readings.seq_nums[i])}, values[i], readings.about)
                continue
            name = (readings.about["data_key"], *line[first])
            known = self._lines.get(name)
            if known is None:
                coords = {**dict(plan.fixed), **{key: keys[key][first] for key in keys}}
                if len(plan.entries) > 1:
                    part = Placement(placed.entry[first:last], {})
                    coords[REGION_AXIS] = spot(plan, part).coordinates[REGION_AXIS]
                known = self._lines[name] = _Line(coords, size, axis)
                self._let_go()
            known.add(readings, slice(first, last), along[first:last], values[first:last])
            if known.is_complete:
                self._emit(known)

    def _let_go(self) -> None:
        """Forget the oldest lines when there are many."""
        n_entries = len({name[1] for name in self._lines})
        while len(self._lines) > max(LINES, 4 * n_entries):
            _, oldest = self._lines.popitem(last=False)
            self._emit(oldest)

    def _emit(self, line: _Line) -> None:
        if not line.is_new:
            return
        line.is_new = False
        self._give(line.coordinates, *line.frame())

    def flush(self) -> None:
        """Give what is not complete; nothing more comes."""
        for line in self._lines.values():
            self._emit(line)
        self._lines.clear()

    def _give(self, coords: Mapping[str, Any], data: AnyArray, metadata: Mapping[str, Any]) -> None:
        if self._several:
            coords = {**coords, CHANNEL: metadata["detector"]}
        self._put(coords, np.asarray(data), metadata)

    # -- the ring current -------------------------------------------------------------------------

    def _note_current(self, plan: ScanPlan, block: Block) -> None:
        for chunk in _device_chunks(plan, block):
            finite = np.asarray(chunk, float)[np.isfinite(np.asarray(chunk, float))]
            if self._current is None and len(finite):
                self._current = float(finite[0])

    def _ring_current(self, plan: ScanPlan, block: Block) -> AnyArray | None:
        """Give the ring current at each row of a block, shape (n,) or (n, points)."""
        n = len(block.seq_nums)
        for values in _device_chunks(plan, block):
            if len(values) == n:
                return np.asarray(values, float)
        return None if self._current is None else np.full(n, self._current)


class _Readings:
    """Readings of a detector, and what came with them."""

    def __init__(
        self,
        plan: ScanPlan,
        detector: Detector,
        values: AnyArray | Frames,
        seq_nums: Index,
        times: AnyArray,
        current: AnyArray | None,
        regions: Index | None,
        about: dict[str, Any],
    ) -> None:
        self.plan = plan
        self.detector = detector
        self.values = values
        self.seq_nums = seq_nums
        self.times = times
        self.current = current
        self.regions = regions
        self.about = about

    def placed(self, rows: slice, covered: int) -> Placement:
        """Place the points of some rows."""
        seq_nums = self.seq_nums[rows]
        points = ((seq_nums - 1) * covered)[:, np.newaxis] + np.arange(covered)
        placed = place(self.plan, points.ravel())
        if self.regions is None or len(self.plan.entries) < 2:
            return placed
        return by_region(self.plan, placed, np.repeat(self.regions[rows], covered))

    def current_of(self, row: int, covered: int) -> float | AnyArray:
        """Give the ring current at a row: a number, or one for each of its points."""
        if self.current is None:
            raise AssertionError("there is no ring current")
        each: AnyArray = np.ravel(self.current[row])
        return each if len(each) == covered and covered > 1 else float(each[0])


class _Line:
    """A line whose points come one by one."""

    def __init__(self, coordinates: dict[str, Any], size: int, axis: str) -> None:
        self.coordinates = coordinates
        self.is_new = False
        self._axis = axis
        self._size = size
        self._values: AnyArray | None = None
        self._arrived = np.zeros(size, bool)
        self._current = np.full(size, np.nan)
        self._last = -1
        self._about: dict[str, Any] = {}

    def add(self, readings: _Readings, rows: slice, along: Index, values: AnyArray) -> None:
        """Note some of its points; what was measured before is replaced."""
        inside = (along >= 0) & (along < self._size)
        along, values = along[inside], values[inside]
        if not len(along):
            return
        if self._values is None:
            self._values = np.zeros(self._size, values.dtype)
            placed = readings.placed(rows, 1)
            if self._axis != "energy":
                self._about = details(readings.plan, placed, readings.about)
            else:
                whole = {"energy": np.arange(self._size, dtype=np.int64)}
                entry = np.full(self._size, placed.entry[0])
                self._about = details(readings.plan, Placement(entry, whole), readings.about)
            self._about["time"] = float(readings.times[rows][0])
        elif values.dtype != self._values.dtype:
            self._values = self._values.astype(np.result_type(self._values, values))
        self._values[along] = values
        self._arrived[along] = True
        if readings.current is not None:
            current = readings.current[rows]
            self._current[along] = current.reshape(len(current), -1)[inside, 0]
        self._last = int(along[-1])
        self.is_new = True

    @property
    def is_complete(self) -> bool:
        """Whether all of its points are there, and the last of them has just come."""
        return bool(self._arrived.all()) and self._last in (0, self._size - 1)

    def frame(self) -> tuple[AnyArray, dict[str, Any]]:
        """Give data and metadata; points that did not come are NaN, a batch just ends."""
        if self._values is None:
            raise AssertionError("a line without points makes no frame")
        about, values = dict(self._about), self._values
        current = self._current
        if self._axis == BATCHES:
            n = int(np.flatnonzero(self._arrived)[-1]) + 1
            values, current = values[:n], current[:n]
            missing = ~self._arrived[:n]
        else:
            missing = ~self._arrived
        if missing.any():
            values = values.astype(np.result_type(values, np.float64))
            values[missing] = np.nan
            about[COMPLETE] = False
        if np.isfinite(current).any():
            known = current[~missing]
            steady = bool((known == known[0]).all())
            about["ring_current"] = float(known[0]) if steady else current.copy()
        return values.copy(), about


def _per(detector: Detector) -> str | None:
    return "point" if detector.role == "camera" else detector.per


def _as_row(reading: AnyArray, covered: int, per: str | None) -> tuple[AnyArray, bool]:
    """Give a reading a value for each point of its row, where it is about these.

    A line that is short gets NaN, and False for not being complete; a number is that of all points.
    A reading of another size is about the row as a whole, and stays as it is.
    """
    n = reading.size
    if covered == 1 or n == covered or not n:
        return reading, True
    if per == "line":
        out = np.full(covered, np.nan, np.result_type(reading, np.float64))
        out[: min(n, covered)] = reading.reshape(-1)[:covered]
        return out, n > covered
    if n == 1 and per is None:
        return np.full(covered, reading.reshape(-1)[0]), True
    return reading, True


def detector_columns(
    plan: ScanPlan, keys: Mapping[str, Any]
) -> Iterator[tuple[str, str, Detector]]:
    """Give the columns of detectors: key, the detector's name or its channel's, the detector."""
    seen = set()
    for detector in plan.detectors:
        if detector.role == "other" or detector.data_key is None:
            continue
        for key in keys:
            mine = detector.data_key in (key, key.partition("/")[0])
            if mine and key not in seen:
                seen.add(key)
                own = key == detector.data_key
                yield key, detector.name if own else key.split("/", 1)[1], detector


def fastest_loop(plan: ScanPlan) -> Loop | None:
    """Give the fastest of a plan's loops that is an axis of its entries."""
    for loop in reversed(plan.loops):
        if loop.axis == "visit":
            return Loop("energy", max((len(e.energies) for e in plan.entries), default=1))
        if loop.axis not in _NO_AXES:
            return loop
    return None


def in_order_of_axes(plan: ScanPlan, placed: Placement, found: Spot, data: AnyArray) -> AnyArray:
    """Arrange a reading of several points as its axes are, which a snaked scan goes backwards.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    placed : Placement
        The points of the reading, in the order of its values.
    found : Spot
        What they have in common.
    data : ndarray
        The reading.

    Returns
    -------
    ndarray
        Of the shape of the free axes; as it was where it does not fill them.
    """
    if data.size != len(placed.entry) or not found.free:
        return data
    sizes: dict[str, int | None] = {loop.axis: loop.size for loop in plan.loops}
    shape = [sizes.get(axis) for axis in found.free]
    known = [size for size in shape if size is not None]
    if len(known) != len(shape) or prod(known) != data.size:
        return data
    flat = np.ravel_multi_index([placed.axes[axis] for axis in found.free], known)
    if (flat == np.arange(len(flat))).all():
        return data.reshape(known)
    out = np.empty(data.size, data.dtype)
    out[flat] = data.reshape(-1)
    return out.reshape(known)


def _regions(plan: ScanPlan, block: Block) -> Index | None:
    """Give the region that each row of a block names; None where none does."""
    if _REGION not in block.columns or len(plan.entries) < 2:
        return None
    named = np.full(len(block.seq_nums), -1, np.int64)
    for chunk in block.columns[_REGION]:
        at = chunk.row - block.row
        named[at : at + len(chunk.values)] = chunk.values
    return named


def _device_chunks(plan: ScanPlan, block: Block) -> Iterator[AnyArray]:
    """Give the readings of the ring current in a block."""
    device = plan.devices.get("ring_current")
    key = None if device is None else device.read_key
    for chunk in block.columns.get(key or "", ()):
        values = chunk.values
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.size:
            yield values
