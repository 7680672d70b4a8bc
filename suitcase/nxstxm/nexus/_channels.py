"""The detectors of an entry: each has a chronological list, most have a picture."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .._h5write import mark, text
from ..scans import Detector, detector_columns
from ._binning import mark_binned
from ._blocks import PointBlock
from ._canvas import Canvas, ListWriter
from ._encoding import group, safe_name
from ._filters import has_filters
from ._linked import note_sources, pieces_of, sources_of, write_linked
from ._points import Points
from ._record import AnyArray, Piece, frame_sums, sum_of

if TYPE_CHECKING:
    from ._entry import EntryWriter

#: Names in an entry or its instrument that no detector may have.
RESERVED = (
    *("title", "start_time", "end_time", "definition", "entry_identifier"),
    *("entry_identifier_uuid", "experiment_identifier", "user", "sample", "instrument"),
    *("control", "quality", "collection", "processed", "binning", "name", "source", "optics"),
    "monochromator",
    *("insertion_device", "beam", "sample_x", "sample_y", "sample_z"),
)
#: Why a point of a picture is NaN though something came.
_NAN = "that is what was read"
_BLOCK = "what came is about the whole line, and in the list of the instrument"
_ODD = (
    "what came is no number (text, or nothing in brackets) or has another shape than the others; "
    "it is in the archive"
)
_FAR = "no sample came near them, or nobody read where it was"


class Channel:
    """A detector of an entry, or one channel of a scaler.

    Parameters
    ----------
    name : str
        Name of its groups.
    key : str
        Its column; begins with ``#`` when nothing came.
    detector : Detector
        What the plan says of it.
    points : Points
        The points of the entry.
    label : str
        What the scientist calls it; `name` is that, as NeXus allows it.

    Attributes
    ----------
    canvas : Canvas or None
        Its picture, once it is open.
    replaced : set of str
        Runs whose part of the picture is made by processors.
    linked : bool
        Its list is the dataset that took its frames, by a second link.
    """

    def __init__(
        self, name: str, key: str, detector: Detector, points: Points, label: str = ""
    ) -> None:
        self.name = name
        self.label = label or name
        self.replaced: set[str] = set()
        self.key = key
        self.detector = detector
        self.canvas: Canvas | None = None
        self.linked = False
        self._points = points
        self._list: ListWriter | None = None
        self._path = ""
        self._dtype: np.dtype[Any] | None = None
        self._n = 0
        self._gaps = dict.fromkeys((_NAN, _BLOCK, _ODD, _FAR), 0)
        #: Rows of runs that stand in the list as they came: (run, first row, n, where).
        self._spans: list[tuple[str, int, int, int]] = []

    @property
    def is_picture(self) -> bool:
        """Whether it gets an NXdata."""
        return self.detector.is_picture

    def open(self, writer: EntryWriter) -> None:
        """Make its NXdetector and, for a picture, its NXdata."""
        home = group(writer.instrument, self.name, "NXdetector")
        key = self.key.lstrip("#")
        mark(home, "role", self.detector.role)
        mark(home, "data_key", key)
        text(home, "local_name", key)
        units, compression = self.detector.units, writer.options.compression
        if self._is_elsewhere(writer, home):
            pass  # nothing is written: there is neither a list nor a dataset of ours
        elif writer.source == writer.h5 and self._is_one_dataset_of_frames(writer, compression):
            self.linked = True
            home["data"] = writer.h5[self._pieces()[0].values]  # the first link goes with staging
            home["data"].attrs["units"] = units
            if self._has_sums:
                self._points.unread.add(self.key)
        else:
            self._list = ListWriter(home, "data", units, compression)
            if self._points.is_whole():
                note_sources(writer, home, pieces_of(self._points, self.key))
        self._path = f"{home.name}/data"
        if self.is_picture:
            data = group(writer.entry, self.name, "NXdata")
            points = self._points
            self.canvas = Canvas(
                data, "data", points.shape, units, compression, sparse=points.are_sparse
            )

    @property
    def _has_sums(self) -> bool:
        """Whether the sums of its frames were taken when they came."""
        record = self._points.job.records[0]
        return (record.measurement or "", sum_of(self.key)) in record.columns

    def _pieces(self) -> list[Piece]:
        """Give the pieces of the only run's column."""
        record = self._points.job.records[0]
        return record.columns.get((record.measurement or "", self.key), [])

    def _is_elsewhere(self, writer: EntryWriter, home: h5py.Group) -> bool:
        """Leave its frames in the files of the detector, where that can be."""
        sources = sources_of(self._points, self.key)
        if sources is None:
            return False
        return write_linked(writer, home, sources, self._pieces()[0], self.detector.units)

    def _is_one_dataset_of_frames(self, writer: EntryWriter, compression: str) -> bool:
        """Tell whether one dataset holds the frames of all points, and nothing else."""
        records, pieces = self._points.job.records, self._pieces()
        if len(records) != 1 or len(pieces) != 1:
            return False
        piece = pieces[0]
        n = records[0].n_rows[records[0].measurement or ""]
        return (
            isinstance(piece.values, str)
            and prod(piece.shape) > 1
            and piece.dtype.kind != "b"
            and (piece.row, piece.at, piece.n) == (0, 0, n)
            and self._points.per_row[id(records[0])] == 1
            and len(writer.source[piece.values]) == n
            and has_filters(writer.source[piece.values], compression)
            and self._points.is_whole()
        )

    def add(self, block: PointBlock) -> None:
        """Add its readings of some points."""
        if self.linked and self._has_sums:
            # the frames stay where they are; nobody has to read them again
            read, present = self._points.read(block, sum_of(self.key))
        else:
            read, present = self._points.read(block, self.key)
        if read.dtype.kind == "b":
            read = read.astype(np.uint8)  # what NeXus calls a number
        native = self._points.samples.native(block, self.key, self.name, blocks=True)
        if self._list is not None and native is not None:
            self._list.add(native)
            self._n += len(native)
        elif self._list is not None:
            self._list.add(_with_gaps(read, present))
            if present is None and block.is_rows:
                self._note_span(block)
            self._n += len(block)
        if self.canvas is not None and block.part.record.uid not in self.replaced:
            # a complex reading has a magnitude to show; the list keeps it whole
            counts = frame_sums(read)
            self._look_at(block, counts, present)
            if present is not None:
                counts = np.where(present, counts, np.nan)
            self.canvas.put(block.position, counts)

    def _look_at(self, block: PointBlock, counts: AnyArray, present: AnyArray | None) -> None:
        """Count the points that are NaN in the picture though something came."""
        inside = block.position >= 0
        nan = np.isnan(counts) & inside
        self._gaps[_NAN] += int(np.count_nonzero(nan if present is None else nan & present))
        if present is None or present.all():
            return
        kind = self._points.samples.form(block.part.record, self.key).kind
        gap = ~present & inside
        key = self.key if not self.key.startswith("#") else self.detector.data_key or self.key
        odd = gap & self._points.unplaced(block, key)
        self._gaps[_BLOCK if kind == "block" else _ODD] += int(np.count_nonzero(odd))
        if kind == "samples":
            self._gaps[_FAR] += int(np.count_nonzero(gap & ~odd))

    def gaps(self) -> Iterator[tuple[int, str]]:
        """Tell why points of its picture are NaN: how many, and the reason."""
        left = 0 if self.canvas is None else self.canvas.missing
        for reason, n in self._gaps.items():
            found = min(n, left)  # processors may have replaced some
            if found:
                yield found, reason
            left -= found
        if left:
            yield left, "no reading came, or none that is a number"

    def _note_span(self, block: PointBlock) -> None:
        run, row, n = block.part.record.uid, block.first, len(block)
        if self._spans:
            last_run, last_row, last_n, at = self._spans[-1]
            if (last_run, last_row + last_n, at + last_n) == (run, row, self._n):
                self._spans[-1] = (run, last_row, last_n + n, at)
                return
        self._spans.append((run, row, n, self._n))

    def place_of(self, run: str, piece: Piece) -> tuple[str, int] | None:
        """Tell where its list holds the readings of a piece as they came.

        Returns
        -------
        (path, at) or None
            The dataset and the index of the first reading; None when it does not hold them all.
        """
        if self.linked:
            return self._path, piece.at
        if self._dtype != piece.dtype:
            return None
        for uid, row, n, at in self._spans:
            if uid == run and row <= piece.row and piece.row + piece.n <= row + n:
                return self._path, at + piece.row - row
        return None

    def close(self) -> None:
        """Write what is left of its list and its picture."""
        if self._list is not None:
            dataset = self._list.close()
            mark_binned(dataset, self.name, self._points)
            self._dtype = dataset.dtype
        if self.canvas is not None:
            self.canvas.close()


