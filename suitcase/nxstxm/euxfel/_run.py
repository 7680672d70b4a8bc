"""The documents of a run become the files of a EuXFEL run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from .._errors import NXstxmStateError, NXstxmValueError, OptionError
from ..documents import ArchiveWriter, ArrayRef, array_crc32
from ._columns import Reading, is_array, nanoseconds
from ._file import RunFacts, SequenceFile, Version
from ._map import write_aliases, write_map
from ._names import Names, safe
from ._place import Trains, proposal_of, reserve
from ._stream import StreamWriter

#: Sources of what Bluesky says of the run itself.
START, STOP, DOCUMENTS = "BLUESKY/RUN/START", "BLUESKY/RUN/STOP", "BLUESKY/RUN/DOCUMENTS"
#: The aggregator of the last file.
LAST = "DA00"
ARCHIVE = f"RUN/{DOCUMENTS}/archive/value"
#: Arrays of this size (bytes) and more are in the archive as references.
REFERENCE_BYTES = 64 * 1024
#: The archive is chunked so.
_CHUNK = 256 * 1024


class RunWriter:
    """Writes one run.

    Parameters
    ----------
    directory : Path
        The folder of the proposals.
    start : Mapping
        The start document.
    proposal : int, str or None
        Its number; unless given that of the start document, else 0.
    domain : str
        What the names of sources begin with.
    trains_per_file : int
        How many trains a file has.
    train_ids : {"time", "seq"}
        By time, or counted.
    version : {"1.2", "1.3"}
        Of the format.
    """

    def __init__(
        self,
        directory: Path,
        start: Mapping[str, Any],
        *,
        proposal: int | str | None = None,
        domain: str = "STXM",
        trains_per_file: int = 500,
        train_ids: Literal["time", "seq"] = "time",
        version: Version = "1.3",
    ) -> None:
        if type(trains_per_file) is not int or trains_per_file < 1:
            raise OptionError(f"trains_per_file={trains_per_file!r} is no positive number")
        if version not in ("1.2", "1.3"):
            raise OptionError(f"version={version!r} is not one of '1.2', '1.3'")
        if not isinstance(start.get("uid"), str):
            raise NXstxmValueError(
                f"a start document needs a uid as text; got {start.get('uid')!r}"
            )
        self.uid: str = start["uid"]
        self.start = start
        self.place = reserve(directory, start, proposal_of(start, proposal))
        self._domain, self._trains_per_file = safe(domain), trains_per_file
        self._trains = Trains(self.place, train_ids)
        about = {
            "blueskyUid": self.uid, "blueskyScanId": str(start.get("scan_id", "")),
            "blueskyPlanName": str(start.get("plan_name", "")),
        }  # fmt: skip
        self._facts = RunFacts(self.place.proposal, self.place.number, version, about)
        self._streams: dict[str, StreamWriter] = {}
        self._names = Names()
        self._stream_of: dict[str, StreamWriter] = {}
        self._last = SequenceFile(self.place.file(LAST, 0), 0, self._facts)
        self._archive = ArchiveWriter(self._hold)
        self.is_closed = False
        self._archive_document("start", start)

    # -- documents --------------------------------------------------------------------------------

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document.

        Raises
        ------
        NXstxmError
            It makes no sense, or the files can not be written.
        """
        if self.is_closed:
            raise NXstxmStateError(f"a {name} document came after run {self.uid:.8} was closed")
        if name == "descriptor":
            self._declare(doc)
        if name == "event_page":
            from event_model import unpack_event_page

            page: Any = {**doc, "filled": doc.get("filled") or {}}
            for event in unpack_event_page(page):
                self._take_event(event)
        elif name == "event":
            self._take_event(doc)
        else:
            self._archive_document(name, doc)
        if name == "stop":
            self.close(doc)

    def _declare(self, doc: Mapping[str, Any]) -> None:
        stream = str(doc.get("name", "primary"))
        writer = self._streams.get(stream)
        if writer is None:
            aggregator = f"DA{len(self._streams) + 1:02d}"
            home = f"{self._domain}/{self._names[stream]}"
            writer = StreamWriter(
                stream, home, lambda n: self._new_file(aggregator, n), self._trains_per_file
            )
            self._streams[stream] = writer
        writer.declare(doc)
        self._stream_of[str(doc["uid"])] = writer

    def _new_file(self, aggregator: str, sequence: int) -> SequenceFile:
        return SequenceFile(self.place.file(aggregator, sequence), sequence, self._facts)

    def _take_event(self, doc: Mapping[str, Any]) -> None:
        stream = self._stream_of.get(str(doc.get("descriptor")))
        if stream is None:
            raise NXstxmValueError(
                f"an event names descriptor {doc.get('descriptor')!r}, which did not come before it"
            )
        try:
            data, time = dict(doc["data"]), float(doc["time"])
        except (KeyError, TypeError, ValueError) as error:
            raise NXstxmValueError(
                f"event {doc.get('uid')!r} of stream {stream.name!r} needs a time and a mapping "
                f"data ({type(error).__name__}: {error})"
            ) from error
        written = stream.take(doc, self._trains.next(stream.name, time))
        refs = {
            each.key: ArrayRef(
                self.uid, stream.name, each.key, each.row, array_crc32(data[each.key])
            )
            for each in written
            if isinstance(data.get(each.key), np.ndarray)
            and data[each.key].nbytes >= REFERENCE_BYTES
        }
        self._archive_document("event", {**doc, "data": {**data, **refs}} if refs else doc)

    # -- the last file ----------------------------------------------------------------------------

    def _archive_document(self, name: str, doc: Mapping[str, Any]) -> None:
        self._archive.append(name, doc)

    def _hold(self, data: bytes) -> None:
        h5 = self._last.h5
        if ARCHIVE not in h5:
            h5.create_dataset(ARCHIVE, (1, 0), np.uint8, maxshape=(1, None), chunks=(1, _CHUNK))
        dataset: h5py.Dataset = h5[ARCHIVE]
        n = dataset.shape[1]
        dataset.resize(n + len(data), 1)
        dataset[0, n:] = np.frombuffer(data, np.uint8)

    def close(self, stop: Mapping[str, Any] | None = None) -> None:
        """Give all files their names; without a stop document the run is not complete."""
        if self.is_closed:
            return
        self.is_closed = True
        for stream in self._streams.values():
            stream.close_file()
        self._archive.close()
        last = self._last
        time = nanoseconds((stop or self.start).get("time"))
        last.add_run_source(DOCUMENTS, 0)
        h5 = last.h5
        h5[ARCHIVE.rsplit("/", 1)[0]].create_dataset(
            "timestamp", data=np.asarray([time], np.uint64), maxshape=(None,), chunks=(1,)
        )
        for source, doc in ((START, self.start), (STOP, stop or {"exit_status": "incomplete"})):
            last.add_run_source(source, 0)
            names = Names()
            for key, value in doc.items():
                for path, each in _leaves(names[str(key)], value):
                    last.add_run(source, path, Reading(each, time), {"displayedName": str(key)})
        last.finish(np.empty(0, np.uint64), np.empty(0, np.uint64))
        self._trains.close()
        write_map(self.place.folder)
        write_aliases(self.place, {n: s.aliases for n, s in self._streams.items()})

    def abandon(self) -> None:
        """Let go of what is not complete; it stays under temporary names."""
        self.is_closed = True
        for stream in self._streams.values():
            stream.abandon()
        self._last.abandon()

    @property
    def files(self) -> list[Path]:
        """The files that are complete."""
        return sorted(self.place.folder.glob("*.h5"))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give what HDF5 can hold of a value of a document: mappings as groups, lists as text."""
    if isinstance(value, Mapping) and value:
        names = Names()
        for key, each in value.items():
            yield from _leaves(f"{path}/{names[str(key)]}", each)
    elif is_array(value):
        yield path, np.asarray(value)
    elif isinstance(value, (bool, int, float, str, np.generic)):
        yield path, value
    else:
        yield path, json.dumps(value, default=repr)
