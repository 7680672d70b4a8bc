"""The callback for a RunEngine that writes EuXFEL runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from .._errors import NXstxmStateError, NXstxmValueError, OptionError
from ..documents import JournalFolder, LiveScans, ScanFacts, copied
from ._live_run import LiveRun
from ._names import safe
from ._options import RunOptions
from ._place import RunPlace, reserve
from ._recover import FORM, recover_runs
from ._run import check_start


class EuXFELWriter:
    """Write a EuXFEL run of each run that a RunEngine measures.

    ``RE.subscribe(EuXFELWriter("/data"))``

    Parameters
    ----------
    directory : str or Path
        The folder of the proposals; nothing is written outside of it.
    journal : bool
        Keep the documents on the disk until the run is complete.
    fsync : float, optional
        Seconds after which the disk is asked to have the journals, for power cuts.
    strict : bool
        Raise what goes wrong with a run, which fails the scan, instead of logging it.
    finish_timeout : float
        Seconds that the stop document of a run waits for its files.
    on_finish : callable, optional
        Told the folder of each run that is complete, by the writer's thread.
    copy_arrays : bool
        Copy the arrays of events at once: for devices that use their buffers again.
    recover : bool
        Make the runs that an earlier process left in the folder, at the beginning.
    **options
        As of `Serializer`.

    Raises
    ------
    NXstxmError
        From a start document: no run can be made in the folder.

    Notes
    -----
    A file of a run gets its name when it has all of its trains, so that EXtra-data can follow a
    run that goes on. `suitcase.nxstxm.recover` makes what a process that died left.

    Examples
    --------
    >>> from bluesky import RunEngine
    >>> from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan
    >>> RE = RunEngine({}, context_managers=[], call_returns_result=False)
    >>> with EuXFELWriter("proposals", proposal=900001) as writer:
    ...     token = RE.subscribe(writer)
    ...     uids = RE(image_plan(SimulatedMicroscope(), (-2, 2, 8), (-2, 2, 8)))
    >>> writer.paths[0].parts[-3:]
    ('p900001', 'raw', 'r0001')
    """

    def __init__(
        self,
        directory: str | Path,
        *,
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
        self._options = RunOptions.of(**options)
        if fsync is not None and not fsync >= 0:
            raise OptionError(f"fsync is {fsync!r}; give seconds, or None")
        self._has_journal, self._syncs = bool(journal), fsync is not None
        self._patience, self._copies = float(finish_timeout), bool(copy_arrays)
        self._scans: LiveScans[LiveRun] = LiveScans(
            self._directory,
            fsync=fsync,
            strict=bool(strict),
            on_finish=on_finish,
            recover=recover_runs if recover else None,
            at_exit=self.close,
        )
        #: The folders of the runs that are complete.
        self.paths: list[Path] = self._scans.paths
        self._closed = False

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document of any run."""
        self._raise()
        if name == "start":
            self._start(doc)
        elif name == "stop":
            self._stop(doc)
        else:
            self._scans.queue.put(name, copied(name, doc) if self._copies else doc)

    def _start(self, doc: Mapping[str, Any]) -> None:
        check_start(doc)
        uid, scans = doc["uid"], self._scans
        if self._has_journal and safe(uid) != uid:
            raise NXstxmValueError(f"uid {uid!r} can not be a part of the name of a file")
        with scans.lock:
            if self._closed:
                raise NXstxmStateError(
                    f"run {uid:.8} starts, but this EuXFELWriter is closed; subscribe a new one"
                )
            if scans.of_run(uid) is not None:
                raise NXstxmStateError(
                    f"run {uid:.8} starts twice; is the writer subscribed twice?"
                )
            scans.start()
            place = reserve(self._directory, doc, self._options)
            try:
                run = LiveRun(uid, self._directory, place, self._options, self._journal(place))
            except BaseException:
                place.give_back()
                raise
            scans.add(run)
            scans.begin(uid, run)
            scans.queue.put("start", doc)
            scans.queue.hurry()

    def _journal(self, place: RunPlace) -> JournalFolder | None:
        if not self._has_journal:
            return None
        options = replace(self._options, proposal=place.proposal).saved()
        name = place.folder.relative_to(self._directory).as_posix()
        facts = ScanFacts(name, place.uid, options, form=FORM)
        return JournalFolder.make(self._directory, facts, syncs=self._syncs)

    def _stop(self, doc: Mapping[str, Any]) -> None:
        self._scans.queue.put("stop", doc)
        with self._scans.lock:
            run = self._scans.of_run(str(doc.get("run_start")))
            if run is not None:
                self._finish(run)
        if run is not None:
            run.released.wait(self._patience)
            self._raise()

    def _finish(self, run: LiveRun) -> None:
        if not run.closing:
            run.closing = True
            self._scans.finish(run)

    def _raise(self) -> None:
        """Raise what went wrong since it was raised last; only a strict writer has something."""
        errors = self._scans.errors
        if errors:
            error = errors[0]
            errors.clear()
            raise error

    def finish(self, timeout: float | None = None) -> list[Path]:
        """Complete all runs, also those that have not stopped.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for the files; unless given, as long as it takes.

        Returns
        -------
        list of Path
            The folders of all runs that are complete.

        Raises
        ------
        NXstxmStateError
            Some are not in time.
        """
        with self._scans.lock:
            for run in self._scans:
                self._finish(run)
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> list[Path]:
        """Wait for the files of all runs that have stopped; see `finish`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._scans.lock:
            closing = [run for run in self._scans if run.closing]
        for run in closing:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if not run.done.wait(left):
                raise NXstxmStateError(f"run {run} is not complete after {timeout:g} s")
        self._raise()
        return list(self.paths)

    def close(self) -> None:
        """Complete all runs, and end the threads; again is harmless."""
        with self._scans.lock:
            if self._closed:
                return
            self._closed = True
        try:
            self.finish()
        finally:
            self._scans.close()

    def __enter__(self) -> EuXFELWriter:
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
