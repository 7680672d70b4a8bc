"""What a file holds, as a scientist asks for it: what was scanned, where, how long, with what."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.nexus import Field, Group, as_text, open_file, snapshot

_POSITIONS = ("sample_x", "sample_y", "sample_z")
#: Stokes vectors (of unit intensity) that have a name: Q, U, V to it.
_POLARIZATIONS = {
    (1.0, 0.0, 0.0): "linear horizontal",
    (-1.0, 0.0, 0.0): "linear vertical",
    (0.0, 0.0, 1.0): "circular, V = +1",
    (0.0, 0.0, -1.0): "circular, V = -1",
}


@dataclass(frozen=True)
class AxisSummary:
    """One axis of the data.

    Attributes
    ----------
    step : float, optional
        The distance of its points where that is constant, in `units`.
    """

    name: str
    units: str
    size: int
    first: float | None
    last: float | None
    step: float | None


@dataclass(frozen=True)
class DetectorSummary:
    """One detector: what a single point of it is.

    Attributes
    ----------
    points : int
        How many points arrived.
    frame : tuple of int
        The shape of one point; empty for a counter.
    """

    name: str
    role: str
    points: int
    frame: tuple[int, ...]
    dtype: str
    units: str


@dataclass(frozen=True)
class EntrySummary:
    """One NXentry.

    Attributes
    ----------
    shape : tuple of int
        Of the data that @default leads to, in the order of `axes`.
    energies : AxisSummary, optional
        The photon energies, also where they are no axis.
    position : tuple of AxisSummary
        sample_x and sample_y where the sample stood still.
    dwell : tuple of float
        Seconds a point at each energy.
    duration : float, optional
        Seconds from start to end.
    polarization : str, optional
        A name, or the normalised Stokes vector.
    rotation_angle : float, optional
        Degrees.
    """

    name: str
    title: str | None
    scan_type: str | None
    sample: str | None
    shape: tuple[int, ...]
    axes: tuple[AxisSummary, ...]
    energies: AxisSummary | None
    position: tuple[AxisSummary, ...]
    dwell: tuple[float, ...]
    detectors: tuple[DetectorSummary, ...]
    start: datetime | None
    duration: float | None
    complete: bool | None
    polarization: str | None
    rotation_angle: float | None


@dataclass(frozen=True)
class FileSummary:
    """One file."""

    path: Path
    size: int
    creator: str | None
    entries: tuple[EntrySummary, ...]


def describe(path: str | os.PathLike[str]) -> FileSummary:
    """Read what an NXstxm file holds, without its data.

    Parameters
    ----------
    path : path-like
        The file. What it lacks is None in the summary; files of other writers lack a lot.

    Returns
    -------
    FileSummary
        Entries in the order of their names, entry10 after entry9.

    Raises
    ------
    NXstxmOSError
        When the file can not be opened.
    NXstxmValueError
        When it has no NXentry.
    """
    path = Path(path)
    with open_file(path) as file:
        root, _ = snapshot(file, touch=False)
    entries = root.of_class("NXentry")
    if not entries:
        raise NXstxmValueError(f"{path} has no NXentry; it is not an NXstxm file")
    creator = as_text(root.attrs.get("creator"))
    version = as_text(root.attrs.get("creator_version"))
    return FileSummary(
        path=path,
        size=path.stat().st_size,
        creator=" ".join(part for part in (creator, version) if part) or None,
        entries=tuple(_entry(entry) for entry in sorted(entries, key=entry_order)),
    )


def entry_order(entry: Group) -> list[tuple[int, str]]:
    """Order names as people count: entry10 comes after entry9."""
    parts = re.split(r"(\d+)", entry.path)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _entry(entry: Group) -> EntrySummary:
    picture = _default_picture(entry)
    signal = picture.fields.get(as_text(picture.attrs.get("signal")) or "data") if picture else None
    start, end = (_time(entry.fields.get(name)) for name in ("start_time", "end_time"))
    complete = entry.attrs.get("complete")
    return EntrySummary(
        name=entry.path.strip("/"),
        title=_text(entry.fields.get("title")),
        scan_type=_text(picture.fields.get("stxm_scan_type")) if picture else None,
        sample=_text(_below(entry, "NXsample", "name")),
        shape=signal.shape if signal else (),
        axes=_axes(picture) if picture else (),
        energies=_axis("energy", picture.fields.get("energy")) if picture else None,
        position=_position(picture) if picture else (),
        dwell=tuple(_numbers(picture.fields.get("count_time"))) if picture else (),
        detectors=_detectors(entry),
        start=start,
        duration=_seconds(start, end),
        complete=None if complete is None else bool(np.all(np.asarray(complete))),
        polarization=_polarization(entry),
        rotation_angle=number_below(entry, "NXsample", "rotation_angle"),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    # Other writers leave the offset out of one of the two: then nobody knows.
    if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
        return None
    return (end - start).total_seconds()


def _default_picture(entry: Group) -> Group | None:
    pictures = entry.of_class("NXdata")
    default = as_text(entry.attrs.get("default"))
    chosen = [p for p in pictures if p.path.rpartition("/")[2] == default]
    return next(iter(chosen or pictures), None)


def _axes(picture: Group) -> tuple[AxisSummary, ...]:
    named = np.asarray(picture.attrs.get("axes", ()), dtype=object).ravel()
    found = (_axis(name, picture.fields.get(name)) for name in map(as_text, named) if name)
    return tuple(axis for axis in found if axis is not None)


def _position(picture: Group) -> tuple[AxisSummary, ...]:
    found = (_axis(name, picture.fields.get(name)) for name in _POSITIONS)
    return tuple(axis for axis in found if axis is not None and axis.size == 1)


def _axis(name: str, stored: Field | None) -> AxisSummary | None:
    if stored is None:
        return None
    units = as_text(stored.attrs.get("units")) or ""
    values = _numbers(stored)
    if not values:
        return AxisSummary(name, units, int(np.prod(stored.shape)), None, None, None)
    steps = np.diff(values)
    even = len(values) > 1 and np.allclose(steps, steps.mean(), rtol=1e-3, atol=1e-9)
    return AxisSummary(
        name, units, len(values), values[0], values[-1], float(steps.mean()) if even else None
    )


def _detectors(entry: Group) -> tuple[DetectorSummary, ...]:
    found = []
    for instrument in entry.of_class("NXinstrument"):
        for group in instrument.of_class("NXdetector"):
            name, data = group.path.rpartition("/")[2], group.fields.get("data")
            if name in _POSITIONS or data is None:
                continue
            found.append(
                DetectorSummary(
                    name=name,
                    role=as_text(group.attrs.get("role")) or "",
                    points=data.shape[0] if data.shape else 1,
                    frame=data.shape[1:],
                    dtype=str(data.dtype),
                    units=as_text(data.attrs.get("units")) or "",
                )
            )
    return tuple(found)


def _polarization(entry: Group) -> str | None:
    for instrument in entry.of_class("NXinstrument"):
        name = _text(_below(instrument, "NXinsertion_device", "polarization"))
        if name:
            return name
        values = _numbers(_below(instrument, "NXbeam", "incident_polarization_stokes"))
        if len(values) == 4 and values[0] > 0:
            q, u, v = (value / values[0] for value in values[1:])
            return _stokes_name(q, u, v)
    return None


def _stokes_name(q: float, u: float, v: float) -> str:
    name = _POLARIZATIONS.get((round(q, 2), round(u, 2), round(v, 2)))
    if name is not None:
        return name
    if abs(v) < 0.01 and np.hypot(q, u) > 0.99:
        return f"linear {np.degrees(np.arctan2(u, q)) / 2:.4g}°"
    return f"Stokes (1, {q:.3g}, {u:.3g}, {v:.3g})"


def _below(group: Group, nx_class: str, name: str) -> Field | None:
    return next(
        (g.fields[name] for g in group.of_class(nx_class) if name in g.fields),
        None,
    )


def _text(stored: Field | None) -> str | None:
    return stored.text() if stored is not None else None


def _numbers(stored: Field | None) -> list[float]:
    if stored is None or not stored.is_number or stored.value is None:
        return []
    return [float(value) for value in np.asarray(stored.value).ravel()]


def number_below(group: Group, nx_class: str, name: str) -> float | None:
    """Give the one number of that name in a member of that class, None when there is none."""
    values = _numbers(_below(group, nx_class, name))
    return values[0] if len(values) == 1 else None


def _time(stored: Field | None) -> datetime | None:
    text = _text(stored)
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
