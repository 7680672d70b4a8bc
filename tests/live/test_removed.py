"""Without these tests somebody who tidies up during a scan could take its runs away."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm import recover
from suitcase.nxstxm.documents import Journal, read_archive
from suitcase.nxstxm.documents._journals import Journals
from suitcase.nxstxm.sim import all_requests, scan_documents

from ..exchange.same import holds
from .frame_run import frame_run
from .left import count_of

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
STACK = "pystxm2019-sample_image_stack-lines"
Documents = list[tuple[str, dict[str, Any]]]


def journalled(folder: Path, n: int) -> None:
    """Wait until so many documents are in the journals."""
    deadline = time.monotonic() + 10
    while sum(count_of(path) for path in folder.glob("*.journal")) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def group(n: int, events: int = 2) -> list[Documents]:
    """Give the runs of one scan."""
    runs = []
    for i in range(n):
        run = frame_run(events, size=2, uid=i)
        start = {**run[0][1], "scan_group": {"id": "g", "index": i, "total": n}}
        runs.append([("start", start), *run[1:]])
    return runs


@pytest.mark.parametrize("when", ["within a run", "between runs", "after the last"])
@pytest.mark.parametrize("what", ["all", "journal"])
def test_a_folder_that_is_removed_takes_no_run_with_it(
    when: str, what: str, tmp_path: Path, writers: Any
) -> None:
    runs = scan_documents(REQUESTS[STACK])
    documents = [pair for run in runs for pair in run]
    at = {
        "within a run": len(runs[0]) + len(runs[1]) // 2,
        "between runs": len(runs[0]),
        "after the last": len(documents) - 1,
    }[when]
    folder = tmp_path / "data"
    writer = writers(folder)
    for i, (name, doc) in enumerate(documents):
        if i == at:
            journalled(folder, i)
            for path in [folder] if what == "all" else folder.glob("*.journal"):
                shutil.rmtree(path)
        writer(name, doc)  # no plan fails for it
    writer.finish()
    writer.close()
    paths = writer.paths or recover(folder)
    holds(paths[0], runs)
    assert [p.name for p in folder.iterdir()] == [paths[0].name]


def test_a_folder_is_made_anew_when_nothing_comes(tmp_path: Path, writers: Any) -> None:
    """A process may be killed while the plan waits for somebody."""
    runs = scan_documents(REQUESTS[STACK])
    folder = tmp_path / "data"
    writer = writers(folder)
    documents = [*runs[0], *runs[1][:4]]
    for name, doc in documents:
        writer(name, doc)
    journalled(folder, len(documents))
    shutil.rmtree(folder)
    journalled(folder, len(documents))
    assert [p.name for p in folder.glob("*.journal/scan.json")] == ["scan.json"]


def test_a_folder_that_goes_while_the_file_is_made_is_made_anew(
    tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suitcase.nxstxm.exchange._scan_writer import ScanWriter

    [run] = scan_documents(REQUESTS[LINES])
    folder = tmp_path / "data"
    finish = ScanWriter.finish

    def removed(writer: Any) -> Any:
        shutil.rmtree(folder)
        return finish(writer)

    writer = writers(folder)
    with monkeypatch.context() as broken:
        broken.setattr(ScanWriter, "finish", removed)
        for name, doc in run:
            writer(name, doc)
        writer.finish()
    writer.close()
    assert writer.paths == []
    holds(recover(folder)[0], [run])


@pytest.mark.parametrize("late", [False, True], ids=["meanwhile", "while it is closed"])
def test_a_file_in_the_place_of_the_folder_is_waited_for(
    late: bool, tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.documents._journals.RETRY", 30.0 if late else 0.05)
    [run] = scan_documents(REQUESTS[LINES])
    folder = tmp_path / "data"
    writer = writers(folder)
    middle = len(run) // 2
    for i, (name, doc) in enumerate(run):
        if i == middle:
            journalled(folder, i)
            shutil.rmtree(folder)
            folder.write_text("mine")
        writer(name, doc)
    writer.finish()
    if late:
        threading.Timer(0.2, folder.unlink).start()
    else:
        folder.unlink()
        journalled(folder, len(run))
    writer.close()
    holds(recover(folder)[0], [run])


# -- scans of many runs ---------------------------------------------------------------------------


def open_journals(folder: Path) -> int:
    handles = Path("/proc/self/fd")
    paths = [handle.readlink() for handle in handles.iterdir() if handle.is_symlink()]
    return sum(folder in path.parents and ".nxdocs" in path.name for path in paths)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("fsync", [None, 0.01])
def test_runs_that_are_over_do_not_use_up_the_handles_of_a_process(
    fsync: float | None, tmp_path: Path, writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.documents._journals.OPEN", 3)
    runs = group(12)
    writer = writers(tmp_path, fsync=fsync)
    for run in runs[:-1]:
        for name, doc in run:
            writer(name, doc)
    journalled(tmp_path, sum(map(len, runs[:-1])))
    deadline = time.monotonic() + 10
    while open_journals(tmp_path) > 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for name, doc in runs[-1]:
        writer(name, doc)
    [path] = writer.finish()
    holds(path, runs)


def test_a_journal_that_rests_is_read_and_written_as_before(tmp_path: Path) -> None:
    run = frame_run(10, size=4)
    journal = Journal(tmp_path / "x.nxdocs")
    extents = []
    for pair in run:
        journal.add(*pair)
        extents.append(journal.flush())
        assert not journal.is_synced
        journal.rest()
        assert [p[0] for extent in extents for p in journal.read(extent)] == [
            name for name, _ in run[: len(extents)]
        ]
    journal.sync()
    journal.path.rename(tmp_path / "moved")
    assert journal.is_lost
    with pytest.raises(FileNotFoundError):
        list(journal.read(extents[0]))
    journal.add(*run[1])
    with pytest.raises(FileNotFoundError):
        journal.flush()
    journal.close()
    with (tmp_path / "moved").open("rb") as file:
        assert len(list(read_archive(file, partial=True))) == len(run)


def test_no_journal_rests_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.documents._journals.OPEN", 1)
    journals = Journals(lambda _: None, lambda *_: None, fsync=1e9)
    made = [Journal(tmp_path / f"{i}.nxdocs") for i in range(3)]
    for i, journal in enumerate(made):
        journals.begin(str(i), journal)
        journal.add(*frame_run(1, size=2)[0])
        journals.flush(str(i), journal)
        journals.stopped(str(i))
    made[1].sync()
    journals.retry()
    for path in tmp_path.iterdir():
        path.unlink()
    assert [journal.is_lost for journal in made] == [False, True, False]
    assert [journal.is_gone for journal in made] == [True, False, True]
    journals.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.nxdocs", "2.nxdocs"]


def test_what_a_removed_folder_takes_of_a_long_scan_is_told(
    tmp_path: Path,
    writers: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Journals of runs that were over long ago are closed: nobody has them any more."""
    monkeypatch.setattr("suitcase.nxstxm.documents._journals.OPEN", 2)
    runs = group(7)
    folder = tmp_path / "data"
    writer = writers(folder)
    for run in runs[:-1]:
        for name, doc in run:
            writer(name, doc)
    journalled(folder, sum(map(len, runs[:-1])))
    deadline = time.monotonic() + 10
    while open_journals(folder) > 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    shutil.rmtree(folder)
    for name, doc in runs[-1]:
        writer(name, doc)
    writer.finish()
    writer.close()
    holds(recover(folder)[0], runs[-3:])
    for run in runs[:4]:
        assert f"{run[0][1]['uid']}.nxdocs after its run was over, and it is lost" in caplog.text
