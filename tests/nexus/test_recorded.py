"""Without these, files could be right for our simulator and wrong for a real microscope's scans.

The recorded documents are read here once more, by a few lines that know nothing of the package.
"""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.exchange import export_scan
from suitcase.nxstxm.nexus import read_documents, validate

FOLDER = Path(
    os.environ.get("NXSTXM_RECORDED")
    or Path(__file__).resolve().parents[2].parent / "shared" / "recorded"
)
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recorded scans in {FOLDER}; set NXSTXM_RECORDED"
)

#: Scan -> label, entries, shape, axes, points in the lists, dwell (s).
SCANS = {
    "DETECTOR_IMAGE": ("detector image", 1, (5, 5), ("detector_y", "detector_x"), 25, 0.001),
    "OSA_FOCUS": ("osa focus", 1, (6, 5), ("zoneplate_z", "line_position"), 30, 0.001),
    "SAMPLE_POINT_SPECTRA": ("sample point spectrum", 3, (20,), ("energy",), 20, 0.001),
    "SAMPLE_LINE_SPECTRA": (
        "sample line spectrum", 1, (10, 25), ("energy", "line_position"), 250, 0.001,
    ),
    "SAMPLE_IMAGE": ("sample image", 1, (50, 50), ("sample_y", "sample_x"), 2500, 0.001),
    "SAMPLE_IMAGE_STACK": (
        "sample image stack", 1, (3, 25, 25), ("energy", "sample_y", "sample_x"), 1875, 0.001,
    ),
    "GENERIC_SCAN": ("generic scan", 1, (20,), ("sample_x",), 20, 0.1),
    "TOMOGRAPHY_SCAN": (
        "sample image stack", 3, (2, 20, 20), ("energy", "sample_y", "sample_x"), 800, 0.001,
    ),
}  # fmt: skip
every_scan = pytest.mark.parametrize("name", SCANS)
ENERGY, RING = "BL1610-I10:ENERGY", "PCT1402-01:mA:fbk_val"


class Recorded:
    """A recorded scan, decoded."""

    def __init__(self, name):
        self.runs = sorted(
            decoded((FOLDER / f"{name}.json").read_text("utf-8")).values(),
            key=lambda run: run[0][1]["time"],
        )
        self.metadata = [decoded(run[0][1]["metadata"]) for run in self.runs]
        self.where = [decoded(md["img_idx_map"]) for md in self.metadata]

    def events(self, run, stream="primary"):
        names = {d["uid"]: d["name"] for kind, d in run if kind == "descriptor"}
        found = [d for kind, d in run if kind == "event" and names[d["descriptor"]] == stream]
        return sorted(found, key=lambda d: d["seq_num"])

    def counts(self, run):
        """Give the counts of a run, an array for each event."""
        return [
            np.atleast_1d(next(v for k, v in d["data"].items() if k.startswith("counter0")))
            for d in self.events(run)
        ]

    def entry(self, name):
        """Give the counts of an entry, one after the other, and the metadata of its first run."""
        if self.metadata[0]["scan_type"] == 4:
            ids = [f"entry{sp_id}" for sp_id in self.metadata[0]["sp_id_lst"]]
            counts = self.counts(self.runs[0])[ids.index(name) :: len(ids)]
            return np.concatenate(counts), self.metadata[0]
        own = [k for k, where in enumerate(self.where) if where["entry"] == name]
        own.sort(key=lambda k: self.where[k]["e_idx"])
        counts = [c for k in own for c in self.counts(self.runs[k])]
        return np.concatenate(counts), self.metadata[own[0]]

    def energies(self):
        md = self.metadata[0]
        single = decoded(decoded(md["wdg_com"]).get("SINGLE_LST") or "{}")
        if "EV_ROIS" in single:
            return decoded(single["EV_ROIS"])
        (roi,) = md["rois"].values()
        return [e for part in roi["EV_ROIS"] for e in part["SETPOINTS"]]


def decoded(value):
    while isinstance(value, str):
        value = json.loads(value)
    return value


@pytest.fixture(scope="session")
def recorded():
    return lru_cache(Recorded)


