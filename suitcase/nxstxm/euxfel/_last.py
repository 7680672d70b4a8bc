"""The last file of a run: what the stop document says, and the archive of all documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..documents import ArchiveWriter
from ._booking import Booking
from ._columns import AnyArray, nanoseconds
from ._file import FileFacts, SequenceFile
from ._stream import RunValue
from ._values import values_of

#: Sources of what Bluesky says of the run itself, and of what is to be said of it.
START, STOP, DOCUMENTS, NOTES = (
    f"BLUESKY/RUN/{name}" for name in ("START", "STOP", "DOCUMENTS", "NOTES")
)
_ARCHIVE_HOME = f"RUN/{DOCUMENTS}/archive"
ARCHIVE = f"{_ARCHIVE_HOME}/value"
#: The archive is chunked so.
_CHUNK = 256 * 1024


def start_values(start: Mapping[str, Any]) -> Iterator[RunValue]:
    """Give what a start document says, as values of the run."""
    return values_of(START, start, nanoseconds(start.get("time")))


class LastFile:
    """Takes all documents of a run, and is complete after all other files.

    Parameters
    ----------
    file : SequenceFile
        The file.
    start : Mapping
        The start document, whose uid is text.

    Attributes
    ----------
    booking : Booking
        Takes the documents.
    """

    def __init__(self, file: SequenceFile, start: Mapping[str, Any]) -> None:
        self._file, self._start = file, start
        self._bytes = file.group(_ARCHIVE_HOME).create_dataset(
            "value", (1, 0), np.uint8, maxshape=(1, None), chunks=(1, _CHUNK)
        )
        self._archive = ArchiveWriter(self._hold)
        self.booking = Booking(self._archive, start["uid"])

    def _hold(self, data: bytes) -> None:
        n = self._bytes.shape[1]
        self._bytes.resize(n + len(data), 1)
        self._bytes[0, n:] = np.frombuffer(data, np.uint8)

    def finish(
        self,
        stop: Mapping[str, Any] | None,
        messages: Sequence[str],
        trains: AnyArray,
        times: AnyArray,
        *,
        with_start: bool,
    ) -> FileFacts:
        """Complete the file.

        Parameters
        ----------
        stop : Mapping or None
            The stop document; None where none came.
        messages : sequence of str
            What whoever reads the run should know.
        trains, times : ndarray of uint64, shape (n,)
            Of the measurement: programs that list runs take the first file's for those of the run.
        with_start : bool
            Whether it has what the start document says: no other file does.
        """
        self._archive.close()
        stop = stop or {"exit_status": "incomplete"}
        time = nanoseconds(stop.get("time", self._start.get("time")))
        self._bytes.parent["timestamp"] = np.asarray([time], np.uint64)
        values = list(values_of(STOP, stop, time))
        values += values_of(DOCUMENTS, {"n_documents": self._archive.n_documents}, time)
        if with_start:
            values += start_values(self._start)
        if messages:
            values += values_of(NOTES, {"messages": "\n".join(messages)}, time)
        for source, path, reading, facts in values:
            self._file.add_run(source, path, reading, facts)
        return self._file.finish(trains, times)

    def abandon(self) -> None:
        """Let go of it; what is written of it stays under its other name."""
        self._file.abandon()
