"""Columns whose readings lie in files of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..documents import (
    Block,
    Chunk,
    DetectorFileError,
    FileRows,
    HeldFileError,
    RunStreams,
    StreamAssets,
    StreamRows,
    open_rows,
)
from ._options import WriterOptions
from ._record import SEQ_NUM, TIME, Piece, RunRecord

Index = npt.NDArray[np.int64]
#: Rows that are added at a time to a stream that has none.
_PAGE = 10_000
#: Bytes of files that become frames at a time.
BLOCK_BYTES = 8 * 2**20


class DetectorFiles:
    """The readings of a run that lie in files of detectors.

    Parameters
    ----------
    record : RunRecord
        The run.
    streams : RunStreams
        Its books.
    options : WriterOptions
        The writer's options.

    Attributes
    ----------
    roots : dict of str to str
        Roots of files that the source of the documents knows, to where they are now.
    leaves_out_held : bool
        Do without what detectors still write.
    """

    def __init__(self, record: RunRecord, streams: RunStreams, options: WriterOptions) -> None:
        self.roots: dict[str, str] = {}
        self.leaves_out_held = False
        self._record, self._streams, self._options = record, streams, options
        self._assets = StreamAssets(direct=options.direct)
        self._is_attached = False

    @property
    def has_datums(self) -> bool:
        """Whether events may refer to rows of files: they are to be taken one by one."""
        return self._assets.has_datums

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Note what a document tells of files; of most events that is nothing."""
        if self.has_datums or name not in ("event", "event_page"):
            self._assets.take(name, doc)

    def add_rows(self) -> None:
        """Add the rows of which only files know."""
        if self._assets.rows():
            add_missing_rows(self._assets, self._streams, self._record, self._streams.last_time)

    @property
    def wait(self) -> bool:
        """Whether there are columns to `attach`."""
        return bool(self._assets.rows()) and not self._is_attached

    def attach(self, h5: h5py.File | None) -> None:
        """Add the columns.

        Raises
        ------
        HeldFileError
            A file is still written; nothing was added.
        DetectorFileError
            With ``fill_or_fail``: a file can not be read.
        """
        record, options = self._record, self._options
        record.n_rows = self._streams.n_rows
        record.descriptors = self._streams.descriptors
        roots = {**self.roots, **options.root_map}
        attach(
            self._assets, record, h5, roots,
            or_fail=options.fill_or_fail, leave_out_held=self.leaves_out_held,
        )  # fmt: skip
        self._is_attached = True

    def blocks(self) -> Iterator[tuple[str, list[str], int, int]]:
        """Part the rows that have readings in files; see `file_blocks`."""
        return file_blocks(self._assets, self._record)

    def close(self) -> None:
        """Close the files: nothing more is read of the run."""
        for pieces in self._record.columns.values():
            for piece in pieces:
                if isinstance(piece.values, FileRows):
                    piece.values.close()


def add_missing_rows(
    assets: StreamAssets, streams: RunStreams, record: RunRecord, end: float
) -> None:
    """Add rows to streams of which only files have readings: a fly scan emits no events.

    Parameters
    ----------
    assets : StreamAssets
        What the stream documents told.
    streams : RunStreams
        The books of the run.
    record : RunRecord
        The run, which is told that the times are made up.
    end : float
        When the last of them came at the latest, seconds since the epoch.
    """
    last: dict[str, int] = {}
    for (stream, _), rows in assets.rows().items():
        most = max(each.seq_num + each.n - 1 for each in rows)
        last[stream] = max(last.get(stream, 0), most)
    for stream, n in last.items():
        if streams.n_rows.get(stream):
            continue
        declared = next(d for d in streams.descriptors if d.get("name", "primary") == stream)
        begin = float(declared.get("time") or end)
        times = np.linspace(begin, max(end, begin), n)
        for first in range(0, n, _PAGE):
            some = range(first, min(first + _PAGE, n))
            page = {
                "descriptor": declared["uid"],
                "seq_num": [i + 1 for i in some],
                "time": times[some.start : some.stop].tolist(),
                "data": {},
            }
            streams.take_event_page(page)
        record.note_once(
            f"stream {stream!r} has no events: its {n} rows are those that files of detectors "
            f"have, their times are spread over the run"
        )


