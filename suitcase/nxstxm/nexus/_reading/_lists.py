"""Lists of the instrument, in the order of measurement; and readings of the beamline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import h5py

from ..._errors import NXstxmValueError
from ..._h5tree import H5_ERRORS
from ._attributes import attributes, small
from ._contents import Variable
from ._reach import Member, Reach
from ._stored import Stored

#: Members of a group that are its list, the likeliest first.
_MAIN = ("data", "value", "energy", "raw_value")
#: Attributes of a group that say something of its list.
_OF_LIST = ("data_key", "role", "data_units", "description")
POINT = "point"
#: Members of the collection that are no stream of readings.
_NO_STREAMS = ("bluesky", "baseline")


def lists_of(reach: Reach, name: str, group: h5py.Group) -> Iterator[Variable]:
    """Give the lists of one group of the instrument: its main one, and those beside it."""
    own = attributes(group)
    said: dict[str, Any] = {k: v for k, v in own.items() if k in _OF_LIST}
    if isinstance(own.get("NX_class"), str):
        said["nx_class"] = own["NX_class"]
    found: dict[str, Stored] = {}
    for key, member in reach.members(group):
        if not isinstance(member, h5py.Dataset):
            continue
        if member.dtype.kind in "iufb" and (member.ndim > 0 or key in _MAIN):
            found[key] = Stored.of(member, reach.roots)
        elif key == "local_name":
            said["local_name"] = _text(reach, member)
    main = next((key for key in _MAIN if key in found), None)
    for key, stored in found.items():
        is_main = key == main
        called = ("energy" if key == "energy" else name) if is_main else f"{name}_{key}"
        attrs = {**stored.attrs, **(said if is_main else {})}
        if stored.units or said.get("data_units"):
            attrs["units"] = stored.units or said["data_units"]
        yield Variable(called, (), stored, attrs)


def with_points(lists: Sequence[Variable]) -> tuple[Variable, ...]:
    """Name the dimensions of lists: those of the usual length have the same points."""
    lengths = Counter(each.stored.shape[0] for each in lists if each.stored.ndim)
    usual = lengths.most_common(1)[0][0] if lengths else 0
    made = []
    names: Counter[str] = Counter()
    for found in lists:
        names[found.name] += 1
        number = names[found.name]
        # the monochromator and a detector of that name both have energies
        each = found if number == 1 else replace(found, name=f"{found.name}_{number}")
        length, *inner = each.stored.shape
        first = POINT if length == usual else f"{POINT}_{each.name}"
        dims = (first, *(f"{each.name}_dim_{number}" for number in range(len(inner))))
        made.append(replace(each, dims=dims))
    return tuple(made)


def readings_of(reach: Reach, collection: h5py.Group) -> dict[str, tuple[Variable, ...]]:
    """Give the readings of the baseline, and of streams that have no other place."""
    found: dict[str, tuple[Variable, ...]] = {}
    for name, member in reach.members(collection):
        if isinstance(member, h5py.Group) and name not in _NO_STREAMS[:1]:
            readings = tuple(_readings(reach, member, ""))
            if readings:
                found[name] = readings
    return found


def _readings(reach: Reach, group: h5py.Group, run: str) -> Iterator[Variable]:
    for name, member in reach.members(group):
        if not isinstance(member, h5py.Group):
            continue
        value = reach.member(member, "value")
        if isinstance(value, h5py.Dataset):
            yield _reading(reach, f"{run}{name}", member, value)
        elif not run:
            yield from _readings(reach, member, f"{name}/")


def _reading(reach: Reach, name: str, group: h5py.Group, value: h5py.Dataset) -> Variable:
    stored = Stored.of(value, reach.roots)
    attrs = dict(stored.attrs)
    for key in ("name", "short_name", "description"):
        attrs |= _named(reach, key, reach.member(group, key))
    for key in ("value_time", "time"):
        times = reach.member(group, key)
        if isinstance(times, h5py.Dataset) and times.shape and times.shape[0] <= 64:
            attrs["time"] = times[()].tolist()
    dims = tuple(f"{name}_dim_{number}" for number in range(stored.ndim - 1))
    first = ("reading",) if stored.ndim else ()
    return Variable(name.replace("/", "."), (*first, *dims), stored, attrs)


def _named(reach: Reach, key: str, member: Member | None) -> dict[str, str]:
    text = _text(reach, member) if isinstance(member, h5py.Dataset) else ""
    return {key: text} if text else {}


def _text(reach: Reach, dataset: h5py.Dataset) -> str:
    try:
        value = small(dataset, reach.roots)
    except (*H5_ERRORS, NXstxmValueError):
        return ""
    return value if isinstance(value, str) else ""
