"""Rows of datasets whose places on the disk are known before they are written."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import h5py
import numpy as np

from .._h5chunks import row_places

#: Bytes that are reserved at a time: what a scan does not use of them is a hole in its file.
ROOM_BYTES = 32 * 2**20
#: Rows that are reserved at least, however large they are; and one for so many that there are:
#: HDF5 looks through all of them each time.
LEAST_ROWS, GROWTH = 4, 16


@dataclass(frozen=True)
class FrameRoom:
    """A dataset whose rows are those of the stream, written around HDF5.

    Attributes
    ----------
    path : str
        Its path.
    shape, dtype
        Those of a row.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def fits(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
        """Tell whether readings of a shape and dtype can be in it."""
        return (self.shape, self.dtype) == (shape, dtype)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return prod(self.shape) * self.dtype.itemsize

    def rows_from(self, first: int, expected: int | None) -> int:
        """Choose how far to reserve: behind the last row.

        Parameters
        ----------
        first : int
            The row from which on there shall be room.
        expected : int or None
            As many rows are expected in all.
        """
        least = max(LEAST_ROWS, first // GROWTH)
        last = first + max(ROOM_BYTES // max(self.row_bytes, 1), least)
        return last if expected is None or expected <= first else min(last, expected)

    def reserve(self, h5: h5py.File, first: int, last: int) -> list[int]:
        """Have room for all rows before `last`; give the place of each from `first` on, bytes."""
        dataset = h5[self.path] if self.path in h5 else self._create(h5, last)
        if len(dataset) < last:
            dataset.resize(last, 0)
        return row_places(dataset, first, last)

    def _create(self, h5: h5py.File, n: int) -> h5py.Dataset:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1, *self.shape))
        # room on the disk at once, and nothing written into it
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((n, *self.shape), (h5py.h5s.UNLIMITED, *self.shape))
        home, _, name = self.path.rpartition("/")
        kind = h5py.h5t.py_create(self.dtype, logical=True)
        h5py.h5d.create(h5[home].id, name.encode(), kind, space, properties)
        return h5[self.path]
