"""Without these tests an ordinary device, a name or a folder could cost a whole run."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import count
from bluesky.preprocessors import baseline_wrapper
from ophyd import Signal

from suitcase.nxstxm import NXstxmError, recover
from suitcase.nxstxm._errors import NXstxmOSError, OptionError
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import EuXFELWriter, STXMScan, documents, export, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from .runs import Documents, array, folder_of, number, opened, problems, run_of
from .test_external import detector_file, streamed

BIN = Path(sys.executable).parent


def round_trip(run: Documents, home: Path, **options: Any) -> Path:
    """Write a run, and see that it is whole, for everybody."""
    folder = folder_of(export(run, home, **options))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    return folder


def test_a_signal_is_its_own_configuration(tmp_path: Path) -> None:
    docs: Documents = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    temperature, pressure = Signal(name="temperature", value=1.5), Signal(name="p", value=3)
    with EuXFELWriter(tmp_path / "live") as writer:
        engine.subscribe(writer)
        engine.subscribe(lambda name, doc: docs.append((name, doc)))
        engine(baseline_wrapper(count([temperature], 3), [pressure, temperature]))
    (folder,) = writer.paths
    assert difference(docs, list(documents(folder))) is None
    round_trip(docs, tmp_path / "exported")
    run = opened(folder)
    assert run["STXM/primary/temperature", "temperature.value"].ndarray().tolist() == [1.5] * 3
    assert run.get_run_value("STXM/baseline/p", "p.value") == 3


@pytest.mark.parametrize(
    "names", [("timestamp",), ("trainId", "pulseId"), ("image", "output", "output_2"), ("", "_")]
)
@pytest.mark.parametrize("together", [True, False])
def test_names_that_the_format_needs_itself(
    names: tuple[str, ...], together: bool, tmp_path: Path
) -> None:
    arrays = {name: np.arange(3.0) + i for i, name in enumerate(names)}
    run = run_of([arrays, arrays], {name: array(3) for name in names})
    if together:
        run[1][1]["object_keys"] = {"device": list(names)}
    folder = round_trip(run, tmp_path)
    found = [
        opened(folder)[source, key].ndarray()[0].tolist()
        for source in opened(folder).instrument_sources
        for key in opened(folder)[source].keys()  # noqa: SIM118 - not what it has
        if source.startswith("STXM") and key.startswith("data.") and "Id" not in key
        and opened(folder)[source, key].ndarray().ndim == 2
    ]  # fmt: skip
    for each in arrays.values():
        if not {"trainId", "pulseId"} & set(names):
            assert each.tolist() in found


def test_an_older_name_is_one_source_s_alone(tmp_path: Path) -> None:
    event = {"scaler": {"ch1": [1.0, 2.0], "ch2": [3.0, 4.0]}}
    run = run_of([event, event], {"scaler": array(2)})
    folder = round_trip(run, tmp_path, legacy={"X/C/1:output": "scaler"})
    assert "X/C/1:output" in opened(folder).instrument_sources
    with pytest.raises(OptionError, match="domain='BLUESKY'"):
        export(run, tmp_path / "other", domain="BLUESKY")


def test_programs_count_the_trains_of_the_measurement(tmp_path: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(7)], {"a": number()})
    folder = round_trip(run, tmp_path, trains_per_file=3, proposal=5)
    left = folder.parent / "r0002" / "RAW-R0002-DA01-S00000.tmp"
    left.parent.mkdir()
    left.write_bytes(b"")
    (left.parent / "RAW-R0002-DA01-S00001.h5").write_bytes(
        (folder / "RAW-R0001-DA01-S00000.h5").read_bytes()
    )
    for what, told in ((folder, "# of trains:    7"), (folder.parent, "Run of    7 trains")):
        done = subprocess.run(
            [BIN / "lsxfel", what], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        assert told in done.stdout


def test_frames_without_a_train_are_told(tmp_path: Path) -> None:
    frames = np.ones((8, 40, 60), np.uint16)
    run = streamed(detector_file(tmp_path / "detector", frames=frames), 4, n=8)
    folder = folder_of(export(run, tmp_path / "runs"))
    told = opened(folder).get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "cam: 4 readings in files of the detector have no train of their own" in told


def test_a_run_is_complete_without_what_stands_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usr = tmp_path / "p000005" / "usr"
    usr.parent.mkdir()
    usr.write_text("a file")
    run = run_of([{"a": 1.0}], {"a": number()})
    with caplog.at_level(logging.WARNING):
        folder = round_trip(run, tmp_path, proposal=5)
    assert "its aliases could not be written" in caplog.text
    with EuXFELWriter(tmp_path, proposal=5) as writer:
        for name, doc in run:
            writer(name, {**doc})
    assert [path.name for path in writer.paths] in ([], ["r0002"])
    assert recover(tmp_path) == []
    assert folder.is_dir()


def test_detectors_whose_first_rows_are_late_are_found(tmp_path: Path) -> None:
    (run,) = (list(run) for run in scan_documents(all_requests()["pystxm2019-sample_image-lines"]))
    whole = STXMScan(round_trip(run, tmp_path / "whole"))
    assert whole.detectors
    split = STXMScan(round_trip(run, tmp_path / "split", trains_per_file=2))
    assert split.detectors == whole.detectors


def test_a_run_that_is_not_complete_does_not_say_that_it_went_well(tmp_path: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(7)], {"a": number()})
    folder = round_trip(run, tmp_path, trains_per_file=3)
    (folder / "RAW-R0001-DA00-S00000.h5").unlink()
    (folder / ".unfinished-run-1").write_text("{}")
    *_, (name, stop) = documents(folder)
    assert (name, stop["exit_status"]) == ("stop", "abort")
    assert stop["reason"] == "the run is not complete"


@pytest.mark.parametrize("aggregator", ["DA00", "DA01"])
def test_a_file_that_is_damaged_is_one_clear_error(aggregator: str, tmp_path: Path) -> None:
    run = run_of([{"a": np.arange(20_000.0)}] * 2, {"a": array(20_000)})
    folder = round_trip(run, tmp_path)
    file = folder / f"RAW-R0001-{aggregator}-S00000.h5"
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(NXstxmError, match="can not be read") as told:
        list(documents(folder))
    assert isinstance(told.value, NXstxmOSError)


def test_the_number_of_a_scan_may_be_one_of_numpy(tmp_path: Path) -> None:
    for number_given, folder in ((np.int64(7), "r0007"), ("9", "r0001"), (True, "r0002")):
        run = run_of([{"a": 1.0}], {"a": number()}, scan_id=number_given)
        assert folder_of(export(run, tmp_path)).name == folder


def test_large_whole_numbers_are_not_rounded(tmp_path: Path) -> None:
    values = [2**53 + 1, 2**64 - 1]
    events = [{"big": value, "mixed": value if i else -1} for i, value in enumerate(values)]
    run = run_of(events, {"big": number(), "mixed": {**number(), "dtype": "integer"}})
    folder = round_trip(run, tmp_path)
    found = opened(folder)["STXM/primary/big", "big.value"].ndarray()
    assert found.tolist() == values
    text = opened(folder)["STXM/primary/mixed", "mixed.value"].ndarray()
    assert [str(each) for each in text] == ["-1", str(2**64 - 1)]


def test_configuration_is_what_it_was_when_the_run_began(tmp_path: Path) -> None:
    run = run_of([{"a": 1.0}, {"a": 2.0}], {"a": number()})
    told = {"data": {"gain": 1.0}, "timestamps": {"gain": 1.7e9}, "data_keys": {"gain": number()}}
    run[1][1]["configuration"] = {"a": told}
    later = {**run[1][1], "uid": "d2", "configuration": {"a": {**told, "data": {"gain": 2.0}}}}
    run.insert(3, ("descriptor", later))
    run[4] = ("event", {**run[4][1], "descriptor": "d2"})
    folder = round_trip(run, tmp_path)
    assert opened(folder).get_run_value("STXM/primary/a", "gain.value") == 1.0


def test_numbers_that_become_words_and_words_that_become_numbers(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [
        {"value": 1.0, "word": "x"}, {"value": 2.0, "word": "y"},
        {"value": "bad", "word": 2}, {"value": 4.0, "word": 3},
    ]  # fmt: skip
    run = run_of(events, {"value": number(), "word": {**number(), "dtype": "string"}})
    folder = round_trip(run, tmp_path, trains_per_file=2)
    found = opened(folder)
    values = found["STXM/primary/value", "value.value"].ndarray()
    assert values.tolist()[:2] == [1.0, 2.0]
    assert values.tolist()[3] == 4.0
    words = found["STXM/primary/word", "word.value"].ndarray()
    assert [str(each) for each in words] == ["x", "y", "2", "3"]
    told = found.get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "value was a number and is text at times" in told


def test_numbers_that_later_files_can_not_have_are_told(tmp_path: Path) -> None:
    """EXtra-data takes the dtype of the first file for all, and would cut 2.5 to 2."""
    values = [(1, 1.0), (2, 2.0), (2.5, 2**53 + 1), (4, 4), (5.5, 5.0)]
    run = run_of([{"i": i, "f": f} for i, f in values],
                 {"i": number(dtype="integer"), "f": number()})  # fmt: skip
    folder = round_trip(run, tmp_path, trains_per_file=2)
    found = opened(folder)
    assert found["STXM/primary/i", "i.value"].ndarray().tolist() == [1, 2, 2, 4, 4]
    assert found["STXM/primary/f", "f.value"].ndarray().tolist() == [1, 2, 2, 4, 5]
    told = found.get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "i was int64 and is float64 at times, which one dataset can not have" in told
    assert "its trains have the number before" in told
    assert "f was float64 and is int64 at times" in told


def test_validate_misses_the_files_behind_a_virtual_dataset(tmp_path: Path) -> None:
    frames = np.ones((4, 40, 60), np.uint16)
    detector = detector_file(tmp_path / "detector", frames=frames)
    run = streamed(detector, 4, n=4)
    folder = folder_of(export(run, tmp_path / "runs", external="vds"))
    assert validate(folder) == []
    moved = detector.rename(detector.with_name("away.h5"))
    (told,) = (problem for problem in validate(folder) if problem.level == "error")
    assert "cam.h5, which has rows of it, can not be read" in told.message
    detector_file(tmp_path / "detector", frames=frames)
    with h5py.File(detector, "a") as h5:
        del h5["entry/data/data"]
    (told,) = (problem for problem in validate(folder) if problem.level == "error")
    assert "has no entry/data/data" in told.message
    moved.replace(detector)
    assert validate(folder) == []


SCRIPT = """
import sys, time
from pathlib import Path
from suitcase.nxstxm.euxfel import Serializer
from tests.euxfel.runs import number, run_of

