"""From the columns of a run to frames that know where they belong.

A reading that covers several points (a line, an image, a camera's picture of one) is a frame as it
comes. Readings of single points are gathered until their line is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from ..documents import Block
from ..scans import (
    BASELINE,
    LineAxis,
    Placement,
    ScanPlan,
    binned,
    is_line,
    is_short,
    line_axes,
    points_per_event,
)
from ._lines import COMPLETE, Lines, Made
from ._readings import AnyArray, Readings, device_columns, readings_of
from ._where import CHANNEL, EVENT, Spot, details, spot

#: Takes coordinates, data and metadata.
Put = Callable[[Mapping[str, Any], AnyArray, Mapping[str, Any]], object]


class Framer:
    """Cuts what the detectors of a run gave into frames.

    Parameters
    ----------
    put : callable
        Takes each frame: coordinates, data, metadata.
    """

    def __init__(self, put: Put) -> None:
        self._put = put
        self._current: float | None = None  # of the ring, as the baseline has it
        self._begin("")

    def _begin(self, stream: str) -> None:
        self._stream = stream
        self._lines = Lines()
        self._highest = 0
        self._per_row = 1  # points that a row covers: as many as its longest reading
        self._several = False
        #: The fast axis, where it is read several times in a row, and what was read by row.
        self._line: LineAxis | None = None
        self._positions: dict[int, AnyArray] = {}
        #: By key, how often it gave lines of so many values: fewer are of one that was broken off.
        self._lengths: dict[str, Counter[int]] = {}

    def take(self, plan: ScanPlan, block: Block) -> None:
        """Take a block of the baseline or of the measurement.

        Parameters
        ----------
        plan : ScanPlan
            The plan, bound to the descriptors that came so far.
        block : Block
            The block; one of another stream than the one before begins anew.
        """
        if block.stream == BASELINE:
            for values in device_columns(plan, block, "ring_current"):
                finite = values[np.isfinite(values)]
                if self._current is None and len(finite):
                    self._current = float(finite[0])
            return
        found = list(readings_of(plan, block, self._current))
        if not found:
            return
        if block.stream != self._stream:
            self._begin(block.stream)
            self._several = len({readings.about["data_key"] for readings in found}) > 1
        self._highest = max(self._highest, int(block.seq_nums.max()))
        for readings in found:
            covered = points_per_event(
                plan, readings.n_values, self._highest, readings.detector.covers
            )
            self._per_row = max(self._per_row, covered)
        self._look_at_lines(plan, block)
        for readings in found:
            are_points = self._per_row == 1 and readings.n_values == 1
            self._give(self._lines.take(readings) if are_points else self._frames(readings))

    def _look_at_lines(self, plan: ScanPlan, block: Block) -> None:
        """Find the positions of lines that are sampled, by sequence number."""
        self._line, self._positions = None, {}
        for line in line_axes(plan, plan.entries[0]):
            chunks = block.columns.get(line.key, ())
            shapes = [chunk.values.shape[1:] for chunk in chunks]
            if not all(is_line(shape) or is_short(shape) for shape in shapes):
                continue
            for chunk in chunks:
                self._note_length(line.key, chunk.values.shape[1:], len(chunk.values))
            if line.key not in self._lengths:
                continue
            for chunk in chunks:
                rows = block.seq_nums[chunk.row - block.row :].tolist()
                positions = (np.asarray(each).reshape(-1) for each in chunk.values)
                self._positions.update(zip(rows, positions, strict=False))
            self._line = line
            total = plan.n_points
            if self._per_row == 1 and (total is None or self._highest * line.size <= total):
                self._per_row = line.size
            return

    def _note_length(self, key: str, shape: tuple[int, ...], n: int) -> None:
        if is_line(shape):
            self._lengths.setdefault(key, Counter())[prod(shape)] += n

    def _usual(self, key: str) -> int:
        """Give the number of values that most lines of a key had so far."""
        return self._lengths[key].most_common(1)[0][0]

    def flush(self) -> None:
        """Give what is not complete; nothing more comes."""
        self._give(self._lines.flush())

    def _give(self, frames: Iterator[Made]) -> None:
        for coords, data, about in frames:
            if self._several:
                coords = {**coords, CHANNEL: about["detector"]}
            self._put(coords, np.asarray(data), about)

    def _frames(self, readings: Readings) -> Iterator[Made]:
        """Make a frame of each reading."""
        plan, covered = readings.plan, self._per_row
        for i, reading in enumerate(readings.values):
            placed = readings.placed(slice(i, i + 1), covered)
            line = self._line_of(plan, reading, placed, readings)
            if line is not None:
                positions = self._positions.get(int(readings.seq_nums[i]))
                along = placed.axes[line.axis]
                usual = self._usual(readings.about["data_key"]), self._usual(line.key)
                data = binned(line, reading.reshape(-1), positions, along, usual)
                is_complete = True
            else:
                data, is_complete = _as_row(reading, covered, readings.detector.covers)
            found = spot(plan, placed)
            coords = found.coordinates
            if not found.inside:
                coords = {**coords, EVENT: int(readings.seq_nums[i])}
            elif covered > 1:
                data = in_order_of_axes(plan, placed, found, data)
            about = details(plan, placed, readings.about)
            about["time"] = float(readings.times[i])
            if not is_complete:
                about[COMPLETE] = False
            current = readings.current_of(i, covered)
            if current is not None:
                about["ring_current"] = current
            yield coords, data, about

    def _line_of(
        self, plan: ScanPlan, reading: AnyArray, placed: Placement, readings: Readings
    ) -> LineAxis | None:
        """Give the line whose samples a reading is, where they are not its points."""
        known = self._line
        key = readings.about["data_key"]
        self._note_length(key, reading.shape, 1)
        if known is None or self._per_row != known.size or readings.detector.covers == "point":
            return None
        may_be_line = is_line(reading.shape) or (key in self._lengths and is_short(reading.shape))
        is_sampled = may_be_line and reading.size != known.size
        if not is_sampled or reading.dtype.kind not in "biuf":
            return None
        entry = plan.entries[max(int(placed.entry[0]), 0)]  # each has setpoints of its own
        return next((line for line in line_axes(plan, entry) if line.key == known.key), known)


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
