"""Data to be stored, cut into chunks, and compared to what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from suitcase.nxstxm.storage import DataDirectory, DataKey
from suitcase.nxstxm.storage._places import place_of

from .process import key

__all__ = ["directory", "folder", "image", "key", "names", "pieces", "rows", "rows_of", "same"]


def directory(path: Path, **options: Any) -> DataDirectory:
    """Give a store that does not flush, which hundreds of small data would wait for."""
    return DataDirectory(path, **{"durable": False, **options})


def folder(store: DataDirectory, of: DataKey, state: str = "") -> Path:
    """Give the folder of data."""
    path = Path(store.backend.describe(place_of(of)))
    return path.with_name(path.name + state)


def names(path: Path) -> list[str]:
    """Give what is in a folder, but for its lock, which not every version of filelock leaves."""
    return sorted(each.name for each in path.iterdir() if each.name != ".lock")


def image(n: int = 5, seed: int = 0) -> xr.Dataset:
    """Give a stack: two variables with the axis, coordinates with and without it, attributes."""
    random = np.random.default_rng(seed)
    return xr.Dataset(
        {
            "od": (("y", "energy", "x"), random.random((3, n, 4)), {"units": "OD"}),
            "i0": (("energy",), random.integers(0, 99, n).astype("u2")),
            "mask": (("y", "x"), random.random((3, 4)) > 0.5),
        },
        coords={
            "energy": (("energy",), 700.0 + np.arange(n), {"units": "eV"}),
            "x": (("x",), np.linspace(-1, 1, 4), {"units": "um"}),
            "shift": (("energy", "x"), random.random((n, 4))),
            "note": ((), "a note"),
        },
        attrs={"title": "a stack", "numbers": np.arange(3)},
    )


def pieces(data: Any, cuts: Sequence[int], axis: str | None = None) -> list[Any]:
    """Cut data at rows."""
    edges = [0, *sorted(cuts), rows_of(data, axis)]
    return [rows(data, a, b, axis) for a, b in pairwise(edges)]


def rows_of(data: Any, axis: str | None = None) -> int:
    return int(data.sizes[axis]) if axis is not None else len(data)


def rows(data: Any, a: int, b: int, axis: str | None = None) -> Any:
    """Give some rows of data."""
    if axis is not None:
        return data.isel({axis: slice(a, b)})
    return data[a:b] if isinstance(data, np.ndarray) else data.slice(a, b - a)


def same(one: Any, other: Any) -> bool:
    """Tell whether two things are the same to the last bit, what NaN stands for included."""
    if isinstance(one, xr.Dataset):
        return (
            isinstance(other, xr.Dataset)
            and set(one.variables) == set(other.variables)
            and set(one.coords) == set(other.coords)
            and same_value(one.attrs, other.attrs)
            and all(same_variable(one.variables[n], other.variables[n]) for n in one.variables)
        )
    if isinstance(one, xr.DataArray):
        return (
            isinstance(other, xr.DataArray)
            and one.name == other.name
            and same_variable(one.variable, other.variable)
            and set(one.coords) == set(other.coords)
            and all(same_variable(one[n].variable, other[n].variable) for n in one.coords)
        )
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and same_array(one, other)
    return bool(one.equals(other))


def same_variable(one: Any, other: Any) -> bool:
    return (
        one.dims == other.dims
        and same_value(one.attrs, other.attrs)
        and same_array(np.asarray(one.values), np.asarray(other.values))
    )


def same_array(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.names:  # gaps between fields do not count
        return all(same_array(one[name], other[name]) for name in one.dtype.names)
    if one.dtype.hasobject:
        return bool(one.tolist() == other.tolist())
    if one.dtype.kind in "fc" and one.dtype.itemsize > 8 * (1 + (one.dtype.kind == "c")):
        return bool(np.array_equal(one, other, equal_nan=True))  # long doubles have gaps, too
    return one.tobytes() == other.tobytes()


def same_value(one: Any, other: Any) -> bool:
    """Compare attributes, 1 and 1.0 and True being different."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return set(one) == set(other) and all(same_value(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, (np.ndarray, np.generic)):
        return same_array(np.asarray(one), np.asarray(other))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
