"""Single values in HDF5 files, past h5py's convenience.

A file has hundreds of them. What h5py would find out anew for each, types, spaces and property
lists, is made once.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t

_TEXT = h5py.string_dtype("utf-8")
#: Types of text, in files and in memory.
TEXT_IN_FILE = h5t.py_create(_TEXT, logical=True)
TEXT_IN_MEMORY = h5t.py_create(_TEXT)
_SCALAR = h5s.create(h5s.SCALAR)
_WITHOUT_TIMES = h5p.create(h5p.DATASET_CREATE)
_WITHOUT_TIMES.set_obj_track_times(False)
_KINDS: dict[np.dtype[Any], h5t.TypeID] = {}


def clean(text: str) -> str:
    """Make text that HDF5 can hold: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def new_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Make a group that is not there yet.

    Raises
    ------
    ValueError
        It is there.
    """
    if not name.isascii():
        return parent.create_group(name)
    return h5py.Group(h5g.create(parent.id, name.encode()))


def kind_of(dtype: np.dtype[Any]) -> h5t.TypeID:
    """Give the type in files of what is no text."""
    if dtype.metadata is not None:  # it says more, of which dtypes that are equal may differ
        return h5t.py_create(dtype, logical=True)
    kind = _KINDS.get(dtype)
    if kind is None:
        kind = _KINDS[dtype] = h5t.py_create(dtype, logical=True)
    return kind


def text(parent: h5py.Group, name: str, value: str) -> h5d.DatasetID:
    """Write a scalar string; give where, for `mark_id`."""
    place = h5d.create(parent.id, name.encode(), TEXT_IN_FILE, _SCALAR, _WITHOUT_TIMES)
    place.write(h5s.ALL, h5s.ALL, np.array(clean(value), _TEXT), TEXT_IN_MEMORY)
    return place


def number(parent: h5py.Group, name: str, value: Any) -> h5d.DatasetID:
    """Write a scalar of numpy, or what makes one, that is no text; give where, for `mark_id`."""
    array = np.asarray(value)
    kind = kind_of(array.dtype)
    place = h5d.create(parent.id, name.encode(), kind, _SCALAR, _WITHOUT_TIMES)
    place.write(h5s.ALL, h5s.ALL, array)
    return place


def mark(item: h5py.HLObject, name: str, value: str) -> None:
    """Write an attribute that is a scalar string and not there yet."""
    mark_id(item.id, name, value)


def mark_number(item: h5py.HLObject, name: str, value: Any) -> None:
    """Write an attribute that is a number, or an array of them, and not there yet."""
    array = np.asarray(value)
    space = h5s.create_simple(array.shape) if array.shape else _SCALAR
    h5a.create(item.id, name.encode(), kind_of(array.dtype), space).write(array)


def mark_id(item: h5py.h5g.GroupID | h5d.DatasetID, name: str, value: str) -> None:
    """Write an attribute as `mark` does, of what is known by its id alone."""
    place = h5a.create(item, name.encode(), TEXT_IN_FILE, _SCALAR)
    place.write(np.array(clean(value), _TEXT), TEXT_IN_MEMORY)
