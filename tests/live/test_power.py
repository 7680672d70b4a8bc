"""Without these tests a power cut could take more than what the disk had not got yet.

A disk without power is simulated: of each file there is what it had when it was last flushed, and
of each folder the names that it had when it was.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmWriter, export_scan, recover
from suitcase.nxstxm.nexus import read_documents, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from ..exchange.same import differences
from .frame_run import frame, frame_run

#: Seconds between flushes, and what a flush may take here.
PERIOD, SLACK = 0.05, 0.5
SEEDS = [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))]

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")


class Disk:
    """Notes what a disk has got of the files below a folder."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._files: dict[int, bytes] = {}  # by inode
        self._names: dict[Path, dict[str, int]] = {}
        self._real = os.fsync
        self._lock = threading.Lock()

    def fsync(self, handle: int) -> None:
        self._real(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if self.top != path and self.top not in path.parents:
            return
        with self._lock:
            if path.is_dir():
                self._names[path] = {p.name: p.stat().st_ino for p in path.iterdir()}
            elif path.exists():
                # what is appended while it is read does not count
                self._files[path.stat().st_ino] = path.read_bytes()

    def after_power_off(self, folder: Path) -> None:
        """Make the files that a machine finds when it has power again."""
        with self._lock:
            self._make(self.top, folder)

    def _make(self, path: Path, to: Path) -> None:
        to.mkdir()
        for name, inode in self._names.get(path, {}).items():
            if path / name in self._names:
                self._make(path / name, to / name)
            elif inode in self._files:
                (to / name).write_bytes(self._files[inode])
            elif not (path / name).is_dir():
                (to / name).touch()  # it has a name, and nothing in it


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    top = tmp_path / "data"
    top.mkdir()
    disk = Disk(top)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    yield disk
    monkeypatch.undo()


def measured(disk: Disk, run: Any, seconds: float, folder: Path, pause: float) -> dict[int, float]:
    """Measure until the power goes; give when each event came, before that."""
    came: dict[int, float] = {}
    writer = NXstxmWriter(disk.top, fsync=PERIOD, recover=False)
    end = time.monotonic() + seconds
    for name, doc in run[:-1]:
        if time.monotonic() > end:
            break
        writer(name, doc)
        if name == "event":
            came[doc["seq_num"]] = time.monotonic()
            time.sleep(pause)
    now = time.monotonic()
    disk.after_power_off(folder)
    writer.close()
    return {number: now - then for number, then in came.items()}


def events_of(path: Path) -> dict[int, Any]:
    return {doc["seq_num"]: doc for name, doc in read_documents(path) if name == "event"}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_disk_was_asked_to_have_is_there_after_a_power_cut(
    seed: int, disk: Disk, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    after = tmp_path / "after"
    ages = measured(disk, frame_run(2000, size=4), 0.4 + chance.random(), after, 0.002)
    [path] = recover(after)
    assert [p for p in validate(path) if p.level == "error"] == []
    stored = events_of(path)
    assert len(stored) > 20
    assert {number for number, age in ages.items() if age > PERIOD + SLACK} <= {*stored}
    assert sorted(p.name for p in after.iterdir()) == [path.name]


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_are_on_the_disk_before_the_journal_tells_of_them(
    seed: int, disk: Disk, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    after = tmp_path / "after"
    ages = measured(disk, frame_run(200), 0.6 + chance.random(), after, 0.01)
    [path] = recover(after)
    stored = events_of(path)
    with h5py.File(path) as h5:
        picture = h5["entry0/camera/data"][()]
    old = [number for number, age in ages.items() if age > PERIOD + SLACK]
    assert len(old) > 5 or seed
    for number in old:
        assert number in stored
        assert picture[number - 1] == frame(number - 1, "<f8").sum()


def test_facts_that_were_half_written_leave_a_scan_that_is_recovered(
    disk: Disk, tmp_path: Path
) -> None:
    after = tmp_path / "after"
    measured(disk, frame_run(2000, size=4), 0.3, after, 0.002)
    [journal] = after.glob("*.journal")
    for facts in ("", '{"file": "x'):
        again = tmp_path / f"again{len(facts)}"
        shutil.copytree(after, again)
        (again / journal.name / "scan.json").write_text(facts)
        [path] = recover(again)
        with h5py.File(path) as h5:
            told = "\n".join(h5["entry0/collection/messages"].asstr()[()])
        assert "what the writer was told of this scan is lost" in told


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_spoils_nothing(
    jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody sets the clock while a scan goes on."""
    run = frame_run(20, size=8)
    begun = time.monotonic()
    real = time.time
    with NXstxmWriter(tmp_path) as writer:
        for i, (name, doc) in enumerate(run):
            if i == 10:
                monkeypatch.setattr(time, "time", lambda: real() + jump)
            late = {**doc, "time": doc["time"] + jump} if i >= 10 else doc
            writer(name, late)
    assert time.monotonic() - begun < 30
    [path] = writer.paths
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        assert entry.attrs["complete"]
        times = [np.datetime64(entry[n].asstr()[()][:19]) for n in ("start_time", "end_time")]
        assert times[0] <= times[1]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_clock_that_is_set_back_between_runs_changes_what_a_scan_is_called(
    tmp_path: Path,
) -> None:
    """Live the run that came first gives the name, in an export the earliest; all else is equal."""
    runs = [
        [(name, {**doc, "time": doc["time"] - 86400.0 * (i > 0)}) for name, doc in run]
        for i, run in enumerate(
            scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"])
        )
    ]
    with NXstxmWriter(tmp_path) as writer:
        for run in runs:
            for name, doc in run:
                writer(name, doc)
    exported = export_scan(runs, tmp_path / "exported")
    with h5py.File(writer.paths[0]) as h5, h5py.File(exported) as other:
        assert h5.attrs["first_uid"] == runs[0][0][1]["uid"]
        assert other.attrs["first_uid"] in {run[0][1]["uid"] for run in runs[1:]}
        found = {each.split(":")[0] for each in differences(h5, other)}
    assert found == {"/@first_uid", "/entry0/entry_identifier_uuid"}
