"""What only the readings, and all runs together, tell of a scan: found when it is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from .._log import logger
from ..scans import as_raster, check_group, may_be_raster, moving_keys, unread
from ._record import SEQ_NUM, RunRecord

#: Runs with more points are left as they are: nobody writes such a raster by hand.
MOST = 2**24


def refine(records: Sequence[RunRecord], h5: h5py.File, devices: Mapping[str, str]) -> None:
    """Complete what the plans of a scan's runs do not tell, and say what is missing.

    Parameters
    ----------
    records : sequence of RunRecord
        All runs, in the order of time; at least one.
    h5 : h5py.File
        The file that holds the columns.
    devices : Mapping of str to str
        Role to data key, as the user gave it.
    """
    told: dict[str, None] = {}  # once, however many runs say it
    for record in records:
        _find_loops(record, h5)
        for each in unread(record.plan, devices, record.descriptors):
            record.note_once(each.message)
            if each.is_suspicious:
                told[each.message] = None
    for message in (*told, *_check_groups(records)):
        logger.warning("scan of run %.8s: %s", records[0].uid, message)


def _check_groups(records: Sequence[RunRecord]) -> list[str]:
    """Note which runs of groups are missing, or come twice."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.plan.group is not None:
            groups.setdefault(record.plan.group.id, []).append(record)
    told: list[str] = []
    for group in groups.values():
        check = check_group([record.plan for record in group])
        told += check.messages
        for record in group:
            record.lacks_others = check.lacks_runs
            for message in check.messages:
                record.note_once(message)
    return told


def _find_loops(record: RunRecord, h5: h5py.File) -> None:
    """Find the loops of a run whose plan tells none.

    Frames that went through processors were labelled by the plan as it was, so it stays.
    """
    plan, stream = record.plan, record.measurement
    if stream is None or record.processing or not may_be_raster(plan):
        return
    n = record.n_rows.get(stream, 0)
    if not 0 < n <= MOST:
        return
    # of a point that was measured again, after a pause, the last reading counts
    seq = record.whole(h5, stream, SEQ_NUM)[::-1]
    numbers, last = np.unique(seq, return_index=True)
    if not np.array_equal(numbers, np.arange(1, len(numbers) + 1)):
        return
    rows = n - 1 - last
    readings: dict[str, Any] = {}
    for role, key in moving_keys(plan).items():
        pieces = record.columns.get((stream, key), [])
        if pieces and all(p.shape == () and p.dtype.kind in "biuf" for p in pieces):
            scale = plan.devices[role].scale
            readings[role] = scale * record.whole(h5, stream, key).astype(float)[rows]
    record.plan = as_raster(plan, readings)
