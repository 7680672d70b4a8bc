"""How a grid was walked of which a plan tells no more than the shape: found in the readings.

``scan_nd`` lists its motors in no order, and a shape in its metadata does not say which of them
is the slow one, or whether lines run back and forth. The readings do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations, product
from math import prod

import numpy as np
import numpy.typing as npt

from ._plan import Axis, Loop, ScanPlan
from ._types import ScanType
from ._with_roles import typed

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
#: Readings of one level are nearer to each other than this part of a step.
_NEAR = 0.5


def as_list(plan: ScanPlan) -> ScanPlan:
    """Give a plan whose path is not known as a list of points, with a position for each axis."""
    [entry] = plan.entries
    n = plan.n_points
    positions = tuple(replace(axis, setpoints=None, size=n) for axis in entry.axes)
    points = Axis("point", None, "", n)
    listed = replace(entry, axes=(points,), positions=positions, energies=())
    return replace(
        plan,
        scan_type=ScanType.GENERIC_SCAN,
        entries=(listed,),
        loops=(Loop("point", n),),
    )


def arranged(plan: ScanPlan, readings: Mapping[str, Floats]) -> ScanPlan | None:
    """Find which axis is which loop of a shape, and which loops run back and forth.

    A shape has the slowest loop first, or last: NSLS-II's HXN tells the fast axis first.

    Parameters
    ----------
    plan : ScanPlan
        A list of points with a `ScanPlan.told_shape`.
    readings : Mapping of str to ndarray, shape (n,)
        Readings of devices by role, in the order of the points, in the units of the roles.

    Returns
    -------
    ScanPlan or None
        With loops and axes; None where no way of walking the shape has readings like these, or
        where fewer than two steps of a loop were done.
    """
    shape = plan.told_shape
    n = min((len(values) for values in readings.values()), default=0)
    if not shape or not 1 < n <= prod(shape):
        return None
    told = [axis.role for axis in plan.entries[0].positions if axis.role in readings]
    roles = told if len(told) == len(shape) else list(readings)
    for sizes in dict.fromkeys((shape, shape[::-1])):
        for loops, index in _ways(np.unravel_index(np.arange(n), sizes), sizes):
            for chosen in permutations(roles, len(sizes)):
                levels = [
                    _levels(readings[role], at, size)
                    for role, at, size in zip(chosen, index, sizes, strict=True)
                ]
                if all(found is not None for found in levels):
                    return _with_path(plan, chosen, loops, [found or () for found in levels])
    return None


def _ways(
    straight: Sequence[Index], sizes: Sequence[int]
) -> Iterator[tuple[list[Loop], list[Index]]]:
    """Give the ways in which loops may be walked, and the step of each loop at each point."""
    choices = [[(False, False)]]
    for i in range(1, len(sizes)):
        choices.append([(False, False), (True, False), *([(True, True)] if i > 1 else [])])
    for chosen in product(*choices):
        loops, index = [], []
        passes = np.zeros(len(straight[0]), np.int64)
        for i, (snaked, restarts) in enumerate(chosen):
            turns = straight[i - 1] if restarts else passes
            backwards = (turns % 2).astype(bool) & snaked
            index.append(np.where(backwards, sizes[i] - 1 - straight[i], straight[i]))
            loops.append(Loop("", sizes[i], snaked, restarts))
            passes = passes * sizes[i] + straight[i]
        yield loops, index


def _levels(values: Floats, index: Index, size: int) -> tuple[float, ...] | None:
    """Give where a device stood at each step, NaN where it did not come; None if it does not fit.

    It fits where the steps go one way and are larger than what readings of one differ.
    """
    values = values[: len(index)]
    if not np.isfinite(values).all():
        return None
    counts = np.bincount(index, minlength=size)
    with np.errstate(invalid="ignore"):
        means = np.bincount(index, weights=values, minlength=size) / counts
    came = means[counts > 0]
    if size > 1:
        steps = np.diff(came)
        one_way = len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())
        if not one_way or np.abs(values - means[index]).max() >= _NEAR * np.abs(steps).min():
            return None
    first = np.full(size, np.nan)
    first[index[::-1]] = values[::-1]
    is_exact = np.array_equal(first[index], values)
    return tuple(float(level) for level in (first if is_exact else means))


def _with_path(
    plan: ScanPlan,
    roles: Sequence[str],
    loops: Sequence[Loop],
    levels: Sequence[tuple[float, ...]],
) -> ScanPlan:
    axes = []
    for role, loop, found in zip(roles, loops, levels, strict=True):
        setpoints = found if np.isfinite(found).all() else None
        axes.append(Axis(role, setpoints, plan.devices[role].units, loop.size, role=role))
    words = " x ".join(f"{axis.size} {axis.name}" for axis in axes)
    told = f"the plan tells a shape, and the readings that it is {words}"
    named = [replace(loop, axis=role) for loop, role in zip(loops, roles, strict=True)]
    return with_grid(plan, axes, named, told)


def with_grid(plan: ScanPlan, axes: Sequence[Axis], loops: Sequence[Loop], told: str) -> ScanPlan:
    """Give a list of points the grid that its readings tell, and say so."""
    [entry] = plan.entries
    return typed(
        replace(
            plan,
            entries=(replace(entry, axes=tuple(axes), positions=()),),
            loops=tuple(loops),
            messages=(*plan.messages, told),
        )
    )
