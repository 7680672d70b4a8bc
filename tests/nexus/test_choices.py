"""What a user chooses must show in the file, and measurements must win over plans."""

from __future__ import annotations

import copy
from datetime import timedelta, timezone
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.exchange import export_scan
from suitcase.nxstxm.nexus import EntryWriter, Facility, WriterOptions, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

Documents = list[tuple[str, dict[str, Any]]]


def run_of(name: str) -> Documents:
    (run,) = scan_documents(all_requests()[name])
    return copy.deepcopy(run)


@pytest.fixture
def image() -> Documents:
    return run_of("pystxm2019-sample_image-lines")


def test_the_facility_is_an_option_and_never_in_the_code(tmp_path, image):
    facility = {"name": "Ring of Light", "probe": "x-ray", "beamline": "STXM-7"}
    path = export_scan(image, tmp_path, facility=facility)
    with h5py.File(path) as h5:
        assert h5["entry0/instrument/source/name"].asstr()[()] == "Ring of Light"
        assert h5["entry0/instrument/name"].asstr()[()] == "STXM-7"
    assert validate(path) == []
    assert Facility.of("Ring of Light").name == "Ring of Light"


@pytest.mark.parametrize(
    ("zone", "offset"),
    [(None, "+00:00"), ("America/Regina", "-06:00"), (timezone(timedelta(hours=9)), "+09:00")],
)
def test_times_have_the_offset_that_was_asked_for(tmp_path, image, zone, offset):
    with h5py.File(export_scan(image, tmp_path, timezone=zone)) as h5:
        assert h5["entry0/start_time"].asstr()[()].endswith(offset)
        assert h5["entry0/end_time"].asstr()[()].endswith(offset)


@pytest.mark.parametrize(
    "options",
    [
        {"facility": {"nmae": "x"}},
        {"facility": 7},
        {"timezone": "Mars/Olympus"},
        {"timezone": 7},
        {"compression": "zip"},
        {"devices": {"energy": 7}},
        {"colour": "red"},
    ],
)
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path, image, options
):
    with pytest.raises(NXstxmError, match=next(iter(options))):
        export_scan(image, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["gzip", "bitshuffle-lz4", "blosc2-zstd"])
def test_compressed_arrays_hold_the_same_and_are_smaller(tmp_path, compression):
    if compression != "gzip":
        pytest.importorskip("hdf5plugin")
    run = run_of("pystxm2019-sample_image-points")
    large = np.arange(200 * 200, dtype=np.uint16).reshape(200, 200)
    for name, doc in run:
        if name == "descriptor" and doc["name"] == "primary":
            doc["data_keys"]["ccd"] = {"source": "x", "dtype": "array", "shape": [200, 200]}
        if name == "event" and "counter0_single_value_rbv" in doc["data"]:
            doc["data"]["ccd"] = large + doc["seq_num"]
            doc["timestamps"]["ccd"] = doc["time"]
    plain = export_scan(run, tmp_path, file_prefix="plain")
    small = export_scan(run, tmp_path, file_prefix="small", compression=compression)
    with h5py.File(plain) as a, h5py.File(small) as b:
        frames = b["entry0/instrument/ccd/data"]
        assert np.array_equal(a["entry0/instrument/ccd/data"], frames)
        assert frames.dtype == np.uint16
        assert np.array_equal(a["entry0/ccd/data"], b["entry0/ccd/data"])
        assert frames.id.get_storage_size() < 0.5 * frames.size * 2
        assert a["entry0/instrument/ccd/data"].id.get_create_plist().get_nfilters() == 0


def test_a_device_may_be_named_over_what_the_plan_says(tmp_path, image):
    for name, doc in image:
        if name == "descriptor" and doc["name"] == "primary":
            doc["data_keys"]["mono"] = {"source": "PV:mono", "dtype": "number", "shape": []}
        if name == "event" and "counter0_waveform_rbv" in doc["data"]:
            doc["data"]["mono"], doc["timestamps"]["mono"] = 707.5, doc["time"]
    path = export_scan(image, tmp_path, devices={"energy": "mono"})
    with h5py.File(path) as h5:
        energy = h5["entry0/instrument/monochromator/energy"]
        assert (energy[()] == 707.5).all()
        assert energy.attrs["source"] == "measured"


