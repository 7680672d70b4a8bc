"""Frames written to the places of their chunks, by the system and without the interpreter.

HDF5 gives rows their places when a dataset grows, and has no more to do with them. Writing them by
itself it would hold the interpreter for as long as it takes, and whoever makes checksums meanwhile
would wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from .._h5chunks import row_places
from ._columns import AnyArray

#: Writes several pieces one after the other; Windows has no such function.
_PWRITEV: Callable[[int, Sequence[memoryview], int], int] | None = getattr(os, "pwritev", None)
#: Pieces that the operating system takes at once.
_MOST_PIECES = 512


def placed() -> h5py.h5p.PropDCID:
    """Give the properties of a dataset whose rows have their places before they are written."""
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return made


@dataclass(frozen=True)
class Run:
    """Pieces that lie one behind the other in a file.

    Attributes
    ----------
    descriptor : int
        Of the file.
    start : int
        Where the first of them belongs.
    pieces : list of memoryview
        Their bytes.
    """

    descriptor: int
    start: int
    pieces: list[memoryview]

    def write(self) -> None:
        """Write them; the system may take them in several goes, and other threads run meanwhile."""
        pieces, start = list(self.pieces), self.start
        while pieces and _PWRITEV is not None:
            n = _PWRITEV(self.descriptor, pieces, start)
            start += n
            while pieces and n >= pieces[0].nbytes:
                n -= pieces.pop(0).nbytes
            if pieces and n:
                pieces[0] = pieces[0][n:]


def placed_chunks(
    descriptor: int, dataset: h5py.Dataset, first: int, rows: Sequence[AnyArray]
) -> list[Run]:
    """Say where rows belong, each of which is a chunk that is not compressed.

    Where the system has no way to write them there, they are written at once.

    Parameters
    ----------
    descriptor : int
        Of the file, whose data begin where it does.
    dataset : h5py.Dataset
        The dataset, which has grown already.
    first : int
        Where the first of them belongs.
    rows : sequence of ndarray
        Of the dataset's dtype.

    Returns
    -------
    list of Run
        What is to be written, before the file is closed.
    """
    if _PWRITEV is None:
        rest = (0,) * (dataset.ndim - 1)
        for number, row in enumerate(rows, first):
            dataset.id.write_direct_chunk((number, *rest), np.ascontiguousarray(row))
        return []
    runs: list[Run] = []
    end = -1
    places = row_places(dataset, first, first + len(rows))
    for place, row in zip(places, rows, strict=True):
        if place != end or len(runs[-1].pieces) == _MOST_PIECES:
            runs.append(Run(descriptor, place, []))
        data = np.ascontiguousarray(row).reshape(-1).view(np.uint8).data
        runs[-1].pieces.append(data)
        end = place + data.nbytes
    return runs
