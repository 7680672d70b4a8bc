"""From the runs of a scan to the entries of its file, with names that NeXus allows."""

from __future__ import annotations

from collections.abc import Sequence

from .. import scans
from ._encoding import safe_name
from ._record import STAGING, RunRecord

Part = scans.Part[RunRecord]
EntryJob = scans.EntryJob[RunRecord]


def jobs(records: Sequence[RunRecord]) -> list[EntryJob]:
    """Arrange the runs of a scan as entries; see `suitcase.nxstxm.scans.jobs`."""
    return scans.jobs(records, safe=safe_name, taken=(STAGING,))


__all__ = ["EntryJob", "Part", "jobs"]