@pytest.fixture(scope="session")
def path_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    return lru_cache(lambda name: export_scan(FOLDER / f"{name}.json", folder, file_prefix=name))


@pytest.fixture
def file(path_of, name):
    with h5py.File(path_of(name)) as opened:
        yield opened


# -- pictures -------------------------------------------------------------------------------------


@every_scan
def test_entries_labels_shapes_and_axes(file, name):
    label, n_entries, shape, axes, _, _ = SCANS[name]
    assert list(file) == [f"entry{i}" for i in range(n_entries)]
    for entry in file.values():
        data = entry["counter0"]
        assert entry.attrs["default"] == "counter0"
        assert data["stxm_scan_type"][0].decode() == label
        assert data["data"].shape == shape
        assert tuple(axis.decode() for axis in data.attrs["axes"]) == axes
        assert tuple(len(data[axis]) for axis in axes) == shape
        assert entry.attrs["complete"]
        assert "messages" not in entry["collection"]


@every_scan
def test_pictures_and_lists_are_the_counts_of_the_documents(file, recorded, name):
    _, _, shape, _, n_points, _ = SCANS[name]
    for entry_name, entry in file.items():
        counts, _ = recorded(name).entry(entry_name)
        listed = entry["instrument/counter0/data"]
        assert listed.shape == (n_points,)
        np.testing.assert_array_equal(entry["counter0/data"], counts.reshape(shape))
        in_time = counts  # the runs of an entry were made in the order of their energies
        np.testing.assert_array_equal(listed, in_time)


@every_scan
def test_the_axes_are_the_setpoints_of_the_regions(file, recorded, name):
    for number, (entry_name, entry) in enumerate(file.items()):
        _, md = recorded(name).entry(entry_name)
        point = md["scan_type"] == 4
        where = next(w for w in recorded(name).where if point or w["entry"] == entry_name)
        roi = md["rois"][str(number if point else where["sp_id"])]
        data = entry["counter0"]
        x, y = (np.array(roi[a]["SETPOINTS"]) for a in "XY")
        stage = {"DETECTOR_IMAGE": "detector", "OSA_FOCUS": "osa"}.get(name, "sample")
        np.testing.assert_allclose(data[f"{stage}_x"], x)
        if len(y):
            np.testing.assert_allclose(data[f"{stage}_y"], y)
        if "line_position" in data:
            np.testing.assert_allclose(data["line_position"], np.hypot(x - x[0], y - y[0]))
            assert data.attrs[f"{stage}_x_indices"] == data.attrs[f"{stage}_y_indices"] == 1
        for axis in {f"{stage}_x", f"{stage}_y", "sample_x", "sample_y"} & set(data):
            assert data[axis].attrs["units"] == "um"
            assert data[axis].ndim == 1


def test_the_focus_goes_through_the_zone_plate_positions_and_not_through_the_decoy(
    path_of, recorded
):
    roi = recorded("OSA_FOCUS").metadata[0]["rois"]["3"]
    assert roi["Z"]["NPOINTS"] == 50
    with h5py.File(path_of("OSA_FOCUS")) as file:
        data = file["entry0/counter0"]
        np.testing.assert_allclose(data["zoneplate_z"], roi["ZP"]["Z"]["SETPOINTS"])
        assert data["zoneplate_z"].attrs["units"] == "um"
        assert len(data["sample_x"]) == len(data["sample_y"]) == 1
        np.testing.assert_allclose(data["line_position"][-1], np.hypot(25.0, 8.33))


@every_scan
def test_energies_and_dwells(file, recorded, name):
    _, _, _, axes, n_points, dwell = SCANS[name]
    energies = recorded(name).energies()
    for entry in file.values():
        data = entry["counter0"]
        np.testing.assert_allclose(data["energy"], energies)
        np.testing.assert_allclose(data["count_time"], dwell)
        assert data["count_time"].shape == data["energy"].shape
        mono = entry["instrument/monochromator/energy"]
        per = n_points // len(energies) if "energy" in axes else n_points
        np.testing.assert_allclose(mono, np.repeat(energies, per)[:n_points])
        times = entry["instrument/counter0/count_time"]
        np.testing.assert_allclose(times, np.full(n_points, dwell))
        for field in (data["energy"], mono):
            assert field.attrs["units"] == "eV"
        for field in (data["count_time"], times):
            assert field.attrs["units"] == "s"


