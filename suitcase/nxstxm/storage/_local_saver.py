"""Saving data to folders of a local disk, from one process or several."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import IO, Any
from uuid import uuid4

from filelock import FileLock

from .._beside import Beside
from .._disk import sync
from .._errors import NXstxmOSError, OptionError
from ._errors import FormatError, NXstxmError, SaverError
from ._kinds import Parts
from ._local import TEMP, LocalBackend, beside
from ._metadata import ChunkInfo, StoredMetadata, line, lines, sealed
from ._piece_data import CONSTANTS, LOG, METADATA, PieceData, file_of, info_of
from ._pieces import Stored, check_compression, encode, workers, write
from ._saver import Saver

_FAILURE = "failure"


class LocalSaver(Saver):
    """Saves data to a folder.

    It can be given to other processes: their chunks, saved with numbers, are gathered when the
    saver is closed in the process that made it. It has to be closed after they are done.

    Parameters
    ----------
    backend : LocalBackend
        Whose.
    backend_key : str
        Where.
    metadata : StoredMetadata
        What is known of the data.
    lock : FileLock
        That of the ``_temp`` folder, which has been taken.
    overwrite : str
        As of the frontend.
    compression : "lz4", "zstd" or "none"
        How chunks are compressed.
    axis : str, optional
        See `Saver`.
    index_by : collection of str
        Fields of a structured array whose range in each chunk is noted, for `between`.
    """

    def __init__(
        self,
        backend: LocalBackend,
        backend_key: str,
        metadata: StoredMetadata,
        lock: FileLock | None,
        *,
        overwrite: str,
        compression: str = "lz4",
        axis: str | None = None,
        index_by: Collection[str] = (),
    ) -> None:
        super().__init__(metadata.with_(compression=compression), axis=axis)
        self.backend = backend
        self.backend_key = backend_key
        self.overwrite = overwrite
        self.compression = compression
        self.index_by = tuple(index_by)
        self._folder = beside(backend.folder(backend_key), TEMP)
        self._begin(lock)
        self._note()

    @staticmethod
    def check(**options: Any) -> None:
        """Check options before anything is written."""
        check_options(options)

    def _begin(self, lock: FileLock | None) -> None:
        self._writer_lock = lock
        self._pid = os.getpid() if lock is not None else None
        self._log: IO[bytes] | None = None
        self._log_pid: int | None = None
        self._log_crc = 0
        self._log_size = 0
        self._log_lock = Lock()
        self._constants: dict[str, Stored] | None = None
        self._syncs: list[Beside[None]] = []

    # -- in other processes ------------------------------------------------------------------------

    @property
    def _is_owner(self) -> bool:
        """Whether this is the process that closes; others only add chunks."""
        return self._pid == os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        """Give what another process needs to add chunks."""
        return {
            "backend": self.backend,
            "backend_key": self.backend_key,
            "metadata": self.metadata,
            "overwrite": self.overwrite,
            "compression": self.compression,
            "axis": self.axis,
            "index_by": self.index_by,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Add chunks to what another process began."""
        metadata = state.pop("metadata")
        Saver.__init__(self, metadata, axis=state.pop("axis"))
        self.metadata = metadata
        self.__dict__.update(state)
        self._folder = beside(self.backend.folder(self.backend_key), TEMP)
        self._begin(None)

    def save(self, data: Any, index: int | None = None, *, label: Any = None) -> int:
        """Save a chunk; see `Saver.save`."""
        if index is None and not self._is_owner:
            raise SaverError("a chunk that another process saves needs its number: save(data, 3)")
        return super().save(data, index, label=label)

    # -- chunks ------------------------------------------------------------------------------------

    def _save_chunk(self, index: int, parts: Parts, label: Any) -> ChunkInfo:
        self._share(index, parts)
        file = file_of(index)
        arrays = self._write(file, parts.arrays)
        info = info_of(index, parts, file, arrays, label, self.index_by)
        self._append(info)
        return info

    def _write(self, file: str, arrays: Any) -> dict[str, Stored]:
        path = self._folder / file
        large = sum(array.nbytes for array in arrays.values()) > 8 << 20
        with workers(2 if large else 1) as pool:
            encoded = encode(arrays, self.compression, pool)
        try:
            written = write(path, encoded)
        except FileExistsError as error:
            raise SaverError(
                f"{path} is there: another process saved a chunk of this number"
            ) from error
        except OSError as error:
            raise NXstxmOSError(f"{path} can not be written ({error})") from error
        if self.backend.durable:
            self._syncs.append(Beside(lambda: sync(path)))
        return written

    def _share(self, index: int, parts: Parts) -> None:
        """Write what all chunks share with the first of them; see that others agree."""
        with self._log_lock:
            if self._constants is None:
                self._note()  # what the chunks have in common is known now
                self._constants = {}
                if parts.constants:
                    file = "constants.h5" if self._is_owner else f"constants-{uuid4().hex[:8]}.h5"
                    self._constants = self._write(file, parts.constants)
                    place = {
                        "file": file,
                        "arrays": {n: each.as_json() for n, each in self._constants.items()},
                    }
                    shared = ChunkInfo(CONSTANTS, 0, place=place)
                    self._append_locked(shared)
                return
        encoded = encode(parts.constants, self.compression)
        for name, each in encoded.items():
            known = self._constants[name]
            if (each.shape, each.kind) != (known.shape, known.kind) or each.crcs != tuple(
                block.crc for block in known.blocks
            ):
                raise FormatError(
                    f"{name!r} of chunk {index} of {self.metadata.key} has other values than that "
                    f"of the chunks before; only what has the dimension "
                    f"{parts.schema.axis!r} may differ"
                )

    # -- the log -----------------------------------------------------------------------------------

    def _append(self, info: ChunkInfo) -> None:
        with self._log_lock:
            self._append_locked(info)

    def _append_locked(self, info: ChunkInfo) -> None:
        if self._log is None or self._log_pid != os.getpid():
            own = LOG if self._is_owner else f"chunks-{os.getpid()}-{uuid4().hex[:8]}.jsonl"
            self._log = (self._folder / own).open("ab", buffering=0)
            self._log_pid = os.getpid()
        made = line(info)
        self._log.write(made)
        self._log_crc = zlib.crc32(made, self._log_crc)
        self._log_size += len(made)

    def _note(self) -> None:
        """Write the metadata; only the process that closes does."""
        if self._pid == os.getpid() or not (self._folder / METADATA).exists():
            temporary = self._folder / f"{METADATA}-{uuid4().hex[:8]}"
            temporary.write_bytes(sealed(self.metadata.as_json()))
            temporary.replace(self._folder / METADATA)

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish; in another process than that which made the saver, only stop adding."""
        if self._is_owner:
            super().close()
            return
        self.closed = True
        self._stop()

    def fail(self, error: BaseException) -> None:
        """Close without making the data available; in another process, let that one know."""
        if self._is_owner:
            super().fail(error)
            return
        self.closed = True
        self._stop()
        text = f"{type(error).__name__}: {error}"
        (self._folder / f"{_FAILURE}-{uuid4().hex[:8]}").write_text(text, encoding="utf-8")

    def _stop(self) -> None:
        syncs, self._syncs = self._syncs, []
        for each in syncs:
            each.result()
        if self._log is not None and self._log_pid == os.getpid():
            if self.backend.durable:
                os.fsync(self._log.fileno())
            self._log.close()
            self._log = None

    def _gathered(self) -> list[ChunkInfo]:
        self._stop()
        failed = sorted(self._folder.glob(f"{_FAILURE}-*"))
        if failed:
            raise SaverError(
                f"another process could not save its chunks of {self.metadata.key}: "
                f"{failed[0].read_text(encoding='utf-8')}"
            )
        others = sorted(self._folder.glob("chunks-*.jsonl"))
        if not others:
            return super()._gathered()
        found = [
            info
            for path in [self._folder / LOG, *others]
            if path.exists()
            for info in lines(path.read_bytes(), str(path))
        ]
        self._merge(found, others)
        return [info for info in found if info.index != CONSTANTS]

    def _merge(self, found: list[ChunkInfo], others: list[Path]) -> None:
        """Make one log of several."""
        shared = [info for info in found if info.index == CONSTANTS]
        if any(_contents(info) != _contents(shared[0]) for info in shared):
            raise FormatError(
                f"chunks of {self.metadata.key} that several processes saved disagree in "
                f"{', '.join(shared[0].place['arrays'])}, which all chunks share"
            )
        if self.metadata.schema is None:
            self.metadata = self._schema_of_others()
        chunks = sorted((i for i in found if i.index != CONSTANTS), key=lambda info: info.index)
        raw = b"".join(line(info) for info in [*shared[:1], *chunks])
        merged = self._folder / f"{LOG}.merged"
        merged.write_bytes(raw)
        if self.backend.durable:
            sync(merged)
        merged.replace(self._folder / LOG)
        self._log_crc, self._log_size = zlib.crc32(raw), len(raw)
        for path in others:
            path.unlink()
        for info in shared[1:]:
            (self._folder / str(info.place["file"])).unlink(missing_ok=True)

    def _schema_of_others(self) -> StoredMetadata:
        known = self.backend.get_metadata(self.backend_key)
        return self.metadata.with_(schema=known.schema)

    def _finish(self, chunks: list[ChunkInfo]) -> None:  # noqa: ARG002 - they are in the log
        log = {"size": self._log_size, "crc": self._log_crc}
        self.metadata = self.metadata.with_(place={"log": log})
        self._note()
        if self.backend.durable:
            sync(self._folder / METADATA)
            sync(self._folder)
        assert self._writer_lock is not None
        self.backend.publish(self.backend_key, self._writer_lock)
        self._writer_lock = None

    def _abandon(self) -> None:
        try:
            self._stop()
        finally:
            if self._writer_lock is not None:
                lock, self._writer_lock = self._writer_lock, None
                try:
                    self._note()
                finally:
                    self.backend.abandon(self.backend_key, lock)

    def read_back(self, index: int) -> Any:
        """Give a chunk that was saved; see `Saver.read_back`."""
        data = PieceData.__new__(PieceData)
        infos = [self._chunks[index]]
        if self._constants:
            arrays = {n: each.as_json() for n, each in self._constants.items()}
            infos.append(ChunkInfo(CONSTANTS, 0, place={"file": "constants.h5", "arrays": arrays}))
        data.begin(self.backend, self.backend_key, self.metadata, infos)
        return data.read(infos[0])


def _contents(info: ChunkInfo) -> Any:
    """Give what says whether two arrays are the same: shapes, dtypes and checksums."""
    return {
        name: (each["d"], list(each["s"]), [block[2] for block in each["b"]])
        for name, each in info.place["arrays"].items()
    }


def check_options(options: dict[str, Any]) -> None:
    """Check what a saver of pieces is given.

    Raises
    ------
    OptionError
        An option is unknown or wrong.
    """
    unknown = sorted(set(options) - {"compression", "axis", "index_by"})
    if unknown:
        raise OptionError(
            f"saving knows no option {', '.join(unknown)}; it knows compression, axis and index_by"
        )
    check_compression(options.get("compression", "lz4"))
    if isinstance(options.get("index_by"), str):
        raise OptionError(f"index_by={options['index_by']!r} is a text; give a list of names")


__all__ = ["LocalSaver", "NXstxmError", "check_options"]
