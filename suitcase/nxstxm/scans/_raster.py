"""Rasters that no plan tells of: found in what the motors read.

A plan that somebody wrote by hand says nothing of its loops. Where its points are exactly those of
a raster, line by line, the run is an image or a stack all the same. Anything else stays what it
was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from ._plan import Axis, Loop, ScanPlan
from ._roles import ROLE_UNITS
from ._types import LAYOUTS, ScanType
from ._with_roles import typed

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
#: The devices that may move, by the pictures that are looked for.
_MOVING = tuple(
    dict.fromkeys(
        axis
        for kind in (
            ScanType.SAMPLE_IMAGE_STACK,
            ScanType.OSA_IMAGE,
            ScanType.DETECTOR_IMAGE,
        )
        for axis in LAYOUTS[kind].axes
    )
)
#: Steps are at least so much larger than the noise of a motor's readings.
_DISTINCT = 5.0
#: Fewer points than these are no raster.
_LEAST = 4


def may_be_raster(plan: ScanPlan) -> bool:
    """Tell whether a plan knows no loops of its own, though devices are read that may move."""
    [entry, *others] = plan.entries
    return (
        plan.dialect == "plain"
        and not others
        and [axis.name for axis in entry.axes] in (["point"], ["time"])
        and len(moving_keys(plan)) > 1
    )


def moving_keys(plan: ScanPlan) -> dict[str, str]:
    """Give the data keys of devices that may move, by role: of setpoints where there are some."""
    found = {}
    for role in _MOVING:
        device = plan.devices.get(role)
        key = None if device is None else device.set_key or device.read_key
        if key is not None:
            found[role] = key
    return found


def as_raster(plan: ScanPlan, readings: Mapping[str, Floats]) -> ScanPlan:
    """Find the loops of a run in what was read.

    Parameters
    ----------
    plan : ScanPlan
        A plan that `may_be_raster`.
    readings : Mapping of str to ndarray, shape (n,)
        Readings of devices by role, in the order of the points, in the units of the roles.

    Returns
    -------
    ScanPlan
        With loops and axes; the plan itself where the points are no raster. The last step of the
        slowest loop may be incomplete.
    """
    walks = {role: walk for role, values in readings.items() if (walk := _Walk.of(values))}
    n = min((len(values) for values in readings.values()), default=0)
    if len(walks) < 2 or n < _LEAST:
        return plan
    order = sorted(walks, key=lambda role: walks[role].n_changes)
    sizes = [len(walks[role].levels) for role in order]
    inner = prod(sizes[1:])
    if not inner * (sizes[0] - 1) < n <= inner * sizes[0]:
        return plan
    index = np.unravel_index(np.arange(n), sizes)
    loops = []
    for i, role in enumerate(order):
        loop = _loop(role, sizes[i], walks[role].index, index, i)
        if loop is None:
            return plan
        loops.append(loop)
    axes = tuple(
        Axis(role, walks[role].levels, ROLE_UNITS.get(role, ""), role=role) for role in order
    )
    [entry] = plan.entries
    words = " x ".join(f"{size} {role}" for size, role in zip(sizes, order, strict=True))
    told = f"the plan tells no loops; the readings are those of a raster of {words}, and so it is"
    found = typed(
        replace(
            plan,
            entries=(replace(entry, axes=axes, positions=()),),
            loops=tuple(loops),
            messages=(*plan.messages, told),
        )
    )
    return plan if found.scan_type == ScanType.GENERIC_SCAN else found


def _loop(role: str, size: int, walked: Index, index: tuple[Index, ...], i: int) -> Loop | None:
    """Tell how one of some loops was walked; `index` are the steps of all, in time."""
    straight = index[i]
    if np.array_equal(walked, straight):
        return Loop(role, size)
    passes = np.zeros(len(straight), np.int64)
    for step, outer in zip(index[:i], (int(s.max()) + 1 for s in index), strict=False):
        passes = passes * outer + step
    for each, restarts in ((passes, False), (index[i - 1], True)):
        if np.array_equal(walked, np.where(each % 2, size - 1 - straight, straight)):
            return Loop(role, size, snaked=True, restarts=restarts)
    return None


class _Walk:
    """How a device went from level to level.

    Attributes
    ----------
    levels : tuple of float
        Where it stood, in the order in which it came there first.
    index : ndarray of int64, shape (n,)
        The level of each point.
    n_changes : int
        How often it moved.
    """

    def __init__(self, levels: tuple[float, ...], index: npt.NDArray[np.int64]) -> None:
        self.levels = levels
        self.index = index
        self.n_changes = int(np.count_nonzero(np.diff(index)))

    @classmethod
    def of(cls, values: Floats) -> _Walk | None:
        """Find the levels of readings; None where a device stood still, or never came back."""
        if not len(values) or not np.isfinite(values).all():
            return None
        order = np.argsort(values, kind="stable")
        rising = values[order]
        steps = np.diff(rising)
        noise = _noise(steps)
        group = np.concatenate([[0], np.cumsum(steps > noise)])
        n = int(group[-1]) + 1
        if n < 2 or n == len(values):
            return None
        of_point = np.empty(len(values), np.int64)
        of_point[order] = group
        _, first = np.unique(of_point, return_index=True)
        rank = np.empty(n, np.int64)
        rank[np.argsort(first)] = np.arange(n)
        index = rank[of_point]
        means = np.bincount(index, weights=values) / np.bincount(index)
        exact = [values[first[level]] for level in np.argsort(first)]
        same = np.array_equal(np.asarray(exact)[index], values)
        return cls(tuple(float(v) for v in (exact if same else means)), index)


def _noise(steps: Floats) -> float:
    """Give the largest of the differences between sorted readings that are of one level."""
    rising = np.sort(steps[steps > 0])
    if len(rising) < 2 or (steps == 0).sum() * 2 >= len(steps):
        return 0.0  # most are equal: it reads where it was sent
    ratios = rising[1:] / rising[:-1]
    i = int(np.argmax(ratios))
    return float(rising[i]) if ratios[i] >= _DISTINCT else 0.0
