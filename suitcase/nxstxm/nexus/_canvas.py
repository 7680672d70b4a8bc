"""Where points go: chronological lists that grow, and arrays that are filled in any order."""

from __future__ import annotations

from math import prod
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .._h5write import mark
from ._encoding import DEPTH, LARGE, chunk_shape, open_shape, storage
from ._filters import filters
from ._spill import REFERENCE_BYTES

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
            keywords = growing(block.shape[1:], block.dtype, self._compression)
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


def growing(shape: tuple[int, ...], dtype: np.dtype[Any], compression: str) -> dict[str, Any]:
    """Choose chunks and filters for a list of readings of a shape that grows."""
    if prod(shape) * dtype.itemsize >= REFERENCE_BYTES:
        return {"chunks": (1, *shape), **filters(compression)}  # frames are read one by one
    return {"chunks": chunk_shape((32768, *shape), dtype.itemsize), **filters(compression)}


def _fits(new: np.dtype[Any], old: np.dtype[Any]) -> bool:
    return np.result_type(new, old) == old


class Canvas:
    """A float64 array, NaN where nothing was put.

    A small one is held whole. Of a large one only the images that are being filled are: points come
    image by image unless something is wrong, and then they are still put right.

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
    sparse : bool
        Most of it will stay empty: then that takes no room in the file.
    dtype : dtype
        Its dtype.
    fill : float
        What stands where nothing was put.
    """

    def __init__(
        self,
        parent: h5py.Group,
        name: str,
        shape: tuple[int, ...],
        units: str,
        compression: str = "none",
        *,
        sparse: bool = False,
        dtype: npt.DTypeLike = np.float64,
        fill: float = np.nan,
    ) -> None:
        self.shape = shape
        self._dtype, self._fill = np.dtype(dtype), fill
        # the points of a line come one after the other; those of an image perhaps column by column
        n_images = 1 if len(shape) == 2 else prod(shape[:1])
        image = prod(shape) // max(n_images, 1)
        self._whole = prod(shape) * 8 <= HELD_BYTES or n_images == 1
        # as many images at a time as a compressed chunk is deep: it is written once
        most = HELD_BYTES // (8 * max(image, 1))
        self._depth = max(most if len(shape) == 1 else min(DEPTH, most), 1)
        self._slab_size = image * self._depth
        keywords: dict[str, Any] = {}
        if prod(shape) * 8 > LARGE:
            keywords = storage(shape, self._dtype, compression, self._depth)
        if self._whole:
            self._held = np.full(prod(shape), fill, self._dtype)
            self._create = (parent, name, units, keywords)
        else:
            if sparse and not keywords:
                keywords = {"chunks": chunk_shape((1, *shape[1:]), 8)}
            self._chunked = "chunks" in keywords
            if not self._chunked:
                # HDF5 would fill it all with NaN before the first image is written
                keywords["fill_time"] = "never"
            self._dataset = parent.create_dataset(
                name, shape, self._dtype, fillvalue=fill, **keywords
            )
            mark(self._dataset, "units", units)
            self._held = np.full(self._slab_size, fill, self._dtype)
        self._slab = 0
        self._missing: dict[int, int] = {}  # by slab that is written

    def put(self, position: npt.NDArray[np.int64], values: AnyArray) -> None:
        """Put values at flat positions; the last of equal positions stays; -1 is left out."""
        if (position < 0).any():
            keep = position >= 0
            position, values = position[keep], values[keep]
        if self._whole:
            self._held[position] = values
            return
        slabs = position // self._slab_size
        edges = np.flatnonzero(np.diff(slabs)) + 1
        for pos, val in zip(np.split(position, edges), np.split(values, edges), strict=True):
            if len(pos):
                self._turn(int(pos[0] // self._slab_size))
                self._held[pos % self._slab_size] = val

    def _turn(self, slab: int) -> None:
        """Make `slab` the one that is held."""
        if slab == self._slab:
            return
        self._store()
        self._slab = slab
        self._held[:] = self._fill
        if slab in self._missing:
            written = self._dataset[self._images(slab)].reshape(-1)
            self._held[: len(written)] = written

    def _images(self, slab: int) -> slice:
        return slice(slab * self._depth, min((slab + 1) * self._depth, self.shape[0]))

    def _store(self) -> None:
        images = self._images(self._slab)
        shape = (images.stop - images.start, *self.shape[1:])
        held = self._held[: prod(shape)]
        self._dataset[images] = held.reshape(shape)
        self._missing[self._slab] = int(np.isnan(held).sum())

    @property
    def missing(self) -> int:
        """Points that have no value, once it is closed."""
        if self._whole:
            return int(np.isnan(self._held).sum())
        unwritten = set(range(-(-self.shape[0] // self._depth))) - set(self._missing)
        images = sum(len(range(self.shape[0])[self._images(slab)]) for slab in unwritten)
        return sum(self._missing.values()) + images * self._slab_size // self._depth

    def close(self) -> h5py.Dataset:
        """Write what is held, and NaN where nothing was."""
        if self._whole:
            parent, name, units, keywords = self._create
            dataset = parent.create_dataset(name, data=self._held.reshape(self.shape), **keywords)
            mark(dataset, "units", units)
            return dataset
        self._store()
        for slab in range(-(-self.shape[0] // self._depth)):
            if slab not in self._missing and not self._chunked:
                self._turn(slab)
                self._store()
        return self._dataset
