"""Without this test the scans of a real microscope could become other files live than exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.documents import stored_runs

from ..exchange.broken import RECORDED
from ..exchange.same import same_file

SCANS = sorted(RECORDED.glob("*.json")) if RECORDED.is_dir() else []


@pytest.mark.skipif(not SCANS, reason=f"no recorded scans in {RECORDED}; set NXSTXM_RECORDED")
@pytest.mark.parametrize("path", SCANS, ids=lambda path: path.stem)
def test_a_recorded_scan_written_live_is_the_file_of_an_export(
    path: Path, tmp_path: Path, writers: Any
) -> None:
    runs = [list(run.documents()) for run in stored_runs(path)]
    runs.sort(key=lambda run: run[0][1]["time"])
    writer = writers(tmp_path / "live")
    for run in runs:
        for name, doc in run:
            writer(name, doc)
    [live] = writer.finish()
    same_file(live, export_scan(runs, tmp_path / "exported"))
