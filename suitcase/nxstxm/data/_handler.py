"""Between those who produce frames and the storages that keep them."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Lock, Thread, current_thread, get_ident
from types import TracebackType
from typing import Any, Literal, NamedTuple

from .._errors import (
    NXstxmError,
    NXstxmKeyError,
    NXstxmStateError,
    NXstxmTypeError,
    OptionError,
    as_error,
)
from ._bounded import BoundedQueue
from ._coordinates import DataCoordinates, coordinates
from ._processor import Frame, chain
from ._storage import AnyArray, DataStorage, as_array, missing

logger = logging.getLogger(__name__)
Answer = tuple["AnyArray | None", "Mapping[str, Any] | None"]
#: Frames that an executor may have at a time.
_AHEAD = 64


class DataTimeoutError(NXstxmError, TimeoutError):
    """Data that were waited for did not come in time."""


class Failure(NamedTuple):
    """What went wrong with a frame.

    Attributes
    ----------
    error : Exception
        As the processor or the storage raised it.
    coordinates : DataCoordinates or None
        Of the frame; None when it was the end of the processors or of a storage.
    """

    error: Exception
    coordinates: DataCoordinates | None


class _Flight:
    """A frame on its way."""

    __slots__ = ("frame", "processed", "source")

    def __init__(self, frame: Frame, processed: bool, source: _Flight | None = None) -> None:
        self.frame = frame
        self.processed = processed
        self.source = source


class DataHandler:
    """Takes frames from any thread, has them processed and stored, and gives them to any thread.

    Parameters
    ----------
    storage : DataStorage or sequence of DataStorage
        Where frames are stored; of several, each gets all, and the first is read.
    process_fn : callable, DataProcessor or sequence of these, optional
        What is done to each frame before it is stored, in this order.
    max_items, max_bytes : int
        Frames, and bytes of frames, that wait; `put` waits when there are more.
    on_error : {"raise", "keep", "store_raw"}
        When a processor fails: keep the frame as it came, to be fetched with `get`; or store it so.
        The error is raised by the next `put`, `get`, `finish` or `close`, with "keep" and
        "store_raw" by `finish` and `close` only.
    on_arrival : callable, optional
        Called with the coordinates of each frame that was stored, in the thread that stores.

    Attributes
    ----------
    failures : list of Failure
        All that went wrong so far.
    replaced : int
        Frames that came when there were some of the same coordinates, and replaced them.
    """

    def __init__(
        self,
        storage: DataStorage | Sequence[DataStorage],
        process_fn: Any = None,
        *,
        max_items: int = 65536,
        max_bytes: int = 256 * 2**20,
        on_error: Literal["raise", "keep", "store_raw"] = "raise",
        on_arrival: Callable[[DataCoordinates], object] | None = None,
    ) -> None:
        if on_error not in ("raise", "keep", "store_raw"):
            raise OptionError(f"on_error {on_error!r} is not one of 'raise', 'keep', 'store_raw'")
        self._storages = [storage] if isinstance(storage, DataStorage) else list(storage)
        if not self._storages or not all(isinstance(s, DataStorage) for s in self._storages):
            raise NXstxmTypeError("a handler needs a DataStorage, or several")
        self.failures: list[Failure] = []
        self.replaced = 0
        self._chain = chain(process_fn)
        self._on_error = on_error
        self._on_arrival = on_arrival
        self._flights: dict[DataCoordinates, _Flight] = {}
        self._kept: dict[DataCoordinates, Frame] = {}
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._waiting = 0
        self._pending: list[Failure] = []
        self._finishing = Lock()
        self._taking, self._finished, self._closed = True, False, False
        self._storing = BoundedQueue[_Flight](max_items, max_bytes)
        self._intake = (
            self._storing if self._chain is None else BoundedQueue[_Flight](max_items, max_bytes)
        )
        works = [self._store_all] if self._chain is None else [self._process_all, self._store_all]
        self._threads = [
            Thread(
                target=self._run,
                args=(work,),
                name=f"nxstxm-data-{work.__name__.strip('_')}",
                daemon=True,
            )
            for work in works
        ]
        for thread in self._threads:
            thread.start()
        # a program may end without a word: what was handed over is stored all the same
        atexit.register(self._end)

    # -- producers --------------------------------------------------------------------------------

    def put(
        self, coords: Mapping[str, Any], data: Any, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Hand over a frame.

        Parameters
        ----------
        coords : DataCoordinates or Mapping
            Where it belongs; no axis can be added to them afterwards.
        data : array_like
            The data. They are not copied: change them no more.
        metadata : Mapping, optional
            What is to be known of them.

        Raises
        ------
        Exception
            What a processor or storage raised for an earlier frame, with its ``coordinates``. This
            frame is not taken then; put it again to go on.
        NXstxmStateError
            After `finish`.
        """
        if self._pending and self._on_error == "raise":
            self._raise_pending()
        coords = coordinates(coords)
        frame = Frame(coords, as_array(data), {} if metadata is None else metadata)
        if not self._taking:
            raise NXstxmStateError(f"{coords} came after the handler was finished; make a new one")
        flight = _Flight(frame, False)
        # first, so that whoever is told of it finds it
        before = self._flights.get(coords)
        self._flights[coords] = flight
        if before is not None:
            with self._lock:
                self.replaced += 1
        if self._waiting:
            self._tell()
        if not self._intake.put(flight, frame.data.nbytes):
            with self._lock:
                if self._flights.get(coords) is flight:
                    del self._flights[coords]
            raise NXstxmStateError(f"{coords} came after the handler was finished; make a new one")

    # -- threads ----------------------------------------------------------------------------------

    def _run(self, work: Callable[[], None]) -> None:
        """Do the work of a thread; nobody waits for one that has ended."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a defect of ours
            self._fail(error, None)
            self._intake.close()
            self._storing.close()

    def _process_all(self) -> None:
        """Bring frames from the intake through the processors to the storing queue."""
        self._intake.never_wait.add(get_ident())
        while batch := self._intake.take():
            if self._chain is not None and self._chain.executor is not None:
                self._process_beside(batch)
            else:
                for flight in batch:
                    self._process(flight)
        try:
            frames = self._chain.finish() if self._chain is not None else []
        except BaseException as error:  # noqa: BLE001 - a program of the user's, which may exit
            self._fail(error, None)
        else:
            self._pass_on(frames, None)
        self._storing.close()

    def _process(self, flight: _Flight, made: Future[list[Frame]] | None = None) -> None:
        chain = self._chain
        try:
            if chain is None:
                raise AssertionError("there is nothing to process with")
            frames = chain(flight.frame) if made is None else made.result()
        except BaseException as error:  # noqa: BLE001 - a program of the user's, which may exit
            self._fail(error, flight.frame.coordinates)
            if self._on_error == "store_raw":
                noted = {**flight.frame.metadata, "processing_error": repr(error)}
                self._pass_on([flight.frame._replace(metadata=noted)], flight)
            else:
                with self._lock:
                    self._kept[flight.frame.coordinates] = flight.frame
                self._land([flight])
            return
        self._pass_on(frames, flight)

    def _process_beside(self, batch: Sequence[_Flight]) -> None:
        """Have several frames processed at a time; pass them on in their order."""
        chain = self._chain
        if chain is None or chain.executor is None:
            raise AssertionError("there is no executor")
        flights = list(batch)
        for first in range(0, len(flights), _AHEAD):
            some = flights[first : first + _AHEAD]
            try:
                calls = [chain.executor.submit(chain, flight.frame) for flight in some]
            except Exception as error:  # noqa: BLE001 - it was shut down
                calls = [Future[list[Frame]]() for _ in some]
                for call in calls:
                    call.set_exception(error)
            for flight, call in zip(some, calls, strict=True):
                self._process(flight, call)

    def _pass_on(self, frames: Sequence[Frame], source: _Flight | None) -> None:
        made = [_Flight(frame, True, source) for frame in frames]
        with self._lock:
            for flight in made:
                coords = flight.frame.coordinates
                now = self._flights.get(coords)
                if now is None or now is source or now.processed:
                    self._flights[coords] = flight
        places = {flight.frame.coordinates for flight in made}
        if source is not None and source.frame.coordinates not in places:
            self._land([source])
        if self._waiting:
            self._tell()
        for flight in made:
            self._storing.put(flight, flight.frame.data.nbytes)

    def _store_all(self) -> None:
        """Bring frames from the storing queue into the storages."""
        self._intake.never_wait.add(get_ident())
        while batch := self._storing.take():
            for flight in batch:
                self._store(flight.frame)
            self._land(batch)

    def _store(self, frame: Frame) -> None:
        replaced = False
        for storage in self._storages:
            try:
                replaced |= storage.put(*frame)
            except BaseException as error:  # noqa: BLE001 - a storage may be the user's
                self._fail(error, frame.coordinates)
                with self._lock:
                    self._kept[frame.coordinates] = frame
        if replaced:
            with self._lock:
                self.replaced += 1
        if self._on_arrival is not None:
            try:
                self._on_arrival(frame.coordinates)
            except BaseException as error:  # noqa: BLE001 - the user's
                self._fail(error, frame.coordinates)

    def _land(self, flights: Iterable[_Flight]) -> None:
        """Forget flights that have ended."""
        with self._lock:
            for flight in flights:
                coords = flight.frame.coordinates
                if self._flights.get(coords) is flight:
                    del self._flights[coords]
            if self._waiting:
                self._changed.notify_all()

    def _tell(self) -> None:
        with self._lock:
            self._changed.notify_all()

    def _fail(self, raised: BaseException, coords: DataCoordinates | None) -> None:
        error = as_error(raised)
        with suppress(AttributeError):
            error.coordinates = coords  # type: ignore[attr-defined]
        if coords is not None and hasattr(error, "add_note"):
            error.add_note(f"while the frame at {coords} was on its way")
        logger.error("a frame at %s failed: %r", coords, error)
        with self._lock:
            self.failures.append(Failure(error, coords))
            self._pending.append(self.failures[-1])
            self._changed.notify_all()

    def _raise_pending(self) -> None:
        with self._lock:
            if not self._pending:
                return
            first, self._pending = self._pending[0], []
        raise first.error

    # -- readers ----------------------------------------------------------------------------------

    def get(
        self,
        coords: Mapping[str, Any],
        return_data: bool = True,
        return_metadata: bool = True,
        processed: bool | None = None,
    ) -> Answer:
        """Give a frame, wherever it is.

        Parameters
        ----------
        coords : DataCoordinates or Mapping
            Where it belongs.
        return_data, return_metadata : bool
            What is wanted; None stands for what is not.
        processed : bool or None
            True: only when it has been processed. False: only as it came, while it is on its way.
            None: as it is.

        Returns
        -------
        data, metadata
            The frame's.

        Raises
        ------
        Exception
            As `put`.
        NXstxmKeyError
            It is not there.
        """
        if self._pending and self._on_error == "raise":
            self._raise_pending()
        found = self._find(coordinates(coords), processed)
        if found is None:
            raise missing(coords)
        return (found.data if return_data else None, found.metadata if return_metadata else None)

    def _find(self, coords: DataCoordinates, processed: bool | None) -> Frame | None:
        while True:
            flight = self._flights.get(coords)
            if flight is not None:
                found = self._as_wanted(flight, processed)
                if found is not None:
                    return found
            kept = self._kept.get(coords)
            if kept is not None and not processed:
                return kept
            if processed is False and self._chain is not None:
                return None
            storage = self._storages[0]
            try:
                return Frame(coords, storage.get_data(coords), storage.get_metadata(coords))
            except NXstxmKeyError:
                # it may have come, or have been processed, since it was looked for
                if self._flights.get(coords) is flight:
                    return None

    def _as_wanted(self, flight: _Flight, processed: bool | None) -> Frame | None:
        is_processed = flight.processed or self._chain is None
        if processed is None or processed == is_processed:
            return flight.frame
        if processed is False and flight.source is not None:
            return flight.source.frame
        return None

    def await_data(
        self, coords: Any, timeout: float | None = None, *, processed: bool | None = None
    ) -> Any:
        """Wait for frames that may still have to come.

        Parameters
        ----------
        coords : DataCoordinates, Mapping, or sequence of these
            Where they belong.
        timeout : float, optional
            Seconds, for all of them together.
        processed : bool or None
            As of `get`.

        Returns
        -------
        (data, metadata) or list of these
            As `get`; a list when several were asked for.

        Raises
        ------
        Exception
            As `put`, also while it waits.
        DataTimeoutError
            They did not come in time.
        NXstxmKeyError
            They can not come any more, since the handler is finished.
        """
        end = None if timeout is None else time.monotonic() + timeout
        if isinstance(coords, Mapping):
            return self._await(coordinates(coords), end, timeout, processed)
        return [self._await(coordinates(each), end, timeout, processed) for each in coords]

    def _await(
        self,
        coords: DataCoordinates,
        end: float | None,
        timeout: float | None,
        processed: bool | None,
    ) -> Answer:
        with self._lock:
            self._waiting += 1
        try:
            while True:
                if self._pending and self._on_error == "raise":
                    self._raise_pending()
                finished = self._finished
                found = self._find(coords, processed)
                if found is not None:
                    return found.data, found.metadata
                if finished:
                    raise missing(coords)
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise DataTimeoutError(f"no data at {coords} came within {timeout:g} s")
                with self._lock:
                    # in slices: what a storage makes readable by itself is told by nobody
                    self._changed.wait(0.1 if left is None else min(left, 0.1))
        finally:
            with self._lock:
                self._waiting -= 1

    # -- the end ----------------------------------------------------------------------------------

    def finish(self) -> None:
        """Take nothing more, have everything processed and stored, and finish the storages.

        Raises
        ------
        Exception
            The first that a processor or storage raised and that was not raised yet. All that can
            be done is done before.
        """
        self._end()
        self._raise_pending()

    def _end(self) -> None:
        if current_thread() in self._threads:
            raise NXstxmStateError("a processor or storage can not finish its own handler")
        with self._finishing:
            if self._finished:
                return
            self._taking = False
            self._intake.close()
            for thread in self._threads:
                thread.join()
            for storage in self._storages:
                try:
                    storage.finish()
                except Exception as error:  # noqa: BLE001
                    self._fail(error, None)
            self._finished = True
            self._tell()
            atexit.unregister(self._end)

    def close(self) -> None:
        """Finish, and close the storages; again is harmless."""
        self._end()
        with self._finishing:
            if not self._closed:
                self._closed = True
                for storage in self._storages:
                    try:
                        storage.close()
                    except Exception as error:  # noqa: BLE001
                        self._fail(error, None)
        self._raise_pending()

    def __enter__(self) -> DataHandler:
        """Give the handler itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; an error that is already on its way is not replaced by another."""
        if error is None:
            self.close()
        else:
            with suppress(Exception):
                self.close()
