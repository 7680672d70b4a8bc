"""The callback for a RunEngine: documents in, files out, and never a scan that fails for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from .._disk import sync
from .._errors import NXstxmOSError, NXstxmStateError, OptionError
from ..documents import FrameFile, JournalFolder, LiveScans, ScanFacts, copied
from ..nexus import SUFFIX, NXstxmStorage, WriterOptions, check_uid
from ..scans import Grouping, ScanPlan, read_plan, run_uid
from ._beside import RunsBeside
from ._live_log import logger
from ._live_scan import LiveScan
from ._paths import PathProvider, provider_of, target_of
from ._recover import recover as recover_left
from ._scan_writer import ScanWriter

#: A scan is not begun where there is less room than this, bytes.
LEAST_SPACE = 64 * 2**20
#: Seconds that a reader waits until what came before it asked is written.
_BUSY = 5.0


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
        self._beside = RunsBeside(chosen, raises=False)
        self._provide = provider_of(path_provider, chosen.timezone)
        self._has_journal = bool(journal)
        self._patience = float(finish_timeout)
        self._copies = bool(copy_arrays)
        self._syncs = fsync is not None
        self._grouping = Grouping()
        self._scans: LiveScans[LiveScan] = LiveScans(
            self._directory,
            fsync=fsync,
            strict=bool(strict),
            on_finish=on_finish,
            recover=recover_left if recover else None,
            at_exit=self.close,
        )
        #: The files that were written so far.
        self.paths: list[Path] = self._scans.paths
        self._errors = self._scans.errors
        self._put = self._scans.queue.put
        self._latest = ""
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
            self._put(name, copied(name, doc))
        else:
            self._put(name, doc)

    def _start(self, doc: Mapping[str, Any]) -> None:
        """Begin a run; all that can be known to be wrong is found here."""
        uid = run_uid(doc)
        scans = self._scans
        with scans.lock:
            if self._closed:
                raise NXstxmStateError(
                    f"run {uid:.8} starts, but this NXstxmWriter is closed; subscribe a new one"
                )
            if scans.of_run(uid) is not None:
                raise NXstxmStateError(
                    f"run {uid:.8} starts twice; is the writer subscribed twice?"
                )
            plan = read_plan(doc)
            scans.start()
            runs, ended = self._grouping.scan_of(plan)
            before = None if ended is None else scans.of_runs(ended)
            if before is not None:
                self._finish(before)
            try:
                scan = scans.of_runs(runs) or self._new_scan(plan, doc, runs)
                scans.begin(uid, scan)
            except BaseException:
                self._grouping.close(runs)
                raise
            self._latest = uid
            self._put("start", doc)
            scans.queue.hurry()

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
            facts = self._facts(target, plan.run)
            folder = JournalFolder.make(self._directory, facts, syncs=self._syncs)
        try:
            home = self._directory / target.parent
            alone = folder is not None
            writer = ScanWriter(home, target.name, plan.run, self._options, alone=alone)
            if self._syncs:
                sync(home)
        except BaseException:
            if folder is not None:
                folder.remove()
            raise
        frames = self._frame_file(writer, folder)
        scan = LiveScan(writer, runs, folder, frames, self._beside)
        self._scans.add(scan)
        return scan

    def _frame_file(self, writer: ScanWriter, folder: JournalFolder | None) -> FrameFile | None:
        """Give what puts frames into the temporary file of a scan; None without a journal."""
        path = writer.file.path
        if folder is None or path is None:
            return None
        name = path.relative_to(self._directory).as_posix()
        return FrameFile(path, name, folder.rescue, self._scans.ask_for_room)

    def _facts(self, target: Path, first_uid: str) -> ScanFacts:
        chain = self._options.processors
        names = () if chain is None else tuple(p.name for p in chain.processors)
        file = f"{target.as_posix()}{SUFFIX}"
        return ScanFacts(file, first_uid, self._options.saved(), names)

    def _stop(self, doc: Mapping[str, Any]) -> None:
        """End a run; wait for the file if it was the last of its scan."""
        self._put("stop", doc)
        self._scans.queue.hurry()
        with self._scans.lock:
            scan = self._scans.of_run(str(doc.get("run_start")))
            is_last = scan is not None and scan.stopped(doc)
            if scan is not None and is_last:
                self._finish(scan)
        if scan is not None and is_last:
            if not scan.released.wait(self._patience):
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
            self._scans.finish(scan)

    def _raise(self) -> None:
        """Raise what went wrong since it was raised last; only a strict writer has something."""
        error = self._errors[0]
        self._errors.clear()
        raise error

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
        with self._scans.lock:
            for scan in self._scans:
                self._finish(scan)
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> list[Path]:
        """Wait for the files of all scans whose last run has stopped; see `finish`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._scans.lock:
            closing = [scan for scan in self._scans if scan.closing]
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
        while any(scan.closing and not scan.done.is_set() for scan in self._scans):
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
        self._scans.settle(_BUSY)
        uid = self._latest if uid is None else uid
        scan = self._scans.of_run(uid)
        stage = None if scan is None else scan.stage(uid)
        if stage is None:
            raise NXstxmStateError(
                f"run {uid:.8} is not being written; read the file of a run that has stopped with "
                f"NXstxmStorage(path)"
            )
        return stage.storage

    def close(self) -> None:
        """Finish all scans, and end the threads; again is harmless."""
        with self._scans.lock:
            if self._closed:
                return
            self._closed = True
        try:
            self.finish()
        finally:
            self._scans.close()

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