home, name = Path(sys.argv[1]), sys.argv[2]
for i in range(3):
    run = run_of([{"a": float(j)} for j in range(600)], {"a": number()})
    uid = f"{name}-{i}"
    for each, doc in run:
        doc |= {"uid": uid} if each == "start" else {}
        doc |= {"run_start": uid} if "run_start" in doc else {}
    with Serializer(home, proposal=5) as serializer:
        for j, (each, doc) in enumerate(run):
            serializer(each, doc)
            if j % 100 == 0:
                time.sleep(0.002)
"""


def test_processes_have_no_train_in_common(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path, name], cwd=root)
        for name in ("one", "two", "three")
    ]
    assert [writer.wait(100) for writer in writers] == [0, 0, 0]
    ids = [
        opened(folder).train_ids
        for folder in sorted((tmp_path / "p000005" / "raw").glob("r[0-9]*"))
    ]
    assert [len(each) for each in ids] == [600] * 9
    assert len({train for each in ids for train in each}) == 9 * 600
    assert all(each == sorted(each) for each in ids)


def test_ids_that_were_taken_and_not_used_are_given_back(tmp_path: Path) -> None:
    run = run_of([{"a": 1.0}, {"a": 2.0}], {"a": number()})
    one = opened(folder_of(export(run, tmp_path))).train_ids
    assert one == [17000000000, 17000000002]
    later = [(name, {**doc, "time": doc["time"] + 1.0} if "time" in doc else doc)
             for name, doc in run]  # fmt: skip
    two = opened(folder_of(export(later, tmp_path))).train_ids
    assert two == [17000000010, 17000000012]
    assert opened(folder_of(export(run, tmp_path))).train_ids == [17000000013, 17000000015]
