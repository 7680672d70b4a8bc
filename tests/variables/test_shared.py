"""A table is used by all at once: by who measures, who computes and who looks. None may see half a
row, lose another's, or get the number of another's scan; and who may only look changes nothing.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import TableError
from suitcase.nxstxm.variables._stored_cell import StoredCell

from .databases import asked, old_database
from .test_formats import contents

ROOT = str(Path(__file__).parents[2])
on_posix = pytest.mark.skipif(os.name == "nt", reason="neither forks nor such modes here")


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str], status: int = 0) -> None:
    told, _ = process.communicate(timeout=100)
    assert process.returncode == status, told


def cells(value: object, count: int = 10) -> list[StoredCell]:
    return [StoredCell(f"v{n}", value) for n in range(count)]


# -- many ------------------------------------------------------------------------------------------

MANY = """
import sys
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._stored_cell import StoredCell
who = int(sys.argv[2])
table = Database(sys.argv[1], create=True, timeout=90)
for n in range(20):
    numbers = table.number_of(f"{who}-{n}", 1, scan_id=n + 1)
    table.set_cells(*numbers, [StoredCell("who", who), StoredCell(f"of {who}", n)], start_time=n)
    table.set_cells(1, 10_000, [StoredCell(f"v{i}", (who, n) == 0 or who) for i in range(5)])
    shared = table.cells(1, 10_000)
    assert len({cell.value for name, cell in shared.items() if name[0] == "v"}) == 1, shared
    if not n % 5:
        table.add_timed_comment(n, f"of {who}")
        table.add_user_variable(f"user {who} {n}", "integer")
        table.to_pandas(last=5)
table.proposal_number(f"proposal {who % 3}")
table.close()
"""


def test_many_processes_write_at_once(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    for process in [start(MANY, path, who) for who in range(8)]:
        ended(process)
    table = Database(path)
    runs = table.runs(1)
    assert len(runs) == 8 * 20 + 1
    numbers = {info.first_uid: info.run for info in runs if info.first_uid}
    assert len(set(numbers.values())) == 8 * 20
    assert set(range(1, 21)) <= set(numbers.values())
    for uid, run in numbers.items():
        who, n = map(int, uid.split("-"))
        found = table.cells(1, run)
        assert {name: cell.value for name, cell in found.items()} == {"who": who, f"of {who}": n}
    assert len(table.history(1, 10_000)) + 5 >= 8 * 5
    assert len(table.timed_comments()) == 8 * 4
    [row] = asked(path, "SELECT * FROM runs WHERE run=10000")
    assert len(row) == 4 + 1 + len(table.variables()) == 5 + 1 + 8 + 5 + 8 * 4
    assert sorted(table.proposal_number(f"proposal {n}") for n in range(3)) == [
        1_000_000_001, 1_000_000_002, 1_000_000_003,
    ]  # fmt: skip
    assert asked(path, "PRAGMA integrity_check") == [("ok",)]
    assert asked(path, "PRAGMA journal_mode") == [("wal",)]
    table.close()


def test_many_threads_use_one_table(tmp_path: Path):
    table = Database(tmp_path / "runs.sqlite", create=True)

    def work(thread: int) -> None:
        for n in range(5):
            numbers = table.number_of(f"{thread}-{n}", 1, scan_id=5)
            table.set_cells(*numbers, cells(f"{thread}-{n}"))
            assert {cell.value for cell in table.cells(*numbers).values()} == {f"{thread}-{n}"}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len({info.run for info in table.runs()}) == 40
    table.close()


FORKED = """
import os, sys
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._stored_cell import StoredCell
table = Database(sys.argv[1], create=True)
table.set_cells(1, 0, [StoredCell("x", 0)])
children = []
for n in range(1, 4):
    child = os.fork()
    if not child:
        try:
            assert table.cell(1, 0, "x").value == 0
            table.set_cells(1, n, [StoredCell("x", n)])
            table.close()
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
table.set_cells(1, 9, [StoredCell("x", 9)])
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
assert sorted(table.to_pandas()["x"]) == [0, 1, 2, 3, 9]
"""


@on_posix
def test_a_forked_process_has_connections_of_its_own(tmp_path: Path):
    ended(start(FORKED, tmp_path / "runs.sqlite"))
    assert asked(tmp_path / "runs.sqlite", "PRAGMA integrity_check") == [("ok",)]


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path):
    table = Database(tmp_path / "runs.sqlite", create=True, timeout=0.2)
    table.set_cells(1, 1, cells(1))
    looking = Database(table.path, readonly=True)
    with table.writing() as db:
        db.execute("UPDATE run_variables SET value=2")
        for each in (table, looking):
            assert {cell.value for cell in each.cells(1, 1).values()} == {1}
        with pytest.raises(TableError, match=r"locked by another for more than 0\.2 s"):
            table.set_cells(1, 1, cells(3))
    for each in (table, looking):
        assert {cell.value for cell in each.cells(1, 1).values()} == {2}
    table.close()


# -- killed, and without room ----------------------------------------------------------------------

WRITER = """
import sys
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._stored_cell import StoredCell
table = Database(sys.argv[1])
n = int(sys.argv[2])
while True:
    n += 1
    for run in range(5):
        table.set_cells(1, run, [StoredCell(f"v{i}", n) for i in range(20)])
    table.set_cells(1, 100 + n, [StoredCell(f"new {n}", n)])
    print(n, flush=True)
