"""A block of points: what every list and array of an entry is made from, and the rows it covers."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
import numpy.typing as npt

from ._jobs import Part
from ._record import AnyArray, RunRecord

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PointBlock:
    """Some points of an entry.

    Attributes
    ----------
    part : Part
        The run they belong to.
    rows : ndarray of int64, shape (r,)
        Rows of the measurement stream that the block covers, each with `per_row` points.
    first, last : int
        The range of rows that holds them.
    per_row : int
        Points in a row.
    select : ndarray of int64, shape (n,), or None
        Which of the r * per_row points belong to the entry; None for all.
    axes : dict of str to ndarray of int64, shape (n,)
        Index of each point along the axes.
    position : ndarray of int64, shape (n,)
        Flat index of each point in the entry's array; -1 for points beyond the plan.
    times : ndarray of float64, shape (n,)
        Time of the event of each point.
    """

    part: Part
    rows: Index
    first: int
    last: int
    per_row: int
    select: Index | None
    axes: dict[str, Index]
    position: Index
    times: npt.NDArray[np.float64]

    @property
    def is_rows(self) -> bool:
        """Whether its points are consecutive rows of the run, one point each, in order."""
        n = len(self.rows)
        in_order = n == self.last - self.first and int(self.rows[0]) == self.first
        return self.per_row == 1 and self.select is None and in_order

    def __len__(self) -> int:
        """Count the points."""
        return len(self.position)


def gather(
    record: RunRecord,
    h5: h5py.File,
    stream: str,
    key: str,
    rows: Index,
    first: int,
    last: int,
) -> AnyArray:
    """Read the books (sequence numbers, times) of some rows."""
    parts = [array for _, array in record.read(h5, stream, key, first, last)]
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return whole if len(rows) == len(whole) and (np.diff(rows) > 0).all() else whole[rows - first]
