"""Without these tests runs that others wrote could not be exported, or would tell a lie."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import event_model
import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan, nexus
from suitcase.nxstxm.documents import difference, values_equal
from suitcase.nxstxm.euxfel import StoredRun, documents, export, runs_in, validate
from suitcase.nxstxm.exchange import scans_in
from suitcase.nxstxm.sim import all_requests, scan_documents

from .mock import mock_run
from .runs import Documents, arange, array, extra_data, folder_of, number, opened, run_of

make_examples = pytest.importorskip("extra_data.tests.make_examples")
base = pytest.importorskip("extra_data.tests.mockdata")
devices = pytest.importorskip("extra_data.tests.mockdata.base")
REQUESTS = all_requests()


def valid(told: Any) -> Documents:
    """Check documents against the schemas of event_model, and with its own books of a run."""
    found: Documents = []
    for name, doc in told:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(doc)
        found.append((name, doc))
    assert [name for name, _ in found].count("start") == 1
    assert found[-1][0] == "stop"
    return found


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mock_run(tmp_path_factory.mktemp("mock") / "r0005")


def test_a_run_of_others_is_told_as_it_is(mock: Path) -> None:
    found = valid(documents(mock))
    assert difference(found, list(documents(mock))) is None  # the same each time
    assert difference(found, list(documents(opened(mock)))) is None
    [start] = [doc for name, doc in found if name == "start"]
    assert start["plan_name"] == "euxfel"
    run = opened(mock)
    descriptors = [doc for name, doc in found if name == "descriptor"]
    assert descriptors[0]["name"] == "primary"
    for descriptor in descriptors:
        events = [d for n, d in found if n == "event" and d["descriptor"] == descriptor["uid"]]
        ids = [event["data"]["train_id"] for event in events]
        assert [event["seq_num"] for event in events] == list(range(1, len(events) + 1))
        for name, declared in descriptor["data_keys"].items():
            if name == "train_id":
                continue
            data = run[tuple(declared["source"].split(" "))]
            for event, train in itertools.islice(zip(events, ids, strict=True), 5):
                _, value = data.train_from_id(train)
                plain = value.decode() if isinstance(value, bytes) else value
                assert values_equal(event["data"][name], plain)
    x = descriptors[0]["data_keys"]["SM_MOTOR_X-actualPosition"]
    assert (x["units"], x["dtype"], x["dtype_numpy"]) == ("μm", "number", run["SM/MOTOR/X",
            "actualPosition"].dtype.str)  # fmt: skip


def test_it_becomes_a_file_that_is_valid(mock: Path, tmp_path: Path) -> None:
    """The motors are told to be those of the sample, which makes it an image."""
    roles = {"sample_x": "SM_MOTOR_X-actualPosition", "sample_y": "SM_MOTOR_Y-actualPosition"}
    path = export_scan(mock, tmp_path, devices=roles)
    assert [p for p in nexus.validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        found = h5["entry0/instrument/sample_x/data"][()]
    np.testing.assert_array_equal(np.ravel(found), np.tile(np.arange(5.0), 4))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("make_fxe_run", {"format_version": "1.2"}),
        ("make_scs_run", {}),
        ("make_remi_run", {}),
        ("make_jungfrau_run", {}),
        ("make_reduced_spb_run", {"format_version": "0.5"}),
        ("make_modern_spb_proc_run", {"format_version": "1.0"}),
    ],
)
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mock_runs_of_extra_data(name: str, options: Any, tmp_path: Path) -> None:
    getattr(make_examples, name)(str(tmp_path), **options)
    n_events = 0
    for kind, doc in documents(tmp_path):
        if kind != "event" or n_events < 3:
            event_model.schema_validators[event_model.DocumentNames[kind]].validate(doc)
        n_events += kind == "event"
        if n_events > 100:
            break
    assert n_events > 10
    errors = [p for p in validate(tmp_path) if p.level == "error"]
    assert len(errors) < 300  # and no exception


@pytest.mark.parametrize(
    "request_", ["pystxm2019-sample_image-points", "pystxm2019-sample_point_spectra-points"]
)
def test_what_extra_data_writes_of_our_runs(request_: str, tmp_path: Path) -> None:
    """Its `write` loses the archive with all else that is of the run; the readings stay."""
    run = scan_documents(REQUESTS[request_])[0]
    folder = folder_of(export(run, tmp_path))
    copy = tmp_path / "copy" / "r0001"
    copy.mkdir(parents=True)
    opened(folder).write(str(copy / "RAW-R0001-DA01-S00000.h5"))
    found = valid(documents(copy))
    names = {key for name, doc in found if name == "descriptor" for key in doc["data_keys"]}
    primary = next(d for n, d in run if n == "descriptor" and d["name"] == "primary")
    events = [d for n, d in run if n == "event" and d["descriptor"] == primary["uid"]]
    by_end = {name.rsplit("-", 1)[-1]: name for name in names if name.startswith("STXM_primary")}
    for key in primary["data_keys"]:
        safe = key.replace(":", "_").replace("-", "_")
        name = next(n for end, n in by_end.items() if n.replace("-", "_").endswith(safe))
        told = [doc["data"][name] for kind, doc in found if kind == "event" and name in doc["data"]]
        assert values_equal(told, [event["data"][key] for event in events])
    path = export_scan(copy, tmp_path / "nx")
    assert [p for p in nexus.validate(path) if p.level == "error"] == []


def test_folders_of_runs_are_sources(tmp_path: Path) -> None:
    runs = [scan_documents(REQUESTS[name])[0] for name in list(REQUESTS)[:3]]
    for run in runs:
        export(run, tmp_path, proposal=4)
    for path in (tmp_path / "p000004", tmp_path / "p000004" / "raw"):
        found = [run.uid for scan in scans_in(path) for run in scan.runs]
        assert sorted(found) == sorted(run[0][1]["uid"] for run in runs)
    one = runs_in(tmp_path / "p000004" / "raw" / "r0001")
    assert [type(run) for run in one] == [StoredRun]
    assert runs_in(tmp_path / "none") == []
    again = export_scan(one, tmp_path / "again")
    once = export_scan(list(one[0].documents()), tmp_path / "once")
    whole = [list(nexus.read_documents(path, one[0].uid)) for path in (again, once)]
    assert difference(*whole) is None
    by_client = export_scan(opened(tmp_path / "p000004" / "raw" / "r0001"), tmp_path / "client")
    assert by_client.exists()


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(NXstxmError, match="is no folder of a run"):
        list(documents(tmp_path / "none"))
    with pytest.raises(NXstxmError, match=r"has no files \*\.h5"):
        list(documents(tmp_path))
    (tmp_path / "RAW-R0001-DA01-S00000.h5").write_text("x")
    with pytest.raises(NXstxmError, match="can not open"):
        list(documents(tmp_path))


def test_a_run_without_trains(tmp_path: Path) -> None:
    folder = folder_of(export(run_of([], {"a": number()}), tmp_path))
    (folder / "RAW-R0001-DA00-S00000.h5").rename(folder / "RAW-R0001-DA05-S00000.h5")
    found = valid(documents(folder))
    assert [name for name, _ in found] == ["start", "descriptor", "stop"]
    told = found[1][1]["configuration"]
    assert told["BLUESKY_RUN_START"]["data"]["plan_name"] == "by hand"
    assert "archive" not in told["BLUESKY_RUN_DOCUMENTS"]["data"]
    assert found[-1][1]["num_events"] == {"primary": 0}


def test_trains_without_times(tmp_path: Path) -> None:
    run = run_of([{"a": float(i), "cam": arange(3, 4)} for i in range(3)],
                 {"a": number(), "cam": array(3, 4)})  # fmt: skip
    folder = folder_of(export(run, tmp_path))
    (folder / "RAW-R0001-DA00-S00000.h5").unlink()
    (folder / "karabo_data_map.json").unlink()
    with h5py.File(folder / "RAW-R0001-DA01-S00000.h5", "r+") as h5:
        del h5["INDEX/timestamp"]
    found = valid(documents(folder))
    times = [doc["time"] for name, doc in found if name == "event"]
    assert times == [int(10 * (1.7e9 + i / 4)) / 10 for i in range(3)]
    assert extra_data is not None


# -- what else there may be -----------------------------------------------------------------------


def test_a_run_of_ours_comes_back_from_what_extra_data_opened(tmp_path: Path) -> None:
    run = run_of([{"a": float(i), "cam": arange(3, 4)} for i in range(5)],
                 {"a": number(), "cam": array(3, 4)}, scan_id=7)  # fmt: skip
    home = tmp_path / "STXM" / "202601"
    folder = folder_of(export(run, home, trains_per_file=2, proposal=4))
    whole = opened(folder)
    assert difference(run, list(documents(whole))) is None
    assert difference(run, list(documents(extra_data.open_run(home / "p000004", 7)))) is None
    assert difference(run, list(StoredRun(whole).documents())) is None
    # of a selection only what is in it can be said
    source = "STXM/primary/a"
    for part in (whole.select(source), whole.select_trains(np.s_[1:3]), whole.deselect(source),
                 extra_data.H5File(folder / "RAW-R0007-DA01-S00000.h5")):  # fmt: skip
        found = valid(documents(part))
        assert found[0][1]["plan_name"] == "euxfel"
        assert difference(run, found) is not None
    assert sum(name == "event" for name, _ in documents(whole.select(source))) == 5
    other = folder_of(export(run, home, proposal=4))
    both = whole.union(opened(other))
    assert sum(doc.get("plan_name") == "by hand" for _, doc in documents(both)) == 0


def test_a_part_of_a_run_of_ours_does_not_say_that_it_went_well(tmp_path: Path) -> None:
    folder = folder_of(export(run_of([{"a": 1.0}] * 3, {"a": number()}), tmp_path))
    (folder / "RAW-R0001-DA00-S00000.h5").unlink()
    (folder / "karabo_data_map.json").unlink()
    (folder / ".unfinished-run-1").write_text("{}")
    *_, (name, stop) = documents(opened(folder))
    assert (name, stop["exit_status"]) == ("stop", "abort")


def written(folder: Path, *mocks: Any, n: int = 6) -> Path:
    """Write a run of a detector's program; give its file."""
    folder.mkdir(parents=True)
    path = folder / "RAW-R0005-DA01-S00000.h5"
    base.write_file(str(path), mocks, n, chunksize=10, format_version="1.2")
    return path


