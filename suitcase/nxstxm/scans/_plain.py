"""Runs without any STXM metadata: an honest "generic scan" from their hints and motors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._metadata import optional_number, texts
from ._plan import Axis, Device, EntryPlan, Loop, ScanPlan
from ._roles import ROLE_NAMES, ROLE_UNITS, axis_name
from ._start import common_fields
from ._types import ScanType


def speaks(start: Mapping[str, Any]) -> bool:
    """Every start document speaks plain Bluesky."""
    return isinstance(start, Mapping)


def read(start: Mapping[str, Any]) -> ScanPlan:
    """Read a start document that says nothing of STXM.

    Parameters
    ----------
    start : Mapping
        Any start document.

    Returns
    -------
    ScanPlan
        A generic scan along the dimensions that the hints name; along the points where they name
        none or where their number of dimensions does not make a grid.
    """
    fields = _dimensions(start)
    sizes = _grid(start, len(fields))
    axes: list[Axis] = []
    devices = {
        role: Device(role, names[0], names, units=ROLE_UNITS.get(role, ""))
        for role, names in ROLE_NAMES.items()
    }
    if fields == ["time"] or (len(fields) > 1 and sizes is None) or not fields:
        name = "time" if fields == ["time"] else "point"
        axes.append(Axis(name, None, "s" if name == "time" else "", _n_points(start)))
    else:
        extents = start.get("extents")
        for i, field in enumerate(fields):
            name = axis_name(field)
            if any(name == axis.name for axis in axes):
                name = f"{name}_{i + 1}"
            size = sizes[i] if sizes is not None else _n_points(start)
            setpoints = _spread(extents, i, size) if sizes is not None else None
            units = ROLE_UNITS.get(name, "")
            devices[name] = Device(name, field, (field,), units=units)
            axes.append(Axis(name, setpoints, units, size, role=name))
    snaking = start.get("snaking")
    snaked = list(snaking) if isinstance(snaking, (list, tuple)) else []
    loops = tuple(
        Loop(axis.name, axis.size, len(snaked) == len(axes) and bool(snaked[i]))
        for i, axis in enumerate(axes)
    )
    return ScanPlan(
        run=str(start.get("uid", "?")),
        dialect="plain",
        scan_type=ScanType.GENERIC_SCAN,
        entries=(EntryPlan(None, tuple(axes), (), ()),),
        loops=loops,
        devices=devices,
        request=json.dumps(
            {k: start[k] for k in ("plan_name", "plan_args", "motors") if k in start}, default=str
        ),
        expected_runs=1,
        **common_fields(start),
    )


def _dimensions(start: Mapping[str, Any]) -> list[str]:
    """Give the first field of each dimension, slowest first."""
    hints = start.get("hints")
    dimensions = hints.get("dimensions") if isinstance(hints, Mapping) else None
    found: list[str] = []
    for dimension in dimensions if isinstance(dimensions, (list, tuple)) else ():
        fields = texts(dimension[0]) if isinstance(dimension, (list, tuple)) and dimension else ()
        if not fields:
            return []
        found.append(fields[0])
    return found or list(texts(start.get("motors")))


def _grid(start: Mapping[str, Any], n: int) -> tuple[int, ...] | None:
    """Give the sizes of the grid, when the plan tells that it is one."""
    shape = start.get("shape")
    if not isinstance(shape, (list, tuple)) or len(shape) != n or n == 0:
        return None
    sizes = [optional_number(size) for size in shape]
    if any(size is None or size < 1 or size != int(size) for size in sizes):
        return None
    return tuple(int(size) for size in sizes if size is not None)


def _n_points(start: Mapping[str, Any]) -> int | None:
    n = optional_number(start.get("num_points"))
    return int(n) if n is not None and n >= 1 and n == int(n) else None


def _spread(extents: Any, i: int, size: int | None) -> tuple[float, ...] | None:
    """Spread the setpoints of a rectilinear grid over its extent."""
    try:
        first, last = (optional_number(v) for v in extents[i])
    except (TypeError, IndexError, ValueError, KeyError):
        return None
    if first is None or last is None or size is None:
        return None
    if size == 1:
        return (first,)
    return tuple(first + (last - first) * k / (size - 1) for k in range(size))
