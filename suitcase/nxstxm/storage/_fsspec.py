"""Data in any file system that fsspec knows: an object store, another machine, a zip archive."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from .._errors import NXstxmOSError, OptionError
from ._errors import DataCorrupted
from ._files import files_of
from ._frontend import Location, StorageFrontend
from ._fsspec_backend import FsspecBackend
from ._key import DataKey, unescaped
from ._metadata import sealed_run, unsealed_run
from ._places import bases, place_of, run_folder

_RUN = "run.json"


class FsspecDirectory(StorageFrontend):
    """Data in a folder of any file system: ``memory://``, ``s3://``, ``sftp://``, ``file://``.

    The folder looks like that of a `DataDirectory`, and each reads what the other wrote. An archive
    of either is read as ``zip://folder::archive.zip``, or ``zip://::archive.zip`` where the folder
    itself was packed.

    ::

        <path>/3f/<run>/run.json                       what is known of the run
        <path>/3f/<run>/od-fudrzdymyykct3ca/           data
            metadata.json                              written last: without it there are no data
            chunks.jsonl                               where their chunks are, and checksums
            000000.h5, 000001.h5, ...                  the chunks
            writer.json                                who writes, while somebody does
        <path>/3f/<run>/od-fudrzdymyykct3ca_broken/    when that failed

    Files that take the place of others have a mark in their names, ``000000-1a2b3c4d.h5``, and the
    metadata are replaced by one write when all are there: who reads finds the old data or the new.
    What was there is removed then; who is in the middle of it is told to open the data again.

    Data that are being written are not seen by others. Nothing is flushed to disk, as a
    `DataDirectory` does.

    Parameters
    ----------
    url : str or path-like
        The folder, as an address of fsspec, or as the path of `filesystem`.
    filesystem : AbstractFileSystem, optional
        A file system of fsspec that was made already.
    storage_options : Mapping, optional
        What the file system of the address is made with: keys, an endpoint.
    **options
        As of `StorageFrontend`.

    Raises
    ------
    OptionError
        There is no such file system, or what it needs is not installed.
    OSError
        It can not be reached.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataKey, FsspecDirectory
    >>> store = FsspecDirectory("memory://store")
    >>> key = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {"dark": 0.0})})
    >>> store.save(key, np.arange(6.0).reshape(2, 3))
    >>> store.load(key, rows=(1, 2))
    array([[3., 4., 5.]])
    """

    usual_priority = 3.0

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.url = os.fspath(url)
        if filesystem is not None and storage_options:
            raise OptionError("storage_options are of no use to a filesystem that is there already")
        fs, root = _opened(self.url, filesystem, dict(storage_options or {}))
        files = files_of(fs, root)
        self.can_write = files.can_write
        super().__init__(**options)
        self.backend = FsspecBackend(files)
        self._files = files

    def _locate(self, key: DataKey) -> Location | None:
        place = place_of(key)
        known = self.backend.metadata_text(place) is not None or self.backend.unfinished(place)
        return Location(self.backend, place) if known else None

    def _place(self, key: DataKey) -> Location:
        return Location(self.backend, place_of(key))

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        for run in [run_folder(run_id)] if run_id else self.backend.run_folders():
            for base in bases(self._files.names(self._files.path(run)), data_type):
                yield Location(self.backend, f"{run}/{base}")

    # -- runs --------------------------------------------------------------------------------------

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        file = f"{run_folder(run_id)}/{_RUN}"
        try:
            raw = self._files.read(self._files.path(file))
        except FileNotFoundError:
            return None
        return unsealed_run(raw, self._files.describe(file))

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        raw = sealed_run(run_id, metadata)
        folder = self._files.path(run_folder(run_id))
        self._files.make(folder)
        self._files.write(f"{folder}/{_RUN}", raw)

    def _runs(self) -> Iterator[str]:
        for run in self.backend.run_folders():
            if _RUN in self._files.names(self._files.path(run)):
                yield unescaped(run.rpartition("/")[2])

    def clean(
        self, *, older: float | None = None, broken: bool = False, dry_run: bool = False
    ) -> list[str]:
        """Remove what dead writers left; see `FsspecBackend.clean`."""
        if self.readonly:
            raise OptionError(f"{self} is read-only: nothing can be removed")
        return self.backend.clean(older=older, broken=broken, dry_run=dry_run)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"FsspecDirectory({self.url!r})"


def _opened(url: str, filesystem: Any, options: dict[str, Any]) -> tuple[Any, str]:
    """Give a file system and a path of it."""
    if filesystem is None and url.endswith(".zip") and "://" not in url and Path(url).is_file():
        url = f"zip://::{url}"
    try:
        fs, path = (filesystem, url) if filesystem is not None else url_to_fs(url, **options)
        root = str(fs._strip_protocol(path))
        if getattr(fs, "mode", "r") != "r":
            raise ValueError(f"an archive is only read, and not opened with mode {fs.mode!r}")
        if not files_of(fs, root).can_write:
            fs.find("")  # the list of what is inside is not made by several threads at once
    except (ImportError, ValueError, TypeError) as error:
        raise OptionError(f"{url} can not be opened: {error}") from error
    except zipfile.BadZipFile as error:
        raise DataCorrupted(f"{url} can not be opened: {error}") from error
    except Exception as error:  # each file system's library has its own
        raise NXstxmOSError(f"{url} can not be opened ({type(error).__name__}: {error})") from error
    return fs, root
