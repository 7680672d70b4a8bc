"""Without these tests something that people do with EXtra-data would fail with our runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.documents import difference, stored_runs
from suitcase.nxstxm.euxfel import documents, export, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from ..exchange.broken import RECORDED
from .runs import (
    Documents,
    arange,
    array,
    extra_data,
    folder_of,
    number,
    opened,
    problems,
    run_of,
    stream_of,
)
from .test_external import detector_file, streamed

pd = pytest.importorskip("pandas")
REQUESTS = all_requests()
BIN = Path(sys.executable).parent


def _requested(name: str) -> Callable[[Path], list[Documents]]:
    return lambda _: scan_documents(REQUESTS[name])


def _camera(_: Path) -> list[Documents]:
    keys = {"a": number(units="um"), "cam": array(64, 50)}
    return [run_of([{"a": float(i), "cam": arange(64, 50) + i} for i in range(7)], keys)]


def _files(folder: Path) -> list[Documents]:
    return [streamed(detector_file(folder / "detector"))]


def _streams(_: Path) -> list[Documents]:
    run = run_of([{"a": float(i), "t": f"t{i}"} for i in range(9)],
                 {"a": number(units="mm"), "t": number(dtype="string")})  # fmt: skip
    run = stream_of(run, "baseline", [{"temperature": 293.0 + i} for i in range(2)],
                    [1.7e9 - 1, 1.7e9 + 50], temperature=number(units="K"))  # fmt: skip
    run = stream_of(run, "dark", [{"cam": arange(9, 9) * i} for i in range(3)],
                    [1.7e9 + 3 + i for i in range(3)], cam=array(9, 9))  # fmt: skip
    return [stream_of(run, "ring_monitor", [{"ring": 200.0 - i} for i in range(5)],
                      [1.7e9 + 0.4 * i for i in range(5)], ring=number(units="mA"))]  # fmt: skip


#: A scan of each kind that people have.
SCANS: dict[str, Callable[[Path], list[Documents]]] = {
    "step scan": _requested("pystxm2019-sample_image-points"),
    "line fly scan": _requested("pystxm2019-sample_image-lines"),
    "stack": _requested("pystxm2019-sample_image_stack-lines"),
    "area detector": _camera,
    "files of a detector": _files,
    "monitors and several streams": _streams,
    "channels": lambda _: [
        scan_documents(REQUESTS[f"pystxm-channels-{name}"])[0]
        for name in ("lines", "point-spectra")
    ],
    "aborted": _requested("image-aborted-before-the-first-line"),
    "no events": lambda _: [run_of([], {"a": number()})],
}


#: Recorded scans that have lines, which are lists.
WITH_LINES = {"SAMPLE_IMAGE", "SAMPLE_IMAGE_STACK", "SAMPLE_LINE_SPECTRA", "TOMOGRAPHY_SCAN"}


class Case:
    """The runs of a scan, as folders and as documents."""

    def __init__(self, runs: list[Documents], home: Path, **options: Any) -> None:
        self.runs = runs
        self.home = home
        self.folders = [folder_of(export(run, home, proposal=900001, **options)) for run in runs]
        self.pairs = list(zip(self.folders, runs, strict=True))


@pytest.fixture(scope="module", params=[*SCANS])
def case(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Case:
    top = tmp_path_factory.mktemp("clients")
    return Case(SCANS[request.param](top), top / "STXM" / "202601")


def where_is(folder: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Find where the readings of each stream and data key are, by what the files say."""
    found: dict[tuple[str, str], tuple[str, str]] = {}

    def note(name: str, node: Any) -> None:
        stream, key = node.attrs.get("bluesky_stream"), node.attrs.get("bluesky_key")
        if stream is None:
            return
        parts = name.split("/")
        if isinstance(node, h5py.Dataset):
            found[stream, key] = "/".join(parts[:-2]), ".".join(parts[-2:])
        else:
            found.setdefault((stream, key), ("/".join(parts[:-1]), f"{parts[-1]}.value"))

    for path in folder.glob("*-S00000.h5"):
        with h5py.File(path) as h5:
            h5["CONTROL"].visititems(note)
            h5["INSTRUMENT"].visititems(note)
    return found


