"""Frames by their coordinates: held in memory, then in columns of a run like all its readings.

A frame is a row of a stream of its own, ``#processed``, so that everything that moves columns into
the temporary file, and reads them back, does so with frames. The index is in memory: some hundred
bytes for each frame, which is a line or an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmStateError, NXstxmTypeError
from ..data import DataCoordinates, Frame
from ..documents import Frames
from ._record import AnyArray, RunRecord

#: The stream and its columns.
PROCESSED = "#processed"
DATA, PLACE, ABOUT = "data", "coordinates", "metadata"
#: Frames of this size are not copied together.
_LARGE = 64 * 1024
#: Bytes of frames that are read at a time.
_READ_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class FrameRows:
    """Consecutive frames of a run, of one shape and dtype.

    Attributes
    ----------
    row : int
        Row of the first.
    data : ndarray, shape (n, ...)
        The frames.
    places : list of Mapping
        Their coordinates.
    about : list of Mapping
        Their metadata.
    """

    row: int
    data: AnyArray
    places: list[Mapping[str, Any]]
    about: list[Mapping[str, Any]]


class FrameStore:
    """The frames of one run, to be put and found by any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[DataCoordinates, Frame] = {}
        self._rows: dict[DataCoordinates, int] = {}
        self._n_drained = 0
        self._finished = False
        #: Bytes that are held.
        self.n_bytes = 0

    def put(self, frame: Frame) -> bool:
        """Take a frame; tell whether it replaces another.

        Raises
        ------
        NXstxmStateError
            The run is finished.
        NXstxmTypeError
            HDF5 has no place for such data.
        """
        coords, data, _ = frame
        if data.dtype.kind not in "biufc":
            raise NXstxmTypeError(
                f"the frame at {coords} is of dtype {data.dtype}; frames in a file are of numbers"
            )
        with self._lock:
            if self._finished:
                raise NXstxmStateError(f"{coords} can not be stored: the storage is finished")
            before = self._held.get(coords)
            self._held[coords] = frame
            self.n_bytes += data.nbytes - (0 if before is None else before.data.nbytes)
            return before is not None or coords in self._rows

    def finish(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._finished = True

    def __contains__(self, coords: object) -> bool:
        """Tell whether there is a frame at coordinates."""
        return coords in self._held or coords in self._rows

    def __iter__(self) -> Iterator[DataCoordinates]:
        """Give the coordinates of all frames, each once."""
        with self._lock:
            return iter(list({**self._rows, **dict.fromkeys(self._held, 0)}))

    def __len__(self) -> int:
        """Count the frames."""
        with self._lock:
            return len(self._rows.keys() | self._held.keys())

    def drain(self) -> Iterator[tuple[str, int, np.ndarray[Any, Any] | Frames]]:
        """Hand on what is held, as pieces of columns: key, first row, values.

        They must be in the record before anybody reads again: hold the lock of its owner, and go
        through all of it.
        """
        with self._lock:
            held = list(self._held.values())
            # those of a kind together: they become one piece, also where channels take turns
            held.sort(key=lambda frame: (frame.data.dtype.str, frame.data.shape))
            first = self._n_drained
            self._n_drained += len(held)
            self._rows.update((frame.coordinates, first + i) for i, frame in enumerate(held))
            self._held, self.n_bytes = {}, 0
        if not held:
            return
        begin = 0
        for i in range(1, len(held) + 1):
            a = held[begin].data
            if i == len(held) or held[i].data.shape != a.shape or held[i].data.dtype != a.dtype:
                arrays = [np.asarray(frame.data) for frame in held[begin:i]]
                large = len(arrays) > 1 and a.nbytes >= _LARGE
                yield DATA, first + begin, Frames(arrays) if large else np.stack(arrays)
                begin = i
        yield PLACE, first, _texts([as_json(frame.coordinates) for frame in held])
        yield ABOUT, first, _texts([as_json(frame.metadata) for frame in held])

    def find(self, coords: DataCoordinates) -> Frame | int | None:
        """Give a frame that is held, or the row of the record that has it, or None."""
        with self._lock:
            held = self._held.get(coords)
            return held if held is not None else self._rows.get(coords)


def read_frame(record: RunRecord, h5: h5py.File, row: int) -> tuple[AnyArray, Mapping[str, Any]]:
    """Read a frame of a record: data and metadata."""
    for rows in frames_of(record, h5, row, row + 1):
        return rows.data[0], rows.about[0]
    raise AssertionError(f"run {record.uid:.8} has no frame in row {row}")


def frames_of(
    record: RunRecord, h5: h5py.File, first: int = 0, last: int | None = None
) -> Iterator[FrameRows]:
    """Read frames of a record in the order in which they came.

    Parameters
    ----------
    record : RunRecord
        The record.
    h5 : h5py.File
        The file that holds its columns.
    first, last : int
        Rows, `last` excluded; all unless given.

    Yields
    ------
    FrameRows
        Frames of some megabytes; one that was replaced comes before that which replaced it.
    """
    end = n_frames(record) if last is None else last
    texts = {key: _Cursor(record, h5, key) for key in (PLACE, ABOUT)}
    for piece in record.columns.get((PROCESSED, DATA), ()):
        a, b = max(first, piece.row), min(end, piece.row + piece.n)
        one = int(np.prod(piece.shape, dtype=np.int64)) * piece.dtype.itemsize
        step = max(_READ_BYTES // max(one, 1), 1)
        for at in range(a, b, step):
            stop = min(at + step, b)
            places, about = (texts[key].read(at, stop) for key in (PLACE, ABOUT))
            yield FrameRows(at, piece.read(h5, at, stop), places, about)


def n_frames(record: RunRecord) -> int:
    """Count the frames of a record, replaced ones too."""
    return sum(piece.n for piece in record.columns.get((PROCESSED, PLACE), ()))


class _Cursor:
    """Reads a column of JSON from its beginning to its end, each piece found once."""

    def __init__(self, record: RunRecord, h5: h5py.File, key: str) -> None:
        self._pieces = record.columns.get((PROCESSED, key), [])
        self._h5 = h5
        self._at = 0

    def read(self, first: int, last: int) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while first < last:
            piece = self._pieces[self._at]
            if piece.row + piece.n <= first:
                self._at += 1
                continue
            end = min(last, piece.row + piece.n)
            found += [json.loads(text) for text in piece.read(self._h5, first, end)]
            first = end
        return found


def _texts(values: list[str]) -> np.ndarray[Any, Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def as_json(metadata: Mapping[str, Any]) -> str:
    """Write metadata as JSON: arrays as lists, and as text what is no number, text or list."""
    return json.dumps({str(key): value for key, value in metadata.items()}, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else str(value)
