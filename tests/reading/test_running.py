"""A scan can be looked at while it is measured; that must neither disturb nor deceive."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from styles import STACK, X, Y, group, put

from suitcase.nxstxm import NXstxmError, NXstxmWriter, export, open_nxstxm, sim
from tests.live.frame_run import frame_run

REQUESTS = sim.all_requests()
STACK_NAME = "pystxm2019-sample_image_stack-lines"


def temporary(folder: Path) -> Path:
    [path] = folder.glob("*.own.tmp")
    return path


def eventually(look, seconds: float = 10.0):
    """Look until there is something: the journal is some milliseconds behind."""
    until = time.monotonic() + seconds
    while True:
        try:
            return look()
        except (AssertionError, NXstxmError, ValueError, KeyError):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def test_a_stack_while_it_is_measured(tmp_path):
    request = REQUESTS[STACK_NAME]
    wanted = sim.expected(request)["entry0"].data
    documents = [pair for run in sim.scan_documents(request) for pair in run]
    writer = NXstxmWriter(tmp_path)
    events = [number for number, (name, _) in enumerate(documents) if name == "event"]
    half = events[len(events) // 2]
    for name, document in documents[:half]:
        writer(name, document)

    journal = next(tmp_path.glob("*.journal"))

    def look():
        with open_nxstxm(journal) as tree:
            data = tree["entry0/counter0"]["data"].values
            assert np.isfinite(data).sum() > wanted.size // 3
            return data, tree.attrs, tree["entry0"].attrs

    data, attrs, facts = eventually(look)
    there = np.isfinite(data)
    assert not there.all()
    np.testing.assert_array_equal(data[there], wanted[there])
    assert attrs["running"].startswith("as of ")
    assert facts["complete"] == 0
    for name, document in documents[half:]:
        writer(name, document)
    writer.finish()
    [path] = tmp_path.glob("*.hdf5")
    with open_nxstxm(path) as tree:
        np.testing.assert_array_equal(tree["entry0/counter0"]["data"].values, wanted)
        assert "running" not in tree.attrs
    with pytest.raises(NXstxmError, match="gone"):
        open_nxstxm(journal.with_name(journal.name.replace(".journal", ".own.tmp")))


def test_frames_while_they_are_measured(tmp_path):
    documents = frame_run(40)
    writer = NXstxmWriter(tmp_path)
    for name, document in documents[:30]:
        writer(name, document)
    path = eventually(lambda: temporary(tmp_path))

    def look():
        with open_nxstxm(path) as tree:
            frames = tree["entry0/instrument/camera"].values
            assert len(frames) >= 25
            return frames

    frames = eventually(look)
    for number, (_, document) in enumerate(documents[2:27]):
        np.testing.assert_array_equal(frames[number], document["data"]["camera"])
    for name, document in documents[30:]:
        writer(name, document)
    writer.finish()


def test_looking_leaves_nothing_behind(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    folder = tmp_path / "data"
    writer = NXstxmWriter(folder)
    for name, document in frame_run(10)[:-1]:
        writer(name, document)
    journal = next(folder.glob("*.journal"))

    def arrived():
        with open_nxstxm(journal) as tree:
            assert np.isfinite(tree["entry0/camera"]["data"].values).any()

    eventually(arrived)
    gc.collect()
    assert list(scratch.iterdir()) == []
    before = {p for p in folder.rglob("*") if p.name != "lock"}
    data = open_nxstxm(journal)["entry0/camera"]["data"]
    assert list(scratch.iterdir())
    gc.collect()
    assert np.isfinite(data.values).any(), "what is held can be read, also when the tree is gone"
    del data
    gc.collect()
    assert list(scratch.iterdir()) == []
    assert before <= set(folder.rglob("*"))
    writer.finish()


def test_a_scan_that_waits_for_its_other_runs(tmp_path):
    request = REQUESTS[STACK_NAME]
    runs = sim.scan_documents(request)
    uid = runs[0][0][1]["uid"]
    export(iter(runs[0]), tmp_path, first_uid=uid)
    [path] = tmp_path.glob("*.tmp")
    with open_nxstxm(path) as tree:
        data = tree["entry0/counter0"]["data"].values
        np.testing.assert_array_equal(data[0], sim.expected(request)["entry0"].data[0])
    for run in runs[1:]:
        export(iter(run), tmp_path, first_uid=uid)
    assert list(tmp_path.glob("*.tmp")) == [path], "looking changed nothing"


def test_a_scan_that_has_just_begun(tmp_path):
    (tmp_path / "a.uid.journal").mkdir()
    with pytest.raises(NXstxmError, match="nothing of the scan has arrived"):
        open_nxstxm(tmp_path / "a.uid.journal")
    with pytest.raises(NXstxmError, match="nothing of the scan has arrived"):
        open_nxstxm(tmp_path / "a.uid.own.tmp")


def test_a_temporary_file_of_another_program(tmp_path):
    with h5py.File(tmp_path / "a.tmp", "w") as file:
        data = group(group(file, "entry0", "NXentry"), "counter0", "NXdata")
        put(data, data=STACK, energy=np.arange(3.0), sample_y=Y, sample_x=X)
    with open_nxstxm(tmp_path / "a.tmp") as tree:
        np.testing.assert_array_equal(tree["entry0/counter0"]["data"], STACK)


SWMR = """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    entry = file.create_group("entry0")
    entry.attrs["NX_class"] = "NXentry"
    data = entry.create_group("default")
    data.attrs["NX_class"] = "NXdata"
    data.attrs["signal"] = "data"
    data["sample_y"], data["sample_x"] = np.arange(4.0), np.arange(5.0)
    data["energy"] = [280.0]
    counts = data.create_dataset("data", (4, 5), float, maxshape=(None, 5), chunks=(1, 5))
    file.swmr_mode = True
    counts[:2] = np.arange(10.0).reshape(2, 5)
    counts.flush()
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_file_that_another_program_writes_in_swmr_mode(tmp_path):
    path = tmp_path / "240506001.stxm"
    with subprocess.Popen(
        [sys.executable, "-c", SWMR, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        with open_nxstxm(path) as tree:
            data = tree["entry0/default"]["data"].values
        np.testing.assert_array_equal(data[:2], np.arange(10.0).reshape(2, 5))
        process.communicate(b"\n", timeout=30)