def readings(run: Documents) -> Iterator[tuple[str, str, list[Any], list[dict[str, Any]]]]:
    """Give each stream and data key, or channel of one, its readings, and their events."""
    streams: dict[str, list[str]] = {}
    declared: dict[str, set[str]] = {}
    for name, doc in run:
        if name == "descriptor":
            streams.setdefault(doc["name"], []).append(doc["uid"])
            declared.setdefault(doc["name"], set()).update(doc["data_keys"])
    for stream, uids in streams.items():
        events = [doc for name, doc in run if name == "event" and doc["descriptor"] in uids]
        for key in sorted(declared[stream]):
            values = [event["data"][key] for event in events if key in event["data"]]
            if len(values) == len(events) and values:
                for name, its in channels(key, values):
                    yield stream, name, its, events


def channels(key: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Give the readings of a data key; of one with channels those that each reading has."""
    if not isinstance(values[0], dict):
        yield key, values
        return
    found: dict[str, list[Any]] = {}
    for value in values:
        for channel, each in value.items():
            name = str(channel).partition("-spid-")[0]
            found.setdefault(f"{key}/{name}", []).append(each)
    yield from ((name, its) for name, its in found.items() if len(its) == len(values))


def each_reading(case: Case) -> Iterator[tuple[Any, str, str, list[Any], list[dict[str, Any]]]]:
    for folder, run in case.pairs:
        run_, where = opened(folder), where_is(folder)
        for stream, key, values, events in readings(run):
            if (stream, key) in where:
                yield run_, *where[stream, key], values, events


def joined(values: list[Any], data: Any) -> np.ndarray[Any, Any]:
    """Give readings as a dataset has them: pulses one after the other."""
    found = np.asarray(values) if isinstance(values[0], str) else np.stack(values)
    return found.reshape(-1, *data.entry_shape) if found.size else found


def test_the_checks_find_nothing(case: Case) -> None:
    for folder, run in case.pairs:
        assert problems(folder) == []
        assert validate(folder) == []
        assert difference(run, list(documents(folder))) is None


def test_version_1_2_is_valid_too(case: Case, tmp_path: Path) -> None:
    for folder in Case(case.runs, tmp_path, version="1.2").folders:
        assert problems(folder) == []
        assert validate(folder) == []


def test_arrays_and_tables(case: Case) -> None:
    import dask.array as da
    import xarray

    for run, source, key, values, _ in each_reading(case):
        data = run[source, key]
        wanted = joined(values, data)
        if len(data.drop_empty_trains().train_ids) == len(values):  # else of a monitor
            np.testing.assert_array_equal(data.ndarray(), wanted)
        assert key in run.keys_for_source(source)
        labelled = data.xarray()
        assert isinstance(labelled, xarray.DataArray)
        np.testing.assert_array_equal(labelled.values, data.ndarray())
        lazy = data.dask_array()
        assert isinstance(lazy, da.Array)
        if data.dtype.kind != "O":
            np.testing.assert_array_equal(lazy.compute(), data.ndarray())
        if not data.entry_shape:
            series = data.series()
            np.testing.assert_array_equal(series.to_numpy(), data.ndarray())
            assert isinstance(series, pd.Series)


def test_dataframes(case: Case) -> None:
    for folder, run in case.pairs:
        where, run_ = where_is(folder), opened(folder)
        keys = [(s, k) for s, k, values, _ in readings(run)
                if (s, k) in where and np.ndim(values[0]) == 0 and s == "primary"]  # fmt: skip
        fields = [where[each] for each in keys]
        if fields:
            frame = run_.get_dataframe(fields)
            for (source, key), _ in zip(fields, keys, strict=True):
                column = f"{source}/{key.removesuffix('.value')}"
                np.testing.assert_array_equal(
                    frame[column].dropna().to_numpy(), run_[source, key].ndarray()
                )


def test_trains_and_selections(case: Case) -> None:
    for run, source, key, values, events in each_reading(case):
        data = run[source, key].drop_empty_trains()
        ids = list(data.train_ids)
        if len(ids) != len(values):
            continue
        middle = len(ids) // 2
        one = run.select(source, key).select_trains(extra_data.by_id[[ids[middle]]])
        np.testing.assert_array_equal(
            np.ravel(one[source, key].ndarray()), np.ravel(np.asarray(values[middle]))
        )
        parts = list(data.split_trains(parts=min(3, len(ids))))
        np.testing.assert_array_equal(
            np.concatenate([part.ndarray() for part in parts]), data.ndarray()
        )
        train, found = run.select(source, key).train_from_id(ids[0])
        assert train == ids[0]
        plain = found[source][key]
        plain = plain.decode() if isinstance(plain, bytes) else plain
        np.testing.assert_array_equal(np.ravel(plain), np.ravel(values[0]))
        assert ids == sorted(set(ids))
        times = run.select(source, key, require_all=True).train_timestamps()
        told = [event["time"] for event in events]
        np.testing.assert_allclose(times.astype(np.int64) / 1e9, told, atol=1e-6)
        if key.endswith(".value") and len({*map(str, values)}) == 1 and data.dtype.kind == "f":
            assert data.as_single_value() == values[0]


def test_units_and_what_the_run_says(case: Case) -> None:
    for folder, run in case.pairs:
        run_, where = opened(folder), where_is(folder)
        start = run[0][1]
        metadata = run_.run_metadata()
        assert metadata["blueskyUid"] == start["uid"]
        assert metadata["proposalNumber"] == 900001
        assert f"r{metadata['runNumber']:04d}" == folder.name
        assert run_.get_run_value("BLUESKY/RUN/START", "uid.value") == start["uid"]
        assert run_.get_run_value("BLUESKY/RUN/STOP", "uid.value") == run[-1][1]["uid"]
        for source in run_.control_sources:
            values = run_.get_run_values(source)
            for key in run_[source].keys(inc_timestamps=False):
                found = run_[source, f"{key}.value"].ndarray()
                if len(found):
                    np.testing.assert_array_equal(values[f"{key}.value"], found[0])
        for name, doc in run:
            if name != "descriptor":
                continue
            for key, declared in doc["data_keys"].items():
                if (doc["name"], key) in where and declared.get("units"):
                    data = run_[where[doc["name"], key]]
                    told = data.units.replace("μ", "u")
                    assert told in (declared["units"], "um", "s", "deg")
                    assert data.xarray().attrs.get("units") == data.units


def test_what_people_print_and_draw(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    for folder, _ in case.pairs:
        run = opened(folder)
        run.info(details_for_sources="*", counts=True)
        assert "BLUESKY/RUN/START" in capsys.readouterr().out
        if len(run.train_ids):
            run.train_info(run.train_ids[0])
            run.plot_missing_data()
            import matplotlib.pyplot as plt

            plt.close("all")


def test_copies_hold_the_same(case: Case, tmp_path: Path) -> None:
    for number_, (folder, _) in enumerate(case.pairs):
        run = opened(folder)
        if not len(run.train_ids):
            continue
        plain, virtual = tmp_path / f"plain{number_}.h5", tmp_path / f"virtual{number_}.h5"
        run.write(str(plain))
        run.write_virtual(str(virtual))
        for path in (plain, virtual):
            again = extra_data.H5File(str(path))
            again.info()
            for source in run.all_sources:
                for key in run.keys_for_source(source):
                    np.testing.assert_array_equal(
                        again[source, key].ndarray(), run[source, key].ndarray()
                    )


def test_virtual_overviews(case: Case) -> None:
    from extra_data import voview

    for folder, _ in case.pairs:
        voview.main([str(folder), "--overview-file", str(folder / "overview.h5")])
        run = extra_data.RunDirectory(str(folder))
        assert any(file.is_voview for file in run.files)
        for source in run.control_sources:
            run.get_run_values(source)
        del run
        (folder / "overview.h5").unlink()


def stored(files: list[Path]) -> tuple[set[str], set[int]]:
    """Give the sources and the trains that files have, by what is in them."""
    sources: set[str] = set()
    trains: set[int] = set()
    for path in files:
        with h5py.File(path) as h5:
            for name in h5["METADATA/dataSources/dataSourceId"].asstr()[()]:
                root, _, source = name.partition("/")
                sources.add(source.rsplit("/", 1)[0] if root == "INSTRUMENT" else source)
            trains.update(h5["INDEX/trainId"][()].tolist())
    return sources, trains


def said(*command: str | Path) -> str:
    """Run a program, which must end well, and give what it prints."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_programs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, run = case.pairs[0]
    proposal = folder.parents[1]
    files = sorted(folder.glob("*.h5"))
    for what, its in ((folder, files), (files[0], files[:1]), (files[-1], files[-1:])):
        sources, trains = stored(its)
        told = said("lsxfel", what, "--detail", "*", "-g")
        assert f"# of trains:    {len(trains)}" in told
        assert {*re.findall(r"^  - (?:\[\w+\] )?(\S+)", told, re.MULTILINE)} == sources
        if trains:
            assert f"First train ID: {min(trains)}" in told
            assert f"Last train ID:  {max(trains)}" in told
        assert "No problems found" in said("extra-data-validate", what)
    # the first file has the trains of the measurement, which is what lists of runs show
    streams = {doc["uid"]: doc["name"] for name, doc in run if name == "descriptor"}
    n = sum(name == "event" and streams[doc["descriptor"]] == "primary" for name, doc in run)
    for what in (proposal, proposal / "raw"):
        found = re.search(r"r\d{4} : Run of +(\d+) trains, with +(\d+)", said("lsxfel", what))
        assert found is not None
        assert [int(each) for each in found.groups()] == [n, 0]
    by_path = extra_data.open_run(str(proposal), int(folder.name[1:]))
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(case.home.parents[1]))
    by_number = extra_data.open_run(900001, int(folder.name[1:]))
    assert by_path.all_sources == by_number.all_sources == opened(folder).all_sources
    assert by_path.all_sources == stored(files)[0]


