"""Data in pieces: HDF5 files, a log of chunks, and metadata; wherever the files are."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._errors import NXstxmError
from .._zlib import crc32
from ._backend import StorageBackend
from ._dtypes import AnyArray, concatenated
from ._errors import DataCorrupted
from ._kinds import put_together
from ._loading import Progress, StoredData, Wanted
from ._metadata import ChunkInfo, StoredMetadata, lines, unsealed
from ._piece_reading import Fetch, check, read
from ._pieces import Stored, workers
from ._saver import ranges_of
from ._schema import Parts, Schema, narrowed

METADATA = "metadata.json"
LOG = "chunks.jsonl"
#: The number in the log of what all chunks share.
CONSTANTS = -1
#: How often one looks again at data that others replace.
_LOOKS = 5


def file_of(index: int) -> str:
    """Name the file of a chunk."""
    return f"{index:06d}.h5"


def info_of(
    index: int, parts: Parts, file: str, arrays: dict[str, Stored], label: Any, index_by: Any
) -> ChunkInfo:
    """Note a chunk that was written."""
    return ChunkInfo(
        index,
        parts.rows,
        sum(each.nbytes for each in arrays.values()),
        ranges_of(parts, index_by),
        label,
        {"file": file, "arrays": {name: each.as_json() for name, each in arrays.items()}},
    )


class PieceBackend(StorageBackend):
    """Keeps data in pieces; subclasses know how to read files."""

    @abstractmethod
    def _read_file(self, backend_key: str, name: str) -> bytes:
        """Read a small file.

        Raises
        ------
        DataNotAvailable
            There are no data of that key.
        DataCorrupted
            There are, but not that file.
        """

    @abstractmethod
    @contextmanager
    def _reading(self, backend_key: str, name: str) -> Iterator[Fetch]:
        """Open a piece; several threads may fetch from it at once."""

    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of data; see `StorageBackend.get_metadata`."""
        what = f"{self.describe(backend_key)}/{METADATA}"
        return StoredMetadata.of_json(unsealed(self._read_file(backend_key, METADATA), what), what)

    def get_chunks(self, backend_key: str, metadata: StoredMetadata) -> Sequence[ChunkInfo]:
        """Give what is known of the chunks."""
        return [info for info in self._log(backend_key, metadata) if info.index != CONSTANTS]

    def _log(self, backend_key: str, metadata: StoredMetadata) -> list[ChunkInfo]:
        what = f"{self.describe(backend_key)}/{LOG}"
        found: list[ChunkInfo] = []
        whole = metadata.is_whole
        for name in [log_of(metadata)] if whole else self._logs(backend_key, metadata):
            raw = self._read_file(backend_key, name)
            if metadata.is_whole:
                _check_log(raw, metadata, what)
            found += lines(raw, what, torn=not metadata.is_whole)
        if not metadata.is_whole:  # what follows a gap may have been lost
            found.sort(key=lambda info: info.index)
            numbers = [info.index for info in found if info.index != CONSTANTS]
            have = next((i for i, n in enumerate(numbers) if n != i), len(numbers))
            found = [info for info in found if info.index < have]
        return sorted(found, key=lambda info: info.index)

    def _logs(self, backend_key: str, metadata: StoredMetadata) -> Sequence[str]:  # noqa: ARG002
        """Name the logs of data that are not whole: one, unless several processes are writing."""
        return [LOG]

    def read_chunk(
        self,
        backend_key: str,
        metadata: StoredMetadata,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
    ) -> Any:
        """Load a chunk; see `StorageBackend.read_chunk`."""
        constants = [each for each in self._log(backend_key, metadata) if each.index == CONSTANTS]
        data = PieceData(self, backend_key, metadata, [*constants, info])
        return data.read(info, rows=rows, only=only)

    def open(self, backend_key: str) -> StoredData:
        """Open data to be read; see `StorageBackend.open`."""
        for _ in range(_LOOKS):
            with contextlib.suppress(DataCorrupted):  # or replaced between two looks
                return self._open(backend_key)
        return self._open(backend_key)

    def _open(self, backend_key: str) -> PieceData:
        return PieceData(self, backend_key)


def log_of(metadata: StoredMetadata) -> str:
    """Name the log of whole data: those that were written over others have one of their own."""
    noted = metadata.place.get("log")
    return str(noted.get("file", LOG)) if isinstance(noted, dict) else LOG


def _check_log(raw: bytes, metadata: StoredMetadata, what: str) -> None:
    noted = metadata.place.get("log")
    if not isinstance(noted, dict) or [len(raw), crc32(raw)] != [noted["size"], noted["crc"]]:
        raise DataCorrupted(f"{what} is not what was written: its size or checksum is wrong")


