"""Without these tests a machine that dies could take the scan with it."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import recover
from suitcase.nxstxm.nexus import read_documents, validate

from .killer import PROMISED, UNMADE, Killer, begun, entries_of, waited

ALONE = [pytest.mark.slow, pytest.mark.alone]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


def events_of(path: Path) -> set[tuple[str, int]]:
    return {
        (doc["descriptor"], doc["seq_num"]) for name, doc in read_documents(path) if name == "event"
    }


def looked_at(folder: Path, ledger: Path, killed_at: float, stalled: float) -> dict[str, int]:
    """Assert that nothing is broken; count events, files, and events that are lost."""
    promised = PROMISED + stalled
    # of a folder that was just being made nobody can know that its maker is dead
    left = [path for path in folder.glob("*.journal") if {p.name for p in path.iterdir()} - UNMADE]
    assert not left, "a journal is left"
    assert not list(folder.glob("*.tmp")), "a temporary file is left"
    stored: set[tuple[str, int]] = set()
    files = sorted(folder.glob("*.hdf5"))
    for path in files:
        assert [p for p in validate(path) if p.level == "error"] == []
        with h5py.File(path) as h5:
            assert h5.attrs["NX_class"] == "NXroot"
            shown = h5["entry0/camera/data"][()] if "camera" in h5["entry0"] else None
        events = events_of(path)
        if shown is not None:
            # a frame lies in another file than the journal that tells of it: both must be there
            assert np.isfinite(shown).sum() == len(events), path
        stored |= events
    book = entries_of(ledger)
    old = {(d, n) for t, what, *said in book if what == "event" and t < killed_at - promised
           for _, d, n in [said]}  # fmt: skip
    for _, what, *said in book:
        if what == "file":
            assert Path(said[0]).exists()
    return {
        "events": sum(1 for _, what, *_ in book if what == "event"),
        "files": len(files),
        "lost": len(old - stored),
        "late": sum(
            1 for t, what, *said in book
            if what == "event" and t >= killed_at - promised and tuple(said[1:]) not in stored
        ),
    }  # fmt: skip


def trial(killer: Killer, folder: Path, seed: int) -> dict[str, int]:
    """Measure, kill at a random moment, recover, and look."""
    chance = random.Random(seed)
    folder.mkdir()
    ledger = folder / "ledger.txt"
    pid = killer.begin("measure", str(folder), str(ledger), seed)
    begun(ledger)
    stalled = waited(chance.uniform(0.0, 1.2), folder / "waiting")
    killed_at, status = killer.kill(pid)
    assert status == signal.SIGKILL, (folder / "log.txt").read_text()
    n_kills = 0
    if seed % 2:  # kill who recovers, too
        for _ in range(3):
            pid = killer.begin("recover", str(folder))
            time.sleep(chance.uniform(0.0, 0.08))
            try:
                killer.kill(pid)
                n_kills += 1
            except ProcessLookupError:
                assert killer.end() == 0, (folder / "log.txt").read_text()
                break
    recover(folder)
    assert recover(folder) == []
    return {**looked_at(folder, ledger, killed_at, stalled), "recoveries killed": n_kills}


@pytest.mark.parametrize("n", [6, pytest.param(220, marks=ALONE)])
@pytest.mark.timeout(3600)
def test_a_killed_process_loses_nothing_that_is_older_than_a_moment(
    n: int, killer: Killer, tmp_path: Path
) -> None:
    total: dict[str, int] = {}
    for seed in range(n):
        found = trial(killer, tmp_path / str(seed), seed)
        assert found["lost"] == 0, f"seed {seed}: {found}"
        for what, number in found.items():
            total[what] = total.get(what, 0) + number
    assert total["events"] > 5 * n
    report = f"{n} processes killed: {total}"
    (tmp_path / "report.txt").write_text(report)
    sys.stderr.write(f"\n{report}\n")
