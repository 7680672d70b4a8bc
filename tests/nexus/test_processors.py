"""Without these tests a processor could change what it should not, and no file would tell."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from event_model import RunRouter

from suitcase.nxstxm import Serializer, export, export_scan, export_scans, finish_export
from suitcase.nxstxm.data import DataCoordinates, DataProcessor
from suitcase.nxstxm.data.processors import dead_time, downsample, normalise, region_sum
from suitcase.nxstxm.documents import stored_runs, write_archive
from suitcase.nxstxm.exchange import ExportError
from suitcase.nxstxm.nexus import NXstxmStorage, validate
from suitcase.nxstxm.sim import SimulatedMicroscope, all_requests, image_plan, scan_documents

from ..sim.monitors import with_monitor

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
POINTS = "pystxm2019-sample_image-points"
STACK = "pystxm2019-sample_image_stack-lines"
CAMERA = "pystxm2019-ptychography_scan-points"
TWO = "image-two-detectors"
FOLDER = Path(
    os.environ.get("NXSTXM_RECORDED")
    or Path(__file__).resolve().parents[2].parent / "shared" / "recorded"
)


def same(coords: Any, data: Any, metadata: Any) -> Any:
    return coords, data * 1.0, metadata


def double(coords: Any, data: Any, metadata: Any) -> Any:
    return coords, data * 2.0, metadata


def exported(name: str, folder: Path, processors: Any = None, **options: Any) -> Path:
    return export_scan(scan_documents(REQUESTS[name]), folder, processors=processors, **options)


def pictures(h5: h5py.File) -> dict[str, np.ndarray[Any, Any]]:
    return {
        f"{entry}/{name}": h5[entry][name]["data"][()]
        for entry in h5
        for name in h5[entry]
        if h5[entry][name].attrs.get("NX_class") == "NXdata"
    }


def lists(h5: h5py.File) -> dict[str, np.ndarray[Any, Any]]:
    found = {}
    for entry in h5:
        for name, group in h5[entry]["instrument"].items():
            if "data" in group:
                found[f"{entry}/{name}"] = group["data"][()]
    return found


def messages(h5: h5py.File, entry: str = "entry0") -> str:
    home = h5[entry]["collection"]
    return "\n".join(home["messages"].asstr()[()]) if "messages" in home else ""


# -- pictures and lists ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUESTS)
def test_frames_come_to_the_places_of_their_readings(name: str, tmp_path: Path) -> None:
    """Of all kinds of scans: what changes nothing gives the same file, what doubles doubles."""
    plain = exported(name, tmp_path / "plain")
    unchanged = exported(name, tmp_path / "same", [same])
    doubled = exported(name, tmp_path / "double", [double])
    assert [p for p in validate(doubled) if p.level == "error"] == []
    with h5py.File(plain) as a, h5py.File(unchanged) as b, h5py.File(doubled) as c:
        for path, picture in pictures(a).items():
            np.testing.assert_array_equal(b[path]["data"], picture, err_msg=path)
            np.testing.assert_array_equal(c[path]["data"], 2 * picture, err_msg=path)
        for path, raw in lists(a).items():
            np.testing.assert_array_equal(lists(c)[path], raw, err_msg=path)
        for entry in a:
            assert a[entry].attrs["complete"] == b[entry].attrs["complete"]


@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("stream", ["counter_monitor", "watched"])
@pytest.mark.parametrize("name", [LINES, POINTS, STACK, CAMERA, TWO])
def test_what_is_monitored_is_not_what_is_measured(
    name: str, stream: str, first: bool, tmp_path: Path
) -> None:
    """A stream of its own with the detectors' keys: the picture is of ``primary`` all the same."""
    monitored = [with_monitor(run, stream, first=first) for run in scan_documents(REQUESTS[name])]
    for processors in (None, [double]):
        folder = tmp_path / f"{processors is None}"
        plain = exported(name, folder / "plain", processors)
        path = export_scan(monitored, folder / "monitored", processors=processors)
        assert [p for p in validate(path) if p.level == "error"] == []
        with h5py.File(plain) as a, h5py.File(path) as b:
            assert stream in b["entry0/collection"]
            assert pictures(a).keys() == pictures(b).keys()
            for where, picture in pictures(a).items():
                np.testing.assert_array_equal(b[where]["data"], picture, err_msg=where)
            assert ("processed" in a["entry0"]) == ("processed" in b["entry0"])
            assert messages(b) == messages(a)


