"""The rules for the pictures of an entry, NXdata, and for the control that goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from suitcase.nxstxm._h5tree import Field, Group, Problem, as_text
from suitcase.nxstxm.nexus._check_fields import error, field_problems, listed
from suitcase.nxstxm.nexus._check_rules import CONTROL_FIELDS, DATA_FIELDS, SCAN_LABELS


def picture_problems(picture: Group) -> Iterator[Problem]:
    energy = picture.fields.get("energy")
    nE = {"nE": energy.shape[0]} if energy is not None and len(energy.shape) == 1 else {}
    yield from field_problems(picture, DATA_FIELDS, nE)

    signal_name = as_text(picture.attrs.get("signal"))
    signal = picture.fields.get(signal_name or "")
    if signal_name is None:
        yield error(f"{picture.path}@signal", "the attribute is missing")
    elif signal is None:
        yield error(f"{picture.path}@signal", f"{signal_name!r} does not exist")

    axes = picture.attrs.get("axes")
    if axes is None:
        yield error(f"{picture.path}@axes", "the attribute is missing")
        return
    if not isinstance(axes, np.ndarray) or axes.ndim != 1 or axes.dtype.kind != "S":
        yield error(
            f"{picture.path}@axes",
            f"{axes!r} is not a list of bytes of fixed length; some readers need one",
        )
    names = [as_text(axis) or "" for axis in np.asarray(axes, dtype=object).ravel()]
    yield from _axes_problems(picture, names, signal)
    yield from _label_problems(picture, names)


def _axes_problems(picture: Group, names: list[str], signal: Field | None) -> Iterator[Problem]:
    path = f"{picture.path}@axes"
    shape = None if signal is None else signal.shape
    if shape is not None and len(shape) != len(names):
        yield error(
            path, f"names {len(names)} axes ({listed(names)}) for data of rank {len(shape)}"
        )
        shape = None
    for dimension, name in enumerate(names):
        axis = picture.fields.get(name)
        if axis is None:
            yield error(path, f"the axis {name!r} does not exist")
        elif len(axis.shape) != 1:
            yield error(axis.path, f"is an axis, but has the shape {axis.shape}")
        elif shape is not None and axis.shape[0] != shape[dimension]:
            yield error(
                axis.path,
                f"has the length {axis.shape[0]}, but dimension {dimension} of the data "
                f"has {shape[dimension]}",
            )
    for attribute, value in picture.attrs.items():
        if attribute.endswith("_indices"):
            named = picture.fields.get(attribute.removesuffix("_indices"))
            yield from _index_problems(f"{picture.path}@{attribute}", value, named, signal)


def _index_problems(
    path: str, value: object, named: Field | None, signal: Field | None
) -> Iterator[Problem]:
    index = np.asarray(value)
    if index.size != 1 or index.dtype.kind not in "iu":
        yield error(path, f"{value!r} is not one integer")
    elif named is None:
        yield error(path, "is about a dataset that does not exist")
    elif signal is not None:
        dimension = int(index.ravel()[0])
        if not 0 <= dimension < len(signal.shape):
            yield error(path, f"{dimension} is no dimension of data of rank {len(signal.shape)}")
        elif named.shape != (signal.shape[dimension],):
            yield error(
                path,
                f"points to dimension {dimension} of length {signal.shape[dimension]}, "
                f"but the dataset has the shape {named.shape}",
            )


def _label_problems(picture: Group, names: list[str]) -> Iterator[Problem]:
    stored = picture.fields.get("stxm_scan_type")
    label = stored.text() if stored is not None else None
    layout = SCAN_LABELS.get(label or "")
    if layout is None:
        return
    if layout.axes is not None and tuple(names) != layout.axes:
        yield error(
            f"{picture.path}@axes",
            f"a {label} has the axes {listed(layout.axes)}, not {listed(names)}",
        )
    line = picture.fields.get("line_position")
    for name in layout.along_line:
        found = picture.fields.get(name)
        if found is None:
            yield error(f"{picture.path}/{name}", f"the dataset is missing from a {label}")
        elif line is not None and found.shape != line.shape:
            yield error(
                found.path,
                f"has the shape {found.shape}, not that of line_position, {line.shape}",
            )
    for name in layout.single:
        found = picture.fields.get(name)
        if found is not None and len(found.shape) == 1 and found.shape[0] > 1:
            yield error(found.path, f"has the length {found.shape[0]}, but is 1 in a {label}")


def control_problems(control: Group, pictures: Sequence[Group]) -> Iterator[Problem]:
    if control.nx_class != "NXmonitor":
        yield error(control.path, f"is an {control.nx_class}, not an NXmonitor")
    yield from field_problems(control, CONTROL_FIELDS, {})
    found = control.fields.get("data")
    for picture in pictures:
        data = picture.fields.get("data")
        if found is not None and data is not None and found.shape != data.shape:
            yield error(
                found.path, f"has the shape {found.shape}, but {data.path} has {data.shape}"
            )
    axes = np.asarray(control.attrs.get("axes", ()), dtype=object).ravel()
    for name in (as_text(axis) for axis in axes):
        if name not in control.fields:
            yield error(f"{control.path}@axes", f"the axis {name!r} does not exist")
