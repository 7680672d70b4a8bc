"""Without these tests a scan whose detector writes its own file would have an empty picture."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import grid_scan, scan_nd
from cycler import cycler

from suitcase.nxstxm import NXstxmError, NXstxmWriter, Serializer, export_scan, finish_export
from suitcase.nxstxm.documents import HeldFileError, read_archive
from suitcase.nxstxm.nexus import validate

from .killer import held
from .looking import Documents, looked_at, raw, told

pytest.importorskip("ophyd_async")
from ophyd_async.core import (
    StaticFilenameProvider,
    StaticPathProvider,
    TriggerInfo,
    init_devices,
)
from ophyd_async.sim import PatternGenerator, SimBlobDetector, SimPointDetector, SimStage

NY, NX = 4, 5
ROLES = {"sample_x": "stage-x", "sample_y": "stage-y", "camera": "det"}


class Scope:
    """A stage, a camera that writes HDF5, and a counter, of ophyd-async's own simulation."""

    def __init__(self, folder: Path) -> None:
        self.engine = RunEngine({}, context_managers=[], call_returns_result=False)
        self.file = folder / "blob.h5"
        pattern = PatternGenerator()
        where = StaticPathProvider(StaticFilenameProvider("blob"), folder)
        with init_devices():
            self.stage = SimStage(pattern, name="stage")
            self.det = SimBlobDetector(where, pattern, name="det")
            self.counter = SimPointDetector(pattern, name="counter")

    def fly(self, n: int = NY * NX, **md: Any) -> Any:
        about = {
            "motors": ["stage-y", "stage-x"], "shape": [NY, NX], "extents": [[0, 3], [0, 4]],
            "snaking": [False, True], "num_points": NY * NX, "plan_name": "fly", **md,
        }  # fmt: skip
        yield from bps.stage_all(self.det)
        yield from bps.open_run(about)
        yield from bps.prepare(self.det, TriggerInfo(number_of_events=n, livetime=0.01), wait=True)
        yield from bps.declare_stream(self.det, name="primary", collect=True)
        yield from bps.kickoff(self.det, wait=True)
        yield from bps.collect_while_completing(
            [self.det], [self.det], flush_period=0.05, stream_name="primary"
        )
        yield from bps.close_run()
        yield from bps.unstage_all(self.det)

    def step(self) -> Any:
        x, y = self.stage.x, self.stage.y
        return grid_scan([self.det, self.counter], y, 0, 0.2, 2, x, 0, 0.2, 3)

    def documents(self, plan: Any) -> Documents:
        documents: Documents = []
        self.engine(plan, lambda name, doc: documents.append((name, doc)))
        return documents


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    (tmp_path / "raw").mkdir()
    return Scope(tmp_path / "raw")


def snaked(values: Any) -> Any:
    image = np.array(values, float).reshape(NY, NX)
    image[1::2] = image[1::2, ::-1]
    return image


def test_a_scan_of_stream_documents_alone_is_an_image(scope: Scope, tmp_path: Path) -> None:
    documents = scope.documents(scope.fly())
    assert {name for name, _ in documents} == {
        "start", "descriptor", "stream_resource", "stream_datum", "stop"
    }  # fmt: skip
    path = export_scan(documents, tmp_path, devices=ROLES)
    looked_at(path, documents)
    frames = raw(scope.file)
    with h5py.File(path) as h5:
        picture = h5["entry0/det"]
        assert picture["stxm_scan_type"][0] == b"sample image"
        np.testing.assert_array_equal(picture["data"], snaked(frames.sum(axis=(1, 2))))
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"], frames)
        assert h5["entry0/instrument/det/data"].dtype == np.uint8
        np.testing.assert_array_equal(
            h5["entry0/collection/primary/det_sum/value"], frames.sum(axis=(1, 2), dtype=int)
        )
        assert h5["entry0"].attrs["complete"]
        assert "has no events" in told(h5)


def test_a_step_scan_has_scalars_and_frames(scope: Scope, tmp_path: Path) -> None:
    documents = scope.documents(scope.step())
    path = export_scan(documents, tmp_path, devices=ROLES)
    looked_at(path, documents)
    frames = raw(scope.file)
    counts = [doc["data"]["counter-channel-1-value"] for name, doc in documents if name == "event"]
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/det/data"], frames.sum(axis=(1, 2)).reshape(2, 3))
        name = next(n for n in h5["entry0/instrument"] if "channel_1" in n)
        np.testing.assert_array_equal(h5[f"entry0/instrument/{name}/data"], counts)