def test_without_processors_no_coordinates_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("coordinates were made")

    monkeypatch.setattr(DataCoordinates, "__init__", refuse)
    with pytest.raises(AssertionError, match="coordinates were made"):
        exported(LINES, tmp_path / "with", [same])
    before = threading.active_count()
    with h5py.File(exported(LINES, tmp_path)) as h5:
        assert np.isfinite(h5["entry0/counter0/data"]).all()
        assert not any(g.attrs.get("NX_class") == "NXprocess" for g in h5["entry0"].values())
    assert threading.active_count() <= before + 2  # those of the attempt that failed


def test_only_some_frames_are_processed(tmp_path: Path) -> None:
    only = DataProcessor(double, name="double", only={"role": "signal"})
    with (
        h5py.File(exported(TWO, tmp_path / "a")) as plain,
        h5py.File(exported(TWO, tmp_path / "b", [only])) as some,
        h5py.File(exported(TWO, tmp_path / "c", [double])) as all_of_them,
    ):
        [name] = pictures(plain)
        assert list(pictures(some)) == [name]
        np.testing.assert_array_equal(some[name]["data"], 2 * plain[name]["data"][()])
        # an i0 that was changed has a picture too: nothing else could hold it
        [i0] = set(pictures(all_of_them)) - {name}
        raw = lists(plain)[i0]
        np.testing.assert_array_equal(all_of_them[i0]["data"][()].ravel(), 2.0 * raw)


