"""Lines of a fly scan whose samples are not the points of the plan.

A detector, or an encoder, may give more samples of a line than the line has points, or fewer. They
are put into the bins around the setpoints: each point gets the mean of the samples nearest to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ._plan import Axis, EntryPlan, ScanPlan

AnyArray = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
#: How samples become points, in words.
BY_POSITION = "mean of the samples whose position is nearest to the setpoint"
BY_ORDER = "mean of equal shares of the samples of a line, in the order in which they came"


@dataclass(frozen=True, eq=False)
class LineAxis:
    """The fast axis of a plan, which may be read several times in a line.

    Attributes
    ----------
    axis : str
        Its name.
    key : str
        The data key of its positions.
    size : int
        Points of a line.
    setpoints : ndarray of float64, shape (size,), or None
        Where they are.
    scale : float
        Factor from positions to the unit of the setpoints.
    """

    axis: str
    key: str
    size: int
    setpoints: Floats | None
    scale: float


def is_line(shape: Sequence[int]) -> bool:
    """Tell whether readings of a shape have more than one value, all along one dimension."""
    return prod(shape) == max(shape, default=1) > 1


def is_short(shape: Sequence[int]) -> bool:
    """Tell whether readings of a shape can be lines that were broken off: one value, or none."""
    return prod(shape) <= 1


def without_brackets(shape: Sequence[int]) -> tuple[int, ...]:
    """Leave out leading dimensions of length 1, but for the last dimension."""
    kept = tuple(shape)
    while len(kept) > 1 and kept[0] == 1:
        kept = kept[1:]
    return kept


def line_axes(plan: ScanPlan, entry: EntryPlan) -> Iterator[LineAxis]:
    """Give the devices that move along the lines of an entry."""
    size = plan.loops[-1].size if plan.loops else None
    if size is None or size < 2:
        return
    name = plan.loops[-1].axis
    moving: list[Axis] = [axis for axis in entry.axes if axis.name == name]
    if name == "line_position":
        moving = [position for position in entry.positions if position.size == size]
    for axis in moving:
        device = plan.devices.get(axis.role)
        if device is None or device.read_key is None:
            continue
        known = axis.setpoints is not None and len(axis.setpoints) == size
        setpoints = np.asarray(axis.setpoints, float) if known else None
        yield LineAxis(name, device.read_key, size, setpoints, device.scale)


def binned(
    line: LineAxis,
    samples: AnyArray,
    positions: AnyArray | None,
    along: Index,
    usual: tuple[int, int] | None = None,
) -> Floats:
    """Give the points of a line.

    Parameters
    ----------
    line : LineAxis
        The fast axis.
    samples : ndarray, shape (m,)
        The samples.
    positions : ndarray, shape (k,), or None
        Where the line was read, as it came. None when it was not.
    along : ndarray of int64, shape (size,)
        Index of each point along the axis, in the order in which they come.
    usual : (int, int), optional
        Samples and positions of most lines of the run. Both are taken to be at equal steps of the
        time of such a line; a line with fewer was broken off. Without it they are at equal steps
        of the same time, but for a single one, which is the first.

    Returns
    -------
    ndarray of float64, shape (size,)
        In the order in which the points come; NaN where no sample is near.
    """
    found: Floats
    if line.setpoints is None:
        found = by_order(samples[np.newaxis], line.size, usual[0] if usual else None)[0]
        return found
    if positions is None or not len(positions):
        # where samples were nobody knows; as many as there are points can only be the points
        return samples.astype(float) if len(samples) == line.size else np.full(line.size, np.nan)
    near = means_near(samples, line.scale * positions.astype(float), line.setpoints, usual)
    found = near[np.minimum(along, line.size - 1)]
    return found


def means_near(
    samples: AnyArray,
    positions: Floats,
    setpoints: Floats,
    usual: tuple[int, int] | None = None,
) -> Floats:
    """Give the mean of the samples of a line that are nearest to each of its points.

    Parameters
    ----------
    samples : ndarray, shape (m,)
        The samples.
    positions : ndarray, shape (k,)
        Where the line was read.
    setpoints : ndarray, shape (size,)
        The points, two at least.
    usual : (int, int), optional
        Samples and positions of most lines; see `binned`.

    Returns
    -------
    ndarray of float64, shape (size,)
        NaN where no sample is near.
    """
    rank = np.argsort(np.argsort(setpoints, kind="stable"), kind="stable")
    return _means(*_paired(samples, positions, usual), _edges(setpoints))[rank]


def by_order(samples: AnyArray, size: int, usual: int | None = None) -> Floats:
    """Give each point of lines an equal share of their samples, from (n, m) to (n, size).

    Lines with fewer samples than the `usual` ones were broken off: their last points are NaN.
    """
    m = samples.shape[1]
    bins = np.arange(m) * size // max(m, usual or m, 1)
    counts = np.bincount(bins, minlength=size)
    out = np.full((len(samples), size), np.nan)
    for i, line in enumerate(samples.astype(float)):
        sums = np.bincount(bins, weights=line, minlength=size)
        np.divide(sums, counts, out=out[i], where=counts > 0)
    return out


def _edges(setpoints: Floats) -> Floats:
    """Give the edges of the bins around setpoints, in rising order."""
    rising = np.sort(setpoints)
    middle = (rising[1:] + rising[:-1]) / 2
    return np.concatenate([[2 * rising[0] - middle[0]], middle, [2 * rising[-1] - middle[-1]]])


def _paired(
    samples: AnyArray, positions: Floats, usual: tuple[int, int] | None
) -> tuple[AnyArray, Floats]:
    """Give each sample of a line its position; samples behind the last position are left out."""
    m, k = len(samples), len(positions)
    if usual is None:
        usual = (m, k) if min(m, k) > 1 else (1, 1)
    in_line, of_positions = usual
    if in_line == of_positions:
        both = min(m, k)
        return samples[:both], positions[:both]
    then = (np.arange(m) + 0.5) / in_line
    there = then <= k / of_positions
    measured = (np.arange(k) + 0.5) / of_positions
    return samples[there], np.interp(then[there], measured, positions)


def _means(samples: AnyArray, positions: Floats, edges: Floats) -> Floats:
    """Give the mean of the samples in each bin, in rising order of the setpoints."""
    n = len(edges) - 1
    known = np.isfinite(positions) & (positions >= edges[0]) & (positions <= edges[-1])
    bins = np.clip(np.searchsorted(edges, positions[known], side="right") - 1, 0, n - 1)
    counts = np.bincount(bins, minlength=n)
    out = np.full(n, np.nan)
    sums = np.bincount(bins, weights=samples[known].astype(float), minlength=n)
    np.divide(sums, counts, out=out, where=counts > 0)
    return out
