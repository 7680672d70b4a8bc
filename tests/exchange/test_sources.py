"""Without these tests `export_scan` would take some of the ways in which people keep documents, and
quietly make something else of the others.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import event_model
import h5py
import numpy as np
import pytest
from suitcase.jsonl import export as export_jsonl
from suitcase.msgpack import export as export_msgpack

from suitcase.nxstxm._errors import (
    NXstxmFileExistsError,
    NXstxmOSError,
    NXstxmTypeError,
    NXstxmValueError,
)
from suitcase.nxstxm.documents import stored_runs, write_archive
from suitcase.nxstxm.exchange import (
    ExportError,
    StoredScan,
    export_scan,
    export_scans,
    finish_export,
    scans_in,
)

from .documents import ONE, STACK, TOMOGRAPHY, TWO_BY_TWO, Document, first_uid, lean, scan
from .same import holds, same_file

Runs = list[list[Document]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def woven(runs: Runs, seed: int) -> list[Document]:
    chance = random.Random(seed)
    left = [list(run) for run in runs]
    mixed = []
    while any(left):
        mixed.append(chance.choice([run for run in left if run]).pop(0))
    return mixed


def write_lines(path: Path, documents: list[Document]) -> Path:
    lines = (json.dumps(event_model.sanitize_doc(pair)) + "\n" for pair in documents)
    path.write_text("".join(lines))
    return path


def recorded(path: Path, runs: Runs) -> Path:
    groups = {run[0][1]["uid"]: event_model.sanitize_doc(run) for run in runs}
    path.write_text(json.dumps(groups))
    return path


# -- one scan -------------------------------------------------------------------------------------


def as_lines(runs: Runs, folder: Path) -> Any:
    return write_lines(folder / "scan.jsonl", [pair for run in runs for pair in run])


def as_text_path(runs: Runs, folder: Path) -> Any:
    return str(as_lines(runs, folder))


def as_zipped_lines(runs: Runs, folder: Path) -> Any:
    plain = as_lines(runs, folder)
    zipped = folder / "scan.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    return zipped


def as_msgpack(runs: Runs, folder: Path) -> Any:
    export_msgpack((pair for run in runs[:1] for pair in run), folder, "scan")
    path = folder / "scan.msgpack"
    for number, run in enumerate(runs[1:]):
        export_msgpack(iter(run), folder, f"more{number}")
        path.write_bytes(path.read_bytes() + (folder / f"more{number}.msgpack").read_bytes())
    return path


def as_archive(runs: Runs, folder: Path) -> Any:
    write_archive([pair for run in runs for pair in run], folder / "scan.nxdocs")
    return folder / "scan.nxdocs"


def as_finished_file(runs: Runs, folder: Path) -> Any:
    return export_scan(runs, folder, file_prefix="finished")


def as_stored_runs(runs: Runs, folder: Path) -> Any:
    return stored_runs(as_lines(runs, folder))


def as_stored_scan(runs: Runs, folder: Path) -> Any:
    [found] = scans_in(as_lines(runs, folder))
    return found


def as_headers(runs: Runs, _folder: Path) -> Any:
    """What databroker gives: objects with a start document or without, and `documents()`."""
    return [
        SimpleNamespace(documents=lambda run=run: iter(run), **({"start": start} if i % 2 else {}))
        for i, run in enumerate(runs)
        for start in [run[0][1]]
    ]


def as_stream(runs: Runs, _folder: Path) -> Any:
    return (pair for run in runs for pair in run)


def as_woven_stream(runs: Runs, _folder: Path) -> Any:
    return woven(runs, 8)


def as_lists_in_pairs(runs: Runs, _folder: Path) -> Any:
    return [[[name, doc] for name, doc in run] for run in runs]


def as_generators(runs: Runs, _folder: Path) -> Any:
    return (iter(run) for run in runs)


SOURCES: list[Callable[[Runs, Path], Any]] = [
    as_lines,
    as_text_path,
    as_zipped_lines,
    as_msgpack,
    as_archive,
    as_finished_file,
    as_stored_runs,
    as_stored_scan,
    as_headers,
    as_stream,
    as_woven_stream,
    as_lists_in_pairs,
    as_generators,
    recorded_file := lambda runs, folder: recorded(folder / "scan.json", runs),
]
recorded_file.__name__ = "as_recorded_json"
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)


@every_source
def test_a_scan_comes_out_the_same_whatever_holds_its_documents(
    source: Callable[[Runs, Path], Any], tmp_path: Path
) -> None:
    runs = lean(STACK)
    reference = export_scan(runs, tmp_path / "reference")
    assert reference.name == f"{runs[0][0][1]['scan_id']:05d}-{first_uid(runs)[:8]}.hdf5"
    (tmp_path / "in").mkdir()
    out = export_scan(source(runs[::-1], tmp_path / "in"), tmp_path / "out")
    assert out.name == reference.name
    same_file(reference, out)
    assert names(tmp_path / "out") == [out.name]


def test_one_header_is_a_scan(tmp_path: Path) -> None:
    [run] = lean(ONE)
    header = SimpleNamespace(documents=lambda: iter(run))
    holds(export_scan(header, tmp_path), [run])


@every_source
def test_runs_may_be_picked_by_their_uids(
    source: Callable[[Runs, Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    runs = lean(STACK)
    uids = [run[0][1]["uid"] for run in runs]
    made = source(runs, tmp_path / "in")
    if isinstance(made, Iterator):  # which can be read once
        made = [list(run) if isinstance(run, Iterator) else run for run in made]
    picked = export_scan(made, tmp_path / "out", uids=[uids[2], uids[0]])
    same_file(picked, export_scan([runs[0], runs[2]], tmp_path / "reference"))
    with pytest.raises(NXstxmValueError, match="no run nobody") as caught:
        export_scan(made, tmp_path / "out", uids=[uids[0], "nobody"])
    assert all(uid in str(caught.value) for uid in uids)
    with pytest.raises(NXstxmValueError, match="there is no run to export"):
        export_scan(made, tmp_path / "out", uids=[])
    assert names(tmp_path / "out") == [picked.name]


def test_runs_may_be_picked_from_a_file_of_several_scans(tmp_path: Path) -> None:
    scans = [lean(name) for name in (STACK, ONE, TOMOGRAPHY)]
    path = write_lines(tmp_path / "all.jsonl", woven([run for runs in scans for run in runs], 1))
    with pytest.raises(NXstxmValueError, match=r"holds 3 scans, not one.*scans_in"):
        export_scan(path, tmp_path / "out")
    uids = [run[0][1]["uid"] for run in scans[0]]
    same_file(
        export_scan(path, tmp_path / "out", uids=uids), export_scan(scans[0], tmp_path / "direct")
    )


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ([], NXstxmValueError, "source is empty"),
        (iter(()), NXstxmValueError, "source is empty"),
        (None, NXstxmTypeError, "NoneType is no source"),
        (5, NXstxmTypeError, "int is no source"),
        ([[]], NXstxmValueError, "a run is a list"),
        ([5], NXstxmTypeError, "int is no run"),
        ([[5]], NXstxmValueError, "a run is a list"),
        ({"a": 1}, NXstxmValueError, "a run is a list"),
        ([("stop", {"uid": "a"})], NXstxmValueError, "begin with a 'stop'"),
        ([[("stop", {"uid": "a"})]], NXstxmValueError, "begins with a 'stop'"),
        ("nowhere.jsonl", NXstxmOSError, "nowhere.jsonl does not exist"),
        (Path("nowhere.hdf5"), NXstxmOSError, "nowhere.hdf5 does not exist"),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_what_is_no_source_is_told_and_makes_no_file(
    source: Any, error: type[Exception], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=told):
        export_scan(source, tmp_path / "out")
    assert names(tmp_path) == []


def test_files_without_documents_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "text.txt").write_text("hello")
    with h5py.File(tmp_path / "other.hdf5", "w") as h5:
        h5["x"] = np.arange(3)
    for path in list(tmp_path.iterdir()):
        with pytest.raises(NXstxmValueError) as caught:
            export_scan(path, tmp_path / "out")
        assert path.name in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_there_twice_is_told(tmp_path: Path) -> None:
    runs = lean(STACK)
    with pytest.raises(NXstxmValueError, match=rf"run {first_uid(runs)} more than once"):
        export_scan([*runs, runs[0]], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scan_of_more_runs_than_files_can_be_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    runs = [run for i in range(60) for run in scan("stxm-image", energies=(700.0 + i,))]
    path = write_lines(tmp_path / "all.jsonl", [pair for run in runs for pair in run])
    found = stored_runs(path)
    assert len(found) == 60
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 25, hard))
    try:
        out = export_scan(found, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    holds(out, runs)


def test_an_error_in_a_source_keeps_what_came(tmp_path: Path) -> None:
    runs = lean(STACK)

    def broken() -> Iterator[Document]:
        yield from runs[1][:3]
        raise OSError("the catalog went away")

    with pytest.raises(OSError, match="the catalog went away"):
        export_scan([runs[0], broken(), runs[2]], tmp_path, file_prefix="x")
    assert names(tmp_path) == [f"x.{first_uid(runs)}.tmp"]
    export_scan(runs, tmp_path, file_prefix="x")
    assert names(tmp_path) == [f"x.{first_uid(runs)}.tmp", "x.hdf5"]
    rescued = finish_export(tmp_path, "rescued", first_uid(runs))
    holds(rescued, [runs[0], runs[1][:3]])


# -- many scans -----------------------------------------------------------------------------------

MANY = (STACK, ONE, TOMOGRAPHY, TWO_BY_TWO, "pystxm2019-osa_focus-points", "stxm-stack-group")


@pytest.mark.parametrize("seed", range(3))
def test_scans_that_are_woven_into_one_file_are_found(seed: int, tmp_path: Path) -> None:
    scans = [lean(name) for name in MANY]
    path = write_lines(tmp_path / "all.jsonl", woven([r for runs in scans for r in runs], seed))
    found = scans_in(path)
    expected = {tuple(sorted(run[0][1]["uid"] for run in runs)) for runs in scans}
    assert {tuple(sorted(run.uid for run in each.runs)) for each in found} == expected
    for each in found:
        assert isinstance(each, StoredScan)
        times = [run.start["time"] for run in each.runs]
        assert times == sorted(times)
        assert each.source == str(path)
        assert each.name == f"{path} (scan {each.runs[0].start['scan_id']})"
    if seed:
        return
    paths = export_scans(found, tmp_path / "out", file_prefix="{uid}")
    for runs in scans:
        same_file(
            tmp_path / "out" / f"{first_uid(runs)}.hdf5",
            export_scan(runs, tmp_path / "direct", file_prefix="{uid}"),
        )
    assert len(paths) == len(scans)


def test_a_scan_made_again_in_one_file_is_two_scans(tmp_path: Path) -> None:
    again = [lean(STACK), scan(STACK, include_baseline=False, start_time=1_700_009_000.0, seed=5)]
    path = write_lines(tmp_path / "all.jsonl", [p for runs in again for r in runs for p in r])
    found = scans_in(path)
    assert [[run.uid for run in each.runs] for each in found] == [
        [run[0][1]["uid"] for run in runs] for runs in again
    ]


def test_each_recorded_or_finished_file_is_one_scan(tmp_path: Path) -> None:
    scans = [lean(name) for name in MANY]
    files = [recorded(tmp_path / f"{i}.json", runs) for i, runs in enumerate(scans)]
    finished = [export_scan(runs, tmp_path / "out") for runs in scans[:3] if len(runs) > 1]
    found = scans_in([*files, *finished])
    assert [each.source for each in found] == [str(path) for path in (*files, *finished)]


def good_and_bad(folder: Path) -> list[Any]:
    folder.mkdir()
    (folder / "bad.jsonl").write_text("nonsense")
    broken = lean(ONE)[0]
    broken[3] = ("event", {**broken[3][1], "descriptor": "nobody"})
    return [
        as_lines(lean(STACK), folder),
        folder / "bad.jsonl",
        [broken],
        lean(TOMOGRAPHY),
        as_recorded(lean("stxm-image"), folder),
    ]


def as_recorded(runs: Runs, folder: Path) -> Path:
    return recorded(folder / "recorded.json", runs)


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_others_are_written_when_some_scans_fail(jobs: int, tmp_path: Path) -> None:
    sources = good_and_bad(tmp_path / "in")
    out = tmp_path / "out"
    with pytest.raises(ExportError, match="2 of 5 scans failed") as caught:
        export_scans(sources, out, jobs=jobs)
    assert caught.value.paths == [
        out / f"00001-{first_uid(runs)[:8]}.hdf5"
        for runs in (lean(STACK), lean(TOMOGRAPHY), lean("stxm-image"))
    ]
    assert all(path.exists() for path in caught.value.paths)
    [(first, bad), (second, broken)] = caught.value.failures
    assert first == str(tmp_path / "in" / "bad.jsonl")
    assert isinstance(bad, NXstxmValueError)
    assert second == "list"
    assert "nobody" in str(broken)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_somebody_elses_does_not_stop_the_others(jobs: int, tmp_path: Path) -> None:
    def broken() -> Iterator[Document]:
        yield from lean(ONE)[0][:3]
        raise LookupError("of somebody else")  # with two jobs, it can not be pickled either

    with pytest.raises(ExportError, match="1 of 2 scans failed") as caught:
        export_scans([broken(), lean(STACK)], tmp_path, jobs=jobs)
    [(label, error)] = caught.value.failures
    assert label == "generator"
    assert isinstance(error, (LookupError, TypeError))
    same_file(caught.value.paths[0], export_scan(lean(STACK), tmp_path / "direct"))


def test_scans_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        export_scans([lean(STACK), lean(TOMOGRAPHY)], tmp_path, file_prefix="x")
    [(_, error)] = caught.value.failures
    assert isinstance(error, NXstxmFileExistsError)
    holds(tmp_path / "x.hdf5", lean(STACK))


def test_no_scans_are_no_files(tmp_path: Path) -> None:
    assert export_scans([], tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


def test_paths_come_in_the_order_of_the_sources(tmp_path: Path) -> None:
    scans = [lean(name) for name in MANY[::-1]]
    paths = export_scans(scans, tmp_path, jobs=2, file_prefix="{uid}", facility="Moon")
    assert [path.stem for path in paths] == [first_uid(runs) for runs in scans]
    with h5py.File(paths[0]) as h5:
        entry = h5[h5.attrs["default"]]
        assert entry["instrument/source/name"].asstr()[()] == "Moon"


def test_what_another_suitcase_wrote_is_read(tmp_path: Path) -> None:
    [run] = scan(ONE)
    export_jsonl(iter(run), tmp_path, "one")
    same_file(export_scan(tmp_path / "one.jsonl", tmp_path), export_scan([run], tmp_path / "x"))
