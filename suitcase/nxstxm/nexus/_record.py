"""What is known of one run: its plan, its documents' books, and where its columns lie.

A column lies in pieces: in memory while the run is small, in the temporary file once it is not.
Whoever reads it does not see the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..documents import FileRows, Frames
from ..scans import BASELINE, ScanPlan, may_measure

AnyArray = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
#: Group of the temporary file in which runs wait.
STAGING = "staging"
#: Names of the columns that every stream has besides its data keys.
SEQ_NUM, TIME = "#seq_num", "#time"


def sum_of(key: str) -> str:
    """Name the column that holds the sums of a column's frames."""
    return f"#sum {key}"


def frame_sums(frames: AnyArray | Frames) -> npt.NDArray[np.float64]:
    """Sum each frame, shape (n,); of complex frames the magnitudes."""
    if isinstance(frames, Frames):
        return np.concatenate([frame_sums(frame[np.newaxis]) for frame in frames])
    values: AnyArray = frames
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "c":
        values, kind = np.abs(values), "f"
    elif kind == "b":
        values, kind = values.view(np.uint8), "u"
    total: npt.DTypeLike = np.float64
    if kind in "iu" and size < 8:
        # whole numbers are summed as such, which is exact, and quicker than making floats of them
        total = np.int64 if kind == "i" else np.uint64
        if size <= 2 and values.ndim > 2 and values.shape[-1] <= 2**15:
            # rows of a camera fit into 32 bits: four times as quick
            values = values.sum(axis=-1, dtype=np.int32 if kind == "i" else np.uint32)
    sums: npt.NDArray[np.float64] = (
        values.reshape(len(values), prod(values.shape[1:]))
        .sum(axis=1, dtype=total)
        .astype(np.float64)
    )
    return sums


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive readings of one shape and dtype.

    Attributes
    ----------
    row : int
        Row of the stream of the first reading.
    n : int
        Number of readings.
    values : ndarray, Frames, FileRows or str
        The readings, shape (m, ...), in memory or in a file of the detector; or the path of the
        dataset that holds them.
    at : int
        Where in `values` the first reading is.
    shape : tuple of int
        Shape of one reading.
    dtype : dtype
        Its dtype.
    """

    row: int
    n: int
    values: AnyArray | Frames | FileRows | str
    at: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, h5: h5py.File, first: int, last: int) -> AnyArray:
        """Read rows `first` to `last` (of the stream), shape (last - first, ...)."""
        start = self.at + first - self.row
        source = h5[self.values] if isinstance(self.values, str) else self.values
        array: AnyArray = source[start : start + last - first]
        return array


@dataclass(frozen=True)
class Step:
    """What was done to the frames of a run by one processor.

    Attributes
    ----------
    name, version : str
        The processor's.
    options : Mapping
        Its options.
    """

    name: str
    version: str
    options: Mapping[str, Any]


@dataclass(eq=False)
class RunRecord:
    """One run of a scan, complete or as far as it came.

    Attributes
    ----------
    plan : ScanPlan
        The bound plan.
    start, stop : Mapping
        The documents; `stop` is None for a run that did not stop.
    descriptors : list of Mapping
        Event descriptors.
    columns : dict of (stream, key) to list of Piece
        Where the readings lie, in the order of their rows.
    n_rows : dict of str to int
        Rows of each stream.
    last_time : float
        Time of the latest document.
    archive : str or list of bytes
        The archive: path of its dataset, or its parts.
    n_documents : int
        Documents in the archive.
    references : set of (stream, key)
        Columns that the archive refers to instead of holding a copy.
    notes : list of str
        What is to be said in its entries, besides what the plan says.
    processing : tuple of Step
        What was done to its frames, in this order.
    lacks_others : bool
        Runs are missing that the plan says belong to its scan.
    """

    plan: ScanPlan
    start: Mapping[str, Any]
    stop: Mapping[str, Any] | None = None
    descriptors: list[Mapping[str, Any]] = field(default_factory=list)
    columns: dict[tuple[str, str], list[Piece]] = field(default_factory=dict)
    n_rows: dict[str, int] = field(default_factory=dict)
    last_time: float = 0.0
    archive: str | list[bytes] = field(default_factory=list)
    n_documents: int = 0
    references: set[tuple[str, str]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    processing: tuple[Step, ...] = ()
    lacks_others: bool = False

    def note_once(self, message: str) -> None:
        """Say something in its entries."""
        if message not in self.notes:
            self.notes.append(message)

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self.plan.run

    @property
    def measurement(self) -> str | None:
        """Name of the stream that holds the measurement."""
        came = [n for n, rows in self.n_rows.items() if rows and n != BASELINE]
        # where nothing else came, what was monitored is the measurement
        names = [n for n in came if may_measure(n, came, self.plan.stream)] or came
        bound = {d.data_key for d in self.plan.detectors if d.role != "other"}
        for name in names:
            if any(s == name and k.partition("/")[0] in bound for s, k in self.columns):
                return name
        return names[0] if names else None

    def keys(self, stream: str) -> list[str]:
        """List the data keys that have readings in a stream."""
        return [k for s, k in self.columns if s == stream and not k.startswith("#")]

    def data_key(self, stream: str, key: str) -> Mapping[str, Any]:
        """Give what the descriptors declare of a key (of a channel: of its key)."""
        for descriptor in self.descriptors:
            if descriptor.get("name", "primary") == stream:
                for name in (key, key.partition("/")[0]):
                    declared = descriptor.get("data_keys", {}).get(name)
                    if isinstance(declared, Mapping):
                        return declared
        return {}

    def read(
        self, h5: h5py.File, stream: str, key: str, first: int, last: int
    ) -> Iterator[tuple[int, AnyArray]]:
        """Read a range of rows of a column.

        Parameters
        ----------
        h5 : h5py.File
            The temporary file.
        stream, key : str
            The column.
        first, last : int
            Rows, `last` excluded.

        Yields
        ------
        row : int
            Row of the first reading of the array.
        values : ndarray, shape (n, ...)
            Readings; rows that have none are in no array.
        """
        for piece in self.columns.get((stream, key), ()):
            a, b = max(first, piece.row), min(last, piece.row + piece.n)
            if a < b:
                yield a, piece.read(h5, a, b)

    def whole(self, h5: h5py.File, stream: str, key: str) -> AnyArray:
        """Read all of a small column of numbers, shape (rows,); rows without reading are NaN."""
        n = self.n_rows.get(stream, 0)
        parts = list(self.read(h5, stream, key, 0, n))
        if len(parts) == 1 and len(parts[0][1]) == n:
            return parts[0][1]
        out = np.full(n, np.nan)
        for row, array in parts:
            if array.ndim == 1 and array.dtype.kind in "biuf":
                out[row : row + len(array)] = array
        return out