def test_a_scan_nd_with_a_shape_has_its_frames_where_they_belong(
    scope: Scope, tmp_path: Path
) -> None:
    """Diamond's step scans: motors in no order, a shape, and frames in the detector's file."""
    ys, xs = [0.0] * 3 + [0.1] * 3, [0.0, 0.1, 0.2, 0.2, 0.1, 0.0]
    walk = cycler(scope.stage.y, ys) + cycler(scope.stage.x, xs)
    plan = scan_nd([scope.det], walk, md={"plan_name": "spec_scan", "shape": (2, 3)})
    documents = scope.documents(plan)
    path = export_scan(documents, tmp_path, devices=ROLES)
    looked_at(path, documents)
    sums = raw(scope.file).sum(axis=(1, 2)).reshape(2, 3)
    sums[1] = sums[1, ::-1]
    with h5py.File(path) as h5:
        picture = h5["entry0/det"]
        assert picture["stxm_scan_type"][0] == b"sample image"
        np.testing.assert_array_equal(picture["data"], sums)
        np.testing.assert_allclose(picture["sample_x"], [0.0, 100.0, 200.0])  # um; read in mm
        np.testing.assert_allclose(picture["sample_y"], [0.0, 100.0])


@pytest.mark.parametrize("journal", [True, False])
def test_live_the_file_comes_when_the_detector_has_closed_its_own(
    journal: bool, scope: Scope, tmp_path: Path
) -> None:
    """The plan must go on for that: who waited for the file in its way would wait for ever."""
    with NXstxmWriter(tmp_path / "live", devices=ROLES, journal=journal) as writer:
        scope.engine.subscribe(writer)
        begun = time.monotonic()
        documents = scope.documents(scope.fly())
        assert time.monotonic() - begun < 8
        [path] = writer.wait(20)
    looked_at(path, documents)
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(
            h5["entry0/det/data"], snaked(raw(scope.file).sum(axis=(1, 2)))
        )
    assert [p.name for p in (tmp_path / "live").iterdir()] == [path.name]


