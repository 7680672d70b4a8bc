"""Without these tests what a process left would wait for a scan, or a writer hold Python up."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import h5py
import pytest

from ..exchange.documents import ONE, scan
from ..exchange.same import holds
from .left import left_behind


def test_what_was_left_is_recovered_without_a_scan(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    [one], [other] = scan(ONE), scan(ONE, scan_id=2, seed=2)
    left_behind(tmp_path / "data", [one])
    writer = writers(tmp_path / "data")
    deadline = time.monotonic() + 20
    while list((tmp_path / "data").glob("*.journal")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [path] = (tmp_path / "data").glob("*.hdf5")
    holds(path, [one[:-1]])
    for name, doc in other:
        writer(name, doc)
    assert len(writer.paths) == 1
    assert "was recovered from the journal of an earlier process" in caplog.text


def test_closing_waits_for_what_is_recovered(tmp_path: Path, writers: Any) -> None:
    [one] = scan(ONE)
    left_behind(tmp_path / "data", [one])
    writers(tmp_path / "data").close()
    [path] = (tmp_path / "data").iterdir()
    holds(path, [one[:-1]])


THROWN_AWAY = """
    import os, sys
    from suitcase.nxstxm import NXstxmWriter
    from tests.exchange.documents import ONE, scan

    writer = NXstxmWriter(sys.argv[1])
    if sys.argv[2] == "fork" and os.fork() == 0:
        # a writer that was made before the fork serves the child, as it did
        [run] = scan(ONE, scan_id=7, seed=7)
        for name, doc in run:
            writer(name, doc)
        os._exit(len(writer.paths))
    if sys.argv[2] == "fork":
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    del writer
    sys.exit(1)
"""


@pytest.mark.parametrize("how", ["at once", "fork"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_writer_that_is_thrown_away_holds_nothing_up(how: str, tmp_path: Path) -> None:
    if how == "fork" and not hasattr(h5py._objects, "_phil_before_fork"):
        pytest.skip("the child of a process whose threads use this h5py may wait for its lock")
    [one] = scan(ONE)
    left_behind(tmp_path / "data", [one])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(THROWN_AWAY), str(tmp_path / "data"), how],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    paths = list((tmp_path / "data").iterdir())
    assert {path.suffix for path in paths} == {".hdf5"}
    assert len(paths) == (2 if how == "fork" else 1)
