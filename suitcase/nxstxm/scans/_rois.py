"""Regions of interest as pyStxm writes them: positioner, setpoints or start and stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._metadata import MetadataError, count, number, optional_number, short
from ._plan import Axis

#: Placeholder of the control program for "no positioner".
_NO_DEVICE = ("", "NONE", "NULL")


def positioner_of(roi: Mapping[str, Any]) -> str | None:
    name = roi.get("POSITIONER")
    return name if isinstance(name, str) and name.upper() not in _NO_DEVICE else None


def spread(roi: Mapping[str, Any], where: str) -> tuple[float, ...]:
    """Make setpoints from START, STOP and NPOINTS, for rois without them."""
    n = count(roi.get("NPOINTS"), f"NPOINTS of {where}")
    if n == 0:
        raise MetadataError(f"{where} has zero points; it needs SETPOINTS or NPOINTS >= 1")
    first = number(roi.get("START"), f"START of {where}")
    if n == 1:
        return (first,)
    last = number(roi.get("STOP"), f"STOP of {where}")
    return tuple(first + (last - first) * i / (n - 1) for i in range(n))


def single_setpoint(roi: Mapping[str, Any], *path: str) -> float | None:
    """Give the setpoint of a device that stands still during the scan."""
    part: Any = roi
    for step in path:
        part = part.get(step) if isinstance(part, Mapping) else None
    points = part.get("SETPOINTS") if isinstance(part, Mapping) else None
    if isinstance(points, (list, tuple)) and len(points) == 1:
        return optional_number(points[0])
    return None


def equal_lengths(line: list[Axis], where: str) -> list[Axis]:
    """Repeat a coordinate that stands still along the line; anything else is an error."""
    n = max(len(a.setpoints or ()) for a in line)
    out = []
    for axis in line:
        points = axis.setpoints or ()
        if len(points) == 1:
            points = points * n
        if len(points) != n:
            raise MetadataError(
                f"{where}: {' and '.join(f'{a.name} has {a.size}' for a in line)} points; "
                f"they must be equal"
            )
        out.append(replace(axis, setpoints=points, size=n))
    return out


def distances(line: list[Axis]) -> tuple[float, ...]:
    """Give the distance of each point of a line from its first, micrometres."""
    points = list(zip(*(a.setpoints or () for a in line), strict=True))
    if not points:
        raise MetadataError(f"a line without points: {short([a.name for a in line])}")
    start = points[0]
    return tuple(
        sum((p - s) ** 2 for p, s in zip(point, start, strict=True)) ** 0.5 for point in points
    )
