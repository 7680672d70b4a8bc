"""Rows that lie in files of detectors: they get files of their own in the run, at its end.

What documents say of them comes before, after or between the events that they belong to; and of a
fly scan there may be no events at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from .._errors import NXstxmValueError
from ..documents import (
    DetectorFileError,
    FileRows,
    HeldFileError,
    RowsElsewhere,
    StreamRows,
    open_rows,
    write_virtual,
)
from ._columns import AnyArray, nanoseconds, set_attributes
from ._devices import Devices
from ._file import FileFacts, SequenceFile
from ._options import RunOptions
from ._rows import link_legacy, write_rows_index
from ._stream import SEQ_NUM

#: Bytes that are read at a time.
BLOCK_BYTES = 8 * 2**20
#: A stream without events has at most so many trains a row.
MOST_SPARSE = 1000


@dataclass(frozen=True, eq=False)
class SomeTrains:
    """Consecutive trains of a stream.

    Attributes
    ----------
    ids, times : ndarray of uint64, shape (n,)
        Their ids and times.
    seq_nums : ndarray of int64, shape (n,)
        Sequence numbers of their events.
    """

    ids: AnyArray
    times: AnyArray
    seq_nums: AnyArray


def trains_of_files(files: Sequence[FileFacts], devices: Devices) -> Iterator[SomeTrains]:
    """Give the trains of a stream's files, each of which is complete."""
    where = f"CONTROL/{devices.source_of(SEQ_NUM)}/{devices.name_of(SEQ_NUM)}/value"
    for file in files:
        with h5py.File(file.path, "r") as h5:
            seq_nums = np.asarray(h5[where], np.int64)
            yield SomeTrains(h5["INDEX/trainId"][()], h5["INDEX/timestamp"][()], seq_nums)


def measured(files: Sequence[FileFacts]) -> tuple[AnyArray, AnyArray]:
    """Give the ids and times of all trains of a stream's files."""
    ids, times = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for file in files:
        with h5py.File(file.path, "r") as h5:
            ids.append(h5["INDEX/trainId"][()])
            times.append(h5["INDEX/timestamp"][()])
    return np.concatenate(ids), np.concatenate(times)


def trains_of_rows(
    n: int, time: float, new_id: Callable[[float], int], most: int
) -> Iterator[SomeTrains]:
    """Make trains for a stream that has no events; nobody knows when each of them was."""
    for first in range(0, n, most):
        size = min(most, n - first)
        ids = np.asarray([new_id(time) for _ in range(size)], np.uint64)
        times = np.full(size, nanoseconds(time), np.uint64)
        yield SomeTrains(ids, times, np.arange(first + 1, first + size + 1))


