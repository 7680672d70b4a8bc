"""A night at the microscope: scans come, the watcher is killed, somebody edits a variable."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("watchfiles")
pytest.importorskip("bluesky")

from bluesky import RunEngine

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.sim import (
    SimulatedMicroscope,
    all_requests,
    image_plan,
    scan_documents,
    stack_plan,
)
from suitcase.nxstxm.variables import Processor, RunTable, found_scans

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
CODE = """
from suitcase.nxstxm.variables.stxm import *
from suitcase.nxstxm.variables import Variable

@Variable(title="Contrast")
def contrast(run, mean: "var#mean_counts"):
    return float(run.picture().std()) / mean

@Variable(title="Twice the contrast")
def twice(run, contrast: "var#contrast"):
    return 2 * contrast
"""


class Watcher:
    """A process that watches, begun again each time it is killed."""

    def __init__(self, table: Path, scans: Path) -> None:
        self._command = [sys.executable, "-m", "suitcase.nxstxm", "table", "watch", table, scans]
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.begin()

    def begin(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        os.kill(self._process.pid, how)
        self._process.wait(120)
        self.kills += 1


def check(table: RunTable, n: int) -> None:
    """Assert that every scan is a row, and that each row is of one piece."""
    infos = table.runs()
    assert len(infos) == len({info.first_uid for info in infos}) == n
    for info in infos:
        row = table[info.first_uid or ""]
        assert {"scan_type", "mean_counts", "contrast", "twice", "thumbnail"} <= set(row)
        for name, cell in row.items():
            if cell.error is None and cell.stored.value is not None:
                cell.preview()
            if name == "twice" and cell.error is None:
                assert cell.read() == 2 * row["contrast"].read()


def complete(table: Path, n: int) -> bool:
    with RunTable(table, readonly=True) as opened:
        infos = opened.runs()
        return len(infos) == n and all("twice" in opened[info.first_uid or ""] for info in infos)


def wait_for(table: Path, n: int) -> None:
    deadline = time.monotonic() + 600
    while not complete(table, n):
        assert time.monotonic() < deadline, "the watcher does not catch up"
        time.sleep(0.2)


def test_a_night(tmp_path: Path) -> None:
    home, scans = tmp_path / "table", tmp_path / "scans"
    scans.mkdir()
    RunTable.create(home, proposal=900001, context=CODE).close()
    names = list(all_requests())[:54]
    chance = random.Random(1)
    watcher = Watcher(home, scans)

    def measure() -> None:
        for name in names:
            export_scan(scan_documents(all_requests()[name]), scans)

    measuring = threading.Thread(target=measure)
    measuring.start()
    try:
        for _ in range(10):
            time.sleep(chance.uniform(0.5, 4.0))
            watcher.kill()
            watcher.begin()
        # the last scans by a RunEngine, whose files get their final names when they are whole
        engine = RunEngine({})
        engine.subscribe(NXstxmWriter(scans))
        scope = SimulatedMicroscope()
        for _ in range(3):
            engine(image_plan(scope, (-2, 2, 5), (-1, 1, 4)))
            engine(stack_plan(scope, (700.0, 705.0), (-2, 2, 5), (-1, 1, 4)))
        measuring.join()
        total = len(found_scans([scans]))
        assert total >= 58  # of some the uid is that of others
        wait_for(home, total)
        with RunTable(home, readonly=True) as table:
            check(table, total)
        (home / "context.py").write_text(CODE.replace("2 * contrast", "2 * contrast + 0"))
        deadline = time.monotonic() + 300
        while True:  # edited: the watcher computes it again, and nothing else
            with RunTable(home, readonly=True) as table:
                times = {
                    info.first_uid: {
                        name: cell.stored.timestamp
                        for name, cell in table[info.first_uid or ""].items()
                    }
                    for info in table.runs()
                }
            edited = (home / "context.py").stat().st_mtime
            new = {name for cells in times.values() for name, t in cells.items() if t > edited}
            if all(cells["twice"] > edited for cells in times.values()):
                break
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert new == {"twice"}
        assert watcher.kills == 10
    finally:
        watcher.kill(signal.SIGINT)
        measuring.join()
    with RunTable(home) as table, Processor(table, timeout=120) as processor:
        for done in processor.process(found_scans([scans])):
            assert not done.computed
            assert not done.failure
        check(table, total)
