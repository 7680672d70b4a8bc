"""One run on its way into its file: the work of a Serializer and of `export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmStateError, NXstxmTypeError, tell_where
from ..nexus import SUFFIX, RunStage, ScanFile, WriterOptions, temporary_file
from ..scans import run_uid
from ._beside import RunBeside, RunsBeside
from ._names import resolve_prefix
from ._scan_writer import ScanWriter, hand_over

LABEL = "stream_data"


class RunExport:
    """Take the documents of one run; its last finishes the file, the part of one, or a buffer.

    Parameters
    ----------
    directory : str, Path or manager
        The folder of the file, or a manager of ``suitcase.utils``.
    file_prefix : str
        Template of the name.
    first_uid : str, optional
        Uid of the first run of the scan that the run joins.
    **options
        The writer's options.
    """

    def __init__(
        self,
        directory: Any,
        file_prefix: str = "{uid}",
        *,
        first_uid: str | None = None,
        **options: Any,
    ) -> None:
        self._options = WriterOptions.of(**options)
        self._runs_beside = RunsBeside(self._options)
        self._beside: RunBeside | None = None
        self._prefix = file_prefix
        self._first_uid = first_uid
        self._directory: Path | None = None
        self._manager: Any = None
        if isinstance(directory, (str, Path)):
            self._directory = Path(directory).expanduser()
        elif callable(getattr(directory, "open", None)):
            self._manager = directory
            if first_uid is not None:
                raise NXstxmTypeError(
                    "a manager gets one finished buffer a run; to join runs with first_uid give "
                    "a folder"
                )
        else:
            raise NXstxmTypeError(
                f"directory is a {type(directory).__name__}; give a folder or a suitcase manager"
            )
        self._stage: RunStage | None = None
        self._filling = self._options.filling()
        self._scan: ScanWriter | None = None
        self._file: ScanFile | None = None
        self._final: Path | None = None
        self._closed = False

    @property
    def artifacts(self) -> dict[str, list[Any]]:
        """What was written so far; see `Serializer.artifacts`."""
        beside = {} if self._beside is None else {"euxfel": [self._beside.folder]}
        if self._manager is not None:
            return {**self._manager.artifacts, **beside}
        path = self._final if self._final is not None else self._temporary
        return beside if path is None or not path.exists() else {LABEL: [path], **beside}

    @property
    def stage(self) -> RunStage:
        """The run.

        Raises
        ------
        NXstxmStateError
            It has not begun.
        """
        if self._stage is None:
            raise NXstxmStateError("no run has begun: there is no data before its start document")
        return self._stage

    @property
    def _temporary(self) -> Path | None:
        """Give the temporary file, if there is one."""
        file = self._scan.file if self._scan is not None else self._file
        return file.path if file is not None else None

    def take_all(self, name: str, docs: Sequence[Mapping[str, Any]]) -> None:
        """Take a document, or events of one descriptor, which costs less than one by one."""
        together = len(docs) > 1 and self._filling.is_idle and self._beside is None
        if not together or self._stage is None or self._closed:
            for doc in docs:
                self.take(name, doc)
            return
        try:
            self._stage.take_events(docs)
        except Exception as error:
            self._tell(error)
            raise

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document."""
        if name == "start":
            self._begin(doc)
            return
        if self._stage is None:
            raise NXstxmStateError(f"a {name} document came before the start document of its run")
        if self._closed:
            raise NXstxmStateError(
                f"a {name} document came after run {self._stage.record.uid:.8} was closed"
            )
        try:
            for each in self._filling(name, doc):
                self._stage.take(*each)
                if self._beside is not None:
                    self._beside.take(*each)
            if name == "stop":
                self._finish()
        except Exception as error:
            self._tell(error)
            raise

    def _tell(self, error: Exception) -> None:
        """Say where what came is; a processor may have failed when the file is there."""
        if self._final is None:
            if self._scan is not None:
                self._scan.file.share()
            if isinstance(error, NXstxmError) and self._temporary is not None:
                tell_where(error, self._temporary)

    def _begin(self, doc: Mapping[str, Any]) -> None:
        if self._stage is not None:
            self._stage.streams.take_start(doc)  # says that there are two
        if self._closed:
            raise NXstxmStateError("this Serializer is closed; make a new one for each run")
        if self._directory is None:
            self._stage = RunStage(doc, self._options)
        elif self._first_uid is None:
            stage_check = RunStage(doc, self._options)  # a start that makes no sense makes no file
            prefix = resolve_prefix(self._prefix, doc, self._options.timezone)
            self._scan = ScanWriter(self._directory, prefix, run_uid(doc), self._options)
            self._stage = self._scan.adopt(stage_check)
        else:
            stage = RunStage(doc, self._options)
            prefix = resolve_prefix(self._prefix, doc, self._options.timezone)
            self._file = temporary_file(self._directory, prefix, self._first_uid)
            stage.join(self._file)
            self._stage = stage
        self._beside = self._runs_beside.run(doc)

    def _finish(self) -> None:
        """Finish the run: the file, the part of a file, or the buffer."""
        stage = self._stage
        if self._closed or stage is None:
            return
        self._closed = True
        self._filling.close()
        for message in self._filling.messages:
            stage.note(message)
        if self._beside is not None:
            self._beside.end(self._filling.messages)
        if self._scan is not None:
            self._scan.end(stage)
            self._final = self._scan.finish()
        elif self._manager is not None:
            name = resolve_prefix(self._prefix, stage.record.start, self._options.timezone)
            hand_over(stage, self._options, self._manager, LABEL, f"{name}{SUFFIX}")
        else:
            stage.store()
        # the file is complete, with what the processors could do: now it can be said
        stage.check()

    def close(self) -> None:
        """Finish a run that has not stopped; again is harmless."""
        if self._stage is not None:
            self._finish()
        self._closed = True

    def leave(self, error: BaseException | None) -> None:
        """Close; after an error what came stays in the temporary file."""
        if error is None:
            self.close()
        elif self._stage is not None and not self._closed:
            self._closed = True
            if self._beside is not None:
                self._beside.abandon()
            try:
                (self._scan or self._stage).keep()
            except NXstxmError:
                if not isinstance(error, NXstxmError):
                    raise