def test_a_dead_time_is_that_of_each_energy(tmp_path: Path) -> None:
    name = "stack-uneven-dwells"
    with h5py.File(exported(name, tmp_path / "a")) as plain:
        counts = plain["entry0/counter0/data"][()]
        dwells = plain["entry0/counter0/count_time"][()]
    assert len(set(dwells)) > 1
    with h5py.File(exported(name, tmp_path / "b", [dead_time(1e-7)])) as h5:
        corrected = h5["entry0/counter0/data"][()]
    rate = 1e-7 / dwells[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(corrected, counts / (1 - counts * rate), rtol=1e-12)
    assert (corrected > counts).any()


def test_points_that_a_processor_drops_are_nan(tmp_path: Path) -> None:
    def drop(coords: Any, data: Any, metadata: Any) -> Any:
        return None if coords.sample_y == 1 else (coords, data, metadata)

    with h5py.File(exported(LINES, tmp_path, [drop])) as h5:
        picture = h5["entry0/counter0/data"][()]
        assert np.isnan(picture[1]).all()
        assert np.isfinite(np.delete(picture, 1, axis=0)).all()
        assert not h5["entry0"].attrs["complete"]
        assert len(h5["entry0/instrument/counter0/data"]) == picture.size


# -- what fits no picture -------------------------------------------------------------------------


def test_a_new_channel_has_an_nxdata_of_its_own(tmp_path: Path) -> None:
    def split(coords: Any, data: Any, metadata: Any) -> Any:
        root = np.sqrt(data)
        return [(coords, data, metadata), (coords.replace(channel="root n"), root, metadata)]

    path = exported(STACK, tmp_path, [split])
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        counts, root = h5["entry0/counter0"], h5["entry0/root_n"]
        np.testing.assert_allclose(root["data"], np.sqrt(counts["data"][()]))
        assert list(root.attrs["axes"]) == list(counts.attrs["axes"])
        for axis in ("energy", "sample_x", "sample_y", "count_time"):
            np.testing.assert_array_equal(root[axis], counts[axis])
        assert "root_n" not in h5["entry0/instrument"]


def test_no_name_of_a_user_is_in_the_way(tmp_path: Path) -> None:
    names = ("control", "collection", "processed", "instrument", "counter0", "9 x/y", "title")

    def many(coords: Any, data: Any, metadata: Any) -> Any:
        return [(coords.replace(channel=n), data + i, metadata) for i, n in enumerate(names)]

    steps = [DataProcessor(many, name="collection"), DataProcessor(same, name="control")]
    path = exported(LINES, tmp_path, steps)
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5, NXstxmStorage(path) as storage:
        raw = lists(h5)["entry0/counter0"].reshape(h5["entry0/counter0/data"].shape)
        assert len(pictures(h5)) == len(names)
        for i, name in enumerate(names):
            np.testing.assert_array_equal(storage[{"channel": name}], raw + i)


def test_frames_of_a_camera_are_kept_and_their_sums_shown(tmp_path: Path) -> None:
    with (
        h5py.File(exported(CAMERA, tmp_path / "a")) as plain,
        h5py.File(exported(CAMERA, tmp_path / "b", [double])) as h5,
    ):
        raw = plain["entry0/instrument/ccd_image/data"][()]
        np.testing.assert_array_equal(h5["entry0/instrument/ccd_image/data"], raw)
        found = h5["entry0/processed/ccd_image"]
        assert found.attrs["NX_class"] == "NXdata"
        names = [axis.decode() for axis in found.attrs["axes"]]
        assert names == ["energy", "sample_y", "sample_x", "dim_0", "dim_1"]
        assert found["data"].shape == (*h5["entry0/ccd_image/data"].shape, *raw.shape[1:])
        np.testing.assert_array_equal(found["data"][()].reshape(raw.shape), 2.0 * raw)
        np.testing.assert_allclose(
            h5["entry0/ccd_image/data"][()].ravel(), 2.0 * raw.sum(axis=(1, 2))
        )


def test_a_sum_over_a_region_is_the_picture_of_a_camera(tmp_path: Path) -> None:
    rows, columns = slice(1, 4), slice(0, 5)
    only = {"role": "camera"}
    with h5py.File(exported(CAMERA, tmp_path, [region_sum(rows, columns, only=only)])) as h5:
        raw = h5["entry0/instrument/ccd_image/data"][:, rows, columns].sum(axis=(1, 2))
        np.testing.assert_allclose(h5["entry0/ccd_image/data"][()].ravel(), raw)
        assert "processed" not in h5["entry0"]
        assert json.loads(h5["entry0/region_sum/options/data"].asstr()[()]) == {
            "rows": [1, 4], "columns": [0, 5], "only": {"role": "camera"},
        }  # fmt: skip


def test_frames_that_fit_nothing_are_beside_the_picture_as_it_came(tmp_path: Path) -> None:
    with (
        h5py.File(exported("pystxm2019-sample_image_stack-images", tmp_path / "a")) as plain,
        h5py.File(
            exported("pystxm2019-sample_image_stack-images", tmp_path / "b", [downsample(2)])
        ) as h5,
    ):
        counts = plain["entry0/counter0/data"][()]
        np.testing.assert_array_equal(h5["entry0/counter0/data"], counts)
        assert "fits counter0" in messages(h5)
        small = h5["entry0/processed/counter0"]
        n_energies, n_y, n_x = counts.shape
        cut = counts[:, : n_y // 2 * 2, : n_x // 2 * 2]
        squares = cut.reshape(n_energies, n_y // 2, 2, n_x // 2, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(small["data"], squares)
        np.testing.assert_array_equal(small["energy"], h5["entry0/counter0/energy"])


def test_frames_with_odd_coordinates_are_listed(tmp_path: Path) -> None:
    def summed(coords: Any, data: Any, metadata: Any) -> Any:
        place = {"position": coords.sample_y / 4, "name": f"line {coords.sample_y}"}
        return place, data[:2], metadata

    with h5py.File(exported(LINES, tmp_path, [summed])) as h5:
        found = h5["entry0/processed/counter0"]
        n_y, n_x = h5["entry0/counter0/data"].shape
        raw = h5["entry0/instrument/counter0/data"][()].reshape(n_y, n_x)
        np.testing.assert_array_equal(found["data"], raw[:, :2])
        np.testing.assert_array_equal(found["position"], np.arange(n_y) / 4)
        assert list(found["name"].asstr()) == [f"line {i}" for i in range(n_y)]


# -- provenance -----------------------------------------------------------------------------------


def test_a_file_says_what_was_done_to_it(tmp_path: Path) -> None:
    twice = DataProcessor(double, name="double", version="2.1", options={"by": 2})
    steps = [dead_time(1e-7), twice, normalise(reference=200.0), twice]
    name = "image-motors-and-ring-current-by-line"
    with h5py.File(exported(name, tmp_path, steps)) as h5:
        found = [g for g in h5["entry0"].values() if g.attrs.get("NX_class") == "NXprocess"]
        found.sort(key=lambda g: g["sequence_index"][()])
        assert [g["sequence_index"][()] for g in found] == [1, 2, 3, 4]
        told = [(g["program"].asstr()[()], g["version"].asstr()[()]) for g in found]
        assert told == [
            ("dead_time", "1"),
            ("double", "2.1"),
            ("normalise", "1"),
            ("double", "2.1"),
        ]
        assert [json.loads(g["options/data"].asstr()[()]) for g in found] == [
            {"tau": 1e-7, "dwell": None},
            {"by": 2},
            {"by": "ring_current", "reference": 200.0},
            {"by": 2},
        ]
        assert found[0]["options"].attrs["NX_class"] == "NXnote"
        assert found[0]["options/type"].asstr()[()] == "application/json"
        counts = h5["entry0/instrument/counter0/data"][()].reshape(h5["entry0/counter0/data"].shape)
        alive = counts / (1 - counts * 1e-7 / h5["entry0/counter0/count_time"][0])
        ratio = h5["entry0/counter0/data"][()] / alive
        np.testing.assert_allclose(ratio, 800 / h5["entry0/control/data"][()], rtol=1e-9)


def test_what_a_normalisation_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no 'ring_current' in its metadata; it has data_key"):
        exported("image-without-ring-current", tmp_path, [normalise()])


# -- runs, writers, processes ---------------------------------------------------------------------


class Mean:
    """Gathers the lines of a run and gives their mean at its end."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.energy = 0

    def __call__(self, coords: Any, data: Any, metadata: Any) -> Any:
        self.energy = coords.energy
        self.lines.append(data)
        return coords, data, metadata

    def finish(self) -> Any:
        return {"energy": self.energy, "channel": "mean"}, np.mean(self.lines, axis=0), {}


def test_each_run_has_processors_of_its_own(tmp_path: Path) -> None:
    mean = Mean()
    with h5py.File(exported(STACK, tmp_path, [mean])) as h5:
        counts = h5["entry0/counter0/data"][()]
        np.testing.assert_allclose(h5["entry0/processed/mean/data"], counts.mean(axis=1))
    assert mean.lines == []


def test_runs_that_join_a_file_are_processed_where_they_are_exported(tmp_path: Path) -> None:
    runs = scan_documents(REQUESTS[STACK])
    uid = runs[0][0][1]["uid"]
    for run in runs:
        export(run, tmp_path, first_uid=uid, processors=[double])
    path = finish_export(tmp_path, "{uid}", uid)
    with h5py.File(path) as h5, h5py.File(exported(STACK, tmp_path / "b", [double])) as other:
        np.testing.assert_array_equal(h5["entry0/counter0/data"], other["entry0/counter0/data"])
        assert h5["entry0/double/program"].asstr()[()] == "double"


def test_many_scans_are_processed_in_processes(tmp_path: Path) -> None:
    sources = []
    for i, name in enumerate((STACK, LINES)):
        sources.append(tmp_path / f"{i}.nxdocs")
        write_archive([d for run in scan_documents(REQUESTS[name]) for d in run], sources[-1])
    paths = export_scans(sources, tmp_path / "out", jobs=2, processors=[dead_time(1e-7)])
    for name, path in zip((STACK, LINES), paths, strict=True):
        with (
            h5py.File(path) as h5,
            h5py.File(exported(name, tmp_path / name, [dead_time(1e-7)])) as one,
        ):
            np.testing.assert_array_equal(h5["entry0/counter0/data"], one["entry0/counter0/data"])


def test_what_can_not_go_to_another_process_fails_by_name(tmp_path: Path) -> None:
    write_archive(
        [d for run in scan_documents(REQUESTS[LINES]) for d in run], tmp_path / "a.nxdocs"
    )
    with pytest.raises(ExportError, match=r"1 of 1 scans failed: .*(pickle|local)"):
        export_scans([tmp_path / "a.nxdocs"], tmp_path / "o", jobs=2, processors=[lambda *f: f])


def test_a_line_that_is_measured_again_is_processed_again(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS[POINTS])
    events = [i for i, (name, _) in enumerate(run) if name == "event"]
    again = []
    for i in events[3:8]:  # a rewind, as after a pause: other counts
        name, doc = run[i]
        key = next(k for k in doc["data"] if "counter" in k.lower() or "SIS" in k)
        again.append((name, {**doc, "data": {**doc["data"], key: doc["data"][key] + 1000}}))
    documents = [*run[: events[7] + 1], *again, *run[events[7] + 1 :]]
    plain = export_scan([documents], tmp_path / "a")
    doubled = export_scan([documents], tmp_path / "b", processors=[double])
    with h5py.File(plain) as a, h5py.File(doubled) as b:
        np.testing.assert_array_equal(b["entry0/counter0/data"], 2 * a["entry0/counter0/data"][()])
        assert a["entry0/counter0/data"][()].max() > 1000


def counter_of(event: Any) -> str:
    keys = [key for key, value in event["data"].items() if np.ndim(value) == 1]
    return next(key for key in keys if "counter" in key.lower() or "SIS" in key)


@pytest.mark.parametrize("size", [0, 1, 2, 99])
@pytest.mark.parametrize("name", [LINES, "image-snake-lines"])
def test_a_line_of_another_length_is_where_its_readings_are(
    name: str, size: int, tmp_path: Path
) -> None:
    """As of a scan that was aborted within a line."""
    [run] = scan_documents(REQUESTS[name])
    at = [i for i, (kind, doc) in enumerate(run) if kind == "event" and len(doc["data"]) < 10][-1]
    kind, event = run[at]
    key = counter_of(event)
    line = np.resize(np.asarray(event["data"][key]), size)
    run[at] = (kind, {**event, "data": {**event["data"], key: line}})
    plain = export_scan([run], tmp_path / "a")
    doubled = export_scan([run], tmp_path / "b", processors=[double])
    with h5py.File(plain) as a, h5py.File(doubled) as b:
        picture = a["entry0/counter0/data"][()]
        assert np.isnan(picture).sum() == max(picture.shape[1] - size, 0)
        np.testing.assert_array_equal(b["entry0/counter0/data"], 2 * picture)
        assert a["entry0"].attrs["complete"] == b["entry0"].attrs["complete"]


def test_a_number_beside_lines_is_that_of_all_their_points(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS[LINES])
    lines = [doc for kind, doc in run if kind == "event" and len(doc["data"]) < 10]
    key = counter_of(lines[0])
    documents = []
    for kind, doc in run:
        if kind == "descriptor" and key in doc["data_keys"]:
            said = {"dtype": "number", "shape": [], "source": "sim"}
            doc = {**doc, "data_keys": {**doc["data_keys"], "i0": said}}
        elif any(doc is line for line in lines):
            doc = {**doc, "data": {**doc["data"], "i0": 7.0 + doc["seq_num"]}}
        documents.append((kind, doc))
    devices = {"signal": key, "i0": "i0"}
    plain = export_scan([documents], tmp_path / "a", devices=devices)
    doubled = export_scan([documents], tmp_path / "b", devices=devices, processors=[double])
    with h5py.File(plain) as a, h5py.File(doubled) as b:
        raw = a["entry0/instrument/i0/data"][()]
        assert len(set(raw)) == len(lines)
        np.testing.assert_array_equal(b["entry0/i0/data"][()].ravel(), 2 * raw)


@pytest.mark.parametrize("name", [STACK, POINTS, CAMERA])
def test_frames_that_do_not_fit_into_memory_give_the_same_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = exported(name, tmp_path / "a", [double])
    monkeypatch.setattr("suitcase.nxstxm.nexus._staging.SPILL_BYTES", 1)
    spilled = exported(name, tmp_path / "b", [double])
    with h5py.File(usual) as a, h5py.File(spilled) as b:
        for path, picture in pictures(a).items():
            np.testing.assert_array_equal(b[path]["data"], picture)
        assert "staging" not in b


# -- errors ---------------------------------------------------------------------------------------


def failing(coords: Any, data: Any, metadata: Any) -> Any:
    if coords.sample_y == 2:
        raise ZeroDivisionError("no flux")
    return coords, data * 2.0, metadata


def test_an_export_raises_what_a_processor_raised_and_keeps_the_scan(tmp_path: Path) -> None:
    runs = scan_documents(REQUESTS[LINES])
    with pytest.raises(ZeroDivisionError, match="no flux") as caught:
        export_scan(runs, tmp_path, processors=[failing])
    assert caught.value.coordinates == {"sample_y": 2}  # type: ignore[attr-defined]
    assert [p.suffix for p in tmp_path.iterdir()] == [".tmp"]
    path = finish_export(tmp_path, "{uid}", runs[0][0][1]["uid"])
    with h5py.File(path) as h5:
        assert len(h5["entry0/instrument/counter0/data"]) > 0


def test_a_frame_is_stored_raw_if_asked_and_the_entry_says_so(tmp_path: Path) -> None:
    path = exported(LINES, tmp_path, [failing], on_error="store_raw")
    with h5py.File(path) as h5:
        picture = h5["entry0/counter0/data"][()]
        raw = h5["entry0/instrument/counter0/data"][()].reshape(picture.shape)
        factor = np.where(np.arange(len(picture)) == 2, 1.0, 2.0)[:, np.newaxis]
        np.testing.assert_array_equal(picture, factor * raw)
        told = messages(h5)
        assert "DataCoordinates(sample_y=2)" in told
        assert "as it came: ZeroDivisionError('no flux')" in told


@pytest.mark.parametrize("last", [False, True])
def test_a_serializer_raises_it_and_its_file_is_complete(tmp_path: Path, last: bool) -> None:
    [run] = scan_documents(REQUESTS[LINES])
    n_y = 4
    bad = n_y - 1 if last else 0

    def fail(coords: Any, data: Any, metadata: Any) -> Any:
        if coords.sample_y == bad:
            raise ZeroDivisionError("no flux")
        return coords, data * 2.0, metadata

    serializer = Serializer(tmp_path, processors=[fail])
    raised = []
    for name, doc in run:
        try:
            serializer(name, doc)
        except ZeroDivisionError as error:
            raised.append((name, error))
    assert len(raised) == 1
    assert raised[0][0] == "stop" or not last
    [path] = serializer.artifacts["stream_data"]
    assert path.suffix == ".hdf5"
    with h5py.File(path) as h5:
        picture = h5["entry0/counter0/data"][()]
        assert len(picture) == n_y
        assert np.isnan(picture[bad]).all()
        raw = h5["entry0/instrument/counter0/data"][()].reshape(picture.shape)
        keep = np.arange(n_y) != bad
        np.testing.assert_array_equal(picture[keep], 2.0 * raw[keep])
        assert "is left out: ZeroDivisionError" in messages(h5)
    data, _ = serializer.handler.get({"sample_y": bad})  # the frame as it came is not lost
    np.testing.assert_array_equal(data, raw[bad])


def test_an_error_ends_the_plan_of_a_run_engine_and_the_file_is_complete(tmp_path: Path) -> None:
    def always(*_frame: Any) -> Any:
        raise ZeroDivisionError("no flux")

    writers: list[Serializer] = []

    def factory(_name: str, _start: Any) -> Any:
        writers.append(Serializer(tmp_path, processors=[always]))
        return [writers[-1]], []

    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(RunRouter([factory]))
    scope = SimulatedMicroscope()
    with pytest.raises(ZeroDivisionError, match="no flux"):
        engine(image_plan(scope, x=(-2, 2, 5), y=(-1, 1, 30), motors=False))
    [path] = writers[0].artifacts["stream_data"]
    assert path.suffix == ".hdf5"
    with h5py.File(path) as h5:
        assert h5["entry0/collection/exit_status"].asstr()[()] == "fail"
        assert "is left out: ZeroDivisionError('no flux')" in messages(h5)
        assert 0 < len(h5["entry0/instrument/monochromator/energy"]) <= 150


def test_processors_come_with_the_runs(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS[LINES])
    uid = run[0][1]["uid"]
    export(run, tmp_path, first_uid=uid)
    with pytest.raises(ValueError, match="processors are given with each export of a run"):
        finish_export(tmp_path, "{uid}", uid, processors=[double])


class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, coords: Any, data: Any, metadata: Any) -> Any:
        return coords, data, metadata


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"processors": [3]}, "a processor is a function, not a int"),
        ({"processors": [same], "on_error": "ignore"}, "on_error 'ignore' is not one of"),
        ({"processors": [Locked()]}, "can not be copied .*each run needs one of its own"),
    ],
)
def test_options_that_make_no_sense_are_told_at_once(
    tmp_path: Path, options: Any, told: str
) -> None:
    with pytest.raises(Exception, match=told):
        exported(LINES, tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


# -- a real microscope's scans --------------------------------------------------------------------


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded scans in {FOLDER}")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_scans_go_through_a_dead_time(path: Path, tmp_path: Path) -> None:
    runs = [list(run.documents()) for run in stored_runs(path)]
    tau = 1e-9
    plain = export_scan(runs, tmp_path / "a")
    corrected = export_scan(runs, tmp_path / "b", processors=[dead_time(tau)])
    assert [p for p in validate(corrected) if p.level == "error"] == []
    with h5py.File(plain) as a, h5py.File(corrected) as b:
        n_changed = 0
        for name, counts in pictures(a).items():
            dwell = a[name]["count_time"][()]
            axes = [axis.decode() for axis in a[name].attrs["axes"]]
            if axes[0] == "energy":
                dwell = dwell.reshape(-1, *(1,) * (counts.ndim - 1))
            else:
                dwell = dwell[0]
            alive = 1 - counts * tau / dwell
            expected = np.where(alive > 0, counts / np.where(alive > 0, alive, 1), np.inf)
            expected[np.isnan(counts)] = np.nan
            np.testing.assert_allclose(b[name]["data"], expected, rtol=1e-12)
            n_changed += int((expected != counts).sum())
        assert n_changed
        for name, raw in lists(a).items():
            np.testing.assert_array_equal(lists(b)[name], raw)
