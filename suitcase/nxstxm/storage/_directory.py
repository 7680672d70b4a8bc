"""Data in a folder of a local disk: the usual frontend."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from .._disk import sync
from .._errors import NXstxmOSError
from ._errors import DataCorrupted
from ._folder_locks import guard
from ._frontend import Location, StorageFrontend
from ._key import DataKey, unescaped
from ._local import RUN_UNDONE, LocalBackend
from ._metadata import sealed_run, unsealed_run
from ._places import bases, place_of, run_folder

_RUN = "run.json"


class DataDirectory(StorageFrontend):
    """Data in a folder.

    ::

        <path>/3f/<run>/run.json                       what is known of the run
        <path>/3f/<run>/od-fudrzdymyykct3ca/           data
            metadata.json                              how they were made
            chunks.jsonl                               where their chunks are, and checksums
            000000.h5, 000001.h5, ...                  the chunks
        <path>/3f/<run>/od-fudrzdymyykct3ca_temp/      while they are written
        <path>/3f/<run>/od-fudrzdymyykct3ca_broken/    when that failed

    Parameters
    ----------
    path : path-like
        The folder; it is made when something is saved.
    durable : bool
        Flush data to disk before they get their name, so that a power cut leaves all or nothing.
    **options
        As of `StorageFrontend`.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataDirectory, DataKey
    >>> store = DataDirectory("store", overwrite="always")
    >>> key = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {"dark": 0.0})})
    >>> store.save(key, np.arange(6.0).reshape(2, 3))
    >>> key in store
    True
    >>> store.load(key).sum()
    15.0
    """

    def __init__(
        self, path: str | os.PathLike[str], *, durable: bool = True, **options: Any
    ) -> None:
        super().__init__(**options)
        self.path = Path(path)
        self.backend = LocalBackend(self.path, durable=durable)

    def _locate(self, key: DataKey) -> Location | None:
        backend_key = place_of(key)
        return (
            None if self.backend.state(backend_key) is None else Location(self.backend, backend_key)
        )

    def _place(self, key: DataKey) -> Location:
        return Location(self.backend, place_of(key))

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        runs = [self.path / run_folder(run_id)] if run_id else self.backend.run_folders()
        for run in runs:
            try:
                names = [path.name for path in run.iterdir()]
            except OSError:
                continue
            for base in bases(names, data_type):
                yield Location(self.backend, f"{run.parent.name}/{run.name}/{base}")

    # -- runs --------------------------------------------------------------------------------------

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        path = self.path / run_folder(run_id) / _RUN
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataCorrupted(f"{path} can not be read ({error})") from error
        return unsealed_run(raw, str(path))

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        folder = self.path / run_folder(run_id)
        raw = sealed_run(run_id, metadata)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with guard(folder):
                temporary = folder / f"{RUN_UNDONE}{uuid4().hex[:8]}"
                temporary.write_bytes(raw)
                if self.backend.durable:
                    sync(temporary)
                temporary.replace(folder / _RUN)
        except OSError as error:
            raise NXstxmOSError(f"{folder / _RUN} can not be written ({error})") from error

    def _runs(self) -> Iterator[str]:
        for folder in self.backend.run_folders():
            if (folder / _RUN).exists():
                yield unescaped(folder.name)

    def clean(self, *, broken: bool = False, dry_run: bool = False) -> list[Path]:
        """Remove what dead writers left; see `LocalBackend.clean`."""
        return self.backend.clean(broken=broken, dry_run=dry_run)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"DataDirectory({str(self.path)!r})"
