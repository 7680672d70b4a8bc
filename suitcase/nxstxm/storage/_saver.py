"""Saving data chunk by chunk."""

from __future__ import annotations

import operator
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from types import TracebackType
from typing import Any

import numpy as np

from .._errors import NXstxmError
from .._log import logger
from ._attributes import to_json
from ._errors import FormatError, SaverError
from ._kinds import DATA, taken_apart
from ._metadata import ChunkInfo, StoredMetadata
from ._rechunk import rechunked
from ._schema import Parts, Schema, difference

#: Chunks that `save_from` has in hand: one is made while others are compressed and written.
_IN_HAND = 2


class Saver(ABC):
    """Saves the chunks of one piece of data.

    Use it as a context, or give an iterable to `save_from`. Data are there, under their key, when
    the saver was closed without an error; before that and otherwise they are not. Several threads
    may save at once, each a chunk with its own number.

    Subclasses store chunks in `_save_chunk`, and make all of them one in `_finish`.

    Parameters
    ----------
    metadata : StoredMetadata
        What is known of the data.
    axis : str, optional
        The dimension of labelled data that chunks follow each other along. By default the energy,
        time, y or line, or else the first.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataDirectory, DataKey
    >>> key = DataKey("a1b2", "map", {"map": ("my_fit", "1.0", {"order": 2})})
    >>> store = DataDirectory("store", overwrite="always")
    >>> with store.saver(key) as saver:
    ...     saver.save(np.zeros((2, 3)))
    ...     saver.save(np.ones((1, 3)))
    >>> [chunk.data.shape for chunk in store.loader(key)]
    [(2, 3), (1, 3)]
    """

    def __init__(self, metadata: StoredMetadata, *, axis: str | None = None) -> None:
        self.axis = axis
        self.metadata = metadata.with_(writing_started=time.time())
        self.closed = False
        #: Called, without arguments, when the data have become available.
        self.on_finish: list[Callable[[], None]] = []
        self._chunks: dict[int, ChunkInfo] = {}
        self._next = 0
        self._busy: set[int] = set()  # chunks that other threads are saving
        self._lock = Condition()

    # -- to be written by subclasses ---------------------------------------------------------------

    @abstractmethod
    def _save_chunk(self, index: int, parts: Parts, label: Any) -> ChunkInfo:
        """Store a chunk; several threads may be in here, each with another index."""

    @abstractmethod
    def _finish(self, chunks: list[ChunkInfo]) -> None:
        """Make the data available: all of them or, when this raises, none."""

    @abstractmethod
    def _abandon(self) -> None:
        """Leave the data unfinished, with `metadata`, which tell why, for whoever looks."""

    def _take_apart(self, data: Any) -> Parts:
        """Take a chunk apart, if the storage holds such."""
        labelled = self.schema is not None and self.schema.kind in ("dataarray", "dataset")
        return taken_apart(data, self.schema.axis if labelled and self.schema else self.axis)

    def read_back(self, index: int) -> Any:  # noqa: ARG002
        """Give a chunk that was saved, before or after the data are available.

        Raises
        ------
        NXstxmKeyError
            There is no such chunk.
        """
        raise SaverError(f"{type(self).__name__} can not give back what it was given")

    # -- saving ------------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema | None:
        """What the chunks have in common; None before the first."""
        return self.metadata.schema

    def save(self, data: Any, index: int | None = None, *, label: Any = None) -> int:
        """Save a chunk.

        Parameters
        ----------
        data : ndarray, DataArray, Dataset, table
            The chunk. It may be changed when this returns.
        index : int, optional
            Its number; by default the next. Who saves from several threads or processes gives it.
        label : object, optional
            Something to know it by later, of numbers, text, lists and mappings.

        Returns
        -------
        int
            Its number.

        Raises
        ------
        SaverError
            The saver is closed, or there is such a chunk already.
        FormatError
            The chunk is of another kind than those before, or can not be stored.
        OSError
            It can not be written.
        """
        given = None if index is None else operator.index(index)  # of numpy's, too
        parts, noted = self._take_apart(data), to_json(label, "label")
        with self._lock:
            self._check_open()
            index = self._next if given is None else given
            if index < 0:
                raise SaverError(f"chunk {index} can not be saved: chunks are numbered from 0")
            if index in self._chunks or index in self._busy:
                raise SaverError(f"chunk {index} of {self.metadata.key} was saved already")
            self._agree(index, parts.schema)
            self._next = max(self._next, index + 1)
            self._busy.add(index)
        try:
            info = self._save_chunk(index, parts, noted)
            self._chunks[index] = info
        except FormatError:
            with self._lock:
                if given is None and self._next == index + 1:
                    self._next = index  # refused like what can not be taken apart
            raise
        finally:
            with self._lock:
                self._busy.remove(index)
                self._lock.notify_all()
        return index

    def save_from(
        self, source: Iterable[Any], *, rechunk: int | None = None, threads: int = _IN_HAND
    ) -> None:
        """Save all chunks that come, and close.

        Parameters
        ----------
        source : iterable
            The chunks, which must not be changed when the next is asked for. An exception that it
            raises is recorded and raised again.
        rechunk : int, optional
            Merge and cut chunks so that each has about so many bytes in memory.
        threads : int
            How many chunks may be compressed and written while the next is made.

        Raises
        ------
        Exception
            What the source, or saving, raised; the data are marked as broken.
        """
        chunks = iter(source)
        with self:
            try:
                self._save_all(
                    rechunked(chunks, rechunk, self.axis) if rechunk else chunks, threads
                )
            finally:
                close = getattr(chunks, "close", None)
                if callable(close):  # a generator: let go of what it holds
                    close()

    def _save_all(self, chunks: Iterator[Any], threads: int) -> None:
        under_way: deque[Future[int]] = deque()
        with ThreadPoolExecutor(max(threads, 1), "nxstxm-saver") as pool:
            try:
                for index, data in enumerate(chunks):
                    under_way.append(pool.submit(self.save, data, index))
                    while len(under_way) > max(threads, 1):
                        under_way[0].result()
                        under_way.popleft()
                while under_way:
                    under_way[0].result()
                    under_way.popleft()
            finally:
                # behind a chunk that failed none is needed; before an error of the source all are
                if under_way and under_way[0].done() and under_way[0].exception() is not None:
                    for each in under_way:
                        each.cancel()

    def _agree(self, index: int, schema: Schema) -> None:
        if self.metadata.schema is None:
            self.metadata = self.metadata.with_(schema=schema)
            return
        told = difference(self.metadata.schema, schema)
        if told:
            raise FormatError(
                f"chunk {index} of {self.metadata.key} differs from those before: {told}; all "
                f"chunks of one piece of data are alike but for their length along the axis"
            )

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish: the data become available. Again is harmless.

        Raises
        ------
        SaverError
            Nothing was saved, or a chunk between others was not.
        OSError
            They can not be finished; they are not available then.
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._lock.wait_for(lambda: not self._busy)
        try:
            chunks = self._complete(self._gathered())
            self.metadata = self.metadata.with_(
                writing_ended=time.time(),
                n_chunks=len(chunks),
                rows=sum(chunk.rows for chunk in chunks),
                nbytes=sum(chunk.nbytes for chunk in chunks),
            )
            self._finish(chunks)
            for tell in self.on_finish:
                tell()
        except BaseException as error:
            self._record(error)
            raise

    def fail(self, error: BaseException) -> None:
        """Close without making the data available, and note why."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._lock.wait_for(lambda: not self._busy)
        self._record(error)

    def discard(self) -> None:
        """Close as if nothing had been begun."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._lock.wait_for(lambda: not self._busy)
        self._discard()

    def _discard(self) -> None:
        """Leave nothing; what can not do that leaves data that say so."""
        self._record(SaverError(f"{self.metadata.key} was given up"))

    def _record(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.metadata = self.metadata.with_(exception=text, writing_ended=None)
        try:
            self._abandon()
        except (OSError, NXstxmError) as second:
            logger.warning("what broke %s could not be noted: %s", self.metadata.key, second)

    def _gathered(self) -> list[ChunkInfo]:
        """Give all chunks; where several processes save, those of others too."""
        return list(self._chunks.values())

    def _complete(self, chunks: list[ChunkInfo]) -> list[ChunkInfo]:
        chunks = sorted(chunks, key=lambda chunk: chunk.index)
        if not chunks:
            raise SaverError(
                f"{self.metadata.key} was closed without any chunk; data without rows are saved as "
                f"one chunk of length 0"
            )
        # a chunk that could not be saved is missing also when it was the last
        expected = range(max(len(chunks), self._next))
        missing = sorted(set(expected) - {chunk.index for chunk in chunks})
        if missing:
            raise SaverError(
                f"{self.metadata.key} lacks chunk {', '.join(map(str, missing[:10]))}: "
                f"{len(chunks)} were saved, the last with number {chunks[-1].index}"
            )
        return chunks

    def _check_open(self) -> None:
        if self.closed:
            raise SaverError(f"nothing more can be saved to {self.metadata.key}: it is closed")

    def __enter__(self) -> Saver:
        """Give the saver itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an error, without making the data available."""
        if error is None:
            self.close()
        else:
            self.fail(error)


def ranges_of(parts: Parts, index_by: Iterable[str] = ()) -> dict[str, tuple[Any, Any]]:
    """Find least and greatest value of a chunk's coordinates along the axis.

    Parameters
    ----------
    parts : Parts
        The chunk.
    index_by : iterable of str
        Fields of a structured array that are looked at, too; ``time`` always is.
    """
    found: dict[str, Any] = {}
    for variable in parts.schema.variables:
        if variable.is_coord and variable.dims == (parts.schema.axis,):
            found[variable.name] = parts.arrays[variable.name]
    array = parts.arrays.get(DATA)
    if parts.schema.kind == "array" and array is not None:
        for name in {"time", *index_by} & set(array.dtype.names or ()):
            found[name] = array[name]
    made = {}
    for name, values in found.items():
        if values.ndim == 1 and values.dtype.kind in "iufmM":
            # what is no number is within no bounds
            numbers = values[~np.isnan(values)] if values.dtype.kind in "fmM" else values
            if numbers.size:
                made[name] = (numbers.min(), numbers.max())
    return made
