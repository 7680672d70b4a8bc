"""The chunks of data as arrays in memory, and what saves and gives them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from threading import Condition, Lock, current_thread
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .._errors import NXstxmKeyError
from ._attributes import of_json, to_json
from ._backend import StorageBackend
from ._checks import check_options, disagreement
from ._dtypes import AnyArray, alike, from_bytes, to_bytes
from ._errors import DataLockedError, DataNotAvailable, SaverError
from ._kept import Arrays, Kept
from ._loading import StoredData
from ._metadata import ChunkInfo, StoredMetadata
from ._places import check_overwrite
from ._saver import Saver, ranges_of
from ._schema import Parts


class MemoryData(StoredData):
    """Data in memory, opened to be read: they stay what they were when others replace them."""

    def __init__(self, backend: MemoryBackend, backend_key: str) -> None:
        self.backend = backend
        self.backend_key = backend_key
        self._kept = backend.kept(backend_key)
        self.metadata = self._kept.metadata
        self.chunks = self._kept.chunks

    def read(
        self,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
    ) -> Any:
        """Give a chunk, or some rows of it."""
        return self._kept.read(info.index, rows, only)

    def arrays(self, info: ChunkInfo, names: Collection[str]) -> dict[str, Any]:
        """Give some variables of a chunk that have the axis, which is put first."""
        found = self._kept.arrays[info.index]
        return {name: found[name] for name in names}


class MemoryBackend(StorageBackend):
    """Keeps data in memory.

    Parameters
    ----------
    whole : MutableMapping of str to Kept, optional
        Where whole data are, by their backend keys: another mapping than a dict may keep them
        elsewhere. What is being written, and what broke, is in memory.
    """

    name = "memory"

    def __init__(self, whole: MutableMapping[str, Kept] | None = None) -> None:
        self._whole: MutableMapping[str, Kept] = {} if whole is None else whole
        self._broken: dict[str, Kept] = {}
        # a saver that nobody holds any more locks nothing
        self._writing: WeakValueDictionary[str, MemorySaver] = WeakValueDictionary()
        self._changed = Condition()

    def kept(self, backend_key: str) -> Kept:
        """Give data: whole, being written, or broken.

        Raises
        ------
        DataNotAvailable
            There are none.
        """
        with self._changed:
            whole, saver = self._whole.get(backend_key), self._writing.get(backend_key)
            found = whole or (saver.so_far() if saver is not None else None)
            found = found or self._broken.get(backend_key)
        if found is None:
            raise DataNotAvailable(f"there are no data in {self.describe(backend_key)}")
        return found

    def __contains__(self, backend_key: object) -> bool:
        """Tell whether there are data, whole or not."""
        with self._changed:
            return any(backend_key in each for each in (self._whole, self._writing, self._broken))

    def all(self) -> Iterator[tuple[str, StoredMetadata]]:
        """Give all data, whole or not."""
        with self._changed:
            keys = sorted({*self._whole, *self._writing, *self._broken})
        for key in keys:
            if key in self:
                yield key, self.get_metadata(key)

    def unfinished(self) -> list[str]:
        """Give the keys of what is being written, or broke."""
        with self._changed:
            return sorted({*self._writing, *self._broken})

    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of data; see `StorageBackend.get_metadata`."""
        return self.kept(backend_key).metadata

    def get_chunks(self, backend_key: str, metadata: StoredMetadata) -> Sequence[ChunkInfo]:  # noqa: ARG002
        """Give what is known of the chunks."""
        return self.kept(backend_key).chunks

    def read_chunk(
        self,
        backend_key: str,
        metadata: StoredMetadata,  # noqa: ARG002 - it is kept with the arrays
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
    ) -> Any:
        """Give a chunk; see `StorageBackend.read_chunk`."""
        return self.kept(backend_key).read(info.index, rows, only)

    def open(self, backend_key: str) -> StoredData:
        """Open data to be read."""
        return MemoryData(self, backend_key)

    def make_saver(
        self,
        backend_key: str,
        metadata: StoredMetadata,
        *,
        overwrite: str,
        wait: float,
        **options: Any,
    ) -> Saver:
        """Make a saver; see `StorageBackend.make_saver`. A compression is not made use of."""
        check_options(options)
        saver = MemorySaver(self, backend_key, metadata, **options)
        deadline = time.monotonic() + wait
        with self._changed:
            while True:
                if backend_key in self._whole:
                    check_overwrite(self, backend_key, overwrite)
                other = self._writing.get(backend_key)
                if other is None:
                    self._writing[backend_key] = saver
                    return saver
                left, writer = deadline - time.monotonic(), other.writer
                del other  # or it would never be given up here
                if left <= 0:
                    raise DataLockedError(
                        f"{self.describe(backend_key)} is being written by thread {writer} of "
                        f"this process; wait for it with wait=SECONDS"
                    )
                self._changed.wait(min(left, 0.1))

    def settle(self, saver: MemorySaver, kept: Kept | None) -> None:
        """Take what a saver has made, whole or broken; None for nothing."""
        key = saver.backend_key
        with self._changed:
            if self._writing.get(key) is saver:
                del self._writing[key]
            if kept is not None and kept.metadata.is_whole:
                self._whole[key] = kept
                self._broken.pop(key, None)
            elif kept is not None:
                self._broken[key] = kept
            self._changed.notify_all()

    def remove(self, backend_key: str) -> None:
        """Remove data."""
        with self._changed:
            saver = self._writing.get(backend_key)
            if saver is not None:
                raise DataLockedError(
                    f"{self.describe(backend_key)} is being written by thread {saver.writer} of "
                    f"this process"
                )
            self._whole.pop(backend_key, None)
            self._broken.pop(backend_key, None)

    def describe(self, backend_key: str) -> str:
        """Say where data are."""
        return f"memory:{backend_key}"


