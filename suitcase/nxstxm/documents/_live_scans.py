"""All scans that a writer has at the moment, and the thread that makes their files."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any, Generic, Protocol, TypeVar

from .._errors import NXstxmStateError
from .._log import logger
from ._backlog import Backlog
from ._batch import Batch, Closed, Pending
from ._frame_file import RoomWanted
from ._journal import Journal
from ._live_queue import LiveQueue
from ._startup import Startup

#: Seconds between two looks whether a detector has closed its file, and after which it is given up.
HELD_PERIOD, HELD_PATIENCE = 0.2, 60.0


class LiveScan(Protocol):
    """What becomes a file, or a folder of files: a scan, or a run.

    Attributes
    ----------
    done, released : Event
        Set when its file is there, or it is known that there will be none; when the last document
        need not wait any more.
    asked : float
        When its file was asked for first, by the monotonic clock.
    path : Path or None
        The file, once it is there.
    error, processor_error : Exception or None
        Why there is none; what a processor raised.
    runs : object
        What tells it from others.
    closing : bool
        Whether its file was asked for.
    unclosed : set of str
        Runs whose journals are open.
    """

    done: Event
    released: Event
    asked: float
    path: Path | None
    error: Exception | None
    processor_error: BaseException | None
    runs: Any
    closing: bool
    unclosed: set[str]

    def begin(self, run: str) -> Journal | None:
        """Begin a run; give its journal."""

    def stopped(self, stop: Mapping[str, Any]) -> bool:
        """Count the end of a run; tell whether it was the last."""

    def take(self, batch: Batch) -> None:
        """Take documents."""

    def reserve(self, wanted: RoomWanted) -> bool:
        """Have room for frames; False when their run has not begun."""

    def finish(self, *, waits: bool) -> bool:
        """Make the file; False when it is left for later."""

    def closed(self, run: str) -> bool:
        """Note that the journal of a run is closed; tell whether it was the last."""

    def leave(self) -> None:
        """Leave the journals."""

    def settle(self) -> None:
        """Tell all who wait that there is nothing to wait for."""


Scan = TypeVar("Scan", bound=LiveScan)


@dataclass(frozen=True)
class _Finish(Generic[Scan]):
    """Asks for the file of a scan, behind all of its documents."""

    scan: Scan


class LiveScans(Generic[Scan]):
    """Takes documents from one thread, and makes files of them in another.

    Parameters
    ----------
    directory : Path
        The folder of the files.
    fsync : float or None
        Seconds after which the disk is asked to have the journals.
    strict : bool
        What goes wrong with a file is to be raised.
    on_finish : callable or None
        Told the path of each file.
    recover : callable or None
        Makes what an earlier process left in the folder, from now on, in a thread of its own.
    at_exit : callable
        Called when Python ends, unless it was closed before.

    Attributes
    ----------
    queue : LiveQueue
        Takes documents.
    paths : list of Path
        The files that were written so far.
    errors : list of Exception
        What a strict writer has to raise.
    lock : RLock
        Held by whoever changes which scans there are.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fsync: float | None,
        strict: bool,
        on_finish: Callable[[Path], object] | None,
        recover: Callable[[Path], list[Path]] | None,
        at_exit: Callable[[], object],
    ) -> None:
        self.paths: list[Path] = []
        self.errors: list[Exception] = []
        self.lock = RLock()
        self._directory = directory
        self._strict, self._on_finish = strict, on_finish
        self._at_exit = at_exit
        self._scans: list[Scan] = []
        self._runs: dict[str, Scan] = {}
        self._waiting: list[Scan] = []  # for files of detectors
        self._next_look = 0.0
        self._backlog = Backlog()
        self.queue = LiveQueue(self._backlog.put, self._journal_failed, fsync=fsync)
        self._thread: Thread | None = None
        self._has_ended = False
        self._pid = os.getpid()
        self._startup = None if recover is None else Startup(directory, recover)

    # -- any thread -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the thread, unless it was begun.

        Raises
        ------
        NXstxmStateError
            It has ended: nothing would be made of what comes.
        """
        if self._has_ended or (self._thread is not None and not self._thread.is_alive()):
            raise NXstxmStateError(
                f"the thread that writes the files of {self._directory} has ended, or was left "
                f"behind by a fork; make a new writer and subscribe that"
            )
        if self._thread is None:
            atexit.register(self._ended)
            self._thread = Thread(target=self._loop, name="nxstxm-writer", daemon=True)
            self._thread.start()

    def add(self, scan: Scan) -> None:
        """Take a scan."""
        self._scans.append(scan)

    def begin(self, run: str, scan: Scan) -> None:
        """Take a run of a scan; its start document comes next, through the queue."""
        journal = scan.begin(run)
        self._runs[run] = scan
        self.queue.begin(run, journal)

    def __iter__(self) -> Any:
        """Give the scans."""
        return iter(list(self._scans))

    def of_run(self, run: str) -> Scan | None:
        """Give the scan of a run."""
        return self._runs.get(run)

    def of_runs(self, runs: object) -> Scan | None:
        """Give the scan that has these runs, as `Grouping` gave them."""
        return next((scan for scan in self._scans if scan.runs is runs), None)

    def finish(self, scan: Scan) -> None:
        """Ask for the file of a scan, behind all that came so far."""
        self.queue.mark(_Finish(scan))

    def ask_for_room(self, wanted: RoomWanted) -> None:
        """Ask for room for arrays in the file of a scan."""
        self._backlog.put_first(wanted)

    def settle(self, timeout: float) -> None:
        """Wait until all that came so far is with its runs."""
        if self._thread is not None:
            passed = Event()
            self.queue.mark(passed)
            passed.wait(timeout)

    def close(self) -> None:
        """End the threads; what waits is done first."""
        atexit.unregister(self._ended)
        self.queue.close()
        self._backlog.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._startup is not None:
            self._startup.wait()

    def _ended(self) -> None:
        """Finish all when Python ends; a process that was forked has nothing to finish."""
        if os.getpid() == self._pid:
            try:
                self._at_exit()
            except Exception:  # noqa: BLE001 - nobody is there to catch it
                logger.exception("a scan could not be finished at exit")

    # -- the writer's thread ----------------------------------------------------------------------

    def _loop(self) -> None:
        if self._startup is not None:
            self._startup.wait()
        try:
            while self._step():
                pass
        except BaseException:  # noqa: BLE001 - it would end in silence
            self._has_ended = True
            logger.exception(
                "the thread that writes the files of %s has ended; what goes on is in the "
                "journals: `nxstxm recover` makes the files", self._directory,
            )  # fmt: skip
        finally:
            for scan in self:
                scan.settle()  # nobody waits for what will not come
            while self._has_ended and (item := self._backlog.get()) is not None:  # nor for room
                if isinstance(item, Event):
                    item.set()
                elif isinstance(item, _Finish):
                    item.scan.settle()

    def _step(self) -> bool:
        """Do what comes next; tell whether more may come."""
        item = self._backlog.get(HELD_PERIOD if self._waiting else None)
        if item is None:
            return False
        try:
            if item is not Backlog.NOTHING:
                self._do(item)
            self._look_again()
        except BaseException:  # noqa: BLE001 - a defect of ours; the thread must live on
            logger.exception("the writer of %s has failed", self._directory)
            if isinstance(item, (_Finish, Closed)):
                scan = item.scan if isinstance(item, _Finish) else self._runs.get(item.run)
                if scan is not None:
                    scan.settle()
        return True

    def _do(self, item: Any) -> None:
        if isinstance(item, Event):
            item.set()
            return
        if isinstance(item, _Finish):
            self._end(item.scan)
            return
        scan = self._runs.get(item.run)
        if scan is None:
            return
        if isinstance(item, Batch):
            scan.take(item)
        elif isinstance(item, RoomWanted):
            if not scan.reserve(item):
                self._backlog.put(item)  # behind the start of its run
        elif isinstance(item, Closed):
            if scan.closed(item.run):
                self._leave(scan)
        elif isinstance(item, Pending):
            scan.settle()  # nobody waits for a disk that is full

    def _look_again(self) -> None:
        """Look from time to time whether detectors have closed the files that are waited for."""
        now = time.monotonic()
        if self._waiting and now >= self._next_look:
            self._next_look = now + HELD_PERIOD
            waiting, self._waiting = self._waiting, []
            for scan in waiting:
                self._end(scan)

    def _end(self, scan: Scan) -> None:
        """Make the file of a scan, or give up; its journals are closed then."""
        now = time.monotonic()
        scan.asked = scan.asked or now
        if not scan.finish(waits=now - scan.asked < HELD_PATIENCE):
            if not scan.released.is_set():
                logger.info("scan %s has its file when its detectors have closed theirs", scan)
                scan.released.set()  # they do so when the plan goes on
            self._waiting.append(scan)
            return
        if scan.path is None and self._strict and scan.error is not None:
            self.errors.append(scan.error)
        for run in list(scan.unclosed):
            self.queue.forget(run, keep=scan.path is None)

    def _leave(self, scan: Scan) -> None:
        try:
            scan.leave()
        finally:
            with self.lock:
                self._runs = {run: its for run, its in self._runs.items() if its is not scan}
                self._scans.remove(scan)
                if scan.path is not None:
                    self.paths.append(scan.path)
        if scan.path is None:
            scan.settle()
            return
        if self._strict and isinstance(scan.processor_error, Exception):
            self.errors.append(scan.processor_error)
        logger.info("scan %s is in %s", scan, scan.path)
        try:
            if self._on_finish is not None:
                self._on_finish(scan.path)
        except BaseException as error:  # noqa: BLE001 - the user's; the thread must live on
            # also `sys.exit`, which would end the thread in silence
            logger.exception("on_finish failed for %s: %s", scan.path, type(error).__name__)
        finally:
            scan.settle()

    def _journal_failed(self, run: str, error: Exception) -> None:
        scan = self._runs.get(run)
        logger.error(
            "the journal of run %.8s (scan %s) can not be written: %s. It is tried again; until "
            "then what comes is only in memory", run, scan, error,
        )  # fmt: skip
        if self._strict:
            self.errors.append(error)
