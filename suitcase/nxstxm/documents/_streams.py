"""Documents of one run in, blocks of columns out.

A `RunStreams` keeps the books of a run: descriptors to streams, rows to columns. It holds a
bounded block of each stream and hands it on when full, so memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import NXstxmStateError, NXstxmValueError
from ._columns import Chunk, chunks
from ._equal import shown

#: A block is handed on when it has this many rows or bytes of arrays.
BLOCK_ROWS = 16384
BLOCK_BYTES = 16 * 2**20

#: No run has so many readings.
LARGEST = 2**40

#: Column of the region that a reading names itself.
REGION = "#region"

Document = Mapping[str, Any]


class DocumentError(NXstxmValueError):
    """A document that does not fit the run it came with."""


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
class _Stream:
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
            _check_names(data)
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
        other = _Stream(self.name, self.keys, self.row + first, seq_nums, times, copied, has_gaps)
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


def _check_names(data: Mapping[Any, Any]) -> None:
    """Refuse data keys that are no text, before any of an event is noted."""
    for key in data:
        if not isinstance(key, str):
            raise TypeError(f"a data key is text, not {type(key).__name__}")


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


class RunStreams:
    """The books of one run.

    Parameters
    ----------
    sink : callable
        Takes each full `Block`; called by the thread that brings the documents.
    lock : context manager, optional
        Held while a block is taken and handed on, so that whoever holds it finds each row either
        in `open_blocks` or where the sink has put it.

    Attributes
    ----------
    start, stop : Mapping or None
        The start and the stop document, when they came.
    descriptors : list of Mapping
        The event descriptors in the order of arrival.
    n_rows : dict of str to int
        Rows so far, by stream.
    last_time : float
        Time of the latest document.
    plain : bool
        The latest event or page has nothing but numbers and text.
    """

    def __init__(
        self, sink: Callable[[Block], None], lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self.start: Document | None = None
        self.stop: Document | None = None
        self.descriptors: list[Document] = []
        self.last_time = 0.0
        self.plain = True
        self._sink = sink
        self._lock = nullcontext() if lock is None else lock
        self._streams: dict[str, _Stream] = {}
        self._by_descriptor: dict[str, _Stream] = {}

    @property
    def n_rows(self) -> dict[str, int]:
        """Rows so far, by stream."""
        return {name: s.row + len(s.seq_nums) for name, s in self._streams.items()}

    def take_start(self, doc: Document) -> None:
        """Note the start document; there is one."""
        if self.start is not None:
            raise NXstxmStateError(
                f"two start documents for one run: {shown(self.start.get('uid'))}, then "
                f"{shown(doc.get('uid'))}. Use one Serializer for each run, for instance through "
                f"event_model.RunRouter"
            )
        self.last_time = _time(doc, "start")
        self.start = doc

    def take_stop(self, doc: Document) -> None:
        """Note the stop document and hand on all open blocks."""
        self.last_time = max(self.last_time, _time(doc, "stop"))
        self.stop = doc
        self.flush()

    def take_descriptor(self, doc: Document) -> None:
        """Note a descriptor; several of one name share their stream."""
        keys, uid, name = doc.get("data_keys"), doc.get("uid"), doc.get("name", "primary")
        if not isinstance(keys, Mapping) or not isinstance(uid, str) or not isinstance(name, str):
            raise DocumentError(
                f"descriptor {shown(uid)} of stream {shown(name)} needs a text uid and a mapping "
                f"data_keys"
            )
        if uid in self._by_descriptor:
            return
        self.descriptors.append(doc)
        stream = self._streams.setdefault(name, _Stream(name))
        stream.declare(keys)
        self._by_descriptor[uid] = stream

    def stream_of(self, descriptor: Any) -> str:
        """Name the stream of a descriptor's uid."""
        return self._stream(descriptor).name

    def _stream(self, descriptor: Any) -> _Stream:
        try:
            return self._by_descriptor[descriptor]
        except (KeyError, TypeError):
            raise DocumentError(
                f"an event names descriptor {shown(descriptor)}, which did not come before it; "
                f"descriptors so far: {', '.join(d[:8] for d in self._by_descriptor) or 'none'}"
            ) from None

    def take_event(self, doc: Document) -> None:
        """Note one event."""
        stream = self._stream(doc.get("descriptor"))
        try:
            seq_num, time, data = _number(doc["seq_num"]), float(doc["time"]), doc["data"]
            self.plain = stream.add(seq_num, time, data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DocumentError(
                f"event {shown(doc.get('uid'))} of stream {stream.name!r} needs a whole seq_num, a "
                f"time and a mapping data ({type(error).__name__}: {error})"
            ) from error
        if time > self.last_time:
            self.last_time = time
        if stream.full:
            self._hand_on(stream)

    def take_event_page(self, doc: Document) -> None:
        """Note a page of events."""
        stream = self._stream(doc.get("descriptor"))
        try:
            # all of it is looked at before any of it is noted: a page is taken whole or not at all
            seq_nums, times = list(map(_number, doc["seq_num"])), list(map(float, doc["time"]))
            columns = {key: _rows(column) for key, column in doc["data"].items()}
            _check_names(columns)
            lengths = {len(times), *(len(column) for column in columns.values())}
            if lengths != {len(seq_nums)}:
                raise ValueError(f"{len(seq_nums)} seq_num beside lengths of {sorted(lengths)}")
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DocumentError(
                f"an event page of stream {stream.name!r} needs seq_num, time and data as lists "
                f"of one length ({type(error).__name__}: {error})"
            ) from error
        self.plain = stream.add_page(seq_nums, times, columns)
        if self.plain:
            if stream.full:
                self._hand_on(stream)
        else:
            for i, seq_num in enumerate(seq_nums):
                stream.add(seq_num, times[i], {key: column[i] for key, column in columns.items()})
                if stream.full:
                    self._hand_on(stream)
        self.last_time = max(self.last_time, *times, 0.0)

    def take_bulk_events(self, doc: Document) -> None:
        """Note the events of a bulk_events document, an older form of pages."""
        for events in doc.values():
            for event in events:
                self.take_event(event)

    def flush(self) -> None:
        """Hand on all open blocks."""
        for stream in self._streams.values():
            if stream.seq_nums:
                self._hand_on(stream)

    def _hand_on(self, stream: _Stream) -> None:
        with self._lock:
            self._sink(stream.take())

    def open_blocks(self, since: Mapping[str, int] | None = None) -> list[Block]:
        """Give copies of the blocks that were not handed on; for any thread that has the lock.

        Parameters
        ----------
        since : Mapping of str to int, optional
            By stream: only rows from this one on.
        """
        known = {} if since is None else since
        found = [s.peek(known.get(s.name, 0)) for s in list(self._streams.values())]
        return [block for block in found if block is not None]


def _number(seq_num: Any) -> int:
    """Give a sequence number; one that is so large would not be one after it was multiplied."""
    number = int(seq_num)
    if not -LARGEST < number < LARGEST:
        raise ValueError(f"seq_num {shown(number)} is no count of readings")
    return number


def _time(doc: Document, what: str) -> float:
    """Give the time of a start or stop document; 0 where it has none."""
    time = doc.get("time")
    try:
        return 0.0 if time is None else float(time)
    except (TypeError, ValueError, OverflowError) as error:
        raise DocumentError(
            f"{what} {shown(doc.get('uid'))} needs a time in seconds since the epoch; got "
            f"{shown(time)}"
        ) from error


def _rows(column: Any) -> Any:
    """Give a page's column as something that is indexed by row."""
    return column if isinstance(column, (list, tuple, np.ndarray)) else list(column)
