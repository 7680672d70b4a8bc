"""Without these, a file of some kind of scan could differ from what the microscope measured.

Every request of the simulated microscope is exported and compared with what the simulator worked
out from the request alone, never from the documents.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.exchange import export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, read_documents, validate

REQUESTS = sim.all_requests()
every_request = pytest.mark.parametrize("name", REQUESTS)

#: pyStxm's polarization number -> Stokes vector; V is positive for circular right.
STOKES = {0: (1, 0, 0, -1), 1: (1, 0, 0, 1), 2: (1, 1, 0, 0), 3: (1, -1, 0, 0)}
#: One request for each label, for checks that take their time.
SOME = (
    "pystxm2019-detector_image-points",
    "pystxm2019-osa_image-lines",
    "pystxm-osa_focus-points",
    "pystxm2019-sample_focus-lines",
    "pystxm-channels-point-spectra",
    "line-spectra-with-motors",
    "image-killed",
    "image-aborted-before-the-first-line",
    "stxm-stack-two-detectors",
    "stack-two-regions-aborted",
    "pystxm2019-ptychography_scan-points",
    "pystxm-two_variable_image-points",
)
some_or_slow = pytest.mark.parametrize(
    "name", [n if n in SOME else pytest.param(n, marks=pytest.mark.slow) for n in REQUESTS]
)


@dataclass(frozen=True)
class Scan:
    """A request, its documents, and the file that was made of them."""

    name: str
    path: Path

    @property
    def request(self) -> sim.ScanRequest:
        return REQUESTS[self.name]

    @cached_property
    def runs(self) -> list:
        return sim.scan_documents(self.request)

    @cached_property
    def expected(self) -> dict[str, sim.ExpectedEntry]:
        return sim.expected(self.request)

    @contextmanager
    def entries(self) -> Iterator[Iterator[tuple[h5py.Group, sim.ExpectedEntry]]]:
        with h5py.File(self.path) as file:
            yield ((file[name], wanted) for name, wanted in self.expected.items())

    def data(self, stream: str) -> tuple[dict, list[dict]]:
        """Give the data keys of a stream, and the data of its events in the scan's first run."""
        declared, read = {}, []
        for name, document in self.runs[0]:
            if name == "descriptor" and document["name"] == stream:
                declared, uid = document["data_keys"], document["uid"]
            if name == "event" and declared and document["descriptor"] == uid:
                read.append(document)
        return declared, read


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scan]:
    folder = tmp_path_factory.mktemp("simulated")
    made: dict[str, Scan] = {}

    def get(name: str) -> Scan:
        if name not in made:
            runs = sim.scan_documents(REQUESTS[name])
            path = export_scan(runs[::-1], folder, file_prefix=name)
            made[name] = Scan(name, path)
        return made[name]

    return get


def home(entry: h5py.Group, request: sim.ScanRequest, signal: str) -> str:
    """Name the groups of a signal: pyStxm's scaler drops a prefix for point spectra."""
    named = signal.removeprefix("DNM_") if request.kind.sweep == "point" else signal
    names = [n for n in (signal, named, f"{signal}_waveform_rbv", f"{signal}_single_value_rbv")
             if n in entry["instrument"]]  # fmt: skip
    return names[0]


def of_class(group: h5py.Group, nx_class: str) -> set[str]:
    return {n for n, g in group.items() if g.attrs.get("NX_class") == nx_class}


# -- pictures -------------------------------------------------------------------------------------


@every_request
def test_the_entries_are_those_of_the_scan(scan, name):
    with h5py.File(scan(name).path) as file:
        assert set(file) == set(scan(name).expected)
        assert file.attrs["default"] in file
        assert file.attrs["first_uid"] == scan(name).runs[0][0][1]["uid"]


@every_request
def test_pictures_hold_every_count_at_its_place_and_nothing_else(scan, name):
    request = REQUESTS[name]
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            pictures = of_class(entry, "NXdata") - {"ccd_image"}
            for signal, counts in wanted.channels.items():
                group = home(entry, request, signal)
                if group not in pictures and "i0" in signal:
                    assert entry["instrument"][group].attrs["role"] == "i0"
                    continue
                pictures.remove(group)
                data = entry[group]
                assert data["data"].dtype == np.float64
                np.testing.assert_array_equal(data["data"], counts)
                assert data.attrs["signal"] == "data"
                assert [axis.decode() for axis in data.attrs["axes"]] == list(wanted.axes)
                assert data["stxm_scan_type"].shape == (1,)
                assert data["stxm_scan_type"][0].decode() == wanted.label
            assert not pictures
            default = home(entry, request, next(iter(wanted.channels)))
            assert entry.attrs["default"] == default


