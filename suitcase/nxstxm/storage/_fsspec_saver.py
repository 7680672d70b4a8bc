"""Saving data to files of any file system: each is made in memory and written with one call."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from .._errors import NXstxmError
from .._log import logger
from .._zlib import crc32
from ._dtypes import AnyArray
from ._errors import DataLockedError, SaverError
from ._fsspec_backend import FsspecBackend
from ._metadata import ChunkInfo, StoredMetadata, line, sealed
from ._piece_data import LOG, METADATA
from ._piece_saver import PieceSaver
from ._piece_writing import write
from ._pieces import Stored
from ._places import BROKEN
from ._writers import WRITER, Claim


class FsspecSaver(PieceSaver):
    """Saves data to files of any file system; several threads may save, other processes can not.

    Parameters
    ----------
    backend : FsspecBackend
        Whose.
    backend_key : str
        Where.
    metadata : StoredMetadata
        What is known of the data.
    claim : Claim
        That this is the writer.
    **options
        As of `PieceSaver`.
    """

    backend: FsspecBackend

    def __init__(
        self,
        backend: FsspecBackend,
        backend_key: str,
        metadata: StoredMetadata,
        claim: Claim,
        **options: Any,
    ) -> None:
        super().__init__(backend, backend_key, metadata, **options)
        self._claim: Claim | None = claim
        self._files = backend.files
        self._folder = claim.folder
        # files of the same name may be those of data that are there, or of a writer that is
        # thought to be dead and is not
        others = [name for name in self._files.names(self._folder) if name != WRITER]
        self._mark = f"-{claim.token[:8]}" if others else ""
        self._lines: dict[int, bytes] = {}
        self._written: set[str] = set()

    def __reduce__(self) -> Any:
        """Refuse to go to another process."""
        raise SaverError(
            f"{self.metadata.key} is saved by one process; give the saver of a DataDirectory to "
            f"others"
        )

    def _named(self, file: str) -> str:
        stem, _, end = file.rpartition(".")
        return f"{stem}{self._mark}.{end}"

    def _path(self, file: str) -> str:
        return f"{self._folder}/{file}"

    def _write(self, file: str, arrays: Mapping[str, AnyArray]) -> dict[str, Stored]:
        buffer = io.BytesIO()
        written = write(buffer, self._encoded(arrays))
        self._written.add(file)
        self._files.write(self._path(file), buffer.getvalue())
        return written

    def _append(self, info: ChunkInfo) -> None:
        self._lines[info.index] = line(info)

    def _log(self) -> bytes:
        return b"".join(self._lines[index] for index in sorted(self._lines))

    # -- the end -----------------------------------------------------------------------------------

    def _finish(self, chunks: list[ChunkInfo]) -> None:  # noqa: ARG002 - they are in the log
        claim = self._claim
        if claim is None or not self.backend.writers.holds(claim):
            writer = self.backend.writers.writer(self._folder) or "nobody any more"
            raise DataLockedError(
                f"{self} can not be finished: its writer was taken for dead, and now "
                f"it is written by {writer}"
            )
        name, raw = self._named(LOG), self._log()
        log: dict[str, Any] = {"size": len(raw), "crc": crc32(raw)}
        if name != LOG:
            log["file"] = name
        self.metadata = self.metadata.with_(place={"log": log})
        self._files.write(self._path(name), raw)
        self._files.write(self._path(METADATA), sealed(self.metadata.as_json()))
        # the data are there: what fails from now on leaves files that `clean` removes
        self._claim = None
        try:
            self.backend.forget(self.backend_key, {METADATA, name, *self._written})
            self.backend.forget(self.backend_key + BROKEN)
            self.backend.writers.release(claim)
        except (NXstxmError, OSError) as error:
            logger.warning("what was there before %s could not be removed: %s", self, error)

    def _abandon(self) -> None:
        claim, self._claim = self._claim, None
        if claim is None or not self.backend.writers.holds(claim):
            return  # whoever took over removes what is here
        try:
            self._set_aside()
        finally:
            self._give_up(claim)

    def _set_aside(self) -> None:
        """Move what was saved to where broken data are."""
        broken = self.backend_key + BROKEN
        self.backend.forget(broken)
        folder = self._files.path(broken)
        self._files.make(folder)
        shared = [self._shared] if self._shared is not None else []
        for info in [*shared, *self._chunks.values()]:
            file = str(info.place["file"])
            self._files.move(self._path(file), f"{folder}/{file}")
        self._files.write(f"{folder}/{LOG}", self._log())
        self._files.write(f"{folder}/{METADATA}", sealed(self.metadata.as_json()))

    def _discard(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None and self.backend.writers.holds(claim):
            self._give_up(claim)

    def _give_up(self, claim: Claim) -> None:
        self._files.remove(*map(self._path, self._written))
        self.backend.writers.release(claim)

    def __str__(self) -> str:
        """Say where it saves."""
        return self.backend.describe(self.backend_key)
