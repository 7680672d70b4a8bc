"""What the detectors count: the truth that documents carry and files are compared with.

The counts of an entry are drawn at once, on its scan axes. Documents hand them out in the order in
which they arrive; expected arrays show them as they are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ._devices import SIMULATOR_STAGE
from ._optics import spot
from ._program import Entry, entries
from ._request import ScanRequest
from ._sample import FloatArray

IntArray: TypeAlias = npt.NDArray[np.int64]

#: Generators of one request: for the counts of a signal, for a camera's frames.
_COUNTS, _FRAMES = 1, 2


def positions(entry: Entry) -> dict[str, FloatArray]:
    """Give all positions of an entry by physical name, so that they broadcast to its shape."""
    found = {
        SIMULATOR_STAGE.get(stage, stage): np.asarray(value) for stage, value in entry.fixed.items()
    }
    for axis, stages in enumerate(entry.along):
        for stage, setpoints in stages.items():
            shape = [1] * len(entry.along)
            shape[axis] = len(setpoints)
            found[SIMULATOR_STAGE.get(stage, stage)] = setpoints.reshape(shape)
    return found


def dwell_times(request: ScanRequest, entry: Entry) -> FloatArray:
    """Give the dwell of every point, seconds, so that it broadcasts to the entry's shape."""
    dwells = np.asarray(request.dwells_s)
    if "energy" not in entry.axes or len(request.energies) == 1:
        return dwells[:1].reshape(())
    shape = [1] * len(entry.axes)
    shape[entry.axes.index("energy")] = len(dwells)
    return dwells.reshape(shape)


def expected_counts(request: ScanRequest, entry: Entry, signal: str) -> FloatArray:
    """Give the counts of a signal without their noise, in the entry's shape."""
    at = positions(entry)
    number = list(request.signals).index(signal)
    if "i0" in signal.lower():
        rate = request.optics.beam(at)
    else:
        rate = request.optics.rate(request.sample, at) / (1 + number)
    return np.array(np.broadcast_to(rate * dwell_times(request, entry), entry.shape))


@lru_cache(maxsize=32)
def measure(request: ScanRequest) -> tuple[dict[str, IntArray], ...]:
    """Count: for each entry the counts of every signal, as arrays over the entry's axes."""
    return tuple(
        {
            signal: request.rng(_COUNTS, entry.index, number)
            .poisson(expected_counts(request, entry, signal))
            .astype(np.int64)
            for number, signal in enumerate(request.signals)
        }
        for entry in entries(request)
    )


@lru_cache(maxsize=32)
def take_frames(request: ScanRequest) -> tuple[IntArray, ...]:
    """Take a camera's frames: for each entry an array (*axes, height, width)."""
    if request.camera is None:
        return ()
    seen = spot(request.camera)
    found = []
    for entry in entries(request):
        brightness = expected_counts(request, entry, next(iter(request.signals)))
        frames = request.rng(_FRAMES, entry.index).poisson(brightness[..., None, None] * seen)
        found.append(frames.astype(np.int64))
    return tuple(found)


def ring_current(event: int | npt.NDArray[np.int64]) -> FloatArray:
    """Give the ring current (mA) at a primary event, counted through the whole scan."""
    return np.asarray(220.0 - 0.01 * np.asarray(event, dtype=np.float64))
