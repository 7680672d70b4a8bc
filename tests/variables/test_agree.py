"""The table and the files of runs agree, whoever died between the two; or it is noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import (
    MissingValueError,
    Processed,
    Processor,
    RunFiles,
    RunTable,
    TableRun,
    found_scans,
)

BEFORE = """
import numpy as np
from suitcase.nxstxm.variables import Variable

@Variable(title="Curve", data="curve")
def curve(run):
    return np.full(5, 1.0)

@Variable(title="Number")
def number(run):
    return 1.0

@Variable(title="Sum")
def total(run, curve: "var#curve"):
    return float(curve.sum())

@Variable(title="Bad")
def bad(run):
    return 1 / 0
"""
AFTER = BEFORE.replace("1.0", "2.0")
NAMES = {"curve", "number", "total", "bad"}
#: Processes, and dies when the file of the run has its name and the table knows nothing of it.
DYING = """
import os, signal, sys
from suitcase.nxstxm.variables import Processor, RunTable, found_scans

class Dying(Processor):
    @staticmethod
    def _cell(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)

with RunTable(sys.argv[1]) as table, Dying(table) as processor:
    list(processor.process(found_scans([sys.argv[2]])))
"""


class Lab:
    """A table of one scan."""

    def __init__(self, folder: Path) -> None:
        self.home, self.scans = folder / "table", folder / "scans"
        self.scans.mkdir()
        export_scan(scan_documents(all_requests()["stxm-image"]), self.scans)
        self.table = RunTable.create(self.home, proposal=900001, context=BEFORE)

    def process(self, **how: object) -> Processed:
        with Processor(self.table, timeout=60) as processor:
            (done,) = processor.process(found_scans([self.scans]), **how)  # type: ignore[arg-type]
        return done

    def row(self) -> TableRun:
        return self.table[self.table.runs()[0].first_uid or ""]

    def die(self, code: str) -> None:
        """Let a process write the file of the run, and die before the table is told."""
        (self.home / "context.py").write_text(code)
        died = subprocess.run([sys.executable, "-c", DYING, self.home, self.scans], check=False)
        assert died.returncode == -signal.SIGKILL


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    assert set(made.process().computed) == NAMES
    yield made
    made.table.close()


def test_a_result_that_the_table_does_not_know_is_not_given(lab: Lab) -> None:
    lab.die(AFTER)
    row = lab.row()
    with pytest.raises(MissingValueError, match="made otherwise; process the run again"):
        row["curve"].read()
    with pytest.raises(MissingValueError, match="made otherwise; process the run again"):
        row["curve"].preview()
    assert row["number"].read() == 1.0  # the table has all of it
    assert row["bad"].error == "ZeroDivisionError: division by zero"


def test_an_edit_that_is_undone_leaves_nothing_behind(lab: Lab) -> None:
    lab.die(AFTER)
    (lab.home / "context.py").write_text(BEFORE)
    done = lab.process()
    changed = {"curve", "number", "total"}  # bad is as it was
    assert done.computed == dict.fromkeys(changed, "the run's file has not this result")
    row = lab.row()
    np.testing.assert_array_equal(row["curve"].read(), np.full(5, 1.0))
    assert row["total"].read() == 5.0
    assert lab.process().computed == {}


def test_what_is_taken_from_the_file_is_what_it_ought_to_be(lab: Lab) -> None:
    """Of a result that another has put there none is computed further."""
    lab.die(AFTER)
    (lab.home / "context.py").write_text(BEFORE.replace("curve.sum()", "curve.sum() + 0"))
    done = lab.process(variables=["total"])
    assert set(done.computed) == {"total"}
    assert lab.row()["total"].read() == 5.0
    np.testing.assert_array_equal(lab.row()["curve"].read(), np.full(5, 1.0))
    # the curve was made again for it, and is in the file; the number is not forgotten
    assert set(lab.process().computed) == {"number"}
    np.testing.assert_array_equal(lab.row()["curve"].read(), np.full(5, 1.0))


def test_what_is_computed_for_others_is_told_of_as_well(lab: Lab) -> None:
    (lab.home / "context.py").write_text(AFTER)
    done = lab.process(variables=["total"])
    assert set(done.computed) == {"total"}
    row = lab.row()
    assert row["total"].read() == 10.0
    np.testing.assert_array_equal(row["curve"].read(), np.full(5, 2.0))
    assert row["number"].read() == 1.0  # nobody asked for it
    assert set(lab.process().computed) == {"number"}


def test_a_file_that_somebody_removed_is_made_again(lab: Lab) -> None:
    (file,) = (lab.home / "extracted_data").glob("*.h5")
    file.unlink()
    assert set(lab.process().computed) == NAMES - {"bad"}
    np.testing.assert_array_equal(lab.row()["curve"].read(), np.full(5, 1.0))


def test_what_others_write_into_a_file_makes_nothing_out_of_date(lab: Lab) -> None:
    run = lab.row().info.first_uid or ""
    RunFiles(lab.table).write_run_metadata(run, {"start": {"sample": "diatom"}})
    lab.table.submit(run, {"dose": 3.5}, provenance="dose meter")
    (file,) = (lab.home / "extracted_data").glob("*.h5")
    os.utime(file)  # as after a copy
    assert lab.process().computed == {}
    assert lab.row()["dose"].read() == 3.5


def test_results_submitted_meanwhile_hide_nothing(lab: Lab) -> None:
    lab.die(AFTER)
    lab.table.submit(lab.row().info.first_uid or "", {"dose": 3.5}, provenance="dose meter")
    (lab.home / "context.py").write_text(BEFORE)
    assert set(lab.process().computed) == {"curve", "number", "total"}


@pytest.mark.skipif(os.name == "nt", reason="no process has another parent there")
def test_a_worker_that_nobody_waits_for_writes_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    begun = tmp_path / "begun"
    (lab.home / "context.py").write_text(
        f"import os, time\nfrom pathlib import Path\nfrom suitcase.nxstxm.variables import Variable"
        f"\n@Variable\ndef slow(run):\n    Path({str(begun)!r}).write_text(str(os.getpid()))\n"
        f"    time.sleep(3)\n    return 1.0\n"
    )
    command = [sys.executable, "-m", "suitcase.nxstxm", "table", "process", lab.home, lab.scans]
    asking = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 100
        while not (begun.exists() and begun.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        asking.kill()
        asking.wait()
    deadline = time.monotonic() + 60
    while is_running(int(begun.read_text())):
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.1)
    assert not list((lab.home / "extracted_data").glob("*.h5"))
    lab.table.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self").exists()
