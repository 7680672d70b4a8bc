"""One scan while it is measured: its runs, its journals, and the file that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from .._errors import NXstxmError, as_error
from .._log import logger
from ..documents import (
    Batch,
    Filling,
    FrameFile,
    HeldFileError,
    Journal,
    JournalFolder,
    Packed,
    RoomWanted,
)
from ..nexus import RunStage
from ..scans import RunsOfScan
from ._beside import RunBeside, RunsBeside
from ._scan_writer import ScanWriter
from ._taken import TakenName


class LiveScan:
    """A scan on its way into its file.

    Two threads use it: that which brings documents begins runs and counts their ends; the writer's
    does all else.

    Parameters
    ----------
    writer : ScanWriter
        Writes its file.
    runs : RunsOfScan
        Which runs it has.
    folder : JournalFolder or None
        Where its journals are; None without.
    frames : FrameFile or None
        Puts frames into its file.
    beside : RunsBeside or None
        Writes EuXFEL runs of its runs.
    taken : TakenName or None
        Its name, which no other scan may have meanwhile.

    Attributes
    ----------
    done : Event
        Set when its file is there, or when it is known that there will be none.
    released : Event
        Set when the scan's last document need not wait any more.
    asked : float
        When its file was asked for first, by the monotonic clock.
    path : Path or None
        The file, once it is there.
    error : Exception or None
        Why there is none.
    processor_error : BaseException or None
        The first thing that a processor raised; the file is made all the same.
    unclosed : set of str
        Runs whose journals are open.
    """

    def __init__(
        self,
        writer: ScanWriter,
        runs: RunsOfScan,
        folder: JournalFolder | None,
        frames: FrameFile | None = None,
        beside: RunsBeside | None = None,
        taken: TakenName | None = None,
    ) -> None:
        self.runs = runs
        self._frames = frames
        self._taken = taken
        self.folder = folder
        self.done = Event()
        self.released = Event()
        self.asked = 0.0
        self.path: Path | None = None
        self.error: Exception | None = None
        self.processor_error: BaseException | None = None
        self.closing = False
        self.unclosed: set[str] = set()
        self._writer = writer
        self._open: dict[str, None] = {}
        self._n_stopped = 0
        self._failed = False
        self._stages: dict[str, tuple[RunStage, Filling]] = {}
        self._ended: set[str] = set()
        self._runs_beside = beside
        self._beside: dict[str, RunBeside] = {}

    def __str__(self) -> str:
        """Name it as its file is named."""
        return self._writer.name

    # -- whoever brings documents -----------------------------------------------------------------

    def begin(self, run: str) -> Journal | None:
        """Begin a run; give its journal."""
        journal = None if self.folder is None else self.folder.journal(run, self._frames)
        self._open[run] = None
        self.unclosed.add(run)
        return journal

    @property
    def has_open_runs(self) -> bool:
        """Whether some of its runs have not stopped."""
        return bool(self._open)

    def stopped(self, stop: Mapping[str, Any]) -> bool:
        """Count the end of a run; tell whether it was the last."""
        self._open.pop(str(stop.get("run_start")), None)
        self._n_stopped += 1
        # whoever aborts one run of a scan does not measure the others
        self._failed = self._failed or stop.get("exit_status", "success") != "success"
        expected = self.runs.expected
        whole = expected is not None and self._n_stopped >= expected
        return (whole or self._failed) and not self._open

    # -- the writer's thread ----------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Take documents of one of its runs; after an error they are in the journal only."""
        if self.error is not None:
            return
        try:
            self._take_all(batch)
        except BaseException as error:  # noqa: BLE001 - nothing may come in the way of a measurement
            self._fail(as_error(error))  # handlers of detectors' files are the user's, and may exit

    def _take_all(self, batch: Batch) -> None:
        run = batch.run
        for name, docs, packed in batch:
            if name == "event":
                self._take_events(run, docs, packed)
                continue
            for i, doc in enumerate(docs):
                self._take(run, name, doc, packed[i] if packed else None)
        if run in self._stages:
            self._tell_failures(self._stages[run][0])

    def _take_events(
        self, run: str, events: Sequence[Mapping[str, Any]], packed: Sequence[Packed]
    ) -> None:
        if run not in self._stages:
            return  # it has ended
        stage, filling = self._stages[run]
        if filling.is_idle:
            stage.take_events(events, packed)
            beside = self._beside.get(run)
            if beside is not None:
                for doc in events:
                    beside.take("event", doc)
            return
        for i, doc in enumerate(events):
            self._take(run, "event", doc, packed[i] if packed else None)

    def _take(self, run: str, name: str, doc: Mapping[str, Any], packed: Packed = None) -> None:
        if name == "start":
            self._stages[run] = self._writer.run(doc), self._writer.options.filling()
            begun = None if self._runs_beside is None else self._runs_beside.run(doc)
            if begun is not None:
                self._beside[run] = begun
        if name == "start" or run not in self._stages:
            return
        stage, filling = self._stages[run]
        for each_name, each in filling(name, doc):
            # arrays that are in the file already are the same ones, whatever came beside them
            is_same = each is doc or (name == "event" and isinstance(packed, Mapping))
            stage.take(each_name, each, packed if is_same else None)
            if run in self._beside:
                self._beside[run].take(each_name, each)
        if name == "stop":
            self._end(run)

    def _end(self, run: str) -> None:
        """End a run; one whose detector still writes its file waits for `finish`."""
        stage, filling = self._stages[run]
        self._ended.add(run)
        filling.close()
        for message in filling.messages:
            stage.note_once(message)
        try:
            self._writer.end(stage)
        except HeldFileError:
            return
        del self._stages[run]
        self._end_beside(run, filling.messages)
        self._tell_failures(stage)

    def _end_beside(self, run: str, messages: list[str]) -> None:
        beside = self._beside.pop(run, None)
        if beside is not None:
            beside.end(messages)

    def _tell_failures(self, stage: RunStage) -> None:
        """Log the first thing that a processor raised."""
        if stage.failures and self.processor_error is None:
            self.processor_error = stage.failures[0].error
            logger.error(
                "a processor failed in scan %s at %s: %r. Its frame is missing in the picture; the "
                "readings are kept", self, stage.failures[0].coordinates, stage.failures[0].error,
            )  # fmt: skip

    def reserve(self, wanted: RoomWanted) -> bool:
        """Have room for frames in its file, which the journal's thread puts there.

        Returns
        -------
        bool
            False when its run has not begun in this thread.
        """
        if self._frames is None:
            return True
        room = None
        if self.error is None and wanted.run not in self._ended:
            if wanted.run not in self._stages:
                return False
            try:
                room = self._stages[wanted.run][0].reserve(wanted)
            except BaseException as error:  # noqa: BLE001 - see `take`
                self._fail(as_error(error))
        self._frames.grant(wanted, room)
        return True

    def finish(self, *, waits: bool = True) -> bool:
        """Make the file.

        Parameters
        ----------
        waits : bool
            Leave it for later while a detector still writes a file that is needed.

        Returns
        -------
        bool
            False when it is left for later; else there is a file, or an error.
        """
        if self.error is None:
            try:
                for run in list(self._stages):
                    self._end(run)
                if self._stages:
                    if waits:
                        return False
                    for run, (stage, filling) in self._stages.items():
                        # without a journal nobody can make it of later
                        stage.files.leaves_out_held = self.folder is None
                        self._writer.end(stage)
                        self._end_beside(run, filling.messages)
                self._ended.update(self.unclosed)  # of some not even the start was taken
                if self._frames is not None:
                    self._frames.close()  # its file is about to get another name
                self.path = self._writer.finish()
            except BaseException as error:  # noqa: BLE001 - see `take`
                self._fail(as_error(error))
        return True

    def stage(self, run: str) -> RunStage | None:
        """Give a run that goes on."""
        found = self._stages.get(run)
        return None if found is None else found[0]

    def _fail(self, error: Exception) -> None:
        self.error = error
        back = "export its documents again"
        if self.folder is not None:
            back = f"its documents go on into {self.folder.path}: `nxstxm recover` makes the file"
        what = f"{type(error).__name__}: {error}"
        logger.error("scan %s could not be written (%s); %s", self, what, back)
        with suppress(NXstxmError, OSError):
            if self.folder is None:
                self._writer.keep()
            elif self._frames is not None and self._frames.used:
                self._writer.file.close()  # the journals tell which frames are where in it
            else:
                self._writer.drop()
        for stage, filling in self._stages.values():
            filling.close()
            stage.abandon()
        for beside in self._beside.values():
            beside.abandon()
        self._stages.clear()
        self._beside.clear()

    def settle(self) -> None:
        """Tell all who wait that there is nothing to wait for."""
        self.done.set()
        self.released.set()

    def closed(self, run: str) -> bool:
        """Note that the journal of a run is closed; tell whether it was the last."""
        self.unclosed.discard(run)
        return not self.unclosed

    def leave(self) -> None:
        """Leave the journals: their file is there, or is for `recover` to make."""
        if self._frames is not None:
            self._frames.close()
        if self._taken is not None:
            self._taken.give_back()
        if self.folder is None:
            return
        if self.path is not None:
            self.folder.remove()
        else:
            self.folder.release()