def find_channels(points: Points, messages: list[str]) -> list[Channel]:
    """List the detectors that gave something, each channel of a scaler on its own.

    Parameters
    ----------
    points : Points
        The points of the entry.
    messages : list of str
        Takes what has to be said.

    Returns
    -------
    list of Channel
        At least one that is a picture; an empty one when nothing came that makes one.
    """
    found: dict[str, Channel] = {}
    names = set(RESERVED)
    for record in points.job.records:
        stream = record.measurement or ""
        for key, label, detector in detector_columns(record.plan, record.keys(stream)):
            if key not in found and _has_numbers(record.columns[stream, key]):
                name = safe_name(label, names)
                names.add(name)
                found[key] = Channel(name, key, detector, points, label)
    if not any(channel.is_picture for channel in found.values()):
        messages.append("no detector gave a reading that makes a picture; it is NaN")
        known = [d for r in points.job.records for d in r.plan.detectors]
        planned = [d for d in known if d.role == "signal"] or [d for d in known if d.is_picture]
        first = planned[0] if planned else Detector("detector", "signal")
        name = safe_name(first.name, names)
        found[f"#{name}"] = Channel(name, f"#{name}", first, points, first.name)
    return list(found.values())


def _has_numbers(pieces: list[Piece]) -> bool:
    return any(piece.dtype.kind in "biufc" for piece in pieces)


def _with_gaps(read: AnyArray, present: AnyArray | None) -> AnyArray:
    """Mark missing readings as NaN; counts become floats only where some are missing."""
    if present is None or present.all():
        return read
    out = read.astype(np.result_type(read.dtype, np.float32 if read.dtype.itemsize < 4 else float))
    out[~present] = np.nan
    return out
