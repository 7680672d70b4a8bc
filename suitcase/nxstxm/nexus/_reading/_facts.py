"""What an entry says of itself, of the sample and of the beam, as a flat table of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import h5py
import numpy as np

from ..._errors import NXstxmValueError
from ..._h5tree import H5_ERRORS
from ._attributes import small, unit_of
from ._reach import Reach

#: Classes of groups whose values are facts, and what their names begin with.
PREFIXES: Mapping[str, str] = {
    "NXuser": "user",
    "NXsample": "sample",
    "NXsource": "source",
    "NXinsertion_device": "insertion_device",
    "NXbeam": "beam",
    "NXfresnel_zone_plate": "zone_plate",
    "NXaperture": "aperture",
}
#: Members of the collection that tell how it went.
TOLD = ("scan_request", "messages", "exit_status", "reason")
#: A fact is no list of measured values.
_MOST = 64
#: Stokes vectors (of unit intensity) that have a name: Q, U, V to it.
_POLARIZATIONS = {
    (1.0, 0.0, 0.0): "linear horizontal",
    (-1.0, 0.0, 0.0): "linear vertical",
    (0.0, 0.0, 1.0): "circular, V = +1",
    (0.0, 0.0, -1.0): "circular, V = -1",
}


def facts_of(
    reach: Reach, group: h5py.Group, prefix: str = "", only: Iterable[str] | None = None
) -> dict[str, Any]:
    """Read the single values of a group.

    Parameters
    ----------
    prefix : str
        What their names begin with.
    only : iterable of str, optional
        Names of those that are wanted.

    Returns
    -------
    dict
        Name to text, number, list of texts or array; ``<name>_units`` where there is a unit.
    """
    found: dict[str, Any] = {}
    members = (
        reach.members(group)
        if only is None
        else ((name, reach.member(group, name)) for name in only)
    )
    for name, member in members:
        if not isinstance(member, h5py.Dataset) or prod(member.shape or ()) > _MOST:
            continue
        try:
            value = small(member, reach.roots)
        except (*H5_ERRORS, NXstxmValueError):
            continue  # as if it were not there: other facts are
        called = f"{prefix}_{name}" if prefix else name
        found[called] = value
        if units := unit_of(member):
            found[f"{called}_units"] = units
    return found


def polarization_of(facts: Mapping[str, Any]) -> str | None:
    """Give the polarization in a word, from a name or a Stokes vector among facts."""
    named = facts.get("insertion_device_polarization", facts.get("motors_polarization"))
    if isinstance(named, str) and named:
        return named
    if isinstance(named, float):
        return f"{named:g}"
    stokes = np.asarray(facts.get("beam_incident_polarization_stokes", ())).ravel()
    if stokes.dtype.kind in "iuf" and stokes.size == 4 and stokes[0] > 0:
        q, u, v = (float(value / stokes[0]) for value in stokes[1:])
        return _stokes_name(q, u, v)
    return None


def _stokes_name(q: float, u: float, v: float) -> str:
    name = _POLARIZATIONS.get((round(q, 2), round(u, 2), round(v, 2)))
    if name is not None:
        return name
    if abs(v) < 0.01 and np.hypot(q, u) > 0.99:
        return f"linear {np.degrees(np.arctan2(u, q)) / 2:.4g}°"
    return f"Stokes (1, {q:.3g}, {u:.3g}, {v:.3g})"
