"""Readings of one detector, and what came with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..documents import REGION, Block, Frames
from ..scans import Detector, Placement, ScanPlan, by_region, detector_columns, place

AnyArray = npt.NDArray[Any]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Readings:
    """Consecutive readings of a detector.

    Attributes
    ----------
    plan : ScanPlan
        The run's plan.
    detector : Detector
        The detector.
    values : ndarray or Frames, shape (n, ...)
        Its readings.
    seq_nums : ndarray of int64, shape (n,)
        Their sequence numbers.
    times : ndarray of float64, shape (n,)
        Their times.
    regions : ndarray of int64, shape (n,), or None
        The regions that they name, -1 where they do not; None where none does.
    current : ndarray, shape (n,) or (n, points), or None
        The ring current that came with them.
    about : Mapping
        What is the same for all of them.
    """

    plan: ScanPlan
    detector: Detector
    values: AnyArray | Frames
    seq_nums: Index
    times: AnyArray
    regions: Index | None
    current: AnyArray | None
    about: dict[str, Any]

    @property
    def n_values(self) -> int:
        """Values of one reading."""
        return prod(self.values.shape[1:])

    def placed(self, rows: slice, covered: int) -> Placement:
        """Place the points of some rows."""
        seq_nums = self.seq_nums[rows]
        points = ((seq_nums - 1) * covered)[:, np.newaxis] + np.arange(covered)
        placed = place(self.plan, points.ravel())
        if self.regions is None:
            return placed
        return by_region(self.plan, placed, np.repeat(self.regions[rows], covered))

    def current_of(self, row: int, covered: int) -> float | AnyArray | None:
        """Give the ring current at a row: a number, or one for each of its points."""
        if self.current is None:
            return None
        each: AnyArray = np.ravel(self.current[row])
        return each if len(each) == covered and covered > 1 else float(each[0])


def readings_of(plan: ScanPlan, block: Block, current: float | None) -> Iterator[Readings]:
    """Give the readings of the detectors in a block.

    Parameters
    ----------
    plan : ScanPlan
        The run's plan.
    block : Block
        The block.
    current : float or None
        The ring current where the block has none.
    """
    n = len(block.seq_nums)
    measured = next((c for c in device_columns(plan, block, "ring_current") if len(c) == n), None)
    if measured is None and current is not None:
        measured = np.full(n, current)
    regions = _regions(plan, block)
    for key, label, detector in detector_columns(plan, block.columns):
        about = {
            "data_key": key,
            "detector": label,
            "role": detector.role,
            "units": detector.units,
            "run": plan.run,
            "stream": block.stream,
        }
        for chunk in block.columns[key]:
            if chunk.values.dtype.kind not in "biufc" or not len(chunk.values):
                continue
            at = chunk.row - block.row
            rows = slice(at, at + len(chunk.values))
            yield Readings(
                plan,
                detector,
                chunk.values,
                block.seq_nums[rows],
                block.times[rows],
                None if regions is None else regions[rows],
                None if measured is None else measured[rows],
                about,
            )


def _regions(plan: ScanPlan, block: Block) -> Index | None:
    """Give the region that each row of a block names; None where none does, or there is one."""
    if REGION not in block.columns or len(plan.entries) < 2:
        return None
    named = np.full(len(block.seq_nums), -1, np.int64)
    for chunk in block.columns[REGION]:
        at = chunk.row - block.row
        named[at : at + len(chunk.values)] = chunk.values
    return named


def device_columns(plan: ScanPlan, block: Block, role: str) -> Iterator[AnyArray]:
    """Give the readings of a device in a block, as floats."""
    device = plan.devices.get(role)
    key = None if device is None else device.read_key
    for chunk in block.columns.get(key or "", ()):
        values = chunk.values
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.size:
            yield values.astype(float) * (1.0 if device is None else device.scale)