@every_scan
def test_the_angle_is_that_of_the_index_else_of_the_goniometer(file, recorded, name):
    scan = recorded(name)
    angles = [entry["sample/rotation_angle"] for entry in file.values()]
    if name == "TOMOGRAPHY_SCAN":
        assert [angle[()] for angle in angles] == [-2.0, 0.0, 2.0]
    else:
        at = scan.events(scan.runs[0], "baseline")[0]["data"]["IOC:m110"]
        assert {angle[()] for angle in angles} == {at}
    assert {angle.attrs["units"] for angle in angles} == {"deg"}


# -- lists ----------------------------------------------------------------------------------------

#: Scan -> role -> data key of the motor in the events.
MOTORS = {
    "DETECTOR_IMAGE": {"detector_x": "IOC:m114", "detector_y": "IOC:m115"},
    "OSA_FOCUS": {"osa_x": "IOC:m104", "osa_y": "IOC:m105", "zoneplate_z": "IOC:m111"},
    "GENERIC_SCAN": {"sample_x": "IOC:m107"},
}


@pytest.mark.parametrize("name", MOTORS)
def test_motors_are_listed_where_they_were_and_where_they_were_sent(file, recorded, name):
    events = recorded(name).events(recorded(name).runs[0])
    for role, key in MOTORS[name].items():
        group = file["entry0/instrument"][role]
        listed = group["data" if role.startswith("sample") else "value"]
        np.testing.assert_array_equal(listed, [d["data"][key] for d in events])
        assert (listed.attrs["source"], listed.attrs["units"]) == ("measured", "um")
        if "target_value" in group:
            sent = [d["data"][f"{key}_user_setpoint"] for d in events]
            np.testing.assert_allclose(group["target_value"], sent, atol=1e-3)


def test_the_picture_of_a_grid_lies_where_the_motors_were_sent(path_of, recorded):
    scan = recorded("DETECTOR_IMAGE")
    with h5py.File(path_of("DETECTOR_IMAGE")) as file:
        data = file["entry0/counter0"]
        for event in scan.events(scan.runs[0]):
            sent = [event["data"][f"IOC:m{n}_user_setpoint"] for n in (115, 114)]
            y, x = (
                int(np.abs(data[axis][()] - at).argmin())
                for axis, at in zip(("detector_y", "detector_x"), sent, strict=True)
            )
            assert data["data"][y, x] == event["data"]["counter0_single_value_rbv"]


@every_scan
def test_all_lists_of_an_entry_have_one_length(file, name):
    n_points = SCANS[name][4]
    for entry in file.values():
        instrument = entry["instrument"]
        for group in instrument.values():
            for key in {"data", "value", "target_value", "count_time"} & set(group):
                assert len(group[key]) == n_points
        assert len(instrument["monochromator/energy"]) == n_points


@every_scan
def test_the_ring_current_is_that_of_the_events_else_between_those_of_the_baseline(
    file, recorded, name
):
    scan = recorded(name)
    for entry_name, entry in file.items():
        found = entry["control/data"]
        assert found.shape == SCANS[name][2]
        assert found.attrs["units"] == "mA"
        first = 0
        if name == "TOMOGRAPHY_SCAN":
            first = next(k for k, w in enumerate(scan.where) if w["entry"] == entry_name)
        events = scan.events(scan.runs[first])
        if RING in events[0]["data"]:
            current = np.array([d["data"][RING] for d in events])
            if name == "SAMPLE_POINT_SPECTRA":
                current = current[scan.metadata[0]["sp_id_lst"].index(int(entry_name[5:])) :: 3]
            np.testing.assert_array_equal(found, current.reshape(found.shape))
        else:
            ends = [d["data"][RING] for d in scan.events(scan.runs[first], "baseline")]
            assert min(ends) <= found[()].min() <= found[()].max() <= max(ends)
            assert found.attrs["source"] == "baseline"