@pytest.mark.parametrize("journal", [True, False])
def test_a_detector_that_never_closes_its_file_is_given_up(
    journal: bool,
    scope: Scope,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.documents._live_scans.HELD_PATIENCE", 0.5)
    documents = scope.documents(scope.fly())
    with held(scope.file):
        with NXstxmWriter(tmp_path / "live", devices=ROLES, journal=journal) as writer:
            for name, doc in documents:
                writer(name, doc)
        if journal:
            assert writer.paths == []
            assert "nxstxm recover" in caplog.text
            with pytest.raises(NXstxmError, match="still written"):
                _recover(tmp_path / "live")
        else:
            [path] = writer.paths
            with h5py.File(path) as h5:
                assert "still written by the detector" in told(h5)
                assert np.isnan(h5["entry0/det/data"][()]).all()
    if journal:
        [path] = _recover(tmp_path / "live")
        looked_at(path, documents)


def _recover(folder: Path) -> list[Path]:
    from suitcase.nxstxm import recover

    return recover(folder)


def test_an_export_of_a_file_that_is_still_written_is_told(scope: Scope, tmp_path: Path) -> None:
    documents = scope.documents(scope.fly())
    with held(scope.file), pytest.raises(HeldFileError, match="still written"):
        export_scan(documents, tmp_path)


def _gone(path: Path) -> None:
    path.unlink()


def _short(path: Path) -> None:
    with h5py.File(path, "r+") as h5:
        h5["entry/data/data"].resize(7, 0)


def _nothing(path: Path) -> None:
    path.write_bytes(b"nothing")


def _renamed(path: Path) -> None:
    with h5py.File(path, "r+") as h5:
        h5.move("entry/data/data", "entry/data/other")


DAMAGES: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "gone": (_gone, 20, "is not there"),
    "short": (_short, 13, "20 readings were announced"),
    "nothing": (_nothing, 20, "can not be read"),
    "renamed": (_renamed, 20, "has no dataset"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_can_not_be_read_is_missing_and_told(
    damage: str, scope: Scope, tmp_path: Path
) -> None:
    documents = scope.documents(scope.fly())
    harm, n_missing, message = DAMAGES[damage]
    harm(scope.file)
    path = export_scan(documents, tmp_path, devices=ROLES)
    looked_at(path, documents)
    with h5py.File(path) as h5:
        assert np.isnan(h5["entry0/det/data"]).sum() == n_missing
        assert message in told(h5)
        assert not h5["entry0"].attrs["complete"]
    with pytest.raises(NXstxmError, match=message):
        export_scan(documents, tmp_path / "fail", fill_or_fail=True)


def test_files_that_were_moved_are_found(scope: Scope, tmp_path: Path) -> None:
    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    shutil.move(scope.file.parent, tmp_path / "moved")
    roots = {str(scope.file.parent): str(tmp_path / "moved")}
    with h5py.File(export_scan(documents, tmp_path, devices=ROLES, root_map=roots)) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"], frames)


def test_runs_that_wait_for_others_bring_their_frames_with_them(
    scope: Scope, tmp_path: Path
) -> None:
    """The detector's file may be gone when the scan is finished."""
    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    uid = documents[0][1]["uid"]
    with Serializer(tmp_path, "x", first_uid=uid, devices=ROLES) as serializer:
        for name, doc in documents:
            serializer(name, doc)
    scope.file.unlink()
    path = finish_export(tmp_path, "x", uid)
    looked_at(path, documents)
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"], frames)


# -- links, virtual datasets, copies --------------------------------------------------------------


def kind_of(path: Path) -> str:
    with h5py.File(path) as h5:
        home = h5["entry0/instrument/det"]
        if isinstance(home.get("data", getlink=True), h5py.ExternalLink):
            return "link"
        return "vds" if home["data"].is_virtual else "copy"


@pytest.mark.parametrize(
    ("external", "kind"), [("auto", "link"), ("link", "link"), ("vds", "vds"), ("copy", "copy")]
)
def test_frames_may_stay_where_they_are(
    external: str, kind: str, scope: Scope, tmp_path: Path
) -> None:
    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    before = scope.file.read_bytes()
    path = export_scan(documents, tmp_path, devices=ROLES, external=external)
    looked_at(path, documents)
    assert kind_of(path) == kind
    assert scope.file.read_bytes() == before  # nothing is written into what is the detector's
    code = (
        "import sys, h5py, numpy as np\n"
        "with h5py.File(sys.argv[1]) as h5: np.save(sys.argv[2], h5['entry0/instrument/det/data'])"
    )
    # another program, in another folder, after all of it was moved
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    shutil.move(tmp_path, moved)
    out = moved / "read.npy"
    subprocess.run(
        [sys.executable, "-c", code, str(moved / path.name), str(out)], check=True, cwd="/"
    )
    np.testing.assert_array_equal(np.load(out), frames)
    with h5py.File(moved / path.name) as h5:
        np.testing.assert_array_equal(h5["entry0/det/data"], snaked(frames.sum(axis=(1, 2))))
        home = h5["entry0/instrument/det"]
        if kind != "copy":
            assert home.attrs["source_file"].tolist() == ["raw/blob.h5"]
            assert home.attrs["source_dataset"].tolist() == ["/entry/data/data"]
            assert home.attrs["source_rows"].tolist() == [[0, NY * NX]]
    shutil.move(moved, tmp_path)


def test_of_a_dataset_that_has_more_there_are_the_rows_of_the_scan(
    scope: Scope, tmp_path: Path
) -> None:
    """A link would show what another scan measured."""
    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    with h5py.File(scope.file, "r+") as h5:
        h5["entry/data/data"].resize(30, 0)
    path = export_scan(documents, tmp_path, devices=ROLES)
    looked_at(path, documents)
    assert kind_of(path) == "vds"
    with h5py.File(scope.file, "r+") as h5:
        h5["entry/data/data"].resize(40, 0)  # it grows
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"], frames)
    path = export_scan(documents, tmp_path / "link", devices=ROLES, external="link")
    assert kind_of(path) == "copy"
    with h5py.File(path) as h5:
        assert "no whole dataset of one file" in told(h5)


def test_runs_with_a_file_each_become_one_virtual_dataset(scope: Scope, tmp_path: Path) -> None:
    """A stack whose energies are runs of one scan."""
    runs, files = [], []
    for i in range(2):
        group = {"id": "stack", "index": i, "total": 2}
        md = {"scan_group": group, "num_points": NY * NX}
        runs.append(scope.documents(scope.fly(**md)))
        files.append(raw(scope.file))
        kept = scope.file.with_name(f"run{i}.h5")
        shutil.move(scope.file, kept)
        for name, doc in runs[-1]:
            if name == "stream_resource":
                doc["uri"] = f"file://localhost{kept}"
    path = export_scan([doc for run in runs for doc in run], tmp_path, devices=ROLES)
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        entries = [h5[name] for name in h5]
        lists = [entry["instrument/det/data"][()] for entry in entries]
    np.testing.assert_array_equal(np.concatenate(lists), np.concatenate(files))


@pytest.mark.parametrize("external", ["link", "vds", "copy"])
def test_readers_follow_to_the_frames(external: str, scope: Scope, tmp_path: Path) -> None:
    import nexusformat.nexus as nx
    import silx.io

    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    path = export_scan(documents, tmp_path, devices=ROLES, external=external)
    with silx.io.open(str(path)) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"][3], frames[3])
    root = nx.nxload(path)
    data = root["entry0/instrument/det/data"]
    np.testing.assert_array_equal(np.asarray(data[3]), frames[3])
    assert data.shape == frames.shape
    np.testing.assert_array_equal(np.asarray(data.nxdata), frames)
    assert root["entry0/det"].nxsignal.shape == (NY, NX)
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(path, engine="h5netcdf", group="entry0/det", phony_dims="sort") as ds:
        assert ds["data"].shape == (NY, NX)


def test_what_was_linked_and_is_gone_is_an_error_of_the_validator(
    scope: Scope, tmp_path: Path
) -> None:
    documents = scope.documents(scope.fly())
    path = export_scan(documents, tmp_path, devices=ROLES)
    scope.file.unlink()
    assert any("instrument/det/data" in p.path for p in validate(path) if p.level == "error")
    with h5py.File(path) as h5:  # the picture is there all the same
        assert np.isfinite(h5["entry0/det/data"]).all()


# -- documents by hand: other streams, other processes --------------------------------------------


def by_hand(streams: dict[str, tuple[Path, str, int, list[int]]], n: int) -> Documents:
    """Give a run with `n` events of a counter, and streams that only a file has readings of.

    A stream has a path, a dataset, so many rows, and the declared shape of a reading.
    """
    docs: Documents = [
        ("start", {"uid": "run", "time": 1.0, "scan_id": 1, "motors": ["x"], "num_points": n,
                   "hints": {"dimensions": [[["x"], "primary"]]}}),
        ("descriptor", {"uid": "p", "run_start": "run", "time": 2.0, "name": "primary",
                        "data_keys": {key: {"dtype": "number", "shape": [], "source": key}
                                      for key in ("x", "counter")},
                        "object_keys": {}, "configuration": {},
                        "hints": {"counter": {"fields": ["counter"]}}}),
    ]  # fmt: skip
    for name, (path, dataset, _, shape) in streams.items():
        docs += [
            ("descriptor", {"uid": name, "run_start": "run", "time": 2.0, "name": name,
                            "data_keys": {"ccd": {"dtype": "array", "shape": shape,
                                                  "source": "ccd", "external": "STREAM:"}},
                            "object_keys": {}, "configuration": {}, "hints": {}}),
            ("stream_resource", {"uid": f"file {name}", "run_start": "run", "data_key": "ccd",
                                 "mimetype": "application/x-hdf5",
                                 "uri": f"file://localhost{path}",
                                 "parameters": {"dataset": dataset}}),
        ]  # fmt: skip
    for i in range(n):
        data = {"x": float(i), "counter": 10.0 * i}
        docs.append(
            ("event", {"uid": f"e{i}", "descriptor": "p", "time": 3.0 + i, "seq_num": i + 1,
                       "data": data, "timestamps": dict.fromkeys(data, 3.0), "filled": {}})
        )  # fmt: skip
    for name, (_, _, rows, _) in streams.items():
        docs.append(
            ("stream_datum", {"uid": f"file {name}/0", "stream_resource": f"file {name}",
                              "descriptor": name, "seq_nums": {"start": 1, "stop": rows + 1},
                              "indices": {"start": 0, "stop": rows}})
        )  # fmt: skip
    docs.append(("stop", {"uid": "s", "run_start": "run", "time": 60.0, "exit_status": "success",
                          "reason": "", "num_events": {"primary": n}}))  # fmt: skip
    return docs


@pytest.mark.parametrize("external", ["auto", "copy"])
def test_exposures_and_darks_stand_beside_the_signal(external: str, tmp_path: Path) -> None:
    """Each stream of the camera has its own list, whatever its rate."""
    ccd = tmp_path / "ccd.h5"
    frames = np.arange(12 * 6 * 5, dtype=np.uint16).reshape(12, 6, 5)
    with h5py.File(ccd, "w") as h5:
        h5["long"], h5["short"], h5["dark"] = frames, frames[:6] + 1, frames[:2] + 2
    streams = {
        "exposures": (ccd, "long", 12, [1, 6, 5]),
        "short_exposures": (ccd, "short", 6, [1, 6, 5]),
        "darks": (ccd, "dark", 2, [1, 6, 5]),
    }
    path = export_scan(by_hand(streams, 4), tmp_path, external=external)
    looked_at(path, by_hand(streams, 4))
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/counter/data"], [0, 10, 20, 30])
        home = h5["entry0/collection"]
        for stream, wanted in (
            ("exposures", frames), ("short_exposures", frames[:6] + 1), ("darks", frames[:2] + 2)
        ):  # fmt: skip
            log = home[stream]["ccd"]
            np.testing.assert_array_equal(log["value"], wanted)
            is_link = isinstance(log.get("value", getlink=True), h5py.ExternalLink)
            assert is_link == (external == "auto")
            assert log["time"].shape == (len(wanted),)


STORED: dict[str, Any] = {
    "contiguous": {}, "chunked": {"chunks": (1, 6, 5)}, "may grow": {"maxshape": (None, 6, 5)},
    "compressed": {"compression": "gzip", "shuffle": True}, "big endian": {"dtype": ">u2"},
    "stacked": {"shape": (12, 1, 6, 5)},
}  # fmt: skip


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("kind", STORED)
def test_a_copy_has_the_frames_however_they_were_stored(
    kind: str, compression: str, tmp_path: Path
) -> None:
    ccd = tmp_path / "ccd.h5"
    frames = np.arange(12 * 6 * 5, dtype=np.uint16).reshape(12, 6, 5)
    with h5py.File(ccd, "w") as h5:
        options = {"shape": frames.shape, "dtype": frames.dtype, **STORED[kind]}
        h5.create_dataset("raw", data=frames.reshape(options["shape"]), **options)
        h5["raw"].attrs["secret"] = "of the detector"
    docs = by_hand({"exposures": (ccd, "raw", 12, [1, 6, 5])}, 4)
    for name, doc in docs:
        if name == "descriptor" and "ccd" in doc["data_keys"]:
            doc["data_keys"]["ccd"]["units"] = "counts"
    path = export_scan(docs, tmp_path, external="copy", compression=compression)
    looked_at(path, docs)
    ccd.unlink()
    with h5py.File(path) as h5:
        value = h5["entry0/collection/exposures/ccd/value"]
        assert (value.shape, value.dtype) == (frames.shape, frames.dtype)
        np.testing.assert_array_equal(value, frames)
        assert dict(value.attrs) == {"units": "counts"}
        assert h5["entry0/collection/exposures/ccd"].attrs["source_file"].tolist() == ["ccd.h5"]


SWMR = """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as h5:
    data = h5.create_dataset("data", (0, 6, 5), "f8", maxshape=(None, 6, 5), chunks=(1, 6, 5))
    h5.swmr_mode = True
    for i in range(4):
        data.resize(i + 1, 0)
        data[i] = i
        data.flush()
    print("written", flush=True)
    input()
"""


def test_a_file_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    ccd = tmp_path / "ccd.h5"
    with subprocess.Popen(
        [sys.executable, "-c", SWMR, str(ccd)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "written\n"
        documents = by_hand({"exposures": (ccd, "data", 4, [1, 6, 5])}, 4)
        copied = export_scan(documents, tmp_path / "copied", external="copy")
        with NXstxmWriter(tmp_path / "live", finish_timeout=20) as writer:
            for name, doc in documents:
                writer(name, doc)
            [linked] = writer.paths  # nobody has to wait for the detector
        mapped = export_scan(documents, tmp_path / "mapped", external="vds")
        process.stdin.write("\n")
        process.stdin.close()
        process.wait(10)
    for path in (copied, linked, mapped):
        with h5py.File(path) as h5:
            value = h5["entry0/collection/exposures/ccd/value"]
            np.testing.assert_array_equal(value[:, 0, 0], range(4))


# -- a process that is killed while it flies ------------------------------------------------------


FLY = """
import sys
from bluesky import RunEngine
from suitcase.nxstxm import NXstxmWriter
from suitcase.nxstxm.sim import FlyCamera, fly_image_plan

engine = RunEngine({}, context_managers=[], call_returns_result=False)
engine.subscribe(NXstxmWriter(sys.argv[1], devices={"camera": "camera"}))
camera = FlyCamera(sys.argv[2], shape=(16, 16), rate=100)
engine(fly_image_plan(camera, (-2, 2, 40), (-2, 2, 40)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_frames_of_a_killed_fly_scan_are_in_its_file(tmp_path: Path) -> None:
    folder, raw_folder = tmp_path / "data", tmp_path / "raw"
    with subprocess.Popen([sys.executable, "-c", FLY, str(folder), str(raw_folder)]) as process:
        deadline = time.monotonic() + 60
        while announced(folder) < 30:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    n = announced(folder)
    [file] = raw_folder.glob("*.h5")
    while True:  # the camera's own process ends when nobody talks to it any more
        try:
            frames = raw(file)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert len(frames) >= n
    [path] = _recover(folder)
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/camera/data"], frames[:n])
        assert np.isfinite(h5["entry0/camera/data"]).sum() == n
        assert not h5["entry0"].attrs["complete"]


def announced(folder: Path) -> int:
    """Count the frames of which the journal knows."""
    n = 0
    for path in folder.glob("*.journal/*.nxdocs"):
        with path.open("rb") as file:
            for name, doc in read_archive(file, partial=True):
                if name == "stream_datum":
                    n = max(n, doc["indices"]["stop"])
    return n


def test_a_file_of_ours_can_be_exported_again(scope: Scope, tmp_path: Path) -> None:
    """Its archive has the stream documents; the frames are read from where they are."""
    documents = scope.documents(scope.fly())
    first = export_scan(documents, tmp_path / "first", devices=ROLES)
    again = export_scan(first, tmp_path / "again", devices=ROLES, external="copy")
    looked_at(again, documents)
    with h5py.File(first) as h5, h5py.File(again) as other:
        for name in ("det/data", "instrument/det/data"):
            np.testing.assert_array_equal(h5["entry0"][name], other["entry0"][name])


def test_frames_in_files_go_through_processors(scope: Scope, tmp_path: Path) -> None:
    documents = scope.documents(scope.fly())
    frames = raw(scope.file)
    seen: list[dict[str, Any]] = []

    def brighter(coordinates: Any, data: Any, about: Any) -> Any:
        seen.append(dict(coordinates))
        return coordinates, data.astype(float) + 1, about

    path = export_scan(documents, tmp_path, devices=ROLES, processors=[brighter])
    looked_at(path, documents)
    places = [{"sample_y": i, "sample_x": j} for i in range(NY) for j in range(NX)]
    assert sorted(map(str, seen)) == sorted(map(str, places))
    with h5py.File(path) as h5:
        wanted = snaked((frames + 1.0).sum(axis=(1, 2)))
        np.testing.assert_array_equal(h5["entry0/det/data"], wanted)
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"], frames)


def in_primary(files: list[Path], spans: list[tuple[int, int, int, int]], n: int) -> Documents:
    """Give a run of `n` events whose camera wrote several files.

    A span is (number of the file, first sequence number, first row of the file, how many).
    """
    docs = by_hand({}, n)
    docs[1][1]["data_keys"]["ccd"] = {
        "dtype": "array", "shape": [1, 6, 5], "source": "ccd", "external": "STREAM:"
    }  # fmt: skip
    docs[1][1]["hints"] = {"ccd": {"fields": ["ccd"]}}
    told: Documents = []
    for i, path in enumerate(files):
        told.append(
            ("stream_resource", {"uid": f"f{i}", "run_start": "run", "data_key": "ccd",
                                 "mimetype": "application/x-hdf5",
                                 "uri": f"file://localhost{path}",
                                 "parameters": {"dataset": "data"}})
        )  # fmt: skip
    for number, (i, seq_num, row, count) in enumerate(spans):
        told.append(
            ("stream_datum", {"uid": f"d{number}", "stream_resource": f"f{i}", "descriptor": "p",
                              "seq_nums": {"start": seq_num, "stop": seq_num + count},
                              "indices": {"start": row, "stop": row + count}})
        )  # fmt: skip
    docs[-1:-1] = told
    return docs


SPANS: dict[str, tuple[list[tuple[int, int, int, int]], list[Any], str]] = {
    # file, sequence number, row, n; what each event saw: (file, row); kind of the list
    "two files": ([(0, 1, 0, 4), (1, 5, 0, 2)],
                  [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)], "vds"),
    "turns": ([(0, 1, 0, 2), (1, 3, 0, 2), (0, 5, 2, 2)],
              [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3)], "vds"),
    "rows left out": ([(0, 1, 1, 2), (1, 3, 1, 3), (0, 6, 3, 1)],
                      [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (0, 3)], "vds"),
    "an event without": ([(0, 1, 0, 2), (0, 4, 2, 2), (1, 6, 0, 1)],
                         [(0, 0), (0, 1), None, (0, 2), (0, 3), (1, 0)], "copy"),
    "told late": ([(1, 5, 0, 2), (0, 1, 0, 4)],
                  [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)], "vds"),
}  # fmt: skip


@pytest.mark.parametrize("row_by_row", [True, False])
@pytest.mark.parametrize("name", SPANS)
def test_rows_of_several_files_are_at_their_events(
    name: str, row_by_row: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not row_by_row:
        monkeypatch.setattr("suitcase.nxstxm.documents._virtual.MOST_ROW_BY_ROW", 5)
    files = [tmp_path / f"{i}.h5" for i in range(2)]
    frames = np.arange(2 * 4 * 6 * 5, dtype=float).reshape(2, 4, 6, 5)
    for path, some in zip(files, frames, strict=True):
        with h5py.File(path, "w") as h5:
            h5["data"] = some
    spans, saw, kind = SPANS[name]
    documents = in_primary(files, spans, 6)
    path = export_scan(documents, tmp_path)
    looked_at(path, documents)
    wanted = [np.full((6, 5), np.nan) if at is None else frames[at] for at in saw]
    with h5py.File(path) as h5:
        home = h5["entry0/instrument/ccd"]
        # an event of which no detector has a reading is in no list
        came = [frames[at] for at in saw if at is not None]
        np.testing.assert_array_equal(home["data"], came)
        np.testing.assert_array_equal(h5["entry0/ccd/data"], np.sum(wanted, axis=(1, 2)))
        assert ("vds" if home["data"].is_virtual else "copy") == kind
        if kind == "vds":
            assert len(home["data"].virtual_sources()) == (6 if row_by_row else len(spans))


def test_a_list_in_very_many_parts_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.nexus._linked.MOST_SOURCES", 3)
    files = [tmp_path / f"{i}.h5" for i in range(2)]
    frames = np.arange(2 * 4 * 6 * 5, dtype=float).reshape(2, 4, 6, 5)
    for path, some in zip(files, frames, strict=True):
        with h5py.File(path, "w") as h5:
            h5["data"] = some
    spans = [(i % 2, i + 1, i // 2, 1) for i in range(6)]
    with h5py.File(export_scan(in_primary(files, spans, 6), tmp_path, external="vds")) as h5:
        data = h5["entry0/instrument/ccd/data"]
        assert not data.is_virtual
        np.testing.assert_array_equal(data, [frames[i % 2, i // 2] for i in range(6)])


def test_a_reading_that_came_twice_is_the_last(tmp_path: Path) -> None:
    """A plan that was rewound measures its points again."""
    ccd = tmp_path / "0.h5"
    frames = np.arange(8 * 6 * 5, dtype=float).reshape(8, 6, 5)
    with h5py.File(ccd, "w") as h5:
        h5["data"] = frames
    documents = in_primary([ccd], [(0, 1, 0, 4), (0, 3, 4, 4)], 6)
    with h5py.File(export_scan(documents, tmp_path)) as h5:
        wanted = frames[[0, 1, 4, 5, 6, 7]].sum(axis=(1, 2))
        np.testing.assert_array_equal(h5["entry0/ccd/data"], wanted)
