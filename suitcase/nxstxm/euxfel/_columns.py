"""Readings of a source as the format has them: one value a train, or so many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5d, h5p, h5s

from .._h5write import TEXT_IN_FILE, TEXT_IN_MEMORY, clean, kind_of, mark, mark_number
from ..documents import cast_exactly

AnyArray = npt.NDArray[Any]
NANOSECONDS = 1_000_000_000
#: Kinds of dtypes that become each other where each number stays what it is.
_NUMBERS = frozenset("iuf")


def nanoseconds(time: Any) -> int:
    """Give a time in seconds since the epoch as the format has it; 0 for what is none.

    Seconds and what is behind the point are converted apart: a float has no room for both.
    """
    try:
        whole = int(time)
        found = whole * NANOSECONDS + round(float(time - whole) * NANOSECONDS)
    except (TypeError, ValueError, OverflowError):
        return 0
    return found if 0 <= found < 2**64 else 0


def is_array(value: Any) -> bool:
    """Tell whether a reading is an array of numbers."""
    kind = type(value)
    if kind is float or kind is int or kind is str:
        return False  # most are
    if isinstance(value, np.ndarray):
        return value.ndim > 0 and value.dtype.kind in "biufc"
    if not isinstance(value, (list, tuple)) or not value:
        return False
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return array.dtype.kind in "biuf"


class Reading(NamedTuple):
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
    is_text : bool or None
        Whether the first file has text; None before it.
    n_words : int
        Words among numbers, in place of which the number before is held.
    other : dtype or None
        Of numbers that the dtype can not have exactly; the number before is held as well.
    """

    key: str
    facts: dict[str, Any]
    dtype: np.dtype[Any] | None = None
    last: Reading | None = None
    is_text: bool | None = None
    n_words: int = 0
    other: np.dtype[Any] | None = None
    _before: AnyArray | None = None
    _values: list[Any] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)

    def set(self, value: Any, time: int) -> bool:
        """Take a reading; tell whether its time is before that of the last, which is kept."""
        goes_back = self.last is not None and time < self.last.time
        if goes_back and self.last is not None:
            time = self.last.time  # the format knows no way back
        self.last = Reading(value, time)
        return goes_back

    def end_train(self) -> None:
        """Hold the latest reading for a train."""
        held = self.last
        self._values.append(None if held is None else held.value)
        self._times.append(0 if held is None else held.time)

    def miss(self, n: int) -> None:
        """Begin after so many trains of the file."""
        self._values = [None] * n
        self._times = [0] * n

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
        known = next((time for time in times if time), 0)
        times = [time or known for time in times]  # no time is no reason to go back
        column = as_column(values)
        is_first = self.is_text is None
        if is_first:
            self.is_text = column.dtype.kind == "O"
        elif self.is_text != (column.dtype.kind == "O"):
            # EXtra-data takes what the first file has for all
            column = as_column([*map(_as_said, values)] if self.is_text else self._numbers(values))
        if column.dtype.kind != "O":
            column = cast_exactly(column, self.dtype or column.dtype)
            if is_first or self.dtype is None:
                self.dtype = column.dtype
            elif column.dtype != self.dtype:
                column = self._fitted(column, self.dtype)
            self._before = column[-1:]
        return column, np.asarray(times, np.uint64)

    def _fitted(self, column: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
        """Hold the last number that a dtype can have exactly where there is one that it can not."""
        self.other = column.dtype
        held = np.zeros(1, dtype) if self._before is None else self._before
        made = []
        for i in range(len(column)):
            cast = cast_exactly(column[i : i + 1], dtype)
            held = cast if cast.dtype == dtype else held
            made.append(held)
        return np.concatenate(made)

    def _numbers(self, values: Sequence[Any]) -> list[Any]:
        """Hold the last number where there is a word."""
        known = [v for v in values if isinstance(v, (bool, int, float, np.generic))]
        held: Any = known[0] if known else float("nan")
        made = []
        for value in values:
            is_number = isinstance(value, (bool, int, float, np.generic))
            held = value if is_number else held
            self.n_words += not is_number
            made.append(held)
        return made


@dataclass
class RowColumn:
    """The rows of one data key: any number in each train.

    Attributes
    ----------
    source, key : str
        ``<device>:<channel>/<group>``, and the name in it.
    facts : dict
        Attributes of the format.
    empty : ndarray, shape (...)
        A row: its shape and dtype.
    splits : bool
        Whether arrays are series of rows.
    n_rows : int
        Rows of the run.
    is_referred : bool
        Whether the archive refers to some of them.
    counts : list of int
        Of the file: rows of each train.
    """

    source: str
    key: str
    facts: dict[str, Any]
    empty: AnyArray
    splits: bool = False
    n_rows: int = 0
    is_referred: bool = False
    counts: list[int] = field(default_factory=list)
    _times: list[tuple[int, int]] = field(default_factory=list)
    _n_open: int = 0

    def fitted(self, rows: AnyArray) -> AnyArray | None:
        """Give rows in the dtype of the dataset; None where it can not have each exactly."""
        dtype = self.empty.dtype
        if rows.dtype == dtype:
            return rows
        if {rows.dtype.kind, dtype.kind} <= _NUMBERS:
            cast = cast_exactly(rows, dtype)
            return cast if cast.dtype == dtype else None
        return rows.astype(dtype) if np.can_cast(rows.dtype, dtype) else None

    def wider(self, rows: AnyArray) -> np.dtype[Any] | None:
        """Give the dtype that can have these rows and those that came; None if it has it already.

        Those of which the archive knows nothing but where they are must stay as they came.
        """
        dtype = self.empty.dtype
        if self.is_referred or not rows.size or not {rows.dtype.kind, dtype.kind} <= _NUMBERS:
            return None
        found = np.result_type(rows.dtype, dtype)
        return None if found == dtype or cast_exactly(rows, found).dtype != found else found

    def note(self, n: int, time: int) -> int:
        """Note new rows of the train that is open; give the number of the first."""
        self._n_open += n
        self._times.append((n, time))
        self.n_rows += n
        return self.n_rows - n

    def end_train(self) -> None:
        """Count the rows of a train."""
        self.counts.append(self._n_open)
        self._n_open = 0

    def take(self) -> tuple[AnyArray, AnyArray]:
        """Give the rows of each train and the time of each row of a file, and begin the next."""
        counts = np.asarray(self.counts, np.uint64)
        noted = np.asarray(self._times, np.uint64).reshape(-1, 2)
        self.counts, self._times = [], []
        return counts, np.repeat(noted[:, 1], noted[:, 0].astype(np.int64))


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
    if array.dtype.kind == "f" and any(isinstance(v, int) and abs(v) > _EXACT for v in values):
        # numpy has rounded them
        whole = all(isinstance(v, int) and 0 <= v < 2**64 for v in values)
        array = np.asarray(values, np.uint64 if whole else object)
    if array.ndim == 1 and len(array) == len(values) and array.dtype.kind in "biuf":
        return array
    return np.asarray([_as_said(value) for value in values], object)


def write_column(group: h5py.Group, name: str, values: AnyArray, *, grows: bool = True) -> None:
    """Write a column, text as EXtra-data reads it.

    Parameters
    ----------
    group : h5py.Group
        Where.
    name : str
        Of the dataset.
    values : ndarray, shape (n, ...)
        The values.
    grows : bool
        Whether it has a chunk, as datasets that grow have; what has one value takes less without.
    """
    if values.dtype.kind == "O":
        values, kind, memory = as_text(values), TEXT_IN_FILE, TEXT_IN_MEMORY
    else:
        values, kind, memory = np.ascontiguousarray(values), kind_of(values.dtype), None
    shape = values.shape
    if grows:
        space = h5s.create_simple(shape, (h5s.UNLIMITED, *shape[1:]))
        plist = _chunked((max(shape[0], 1), *shape[1:]))
    else:
        space, plist = h5s.create_simple(shape), None
    # a file has hundreds of these, and the way that does more takes four times as long
    made = h5d.create(group.id, name.encode("utf-8"), kind, space, plist)
    if values.size:
        made.write(h5s.ALL, h5s.ALL, values, memory)


@lru_cache(maxsize=64)
def _chunked(chunks: tuple[int, ...]) -> h5p.PropDCID:
    """Give the properties of a dataset of such chunks."""
    made = h5p.create(h5p.DATASET_CREATE)
    made.set_chunk(chunks)
    return made


#: Larger whole numbers are rounded when they become others.
_EXACT = 2**53


def _as_said(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def as_text(values: AnyArray) -> AnyArray:
    """Give text that HDF5 can hold."""
    return np.asarray([clean(str(value)) for value in values], object)


def set_attributes(node: h5py.HLObject, facts: Mapping[str, Any]) -> None:
    """Write attributes that are not there yet, text as HDF5 can hold it."""
    for name, value in facts.items():
        if isinstance(value, str):
            mark(node, name, value)
        else:
            mark_number(node, name, value)
