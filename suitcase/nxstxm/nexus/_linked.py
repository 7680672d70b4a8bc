"""Lists of frames that stay in the detector's own files.

An external link has the whole of one dataset, and follows it. A virtual dataset has named rows of
one or several, whatever becomes of the others. Both name the files relative to ours, so that a
folder can be moved as one.

A link costs nothing and any program follows it; but nothing can be written beside the data, which
are the detector's, so the unit stands in the group. Where the source is gone a link is an error and
a virtual dataset silently has fill values: so whole datasets are linked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from .._h5write import mark
from ..documents import FileRows, RowsElsewhere, open_hdf5, relative_name, write_virtual
from ._check_rules import DATA_UNITS
from ._record import Piece

if TYPE_CHECKING:
    from ._entry import EntryWriter
    from ._points import Points

#: Attributes that name the source of readings.
SOURCE_FILE, SOURCE_DATASET, SOURCE_ROWS = "source_file", "source_dataset", "source_rows"
#: A list in more parts than these is copied: the parts of a virtual dataset are looked through for
#: each reading, and what names them has to fit into attributes (64 KiB).
MOST_SOURCES = 1000


@dataclass(frozen=True)
class Source:
    """Consecutive rows of a dataset in another file, or files of a series.

    Attributes
    ----------
    path : Path
        The file, or the folder of a series.
    dataset : str
        The dataset; empty for a series.
    first, n : int
        The rows.
    length : int
        All rows that it has.
    is_hdf5 : bool
        Whether it is an HDF5 file each row of which is a reading: it can be linked.
    """

    path: Path
    dataset: str
    first: int
    n: int
    length: int
    is_hdf5: bool


def sources_of(points: Points, key: str) -> list[Source] | None:
    """Give the rows of other files that are the list of a column, one after the other.

    None where the list has to be copied: some of it is in memory, is no HDF5, or is not taken row
    by row in the order in which it came.
    """
    for part in points.job.parts:
        record = part.record
        stream = record.measurement or ""
        its = record.columns.get((stream, key), [])
        if points.per_row[id(record)] != 1 or not are_whole(its, record.n_rows.get(stream, 0)):
            return None
    found = sources_of_pieces(pieces_of(points, key))
    return found if found is not None and points.is_whole() else None


def pieces_of(points: Points, key: str) -> list[Piece]:
    """Give the pieces of a column in all runs of an entry."""
    return [
        piece
        for part in points.job.parts
        for piece in part.record.columns.get((part.record.measurement or "", key), ())
    ]


def sources_of_pieces(pieces: Sequence[Piece]) -> list[Source] | None:
    """Give the rows of other files that pieces are; None where some are not, or of another form."""
    found: list[Source] = []
    for piece in pieces:
        source = _source_of(piece)
        if source is None or not source.is_hdf5:
            return None
        if (piece.shape, piece.dtype) != (pieces[0].shape, pieces[0].dtype):
            return None
        found.append(source)
    return found or None


def _source_of(piece: Piece) -> Source | None:
    """Give the rows of another file that a piece is; None where it is not."""
    values = piece.values
    if not isinstance(values, FileRows):
        return None
    each = values.each
    is_hdf5 = values.is_hdf5 and each == 1
    at, n, length = piece.at * each, piece.n * each, len(values) * each
    return Source(values.path, values.dataset, at, n, length, is_hdf5)


def are_whole(pieces: Sequence[Piece], n: int) -> bool:
    """Tell whether pieces have every row, in order."""
    at = 0
    for piece in pieces:
        if piece.row != at:
            return False
        at += piece.n
    return at == n


def write_linked(
    writer: EntryWriter,
    home: h5py.Group,
    sources: Sequence[Source],
    piece: Piece,
    units: str | None,
    name: str = "data",
) -> bool:
    """Make a dataset of a detector a link to its file, or a virtual dataset.

    Parameters
    ----------
    writer : EntryWriter
        The entry; its options say which.
    home : h5py.Group
        The group that gets it.
    sources : sequence of Source
        Where the list is.
    piece : Piece
        Any piece of it: its shape and dtype are those of all.
    units : str or None
        The unit.
    name : str
        The dataset's name.

    Returns
    -------
    bool
        False when it has to be copied.
    """
    choice, own = writer.options.external, writer.path
    if choice == "copy" or own is None or len(sources) > MOST_SOURCES:
        return False
    whole = _whole(sources)
    names = {source.path: relative_name(source.path, own.parent) for source in sources}
    if choice in ("auto", "link") and whole is not None:
        home[name] = h5py.ExternalLink(names[whole.path], whole.dataset)
        if units is not None:
            mark(home, DATA_UNITS, units)
    elif choice == "link":
        writer.messages.append(
            f"{home.name}/{name} is no whole dataset of one file, which a link would be; its "
            f"frames are copied"
        )
        return False
    else:
        rows = [RowsElsewhere(s.path, s.dataset, s.first, s.n) for s in sources]
        write_virtual(home, name, own.parent, rows, piece.shape, piece.dtype)
        if units is not None:
            mark(home[name], "units", units)
    _note(home, sources, names)
    return True


def _whole(sources: Sequence[Source]) -> Source | None:
    """Give the only source, if all of its rows are wanted."""
    [first, *others] = sources
    return None if others or first.first or first.n != first.length else first


def copy_whole(
    writer: EntryWriter,
    home: h5py.Group,
    sources: Sequence[Source],
    piece: Piece,
    units: str | None,
    name: str,
) -> bool:
    """Copy a whole dataset of a detector as HDF5 does, chunk by chunk; see `write_linked`.

    Returns
    -------
    bool
        False when it has to be read: there are several, it has filters that not everybody has, or
        ours is to be compressed.
    """
    whole = _whole(sources)
    if whole is None or writer.options.compression != "none":
        return False
    with open_hdf5(whole.path) as h5:
        stored = h5[whole.dataset]
        properties = stored.id.get_create_plist()
        is_plain = (
            stored.shape == (whole.length, *piece.shape)
            and stored.dtype.isnative
            and not properties.get_nfilters()
            and not properties.get_external_count()
            and not stored.is_virtual
        )
        if is_plain:
            h5.copy(stored, home, name, without_attrs=True)
    if is_plain and units is not None:
        mark(home[name], "units", units)
    return is_plain


def note_sources(writer: EntryWriter, home: h5py.Group, pieces: Sequence[Piece]) -> None:
    """Note in the group of a copied list from which files it came."""
    sources = [source for source in map(_source_of, pieces) if source is not None]
    if not 0 < len(sources) <= MOST_SOURCES:
        return
    folder = Path.cwd() if writer.path is None else writer.path.parent
    _note(home, sources, {source.path: relative_name(source.path, folder) for source in sources})


def _note(home: h5py.Group, sources: Sequence[Source], names: Mapping[Path, str]) -> None:
    home.attrs[SOURCE_FILE] = [names[source.path] for source in sources]
    home.attrs[SOURCE_DATASET] = [source.dataset for source in sources]
    home.attrs[SOURCE_ROWS] = [[source.first, source.first + source.n] for source in sources]
