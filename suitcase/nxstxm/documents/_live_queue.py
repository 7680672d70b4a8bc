"""Documents on their way from a RunEngine: into the journal, then to whoever writes the file.

The thread that brings them does no more than append to a queue. Nobody is woken for it: a thread
that wakes for each event would fight the RunEngine for the interpreter.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Thread
from typing import Any

import numpy as np

from .._beside import Beside
from .._errors import NXstxmError, NXstxmOSError
from ._journal import Extent, Journal, Packed
from ._routes import Routes

Document = Mapping[str, Any]
#: Seconds between two looks into the queue while a run goes on.
PERIOD = 0.02
#: Seconds between two attempts to write a journal that could not be written.
RETRY = 1.0
#: Bytes of arrays in the queue beyond which the journal's thread is woken.
HURRY_BYTES = 8 * 2**20
#: Documents that may wait for the journal's thread; a RunEngine does not come near to that.
WAITING = 20000
#: Documents, and bytes of arrays, that are journalled together: the writer begins with them while
#: the next ones are journalled.
_SLICE, _SLICE_BYTES = 20000, 16 * 2**20
#: What a document without arrays takes in memory, roughly: ten times of what it takes packed.
_DOCUMENT_BYTES = 1024
#: Descriptors that are remembered; runs that go on at the same time have a few each.
_REMEMBERED = 1000


@dataclass(frozen=True, eq=False)
class Batch:
    """Documents of one run, in the order in which they came.

    Attributes
    ----------
    run : str
        The run.
    documents : tuple of (name, document), or None
        The documents; None when only the journal has them.
    packed : tuple, or None
        What `Journal.add` gave for each; None when one could not be packed.
    journal : Path or None
        The journal that has them.
    extent : Extent or None
        Where in it they are; None when it has not got them.
    """

    run: str
    documents: tuple[tuple[str, Document], ...] | None
    packed: tuple[Packed, ...] | None = None
    journal: Journal | None = None
    extent: Extent | None = None

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of memory that letting the documents go would free, roughly."""
        if self.extent is None:
            documents = self.documents or ()
            return sum(_DOCUMENT_BYTES + _array_bytes(doc) for _, doc in documents)
        placed = (its for its in self.packed or () if isinstance(its, Mapping))
        refs = (ref for its in placed for refs in its.values() for ref in refs)
        own = self.extent.last - self.extent.first + _DOCUMENT_BYTES * len(self.documents or ())
        return own + sum(ref.n_bytes for ref in refs if ref)

    def without_documents(self) -> Batch:
        """Let the documents go, if the journal has them."""
        if self.journal is None or self.extent is None:
            return self
        return Batch(self.run, None, None, self.journal, self.extent)

    def __iter__(self) -> Iterator[tuple[str, Document, Packed]]:
        """Give the documents, if need be from the journal, and what it gave for each."""
        if self.documents is not None:
            packed = self.packed or (None,) * len(self.documents)
            for (name, doc), its in zip(self.documents, packed, strict=True):
                yield name, doc, its
        elif self.journal is not None and self.extent is not None:
            yield from self.journal.read(self.extent)


@dataclass(frozen=True)
class Closed:
    """Tells that the journal of a run is closed, and nothing more comes of it."""

    run: str


@dataclass(frozen=True)
class Pending:
    """Tells that a run is over and its journal can not be written: it is tried until it can."""

    run: str


