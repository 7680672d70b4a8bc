"""Lines of a run that were sampled more often than they have points, or less.

In the instrument's lists the samples stay as they came; for the pictures they are binned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..scans import EntryPlan, LineAxis, binned, is_line, line_axes, place
from ._record import SEQ_NUM, AnyArray, Piece, RunRecord


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a run whose fast axis is read several times in each.

    Attributes
    ----------
    record : RunRecord
        The run.
    line : LineAxis
        The fast axis.
    """

    record: RunRecord
    line: LineAxis

    def points(self, h5: h5py.File, values: AnyArray, row: int) -> npt.NDArray[np.float64]:
        """Make points of the samples of consecutive rows, from (n, m) to (n, points of a line)."""
        line, record = self.line, self.record
        stream, last = record.measurement or "", row + len(values)
        seq = np.concatenate([s for _, s in record.read(h5, stream, SEQ_NUM, row, last)])
        ordinals = ((seq - 1) * line.size)[:, np.newaxis] + np.arange(line.size)
        along = place(record.plan, ordinals.ravel()).axes[line.axis].reshape(ordinals.shape)
        positions = samples_of(record, h5, line.key, row, last)
        out = [
            binned(line, samples, positions.get(row + i), along[i])
            for i, samples in enumerate(values)
        ]
        return np.stack(out)


def lines_of(record: RunRecord, entry: EntryPlan) -> Lines | None:
    """Find out whether the fast axis of a run is read several times in each row."""
    for line in line_axes(record.plan, entry):
        pieces = record.columns.get((record.measurement or "", line.key), [])
        if pieces and all(map(_is_line, pieces)):
            return Lines(record, line)
    return None


def is_sampled(pieces: list[Piece], width: int) -> bool:
    """Tell whether a column has lines of another length than the plan's."""
    numbers = [piece for piece in pieces if piece.dtype.kind in "biuf"]
    return (
        bool(numbers)
        and all(map(_is_line, numbers))
        and any(prod(piece.shape) != width for piece in numbers)
    )


def _is_line(piece: Piece) -> bool:
    return piece.dtype.kind in "biuf" and is_line(piece.shape)


def samples_of(
    record: RunRecord, h5: h5py.File, key: str, first: int, last: int
) -> dict[int, AnyArray]:
    """Give the samples of each row of a range that has some."""
    stream = record.measurement or ""
    found: dict[int, AnyArray] = {}
    for row, array in record.read(h5, stream, key, first, last):
        if array.dtype.kind in "biuf":
            flat: Any = array.reshape(len(array), -1)
            found.update(zip(range(row, row + len(flat)), flat, strict=True))
    return found
