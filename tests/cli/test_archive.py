"""Without these tests an archive could lack documents, be half written, or hide what was lost."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.documents import (
    ArchiveWriter,
    difference,
    replay,
    stored_runs,
    write_archive,
)

from ..exchange.documents import ONE, STACK, TWO_BY_TWO, camera_stack, lean, plain_run
from ..exchange.same import same_file
from .shelf import SHELVES, Document, Documents, Shelf, ShelfRun

Run = Callable[..., tuple[int, str, str]]
SCANS: dict[str, Callable[[], list[Documents]]] = {
    "an image": lambda: lean(ONE),
    "a stack": lambda: lean(STACK),
    "two regions": lambda: lean(TWO_BY_TWO),
    "frames": camera_stack,
    "plain": lambda: [list(plain_run(3, {"x": ()}, lambda i, _key: float(i)))],
}


def uid(run: Documents) -> str:
    return str(run[0][1]["uid"])


def flat(runs: list[Documents]) -> Documents:
    return [pair for run in runs for pair in run]


def small_blocks(path: Path, documents: Documents) -> list[int]:
    """Write an archive of many blocks; give where each begins."""
    data = io.BytesIO()
    begins: list[int] = []

    def write(block: bytes) -> None:
        begins.append(data.tell())
        data.write(block)

    writer = ArchiveWriter(write, block_bytes=1)
    for name, doc in documents:
        writer.append(name, doc)
    writer.close()
    path.write_bytes(data.getvalue())
    return begins[1:]  # the first call is the magic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    yield SHELVES.setdefault("ours", Shelf("shelf ours"))
    del SHELVES["ours"]


# -- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("origin", ["catalog", "archive", "our file"])
def test_an_archive_is_exported_as_the_scan_would_be(
    scan: str, origin: str, shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    runs = SCANS[scan]()
    reference = export_scan(runs, tmp_path, file_prefix="reference")
    source: list[object] = [reference]
    if origin == "catalog":
        shelf.put(*runs)
        source = ["shelf:ours", "--uid", uid(runs[-1])]
    elif origin == "archive":
        source = [write_archive(flat(runs), tmp_path / "given.nxdocs")]
    status, out, err = nxstxm("archive", *source, "-o", tmp_path / "archives")
    assert (status, err) == (0, "")
    [archive] = (tmp_path / "archives").iterdir()
    number = runs[0][0][1]["scan_id"]
    assert archive.name == f"{number:05d}-{uid(runs[0]):.8}.nxdocs"
    assert out.startswith(f"{archive}  from ")
    assert difference(flat(runs), replay(archive)) is None
    assert nxstxm("export", archive, "-o", tmp_path / "files")[0] == 0
    [path] = (tmp_path / "files").iterdir()
    assert path.stem == archive.stem
    same_file(path, reference)


def test_all_kinds_of_documents_are_kept(tmp_path: Path, nxstxm: Run) -> None:
    """Also those that nothing in this package reads, and in the order they came."""
    run = list(plain_run(2, {"x": ()}, lambda i, _key: float(i)))
    start, descriptor = uid(run), run[1][1]["uid"]
    resource = {"uid": "r", "run_start": start, "spec": "ODD", "root": "/", "resource_path": "a"}
    stream = {"uid": "s", "run_start": start, "data_key": "d", "mimetype": "image/tiff"}
    more: Documents = [
        ("resource", {**resource, "resource_kwargs": {}, "path_semantics": "posix"}),
        ("datum", {"datum_id": "r/1", "resource": "r", "datum_kwargs": {"n": 1}}),
        ("datum_page", {"datum_id": ["r/2"], "resource": "r", "datum_kwargs": {"n": [2]}}),
        ("stream_resource", {**stream, "uri": "file://localhost/a", "parameters": {}}),
        (
            "stream_datum",
            {
                "uid": "s/1",
                "stream_resource": "s",
                "descriptor": descriptor,
                "indices": {"start": 0, "stop": 2},
                "seq_nums": {"start": 1, "stop": 3},
            },
        ),
    ]
    documents = [*run[:3], *more, *run[3:]]
    source = tmp_path / "source.nxdocs"
    write_archive(documents, source)
    assert nxstxm("archive", source, "-o", tmp_path / "archives")[0] == 0
    [archive] = (tmp_path / "archives").iterdir()
    assert difference(documents, replay(archive)) is None
    assert [name for name, _ in replay(archive)] == [name for name, _ in documents]


def test_every_scan_of_a_file_has_its_archive(tmp_path: Path, nxstxm: Run) -> None:
    scans = [list(plain_run(2, {"x": ()}, lambda i, _k: i, number=n)) for n in range(3)]
    source = tmp_path / "day.nxdocs"
    write_archive(flat(scans), source)
    for jobs in (1, 2):
        folder = tmp_path / f"with {jobs}"
        status, out, err = nxstxm("archive", source, "-o", folder, "--jobs", jobs)
        assert (status, err) == (0, "")
        assert len(out.splitlines()) == 3
        assert names(folder) == [f"{n + 1:05d}-{uid(scans[n]):.8}.nxdocs" for n in range(3)]
        for scan, name in zip(scans, names(folder), strict=True):
            assert difference(scan, replay(folder / name)) is None


def test_scans_of_a_catalog_that_have_not_ended(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    cut = lean(ONE)[0][:-1]
    whole = list(plain_run(2, {"x": ()}, lambda i, _key: i))
    shelf.put(cut, whole)
    command = ("archive", "shelf:ours", "--since", "2000-01-01", "--timeout", 0, "-o", tmp_path)
    status, _, err = nxstxm(*command)
    assert status == 1
    assert "has no stop document" in err
    assert [uid(list(replay(path))) for path in tmp_path.iterdir()] == [uid(whole)]
    assert nxstxm(*command, "--incomplete", "--overwrite")[0] == 0
    assert len(names(tmp_path)) == 2
    path = next(tmp_path.glob(f"*-{uid(cut):.8}.nxdocs"))
    assert difference(cut, replay(path)) is None
    status, out, err = nxstxm("archive", "shelf:ours", "-o", tmp_path / "none")
    assert (status, out) == (2, "")
    assert "shelf:ours is a catalog; say which" in err


# -- where it is written --------------------------------------------------------------------------


def test_an_archive_is_replaced_only_when_asked(tmp_path: Path, nxstxm: Run) -> None:
    run = list(plain_run(2, {"x": ()}, lambda i, _key: i))
    source = tmp_path / "source.nxdocs"
    write_archive(run, source)
    folder = tmp_path / "archives"
    folder.mkdir()
    taken = folder / f"00001-{uid(run):.8}.nxdocs"
    taken.write_text("mine")
    status, out, err = nxstxm("archive", source, "-o", folder)
    assert (status, out) == (1, "")
    assert f"{taken} exists already; move it, or replace it: --overwrite" in err
    assert taken.read_text() == "mine"
    assert nxstxm("archive", source, "-o", folder, "--overwrite")[0] == 0
    assert difference(run, replay(taken)) is None
    assert names(folder) == [taken.name]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_source_that_breaks_leaves_nothing_and_what_was_there(
    overwrite: bool, shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    broken = list(plain_run(4, {"x": ()}, lambda i, _key: i))
    whole = list(plain_run(2, {"x": ()}, lambda i, _key: i, number=1))
    shelf.put(broken, breaks=OSError("cable")).put(whole)
    old = tmp_path / f"00001-{uid(broken):.8}.nxdocs"
    options = ["--overwrite"] if overwrite else []
    if overwrite:
        old.write_text("mine")
    command = ("archive", "shelf:ours", "--since", "2000-01-01", "-o", tmp_path, *options)
    status, out, err = nxstxm(*command)
    assert status == 1
    assert "cable" in err
    assert len(out.splitlines()) == 1
    expected = [f"00002-{uid(whole):.8}.nxdocs", *([old.name] if overwrite else [])]
    assert names(tmp_path) == sorted(expected)
    assert not overwrite or old.read_text() == "mine"


def test_who_is_first_keeps_the_name(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    run = list(plain_run(2, {"x": ()}, lambda i, _key: i))
    taken = tmp_path / f"00001-{uid(run):.8}.nxdocs"

    class Slow(ShelfRun):
        def documents(self) -> Iterator[Document]:
            taken.write_text("mine")  # another program was faster
            return super().documents()

    shelf.by_uid[uid(run)] = Slow(run)
    status, out, err = nxstxm("archive", "shelf:ours", "--scan-id", 1, "-o", tmp_path)
    assert (status, out) == (1, "")
    assert f"{taken} exists already" in err
    assert taken.read_text() == "mine"
    assert names(tmp_path) == [taken.name]


@pytest.mark.parametrize("bad", ["../../x", "a/../../b", "\\..\\x", "CON.", "x:y*\n"])
def test_no_name_leads_out_of_the_folder(
    bad: str, shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    run = [(name, dict(doc)) for name, doc in plain_run(2, {"x": ()}, lambda i, _key: i)]
    del run[0][1]["scan_id"]
    run[0][1]["uid"] = run[1][1]["run_start"] = run[-1][1]["run_start"] = bad
    shelf.put(run)
    folder = tmp_path / "deep" / "archives"
    status, _, err = nxstxm("archive", "shelf:ours", "--since", "2000-01-01", "-o", folder)
    assert (status, err) == (0, "")
    [name] = names(folder)
    assert not set(name) & set('/\\:*?"<>|\n')
    assert names(tmp_path) == ["deep"]
    assert names(tmp_path / "deep") == ["archives"]
    assert difference(run, replay(folder / name)) is None


def test_a_folder_that_is_none_is_told(tmp_path: Path, nxstxm: Run) -> None:
    source = tmp_path / "source.nxdocs"
    write_archive(plain_run(2, {"x": ()}, lambda i, _key: i), source)
    before = names(tmp_path)
    status, out, err = nxstxm("archive", source, "-o", source)
    assert (status, out) == (1, "")
    assert "can not be written" in err
    assert err.count("\n") == 1
    assert names(tmp_path) == before


# -- damage ---------------------------------------------------------------------------------------


def test_a_damaged_block_is_an_error_that_names_it(tmp_path: Path, nxstxm: Run) -> None:
    run = list(plain_run(6, {"x": ()}, lambda i, _key: float(i)))
    source = tmp_path / "source.nxdocs"
    begins = small_blocks(source, run)
    data = bytearray(source.read_bytes())
    data[begins[5] + 60] ^= 255
    source.write_bytes(data)
    status, out, err = nxstxm("archive", source, "-o", tmp_path / "archives")
    assert (status, out) == (1, "")
    place = f"the content of block 5 at byte {begins[5]} is damaged"
    assert f"{source}: {place}" in err
    assert "--salvage" in err
    assert not (tmp_path / "archives").exists()

    status, out, err = nxstxm("archive", source, "-o", tmp_path / "archives", "--salvage")
    assert status == 0
    assert err == f"damaged: {source}: {place}: its checksum is wrong\n"
    [archive] = (tmp_path / "archives").iterdir()
    assert difference([*run[:5], *run[6:]], replay(archive)) is None


def test_what_a_killed_program_left_is_salvaged(tmp_path: Path, nxstxm: Run) -> None:
    """Of a scan of three runs, without the end of the last; grouped as before."""
    runs = lean(STACK)
    source = tmp_path / "source.nxdocs"
    begins = small_blocks(source, flat(runs))
    source.write_bytes(source.read_bytes()[: begins[-2] + 10])
    options = ("-o", tmp_path / "archives")
    status, _, err = nxstxm("archive", source, *options)
    assert status == 1
    assert f"the header of block {len(flat(runs)) - 1} at byte {begins[-2]} is cut short" in err
    status, _, err = nxstxm("archive", source, *options, "--salvage")
    assert status == 0
    assert err.startswith(f"damaged: {source}: the header of block {len(flat(runs)) - 1}")
    [archive] = (tmp_path / "archives").iterdir()
    assert difference(flat(runs)[:-1], replay(archive)) is None
    assert nxstxm("export", archive, "-o", tmp_path / "files")[0] == 0


def test_a_lost_beginning_is_told_without_flooding(tmp_path: Path, nxstxm: Run) -> None:
    lost = list(plain_run(200, {"x": ()}, lambda i, _key: i))
    kept = list(plain_run(2, {"x": ()}, lambda i, _key: i, number=1))
    source = tmp_path / "source.nxdocs"
    begins = small_blocks(source, [*lost, *kept])
    data = bytearray(source.read_bytes())
    data[begins[0] + 60] ^= 255
    source.write_bytes(data)
    status, out, err = nxstxm("archive", source, "-o", tmp_path / "archives", "--salvage")
    assert status == 0
    assert f"block 0 at byte {begins[0]} is damaged" in err
    assert "more such messages are left out" in err
    assert len(err.splitlines()) == 11
    assert len(out.splitlines()) == 1
    [archive] = (tmp_path / "archives").iterdir()
    assert difference(kept, replay(archive)) is None


def test_nothing_to_salvage_is_an_error(tmp_path: Path, nxstxm: Run) -> None:
    source = tmp_path / "source.nxdocs"
    begins = small_blocks(source, list(plain_run(2, {"x": ()}, lambda i, _key: i)))
    source.write_bytes(source.read_bytes()[: begins[0] + 30])
    other = tmp_path / "other.txt"
    other.write_text("nothing of the kind")
    for path, told in ((source, "block 0"), (other, "begins with b'nothing"), (tmp_path / "x", "")):
        status, out, err = nxstxm("archive", path, "-o", tmp_path / "archives", "--salvage")
        assert (status, out) == (1, "")
        assert err.startswith(f"error: {path}")
        assert told in err
    assert not (tmp_path / "archives").exists()


def test_salvaging_what_is_whole_changes_nothing(tmp_path: Path, nxstxm: Run) -> None:
    runs = lean(STACK)
    ours = export_scan(runs, tmp_path)
    source = tmp_path / "source.nxdocs"
    write_archive(flat(runs), source)
    for path in (ours, source):
        folder = tmp_path / path.suffix
        status, _, err = nxstxm("archive", path, "-o", folder, "--salvage")
        assert (status, err) == (0, "")
        [archive] = folder.iterdir()
        assert difference(flat(runs), replay(archive)) is None


# -- readings in files of detectors ---------------------------------------------------------------


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Documents, Path, list[np.ndarray]]:
    """Measure with a real RunEngine and a camera that writes its frames into files."""
    pytest.importorskip("bluesky")
    from bluesky import RunEngine
    from bluesky.plans import scan
    from ophyd.sim import SynAxis, SynSignalWithRegistry

    folder = tmp_path / "camera"
    folder.mkdir()
    frames = [np.arange(12.0).reshape(3, 4) + 100 * i for i in range(3)]
    coming = iter([frames[0], *frames])  # the device reads once when it is made
    camera = SynSignalWithRegistry(name="camera", func=lambda: next(coming), save_path=str(folder))
    documents: Documents = []
    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(lambda name, doc: documents.append((name, dict(doc))))
    engine(scan([camera], SynAxis(name="x", labels={"motors"}), 0, 2, 3))
    return documents, folder, frames


def frames_in(path: Path) -> Any:
    with h5py.File(path) as h5:
        return h5[h5.attrs["default"]]["instrument/camera/data"][()]


def test_an_archive_that_is_filled_needs_no_other_file(
    measured: tuple[Documents, Path, list[np.ndarray]], tmp_path: Path, nxstxm: Run
) -> None:
    documents, folder, frames = measured
    reference = export_scan([documents], tmp_path, file_prefix="reference")
    source = tmp_path / "source.nxdocs"
    write_archive(documents, source)
    assert nxstxm("archive", source, "-o", tmp_path / "plain")[0] == 0
    status, _, err = nxstxm("archive", source, "-o", tmp_path / "filled", "--fill")
    assert (status, err) == (0, "")
    shutil.rmtree(folder)
    [plain], [filled] = (tmp_path / "plain").iterdir(), (tmp_path / "filled").iterdir()
    assert difference(documents, replay(plain)) is None  # says where they were
    assert [name for name, _ in replay(filled)] == [name for name, _ in documents]
    assert nxstxm("export", filled, "-o", tmp_path / "files")[0] == 0
    [path] = (tmp_path / "files").iterdir()
    np.testing.assert_array_equal(frames_in(path), frames)
    same_file(path, reference)


def test_files_are_looked_for_where_the_catalog_says(
    measured: tuple[Documents, Path, list[np.ndarray]], shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    documents, folder, frames = measured
    elsewhere = folder.rename(tmp_path / "elsewhere")
    root = next(doc["root"] for name, doc in documents if name == "resource")
    shelf.by_uid[uid(documents)] = ShelfRun(documents, roots={root: str(elsewhere)})
    status, _, err = nxstxm(
        "archive", "shelf:ours", "--since", "1d", "-o", tmp_path / "archives", "--fill"
    )
    assert (status, err) == (0, "")
    [archive] = (tmp_path / "archives").iterdir()
    read = [doc["data"]["camera"] for name, doc in replay(archive) if name == "event"]
    np.testing.assert_array_equal(read, frames)


def test_a_reading_that_can_not_be_filled_makes_no_archive(
    measured: tuple[Documents, Path, list[np.ndarray]], tmp_path: Path, nxstxm: Run
) -> None:
    documents, folder, _ = measured
    source = tmp_path / "source.nxdocs"
    write_archive(documents, source)
    min(folder.glob("*.npy")).unlink()
    status, out, err = nxstxm("archive", source, "-o", tmp_path / "filled", "--fill")
    assert (status, out) == (1, "")
    assert "camera: " in err
    assert "can not be read" in err
    assert "Without --fill the archive says where the readings are" in err
    assert names(tmp_path / "filled") == []


def test_streams_that_stay_in_their_files_are_told(tmp_path: Path, nxstxm: Run) -> None:
    run = list(plain_run(2, {"x": ()}, lambda i, _key: float(i)))
    stream = {"uid": "s", "run_start": uid(run), "data_key": "camera", "mimetype": "image/tiff"}
    run.insert(2, ("stream_resource", {**stream, "uri": "file://localhost/a", "parameters": {}}))
    source = tmp_path / "source.nxdocs"
    write_archive(run, source)
    status, out, err = nxstxm("archive", source, "-o", tmp_path / "archives", "--fill")
    assert status == 0
    assert f"run {uid(run):.8}: the readings of camera stay in their files" in err
    [archive] = (tmp_path / "archives").iterdir()
    assert out.startswith(str(archive))
    assert [run.uid for run in stored_runs(archive)] == [uid(run)]
