"""Readings of a source as the format has them: one value a train, or so many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..documents import cast_exactly

AnyArray = npt.NDArray[Any]
NANOSECONDS = 1_000_000_000


def nanoseconds(time: Any) -> int:
    """Give a time in seconds since the epoch as the format has it; 0 for what is none.

    Seconds and what is behind the point are converted apart: a float has no room for both.
    """
    try:
        whole = int(time)
        return max(whole * NANOSECONDS + round(float(time - whole) * NANOSECONDS), 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def is_array(value: Any) -> bool:
    """Tell whether a reading is an array of numbers."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0 and value.dtype.kind in "biufc"
    if not isinstance(value, (list, tuple)) or not value:
        return False
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return array.dtype.kind in "biuf"


@dataclass(frozen=True)
class Reading:
    """What a device said at some time.

    Attributes
    ----------
    value : object
        The value.
    time : int
        When, nanoseconds since the epoch.
    """

    value: Any
    time: int


@dataclass
class ControlColumn:
    """A value for each train, held until the next one comes.

    Attributes
    ----------
    key : str
        The data key, as Bluesky has it.
    facts : dict
        Attributes of the format: unit, name.
    dtype : dtype or None
        Of the numbers: what was declared, then that of the first file. EXtra-data takes the dtype
        of the first file for all of them.
    last : Reading or None
        The latest.
    """

    key: str
    facts: dict[str, Any]
    dtype: np.dtype[Any] | None = None
    last: Reading | None = None
    _values: list[Any] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)

    def add(self, reading: Reading | None) -> None:
        """Add the reading of a train; None where there is none, which holds the one before."""
        if reading is not None:
            if self.last is not None and reading.time < self.last.time:
                reading = Reading(reading.value, self.last.time)  # the format knows no way back
            self.last = reading
        held = self.last
        self._values.append(None if held is None else held.value)
        self._times.append(0 if held is None else held.time)

    @property
    def n(self) -> int:
        """Trains so far, in this file."""
        return len(self._values)

    def take(self) -> tuple[AnyArray, AnyArray] | None:
        """Give the values and times of a file, and begin the next; None where nothing ever came."""
        values, times = self._values, self._times
        self._values, self._times = [], []
        first = next((i for i, value in enumerate(values) if value is not None), None)
        if first is None:
            return None
        # before the first reading there was one, which nobody told
        values[:first] = [values[first]] * first
        times[:first] = [times[first]] * first
        column = as_column(values)
        if column.dtype.kind != "O":
            self.dtype = self.dtype or column.dtype
            column = cast_exactly(column, self.dtype)
        return column, np.asarray(times, np.uint64)


def dtype_of(declared: Mapping[str, Any]) -> np.dtype[Any] | None:
    """Give the dtype of the numbers that a data key declares; a number may have a fraction.

    None where it declares none.
    """
    try:
        found: np.dtype[Any] = np.dtype(declared["dtype_numpy"])
    except (KeyError, TypeError):
        return np.dtype(float) if declared.get("dtype") == "number" else None
    return found


def as_column(values: Sequence[Any]) -> AnyArray:
    """Make an array of values, one each; text of what is neither a number nor text."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        array = np.empty(0, object)
    if array.ndim == 1 and len(array) == len(values) and array.dtype.kind in "biuf":
        return array
    return np.asarray([v if isinstance(v, str) else repr(v) for v in values], object)


def write_column(group: h5py.Group, name: str, values: AnyArray) -> h5py.Dataset:
    """Write a column in one chunk, text as EXtra-data reads it."""
    dtype = h5py.string_dtype() if values.dtype.kind == "O" else values.dtype
    if dtype.kind == "O":
        values = np.asarray([_text(value) for value in values], object)
    return group.create_dataset(
        name, data=values, dtype=dtype, chunks=(max(len(values), 1), *values.shape[1:]),
        maxshape=(None, *values.shape[1:]),
    )  # fmt: skip


def _text(value: str) -> str:
    """Give text that HDF5 can hold: no zeros, no halves of characters."""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
