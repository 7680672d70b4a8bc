"""Without these tests two exports of the same thing could make half a file, or both claim success;
and a process that was killed could stand in the way for ever.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm._errors import NXstxmError, NXstxmFileExistsError, NXstxmStateError
from suitcase.nxstxm.exchange import Serializer, export, export_scan, finish_export

from .documents import ONE, STACK, Document, camera_stack, first_uid, lean, scan
from .same import holds, same_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def feed(serializer: Serializer, docs: list[Document]) -> None:
    for name, doc in docs:
        serializer(name, doc)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Process:
    """Another process that does as it is told; see ``process.py``."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("process.py")
        self.popen = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *what: Any) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps([str(w) if isinstance(w, Path) else w for w in what]))
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def answer(self) -> list[str]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        return list(json.loads(line)) if line else []

    def close(self) -> int:
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            pipe.close()
        return self.popen.wait()


@pytest.fixture
def two() -> Iterator[tuple[Process, Process]]:
    processes = Process(), Process()
    yield processes
    for process in processes:
        process.close()


# -- one after the other --------------------------------------------------------------------------


def test_a_lone_run_exported_again_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    export(docs, tmp_path, "x")
    before = contents(tmp_path)
    serializer = Serializer(tmp_path, "x")
    with pytest.raises(NXstxmFileExistsError, match=r"x\.hdf5 exists already") as caught:
        serializer(*docs[0])
    assert isinstance(caught.value, FileExistsError)
    assert "overwrite=True" in str(caught.value)
    with pytest.raises(NXstxmFileExistsError):
        export_scan([docs], tmp_path, file_prefix="x")
    assert contents(tmp_path) == before
    export(docs, tmp_path, "x", overwrite=True)
    assert names(tmp_path) == ["x.hdf5"]
    holds(tmp_path / "x.hdf5", [docs])


