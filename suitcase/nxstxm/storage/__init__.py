"""Derived data that know how they were made: keys, and what stores data under them."""

from ._backend import StorageBackend
from ._directory import DataDirectory
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
from ._frontend import Location, StorageFrontend
from ._key import DataKey, Lineage, Step, split_key
from ._loading import Chunk, StoredData, Wanted
from ._metadata import ChunkInfo, StoredMetadata
from ._saver import Saver

__all__ = [
    "AmbiguousKeyError",
    "Chunk",
    "ChunkInfo",
    "DataCorrupted",
    "DataDirectory",
    "DataExistsError",
    "DataKey",
    "DataLockedError",
    "DataNotAvailable",
    "FormatError",
    "KeyValueError",
    "Lineage",
    "Location",
    "RunMetadataNotAvailable",
    "Saver",
    "SaverError",
    "Step",
    "StorageBackend",
    "StorageFrontend",
    "StoredData",
    "StoredMetadata",
    "Wanted",
    "split_key",
]
