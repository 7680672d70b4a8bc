"""Results of variables as stored data: what is noted beside them, and how they are found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from ..storage import (
    ChunkInfo,
    DataCorrupted,
    DataKey,
    FormatError,
    Kept,
    Parts,
    StoredMetadata,
    about_bytes,
    about_of,
    kinds_of,
    ranges_of,
    restored,
    taken_apart,
)

#: Where what is known of a result is, beside it.
KEYS = ".keys"
_TYPE, _HASH, _RUN = "data_type", "hash", "run_id"


@dataclass(frozen=True)
class Noted:
    """What tells at a glance which data are somewhere.

    Attributes
    ----------
    place : str
        Where they are in the file.
    run_id, data_type, hash : str
        Of their key.
    """

    place: str
    run_id: str
    data_type: str
    hash: str


def about_result(key: DataKey, data: Any) -> bytes | None:
    """Describe a result as stored data of one chunk.

    Returns
    -------
    bytes or None
        None for what is no data: a figure.
    """
    try:
        parts = taken_apart(np.asarray(data) if isinstance(data, str) else data)
    except FormatError:
        return None
    nbytes = sum(each.nbytes for each in (*parts.arrays.values(), *parts.constants.values()))
    now = time.time()
    metadata = StoredMetadata(
        key.run_id,
        key.data_type,
        key.lineage,
        parts.schema,
        "gzip",
        now,
        now,
        n_chunks=1,
        rows=parts.rows,
        nbytes=nbytes,
        place={"kinds": kinds_of(parts)},
    )
    return about_bytes(metadata, [ChunkInfo(0, parts.rows, nbytes, ranges_of(parts))])


def note_key(file: h5py.File, place: str, key: DataKey, about: bytes) -> None:
    """Write what is known of a result beside it."""
    made = file.create_dataset(f"{KEYS}/{place}", data=np.frombuffer(about, np.uint8))
    mark(made, key)


def mark(node: h5py.HLObject, key: DataKey) -> None:
    """Let it be seen at a glance which data something is."""
    for name, text in ((_RUN, key.run_id), (_TYPE, key.data_type), (_HASH, key.hash)):
        # a run's id may be text that is no Unicode
        node.attrs[name] = np.void(text.encode("utf-8", "surrogatepass"))


def noted(node: h5py.HLObject, place: str) -> Noted:
    """Read what `mark` wrote.

    Raises
    ------
    DataCorrupted
        It can not be read.
    """
    try:
        found = [
            node.attrs[name].tobytes().decode("utf-8", "surrogatepass")
            for name in (_RUN, _TYPE, _HASH)
        ]
    except (KeyError, OSError, AttributeError, UnicodeError) as error:
        raise DataCorrupted(f"{node.name} does not tell whose data it has ({error})") from error
    return Noted(place, *found)


def kept_result(raw: bytes, read: Callable[[], Any], what: str) -> Kept:
    """Give a result as stored data; it is read when it is asked for.

    Parameters
    ----------
    raw : bytes
        What `about_result` gave.
    read : callable
        Reads the result.
    what : str
        What messages call it.
    """
    metadata, chunks = about_of(raw, what)
    whole = _Whole(metadata, read, what)
    return Kept(metadata, chunks, {0: _Side(whole, "arrays")}, _Side(whole, "constants"))


@dataclass
class _Whole:
    """A result taken apart, which is read once."""

    metadata: StoredMetadata
    read: Callable[[], Any]
    what: str

    @cached_property
    def parts(self) -> Parts:
        schema = self.metadata.schema
        if schema is None:
            raise DataCorrupted(f"{self.what} has no chunks")
        found = self.read()
        labelled = schema.kind in ("dataarray", "dataset")
        try:
            parts = taken_apart(
                np.asarray(found) if isinstance(found, str) else found,
                schema.axis if labelled else None,
            )
            return restored(parts, schema, self.metadata.place["kinds"])
        except (FormatError, KeyError, TypeError, ValueError) as error:
            raise DataCorrupted(f"{self.what} is not what was written ({error})") from error


class _Side(Mapping[str, Any]):
    """The arrays, or the constants, of a result."""

    def __init__(self, whole: _Whole, side: str) -> None:
        self._whole = whole
        self._side = side

    def _found(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = getattr(self._whole.parts, self._side)
        return found

    def __getitem__(self, name: str) -> Any:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())
