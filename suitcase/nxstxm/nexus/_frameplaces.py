"""Where frames belong in the array of an entry: by their coordinates, never by their order."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from ..data import BATCH, BATCHES, CHANNEL, REGION_AXIS, detector_columns, entry_name
from ..scans import ScanPlan, place
from ._blocks import Index
from ._jobs import Part
from ._points import Points
from ._record import RunRecord


class FramePlaces:
    """Tells where the values of a run's frames are in an entry's array.

    Parameters
    ----------
    points : Points
        The entry's points.
    part : Part
        The run.
    """

    def __init__(self, points: Points, part: Part) -> None:
        self.shape = points.shape
        self.axes = [axis.name for axis in points.job.plan.axes]
        self._part = part
        self._plan = part.record.plan
        self._fixed = dict(self._plan.fixed)
        self._several = len(self._plan.entries) > 1
        own = self._plan.entries[part.entry].axes
        self._steps_energy = any(axis.name == "energy" for axis in own)
        self._strides = [prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        self._offsets: dict[tuple[int, ...], Index] = {}
        self._labels = labels_of(part.record)

    def belongs(self, coords: Mapping[str, Any]) -> bool:
        """Tell whether a frame is of this entry."""
        if not self._several:
            return True
        return entry_of(self._plan, coords) == self._part.entry

    def label(self, coords: Mapping[str, Any]) -> str:
        """Name the detector, or what a processor calls a channel, of a frame."""
        named = coords.get(CHANNEL)
        if named is not None:
            return str(named)
        return next(iter(self._labels), "")

    def indices(self, coords: Mapping[str, Any]) -> dict[str, Any]:
        """Give the coordinates that are no names, with the energy of a run that has one."""
        found = {k: v for k, v in coords.items() if k not in (REGION_AXIS, CHANNEL)}
        if "energy" in self.axes:
            if "energy" in found and isinstance(found["energy"], int):
                found["energy"] += self._part.energy_offset
            elif not self._steps_energy:
                found["energy"] = self._fixed.get("energy", self._part.energy_offset)
        return found

    def positions(self, coords: Mapping[str, Any], shape: tuple[int, ...]) -> Index | None:
        """Give the flat position of each value of a frame.

        Parameters
        ----------
        coords : Mapping
            Its coordinates.
        shape : tuple of int
            Its shape.

        Returns
        -------
        ndarray of int64 or None
            As many as it has values; None when it does not fit into the array.
        """
        at = self.indices(coords)
        extra = {k for k, v in at.items() if k not in self.axes and self._fixed.get(k) != v}
        if extra == {BATCHES}:
            return self._batch(at[BATCHES], prod(shape))
        if extra:
            return None
        base, free = 0, []
        for name, size, stride in zip(self.axes, self.shape, self._strides, strict=True):
            index = at.get(name, self._fixed.get(name))
            if index is None:
                free.append(self.axes.index(name))
            elif not isinstance(index, int) or not 0 <= index < size:
                return None
            else:
                base += index * stride
        sizes = [self.shape[i] for i in free]
        if [n for n in shape if n != 1] != [n for n in sizes if n != 1]:
            return None
        return base + self._along(tuple(free))

    def _along(self, free: tuple[int, ...]) -> Index:
        """Give how far the values of a frame along some axes are from its first."""
        if free not in self._offsets:
            found = np.zeros(1, np.int64)
            for i in free:
                steps = np.arange(self.shape[i], dtype=np.int64) * self._strides[i]
                found = np.add.outer(found, steps).ravel()
            self._offsets[free] = found
        return self._offsets[free]

    def _batch(self, number: Any, n: int) -> Index | None:
        if not isinstance(number, int) or not 0 < n <= BATCH:
            return None
        points = number * BATCH + np.arange(n, dtype=np.int64)
        placed = place(self._plan, points)
        index, inside = [], placed.entry == self._part.entry
        for name, size in zip(self.axes, self.shape, strict=True):
            i = placed.axes.get(name, np.zeros(n, np.int64))
            if name == "energy":
                i = i + self._part.energy_offset
            inside &= (i >= 0) & (i < size)
            index.append(np.clip(i, 0, size - 1))
        flat = np.ravel_multi_index(index, self.shape) if index else np.zeros(n, np.int64)
        return np.where(inside, flat, -1)


def entry_of(plan: ScanPlan, coords: Mapping[str, Any]) -> int:
    """Give the number of the entry that coordinates name; the first unless they name one.

    -1 where there is no such entry.
    """
    region = coords.get(REGION_AXIS)
    if region is None:
        return 0
    names = [entry_name(plan, i) for i in range(len(plan.entries))]
    return names.index(region) if region in names else -1


def labels_of(record: RunRecord) -> dict[str, str]:
    """Give the data key of each detector of a run, by what it is called; pictures first."""
    stream = record.measurement
    found = list(detector_columns(record.plan, dict.fromkeys(record.keys(stream or ""))))
    found.sort(key=lambda each: each[2].role not in ("signal", "camera"))
    return {label: key for key, label, _ in found}