class LiveQueue:
    """Journals documents and hands them on, in a thread of its own.

    Parameters
    ----------
    take : callable
        Takes each `Batch`, and what was given to `mark`, in order. It must not take long.
    tell : callable
        Told of each error of a journal: run, error. What was not written is tried again.
    fsync : float or None
        Seconds after which the disk is asked to have all of it.
    limit : int
        Bytes of arrays that may wait; who brings more has to wait then.
    """

    def __init__(
        self,
        take: Callable[[Any], object],
        tell: Callable[[str, Exception], object],
        *,
        fsync: float | None = None,
        limit: int = 2**30,
    ) -> None:
        self._take = take
        self._tell = tell
        self._fsync = fsync
        self._limit = limit
        self._queue: deque[tuple[str, Any, int]] = deque()  # with the bytes of arrays
        self._journals: dict[str, Journal | None] = {}
        self._heavy: dict[str, None] = {}  # descriptors of streams with arrays, the latest
        self._late: dict[str, float] = {}  # journals that could not be written, and when to try
        self._ending: dict[str, float] = {}  # such of runs that are over
        self._routes = Routes()
        self._wake = Event()
        self._thread: Thread | None = None
        self._closed = False
        self._bytes_in = self._bytes_out = 0
        self._synced = 0.0
        self._syncing: Beside[None] | None = None

    # -- whoever brings documents -----------------------------------------------------------------

    def begin(self, run: str, journal: Journal | None) -> None:
        """Begin a run; its start document comes next, through `put`."""
        self._queue.append(("#begin", (run, journal), 0))
        if self._thread is None:
            self._thread = Thread(target=self._loop, name="nxstxm-journal", daemon=True)
            self._thread.start()

    def put(self, name: str, doc: Document) -> None:
        """Take a document, by reference; wait while too many bytes of arrays do."""
        n_bytes = 0
        if name == "event" or name == "event_page":
            # only what is declared to have arrays is looked at: most events are a few numbers
            descriptor = doc.get("descriptor")
            if type(descriptor) is str and descriptor in self._heavy:
                n_bytes = _array_bytes(doc)
        elif name == "descriptor" and _has_arrays(doc):
            self._heavy[str(doc.get("uid"))] = None
            if len(self._heavy) > _REMEMBERED:
                del self._heavy[next(iter(self._heavy))]
        self._queue.append((name, doc, n_bytes))
        if n_bytes:
            self._bytes_in += n_bytes
            if self._bytes_in - self._bytes_out > HURRY_BYTES:
                self._wake.set()
                while self._bytes_in - self._bytes_out > self._limit and self._is_alive():
                    time.sleep(0.001)
        elif len(self._queue) > WAITING:
            self._wake.set()
            while len(self._queue) > WAITING and self._is_alive():
                time.sleep(0.001)

    def mark(self, item: object) -> None:
        """Hand on something that is no document, behind the documents that came before it."""
        self._queue.append(("#mark", item, 0))
        self.hurry()

    def hurry(self) -> None:
        """Have what waits journalled and handed on at once."""
        self._wake.set()

    def forget(self, run: str, *, keep: bool = False) -> None:
        """Let go of a run; when its journal is closed `take` takes a `Closed`, else a `Pending`.

        Parameters
        ----------
        run : str
            The run.
        keep : bool
            Its journal is needed: what could not be written is tried until it is.
        """
        self._queue.append(("#forget", (run, keep), 0))
        self.hurry()

    def close(self) -> None:
        """Journal what waits, and end the thread."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # -- the journal's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._closed or self._queue:
            self._wake.wait(PERIOD if self._journals else None)
            self._wake.clear()
            try:
                while self._queue:
                    self._step()
                self._retry()
                self._sync()
            except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the journal
                self._tell("", error)
        for run, journal in list(self._journals.items()):
            if journal is not None:
                with suppress(OSError):
                    journal.flush()  # the last chance
            self._close(run)

    def _step(self) -> None:
        """Journal some of what waits, run by run, and hand it on."""
        runs: dict[str, list[tuple[str, Document]]] = {}
        first = self._bytes_out
        latest, its = None, None  # most events are of the stream that the one before is of
        for _ in range(min(len(self._queue), _SLICE)):
            if self._bytes_out - first > _SLICE_BYTES:
                break
            name, item, n_bytes = self._queue.popleft()
            if name == "event":
                self._bytes_out += n_bytes
                descriptor = item.get("descriptor")
                if descriptor != latest or its is None:
                    latest, its = descriptor, self._list_of(name, item, runs)
                if its is not None:
                    its.append((name, item))
            elif name[0] != "#":
                self._bytes_out += n_bytes
                self._sort(name, item, runs)
                if name == "descriptor" and str(item.get("uid")) in self._heavy:
                    # now: whoever makes room for its arrays must know the run
                    self._write(runs)
                    runs, latest, its = {}, None, None
            else:
                self._write(runs)
                runs, latest, its = {}, None, None
                self._obey(name, item)
        self._write(runs)

    def _obey(self, name: str, item: Any) -> None:
        """Do what was asked for behind the documents."""
        if name == "#begin":
            run, journal = item
            self._routes.begin(run)
            self._journals[run] = journal
        elif name == "#forget":
            self._end(*item)
        else:
            self._take(item)

    def _list_of(
        self, name: str, doc: Document, runs: dict[str, list[tuple[str, Document]]]
    ) -> list[tuple[str, Document]] | None:
        """Give the list of the run that an event belongs to; None where none is known."""
        owners = self._routes.take(name, doc)
        return runs.setdefault(owners[0], []) if owners else None

    def _sort(self, name: str, doc: Document, runs: dict[str, list[tuple[str, Document]]]) -> None:
        """Note to which run a document belongs; what belongs to none that is known is left."""
        owners = self._routes.take(name, doc)
        if len(owners) == 1:
            runs.setdefault(owners[0], []).append((name, doc))
            return
        for run in owners:
            part = self._routes.part_of(run, name, doc)
            if part is not None:
                runs.setdefault(run, []).append((name, part))

    def _write(self, runs: Mapping[str, list[tuple[str, Document]]]) -> None:
        for run, documents in runs.items():
            if run not in self._journals:
                continue  # its file is there already
            journal = self._journals[run]
            if journal is None:
                self._take(Batch(run, tuple(documents)))
                continue
            packed = self._add(run, journal, documents)
            whole = run not in self._late and packed is not None
            extent = self._flush(run, journal) if whole else None
            self._take(Batch(run, tuple(documents), packed, journal, extent))

    def _add(
        self, run: str, journal: Journal, documents: list[tuple[str, Document]]
    ) -> tuple[Packed, ...] | None:
        """Add documents to a journal; give them packed, or None where some can not be."""
        packed: list[Packed] = []
        for name, doc in documents:
            try:
                packed.append(journal.add(name, doc))
            except NXstxmError as error:
                self._tell(run, error)
        return tuple(packed) if len(packed) == len(documents) else None

    def _flush(self, run: str, journal: Journal) -> Extent | None:
        try:
            extent = journal.flush()
            if journal.is_gone:
                self._tell(run, NXstxmOSError(f"somebody removed {journal.path}; it is made anew"))
                journal.remake()
            if journal.frames is not None:
                journal.frames.look_after()
            return extent
        except OSError as error:
            if run not in self._late:
                self._tell(run, error)
            self._late[run] = time.monotonic() + RETRY
            return None

    def _retry(self) -> None:
        """Try again to write what could not be written."""
        now = time.monotonic()
        for run in [run for run, then in self._late.items() if then <= now]:
            journal = self._journals.get(run)
            del self._late[run]
            if journal is not None:
                self._flush(run, journal)
        for run in [run for run, then in self._ending.items() if then <= now]:
            self._end(run, keep=True)

    def _sync(self) -> None:
        """Ask the disk to have all of it; another thread waits for that."""
        now = time.monotonic()
        if self._fsync is None or now - self._synced < self._fsync:
            return
        if self._syncing is None or self._syncing.is_done:
            journals = [journal for journal in self._journals.values() if journal is not None]
            self._synced, self._syncing = now, Beside(lambda: _sync_all(journals))

    def _end(self, run: str, keep: bool) -> None:
        self._routes.forget(run)
        self._late.pop(run, None)
        journal = self._journals.get(run)
        if journal is not None and journal.frames is not None:
            journal.frames.forget(run)
        if journal is not None and keep:
            try:
                journal.flush()
            except OSError:
                if run not in self._ending:
                    self._take(Pending(run))
                self._ending[run] = time.monotonic() + RETRY
                return
        self._close(run)

    def _close(self, run: str) -> None:
        self._ending.pop(run, None)
        journal = self._journals.pop(run, None)
        if journal is not None:
            with suppress(OSError):
                journal.close()
        self._take(Closed(run))


def _has_arrays(descriptor: Document) -> bool:
    """Tell whether the readings of a stream are declared to be arrays."""
    data_keys = descriptor.get("data_keys")
    return isinstance(data_keys, Mapping) and any(
        isinstance(declared, Mapping) and declared.get("dtype") == "array"
        for declared in data_keys.values()
    )


def _array_bytes(doc: Document) -> int:
    """Give the bytes of the arrays in an event or a page of events."""
    data = doc.get("data")
    if not isinstance(data, Mapping):
        return 0  # refused elsewhere, with a message
    n_bytes = 0
    for value in data.values():
        if type(value) is np.ndarray:
            n_bytes += value.nbytes
        elif type(value) is list and value and type(value[0]) is np.ndarray:
            n_bytes += sum(each.nbytes for each in value if type(each) is np.ndarray)
    return n_bytes


def _sync_all(journals: Iterable[Journal]) -> None:
    for journal in journals:
        with suppress(OSError, ValueError):  # a full disk is told by the writes; it may be closed
            journal.sync()
