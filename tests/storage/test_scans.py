"""A store stands on the scans that are there: it has to find them, and to change none."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm import export_scan, open_nxstxm
from suitcase.nxstxm._errors import NXstxmKeyError, OptionError
from suitcase.nxstxm.analysis import optical_density, region_spectrum
from suitcase.nxstxm.exchange import _catalog as catalogs
from suitcase.nxstxm.exchange import register_source
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.storage import (
    CatalogFrontend,
    DataDirectory,
    DataKey,
    DataNotAvailable,
    EuXFELDirectory,
    NXstxmDirectory,
    RunMetadataNotAvailable,
    Store,
)

STACK = "pystxm2019-sample_image_stack-lines"
IMAGE = "pystxm2019-sample_image-points"
SCAN = {"scan": ("scan", "1", {})}
Runs = list[list[tuple[str, dict[str, Any]]]]


def documents(name: str) -> Runs:
    return [list(run) for run in scan_documents(all_requests()[name])]


def first_uid(runs: Runs) -> str:
    return str(runs[0][0][1]["uid"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for name in (STACK, IMAGE):
        export_scan(documents(name), folder / name)
    (folder / "notes.h5").write_text("no HDF5")
    (folder / "notes.txt").write_text("no file of scans")
    return folder


@pytest.fixture
def copies(files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(files, tmp_path / "scans"))


# -- files -----------------------------------------------------------------------------------------


def test_files_are_the_scans_of_their_uids(files: Path) -> None:
    frontend = NXstxmDirectory(files)
    ids = frontend.run_ids()
    assert {path.parent.name: uid for path, uid in ids.items()} == {
        name: first_uid(documents(name)) for name in (STACK, IMAGE)
    }
    for path, uid in ids.items():
        tree = frontend.load(DataKey(uid, "scan", SCAN))
        xr.testing.assert_identical(tree, open_nxstxm(path))
        start = documents(path.parent.name)[0][0][1]
        assert frontend.run_metadata(uid, "start.uid") == start["uid"]
        assert frontend.run_metadata(uid, "stop.exit_status") == "success"
    assert sorted(m.run_id for m in frontend.list()) == sorted(ids.values())
    assert sorted(frontend.runs()) == sorted(ids.values())
    assert not list(NXstxmDirectory(files, recursive=False).list())


def test_what_is_no_scan_or_has_another_lineage_is_not_there(files: Path) -> None:
    frontend = NXstxmDirectory(files)
    uid = next(iter(frontend.run_ids().values()))
    for key in (
        DataKey("nobody", "scan", SCAN),
        DataKey(uid, "od", {"od": ("od", "1", {})}),
        DataKey(uid, "scan", {"scan": ("scan", "2", {})}),
    ):
        with pytest.raises(DataNotAvailable):
            frontend.find(key)
    with pytest.raises(RunMetadataNotAvailable):
        frontend.run_metadata("nobody")
    with pytest.raises(OptionError, match="read-only"):
        frontend.saver(DataKey(uid, "scan", SCAN))
    with pytest.raises(OptionError, match="ask for the data type 'picture'"):
        frontend.load(DataKey(uid, "scan", SCAN), rows=(0, 1))


def test_files_that_come_and_go_are_noticed(copies: Path) -> None:
    frontend = NXstxmDirectory(copies)
    ids = frontend.run_ids()
    (stack,) = (path for path in ids if path.parent.name == STACK)
    key = DataKey(ids[stack], "scan", SCAN)
    assert key in frontend
    moved = stack.rename(copies / "moved.hdf5")
    assert frontend.load(key).attrs["file"] == "moved.hdf5"
    moved.unlink()
    assert key not in frontend


def test_files_of_other_programs_have_an_id_too(tmp_path: Path) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
    try:
        from styles import build_style
    finally:
        sys.path.pop(0)
    build_style("pixelator-stack", tmp_path)
    frontend = NXstxmDirectory(tmp_path)
    (uid,) = frontend.run_ids().values()
    (tmp_path / "elsewhere").mkdir()
    for path in list(tmp_path.glob("*.hdf5")):
        path.rename(tmp_path / "elsewhere" / path.name)
    assert set(frontend.run_ids().values()) == {uid}
    store = Store([frontend, DataDirectory(tmp_path / "store")])
    assert store.get(uid, "picture")["data"].dims == ("energy", "y", "x")


# -- the analysis, ready ---------------------------------------------------------------------------


def test_the_analysis_is_ready(files: Path, tmp_path: Path) -> None:
    frontend = NXstxmDirectory(files)
    (path,) = (path for path in frontend.run_ids() if path.parent.name == STACK)
    uid = frontend.run_ids()[path]
    store = Store([frontend, DataDirectory(tmp_path)])
    tree = open_nxstxm(path)
    empty = {"x": -4.0}
    od = store.get(uid, "od", i0_region=empty)
    xr.testing.assert_identical(od, optical_density(tree["entry0/counter0"], region=empty))
    again = store.get(uid, "spectrum", **{"od.i0_region": empty, "region": {"y": 1.0}})
    xr.testing.assert_identical(again, region_spectrum(od, {"y": 1.0}))
    assert again.attrs["units"] == "1"
    aligned = store.get(uid, "aligned", i0_region=empty)
    assert {"shift_x", "shift_y"} <= set(aligned.coords)
    assert store.get(uid, "svd", n=2, i0_region=empty).sizes["component"] == 2
    shifted = store.get(uid, "shifted", by=1.5, i0_region=empty)
    np.testing.assert_allclose(shifted["energy"], od["energy"] + 1.5)
    assert not list(tmp_path.rglob("picture*"))
    store.get(uid, "picture")
    assert not list(tmp_path.rglob("picture*"))  # the scan has it already
    assert store.get(uid, "normalised").sizes == od.sizes
    for options, message in (
        ({"entry": "entry9"}, "no entry 'entry9'; it has entry0"),
        ({"channel": "nothing"}, "no channel 'nothing'; it has counter0"),
    ):
        with pytest.raises(NXstxmKeyError, match=message):
            store.get(uid, "od", **options)


def test_the_default_needs_no_options(files: Path, tmp_path: Path) -> None:
    frontend = NXstxmDirectory(files)
    store = Store([frontend, DataDirectory(tmp_path)])
    for uid in frontend.run_ids().values():
        assert np.isfinite(store.get(uid, "od").values).any()


def test_notes_of_a_run_are_put_together_with_its_documents(files: Path, tmp_path: Path) -> None:
    frontend = NXstxmDirectory(files)
    store = Store([frontend, DataDirectory(tmp_path)])
    uid = next(iter(frontend.run_ids().values()))
    scan_id = store.run_metadata(uid, "start.scan_id")
    store.write_run_metadata(uid, {"start": {"sample": {"mu": 8.0}}, "comment": "thin"})
    told = store.run_metadata(uid, ["start.scan_id", "start.sample.mu", "comment", "none"])
    assert told == {"start.scan_id": scan_id, "start.sample.mu": 8.0, "comment": "thin"}


# -- EuXFEL runs -----------------------------------------------------------------------------------


def test_euxfel_runs_are_scans(tmp_path: Path) -> None:
    pytest.importorskip("extra_data")
    from suitcase.nxstxm.euxfel import export

    expected = {}
    for name in (STACK, IMAGE):
        runs = documents(name)
        for run in runs:
            export(run, tmp_path / "euxfel")
        expected[first_uid(runs)] = name
        export_scan(runs, tmp_path / "files" / name)
    frontend = EuXFELDirectory(tmp_path / "euxfel")
    assert set(frontend.runs()) == set(expected)
    store = Store([frontend, DataDirectory(tmp_path / "store")])
    files = Store([NXstxmDirectory(tmp_path / "files"), DataDirectory(tmp_path / "other")])
    for uid in expected:
        ours, theirs = store.get(uid, "picture"), files.get(uid, "picture")
        assert ours["data"].dims == theirs["data"].dims
        np.testing.assert_array_equal(ours["data"], theirs["data"])
        for dim in ours["data"].dims:
            np.testing.assert_allclose(ours[dim], theirs[dim])
        assert store.key(uid, "od") == files.key(uid, "od")  # the same scan, wherever it is
        assert store.run_metadata(uid, "start.uid") == uid
        np.testing.assert_allclose(store.get(uid, "od"), files.get(uid, "od"))
    assert [m.data_type for m in frontend.list()] == ["scan", "scan"]


# -- catalogs --------------------------------------------------------------------------------------


class HeldRun:
    """A run of a catalog that is a list: as real a catalog as the protocol asks for."""

    def __init__(self, run: list[tuple[str, dict[str, Any]]]) -> None:
        self._run = run
        self.start: Mapping[str, Any] = run[0][1]
        self.stop = run[-1][1]

    def documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(self._run)


class HeldCatalog:
    name = "held"

    def __init__(self, *scans: Runs) -> None:
        self._runs = {run[0][1]["uid"]: HeldRun(run) for runs in scans for run in runs}

    def run(self, uid: str) -> HeldRun:
        if uid not in self._runs:
            raise NXstxmKeyError(f"there is no run {uid}")
        return self._runs[uid]

    def runs(self, *, scan_id: Any = None, **_: Any) -> Any:
        return iter(
            run for run in self._runs.values() if scan_id in (None, run.start.get("scan_id"))
        )


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldCatalog:
    monkeypatch.setattr(catalogs, "_OPENERS", dict(catalogs._OPENERS))
    register_source("held", lambda thing: thing if isinstance(thing, HeldCatalog) else None)
    return HeldCatalog(documents(STACK), documents(IMAGE))


def test_a_catalog_tells_of_runs_and_becomes_files(held: HeldCatalog, tmp_path: Path) -> None:
    uid = first_uid(documents(STACK))
    talking = CatalogFrontend(held)
    assert talking.run_metadata(uid, "start.scan_id") == held.run(uid).start["scan_id"]
    assert talking.run_metadata(uid, "stop.exit_status") == "success"
    assert first_uid(documents(IMAGE)) in set(talking.runs())
    with pytest.raises(RunMetadataNotAvailable):
        talking.run_metadata("nobody")
    with pytest.raises(DataNotAvailable):
        talking.find(DataKey(uid, "scan", SCAN))

    frontend = CatalogFrontend(held, directory=tmp_path / "files")
    assert not list(frontend.list())
    store = Store([frontend, DataDirectory(tmp_path / "store")])
    assert store.get(uid, "od").dims == ("energy", "y", "x")
    (file,) = (tmp_path / "files").iterdir()
    written = file.stat().st_mtime_ns
    store.get(uid, "od", dark=0.5)
    assert file.stat().st_mtime_ns == written
    assert [m.run_id for m in frontend.list()] == [uid]
    with pytest.raises(DataNotAvailable):
        store.get("nobody", "od")
    with pytest.raises(OptionError, match="is no catalog"):
        CatalogFrontend(3)


def test_several_may_ask_a_catalog_for_one_scan_at_once(held: HeldCatalog, tmp_path: Path) -> None:
    uid = first_uid(documents(STACK))
    frontends = [CatalogFrontend(held, directory=tmp_path / "files") for _ in range(4)]
    begin = threading.Barrier(4)

    def ask(frontend: CatalogFrontend) -> Any:
        begin.wait()
        return frontend.load(DataKey(uid, "scan", SCAN)).groups

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, frontends))
    assert found.count(found[0]) == 4
    assert [path.suffix for path in (tmp_path / "files").iterdir()] == [".hdf5"]


def test_a_later_run_of_a_scan_is_not_the_scan(held: HeldCatalog, tmp_path: Path) -> None:
    later = documents(STACK)[-1][0][1]["uid"]
    frontend = CatalogFrontend(held, directory=tmp_path / "files")
    for _ in range(2):
        assert DataKey(later, "scan", SCAN) not in frontend
        assert frontend.run_metadata(later, "start.uid") == later
    assert not list(tmp_path.rglob("*.hdf5*"))


def test_a_start_document_that_makes_no_sense_hides_no_others(
    held: HeldCatalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"uid": "wrong", "time": 1.0, "metadata": "{no JSON"}
    held._runs["wrong"] = HeldRun([("start", wrong), ("stop", {"exit_status": "success"})])
    frontend = CatalogFrontend(held, directory=tmp_path / "files")
    uid = first_uid(documents(STACK))
    assert uid in set(frontend.runs())
    assert DataKey(uid, "scan", SCAN) in frontend
    assert DataKey("wrong", "scan", SCAN) not in frontend
    assert "a run in CatalogFrontend(held) can not be read" in caplog.text


def test_to_verify_a_scan_is_to_read_it(copies: Path) -> None:
    frontend = NXstxmDirectory(copies)
    for uid in frontend.run_ids().values():
        assert frontend.verify(DataKey(uid, "scan", SCAN)) > 100
