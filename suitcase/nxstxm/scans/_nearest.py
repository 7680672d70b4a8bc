"""From values to indices: which step of an axis was at 280.5 eV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmKeyError, NXstxmValueError

if TYPE_CHECKING:
    from ._plan import EntryPlan, ScanPlan


def nearest(
    plan: ScanPlan,
    entry: int | str | None,
    tolerance: float | Mapping[str, float] | None,
    values: Mapping[str, Any],
) -> dict[str, int | str]:
    """Turn values along axes into indices; see `ScanPlan.coordinates`."""
    number = _entry(plan, entry)
    found: dict[str, int | str] = {}
    for axis, value in values.items():
        setpoints = _setpoints(plan.entries[number], axis)
        given = tolerance.get(axis) if isinstance(tolerance, Mapping) else tolerance
        allowed = _half_a_step(setpoints) if given is None else given
        index = min(range(len(setpoints)), key=lambda i: abs(setpoints[i] - value))
        if not abs(setpoints[index] - value) <= allowed:
            raise NXstxmValueError(
                f"{axis} {value:g} is not in the plan: the nearest of {len(setpoints)} is "
                f"{setpoints[index]:g}, further away than {allowed:g}; give another value, or "
                f"tolerance="
            )
        found[axis] = index
    if entry is not None:
        found["region"] = plan.entry_names[number]
    return found


def _entry(plan: ScanPlan, entry: int | str | None) -> int:
    names = plan.entry_names
    if isinstance(entry, str):
        if entry in names:
            return names.index(entry)
    elif entry is None:
        if len(names) == 1:
            return 0
    elif -len(names) <= entry < len(names):
        return entry
    raise NXstxmKeyError(
        f"the plan of run {plan.run:.8} has the entries {', '.join(map(repr, names))}; name "
        f"one with entry=, not {entry!r}"
    )


def _setpoints(entry: EntryPlan, axis: str) -> Sequence[float]:
    if axis == "energy":
        return entry.energies
    known = {each.name: each.setpoints for each in (*entry.axes, *entry.positions)}
    setpoints = known.get(axis)
    if setpoints:
        return setpoints
    if axis in known:
        raise NXstxmKeyError(f"where {axis} was is known to the data only, not to the plan")
    names = dict.fromkeys(("energy", *known))
    raise NXstxmKeyError(f"the plan has no axis {axis!r}; it has {', '.join(names)}")


def _half_a_step(setpoints: Sequence[float]) -> float:
    """Give half of the smallest step; of a single setpoint a millionth of it."""
    ordered = sorted(set(setpoints))
    steps = [b - a for a, b in pairwise(ordered)]
    return min(steps) / 2 if steps else abs(setpoints[0]) * 1e-6
