"""From the runs of a scan to its entries.

Runs may come in any order; the same runs always give the same entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from ._plan import Axis, EntryPlan, ScanPlan
from ._types import ScanType


class HasPlan(Protocol):
    """A run, however it is held, whose plan is known."""

    plan: ScanPlan


Run = TypeVar("Run", bound=HasPlan)


@dataclass(frozen=True, eq=False)
class Part(Generic[Run]):
    """What one run gives to an entry.

    Attributes
    ----------
    record : object
        The run.
    entry : int
        Which of the entries of its plan it is.
    energy_offset : int
        Where its energies begin in those of the entry.
    """

    record: Run
    entry: int
    energy_offset: int = 0


@dataclass(frozen=True, eq=False)
class EntryJob(Generic[Run]):
    """One entry of a scan, of all its runs.

    Attributes
    ----------
    name : str
        Its name.
    plan : EntryPlan
        What it is, with the energies of all its runs.
    scan_type : ScanType
        The type whose label it gets.
    parts : tuple of Part
        Its runs in the order of time; at least one.
    """

    name: str
    plan: EntryPlan
    scan_type: ScanType
    parts: tuple[Part[Run], ...]

    @property
    def records(self) -> list[Run]:
        """The runs in the order of time."""
        return [part.record for part in self.parts]


def jobs(
    records: Sequence[Run],
    *,
    safe: Callable[[str], str] = str,
    taken: Iterable[str] = (),
) -> list[EntryJob[Run]]:
    """Arrange the runs of a scan as entries.

    Parameters
    ----------
    records : sequence
        The runs in the order of time, each with its ``plan``.
    safe : callable
        Makes names of entries that are allowed.
    taken : iterable of str
        Names that no entry may have.

    Returns
    -------
    list of EntryJob
        In the order of their names where the plan gives names, else of time.
    """
    gathered: dict[tuple[object, ...], list[Part[Run]]] = {}
    for record in _in_scan_order(records):
        for i, entry in enumerate(record.plan.entries):
            key: tuple[object, ...] = entry.key
            if not _joins(record) or (record.plan.fixed == () and entry.name is not None):
                # a run that is a whole scan shares its entry with no other
                key = (*key, record.plan.run) if key in gathered else key
            gathered.setdefault(key, []).append(Part(record, i))
    made: list[EntryJob[Run]] = []
    names = {*taken}
    for parts in gathered.values():
        for job in _merged(parts):
            number = len(made)
            name = safe(job.plan.name or f"entry{number}")
            while name in names:
                name = f"entry{number}"
                number += 1
            names.add(name)
            made.append(replace(job, name=name))
    return sorted(made, key=lambda job: _natural(job.name))


def _in_scan_order(records: Sequence[Run]) -> list[Run]:
    """Order runs by their place in the group, where the plan gives one, else by time."""

    def place(record: Run) -> tuple[float, float, str]:
        group = record.plan.group
        index = -1 if group is None or group.index is None else group.index
        return (index, record.plan.time, record.plan.run)

    return sorted(records, key=place)


def _joins(record: HasPlan) -> bool:
    return record.plan.group is not None or bool(record.plan.fixed)


def _natural(name: str) -> tuple[str, int, str]:
    """Sort entry10 behind entry9."""
    head = name.rstrip("0123456789")
    digits = name[len(head) :]
    return (head, int(digits) if digits else -1, name)


def _merged(parts: list[Part[Run]]) -> list[EntryJob[Run]]:
    """Make one entry of runs that measure the same region; or one each, if they repeat it."""
    first = parts[0]
    plan = first.record.plan.entries[first.entry]
    kind = first.record.plan.scan_type
    in_time = tuple(sorted(parts, key=lambda p: (p.record.plan.time, p.record.plan.run)))
    if len(parts) == 1:
        return [EntryJob("", plan, kind, in_time)]
    if first.record.plan.fixed:
        # each run says at which energy it stands; the longest list is the scan's
        plans = [p.record.plan.entries[p.entry] for p in parts]
        longest = max(plans, key=lambda e: len(e.energies))
        return [EntryJob("", longest, kind, in_time)]
    energies = [p.record.plan.entries[p.entry].energies for p in parts]
    flat = tuple(e for run in energies for e in run)
    has_axis = any(axis.name == "energy" for axis in plan.axes)
    # along an axis whose values only the readings tell, nobody knows what comes after what
    is_known = all(energies) if has_axis else len({*flat}) == len(flat) == len(parts)
    if not is_known:
        return [
            EntryJob("", p.record.plan.entries[p.entry], p.record.plan.scan_type, (p,))
            for p in parts
        ]
    spatial = tuple(axis for axis in plan.axes if axis.name != "energy")
    dwells = tuple(d for p in parts for d in p.record.plan.entries[p.entry].dwells)
    merged = replace(
        plan, axes=(Axis("energy", flat, "eV", role="energy"), *spatial), energies=flat,
        dwells=dwells,
    )  # fmt: skip
    offset = 0
    placed = []
    for part, run in zip(parts, energies, strict=True):
        placed.append(replace(part, energy_offset=offset))
        offset += len(run)
    placed.sort(key=lambda p: (p.record.plan.time, p.record.plan.run))
    if kind is ScanType.SAMPLE_IMAGE:
        kind = ScanType.SAMPLE_IMAGE_STACK
    return [EntryJob("", merged, kind, tuple(placed))]
