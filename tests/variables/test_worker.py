"""A context file is somebody's program: whatever it does, the table goes on and says what."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import ContextError
from suitcase.nxstxm.variables._identity import identities
from suitcase.nxstxm.variables._run import RunRef
from suitcase.nxstxm.variables._run_file import file_of
from suitcase.nxstxm.variables._task import Answer, Task
from suitcase.nxstxm.variables._worker import Worker

HEAD = """
import os, time
import numpy as np
import xarray as xr
from suitcase.nxstxm.variables import Cell, Skip, Variable
"""


@pytest.fixture(scope="module")
def ref(tmp_path_factory: pytest.TempPathFactory) -> RunRef:
    runs = [list(r) for r in scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"])]
    path = export_scan(runs, tmp_path_factory.mktemp("scans"))
    uid = runs[0][0][1]["uid"]
    return RunRef(uid, "nxstxm", (str(path),), 900, 7, 1.0, str(path.parent))


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(timeout=60) as made:
        yield made


def compute(
    worker: Worker, ref: RunRef, folder: Path, code: str, **more: object
) -> dict[str, Answer]:
    code = HEAD + code
    infos = worker.describe(code, "context.py")
    names = tuple(info.name for info in infos if not info.transient)
    params: Any = more.get("params", {})
    made = {name: each.hash for name, each in identities(infos, params, {}).items()}
    task = Task(code, "context.py", str(folder), ref, names, made, **more)  # type: ignore[arg-type]
    return {answer.name: answer for answer in worker.compute(task).answers}


def test_results_are_in_the_file_and_summaries_come_back(
    worker: Worker, ref: RunRef, tmp_path: Path
) -> None:
    answers = compute(
        worker,
        ref,
        tmp_path,
        """
@Variable(title="Mean", units="counts")
def mean(run):
    return float(run.picture().mean())

@Variable(title="Spectrum")
def spectrum(run):
    return run.picture().mean(("y", "x"))

@Variable(title="Image")
def image(run):
    return Cell(run.picture()[0], bold=True, background="#00ff00", preview=np.arange(4.0))

@Variable(transient=True)
def hidden(run):
    return object()

@Variable
def seen(run, h: "var#hidden", m: "var#mean"):
    return f"{type(h).__name__} {m == run.picture().mean().item()}"

@Variable
def told(run, n: "meta#run_number", p: "meta#proposal", uid: "meta#uid", s: "start#uid",
         status: "stop#exit_status", limit: "param#limit", gone: "start#no.such" = "default"):
    return f"{n} {p} {uid == s == run.uid} {status} {limit} {gone} {run.start['uid'] == uid}"

@Variable
def shape(run):
    return run.scan_type

@Variable
def z(run):
    return 1 + 2j
""",
        params={"limit": 2.5},
    )
    assert {name for name, answer in answers.items() if answer.error_type} == set()
    assert "hidden" not in answers
    told = {name: a.summary.value for name, a in answers.items() if a.summary is not None}
    assert told["told"] == "7 900 True success 2.5 default True"
    assert told["seen"] == "object True"
    assert told["shape"] == "sample image stack"
    assert told["z"] == 1 + 2j
    assert told["image"].shape == (2, 4)  # the preview, a curve, is shown
    assert answers["image"].summary.attributes == {"bold": True, "background": [0, 255, 0]}
    assert answers["mean"].summary.attributes == {"units": "counts"}
    file = file_of(tmp_path, 900, 7)
    assert file.read("mean") == told["mean"]
    spectrum = file.read("spectrum")
    assert spectrum.dims == ("energy",)
    np.testing.assert_array_equal(told["spectrum"], np.vstack((spectrum["energy"], spectrum)))
    assert isinstance(file.read("image"), xr.DataArray)
    np.testing.assert_array_equal(file.preview("image"), np.arange(4.0))
    assert file.read("z") == 1 + 2j
    assert "hidden" not in file.names()


def test_a_failing_variable_fails_alone(worker: Worker, ref: RunRef, tmp_path: Path) -> None:
    answers = compute(
        worker,
        ref,
        tmp_path,
        """
@Variable
def bad(run):
    return 1 / 0

@Variable
def needs_bad(run, b: "var#bad"):
    return b

@Variable
def needs_that(run, b: "var#needs_bad"):
    return b

@Variable
def has_default(run, b: "var#bad" = 5):
    return b + 1

@Variable
def some(run, all: "var#*ood"):
    return sorted(all)[0]

@Variable
def skipped(run):
    raise Skip("no focus here")

@Variable
def needs_skipped(run, s: "var#skipped"):
    return s

@Variable
def nothing(run):
    return None

@Variable
def needs_nothing(run, n: "var#nothing"):
    return n

@Variable
def odd(run):
    return [object()]

@Variable
def catalogue(run, s: "mymdc#sample_name"):
    return s

@Variable
def parameter(run, s: "param#none"):
    return s

@Variable
def good(run):
    return 3
