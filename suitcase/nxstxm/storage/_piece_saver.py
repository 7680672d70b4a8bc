"""Saving data in pieces, wherever the files are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any

from .._errors import NXstxmKeyError
from ._checks import disagreement
from ._dtypes import AnyArray
from ._metadata import ChunkInfo, StoredMetadata
from ._piece_data import CONSTANTS, PieceBackend, PieceData, file_of, info_of
from ._pieces import Encoded, Stored, encode, workers
from ._saver import Saver
from ._schema import Parts

#: The file of what all chunks share.
CONSTANTS_FILE = "constants.h5"


class PieceSaver(Saver):
    """Saves data in pieces; subclasses know how to write files.

    Parameters
    ----------
    backend : PieceBackend
        Whose.
    backend_key : str
        Where.
    metadata : StoredMetadata
        What is known of the data.
    compression : "lz4", "zstd" or "none"
        How chunks are compressed.
    axis : str, optional
        See `Saver`.
    index_by : collection of str
        Fields of a structured array whose range in each chunk is noted, for `between`.
    """

    backend: PieceBackend

    def __init__(
        self,
        backend: PieceBackend,
        backend_key: str,
        metadata: StoredMetadata,
        *,
        compression: str = "lz4",
        axis: str | None = None,
        index_by: Collection[str] = (),
    ) -> None:
        super().__init__(metadata.with_(compression=compression), axis=axis)
        self.backend = backend
        self.backend_key = backend_key
        self.compression = compression
        self.index_by = tuple(index_by)
        self._begin_pieces()

    def _begin_pieces(self) -> None:
        self._log_lock = Lock()
        self._constants: dict[str, Stored] | None = None
        self._shared: ChunkInfo | None = None

    # -- to be written by subclasses ---------------------------------------------------------------

    @abstractmethod
    def _write(self, file: str, arrays: Mapping[str, AnyArray]) -> dict[str, Stored]:
        """Write a piece."""

    @abstractmethod
    def _append(self, info: ChunkInfo) -> None:
        """Add to the log, which is locked."""

    def _begun(self) -> None:
        """Note what the chunks have in common, which the first of them told."""

    def _named(self, file: str) -> str:
        """Give the name of a file."""
        return file

    # -- chunks ------------------------------------------------------------------------------------

    def _save_chunk(self, index: int, parts: Parts, label: Any) -> ChunkInfo:
        self._share(index, parts)
        file = self._named(file_of(index))
        arrays = self._write(file, parts.arrays)
        info = info_of(index, parts, file, arrays, label, self.index_by)
        with self._log_lock:
            self._append(info)
        return info

    def _encoded(self, arrays: Mapping[str, AnyArray]) -> dict[str, Encoded]:
        large = sum(array.nbytes for array in arrays.values()) > 8 << 20
        with workers(2 if large else 1) as pool:
            return encode(arrays, self.compression, pool)

    def _share(self, index: int, parts: Parts) -> None:
        """Write what all chunks share with the first of them; see that others agree."""
        with self._log_lock:
            if self._constants is None:
                self._begun()
                written: dict[str, Stored] = {}
                if parts.constants:
                    file = self._named(CONSTANTS_FILE)
                    written = self._write(file, parts.constants)
                    arrays = {name: each.as_json() for name, each in written.items()}
                    self._shared = ChunkInfo(CONSTANTS, 0, place={"file": file, "arrays": arrays})
                    self._append(self._shared)
                self._constants = written
                return
        for name, each in encode(parts.constants, self.compression).items():
            known = self._constants[name]
            if (each.shape, each.kind) != (known.shape, known.kind) or each.crcs != tuple(
                block.crc for block in known.blocks
            ):
                raise disagreement(self.metadata, name, index, parts)

    def read_back(self, index: int) -> Any:
        """Give a chunk that was saved; see `Saver.read_back`."""
        if index not in self._chunks:
            raise NXstxmKeyError(f"no chunk {index} of {self.metadata.key} was saved here")
        shared = [self._shared] if self._shared is not None else []
        info = self._chunks[index]
        data = PieceData(self.backend, self.backend_key, self.metadata, [*shared, info])
        return data.read(info)