"""


def check_whole(table: Database, least: int) -> int:
    """Check that the cells of a run are of one time; give the latest."""
    latest = least
    for run in range(5):
        now = table.cells(1, run)
        assert len(now) == 20
        [value] = {cell.value for cell in now.values()}
        assert value >= least
        latest = max(latest, value)
        earlier = table.history(1, run, "v7")
        # every value has been, in this order, but those of writers that died before they wrote
        assert [cell.value for cell in earlier] == sorted({cell.value for cell in earlier})
        assert len(table.history(1, run)) == 20 * len(earlier)
        assert not earlier or earlier[-1].value < value
    return latest


def kill_writers(tmp_path: Path, times: int, seed: int) -> None:
    chance = random.Random(seed)
    table = Database(tmp_path / "runs.sqlite", create=True)
    for run in range(5):
        table.set_cells(1, run, cells(0, 20))
    latest = 0
    for _ in range(times):
        with start(WRITER, table.path, latest) as process:
            assert process.stdout is not None
            last = int(process.stdout.readline())
            time.sleep(chance.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")[:-1]
        assert process.returncode == -signal.SIGKILL, rest
        last = max(last, *map(int, rest), 0)
        latest = check_whole(table, last)
        described = set(table.variables())
        for info in table.runs():
            assert set(table.cells(info.proposal, info.run)) <= described
        assert asked(table.path, "PRAGMA integrity_check") == [("ok",)]
        [row] = asked(table.path, "SELECT * FROM runs WHERE run=0")
        assert len(row) == 5 + len(described)
    table.close()


@on_posix
def test_a_killed_writer_leaves_whole_runs(tmp_path: Path):
    kill_writers(tmp_path, 4, seed=1)


@on_posix
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_killed_writers_leave_whole_runs(tmp_path: Path):
    kill_writers(tmp_path, 60, seed=2)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = Database(tmp_path / "runs.sqlite", create=True)
    table.set_cells(1, 1, cells("small"))
    connect = table._connect

    def small() -> sqlite3.Connection:
        db = connect()
        db.execute("PRAGMA max_page_count=60")
        return db

    table.close()
    monkeypatch.setattr(table, "_connect", small)
    for run in (1, 2):
        with pytest.raises(TableError, match=r"no room .*Make room") as caught:
            table.set_cells(1, run, [StoredCell("new", 1), *cells("x" * 100_000)])
        assert isinstance(caught.value, OSError)
    assert {cell.value for cell in table.cells(1, 1).values()} == {"small"}
    assert [info.run for info in table.runs()] == [1]
    assert table.history(1, 1) == []
    assert "new" not in table.variables()
    table.set_cells(1, 3, cells("small"))
    table.close()


FULL = """
import resource, sys
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import TableError
from suitcase.nxstxm.variables._stored_cell import StoredCell
table = Database(sys.argv[1], create=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
for run in range(1000):
    try:
        table.set_cells(1, run, [StoredCell(f"v{n}", "x" * 1000) for n in range(10)])
    except TableError as error:
        assert "runs.sqlite" in str(error)
        break
else:
    raise AssertionError("there was room")
assert [info.run for info in table.runs()] == list(range(run))
assert all(len(table.cells(1, each)) == 10 for each in range(run))
assert run > 3
"""


@on_posix
def test_files_that_may_not_grow(tmp_path: Path):
    ended(start(FULL, tmp_path / "runs.sqlite"))
    table = Database(tmp_path / "runs.sqlite")
    assert all(len(table.cells(1, info.run)) == 10 for info in table.runs())
    table.close()


# -- looking only ----------------------------------------------------------------------------------


def test_who_looks_changes_nothing(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    table = Database(path, create=True)
    table.set_cells(1, 1, cells(1))
    table.close()
    before = contents(tmp_path)
    times = [each.stat().st_mtime_ns for each in (path, tmp_path)]
    looking = Database(path, readonly=True)
    assert looking.cell(1, 1, "v1").value == 1
    assert len(looking.to_pandas()) == len(looking.rows()) == 1
    for change in (
        lambda: looking.set_cells(1, 1, cells(2)),
        lambda: looking.number_of("new", 1),
        lambda: looking.metameta.update(a=1),
        lambda: looking.delete_variable("v1"),
    ):
        with pytest.raises(TableError, match="open read-only; open it without readonly"):
            change()
    assert contents(tmp_path) == before
    assert [each.stat().st_mtime_ns for each in (path, tmp_path)] == times


def test_who_looks_sees_what_is_written_meanwhile(tmp_path: Path):
    table = Database(tmp_path / "runs.sqlite", create=True)
    looking = Database(table.path, readonly=True)
    for value in range(3):
        table.set_cells(1, 1, cells(value))
        assert looking.cell(1, 1, "v1").value == value
    table.close()
    assert looking.cell(1, 1, "v1").value == 2
    Database(table.path).set_cells(1, 1, cells(9))
    assert looking.cell(1, 1, "v1").value == 9


def test_what_is_changed_while_it_is_looked_at_is_looked_at_again(tmp_path: Path):
    table = Database(tmp_path / "runs.sqlite", create=True)
    table.set_cells(1, 1, cells(0))
    table.close()
    looking, seen = Database(table.path, readonly=True), []

    def look(db: sqlite3.Connection) -> list[object]:
        seen.append(1)
        found = [db.execute("SELECT value FROM run_variables WHERE name='v1'").fetchone()[0]]
        if len(seen) < 3:
            table.set_cells(1, 1, cells(len(seen)))
            table.close()
        return [*found, db.execute("SELECT value FROM run_variables WHERE name='v9'").fetchone()[0]]

    assert looking.read(look) == [2, 2]
    assert len(seen) == 3

    def always(_: sqlite3.Connection) -> None:
        table.set_cells(1, 1, cells(time.time()))
        table.close()

    with pytest.raises(TableError, match="changed each time"):
        looking.read(always)


ARCHIVED = """
import os, sys
import pandas  # as long as it can be read
from pathlib import Path
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import TableError
from suitcase.nxstxm.variables._stored_cell import StoredCell
folder, left = Path(sys.argv[1]), sys.argv[2]
path = folder / "runs.sqlite"
if left != "old format":
    table = Database(path, create=True)
    table.set_cells(1, 1, [StoredCell("dose", 1.5)])
    table.close()
log = folder / "runs.sqlite-wal"
if left == "empty log":
    log.touch()
elif left == "log":
    log.write_bytes(b"x" * 100)
path.chmod(0o444)
folder.chmod(0o555)
if not os.geteuid():
    os.seteuid(65534)
assert not os.access(folder, os.W_OK, effective_ids=True)
try:
    table = Database(path, readonly=True)
except TableError as error:
    assert left == "log" and "copy runs.sqlite and" in str(error), error
else:
    assert table.cell(1, 1, "dose").value == 1.5
    assert len(table.to_pandas()) == len(table.rows()) == len(table.runs())
try:
    Database(path).set_cells(1, 1, [StoredCell("dose", 2)])
except TableError as error:
    assert left == "log" or "readonly=True" in str(error), error
else:
    raise AssertionError("it was written")
"""


@on_posix
@pytest.mark.parametrize("left", ["nothing", "empty log", "log", "old format"])
def test_a_folder_that_nobody_can_write_to_is_read(left: str):
    with tempfile.TemporaryDirectory() as name:  # pytest's are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        if left == "old format":
            old_database(folder / "runs.sqlite", 2)
        ended(start(ARCHIVED, folder, left))


@on_posix
def test_permissions_are_those_of_the_umask(tmp_path: Path):
    """DAMNIT makes all of its files writable by everybody."""
    before = os.umask(0o027)
    try:
        table = Database(tmp_path / "new" / "runs.sqlite", create=True)
        table.set_cells(1, 1, cells(1))
        for path in (tmp_path / "new").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o750
        table.close()
        os.umask(0o002)
        Database(tmp_path / "group.sqlite", create=True).close()
        assert stat.S_IMODE((tmp_path / "group.sqlite").stat().st_mode) == 0o664
        table.path.chmod(0o600)
        Database(table.path).close()
        assert stat.S_IMODE(table.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_lock_of_another_program_is_waited_for(tmp_path: Path):
    table = Database(tmp_path / "runs.sqlite", create=True)
    begun = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(table.path)) as db:
            db.execute("BEGIN IMMEDIATE")
            begun.set()
            time.sleep(0.3)
            db.execute("COMMIT")

    holding = threading.Thread(target=hold)
    holding.start()
    begun.wait()
    table.set_cells(1, 1, cells(1))
    holding.join()
    assert len(table.cells(1, 1)) == 10
    table.close()
