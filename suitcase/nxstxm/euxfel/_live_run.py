"""One run while it is measured: its journal, and the EuXFEL run that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from .._errors import NXstxmError, as_error
from .._log import logger
from ..documents import (
    Batch,
    Filling,
    HeldFileError,
    Journal,
    JournalFolder,
    RoomWanted,
)
from ._options import RunOptions
from ._place import RunPlace
from ._run import RunWriter


class LiveRun:
    """A run on its way into its folder; see `suitcase.nxstxm.documents.LiveScans`.

    Parameters
    ----------
    uid : str
        The run.
    directory : Path
        The folder of the proposals.
    place : RunPlace
        The folder of the run.
    options : RunOptions
        How it is written.
    folder : JournalFolder or None
        Where its journal is; None without.
    """

    processor_error: BaseException | None = None

    def __init__(
        self,
        uid: str,
        directory: Path,
        place: RunPlace,
        options: RunOptions,
        folder: JournalFolder | None,
    ) -> None:
        self.uid = uid
        self.runs = uid
        self.place, self.folder = place, folder
        self.done, self.released = Event(), Event()
        self.asked = 0.0
        self.path: Path | None = None
        self.error: Exception | None = None
        self.closing = False
        self.unclosed: set[str] = set()
        self._directory, self._options = directory, options
        self._filling: Filling = options.filling()
        self._writer: RunWriter | None = None

    def __str__(self) -> str:
        """Name it by its folder."""
        return f"{self.place.folder.name} of proposal {self.place.proposal}"

    def begin(self, run: str) -> Journal | None:
        """Begin it; give its journal."""
        self.unclosed.add(run)
        return None if self.folder is None else self.folder.journal(run)

    def stopped(self, stop: Mapping[str, Any]) -> bool:
        """Tell that it was its own last run."""
        del stop
        return True

    def take(self, batch: Batch) -> None:
        """Take documents; after an error they are in the journal only."""
        if self.error is not None:
            return
        try:
            for name, docs, _ in batch:
                for doc in docs:
                    self._take(name, doc)
        except BaseException as error:  # noqa: BLE001 - nothing may come in the way of a measurement
            self._fail(as_error(error))

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "start":
            self._writer = RunWriter(self._directory, doc, self._options, self.place)
            return
        if self._writer is None or self._writer.is_closed:
            return
        for each in self._filling(name, doc):
            self._writer.take(*each)

    def reserve(self, wanted: RoomWanted) -> bool:
        """Refuse: frames of EuXFEL runs are journalled as they are."""
        del wanted
        return True

    def finish(self, *, waits: bool = True) -> bool:
        """Complete the run.

        Returns
        -------
        bool
            False when it is left for later: a detector still writes its file.
        """
        if self.error is not None or self._writer is None:
            return True
        try:
            self._filling.close()
            if not waits:
                # without a journal nobody can make it of later
                self._writer.leaves_out_held = self.folder is None
            self._writer.close(self._filling.messages)
            self.path = self.place.folder
        except HeldFileError as error:
            if waits:
                return False
            self._fail(error)
        except BaseException as error:  # noqa: BLE001 - see `take`
            self._fail(as_error(error))
        return True

    def _fail(self, error: Exception) -> None:
        self.error = error
        back = "export its documents again"
        if self.folder is not None:
            back = f"its documents go on into {self.folder.path}: `nxstxm recover` makes the run"
        logger.error(
            "run %s could not be written (%s: %s); %s", self, type(error).__name__, error, back
        )
        self._filling.close()
        if self._writer is not None:
            with suppress(NXstxmError, OSError):
                self._writer.abandon()

    def closed(self, run: str) -> bool:
        """Note that its journal is closed."""
        self.unclosed.discard(run)
        return not self.unclosed

    def leave(self) -> None:
        """Leave the journal: the run is there, or is for `recover` to make."""
        if self.folder is None:
            return
        if self.path is not None:
            self.folder.remove()
        else:
            self.folder.release()

    def settle(self) -> None:
        """Tell all who wait that there is nothing to wait for."""
        self.done.set()
        self.released.set()
