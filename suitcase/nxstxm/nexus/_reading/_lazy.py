"""Arrays of files for xarray: read when somebody looks at them, and no more than is looked at."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import h5py
from xarray.backends import BackendArray, CachingFileManager
from xarray.core import indexing

from ..._h5tree import H5_ERRORS
from ._reach import open_shared
from ._stored import AnyArray, Opened, Stored

#: Blocks of about so many bytes are read at a time where nothing on the disk suggests others.
_BLOCK_BYTES = 16 * 2**20


class Files:
    """The open files of one tree; each is opened when it is first read from.

    Parameters
    ----------
    moment : object, optional
        What keeps the file of a running scan.
    """

    def __init__(self, moment: object | None = None) -> None:
        self.moment = moment
        self._managers: dict[str, CachingFileManager[h5py.File]] = {}

    def __getitem__(self, path: str) -> CachingFileManager[h5py.File]:
        """Give what opens a file, and keeps it open as long as xarray has room for it."""
        if path not in self._managers:
            self._managers[path] = CachingFileManager(open_shared, path, mode="r")
        return self._managers[path]

    def close(self) -> None:
        """Close all of them; whoever reads again opens them again."""
        for manager in self._managers.values():
            manager.close()


class StoredArray(BackendArray):
    """A dataset as xarray wants it; it can be sent to other processes.

    Parameters
    ----------
    stored : Stored
        The dataset.
    files : Files
        Opens its file.
    """

    def __init__(self, stored: Stored, files: Files) -> None:
        self.stored = stored
        self.shape = stored.shape
        self.dtype = stored.dtype
        self._manager = files[stored.file]
        self._moment = files.moment
        self._opened: Opened | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Send it without what is open, and what keeps the file of a running scan."""
        return {**self.__dict__, "_moment": None, "_opened": None}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> AnyArray:
        """Read the selected values."""
        read: Callable[[tuple[Any, ...]], AnyArray] = self._read
        made: AnyArray = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, read
        )
        return made

    def _read(self, key: tuple[Any, ...]) -> AnyArray:
        try:
            h5 = self._manager.acquire()
            opened = self._opened
            if opened is None or opened.h5 is not h5 or not h5:
                opened = self._opened = Opened(self.stored, h5)
            return opened.read(tuple(key))
        except H5_ERRORS as error:
            raise self.stored.unreadable(error) from error


def token_of(stored: Stored) -> str:
    """Name the values of a dataset without reading them; a changed file has another name."""
    path = Path(stored.file)
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return repr((stored.file, changed, stored.path, stored.kept))


def blocks(stored: Stored) -> tuple[int, ...]:
    """Give the blocks in which a dataset is best read: whole planes, as they lie on the disk."""
    if stored.chunks is not None:
        least = [stored.chunks[number] for number in stored.kept]
    else:
        least = [1, *stored.shape[1:]] if stored.ndim else []
    sizes = list(least)
    for number in reversed(range(stored.ndim)):
        room = _BLOCK_BYTES // max(prod(sizes) * stored.dtype.itemsize, 1)
        if room > 1:
            sizes[number] = min(sizes[number] * room, stored.shape[number])
    return tuple(sizes)
