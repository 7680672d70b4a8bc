"""Documents of one run in, blocks of columns out.

A `RunStreams` keeps the books of a run: which descriptor is of which stream. Each stream holds a
bounded block, which is handed on when full, so memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import Any

import numpy as np

from .._errors import NXstxmStateError, NXstxmValueError
from ._equal import shown
from ._stream import Block, Stream, are_small, check_names

#: No run has so many readings.
LARGEST = 2**40

Document = Mapping[str, Any]


class DocumentError(NXstxmValueError):
    """A document that does not fit the run it came with."""


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
        self._streams: dict[str, Stream] = {}
        self._by_descriptor: dict[str, Stream] = {}

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
        stream = self._streams.setdefault(name, Stream(name))
        stream.declare(keys)
        self._by_descriptor[uid] = stream

    def stream_of(self, descriptor: Any) -> str:
        """Name the stream of a descriptor's uid."""
        return self._stream(descriptor).name

    def _stream(self, descriptor: Any) -> Stream:
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

    def take_events(self, docs: Sequence[Document]) -> bool:
        """Note events of one descriptor at once, where they are plain; tell whether that was done.

        Where it was not, `take_event` takes them one by one, and tells what is wrong with them.
        """
        try:
            stream = self._by_descriptor[docs[0]["descriptor"]]
            readings = list(map(itemgetter("data"), docs))
            keys = readings[0].keys()
            # other kinds of mappings may make up what they have not got
            if set(map(type, readings)) != {dict} or set(map(len, readings)) != {len(keys)}:
                return False
            # with their number this shows that each has these keys and no others
            columns = {key: list(map(itemgetter(key), readings)) for key in keys}
            seq_nums = list(map(itemgetter("seq_num"), docs))
            times = list(map(itemgetter("time"), docs))
        except (KeyError, TypeError, AttributeError):
            return False
        known = set(map(type, seq_nums)) == {int} and set(map(type, times)) == {float}
        if not known or max(map(abs, seq_nums)) >= LARGEST:
            return False
        if not (are_small(columns) and stream.add_page(seq_nums, times, columns)):
            return False
        self.plain = True
        self.last_time = max(self.last_time, *times)
        if stream.full:
            self._hand_on(stream)
        return True

    def take_event_page(self, doc: Document) -> None:
        """Note a page of events."""
        stream = self._stream(doc.get("descriptor"))
        try:
            # all of it is looked at before any of it is noted: a page is taken whole or not at all
            seq_nums, times = list(map(_number, doc["seq_num"])), list(map(float, doc["time"]))
            columns = {key: _rows(column) for key, column in doc["data"].items()}
            check_names(columns)
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

    def _hand_on(self, stream: Stream) -> None:
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
