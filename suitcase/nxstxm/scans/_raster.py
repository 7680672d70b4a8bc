"""Rasters that no plan tells of: found in what the motors read.

A plan that somebody wrote by hand says nothing of its loops. Where its points are exactly those of
a raster, line by line, the run is an image or a stack all the same. Anything else stays what it
was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from ._arrange import arranged, with_grid
from ._plan import Axis, Loop, ScanPlan
from ._roles import ROLE_UNITS
from ._types import LAYOUTS, ScanType

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
#: Gaps between noise and steps that are tried.
_GAPS = 4
#: An energy that moves less than this, eV, stands still.
_STILL_EV = 0.2
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
    told = [axis.role for axis in plan.entries[0].positions] if plan.told_shape else []
    for role in dict.fromkeys((*_MOVING, *told)):
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
    plan = arranged(plan, readings) or plan
    if not may_be_raster(plan):
        return plan
    readings = {role: values for role, values in readings.items() if role in _MOVING}
    n = min((len(values) for values in readings.values()), default=0)
    if n < _LEAST:
        return plan
    choices = [[*_walks(values), None] for values in readings.values()]
    for chosen in product(*choices):
        walks = {r: walk for r, walk in zip(readings, chosen, strict=True) if walk is not None}
        if len(walks) < 2 or not _stand_still(readings, walks):
            continue
        loops = _loops(walks, n)
        found = None if loops is None else _with_loops(plan, walks, loops)
        if found is not None and found.scan_type != ScanType.GENERIC_SCAN:
            return found
    if plan.told_shape:
        shape = " x ".join(map(str, plan.told_shape))
        told = f"the plan tells a shape of {shape}, but not how it was walked, nor do the readings"
        return replace(plan, messages=(*plan.messages, f"{told}: the points are a list"))
    return plan


def _stand_still(readings: Mapping[str, Floats], walks: Mapping[str, _Walk]) -> bool:
    """Tell whether the devices that do not walk stay where they are, beside those that do."""
    steps = [walk.least_step for role, walk in walks.items() if role != "energy"]
    for role, values in readings.items():
        if role in walks:
            continue
        most = _STILL_EV if role == "energy" else min(steps, default=0.0) / _DISTINCT
        if not np.isfinite(values).all() or np.ptp(values) > most:
            return False
    return True


def _loops(walks: Mapping[str, _Walk], n: int) -> list[Loop] | None:
    """Give the loops of a raster of `n` points; None where it is none."""
    order = sorted(walks, key=lambda role: walks[role].n_changes)
    sizes = [len(walks[role].levels) for role in order]
    inner = prod(sizes[1:])
    if not inner * (sizes[0] - 1) < n <= inner * sizes[0]:
        return None
    index = np.unravel_index(np.arange(n), sizes)
    loops = []
    for i, role in enumerate(order):
        loop = _loop(role, sizes[i], walks[role].index, index, i)
        if loop is None:
            return None
        loops.append(loop)
    return loops


def _with_loops(plan: ScanPlan, walks: Mapping[str, _Walk], loops: Sequence[Loop]) -> ScanPlan:
    axes = tuple(
        Axis(loop.axis, walks[loop.axis].levels, ROLE_UNITS.get(loop.axis, ""), role=loop.axis)
        for loop in loops
    )
    words = " x ".join(f"{loop.size} {loop.axis}" for loop in loops)
    told = f"the plan tells no loops; the readings are those of a raster of {words}, and so it is"
    return with_grid(plan, axes, loops, told)


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
    least_step : float
        The smallest distance between two levels.
    """

    def __init__(self, levels: tuple[float, ...], index: Index) -> None:
        self.levels = levels
        self.index = index
        self.n_changes = int(np.count_nonzero(np.diff(index)))
        self.least_step = float(np.diff(np.sort(levels)).min())


def _walks(values: Floats) -> Iterator[_Walk]:
    """Give the ways in which readings may be levels, the likeliest first.

    None for a device that stood still, or that never came back to where it was.
    """
    if not len(values) or not np.isfinite(values).all():
        return
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order])
    for noise in _noises(steps):
        group = np.concatenate([[0], np.cumsum(steps > noise)])
        n = int(group[-1]) + 1
        if not 1 < n < len(values):
            continue
        of_point = np.empty(len(values), np.int64)
        of_point[order] = group
        _, first = np.unique(of_point, return_index=True)
        rank = np.empty(n, np.int64)
        rank[np.argsort(first)] = np.arange(n)
        index = rank[of_point]
        exact = values[np.sort(first)]
        is_exact = np.array_equal(exact[index], values)
        levels = exact if is_exact else np.bincount(index, weights=values) / np.bincount(index)
        yield _Walk(tuple(float(level) for level in levels), index)


def _noises(steps: Floats) -> list[float]:
    """Give what may be the largest difference between sorted readings of one level.

    Between it and the smallest step there is a gap; of several the widest come first.
    """
    rising = np.sort(steps[steps > 0])
    if len(rising) == 0:
        return []
    found = [0.0] if len(rising) < len(steps) else []  # some are equal: it may read exactly
    ratios = rising[1:] / rising[:-1]
    for i in np.argsort(ratios)[::-1][:_GAPS]:
        if ratios[i] >= _DISTINCT:
            found.append(float(rising[i]))
    return found
