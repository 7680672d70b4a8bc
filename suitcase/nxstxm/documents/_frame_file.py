"""Large arrays that go into the file of their scan at once, and into no journal.

Written to a journal first and to the file afterwards, frames would cost twice what they have to. So
whoever writes the file reserves room in it, rows of a dataset whose places on the disk are known,
and the journal's thread writes each array there, around HDF5, by a handle of its own. The journal
notes where it is, with its checksum. Until there is room, and where there can be none, arrays go
into the journal.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from .._errors import NXstxmOSError
from ._packing import PlacedRef
from ._raw_arrays import array_crc32 as crc32_of
from ._raw_arrays import dtype_from_spec, elements_of

#: By data key what became of its readings: one of an event, several of a page.
Placed = Mapping[str, Sequence[PlacedRef | None]]
#: Run, stream, data key.
Column = tuple[str, str, str]


@dataclass(frozen=True)
class RoomWanted:
    """Asks for room for the arrays of a column.

    Attributes
    ----------
    run, stream, key : str
        The column.
    dtype : str
        Their dtype, as numpy's array protocol has it.
    shape : tuple of int
        The shape of one.
    first : int
        The row from which on there shall be room.
    """

    run: str
    stream: str
    key: str
    dtype: str
    shape: tuple[int, ...]
    first: int


@dataclass(frozen=True, eq=False)
class Room:
    """Rows of a dataset that whoever writes the file keeps away from.

    Attributes
    ----------
    dataset : str
        Its path in the file; its rows are those of the stream.
    first : int
        The first row.
    places : sequence of int
        Byte in the file at which each row begins.
    is_last : bool
        More rows are not expected.
    """

    dataset: str
    first: int
    places: Sequence[int]
    is_last: bool = False


class FrameFile:
    """Puts arrays into the temporary file of a scan, where there is room.

    One thread places arrays; any may grant room, and read.

    Parameters
    ----------
    path : Path
        The temporary file.
    name : str
        What references call it: its path from the folder of the writer on.
    rescue : Path
        A file that is made when somebody removes it.
    ask : callable
        Told what room is wanted; the answer is `grant`, some time.

    Attributes
    ----------
    used : bool
        Whether an array is in it that is nowhere else.
    """

    def __init__(
        self, path: Path, name: str, rescue: Path, ask: Callable[[RoomWanted], object]
    ) -> None:
        self.used = False
        self._path, self._name, self._rescue = path, name, rescue
        self._ask = ask
        self._file: Any = None
        self._reader: Any = None
        self._rooms: dict[Column, tuple[str, tuple[int, ...], Room]] = {}
        self._asked: dict[Column, int] = {}
        self._refused: set[Column] = set()
        self._ended = False
        self._moving = Lock()

    def place(
        self, run: str, stream: str, key: str, row: int, array: np.ndarray[Any, Any]
    ) -> PlacedRef | None:
        """Write an array into its room; None where it has none."""
        column = (run, stream, key)
        if self._ended or column in self._refused:
            return None
        if array.dtype.kind not in "iuf" or not array.dtype.isnative:
            return None
        dtype, shape = array.dtype.str, array.shape
        known = self._rooms.get(column)
        if known is None and column not in self._asked and row > 0:
            self._refused.add(column)  # rows without one came before; it is no stack
            return None
        if known is None:
            self._want(RoomWanted(*column, dtype, shape, row), -1)
            return None
        if known[:2] != (dtype, shape):
            self._refused.add(column)  # an array of another shape: what comes now is no stack
            return None
        room = known[2]
        i = row - room.first
        if i >= len(room.places) // (1 if room.is_last else 2):
            self._want(RoomWanted(*column, dtype, shape, row), room.first)
        if not 0 <= i < len(room.places):
            return None
        elements = elements_of(array)
        if not self._write(room.places[i], elements):
            self._refused.add(column)  # the disk is full; the journal is tried until it is not
            return None
        self.used = True
        return PlacedRef(
            run, stream, key, row, crc32_of(array), self._name, room.dataset, room.places[i],
            dtype, shape,
        )  # fmt: skip

    def _want(self, wanted: RoomWanted, since: int) -> None:
        """Ask for room, once for each that is nearly used up."""
        column = (wanted.run, wanted.stream, wanted.key)
        if self._asked.get(column) != since:
            self._asked[column] = since
            self._ask(wanted)

    def grant(self, wanted: RoomWanted, room: Room | None) -> None:
        """Answer a wish: from now on there is room; None where there will be none."""
        column = (wanted.run, wanted.stream, wanted.key)
        if room is None:
            self._refused.add(column)
        else:
            self._rooms[column] = (wanted.dtype, wanted.shape, room)

    def forget(self, run: str) -> None:
        """Let go of a run that is over."""
        for column in [column for column in self._asked if column[0] == run]:
            del self._asked[column]
            self._rooms.pop(column, None)
            self._refused.discard(column)

    def read(self, ref: PlacedRef) -> np.ndarray[Any, Any]:
        """Read an array that was placed.

        Raises
        ------
        OSError
            The file can not be read.
        ValueError
            It is not there, or not whole.
        """
        with self._moving:
            if self._reader is None:
                raise NXstxmOSError(f"{self._path} is closed")
            return read_placed(self._reader, ref)

    def _write(self, at: int, elements: bytes | memoryview) -> bool:
        try:
            with self._moving:
                if self._file is None:
                    self._file = self._path.open("r+b", buffering=0)
                    self._reader = self._path.open("rb", buffering=0)
                self._file.seek(at)
                view = memoryview(elements)
                while view:
                    view = view[self._file.write(view) :]
        except (OSError, ValueError):  # ValueError: it is closed, the file has its name by now
            return False
        return True

    def sync(self) -> None:
        """Have the disk take what was written."""
        file = self._file
        if file is not None:
            with suppress(OSError, ValueError):
                os.fsync(file.fileno())

    def look_after(self) -> bool:
        """Save the arrays if somebody removed the file; tell whether that was so.

        Raises
        ------
        OSError
            They can not be saved.
        """
        with self._moving:
            if self._file is None or self._file.closed:
                return False
            if os.fstat(self._file.fileno()).st_nlink > 0:
                return False
            self._ended = True  # its writer will fail; the rest is journalled
            if self._rescue.exists():
                return False
            unfinished = self._rescue.with_name(f"{self._rescue.name}.tmp")
            self._reader.seek(0)
            with unfinished.open("wb") as copy:
                shutil.copyfileobj(self._reader, copy, 2**20)
            unfinished.replace(self._rescue)
        return True

    def close(self) -> None:
        """Close the file; what comes later is journalled."""
        with self._moving:
            self._ended = True
            for file in (self._file, self._reader):
                if file is not None:
                    file.close()


def read_placed(file: Any, ref: PlacedRef) -> np.ndarray[Any, Any]:
    """Read an array from a file in which it was placed; its checksum is not looked at.

    Raises
    ------
    OSError
        The file can not be read.
    ValueError
        It ends before the array does, or the reference is none.
    """
    dtype = dtype_from_spec(ref.dtype)
    if ref.at + math.prod(ref.shape) * dtype.itemsize > os.fstat(file.fileno()).st_size:
        raise ValueError(f"{ref.file} ends before the array at byte {ref.at} does")
    found = np.empty(ref.shape, dtype)
    view = found.reshape(-1).view(np.uint8).data if found.size else memoryview(b"")
    file.seek(ref.at)
    done = 0
    while done < len(view):
        n = file.readinto(view[done:])
        if not n:
            raise ValueError(f"{ref.file} ends in the middle of the array at byte {ref.at}")
        done += n
    return found
