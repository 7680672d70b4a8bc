"""Stored data, opened to be read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import NXstxmKeyError, OptionError
from ._attributes import of_json
from ._errors import DataCorrupted
from ._kinds import joined, part, taken_apart
from ._metadata import ChunkInfo, StoredMetadata
from ._rechunk import rechunked

if TYPE_CHECKING:
    from ._backend import StorageBackend

#: What is told while data are verified: bytes read, bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Chunk:
    """A part of stored data.

    Attributes
    ----------
    data : ndarray, DataArray, Dataset, table
        The data.
    index : int
        The number of the chunk; of merged or cut ones, a count from 0.
    start, stop : int
        The rows that it has of all of them.
    label : object
        What whoever saved it noted.
    """

    data: Any
    index: int
    start: int
    stop: int
    label: Any = None


@dataclass(frozen=True)
class Wanted:
    """Which part of stored data is wanted: everything, where nothing is said.

    Attributes
    ----------
    rows : (int, int), optional
        From this row up to, and without, that.
    between : Mapping of str to (low, high), optional
        Coordinates along the axis, or fields, and their bounds, both included.
    chunk_number : int or collection of int, optional
        These chunks.
    """

    rows: tuple[int, int] | None = None
    between: Mapping[str, tuple[Any, Any]] | None = None
    chunk_number: int | Collection[int] | None = None

    def __post_init__(self) -> None:
        """Check it."""
        if self.rows is not None:
            low, high = _pair(self.rows, (None, None))
            try:
                rows = operator.index(low), operator.index(high)
            except TypeError:
                rows = (0, -1)
            if rows[0] < 0 or rows[1] < rows[0]:
                raise OptionError(
                    f"rows={self.rows!r:.60} is no range; give (first, last + 1), from 0 on"
                )
            object.__setattr__(self, "rows", rows)
        if self.between is not None:
            if not isinstance(self.between, Mapping):
                raise OptionError(
                    f"between={self.between!r:.60} is no mapping; give {{name: (low, high)}}"
                )
            for name, bounds in self.between.items():
                if any(each is None or isinstance(each, str) for each in _pair(bounds, (None,))):
                    raise OptionError(
                        f"between has {bounds!r:.60} for {name!r}; give (low, high), both of which "
                        f"are included"
                    )
        if self.chunk_number is not None:
            numbers = self.chunk_number
            try:
                each = [numbers] if not isinstance(numbers, Iterable) else list(numbers)
                object.__setattr__(self, "chunk_number", tuple(map(operator.index, each)))
            except TypeError as error:
                raise OptionError(
                    f"chunk_number={numbers!r:.60} is no number of a chunk, nor several of these"
                ) from error

    def chunks(self, infos: Sequence[ChunkInfo]) -> list[tuple[ChunkInfo, int]]:
        """Choose chunks; give each with its first row.

        Raises
        ------
        NXstxmKeyError
            There is no such chunk, or nothing is known of such a coordinate.
        """
        starts = np.cumsum([0, *(info.rows for info in infos)]).tolist()
        pairs = list(zip(infos, starts, strict=False))
        if self.chunk_number is not None:
            numbers = self.chunk_number
            wanted = list(numbers) if isinstance(numbers, Iterable) else [numbers]
            missing = sorted(set(wanted) - {info.index for info in infos})
            if missing:
                raise NXstxmKeyError(
                    f"there is no chunk {', '.join(map(str, missing[:10]))}; there are "
                    f"{len(infos)}, from 0 on"
                )
            pairs = [pair for pair in pairs if pair[0].index in set(wanted)]
        if self.rows is not None:
            low, high = self.rows
            pairs = [(i, at) for i, at in pairs if at < high and at + i.rows > low]
        for name, bounds in (self.between or {}).items():
            known = {each for info in infos for each in info.ranges}
            if name not in known and any(info.rows for info in infos):
                raise NXstxmKeyError(
                    f"nothing is known of {name!r} along the axis; bounds can be given for "
                    f"{', '.join(sorted(known)) or 'nothing'}"
                )
            pairs = [
                (i, at) for i, at in pairs if name in i.ranges and _overlap(i.ranges[name], bounds)
            ]
        return pairs


def _pair(given: Any, otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give two things that somebody gave."""
    return tuple(given) if isinstance(given, (tuple, list)) and len(given) == 2 else otherwise


def _overlap(have: tuple[Any, Any], wanted: tuple[Any, Any]) -> bool:
    low, high = wanted
    return bool(have[0] <= high and have[1] >= low)


