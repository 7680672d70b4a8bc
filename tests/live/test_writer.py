"""Without these tests a RunEngine's scan could fail for its file, or have none, or another's."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import count, grid_scan
from bluesky.utils import RunEngineInterrupted
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, NXstxmWriter, export_scan, recover
from suitcase.nxstxm.documents import copied, difference
from suitcase.nxstxm.exchange import DayFolders, RecoverError
from suitcase.nxstxm.nexus import read_documents, validate
from suitcase.nxstxm.sim import (
    SimulatedMicroscope,
    all_requests,
    image_plan,
    scan_documents,
    stack_plan,
)

from ..exchange.same import holds, same_file
from .left import kinds, left_behind

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
STACK = "pystxm2019-sample_image_stack-lines"
GROUP = "stxm-stack-group"
Documents = list[tuple[str, dict[str, Any]]]


def feed(writer: Any, *runs: Documents) -> None:
    for run in runs:
        for name, doc in run:
            writer(name, doc)


def runs_of(name: str, **changes: Any) -> list[Documents]:
    return scan_documents(replace(REQUESTS[name], **changes))


def engine_with(*callbacks: Any) -> RunEngine:
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    for callback in callbacks:
        engine.subscribe(callback)
    return engine


def files(folder: Path) -> list[Path]:
    """List what is in a folder, after making sure that all of it is complete."""
    found = sorted(folder.rglob("*"))
    assert all(path.is_dir() or path.suffix == ".hdf5" for path in found), found
    return [path for path in found if path.is_file()]


# -- the same files as an export ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "journal"), [*((name, True) for name in REQUESTS), (LINES, False), (STACK, False)]
)
def test_a_file_written_live_is_the_file_of_an_export(
    name: str, journal: bool, tmp_path: Path, writers: Any
) -> None:
    runs = runs_of(name)
    writer = writers(tmp_path / "live", journal=journal)
    feed(writer, *runs)
    [path] = writer.finish()
    same_file(path, export_scan(runs, tmp_path / "exported"))
    assert files(tmp_path / "live") == [path]


def test_a_run_engine_has_its_file_when_the_plan_is_done(tmp_path: Path, writers: Any) -> None:
    told: list[Path] = []
    writer = writers(tmp_path, on_finish=told.append)
    documents: Documents = []
    engine = engine_with(writer, lambda name, doc: documents.append((name, doc)))
    scope = SimulatedMicroscope()
    engine(image_plan(scope, (-2, 2, 9), (-1, 1, 7), motors=False))
    [image] = files(tmp_path)
    engine(stack_plan(scope, (700.0, 705.5, 708.0), (-2, 2, 9), (-1, 1, 7), motors=False))
    assert writer.paths == told == [image, *[p for p in files(tmp_path) if p != image]]
    assert len(told) == 2
    same_file(image, export_scan(documents[: _end(documents)], tmp_path / "again"))
    with h5py.File(told[1]) as h5:
        assert h5["entry0/counter0/data"].shape == (3, 7, 9)
        assert h5["entry0"].attrs["complete"]


def _end(documents: Documents) -> int:
    return next(i for i, (name, _) in enumerate(documents) if name == "stop") + 1


def test_while_it_is_measured_there_is_a_journal_and_no_file(tmp_path: Path, writers: Any) -> None:
    [run] = runs_of(LINES)
    writer = writers(tmp_path)
    feed(writer, run[:-1])
    deadline = time.monotonic() + 5
    [folder] = tmp_path.glob("*.journal")
    while "event" not in kinds(folder):
        assert time.monotonic() < deadline
    assert not list(tmp_path.glob("*.hdf5"))
    facts = json.loads((folder / "scan.json").read_text())
    assert facts["first_uid"] == run[0][1]["uid"]
    part = writer.storage()[{}]
    feed(writer, run[-1:])
    [path] = files(tmp_path)
    assert facts["file"] == path.name
    holds(path, [run])
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/counter0/data"], part)
    with pytest.raises(NXstxmError, match="is not being written"):
        writer.storage()


# -- which runs are one scan ----------------------------------------------------------------------


def test_fifty_interlaced_runs_are_fifty_files(tmp_path: Path, writers: Any) -> None:
    runs = [runs_of(LINES, seed=seed)[0] for seed in range(50)]
    assert len({run[0][1]["uid"] for run in runs}) == 50
    waiting = {i: iter(run) for i, run in enumerate(runs)}
    chance = random.Random(3)
    writer = writers(tmp_path, path_provider="{uid}", finish_timeout=0.0)
    while waiting:
        i = chance.choice(list(waiting))
        document = next(waiting[i], None)
        if document is None:
            del waiting[i]
        else:
            writer(*document)
    paths = writer.wait()
    assert len(paths) == len(files(tmp_path)) == 50
    for run in runs:
        holds(tmp_path / f"{run[0][1]['uid']}.hdf5", [run])


@pytest.mark.parametrize("name", [STACK, GROUP, "pystxm2019-tomography_scan-lines"])
def test_a_scan_of_many_runs_ends_with_its_last(name: str, tmp_path: Path, writers: Any) -> None:
    runs = runs_of(name)
    writer = writers(tmp_path)
    for run in runs[:-1]:
        feed(writer, run)
        assert not list(tmp_path.glob("*.hdf5"))
    feed(writer, runs[-1])
    [path] = files(tmp_path)
    holds(path, runs)


def test_a_scan_that_lacks_runs_ends_when_asked(tmp_path: Path, writers: Any) -> None:
    runs = runs_of(STACK)
    writer = writers(tmp_path)
    feed(writer, *runs[:2])
    assert writer.wait() == []
    [path] = writer.finish()
    same_file(path, export_scan(runs[:2], tmp_path / "exported"))


def test_a_scan_that_lacks_runs_ends_when_another_begins(tmp_path: Path, writers: Any) -> None:
    one, other = runs_of(STACK), runs_of(STACK, seed=99)
    assert one[0][0][1]["uid"] != other[0][0][1]["uid"]
    writer = writers(tmp_path, path_provider="{uid}")
    feed(writer, *one[:2], *other)
    first, second = writer.wait()
    holds(first, one[:2])
    holds(second, other)


@pytest.mark.parametrize("status", ["abort", "fail"])
def test_an_aborted_run_ends_its_scan(status: str, tmp_path: Path, writers: Any) -> None:
    runs = runs_of(STACK)
    stop = {**runs[1][-1][1], "exit_status": status, "reason": "the beam is gone"}
    writer = writers(tmp_path)
    feed(writer, runs[0], [*runs[1][:-3], ("stop", stop)])
    [path] = files(tmp_path)
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        assert not entry.attrs["complete"]
        assert entry["collection/exit_status"].asstr()[()] == status
        assert "the beam is gone" in str(entry["collection/reason"].asstr()[()])


# -- a RunEngine that does not go straight --------------------------------------------------------


def pausing(x: SynAxis, detector: SynSignal, at: int) -> Any:
    """Scan six points, with a checkpoint in the middle, and pause once."""
    asked: list[int] = []
    line = {
        "shape": [6], "extents": [[0, 5]], "motors": ["x"], "num_points": 6,
        "hints": {"dimensions": [[["x"], "primary"]]},
    }  # fmt: skip

    @bpp.run_decorator(md=line)
    def plan() -> Any:
        for i in range(6):
            if i == 3:
                yield from bps.checkpoint()
            yield from bps.mv(x, i)
            yield from bps.trigger_and_read([detector, x])
            if i == at and not asked:
                asked.append(i)
                yield from bps.pause()

    return plan()


@pytest.mark.parametrize("end", ["resume", "abort", "stop", "halt"])
def test_a_run_that_is_paused_has_its_file(end: str, tmp_path: Path, writers: Any) -> None:
    writer = writers(tmp_path)
    documents: Documents = []
    engine = engine_with(writer, lambda name, doc: documents.append((name, doc)))
    x = SynAxis(name="x")
    detector = SynSignal(name="det", func=lambda: 10 * x.readback.get())
    with pytest.raises(RunEngineInterrupted):
        engine(pausing(x, detector, 4))
    if end == "resume":
        engine.resume()
    else:
        getattr(engine, end)()
    if not any(name == "stop" for name, _ in documents):
        writer.finish()
    [path] = files(tmp_path)
    assert [p for p in validate(path) if p.level == "error"] == []
    assert difference(documents, list(read_documents(path))) is None
    with h5py.File(path) as h5:
        picture = h5["entry0/det/data"][()]
        wanted = np.arange(6.0) * 10
        if end == "resume":
            seq_nums = [d["seq_num"] for n, d in documents if n == "event"]
            assert len(seq_nums) > len(set(seq_nums)), "nothing was rewound"
            np.testing.assert_array_equal(picture, wanted)
        else:
            np.testing.assert_array_equal(picture[:5], wanted[:5])
        assert bool(h5["entry0"].attrs["complete"]) == (end == "resume")


def test_a_plan_that_fails_has_its_file(tmp_path: Path, writers: Any) -> None:
    writer = writers(tmp_path)
    readings = iter([1.0, 2.0])
    detector = SynSignal(name="det", func=lambda: next(readings))
    engine = engine_with(writer)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the engine makes of it
        engine(count([detector], 5))
    [path] = files(tmp_path)
    with h5py.File(path) as h5:
        assert h5["entry0/collection/exit_status"].asstr()[()] == "fail"
        assert not h5["entry0"].attrs["complete"]


def test_who_unsubscribes_gets_what_came_until_then(tmp_path: Path, writers: Any) -> None:
    writer = writers(tmp_path)
    engine = engine_with()
    token = engine.subscribe(writer)
    x = SynAxis(name="x")
    detector = SynSignal(name="det", func=lambda: 1.0)
    n = 0

    def watch(name: str, _doc: Any) -> None:
        nonlocal n
        n += name == "event"
        if n == 3 and name == "event":
            engine.unsubscribe(token)

    engine.subscribe(watch)
    engine(count([detector, x], 6))
    assert not list(tmp_path.glob("*.hdf5"))
    [path] = writer.finish()
    with h5py.File(path) as h5:
        assert not h5["entry0"].attrs["complete"]
        assert 2 <= np.isfinite(h5["entry0/det/data"]).sum() <= 3


def test_documents_of_runs_that_began_before_are_left(tmp_path: Path, writers: Any) -> None:
    [run] = runs_of(LINES)
    [other] = runs_of(LINES, seed=5)
    writer = writers(tmp_path, path_provider="{uid}")
    feed(writer, run[1:], other)
    [path] = files(tmp_path)
    holds(path, [other])


def test_a_plan_can_wait_for_the_files(tmp_path: Path, writers: Any) -> None:
    writer = writers(tmp_path, finish_timeout=0.0)
    engine = engine_with(writer)
    found: list[list[Path]] = []

    def plan() -> Any:
        yield from image_plan(SimulatedMicroscope(), (-2, 2, 9), (-1, 1, 7), motors=False)
        found.append((yield from writer.wait_plan(30)))

    engine(plan())
    assert found == [files(tmp_path)]


# -- mistakes that are told at once ---------------------------------------------------------------


def test_what_is_wrong_is_told_by_the_start_document(
    tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [run] = runs_of(LINES)
    start = run[0]
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x")
    taken = tmp_path / "taken"
    feed(writers(taken), run)
    cases: list[tuple[NXstxmWriter, str]] = [
        (writers(in_the_way), "folder .*file"),
        (writers(taken), "exists already"),
        (writers(tmp_path / "a", path_provider=lambda _: "../b/x"), "not in"),
        (writers(tmp_path / "a", path_provider=lambda _: None), "must give a path"),
        (writers(tmp_path / "a", path_provider="{nothing}"), "names 'nothing'"),
        (writers(tmp_path / "a", root_map={"/ioc": str(tmp_path / "no")}), "root_map says"),
    ]
    for writer, told in cases:
        with pytest.raises(NXstxmError, match=told):
            writer(*start)
        writer(*run[1])  # and the rest of it is of no run
    with pytest.raises(NXstxmError, match="path_provider is a int"):
        NXstxmWriter(tmp_path, path_provider=3)  # type: ignore[arg-type]
    with pytest.raises(NXstxmError, match="unknown option"):
        NXstxmWriter(tmp_path, processor=3)
    wrong = ("start", {**start[1], "stxm": {"shape": 3}})
    with pytest.raises(NXstxmError, match="stxm block"):
        writers(tmp_path / "a")(*wrong)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(NXstxmError, match="room for 1 MiB"):
        writers(tmp_path / "a")(*start)
    monkeypatch.undo()
    assert not (tmp_path / "b").exists()
    for writer, _ in cases:
        writer.close()
        with pytest.raises(NXstxmError, match="is closed"):
            writer(*start)
    assert files(tmp_path / "a") == []
    assert len(files(taken)) == 1
    feed(writers(tmp_path / "a"), run)  # nothing is left that is in the way
    assert len(files(tmp_path / "a")) == 1


def test_a_start_document_that_comes_twice_is_told(tmp_path: Path, writers: Any) -> None:
    [run] = runs_of(LINES)
    writer = writers(tmp_path)
    writer(*run[0])
    with pytest.raises(NXstxmError, match="starts twice; is the writer subscribed twice"):
        writer(*run[0])
    feed(writer, run[1:])
    holds(files(tmp_path)[0], [run])


def test_an_error_at_the_start_fails_the_scan_before_it_moves(tmp_path: Path, writers: Any) -> None:
    (tmp_path / "file").write_text("x")
    engine = engine_with(writers(tmp_path / "file"))
    x = SynAxis(name="x")
    moved: list[Any] = []
    x.readback.subscribe(lambda **_: moved.append(1), run=False)
    with pytest.raises(NXstxmError, match="folder"):
        engine(grid_scan([x], x, 0, 1, 3))
    assert not moved


@pytest.mark.parametrize("ignored", [False, True])
def test_a_run_engine_may_ignore_what_callbacks_raise(
    ignored: bool, tmp_path: Path, writers: Any
) -> None:
    """Either way the scan whose name is taken has no file, and the next one has its own."""
    writer = writers(tmp_path, path_provider="{name}")
    (tmp_path / "taken.hdf5").write_text("x")
    engine = engine_with(writer)
    engine.ignore_callback_exceptions = ignored
    x, det = SynAxis(name="x"), SynSignal(name="det", func=lambda: 1.0)
    if ignored:
        with pytest.warns(UserWarning, match="exists already"):
            engine(grid_scan([det], x, 0, 1, 3), name="taken")
    else:
        with pytest.raises(NXstxmError, match="exists already"):
            engine(grid_scan([det], x, 0, 1, 3), name="taken")
    engine(grid_scan([det], x, 0, 1, 3), name="free")
    assert [path.name for path in writer.paths] == ["free.hdf5"]
    assert (tmp_path / "taken.hdf5").read_text() == "x"
    deadline = (
        time.monotonic() + 30
    )  # the journal of the other is removed when its thread comes to it
    while len(list(tmp_path.iterdir())) > 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["free.hdf5", "taken.hdf5"]


# -- what goes wrong later ------------------------------------------------------------------------


def broken(run: Documents) -> Documents:
    """Add an event that makes no sense."""
    descriptor = next(d for n, d in run if n == "descriptor" and d["name"] == "primary")
    wrong = ("event", {"uid": "x", "descriptor": descriptor["uid"], "seq_num": None, "data": {}})
    middle = len(run) // 2
    return [*run[:middle], wrong, *run[middle:]]


def test_a_scan_never_fails_for_its_file_and_recovers(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    [run] = runs_of(LINES)
    writer = writers(tmp_path)
    with caplog.at_level(logging.ERROR):
        feed(writer, broken(run))
        assert writer.finish() == []
    [record] = caplog.records
    assert "could not be written" in record.message
    assert "nxstxm recover" in record.message
    [folder] = tmp_path.iterdir()
    assert folder.suffix == ".journal"
    [path] = recover(tmp_path)
    with h5py.File(path) as h5:
        told = "\n".join(h5["entry0/collection/messages"].asstr()[()])
        assert "an event could not be used" in told
        assert np.isfinite(h5["entry0/counter0/data"]).all()
    [kept] = {*tmp_path.iterdir()} - {path}  # the event that was left out is in it
    assert kept.name == f"{folder.name}.damaged"


def test_a_strict_writer_raises(tmp_path: Path, writers: Any) -> None:
    [run] = runs_of(LINES)
    writer = writers(tmp_path, strict=True)
    with pytest.raises(NXstxmError, match="seq_num"):
        feed(writer, broken(run))
    assert [path.suffix for path in tmp_path.iterdir()] == [".journal"]


def test_the_next_scan_is_written_though_one_was_not(tmp_path: Path, writers: Any) -> None:
    [run], [other] = runs_of(LINES), runs_of(LINES, seed=8)
    writer = writers(tmp_path, path_provider="{uid}")
    feed(writer, broken(run), other)
    assert writer.wait() == [tmp_path / f"{other[0][1]['uid']}.hdf5"]


def test_a_failing_processor_is_told_and_the_file_is_there(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(coords: Any, data: Any, metadata: Any) -> Any:
        if coords["sample_y"] == 2:
            raise ZeroDivisionError("no light")
        return coords, 2.0 * data, metadata

    [run] = runs_of(LINES)
    plain = export_scan([run], tmp_path / "plain")
    writer = writers(tmp_path / "live", processors=[fails])
    feed(writer, run)
    [path] = files(tmp_path / "live")
    assert [r.message for r in caplog.records if "no light" in r.message]
    with h5py.File(plain) as a, h5py.File(path) as b:
        raw, picture = a["entry0/counter0/data"][()], b["entry0/counter0/data"][()]
        raw[2] = np.nan
        np.testing.assert_array_equal(picture, 2 * raw)
        assert "could not be processed" in "\n".join(b["entry0/collection/messages"].asstr()[()])


def test_a_strict_writer_raises_what_a_processor_did_when_the_file_is_there(
    tmp_path: Path, writers: Any
) -> None:
    def fails(_coords: Any, _data: Any, _metadata: Any) -> Any:
        raise ZeroDivisionError("no light")

    [run] = runs_of(LINES)
    writer = writers(tmp_path, strict=True, processors=[fails])
    with pytest.raises(ZeroDivisionError, match="no light"):
        feed(writer, run)
    assert files(tmp_path) == writer.paths
    assert len(writer.paths) == 1


def test_a_scan_that_is_given_up_leaves_no_threads(tmp_path: Path, writers: Any) -> None:
    def same(coords: Any, data: Any, metadata: Any) -> Any:
        return coords, data, metadata

    [run] = runs_of(LINES)
    others = {*threading.enumerate()}
    writer = writers(tmp_path, processors=[same])
    feed(writer, broken(run))
    writer.finish()
    deadline = time.monotonic() + 5
    while any(
        thread.name.startswith("nxstxm-data") for thread in {*threading.enumerate()} - others
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_folder_that_is_removed_loses_nothing(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    [run] = runs_of(LINES)
    folder = tmp_path / "data"
    writer = writers(folder)
    middle = len(run) // 2
    feed(writer, run[:middle])
    deadline = time.monotonic() + 5
    while "event" not in kinds(next(folder.glob("*.journal"))):
        assert time.monotonic() < deadline
    shutil.rmtree(folder)
    feed(writer, run[middle:])
    writer.finish()
    assert any("somebody removed" in record.message for record in caplog.records)
    if not writer.paths:  # else nothing but the journal was needed
        recover(folder)
    [path] = files(folder)
    holds(path, [run])


def test_on_finish_that_fails_fails_nothing(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_path: Path) -> None:
        raise ValueError("no such beamline")

    [run], [other] = runs_of(LINES), runs_of(LINES, seed=8)
    writer = writers(tmp_path, on_finish=fails, path_provider="{uid}")
    feed(writer, run, other)
    writer.finish()
    assert len(files(tmp_path)) == 2
    assert "no such beamline" in caplog.text


FULL = """
    import json, logging, resource, sys
    from pathlib import Path
    from suitcase.nxstxm import NXstxmWriter, recover
    from suitcase.nxstxm.sim import all_requests, scan_documents
    from tests.exchange.same import holds

    folder, percent, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    runs = scan_documents(all_requests()[what])
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stdout)
    writer = NXstxmWriter(folder, finish_timeout=60.0, recover=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (percent * 3000, -1))
    try:
        for run in runs:
            for name, doc in run:
                writer(name, doc)
    except OSError as error:
        print("refused", error)
        sys.exit()
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    writer.finish()
    writer.close()
    paths = writer.paths or recover(folder)
    [path] = paths
    print("written", bool(writer.paths))
    holds(path, runs)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("name", [LINES, STACK])
