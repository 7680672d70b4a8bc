"""One entry of a file: its pictures, its lists and its facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import h5py
import numpy as np

from ..._errors import NXstxmError
from ._als import UNITS, is_pystxmcontrol, picture_of, told_of_dwells
from ._attributes import MOST_VALUES, attribute, attributes
from ._channel import ChannelReader, in_natural_unit
from ._contents import Channel, Coordinate, Entry, Variable
from ._empty import without_empty
from ._energies import energies_of, with_energies
from ._facts import PREFIXES, TOLD, facts_of, polarization_of
from ._lists import lists_of, readings_of, with_points
from ._reach import Reach
from ._stored import AnyArray, Stored
from ._words import UNKNOWN, label_by_dims, label_of

#: Groups of an entry that are read for themselves.
_COLLECTION, _CONTROL, _QUALITY, _PROCESSED = "collection", "control", "quality", "processed"


class EntryReader:
    """Reads one entry.

    Parameters
    ----------
    reach : Reach
        The file.
    name : str
        What the entry is called.
    group : h5py.Group
        The entry.
    readings : bool
        Read the readings of the beamline, too.
    """

    def __init__(self, reach: Reach, name: str, group: h5py.Group, *, readings: bool) -> None:
        self._reach, self._name, self._group, self._wants = reach, name, group, readings
        self._guessed: list[str] = []
        self._groups = {
            key: (member, nx_class(member))
            for key, member in reach.members(group)
            if isinstance(member, h5py.Group)
        }
        self._attrs = attributes(group)

    def entry(self) -> Entry | None:
        """Give what it holds; None when it shows nothing."""
        facts, lists = self._facts_and_lists()
        label = self._label()
        channels = self._channels(label, facts, lists)
        if not channels and not lists:
            return None
        label = self._checked(label, channels)
        facts |= {"scan_type": label}
        collection = self._reach.member(self._group, _COLLECTION)
        wanted = self._wants and isinstance(collection, h5py.Group)
        return Entry(
            name=self._name,
            scan_type=label,
            default=self._default(channels),
            channels=channels,
            processed=self._processed(),
            lists=with_points([*lists, *self._unused(channels)]),
            readings=readings_of(self._reach, collection) if wanted else {},
            attrs=facts,
            guessed=tuple(self._guessed),
        )

    def _default(self, channels: Mapping[str, Channel]) -> str:
        said = self._attrs.get("default")
        # the ring current is a picture in some files, and never the one to be shown
        last = [name for name in channels if "current" in name.lower()]
        first = [name for name in channels if name not in last]
        wanted = [str(said), "default", "counter0", *first, *last]
        return next((name for name in wanted if name in channels), "")

    def _checked(self, label: str | None, channels: Mapping[str, Channel]) -> str:
        """Give the scan type; by the axes where the file says none, or a wrong one."""
        first = channels.get(self._default(channels))
        dims = first.data.dims if first is not None else ()
        if label is None:
            label = label_by_dims(dims)
            self._guessed.append(f"no scan type is said; by its axes it is a {label}")
        elif label == "sample image" and dims == ("energy", "y", "x"):
            label = "sample image stack"
            self._guessed.append("it is called a sample image; by its axes it is a stack")
        return label

    # -- facts and lists ---------------------------------------------------------------------------

    def _facts_and_lists(self) -> tuple[dict[str, Any], list[Variable]]:
        facts = {k: v for k, v in self._attrs.items() if k in ("complete", "region")}
        facts |= facts_of(self._reach, self._group)
        facts.pop("definition", None)
        lists: list[Variable] = []
        for name, (group, kind) in self._groups.items():
            if kind is not None and kind in PREFIXES:
                facts |= facts_of(self._reach, group, PREFIXES[kind])
            elif kind == "NXinstrument" or name == "instrument":
                self._instrument(group, facts, lists)
            elif name == "motors":
                facts |= facts_of(self._reach, group, name)
            elif name == _COLLECTION:
                facts |= facts_of(self._reach, group, only=TOLD)
        polarization = polarization_of(facts)
        if polarization is not None:
            facts["polarization"] = polarization
        return facts, lists

    def _instrument(
        self, group: h5py.Group, facts: dict[str, Any], lists: list[Variable], deep: bool = True
    ) -> None:
        for name, member in self._reach.members(group):
            if not isinstance(member, h5py.Group):
                continue
            kind = nx_class(member)
            if kind is not None and kind in PREFIXES:
                facts |= facts_of(self._reach, member, PREFIXES[kind])
            elif name == "motors":
                facts |= facts_of(self._reach, member, name)
            elif kind == "NXcollection" and deep:
                self._instrument(member, facts, lists, deep=False)
            else:
                lists += lists_of(self._reach, name, member)

    def _unused(self, channels: Mapping[str, Channel]) -> list[Variable]:
        """Give the monitor as a list when it has the shape of no picture."""
        shown = {v.name for channel in channels.values() for v in channel.variables}
        control = self._beside().get("control")
        if control is None or "control" in shown or not control.ndim:
            return []
        return [Variable("control", (), control, control.attrs)]

    # -- pictures ----------------------------------------------------------------------------------

    def _label(self) -> str | None:
        for said in self._said_types():
            label = label_of(said)
            if label is None:
                self._guessed.append(f"its scan type is {said!r}, which no standard knows")
            elif label != said:
                self._guessed.append(f"its scan type is {said!r}; it was taken as {label}")
            return label
        return None

    def _said_types(self) -> Iterator[str]:
        """Give what the file says of the scan type, in the places where it is said."""
        for group in (*self._pictures.values(), self._group):
            found = facts_of(self._reach, group, only=("stxm_scan_type",))
            said = found.get("stxm_scan_type")
            if isinstance(said, str) and said.strip():
                yield said.strip()

    def _channels(
        self, label: str | None, facts: dict[str, Any], lists: Sequence[Variable]
    ) -> dict[str, Channel]:
        found: dict[str, Channel] = {}
        beside = self._beside()
        is_als = is_pystxmcontrol(self._groups, list(facts))
        for name, group in self._pictures.items():
            channel = self._picture(name, group, label, beside, is_als=is_als)
            if channel is None:
                self._guessed.append(f"{group.name} has no data, and was left out")
                continue
            of_entry = tuple(_of_entry(channel, facts))
            odd = [
                f"the angle of the sample is in {each.attrs['units']}, which nobody knows here"
                for each in of_entry
                if each.name == "theta" and each.attrs["units"] != "deg"
            ]
            whole = replace(
                channel,
                coordinates=(*channel.coordinates, *of_entry),
                guessed=(*channel.guessed, *odd),
            )
            found[name] = without_empty(whole, label)
        return {
            name: with_energies(channel, self._energies(name, found, lists))
            for name, channel in found.items()
        }

    @cached_property
    def _pictures(self) -> dict[str, h5py.Group]:
        """Give the groups that are pictures."""
        groups = {n: g for n, (g, kind) in self._groups.items() if kind == "NXdata"}
        if groups:
            return groups
        groups = {
            n: g
            for n, (g, kind) in self._groups.items()
            if kind is None and isinstance(self._reach.member(g, "data"), h5py.Dataset)
        }
        if groups:
            self._guessed.append(f"no group is an NXdata; {', '.join(groups)} were taken")
        return groups

    def _picture(
        self,
        name: str,
        group: h5py.Group,
        label: str | None,
        beside: Mapping[str, Stored],
        *,
        is_als: bool,
    ) -> Channel | None:
        special = picture_of(self._reach, self._group, group) if is_als else None
        units = UNITS if is_als else None
        if special is None:
            reader = ChannelReader(
                self._reach, group, label, named=self._better_names(group, label), units=units
            )
        else:
            reader = ChannelReader(
                self._reach,
                special.group,
                label,
                named=special.named,
                more=special.more,
                units=units,
            )
            reader.guessed.append(special.guessed)
        channel = reader.channel(name, beside)
        if not is_als or channel is None:
            return channel
        dwell = reader.members.get("count_time")
        return told_of_dwells(channel, dwell.units if dwell is not None else "")

    def _better_names(self, group: h5py.Group, label: str | None) -> Sequence[str] | None:
        """Give the axes that the monitor names, where those of the picture are known to be wrong.

        Some files of pyStxm have line spectra turned, and say so at the monitor only. Lengths tell
        which is right, unless there are as many energies as points.
        """
        control = self._groups.get(_CONTROL, (None, None))[0]
        if label != "sample line spectrum" or control is None:
            return None
        own, other = (attributes(each).get("axes") for each in (group, control))
        turned = list(own)[::-1] if isinstance(own, list) else None
        return turned if isinstance(other, list) and turned == other else None

    def _energies(
        self, name: str, channels: Mapping[str, Channel], lists: Sequence[Variable]
    ) -> Iterator[tuple[str, AnyArray]]:
        """Give energies for a picture that has none, the likeliest first."""
        # its own, of which there may be too many or too few
        member = self._reach.member(self._pictures[name], "energy")
        if isinstance(member, h5py.Dataset) and member.dtype.kind in "iuf":
            yield from _energies_in("the file", Stored.of(member, self._reach.roots))
        yield from energies_of(channels.values())
        for each in lists:
            if each.name == "energy" and each.stored.is_number:
                yield from _energies_in("the monochromator", each.stored)

    def _beside(self) -> dict[str, Stored]:
        """Give the arrays of the entry that belong to all of its pictures."""
        found: dict[str, Stored] = {}
        places = ((_CONTROL, "data"), (_QUALITY, "mask"))
        for name, member in places:
            dataset = self._reach.at(self._group, name, member)
            if isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in "iuf":
                found[name] = Stored.of(dataset, self._reach.roots)
        return found

    def _processed(self) -> dict[str, Channel]:
        home = self._groups.get(_PROCESSED, (None, None))[0]
        if home is None:
            return {}
        found: dict[str, Channel] = {}
        for name, group in self._reach.members(home):
            if isinstance(group, h5py.Group) and nx_class(group) == "NXdata":
                channel = ChannelReader(self._reach, group, UNKNOWN).channel(name)
                if channel is not None:
                    found[name] = channel
        return found


def _energies_in(what: str, energies: Stored) -> Iterator[tuple[str, AnyArray]]:
    """Give energies in eV; none where they can not be read, or nobody knows in what they are."""
    if prod(energies.stored_shape) <= MOST_VALUES:
        with suppress(NXstxmError):
            values: AnyArray | None = energies.read()
            if energies.units and values is not None:
                values = in_natural_unit(values, energies.units, "eV")
            if values is not None:
                yield what, values


def nx_class(group: h5py.Group) -> str | None:
    """Give the NeXus class of a group, in whatever form it is stored; None where there is none."""
    value = attribute(group, "NX_class")
    return value if isinstance(value, str) and value else None


def _of_entry(channel: Channel, facts: Mapping[str, Any]) -> Iterator[Coordinate]:
    """Give facts of an entry that are coordinates of a picture: one value for all of it."""
    theta = np.asarray(facts.get("sample_rotation_angle", ()))
    if theta.size == 1 and theta.dtype.kind in "iuf" and channel.coordinate("theta") is None:
        units = str(facts.get("sample_rotation_angle_units") or "deg")
        angle = in_natural_unit(theta, units, "deg")
        if angle is not None:
            theta, units = angle, "deg"
        yield Coordinate("theta", (), theta.reshape(()), {"units": units})
    if channel.coordinate("polarization") is not None:
        return
    value: AnyArray = np.asarray(facts.get("polarization", ()))
    if value.size == 1 and value.dtype.kind in "iufU":
        yield Coordinate("polarization", (), value.reshape(()), {})
        return
    for each in channel.coordinates:
        if "polariz" in each.name and not each.dims:
            yield replace(each, name="polarization")
            return
