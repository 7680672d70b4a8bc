"""Documents on their way from a RunEngine: into the journal, then to whoever writes the file.

The thread that brings them does no more than append to a queue. Nobody is woken for it: a thread
that wakes for each event would fight the RunEngine for the interpreter.

While Python looks through all its objects for garbage nothing runs, a tenth of a second and more in
a process that has as many as Bluesky, and a process that is killed then would lose what waits. So
what waits is journalled before.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Event, Thread, current_thread
from typing import Any

from .._errors import as_error
from ._batch import Batch, Document, Segment, array_bytes, goes_on
from ._journal import Journal, Packed, has_arrays
from ._journals import Journals
from ._routes import Routes

#: Seconds between two looks into the queue while a run goes on.
PERIOD = 0.02
#: Seconds for which a search through all objects for garbage waits for the journal.
PATIENCE = 0.02
#: Bytes of arrays in the queue beyond which the journal's thread is woken.
HURRY_BYTES = 8 * 2**20
#: Documents that may wait for the journal's thread; a RunEngine does not come near to that.
WAITING = 8000
#: Documents, and bytes of arrays, that are journalled together: the writer begins with them while
#: the next ones are journalled.
_SLICE, _SLICE_BYTES = 4000, 16 * 2**20
#: Descriptors that are remembered; runs that go on at the same time have a few each.
_REMEMBERED = 1000


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
        self._limit = limit
        self._queue: deque[tuple[str, Any, int]] = deque()  # with the bytes of arrays
        self._journals = Journals(take, tell, fsync)
        self._heavy: dict[str, None] = {}  # descriptors of streams with arrays, the latest
        self._routes = Routes()
        self._wake = Event()
        self._thread: Thread | None = None
        self._closed = False
        self._is_busy = False
        self._bytes_in = self._bytes_out = 0

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
                n_bytes = array_bytes(doc)
        elif name == "descriptor" and isinstance(doc.get("uid"), str) and has_arrays(doc):
            self._heavy[doc["uid"]] = None
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

    def _before_collection(self, phase: str, about: Mapping[str, int]) -> None:
        """Have what waits journalled before Python looks through all its objects."""
        if phase != "start" or about["generation"] < 2 or not (self._queue or self._is_busy):
            return
        if current_thread() is self._thread or not self._is_alive():
            return
        self._wake.set()
        # not longer: whoever is here may have what the journal's thread waits for
        end = time.monotonic() + PATIENCE
        while (self._queue or self._is_busy) and time.monotonic() < end:
            time.sleep(0.0005)

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # -- the journal's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        gc.callbacks.append(self._before_collection)
        while not self._closed or self._queue:
            self._wake.wait(PERIOD if len(self._journals) else None)
            self._wake.clear()
            try:
                self._empty()
                self._journals.look_after()
                self._journals.retry()
                self._journals.sync()
            except BaseException as error:  # noqa: BLE001 - nothing must stop the journal
                self._tell("", as_error(error))
        gc.callbacks.remove(self._before_collection)
        self._journals.close()

    def _empty(self) -> None:
        """Journal all that waits, and hand it on."""
        self._is_busy = True
        try:
            while self._queue:
                self._step()
        finally:
            self._is_busy = False

    def _step(self) -> None:
        """Journal some of what waits, run by run, and hand it on."""
        runs: dict[str, list[Segment]] = {}
        first = self._bytes_out
        latest, its = None, None  # most events are of the stream that the one before is of
        take = self._queue.popleft
        for _ in range(min(len(self._queue), _SLICE)):
            name, item, n_bytes = take()
            if name == "event":
                descriptor = item.get("descriptor")
                # what is no text may not even be compared
                if its is None or type(descriptor) is not str or descriptor != latest:
                    latest, its = descriptor, self._list_of(item, runs)
                if its is not None:
                    its.append(item)
                if n_bytes:
                    self._bytes_out += n_bytes
                    if self._bytes_out - first > _SLICE_BYTES:
                        break
                continue
            its = None
            if name[0] != "#":
                self._bytes_out += n_bytes
                self._sort(name, item, runs)
                if name != "descriptor" or not self._is_heavy(item):
                    continue
                # now: whoever makes room for its arrays must know the run
            self._write(runs)
            runs = {}
            if name[0] == "#":
                self._obey(name, item)
        self._write(runs)

    def _obey(self, name: str, item: Any) -> None:
        """Do what was asked for behind the documents."""
        if name == "#begin":
            run, journal = item
            self._routes.begin(run)
            self._journals.begin(run, journal)
        elif name == "#forget":
            run, keep = item
            self._routes.forget(run)
            self._journals.end(run, keep=keep)
        else:
            self._take(item)

    def _list_of(self, doc: Document, runs: dict[str, list[Segment]]) -> list[Document] | None:
        """Give the list that an event is to be added to; None where its run is not known."""
        owners = self._owners("event", doc)
        if not owners:
            return None
        segments = runs.setdefault(owners[0], [])
        if not segments or not goes_on(segments[-1], "event", doc, _SLICE):
            segments.append(Segment("event", []))
        return segments[-1].documents

    def _sort(self, name: str, doc: Document, runs: dict[str, list[Segment]]) -> None:
        """Note to which run a document belongs; what belongs to none that is known is left."""
        owners = self._owners(name, doc)
        for run in owners:
            part = doc if len(owners) == 1 else self._routes.part_of(run, name, doc)
            if part is not None:
                runs.setdefault(run, []).append(Segment(name, [part]))

    def _owners(self, name: str, doc: Document) -> tuple[str, ...]:
        """Give the runs of a document; of one that makes no sense none."""
        try:
            return self._routes.take(name, doc)
        except Exception as error:  # noqa: BLE001 - those that wait behind it must have their turn
            self._tell("", error)
            return ()

    def _is_heavy(self, descriptor: Document) -> bool:
        uid = descriptor.get("uid")
        return isinstance(uid, str) and uid in self._heavy

    def _write(self, runs: Mapping[str, list[Segment]]) -> None:
        """Journal documents and hand them on; whatever happens to some, all others are."""
        for run, segments in runs.items():
            if run not in self._journals:
                continue  # its file is there already
            journal = self._journals[run]
            batch = Batch(run, tuple(segments))
            if journal is not None:
                try:
                    batch = self._journalled(run, journal, segments)
                except Exception as error:  # noqa: BLE001 - a defect of ours
                    self._tell(run, error)
            self._take(batch)
            if segments[-1].name == "stop":
                self._journals.stopped(run)

    def _journalled(self, run: str, journal: Journal, segments: list[Segment]) -> Batch:
        added = [self._add(run, journal, segment) for segment in segments]
        extent = None if self._journals.is_late(run) else self._journals.flush(run, journal)
        whole = extent is not None and all(
            len(packed) == len(segment.documents)
            for packed, segment in zip(added, segments, strict=True)
        )
        extent = extent if whole else None
        if whole:
            segments = [s._replace(packed=p) for s, p in zip(segments, added, strict=True)]
        return Batch(run, tuple(segments), journal, extent)

    def _add(self, run: str, journal: Journal, segment: Segment) -> list[Packed]:
        """Add documents to a journal; give less than there are where some can not be packed."""
        if segment.name == "event":
            packed = journal.add_events(segment.documents)
            if packed is not None:
                return packed
        packed = []
        for doc in segment.documents:
            try:
                packed.append(journal.add(segment.name, doc))
            except BaseException as error:  # noqa: BLE001 - lazy arrays are programs of others
                self._tell(run, as_error(error))
        return packed
