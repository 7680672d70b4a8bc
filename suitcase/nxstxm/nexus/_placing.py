"""Frames that are in the temporary file before the run that they belong to hears of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ..documents import DocumentError, Frames, Placed, PlacedRef, Room, RoomWanted, RunStreams
from ._record import AnyArray, Piece
from ._rooms import FrameRoom
from ._scanfile import ScanFile


class Placing:
    """Which frames of a run are where, until they are pieces of its columns.

    Parameters
    ----------
    streams : RunStreams
        The books of the run.

    Attributes
    ----------
    rooms : dict of (stream, key) to FrameRoom
        Columns that have rows on the disk.
    """

    def __init__(self, streams: RunStreams) -> None:
        self.rooms: dict[tuple[str, str], FrameRoom] = {}
        self._streams = streams
        self._placed: dict[tuple[str, str, int], PlacedRef] = {}
        self._paths: list[str] = []

    def expect(self, doc: Mapping[str, Any], placed: Placed) -> None:
        """Note where the arrays of an event are, before it is entered into the books."""
        with suppress(DocumentError):  # told by the books
            stream = self._streams.stream_of(doc.get("descriptor"))
            row = self._streams.n_rows.get(stream, 0)
            for key, refs in placed.items():
                for i, ref in enumerate(refs):
                    if ref is None:
                        continue
                    self._placed[stream, key, row + i] = ref
                    if ref.row != row + i:
                        # an event before it was refused; what is not placed gets rows of its own
                        self.rooms.pop((stream, key), None)

    def cancel(self, placed: Placed) -> None:
        """Forget the arrays of an event that was refused."""
        refused = {ref for refs in placed.values() for ref in refs if ref is not None}
        for at in [at for at, ref in self._placed.items() if ref in refused]:
            del self._placed[at]

    def pieces(self, stream: str, key: str, row: int, values: AnyArray | Frames) -> list[Piece]:
        """Give the pieces of readings: those that are placed, and those that are in memory."""
        shape, dtype = values.shape[1:], values.dtype
        if not self._placed:
            return [Piece(row, len(values), values, 0, shape, dtype)]
        found = []
        for first, last, ref in self._spans(stream, key, row, len(values)):
            n = last - first
            if ref is not None and (ref.shape, ref.dtype) == (shape, dtype.str):
                found.append(Piece(row + first, n, ref.dataset, ref.row, shape, dtype))
            else:
                some = values if n == len(values) else values[first:last]
                found.append(Piece(row + first, n, some, 0, shape, dtype))
        return found

    def _spans(
        self, stream: str, key: str, row: int, n: int
    ) -> Iterator[tuple[int, int, PlacedRef | None]]:
        """Part rows into spans that are placed one after the other, or not at all."""
        refs = [self._placed.pop((stream, key, row + i), None) for i in range(n)]
        first = 0
        for i in range(1, n + 1):
            if i == n or not _goes_on(refs[i - 1], refs[i]):
                yield first, i, refs[first]
                first = i

    def reserve(
        self, file: ScanFile, home: str, wanted: RoomWanted, expected: int | None
    ) -> Room | None:
        """Reserve rows for a column.

        Parameters
        ----------
        file : ScanFile
            The temporary file, which its writer has for itself.
        home : str
            Path of the run's group in it.
        wanted : RoomWanted
            What is asked for.
        expected : int or None
            As many rows are expected.

        Returns
        -------
        Room or None
            None where there can be none.

        Raises
        ------
        NXstxmOSError
            The file can not be written.
        """
        column, dtype = (wanted.stream, wanted.key), np.dtype(wanted.dtype)
        room = self.rooms.get(column)
        if room is None:
            room = FrameRoom(f"{home}/room{len(self._paths)}", wanted.shape, dtype)
        if not room.fits(wanted.shape, dtype):
            return None
        last = room.rows_from(wanted.first, expected)
        with file.session() as h5:
            h5.require_group(home)
            found = room.reserve(h5, wanted.first, last)
        file.kept_free.add(wanted.run, [(at, at + room.row_bytes) for at in found])
        if column not in self.rooms:
            self._paths.append(room.path)
        self.rooms[column] = room
        return Room(room.path, wanted.first, found, is_last=last == expected)

    def trim(self, file: ScanFile, run: str, pieces: Iterable[Piece]) -> None:
        """Give back the rows behind those that pieces of the run are in."""
        if not self._paths:
            return
        used: dict[str, list[tuple[int, int]]] = {path: [] for path in self._paths}
        for piece in pieces:
            if isinstance(piece.values, str) and piece.values in used:
                used[piece.values].append((piece.at, piece.at + piece.n))
        file.kept_free.clear(run)
        with file.session() as h5:
            for path, spans in used.items():
                end = 0
                for first, last in sorted(spans):
                    if first > end:
                        h5[path][end:first] = 0  # what is on the disk there is anybody's
                    end = max(end, last)
                if len(h5[path]) > end:
                    h5[path].resize(end, 0)


def _goes_on(one: PlacedRef | None, other: PlacedRef | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.dataset, one.row + 1) == (other.dataset, other.row) and (
        (one.shape, one.dtype) == (other.shape, other.dtype)
    )
