"""Data in a group of an HDF5 file, which may hold other things as well.

::

    <group>/about            metadata and chunks, as JSON with its checksum
    <group>/chunks/<i>/<v>   what chunk i has of variable v
    <group>/constants/<v>    what all chunks share

Everything but single values is written with HDF5's own checksum, Fletcher-32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import h5py
import numpy as np

from .._h5tree import H5_ERRORS, why
from ._dtypes import AnyArray, ArrayType, from_bytes, to_bytes
from ._errors import DataCorrupted
from ._kept import Kept
from ._metadata import ChunkInfo, StoredMetadata, sealed, unsealed

ABOUT, CHUNKS, CONSTANTS = "about", "chunks", "constants"
#: Opens a group to be read, for as long as the context lasts.
Opener = Callable[[], AbstractContextManager[h5py.Group]]
#: Arrays larger than this are compressed.
_LARGE = 16 * 1024


def about_bytes(metadata: StoredMetadata, chunks: Sequence[ChunkInfo]) -> bytes:
    """Write what is known of data and their chunks, with a checksum."""
    return sealed({"metadata": metadata.as_json(), "chunks": [each.as_json() for each in chunks]})


def about_of(raw: bytes, what: str) -> tuple[StoredMetadata, tuple[ChunkInfo, ...]]:
    """Undo `about_bytes`.

    Raises
    ------
    DataCorrupted
        It is not what was written.
    """
    made = unsealed(raw, what)
    try:
        chunks = tuple(ChunkInfo.of_json(each) for each in made["chunks"])
        return StoredMetadata.of_json(made["metadata"], what), chunks
    except (KeyError, TypeError, AttributeError) as error:
        raise DataCorrupted(f"{what} lacks or spoils {error}") from error


def write_kept(group: h5py.Group, kept: Kept) -> None:
    """Write data into an empty group.

    Parameters
    ----------
    group : Group
        Where to.
    kept : Kept
        The data.
    """
    kinds: dict[str, Any] = {}
    for info in kept.chunks:
        inner = group.create_group(f"{CHUNKS}/{info.index}")
        kinds[str(info.index)] = _write(inner, kept.arrays[info.index])
    kinds[CONSTANTS] = _write(group.create_group(CONSTANTS), kept.constants)
    metadata = kept.metadata.with_(compression="gzip", place={"kinds": kinds})
    group.create_dataset(ABOUT, data=np.frombuffer(about_bytes(metadata, kept.chunks), np.uint8))


def _write(group: h5py.Group, arrays: Mapping[str, AnyArray]) -> list[Any]:
    """Write arrays by their numbers, for a name may be anything; give names and what they are."""
    told = []
    for number, (name, array) in enumerate(arrays.items()):
        raw, kind = to_bytes(array, name)
        options: dict[str, Any] = {}
        if raw.ndim and raw.size:
            options["fletcher32"] = True
            if raw.nbytes > _LARGE:
                options |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        plain = raw.dtype.kind in "biuf" and raw.dtype.itemsize <= 8
        group.create_dataset(str(number), data=raw if plain else _opaque(raw), **options)
        told.append([name, kind.descr, kind.text, list(raw.shape)])
    return told


def _opaque(raw: AnyArray) -> AnyArray:
    """Give the bytes of an array, one axis more."""
    flat = np.frombuffer(raw.tobytes(), np.uint8)
    return flat.reshape(*raw.shape, raw.dtype.itemsize)


def read_kept(opener: Opener, what: str) -> Kept:
    """Open the data of a group; arrays are read when they are asked for.

    Parameters
    ----------
    opener : callable
        Opens the group.
    what : str
        What messages call it.

    Raises
    ------
    DataCorrupted
        What describes them can not be read.
    """
    with opener() as group:
        raw = group[ABOUT][()].tobytes()
    metadata, chunks = about_of(raw, what)
    kinds = metadata.place.get("kinds")
    if not isinstance(kinds, Mapping):
        raise DataCorrupted(f"{what} does not tell what its arrays are")
    arrays = {
        info.index: _Arrays(opener, f"{CHUNKS}/{info.index}", kinds.get(str(info.index), ()), what)
        for info in chunks
    }
    return Kept(metadata, chunks, arrays, _Arrays(opener, CONSTANTS, kinds[CONSTANTS], what))


class _Arrays(Mapping[str, AnyArray]):
    """Arrays of a group, each read when it is asked for."""

    def __init__(self, opener: Opener, place: str, told: Sequence[Any], what: str) -> None:
        self._opener = opener
        self._place = place
        self._told = {each[0]: (number, each[1:]) for number, each in enumerate(told)}
        self._what = what

    def __getitem__(self, name: str) -> AnyArray:
        number, (descr, text, shape) = self._told[name]
        kind = ArrayType(descr, text)
        try:
            with self._opener() as group:
                raw = np.asarray(group[f"{self._place}/{number}"][()])
            if raw.dtype != kind.dtype:
                raw = raw.view(kind.dtype)
            return from_bytes(raw.reshape(shape), kind)
        except (*H5_ERRORS, TypeError, ValueError) as error:
            raise DataCorrupted(
                f"{name} of {self._place} in {self._what} can not be read: {why(error)}"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)
