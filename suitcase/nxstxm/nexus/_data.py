"""The NXdata of a detector: its picture with real axes.

Whatever the scan type, an NXdata holds 1-D ``energy``, ``sample_x``, ``sample_y`` and
``count_time``: every reader that was tried needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..scans import ROLE_UNITS, Axis
from ._encoding import mark_axes, values, word
from ._positions import axis_values
from ._record import AnyArray

if TYPE_CHECKING:
    from ._entry import EntryWriter


def write_data(writer: EntryWriter, name: str, units: str) -> None:
    """Complete the NXdata `name`, whose array is written already.

    Parameters
    ----------
    writer : EntryWriter
        The entry.
    name : str
        Name of the group.
    units : str
        Unit of the detector; every NXdata of an entry has the same axes.
    """
    data = writer.entry[name]
    first = next(c.name for c in writer.channels if c.is_picture)
    word(data, "stxm_scan_type", writer.job.scan_type.label)
    data["data"].attrs["long_name"] = f"{name} ({units})"
    if name != first:
        # every picture of an entry has the same axes: one copy, many names
        for member in writer.entry[first]:
            if member not in ("data", "stxm_scan_type"):
                data[member] = writer.entry[first][member]
        for attribute, value in writer.entry[first].attrs.items():
            if attribute not in ("NX_class",):
                data.attrs[attribute] = value
        return
    plan = writer.plan
    mark_axes(data, "data", [axis.name for axis in plan.axes])
    for i, (axis, size) in enumerate(zip(plan.axes, writer.points.shape, strict=True)):
        _write_axis(writer, axis, axis_values(writer, axis, size))
        data.attrs[f"{axis.name}_indices"] = i
    along = [i for i, axis in enumerate(plan.axes) if axis.name == "line_position"]
    for axis in plan.positions:
        if axis.name not in data and axis.setpoints:
            _write_axis(writer, axis, np.asarray(axis.setpoints, float))
            if along and axis.size != 1:
                data.attrs[f"{axis.name}_indices"] = along[0]
    _fill_in(writer)


def _write_axis(writer: EntryWriter, axis: Axis, positions: AnyArray) -> None:
    data = writer.entry[next(c.name for c in writer.channels if c.is_picture)]
    units = axis.units or writer.measured.units(axis.role) or ROLE_UNITS.get(axis.role, "")
    values(data, axis.name, positions, units or "1")


def _fill_in(writer: EntryWriter) -> None:
    """Write the members that every NXdata has, where no axis is called so."""
    data = writer.entry[next(c.name for c in writer.channels if c.is_picture)]
    plan = writer.plan
    if "energy" not in data:
        energies = plan.energies
        if not energies:
            steady = writer.measured.baseline("energy")
            energies = (np.nan if steady is None else steady,)
        values(data, "energy", np.asarray(energies, float), "eV")
    n_energies = len(data["energy"])
    dwells = np.asarray(plan.dwells, float)
    if len(dwells) != n_energies:
        dwells = np.full(n_energies, dwells[0] if len(dwells) else np.nan)
    values(data, "count_time", dwells, "s")
    for name in ("sample_x", "sample_y"):
        if name not in data:
            steady = writer.measured.baseline(name)
            values(data, name, np.array([np.nan if steady is None else steady]), "um")
