"""Where points go: chronological lists that grow, and arrays that are filled in any order."""

from __future__ import annotations

from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ._encoding import LARGE, mark, open_shape, storage

AnyArray = npt.NDArray[Any]
#: Bytes that a list or an array may hold in memory.
HELD_BYTES = 4 * 2**20


class ListWriter:
    """A dataset that grows along its first dimension.

    Small lists are written in one go; a long one is chunked and holds one block in memory.

    Parameters
    ----------
    parent : h5py.Group
        Where it is written.
    name : str
        Its name.
    units : str or None
        Its unit.
    compression : str
        Filter for long lists.
    """

    def __init__(
        self, parent: h5py.Group, name: str, units: str | None, compression: str = "none"
    ) -> None:
        self._parent, self._name, self._units = parent, name, units
        self._compression = compression
        self._held: list[AnyArray] = []
        self._bytes = 0
        self._dataset: h5py.Dataset | None = None

    def add(self, values: AnyArray) -> None:
        """Append values, shape (n, ...)."""
        self._held.append(values)
        self._bytes += values.nbytes
        if self._bytes > HELD_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        block = np.concatenate(self._held) if len(self._held) > 1 else self._held[0]
        if self._dataset is not None and not _fits(block.dtype, self._dataset.dtype):
            self._widen(np.result_type(block.dtype, self._dataset.dtype))
        if self._dataset is None:
            keywords = storage((32768, *block.shape[1:]), block.dtype, self._compression)
            self._dataset = self._parent.create_dataset(
                self._name, data=block, maxshape=open_shape(block.shape[1:]), **keywords
            )
        else:
            n = len(self._dataset)
            self._dataset.resize(n + len(block), 0)
            self._dataset[n:] = block
        self._held, self._bytes = [], 0

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Copy what is written into a dtype that holds what comes, block by block."""
        old = self._dataset
        if old is None:
            return
        self._parent.move(self._name, f"{self._name}~")
        self._dataset = self._parent.create_dataset(
            self._name, old.shape, dtype, chunks=old.chunks, maxshape=old.maxshape
        )
        step = max(1, HELD_BYTES // max(prod(old.shape[1:]) * dtype.itemsize, 1))
        for at in range(0, len(old), step):
            self._dataset[at : at + step] = old[at : at + step]
        del self._parent[f"{self._name}~"]

    def close(self, dtype: Any = np.float64) -> h5py.Dataset:
        """Write what is left.

        Parameters
        ----------
        dtype : dtype
            For a list to which nothing was added.
        """
        if self._dataset is not None:
            self._flush()
            dataset = self._dataset
        else:
            block = np.concatenate(self._held) if self._held else np.zeros(0, dtype)
            keywords: dict[str, Any] = {}
            if block.nbytes > LARGE:
                keywords = storage(block.shape, block.dtype, self._compression)
            dataset = self._parent.create_dataset(self._name, data=block, **keywords)
        if self._units is not None:
            mark(dataset, "units", self._units)
        return dataset


def _fits(new: np.dtype[Any], old: np.dtype[Any]) -> bool:
    return np.result_type(new, old) == old


class Canvas:
    """A float64 array, NaN where nothing was put.

    A small one is held whole. Of a large one only the plane that is being filled is: points come
    plane by plane unless something is wrong, and then they are still put right.

    Parameters
    ----------
    parent : h5py.Group
        Where it is written.
    name : str
        Its name.
    shape : tuple of int
        Its shape.
    units : str
        Its unit.
    compression : str
        Filter for large arrays.
    """

    def __init__(
        self,
        parent: h5py.Group,
        name: str,
        shape: tuple[int, ...],
        units: str,
        compression: str = "none",
    ) -> None:
        self.shape = shape
        n_planes = shape[0] if len(shape) > 2 else 1
        self._plane_size = prod(shape) // max(n_planes, 1)
        self._whole = prod(shape) * 8 <= HELD_BYTES or n_planes == 1
        keywords: dict[str, Any] = {}
        if prod(shape) * 8 > LARGE:
            keywords = storage(shape, np.dtype(np.float64), compression)
        if self._whole:
            self._held = np.full(prod(shape), np.nan)
            self._create = (parent, name, units, keywords)
        else:
            keywords["fillvalue"] = np.nan
            self._dataset = parent.create_dataset(name, shape, np.float64, **keywords)
            mark(self._dataset, "units", units)
            self._held = np.full(self._plane_size, np.nan)
        self._plane = 0
        self._missing: dict[int, int] = {}  # by plane that is written

    def put(self, position: npt.NDArray[np.int64], values: AnyArray) -> None:
        """Put values at flat positions; the last of equal positions stays; -1 is left out."""
        if (position < 0).any():
            keep = position >= 0
            position, values = position[keep], values[keep]
        if self._whole:
            self._held[position] = values
            return
        planes = position // self._plane_size
        edges = np.flatnonzero(np.diff(planes)) + 1
        for pos, val in zip(np.split(position, edges), np.split(values, edges), strict=True):
            if len(pos):
                self._turn(int(pos[0] // self._plane_size))
                self._held[pos % self._plane_size] = val

    def _turn(self, plane: int) -> None:
        """Make `plane` the one that is held."""
        if plane == self._plane:
            return
        self._store()
        self._plane = plane
        if plane in self._missing:
            self._held = self._dataset[plane].reshape(-1)
        else:
            self._held[:] = np.nan

    def _store(self) -> None:
        self._dataset[self._plane] = self._held.reshape(self.shape[1:])
        self._missing[self._plane] = int(np.isnan(self._held).sum())

    @property
    def missing(self) -> int:
        """Points that have no value, once it is closed."""
        if self._whole:
            return int(np.isnan(self._held).sum())
        unwritten = self.shape[0] - len(self._missing)
        return sum(self._missing.values()) + unwritten * self._plane_size

    def close(self) -> h5py.Dataset:
        """Write what is held."""
        if self._whole:
            parent, name, units, keywords = self._create
            dataset = parent.create_dataset(name, data=self._held.reshape(self.shape), **keywords)
            mark(dataset, "units", units)
            return dataset
        self._store()
        return self._dataset
