"""Without these tests frames could be lost between the journal and the file that has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmWriter, export_scan, recover
from suitcase.nxstxm.documents import PlacedRef, read_archive
from suitcase.nxstxm.nexus import validate

from ..exchange.same import holds, same_file
from .frame_run import frame, frame_run
from .left import count_of

Documents = list[tuple[str, dict[str, Any]]]


def slowly(writer: Any, docs: Documents, until: float = 0.15) -> None:
    """Bring documents as a scan does: there is time to make room after the first frame."""
    came = False
    for name, doc in docs:
        writer(name, doc)
        if name in ("event", "event_page") and not came:
            came = True
            time.sleep(until)


def references(folder: Path) -> list[Any]:
    """List what journals have instead of frames."""
    found: list[Any] = []
    for path in folder.rglob("*.nxdocs"):
        with path.open("rb") as file:
            for name, doc in read_archive(file, partial=True):
                if name in ("event", "event_page"):
                    for value in doc["data"].values():
                        found += value if isinstance(value, list) else [value]
    return [value for value in found if isinstance(value, PlacedRef)]


def journalled(folder: Path, docs: Documents) -> Path:
    """Wait until all is in the journal."""
    [journal] = folder.glob("*.journal")
    deadline = time.monotonic() + 10
    while count_of(journal) < len(docs):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return journal


def died(folder: Path, docs: Documents, **options: Any) -> Path:
    """Leave a scan as a process does that is killed."""
    writer = NXstxmWriter(folder, recover=False, **options)
    slowly(writer, docs)
    journalled(folder, docs)
    saved = folder.parent / f"saved-{folder.name}"
    shutil.copytree(folder, saved)
    writer.close()
    shutil.rmtree(folder)
    saved.rename(folder)
    return folder


@pytest.mark.parametrize("pages", [False, True], ids=["events", "pages"])
@pytest.mark.parametrize("dtype", ["<f8", "<u2", ">f4", "?", "<c16"])
def test_a_file_with_frames_is_the_file_of_an_export(
    dtype: str, pages: bool, tmp_path: Path, writers: Any
) -> None:
    run = frame_run(20, dtype=dtype, pages=pages)
    writer = writers(tmp_path / "live")
    slowly(writer, run)
    [path] = writer.finish()
    same_file(path, export_scan([run], tmp_path / "exported"))
    assert sorted(p.name for p in (tmp_path / "live").iterdir()) == [path.name]


def test_frames_are_written_once_and_not_into_the_journal(tmp_path: Path, writers: Any) -> None:
    run = frame_run(60)
    writer = writers(tmp_path)
    slowly(writer, run[:-1])
    journal = journalled(tmp_path, run[:-1])
    n_bytes = sum(path.stat().st_size for path in journal.glob("*.nxdocs"))
    refs = references(tmp_path)
    assert len(refs) > 50
    one = frame(0, "<f8").nbytes
    assert n_bytes < (60 - len(refs) + 1) * one
    part = writer.storage()[{"x": 40}]
    np.testing.assert_array_equal(part, frame(40, "<f8"))
    writer(*run[-1])
    [path] = writer.finish()
    holds(path, [run])
    assert path.stat().st_size < 62 * one  # neither a copy, nor a hole
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        data = h5["entry0/instrument/camera/data"]
        assert data.chunks == (1, *frame(0, "<f8").shape)
        np.testing.assert_array_equal(data[59], frame(59, "<f8"))


def test_a_run_of_unknown_length_leaves_no_rows_over(tmp_path: Path, writers: Any) -> None:
    run = frame_run(300, num_points=None, size=96)
    writer = writers(tmp_path)
    slowly(writer, run)
    [path] = writer.finish()
    same_file(path, export_scan([run], tmp_path / "exported"))


CHANGES: dict[str, Any] = {
    "shape": lambda i, a: a[:100] if i >= 10 else a,
    "dtype": lambda i, a: a.astype("<f4") if i >= 10 else a,
    "gap": lambda i, a: None if i == 12 else a,
    "late": lambda i, a: None if i < 15 else a,
    "list": lambda i, a: a.tolist() if i == 12 else a,
    "order": lambda _, a: np.asfortranarray(a),
}


@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_change_are_kept(change: str, tmp_path: Path, writers: Any) -> None:
    run = frame_run(24, change=CHANGES[change])
    writer = writers(tmp_path / "live")
    slowly(writer, run)
    [path] = writer.finish()
    exported = export_scan([run], tmp_path / "exported")
    if change != "gap":
        same_file(path, exported)
        return
    holds(path, [run])  # the row without a reading has a place, which is empty
    with h5py.File(path) as h5, h5py.File(exported) as other:
        for name in ("camera/data", "instrument/camera/data"):
            np.testing.assert_array_equal(h5["entry0"][name], other["entry0"][name])
        [arrays] = h5["entry0/collection/bluesky/arrays"].values()
        assert not arrays[12].any()


def test_an_event_that_is_refused_does_not_move_the_frames(tmp_path: Path, writers: Any) -> None:
    """The journal counts it, the books of the run do not."""
    run = frame_run(24)
    at = [i for i, (name, _) in enumerate(run) if name == "event"]
    broken = [*run]
    name, doc = broken[at[9]]
    broken[at[9]] = name, {**doc, "seq_num": "nine"}
    writer = writers(tmp_path)
    slowly(writer, broken)
    writer.finish()
    [path] = recover(tmp_path)  # what was refused ended the file, and not the scan
    without = [doc for i, doc in enumerate(run) if i != at[9]]
    with h5py.File(path) as h5:
        got = h5["entry0/instrument/camera/data"][()]
    wanted = [doc["data"]["camera"] for name, doc in without if name == "event"]
    np.testing.assert_array_equal(got, np.stack(wanted))


def test_several_cameras_and_runs_at_the_same_time(tmp_path: Path, writers: Any) -> None:
    runs = [frame_run(20, uid=n, keys=("left", "right")) for n in range(3)]
    writer = writers(tmp_path, path_provider="{uid}")
    for step in zip(*runs, strict=True):
        for name, doc in step:
            writer(name, doc)
        time.sleep(0.01)
    for run in runs:
        path = tmp_path / f"{run[0][1]['uid']}.hdf5"
        holds(path, [run])
        with h5py.File(path) as h5:
            for key in ("left", "right"):
                np.testing.assert_array_equal(
                    h5[f"entry0/instrument/{key}/data"][7], frame(7, "<f8", key)
                )


def test_a_backlog_is_read_from_the_file_of_the_scan(
    tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suitcase.nxstxm.documents import Batch

    released = []
    real = Batch.without_documents

    def counted(batch: Batch) -> Batch:
        released.append(batch)
        return real(batch)

    monkeypatch.setattr(Batch, "without_documents", counted)
    run = frame_run(60)
    writer = writers(tmp_path)
    writer._scans._backlog._limit = 1
    scans = writer._scans
    take = scans._do
    monkeypatch.setattr(scans, "_do", lambda item: (time.sleep(0.01), take(item)))
    slowly(writer, run[:20])
    for name, doc in run[20:]:
        writer(name, doc)
        time.sleep(0.002)
    [path] = writer.finish()
    assert released
    same_file(path, export_scan([run], tmp_path / "exported"))


# -- what breaks ----------------------------------------------------------------------------------


def test_frames_of_a_dead_process_are_in_its_file(tmp_path: Path) -> None:
    run = frame_run(30)
    folder = died(tmp_path / "data", run[:-1])
    assert len(references(folder)) > 20
    [path] = recover(folder)
    assert sorted(p.name for p in folder.iterdir()) == [path.name]
    holds(path, [run[:-1]])
    with h5py.File(path) as h5:
        assert not h5["entry0"].attrs["complete"]
    assert recover(folder) == []


@pytest.mark.parametrize("lost", ["cut", "gone", "changed"])
def test_frames_that_are_lost_are_told_and_the_rest_is_there(lost: str, tmp_path: Path) -> None:
    """After a power cut the journal may be on the disk, and what it refers to may not."""
    run = frame_run(30)
    for attempt in range(20):  # on a busy machine frames may go into the journal themselves
        folder = died(tmp_path / f"data{attempt}", run[:-1])
        refs = references(folder)
        if len(refs) > 6:
            break
    [temporary] = folder.glob("*.own.tmp")
    if lost == "gone":
        temporary.unlink()
    else:
        with temporary.open("r+b") as file:
            if lost == "cut":
                file.truncate(refs[5].at + 100)
            else:
                file.seek(refs[5].at + 100)
                file.write(b"\xff" * 8)
    [path] = recover(folder)
    missing = {"cut": [ref.row for ref in refs[5:]], "gone": [ref.row for ref in refs],
               "changed": [refs[5].row]}[lost]  # fmt: skip
    with h5py.File(path) as h5:
        picture = h5["entry0/camera/data"][()]
        messages = "\n".join(h5["entry0/collection/messages"].asstr()[()])
    assert np.flatnonzero(np.isnan(picture)).tolist() == missing
    assert "no array" in messages or "checksum" in messages
    for row in set(range(30)) - set(missing) - {29}:
        assert picture[row] == frame(row, "<f8").sum()
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_removed_file_loses_no_frames(
    what: str, tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = frame_run(40)
    folder = tmp_path / "data"
    writer = writers(folder)
    slowly(writer, run[:20])
    journalled(folder, run[:20])
    if what == "file":
        [temporary] = folder.glob("*.own.tmp")
        temporary.unlink()
    else:
        shutil.rmtree(folder)
    for name, doc in run[20:]:
        writer(name, doc)
    writer.finish()
    assert any("could not be written" in record.message for record in caplog.records)
    [path] = recover(folder)
    holds(path, [run])
    assert sorted(p.name for p in folder.iterdir()) == [path.name]


def test_a_file_that_fails_keeps_its_frames_for_recover(
    tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = frame_run(30)
    writer = writers(tmp_path)
    slowly(writer, run[:20])
    journalled(tmp_path, run[:20])
    with monkeypatch.context() as broken:
        broken.setattr("suitcase.nxstxm.exchange._scan_writer.finish_file", _fail)
        slowly(writer, run[20:])
        writer.finish()
    assert writer.paths == []
    assert references(tmp_path)
    [path] = recover(tmp_path)
    holds(path, [run])
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def _fail(*_: Any) -> Any:
    raise RuntimeError("a defect")


def test_a_recovery_that_dies_takes_no_frames_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = frame_run(30)
    folder = died(tmp_path / "data", run[:-1])

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> Any:
        raise Killed

    for place in ("_scan_writer.finish_file", "_recover._clear", "_recover.JournalFolder.remove"):
        with monkeypatch.context() as broken:
            broken.setattr(f"suitcase.nxstxm.exchange.{place}", killed)
            with pytest.raises(Killed):
                recover(folder)
    recover(folder)
    [path] = folder.glob("*")
    holds(path, [run[:-1]])


def test_a_journal_can_not_read_frames_outside_of_its_folder(tmp_path: Path) -> None:
    from suitcase.nxstxm.documents import PlacedFrames

    (tmp_path / "secret").write_bytes(bytes(100))
    (tmp_path / "data").mkdir()
    with closing(PlacedFrames(tmp_path / "data", tmp_path / "none")) as frames:
        for name in ("../secret", str(tmp_path / "secret")):
            ref = PlacedRef("r", "primary", "k", 0, 0, name, "/x", 0, "<u1", (100,))
            with pytest.raises(ValueError, match="outside"):
                frames.read(ref)


FULL = """
    import logging, resource, sys
    from pathlib import Path
    from suitcase.nxstxm import NXstxmWriter, recover
    from tests.exchange.same import holds
    from tests.live.frame_run import frame_run

    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    run = frame_run(40)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stdout)
    writer = NXstxmWriter(folder, finish_timeout=60.0, recover=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    import time
    for i, (name, doc) in enumerate(run):
        writer(name, doc)
        time.sleep(0.15 if i == 2 else 0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    writer.finish()
    writer.close()
    [path] = writer.paths or recover(folder)
    print("written", bool(writer.paths))
    holds(path, [run])
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("limit", [10_000, 200_000, 1_000_000, 5_000_000, 8_000_000])
def test_a_full_disk_loses_no_frames(limit: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path / "data"), str(limit)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
