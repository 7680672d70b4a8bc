"""Datasets of a file, described so that they can be read later, turned as somebody wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from types import EllipsisType
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from ..._h5tree import H5_ERRORS, why
from ._attributes import attributes, units_of
from ._columns import read_columns
from ._reach import RefusedError, check_sources, open_shared, written_bytes

AnyArray: TypeAlias = npt.NDArray[Any]
Key: TypeAlias = tuple[int | slice | AnyArray, ...] | EllipsisType

#: Whoever asks for less than this gets it, also where nothing was written.
_BELIEVED_BYTES = 2**30
#: Of more, this part must have been written: a scan that broke off early has that.
_LEAST_PART = 1e-4


@dataclass(frozen=True, eq=False)
class Stored:
    """A dataset.

    Attributes
    ----------
    file, path : str
        Where it is.
    stored_shape : tuple of int
        As it is in the file.
    attrs : Mapping
        Its attributes, as plain Python and numpy values.
    chunks : tuple of int, optional
        Its blocks on the disk, along the stored dimensions.
    kept : tuple of int
        Which of its dimensions there are, in which order; those that are left out are of length 1.
    roots : tuple of Path
        Folders in which its values may lie.
    """

    file: str
    path: str
    stored_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    chunks: tuple[int, ...] | None
    kept: tuple[int, ...]
    roots: tuple[Path, ...]

    @classmethod
    def of(cls, dataset: h5py.Dataset, roots: tuple[Path, ...]) -> Stored:
        """Describe a dataset of an open file."""
        shape = dataset.shape or ()
        return cls(
            file=str(dataset.file.filename),
            path=str(dataset.name),
            stored_shape=shape,
            dtype=dataset.dtype,
            attrs=attributes(dataset),
            chunks=dataset.chunks,
            kept=tuple(range(len(shape))),
            roots=roots,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its dimensions."""
        return tuple(self.stored_shape[number] for number in self.kept)

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return len(self.kept)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def units(self) -> str:
        """Its unit, also where it stands under another name."""
        return units_of(self.attrs)

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.dtype.kind in "iufc"

    def turned(self, kept: tuple[int, ...]) -> Stored:
        """Give it with some of its present dimensions, in another order."""
        return replace(self, kept=tuple(self.kept[number] for number in kept))

    def read(self, key: Key = ...) -> AnyArray:
        """Read values.

        Parameters
        ----------
        key : tuple of int, slice or 1-D array of int
            One for each dimension.

        Raises
        ------
        NXstxmOSError
            The file is gone or damaged, or its values lie where nobody may look.
        """
        try:
            with open_shared(self.file) as h5:
                return self.read_from(h5, key)
        except H5_ERRORS as error:
            raise self.unreadable(error) from error

    def read_from(self, h5: h5py.File, key: Key = ...) -> AnyArray:
        """Read values from its file, which is open."""
        return Opened(self, h5).read(key)

    def planes(self) -> Iterator[tuple[tuple[int, ...], AnyArray]]:
        """Read it image by image: the last two dimensions are rows and columns.

        Yields
        ------
        index : tuple of int
            Along the dimensions before them.
        plane : ndarray
            The image.

        Raises
        ------
        NXstxmOSError
            As `read`; also when next to nothing was written of all images.
        """
        try:
            with open_shared(self.file) as h5:
                opened = Opened(self, h5)
                # each image alone may be small
                opened.check_extent((slice(None),) * self.ndim)
                for index in np.ndindex(*self.shape[:-2]):
                    yield index, opened.read((*index, slice(None), slice(None)))
        except H5_ERRORS as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: BaseException) -> RefusedError:
        """Give the error that says where it is and what is wrong."""
        if isinstance(error, RefusedError):
            return error
        return RefusedError(f"{self.path} of {self.file} can not be read: {why(error)}")


