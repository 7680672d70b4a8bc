"""The documents of a run become the files of a EuXFEL run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmOSError, NXstxmStateError, NXstxmValueError, OptionError
from ..documents import ArchiveWriter, ArrayRef, array_crc32, unpack_documents
from ._columns import Reading, is_array, nanoseconds
from ._file import VERSIONS, RunFacts, SequenceFile, Version
from ._map import write_aliases, write_map
from ._names import Names, safe
from ._place import TRAIN_IDS, TrainIds, Trains, proposal_of, reserve
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


@dataclass(frozen=True)
class RunOptions:
    """How runs are written.

    Parameters
    ----------
    proposal : int, str or None
        Number of the proposal; unless given that of the start document, else 0.
    domain : str
        What the names of sources begin with.
    trains_per_file : int
        How many trains a file has.
    train_ids : {"time", "seq"}
        By time, or counted in each stream from 1.
    version : {"1.2", "1.3"}
        Of the format.

    Raises
    ------
    OptionError
        One of them makes no sense.
    """

    proposal: int | str | None = None
    domain: str = "STXM"
    trains_per_file: int = 500
    train_ids: TrainIds = "time"
    version: Version = "1.3"

    def __post_init__(self) -> None:
        """Check them."""
        proposal_of({}, self.proposal)
        if not isinstance(self.domain, str) or not self.domain:
            raise OptionError(f"domain={self.domain!r} is no name")
        if type(self.trains_per_file) is not int or self.trains_per_file < 1:
            raise OptionError(f"trains_per_file={self.trains_per_file!r} is no positive number")
        for name, known in (("train_ids", TRAIN_IDS), ("version", VERSIONS)):
            if getattr(self, name) not in known:
                told = ", ".join(map(repr, known))
                raise OptionError(f"{name}={getattr(self, name)!r} is not one of {told}")


class RunWriter:
    """Writes one run.

    Parameters
    ----------
    directory : Path
        The folder of the proposals.
    start : Mapping
        The start document.
    options : RunOptions
        How.
    """

    def __init__(self, directory: Path, start: Mapping[str, Any], options: RunOptions) -> None:
        if not isinstance(start.get("uid"), str):
            raise NXstxmValueError(
                f"a start document needs a uid as text; got {start.get('uid')!r}"
            )
        self.uid: str = start["uid"]
        self.start = start
        self.place = reserve(directory, start, proposal_of(start, options.proposal))
        self._options = options
        self._trains = Trains(self.place, options.train_ids)
        about = {
            "blueskyUid": self.uid, "blueskyScanId": str(start.get("scan_id", "")),
            "blueskyPlanName": str(start.get("plan_name", "")),
        }  # fmt: skip
        self._facts = RunFacts(self.place.proposal, self.place.number, options.version, about)
        self._streams: dict[str, StreamWriter] = {}
        self._names = Names()
        self._stream_of: dict[str, StreamWriter] = {}
        self._last = SequenceFile(self.place.file(LAST, 0), 0, self._facts)
        self._archive = ArchiveWriter(self._hold)
        self.is_closed = False
        self._archive.append("start", start)

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
        try:
            for each_name, each in unpack_documents([(name, doc)]):
                self._take(each_name, each)
        except NXstxmError:
            raise
        except OSError as error:
            raise NXstxmOSError(f"{self.place.folder} can not be written ({error})") from error

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "event":
            self._take_event(doc)
            return
        if name == "descriptor":
            self._declare(doc)
        self._archive.append(name, doc)
        if name == "stop":
            self.close(doc)

    def _declare(self, doc: Mapping[str, Any]) -> None:
        stream = str(doc.get("name", "primary"))
        writer = self._streams.get(stream)
        if writer is None:
            aggregator = f"DA{len(self._streams) + 1:02d}"
            home = f"{safe(self._options.domain)}/{self._names[stream]}"
            writer = StreamWriter(
                stream,
                home,
                lambda n: self._new_file(aggregator, n),
                self._options.trains_per_file,
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
        self._archive.append("event", {**doc, "data": {**data, **refs}} if refs else doc)

    # -- the last file ----------------------------------------------------------------------------

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
        none = np.empty(0, np.uint64)
        files = [file for stream in self._streams.values() for file in stream.files]
        write_map(self.place.folder, [*files, last.finish(none, none)])
        self._trains.close()
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