def test_a_facility_overrides_one_part_and_keeps_the_rest(tmp_path, image):
    class Ours(EntryWriter):
        def write_sample(self) -> None:
            super().write_sample()
            self.entry["sample"].create_dataset("chemical_formula", data="Fe2O3")

    path = export_scan(image, tmp_path, entry_writer=Ours)
    with h5py.File(path) as h5:
        assert h5["entry0/sample/chemical_formula"].asstr()[()] == "Fe2O3"
        assert "rotation_angle" in h5["entry0/sample"]
    assert validate(path) == []


def test_the_ring_current_is_interpolated_between_the_baseline_readings(tmp_path):
    run = run_of("image-without-ring-current")
    events = [d for n, d in run if n == "event"]
    baseline = next(d for n, d in run if n == "descriptor" and d["name"] == "baseline")
    before, after = (e for e in events if e["descriptor"] == baseline["uid"])
    points = [e for e in events if e["descriptor"] != baseline["uid"]]
    key = "ring current (mA)"
    baseline["data_keys"][key] = {"source": "PV:ring", "dtype": "number", "shape": []}
    before["data"][key], after["data"][key] = 200.0, 190.0
    before["time"], after["time"] = points[0]["time"] - 1, points[-1]["time"] + 1
    path = export_scan(run, tmp_path, devices={"ring_current": key})
    times = np.array([e["time"] for e in points])
    expected = np.interp(times, [before["time"], after["time"]], [200.0, 190.0])
    with h5py.File(path) as h5:
        control = h5["entry0/control/data"]
        picture = h5["entry0"][h5["entry0"].attrs["default"]]["data"]
        assert control.shape == picture.shape
        assert control.attrs["units"] == "mA"
        assert control.attrs["source"] == "baseline"
        per_point = control[()].reshape(len(points), -1)
    assert np.allclose(per_point, expected[:, np.newaxis])


def test_the_polarization_that_was_read_wins_over_the_one_that_was_asked_for(tmp_path, image):
    key = next(
        k
        for n, d in image
        if n == "descriptor"
        for k in d["data_keys"]
        if "polarization" in k.lower() and "setpoint" not in k
    )
    for _, doc in image:
        if key in doc.get("data", {}):
            doc["data"][key] = 1.0
    with h5py.File(export_scan(image, tmp_path)) as h5:
        stokes = h5["entry0/instrument/beam/incident_polarization_stokes"]
        assert stokes[()].tolist() == [[1, 0, 0, 1]]
        assert "circular right" in " ".join(h5["entry0/collection/messages"].asstr()[()])


def test_points_measured_again_after_a_pause_count_once_and_the_last_time(tmp_path):
    run = run_of("pystxm2019-sample_image-points")
    key = "counter0_single_value_rbv"
    at, event = [(i, d) for i, (n, d) in enumerate(run) if n == "event" and key in d["data"]][3]
    again = copy.deepcopy(event) | {"uid": "again", "time": event["time"] + 0.5}
    again["data"][key] = 12345
    run.insert(at + 1, ("event", again))
    path = export_scan(run, tmp_path)
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        picture = entry[entry.attrs["default"]]["data"][()]
        counts = entry[f"instrument/{entry.attrs['default']}/data"][()]
        assert "measured again" in " ".join(entry["collection/messages"].asstr()[()])
    assert picture.ravel()[3] == 12345
    assert counts[3] == 12345
    assert len(counts) == picture.size
    assert validate(path) == []


def test_events_that_come_out_of_order_are_put_in_the_order_of_their_numbers(tmp_path):
    run = run_of("pystxm2019-sample_image-points")
    key = "counter0_single_value_rbv"
    places = [i for i, (n, d) in enumerate(run) if n == "event" and key in d["data"]]
    straight = export_scan(run, tmp_path, file_prefix="straight")
    shuffled = list(run)
    order = np.random.default_rng(4).permutation(len(places))
    for to, source in zip(places, order, strict=True):
        shuffled[to] = run[places[source]]
    mixed = export_scan(shuffled, tmp_path, file_prefix="mixed")
    with h5py.File(straight) as a, h5py.File(mixed) as b:
        for name in ("counter0/data", "instrument/counter0/data", "instrument/sample_x/data"):
            assert np.array_equal(a[f"entry0/{name}"], b[f"entry0/{name}"])


def test_options_are_checked_together():
    options = WriterOptions.of(facility="Ring", timezone="UTC", compression=None)
    assert (options.facility.name, options.compression) == ("Ring", "none")
    assert WriterOptions.of(**options.saved()) == options
