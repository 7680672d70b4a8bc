"""A stream of a run: its events are trains, or the pulses of trains; so many trains are a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._beside import Beside
from .._errors import NXstxmError, NXstxmOSError
from .._log import logger
from ..documents import cast_exactly
from ._columns import (
    AnyArray,
    ControlColumn,
    Reading,
    RowColumn,
    as_column,
    dtype_of,
    is_array,
    nanoseconds,
    write_column,
)
from ._devices import CHANNEL, OF_EVENT, SPLIT, TIME_OF, Devices, data_key, shown
from ._file import DIRECT_BYTES, FileFacts, SequenceFile
from ._options import RunOptions
from ._rows import link_legacy, write_rows_index

#: What is known of each event and is no reading.
SEQ_NUM, TIME, REGION = (f"{OF_EVENT}{name}" for name in ("seq_num", "time", "region"))
#: Parts the name of a channel from the region that it was measured at.
_OF_REGION = "-spid-"
#: Events that may come in one train: those of a stream alone begin another one then.
MOST_IN_TRAIN = 10_000


#: Kinds of most readings, none of which has channels.
_PLAIN = frozenset((np.ndarray, float, int, str, bool, list))
#: Source, key, reading and attributes of a value of the run.
RunValue = tuple[str, str, Reading, Mapping[str, Any]]


@dataclass(frozen=True)
class Written:
    """Which rows of a data key an array became: `row` counts those of the run."""

    key: str
    row: int


class StreamWriter:
    """Writes the events of a stream.

    Parameters
    ----------
    devices : Devices
        The devices of the stream.
    new_file : callable
        Makes the next file, by its number.
    options : RunOptions
        How.
    rows : bool
        Whether each reading is a row, of which a train has any number; else it has one event.
    is_line : callable
        Tells of an array whether its values are those of the pixels of a line.
    names_beside : bool
        See `RunWriter`.

    Attributes
    ----------
    files : list of FileFacts
        The files that are complete; all have their names after `settle`.
    n_trains : int
        Trains so far.
    n_open, first_time : int, float
        Events in the train that is open, and when the first of them came.
    once : list of RunValue
        What the first file says of the run.
    messages : list of str
        What whoever reads the run should know.
    """

    def __init__(
        self,
        devices: Devices,
        new_file: Callable[[int], SequenceFile],
        options: RunOptions,
        *,
        rows: bool,
        is_line: Callable[[str, AnyArray], bool],
        names_beside: bool = False,
    ) -> None:
        self.files: list[FileFacts] = []
        self.n_open = 0
        self.first_time = 0.0
        self.n_trains = 0
        self.once: list[RunValue] = []
        self.messages: list[str] = []
        self.devices = devices
        self.has_rows = rows
        self._new_file, self._options, self._is_line = new_file, options, is_line
        self._names_beside = names_beside
        self._control: dict[str, ControlColumn] = {}
        self._rows: dict[str, RowColumn] = {}
        self._told: set[str] = set()
        self._file: SequenceFile | None = None
        self._naming: Beside[None] | None = None
        self._trains: list[int] = []
        self._times: list[int] = []

    # -- events ---------------------------------------------------------------------------------

    def add(self, event: Mapping[str, Any], left: frozenset[str] = frozenset()) -> list[Written]:
        """Write an event into the train that is open; tell where its arrays are.

        Parameters
        ----------
        event : Mapping
            The event.
        left : frozenset of str
            Data keys whose readings are in files that are read later.
        """
        if self._naming is not None and self._naming.is_done:
            self.settle()
        file = self._file or self._next_file()
        time = event["time"]
        if not self.n_open:
            self.first_time = float(time)
        self.n_open += 1
        came, times = nanoseconds(time), event.get("timestamps")
        if not isinstance(times, Mapping):
            times = {}
        written: list[Written] = []
        rows, control = self._rows, self._control
        for key, value in self._parts(event["data"]):
            if key in left:
                continue
            base = data_key(key)
            read = times.get(base, time)
            at = came if read is time else nanoseconds(read)
            if is_array(value):
                row = self._add_array(file, key, value, at)
                if row is not None:
                    written.append(Written(key, row))
            elif value is not None and (key in control or key not in rows):
                if self._column(key).set(value, at):
                    self._keep_time(file, key, read, came)
                if self.has_rows:
                    self._add_row(file, key, value, at)
        seq_num = event.get("seq_num", 0)
        self._column(SEQ_NUM).set(seq_num, came)
        self._column(TIME).set(float(time), came)
        if self.has_rows:
            self._add_row(file, SEQ_NUM, seq_num, came)
            self._add_row(file, TIME, float(time), came)
        return written

    def _parts(self, data: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Give the readings of an event; one with several channels as so many."""
        if not _PLAIN.issuperset(map(type, data.values())) and any(
            isinstance(value, Mapping) for value in data.values()
        ):
            return self._channels(data)
        return data.items()

    def _channels(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Part readings that have channels.

        The name of a channel may end in the region it was measured at, which becomes one too.
        """
        for key, value in data.items():
            if not isinstance(value, Mapping):
                yield key, value
                continue
            region = ""
            for channel, each in value.items():
                name, _, region = str(channel).partition(_OF_REGION)
                yield f"{key}{CHANNEL}{name}", each
            if region.isdigit():
                yield REGION, int(region)

    def _column(self, key: str) -> ControlColumn:
        column = self._control.get(key)
        if column is None:
            dtype = dtype_of(self.devices.declaration(key))
            column = self._control[key] = ControlColumn(key, self.devices.facts(key), dtype)
            column.miss(len(self._trains))
        return column

    # -- rows -----------------------------------------------------------------------------------

    def _add_array(self, file: SequenceFile, key: str, value: Any, time: int) -> int | None:
        """Add an array; None unless it can be read again as it came."""
        array = np.asarray(value)
        if key in self._control:
            self._tell(key, "was no array", f"is one of shape {array.shape}")
            return None
        column = self._rows.get(key)
        if column is None:
            if not np.prod(array.shape[1:]) or not (array.size or self._splits(key, array)):
                return None  # there is nothing in it
            column = self._new_rows(key, array)
        rows = array if column.splits else array[np.newaxis]
        fitted = self._fitted(file, column, rows)
        if fitted is None:
            self._tell_change(key, column, rows)
            return None
        row = column.note(len(rows), time)
        file.add_rows(column.source, column.key, fitted)
        if fitted is not rows:
            return None
        column.is_referred |= rows.nbytes >= DIRECT_BYTES
        return row

    def _fitted(self, file: SequenceFile, column: RowColumn, rows: AnyArray) -> AnyArray | None:
        """Give rows as their dataset has them, which may become a wider one; None if it can not."""
        if rows.shape[1:] != column.empty.shape:
            return None
        # readers take the dtype of the first file for that of all
        wider = None if self.files else column.wider(rows)
        if wider is not None and file.widen(column.source, column.key, wider):
            column.empty = np.empty(column.empty.shape, wider)
        return column.fitted(rows)

    def _tell_change(self, key: str, column: RowColumn, rows: AnyArray) -> None:
        was, now = column.empty, rows.shape[1:]
        self._tell(key, f"was {was.shape} {was.dtype}", f"is {now} {rows.dtype} now")

    def _tell(self, key: str, was: str, now: str, have: str = "none") -> None:
        """Say, once, that readings can not be in the files."""
        if key not in self._told:
            self._told.add(key)
            self.messages.append(
                f"{shown(key)} {was} and {now}, which one dataset can not have: its trains have "
                f"{have}, the archive of the run has all"
            )
            logger.warning("%s", self.messages[-1])

    def _add_row(self, file: SequenceFile, key: str, value: Any, time: int) -> None:
        """Add a reading that is no array, a row of its own."""
        new = as_column([value])
        column = self._rows.get(key)
        if column is None:
            declared = dtype_of(self.devices.declaration(key))
            if declared is not None and new.dtype.kind in "biuf" and declared.kind in "biuf":
                new = cast_exactly(new, np.result_type(new.dtype, declared))
            column = self._new_rows(key, new[0], new.dtype)
        if "O" not in (new.dtype.kind, column.empty.dtype.kind):
            fitted = self._fitted(file, column, new)
            if fitted is None:
                self._tell_change(key, column, new)
                return
            new = fitted
        elif new.dtype != column.empty.dtype:
            try:
                new = new.astype(column.empty.dtype)
            except (TypeError, ValueError):
                return  # a word among numbers; the archive has it
        column.note(1, time)
        file.add_rows(column.source, column.key, new)

    def _new_rows(self, key: str, array: Any, dtype: Any = None) -> RowColumn:
        splits = dtype is None and not self.has_rows and self._splits(key, array)
        empty = np.empty(np.shape(array)[1:] if splits else np.shape(array), dtype or array.dtype)
        facts = self.devices.facts(key)
        if splits:
            facts[SPLIT] = 1
        column = RowColumn(
            self.devices.rows_of(key), self.devices.name_of(key), facts, empty, splits
        )
        column.counts = [0] * len(self._trains)
        self._rows[key] = column
        return column

    def _splits(self, key: str, array: AnyArray) -> bool:
        """Tell whether an array has a row a pulse."""
        if self._options.pulses is not None:
            return data_key(key) in self._options.pulses
        return array.ndim > 2 or (array.ndim == 1 and self._is_line(data_key(key), array))

    def _keep_time(self, file: SequenceFile, key: str, time: Any, came: int) -> None:
        """Keep a time that goes back, which the column can not have."""
        try:
            self._add_row(file, TIME_OF + key, float(time), came)
        except (TypeError, ValueError):
            return  # no time at all; the archive has it

    # -- trains -----------------------------------------------------------------------------------

    def end_train(self, train: int, time: int) -> None:
        """End the train that is open, which has this id and time."""
        file = self._file or self._next_file()
        self.n_open = 0
        self.n_trains += 1
        self._trains.append(train)
        self._times.append(time)
        for column in self._control.values():
            column.end_train()
        for rows in self._rows.values():
            rows.end_train()
        full = len(self._trains) >= self._options.trains_per_file
        if full or file.n_bytes >= self._options.bytes_per_file:
            self.close_file()

    # -- files ------------------------------------------------------------------------------------

    def _next_file(self) -> SequenceFile:
        try:
            self._file = self._new_file(len(self.files))
        except NXstxmError:
            self.settle()  # what went wrong with the one before is told first
            raise
        return self._file

    def close_file(self) -> None:
        """Complete the file; a train that is open must have been ended.

        It may get its name beside, while the disk takes it and events of the next one come.

        Raises
        ------
        NXstxmOSError
            Its trains are lost, or those of the file before it.
        """
        self.settle()
        file, self._file = self._file, None
        if file is None:
            return
        try:
            self._complete(file)
            if self._names_beside:
                self._naming = Beside(file.publish)
            else:
                file.publish()
        except NXstxmError:
            raise
        except Exception as error:
            told = error if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            raise NXstxmOSError(f"{file.final} could not be completed ({told})") from error
        finally:
            file.abandon()

    def _complete(self, file: SequenceFile) -> None:
        trains, times = (np.asarray(each, np.uint64) for each in (self._trains, self._times))
        for key, column in self._control.items():
            taken = column.take()
            if column.n_words:
                self._tell(key, "was a number", "is text at times", "the number before")
            if column.other is not None:
                was, now = f"was {column.dtype}", f"is {column.other} at times"
                self._tell(key, was, now, "the number before")
            if taken is not None:
                source, name = self.devices.source_of(key), self.devices.name_of(key)
                file.add_control(source, name, *taken, column.facts)
        for key, rows in self._rows.items():
            counts, read = rows.take()
            group = file.close_rows(rows.source, rows.key, rows.empty, counts, rows.facts)
            write_rows_index(group, trains, counts, pulses=rows.splits or self.has_rows)
            write_column(group, "timestamp", read)
            link_legacy(file, self._options, key, rows.source)
        known = [(*where, *told) for where, told in self.devices.config.items()]
        for source, name, reading, facts in (*known, *self.once):
            file.add_run(source, name, reading, facts)
        self.once = []
        self.files.append(file.complete(trains, times))
        self._trains, self._times = [], []

    def settle(self) -> None:
        """Wait until all files that are complete have their names.

        Raises
        ------
        NXstxmOSError
            One can not have it.
        """
        naming, self._naming = self._naming, None
        if naming is not None:
            naming.result()

    def abandon(self) -> None:
        """Let go of a file that is not complete."""
        with suppress(Exception):
            self.settle()
        if self._file is not None:
            self._file.abandon()
            self._file = None

    @property
    def aliases(self) -> dict[str, tuple[str, str]]:
        """Where the readings of each data key are, as EXtra-data names it."""
        found = {}
        for key in self._control:
            if key[:1] != OF_EVENT:
                where = self.devices.source_of(key), f"{self.devices.name_of(key)}.value"
                found[shown(key)] = where
        for key, rows in self._rows.items():
            if key[:1] not in (OF_EVENT, TIME_OF) and key not in self._control:
                source, group = rows.source.rsplit("/", 1)
                found[shown(key)] = source, f"{group}.{rows.key}"
        return found
