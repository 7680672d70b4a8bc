"""Saving data to folders of a local disk, from one process or several."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from filelock import FileLock

from .._beside import Beside
from .._disk import sync
from .._errors import NXstxmKeyError, NXstxmOSError
from .._log import logger
from .._zlib import crc32
from ._checks import check_options
from ._dtypes import AnyArray
from ._errors import FormatError, SaverError
from ._local import LocalBackend, beside
from ._metadata import ChunkInfo, StoredMetadata, line, lines, sealed, unsealed
from ._piece_data import CONSTANTS, LOG, METADATA, PieceData
from ._piece_saver import CONSTANTS_FILE, PieceSaver
from ._piece_writing import write
from ._pieces import Stored
from ._places import TEMP
from ._saver import Saver
from ._schema import Schema, difference

_FAILURE, _SCHEMA = "failure", "schema"
#: Files that may be on their way to the disk, each with a thread that waits for it.
_SYNCS = 16


class LocalSaver(PieceSaver):
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

    backend: LocalBackend

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
        super().__init__(
            backend, backend_key, metadata, compression=compression, axis=axis, index_by=index_by
        )
        self.overwrite = overwrite
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
        self._syncs: list[tuple[int, Beside[None]]] = []

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
        self._begin_pieces()
        self._begin(None)

    def save(self, data: Any, index: int | None = None, *, label: Any = None) -> int:
        """Save a chunk; see `Saver.save`."""
        if index is None and not self._is_owner:
            raise SaverError("a chunk that another process saves needs its number: save(data, 3)")
        return super().save(data, index, label=label)

    # -- chunks ------------------------------------------------------------------------------------

    def _named(self, file: str) -> str:
        if file == CONSTANTS_FILE and not self._is_owner:
            return f"constants-{uuid4().hex[:8]}.h5"
        return file

    def _begun(self) -> None:
        if not self._is_owner and self.metadata.schema is not None:
            # several processes may each have had their first chunk, of different kinds
            raw = sealed(self.metadata.schema.as_json())
            path = self._folder / f"{_SCHEMA}-{uuid4().hex[:8]}"
            try:
                path.write_bytes(raw)
            except OSError as error:
                raise NXstxmOSError(f"{path} can not be written ({error})") from error
        self._note()

    def _write(self, file: str, arrays: Mapping[str, AnyArray]) -> dict[str, Stored]:
        path = self._folder / file
        encoded = self._encoded(arrays)
        try:
            written = write(path, encoded)
        except FileExistsError as error:
            raise SaverError(
                f"{path} is there: another process saved a chunk of this number"
            ) from error
        except (OSError, RuntimeError) as error:  # the latter, when h5py can not close it
            with contextlib.suppress(OSError):
                path.unlink()  # so that it can be tried again
            raise NXstxmOSError(f"{path} can not be written ({error})") from error
        if self.backend.durable:
            self._syncs.append((os.getpid(), Beside(lambda: sync(path))))
            self._wait_for_disk()
        return written

    def _wait_for_disk(self) -> None:
        """See that not too many flushes are under way; if one fails, closing tells."""
        if len(self._syncs) > _SYNCS:
            pid, earlier = self._syncs[-_SYNCS]
            if pid == os.getpid():
                with contextlib.suppress(OSError):
                    earlier.result()

    # -- the log -----------------------------------------------------------------------------------

    def _append(self, info: ChunkInfo) -> None:
        if self._log is None or self._log_pid != os.getpid():
            own = LOG if self._is_owner else f"chunks-{os.getpid()}-{uuid4().hex[:8]}.jsonl"
            try:
                self._log = (self._folder / own).open("ab", buffering=0)
            except OSError as error:
                raise NXstxmOSError(f"{self._folder / own} can not be made ({error})") from error
            self._log_pid, self._log_crc, self._log_size = os.getpid(), 0, 0
        made = line(info)
        try:
            left = memoryview(made)
            while left:  # a disk that becomes full takes a part
                left = left[self._log.write(left) or 0 :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._log.truncate(self._log_size)
            raise NXstxmOSError(f"{self._log.name} can not be written ({error})") from error
        self._log_crc = crc32(made, self._log_crc)
        self._log_size += len(made)

    def _note(self) -> None:
        """Write the metadata; another process than that which closes only where they lack much."""
        path = self._folder / METADATA
        temporary = self._folder / f"{METADATA}-{uuid4().hex[:8]}"
        try:
            if not self._is_owner:
                known = StoredMetadata.of_json(unsealed(path.read_bytes(), str(path)), str(path))
                if known.schema is not None:
                    return
            temporary.write_bytes(sealed(self.metadata.as_json()))
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise NXstxmOSError(f"{path} can not be written ({error})") from error

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
        text = f"{type(error).__name__}: {error}"
        try:
            (self._folder / f"{_FAILURE}-{uuid4().hex[:8]}").write_text(text, encoding="utf-8")
            self._stop()
        except OSError as second:
            logger.warning("what broke %s could not be noted: %s", self.metadata.key, second)

    def _stop(self) -> None:
        syncs, self._syncs = self._syncs, []
        for pid, each in syncs:
            if pid == os.getpid():  # a process that was forked does not have the threads
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
        found = super()._gathered()
        if others:
            found = [
                info
                for path in [self._folder / LOG, *others]
                if path.exists()
                for info in lines(path.read_bytes(), str(path))
            ]
            self._merge(found, others)
        begun = {path.name for path in self._folder.glob("[0-9]*.h5")}
        unfinished = sorted(begun - {str(info.place["file"]) for info in found})
        if unfinished:
            raise SaverError(
                f"{', '.join(unfinished[:10])} of {self.metadata.key} was not finished: whoever "
                f"saved it died, or is not done yet"
            )
        return [info for info in found if info.index != CONSTANTS]

    def _merge(self, found: list[ChunkInfo], others: list[Path]) -> None:
        """Make one log of several."""
        for path in sorted(self._folder.glob(f"{_SCHEMA}-*")):
            schema = Schema.of_json(unsealed(path.read_bytes(), str(path)))
            known = self.metadata.schema or schema
            self.metadata = self.metadata.with_(schema=known)
            told = difference(known, schema)
            if told:
                raise FormatError(
                    f"chunks of {self.metadata.key} that several processes saved differ: {told}"
                )
            path.unlink()
        shared = [info for info in found if info.index == CONSTANTS]
        if any(_contents(info) != _contents(shared[0]) for info in shared):
            raise FormatError(
                f"chunks of {self.metadata.key} that several processes saved disagree in "
                f"{', '.join(shared[0].place['arrays'])}, which all chunks share"
            )
        chunks = sorted((i for i in found if i.index != CONSTANTS), key=lambda info: info.index)
        raw = b"".join(line(info) for info in [*shared[:1], *chunks])
        merged = self._folder / f"{LOG}.merged"
        merged.write_bytes(raw)
        if self.backend.durable:
            sync(merged)
        merged.replace(self._folder / LOG)
        self._log_crc, self._log_size = crc32(raw), len(raw)
        for path in others:
            path.unlink()
        for info in shared[1:]:
            (self._folder / str(info.place["file"])).unlink(missing_ok=True)

    def _finish(self, chunks: list[ChunkInfo]) -> None:  # noqa: ARG002 - they are in the log
        log = {"size": self._log_size, "crc": self._log_crc}
        self.metadata = self.metadata.with_(place={"log": log})
        self._note()
        if self.backend.durable:
            sync(self._folder / METADATA)
            sync(self._folder)
        assert self._writer_lock is not None
        self.backend.publish(self.backend_key, self._writer_lock, self.overwrite)
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

    def _discard(self) -> None:
        self._stop()
        if self._writer_lock is not None:
            lock, self._writer_lock = self._writer_lock, None
            self.backend.discard(self.backend_key, lock)

    def read_back(self, index: int) -> Any:
        """Give a chunk that was saved; see `Saver.read_back`."""
        if index not in self._chunks:
            raise NXstxmKeyError(f"no chunk {index} of {self.metadata.key} was saved here")
        # while data are written those that they replace have their name
        place = self.backend_key + (TEMP if self._writer_lock is not None else "")
        shared = [self._shared] if self._shared is not None else []
        data = PieceData(self.backend, place, self.metadata, [*shared, self._chunks[index]])
        return data.read(self._chunks[index])


def _contents(info: ChunkInfo) -> Any:
    """Give what says whether two arrays are the same: shapes, dtypes and checksums."""
    return {
        name: (each["d"], list(each["s"]), [block[2] for block in each["b"]])
        for name, each in info.place["arrays"].items()
    }
