"""What a file must hold for a request: worked out from the request, not from its documents.

The order of events is written down here a second time, as closed formulas for the number of the
event that brings a pixel. A mistake in the generator's loops therefore shows as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._kinds import TOMOGRAPHY
from ._measurement import IntArray, measure, ring_current, take_frames
from ._program import AXIS_OF_STAGE, Entry, entries
from ._request import Polarization, ScanRequest
from ._sample import FloatArray


@dataclass(frozen=True, eq=False)
class ExpectedEntry:
    """What one NXentry of the file must hold.

    Attributes
    ----------
    name : str
        Name of the entry.
    label : str
        NXstxm's ``stxm_scan_type``.
    axes : tuple of str
        Names of the axes of NXdata, slowest first.
    data : ndarray of float64
        The main signal over the axes; NaN where nothing arrived.
    channels : dict
        The same for every signal.
    lists : dict
        Chronological counts of every signal, only what arrived, integer, shape (nP,).
    setpoints : dict
        Setpoints of every axis (``line_position``: distance from the line's start), and of
        positions along a line or of a single point. um, eV.
    energies : ndarray
        Shape (nE,), eV, in scan order.
    count_time : ndarray
        Dwell of a point, shape (nE,), seconds.
    rotation_angle : float
        Degrees.
    polarization : Polarization
        With which light.
    ring_current : ndarray or None
        mA, in the shape of `data`, NaN where nothing arrived; None when it is not in the events.
    frames : ndarray or None
        A camera's frames, chronological, shape (nP, height, width).
    complete : bool
        All points arrived.
    """

    name: str
    label: str
    axes: tuple[str, ...]
    data: FloatArray
    channels: dict[str, FloatArray]
    lists: dict[str, IntArray]
    setpoints: dict[str, FloatArray]
    energies: FloatArray
    count_time: FloatArray
    rotation_angle: float
    polarization: Polarization
    ring_current: FloatArray | None
    frames: IntArray | None
    complete: bool


def expected(request: ScanRequest) -> dict[str, ExpectedEntry]:
    """Give what the file must hold, entry by entry; entries that were never begun are not in it.

    Parameters
    ----------
    request : ScanRequest
        The scan.

    Returns
    -------
    dict of str to ExpectedEntry
        By name, in the order of the scan.
    """
    found = {}
    for entry in entries(request):
        event = _event_of_pixel(request, entry)
        cut = request.truncate
        arrived = np.ones(entry.shape, bool) if cut is None else event < cut
        if arrived.any() or entry.index == 0 or request.kind.sweep == "point":
            found[entry.name] = _expected_entry(request, entry, event, arrived)
    return found


def _expected_entry(
    request: ScanRequest, entry: Entry, event: IntArray, arrived: np.ndarray
) -> ExpectedEntry:
    counts = measure(request)[entry.index]
    channels = {name: np.where(arrived, values, np.nan) for name, values in counts.items()}
    order = np.lexsort((_place_in_event(request, entry).ravel(), event.ravel()))
    order = order[arrived.ravel()[order]]
    current = None
    if request.ring_current == "event":
        current = np.where(arrived, ring_current(event), np.nan)
    frames = None
    if request.camera:
        frames = take_frames(request)[entry.index].reshape(-1, *request.camera)[order]
    setpoints = _setpoints(entry)
    energies = setpoints.get("energy", np.array(request.energies[:1], dtype=np.float64))
    return ExpectedEntry(
        name=entry.name,
        label=request.kind.label,
        axes=entry.axes,
        data=next(iter(channels.values())),
        channels=channels,
        lists={name: values.ravel()[order] for name, values in counts.items()},
        setpoints=setpoints,
        energies=energies,
        count_time=np.array(np.broadcast_to(request.dwells_s, energies.shape)),
        rotation_angle=entry.angle,
        polarization=entry.polarization,
        ring_current=current,
        frames=frames,
        complete=bool(arrived.all()),
    )


def _setpoints(entry: Entry) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for name, stages in zip(entry.axes, entry.along, strict=True):
        for stage, values in stages.items():
            found[AXIS_OF_STAGE.get(stage, stage)] = values
        if name == "line_position":
            x, y = stages.values()
            found[name] = np.hypot(x - x[0], y - y[0])
        else:
            found[name] = next(iter(stages.values()))
    for stage, value in entry.fixed.items():
        if stage.endswith(("_x", "_y")):
            found[AXIS_OF_STAGE.get(stage, stage)] = np.array([value])
    return found


def _event_of_pixel(request: ScanRequest, entry: Entry) -> IntArray:
    """Give, for every pixel of an entry, the number of the event (from 0) that brings it."""
    grid = np.indices(entry.shape)
    if request.kind.sweep == "point":
        return np.asarray(grid[0] * len(request.regions) + entry.index)
    by_run = request.kind.by_run and request.dialect != "stxm"
    sizes, index = (entry.shape[1:], grid[1:]) if by_run else (entry.shape, grid)
    if request.arrival == "images":
        within = np.zeros(entry.shape, dtype=np.int64)
    elif request.arrival == "lines":
        lines, places = sizes[:-1], tuple(index[:-1])
        within = np.ravel_multi_index(places, lines) if lines else np.zeros(entry.shape, int)
    else:
        places = (*index[:-1], _fast_place(request, sizes, index))
        within = np.ravel_multi_index(places, sizes)
    return np.asarray(within + _events_before(request, entry, grid[0] if by_run else None))


def _fast_place(request: ScanRequest, sizes: tuple[int, ...], index: np.ndarray) -> IntArray:
    """Give the place along the line in time: from the other end in every second line of a snake."""
    if not request.snake or len(sizes) < 2:
        return np.asarray(index[-1])
    return np.asarray(np.where(index[-2] % 2, sizes[-1] - 1 - index[-1], index[-1]))


def _place_in_event(request: ScanRequest, entry: Entry) -> IntArray:
    """Give, for every pixel, when it is measured among those that come with the same event."""
    grid = np.indices(entry.shape)
    if request.arrival == "images" and len(entry.shape) > 1:
        return np.asarray(grid[-2] * entry.shape[-1] + grid[-1])
    return _fast_place(request, entry.shape, grid)


def _events_before(request: ScanRequest, entry: Entry, e_idx: IntArray | None) -> IntArray:
    """Count the events of all runs before the one that an entry has at an energy."""
    per_run = [_events_in_run(request, other) for other in entries(request)]
    if e_idx is None:
        return np.asarray(sum(per_run[: entry.index]))
    n_e, n_p, n_r = len(request.energies), len(request.polarizations), len(request.regions)
    region = np.asarray(sum(per_run[: entry.sp_idx]))
    each = sum(per_run[:n_r])
    if request.scan_type == TOMOGRAPHY:
        return np.asarray((entry.index * n_e + e_idx) * per_run[0])
    if request.interleave_polarizations:
        return np.asarray((e_idx * n_p + entry.pol_idx) * each + region)
    return np.asarray((entry.pol_idx * n_e + e_idx) * each + region)


def _events_in_run(request: ScanRequest, entry: Entry) -> int:
    """Count the events of a run that sweeps an entry's inner axes."""
    by_run = request.kind.by_run and request.dialect != "stxm"
    sizes = entry.shape[1:] if by_run else entry.shape
    stepped = {"points": sizes, "lines": sizes[:-1], "images": ()}[request.arrival]
    return int(np.prod(stepped, dtype=np.int64))
