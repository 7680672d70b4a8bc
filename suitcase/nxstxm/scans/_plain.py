"""Runs without any STXM metadata: an honest "generic scan" from their hints and motors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ._metadata import as_json, optional_number, text_or_none, texts
from ._plan import Axis, Device, EntryPlan, Loop, ScanPlan
from ._roles import ROLE_NAMES, ROLE_UNITS, axis_name, role_of
from ._start import common_fields, run_uid
from ._told_paths import SURE, in_plain_words, told_dwell
from ._types import ScanType
from ._with_roles import with_devices

#: Plans that know which motor is x, and in which order they name the two.
_SPIRALS = {
    "spiral": ("sample_x", "sample_y"),
    "spiral_fermat": ("sample_x", "sample_y"),
    "spiral_square": ("sample_y", "sample_x"),
}


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
    start, dwell = in_plain_words(start), told_dwell(start)
    dimensions = _dimensions(start)
    fields = [dimension[0] for dimension in dimensions]
    sizes = _grid(start, len(fields))
    devices = {
        role: Device(role, names[0], names, units=ROLE_UNITS.get(role, ""))
        for role, names in ROLE_NAMES.items()
    }
    axes: list[Axis] = []
    positions: list[Axis] = []  # of motors that move along an axis
    if fields == ["time"] or (len(fields) > 1 and sizes is None) or not fields:
        is_time = fields == ["time"]
        axes.append(Axis("time" if is_time else "point", None, "s" if is_time else "",
                         _n_points(start)))  # fmt: skip
        moved = [] if is_time else [field for dimension in dimensions for field in dimension]
    else:
        for i, field in enumerate(fields):
            size = sizes[i] if sizes is not None else _n_points(start)
            setpoints = _setpoints(start, i, size) if sizes is not None else _along(start, size)
            axes.append(_axis(field, devices, axes, setpoints, size))
        moved = [field for dimension in dimensions for field in dimension[1:]]
    for field in moved if len(axes) == 1 else ():
        positions.append(_axis(field, devices, [*axes, *positions], None, axes[0].size))
    snaked = _snaked(start, len(axes))
    loops = tuple(
        Loop(axis.name, axis.size, snake) for axis, snake in zip(axes, snaked, strict=True)
    )
    dwells = () if dwell is None else (dwell,)
    plan = ScanPlan(
        run=run_uid(start),
        dialect="plain",
        scan_type=ScanType.GENERIC_SCAN,
        entries=(EntryPlan(None, tuple(axes), (), dwells, tuple(positions)),),
        loops=loops,
        devices=devices,
        request=as_json({k: start[k] for k in ("plan_name", "plan_args", "motors") if k in start}),
        expected_runs=1,
        told_shape=_told_shape(start, axes),
        **common_fields(start),
    )
    return with_devices(plan, _told_roles(start, dimensions))


def _axis(
    field: str,
    devices: dict[str, Device],
    taken: Collection[Axis],
    setpoints: tuple[float, ...] | None,
    size: int | None,
) -> Axis:
    """Make the axis, or the position, of a field; its device joins the others."""
    name = axis_name(field)
    if any(name == axis.name for axis in taken):
        name = f"{name}_{len(taken) + 1}"
    units = ROLE_UNITS.get(name, "")
    devices[name] = Device(name, field, (field,), units=units)
    return Axis(name, setpoints, units, size, role=name)


def _told_roles(start: Mapping[str, Any], dimensions: list[tuple[str, ...]]) -> dict[str, str]:
    """Give the roles that a plan tells by what it is: a spiral has an x and a y."""
    roles = _SPIRALS.get(text_or_none(start.get("plan_pattern")) or "")
    if roles is None or len(dimensions) != 2:
        return {}
    fields = [dimension[0] for dimension in dimensions]
    if any(role_of(field) is not None for field in fields):
        return {}
    return dict(zip(roles, fields, strict=True))


def _dimensions(start: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Give the fields of each dimension, slowest first."""
    hints = start.get("hints")
    dimensions = hints.get("dimensions") if isinstance(hints, Mapping) else None
    found: list[tuple[str, ...]] = []
    for dimension in dimensions if isinstance(dimensions, (list, tuple)) else ():
        fields = texts(dimension[0]) if isinstance(dimension, (list, tuple)) and dimension else ()
        if not fields:
            return []
        found.append(tuple(fields))
    return found or [(motor,) for motor in texts(start.get("motors"))]


