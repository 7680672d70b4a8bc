"""The data of a file, ready to be drawn: arrays with their axes, one of each entry."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from suitcase.nxstxm._errors import NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.nexus import COUNTED, Channel, Contents, Coordinate, Entry, read_contents

Floats: TypeAlias = npt.NDArray[np.float64]
#: Which part of an array: a number or all, for each of its dimensions.
Part: TypeAlias = tuple[int | slice, ...]
#: Changes a part of an array.
Change: TypeAlias = Callable[[Part, Floats], Floats]
_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Line:
    """A named list of numbers: an axis, or positions.

    Attributes
    ----------
    values : array of float, shape (n,)
        In `units`.
    """

    name: str
    values: Floats
    units: str


@dataclass(frozen=True, eq=False)
class Along:
    """What is left of a stack when each image becomes one number.

    Attributes
    ----------
    line : Line
        The first axis of the stack.
    values : array of float
        The mean of each image over what was measured.
    partly : array of bool
        The image is not whole.
    measured, n_images : int
        Of how many images, of how many, the mean image is.
    """

    line: Line
    values: Floats
    partly: npt.NDArray[np.bool_]
    measured: int
    n_images: int


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn of one channel: a curve, an image, or the mean image of a stack.

    Attributes
    ----------
    entry, name : str
        The entry and the channel.
    data : array of float, of rank 1 or 2
        NaN where nothing arrived.
    axes : tuple of Line
        One for each dimension of `data`, of matching length.
    positions : mapping of str to Line
        Other lists beside the data: ``sample_x`` of a spectrum, for example.
    along : Along, optional
        Of a stack.
    note : str
        What was chosen of it: an energy.
    """

    entry: str
    name: str
    scan_type: str
    data: Floats
    units: str
    axes: tuple[Line, ...]
    positions: Mapping[str, Line]
    rotation_angle: float | None
    along: Along | None = None
    note: str = ""


def load_pictures(
    path: str | os.PathLike[str],
    *,
    entry: str | None = None,
    channel: str | None = None,
    energy: float | None = None,
    change: Callable[[Contents, Entry, Channel], tuple[Change, str, str]] | None = None,
    most: int | None = None,
) -> tuple[list[Picture], int]:
    """Read the pictures of a file.

    Parameters
    ----------
    path : path-like
        A file of scans, of this or of another program.
    entry : str, optional
        Only this entry; by default all.
    channel : str, optional
        This channel of each; by default the one that the file shows first.
    energy : float, optional
        Of stacks and line spectra only what was measured nearest to this photon energy, eV.
    change : callable, optional
        Gives what is done to each part, and the name and the unit of the result.
    most : int, optional
        Read no more than so many images or stacks; curves are always read.

    Returns
    -------
    pictures : list of Picture
        In the order in which people count. A stack is read image by image.
    left_out : int
        How many entries were not read because of `most`.

    Raises
    ------
    NXstxmKeyError
        When there is no such entry or channel; the message names those there are.
    NXstxmOSError, NXstxmValueError
        When the file can not be read, or holds nothing that can be drawn.
    """
    if energy is not None and not isfinite(energy):
        raise NXstxmValueError(f"{energy} is no photon energy; give one in eV")
    contents = read_contents(path, entry=entry)
    entries = [contents.entry(entry)] if entry else list(contents.entries.values())
    found = [(each, _channel(contents, each, channel)) for each in entries]
    large = [each for each, shown in found if shown.data.stored.ndim > 1]
    skipped = large[most:] if most is not None else []
    pictures = []
    for each, shown in found:
        if any(each is other for other in skipped):
            continue
        try:
            how = change(contents, each, shown) if change is not None else None
            pictures.append(_picture(each, shown, energy, how))
        except MemoryError as error:
            shape = " x ".join(map(str, shown.data.stored.shape))
            raise NXstxmOSError(
                f"{shown.name} of {each.name} of {path} has {shape} points, and what is drawn of "
                f"it does not fit into the memory ({error}); choose another with --entry or "
                f"--channel"
            ) from error
    return pictures, len(skipped)


def _channel(contents: Contents, entry: Entry, name: str | None) -> Channel:
    if not entry.channels and name is None:
        raise NXstxmValueError(f"{entry.name} of {contents.path} has no data that can be drawn")
    return entry.channel(name)


