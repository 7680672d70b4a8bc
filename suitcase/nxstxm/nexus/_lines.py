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

from ..scans import EntryPlan, LineAxis, binned, by_order, is_line, line_axes, place
from ._blocks import Index, PointBlock
from ._jobs import EntryJob
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


class Samples:
    """Which columns of an entry have the samples of lines, and what they are.

    Parameters
    ----------
    job : EntryJob
        The entry.
    h5 : h5py.File
        The file that holds the columns.

    Attributes
    ----------
    lines : dict of int to Lines or None
        By the id of its record: the lines of a run whose positions were read.
    lengths : dict of str to list of ndarray
        By the name of its group: how many samples of each line a list has.
    """

    def __init__(self, job: EntryJob, h5: h5py.File) -> None:
        self.lines = {id(p.record): lines_of(p.record, job.plan) for p in job.parts}
        self.lengths: dict[str, list[Index]] = {}
        self._h5 = h5
        self._known: dict[tuple[int, str], bool] = {}

    def are_of(self, record: RunRecord, key: str, width: int, per: str | None = None) -> bool:
        """Tell whether a column has the samples of lines, which are not its `width` points."""
        known = self._known.get((id(record), key))
        if known is None:
            pieces = record.columns.get((record.measurement or "", key), [])
            known = width > 1 and per != "point" and is_sampled(pieces, width)
            if known and self.lines[id(record)] is None:
                # without positions only what can be shared equally
                known = per == "line" and all(prod(p.shape) % width == 0 for p in pieces)
            self._known[id(record), key] = known
        return known

    def native(
        self, block: PointBlock, key: str, name: str, per: str | None = None
    ) -> AnyArray | None:
        """Give the samples of the lines of a block, for the list of a group, as they came.

        None where they are the points of the block.
        """
        record = block.part.record
        if not self.are_of(record, key, block.per_row, per):
            return None
        rows = block.rows
        if block.select is not None:
            rows = rows[np.unique(block.select // block.per_row)]
        came = samples_of(record, self._h5, key, int(rows.min()), int(rows.max()) + 1)
        chosen = [came.get(int(row), np.empty(0)) for row in rows]
        self.lengths.setdefault(name, []).append(np.array([len(c) for c in chosen], np.int64))
        there = [samples for samples in chosen if len(samples)]
        return np.concatenate(there) if there else np.empty(0)

    def points(
        self, record: RunRecord, values: AnyArray, row: int, width: int
    ) -> npt.NDArray[np.float64]:
        """Make points of the samples of consecutive rows, shape (n, width)."""
        flat = values.reshape(len(values), -1)
        lines = self.lines[id(record)]
        return by_order(flat, width) if lines is None else lines.points(self._h5, flat, row)


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