@every_request
def test_axes_are_the_setpoints_with_their_units(scan, name):
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            for group in of_class(entry, "NXdata"):
                data = entry[group]
                for axis, points in wanted.setpoints.items():
                    if axis.startswith("coarse"):
                        continue  # the axes of a coarse image are sample_y and sample_x
                    np.testing.assert_allclose(data[axis], points, atol=1e-9)
                    assert data[axis].attrs["units"] == ("eV" if axis == "energy" else "um")
                for number, axis in enumerate(wanted.axes):
                    assert data.attrs[f"{axis}_indices"] == number
                    assert data[axis].shape == (data["data"].shape[number],)
                np.testing.assert_allclose(data["energy"], wanted.energies)
                np.testing.assert_allclose(data["count_time"], wanted.count_time)
                assert data["count_time"].attrs["units"] == "s"
                assert data["sample_x"].ndim == data["sample_y"].ndim == 1


@every_request
def test_the_ring_current_has_the_shape_of_the_picture(scan, name):
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            if wanted.ring_current is not None:
                found = entry["control/data"]
                np.testing.assert_allclose(found, wanted.ring_current)
                assert found.attrs["source"] == "measured"
            elif "control" in entry:
                found = entry["control/data"]
                assert found.attrs["source"] == (
                    "none" if np.isnan(wanted.data).all() else "baseline"
                )
                np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted.data))
                assert (np.abs(found[np.isfinite(wanted.data)] - 220) < 10).all()
            else:
                declared = (*scan(name).data("baseline")[0], *scan(name).data("primary")[0])
                assert not any("mA:fbk" in key for key in declared)
                continue
            assert found.shape == wanted.data.shape
            assert found.attrs["units"] == "mA"


# -- lists ----------------------------------------------------------------------------------------


@every_request
def test_lists_hold_what_arrived_as_it_arrived(scan, name):
    request = REQUESTS[name]
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            for signal, counts in wanted.lists.items():
                found = entry["instrument"][home(entry, request, signal)]["data"]
                np.testing.assert_array_equal(found, counts)
                assert found.dtype.kind == "i" or not len(found)
            if wanted.frames is not None:
                frames = entry["instrument/ccd_image/data"]
                np.testing.assert_array_equal(frames, wanted.frames)
                sums = frames[()].reshape(len(frames), -1).sum(axis=1)
                pictured = entry["ccd_image/data"][()]
                assert sorted(pictured[np.isfinite(pictured)]) == sorted(sums)


@every_request
def test_all_lists_of_an_entry_have_one_length(scan, name):
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            n_points = len(next(iter(wanted.lists.values())))
            lengths = {}
            for where, field in walk(entry["instrument"]):
                if where.rpartition("/")[2] in ("data", "count_time", "value", "target_value"):
                    lengths[where] = len(field)
            lengths["energy"] = len(entry["instrument/monochromator/energy"])
            assert set(lengths.values()) == {n_points}, lengths
            assert entry["instrument/monochromator/energy"].attrs["units"] == "eV"


