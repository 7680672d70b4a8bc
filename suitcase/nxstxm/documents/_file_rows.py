"""Rows of files that detectors write, as arrays that are read when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ._filling import UnfilledError

AnyArray = npt.NDArray[Any]
#: Gives readings `first` to `last` of a file, shape (n, ...).
Read = Callable[[int, int], AnyArray]


class DetectorFileError(UnfilledError):
    """A file of a detector that can not be read."""


class HeldFileError(DetectorFileError):
    """A file of a detector that somebody still writes."""


class FileRows:
    """Readings in a file, one a row, seen as an array that is not in memory.

    Parameters
    ----------
    read : callable
        Gives a range of them.
    shape : tuple of int
        Rows, then the shape of a reading.
    dtype : dtype
        Their dtype.
    path : Path
        The file, or the folder of a series.
    dataset : str, optional
        Where they are in the file, unless they are all of it.
    each : int
        How many rows of the dataset, or files of a series, are one of them.
    is_hdf5 : bool
        Whether HDF5 can link it.
    close : callable, optional
        Closes the file until somebody reads again.
    """

    #: What it takes of memory.
    nbytes = 0

    def __init__(
        self,
        read: Read,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        path: Path,
        dataset: str = "",
        each: int = 1,
        is_hdf5: bool = False,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self._read = read
        self.close = close
        self.shape = shape
        self.dtype = dtype
        self.path = path
        self.dataset = dataset
        self.each = each
        self.is_hdf5 = is_hdf5

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of a reading plus one."""
        return len(self.shape)

    def __len__(self) -> int:
        """Count the rows."""
        return self.shape[0]

    def __iter__(self) -> Iterator[AnyArray]:
        """Read the rows one by one."""
        for i in range(len(self)):
            yield self[i]

    @overload
    def __getitem__(self, index: int) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice) -> AnyArray: ...
    def __getitem__(self, index: int | slice) -> AnyArray:
        """Read one row, or several.

        Raises
        ------
        DetectorFileError
            The file can not be read any more.
        """
        if isinstance(index, slice):
            first, last, _ = index.indices(len(self))
            if last <= first:
                return np.empty((0, *self.shape[1:]), self.dtype)
            return self._checked(first, last)
        found: AnyArray = self._checked(index, index + 1)[0]
        return found

    def _checked(self, first: int, last: int) -> AnyArray:
        try:
            found = self._read(first, last)
        except (OSError, KeyError, ValueError) as error:
            raise DetectorFileError(f"{self.path} can not be read any more ({error})") from error
        return found.astype(self.dtype, copy=False).reshape(last - first, *self.shape[1:])


def arranged(
    n_rows: int, row: tuple[int, ...], declared: tuple[int | None, ...]
) -> tuple[int, tuple[int, ...]]:
    """Tell how many rows of a file are a reading, and of which shape it is.

    A dataset with one dimension more than a reading was stacked, one with as many concatenated.
    A first dimension of one is none.

    Parameters
    ----------
    n_rows : int
        Rows of the file.
    row : tuple of int
        Shape of one.
    declared : tuple of int or None
        Shape of a reading, as the descriptor has it.
    """
    is_concatenated = len(declared) == len(row) + 1
    each = (declared[0] or 1) if is_concatenated else 1
    if each > 1 and n_rows >= each:
        return each, (each, *row)
    while len(row) > 0 and row[0] == 1 and len(row) != 1:
        row = row[1:]  # stacked frames of one: (n, 1, h, w)
    return 1, () if row == (1,) else row