def attach(
    assets: StreamAssets,
    record: RunRecord,
    h5: h5py.File | None,
    root_map: Mapping[str, str],
    *,
    or_fail: bool,
    leave_out_held: bool = False,
) -> None:
    """Add the columns that lie in files; what can not be read is left out, and told.

    Parameters
    ----------
    assets : StreamAssets
        What the stream documents told.
    record : RunRecord
        The run; all of its rows are known.
    h5 : h5py.File or None
        The temporary file, where columns are in it.
    root_map : Mapping of str to str
        Where files are now.
    or_fail : bool
        Raise what can not be read.
    leave_out_held : bool
        Leave out what is still written, too.

    Raises
    ------
    HeldFileError
        A file is still written; nothing was added.
    DetectorFileError
        With `or_fail`: a file can not be read.
    """
    for message in assets.messages:
        record.note_once(message)
    found: dict[tuple[str, str], list[Piece]] = {}
    for (stream, key), rows in assets.rows().items():
        seq_nums = _whole(record, h5, stream)
        opened: dict[str, FileRows | None] = {}
        pieces: list[Piece] = []
        for each in rows:
            uid = each.resource.uid
            if uid not in opened:
                try:
                    opened[uid] = _open(each, record, stream, root_map, or_fail=or_fail)
                except HeldFileError as error:
                    if not leave_out_held:
                        raise
                    record.note_once(f"{key}: {error}; its readings are left out")
                    opened[uid] = None
            values = opened[uid]
            if values is not None:
                pieces += _pieces(each, values, seq_nums, record, or_fail=or_fail)
        if pieces:
            found[stream, key] = sorted(pieces, key=lambda piece: piece.row)
    for column, pieces in found.items():
        # what came with the events were ids of datums
        kept = [p for p in record.columns.get(column, ()) if p.dtype.kind != "O"]
        record.columns[column] = sorted([*kept, *pieces], key=lambda piece: piece.row)


def file_blocks(
    assets: StreamAssets, record: RunRecord
) -> Iterator[tuple[str, list[str], int, int]]:
    """Part the rows of the measurement that have readings in files into some that memory holds.

    Yields
    ------
    stream, keys, first, last
        The columns in files, and rows from `first` on, `last` excluded.
    """
    stream = record.measurement
    if stream is None:
        return
    keys = [key for name, key in assets.rows() if name == stream]
    one = max(
        (
            prod(piece.shape) * piece.dtype.itemsize
            for key in keys
            for piece in record.columns.get((stream, key), ())
        ),
        default=0,
    )
    if not one:
        return
    step = max(BLOCK_BYTES // (one * len(keys)), 1)
    n = record.n_rows.get(stream, 0)
    for first in range(0, n, step):
        yield stream, keys, first, min(first + step, n)


def block_of(
    record: RunRecord, h5: Any, stream: str, keys: Sequence[str], first: int, last: int
) -> Block:
    """Read some columns of some rows, as a block of documents would have brought them."""
    seq_nums, times = (
        np.concatenate([array for _, array in record.read(h5, stream, name, first, last)])
        for name in (SEQ_NUM, TIME)
    )
    columns = {
        key: tuple(Chunk(row, array) for row, array in record.read(h5, stream, key, first, last))
        for key in keys
    }
    return Block(stream, first, seq_nums, times, columns)


def _whole(record: RunRecord, h5: Any, stream: str) -> Index:
    n = record.n_rows.get(stream, 0)
    parts = [array for _, array in record.read(h5, stream, SEQ_NUM, 0, n)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _open(
    rows: StreamRows,
    record: RunRecord,
    stream: str,
    root_map: Mapping[str, str],
    *,
    or_fail: bool,
) -> FileRows | None:
    key = rows.resource.key
    try:
        found = open_rows(rows.resource, record.data_key(stream, key), root_map)
    except HeldFileError:
        raise
    except DetectorFileError as error:
        if or_fail:
            raise
        record.note_once(f"{key}: {error}; its readings are left out")
        return None
    declared = record.data_key(stream, key).get("shape")
    if isinstance(declared, Sequence) and not _agree(declared, found.shape[1:]):
        record.note_once(
            f"{key} is declared as {list(declared)}, its file has {list(found.shape[1:])}, which "
            f"is taken"
        )
    return found


def _agree(declared: Sequence[Any], shape: tuple[int, ...]) -> bool:
    """Tell whether shapes are the same but for dimensions of one."""
    return [n for n in declared if n != 1] == [n for n in shape if n != 1]


def _pieces(
    rows: StreamRows, values: FileRows, seq_nums: Index, record: RunRecord, *, or_fail: bool
) -> Iterator[Piece]:
    """Give the pieces of rows that the file has and the stream knows."""
    n = min(rows.n, max(len(values) - rows.index, 0))
    if n < rows.n:
        told = (
            f"{rows.resource.key}: {rows.index + rows.n} readings were announced, {values.path} "
            f"has {len(values)}"
        )
        if or_fail:
            raise DetectorFileError(told)
        record.note_once(told)
    wanted = np.arange(rows.seq_num, rows.seq_num + n)
    order = np.argsort(seq_nums, kind="stable")
    # the last row of those that have a number: what was measured again
    at = np.searchsorted(seq_nums, wanted, side="right", sorter=order) - 1
    there = at >= 0
    row = np.where(there, order[np.maximum(at, 0)] if len(order) else 0, -1)
    there &= (seq_nums[row] == wanted) if len(order) else False
    if not there.all():
        record.note_once(
            f"{rows.resource.key}: {int((~there).sum())} readings have no event; they are in the "
            f"detector's file only"
        )
    index = rows.index + np.flatnonzero(there)
    row = row[there]
    edges = np.flatnonzero((np.diff(row) != 1) | (np.diff(index) != 1)) + 1
    for rs, js in zip(np.split(row, edges), np.split(index, edges), strict=True):
        if len(rs):
            shape = values.shape[1:]
            yield Piece(int(rs[0]), len(rs), values, int(js[0]), shape, values.dtype)
