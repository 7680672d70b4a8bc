"""Detectors fail in odd ways; without these tests a file could call what never came complete."""

from __future__ import annotations

import copy

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.exchange import export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, read_documents, validate
from suitcase.nxstxm.sim import all_requests, scan_documents


def image(kind: str = "lines") -> list:
    (run,) = scan_documents(all_requests()[f"pystxm2019-sample_image-{kind}"])
    return copy.deepcopy(run)


def key_of(run: list) -> str:
    """Give the counter's data key."""
    return next(
        k for n, d in run if n == "descriptor" for k in d["data_keys"] if k.startswith("counter0_")
    )


def spoil(run: list, reading: object) -> int:
    """Replace the reading of the second event of the measurement; give the row's points."""
    key = key_of(run)
    events = [d for n, d in run if n == "event" and key in d["data"]]
    size = int(np.size(events[1]["data"][key]))
    events[1]["data"][key] = reading
    return size


def picture(h5: h5py.File) -> h5py.Group:
    entry = h5["entry0"]
    return entry[entry.attrs["default"]]


def messages(h5: h5py.File) -> str:
    return " | ".join(h5["entry0/collection/messages"].asstr()[()])


@pytest.mark.parametrize("reading", [None, "off", [], [None, None]])
def test_a_line_that_did_not_come_is_nan_and_in_no_list(tmp_path, reading):
    run = image()
    width = spoil(run, reading)
    path = export_scan(run, tmp_path)
    with h5py.File(path) as h5:
        data = picture(h5)["data"][()]
        assert np.isnan(data).sum() == width
        assert np.isnan(data[1]).all()
        n = data.size - width
        assert len(h5["entry0/instrument/monochromator/energy"]) == n
        assert not h5["entry0"].attrs["complete"]
        assert f"{width} of {data.size} points" in messages(h5)
    assert validate(path) == []
    assert difference(run, list(read_documents(path))) is None


@pytest.mark.parametrize("reading", [None, "off"])
def test_a_point_that_did_not_come_is_nan_and_the_scan_is_not_complete(tmp_path, reading):
    run = image("points")
    spoil(run, reading)
    path = export_scan(run, tmp_path)
    with h5py.File(path) as h5:
        assert np.isnan(picture(h5)["data"][()]).sum() == 1
        assert not h5["entry0"].attrs["complete"]
    assert validate(path) == []


@pytest.mark.parametrize("change", [-2, 2])
def test_a_line_of_a_wrong_length_is_filled_or_cut_and_the_entry_says_so(tmp_path, change):
    run = image()
    key = key_of(run)
    event = [d for n, d in run if n == "event" and key in d["data"]][1]
    line = list(event["data"][key])
    event["data"][key] = line[:change] if change < 0 else [*line, 7, 7]
    path = export_scan(run, tmp_path)
    with h5py.File(path) as h5:
        row = picture(h5)["data"][1]
        told = messages(h5)
    if change < 0:
        assert np.array_equal(row[:change], line[:change])
        assert np.isnan(row[change:]).all()
        assert "shorter" in told
    else:
        assert np.array_equal(row, line)
        assert "the first" in told
    assert validate(path) == []


def test_an_energy_measured_twice_does_not_hide_one_that_is_missing(tmp_path):
    runs = copy.deepcopy(scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"]))
    again = copy.deepcopy(runs[0])
    swaps = {}
    for _, doc in again:
        if "uid" in doc:
            swaps[doc["uid"]] = f"{doc['uid'][:-4]}beef"
    for _, doc in again:
        for field in ("uid", "run_start", "descriptor"):
            if field in doc:
                doc[field] = swaps.get(doc[field], doc[field])
    again[0][1]["time"] += 1000
    path = export_scan([runs[0], runs[1], again], tmp_path)
    with h5py.File(path) as h5:
        assert np.isnan(picture(h5)["data"][()]).any()
        assert not h5["entry0"].attrs["complete"]
        assert "no reading came" in messages(h5)


@pytest.mark.parametrize("kind", ["points", "lines"])
def test_a_reading_that_is_nan_did_come(tmp_path, kind):
    run = image(kind)
    key = key_of(run)
    events = [d for n, d in run if n == "event" and key in d["data"]]
    if kind == "points":
        events[1]["data"][key] = float("nan")
    else:
        events[1]["data"][key] = [float("nan"), *list(events[1]["data"][key])[1:]]
    with h5py.File(export_scan(run, tmp_path)) as h5:
        size = picture(h5)["data"].size
        assert f"1 of {size} points of counter0 are NaN: that is what was read" in messages(h5)
        assert "no reading came" not in messages(h5)


@pytest.mark.parametrize("reading", ["off", [], [1.0, 2.0]])
def test_a_reading_without_a_place_is_told_from_none(tmp_path, reading):
    """Another detector's readings come with it, so that the point itself did come."""
    run = image("points")
    key = key_of(run)
    for _, doc in run:
        for part in ("data_keys", "data", "timestamps"):
            if key in doc.get(part, {}):
                doc[part]["other_counter"] = copy.deepcopy(doc[part][key])
    spoil(run, reading)
    with h5py.File(export_scan(run, tmp_path)) as h5:
        assert "1 of" in messages(h5)
        assert "points of counter0 are NaN: what came is no number" in messages(h5)
        assert "no reading came" not in messages(h5)


def test_complex_readings_show_their_magnitude_and_keep_their_phase(tmp_path):
    run = image("points")
    key = key_of(run)
    for _, doc in run:
        if key in doc.get("data", {}):
            doc["data"][key] = complex(3, 4)
    with h5py.File(export_scan(run, tmp_path)) as h5:
        data = picture(h5)
        name = data.name.rsplit("/", 1)[1]
        assert (data["data"][()] == 5).all()
        assert (h5[f"entry0/instrument/{name}/data"][()] == 3 + 4j).all()


@pytest.mark.parametrize("name", ["det.x", "2theta", "sample", "control", "a b/c", "µ"])
def test_a_detector_may_have_any_name(tmp_path, name):
    run = image("points")
    old = key_of(run)
    for _, doc in run:
        for part in ("data_keys", "data", "timestamps"):
            if old in doc.get(part, {}):
                doc[part][name] = doc[part].pop(old)
    path = export_scan(run, tmp_path)
    assert validate(path) == []
    assert [p for p in nexusformat_problems(path) or [] if p.level == "error"] == []
    with h5py.File(path) as h5:
        assert np.isfinite(picture(h5)["data"][()]).all()
        assert h5[f"entry0/instrument/{h5['entry0'].attrs['default']}"].attrs["data_key"] == name
