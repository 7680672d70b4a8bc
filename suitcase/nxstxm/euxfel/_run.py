"""The documents of a run become the files of a EuXFEL run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, NXstxmStateError, NXstxmValueError
from ..documents import (
    HeldFileError,
    StreamAssets,
    StreamRows,
    shown,
    unpack_documents,
)
from ..scans import BASELINE, PRIMARY, chosen_stream, named_stream
from ._devices import Devices
from ._external import ExternalRows, SomeTrains, measured, trains_of_files, trains_of_rows
from ._file import SUFFIX, FileFacts, SequenceFile
from ._last import LastFile, start_values
from ._lines import Lines
from ._map import MAP, Aliases, write_beside
from ._metadata import RunFacts
from ._names import Names, safe
from ._options import RunOptions
from ._place import LAST, RunPlace, reserve
from ._stream import MOST_IN_TRAIN, StreamWriter
from ._trains import Trains, tick_of

#: What comes of documents that make no sense, where nothing more can be said of them.
_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


class RunWriter:
    """Writes one run.

    Parameters
    ----------
    directory : Path
        The folder of the proposals, or of the instruments.
    start : Mapping
        The start document.
    options : RunOptions
        How.
    place : RunPlace, optional
        The folder, if it was made before.
    names_beside : bool
        The disk takes a file while the next one is written. Not while a journal is: a disk that
        has two things to do keeps it waiting.

    Attributes
    ----------
    roots : dict of str to str
        Roots of files that the source of the documents knows, to where they are now.
    is_closed, is_complete : bool
        Whether it takes no more documents; and whether all its files have their names.
    leaves_out_held : bool
        Do without what detectors still write when the run stops.
    messages : list of str
        What whoever reads the run should know.
    """

    def __init__(
        self,
        directory: Path,
        start: Mapping[str, Any],
        options: RunOptions,
        place: RunPlace | None = None,
        *,
        names_beside: bool = False,
    ) -> None:
        check_start(start)
        self.uid: str = start["uid"]
        self.start = start
        self.place = reserve(directory, start, options) if place is None else place
        self.roots: dict[str, str] = {}
        self.messages: list[str] = []
        self.is_closed = self.is_complete = False
        self.leaves_out_held = False
        self._options, self._names_beside = options, names_beside
        self._domain = safe(options.domain)
        self._trains = Trains(self.place.folder.parent, self.place.before, options.train_ids)
        about = {
            "blueskyUid": self.uid, "blueskyScanId": _told(start.get("scan_id", "")),
            "blueskyPlanName": _told(start.get("plan_name", "")),
        }  # fmt: skip
        self._facts = RunFacts(
            self.place.proposal, self.place.number, options.version, about, self.place.is_again
        )
        if self.place.is_again:
            for left in self.place.folder.glob(f"*{SUFFIX}"):
                left.unlink(missing_ok=True)
        self._streams: dict[str, StreamWriter] = {}
        self._monitors: list[StreamWriter] = []
        self._axis: StreamWriter | None = None
        self._names = Names()
        self._of_descriptor: dict[str, tuple[str, StreamWriter, frozenset[str]]] = {}
        self._lines = Lines(start)
        self._named = named_stream(start)
        self._assets = StreamAssets(direct=options.direct)
        self._last_time = _number(start.get("time"))
        self._stop: Mapping[str, Any] | None = None
        self._failed = ""  # why it can not be completed any more
        self._last = LastFile(self._new_file(LAST, 0), start)
        self._booking = self._last.booking
        try:
            self._booking.append("start", start)
        except BaseException:
            if place is None:
                self.remove()  # nobody is to wonder what it was
            raise

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
        self._check()
        try:
            if name == "event":
                self._take_event(doc)
                return
            for each_name, each in unpack_documents([(name, doc)]):
                self._take(each_name, each)
        except NXstxmOSError as error:
            self._failed = str(error)
            raise
        except NXstxmError:
            raise
        except (OSError, *_NONSENSE) as error:
            raise self._ours(f"a {name} document", error) from error

    def _ours(self, what: str, error: Exception) -> NXstxmError:
        """Say what went wrong in words of ours."""
        if isinstance(error, OSError):
            self._failed = f"{self.place.folder} can not be written ({error})"
            return NXstxmOSError(self._failed)
        told = f"{type(error).__name__}: {shown(str(error))}"
        return NXstxmValueError(f"{what} can not be written ({told})")

    def _check(self) -> None:
        """See that nothing is missing in the files: what was not written can not be made up for."""
        if self._failed:
            raise NXstxmOSError(self._failed)

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "event":
            self._take_event(doc)
            return
        if name == "descriptor":
            self._declare(doc)
        self._assets.take(name, doc)
        self._booking.append(name, doc)
        if name == "stop":
            self._stop = doc

    def _declare(self, doc: Mapping[str, Any]) -> None:
        stream, uid = doc.get("name", "primary"), doc.get("uid")
        if not isinstance(stream, str) or not isinstance(uid, str):
            raise NXstxmValueError(
                f"a descriptor needs uid and name as text; got {shown(uid)} and {shown(stream)}"
            )
        writer = self._streams.get(stream)
        if writer is None:
            aggregator = _aggregator(len(self._streams) + 1)
            is_monitor = any(fnmatchcase(stream, each) for each in self._options.monitors)
            writer = StreamWriter(
                Devices(stream, self._domain, self._names[stream]),
                lambda n: self._new_file(aggregator, n),
                self._options,
                rows=is_monitor or (self._options.events == "pulse" and stream != BASELINE),
                is_line=self._lines,
                names_beside=self._names_beside,
            )
            if not self._streams:
                writer.once = list(start_values(self.start))
            self._streams[stream] = writer
            if is_monitor:
                self._monitors.append(writer)
        self._lines.declare(doc)
        try:
            writer.devices.declare(doc)
        except (AttributeError, TypeError, ValueError) as error:
            raise NXstxmValueError(
                f"the descriptor {uid!r} of stream {stream!r} makes no sense "
                f"({type(error).__name__}: {error})"
            ) from error
        data_keys = doc.get("data_keys") or {}
        left = frozenset(key for key in data_keys if writer.devices.is_external(key))
        self._of_descriptor[uid] = stream, writer, left

    def _new_file(self, aggregator: str, sequence: int) -> SequenceFile:
        return SequenceFile(self.place.file(aggregator, sequence), sequence, self._facts)

    # -- events -----------------------------------------------------------------------------------

    def _take_event(self, doc: Mapping[str, Any]) -> None:
        uid = doc.get("descriptor")
        found = self._of_descriptor.get(uid) if isinstance(uid, str) else None
        if found is None:
            raise NXstxmValueError(
                f"an event names descriptor {shown(uid)}, which did not come before it"
            )
        name, stream, external = found
        try:
            data, time = doc["data"], float(doc["time"])
            if not isinstance(data, Mapping):
                raise TypeError(f"data is a {type(data).__name__}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NXstxmValueError(
                f"event {shown(doc.get('uid'))} of stream {name!r} needs a time and a mapping "
                f"data ({type(error).__name__}: {error})"
            ) from error
        if self._assets.has_datums:
            self._assets.take("event", doc)
        left = external
        if external:
            left = frozenset(key for key in external if isinstance(data.get(key), str))
        if stream.has_rows and stream not in self._monitors:
            self._end_pulses(name, stream, time)
        written = stream.add(doc, left)
        self._last_time = max(self._last_time, time)
        if not stream.has_rows:
            self._end_train(name, stream, time)
        elif stream.n_open >= MOST_IN_TRAIN:
            self._end_open(name, stream, time)
        self._booking.add(doc, name, written)

    def _end_pulses(self, name: str, stream: StreamWriter, time: float) -> None:
        """End the train of a stream whose events are pulses, if the next one is of another."""
        if stream.n_open and tick_of(time) != tick_of(stream.first_time):
            self._end_train(name, stream, stream.first_time)

    def _end_train(self, name: str, stream: StreamWriter, time: float) -> None:
        """End a train; that of the measurement has what monitors saw since the one before."""
        if self._axis is None and name == (chosen_stream(self._streams, self._named) or name):
            self._axis = stream if name != BASELINE else None
        if stream is not self._axis:
            stream.end_train(self._trains.next(name, time), self._trains.time(name, time))
            return
        self._end_together([stream, *self._monitors], time)

    def _end_open(self, name: str, stream: StreamWriter, time: float) -> None:
        """End a train that has many events, or for which none comes."""
        if stream in self._monitors:
            self._end_together(self._monitors, time)
        else:
            self._end_train(name, stream, stream.first_time)

    def _end_together(self, streams: list[StreamWriter], time: float) -> None:
        """End a train of streams that share their ids."""
        train, at = self._trains.next("", time), self._trains.time("", time)
        for each in streams:
            if each.n_open or each.n_trains:  # a monitor begins with its first event
                each.end_train(train, at)

    # -- the last files ---------------------------------------------------------------------------

    def close(self, messages: Iterable[str] = ()) -> None:
        """Give all files their names; of a run without a stop document they say so.

        Parameters
        ----------
        messages : iterable of str
            What else is to be noted.

        Raises
        ------
        HeldFileError
            A detector still writes a file, which is not to be left out: call it again later.
        NXstxmError
            They can not be completed; what there is of the run stays without its last file.
        """
        if self.is_closed:
            return
        if self._failed:
            self.abandon()
        self._check()
        for message in messages:
            self.note(message)
        try:
            self._close()
        except HeldFileError:
            raise
        except NXstxmError:
            self.abandon()
            raise
        except (OSError, *_NONSENSE) as error:
            self.abandon()
            raise self._ours(f"run {self.uid:.8}", error) from error

    def _close(self) -> None:
        self._end_streams()
        files = [file for stream in self._streams.values() for file in stream.files]
        gone = next((file.path for file in files if not file.path.exists()), None)
        if gone is not None:
            raise NXstxmOSError(f"{gone} is gone: the run can not be completed without it")
        external, aliases = self._write_external()
        first = next(iter(self._streams.values()), None)
        has_start = first is not None and bool(first.files)
        trains = measured([] if self._axis is None else self._axis.files)
        last = self._last.finish(self._stop, self.messages, *trains, with_start=not has_start)
        files += [*external, last]
        self.is_closed = self.is_complete = True
        named = [*((name, stream.aliases) for name, stream in self._streams.items()), *aliases]
        named.sort(key=lambda each: (each[0] != self._named, each[0] != PRIMARY))
        write_beside(self.place, files, named, self._trains.close)
        self.place.unmark()

    def _end_streams(self) -> None:
        for name, stream in self._streams.items():
            if stream.n_open and stream not in self._monitors:
                self._end_train(name, stream, stream.first_time)
        if any(stream.n_open for stream in self._monitors):
            self._end_together(self._monitors, self._last_time)
        for stream in self._streams.values():
            stream.close_file()
            for message in stream.messages:
                self.note(message)
        for stream in self._streams.values():
            stream.settle()

    def _write_external(self) -> tuple[list[FileFacts], list[tuple[str, Aliases]]]:
        """Write what lies in files of detectors, each stream's into files of their own."""
        rows: dict[str, dict[str, list[StreamRows]]] = {}
        for (stream, key), its in self._assets.rows().items():
            rows.setdefault(stream, {})[key] = its
        opened = {
            stream: ExternalRows(
                self._streams[stream].devices, its, self._options, self.roots,
                leaves_out_held=self.leaves_out_held,
            ) for stream, its in rows.items()
        }  # fmt: skip
        files: list[FileFacts] = []
        number = len(self._streams)
        for stream, external in opened.items():
            if external:
                number += 1
                for i, trains in enumerate(self._trains_of(stream, external)):
                    files.append(external.write(self._new_file(_aggregator(number), i), trains))
            external.close()
            for message in external.messages:
                self.note(message)
        for message in self._assets.messages:
            self.note(message)
        return files, [(stream, external.aliases) for stream, external in opened.items()]

    def _trains_of(self, stream: str, external: ExternalRows) -> Iterable[SomeTrains]:
        writer = self._streams[stream]
        if writer.n_trains:
            return trains_of_files(writer.files, writer.devices)
        self.note(f"stream {stream!r} has no events: the times of its trains are not known")
        time = writer.devices.time or self._last_time
        new_id = partial(self._trains.next, stream)
        return trains_of_rows(external.n_trains, time, new_id, self._options.trains_per_file)

    def note(self, message: str) -> None:
        """Note something that whoever reads the run should know."""
        if message not in self.messages:
            self.messages.append(message)

    def abandon(self) -> None:
        """Let go of what is not complete; it stays under temporary names."""
        self.is_closed = True
        for stream in self._streams.values():
            stream.abandon()
        self._last.abandon()

    def remove(self) -> None:
        """Remove all that was written: its documents are somewhere else."""
        self.abandon()
        begin = f"RAW-R{self.place.number:04d}-"
        with suppress(OSError):
            for path in self.place.folder.glob(f"{begin}*"):
                if path.suffix in (".h5", SUFFIX):
                    path.unlink(missing_ok=True)
            (self.place.folder / MAP).unlink(missing_ok=True)
        self.place.give_back()

    @property
    def files(self) -> list[Path]:
        """The files that are complete."""
        return sorted(self.place.folder.glob("*.h5"))


def check_start(start: Mapping[str, Any]) -> None:
    """Refuse a start document of which no run can be made."""
    if not isinstance(start.get("uid"), str):
        raise NXstxmValueError(
            f"a start document needs a uid as text; got {shown(start.get('uid'))}"
        )


def _told(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


def _aggregator(number: int) -> str:
    return f"DA{number:02d}"


def _number(time: Any) -> float:
    try:
        return float(time)
    except (TypeError, ValueError):
        return 0.0
