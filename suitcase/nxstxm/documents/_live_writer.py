"""What callbacks for a RunEngine have in common, whatever they write."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from .._errors import NXstxmStateError, OptionError
from .._log import logger
from ._batch import copied
from ._live_scans import LiveScans, Scan
from ._storable import check_start

Self = TypeVar("Self", bound="LiveWriter[Any]")


class LiveWriter(Generic[Scan]):
    """Takes the documents of a RunEngine; never fails a scan; has its files made by a thread.

    Whoever is made from it says how a run begins (`_start`).

    Parameters
    ----------
    directory : str or Path
        The folder; nothing is written outside of it.
    fsync : float, optional
        Seconds after which the disk is asked to have the journals, for power cuts.
    strict : bool
        Raise what goes wrong with a file, which fails the scan, instead of logging it.
    finish_timeout : float
        Seconds that the last document of a scan waits for the file.
    on_finish : callable, optional
        Told the path of each file, by the writer's thread.
    copy_arrays : bool
        Copy the arrays of events at once: for devices that use their buffers again.
    recover : callable or None
        Makes what an earlier process left in the folder, from now on.

    Attributes
    ----------
    paths : list of Path
        The files that were written so far.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        fsync: float | None,
        strict: bool,
        finish_timeout: float,
        on_finish: Callable[[Path], object] | None,
        copy_arrays: bool,
        recover: Callable[[Path], list[Path]] | None,
    ) -> None:
        if fsync is not None and not fsync >= 0:
            raise OptionError(f"fsync is {fsync!r}; give seconds, or None")
        self._directory = Path(directory).expanduser().absolute()
        self._patience = float(finish_timeout)
        self._copies = bool(copy_arrays)
        self._syncs = fsync is not None
        self._scans: LiveScans[Scan] = LiveScans(
            self._directory,
            fsync=fsync,
            strict=bool(strict),
            on_finish=on_finish,
            recover=recover,
            at_exit=self.close,
        )
        self.paths: list[Path] = self._scans.paths
        self._errors = self._scans.errors
        self._put = self._scans.queue.put
        self._closed = False

    # -- documents --------------------------------------------------------------------------------

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document of any run."""
        if self._errors:
            self._raise()
        if name == "start":
            check_start(doc)
            self._start(doc)
        elif name == "stop":
            self._stop(doc)
        elif self._copies:
            self._put(name, copied(name, doc))
        else:
            self._put(name, doc)

    def _start(self, doc: Mapping[str, Any]) -> None:
        """Begin a run; all that can be known to be wrong is found here."""
        raise NotImplementedError

    def _may_start(self, uid: str) -> None:
        """Refuse a run that can not begin; the lock is held.

        Raises
        ------
        NXstxmStateError
            It has begun, or the writer is closed.
        """
        if self._closed:
            name = type(self).__name__
            raise NXstxmStateError(
                f"run {uid:.8} starts, but this {name} is closed; subscribe a new one"
            )
        if self._scans.of_run(uid) is not None:
            raise NXstxmStateError(f"run {uid:.8} starts twice; is the writer subscribed twice?")

    def _begin(self, uid: str, scan: Scan, doc: Mapping[str, Any]) -> None:
        """Bring the start document of a run of a scan."""
        self._scans.begin(uid, scan)
        self._put("start", doc)
        self._scans.queue.hurry()

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

    def _finish(self, scan: Scan) -> None:
        """Ask for the file of a scan, behind all that came so far."""
        if not scan.closing:
            scan.closing = True
            self._ends(scan)
            self._scans.finish(scan)

    def _ends(self, scan: Scan) -> None:
        """Note that a scan gets no more runs."""

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

    def __enter__(self: Self) -> Self:
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
