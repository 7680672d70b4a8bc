"""The callback for a RunEngine: documents in, files out, and never a scan that fails for it."""

from __future__ import annotations

import atexit
import os
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, RLock, Thread
from types import TracebackType
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, NXstxmStateError, OptionError
from ..documents import Backlog, Batch, Closed, LiveQueue, Pending
from ..nexus import SUFFIX, NXstxmStorage, WriterOptions, check_uid
from ..scans import Grouping, ScanPlan, read_plan, run_uid
from ._journal_folder import JournalFolder, ScanFacts
from ._live_log import logger
from ._live_scan import LiveScan
from ._paths import PathProvider, provider_of, target_of
from ._recover import RecoverError, recover
from ._scan_writer import ScanWriter

#: A scan is not begun where there is less room than this, bytes.
LEAST_SPACE = 64 * 2**20
#: Seconds that a reader waits until what came before it asked is written.
_BUSY = 5.0


@dataclass(frozen=True)
class _Finish:
    """Asks for the file of a scan, behind all of its documents."""

    scan: LiveScan


class NXstxmWriter:
    """Write an NXstxm file of each scan that a RunEngine measures.

    ``RE.subscribe(NXstxmWriter("/data"))``

    Parameters
    ----------
    directory : str or Path
        The folder; nothing is written outside of it.
    path_provider : callable or str, optional
        Gives the path of a scan's file for the start document of its first run, as
        `DayFolders` does; or a template such as ``"{sample}-{scan_id:05d}"``. Unless given, the
        name has the scan's number and the beginning of the uid.
    journal : bool
        Keep the documents on the disk until the file is there.
    fsync : float, optional
        Seconds after which the disk is asked to have the journals, for power cuts.
    strict : bool
        Raise what goes wrong with a file, which fails the scan, instead of logging it.
    finish_timeout : float
        Seconds that the last document of a scan waits for the file.
    on_finish : callable, optional
        Told the path of each file; by the writer's thread, before the scan's last document
        returns. It must not wait for the writer.
    copy_arrays : bool
        Copy the arrays of events at once: for devices that use their buffers again.
    recover : bool
        Make the files of scans that an earlier process left in the folder, at the beginning.
    **options
        As of `Serializer`.

    Raises
    ------
    NXstxmError
        From a start document: the folder can not be written, the name is taken, the disk is
        almost full, a root of external files does not exist, or the metadata make no sense.

    Notes
    -----
    Documents are taken by reference and journalled within 50 ms. What happens when something
    breaks is told under *Live* in the explanations.

    Examples
    --------
    >>> from bluesky import RunEngine
    >>> from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan
    >>> RE = RunEngine({}, context_managers=[], call_returns_result=False)
    >>> with NXstxmWriter("live") as writer:
    ...     token = RE.subscribe(writer)
    ...     uids = RE(image_plan(SimulatedMicroscope(), (-2, 2, 8), (-2, 2, 8)))
    >>> writer.paths[0].suffix
    '.hdf5'
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        path_provider: PathProvider | str | None = None,
        journal: bool = True,
        fsync: float | None = None,
        strict: bool = False,
        finish_timeout: float = 10.0,
        on_finish: Callable[[Path], object] | None = None,
        copy_arrays: bool = False,
        recover: bool = True,
        **options: Any,
    ) -> None:
        self._directory = Path(directory).expanduser().absolute()
        chosen = WriterOptions.of(**options)
        if chosen.on_error == "raise":
            # the file is made all the same; a strict writer raises afterwards
            chosen = replace(chosen, on_error="leave_out")
        if fsync is not None and not fsync >= 0:
            raise OptionError(f"fsync is {fsync!r}; give seconds, or None")
        self._options = chosen
        self._provide = provider_of(path_provider, chosen.timezone)
        self._has_journal = bool(journal)
        self._strict = bool(strict)
        self._patience = float(finish_timeout)
        self._on_finish = on_finish
        self._copies = bool(copy_arrays)
        self._recovers = bool(recover)
        #: The files that were written so far.
        self.paths: list[Path] = []
        self._lock = RLock()
        self._grouping = Grouping()
        self._scans: dict[int, LiveScan] = {}  # by its `RunsOfScan`
        self._runs: dict[str, LiveScan] = {}
        self._errors: list[Exception] = []
        self._latest = ""
        self._backlog = Backlog()
        self._queue = LiveQueue(self._backlog.put, self._journal_failed, fsync=fsync)
        self._put = self._queue.put
        self._thread: Thread | None = None
        self._pid = os.getpid()
        self._closed = False

    # -- documents --------------------------------------------------------------------------------

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document of any run."""
        if self._errors:
            self._raise()
        if name == "start":
            self._start(doc)
        elif name == "stop":
            self._stop(doc)
        elif self._copies:
            self._put(name, _copied(name, doc))
        else:
            self._put(name, doc)

    def _start(self, doc: Mapping[str, Any]) -> None:
        """Begin a run; all that can be known to be wrong is found here."""
        uid = run_uid(doc)
        with self._lock:
            if self._closed:
                raise NXstxmStateError(
                    f"run {uid:.8} starts, but this NXstxmWriter is closed; subscribe a new one"
                )
            if uid in self._runs:
                raise NXstxmStateError(
                    f"run {uid:.8} starts twice; is the writer subscribed twice?"
                )
            plan = read_plan(doc)
            self._begin_threads()
            runs, ended = self._grouping.scan_of(plan)
            if ended is not None and id(ended) in self._scans:
                self._finish(self._scans[id(ended)])
            scan = self._scans.get(id(runs))
            try:
                if scan is None:
                    scan = self._new_scan(plan, doc, runs)
                journal = scan.begin(uid)
            except BaseException:
                self._grouping.close(runs)
                raise
            self._runs[uid] = scan
            self._latest = uid
            self._queue.begin(uid, journal)
            self._put("start", doc)
            self._queue.hurry()

    def _new_scan(self, plan: ScanPlan, doc: Mapping[str, Any], runs: Any) -> LiveScan:
        for root, now in self._options.root_map.items():
            if not Path(now).is_dir():
                raise NXstxmOSError(
                    f"root_map says that {root} is in {now}, which is no folder; mount it, or "
                    f"correct root_map"
                )
        target = target_of(self._directory, self._provide, doc)
        check_uid(plan.run)
        _check_space(self._directory)
        folder = None
        if self._has_journal:
            # before the temporary file: what a killed process leaves has a journal that tells of it
            folder = JournalFolder.make(self._directory, self._facts(target, plan.run))
        try:
            home = self._directory / target.parent
            writer = ScanWriter(home, target.name, plan.run, self._options)
        except BaseException:
            if folder is not None:
                folder.remove()
            raise
        scan = self._scans[id(runs)] = LiveScan(writer, runs, folder)
        return scan

    def _facts(self, target: Path, first_uid: str) -> ScanFacts:
        chain = self._options.processors
        names = () if chain is None else tuple(p.name for p in chain.processors)
        file = f"{target.as_posix()}{SUFFIX}"
        return ScanFacts(file, first_uid, self._options.saved(), names)

    def _stop(self, doc: Mapping[str, Any]) -> None:
        """End a run; wait for the file if it was the last of its scan."""
        self._put("stop", doc)
        self._queue.hurry()
        with self._lock:
            scan = self._runs.get(str(doc.get("run_start")))
            is_last = scan is not None and scan.stopped(doc)
            if scan is not None and is_last:
                self._finish(scan)
        if scan is not None and is_last:
            if not scan.done.wait(self._patience):
                logger.warning(
                    "the file of scan %s is not there after %g s; it is still being written",
                    scan, self._patience,
                )  # fmt: skip
            if self._errors:
                self._raise()

    def _finish(self, scan: LiveScan) -> None:
        """Ask for the file of a scan, behind all that came so far."""
        if not scan.closing:
            scan.closing = True
            self._grouping.close(scan.runs)
            self._queue.mark(_Finish(scan))

    def _raise(self) -> None:
        """Raise what went wrong since it was raised last; only a strict writer has something."""
        errors, self._errors = self._errors, []
        raise errors[0]

    # -- the user ---------------------------------------------------------------------------------

    def finish(self, timeout: float | None = None) -> list[Path]:
        """Finish all scans, also those of which runs are missing or have not stopped.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for the files; unless given, as long as it takes.

        Returns
        -------
        list of Path
            All files that were written so far.

        Raises
        ------
        NXstxmStateError
            Some are not there in time.
        Exception
            Of a strict writer: what went wrong.
        """
        with self._lock:
            for scan in list(self._scans.values()):
                self._finish(scan)
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> list[Path]:
        """Wait for the files of all scans whose last run has stopped; see `finish`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            closing = [scan for scan in self._scans.values() if scan.closing]
        for scan in closing:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if not scan.done.wait(left):
                raise NXstxmStateError(f"the file of scan {scan} is not there after {timeout:g} s")
        if self._errors:
            self._raise()
        return list(self.paths)

    def wait_plan(self, timeout: float | None = None) -> Generator[Any, Any, list[Path]]:
        """Wait for the files as a part of a plan: ``yield from writer.wait_plan()``."""
        from bluesky.plan_stubs import sleep

        deadline = None if timeout is None else time.monotonic() + timeout
        while any(scan.closing and not scan.done.is_set() for scan in list(self._scans.values())):
            if deadline is not None and time.monotonic() > deadline:
                break
            yield from sleep(0.05)
        return self.wait(0.0)

    def storage(self, uid: str | None = None) -> NXstxmStorage:
        """Give what came so far of a run that goes on, by its coordinates.

        All that was brought before is in it, unless the writer is busy for longer than a few
        seconds, with a large file for instance.

        Parameters
        ----------
        uid : str, optional
            The run; the latest unless given.

        Raises
        ------
        NXstxmStateError
            It has not begun, or its file is there.
        """
        if self._thread is not None:
            passed = Event()
            self._queue.mark(passed)
            passed.wait(_BUSY)
        uid = self._latest if uid is None else uid
        scan = self._runs.get(uid)
        stage = None if scan is None else scan.stage(uid)
        if stage is None:
            raise NXstxmStateError(
                f"run {uid:.8} is not being written; read the file of a run that has stopped with "
                f"NXstxmStorage(path)"
            )
        return stage.storage

    def close(self) -> None:
        """Finish all scans, and end the threads; again is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self.finish()
        finally:
            atexit.unregister(self._at_exit)
            self._queue.close()
            self._backlog.put(None)
            if self._thread is not None:
                self._thread.join()

    def __enter__(self) -> NXstxmWriter:
        """Give the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # -- the writer's thread ----------------------------------------------------------------------

    def _begin_threads(self) -> None:
        if self._thread is None:
            atexit.register(self._at_exit)
            self._thread = Thread(target=self._loop, name="nxstxm-writer", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        if self._recovers:
            self._recover()
        while True:
            item = self._backlog.get()
            if item is None:
                return
            try:
                self._do(item)
            except Exception:  # noqa: BLE001 - a defect of ours; the thread must live on
                logger.exception("the writer of %s has failed", self._directory)

    def _do(self, item: Any) -> None:
        if isinstance(item, Batch):
            scan = self._runs.get(item.run)
            if scan is not None:
                scan.take(item)
        elif isinstance(item, _Finish):
            self._end(item.scan)
        elif isinstance(item, Closed):
            scan = self._runs.get(item.run)
            if scan is not None and scan.closed(item.run):
                self._leave(scan)
        elif isinstance(item, Pending):
            scan = self._runs.get(item.run)
            if scan is not None:
                scan.done.set()  # nobody waits for a disk that is full
        elif isinstance(item, Event):
            item.set()

    def _end(self, scan: LiveScan) -> None:
        """Make the file of a scan, or give up; its journals are closed then."""
        scan.finish()
        if scan.path is None and self._strict and scan.error is not None:
            self._errors.append(scan.error)
        for run in list(scan.unclosed):
            self._queue.forget(run, keep=scan.path is None)

    def _leave(self, scan: LiveScan) -> None:
        scan.leave()
        with self._lock:
            self._runs = {run: its for run, its in self._runs.items() if its is not scan}
            self._scans = {key: its for key, its in self._scans.items() if its is not scan}
        if scan.path is None:
            scan.done.set()
            return
        self.paths.append(scan.path)
        if self._strict and isinstance(scan.processor_error, Exception):
            self._errors.append(scan.processor_error)
        logger.info("scan %s is in %s", scan, scan.path)
        try:
            if self._on_finish is not None:
                self._on_finish(scan.path)
        except Exception:  # noqa: BLE001 - the user's; the thread must live on
            logger.exception("on_finish failed for %s", scan.path)
        finally:
            scan.done.set()

    def _recover(self) -> None:
        """Make the files of what an earlier process left."""
        try:
            paths = recover(self._directory)
        except RecoverError as error:
            logger.error("%s", error)
            paths = error.paths
        except (NXstxmError, OSError) as error:
            logger.error("%s could not be looked through: %s", self._directory, error)
            return
        for path in paths:
            logger.warning("%s was recovered from the journal of an earlier process", path)

    def _journal_failed(self, run: str, error: Exception) -> None:
        scan = self._runs.get(run)
        logger.error(
            "the journal of run %.8s (scan %s) can not be written: %s. It is tried again; until "
            "then what comes is only in memory", run, scan, error,
        )  # fmt: skip
        if self._strict:
            self._errors.append(error)

    def _at_exit(self) -> None:
        """Finish all when Python ends; a process that was forked has nothing to finish."""
        if os.getpid() == self._pid:
            try:
                self.close()
            except Exception:  # noqa: BLE001 - nobody is there to catch it
                logger.exception("a scan could not be finished at exit")


def _check_space(folder: Path) -> None:
    """Refuse to begin where there is hardly any room; the folder may have to be made yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise NXstxmOSError(f"folder {folder} can not be looked at ({error})") from error
    if free < LEAST_SPACE:
        raise NXstxmOSError(
            f"{folder} has room for {free / 2**20:.0f} MiB more; make at least "
            f"{LEAST_SPACE / 2**20:.0f} MiB free before the scan"
        )


def _copied(name: str, doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Copy the arrays of an event, or of a page of events."""
    if name not in ("event", "event_page"):
        return doc
    return {**doc, "data": {key: _copy(value) for key, value in doc["data"].items()}}


def _copy(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and value and hasattr(value[0], "copy"):
        return [each.copy() for each in value]
    return value.copy() if hasattr(value, "copy") else value