@dataclass(frozen=True, eq=False)
class Held(Stored):
    """An array that is in memory, for it had to be computed.

    Attributes
    ----------
    values : ndarray
        As if it were stored.
    """

    values: AnyArray

    @classmethod
    def made(cls, like: Stored, values: AnyArray, attrs: Mapping[str, Any]) -> Held:
        """Give an array that was computed from another."""
        return cls(
            file=like.file,
            path=like.path,
            stored_shape=values.shape,
            dtype=values.dtype,
            attrs=attrs,
            chunks=None,
            kept=tuple(range(values.ndim)),
            roots=like.roots,
            values=values,
        )

    def read(self, key: Key = ...) -> AnyArray:
        """Give values."""
        turned: AnyArray = np.transpose(self.values, self.kept + self._dropped)
        whole = turned.reshape(self.shape)
        return whole if key is ... else np.asarray(whole[key])

    def read_from(self, h5: h5py.File, key: Key = ...) -> AnyArray:  # noqa: ARG002
        """Give values."""
        return self.read(key)

    def planes(self) -> Iterator[tuple[tuple[int, ...], AnyArray]]:
        """Give it image by image."""
        for index in np.ndindex(*self.shape[:-2]):
            yield index, self.read((*index, slice(None), slice(None)))

    @property
    def _dropped(self) -> tuple[int, ...]:
        return tuple(n for n in range(len(self.stored_shape)) if n not in self.kept)


class Opened:
    """A dataset that is open: what has to be looked at before it is read was looked at.

    Parameters
    ----------
    stored : Stored
        The dataset.
    h5 : h5py.File
        Its file, open for reading.

    Raises
    ------
    RefusedError
        Its values lie where nobody may look.
    """

    def __init__(self, stored: Stored, h5: h5py.File) -> None:
        self.h5, self._stored = h5, stored
        self._dataset = h5py.Dataset(h5py.h5d.open(h5.id, stored.path.encode()))
        how = self._dataset.id.get_create_plist()
        layout, elsewhere = how.get_layout(), bool(how.get_external_count())
        check_sources(self._dataset, stored.roots)
        self._is_one_piece = layout == h5py.h5d.CONTIGUOUS and not elsewhere

    def read(self, key: Key = ...) -> AnyArray:
        """Read values, as `Stored.read` does."""
        stored = self._stored
        wanted: tuple[Any, ...] = (slice(None),) * stored.ndim if key is ... else tuple(key)
        self.check_extent(wanted)
        at: list[Any] = [0] * len(stored.stored_shape)
        for number, each in zip(stored.kept, wanted, strict=True):
            at[number] = each
        values = read_columns(self.h5, self._dataset, at) if self._is_one_piece else None
        if values is None:
            values = self._dataset[tuple(at)]
        left = [
            n
            for n, each in zip(stored.kept, wanted, strict=True)
            if not isinstance(each, (int, np.integer))
        ]
        if left != sorted(left):
            order = sorted(left)
            values = np.transpose(values, [order.index(number) for number in left])
        return np.asarray(values)

    def check_extent(self, wanted: tuple[Any, ...]) -> None:
        """Refuse gigabytes that nobody wrote: they would be nothing but fill values.

        Parameters
        ----------
        wanted : tuple of int, slice or 1-D array of int
            What will be read; one for each dimension.

        Raises
        ------
        RefusedError
            Next to nothing of so much was written.
        """
        stored = self._stored
        lengths = (_length(each, n) for each, n in zip(wanted, stored.shape, strict=True))
        asked = prod(lengths) * stored.dtype.itemsize
        if asked <= _BELIEVED_BYTES:
            return
        there = written_bytes(self._dataset, stored.roots)
        if there < _LEAST_PART * asked:
            raise RefusedError(
                f"{stored.path} of {stored.file} declares a shape of {stored.stored_shape}, and "
                f"next to nothing was written ({there} bytes): it is damaged, or nothing was "
                f"measured. "
                f"Read a part of it, if you want what is there"
            )


def _length(each: Any, size: int) -> int:
    """Give how many values one part of a key selects."""
    if isinstance(each, slice):
        return len(range(*each.indices(size)))
    return int(np.size(each))
