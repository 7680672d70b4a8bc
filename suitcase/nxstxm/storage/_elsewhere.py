"""Stored data that somebody else keeps in a form of its own: what is noted of them beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ._dtypes import AnyArray, ArrayType, to_bytes
from ._errors import DataCorrupted, FormatError
from ._h5_group import about_bytes, about_of
from ._kept import Kept
from ._key import DataKey
from ._kinds import taken_apart
from ._metadata import ChunkInfo, StoredMetadata
from ._saver import ranges_of
from ._schema import Parts, Schema

#: What text was that has no fixed length.
_TEXTS = {"object": "O", "string": "O"}


def note_of(key: DataKey, data: Any, compression: str = "none") -> bytes | None:
    """Describe data as stored data of one chunk, whoever keeps them.

    Parameters
    ----------
    key : DataKey
        Their key.
    data : object
        What `taken_apart` takes, or text.
    compression : str
        How they are compressed there.

    Returns
    -------
    bytes or None
        The note, with a checksum; None for what is no data: a figure.
    """
    try:
        parts = _apart(data)
    except FormatError:
        return None
    nbytes = sum(each.nbytes for each in (*parts.arrays.values(), *parts.constants.values()))
    now = time.time()
    metadata = StoredMetadata(
        key.run_id,
        key.data_type,
        key.lineage,
        parts.schema,
        compression,
        now,
        now,
        n_chunks=1,
        rows=parts.rows,
        nbytes=nbytes,
        place={"kinds": _kinds(parts)},
    )
    return about_bytes(metadata, [ChunkInfo(0, parts.rows, nbytes, ranges_of(parts))])


def kept_elsewhere(
    note: bytes,
    read: Callable[[], Any],
    what: str,
    *,
    renamed: Callable[[str], str] = str,
) -> Kept:
    """Give data that somebody else keeps as stored data; they are read when they are asked for.

    Parameters
    ----------
    note : bytes
        What `note_of` gave.
    read : callable
        Reads the data. Their dtypes, attributes and the order of their variables may have changed.
    what : str
        What messages call them.
    renamed : callable
        Gives the name under which a variable is kept.

    Raises
    ------
    DataCorrupted
        The note is not what was written.
    """
    metadata, chunks = about_of(note, what)
    whole = _Whole(metadata, read, what, renamed)
    return Kept(metadata, chunks, {0: _Side(whole, "arrays")}, _Side(whole, "constants"))


def _apart(data: Any, axis: str | None = None) -> Parts:
    return taken_apart(np.asarray(data) if isinstance(data, str) else data, axis)


def _kinds(parts: Parts) -> dict[str, Any]:
    """Note what the arrays are."""
    return {
        name: [kind.descr, kind.text]
        for name, array in {**parts.arrays, **parts.constants}.items()
        for kind in (to_bytes(array, name)[1],)
    }


def _restored(
    parts: Parts, schema: Schema, kinds: Mapping[str, Any], renamed: Callable[[str], str]
) -> Parts:
    """Give arrays the names and dtypes that they had."""
    have = {**parts.arrays, **parts.constants}
    along = {v.name for v in schema.along()}
    arrays: dict[str, AnyArray] = {}
    constants: dict[str, AnyArray] = {}
    for v in schema.variables:
        array = have[v.name] if v.name in have else have[renamed(v.name)]
        kind = ArrayType(*kinds[v.name])
        wanted = np.dtype(_TEXTS.get(kind.text, kind.text) if kind.text else kind.dtype)
        made = array if array.dtype == wanted else array.astype(wanted)
        (arrays if v.name in along else constants)[v.name] = made
    return Parts(schema, arrays, constants, parts.rows)


@dataclass
class _Whole:
    """Data taken apart, which are read once."""

    metadata: StoredMetadata
    read: Callable[[], Any]
    what: str
    renamed: Callable[[str], str]

    @cached_property
    def parts(self) -> Parts:
        schema = self.metadata.schema
        if schema is None:
            raise DataCorrupted(f"{self.what} has no chunks")
        found = self.read()
        axis = schema.axis if schema.kind in ("dataarray", "dataset") else None
        try:
            return _restored(
                _apart(found, axis), schema, self.metadata.place["kinds"], self.renamed
            )
        except (FormatError, KeyError, TypeError, ValueError) as error:
            raise DataCorrupted(f"{self.what} is not what was written ({error})") from error


class _Side(Mapping[str, Any]):
    """The arrays, or the constants, of the data."""

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
