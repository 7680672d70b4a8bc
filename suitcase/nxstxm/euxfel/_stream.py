"""A stream of a run: an event is a train, so many trains are a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._columns import AnyArray, ControlColumn, Reading, dtype_of, is_array, nanoseconds
from ._file import FileFacts, SequenceFile
from ._names import Names, unit

logger = logging.getLogger("suitcase.nxstxm")
#: Attributes of ours: which readings of Bluesky a dataset has.
STREAM, KEY = "bluesky_stream", "bluesky_key"
#: Between a data key whose readings have channels and the channel: no data key has it.
CHANNEL = "\x1f"


@dataclass
class InstrumentColumn:
    """The arrays of one data key: its rows in the file, and in the run."""

    source: str
    key: str
    facts: dict[str, Any]
    empty: AnyArray
    n_rows: int = 0
    counts: list[int] = field(default_factory=list)

    def fits(self, array: AnyArray) -> bool:
        """Tell whether an array can be a row of the dataset."""
        return array.shape == self.empty.shape and np.can_cast(array.dtype, self.empty.dtype)


@dataclass(frozen=True)
class Written:
    """Which row of a data key an array became: `row` counts those of the run."""

    key: str
    row: int


class StreamWriter:
    """Writes the events of a stream.

    Parameters
    ----------
    name : str
        The stream.
    home : str
        What its sources' names begin with, ``STXM/primary``.
    new_file : callable
        Makes the next file, by its number.
    trains_per_file : int
        How many trains a file has.

    Attributes
    ----------
    files : list of FileFacts
        The files that are complete.
    """

    def __init__(
        self, name: str, home: str, new_file: Callable[[int], SequenceFile], trains_per_file: int
    ) -> None:
        self.name = name
        self.files: list[FileFacts] = []
        self._home, self._new_file, self._most = home, new_file, trains_per_file
        self._devices, self._keys = Names(), Names()
        self._device_of: dict[str, str] = {}
        self._declared: dict[str, Mapping[str, Any]] = {}
        self._control: dict[str, ControlColumn] = {}
        self._instrument: dict[str, InstrumentColumn] = {}
        self._config: dict[tuple[str, str], tuple[Reading, dict[str, Any]]] = {}
        self._told: set[str] = set()
        self._file: SequenceFile | None = None
        self._trains: list[int] = []
        self._times: list[int] = []

    # -- what is known of the devices -----------------------------------------------------------

    def declare(self, descriptor: Mapping[str, Any]) -> None:
        """Note the devices of a descriptor, and their configuration."""
        self._declared |= descriptor.get("data_keys") or {}
        for device, keys in (descriptor.get("object_keys") or {}).items():
            self._device_of |= dict.fromkeys(keys, device)
        for device, told in (descriptor.get("configuration") or {}).items():
            data, declared = told.get("data") or {}, told.get("data_keys") or {}
            times = told.get("timestamps") or {}
            for key, value in data.items():
                array = np.asarray(value) if is_array(value) else value
                reading = Reading(array, nanoseconds(times.get(key, descriptor.get("time"))))
                facts = self._facts(key, declared.get(key) or {})
                self._config[self._source(device), self._keys[key]] = reading, facts

    def _source(self, device: str) -> str:
        return f"{self._home}/{self._devices[device]}"

    def _source_of(self, key: str) -> str:
        """Name the source of a data key, or of a channel of one."""
        return self._source(self._device_of.get(_data_key(key), _data_key(key)))

    def _facts(self, key: str, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Give the attributes of a data key."""
        facts: dict[str, Any] = {"displayedName": _shown(key), STREAM: self.name, KEY: _shown(key)}
        units, source = declared.get("units"), declared.get("source")
        if isinstance(units, str) and units:
            known = unit(units)
            facts["unitSymbol"] = known.symbol
            if known.prefix:
                facts["metricPrefixSymbol"] = known.prefix
        if isinstance(source, str) and source:
            facts["description"] = source
        return facts

    # -- events ---------------------------------------------------------------------------------

    def take(self, event: Mapping[str, Any], train: int) -> list[Written]:
        """Write an event; tell where its arrays are."""
        file = self._file
        if file is None:
            file = self._file = self._new_file(len(self.files))
        data, times = event["data"], event.get("timestamps") or {}
        self._trains.append(train)
        self._times.append(nanoseconds(event["time"]))
        n = len(self._trains)
        written: list[Written] = []
        for key, value in self._parts(data):
            if key in self._instrument or (key not in self._control and is_array(value)):
                row = self._take_array(file, key, value, n)
                if row is not None:
                    written.append(Written(key, row))
            elif value is not None:
                time = nanoseconds(times.get(_data_key(key), event["time"]))
                self._column(key, n).add(Reading(value, time))
        self._hold(n)
        if n >= self._most:
            self.close_file()
        return written

    def _parts(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Give the readings of an event; one with several channels as so many."""
        for key, value in data.items():
            if isinstance(value, Mapping):
                for channel, each in value.items():
                    yield f"{key}{CHANNEL}{channel}", each
            else:
                yield key, value

    def _column(self, key: str, n: int) -> ControlColumn:
        column = self._control.get(key)
        if column is None:
            declared = self._declared.get(_data_key(key), {})
            column = self._control[key] = ControlColumn(
                key, self._facts(key, declared), dtype_of(declared)
            )
            for _ in range(n - 1):
                column.add(None)
        return column

    def _take_array(self, file: SequenceFile, key: str, value: Any, n: int) -> int | None:
        """Add an array; None unless it can be read again as it came."""
        if not is_array(value):
            return None
        array = np.asarray(value)
        column = self._instrument.get(key)
        if column is None:
            source = self._source_of(key)
            several = any(
                each.source == f"{source}:output/data" for each in self._instrument.values()
            )
            channel = self._keys[key] if several else "output"
            declared = self._declared.get(_data_key(key), {})
            column = self._instrument[key] = InstrumentColumn(
                f"{source}:{channel}/data", self._keys[key], self._facts(key, declared),
                np.empty(array.shape, array.dtype),
            )  # fmt: skip
            column.counts = [0] * (n - 1)
        if not column.fits(array):
            if key not in self._told:
                self._told.add(key)
                was, now = (f"{each.shape} {each.dtype}" for each in (column.empty, array))
                logger.warning(
                    "%s of stream %s was %s and is %s now, which one dataset can not have: its "
                    "trains have none, the archive of the run has all", key, self.name, was, now,
                )  # fmt: skip
            return None
        file.add_frame(column.source, column.key, array.astype(column.empty.dtype, copy=False))
        column.counts.append(1)
        column.n_rows += 1
        return column.n_rows - 1 if array.dtype == column.empty.dtype else None

    def _hold(self, n: int) -> None:
        """Hold the last value of what had no reading in this train."""
        for column in self._control.values():
            if column.n < n:
                column.add(None)
        for array in self._instrument.values():
            if len(array.counts) < n:
                array.counts.append(0)

    # -- files ------------------------------------------------------------------------------------

    def close_file(self) -> None:
        """Complete the file and give it its name."""
        file = self._file
        if file is None:
            return
        self._file = None
        n = len(self._trains)
        for column in self._control.values():
            taken = column.take()
            if taken is not None:
                source, key = self._source_of(column.key), self._keys[column.key]
                values, times = taken
                file.add_control(source, key, values, times, column.facts)
                file.add_run(source, key, Reading(values[0], int(times[0])), column.facts)
        for array in self._instrument.values():
            counts = np.asarray(array.counts, np.uint64)
            file.close_instrument(array.source, array.key, counts, array.empty, array.facts)
            array.counts = []
        for (source, key), (reading, facts) in self._config.items():
            file.add_run_source(source, n)
            file.add_run(source, key, reading, facts)
        trains, times = (np.asarray(each, np.uint64) for each in (self._trains, self._times))
        self.files.append(file.finish(trains, times))
        self._trains, self._times = [], []

    def abandon(self) -> None:
        """Let go of a file that is not complete."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    @property
    def aliases(self) -> dict[str, tuple[str, str]]:
        """Where the readings of each data key are, as EXtra-data names it."""
        found = {}
        for key in self._control:
            found[_shown(key)] = self._source_of(key), f"{self._keys[key]}.value"
        for key, array in self._instrument.items():
            source, group = array.source.rsplit("/", 1)
            found[_shown(key)] = source, f"{group}.{array.key}"
        return found


def _data_key(key: str) -> str:
    """Give the data key of a channel: that of ``scaler/ch1`` is ``scaler``."""
    return key.partition(CHANNEL)[0]


def _shown(key: str) -> str:
    return key.replace(CHANNEL, "/")