def test_a_joined_run_exported_again_is_refused(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for docs in runs:
        export(docs, tmp_path, "x", first_uid=u)
    before = contents(tmp_path)
    with pytest.raises(NXstxmStateError, match=rf"run {u} is already in .*x\.{u}\.tmp"):
        export(runs[0], tmp_path, "x", first_uid=u)
    assert names(tmp_path) == list(before)
    holds(finish_export(tmp_path, "x", u), runs)


def test_a_name_that_somebody_takes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    for number, docs in enumerate((scan(ONE)[0], camera_stack(1, 9)[0])):
        folder = tmp_path / str(number)
        serializer = Serializer(folder, "x")
        for name, doc in docs[:-1]:
            serializer(name, doc)
        (folder / "x.hdf5").write_text("of somebody else")
        with pytest.raises(NXstxmFileExistsError, match="nothing is lost"):
            serializer(*docs[-1])
        assert (folder / "x.hdf5").read_text() == "of somebody else"
        uid = docs[0][1]["uid"]
        assert names(folder) == [f"x.{uid}.tmp", "x.hdf5"]
        assert serializer.artifacts == {"stream_data": [folder / f"x.{uid}.tmp"]}
        path = finish_export(folder, "y", uid)
        assert names(folder) == ["x.hdf5", "y.hdf5"]
        holds(path, [docs])
        export(docs, folder, "z")
        same_file(path, folder / "z.hdf5")


def test_of_two_serializers_with_one_run_the_later_goes_on(tmp_path: Path) -> None:
    """A run that was left by a killed process can not be told from one that is still written."""
    for number, docs in enumerate((scan(ONE)[0], camera_stack(1, 9)[0])):
        folder = tmp_path / str(number)
        earlier, later = (Serializer(folder, "x", first_uid="abc") for _ in range(2))
        feed(earlier, docs[: len(docs) // 2])
        feed(later, docs[:-1])
        with pytest.raises(NXstxmStateError, match="exported twice at the same time"):
            feed(earlier, docs[len(docs) // 2 :])
        later(*docs[-1])
        holds(finish_export(folder, "x", "abc"), [docs])


def test_a_run_that_is_still_exported_when_the_scan_is_finished_is_told(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    export(runs[0], tmp_path, "x", first_uid=u)
    late = Serializer(tmp_path, "x", first_uid=u)
    for name, doc in runs[1][:-1]:
        late(name, doc)
    holds(finish_export(tmp_path, "x", u), runs[:1])
    with pytest.raises(NXstxmStateError, match=rf"x\.{u}\.tmp is gone"):
        late(*runs[1][-1])
    assert names(tmp_path) == ["x.hdf5"]


# -- at the same time -----------------------------------------------------------------------------


def outcomes(calls: list[Future[Any]]) -> tuple[list[Any], list[BaseException]]:
    errors = [error for call in calls if (error := call.exception()) is not None]
    return [call.result() for call in calls if call.exception() is None], errors


@pytest.mark.parametrize("joined", [False, True])
def test_of_threads_that_export_the_same_run_one_wins(joined: bool, tmp_path: Path) -> None:
    [docs] = lean(ONE)
    options = {"first_uid": "abc"} if joined else {}
    export(docs, tmp_path, "reference")
    for turn in range(8):
        folder = tmp_path / str(turn)
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(export, docs, folder, "x", **options) for _ in range(4)]
        won, errors = outcomes(calls)
        assert (len(won), len(errors)) == (1, 3)
        for error in errors:
            assert isinstance(error, (NXstxmStateError, NXstxmFileExistsError)), error
        path = finish_export(folder, "x", "abc") if joined else folder / "x.hdf5"
        same_file(path, tmp_path / "reference.hdf5") if not joined else holds(path, [docs])
        assert all(name.endswith((".tmp", ".hdf5")) for name in names(folder))


def test_of_threads_that_finish_the_same_scan_one_wins(tmp_path: Path) -> None:
    runs = lean(STACK)
    u = first_uid(runs)
    for turn in range(5):
        folder = tmp_path / str(turn)
        for docs in runs:
            export(docs, folder, "x", first_uid=u)
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(finish_export, folder, f"x{i}", u) for i in range(4)]
        won, errors = outcomes(calls)
        assert len(won) == 1
        assert all(isinstance(error, NXstxmError) for error in errors), errors
        assert names(folder) == [won[0].name]
        holds(won[0], runs)


def test_a_run_that_arrives_while_its_scan_is_finished_is_in_the_file_or_told(
    tmp_path: Path,
) -> None:
    runs = lean(STACK)
    u = first_uid(runs)
    for turn in range(10):
        folder = tmp_path / str(turn)
        for docs in runs[:2]:
            export(docs, folder, "x", first_uid=u)
        with ThreadPoolExecutor(2) as pool:
            late = pool.submit(export, runs[2], folder, "x", first_uid=u)
            path = pool.submit(finish_export, folder, "x", u).result()
        error = late.exception()
        if error is not None:
            assert isinstance(error, NXstxmStateError)
            holds(path, runs[:2])
        elif names(folder) == ["x.hdf5"]:
            holds(path, runs)
        else:  # it came later, and waits in a temporary file of its own
            holds(path, runs[:2])
            assert names(folder) == [f"x.{u}.tmp", "x.hdf5"]
            holds(finish_export(folder, "y", u), runs[2:])


@pytest.mark.parametrize("how", ["lone", "workflow"])
def test_of_two_processes_that_export_the_same_scan_one_wins(
    how: str, two: tuple[Process, Process], tmp_path: Path
) -> None:
    name = ONE if how == "lone" else STACK
    runs = scan(name)
    reference = export_scan(runs, tmp_path / "reference")
    for turn in range(2):
        folder = tmp_path / str(turn)
        for process in two:
            process.ask(how, folder, "x", name)
        answers = sorted(process.answer() for process in two)
        assert [answer[0] for answer in answers] == ["done", "failed"], answers
        assert answers[1][1] in ("NXstxmStateError", "NXstxmFileExistsError"), answers
        assert answers[0][1] == str(folder / "x.hdf5")
        same_file(folder / "x.hdf5", reference)
        left = [other for other in names(folder) if other != "x.hdf5"]
        assert all(other.endswith(f".{first_uid(runs)}.tmp") for other in left), left


# -- processes that are killed --------------------------------------------------------------------


posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")


def kill(*what: Any) -> None:
    process = Process()
    process.ask(*what)
    assert process.answer() == []
    assert process.close() == -signal.SIGKILL


@posix
@pytest.mark.parametrize("n", [1, 6])
def test_a_run_whose_process_was_killed_can_be_exported_again(n: int, tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for docs in runs[1:]:
        export(docs, tmp_path, "x", first_uid=u)
    kill("die", tmp_path, "x", STACK, n)
    assert names(tmp_path) == [f"x.{u}.tmp"]
    export(runs[0], tmp_path, "x", first_uid=u)
    same_file(finish_export(tmp_path, "x", u), export_scan(runs, tmp_path / "reference"))


@posix
def test_the_lock_of_a_killed_process_does_not_stay(tmp_path: Path) -> None:
    runs: list[list[Document]] = scan(STACK)
    u = first_uid(runs)
    for docs in runs[:2]:
        export(docs, tmp_path, "x", first_uid=u)
    kill("die locked", tmp_path, u)
    assert names(tmp_path) == [f".{u}.lock", f"x.{u}.tmp"]
    export(runs[2], tmp_path, "x", first_uid=u)
    path = finish_export(tmp_path, "x", u)
    assert names(tmp_path) == ["x.hdf5"]
    holds(path, runs)