def walk(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for member in group.values():
        if isinstance(member, h5py.Group):
            yield from walk(member)
        else:
            yield member.name, member


@pytest.mark.parametrize("name", [n for n in REQUESTS if "repeated" not in n and "stuck" not in n])
def test_positions_energies_and_dwells_of_each_point_lead_to_its_pixel(scan, name):
    request = REQUESTS[name]
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            index = [along(entry, wanted, axis) for axis in wanted.axes]
            counts = next(iter(wanted.lists.values()))
            np.testing.assert_array_equal(wanted.data[tuple(index)], counts)
            energy = entry["instrument/monochromator/energy"]
            if "energy" not in wanted.axes:
                assert set(energy[()]) <= {request.energies[0]}
            first = home(entry, request, next(iter(wanted.lists)))
            dwells = entry["instrument"][first]["count_time"]
            at = index[0] if wanted.axes[0] == "energy" else np.zeros(len(counts), int)
            np.testing.assert_allclose(dwells, wanted.count_time[at])


def along(entry: h5py.Group, wanted: sim.ExpectedEntry, axis: str) -> np.ndarray:
    """Give the index of each point along an axis, as the lists of the instrument tell it."""
    if axis == "energy":
        listed = entry["instrument/monochromator/energy"][()]
    else:
        if axis == "line_position":
            axis = "osa_x" if wanted.label == "osa focus" else "sample_x"
        group = entry["instrument"][axis]
        listed = group["data" if "data" in group else "value"][()]
    stage = axis if axis in wanted.setpoints else axis.replace("sample", "coarse")
    points = wanted.setpoints[stage]
    return np.abs(listed[:, np.newaxis] - points).argmin(axis=1)


def test_stuck_motors_are_listed_where_they_were_and_drawn_where_they_should_be(scan):
    with scan("image-stuck-motors").entries() as entries:
        for entry, wanted in entries:
            assert set(entry["instrument/sample_x/data"][()]) == {0.5}
            assert entry["instrument/sample_x/data"].attrs["source"] == "measured"
            np.testing.assert_array_equal(entry["counter0/data"], wanted.data)
            np.testing.assert_allclose(entry["counter0/sample_x"], wanted.setpoints["sample_x"])


@pytest.mark.parametrize("name", [n for n, r in REQUESTS.items() if "repeated" in n])
def test_a_repeated_energy_is_listed_as_often_as_it_was_measured(scan, name):
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            per = wanted.data.size // len(wanted.energies)
            listed = entry["instrument/monochromator/energy"]
            np.testing.assert_allclose(listed, np.repeat(wanted.energies, per))


# -- what surrounds them --------------------------------------------------------------------------


@every_request
def test_the_rotation_and_the_polarization_are_those_of_the_entry(scan, name):
    request = REQUESTS[name]
    known = request.dialect != "stxm" or request.optional_keys
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            angle = entry["sample/rotation_angle"]
            assert (angle[()], angle.attrs["units"]) == (wanted.rotation_angle, "deg")
            assert ("beam" in entry["instrument"]) == known
            if known:
                stokes = entry["instrument/beam/incident_polarization_stokes"]
                np.testing.assert_allclose(stokes, [STOKES[wanted.polarization.code]], atol=1e-12)


@every_request
def test_an_entry_says_whether_it_is_complete_and_what_is_missing(scan, name):
    request = REQUESTS[name]
    with scan(name).entries() as entries:
        for entry, wanted in entries:
            assert entry.attrs["complete"] == wanted.complete
            collection = entry["collection"]
            messages = collection["messages"].asstr()[()] if "messages" in collection else []
            missing = int(np.isnan(wanted.data).sum())
            assert any(str(missing) in m for m in messages) == bool(missing)
            if request.truncate is None:
                assert len(messages) == 0
    ends = [run[-1][1].get("exit_status", "incomplete") for run in scan(name).runs]
    with h5py.File(scan(name).path) as file:
        found = [entry["collection/exit_status"].asstr()[()] for entry in file.values()]
    assert set(found) <= set(ends)
    assert {end for end in ends if end != "success"} <= set(found)


@every_request
def test_times_have_an_offset_and_are_those_of_the_runs(scan, name):
    first = REQUESTS[name].start_time
    last = max(run[-1][1]["time"] for run in scan(name).runs)
    with scan(name).entries() as entries:
        for entry, _ in entries:
            start, end = (
                datetime.fromisoformat(entry[k].asstr()[()]) for k in ("start_time", "end_time")
            )
            assert start.tzinfo is not None
            assert start.utcoffset() == timezone.utc.utcoffset(None)
            assert first <= start.timestamp() <= end.timestamp() <= last + 1e-3
            assert entry["entry_identifier_uuid"].asstr()[()] == scan(name).runs[0][0][1]["uid"]
            assert entry["definition"][0] == b"NXstxm"
            assert entry["user/name"].asstr()[()] == "visitor"


@pytest.mark.parametrize("name", [n for n, r in REQUESTS.items() if r.dialect != "stxm"])
def test_the_zone_plate_has_real_units(scan, name):
    optics = REQUESTS[name].optics
    with scan(name).entries() as entries:
        for entry, _ in entries:
            plate = entry["instrument/optics/zone_plate"]
            assert {k: (v[()], v.attrs["units"]) for k, v in plate.items() if k != "name"} == {
                "outer_diameter": (optics.zone_plate_um, "um"),
                "central_stop_diameter": (optics.central_stop_um, "um"),
                "outermost_zone_width": (optics.outer_zone_nm, "nm"),
                "focal_length": (optics.focus_um, "um"),
            }


@pytest.mark.parametrize("name", [*SOME, "simulator-stack", "image-without-baseline"])
def test_the_baseline_is_there_before_and_after_with_unit_and_source(scan, name):
    declared, read = scan(name).data("baseline")
    with h5py.File(scan(name).path) as file:
        first = next(iter(scan(name).expected))
        collection = file[first]["collection"]
        assert ("baseline" in collection) == bool(read)
        if not read:
            return
        found = {s["short_name"].asstr()[()]: s for s in collection["baseline"].values()}
        assert set(found) == set(declared)
        for key, sensor in found.items():
            values = [event["data"][key] for event in read]
            np.testing.assert_array_equal(sensor["value"], values)
            np.testing.assert_allclose(sensor["value_time"], [event["time"] for event in read])
            assert sensor["name"].asstr()[()] == declared[key]["source"]
            if "ENERGY" in key and "POLAR" not in key:
                assert sensor["value"].attrs["units"] == "eV"
            elif "m110" not in key and "epu" not in key.lower():
                assert sensor["value"].attrs.get("units", "") == declared[key]["units"]


# -- the archive, the checks ----------------------------------------------------------------------


@every_request
def test_the_documents_come_back_as_they_were(scan, name):
    documents = [pair for run in scan(name).runs for pair in run]
    assert difference(documents, read_documents(scan(name).path)) is None


@some_or_slow
def test_our_own_check_finds_nothing(scan, name):
    assert validate(scan(name).path) == []


@some_or_slow
def test_nexusformat_finds_no_error(scan, name):
    pytest.importorskip("nexusformat")
    problems = nexusformat_problems(scan(name).path)
    assert [p for p in problems if p.level == "error"] == []
