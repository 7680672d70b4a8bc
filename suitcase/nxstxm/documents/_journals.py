"""The journals of the runs that go on, and what is done about those that can not be written.

All of it is done by the journal's thread, except that the disk is waited for beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._beside import Beside
from .._errors import NXstxmOSError
from .._log import logger
from ._batch import Closed, Pending
from ._journal import Journal
from ._journal_file import Extent

#: Seconds between two attempts to write a journal that could not be written.
RETRY = 1.0
#: Seconds between two looks whether somebody removed journals.
LOOK = 0.05
#: Seconds for which it is tried to write what could not be written, before the process ends.
LAST_CHANCE = 1.0
#: Journals of runs that are over and whose files stay open: of these nothing is lost when somebody
#: removes them. A process may have 256 files open on some systems.
OPEN = 64


class Journals:
    """Writes journals, again if need be, and closes them.

    Parameters
    ----------
    take : callable
        Takes a `Closed` for each journal that is closed, a `Pending` for one that waits for that.
    tell : callable
        Told of each error of a journal: run, error. What was not written is tried again.
    fsync : float or None
        Seconds after which the disk is asked to have all of it.
    """

    def __init__(
        self,
        take: Callable[[Any], object],
        tell: Callable[[str, Exception], object],
        fsync: float | None,
    ) -> None:
        self._take = take
        self._tell = tell
        self._fsync = fsync
        self._journals: dict[str, Journal | None] = {}
        #: Those that could not be written, those that were removed and could not be made anew, and
        #: such of runs that are over; and when to try again.
        self._late: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._ending: dict[str, float] = {}
        self._over: dict[str, None] = {}  # runs whose files are open though they have stopped
        self._told: dict[Path, tuple[str, float]] = {}  # by folder, what was told last, and when
        self._looked = self._synced = 0.0
        self._syncing: Beside[None] | None = None

    def __len__(self) -> int:
        """Count the runs."""
        return len(self._journals)

    def __contains__(self, run: str) -> bool:
        """Tell whether a run goes on."""
        return run in self._journals

    def __getitem__(self, run: str) -> Journal | None:
        """Give the journal of a run; None where it has none."""
        return self._journals[run]

    def begin(self, run: str, journal: Journal | None) -> None:
        """Begin a run."""
        self._journals[run] = journal

    def is_late(self, run: str) -> bool:
        """Tell whether something of a run could not be written."""
        return run in self._late

    def flush(self, run: str, journal: Journal) -> Extent | None:
        """Write what was added; give where it is, or None when that fails."""
        try:
            extent = journal.flush()
        except OSError as error:
            if run not in self._late:
                self._tell(run, error)
            self._late[run] = time.monotonic() + RETRY
            return None
        if run not in self._gone:
            # now: the writer fails when its file was removed, and closes it
            self._look(run, journal)
        return extent

    def stopped(self, run: str) -> None:
        """Note that a run is over: its journal is still needed, and nothing more comes into it."""
        if self._journals.get(run) is not None:
            self._over[run] = None

    # -- what is done all the time ----------------------------------------------------------------

    def look_after(self) -> None:
        """Make anew what somebody removed, also of runs of which nothing comes."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        for run, journal in self._journals.items():
            if journal is not None and run not in self._gone:
                self._look(run, journal)

    def _look(self, run: str, journal: Journal) -> bool:
        """Make a journal anew if somebody removed it; tell whether all of it is there."""
        try:
            was_gone = journal.look_after()
        except OSError as error:
            self._gone[run] = time.monotonic() + RETRY
            self._tell_gone(run, journal, f", and it can not be made anew ({error})")
            return False
        self._gone.pop(run, None)
        if was_gone:
            self._tell_gone(run, journal, "; it is made anew")
        return True

    def _tell_gone(self, run: str, journal: Journal, what: str) -> None:
        """Tell of a journal that was removed, once for its folder."""
        folder, now = journal.path.parent, time.monotonic()
        before, then = self._told.get(folder, ("", 0.0))
        self._told[folder] = what, now
        if what != before or now - then > 2 * RETRY:
            self._tell(run, NXstxmOSError(f"somebody removed {journal.path}{what}"))

    def retry(self) -> None:
        """Try again what could not be done; close files that need not be open."""
        now = time.monotonic()
        for run in [run for run, then in self._late.items() if then <= now]:
            journal = self._journals.get(run)
            del self._late[run]
            if journal is not None:
                self.flush(run, journal)
        for run in [run for run, then in self._gone.items() if then <= now]:
            journal = self._journals.get(run)
            if journal is None:
                del self._gone[run]
            else:
                self._look(run, journal)
        for run in [run for run, then in self._ending.items() if then <= now]:
            self.end(run, keep=True)
        if len(self._over) > OPEN:
            self._rest()

    def _rest(self) -> None:
        """Close files of runs that are over, but for the latest."""
        for run in list(self._over)[:-OPEN]:
            journal = self._journals.get(run)
            if run in self._late or run in self._gone:
                continue
            if journal is not None:
                if journal.is_gone or (self._fsync is not None and not journal.is_synced):
                    continue  # what is in it has nobody else, or the disk has still to be asked
                journal.rest()
            del self._over[run]

    def sync(self) -> None:
        """Ask the disk to have all of it; another thread waits for that."""
        now = time.monotonic()
        if self._fsync is None or now - self._synced < self._fsync:
            return
        if self._syncing is None or self._syncing.is_done:
            journals = [journal for journal in self._journals.values() if journal is not None]
            self._synced, self._syncing = now, Beside(lambda: _sync_all(journals))

    # -- the end of a run -------------------------------------------------------------------------

    def end(self, run: str, *, keep: bool) -> None:
        """Let go of a run.

        Parameters
        ----------
        run : str
            The run.
        keep : bool
            Its journal is needed: what could not be written is tried until it is.
        """
        self._late.pop(run, None)
        journal = self._journals.get(run)
        if journal is not None and journal.frames is not None:
            journal.frames.forget(run)
        if journal is not None and keep and not self._is_whole(run, journal):
            if run not in self._ending:
                self._take(Pending(run))
            self._ending[run] = time.monotonic() + RETRY
            return
        self._close(run, keep=keep)

    def _is_whole(self, run: str, journal: Journal) -> bool:
        """Have all of a journal under its name; tell whether it is there."""
        try:
            journal.flush()
        except OSError:
            return False
        return self._look(run, journal)

    def close(self) -> None:
        """Write what is not written, for the last time, and close all of them."""
        deadline = time.monotonic() + LAST_CHANCE
        waiting = {run: its for run, its in self._journals.items() if its is not None}
        while waiting := {run: its for run, its in waiting.items() if not self._is_whole(run, its)}:
            if time.monotonic() > deadline:
                break
            time.sleep(LAST_CHANCE / 10)
        for journal in waiting.values():
            logger.error(
                "the journal %s could not be written to its end; export its run again, from where "
                "its documents are too", journal.path,
            )  # fmt: skip
        for run in list(self._journals):
            self._close(run, keep=True)

    def _close(self, run: str, *, keep: bool) -> None:
        self._ending.pop(run, None)
        self._over.pop(run, None)
        self._gone.pop(run, None)
        journal = self._journals.pop(run, None)
        if journal is not None:
            if keep and journal.is_lost:
                logger.error(
                    "somebody removed the journal %s after its run was over, and it is lost; "
                    "export the run again", journal.path,
                )  # fmt: skip
            with suppress(OSError):
                journal.close()
        self._take(Closed(run))


def _sync_all(journals: Iterable[Journal]) -> None:
    for journal in journals:
        with suppress(OSError, ValueError):  # a full disk is told by the writes; it may be closed
            journal.sync()
