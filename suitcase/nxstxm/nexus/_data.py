"""The NXdata of a detector: its picture with real axes.

Whatever the scan type, an NXdata holds 1-D ``energy``, ``sample_x``, ``sample_y`` and
``count_time``: every reader that was tried needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from .._h5write import mark
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
    mark(data["data"], "long_name", f"{name} ({units})")
    mark_axes(data, "data", [axis.name for axis in writer.plan.axes])
    if name == first:
        _write_axes(writer, data)
    else:
        # every picture of an entry has the same axes: one copy, many names
        axes = writer.entry[first]
        for member in axes:
            if member not in ("data", "stxm_scan_type"):
                data.id.links.create_hard(member.encode(), axes.id, member.encode())
        for attribute in axes.attrs:
            if attribute.endswith("_indices"):
                data.attrs[attribute] = axes.attrs[attribute]


def _write_axes(writer: EntryWriter, data: h5py.Group) -> None:
    """Write what the dimensions of every picture of an entry are."""
    plan = writer.plan
    for i, (axis, size) in enumerate(zip(plan.axes, writer.points.shape, strict=True)):
        _write_axis(writer, data, axis, axis_values(writer, axis, size))
        data.attrs[f"{axis.name}_indices"] = i
    along = [i for i, axis in enumerate(plan.axes) if axis.name == "line_position"]
    for axis in plan.positions:
        if axis.name in data:
            continue
        if axis.setpoints:
            _write_axis(writer, data, axis, np.asarray(axis.setpoints, float))
            if along and axis.size != 1:
                data.attrs[f"{axis.name}_indices"] = along[0]
        elif len(plan.axes) == 1 and writer.measured.has_readings(axis.role):
            # one of several motors that move together, or a cloud of points
            size = writer.points.shape[0]
            _write_axis(writer, data, axis, axis_values(writer, axis, size, along=plan.axes[0]))
            data.attrs[f"{axis.name}_indices"] = 0
    _fill_in(writer, data)


def _write_axis(writer: EntryWriter, data: h5py.Group, axis: Axis, positions: AnyArray) -> None:
    units = axis.units or writer.measured.units(axis.role) or ROLE_UNITS.get(axis.role, "")
    values(data, axis.name, positions, units or "1")


def _fill_in(writer: EntryWriter, data: h5py.Group) -> None:
    """Write the members that every NXdata has, where no axis is called so."""
    plan = writer.plan
    if "energy" not in data:
        energies = plan.energies
        if not energies:
            steady = writer.measured.steady("energy")
            energies = (np.nan if steady is None else steady,)
        values(data, "energy", np.asarray(energies, float), "eV")
    n_energies = len(data["energy"])
    dwells = np.asarray(plan.dwells, float)
    if len(dwells) != n_energies:
        dwells = np.full(n_energies, dwells[0] if len(dwells) else np.nan)
    values(data, "count_time", dwells, "s")
    for name in ("sample_x", "sample_y"):
        if name not in data:
            steady = writer.measured.steady(name)
            values(data, name, np.array([np.nan if steady is None else steady]), "um")
