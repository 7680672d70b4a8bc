"""Copies of data for who may change them, where others have the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._kinds import is_a


def own_copy(value: Any) -> Any:
    """Give a copy of data for who may change them.

    What is not in memory is not read for it. An object of a class that is not known here is given
    as it is.
    """
    if isinstance(value, np.ndarray):
        return value.copy()
    if is_a(value, "xarray", "DataArray", "Dataset"):
        return _own_labelled(value)
    if is_a(value, "pandas", "DataFrame", "Series"):
        return value.copy()
    if type(value) in (list, tuple, set):
        return type(value)(own_copy(each) for each in value)
    if type(value) is dict:
        return {key: own_copy(each) for key, each in value.items()}
    if type(value) is bytearray:
        return bytearray(value)
    return value


def _own_labelled(value: Any) -> Any:
    is_set = is_a(value, "xarray", "Dataset")
    inside = {**({name: value[name] for name in value.data_vars} if is_set else {}), **value.coords}
    lazy = [name for name, each in inside.items() if not each.variable._in_memory]
    if not lazy and (is_set or value.variable._in_memory):
        return value.copy(deep=True)
    made = value.copy()  # whose lazy arrays keep the file that they are read from
    if not is_set and value.variable._in_memory:
        made = value.copy(data=value.variable.copy(deep=True).data)
    new = {
        name: each.variable.copy(deep=True)
        for name, each in inside.items()
        if name not in lazy and name not in value.indexes
    }
    coords = {name: each for name, each in new.items() if name in value.coords}
    made = made.assign_coords(coords)
    others = {name: each for name, each in new.items() if name not in coords}
    return made.assign(others) if others else made
