"""Parts of a finished file, by their coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmKeyError, NXstxmValueError
from .._h5tree import as_text
from ..data import BATCH, BATCHES, CHANNEL, REGION_AXIS, missing
from ._encoding import safe_name
from ._processed import COLUMNS, COORDINATES, HOME
from ._record import AnyArray


def read_part(h5: h5py.File, coords: Mapping[str, Any]) -> tuple[AnyArray, Mapping[str, Any]]:
    """Give what is at coordinates.

    Parameters
    ----------
    h5 : h5py.File
        A finished file.
    coords : Mapping
        Indices along axes; ``region`` names an entry, ``channel`` an NXdata.

    Returns
    -------
    data, metadata

    Raises
    ------
    NXstxmKeyError
        There is no such entry, channel, axis or index, or nothing came there.
    """
    entry = _entry(h5, coords)
    at = {name: i for name, i in coords.items() if name not in (REGION_AXIS, CHANNEL)}
    channel = coords.get(CHANNEL)
    for data in _candidates(entry, None if channel is None else str(channel)):
        index = _index(data, at)
        if index is None:
            continue
        found: AnyArray = np.asarray(data["data"][index])
        if found.dtype.kind == "f" and found.size and np.isnan(found).all():
            continue
        return found, _about(entry, data)
    raise missing(coords)


def _entry(h5: h5py.File, coords: Mapping[str, Any]) -> h5py.Group:
    """Give the entry that coordinates name; the only one unless they name one."""
    entries = [h5[name] for name in h5 if as_text(h5[name].attrs.get("NX_class")) == "NXentry"]
    if not entries:
        raise NXstxmValueError(f"{h5.filename} has no NXentry")
    region = coords.get(REGION_AXIS)
    names = {as_text(e.attrs.get(REGION_AXIS)) or e.name.strip("/"): e for e in entries}
    names |= {e.name.strip("/"): e for e in entries}
    if region is None:
        if len(entries) == 1:
            return entries[0]
        raise NXstxmKeyError(
            f"there are {len(entries)} entries; say which one {dict(coords)} is of, with "
            f"region={entries[0].name.strip('/')!r} or another of {', '.join(names)}"
        )
    if region not in names:
        raise missing(coords)
    return names[region]


def _candidates(entry: h5py.Group, channel: str | None) -> Iterator[h5py.Group]:
    """Give the NXdata that may hold a channel: arrays of processed frames before pictures."""
    default = as_text(entry.attrs.get("default")) or ""
    home = entry.get(HOME)
    for member in home.values() if home is not None else ():
        label = as_text(member.attrs.get("label"))
        if label == channel or (channel is None and safe_name(label or "") == default):
            yield member
    pictures = [
        member
        for member in entry.values()
        if as_text(member.attrs.get("NX_class")) == "NXdata" and "data" in member
    ]
    name = default if channel is None else safe_name(channel)
    for member in pictures:
        if channel is not None and as_text(member.attrs.get("label")) == channel:
            yield member
    for member in pictures:
        if "label" not in member.attrs and member.name.rpartition("/")[2] == name:
            yield member


def _index(data: h5py.Group, at: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Give the index of a part of an array; None when it has no such part."""
    shape = data["data"].shape
    names = _words(data.attrs["axes"])
    if COORDINATES in data.attrs:
        # frames as they were put, found by exactly their coordinates
        known = [name for name in _words(data.attrs[COORDINATES]) if name]
        if set(at) != set(known):
            return None
        if COLUMNS in data.attrs:
            return _row(data, known, at)
        names = [*known, *names[len(known) :]]
    elif set(at) == {BATCHES} and len(shape) == 1:
        first = at[BATCHES] * BATCH
        return (slice(first, first + BATCH),) if 0 <= first < shape[0] else None
    if not set(at) <= set(names):
        return None
    index: list[Any] = []
    for name, size in zip(names, shape, strict=True):
        i = at.get(name, slice(None))
        if not isinstance(i, slice) and not (isinstance(i, int) and 0 <= i < size):
            return None
        index.append(i)
    return tuple(index)


def _row(data: h5py.Group, known: list[str], at: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Give the row of a frame in a list of them."""
    found = np.ones(len(data["data"]), bool)
    for axis, column in zip(known, _words(data.attrs[COLUMNS]), strict=False):
        value = at[axis]
        found &= data[column][()] == (value.encode() if isinstance(value, str) else value)
    rows = np.flatnonzero(found)
    return (int(rows[-1]),) if len(rows) else None


def _words(attribute: Any) -> list[str]:
    return [as_text(word) or "" for word in np.ravel(np.asarray(attribute, object))]


def _about(entry: h5py.Group, data: h5py.Group) -> Mapping[str, Any]:
    """Say what is known of an NXdata."""
    name = data.name.rpartition("/")[2]
    about: dict[str, Any] = {
        "channel": as_text(data.attrs.get("label")) or name,
        "units": as_text(data["data"].attrs.get("units")) or "",
    }
    detector = entry.get(f"instrument/{name}")
    for key in ("data_key", "role"):
        word = None if detector is None else as_text(detector.attrs.get(key))
        if word is not None:
            about[key] = word
    return about
