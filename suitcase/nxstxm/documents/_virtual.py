"""Rows of other HDF5 files as one dataset, whose names are relative to the file that has it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ._file_kinds import open_hdf5

#: A virtual dataset of so many rows has a mapping for each: nexusformat 2.1, and so NeXpy, takes
#: the number of mappings for the length of the first axis, and fails on the whole of any other.
#: Longer ones would take 0.3 ms a row to make, and twice the time to read.
MOST_ROW_BY_ROW = 1000


class RowsElsewhere(NamedTuple):
    """Consecutive rows of a dataset in another file: its path, the dataset, the first, how many."""

    path: Path
    dataset: str
    first: int
    n: int


def relative_name(path: Path, folder: Path) -> str:
    """Name a file relative to a folder, with slashes as HDF5 has them on every system."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return path.absolute().as_posix()  # another drive


def write_virtual(
    home: h5py.Group,
    name: str,
    folder: Path,
    rows: Sequence[RowsElsewhere],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> h5py.Dataset:
    """Make a virtual dataset.

    Parameters
    ----------
    home : h5py.Group
        Where.
    name : str
        Of the dataset.
    folder : Path
        The folder that the file will be in.
    rows : sequence of RowsElsewhere
        Its rows, one after the other.
    shape : tuple of int
        Of a row.
    dtype : dtype
        Of the rows.
    """
    n = sum(each.n for each in rows)
    layout = h5py.VirtualLayout((n, *shape), dtype)
    at = 0
    for each in rows:
        with open_hdf5(each.path) as h5:  # perhaps while the detector writes it
            stored = h5[each.dataset]  # a row may have a dimension of one more there
            whole, kind = stored.shape, stored.dtype
        origin = h5py.VirtualSource(relative_name(each.path, folder), each.dataset, whole, kind)
        step = 1 if n <= MOST_ROW_BY_ROW else each.n
        for first in range(each.first, each.first + each.n, step):
            layout[at : at + step] = origin[first : first + step]  # never all: it may grow
            at += step
    fill = np.nan if dtype.kind == "f" else None
    return home.create_virtual_dataset(name, layout, fillvalue=fill)