@pytest.mark.parametrize("step", [25, pytest.param(4, marks=pytest.mark.slow)])
def test_a_full_disk_is_told_and_the_rest_comes_when_there_is_room(
    name: str, step: int, tmp_path: Path
) -> None:
    """No file may grow beyond a limit; when the limit is gone the journal has all of it."""
    told = set()
    for percent in range(0, 101, step):
        folder = tmp_path / str(percent)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FULL), str(folder), str(percent), name],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        told.add(done.stdout.split()[0])
    assert len(told) > 1


# -- arrays, threads, processes -------------------------------------------------------------------


def test_a_device_that_uses_its_buffer_again(tmp_path: Path, writers: Any) -> None:
    buffer = np.zeros((40, 40))
    x = SynAxis(name="x")

    def picture() -> Any:
        buffer[:] = x.readback.get()
        return buffer

    camera = SynSignal(name="camera", func=picture)
    writer = writers(tmp_path, copy_arrays=True)
    engine_with(writer)(grid_scan([camera], x, 0, 9, 10))
    [path] = files(tmp_path)
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/camera/data"][()], 1600.0 * np.arange(10))


@pytest.mark.parametrize("kind", ["lists", "tuples", "arrays"])
def test_a_device_that_uses_its_lists_again(kind: str, tmp_path: Path, writers: Any) -> None:
    """At every depth: once only the outermost list was copied."""
    rows: list[Any] = [np.zeros(3) if kind == "arrays" else [0.0] * 3 for _ in range(2)]
    buffer: Any = (tuple(rows), rows) if kind == "tuples" else [rows]
    x = SynAxis(name="x")

    def picture() -> Any:
        for row in rows:
            row[:] = [x.readback.get()] * 3
        return buffer

    writer = writers(tmp_path, copy_arrays=True)
    engine_with(writer)(grid_scan([SynSignal(name="det", func=picture)], x, 0, 5, 6))
    [path] = files(tmp_path)
    readings = [doc["data"]["det"] for name, doc in read_documents(path) if name == "event"]
    found = [np.array(reading).ravel() for reading in readings]
    np.testing.assert_array_equal(found, [[float(i)] * len(found[0]) for i in range(6)])