class StoredData:
    """Stored data, opened to be read; what describes them has been read, and is read once.

    Parameters
    ----------
    backend : StorageBackend
        Who loads them.
    backend_key : str
        What they are called there.

    Raises
    ------
    DataNotAvailable
        There are none.
    DataCorrupted
        What describes them can not be read.

    Attributes
    ----------
    metadata : StoredMetadata
        What is known of them.
    chunks : tuple of ChunkInfo
        What is known of the chunks, in their order.
    """

    def __init__(self, backend: StorageBackend, backend_key: str) -> None:
        self.backend = backend
        self.backend_key = backend_key
        self.metadata: StoredMetadata = backend.get_metadata(backend_key)
        self.chunks: tuple[ChunkInfo, ...] = tuple(backend.get_chunks(backend_key, self.metadata))

    @property
    def axis(self) -> str | None:
        """The dimension that the chunks follow each other along."""
        return None if self.metadata.schema is None else self.metadata.schema.axis

    def read(
        self,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
    ) -> Any:
        """Load a chunk, or some rows of it; see `StorageBackend.read_chunk`."""
        return self.backend.read_chunk(self.backend_key, self.metadata, info, rows=rows, only=only)

    def arrays(self, info: ChunkInfo, names: Collection[str]) -> dict[str, Any]:
        """Load some variables of a chunk that have the axis, which is put first."""
        found = taken_apart(self.read(info), self.axis).arrays
        return {name: found[name] for name in names}

    def loader(
        self, wanted: Wanted | None = None, *, rechunk: int | None = None
    ) -> Iterator[Chunk]:
        """Load chunk by chunk; only those are read of which something is wanted.

        Parameters
        ----------
        wanted : Wanted, optional
            Which part.
        rechunk : int, optional
            Merge and cut chunks so that each has about so many bytes.

        Raises
        ------
        DataCorrupted
            A chunk is not what was saved.
        """
        found = self._wanted(wanted or Wanted())
        return found if rechunk is None else _rechunked(found, rechunk, self.axis)

    def load(self, wanted: Wanted | None = None) -> Any:
        """Load everything, or what is wanted of it, as one.

        Raises
        ------
        DataCorrupted
            A chunk is not what was saved.
        """
        chunks = [chunk.data for chunk in self._wanted(wanted or Wanted())]
        if not chunks and self.chunks:  # nothing is within the bounds: give it without rows
            chunks = [self.read(self.chunks[0], rows=(0, 0))]
        if self.metadata.schema is None or not chunks:
            raise DataCorrupted(f"{self} has no chunks")
        return joined(self.metadata.schema, chunks)

    def verify(self, progress: Progress | None = None) -> int:
        """Read everything and compare checksums; give the bytes that were read.

        Raises
        ------
        DataCorrupted
            Something is not what was written.
        """
        total = sum(info.nbytes for info in self.chunks)
        done = 0
        for info in self.chunks:
            self.read(info)
            done += info.nbytes
            if progress is not None:
                progress(done, total)
        return done

    def _wanted(self, wanted: Wanted) -> Iterator[Chunk]:
        for info, start in wanted.chunks(self.chunks):
            low, high = 0, info.rows
            if wanted.rows is not None:
                low, high = max(wanted.rows[0] - start, 0), min(wanted.rows[1] - start, info.rows)
            whole = (low, high) == (0, info.rows)
            data = self.read(info, rows=None if whole else (low, high))
            for name, bounds in (wanted.between or {}).items():
                data, (more, less) = _within(data, name, bounds, self.axis)
                low, high = low + more, high - less
            yield Chunk(data, info.index, start + low, start + high, of_json(info.label))

    def __str__(self) -> str:
        """Say where they are."""
        return self.backend.describe(self.backend_key)


def _rechunked(found: Iterator[Chunk], target: int, axis: str | None) -> Iterator[Chunk]:
    first: list[int] = []

    def noting() -> Iterator[Any]:
        for chunk in found:
            first.append(chunk.start)
            yield chunk.data

    at = None
    for index, data in enumerate(rechunked(noting(), target, axis)):
        at = first[0] if at is None else at
        rows = taken_apart(data, axis).rows
        yield Chunk(data, index, at, at + rows)
        at += rows


def _within(
    data: Any, name: str, bounds: tuple[Any, Any], axis: str | None
) -> tuple[Any, tuple[int, int]]:
    """Cut a chunk to bounds; give also how many rows fell away before and behind.

    Where values rise and fall, what is between does not have to be in one piece.
    """
    values = np.asarray(data[name])
    inside = (values >= bounds[0]) & (values <= bounds[1])
    kept = np.flatnonzero(inside)
    ends = (int(kept[0]), len(values) - 1 - int(kept[-1])) if kept.size else (0, len(values))
    if inside.all():
        return data, (0, 0)
    if kept.size and kept[-1] - kept[0] + 1 == kept.size:
        return part(data, int(kept[0]), int(kept[-1]) + 1, axis), ends
    if isinstance(data, np.ndarray):
        return data[inside], ends
    return data.isel({axis: kept}), ends
