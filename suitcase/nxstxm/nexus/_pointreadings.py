"""What came for the points of a block: a value for each, however the readings were bundled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..scans import as_json
from ._blocks import PointBlock
from ._forms import Shape
from ._jobs import EntryJob
from ._lines import Samples
from ._record import AnyArray, RunRecord

Bools = npt.NDArray[np.bool_]
#: Makes other numbers of readings, before these are binned.
Via = Callable[[AnyArray], AnyArray]


class PointReadings:
    """Readings of the columns of an entry, at its points.

    Parameters
    ----------
    job : EntryJob
        The entry.
    h5 : h5py.File
        The file that holds the columns.
    samples : Samples
        Knows which columns are of lines.
    messages : list of str
        Takes what has to be said.
    """

    def __init__(self, job: EntryJob, h5: h5py.File, samples: Samples, messages: list[str]) -> None:
        self._job, self._h5 = job, h5
        self._samples = samples
        self._messages = messages
        self._shapes: dict[str, Shape] = {}

    def shape(self, key: str) -> Shape:
        """Give the shape of a column's readings at one point: that which most of them have."""
        if key not in self._shapes:
            found: Counter[Shape] = Counter({(): 0})
            for record in self._job.records:
                for piece in record.columns.get((record.measurement or "", key), ()):
                    its = self._shape_at(record, key, piece.shape, piece.dtype)
                    if its is not None:
                        found[its] += piece.n
            self._shapes[key] = shape = max(found, key=lambda shape: found[shape])
            if found[shape] < found.total():
                self._messages.append(
                    f"{found.total() - found[shape]} readings of {key!r} have not the shape "
                    f"{shape} of the others; they are in the archive only"
                )
        return self._shapes[key]

    def _shape_at(
        self, record: RunRecord, key: str, shape: Shape, dtype: np.dtype[Any]
    ) -> Shape | None:
        """Give the shape that a reading has at one point; None where it has no place there."""
        if dtype.kind not in "biufc" or not prod(shape):
            return None
        if self._samples.per_row[id(record)] == 1:
            return () if prod(shape) == 1 else shape  # a number, however many brackets it has
        form = self._samples.form(record, key)
        if form.kind == "block" or not form.along(shape, dtype):
            return None
        return form.each if form.kind == "points" else ()

    def read(
        self, block: PointBlock, key: str, via: Via | None = None
    ) -> tuple[AnyArray, Bools | None]:
        """Read a column for the points of a block.

        Parameters
        ----------
        block : PointBlock
            The points.
        key : str
            A data key of the measurement stream.
        via : callable, optional
            Makes other numbers of readings, before these are binned.

        Returns
        -------
        values : ndarray, shape (n,) or (n, ...) for frames
            A reading of a whole row stands at each of its points.
        present : ndarray of bool, shape (n,), or None
            Where there is no reading; None when all are there.
        """
        record, per_row = block.part.record, block.per_row
        span, shape = block.last - block.first, self.shape(key)
        values: AnyArray | None = None
        present: Bools | None = None
        for row, read in record.read(
            self._h5, record.measurement or "", key, block.first, block.last
        ):
            if self._shape_at(record, key, read.shape[1:], read.dtype) != shape:
                continue  # one odd reading does not decide for the others
            array, came = self._at_points(record, key, read if via is None else via(read), row)
            if len(array) == span and array.shape[1] == per_row and values is None:
                values, present = array, came
                continue
            if values is None:
                values = np.zeros((span, per_row, *shape), array.dtype)
            if present is None:
                present = np.zeros((span, per_row), bool)
            values = values.astype(np.result_type(values, array), copy=False)
            rows, width = slice(row - block.first, row - block.first + len(array)), array.shape[1]
            values[rows, :width] = array
            present[rows, :width] = True if came is None else came
        if values is None:
            return np.full((len(block), *shape), np.nan), np.zeros(len(block), bool)
        chosen = self._chosen(block, values)
        return chosen, None if present is None else self._chosen(block, present)

    def _at_points(
        self, record: RunRecord, key: str, array: AnyArray, row: int
    ) -> tuple[AnyArray, Bools | None]:
        """Give the points of consecutive rows, from (n, ...) to (n, points, ...)."""
        per_row, n = self._samples.per_row[id(record)], len(array)
        if per_row == 1:
            return array.reshape(n, 1, *self.shape(key)), None
        form = self._samples.form(record, key)
        if form.kind == "samples":
            return self._samples.points(record, key, array, row)
        if form.kind == "row":
            return np.repeat(array.reshape(n, 1), per_row, axis=1), None
        m = form.along(array.shape[1:], array.dtype)
        return array.reshape(n, m, *form.each)[:, :per_row], None

    def unplaced(self, block: PointBlock, key: str) -> Bools:
        """Tell at which points something came that has no place there, shape (n,).

        Text, nothing but brackets, or readings of another shape than the others.
        """
        record, span = block.part.record, block.last - block.first
        found = np.zeros((span, block.per_row), bool)
        for row, array in record.read(
            self._h5, record.measurement or "", key, block.first, block.last
        ):
            shape = self._shape_at(record, key, array.shape[1:], array.dtype)
            if shape is None or shape != self.shape(key):
                rows = slice(row - block.first, row - block.first + len(array))
                found[rows] = _is_something(array)[:, np.newaxis]
        return self._chosen(block, found)

    def _chosen(self, block: PointBlock, values: AnyArray) -> AnyArray:
        """Pick the rows and points of the block out of its range."""
        if len(block.rows) != block.last - block.first or (np.diff(block.rows) < 0).any():
            values = values[block.rows - block.first]
        values = values.reshape(-1, *values.shape[2:])
        return values if block.select is None else values[block.select]


#: How a column has None, which is how a device says that it has no reading.
_NULL = (as_json(None), as_json(None).encode())


def _is_something(array: AnyArray) -> Bools:
    """Tell which rows are not None, shape (n,)."""
    if array.dtype.kind != "O" or not array.size:
        return np.ones(len(array), bool)
    flat = array.reshape(len(array), -1)
    return np.array([any(value not in _NULL for value in row) for row in flat], bool)