def test_programs_tell_of_damage(tmp_path: Path) -> None:
    """So that a program that says there is none has looked."""
    folder = Case(_camera(tmp_path), tmp_path / "STXM" / "202601").folders[0]
    with h5py.File(folder / "RAW-R0001-DA01-S00000.h5", "r+") as h5:
        h5["INDEX/trainId"][3] = h5["INDEX/trainId"][2]
    done = subprocess.run(
        [BIN / "extra-data-validate", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No problems found" not in done.stdout
    assert "not strictly increasing" in done.stdout


def test_two_runs_together(tmp_path: Path) -> None:
    runs = scan_documents(REQUESTS["pystxm2019-sample_image_stack-points"])[:2]
    both = [opened(folder) for folder in Case(runs, tmp_path / "a" / "b").folders]
    union = both[0].union(both[1])
    assert len(union.train_ids) == sum(len(run.train_ids) for run in both)
    source = next(s for s in sorted(union.control_sources) if s.startswith("STXM/primary/"))
    key = next(k for k in union[source].keys() if k.endswith(".value"))  # noqa: SIM118
    parts = [run[source, key].ndarray() for run in both]
    np.testing.assert_array_equal(union[source, key].ndarray(), np.concatenate(parts))


def test_stacking(tmp_path: Path) -> None:
    keys = {f"cam{i}": array(4, 5) for i in range(3)}
    run = run_of([{key: arange(4, 5) + i for i, key in enumerate(keys)}] * 2, keys)
    run_ = opened(folder_of(export(run, tmp_path)))
    _, data = run_.select("STXM/primary/cam*").train_from_index(0)
    renamed = {
        source: {"image": next(v for k, v in its.items() if k.startswith("data.cam"))}
        for source, its in data.items()
    }
    stacked = extra_data.stack_data(renamed, "image")
    np.testing.assert_array_equal(stacked, [arange(4, 5) + i for i in range(3)])


@pytest.mark.slow
def test_the_karabo_bridge(tmp_path: Path) -> None:
    karabo_bridge = pytest.importorskip("karabo_bridge")
    [run] = _camera(tmp_path)
    folder = folder_of(export(run, tmp_path))
    command = [BIN / "karabo-bridge-serve-files", str(folder), "tcp://127.0.0.1:*",
               "--source", "STXM/*"]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-u", *command], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().split()[-1]
            with karabo_bridge.Client(endpoint, timeout=20) as client:
                for _, doc in run[2:-1]:
                    data, about = client.next()
                    found = data["STXM/primary/a"]["a.value"]
                    assert found == doc["data"]["a"]
                    np.testing.assert_array_equal(
                        data["STXM/primary/cam:output"]["data.cam"], doc["data"]["cam"]
                    )
                    assert about["STXM/primary/a"]["timestamp.tid"] > 0
        finally:
            server.terminate()
            server.wait(20)


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"the recorded scans are not in {RECORDED}")
@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_scans(path: Path, tmp_path: Path) -> None:
    runs = [list(run.documents()) for run in stored_runs(path)]
    case = Case(runs, tmp_path / "STXM" / "202601")
    test_the_checks_find_nothing(case)
    test_arrays_and_tables(case)
    test_trains_and_selections(case)
    test_copies_hold_the_same(case, tmp_path)
    lists = {key for _, run in case.pairs for _, key, its, _ in readings(run)
             if isinstance(its[0], list)}  # fmt: skip
    assert lists == ({"counter0_waveform_rbv"} if path.stem in WITH_LINES else set())


def test_channels_are_found(tmp_path: Path) -> None:
    """What all tests of readings compare must have the channels in it."""
    case = Case(SCANS["channels"](tmp_path), tmp_path)
    for folder, run in case.pairs:
        where = where_is(folder)
        compared = {(stream, key) for stream, key, _, _ in readings(run)}
        assert sum("/" in key for _, key in compared & where.keys()) >= 2