def motor(name: str, **more: Any) -> Any:
    device = devices.DeviceBase(name, **more)
    device.control_keys = [("position", "f8", ()), ("speed", "f8", ())]
    device.extra_run_values = [("classId", None, "BigMotor")]
    return device


def state(name: str) -> Any:
    """Give a device that never says anything after the run began."""
    device = devices.DeviceBase(name)
    device.extra_run_values = [("classId", None, "StateMachine"), ("hw/gain", "f8", 2.5),
                               ("offsets", "i4", [1, 2, 3], (3,))]  # fmt: skip
    return device


def test_sources_that_have_values_of_the_run_alone_are_configuration(tmp_path: Path) -> None:
    path = written(tmp_path / "r0005", motor("SM/MOTOR/X"), state("SM/STATE/1"))
    with h5py.File(path, "r+") as h5:
        h5["RUN/SM/STATE/1/hw/gain/timestamp"][0] = 1_600_000_000_250_000_000
    run = opened(path.parent)
    assert run["SM/STATE/1"].is_run_only
    found = valid(documents(path.parent))
    [descriptor] = [doc for name, doc in found if name == "descriptor"]
    told = descriptor["configuration"]["SM_STATE_1"]
    assert told["data"] == {"classId": "StateMachine", "hw-gain": 2.5, "offsets": [1, 2, 3]}
    assert told["timestamps"] == {"classId": 0.0, "hw-gain": 1.6e9 + 0.25, "offsets": 0.0}
    assert told["data_keys"]["hw-gain"] == {"source": "SM/STATE/1 hw.gain", "dtype": "number",
                                            "shape": []}  # fmt: skip
    assert told["data_keys"]["offsets"]["shape"] == [3]
    assert descriptor["object_keys"]["SM_STATE_1"] == []
    assert descriptor["configuration"]["SM_MOTOR_X"]["data"] == {"classId": "BigMotor"}
    # what was read of it is what is written again
    again = folder_of(export(found, tmp_path / "again"))
    assert opened(again).get_run_value("STXM/primary/SM_STATE_1", "hw-gain.value") == 2.5
    assert difference(found, list(documents(again))) is None
    nx = export_scan(path.parent, tmp_path / "nx")
    assert [p for p in nexus.validate(nx) if p.level == "error"] == []


