"""Without these tests a program of the user's that exits could take the writer with it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import scan
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, NXstxmWriter
from suitcase.nxstxm.euxfel import EuXFELWriter

from ..exchange.documents import ONE, camera_stack
from ..exchange.documents import scan as recorded
from ..exchange.same import holds
from .left import kinds


def measured(writer: Any, times: int = 2) -> None:
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine.subscribe(writer)
    x = SynAxis(name="x")
    for _ in range(times):
        engine(scan([SynSignal(name="det", func=lambda: 1.0 + x.readback.get())], x, 0, 2, 3))


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("make", [NXstxmWriter, EuXFELWriter])
def test_an_on_finish_that_exits_ends_nothing(
    make: Any, raised: BaseException, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def exits(_path: Path) -> None:
        raise raised

    with make(tmp_path, on_finish=exits) as writer:
        measured(writer)
        assert len(writer.finish(5)) == 2
    assert caplog.text.count(f": {type(raised).__name__}\n") >= 2
    assert "on_finish failed for" in caplog.text


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt()])
def test_a_processor_that_exits_is_told_like_one_that_fails(
    raised: BaseException, tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def exits(_coords: Any, _data: Any, _metadata: Any) -> Any:
        raise raised

    writer = writers(tmp_path, processors=[exits])
    measured(writer)
    paths = writer.finish(5)
    assert len(paths) == 2
    assert f"{type(raised).__name__} was raised" in caplog.text
    with h5py.File(paths[1]) as h5:
        told = "\n".join(h5["entry0/collection/messages"].asstr()[()])
        assert f"{type(raised).__name__} was raised" in told
        np.testing.assert_array_equal(h5["entry0/instrument/det/data"][()].ravel(), [1, 2, 3])


def test_a_strict_writer_raises_that_a_processor_exits(tmp_path: Path, writers: Any) -> None:
    def exits(_coords: Any, _data: Any, _metadata: Any) -> Any:
        sys.exit("no light")

    writer = writers(tmp_path, strict=True, processors=[exits])
    with pytest.raises(NXstxmError, match=r"SystemExit was raised \(no light\) in a thread"):
        measured(writer)
    assert len(writer.paths) == 1


def test_a_path_provider_that_exits_is_told_in_the_thread_of_a_run_engine(
    tmp_path: Path, writers: Any
) -> None:
    def exits(_start: Any) -> Any:
        sys.exit(1)

    writer = writers(tmp_path, path_provider=exits)
    [run] = recorded(ONE)
    raised: list[BaseException] = []

    def start() -> None:
        try:
            writer(*run[0])
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(10)
    [error] = raised
    assert isinstance(error, NXstxmError)
    with pytest.raises(SystemExit):
        writer(*run[0])  # whoever calls it from the main thread may end the program


def test_nobody_waits_for_a_thread_that_has_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [run], [other] = recorded(ONE), recorded(ONE, scan_id=2, seed=2)
    writer = NXstxmWriter(tmp_path)
    for name, doc in run[:-1]:
        writer(name, doc)
    writer._scans.settle(5)
    [thread] = [t for t in threading.enumerate() if t is writer._scans._thread]
    ended = ctypes.py_object(SystemExit)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ended)
    writer(*run[-1])
    assert writer.finish(5) == []
    assert "has ended; what goes on is in the journals" in caplog.text
    with pytest.raises(NXstxmError, match="make a new writer"):
        writer(*other[0])
    writer.close()
    [path] = tmp_path.glob("*.journal")
    assert "stop" in kinds(path)


def test_a_program_whose_on_finish_exits_comes_to_its_end(tmp_path: Path) -> None:
    code = f"""
        import sys
        from suitcase.nxstxm import NXstxmWriter
        from tests.exchange.documents import ONE, scan

        writer = NXstxmWriter({str(tmp_path)!r}, finish_timeout=1, on_finish=lambda _: sys.exit(1))
        for number in (1, 2):
            for name, doc in scan(ONE, scan_id=number, seed=number)[0]:
                writer(name, doc)
        print("the end", len(writer.paths))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["the", "end", "2"]


def test_a_program_that_ends_finishes_a_scan_whose_file_is_open(tmp_path: Path) -> None:
    """Python once closed the file, with the frames in it, before the scan was finished."""
    code = f"""
        import time
        from suitcase.nxstxm import NXstxmWriter
        from tests.exchange.documents import camera_stack

        writer = NXstxmWriter({str(tmp_path)!r}, recover=False)
        [run] = camera_stack(1)
        for name, doc in run[:-1]:
            writer(name, doc)
            time.sleep(0.005)
        assert writer.storage()[{{}}].size
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.iterdir()
    holds(path, [camera_stack(1)[0][:-1]])
