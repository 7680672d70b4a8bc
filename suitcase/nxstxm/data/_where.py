"""Where readings of a run belong: the indices of a plan's axes as coordinates of frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..scans import Placement, ScanPlan, place

Index = npt.NDArray[np.int64]
#: Axis of frames that came beyond the plan: their sequence number.
EVENT = "event"
#: Axes whose values are names: of an entry, of a detector or a channel of one.
REGION_AXIS, CHANNEL = "region", "channel"


class Spot(NamedTuple):
    """Where the points of one reading belong.

    Attributes
    ----------
    coordinates : dict
        The indices that are the same for all of its points, and the entry as ``region`` where the
        plan has several.
    free : tuple of str
        The axes along which its points differ, in the order of the entry's array.
    inside : bool
        All points are in the plan, and in one entry of it.
    """

    coordinates: dict[str, int | str]
    free: tuple[str, ...]
    inside: bool


def spot(plan: ScanPlan, placed: Placement) -> Spot:
    """Tell what the points of a reading have in common.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    placed : Placement
        Its points, at least one.
    """
    common: dict[str, int | str] = dict(plan.fixed)
    free = []
    for axis, index in placed.axes.items():
        if (index == index[0]).all():
            common[axis] = int(index[0])
        else:
            common.pop(axis, None)
            free.append(axis)
    number = int(placed.entry[0])
    inside = number >= 0 and bool((placed.entry == number).all())
    if inside and len(plan.entries) > 1:
        common[REGION_AXIS] = plan.entry_names[number]
    if inside and len(free) > 1:
        order = [axis.name for axis in plan.entries[number].axes]
        free.sort(key=lambda axis: order.index(axis) if axis in order else len(order))
    return Spot(common, tuple(free), inside)


def where(plan: ScanPlan, seq_num: int, per_event: int) -> dict[str, int | str]:
    """Give the coordinates of an event that has so many points."""
    points = np.arange((seq_num - 1) * per_event, seq_num * per_event, dtype=np.int64)
    placed = place(plan, points)
    found = spot(plan, placed)
    if (placed.entry < 0).all():
        # beyond the plan; it has a place all the same
        return {**found.coordinates, EVENT: seq_num}
    return found.coordinates


def details(plan: ScanPlan, placed: Placement, metadata: Mapping[str, object]) -> dict[str, object]:
    """Add to metadata what the plan knows of points: their dwell and energy.

    A number where all points have the same, else an array of one for each.
    """
    found = dict(metadata)
    number = max(int(placed.entry[0]), 0)
    if number >= len(plan.entries):
        return found
    entry = plan.entries[number]
    index = placed.axes.get("energy")
    for name, values in (("dwell", entry.dwells), ("energy", entry.energies)):
        if not values:
            continue
        if index is None:
            at: Index = np.full(1, dict(plan.fixed).get("energy", 0), np.int64)
        else:
            at = index
        each = np.asarray(values, float)[np.minimum(at, len(values) - 1)]
        found[name] = float(each[0]) if (each == each[0]).all() else each
    return found
