"""Train ids that no two runs of a proposal share, and the times of trains."""

from __future__ import annotations

import os
import time as clock
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import ClassVar

from filelock import FileLock

from .._log import logger
from ._columns import nanoseconds
from ._options import TrainIds

#: Train ids are counted ten a second, as at the machine.
TRAINS_A_SECOND = 10
#: In the year 30,000,000,000: later ones are no times.
LAST_TICK = 2**63
#: Ids that are taken at once, and blocks of them that a run remembers.
_BLOCK, _BLOCKS = 500, 8
#: In the folder of a proposal: in `raw`, programs take whatever there is for a run.
_BOOK = ".last-train"
#: Ids that are so far ahead of the present (30 days) come from a clock that is wrong, or from a run
#: that was much faster than ten events a second: they are no reason to shift those of later runs.
_AHEAD = 30 * 86_400 * TRAINS_A_SECOND

Span = tuple[int, int]


@dataclass(frozen=True)
class Book:
    """The train ids that the runs of a proposal have taken.

    Attributes
    ----------
    last : int
        The last one that is not far ahead of the present; all up to it count as taken.
    far : tuple of (int, int)
        First and last of those that are taken beyond it, in order.
    """

    last: int = 0
    far: tuple[Span, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Book:
        """Read a book; one that is not there, or makes no sense, is empty."""
        try:
            last, *far = path.read_text("ascii").split()
            spans = [tuple(map(int, each.split("-"))) for each in far]
            return cls(int(last), tuple((first, end) for first, end in spans))
        except (OSError, ValueError):
            return cls()

    def __str__(self) -> str:
        """Give what is written of it."""
        return "\n".join([str(self.last), *(f"{first}-{end}" for first, end in self.far)])

    def joined(self, other: Book) -> Book:
        """Give what at least one of two books has."""
        last = max(self.last, other.last)
        spans: list[Span] = []
        for first, end in sorted({*self.far, *other.far}):
            if end <= last:
                continue
            if spans and first <= spans[-1][1] + 1:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((first, end))
        return Book(last, tuple(spans))

    def free(self, wanted: int, n: int) -> int:
        """Give the first id from one on that begins n free ones."""
        found = max(wanted, self.last + 1)
        for first, end in self.far:
            if first < found + n and found <= end:
                found = end + 1
        return found

    def take(self, first: int, end: int, before: int | None) -> Book:
        """Take ids.

        Parameters
        ----------
        first, end : int
            The first and the last of them.
        before : int or None
            The last id that the same run had taken: what is between is of no use to others.
        """
        if first <= tick_of(clock.time()) + _AHEAD:
            return Book(max(self.last, end), self.far).joined(self)
        below = max((span for span in self.far if span[1] < first), default=None)
        if below is not None and below[1] == before:
            first = below[0]
        return Book(self.last, (*self.far, (first, end))).joined(self)

    def give_back(self, used: int, end: int) -> Book:
        """Give back the ids behind one that is used, up to the end of what was taken last."""
        if self.last == end:
            return Book(used, self.far)
        return Book(self.last, tuple((f, used if e == end else e) for f, e in self.far))

    def ends_at(self, end: int) -> bool:
        """Tell whether nobody has taken the ids behind one."""
        return self.last == end or any(e == end for _, e in self.far)


def last_train(raw: Path) -> int:
    """Give the last train id of a proposal that is not far ahead of the present; 0 for none."""
    return Book.of(raw.parent / _BOOK).last


class Trains:
    """Gives train ids that no other run of a proposal has, and that are larger than all before.

    Ids are taken in blocks, of which the folder of the proposal knows the last: runs that go on at
    the same time have none in common, whichever processes write them; streams of a run may. A run
    that is older than one before it has later ids, at the distances of its own times. One whose
    times are far ahead of the present has ids that are, and those after it have not.

    Parameters
    ----------
    raw : Path
        The folder of the proposal's runs.
    before : int
        The last train id that the proposal had.
    how : {"time", "seq"}
        By time, or counted from 1 in each stream.
    """

    #: What was taken, by the folder of the proposal's runs, as far as this process knows: files may
    #: not be writable.
    _taken: ClassVar[dict[Path, Book]] = {}
    _lock = Lock()

    def __init__(self, raw: Path, before: int, how: TrainIds) -> None:
        self._how = how
        self._raw = raw.resolve()
        self._path = self._raw.parent / _BOOK
        self._last: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._shift = 0
        self._before = before if how == "time" else 0
        self._blocks: deque[Span] = deque(maxlen=_BLOCKS)
        self._used = 0  # the largest of the last block that was given

    def next(self, stream: str, time: float) -> int:
        """Give the id of the next train of a stream."""
        last = self._last.get(stream, self._before)
        if self._how == "seq":
            self._last[stream] = last + 1
            return last + 1
        tick = tick_of(time)
        found = self._own(max(last + 1, tick + self._shift))
        if not self._last:
            self._shift = max(found - tick, 0)
        self._last[stream] = found
        return found

    def time(self, stream: str, time: float) -> int:
        """Give the time of a train of a stream, in nanoseconds: never one before the last."""
        self._times[stream] = max(nanoseconds(time), self._times.get(stream, 0))
        return self._times[stream]

    def _own(self, wanted: int) -> int:
        """Give the first id from one on that is this run's; take more where it has none."""
        if self._blocks:
            first, last = self._blocks[-1]
            if first <= wanted <= last:  # nearly always
                self._used = max(self._used, wanted)
                return wanted
        ours = [max(first, wanted) for first, last in self._blocks if last >= wanted]
        found = min(ours) if ours else self._take(wanted)
        first, last = self._blocks[-1]
        if first <= found <= last:
            self._used = max(self._used, found)
        return found

    def _take(self, wanted: int) -> int:
        with self._booked() as book:
            first = book.free(wanted, _BLOCK)
            before = self._blocks[-1][1] if self._blocks else None
            self._note(book.take(first, first + _BLOCK - 1, before))
        self._blocks.append((first, first + _BLOCK - 1))
        self._used = first
        return first

    @contextmanager
    def _booked(self) -> Iterator[Book]:
        """Give what was taken, which nobody changes meanwhile."""
        with self._lock, ExitStack() as stack:
            with suppress(NotImplementedError, OSError):  # there are no such locks everywhere
                stack.enter_context(FileLock(f"{self._path}.lock"))
            yield Book.of(self._path).joined(self._taken.get(self._raw, Book()))

    def _note(self, book: Book) -> None:
        self._taken[self._raw] = book
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(str(book), "ascii")
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("%s can not be written (%s): other processes may use the same train "
                           "ids", self._path, error)  # fmt: skip

    def close(self) -> None:
        """Give back what was taken and not used, if nobody has taken more."""
        if not self._blocks:
            return
        with self._booked() as book:
            if book.ends_at(self._blocks[-1][1]):
                self._note(book.give_back(self._used, self._blocks[-1][1]))


def tick_of(time: float) -> int:
    """Give the tenth of a second of a time, since 1970."""
    try:
        found = int(time * TRAINS_A_SECOND)
    except (ValueError, OverflowError):
        return 0
    return found if 0 <= found < LAST_TICK else 0
