"""Stored data as arrays of dask."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ._errors import DataCorrupted, FormatError
from ._kinds import put_together, taken_apart
from ._loading import StoredData
from ._metadata import ChunkInfo


def as_dask(stored: StoredData) -> Any:
    """Give data whose chunks are read when they are computed.

    Parameters
    ----------
    stored : StoredData
        The data.

    Returns
    -------
    dask array, DataArray or Dataset
        Coordinates, and what all chunks share, are read at once.

    Raises
    ------
    FormatError
        They are a table, or frames.
    DataCorrupted
        What describes them is damaged.
    """
    from dask.delayed import delayed

    da: Any = import_module("dask.array")

    schema = stored.metadata.schema
    if schema is None or not stored.chunks:
        raise DataCorrupted(f"{stored} has no chunks")
    if schema.kind not in ("array", "dataarray", "dataset"):
        raise FormatError(f"{stored} is a {schema.kind}, of which no arrays of dask can be made")
    if schema.axis is None:
        return stored.load()
    # the first chunk without its rows tells dtypes, lengths, and all that has not the axis
    empty = taken_apart(stored.read(stored.chunks[0], rows=(0, 0)), schema.axis)
    read = delayed(_array, pure=True)
    arrays: dict[str, Any] = {}
    for variable in schema.along():
        name = variable.name
        if variable.is_coord:
            parts = [stored.arrays(info, [name])[name] for info in stored.chunks]
            arrays[name] = np.concatenate(parts)
            continue
        like = empty.arrays[name]
        arrays[name] = da.concatenate(
            [
                da.from_delayed(
                    read(stored, info, name), (info.rows, *like.shape[1:]), dtype=like.dtype
                )
                for info in stored.chunks
            ]
        )
    return put_together(schema, arrays, empty.constants)


def _array(stored: StoredData, info: ChunkInfo, name: str) -> Any:
    return stored.arrays(info, [name])[name]
