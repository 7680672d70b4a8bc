"""What processors gave, in the entries of a file: pictures, arrays of their own, provenance.

A frame that fills a part of an entry's picture becomes that part. A frame of another shape, or
with other axes, gets an NXdata in the NXcollection ``processed``: readers of NXstxm expect every
NXdata of an entry itself to be a picture of the scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from .._h5write import clean, mark, text
from ..data import COMPLETE, EVENT
from ._canvas import Canvas
from ._channels import RESERVED, Channel
from ._data import write_data
from ._encoding import group, mark_axes, safe_name, texts, values
from ._filters import filters
from ._frameplaces import Fit, FramePlaces
from ._framestore import as_json, frames_of
from ._positions import axis_values
from ._record import AnyArray
from ._spill import REFERENCE_BYTES

if TYPE_CHECKING:
    from ._entry import EntryWriter

#: Group of the arrays that are no pictures of the scan.
HOME = "processed"
#: Attribute of such an array: by which coordinates its frames are found.
COORDINATES = "coordinates"
#: First axis of frames that make no grid, and the attribute that names their columns.
LISTED, COLUMNS = "frame", "columns"
#: Cells of such an array for each of its frames, beyond which they are listed instead.
_SPARSE = 8


@dataclass(eq=False)
class _Array:
    """Frames that make an array of their own.

    Attributes
    ----------
    label : str
        The detector's name, or what a processor calls the channel.
    axes : tuple of str
        Names of their coordinates.
    shape : tuple of int
        Shape of each frame.
    dtype : dtype
        Holds all of them.
    units : str
        Their units.
    seen : dict
        Their coordinates, in the order in which they came.
    """

    label: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    units: str
    seen: dict[tuple[Any, ...], None] = field(default_factory=dict)

    def place(self, indices: Mapping[str, Any]) -> tuple[Any, ...]:
        """Give the coordinates of a frame in the order of the axes."""
        return tuple(indices[axis] for axis in self.axes)


class _Given(NamedTuple):
    """A frame of the entry.

    Attributes
    ----------
    run, label : str
        Its run, and the detector's name.
    indices : Mapping
        Its coordinates along axes.
    fit : Fit or None
        What it is in the picture.
    is_complete : bool
        Whether all of its points came.
    units : str or None
        What its metadata say of its units.
    data : ndarray
        Its data.
    """

    run: str
    label: str
    indices: Mapping[str, Any]
    fit: Fit | None
    is_complete: bool
    units: str | None
    data: AnyArray

    @property
    def kind(self) -> tuple[Any, ...]:
        """What frames of one array have in common."""
        return (self.label, tuple(sorted(self.indices)), self.data.shape)


class ProcessedFrames:
    """The frames of an entry that went through processors.

    Parameters
    ----------
    writer : EntryWriter
        The entry; its channels are known.
    """

    def __init__(self, writer: EntryWriter) -> None:
        self._writer = writer
        self._parts = [part for part in writer.job.parts if part.record.processing]
        self._pictures: dict[str, tuple[str, Canvas]] = {}  # by label: name, canvas
        self._arrays: dict[tuple[Any, ...], _Array] = {}
        self._new: dict[str, str] = {}  # label of a picture that no detector has, units
        self._by_label: dict[str, Channel] = {c.label: c for c in writer.channels}
        for given in self._frames():
            self._look_at(given)

    def _frames(self) -> Iterator[_Given]:
        """Give the frames of the entry; those beyond the plan are in no picture, and left out."""
        for part in self._parts:
            places = FramePlaces(self._writer.points, part)
            record = part.record
            for rows in frames_of(record, self._writer.source):
                for coords, about, data in zip(rows.places, rows.about, rows.data, strict=True):
                    if about.get("stream", record.measurement) != record.measurement:
                        continue
                    if EVENT in coords or not places.belongs(coords):
                        continue
                    yield _Given(
                        record.uid,
                        places.label(coords),
                        places.indices(coords),
                        places.fit(coords, np.asarray(data)),
                        about.get(COMPLETE, True) is not False,
                        about.get("units"),
                        np.asarray(data),
                    )

    def _look_at(self, given: _Given) -> None:
        """Find out what a frame becomes."""
        channel = self._by_label.get(given.label)
        units = given.units or ("counts" if channel is None else channel.detector.units)
        if given.fit is not None:
            if channel is not None and channel.is_picture:
                channel.replaced.add(given.run)
            else:
                self._new.setdefault(given.label, units)
        if given.fit is None or given.fit.is_sum:
            array = self._arrays.get(given.kind)
            if array is None:
                axes = self._in_order(given.indices)
                array = _Array(given.label, axes, given.data.shape, given.data.dtype, units)
                self._arrays[given.kind] = array
            array.dtype = np.result_type(array.dtype, given.data.dtype)
            array.seen[array.place(given.indices)] = None

    def _in_order(self, names: Mapping[str, Any]) -> tuple[str, ...]:
        """Order axes as the entry does; those that it has not come first."""
        known = [axis.name for axis in self._writer.plan.axes]
        return tuple(sorted(names, key=lambda n: (n in known, known.index(n) if n in known else n)))

    # -- writing ----------------------------------------------------------------------------------

    def write(self) -> None:
        """Write all of it; the pictures of the detectors are open, and closed afterwards."""
        if not self._parts:
            return
        writer = self._writer
        taken = {*RESERVED, *writer.entry, *(c.name for c in writer.channels)}
        for label in self._new:
            channel = self._by_label.get(label)
            name = channel.name if channel is not None else safe_name(label or "processed", taken)
            taken.add(name)
            data = group(writer.entry, name, "NXdata")
            mark(data, "label", label)
            units, points = self._new[label], writer.points
            self._pictures[label] = (
                name,
                Canvas(
                    data, "data", points.shape, units, writer.options.compression,
                    sparse=points.are_sparse,
                ),
            )  # fmt: skip
        self._fill_pictures()
        self._write_arrays()
        self._say_what_is_raw()
        write_processing(writer, taken)

    def close(self) -> None:
        """Complete the pictures that processors added; those of the detectors are complete."""
        for label, (name, canvas) in self._pictures.items():
            canvas.close()
            write_data(self._writer, name, self._new[label])

    def _fill_pictures(self) -> None:
        canvases = {c.label: c.canvas for c in self._writer.channels}
        canvases |= {label: canvas for label, (_, canvas) in self._pictures.items()}
        for given in self._frames():
            canvas = canvases.get(given.label)
            if given.fit is None or canvas is None:
                continue
            position, found, _ = given.fit
            if not given.is_complete:
                came = np.isfinite(found)  # what did not come must not replace what did
                position, found = position[came], found[came]
            canvas.put(position, found)

    def _say_what_is_raw(self) -> None:
        """Name the pictures that are of readings as they came though there are processors."""
        runs = {part.record.uid for part in self._parts}
        for channel in self._writer.channels:
            if channel.is_picture and not runs <= channel.replaced:
                self._writer.messages.append(
                    f"the processors gave nothing that fits {channel.name}; its picture is of the "
                    f"readings as they came"
                )

    # -- arrays of their own ----------------------------------------------------------------------

    def _write_arrays(self) -> None:
        if not self._arrays:
            return
        home = group(self._writer.entry, HOME, "NXcollection")
        made: dict[tuple[Any, ...], _ArrayWriter] = {}
        for kind, array in self._arrays.items():
            name = safe_name(array.label or HOME, home)
            made[kind] = _ArrayWriter(self._writer, group(home, name, "NXdata"), array)
        for given in self._frames():
            writer = made.get(given.kind)
            if writer is not None:
                writer.put(writer.array.place(given.indices), given.data)
        for writer in made.values():
            writer.close()


class _ArrayWriter:
    """Writes frames into an NXdata of their own: a grid of them, or a list."""

    def __init__(self, writer: EntryWriter, home: h5py.Group, array: _Array) -> None:
        self.array = array
        self._writer = writer
        self._home = home
        self._sizes = self._grid()
        self._rows = {at: i for i, at in enumerate(array.seen)}
        outer = (len(self._rows),) if self._sizes is None else self._sizes
        shape, dtype = (*outer, *array.shape), array.dtype
        if dtype.kind == "b":
            dtype = np.dtype(np.uint8)  # what NeXus calls a number
        fill: Any = None
        if prod(outer) > len(self._rows):
            dtype = np.result_type(dtype, np.float32 if dtype.itemsize < 4 else np.float64)
            fill = np.nan
        keywords: dict[str, Any] = {}
        compression = writer.options.compression
        if prod(array.shape) * dtype.itemsize >= REFERENCE_BYTES:
            keywords = {"chunks": (*(1,) * len(outer), *array.shape), **filters(compression)}
        self._data = home.create_dataset("data", shape, dtype, fillvalue=fill, **keywords)
        mark(self._data, "units", array.units)
        mark(home, "label", array.label)

    def _grid(self) -> tuple[int, ...] | None:
        """Give the size along each coordinate; None where a grid would be mostly empty."""
        array = self.array
        planned = {
            axis.name: size
            for axis, size in zip(self._writer.plan.axes, self._writer.points.shape, strict=True)
        }
        sizes = []
        for i, axis in enumerate(array.axes):
            index = [at[i] for at in array.seen]
            if not all(isinstance(value, int) and value >= 0 for value in index):
                return None
            most = max(index) + 1
            sizes.append(max(most, planned[axis]) if axis in planned else most)
        return tuple(sizes) if prod(sizes) <= _SPARSE * len(array.seen) else None

    def put(self, at: tuple[Any, ...], data: AnyArray) -> None:
        """Write a frame."""
        self._data[at if self._sizes is not None else self._rows[at]] = data

    def close(self) -> None:
        """Write the axes."""
        array, home = self.array, self._home
        home.attrs[COORDINATES] = _words(array.axes)
        names = self._write_list() if self._sizes is None else self._write_grid(self._sizes)
        for i, size in enumerate(array.shape):
            name = safe_name(f"dim_{i}", home)
            values(home, name, np.arange(size), "1")
            names.append(name)
        mark_axes(home, "data", names)

    def _write_list(self) -> list[str]:
        """Write the coordinates of each frame."""
        home = self._home
        values(home, LISTED, np.arange(len(self._rows)), "1")
        columns = []
        for i, axis in enumerate(self.array.axes):
            column = [at[i] for at in self._rows]
            name = safe_name(axis, home)
            columns.append(name)
            if all(isinstance(value, (int, float)) for value in column):
                values(home, name, np.array(column), "1")
            else:
                texts(home, name, [str(value) for value in column])
        home.attrs[COLUMNS] = _words(columns)
        return [LISTED]

    def _write_grid(self, sizes: tuple[int, ...]) -> list[str]:
        """Write an axis for each coordinate."""
        home = self._home
        planned = {axis.name: axis for axis in self._writer.plan.axes}
        names = []
        for i, (axis, size) in enumerate(zip(self.array.axes, sizes, strict=True)):
            known = planned.get(axis)
            name = safe_name(axis, home)
            names.append(name)
            if known is None:
                values(home, name, np.arange(size), "1")
            else:
                values(home, name, axis_values(self._writer, known, size), known.units or "1")
            home.attrs[f"{name}_indices"] = i
        return names


def _words(words: Iterable[str]) -> AnyArray:
    return np.array([clean(word).encode() for word in words] or [b""])


def write_processing(writer: EntryWriter, taken: set[str]) -> None:
    """Write an NXprocess for each thing that was done to the frames of an entry.

    The fields are those of the base class (https://manual.nexusformat.org/classes/base_classes/
    NXprocess.html).
    """
    done: dict[tuple[int, str, str, str], list[str]] = {}
    records = writer.job.records
    for record in records:
        for i, step in enumerate(record.processing, 1):
            key = (i, step.name, step.version, as_json(step.options))
            done.setdefault(key, []).append(record.uid)
    for (number, name, version, options), runs in sorted(done.items()):
        safe = safe_name(name, taken)
        taken.add(safe)
        made = group(writer.entry, safe, "NXprocess")
        text(made, "program", name)
        text(made, "version", version)
        values(made, "sequence_index", number)
        note = group(made, "options", "NXnote")
        text(note, "type", "application/json")
        text(note, "data", options)
        if len(runs) < len(records):
            writer.messages.append(f"{name} was done to {len(runs)} of {len(records)} runs")
