"""Derived data that know how they were made: keys, and what stores data under them.

It needs xarray, numcodecs and others: ``pip install 'suitcase-nxstxm[storage]'``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .._errors import NXstxmError
from ._errors import (
    AmbiguousKeyError,
    DataCorrupted,
    DataExistsError,
    DataLockedError,
    DataNotAvailable,
    FormatError,
    KeyValueError,
    RunMetadataNotAvailable,
    SaverError,
)

if TYPE_CHECKING:
    from ._attributes import of_json, to_json
    from ._backend import StorageBackend
    from ._canonical import canonical
    from ._catalog_frontend import CatalogFrontend
    from ._compare import compared, differences
    from ._directory import DataDirectory
    from ._elsewhere import kept_elsewhere, note_of
    from ._euxfel_directory import EuXFELDirectory
    from ._frontend import Location, StorageFrontend
    from ._fsspec import FsspecDirectory
    from ._h5_group import read_kept, write_kept
    from ._kept import Kept
    from ._key import DataKey, Lineage, Step, split_key
    from ._keyed import KeyedStorage
    from ._kinds import is_a, taken_apart
    from ._loading import Chunk, StoredData, Wanted
    from ._memory import MemoryFrontend
    from ._memory_backend import MemoryBackend
    from ._metadata import ChunkInfo, StoredMetadata, sealed_run, unsealed_run
    from ._nxstxm_directory import SUFFIXES, NXstxmDirectory, uid_of
    from ._own import own_copy
    from ._producer import FromRun, Producer, derived
    from ._project import merged, value_at
    from ._ready import READY, channel_of
    from ._saver import Saver
    from ._scans import SCAN, SCAN_LINEAGE, chosen_run, told_by
    from ._schema import Parts, Schema
    from ._sqlite import SQLiteFrontend
    from ._store import Store, copied

_NAMES = {
    "_attributes": ("of_json", "to_json"),
    "_backend": ("StorageBackend",),
    "_canonical": ("canonical",),
    "_catalog_frontend": ("CatalogFrontend",),
    "_compare": ("compared", "differences"),
    "_directory": ("DataDirectory",),
    "_elsewhere": ("kept_elsewhere", "note_of"),
    "_euxfel_directory": ("EuXFELDirectory",),
    "_frontend": ("Location", "StorageFrontend"),
    "_fsspec": ("FsspecDirectory",),
    "_h5_group": ("read_kept", "write_kept"),
    "_kept": ("Kept",),
    "_key": ("DataKey", "Lineage", "Step", "split_key"),
    "_keyed": ("KeyedStorage",),
    "_kinds": ("is_a", "taken_apart"),
    "_loading": ("Chunk", "StoredData", "Wanted"),
    "_memory": ("MemoryFrontend",),
    "_memory_backend": ("MemoryBackend",),
    "_metadata": ("ChunkInfo", "StoredMetadata", "sealed_run", "unsealed_run"),
    "_nxstxm_directory": ("SUFFIXES", "NXstxmDirectory", "uid_of"),
    "_own": ("own_copy",),
    "_producer": ("FromRun", "Producer", "derived"),
    "_project": ("merged", "value_at"),
    "_ready": ("READY", "channel_of"),
    "_saver": ("Saver",),
    "_scans": ("SCAN", "SCAN_LINEAGE", "chosen_run", "told_by"),
    "_schema": ("Parts", "Schema"),
    "_sqlite": ("SQLiteFrontend",),
    "_store": ("Store", "copied"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "READY",
    "SCAN",
    "SCAN_LINEAGE",
    "SUFFIXES",
    "AmbiguousKeyError",
    "CatalogFrontend",
    "Chunk",
    "ChunkInfo",
    "DataCorrupted",
    "DataDirectory",
    "DataExistsError",
    "DataKey",
    "DataLockedError",
    "DataNotAvailable",
    "EuXFELDirectory",
    "FormatError",
    "FromRun",
    "FsspecDirectory",
    "Kept",
    "KeyValueError",
    "KeyedStorage",
    "Lineage",
    "Location",
    "MemoryBackend",
    "MemoryFrontend",
    "MissingStorageError",
    "NXstxmDirectory",
    "Parts",
    "Producer",
    "RunMetadataNotAvailable",
    "SQLiteFrontend",
    "Saver",
    "SaverError",
    "Schema",
    "Step",
    "StorageBackend",
    "StorageFrontend",
    "Store",
    "StoredData",
    "StoredMetadata",
    "Wanted",
    "canonical",
    "channel_of",
    "chosen_run",
    "compared",
    "copied",
    "derived",
    "differences",
    "is_a",
    "kept_elsewhere",
    "merged",
    "note_of",
    "of_json",
    "own_copy",
    "read_kept",
    "sealed_run",
    "split_key",
    "taken_apart",
    "to_json",
    "told_by",
    "uid_of",
    "unsealed_run",
    "value_at",
    "write_kept",
]


class MissingStorageError(NXstxmError, ImportError):
    """What storage needs is not installed."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Fetch a name, and what it needs (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        except ImportError as error:
            raise MissingStorageError(
                f"{name} needs what is not installed ({error}): "
                f"pip install 'suitcase-nxstxm[storage]'"
            ) from error
