"""What a file holds, as a scientist asks for it: what was scanned, where, how long, with what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from suitcase.nxstxm.nexus import COUNTED, Channel, Coordinate, Entry, read_contents

_POSITIONS = ("sample_x", "sample_y", "sample_z")
#: How axes are called in files, whose dimensions have shorter names.
_AXES = {"x": "sample_x", "y": "sample_y", "line": "line_position"}


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
    guessed : tuple of str
        What the file does not say, a sentence each.
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
    guessed: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileSummary:
    """One file."""

    path: Path
    size: int
    creator: str | None
    entries: tuple[EntrySummary, ...]


def describe(path: str | os.PathLike[str]) -> FileSummary:
    """Read what a file of scans holds, without its data.

    Parameters
    ----------
    path : path-like
        The file, of this or of another program. What it lacks is None in the summary.

    Returns
    -------
    FileSummary
        Entries in the order of their names, entry10 after entry9.

    Raises
    ------
    NXstxmOSError
        When the file can not be opened.
    NXstxmValueError
        When it holds no scan.
    """
    contents = read_contents(path)
    words = (contents.attrs.get("creator"), contents.attrs.get("creator_version"))
    return FileSummary(
        path=Path(path),
        size=Path(path).stat().st_size,
        creator=" ".join(word for word in words if isinstance(word, str) and word) or None,
        entries=tuple(_entry(entry) for entry in contents.entries.values()),
    )


def _entry(entry: Entry) -> EntrySummary:
    channel = entry.channel() if entry.channels else None
    start, end = (_time(entry.attrs.get(name)) for name in ("start_time", "end_time"))
    complete = entry.attrs.get("complete")
    polarization = entry.attrs.get("polarization")
    return EntrySummary(
        name=entry.name,
        title=_text(entry.attrs.get("title")),
        scan_type=entry.scan_type,
        sample=_text(entry.attrs.get("sample_name")),
        shape=channel.data.stored.shape if channel is not None else (),
        axes=_axes(channel) if channel is not None else (),
        energies=_axis("energy", channel.coordinate("energy")) if channel is not None else None,
        position=_position(channel) if channel is not None else (),
        dwell=_numbers(channel.coordinate("count_time")) if channel is not None else (),
        detectors=_detectors(entry),
        start=start,
        duration=_seconds(start, end),
        complete=None if complete is None else bool(complete),
        polarization=None if polarization is None else str(polarization),
        rotation_angle=_number(entry.attrs.get("sample_rotation_angle")),
        guessed=(*entry.guessed, *(channel.guessed if channel is not None else ())),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    # Other writers leave the offset out of one of the two: then nobody knows.
    if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
        return None
    return (end - start).total_seconds()


def _axes(channel: Channel) -> tuple[AxisSummary, ...]:
    found = (_axis("", channel.coordinate(dim)) for dim in channel.data.dims)
    return tuple(axis for axis in found if axis is not None)


def _position(channel: Channel) -> tuple[AxisSummary, ...]:
    found = (_axis(name, channel.coordinate(name)) for name in _POSITIONS)
    return tuple(axis for axis in found if axis is not None and axis.size == 1)


def _axis(name: str, found: Coordinate | None) -> AxisSummary | None:
    if found is None:
        return None
    named = str(found.attrs.get("long_name", ""))
    called = name or named or _AXES.get(found.name, found.name)
    units = str(found.attrs.get("units", ""))
    values = _numbers(found)
    if not values or units == COUNTED:
        return AxisSummary(called, "", found.values.size, None, None, None)
    steps = np.diff(values)
    even = len(values) > 1 and np.allclose(steps, steps.mean(), rtol=1e-3, atol=1e-9)
    step = float(steps.mean()) if even else None
    return AxisSummary(called, units, len(values), values[0], values[-1], step)


def _detectors(entry: Entry) -> tuple[DetectorSummary, ...]:
    return tuple(
        DetectorSummary(
            name=each.name,
            role=str(each.attrs.get("role", "")),
            points=each.stored.shape[0] if each.stored.shape else 1,
            frame=each.stored.shape[1:],
            dtype=str(each.stored.dtype),
            units=str(each.attrs.get("units", "")),
        )
        for each in entry.lists
        if each.attrs.get("nx_class") == "NXdetector" and each.name not in _POSITIONS
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None


def _numbers(found: Coordinate | None) -> tuple[float, ...]:
    if found is None or found.values.dtype.kind not in "iuf":
        return ()
    return tuple(np.atleast_1d(found.values).astype(float).tolist())


def _time(said: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(said.replace("Z", "+00:00")) if said else None
    except (ValueError, AttributeError):
        return None
