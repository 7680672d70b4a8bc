"""The suitcase convention: a serializer takes the documents of one run and writes its file.

This is the one module of the exports that needs ``event_model``, which reads a dozen schemas when
it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import event_model

from ..data import DataHandler
from ..nexus import NXstxmStorage
from ._run_export import RunExport


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
        ``facility``, ``devices``, ``timezone``, ``compression``, ``overwrite``, ``entry_writer``,
        ``handler_registry``, ``root_map``, ``fill_or_fail``, ``external``, ``processors``,
        ``on_error``, ``euxfel``; see `suitcase.nxstxm.nexus.WriterOptions`.

    Raises
    ------
    NXstxmError
        From the call that brings the document: each message names the thing and the way out.
    Exception
        What one of the ``processors`` raised, from a call that brings a later document. The
        readings are in the file all the same.

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
        self._run = RunExport(directory, file_prefix, first_uid=first_uid, **options)

    @property
    def artifacts(self) -> dict[str, list[Any]]:
        """What was written so far, as ``{"stream_data": [path]}``.

        The final path once the file is finished, before that the temporary one; of a manager, what
        it says.
        """
        return self._run.artifacts

    @property
    def storage(self) -> NXstxmStorage:
        """What came so far, by its coordinates: frames that were processed, parts of pictures.

        It can be read by any thread, while the run goes on and when its file is finished.
        """
        return self._run.stage.storage

    @property
    def handler(self) -> DataHandler:
        """What frames go through on their way to the processors: to get them, or wait for them."""
        return self._run.stage.handler

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
        self._run.take(name, doc)
        return name, doc

    def start(self, doc: Mapping[str, Any]) -> None:
        """Take the start document."""
        self._run.take("start", doc)

    def descriptor(self, doc: Mapping[str, Any]) -> None:
        """Take an event descriptor."""
        self._run.take("descriptor", doc)

    def event(self, doc: Mapping[str, Any]) -> Any:
        """Take an event."""
        self._run.take("event", doc)

    def event_page(self, doc: Mapping[str, Any]) -> Any:
        """Take a page of events."""
        self._run.take("event_page", doc)

    def bulk_events(self, doc: Mapping[str, Any]) -> None:
        """Take events in bulk, an older form."""
        self._run.take("bulk_events", doc)

    def resource(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of an external file; like its datums it goes to the archive."""
        self._run.take("resource", doc)

    def datum(self, doc: Mapping[str, Any]) -> Any:
        """Take what tells of a part of an external file."""
        self._run.take("datum", doc)

    def datum_page(self, doc: Mapping[str, Any]) -> None:
        """Take a page of datums."""
        self._run.take("datum_page", doc)

    def bulk_datum(self, doc: Mapping[str, Any]) -> None:
        """Take datums in bulk, an older form."""
        self._run.take("bulk_datum", doc)

    def stream_resource(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of an external file that grows."""
        self._run.take("stream_resource", doc)

    def stream_datum(self, doc: Mapping[str, Any]) -> None:
        """Take what tells of new rows of an external file."""
        self._run.take("stream_datum", doc)

    def stop(self, doc: Mapping[str, Any]) -> None:
        """Take the stop document and finish the run."""
        self._run.take("stop", doc)

    def close(self) -> None:
        """Finish a run that has not stopped: what came is written and marked as incomplete.

        Closing again does nothing.
        """
        self._run.close()

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
        self._run.leave(error)
