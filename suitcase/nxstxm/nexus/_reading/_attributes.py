"""Attributes and small datasets as plain values: text, numbers, lists of texts, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..._errors import NXstxmValueError
from ..._h5tree import H5_ERRORS, as_text, refuse_type
from ...scans import canonical
from ._reach import check_sources

#: No scan has more values along an axis, nor a longer text.
MOST_VALUES = 4 * 2**20


def attributes(item: h5py.HLObject) -> dict[str, Any]:
    """Read the attributes of a group or dataset as plain values; odd ones are left out."""
    found: dict[str, Any] = {}
    names: list[bytes] = []
    try:
        h5py.h5a.iterate(item.id, names.append)
    except H5_ERRORS:
        return found
    for encoded in names:
        try:
            name = encoded.decode()
        except UnicodeDecodeError:
            continue
        value = attribute(item, name)
        if value is not None:
            found[name] = value
    return found


def attribute(item: h5py.HLObject, name: str) -> Any:
    """Read one attribute as a plain value; None where there is none, or an odd one."""
    encoded = name.encode()
    try:
        if not h5py.h5a.exists(item.id, encoded):
            return None
        found = h5py.h5a.open(item.id, encoded)
        is_small = prod(found.shape or ()) <= MOST_VALUES
        return plain(item.attrs[name]) if is_small and _is_plain(found.dtype) else None
    except H5_ERRORS:
        return None


def unit_of(item: h5py.HLObject) -> str:
    """Read the unit of a dataset, without its other attributes."""
    for name in _UNIT_NAMES:
        value = attribute(item, name)
        if isinstance(value, str):
            return units_of({name: value})
    return ""


def _is_plain(dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "O" and h5py.check_string_dtype(dtype) is None:
        return False  # references of dimension scales, for example
    refuse_type(dtype)
    return dtype.kind in "iufcbSUO"


def plain(value: Any) -> Any:
    """Give a value of a file as text, number, list of texts or array of numbers."""
    if isinstance(value, h5py.Empty):
        return ""
    array = np.asarray(value)
    if array.dtype.kind in "SOU":
        # some writers pad: with zeros, with blanks
        texts = [(as_text(item) or "").rstrip("\0 ") for item in array.ravel()]
        return texts[0] if array.ndim == 0 or array.size == 1 else texts
    return array.item() if array.size == 1 else array.ravel()


#: Under which names writers have units.
_UNIT_NAMES = ("units", "unit", "NX_units")


def units_of(attrs: Mapping[str, Any]) -> str:
    """Give the unit that attributes tell of; writers have three names for it."""
    for name in _UNIT_NAMES:
        # "NX_ANY" is a kind of unit: one program of 2019 writes it where a unit should be
        if isinstance(value := attrs.get(name), str) and not value.startswith("NX_"):
            return canonical(value)
    return ""


def small(dataset: h5py.Dataset, roots: tuple[Path, ...]) -> Any:
    """Read a small dataset at once: text, a number, or an array of them.

    Raises
    ------
    NXstxmValueError
        It is larger than anything that is read at once.
    """
    shape = dataset.shape
    if shape is None:
        return ""
    if prod(shape) > MOST_VALUES:
        raise NXstxmValueError(
            f"{dataset.name} of {dataset.file.filename} has a shape of {shape}; nothing that "
            f"describes a scan is so long"
        )
    check_sources(dataset, roots)
    return plain(dataset[()])
