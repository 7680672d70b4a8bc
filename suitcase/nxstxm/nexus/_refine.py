"""What only the readings tell of a run, found when it is complete."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ..scans import as_raster, may_be_raster, moving_keys
from ._record import SEQ_NUM, RunRecord

#: Runs with more points are left as they are: nobody writes such a raster by hand.
MOST = 2**24


def refine(record: RunRecord, h5: h5py.File) -> None:
    """Find the loops of a run whose plan tells none.

    Frames that went through processors were labelled by the plan as it was, so it stays.
    """
    plan, stream = record.plan, record.measurement
    if stream is None or record.processing or not may_be_raster(plan):
        return
    n = record.n_rows.get(stream, 0)
    if not 0 < n <= MOST:
        return
    if not np.array_equal(record.whole(h5, stream, SEQ_NUM), np.arange(1, n + 1)):
        return  # rewound: what was measured again is in no order
    readings: dict[str, Any] = {}
    for role, key in moving_keys(plan).items():
        pieces = record.columns.get((stream, key), [])
        if pieces and all(p.shape == () and p.dtype.kind in "biuf" for p in pieces):
            scale = plan.devices[role].scale
            readings[role] = scale * record.whole(h5, stream, key).astype(float)
    record.plan = as_raster(plan, readings)