class PieceData(StoredData):
    """Data in pieces, opened to be read: its log is read once, what chunks share once.

    Parameters
    ----------
    backend : PieceBackend
        Who loads them.
    backend_key : str
        What they are called there.
    metadata : StoredMetadata, optional
        What is known of them, where that was read already.
    infos : sequence of ChunkInfo, optional
        What the log has of them, likewise.
    """

    backend: PieceBackend

    def __init__(
        self,
        backend: PieceBackend,
        backend_key: str,
        metadata: StoredMetadata | None = None,
        infos: Sequence[ChunkInfo] | None = None,
    ) -> None:
        metadata = backend.get_metadata(backend_key) if metadata is None else metadata
        infos = backend._log(backend_key, metadata) if infos is None else infos
        self.backend = backend
        self.backend_key = backend_key
        self.metadata = metadata
        self.chunks = tuple(info for info in infos if info.index != CONSTANTS)
        self._shared = next((info for info in infos if info.index == CONSTANTS), None)
        self._constants: dict[str, AnyArray] | None = None

    @property
    def _schema(self) -> Schema:
        if self.metadata.schema is None:
            raise DataCorrupted(f"{self} has no chunks")
        return self.metadata.schema

    def read(
        self,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
        pool: Executor | None = None,
    ) -> Any:
        """Load a chunk, or some rows of it."""
        if pool is None and info.nbytes > 8 << 20:
            with workers() as pool:
                return self.read(info, rows=rows, only=only, pool=pool)
        schema = narrowed(self._schema, only)
        stored = _stored(info)
        wanted = [v.name for v in schema.along() if v.name in stored]
        cut = rows if schema.kind != "table" else None
        file = str(info.place["file"])
        arrays = {}
        if wanted:
            with self.backend._reading(self.backend_key, file) as fetch:
                for name in wanted:
                    what = self._name(info, name)
                    arrays[name] = read(fetch, stored[name], what, rows=cut, pool=pool)
        made = put_together(schema, arrays, self._all_constants() if schema.constant() else {})
        if rows is not None and schema.kind == "table":
            made = made.slice(rows[0], rows[1] - rows[0])
        return made

    def arrays(self, info: ChunkInfo, names: Collection[str]) -> dict[str, Any]:
        """Load some variables of a chunk that have the axis, which is put first."""
        stored = _stored(info)
        with self.backend._reading(self.backend_key, str(info.place["file"])) as fetch:
            return {n: read(fetch, stored[n], self._name(info, n)) for n in names}

    def _all_constants(self) -> dict[str, AnyArray]:
        if self._constants is None:
            found: dict[str, AnyArray] = {}
            if self._shared is not None:
                with self.backend._reading(
                    self.backend_key, str(self._shared.place["file"])
                ) as fetch:
                    for name, stored in _stored(self._shared).items():
                        found[name] = read(fetch, stored, self._name(self._shared, name))
            self._constants = found
        # each chunk has its own: who changes one must not change those that come
        return {name: values.copy() for name, values in self._constants.items()}

    def load(self, wanted: Wanted | None = None) -> Any:
        """Load everything, or what is wanted of it, as one.

        Those that were replaced meanwhile are loaded as they are now.
        """
        for _ in range(_LOOKS):
            try:
                return self._load(wanted or Wanted())
            except DataCorrupted:
                if not self._again():
                    raise
        return self._load(wanted or Wanted())

    def _again(self) -> bool:
        """Open the data again; tell whether they are others by now."""
        with contextlib.suppress(NXstxmError):
            now = self.backend.open(self.backend_key)
            if now.metadata != self.metadata:
                self.__dict__.update(vars(now))
                return True
        return False

    def _load(self, wanted: Wanted) -> Any:
        """Load each array to where it belongs."""
        schema = self._schema
        chunks = wanted.chunks(self.chunks)
        if schema.kind in ("table", "frame") or wanted.between or not chunks:
            return super().load(wanted)
        parts = []
        for info, start in chunks:
            low, high = 0, info.rows
            if wanted.rows is not None:
                low, high = max(wanted.rows[0] - start, 0), min(wanted.rows[1] - start, info.rows)
            parts.append((info, _stored(info), low, high))
        with workers() as pool:
            arrays = self._read_all(schema, parts, pool)
        return put_together(schema, arrays, self._all_constants())

    def _read_all(
        self,
        schema: Schema,
        parts: Sequence[tuple[ChunkInfo, dict[str, Stored], int, int]],
        pool: Executor | None,
    ) -> dict[str, AnyArray]:
        """Read each array of all chunks into one."""
        rows = sum(high - low for _, _, low, high in parts)
        names = [v.name for v in schema.along()]
        whole: dict[str, AnyArray] = {}
        pieces: dict[str, list[AnyArray]] = {}
        for name in names:
            first = parts[0][1][name]
            kinds = {stored[name].kind for _, stored, _, _ in parts} if first.kind.text else ()
            if kinds:  # text is decoded piece by piece
                pieces[name] = []
            else:
                whole[name] = np.empty((rows, *first.shape[1:]), first.kind.dtype)
        at = 0
        for info, stored, low, high in parts:
            with self.backend._reading(self.backend_key, str(info.place["file"])) as fetch:
                for name in names:
                    into = whole[name][at : at + high - low] if name in whole else None
                    made = read(
                        fetch,
                        stored[name],
                        self._name(info, name),
                        rows=(low, high),
                        out=into,
                        pool=pool,
                    )
                    if into is None:
                        pieces[name].append(made)
            at += high - low
        return {
            name: whole[name] if name in whole else concatenated(pieces[name]) for name in names
        }

    def verify(self, progress: Progress | None = None) -> int:
        """Read every byte and compare checksums; give how many were read."""
        infos = [*([self._shared] if self._shared is not None else []), *self.chunks]
        total = sum(_size(info) for info in infos)
        done = 0
        for info in infos:
            with self.backend._reading(self.backend_key, str(info.place["file"])) as fetch:
                done += check(fetch, _stored(info).values(), self._name(info, "a block"))
            if progress is not None:
                progress(done, total)
        return done

    def _name(self, info: ChunkInfo, name: str) -> str:
        return f"{name} in {self}/{info.place['file']}"


def _stored(info: ChunkInfo) -> dict[str, Stored]:
    try:
        return {name: Stored.of_json(each) for name, each in info.place["arrays"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataCorrupted(f"chunk {info.index} is described wrongly ({error})") from error


def _size(info: ChunkInfo) -> int:
    with contextlib.suppress(DataCorrupted):
        return sum(b.size for each in _stored(info).values() for b in each.blocks)
    return 0