def _is(value: Any, text: str) -> bool:
    return isinstance(value, str) and value == text


def _grid(start: Mapping[str, Any], n: int) -> tuple[int, ...] | None:
    """Give the sizes of the grid, when the plan tells that it is one and walks it in order."""
    shape, hints = start.get("shape"), start.get("hints")
    if not isinstance(shape, (list, tuple)) or len(shape) != n or n == 0:
        return None
    if isinstance(hints, Mapping) and _is(hints.get("gridding"), "rectilinear_nonsequential"):
        return None  # a square spiral: on a grid, but not line by line
    sizes = [optional_number(size) for size in shape]
    if any(size is None or size < 1 or size != int(size) for size in sizes):
        return None
    return tuple(int(size) for size in sizes if size is not None)


def _told_shape(start: Mapping[str, Any], axes: list[Axis]) -> tuple[int, ...]:
    """Give the shape of a grid of which nothing else is told; nothing of a path that is known."""
    told = any(key in start for key in (*SURE, "plan_pattern"))
    shape = start.get("shape")
    n = len(shape) if isinstance(shape, (list, tuple)) else 0
    is_list = [axis.name for axis in axes] == ["point"]
    if told or n < 2 or not (is_list or n == len(axes)):
        return ()
    return _grid(start, n) or ()


def _n_points(start: Mapping[str, Any]) -> int | None:
    n = optional_number(start.get("num_points"))
    return int(n) if n is not None and n >= 1 and n == int(n) else None


def _snaked(start: Mapping[str, Any], n: int) -> list[bool]:
    """Tell which loops run back and forth.

    ``grid_scan`` says it in ``snaking``; ``list_grid_scan`` only in the text of ``snake_axes``:
    ``"True"`` for all but the slowest, or the list of the motors.
    """
    snaking = start.get("snaking")
    if isinstance(snaking, (list, tuple)) and len(snaking) == n:
        return [not getattr(s, "ndim", 0) and bool(s) for s in snaking]
    told = start.get("snake_axes")
    motors = _pattern_args(start)[::2]
    if told is True or _is(told, "True"):
        return [i > 0 for i in range(n)]
    if isinstance(told, str) and len(motors) == n:
        return [isinstance(motor, str) and motor in told for motor in motors]
    return [False] * n


def _pattern_args(start: Mapping[str, Any]) -> list[Any]:
    """Give motors and positions of a list plan, one after the other; of other plans nothing."""
    given = start.get("plan_pattern_args")
    args = given.get("args") if isinstance(given, Mapping) else None
    is_list = text_or_none(start.get("plan_pattern")) == "outer_list_product"
    return list(args) if is_list and isinstance(args, (list, tuple)) else []


def _setpoints(start: Mapping[str, Any], i: int, size: int | None) -> tuple[float, ...] | None:
    """Give the setpoints along one dimension of a grid; None when only the motor knows."""
    if (text_or_none(start.get("plan_name")) or "").startswith(("rel_", "relative_")):
        return None  # what the plan tells is relative to where the motors stood
    if text_or_none(start.get("plan_pattern")) == "outer_list_product":
        listed = _pattern_args(start)[2 * i + 1 : 2 * i + 2]
        points = [optional_number(p) for p in listed[0]] if _is_list(listed) else []
        found = tuple(p for p in points if p is not None)
        return found if len(found) == len(points) == size else None
    return _spread(start.get("extents"), i, size)


def _along(start: Mapping[str, Any], size: int | None) -> tuple[float, ...] | None:
    """Give the setpoints of the first of the motors that move together; None as `_setpoints`."""
    if (text_or_none(start.get("plan_name")) or "").startswith(("rel_", "relative_")):
        return None
    given = start.get("plan_pattern_args")
    args = given.get("args") if isinstance(given, Mapping) else None
    if not isinstance(args, (list, tuple)) or len(args) < 2:
        return None
    pattern = text_or_none(start.get("plan_pattern"))
    if pattern == "inner_product":
        return _spread([args[1:3]], 0, size)
    if pattern == "inner_list_product" and isinstance(args[1], (list, tuple)):
        points = [optional_number(p) for p in args[1]]
        found = tuple(p for p in points if p is not None)
        return found if len(found) == len(points) == size else None
    return None


def _is_list(listed: list[Any]) -> bool:
    return len(listed) == 1 and isinstance(listed[0], (list, tuple))


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
