"""Files of pystxmcontrol (ALS): which of their arrays are pictures.

The program has written five layouts: pictures; raw samples with the points that were wanted; raw
samples and the pictures made of them; and twice pictures again, for each detector. What is there
tells which it is: the version stands in three places, and not in all files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from ...scans import canonical, means_near
from ._channel import UNIT_NAMES, members_of
from ._contents import Channel
from ._reach import Reach
from ._stored import Held, Stored

#: Its files say who did the experiment in this member, and those of no other program do.
_MARK = "experimenters"
#: Members of a group of samples that are of its picture, too.
_KEPT = ("energy", "count_time", "stxm_scan_type")
#: Counts and positions of more samples than these are not binned while a file is opened.
_MOST_SAMPLES = 64 * 2**20


@dataclass(frozen=True)
class Picture:
    """A group that shows something else than its own members.

    Attributes
    ----------
    group : h5py.Group
        What is read as a picture.
    named : tuple of str, optional
        Its axes.
    more : Mapping
        Members that it ought to have.
    guessed : str
        What was done.
    """

    group: h5py.Group
    named: tuple[str, ...] | None
    more: Mapping[str, Stored]
    guessed: str


#: Dwells are in milliseconds, whatever unit the program writes.
UNITS: Mapping[str, str] = MappingProxyType({"count_time": "ms"})


def told_of_dwells(channel: Channel, said: str) -> Channel:
    """Tell that dwells were taken as milliseconds, where the file says something else.

    Parameters
    ----------
    said : str
        Their unit in the file.
    """
    if channel.coordinate("count_time") is None or said == UNITS["count_time"]:
        return channel
    told = "count_time was taken as milliseconds, as pystxmcontrol has it"
    return replace(channel, guessed=(*channel.guessed, told))


def is_pystxmcontrol(groups: Mapping[str, Any], members: Sequence[str]) -> bool:
    """Whether pystxmcontrol wrote an entry."""
    return _MARK in members and bool(groups)


def picture_of(reach: Reach, entry: h5py.Group, group: h5py.Group) -> Picture | None:
    """Give what a group of raw samples shows; None when it is a picture itself.

    Parameters
    ----------
    entry : h5py.Group
        The entry.
    group : h5py.Group
        Its ``counter0``.
    """
    own = members_of(reach, group)
    beside: dict[str, Stored] = {name: own[name] for name in _KEPT if name in own}
    binned = reach.member(entry, "binned_values")
    if isinstance(binned, h5py.Group) and "data" in members_of(reach, binned):
        return Picture(
            binned,
            ("energy", "sample_y", "sample_x"),
            {**beside, "data": _counts(members_of(reach, binned)["data"])},
            "counter0 has raw samples; the picture is what the program made of them",
        )
    wanted = reach.member(entry, "requested_values")
    if not isinstance(wanted, h5py.Group):
        return None
    grid = members_of(reach, wanted)
    image = _binned(own, grid)
    if image is None:
        return None
    return Picture(
        group,
        ("energy", "sample_y", "sample_x"),
        {**{k: grid[k] for k in ("sample_x", "sample_y")}, "data": image},
        "counter0 has raw samples; the picture is the mean of those nearest to each point",
    )


def _counts(data: Stored) -> Stored:
    """Give counts without the unit of the positions beside them, which the program writes."""
    if canonical(data.units) != "um":
        return data
    kept = {name: value for name, value in data.attrs.items() if name not in UNIT_NAMES}
    return replace(data, attrs=kept)


def _binned(own: Mapping[str, Stored], grid: Mapping[str, Stored]) -> Held | None:
    """Make a picture of the samples of lines; NaN where no sample was near."""
    counts, places = own.get("data"), own.get("sample_x")
    x, y = grid.get("sample_x"), grid.get("sample_y")
    if counts is None or places is None or x is None or y is None:
        return None
    shape = counts.stored_shape
    if len(shape) != 3 or places.stored_shape != shape or shape[1] != y.stored_shape[0]:
        return None
    if np.prod(shape) > _MOST_SAMPLES or x.stored_shape[0] < 2:
        return None
    samples, positions = (each.read().reshape(-1, shape[-1]) for each in (counts, places))
    points = x.read().astype(float)
    means = [means_near(*line, points) for line in zip(samples, positions, strict=True)]
    return Held.made(counts, np.reshape(means, (*shape[:-1], points.size)), counts.attrs)
