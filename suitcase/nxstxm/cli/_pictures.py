"""The data of a file, ready to be drawn: arrays with their axes, one of each entry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from suitcase.nxstxm._errors import NXstxmKeyError, NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.cli._summary import entry_order, number_below
from suitcase.nxstxm.nexus import H5_ERRORS, Field, Group, as_text, open_file, snapshot, why

Floats: TypeAlias = npt.NDArray[np.float64]


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
class Picture:
    """The array of one NXdata, with its axes.

    Attributes
    ----------
    entry, name : str
        The NXentry and the NXdata.
    data : array of float
        NaN where nothing arrived.
    axes : tuple of Line
        One for each dimension of `data`, of matching length.
    positions : mapping of str to Line
        The other lists beside the data: ``sample_x`` of a spectrum, for example.
    """

    entry: str
    name: str
    scan_type: str
    data: Floats
    units: str
    axes: tuple[Line, ...]
    positions: Mapping[str, Line]
    rotation_angle: float | None


def load_pictures(
    path: str | os.PathLike[str],
    *,
    entry: str | None = None,
    data: str | None = None,
    most: int | None = None,
) -> tuple[list[Picture], int]:
    """Read the pictures of a file.

    Parameters
    ----------
    path : path-like
        An NXstxm file.
    entry : str, optional
        Only this NXentry; by default all.
    data : str, optional
        This NXdata of each; by default the one that @default leads to.
    most : int, optional
        Read no more than so many images or stacks; curves are always read.

    Returns
    -------
    pictures : list of Picture
        In the order of the entries' names. Dimensions of length 1 before an image are left out,
        as some writers add them.
    left_out : int
        How many entries were not read because of `most`.

    Raises
    ------
    NXstxmKeyError
        When there is no such entry or NXdata; the message names those there are.
    NXstxmOSError, NXstxmValueError
        When the file can not be read, or holds nothing that can be drawn.
    """
    path = Path(path)
    with open_file(path) as file:
        root, _ = snapshot(file, touch=False)
        in_order = sorted(root.of_class("NXentry"), key=entry_order)
        entries = {group.path.strip("/"): group for group in in_order}
        if not entries:
            raise NXstxmValueError(f"{path} has no NXentry; it is not an NXstxm file")
        chosen = [_chosen(entries, entry, f"entry of {path}")] if entry else list(entries.values())
        found = [(group, *_signal(file, group, data)) for group in chosen]
        large = [group for group, _, signal in found if len(signal.shape) > 1]
        skipped = large[most:] if most is not None else []
        return [
            _picture(file, group, picture, signal)
            for group, picture, signal in found
            if group not in skipped
        ], len(skipped)


def _chosen(groups: Mapping[str, Group], name: str, what: str) -> Group:
    if name not in groups:
        raise NXstxmKeyError(f"{name!r} is no {what}; there are: {', '.join(groups) or 'none'}")
    return groups[name]


def _signal(file: h5py.File, entry: Group, wanted: str | None) -> tuple[Group, Field]:
    """Find the NXdata to be drawn, and the dataset in it."""
    pictures = {group.path.rpartition("/")[2]: group for group in entry.of_class("NXdata")}
    default = as_text(entry.attrs.get("default"))
    name = wanted or (default if default in pictures else next(iter(pictures), ""))
    group = _chosen(pictures, name or "", f"NXdata of {entry.path}")
    signal = group.fields.get(as_text(group.attrs.get("signal")) or "data")
    if signal is None or not signal.is_number:
        raise NXstxmValueError(f"{group.path} of {file.filename} has no data that can be drawn")
    return group, signal


def _picture(file: h5py.File, entry: Group, group: Group, signal: Field) -> Picture:
    lines = {
        field.path.rpartition("/")[2]: Line(
            field.path.rpartition("/")[2],
            _numbers(file, field.path),
            as_text(field.attrs.get("units")) or "",
        )
        for field in group.fields.values()
        if field is not signal and field.is_number and len(field.shape) == 1
    }
    names = [as_text(axis) for axis in np.asarray(group.attrs.get("axes", ()), object).ravel()]
    values = _numbers(file, signal.path)
    if values.size == 0:
        raise NXstxmValueError(f"{signal.path} of {file.filename} is empty: nothing to draw")
    while values.ndim > max(len(names), 1) and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 0:
        values = values.reshape(1)
    axes = tuple(_axis(lines, names, values.shape, number) for number in range(values.ndim))
    label = group.fields.get("stxm_scan_type")
    return Picture(
        entry=entry.path.strip("/"),
        name=group.path.rpartition("/")[2],
        scan_type=((label.text() if label else None) or "generic scan").lower(),
        data=values,
        units=as_text(signal.attrs.get("units")) or "",
        axes=axes,
        positions={key: line for key, line in lines.items() if key not in names},
        rotation_angle=number_below(entry, "NXsample", "rotation_angle"),
    )


def _axis(
    lines: Mapping[str, Line], names: list[str | None], shape: tuple[int, ...], number: int
) -> Line:
    """Give the axis of a dimension; where the file has none that fits, the points are counted."""
    line = lines.get(names[number] or "") if number < len(names) else None
    if line is not None and line.values.size == shape[number] and np.isfinite(line.values).all():
        return line
    return Line(
        line.name if line else f"dimension {number}", np.arange(shape[number], dtype=float), "point"
    )


def _numbers(file: h5py.File, path: str) -> Floats:
    try:
        return np.asarray(file[path][()], dtype=np.float64)
    except H5_ERRORS as error:
        raise NXstxmOSError(f"{path} of {file.filename} can not be read: {why(error)}") from error
