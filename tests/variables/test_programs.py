"""A context file is a program of somebody who is tired: the command has to survive all of it, say
in a line which variable it was, and have the others.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import RunTable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="it has no such processes and limits")
Command = Callable[..., tuple[int, str, str]]
HEAD = """
import os, subprocess, sys, time
from suitcase.nxstxm.variables import Variable

@Variable
def first(run):
    return 1

@Variable
def last(run, f: "var#first"):
    return f + 1
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    export_scan(
        scan_documents(all_requests()["pystxm2019-sample_image-points"]), tmp_path / "scans"
    )
    RunTable.create(tmp_path / "table", context=HEAD).close()
    return tmp_path / "table"


def process(nxstxm: Command, table: Path, code: str, *options: str) -> dict[str, str]:
    """Process with a context file; give what is said of each variable that failed."""
    (table / "context.py").write_text(HEAD + code)
    status, out, err = nxstxm("table", "process", table, table.parent / "scans", *options)
    assert (status, err) == (0, "")
    with RunTable(table, readonly=True) as opened:
        row = opened[1]
        assert (row["first"].read(), row["last"].read()) == (1, 2)
    failed = [line.split(maxsplit=1) for line in out.splitlines()[1:]]
    assert all(len(each) == 2 for each in failed), out
    return dict(failed)


@on_posix
def test_variables_that_end_eat_and_never_return(nxstxm: Command, table: Path) -> None:
    code = """
@Variable
def eats(run):
    found = []
    while True:
        found.append(bytearray(os.urandom(1000) * 100_000))

@Variable
def ends(run):
    os._exit(7)

@Variable
def leaves(run):
    sys.exit("no more")

@Variable
def closes(run):
    sys.stdin.close()
    sys.stdout.close()
    os.close(0)
    return 1

@Variable
def loops(run):
    while True:
        pass

@Variable
def needs(run, e: "var#ends"):
    return e
"""
    said = process(nxstxm, table, code, "--timeout", "40", "--memory", "3")
    assert set(said) == {"eats", "ends", "leaves", "loops", "needs"}
    assert said["eats"].startswith("MemoryError")
    assert said["ends"] == "WorkerDied: the worker ended with status 7"
    assert said["leaves"] == "WorkerDied: the worker ended with status 1"
    assert said["loops"] == "WorkerDied: the worker was ended after 40 s"
    assert said["needs"].startswith("DependencyError: not computed, for ends has no value")


#: Runs a program whose output goes where errors go; tells how it ended, and the most memory.
_MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@on_posix
def test_a_gigabyte_that_is_printed_is_nowhere(table: Path) -> None:
    code = """
@Variable
def prints(run):
    for _ in range(100):
        os.write(1, b"x" * 5_000_000 + b"\\\\n")
        sys.stderr.write("y" * 5_000_000)
    return 3
"""
    (table / "context.py").write_text(HEAD + code)
    scans, told = table.parent / "scans", table.parent / "told"
    command = [sys.executable, "-m", "suitcase.nxstxm", "table", "process", str(table), str(scans)]
    with told.open("wb") as out:
        # begun by a small process: what is begun counts what whoever began it had for its own
        measured = subprocess.run(
            [sys.executable, "-c", _MEASURE, *command], stdout=subprocess.PIPE, stderr=out,
            check=True,
        )  # fmt: skip
    status, used = map(int, measured.stdout.split())
    assert status == 0, told.read_text()
    assert len(told.read_bytes()) < 1000
    assert used < 700_000 * (1 if sys.platform == "linux" else 1024)
    with RunTable(table, readonly=True) as opened:
        assert opened[1]["prints"].read() == 3
    assert sum(path.stat().st_size for path in table.rglob("*") if path.is_file()) < 2_000_000


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("while True:\n    pass\n", "reading it was ended after 6 s"),
        ("import os\nos._exit(9)\n", "reading it ended with status 9"),
        ("import sys\nsys.exit(2)\n", "line 2: SystemExit: 2"),
        ("raise KeyboardInterrupt\n", "reading it ended with status"),
        ("print('x' * 100_000_000)\n1 / 0\n", "line 2: ZeroDivisionError"),
        ("def f():\n    return f()\nf()\n", "line 2: RecursionError"),
        ("(" * 5000, "it is no Python"),
        ("x = 1\0\n", "it is no Python"),
    ],
)
def test_context_files_that_can_not_be_read_are_said_in_a_line(
    nxstxm: Command, table: Path, code: str, message: str
) -> None:
    (table / "context.py").write_text(code)
    seconds = "6" if "6 s" in message else "60"
    command = ("table", "process", table, table.parent / "scans", "--timeout", seconds)
    status, out, err = nxstxm(*command)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "context.py" in err
    assert message in err
    (table / "context.py").write_text(HEAD)
    status, out, err = nxstxm(*command[:-1], "60")
    assert (status, err) == (0, "")
    assert "2 computed" in out
    (table / "context.py").write_text(code)
    status, out, err = nxstxm(*command)  # the last good one counts
    assert (status, "up to date" in out, message in err) == (1, True, True)
    assert "the last good context file is used instead" in err