def test_a_device_without_trains_keeps_its_values(tmp_path: Path) -> None:
    """It was there when the run began, and then saved nothing."""
    silent = motor("SM/MOTOR/Y", no_ctrl_data=True)
    path = written(tmp_path / "r0005", motor("SM/MOTOR/X"), silent)
    with h5py.File(path, "r+") as h5:
        h5["RUN/SM/MOTOR/Y/position/value"][0] = 12.5
    [descriptor] = [doc for name, doc in valid(documents(path.parent)) if name == "descriptor"]
    told = descriptor["configuration"]["SM_MOTOR_Y"]["data"]
    assert told == {"classId": "BigMotor", "position": 12.5, "speed": 0.0}
    assert not any("MOTOR_Y" in key for key in descriptor["data_keys"])


def test_when_values_were_read_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "r0005", motor("SM/MOTOR/X"))
    read = 1_700_000_000_000_000_000 + np.arange(6) * 10_000_000
    read[0] = 0  # nobody knows
    with h5py.File(path, "r+") as h5:
        h5["CONTROL/SM/MOTOR/X/position/timestamp"][:] = read
        times = h5["INDEX/timestamp"][:6] / 1e9
        del h5["CONTROL/SM/MOTOR/X/speed/timestamp"]
    found = [doc for name, doc in valid(documents(path.parent)) if name == "event"]
    for i, event in enumerate(found):
        stamps = event["timestamps"]
        assert event["time"] == pytest.approx(times[i], abs=1e-6)
        told = event["time"] if i == 0 else read[i] / 1e9
        assert stamps["SM_MOTOR_X-position"] == pytest.approx(told, abs=1e-6)
        assert stamps["SM_MOTOR_X-speed"] == stamps["train_id"] == event["time"]
    assert len(found) == 6


