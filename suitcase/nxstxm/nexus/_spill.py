"""Moving what a run holds in memory into datasets of the temporary file.

What is on disk is told as a result, and noted by the caller when the file was closed without an
error: until then nothing of it is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np

from .._h5chunks import row_places
from ..documents import FileRows
from ._encoding import chunk_shape, open_shape
from ._filters import filters
from ._record import Piece
from ._rooms import FrameRoom
from ._rows import append

#: Arrays of at least this size are stored once: the archive refers to them.
REFERENCE_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
#: Bytes of a detector's file that are copied at a time.
COPIED_BYTES = 8 * 2**20
#: Data key and stream to the room of the column; what puts a frame at a place in it.
Rooms = Mapping[tuple[str, str], FrameRoom]
Put = Callable[[int, Any], object]


@dataclass(frozen=True)
class Spilled:
    """Where the columns and the archive of a run are.

    Attributes
    ----------
    columns : dict of (stream, key) to list of Piece
        All of the run's columns.
    datasets : dict
        Path of the dataset for each column, shape and dtype.
    archive : str or None
        Path of the archive, if any of it is on disk.
    """

    columns: dict[tuple[str, str], list[Piece]] = field(default_factory=dict)
    datasets: dict[tuple[Any, ...], str] = field(default_factory=dict)
    archive: str | None = None


def spill(
    home: h5py.Group,
    columns: dict[tuple[str, str], list[Piece]],
    archive: bytes,
    before: Spilled,
    compression: str = "none",
    *,
    rooms: Rooms | None = None,
    put: Put | None = None,
    store: bool = False,
) -> Spilled:
    """Write what is in memory.

    Parameters
    ----------
    home : h5py.Group
        The group of the run.
    columns : dict of (stream, key) to list of Piece
        The run's columns, partly on disk already.
    archive : bytes
        What is to be appended to the archive.
    before : Spilled
        What is on disk.
    compression : str
        For frames, whose dataset stays in the finished file.
    rooms : Mapping, optional
        Where frames of some columns have rows already.
    put : callable, optional
        Puts a frame at a byte of the file.
    store : bool
        Bring in what lies in files of the detector, too.

    Returns
    -------
    Spilled
        What is on disk then.
    """
    datasets = dict(before.datasets)
    written: dict[tuple[str, str], list[Piece]] = {}
    for column, pieces in columns.items():
        room = None if rooms is None else rooms.get(column)
        if room is not None and put is not None:
            pieces = _into_room(home.file, room, pieces, put)
        written[column] = _spill_column(home, column, pieces, datasets, compression, store)
    path = before.archive
    if archive:
        data = np.frombuffer(archive, np.uint8)
        if path is None:
            path = f"{home.name}/archive"
            chunk = min(max(len(data), 4096), CHUNK_BYTES)
            home.create_dataset("archive", (0,), np.uint8, maxshape=(None,), chunks=(chunk,))
        append(home.file[path], data)
    return Spilled(written, datasets, path)


def _spill_column(
    home: h5py.Group,
    column: tuple[str, str],
    pieces: list[Piece],
    datasets: dict[tuple[Any, ...], str],
    compression: str,
    store: bool,
) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        if isinstance(piece.values, str) or (isinstance(piece.values, FileRows) and not store):
            add_piece(out, piece)
            continue
        kind = (*column, piece.shape, piece.dtype.str)
        path = datasets.get(kind)
        if path is None:
            path = datasets[kind] = f"{home.name}/{len(datasets)}"
            _new_dataset(home.file, path, piece, compression)
        dataset = home.file[path]
        at = len(dataset)
        if isinstance(piece.values, FileRows):
            step = max(COPIED_BYTES // max(row_bytes(piece), 1), 1)
            for first in range(piece.at, piece.at + piece.n, step):
                append(dataset, piece.values[first : min(first + step, piece.at + piece.n)])
        else:
            append(dataset, piece.values)
        add_piece(out, Piece(piece.row, piece.n, path, at, piece.shape, piece.dtype))
    return out


def _into_room(h5: h5py.File, room: FrameRoom, pieces: Sequence[Piece], put: Put) -> list[Piece]:
    """Put frames that are in memory into the rows that they have; others stay as they are."""
    out: list[Piece] = []
    for piece in pieces:
        is_elsewhere = isinstance(piece.values, (str, FileRows))
        if is_elsewhere or not room.fits(piece.shape, piece.dtype):
            out.append(piece)
            continue
        dataset, last = h5[room.path], piece.row + piece.n
        if len(dataset) < last:
            dataset.resize(last, 0)
        for at, frame in zip(row_places(dataset, piece.row, last), piece.values, strict=True):
            put(at, np.ascontiguousarray(frame))
        out.append(Piece(piece.row, piece.n, room.path, piece.row, piece.shape, piece.dtype))
    return out


def row_bytes(piece: Piece) -> int:
    """Give the bytes of one of its readings."""
    return int(np.prod(piece.shape, dtype=np.int64)) * piece.dtype.itemsize


def add_piece(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece that is on disk, to the last one where it goes on."""
    last = pieces[-1] if pieces else None
    if (
        last is not None
        and isinstance(last.values, str)
        and isinstance(piece.values, str)
        and last.values == piece.values
        and last.row + last.n == piece.row
        and last.at + last.n == piece.at
    ):
        pieces[-1] = replace(last, n=last.n + piece.n)
    else:
        pieces.append(piece)


def _new_dataset(h5: h5py.File, path: str, piece: Piece, compression: str) -> None:
    dtype = h5py.string_dtype("utf-8") if piece.dtype.kind == "O" else piece.dtype
    one = row_bytes(piece)
    keywords: dict[str, Any] = {}
    if one >= REFERENCE_BYTES:
        keywords = filters(compression)
        chunks = (1, *piece.shape)  # whole frames, so that one is written without its neighbours
    else:
        # as long as the run seems to be: a scan has hundreds of short runs with dozens of columns
        rows = min(max(CHUNK_BYTES // max(one, 1), 1), max(4 * piece.n, 64))
        chunks = (min(rows, 32768), *chunk_shape(piece.shape, piece.dtype.itemsize))
    keywords |= {"chunks": chunks, "maxshape": open_shape(piece.shape)}
    h5.create_dataset(path, (0, *piece.shape), dtype, **keywords)
