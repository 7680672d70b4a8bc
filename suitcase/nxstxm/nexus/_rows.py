"""Appending rows to a dataset."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ..documents import Frames


def append(dataset: h5py.Dataset, values: np.ndarray[Any, Any] | Frames) -> None:
    """Append rows to a dataset; frames go to their chunks as they are."""
    at, n = len(dataset), len(values)
    dataset.resize(at + n, 0)
    whole = dataset.chunks == (1, *dataset.shape[1:]) and dataset.dtype == values.dtype
    if (
        whole
        and dataset.id.get_create_plist().get_nfilters() == 0
        and values.dtype.kind in "biuf"
        and n
    ):
        origin = (0,) * (values.ndim - 1)
        for i, frame in enumerate(values):
            dataset.id.write_direct_chunk((at + i, *origin), np.ascontiguousarray(frame))
    elif isinstance(values, Frames) and whole:
        for i, frame in enumerate(values):
            dataset[at + i] = frame
    else:
        dataset[at:] = values