class ExternalRows:
    """The rows of one stream that lie in files.

    Parameters
    ----------
    devices : Devices
        The devices of the stream.
    rows : Mapping of str to sequence of StreamRows
        Where the readings of each data key are.
    options : RunOptions
        How.
    roots : Mapping of str to str
        Where files are now, as far as the source of the documents knows.
    leaves_out_held : bool
        Do without what detectors still write.

    Attributes
    ----------
    messages : list of str
        What can not be read, and why.

    Raises
    ------
    HeldFileError
        A file is still written.
    DetectorFileError
        With ``fill_or_fail``: a file can not be read.
    """

    def __init__(
        self,
        devices: Devices,
        rows: Mapping[str, Sequence[StreamRows]],
        options: RunOptions,
        roots: Mapping[str, str],
        *,
        leaves_out_held: bool,
    ) -> None:
        self.messages: list[str] = []
        self._devices, self._options = devices, options
        self._roots = {**roots, **options.root_map}
        self._parts: dict[str, list[tuple[StreamRows, FileRows]]] = {}
        self._written: list[AnyArray] = []  # sequence numbers of the trains that were written
        for key, its in rows.items():
            found = [(each, file) for each in its if (file := self._open(each, leaves_out_held))]
            alike = [(e, f) for e, f in found if f.shape[1:] == found[0][1].shape[1:]
                     and f.dtype == found[0][1].dtype]  # fmt: skip
            if len(alike) < len(found):
                self.messages.append(f"{key}: files of another shape or dtype are left out")
            if alike:
                self._parts[key] = alike

    @property
    def n_trains(self) -> int:
        """How many trains a stream without events has: up to the last row that is there.

        Raises
        ------
        NXstxmValueError
            Hardly any of so many has a row: a sequence number is wrong.
        """
        last = n_rows = 0
        for parts in self._parts.values():
            for rows, values in parts:
                n = max(min(rows.n, len(values) - rows.index), 0)
                n_rows += n
                last = max(last, rows.seq_num + n - 1 if n else 0)
        if last > MOST_SPARSE * max(n_rows, 1):
            raise NXstxmValueError(
                f"sequence number {last} of a stream that has {n_rows} rows in files is wrong"
            )
        return last

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._parts)

    def _open(self, rows: StreamRows, leaves_out_held: bool) -> FileRows | None:
        key = rows.resource.key
        try:
            return open_rows(rows.resource, self._devices.declaration(key), self._roots)
        except HeldFileError as error:
            if not leaves_out_held:
                raise
            self.messages.append(f"{key}: {error}; its readings are left out")
        except (DetectorFileError, OSError) as error:
            if self._options.fill_or_fail:
                raise
            self.messages.append(f"{key}: {error}; its readings are left out")
        return None

    def write(self, file: SequenceFile, trains: SomeTrains) -> FileFacts:
        """Write the rows of some trains."""
        self._written.append(trains.seq_nums)
        try:
            for key, parts in self._parts.items():
                self._write(file, key, parts, trains)
            return file.finish(trains.ids, trains.times)
        finally:
            file.abandon()

    def _write(
        self,
        file: SequenceFile,
        key: str,
        parts: Sequence[tuple[StreamRows, FileRows]],
        trains: SomeTrains,
    ) -> None:
        source, name = self._devices.rows_of(key), self._devices.name_of(key)
        last = {int(number): i for i, number in enumerate(trains.seq_nums)}  # measured again: last
        where: list[tuple[int, FileRows, int]] = []
        n_short = 0
        for rows, values in parts:
            first = max(rows.seq_num, int(trains.seq_nums.min(initial=0)))
            stop = min(rows.seq_num + rows.n, int(trains.seq_nums.max(initial=0)) + 1)
            for number in range(first, stop):
                at = rows.index + number - rows.seq_num
                if number in last and at < len(values):
                    where.append((last[number], values, at))
                n_short += number in last and at >= len(values)
        if n_short:
            self._tell_short(key, n_short)
        where = sorted({train: (train, v, at) for train, v, at in where}.values(),
                       key=lambda each: each[0])  # fmt: skip
        counts = np.zeros(len(trains.ids), np.uint64)
        counts[[train for train, _, _ in where]] = 1
        facts = self._devices.facts(key)
        values = parts[0][1]
        runs = list(_runs(where))
        can_map = all(each.is_hdf5 and each.each == 1 for each, _, _ in runs)
        if self._options.external == "vds" and runs and can_map:
            group = file.group(f"INSTRUMENT/{source}")
            rows_of = [RowsElsewhere(v.path, v.dataset, first, n) for v, first, n in runs]
            folder, shape = file.final.parent, values.shape[1:]
            made = write_virtual(group, name, folder, rows_of, shape, values.dtype)
            set_attributes(made, facts)
            file.add_source(source, counts)
        else:
            for run in runs:
                _copy(file, source, name, *run)
            empty = np.empty(values.shape[1:], values.dtype)
            group = file.close_rows(source, name, empty, counts, facts)
        write_rows_index(group, trains.ids, counts, pulses=False)
        link_legacy(file, self._options, key, source)

    def _tell_short(self, key: str, n: int) -> None:
        message = f"{key}: the files of the detector have {n} readings less than were announced"
        if self._options.fill_or_fail:
            raise DetectorFileError(message)
        self.messages.append(message)

    def close(self) -> None:
        """Close the files, and tell of readings that came into none."""
        placed = np.concatenate(self._written) if self._written else np.empty(0, np.int64)
        for key, parts in self._parts.items():
            announced = [np.arange(rows.seq_num, rows.seq_num + rows.n) for rows, _ in parts]
            n_lost = len(np.setdiff1d(np.concatenate(announced), placed))
            if n_lost and len(placed):
                self.messages.append(
                    f"{key}: {n_lost} readings in files of the detector have no train of their "
                    f"own, and are not in the run"
                )
        for parts in self._parts.values():
            for _, values in parts:
                values.close()

    @property
    def aliases(self) -> dict[str, tuple[str, str]]:
        """Where the readings of each data key are, as EXtra-data names it."""
        found = {}
        for key in self._parts:
            source, group = self._devices.rows_of(key).rsplit("/", 1)
            found[key] = source, f"{group}.{self._devices.name_of(key)}"
        return found


def _runs(where: Sequence[tuple[int, FileRows, int]]) -> Iterator[tuple[FileRows, int, int]]:
    """Join rows of files that follow each other: file, first row, how many."""
    held: tuple[FileRows, int, int] | None = None
    for _, values, at in where:
        if held is not None and values is held[0] and at == held[1] + held[2]:
            held = values, held[1], held[2] + 1
            continue
        if held is not None:
            yield held
        held = values, at, 1
    if held is not None:
        yield held


def _copy(file: SequenceFile, source: str, name: str, values: FileRows, first: int, n: int) -> None:
    """Copy rows, some at a time."""
    row = int(np.prod(values.shape[1:])) * values.dtype.itemsize
    step = max(BLOCK_BYTES // max(row, 1), 1)
    for at in range(first, first + n, step):
        file.add_rows(source, name, values[at : min(at + step, first + n)])
    file.write_rows()
    file.wait()
    values.close()
