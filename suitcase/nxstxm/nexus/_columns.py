"""From blocks of documents to the columns of a record: numbers in native order, and text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..documents import Block, Frames
from ..scans import as_json
from ._record import SEQ_NUM, TIME


def columns_of(block: Block) -> Iterator[tuple[str, int, np.ndarray[Any, Any] | Frames]]:
    """Give the columns of a block as a record holds them: key, first row, values."""
    yield SEQ_NUM, block.row, block.seq_nums
    yield TIME, block.row, block.times
    for key, chunks in block.columns.items():
        for chunk in chunks:
            values = chunk.values
            if isinstance(values, Frames):
                values = values.in_native_order()
            else:
                values = _as_text(values) if values.dtype.kind == "O" else native(values)
            yield key, chunk.row, values


def native(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give an array in the machine's byte order; stacking arrays does so too, one alone stays."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _as_text(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Make text of readings that are no numbers, so that they have a place in the file."""
    out = np.empty(values.shape, object)
    for i, value in np.ndenumerate(values):
        if isinstance(value, str):
            plain = value
        elif isinstance(value, bytes):
            plain = value.decode("utf-8", "replace")
        else:
            plain = as_json(value)
        out[i] = plain.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return out
