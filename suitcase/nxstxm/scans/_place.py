"""Where the points of a run belong: from their order in the run to entry and array index.

Points are placed by sequence number alone, never by measured position: motors can be stuck, and a
rewound plan repeats numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from ._plan import Loop, ScanPlan

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Placement:
    """Points of a run in an entry.

    Attributes
    ----------
    entry : ndarray of int64, shape (n,)
        Index into `ScanPlan.entries`; -1 for points beyond the plan.
    axes : dict of str to ndarray of int64, shape (n,)
        Index along each axis that the run steps.
    """

    entry: Index
    axes: dict[str, Index]


def place(plan: ScanPlan, points: Index) -> Placement:
    """Place points by their ordinal in the run.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    points : ndarray of int64, shape (n,)
        Ordinals: (seq_num - 1) * points per event + point of the event.

    Returns
    -------
    Placement
        Entry and indices. A slowest loop of unknown size takes any ordinal; points beyond a known
        plan get entry -1.
    """
    sizes = [loop.size for loop in plan.loops]
    inner = prod(size or 1 for size in sizes[1:])
    inside = points >= 0
    if sizes and sizes[0] is not None:
        inside &= points < sizes[0] * inner
    rest = np.where(inside, points, 0)
    index: list[Index] = []
    for size in reversed(sizes[1:]):
        rest, i = np.divmod(rest, size or 1)
        index.append(i.astype(np.int64, copy=False))
    if sizes:
        index.append(rest.astype(np.int64, copy=False))
    index.reverse()

    entry = np.zeros(points.shape, np.int64)
    axes: dict[str, Index] = {}
    outer = np.zeros(points.shape, np.int64)  # ordinal of the pass, for snaked loops
    around = outer  # the same within the loop around
    for loop, i in zip(plan.loops, index, strict=True):
        step = i
        if loop.snaked and loop.size is not None:
            passes = around if loop.restarts else outer
            i = np.where(passes % 2 == 1, loop.size - 1 - i, i)
        outer, around = outer * (loop.size or 1) + step, step
        if loop.axis == "entry":
            entry = entry * (loop.size or 1) + i
        elif loop.axis == "visit":
            visits = np.asarray(plan.visits, np.int64)
            entry, axes["energy"] = visits[i, 0], visits[i, 1]
        else:
            axes[loop.axis] = i
    for name, at in plan.fixed:
        axes[name] = np.full(points.shape, at, np.int64)
    return Placement(np.where(inside, entry, -1), axes)


#: Loops that are no axis of an entry's array.
_NO_AXES = ("entry", "visit")


def fastest_loop(plan: ScanPlan) -> Loop | None:
    """Give the fastest of a plan's loops that is an axis of its entries."""
    for loop in reversed(plan.loops):
        if loop.axis == "visit":
            return Loop("energy", max((len(e.energies) for e in plan.entries), default=1))
        if loop.axis not in _NO_AXES:
            return loop
    return None


def by_region(plan: ScanPlan, placed: Placement, named: Index) -> Placement:
    """Let the region that a reading names decide the entry, where there are several.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    placed : Placement
        Its points.
    named : ndarray of int64, shape (n,)
        The region that came with each point; -1 where none did.
    """
    entries = plan.entries
    regions = list(dict.fromkeys(entry.region for entry in entries))
    index = {int(region): i for i, region in enumerate(regions) if region.isdigit()}
    local = np.array([index.get(int(n), -1) for n in named], np.int64)
    # entries of a second polarization follow those of the first, region by region
    entry = placed.entry // len(regions) * len(regions) + local
    entry = np.where((local >= 0) & (placed.entry >= 0), entry, placed.entry)
    return Placement(entry, placed.axes)


def points_per_event(plan: ScanPlan, n_values: int, n_events: int, per: str | None) -> int:
    """Tell how many points of the plan one reading of a detector covers.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    n_values : int
        Values in one reading.
    n_events : int
        Highest sequence number of the run.
    per : str or None
        ``"line"`` or ``"point"`` where the plan knows.

    Returns
    -------
    int
        1 when a reading belongs to one point (a scalar, a spectrum, a frame); the length of a
        line, of an image or of all when it covers that many points.
    """
    sizes = [loop.size for loop in plan.loops if loop.size is not None]
    if per == "point" or (n_values == 1 and per is None) or not sizes:
        return 1
    total = plan.n_points
    covered = 1
    choices = []
    for size in reversed(sizes):
        covered *= size
        choices.append(covered)
    if n_values in choices and (total is None or n_events * n_values <= total):
        return n_values
    if per == "line" and n_values > 1:
        return choices[0]
    return 1
