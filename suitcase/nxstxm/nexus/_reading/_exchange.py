"""Stacks that Mantis saved in its "exchange" format: (x, y, energy), no NeXus classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import h5py

from ._channel import ChannelReader, members_of
from ._contents import Entry
from ._facts import facts_of
from ._reach import Reach

NAME = "exchange"
#: The order of axes, where the file names none; older files name too few.
_AXES = ("x", "y", "energy", "theta")
#: Where the data are, in newer and in the oldest files.
_PLACES = ((), ("detector",))


def exchange_entry(reach: Reach) -> Entry | None:
    """Give the stack of such a file; None when it is none.

    Other programs have tomograms under the same name; these have no energies.
    """
    for place in _PLACES:
        group = reach.at(reach.root, NAME, *place)
        if not isinstance(group, h5py.Group):
            continue
        members = members_of(reach, group)
        if "data" not in members or "energy" not in members:
            continue
        rank = len(members["data"].stored_shape)
        reader = ChannelReader(reach, group, "sample image stack", named=_AXES[:rank])
        channel = reader.channel("data")
        if channel is None:
            return None
        channel = replace(channel, variables=channel.variables[:1])
        return Entry(
            name=NAME,
            scan_type="sample image stack",
            default="data",
            channels={"data": channel},
            processed={},
            lists=(),
            readings={},
            attrs={**_information(reach), "scan_type": "sample image stack"},
            guessed=("it is in the exchange format; its axes are x, y, energy",),
        )
    return None


def _information(reach: Reach) -> Mapping[str, object]:
    group = reach.member(reach.root, "information")
    return facts_of(reach, group) if isinstance(group, h5py.Group) else {}