def test_suspect_trains_are_told(tmp_path: Path) -> None:
    """As for EXtra-data they are there, unless whoever opens the run says otherwise."""
    path = written(tmp_path / "r0005", motor("SM/MOTOR/X"))
    with h5py.File(path, "r+") as h5:
        h5["INDEX/flag"][[1, 4]] = 0
    found = valid(documents(path.parent))
    events = [doc for name, doc in found if name == "event"]
    assert [event["data"]["train_flag"] for event in events] == [1, 0, 1, 1, 0, 1]
    assert found[0][1]["euxfel"]["suspect_trains"] == 2
    assert found[1][1]["data_keys"]["train_flag"]["source"] == "INDEX/flag"
    good = extra_data.RunDirectory(path.parent, inc_suspect_trains=False, parallelize=False)
    found = valid(documents(good))
    events = [doc for name, doc in found if name == "event"]
    assert [event["data"]["train_id"] for event in events] == [10000, 10002, 10003, 10005]
    assert "train_flag" not in events[0]["data"]
    assert "suspect_trains" not in found[0][1]["euxfel"]


def test_a_train_may_be_suspect_in_one_file_and_good_in_another(tmp_path: Path) -> None:
    path = written(tmp_path / "r0005", motor("SM/MOTOR/X"))
    second = path.with_name("RAW-R0005-DA02-S00000.h5")
    base.write_file(str(second), [motor("SM/MOTOR/Y")], 4, chunksize=10,
                    format_version="1.2")  # fmt: skip
    with h5py.File(second, "r+") as h5:
        h5["INDEX/flag"][2] = 0
    found = valid(documents(path.parent))
    assert found[0][1]["euxfel"]["suspect_trains"] == 1
    flags = {}
    for descriptor in (doc for name, doc in found if name == "descriptor"):
        events = [d for n, d in found if n == "event" and d["descriptor"] == descriptor["uid"]]
        flags[len(events)] = [event["data"].get("train_flag") for event in events]
    assert flags == {6: [None] * 6, 4: [1, 1, 0, 1]}
