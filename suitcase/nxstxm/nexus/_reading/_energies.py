"""Photon energies of pictures that do not have them where they ought to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ._contents import Channel, Coordinate
from ._stored import AnyArray
from ._words import COUNTED


def with_energies(channel: Channel, others: Iterable[tuple[str, AnyArray]]) -> Channel:
    """Give a picture the energies that it lacks.

    Parameters
    ----------
    channel : Channel
        The picture; when it has energies it stays as it is.
    others : iterable of (str, ndarray)
        Energies of the same scan, and what they are of: of another picture, of the monochromator.
    """
    own = channel.coordinate("energy")
    if own is not None and own.attrs.get("units") != COUNTED:
        return channel
    if own is None and "energy" in channel.data.dims:
        return channel
    size = own.values.size if own is not None else 1
    for what, energies in others:
        found = _fitting(energies, size, along=own is not None)
        if found is None:
            continue
        values, how = found
        dims = ("energy",) if own is not None else ()
        made = Coordinate("energy", dims, values, {"units": "eV", "long_name": "energy"})
        rest = tuple(each for each in channel.coordinates if each is not own)
        guessed = f"its energies are those of {what}{how}"
        return replace(channel, coordinates=(*rest, made), guessed=(*channel.guessed, guessed))
    return channel


def _fitting(energies: AnyArray, size: int, *, along: bool) -> tuple[AnyArray, str] | None:
    """Give one energy for each plane, and how they were found."""
    flat = np.asarray(energies, dtype=float).reshape(-1)
    if not flat.size or not np.isfinite(flat).any():
        return None
    if not along:
        same = flat[np.isfinite(flat)]
        return (same[:1].reshape(()), "") if bool((same == same[0]).all()) else None
    if flat.size == size:
        return flat, ""
    if flat.size > size and flat.size % size == 0:
        planes = flat.reshape(size, -1)
        if bool((planes == planes[:, :1]).all()):
            return planes[:, 0], ", of which there is one for each point"
        return None
    if flat.size > 1 and size % flat.size == 0:
        times = size // flat.size
        return np.repeat(flat, times), f"; {times} planes have the same, one after the other"
    return None


def energies_of(channels: Iterable[Channel]) -> Iterable[tuple[str, AnyArray]]:
    """Give the energies of pictures that have them."""
    for channel in channels:
        own = channel.coordinate("energy")
        if own is not None and own.attrs.get("units") != COUNTED:
            yield channel.name, own.values
