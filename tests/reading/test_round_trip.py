"""A file of another program must become one of ours: the same picture, valid, and honest."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from styles import ENERGY, NX, STACK, STYLES, X, Y, build_style, group, put

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.exchange import scans_in
from suitcase.nxstxm.nexus import described_runs, read_documents, runs_of_file, validate
from suitcase.nxstxm.scans import read_plan

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", STYLES)
def test_rewritten_as_a_valid_file(name, tmp_path):
    path, expected = build_style(name, tmp_path)
    [scan] = scans_in(path)
    new = export_scan(scan, tmp_path / "new")
    assert [p for p in validate(new) if p.level == "error"] == []
    with open_nxstxm(new) as tree, open_nxstxm(path) as old:
        entry = tree[tree.attrs["default"]]
        assert entry.attrs["scan_type"] == expected.label
        picture = entry[entry.attrs["default"]]
        np.testing.assert_array_equal(picture["data"].values, expected.data)
        assert picture["data"].dims == expected.dims
        before = old[expected.entry][expected.channel]
        for dim in expected.dims:
            np.testing.assert_allclose(picture[dim].values, before[dim].values)
        for name_ in ("energy", "count_time"):
            if name_ in before.coords:
                np.testing.assert_allclose(picture[name_].values, before[name_].values)
        messages = entry.attrs["messages"]
        assert "which has no documents" in "\n".join(
            [messages] if isinstance(messages, str) else messages
        )


@pytest.mark.parametrize("name", STYLES)
def test_documents_are_valid_and_repeat_themselves(name, tmp_path):
    path, _ = build_style(name, tmp_path)
    [run] = described_runs(path)
    documents = list(run.documents())
    for kind, document in documents:
        schema_validators[DocumentNames[kind]].validate(_plain(document))
    assert documents[0] == ("start", run.start)
    assert documents[-1][0] == "stop"
    assert difference(documents, described_runs(path)[0].documents()) is None


def _plain(document):
    """Give arrays as lists, as the schema has them."""
    if isinstance(document, dict):
        return {key: _plain(value) for key, value in document.items()}
    return document.tolist() if isinstance(document, np.ndarray) else document


def test_a_file_that_was_moved_is_the_same_run(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    uid = described_runs(path)[0].uid
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    assert described_runs(moved)[0].uid == uid


def test_all_that_was_in_the_file_is_in_the_new_one(tmp_path):
    """Monitor, lists of unequal length, frames, facts with units, other channels."""
    path, _ = build_style("pixelator-stack", tmp_path)
    frames = np.arange(3 * 6 * 7.0).reshape(3, 6, 7)
    with h5py.File(path, "r+") as file:
        instrument = file["entry1/instrument"]
        put(group(instrument, "ccd", "NXdetector"), data=frames)
        put(group(instrument, "counter0", "NXdetector"), data=np.arange(240))
        put(group(instrument, "sample_x", "NXdetector"), data=np.arange(70.0))
        put(instrument["epu"], gap=31.5)
        instrument["epu/gap"].attrs["units"] = "mm"
        other = group(file["entry1"], "diode", "NXdata")
        other.attrs["signal"] = "data"
        other.attrs["axes"] = [b"energy", b"sample_y", b"sample_x"]
        put(other, data=STACK * 2, energy=ENERGY, sample_y=Y, sample_x=X)
        small = group(file["entry1"], "small", "NXdata")
        put(small, data=np.arange(NX), sample_x=X)
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new, baseline=True) as tree:
        entry = tree["entry1"]
        np.testing.assert_array_equal(entry["diode"]["data"].values, STACK * 2)
        assert float(entry["counter0"]["control"].mean()) == 400.0
        baseline = entry["baseline"]
        assert float(baseline["insertion_device_gap"][0]) == 31.5
        assert baseline["insertion_device_gap"].attrs["units"] == "mm"
        lists = entry["streams/lists"]
        np.testing.assert_array_equal(lists["counter0_list"].values.ravel(), np.arange(240))
        np.testing.assert_array_equal(lists["sample_x_list"].values.ravel(), np.arange(70.0))
        np.testing.assert_array_equal(entry["streams/ccd_list"]["ccd_list"].values, frames)
        np.testing.assert_array_equal(
            np.ravel(entry["streams/small_picture"]["small_picture"].values), np.arange(NX)
        )
        assert "small has another shape" in "\n".join(entry.attrs["messages"])


def test_what_was_not_measured_stays_unmeasured(tmp_path):
    path, expected = build_style("cls-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["entry0/DNM_RING_CURRENT"]
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new) as tree:
        assert tree["entry0"].attrs["complete"] == 0
        np.testing.assert_array_equal(tree["entry0/sis3820"]["data"].values, expected.data)
        assert tree["entry0/instrument"]["sis3820"].size == 2 * expected.data[0].size


def test_entries_become_entries(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for number in range(3):
            entry = group(file, f"entry{number}", "NXentry")
            put(entry, start_time="2020-01-02T03:04:05Z", title=f"region {number}")
            data = group(entry, "counter0", "NXdata")
            put(data, data=STACK[number], sample_y=Y, sample_x=X + 10 * number, energy=[280.0])
            put(data, stxm_scan_type="sample image")
    [scan] = scans_in(tmp_path / "a.hdf5")
    assert [run.start["nxstxm"]["entry"] for run in scan.runs] == ["entry0", "entry1", "entry2"]
    assert read_plan(scan.runs[0].start).time == 1577934245.0
    new = export_scan(scan, tmp_path / "new")
    with open_nxstxm(new) as tree:
        for number in range(3):
            picture = tree[f"entry{number}/counter0"]
            np.testing.assert_array_equal(picture["data"].values, STACK[number])
            np.testing.assert_allclose(picture["x"].values, X + 10 * number)


def test_our_own_files_give_their_own_documents(tmp_path):
    request = sim.all_requests()["pystxm2019-sample_image-lines"]
    [run] = sim.scan_documents(request)
    path = export_scan([run], tmp_path)
    assert scans_in(path)[0].runs[0].uid == run[0][1]["uid"]
    assert len(runs_of_file(path)) == 1
    assert difference(run, read_documents(path)) is None


def test_a_file_of_ours_without_its_archive_is_one_of_another_program(tmp_path):
    request = sim.all_requests()["pystxm2019-sample_image_stack-lines"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["entry0/collection/bluesky"]
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    wanted = sim.expected(request)["entry0"]
    with open_nxstxm(new) as tree, open_nxstxm(path) as old:
        np.testing.assert_array_equal(tree["entry0/counter0"]["data"].values, wanted.data)
        assert tree["entry0"].attrs["polarization"] == old["entry0"].attrs["polarization"]
        assert tree["entry0"].attrs["zone_plate_outer_diameter"] == 250.0
        assert tree["entry0"].attrs["start_time"] == old["entry0"].attrs["start_time"]
        assert [p for p in validate(new) if p.level == "error"] == []


def test_the_command_tells_what_was_missing(tmp_path, nxstxm: Run):
    path, _ = build_style("cls-stack", tmp_path)
    status, out, err = nxstxm("export", path, "-o", tmp_path / "new")
    assert status == 0
    assert out.strip().endswith(".hdf5")
    told = " ".join(err.split())
    assert "its times have no offset; they were taken as UTC" in told
    assert "lacked:" in told
    assert "units" in told


def test_what_holds_no_scan_is_told(tmp_path, nxstxm: Run):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = 1
    with pytest.raises(NXstxmError, match="holds no scan"):
        scans_in(tmp_path / "a.h5")
    status, _, err = nxstxm("export", tmp_path / "a.h5", "-o", tmp_path / "new")
    assert status == 1
    assert "holds no scan" in " ".join(err.split())
    assert not (tmp_path / "new").exists()
