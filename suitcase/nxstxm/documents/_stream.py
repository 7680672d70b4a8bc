"""The open block of one stream: rows of readings in, columns out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ._columns import Chunk, chunks

#: A block is handed on when it has this many rows or bytes of arrays.
BLOCK_ROWS = 16384
BLOCK_BYTES = 16 * 2**20

#: Column of the region that a reading names itself.
REGION = "#region"

Document = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows of one stream, in the order of their arrival.

    Attributes
    ----------
    stream : str
        Name of the stream.
    row : int
        Ordinal of the first row in the stream.
    seq_nums : ndarray of int64, shape (n,)
        Sequence numbers, as they came.
    times : ndarray of float64, shape (n,)
        Event times, seconds since the epoch.
    columns : dict of str to tuple of Chunk
        Readings by data key; a reading that is missing is in no chunk.
    """

    stream: str
    row: int
    seq_nums: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    columns: Mapping[str, tuple[Chunk, ...]]

    def since(self, row: int) -> Block | None:
        """Give its rows from `row` on; None where it has none."""
        cut = row - self.row
        if cut <= 0:
            return self
        if cut >= len(self.seq_nums):
            return None
        columns = {
            key: tuple(later for chunk in found if (later := _since(chunk, row)) is not None)
            for key, found in self.columns.items()
        }
        return Block(self.stream, row, self.seq_nums[cut:], self.times[cut:], columns)


def _since(chunk: Chunk, row: int) -> Chunk | None:
    cut = row - chunk.row
    if cut <= 0:
        return chunk
    return Chunk(row, chunk.values[cut:]) if cut < len(chunk.values) else None


class _Missing:
    """Stands where an event has no reading of a key that others of its block have."""


_MISSING = _Missing()
#: Readings whose size need not be looked at.
_SMALL = frozenset((float, int, bool, str, type(None), _Missing))


@dataclass
class Stream:
    """The open block of one stream."""

    name: str
    keys: dict[str, Document] = field(default_factory=dict)
    row: int = 0
    seq_nums: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    values: dict[str, list[Any]] = field(default_factory=dict)
    has_gaps: bool = False
    n_bytes: int = 0

    def declare(self, data_keys: Mapping[str, Document]) -> None:
        for key, declared in data_keys.items():
            self.keys[key] = declared if isinstance(declared, Mapping) else {}

    def add(self, seq_num: int, time: float, data: Mapping[str, Any]) -> bool:
        """Note a row; tell whether it is plain: numbers and text, nothing larger."""
        values = self.values
        plain = True
        if data.keys() != values.keys():
            check_names(data)
        for key, value in data.items():
            column = values.get(key)
            if column is None:
                column = values[key] = [_MISSING] * len(self.seq_nums)
                self.has_gaps = self.has_gaps or bool(column)
            column.append(value)
            if type(value) not in _SMALL:
                plain = False
                self.n_bytes += _size(value)
        self.seq_nums.append(seq_num)
        self.times.append(time)
        if len(data) != len(values):
            self._fill_gaps()
        return plain

    def add_page(
        self, seq_nums: list[int], times: list[float], columns: Mapping[str, Sequence[Any]]
    ) -> bool:
        """Note the rows of a page at once, where they are plain; tell whether that was done."""
        if self.values and self.values.keys() != columns.keys():
            return False
        if not seq_nums or any(type(column[0]) not in _SMALL for column in columns.values()):
            return False  # arrays: row by row, so that a block is handed on when it is full
        for key, column in columns.items():
            self.values.setdefault(key, []).extend(column)
        self.seq_nums.extend(seq_nums)
        self.times.extend(times)
        return True

    def _fill_gaps(self) -> None:
        """Give every column as many readings as there are rows."""
        n = len(self.seq_nums)
        for column in self.values.values():
            if len(column) < n:
                column.append(_MISSING)
                self.has_gaps = True

    @property
    def full(self) -> bool:
        return len(self.seq_nums) >= BLOCK_ROWS or self.n_bytes >= BLOCK_BYTES

    def peek(self, row: int = 0) -> Block | None:
        """Give what is here, from a row on, though another thread may add to it."""
        # the times come last: of so many rows everything is there
        first, last = max(row - self.row, 0), len(self.times)
        n = last - first
        if n <= 0:
            return None
        copied = {key: list(column[first:last]) for key, column in list(self.values.items())}
        copied = {
            key: column + [_MISSING] * (n - len(column))
            for key, column in copied.items()
            if any(value is not _MISSING for value in column)
        }
        has_gaps = any(value is _MISSING for column in copied.values() for value in column)
        seq_nums, times = self.seq_nums[first:last], self.times[first:last]
        other = Stream(self.name, self.keys, self.row + first, seq_nums, times, copied, has_gaps)
        return other.take()

    def take(self) -> Block:
        """Hand on what is here and begin anew."""
        columns: dict[str, tuple[Chunk, ...]] = {}
        n = len(self.seq_nums)
        every_row = range(self.row, self.row + n)
        for key, values in self.values.items():
            rows: Sequence[int] = every_row
            if self.has_gaps:
                rows = [r for r, v in zip(every_row, values, strict=True) if v is not _MISSING]
                values = [v for v in values if v is not _MISSING]
            declared = self.keys.get(key, {})
            if isinstance(values[0], Mapping) or dict in set(map(type, values)):
                columns |= _channels(key, rows, values, declared)
            else:
                columns[key] = tuple(chunks(rows, values, declared))
        block = Block(
            self.name,
            self.row,
            np.asarray(self.seq_nums, np.int64),
            np.asarray(self.times, np.float64),
            columns,
        )
        self.row += n
        self.seq_nums, self.times, self.values = [], [], {}
        self.has_gaps, self.n_bytes = False, 0
        return block


def check_names(data: Mapping[Any, Any]) -> None:
    """Refuse data keys that are no text, before any of an event is noted."""
    for key in data:
        if not isinstance(key, str):
            raise TypeError(f"a data key is text, not {type(key).__name__}")


def are_small(columns: Mapping[Any, Sequence[Any]]) -> bool:
    """Tell whether columns hold nothing but numbers and text, under names that are text."""
    return all(
        type(key) is str and set(map(type, column)) <= _SMALL for key, column in columns.items()
    )


def _size(value: Any) -> int:
    """Estimate the bytes of a reading."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    size = 8
    while isinstance(value, (list, tuple)) and value:
        size *= len(value)
        value = value[0]
    return size


def _channels(
    key: str, rows: Sequence[int], values: list[Any], declared: Document
) -> dict[str, tuple[Chunk, ...]]:
    """Split readings that are a mapping of channels into a column for each channel.

    A scaler with several channels gives one reading ``{channel: counts}``. A channel name may end
    in the region it was measured at (``-spid-2``), which becomes a column of its own.
    """
    split: dict[str, tuple[list[int], list[Any]]] = {}
    for row, value in zip(rows, values, strict=True):
        region = ""
        for channel, reading in value.items() if isinstance(value, Mapping) else ():
            channel_name, _, region = str(channel).partition("-spid-")
            name = f"{key}/{channel_name}"
            where = split.setdefault(name, ([], []))
            where[0].append(row)
            where[1].append(reading)
        if region.isdigit():
            where = split.setdefault(REGION, ([], []))
            where[0].append(row)
            where[1].append(int(region))
    return {name: tuple(chunks(r, v, declared)) for name, (r, v) in split.items()}
