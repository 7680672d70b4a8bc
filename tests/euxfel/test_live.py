"""Without these tests a EuXFEL run that is measured could be lost, or fail the scan."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import grid_scan
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, NXstxmWriter, export, export_scan, nexus, recover
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import EuXFELWriter, documents, validate
from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan, stack_plan

from ..live.killer import PROMISED, UNMADE, Killer, begun, entries_of, held
from .runs import Documents, arange, array, number, opened, problems, run_of
from .test_external import FRAMES, detector_file, streamed


@pytest.fixture
def engine() -> Any:
    return RunEngine({}, context_managers=[], call_returns_result=False)


def runs_of(docs: Documents) -> list[Documents]:
    runs: list[Documents] = []
    for name, doc in docs:
        if name == "start":
            runs.append([])
        runs[-1].append((name, doc))
    return runs


def complete(folder: Path) -> None:
    """Assert that nothing is left of a run but what belongs there."""
    assert problems(folder) == []
    assert validate(folder) == []
    assert [p.name for p in folder.iterdir() if p.suffix not in (".h5", ".json")] == []


# -- the callback ---------------------------------------------------------------------------------


@pytest.mark.parametrize("journal", [True, False])
def test_what_a_run_engine_measures_becomes_runs(
    journal: bool, engine: Any, tmp_path: Path
) -> None:
    docs: Documents = []
    camera = SynSignal(name="camera", func=lambda: np.full((96, 96), 2.5))
    y, x = SynAxis(name="y"), SynAxis(name="x")
    with EuXFELWriter(tmp_path, proposal=7, journal=journal, trains_per_file=5) as writer:
        engine.subscribe(writer)
        engine.subscribe(lambda name, doc: docs.append((name, doc)))
        engine(image_plan(SimulatedMicroscope(), (-1, 1, 5), (-1, 1, 4), style="lines"))
        assert len(writer.paths) == 1  # the run is there when the plan ends
        engine(grid_scan([camera], y, 0, 1, 3, x, 0, 2, 4, False))
        engine(stack_plan(SimulatedMicroscope(), (700.0, 701.0), (-1, 1, 3), (-1, 1, 3)))
    assert len(writer.paths) == 4
    for folder, run in zip(writer.paths, runs_of(docs), strict=True):
        assert folder.parent == tmp_path / "p000007" / "raw"
        complete(folder)
        assert difference(run, list(documents(folder))) is None
    frames = opened(writer.paths[1])["STXM/primary/camera:output", "data.camera"]
    assert frames.shape == (12, 96, 96)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p000007"]


def test_a_run_can_be_followed_while_it_goes_on(tmp_path: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(10)], {"a": number()}, sample="coal")
    with EuXFELWriter(tmp_path, trains_per_file=4) as writer:
        for name, doc in run[:-1]:
            writer(name, doc)
        folder = tmp_path / "p000000" / "raw" / "r0001"
        deadline = time.monotonic() + 10
        while len(list(folder.glob("*.h5"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        so_far = opened(folder)
        assert so_far["STXM/primary/a", "a.value"].ndarray().tolist() == list(range(8))
        assert so_far.get_run_value("BLUESKY/RUN/START", "sample.value") == "coal"
        del so_far
        (folder / "karabo_data_map.json").unlink(missing_ok=True)
        writer(*run[-1])
    complete(folder)
    assert difference(run, list(documents(folder))) is None


def test_runs_that_are_woven_into_each_other(tmp_path: Path) -> None:
    runs = []
    for k in range(20):
        run = run_of([{"a": float(i + k)} for i in range(5)], {"a": number()})
        for _, doc in run:
            for key in ("uid", "run_start", "descriptor"):
                if key in doc:
                    doc[key] = f"{doc[key]}-{k}"
        runs.append(run)
    with EuXFELWriter(tmp_path, finish_timeout=60) as writer:
        for together in zip(*runs, strict=True):
            for name, doc in together:
                writer(name, doc)
    assert len(writer.paths) == 20
    found = {next(documents(folder))[1]["uid"]: folder for folder in writer.paths}
    for run in runs:
        assert difference(run, list(documents(found[run[0][1]["uid"]]))) is None
        complete(found[run[0][1]["uid"]])
    # all were measured at the same time, and no train is in two of them
    ids = [train for folder in writer.paths for train in opened(folder).train_ids]
    assert len(ids) == len({*ids}) == 20 * 5


def test_mistakes_are_told_at_the_start(tmp_path: Path) -> None:
    run = run_of([], {})
    writer = EuXFELWriter(tmp_path)
    writer(*run[0])
    with pytest.raises(NXstxmError, match="starts twice"):
        writer(*run[0])
    writer.close()
    with pytest.raises(NXstxmError, match="is closed"):
        writer(*run[0])
    (tmp_path / "file").write_text("x")
    with (
        EuXFELWriter(tmp_path / "file" / "none") as other,
        pytest.raises(NXstxmError, match="no run can be made in"),
    ):
        other(*run[0])
    with (
        EuXFELWriter(tmp_path / "names") as third,
        pytest.raises(NXstxmError, match="can not be a part of the name of a file"),
    ):
        third("start", {**run[0][1], "uid": "../up"})
    assert not list((tmp_path / "names").rglob("r0*"))


def test_an_error_does_not_fail_the_scan_and_the_run_is_made_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of([{"a": float(i)} for i in range(6)], {"a": number()})
    with EuXFELWriter(tmp_path, trains_per_file=2) as writer:
        for name, doc in run[:3]:
            writer(name, doc)
        folder = tmp_path / "p000000" / "raw" / "r0001"
        deadline = time.monotonic() + 10
        while not list(folder.glob("*DA01*.tmp")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (folder / "RAW-R0001-DA01-S00001.h5").mkdir()  # a file can not have this name
        for name, doc in run[3:]:
            writer(name, doc)
    assert writer.paths == []
    assert "`nxstxm recover` makes the run" in caplog.text
    (folder / "RAW-R0001-DA01-S00001.h5").rmdir()
    assert recover(tmp_path) == [folder]
    complete(folder)
    assert difference(run, list(documents(folder))) is None
    assert recover(tmp_path) == []


def test_a_strict_writer_raises(tmp_path: Path) -> None:
    run = run_of([{"a": 1.0}], {"a": number()})
    run[2] = ("event", {"descriptor": "d", "time": "late", "data": {"a": 1.0}})
    writer = EuXFELWriter(tmp_path, strict=True)
    for name, doc in run[:-1]:
        writer(name, doc)
    with pytest.raises(NXstxmError, match="needs a time"):
        writer(*run[-1])
    writer.close()


def test_buffers_that_are_used_again(tmp_path: Path) -> None:
    buffer = arange(30, 40)
    run = run_of([{"a": buffer}] * 4, {"a": array(30, 40)})
    with EuXFELWriter(tmp_path, copy_arrays=True) as writer:
        for i, (name, doc) in enumerate(run):
            buffer[:] = i
            writer(name, doc)
        buffer[:] = -1
    found = opened(writer.paths[0])["STXM/primary/a:output", "data.a"].ndarray()
    assert found[:, 0, 0].tolist() == [2, 3, 4, 5]


def test_a_detector_that_still_writes_is_waited_for(tmp_path: Path) -> None:
    path = detector_file(tmp_path / "detector")
    with EuXFELWriter(tmp_path / "runs", finish_timeout=0.2) as writer:
        with held(path):
            for name, doc in streamed(path):
                writer(name, doc)
            assert writer.paths == []
        deadline = time.monotonic() + 20
        while not writer.paths:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    frames = opened(writer.paths[0])["STXM/primary/cam:output", "data.cam"].ndarray()
    np.testing.assert_array_equal(frames, FRAMES)
    complete(writer.paths[0])


# -- what a process leaves ------------------------------------------------------------------------


def left_behind(folder: Path, run: Documents, make: Any, **options: Any) -> None:
    """Leave a run as a process does that dies when all is in the journal."""
    writer = make(folder, recover=False, **options)
    for name, doc in run:
        writer(name, doc)
    [journal] = folder.glob("*.journal")
    time.sleep(0.3)
    saved = folder.with_name("saved")
    shutil.copytree(folder, saved)
    assert journal.exists()
    writer.close()
    shutil.rmtree(folder)
    saved.rename(folder)


def test_what_was_left_is_made_at_the_next_start(tmp_path: Path) -> None:
    run = run_of([{"a": float(i), "cam": arange(100, 100) + i} for i in range(6)],
                 {"a": number(), "cam": array(100, 100)})  # fmt: skip
    folder = tmp_path / "runs"
    left_behind(folder, run[:-1], EuXFELWriter, trains_per_file=4, proposal=5)
    assert list(folder.glob("p000005/raw/r0001/*.tmp"))
    other = run_of([], {})
    for _, doc in other:
        doc["uid" if "run_start" not in doc else "run_start"] = "another"
    with EuXFELWriter(folder, proposal=5) as writer:
        writer(*other[0])
        writer("stop", {**other[-1][1], "uid": "z"})
    assert {path.name for path in writer.paths} == {"r0002"}
    made = folder / "p000005" / "raw" / "r0001"
    complete(made)
    assert difference(run[:-1], list(documents(made))) is None
    told = opened(made).get_run_value("BLUESKY/RUN/STOP", "exit_status.value")
    assert told == "incomplete"
    assert list(folder.glob("*.journal")) == []


@pytest.mark.parametrize("form", ["euxfel", "both"])
@pytest.mark.parametrize("n", [4, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.alone])])
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_killed_process_loses_nothing_that_is_older_than_a_moment(
    n: int, form: str, killer: Killer, tmp_path: Path
) -> None:
    total = 0
    for seed in range(n):
        total += trial(killer, tmp_path / f"{form}-{seed}", seed, form)
    assert total > 5 * n
    sys.stderr.write(f"\n{n} processes killed ({form}): {total} events, none lost\n")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


def trial(killer: Killer, folder: Path, seed: int, form: str) -> int:
    """Measure, kill at a random moment, recover, and look; count the events."""
    chance = random.Random(seed)
    folder.mkdir()
    ledger = folder / "ledger.txt"
    pid = killer.begin("measure", str(folder), str(ledger), seed, form)
    begun(ledger)
    time.sleep(chance.uniform(0.0, 1.2))
    killed_at, status = killer.kill(pid)
    assert status == signal.SIGKILL, (folder / "log.txt").read_text()
    for _ in range(2 * (seed % 2)):  # kill who recovers, too
        pid = killer.begin("recover", str(folder))
        time.sleep(chance.uniform(0.0, 0.08))
        try:
            killer.kill(pid)
        except ProcessLookupError:
            assert killer.end() == 0, (folder / "log.txt").read_text()
            break
    recover(folder)
    assert recover(folder) == []
    left = [path for path in folder.glob("*.journal") if {p.name for p in path.iterdir()} - UNMADE]
    assert left == []
    stored: set[tuple[str, int]] = set()
    for run in sorted(folder.glob("p000000/raw/r*")):
        if not any(run.glob("*.h5")):
            continue  # its start was not in a journal yet
        complete(run)
        stored |= {(d["descriptor"], d["seq_num"]) for n, d in documents(run) if n == "event"}
    book = entries_of(ledger)
    events = [(t, (said[1], said[2])) for t, what, *said in book if what == "event"]
    assert {each for t, each in events if t < killed_at - PROMISED} <= stored, f"seed {seed}"
    return len(events)


# -- beside an NXstxm file ------------------------------------------------------------------------


def test_files_and_runs_from_one_pass(engine: Any, tmp_path: Path) -> None:
    docs: Documents = []
    with NXstxmWriter(tmp_path, euxfel=tmp_path / "euxfel") as writer:
        engine.subscribe(writer)
        engine.subscribe(lambda name, doc: docs.append((name, doc)))
        engine(stack_plan(SimulatedMicroscope(), (700.0, 701.0), (-1, 1, 3), (-1, 1, 3)))
    [path] = writer.paths
    folders = sorted((tmp_path / "euxfel").glob("p*/raw/r*"))
    for folder, run in zip(folders, runs_of(docs), strict=True):
        complete(folder)
        assert difference(run, list(documents(folder))) is None
        assert difference(run, list(nexus.read_documents(path, run[0][1]["uid"]))) is None


def test_exports_write_both(tmp_path: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(4)], {"a": number()})
    beside = {"directory": tmp_path / "e", "proposal": 3, "train_ids": "seq"}
    artifacts = export(run, tmp_path, euxfel=beside)
    assert artifacts["stream_data"][0].suffix == ".hdf5"
    [folder] = artifacts["euxfel"]
    assert folder == tmp_path / "e" / "p000003" / "raw" / "r0001"
    complete(folder)
    path = export_scan(run, tmp_path / "again", euxfel=str(tmp_path / "e"))
    assert path.exists()
    again = tmp_path / "e" / "p000000" / "raw" / "r0001"
    complete(again)
    assert difference(run, list(documents(again))) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, "give a folder, or a mapping"),
        ({"proposal": 3}, "names no directory"),
        ({"directory": "e", "version": "9"}, "version='9' is not one of"),
        ({"directory": "e", "colour": 1}, "unknown option colour"),
    ],
)
def test_options_of_runs_beside_are_checked_at_once(given: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises((NXstxmError, TypeError), match=told):
        NXstxmWriter(tmp_path / "x", euxfel=given)
    with pytest.raises((NXstxmError, TypeError), match=told):
        export(run_of([], {}), tmp_path / "x", euxfel=given)
    assert not (tmp_path / "x").exists()


def test_a_run_that_fails_does_not_take_the_file_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    run = run_of([{"a": float(i)} for i in range(4)], {"a": number()})
    with NXstxmWriter(tmp_path / "live", euxfel=tmp_path / "file" / "e") as writer:
        for name, doc in run:
            writer(name, doc)
    assert len(writer.paths) == 1
    assert "no EuXFEL run can be written" in caplog.text


def test_a_scan_that_was_left_has_its_runs_again(tmp_path: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(6)], {"a": number()})
    folder = tmp_path / "runs"
    left_behind(folder, run[:-1], NXstxmWriter, euxfel=folder / "e")
    assert list(folder.glob("e/p000000/raw/r0001/*.tmp"))
    [path] = recover(folder)
    [made] = folder.glob("e/p000000/raw/r*")
    complete(made)
    assert difference(run[:-1], list(documents(made))) is None
    assert difference(run[:-1], list(nexus.read_documents(path, "run-1"))) is None


@pytest.mark.parametrize("key", ["name", "uid", "run_start", "data_keys"])
def test_what_nothing_can_be_done_with_holds_nobody_up(key: str, tmp_path: Path) -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    run = run_of([{"a": 1.0}], {"a": number()})
    with EuXFELWriter(tmp_path) as writer:
        for name, doc in run:
            writer(name, {**doc, key: value} if name == "descriptor" else doc)
        good = run_of([{"a": 1.0}], {"a": number()}, scan_id=5)
        for _, doc in good:
            doc["run_start" if "run_start" in doc else "uid"] = "good"
        good[2][1]["descriptor"] = "d"
        for name, doc in good:
            writer(name, doc)
    assert "r0005" in {path.name for path in writer.paths}
    del value
