"""Where frames belong in the array of an entry: by their coordinates, never by their order."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..data import BATCH, BATCHES, CHANNEL, REGION_AXIS
from ..scans import Detector, ScanPlan, detector_columns, place
from ._blocks import Index
from ._jobs import Part
from ._points import Points
from ._record import AnyArray, RunRecord, frame_sums


class Fit(NamedTuple):
    """What a frame is in a picture.

    Attributes
    ----------
    position : ndarray of int64, shape (n,)
        Flat positions.
    values : ndarray of float64, shape (n,)
        Its values there.
    is_sum : bool
        It belongs to one point and has many values, of which that is the sum.
    """

    position: Index
    values: npt.NDArray[np.float64]
    is_sum: bool


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
        self._first = next(iter(labels_of(part.record)), "")

    def belongs(self, coords: Mapping[str, Any]) -> bool:
        """Tell whether a frame is of this entry."""
        if not self._several:
            return True
        return entry_of(self._plan, coords) == self._part.entry

    def label(self, coords: Mapping[str, Any]) -> str:
        """Name the detector, or what a processor calls a channel, of a frame."""
        return str(coords.get(CHANNEL, self._first))

    def indices(self, coords: Mapping[str, Any]) -> dict[str, Any]:
        """Give the coordinates that are no names, with the energy of a run that has one."""
        found = {k: v for k, v in coords.items() if k not in (REGION_AXIS, CHANNEL)}
        if "energy" in self.axes:
            if "energy" in found and isinstance(found["energy"], int):
                found["energy"] += self._part.energy_offset
            elif not self._steps_energy:
                found["energy"] = self._fixed.get("energy", self._part.energy_offset)
        return found

    def fit(self, coords: Mapping[str, Any], data: AnyArray) -> Fit | None:
        """Fit a frame into the picture.

        Parameters
        ----------
        coords : Mapping
            Its coordinates.
        data : ndarray
            Its data.

        Returns
        -------
        Fit or None
            None when it does not fit: it has other axes, or other sizes along them.
        """
        position = self._positions(coords, data.shape)
        if position is not None:
            values = np.abs(data) if data.dtype.kind == "c" else data
            return Fit(position, values.reshape(-1).astype(np.float64, copy=False), False)
        position = self._positions(coords, ())
        if position is None:
            return None
        return Fit(position, frame_sums(data[np.newaxis]), True)

    def _positions(self, coords: Mapping[str, Any], shape: tuple[int, ...]) -> Index | None:
        """Give the flat position of each value of a frame of a shape; None for nowhere."""
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
    return plan.entry_names.index(region) if region in plan.entry_names else -1


def labels_of(record: RunRecord) -> dict[str, tuple[str, Detector]]:
    """Give column and detector by what it is called; those that make pictures first."""
    keys = record.keys(record.measurement or "")
    found = {label: (key, detector) for key, label, detector in detector_columns(record.plan, keys)}
    return dict(sorted(found.items(), key=lambda item: not item[1][1].is_picture))
