"""Lines whose points come one by one: gathered, since a coordinate for each pixel is too dear."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ..scans import Placement, fastest_loop
from ._readings import AnyArray, Index, Readings
from ._where import EVENT, REGION_AXIS, details

#: Points of a batch, where the plan does not say how long a line is.
BATCH = 256
#: The axis of such batches: their ordinal.
BATCHES = "batch"
#: Key of metadata: not all points of a line came.
COMPLETE = "complete"
#: Lines that are open, or may still be measured again.
LINES = 64
#: Coordinates, data and metadata of a frame.
Made = tuple[dict[str, Any], AnyArray, dict[str, Any]]


class Lines:
    """Gathers the points of a run into lines, or batches where the plan has no lines."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[Any, ...], _Line] = OrderedDict()

    def take(self, readings: Readings) -> Iterator[Made]:
        """Take readings of one point each.

        Yields
        ------
        coordinates, data, metadata
            Lines that are complete; a line that was measured again once more. Points beyond the
            plan one by one.
        """
        plan = readings.plan
        placed = readings.placed(slice(None), 1)
        values = np.asarray(readings.values).reshape(len(readings.seq_nums))
        loop = fastest_loop(plan)
        along = None if loop is None else placed.axes.get(loop.axis)
        if loop is None or loop.size is None or along is None:
            axis, size = BATCHES, BATCH
            along = (readings.seq_nums - 1) % BATCH
            keys = {BATCHES: ((readings.seq_nums - 1) // BATCH).tolist()}
        else:
            axis, size = loop.axis, loop.size
            keys = {name: index.tolist() for name, index in placed.axes.items() if name != axis}
        entries = placed.entry.tolist()
        # rows of one line come one after the other: few pieces, whatever the block is long
        line = list(zip(entries, *keys.values(), strict=True))
        edges = [0, *(i for i in range(1, len(line)) if line[i] != line[i - 1]), len(line)]
        for first, last in pairwise(edges):
            if entries[first] < 0:
                for i in range(first, last):
                    yield {EVENT: int(readings.seq_nums[i])}, values[i], readings.about
                continue
            name = (readings.about["data_key"], *line[first])
            known = self._lines.get(name)
            if known is None:
                coords = {**dict(plan.fixed), **{key: keys[key][first] for key in keys}}
                if len(plan.entries) > 1:
                    coords[REGION_AXIS] = plan.entry_names[entries[first]]
                known = self._lines[name] = _Line(coords, size, axis)
                yield from self._let_go()
            known.add(readings, slice(first, last), along[first:last], values[first:last])
            if known.is_complete:
                yield from known.news()

    def _let_go(self) -> Iterator[Made]:
        """Forget the oldest lines when there are many."""
        n_entries = len({name[1] for name in self._lines})
        while len(self._lines) > max(LINES, 4 * n_entries):
            _, oldest = self._lines.popitem(last=False)
            yield from oldest.news()

    def flush(self) -> Iterator[Made]:
        """Give what is not complete; nothing more comes."""
        for line in self._lines.values():
            yield from line.news()
        self._lines.clear()


class _Line:
    """A line whose points come one by one."""

    def __init__(self, coordinates: dict[str, Any], size: int, axis: str) -> None:
        self._coordinates = coordinates
        self._is_new = False
        self._axis = axis
        self._size = size
        self._values: AnyArray | None = None
        self._arrived = np.zeros(size, bool)
        self._current = np.full(size, np.nan)
        self._last = -1
        self._about: dict[str, Any] = {}

    def add(self, readings: Readings, rows: slice, along: Index, values: AnyArray) -> None:
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
        self._is_new = True

    @property
    def is_complete(self) -> bool:
        """Whether all of its points are there, and the last of them has just come."""
        return bool(self._arrived.all()) and self._last in (0, self._size - 1)

    def news(self) -> Iterator[Made]:
        """Give it as a frame, if points came since it was given last."""
        if self._is_new:
            self._is_new = False
            yield self._coordinates, *self._frame()

    def _frame(self) -> tuple[AnyArray, dict[str, Any]]:
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
