"""Where the chunks of a dataset lie in its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py

#: Chunks that are asked for one by one: Python sees none but these, which is eighty times as quick.
_FEW = 32


def row_places(dataset: h5py.Dataset, first: int, last: int) -> list[int]:
    """Give the byte of the file at which each of some rows begins, each of which is a chunk.

    Raises
    ------
    ValueError
        One of them has no place.
    """
    rest = (0,) * (dataset.ndim - 1)
    return places(dataset.id, [(row, *rest) for row in range(first, last)])


def places(dataset: h5py.h5d.DatasetID, corners: Sequence[tuple[int, ...]]) -> list[int]:
    """Give the byte of the file at which each of some chunks begins.

    HDF5 looks through all chunks for one of them, so that asking for each of many would take longer
    with each chunk: then all of them are looked through once.

    Parameters
    ----------
    dataset : DatasetID
        The dataset.
    corners : sequence of tuple of int
        The index of the first element of each chunk.

    Raises
    ------
    ValueError
        One of them has no place.
    """
    if len(corners) <= _FEW:
        return [int(dataset.get_chunk_info_by_coord(corner).byte_offset) for corner in corners]
    found = dict.fromkeys(corners, -1)

    def note(chunk: Any) -> None:
        if chunk.chunk_offset in found:
            found[chunk.chunk_offset] = chunk.byte_offset

    dataset.chunk_iter(note)
    missing = next((corner for corner, place in found.items() if place < 0), None)
    if missing is not None:
        raise ValueError(f"the chunk at {missing} has no place")
    return list(found.values())
