"""Data as files of any file system: what is whole has metadata, which are written last."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .._log import logger
from ._checks import check_options
from ._errors import DataCorrupted, DataLockedError, DataNotAvailable
from ._files import Files
from ._metadata import ChunkInfo, StoredMetadata
from ._piece_data import LOG, METADATA, PieceBackend, PieceData, log_of
from ._piece_reading import Fetch
from ._places import BROKEN, TEMP, bases, check_overwrite
from ._writers import WRITER, Claim, Writers


class FsspecBackend(PieceBackend):
    """Loads and saves data in files of any file system.

    Parameters
    ----------
    files : Files
        Where.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.writers = Writers(files)
        self.name = files.describe()

    def describe(self, backend_key: str) -> str:
        """Say where data are."""
        return self.files.describe(backend_key)

    # -- reading -----------------------------------------------------------------------------------

    def metadata_text(self, backend_key: str) -> bytes | None:
        """Read the metadata of whole data; None where there are none."""
        if any(part in ("", ".", "..") or "\\" in part for part in backend_key.split("/")):
            raise DataNotAvailable(f"{backend_key!r} is no key of {self.name}")
        try:
            return self.files.read(self.files.path(backend_key, METADATA))
        except FileNotFoundError:
            return None

    def unfinished(self, backend_key: str) -> str | None:
        """Name the folder of data that a `DataDirectory` is writing, or that are broken."""
        run, _, name = backend_key.rpartition("/")
        there = self.files.names(self.files.path(run))
        for mark in (TEMP, BROKEN):
            if name + mark in there and self.metadata_text(backend_key + mark) is not None:
                return backend_key + mark
        return None

    def _is_writing(self, backend_key: str) -> bool:
        """Tell whether a `DataDirectory` is writing data, or its writer died."""
        run, _, name = backend_key.rpartition("/")
        return name + TEMP in self.files.names(self.files.path(run))

    def _read_file(self, backend_key: str, name: str) -> bytes:
        if name == METADATA:
            found = self.metadata_text(backend_key)
            if found is None:
                raise self._absent(backend_key)
            return found
        try:
            return self.files.read(self.files.path(backend_key, name))
        except FileNotFoundError as error:
            if name == LOG and backend_key.endswith((TEMP, BROKEN)):
                return b""
            raise self._missing(backend_key, name) from error

    def _absent(self, backend_key: str) -> DataNotAvailable:
        writer = self.writers.writer(self.files.path(backend_key))
        told = f"no data yet: it is being written by {writer}" if writer else "no data"
        return DataNotAvailable(f"in {self.describe(backend_key)} there are {told}")

    def _missing(self, backend_key: str, name: str) -> DataCorrupted:
        return DataCorrupted(
            f"{self.files.describe(backend_key, name)} is missing; if the data were replaced since "
            f"they were opened, open them again"
        )

    @contextmanager
    def _reading(self, backend_key: str, name: str) -> Iterator[Fetch]:
        try:
            with self.files.reading(self.files.path(backend_key, name)) as fetch:
                yield fetch
        except FileNotFoundError as error:
            raise self._missing(backend_key, name) from error

    def _logs(self, backend_key: str, metadata: StoredMetadata) -> Sequence[str]:  # noqa: ARG002
        names = self.files.names(self.files.path(backend_key))
        return [name for name in names if name.startswith("chunks") and name.endswith(".jsonl")]

    # -- data that are not whole are in another folder ---------------------------------------------

    def _folder(self, backend_key: str, metadata: StoredMetadata) -> str:
        if metadata.is_whole or backend_key.endswith((TEMP, BROKEN)):
            return backend_key
        return self.unfinished(backend_key) or backend_key

    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of data; see `StorageBackend.get_metadata`."""
        try:
            return super().get_metadata(backend_key)
        except DataNotAvailable:
            other = self.unfinished(backend_key)
            if other is None:
                raise
            found = super().get_metadata(other)
            # whole they are when they have their name
            return found.with_(writing_ended=None) if other.endswith(TEMP) else found

    def _log(self, backend_key: str, metadata: StoredMetadata) -> list[ChunkInfo]:
        return super()._log(self._folder(backend_key, metadata), metadata)

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
        folder = self._folder(backend_key, metadata)
        return super().read_chunk(folder, metadata, info, rows=rows, only=only)

    def _open(self, backend_key: str) -> PieceData:
        data = PieceData(self, backend_key)
        data.backend_key = self._folder(backend_key, data.metadata)
        return data

    # -- writing -----------------------------------------------------------------------------------

    def make_saver(
        self,
        backend_key: str,
        metadata: StoredMetadata,
        *,
        overwrite: str,
        wait: float,
        **options: Any,
    ) -> Any:
        """Make a saver; see `StorageBackend.make_saver`."""
        from ._fsspec_saver import FsspecSaver

        check_options(options)
        metadata.as_json()  # what can not be noted is refused before anything is written
        claim = self.begin(backend_key, overwrite, wait)
        try:
            return FsspecSaver(self, backend_key, metadata, claim, **options)
        except BaseException:
            self.writers.release(claim)
            raise

    def begin(self, backend_key: str, overwrite: str, wait: float) -> Claim:
        """Become the writer of data; see `StorageBackend.make_saver`."""
        folder = self.files.path(backend_key)
        deadline, pause = time.monotonic() + wait, 0.02
        while True:
            seen = self.metadata_text(backend_key)
            if seen is not None:
                check_overwrite(self, backend_key, overwrite)
            if self._is_writing(backend_key):
                raise DataLockedError(
                    f"{self.describe(backend_key)} is what a DataDirectory writes, or left; its "
                    f"clean() removes it when the writer is dead"
                )
            claim = self.writers.claim(folder)
            if claim is not None:
                if self.metadata_text(backend_key) == seen:
                    return claim
                self.writers.release(claim)
            if time.monotonic() >= deadline:
                raise self._locked(backend_key)
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _locked(self, backend_key: str) -> DataLockedError:
        writer = self.writers.writer(self.files.path(backend_key)) or "another writer"
        return DataLockedError(
            f"{self.describe(backend_key)} is being written by {writer}; wait for it with "
            f"wait=SECONDS. If it died, clean() removes what it left; with older=SECONDS also what "
            f"was begun on another machine so long ago"
        )

    def forget(self, backend_key: str, keep: Collection[str] = ()) -> None:
        """Remove the files of data, the metadata first: without these there are no data."""
        folder = self.files.path(backend_key)
        names = self.files.names(folder)
        left = [name for name in names if name not in {WRITER, *keep}]
        left.sort(key=lambda name: name != METADATA)
        self.files.remove(*(f"{folder}/{name}" for name in left))
        if not keep:
            self.files.remove_folder(folder)

    def remove(self, backend_key: str) -> None:
        """Remove data."""
        claim = self.writers.claim(self.files.path(backend_key))
        if claim is None:
            raise self._locked(backend_key)
        try:
            other = self.unfinished(backend_key)
            if other is not None and other.endswith(TEMP):
                raise DataLockedError(
                    f"{self.describe(other)} is what a DataDirectory writes, or left; its clean() "
                    f"removes it when the writer is dead"
                )
            for mark in ("", BROKEN):
                self.forget(backend_key + mark)
        finally:
            self.writers.release(claim)

    # -- what dead writers left --------------------------------------------------------------------

    def run_folders(self) -> Iterator[str]:
        """Give the folders of runs: ``3f/<run>``."""
        for fan in self.files.names(self.files.path()):
            if len(fan) == 2:
                for run in self.files.names(self.files.path(fan)):
                    yield f"{fan}/{run}"

    def clean(
        self, *, older: float | None = None, broken: bool = False, dry_run: bool = False
    ) -> list[str]:
        """Remove what dead writers left.

        Parameters
        ----------
        older : float, optional
            Who began longer ago than so many seconds is dead, on another machine as well. Others
            are when their process on this machine is.
        broken : bool
            Data that could not be finished as well, with the error that they tell.
        dry_run : bool
            Only look.

        Returns
        -------
        list of str
            What was, or would be, removed.
        """
        found: list[str] = []
        for run in self.run_folders():
            names = self.files.names(self.files.path(run))
            for base in bases(names, None):
                key = f"{run}/{base}"
                left = self._left(key, older) if base in names else []
                if broken and base + BROKEN in names:
                    inside = self.files.names(self.files.path(key + BROKEN))
                    left += [f"{key}{BROKEN}/{name}" for name in inside]
                found += [self.files.describe(name) for name in left]
                if not dry_run:
                    self.files.remove(*map(self.files.path, left))
                    for each in {name.rpartition("/")[0] for name in left}:
                        self.files.remove_folder(self.files.path(each))
        return found

    def _left(self, backend_key: str, older: float | None) -> list[str]:
        """Name the files of a folder that belong to nobody."""
        folder = self.files.path(backend_key)
        names = self.files.names(folder)  # before the metadata: what is written later is not here
        if WRITER in names and not self.writers.is_dead(folder, older):
            return []
        keep: set[str] = set()
        if METADATA in names:
            try:
                metadata = self.get_metadata(backend_key)
                files = {str(info.place["file"]) for info in self._log(backend_key, metadata)}
            except (DataCorrupted, DataNotAvailable) as error:
                logger.warning("%s is left as it is: %s", self.describe(backend_key), error)
                return []
            keep = {METADATA, log_of(metadata), *files}
        return [f"{backend_key}/{name}" for name in names if name not in keep]