""",
    )
    kinds = {name: answer.error_type for name, answer in answers.items()}
    assert kinds == {
        "bad": "ZeroDivisionError",
        "needs_bad": "DependencyError",
        "needs_that": "DependencyError",
        "has_default": "",
        "some": "",
        "skipped": "Skip",
        "needs_skipped": "Skip",
        "nothing": "",
        "needs_nothing": "Skip",
        "odd": "CellError",
        "catalogue": "NXstxmKeyError",
        "parameter": "NXstxmKeyError",
        "good": "",
    }
    assert "line 9" in answers["bad"].trace
    assert "return 1 / 0" not in answers["good"].trace
    assert "bad: ZeroDivisionError: division by zero" in answers["needs_bad"].error
    assert "needs_bad: DependencyError" in answers["needs_that"].error
    assert "skipped: Skip: no focus here" in answers["needs_skipped"].error
    assert answers["has_default"].summary.value == 6
    assert "--param" in answers["parameter"].error
    file = file_of(tmp_path, 900, 7)
    assert file.read("good") == 3
    assert "bad" not in file.names()


def test_what_ends_the_worker_is_found_and_the_others_are_computed(
    ref: RunRef, tmp_path: Path
) -> None:
    code = """
@Variable
def first(run):
    return 1

@Variable
def ends(run):
    print("x" * 50_000_000, flush=True)
    print("the end of what it said", flush=True)
    os._exit(3)

@Variable
def loops(run, f: "var#first", l: "var#last"):
    while True:
        time.sleep(0.01)

@Variable
def last(run, f: "var#first"):
    return f + 1

@Variable
def waits(run, e: "var#ends"):
    return e
"""
    with Worker(timeout=8) as worker:
        answers = compute(worker, ref, tmp_path, code)
        assert answers["ends"].error == "the worker ended with status 3"
        assert answers["ends"].trace.endswith("the end of what it said\n")
        assert len(answers["ends"].trace) <= 16 * 1024
        assert answers["loops"].error == "the worker was ended after 8 s"
        assert answers["last"].summary.value == 2
        assert answers["waits"].error_type == "DependencyError"
    file = file_of(tmp_path, 900, 7)
    assert (file.read("first"), file.read("last")) == (1, 2)


def test_of_an_error_the_traceback_is_kept_and_not_what_was_printed(
    worker: Worker, ref: RunRef, tmp_path: Path
) -> None:
    code = """
@Variable
def fails(run):
    print("said before")
    return 1 / 0
"""
    trace = compute(worker, ref, tmp_path, code)["fails"].trace
    assert trace.endswith("ZeroDivisionError: division by zero\n")
    assert not any(line.startswith("said") for line in trace.splitlines())


def test_too_much_memory_is_an_error_of_the_variable(ref: RunRef, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    code = """
@Variable
def eats(run):
    return len(bytearray(60_000_000_000))

@Variable
def good(run):
    return 1
"""
    with Worker(timeout=60, memory=8 << 30) as worker:
        answers = compute(worker, ref, tmp_path, code)
    assert answers["eats"].error_type == "MemoryError"
    assert answers["good"].summary.value == 1


def test_a_worker_that_is_killed_is_begun_again(ref: RunRef, tmp_path: Path) -> None:
    with Worker(timeout=60) as worker:
        assert compute(worker, ref, tmp_path, "@Variable\ndef a(run): return 1\n")
        process = worker._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert compute(worker, ref, tmp_path, "@Variable\ndef a(run): return 2\n")
        code = f"@Variable\ndef b(run):\n    open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        code += "    time.sleep(60)\n"

        def kill() -> None:
            while not (tmp_path / "begun").exists():
                time.sleep(0.01)
            assert worker._process is not None
            os.kill(worker._process.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        answers = compute(worker, ref, tmp_path, code)
        killer.join()
        assert answers["b"].error == "the worker ended with status -9"


def test_a_broken_context_is_told_from_outside(worker: Worker) -> None:
    with pytest.raises(ContextError, match=r"context\.py, line 1: it is no Python"):
        worker.describe("x = = 1", "context.py")
    with pytest.raises(ContextError, match="line 3: ZeroDivisionError") as caught:
        worker.describe("\n\n1 / 0\n", "context.py")
    assert "ZeroDivisionError" in caught.value.details
    with Worker(timeout=5) as own, pytest.raises(ContextError, match="was ended after 5 s"):
        own.describe("while True: pass", "context.py")
    with Worker(timeout=60) as own, pytest.raises(ContextError, match="ended with status 4"):
        own.describe("import os; os._exit(4)", "context.py")


def test_a_scan_that_can_not_be_opened_is_an_error(worker: Worker, tmp_path: Path) -> None:
    gone = RunRef("no", "nxstxm", (str(tmp_path / "none.hdf5"),), 1, 1)
    answers = compute(worker, gone, tmp_path, "@Variable\ndef a(run): return run.picture()\n")
    assert "none.hdf5" in answers["a"].error


def test_data_of_the_store_are_made_and_shared(worker: Worker, ref: RunRef, tmp_path: Path) -> None:
    code = """
@Variable
def jump(run, od: "data#od"):
    return float(od.mean())
"""
    answers = compute(worker, ref, tmp_path, code, store=str(tmp_path / "store"))
    assert answers["jump"].summary is not None, answers["jump"]
    assert list((tmp_path / "store").rglob("od-*/000000.h5"))