def _picture(
    entry: Entry, channel: Channel, energy: float | None, how: tuple[Change, str, str] | None
) -> Picture:
    data = channel.data
    lines = {
        each.name: _line(each) for each in channel.coordinates if each.values.dtype.kind in "iuf"
    }
    stored = data.stored
    sizes = zip(data.dims, stored.shape, strict=True)
    axes = [lines.get(dim) or _counted(dim, size) for dim, size in sizes] or [_single()]
    angle = lines.get("theta")
    made = Picture(
        entry=entry.name,
        name=channel.name if how is None else how[1],
        scan_type=entry.scan_type,
        data=np.empty(0),
        units=str(data.attrs.get("units", "")) if how is None else how[2],
        axes=tuple(axes),
        positions={name: line for name, line in lines.items() if name not in data.dims},
        rotation_angle=float(angle.values[0]) if angle is not None and angle.values.size else None,
    )
    change = how[0] if how is not None else lambda _, values: values
    every: Part = (_ALL,) * stored.ndim
    if energy is not None:
        number, told = _nearest(entry, channel, energy)
        at = data.dims.index("energy")
        # those of other energies are not read
        part = (*every[:at], number, *every[at + 1 :])
        values = change(part, _floats(stored.read(part)))
        rest = (*axes[:at], *axes[at + 1 :])
        if not rest:
            raise NXstxmValueError(
                f"{channel.name} of {entry.name} is a {entry.scan_type} of one point: at one "
                f"energy it is one number ({float(values):g} at {told}), and no picture. Leave "
                f"--energy out"
            )
        made = replace(made, data=values, axes=rest, note=told)
        if values.ndim < 3:
            return made
        image, along = _means(_planes(values), values.shape, rest[0])
    elif stored.ndim < 3:
        values = _floats(stored.read())
        return replace(made, data=np.atleast_1d(change(every, values)))
    else:
        planes = (
            (index, change((*index, _ALL, _ALL), _floats(plane)))
            for index, plane in stored.planes()
        )
        image, along = _means(planes, stored.shape, axes[0])
    return replace(made, data=image, axes=made.axes[-2:], along=along)


def _planes(values: Floats) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """Give an array image by image."""
    for index in np.ndindex(*values.shape[:-2]):
        yield index, values[index]


def _means(
    planes: Iterable[tuple[tuple[int, ...], Floats]], shape: tuple[int, ...], line: Line
) -> tuple[Floats, Along]:
    """Give the mean image of a stack, and the mean of each of its images."""
    sums, known = np.zeros(shape[0]), np.zeros(shape[0], np.int64)
    n_images = measured = 0
    total: Floats | None = None
    for index, values in planes:
        if total is None:  # now that somebody has looked whether there is so much
            total, count = np.zeros(values.shape), np.zeros(values.shape, np.int64)
        there = np.isfinite(values)
        filled = np.where(there, values, 0.0)
        total += filled
        count += there
        sums[index[0]] += filled.sum()
        known[index[0]] += there.sum()
        n_images += 1
        measured += bool(there.any())
    if total is None:
        total, count = np.zeros(shape[-2:]), np.zeros(shape[-2:], np.int64)
    whole = n_images // max(shape[0], 1) * total.size
    with np.errstate(invalid="ignore"):
        image = np.where(count, total / np.maximum(count, 1), np.nan)
        values = np.where(known, sums / np.maximum(known, 1), np.nan)
    partly = (known > 0) & (known < whole)
    return image, Along(line, values, partly, measured, n_images)


def _nearest(entry: Entry, channel: Channel, energy: float) -> tuple[int, str]:
    energies = channel.coordinate("energy")
    if energies is None or energies.dims != ("energy",) or "energy" not in channel.data.dims:
        raise NXstxmValueError(
            f"{channel.name} of {entry.name} has no energies to choose from; it is a "
            f"{entry.scan_type} of {', '.join(channel.data.dims) or 'one point'}"
        )
    values = energies.values.astype(float)
    known = np.isfinite(values)
    if energies.attrs.get("units") == COUNTED or not known.any():
        raise NXstxmValueError(
            f"the energies of {channel.name} of {entry.name} are not known, so none can be chosen; "
            f"leave --energy out"
        )
    number = int(np.argmin(np.where(known, np.abs(values - energy), np.inf)))
    return number, f"{values[number]:g} eV"


def _line(coordinate: Coordinate) -> Line:
    """Give a coordinate under the name of what moved; a line is called a line."""
    named = str(coordinate.attrs.get("long_name", coordinate.name))
    name = "line_position" if coordinate.dims == ("line",) == (coordinate.name,) else named
    values = np.atleast_1d(coordinate.values.astype(np.float64))
    units = str(coordinate.attrs.get("units", ""))
    if coordinate.dims and not np.isfinite(values).all():
        return Line(name, np.arange(values.size, dtype=float), "point")
    return Line(name, values, units)


def _counted(name: str, size: int) -> Line:
    return Line(name, np.arange(size, dtype=float), "point")


def _single() -> Line:
    return Line("point", np.zeros(1), "")


def _floats(values: npt.NDArray[np.generic]) -> Floats:
    return np.asarray(values, dtype=np.float64)
