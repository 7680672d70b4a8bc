"""What stands beside the rows of a source: their trains and pulses, and older names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._columns import AnyArray, write_column
from ._devices import data_key
from ._file import SequenceFile
from ._options import RunOptions


def link_legacy(file: SequenceFile, options: RunOptions, key: str, source: str) -> None:
    """Let a source be found by the older names that it has."""
    for old, wanted in options.legacy.items():
        if wanted == data_key(key):
            file.add_legacy(old, source)


def write_rows_index(group: Any, trains: AnyArray, counts: AnyArray, *, pulses: bool) -> None:
    """Write of which train each row is, and which of its rows."""
    counts = counts.astype(np.int64)
    write_column(group, "trainId", np.repeat(trains, counts))
    if pulses:
        first = np.cumsum(counts) - counts
        n = int(counts.sum())
        number = np.arange(n) - np.repeat(first, counts)
        write_column(group, "pulseId", number.astype(np.uint64))