def test_channels_that_are_used_again_are_copied() -> None:
    channels: dict[str, Any] = {"up": [1.0, np.zeros(2)], "down": {"a": [2.0]}}
    found = copied("event", {"data": {"scaler": channels}})["data"]["scaler"]
    channels["up"][1][:] = 9.0
    channels["down"]["a"][0] = 9.0
    channels["new"] = 9.0
    assert str(found) == str({"up": [1.0, np.zeros(2)], "down": {"a": [2.0]}})


@pytest.mark.parametrize("data", [None, 3, "absent", "deep"])
def test_readings_that_can_not_be_copied_fail_no_scan(
    data: Any, tmp_path: Path, writers: Any
) -> None:
    [run] = runs_of(LINES)
    at = next(i for i, (name, _) in enumerate(run) if name == "event")
    event = {**run[at][1], "data": data}
    if data == "absent":
        del event["data"]
    elif data == "deep":
        event["data"] = {"a": []}
        for _ in range(100_000):
            event["data"]["a"] = [event["data"]["a"]]
    writer = writers(tmp_path, copy_arrays=True)
    feed(writer, [*run[:at], ("event", event), *run[at:]])
    writer.finish()
    assert writer.paths or recover(tmp_path)


def test_a_backlog_that_leaves_the_memory_comes_from_the_journal(
    tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suitcase.nxstxm.documents import Batch

    runs = runs_of("pystxm2019-ptychography_scan-points")
    from_journal = []
    real = Batch.without_documents

    def counted(batch: Batch) -> Batch:
        from_journal.append(batch.n_bytes)
        return real(batch)

    monkeypatch.setattr(Batch, "without_documents", counted)
    held = threading.Event()
    writer = writers(tmp_path, finish_timeout=0.0)
    writer._scans._backlog._limit = 1
    scans = writer._scans
    take = scans._do
    monkeypatch.setattr(scans, "_do", lambda item: (held.wait(30), take(item)))
    for run in runs:
        for name, doc in run:
            writer(name, doc)
            time.sleep(0.001)
    held.set()
    [path] = writer.finish()
    assert from_journal
    holds(path, runs)


def test_two_writers_share_a_folder(tmp_path: Path, writers: Any) -> None:
    [run], [other] = runs_of(LINES), runs_of(LINES, seed=8)
    one, two = (writers(tmp_path, path_provider="{uid}") for _ in range(2))
    feed(one, run[:-3])
    feed(two, other[:-3])
    time.sleep(0.1)
    assert recover(tmp_path) == []  # both are being written
    feed(one, run[-3:])
    feed(two, other[-3:])
    assert len(files(tmp_path)) == 2


def test_a_writer_recovers_what_an_earlier_process_left(tmp_path: Path, writers: Any) -> None:
    [run], [other] = runs_of(LINES), runs_of(LINES, seed=8)
    code = """
        import os, pickle, sys, time
        from suitcase.nxstxm import NXstxmWriter
        writer = NXstxmWriter(sys.argv[1], path_provider="{uid}")
        for name, doc in pickle.load(sys.stdin.buffer):
            writer(name, doc)
        time.sleep(0.2)
        os._exit(1)
    """
    import pickle

    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        input=pickle.dumps(run[:-1]), check=False,
    )  # fmt: skip
    assert len(list(tmp_path.glob("*.journal"))) == 1
    writer = writers(tmp_path, path_provider="{uid}")
    feed(writer, other)
    writer.finish()
    assert len(files(tmp_path)) == 2
    path = tmp_path / f"{run[0][1]['uid']}.hdf5"
    holds(path, [run[:-1]])
    with h5py.File(path) as h5:
        assert not h5["entry0"].attrs["complete"]


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "raise ValueError('x')"])
def test_a_process_that_ends_finishes_its_scans(end: str, tmp_path: Path) -> None:
    code = f"""
        from bluesky import RunEngine
        from suitcase.nxstxm import NXstxmWriter
        from suitcase.nxstxm.sim import all_requests, scan_documents
        writer = NXstxmWriter({str(tmp_path)!r})
        for run in scan_documents(all_requests()[{STACK!r}])[:2]:
            for name, doc in run:
                writer(name, doc)
        {end}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=60)
    [path] = files(tmp_path)
    holds(path, runs_of(STACK)[:2])


# -- recovering -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("near", "far"), [(149, 2999), pytest.param(37, 997, marks=pytest.mark.slow)]
)
def test_a_journal_that_is_cut_anywhere_gives_what_is_whole(
    near: int, far: int, tmp_path: Path
) -> None:
    """After a power cut the disk has only the beginning of a file."""
    [run] = runs_of(LINES)
    journal = left_behind(tmp_path / "left", [run], 0.03)
    [path] = journal.glob("*.nxdocs")
    whole = path.read_bytes()
    last = whole.rfind(b"\xc1NXblock")
    cuts = sorted({0, 3, 8, len(whole), *range(last, len(whole), near), *range(0, last, far)})
    found = set()
    for cut in cuts:
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "left", folder)
        [again] = folder.glob("*.journal/*.nxdocs")
        again.write_bytes(whole[:cut])
        paths = recover(folder)
        if paths:
            documents = list(read_documents(paths[0]))
            assert difference(run[: len(documents)], documents) is None
            assert [p for p in validate(paths[0]) if p.level == "error"] == []
            found.add(len(documents))
        assert not list(folder.glob("*.journal"))
        assert not list(folder.rglob("*.tmp"))
        shutil.rmtree(folder)
    assert len(run) - 1 in found
    assert len(found) > 3


def test_a_journal_without_its_beginning_is_kept(tmp_path: Path) -> None:
    journal = left_behind(tmp_path / "left", runs_of(LINES), 0.03)
    [path] = journal.glob("*.nxdocs")
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(RecoverError, match=r"the start document of .* is damaged"):
        recover(tmp_path / "left")
    assert path.read_bytes() == damaged


def test_a_journal_with_a_hole_gives_the_rest(tmp_path: Path) -> None:
    [run] = runs_of(LINES)
    journal = left_behind(tmp_path / "left", [run], 0.03)
    [path] = journal.glob("*.nxdocs")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.rfind(b"\xc1NXblock") - 20] ^= 1
    path.write_bytes(damaged)
    [made] = recover(tmp_path / "left")
    with h5py.File(made) as h5:
        told = "\n".join(h5["entry0/collection/messages"].asstr()[()])
        assert "the journal is damaged" in told
        assert np.isnan(h5["entry0/counter0/data"][()]).any()
    assert 0 < len(list(read_documents(made))) < len(run) - 1


def test_recovering_is_told_what_it_can_not_do(tmp_path: Path) -> None:
    [run] = runs_of(LINES)
    journal = left_behind(tmp_path / "left", [run], path_provider="x")
    (tmp_path / "left/x.hdf5").write_text("mine")
    with pytest.raises(RecoverError, match=r"x.hdf5 is another scan's") as raised:
        recover(tmp_path / "left")
    assert journal.exists()
    assert raised.value.paths == []
    assert (tmp_path / "left/x.hdf5").read_text() == "mine"
    with pytest.raises(NXstxmError, match="unknown option"):
        recover(tmp_path / "left", nothing=1)
    [path] = recover(tmp_path / "left", overwrite=True)
    holds(path, [run[:-1]])
    assert recover(tmp_path / "nowhere") == []


def test_a_journal_can_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    journal = left_behind(tmp_path / "left", runs_of(LINES))
    facts = json.loads((journal / "scan.json").read_text())
    (journal / "scan.json").write_text(json.dumps({**facts, "file": "../../evil.hdf5"}))
    with pytest.raises(RecoverError, match="outside of"):
        recover(tmp_path / "left")
    assert journal.exists()


def test_processors_are_given_to_recover_again(tmp_path: Path) -> None:
    def double(coords: Any, data: Any, metadata: Any) -> Any:
        return coords, 2.0 * data, metadata

    [run] = runs_of(LINES)
    plain = export_scan([run[:-1]], tmp_path / "plain", incomplete=True)
    for given, factor in (([double], 2), (None, 1)):
        folder = tmp_path / f"left{factor}"
        left_behind(folder, [run], processors=[double])
        [path] = recover(folder, processors=given)
        with h5py.File(plain) as a, h5py.File(path) as b:
            raw, picture = a["entry0/counter0/data"][()], b["entry0/counter0/data"][()]
            np.testing.assert_array_equal(picture, factor * raw)
            told = "\n".join(b["entry0/collection/messages"].asstr()[()])
            assert ("without the processors double" in told) == (given is None)


# -- names ----------------------------------------------------------------------------------------


def test_day_folders_count(tmp_path: Path, writers: Any) -> None:
    names = DayFolders(tmp_path, "C", timezone=timezone(timedelta(hours=-6)))
    noon = 1562954400.0  # 2019-07-12 18:00 UTC
    runs = [runs_of(LINES, seed=seed, start_time=noon + seed)[0] for seed in range(3)]
    writer = writers(tmp_path, path_provider=names)
    feed(writer, *runs)
    [late] = runs_of(LINES, seed=9, start_time=noon + 11 * 3600)
    feed(writer, late)
    [after] = runs_of(LINES, seed=10, start_time=noon + 13 * 3600)
    feed(writer, after)
    assert [path.relative_to(tmp_path).as_posix() for path in writer.paths] == [
        "2019-07-12/C190712001.hdf5",
        "2019-07-12/C190712002.hdf5",
        "2019-07-12/C190712003.hdf5",
        "2019-07-12/C190712004.hdf5",
        "2019-07-13/C190713001.hdf5",
    ]
    holds(writer.paths[0], [runs[0]])


def test_day_folders_never_give_a_name_twice(tmp_path: Path) -> None:
    start = {"uid": "x", "time": 1562954400.0}
    taken: list[Path] = []

    def take() -> None:
        names = DayFolders(tmp_path)
        for _ in range(20):
            taken.append(names(start))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 80
    taken[3].write_text("x")
    assert DayFolders(tmp_path)(start).stem == "C190712081"
    assert not (taken[3].parent / f".{taken[3].stem}.taken").exists()


def test_a_path_provider_may_use_folders(tmp_path: Path, writers: Any) -> None:
    [run] = runs_of(LINES)
    writer = writers(
        tmp_path, path_provider=lambda start: Path("a:b") / "c" / f"{start['scan_id']}.hdf5"
    )
    feed(writer, run)
    [path] = files(tmp_path)
    assert path.relative_to(tmp_path).as_posix() == f"a_b/c/{run[0][1]['scan_id']}.hdf5"


def test_a_journal_whose_facts_are_lost_is_called_after_its_folder(tmp_path: Path) -> None:
    [run] = runs_of(LINES)
    journal = left_behind(tmp_path / "left", [run])
    (journal / "scan.json").unlink()
    [path] = recover(tmp_path / "left")
    assert path.name == journal.name.split(".")[0] + ".hdf5"
    holds(path, [run[:-1]])


def test_a_folder_in_which_nothing_came_goes_when_it_is_old(tmp_path: Path) -> None:
    """A folder without facts may be that of a killed process, or of a scan that begins just now."""
    journal = left_behind(tmp_path / "left", runs_of(LINES))
    for path in journal.glob("*.nxdocs"):
        path.unlink()
    (journal / "scan.json").unlink()
    assert recover(tmp_path / "left") == []
    assert journal.exists()
    os.utime(journal, (1.0, 1.0))
    assert recover(tmp_path / "left") == []
    assert files(tmp_path / "left") == []


def test_a_folder_with_facts_and_nothing_else_goes(tmp_path: Path) -> None:
    journal = left_behind(tmp_path / "left", runs_of(LINES))
    for path in journal.glob("*.nxdocs"):
        path.unlink()
    assert recover(tmp_path / "left") == []
    assert files(tmp_path / "left") == []


def test_a_journal_whose_writer_has_just_made_the_file_is_no_failure(tmp_path: Path) -> None:
    from suitcase.nxstxm.documents import JournalFolder, ScanFacts, recover_each

    folder = JournalFolder.make(tmp_path, ScanFacts("a.hdf5", "abc"))
    folder.release()

    def reads(claimed: JournalFolder) -> Path | None:
        if is_gone:
            shutil.rmtree(claimed.path)
        raise FileNotFoundError("run.nxdocs")

    is_gone = False
    with pytest.raises(RecoverError, match=r"run\.nxdocs"):
        recover_each(tmp_path, reads)
    is_gone = True
    assert recover_each(tmp_path, reads) == []


def test_who_makes_a_folder_is_not_disturbed_by_who_recovers(tmp_path: Path) -> None:
    from suitcase.nxstxm.documents import JournalFolder, ScanFacts

    ended = threading.Event()

    def recover_all_the_time() -> None:
        while not ended.is_set():
            recover(tmp_path)
            time.sleep(0.001)

    thread = threading.Thread(target=recover_all_the_time)
    thread.start()
    try:
        for i in range(100):
            folder = JournalFolder.make(tmp_path, ScanFacts(f"{i}.hdf5", "abc"))
            journal = folder.journal("run")
            assert journal.path.exists()
            journal.close()
            folder.remove()
    finally:
        ended.set()
        thread.join()
