"""The suitcase convention: a serializer takes the documents of one run and writes its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import event_model

from .._errors import NXstxmError, NXstxmStateError, NXstxmTypeError, tell_where
from ..nexus import (
    SUFFIX,
    RunStage,
    ScanFile,
    WriterOptions,
    existing_file,
    finish_staged,
    temporary_file,
)
from ._names import resolve_prefix
from ._scan_writer import ScanWriter, hand_over

LABEL = "stream_data"


class Serializer(event_model.DocumentRouter):
    """Write the documents of one run into an NXstxm file.

    Without `first_uid` the stop document finishes the file. With it, the run joins the temporary
    file of its scan, which waits for `finish_export`.

    Parameters
    ----------
    directory : str, Path or manager
        The folder of the file, made when missing; or a manager of ``suitcase.utils``, which gets
        one finished buffer.
    file_prefix : str
        Template of the name: ``{uid}``, ``{start[uid]}``, ``{scan_id:05d}``,
        ``{time:%Y-%m-%d}``. The file is ``<prefix>.hdf5``.
    first_uid : str, optional
        Uid of the first run of the scan, for scans of several runs.
    **options
        ``facility``, ``devices``, ``timezone``, ``compression``, ``overwrite``, ``entry_writer``;
        see `suitcase.nxstxm.nexus.WriterOptions`.

    Raises
    ------
    NXstxmError
        From the call that brings the document: each message names the thing and the way out.

    Notes
    -----
    The convention is that of the suitcases
    (https://blueskyproject.io/suitcase). Leaving a ``with`` block, or `close`, without a stop
    document writes what came and marks the entry as incomplete; leaving it through an error keeps
    the temporary file instead.
    """

    def __init__(
        self,
        directory: Any,
        file_prefix: str = "{uid}",
        *,
        first_uid: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._options = WriterOptions.of(**options)
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
        self._scan: ScanWriter | None = None
        self._file: ScanFile | None = None
        self._final: Path | None = None
        self._closed = False

    @property
    def artifacts(self) -> dict[str, list[Any]]:
        """What was written so far, as ``{"stream_data": [path]}``.

        The final path once the file is finished, before that the temporary one; of a manager, what
        it says.
        """
        if self._manager is not None:
            return dict(self._manager.artifacts)
        path = self._final if self._final is not None else self._temporary
        return {} if path is None or not path.exists() else {LABEL: [path]}

    @property
    def _temporary(self) -> Path | None:
        """Give the temporary file, if there is one."""
        file = self._scan.file if self._scan is not None else self._file
        return file.path if file is not None else None

    def __call__(self, name: str, doc: Any, validate: bool = False) -> Any:
        """Take one document.

        Parameters
        ----------
        name : str
            Kind of document.
        doc : Mapping
            The document.
        validate : bool
            Check it against the schemas of event_model first; slow.

        Returns
        -------
        name, doc
            As they came.
        """
        if validate:
            schema = event_model.schema_validators[event_model.DocumentNames[name]]
            schema.validate(doc)
        self._take(name, doc)
        return name, doc

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
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
            self._stage.take(name, doc)
            if name == "stop":
                self._finish()
        except NXstxmError as error:
            if self._temporary is not None:
                tell_where(error, self._temporary)
            raise

    def start(self, doc: Mapping[str, Any]) -> None:
        """Take the start document."""
        self._take("start", doc)

    def descriptor(self, doc: Mapping[str, Any]) -> None:
        """Take an event descriptor."""
        self._take("descriptor", doc)

    def event(self, doc: Mapping[str, Any]) -> Any:
        """Take an event."""
        self._take("event", doc)

    def event_page(self, doc: Mapping[str, Any]) -> Any:
        """Take a page of events."""
        self._take("event_page", doc)

    def bulk_events(self, doc: Mapping[str, Any]) -> None:
        """Take events in bulk, an older form."""
        self._take("bulk_events", doc)

    def resource(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of an external file; like its datums it goes to the archive."""
        self._take("resource", doc)

    def datum(self, doc: Mapping[str, Any]) -> Any:
        """Take what tells of a part of an external file."""
        self._take("datum", doc)

    def datum_page(self, doc: Mapping[str, Any]) -> None:
        """Take a page of datums."""
        self._take("datum_page", doc)

    def bulk_datum(self, doc: Mapping[str, Any]) -> None:
        """Take datums in bulk, an older form."""
        self._take("bulk_datum", doc)

    def stream_resource(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of an external file that grows."""
        self._take("stream_resource", doc)

    def stream_datum(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of new rows of an external file."""
        self._take("stream_datum", doc)

    def stop(self, doc: Mapping[str, Any]) -> None:
        """Take the stop document and finish the run."""
        self._take("stop", doc)

    def _begin(self, doc: Mapping[str, Any]) -> None:
        if self._stage is not None:
            self._stage.streams.take_start(doc)  # says that there are two
        if self._closed:
            raise NXstxmStateError("this Serializer is closed; make a new one for each run")
        if self._directory is None:
            self._stage = RunStage(doc, self._options)
        elif self._first_uid is None:
            stage_check = RunStage(doc, self._options)  # a start that makes no sense makes no file
            self._scan = ScanWriter(self._directory, doc, self._prefix, self._options)
            self._stage = self._scan.adopt(stage_check)
        else:
            stage = RunStage(doc, self._options)
            prefix = resolve_prefix(self._prefix, doc, self._options.timezone)
            self._file = temporary_file(self._directory, prefix, self._first_uid)
            stage.join(self._file)
            self._stage = stage

    def _finish(self) -> None:
        """Finish the run: the file, the part of a file, or the buffer."""
        stage = self._stage
        if self._closed or stage is None:
            return
        self._closed = True
        if self._scan is not None:
            self._scan.end(stage)
            self._final = self._scan.finish()
        elif self._manager is not None:
            name = resolve_prefix(self._prefix, stage.record.start, self._options.timezone)
            hand_over(stage, self._options, self._manager, LABEL, f"{name}{SUFFIX}")
        else:
            stage.store()

    def close(self) -> None:
        """Finish a run that has not stopped: what came is written and marked as incomplete.

        Closing again does nothing.
        """
        if self._stage is not None:
            self._finish()
        self._closed = True

    def __enter__(self) -> Serializer:
        """Give the serializer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an error what came stays in the temporary file."""
        if kind is None:
            self.close()
        elif self._stage is not None and not self._closed:
            self._closed = True
            try:
                self._stage.keep()
            except NXstxmError:
                if not isinstance(error, NXstxmError):
                    raise


def export(
    gen: Iterable[tuple[str, Mapping[str, Any]]],
    directory: Any,
    file_prefix: str = "{uid}",
    *,
    first_uid: str | None = None,
    **options: Any,
) -> dict[str, list[Any]]:
    """Write the documents of one run into an NXstxm file.

    Parameters
    ----------
    gen : iterable of (name, doc)
        The documents of one run.
    directory : str, Path or manager
        The folder, or a manager of ``suitcase.utils``.
    file_prefix : str
        Template of the file's name.
    first_uid : str, optional
        Uid of the first run of the scan. The run then joins the temporary file
        ``*.<first_uid>.tmp`` of the folder, until `finish_export` finishes it.
    **options
        As of `Serializer`.

    Returns
    -------
    dict
        ``{"stream_data": [path]}``: the file, or the temporary file that waits.

    Examples
    --------
    One run, one file::

        export(header.documents(fill=True), "/data")

    A scan of several runs::

        for uid in uids:
            export(db[uid].documents(fill=True), "/data", "C001", first_uid=uids[0])
        finish_export("/data", "C001", uids[0])
    """
    with Serializer(directory, file_prefix, first_uid=first_uid, **options) as serializer:
        for name, doc in gen:
            serializer(name, doc)
    return serializer.artifacts


def finish_export(directory: str | Path, file_prefix: str, first_uid: str, **options: Any) -> Path:
    """Finish the file of a scan whose runs were exported with `first_uid`.

    Parameters
    ----------
    directory : str or Path
        The folder.
    file_prefix : str
        Template of the file's name, filled from the start document of the scan's first run.
    first_uid : str
        Identity of the scan.
    **options
        As of `Serializer`; what is not given is as it was for the first run.

    Returns
    -------
    Path
        ``<prefix>.hdf5``, complete.

    Raises
    ------
    NXstxmKeyError
        There is no temporary file of this scan.
    NXstxmFileExistsError
        The name is taken; the temporary file stays.
    """
    file = existing_file(Path(directory).expanduser(), first_uid)

    def name_of(start: Mapping[str, Any], chosen: WriterOptions) -> str:
        return resolve_prefix(file_prefix, start, chosen.timezone)

    return finish_staged(file, name_of, options)
