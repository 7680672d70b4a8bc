"""One HDF5 file of a run: some trains of one stream, under another name until it is whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._beside import Beside
from .._errors import NXstxmFileExistsError, NXstxmOSError
from .._h5write import new_group
from .._publish import publish
from .._steady import SteadyFile
from ..documents import cast_exactly
from ._chunks import Run, placed, placed_chunks
from ._columns import AnyArray, Reading, as_column, as_text, set_attributes, write_column
from ._metadata import RunFacts, write_metadata, write_sources

#: Instead of ``.h5``: programs take what has that in its name for a file, whatever is behind it.
SUFFIX = ".tmp"
#: Bytes of frames that are written together; and how many such lots may wait to be.
HELD_BYTES, WAITING = 8 * 2**20, 3
#: Frames of this size (bytes) are chunks that are written as they are.
DIRECT_BYTES = 64 * 1024


@dataclass(frozen=True)
class FileFacts:
    """What a file has that is complete.

    Attributes
    ----------
    path : Path
        The file.
    sources : tuple of str
        ``CONTROL/<device>`` and ``INSTRUMENT/<device>:<channel>/<group>``.
    legacy : Mapping of str to str
        Older names of sources.
    """

    path: Path
    sources: tuple[str, ...]
    legacy: Mapping[str, str]


class SequenceFile:
    """A file of a run that is being written.

    Parameters
    ----------
    final : Path
        What it is called when it is whole.
    sequence : int
        Its number in the order of those of its stream.
    facts : RunFacts
        Of the run.

    Attributes
    ----------
    n_bytes : int
        Bytes of arrays so far.
    """

    def __init__(self, final: Path, sequence: int, facts: RunFacts) -> None:
        self.final = final
        self.temporary = final.with_suffix(SUFFIX)
        self.n_bytes = 0
        self._sequence, self._facts = sequence, facts
        self._sources: dict[str, None] = {}
        self._legacy: dict[str, str] = {}
        self._of_run: dict[str, tuple[str, AnyArray, int, Mapping[str, Any]]] = {}
        self._n_held = 0
        self._held: dict[tuple[str, str], list[AnyArray]] = {}
        self._datasets: dict[str, h5py.Dataset] = {}
        self._groups: dict[str, h5py.Group] = {}
        self._writing: deque[Beside[None]] = deque()
        try:
            self._disk = SteadyFile(self.temporary, "w+b" if facts.overwrite else "x+b")
            self.h5 = h5py.File(self._disk, "w")
        except OSError as error:
            raise NXstxmOSError(f"{self.temporary} can not be made ({error})") from error

    def group(self, path: str) -> h5py.Group:
        """Give a group, made where there is none."""
        known = self._groups.get(path)
        if known is None:
            parent, _, name = path.rpartition("/")
            home = self.group(parent) if parent else self.h5
            try:
                known = new_group(home, name)
            except ValueError:  # a link leads there
                known = home.require_group(name)
            self._groups[path] = known
        return known

    # -- INSTRUMENT -------------------------------------------------------------------------------

    def add_rows(self, source: str, key: str, rows: AnyArray) -> None:
        """Add rows to a dataset of an instrument source, ``<device>:<channel>/<group>``."""
        self._held.setdefault((source, key), []).append(rows)
        self._n_held += rows.nbytes
        self.n_bytes += rows.nbytes
        if self._n_held > HELD_BYTES:
            self.write_rows()

    def widen(self, source: str, key: str, dtype: np.dtype[Any]) -> bool:
        """Give a dataset of which nothing is written another dtype; tell whether that is possible.

        It is where the dtype can have each row that is held exactly.
        """
        held = self._held.get((source, key), [])
        if f"INSTRUMENT/{source}/{key}" in self._datasets:
            return False
        cast = [cast_exactly(rows, dtype) for rows in held]
        if any(rows.dtype != dtype for rows in cast):
            return False
        self._n_held += sum(rows.nbytes for rows in cast) - sum(rows.nbytes for rows in held)
        held[:] = cast
        return True

    def write_rows(self) -> None:
        """Write the rows that are held; frames while other things are done.

        Raises
        ------
        OSError
            They, or those before them, can not be written.
        """
        runs: list[Run] = []
        for (source, key), held in self._held.items():
            dataset = self._dataset(source, key, held[0].shape[1:], held[0].dtype)
            n, n_new = len(dataset), sum(len(rows) for rows in held)
            dataset.resize(n + n_new, 0)
            if dataset.chunks[0] == 1 and held[0].dtype.kind != "O":
                runs += placed_chunks(
                    self._disk.fileno(), dataset, n, [row for rows in held for row in rows]
                )
            elif n_new:
                new = np.concatenate(held) if len(held) > 1 else held[0]
                dataset[n:] = as_text(new) if new.dtype.kind == "O" else new
        self._held, self._n_held = {}, 0
        self.wait(WAITING - 1)
        if runs:
            self._writing.append(Beside(partial(_write, self._disk, runs)))

    def wait(self, most: int = 0) -> None:
        """Wait until frames that are being written are in the file.

        Parameters
        ----------
        most : int
            So many lots of them may not be.

        Raises
        ------
        OSError
            Something could not be written.
        """
        while len(self._writing) > most:
            try:
                self._writing.popleft().result()
            except OSError as error:
                self._disk.error = error  # so that nobody can complete it
        if self._disk.error is not None:
            raise self._disk.error

    def _dataset(
        self, source: str, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> h5py.Dataset:
        """Give a dataset, made where there is none, for rows of a shape."""
        path = f"INSTRUMENT/{source}/{key}"
        known = self._datasets.get(path)
        if known is None:
            stored = h5py.string_dtype() if dtype.kind == "O" else dtype
            chunks = _chunks(shape, stored.itemsize)
            known = self._datasets[path] = self.group(f"INSTRUMENT/{source}").create_dataset(
                key, (0, *shape), stored, maxshape=(None, *shape), chunks=chunks,
                dcpl=placed() if chunks[0] == 1 else None,
            )  # fmt: skip
        return known

    def close_rows(
        self, source: str, key: str, empty: AnyArray, counts: AnyArray, facts: Mapping[str, Any]
    ) -> h5py.Group:
        """Complete an instrument source: how many rows each train has, and its attributes.

        Returns
        -------
        h5py.Group
            The group of its data.
        """
        self.write_rows()
        dataset = self._dataset(source, key, empty.shape, empty.dtype)
        set_attributes(dataset, facts)
        self.add_source(source, counts)
        return dataset.parent

    def add_source(self, source: str, counts: AnyArray) -> None:
        """Make an instrument source known."""
        self._sources[f"INSTRUMENT/{source}"] = None
        self._index(source, counts)

    def add_legacy(self, old: str, source: str) -> None:
        """Let an instrument source be found by an older name too, ``<device>:<channel>``.

        Of several that would have the same name the first has it.
        """
        new, group = source.rsplit("/", 1)
        if old in self._legacy or f"INSTRUMENT/{old}" in self.h5:
            return
        for home in ("INSTRUMENT", "INDEX"):
            parent, _, last = f"{home}/{old}".rpartition("/")
            self.group(parent)[last] = h5py.SoftLink(f"/{home}/{new}")
        self._sources[f"INSTRUMENT/{old}/{group}"] = None
        self._legacy[old] = new

    # -- CONTROL, RUN ---------------------------------------------------------------------------

    def add_control(
        self, source: str, key: str, values: AnyArray, times: AnyArray, facts: Mapping[str, Any]
    ) -> None:
        """Add a column of a control source, a value each train; the first is that of the run."""
        self._write_control(source, key, values, times, facts)
        if len(values):
            self.add_run(source, key, Reading(values[0], int(times[0])), facts)

    def _write_control(
        self, source: str, key: str, values: AnyArray, times: AnyArray, facts: Mapping[str, Any]
    ) -> None:
        group = self.group(f"CONTROL/{source}/{key}")
        write_column(group, "value", values)
        write_column(group, "timestamp", times)
        set_attributes(group, facts)
        name = f"CONTROL/{source}"
        if name not in self._sources:
            self._sources[name] = None
            self._index(source, np.ones(len(values), np.uint64))

    def add_run(self, source: str, key: str, first: Reading, facts: Mapping[str, Any]) -> None:
        """Add a value of the run; of several the first counts.

        What a device measures may be its configuration as well.
        """
        group = self.group(f"RUN/{source}/{key}")
        if "value" in group:
            return
        value = first.value
        values = value[np.newaxis] if isinstance(value, np.ndarray) else as_column([value])
        write_column(group, "value", values, grows=False)
        write_column(group, "timestamp", np.asarray([first.time], np.uint64), grows=False)
        set_attributes(group, facts)
        known = self._of_run.get(source)
        is_small = known is None or (values.dtype.kind == "O", values.nbytes) < (
            known[1].dtype.kind == "O",
            known[1].nbytes,
        )
        if is_small:
            self._of_run[source] = key, values, first.time, facts

    def _hold_run_values(self, n: int) -> None:
        """Give sources that have values of the run alone one that is held for all trains.

        EXtra-data's `write` makes files of others that can not be read.
        """
        for source, (key, values, read, facts) in self._of_run.items():
            if f"CONTROL/{source}" not in self._sources:
                held, times = np.repeat(values, n, axis=0), np.full(n, read, np.uint64)
                self._write_control(source, key, held, times, facts)

    def _index(self, source: str, counts: AnyArray) -> None:
        counts = counts.astype(np.uint64)
        group = self.group(f"INDEX/{source}")
        write_column(group, "first", np.cumsum(counts, dtype=np.uint64) - counts)
        write_column(group, "count", counts)

    # -- the end ----------------------------------------------------------------------------------

    def finish(self, train_ids: AnyArray, times: AnyArray) -> FileFacts:
        """Complete the file, and give it its name; tell what it has.

        Raises
        ------
        NXstxmOSError
            It can not be written, or the name is taken.
        """
        facts = self.complete(train_ids, times)
        self.publish()
        return facts

    def complete(self, train_ids: AnyArray, times: AnyArray) -> FileFacts:
        """Complete the file, all but its name; tell what it has.

        Raises
        ------
        NXstxmOSError
            It can not be written.
        """
        try:
            self.write_rows()
            self._hold_run_values(len(train_ids))
            self._complete(train_ids, times)
            self.wait()
            self.h5.close()
            self._disk.close()
        except OSError as error:
            raise NXstxmOSError(f"{self.final} could not be written ({error})") from error
        finally:
            self.abandon()
        return FileFacts(self.final, tuple(self._sources), self._legacy)

    def publish(self) -> None:
        """Give the complete file its name; any thread may.

        Raises
        ------
        NXstxmOSError
            The disk does not take it, or the name is taken.
        """
        try:
            publish(self.temporary, self.final, overwrite=self._facts.overwrite)
        except FileExistsError as error:
            raise NXstxmFileExistsError(f"{self.final} is there already") from error
        except OSError as error:
            raise NXstxmOSError(f"{self.final} could not be written ({error})") from error

    def _complete(self, train_ids: AnyArray, times: AnyArray) -> None:
        n = len(train_ids)
        index = self.group("INDEX")
        write_column(index, "trainId", train_ids.astype(np.uint64))
        write_column(index, "timestamp", times.astype(np.uint64))
        write_column(index, "flag", np.ones(n, np.int32))
        write_column(index, "origin", np.full(n, -1, np.int32))
        for name in ("CONTROL", "INSTRUMENT", "RUN"):
            self.group(name)
        write_metadata(self.group("METADATA"), self._facts, self._sequence)
        write_sources(self.group("METADATA/dataSources"), self._sources)
        self.h5.attrs["writer"] = "suitcase.nxstxm"

    def abandon(self) -> None:
        """Let go of the file; what is written of it stays under its other name."""
        with suppress(OSError):
            self.wait()
        self.h5.close()
        with suppress(OSError):
            self._disk.close()


def _write(_disk: SteadyFile, runs: list[Run]) -> None:
    """Write frames into a file, which stays open as long as somebody has it."""
    for run in runs:
        run.write()


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Choose chunks of whole frames: one, or so many that they are 64 KiB."""
    one = int(np.prod(shape, dtype=np.int64)) * itemsize
    return (max(DIRECT_BYTES // max(one, 1), 1), *(max(n, 1) for n in shape))