# -- what surrounds them --------------------------------------------------------------------------


@every_scan
def test_the_baseline_is_there_twice_with_unit_and_source(file, recorded, name):
    scan = recorded(name)
    for entry_name, entry in file.items():
        first = 0
        if name == "TOMOGRAPHY_SCAN":
            first = next(k for k, w in enumerate(scan.where) if w["entry"] == entry_name)
        run = scan.runs[first]
        keys = next(d["data_keys"] for kind, d in run
                    if kind == "descriptor" and d["name"] == "baseline")  # fmt: skip
        before, after = scan.events(run, "baseline")
        sensors = entry["collection/baseline"]
        found = {s["short_name"].asstr()[()]: s for s in sensors.values()}
        assert len(found) == len(sensors) == len(keys) == 106
        for key, sensor in found.items():
            values = [before["data"][key], after["data"][key]]
            np.testing.assert_array_equal(sensor["value"], values)
            np.testing.assert_allclose(sensor["value_time"], [before["time"], after["time"]])
            assert sensor["name"].asstr()[()] == keys[key]["source"]
        assert found[ENERGY]["value"].attrs["units"] == "eV"
        assert found[RING]["value"].attrs["units"] == "mA"
        assert found["IOC:m107"]["value"].attrs["units"] == "um"


@every_scan
def test_the_polarization_is_the_one_that_was_read(file, recorded, name):
    scan = recorded(name)
    read = scan.events(scan.runs[0], "baseline")[0]["data"]["BL1610-I10:epuPolarization"]
    assert read == 0
    for entry in file.values():
        stokes = entry["instrument/beam/incident_polarization_stokes"]
        np.testing.assert_allclose(stokes, [[1, 0, 0, -1]])


@every_scan
def test_times_are_those_of_the_runs_with_their_offset(file, recorded, name):
    scan = recorded(name)
    for entry_name, entry in file.items():
        own = [run for run, where in zip(scan.runs, scan.where, strict=True)
               if name == "SAMPLE_POINT_SPECTRA" or where["entry"] == entry_name]  # fmt: skip
        for key, at in (("start_time", own[0][0][1]["time"]), ("end_time", own[-1][-1][1]["time"])):
            text = entry[key].asstr()[()]
            assert text.endswith("+00:00")
            assert datetime.fromisoformat(text).timestamp() == pytest.approx(at, abs=1e-5)
        assert entry["entry_identifier_uuid"].asstr()[()] == scan.runs[0][0][1]["uid"]


@every_scan
def test_the_zone_plate_is_described_in_real_units(file, recorded, name):
    plate = recorded(name).metadata[0]["zp_def"]
    for entry in file.values():
        group = entry["instrument/optics/zone_plate"]
        for key, source, units in (
            ("outer_diameter", "zpD", "um"),
            ("central_stop_diameter", "zpCStop", "um"),
            ("outermost_zone_width", "zpOZone", "nm"),
            ("focal_length", "fl", "um"),
        ):
            assert (group[key][()], group[key].attrs["units"]) == (plate[source], units)


@every_scan
def test_the_documents_come_back_as_they_were(path_of, recorded, name):
    documents = [(kind, d) for run in recorded(name).runs for kind, d in run]
    assert difference(documents, read_documents(path_of(name))) is None


# -- checks ---------------------------------------------------------------------------------------


@every_scan
def test_our_own_check_finds_nothing(path_of, name):
    assert validate(path_of(name)) == []


@pytest.mark.parametrize("tool", ["nxvalidate", "nxcheck"])
@every_scan
def test_validators_find_no_error(path_of, name, tool):
    command = Path(sys.executable).parent / tool
    if not command.exists():
        pytest.skip(f"{tool} of nexusformat is not installed")
    # their exit status is 0 whatever they find
    done = subprocess.run(
        [command, "-w", path_of(name)], capture_output=True, text=True, timeout=60, check=True
    )
    totals = re.findall(r"Total number of errors: (\d+)", done.stdout + done.stderr)
    assert totals == ["0"], done.stdout[-3000:]
