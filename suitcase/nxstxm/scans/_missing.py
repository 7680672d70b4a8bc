"""What a scan lacks of what was said of it: runs of its group, and data keys of its roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from ._plan import Axis, ScanPlan
from ._roles import DETECTOR_ROLES, ROLE_NAMES

#: So many names are told at most.
_NAMED = 8
#: What a name that is found by its beginning has behind it.
_BEHIND = ("_", "-", ".", "/")


@dataclass(frozen=True)
class GroupCheck:
    """What is wrong with the runs of a scan group.

    Attributes
    ----------
    messages : tuple of str
        It in words; empty where nothing is.
    lacks_runs : bool
        Runs that belong to it did not come.
    """

    messages: tuple[str, ...] = ()
    lacks_runs: bool = False


def check_group(plans: Sequence[ScanPlan]) -> GroupCheck:
    """Compare the runs of a scan group with the indices and the total that they tell.

    Parameters
    ----------
    plans : sequence of ScanPlan
        The runs that came of one group, in the order of time; at least one.

    Returns
    -------
    GroupCheck
        What is wrong. Indices may count from 0 or from 1.
    """
    group = plans[0].group
    if group is None:
        return GroupCheck()
    n, total, name = len(plans), group.total, f"scan_group {group.id!r}"
    indices = [p.group.index for p in plans if p.group and p.group.index is not None]
    came = Counter(indices)
    n_parts = len(came) if len(indices) == n else n
    missing = _missing(came, total)
    messages = [
        f"{name} has {times} runs with the index {index}; give each run an index of its own"
        for index, times in sorted(came.items())
        if times > 1
    ]
    if total is not None and n > total:
        messages.append(f"{name} has {n} runs, though its total is {total}; total is too small")
    lacks = bool(missing) if total is None else n_parts < total
    if lacks:
        of = "" if total is None else f", its total is {total}"
        which = f"; missing is {_listed(missing)}" if missing else ""
        listed = f" with the index {_listed(sorted(came))}" if came else ""
        messages.append(
            f"{name} lacks runs: here are {n}{listed}{of}{which}. The others were not measured or "
            f"are in another file, or index and total are wrong"
        )
    return GroupCheck(tuple(messages), lacks)


def _missing(came: Iterable[int], total: int | None) -> list[int]:
    """Give the first of the indices that did not come, where others did."""
    known = {*came}
    if not known:
        return []
    if total is None:
        first, last = min(known), max(known)
    else:
        first = 1 if min(known) > 0 and max(known) == total else 0
        last = first + total - 1
    gaps = (index for index in range(first, last + 1) if index not in known)
    return list(islice(gaps, _NAMED + 1))


def _listed(items: Sequence[object]) -> str:
    more = "" if len(items) <= _NAMED else ", ..."
    return ", ".join(map(str, items[:_NAMED])) + more


@dataclass(frozen=True)
class Unread:
    """A data key that a user gave for a role, and that no event descriptor has.

    Attributes
    ----------
    message : str
        It in words, with the names that are near.
    is_suspicious : bool
        It seems to be mistyped: there is a name near to it, or something moves that has no role.
        Otherwise the run may just not read this device.
    """

    message: str
    is_suspicious: bool


def unread(
    plan: ScanPlan, devices: Mapping[str, str], descriptors: Iterable[Mapping[str, Any]]
) -> Iterator[Unread]:
    """Find data keys that were given for roles and that nothing in a run has.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan, bound to all descriptors.
    devices : Mapping of str to str
        Role to data key, as the user gave it.
    descriptors : iterable of Mapping
        All event descriptors of the run.

    Yields
    ------
    Unread
        One for each role whose key is nowhere.
    """
    keys = {key: None for doc in descriptors for key in doc.get("data_keys") or ()}
    lost = {role: key for role, key in devices.items() if not _is_read(plan, role, key, keys)}
    if not lost or not keys:
        return
    free = [key for key in keys if key not in devices.values()]
    by_fold = {key.lower(): key for key in free}
    for role, key in lost.items():
        near = [by_fold[k] for k in get_close_matches(key.lower(), by_fold, n=3)]
        if near:
            hint = f"did you mean {' or '.join(map(repr, near))}?"
        else:
            hint = f"there are {_listed(list(keys))}"
        yield Unread(
            f"devices says that {role} is {key!r}, but no event descriptor has this data key; "
            f"{hint}",
            bool(near) or _moves_without_role(plan),
        )


def _is_read(plan: ScanPlan, role: str, key: str, keys: Mapping[str, None]) -> bool:
    if role in DETECTOR_ROLES:
        begins = tuple(key + each for each in _BEHIND)
        return key in keys or any(each.startswith(begins) for each in keys)
    device = plan.devices.get(role)
    return device is not None and (device.read_key or device.set_key) is not None


def _moves_without_role(plan: ScanPlan) -> bool:
    """Tell whether something moves of which nobody knows what it is."""
    axes: list[Axis] = [a for e in plan.entries for a in (*e.axes, *e.positions)]
    return any(axis.role and axis.role not in ROLE_NAMES for axis in axes)