class MemorySaver(Saver):
    """Keeps the arrays of chunks; several threads may save, other processes can not."""

    def __init__(
        self,
        backend: MemoryBackend,
        backend_key: str,
        metadata: StoredMetadata,
        *,
        compression: str = "none",  # noqa: ARG002 - savers are called alike
        axis: str | None = None,
        index_by: Collection[str] = (),
    ) -> None:
        extra = of_json(to_json(dict(metadata.extra), "the metadata"))
        super().__init__(metadata.with_(compression="none", extra=extra), axis=axis)
        self.backend = backend
        self.backend_key = backend_key
        self.index_by = tuple(index_by)
        #: The thread that made it.
        self.writer = current_thread().name
        self._arrays: dict[int, Arrays] = {}
        self._constants: Arrays | None = None
        self._sharing = Lock()

    def __reduce__(self) -> Any:
        """Refuse to go to another process."""
        raise SaverError(f"{self.metadata.key} is saved in memory, which no other process sees")

    def _save_chunk(self, index: int, parts: Parts, label: Any) -> ChunkInfo:
        constants = {name: _copied(name, each) for name, each in parts.constants.items()}
        with self._sharing:
            if self._constants is None:
                self._constants = constants
        for name, each in constants.items():
            if not alike(each, self._constants[name]):
                raise disagreement(self.metadata, name, index, parts)
        arrays = {name: _copied(name, each) for name, each in parts.arrays.items()}
        self._arrays[index] = arrays
        nbytes = sum(each.nbytes for each in arrays.values())
        return ChunkInfo(index, parts.rows, nbytes, ranges_of(parts, self.index_by), label)

    def _kept(self, chunks: Sequence[ChunkInfo]) -> Kept:
        return Kept(self.metadata, tuple(chunks), dict(self._arrays), self._constants or {})

    def so_far(self) -> Kept:
        """Give what was saved until now, up to the first chunk that is missing."""
        infos = dict(self._chunks)
        have = next(i for i in range(len(infos) + 1) if i not in infos)
        return self._kept([infos[index] for index in range(have)])

    def _finish(self, chunks: list[ChunkInfo]) -> None:
        self.backend.settle(self, self._kept(chunks))

    def _abandon(self) -> None:
        self.backend.settle(self, self.so_far())

    def _discard(self) -> None:
        self.backend.settle(self, None)

    def read_back(self, index: int) -> Any:
        """Give a chunk that was saved; see `Saver.read_back`."""
        if index not in self._chunks:
            raise NXstxmKeyError(f"no chunk {index} of {self.metadata.key} was saved here")
        return self._kept(()).read(index)


def _copied(name: str, array: AnyArray) -> AnyArray:
    """Copy an array that can be stored; nobody can write to the copy."""
    array = np.asarray(array)
    if array.dtype.hasobject or not array.dtype.itemsize:
        # written and read again: what can not be stored elsewhere can not be stored here
        copy = np.array(from_bytes(*to_bytes(array, name)))
    else:
        copy = np.array(array)
    copy.flags.writeable = False
    # which, unlike an array with memory of its own, can not be made writeable
    view: AnyArray = copy.view()
    return view
