"""A table that somebody has is not lost with a new version: old formats are read and become new
ones, step by step, and what is none of ours is left as it is.
"""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from suitcase.nxstxm.variables import (
    RunTable,
    TableError,
    TableFormatError,
    VariableError,
    import_v0,
)
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._schema import OWN
from suitcase.nxstxm.variables._stored_cell import StoredCell

from .databases import PNG, asked, first_database, old_database, schema

PATHS = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def values(table: Database) -> dict[tuple[int, int], dict[str, object]]:
    return {
        (info.proposal, info.run): {
            name: cell.value for name, cell in table.cells(info.proposal, info.run).items()
        }
        for info in table.runs()
    }


EXPECTED = {
    (1, 1): {"comment": "fine", "dose": 1.5, "good": True},
    (1, 2): {},
    (2, 1): {"dose": 2.5, "sent": "text"},
}


def check(table: Database) -> None:
    assert values(table) == EXPECTED
    dose = table.cell(1, 1, "dose")
    assert (dose.timestamp, dose.max_diff, dose.provenance) == (101.0, 0.5, "context.py")
    assert (dose.attributes, dose.summary_type) == ({}, None)
    assert table.comment(1, 1) == "fine"
    assert [each.text for each in table.timed_comments()] == ["shutter stuck"]
    assert table.metameta["proposal"] == 1
    assert table.variables()["dose"].title == "Dose"
    assert table.variables()["good"].type == "boolean"
    assert table.run(1, 1).start_time == 100.0
    assert len(table.to_pandas()) == len(table.rows()) == 3
    assert table.history(1, 1) == []
    assert table.tags() == {}
    assert table.run_of("a") is None


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_old_format_becomes_the_newest(tmp_path: Path, version: int):
    path = old_database(tmp_path / "runs.sqlite", version)
    for _ in range(2):
        table = Database(path)
        check(table)
        assert table.metameta["data_format_version"] == 4
        assert len(table.metameta["db_id"]) == 40
        assert table.variables()["sent"].submitted
        assert asked(path, "SELECT proposal, run, dose, sent FROM runs ORDER BY 1, 2") == [
            (1, 1, 1.5, None), (1, 2, None, None), (2, 1, 2.5, "text"),
        ]  # fmt: skip
        table.close()
    table = Database(path)
    table.set_cells(1, 1, [StoredCell("dose", 7)])
    assert [each.value for each in table.history(1, 1)] == [1.5]
    table.add_tag("dose", "x")
    table.remove_tag("dose", "x")
    assert asked(path, "SELECT count(*) FROM tags") == [(0,)]
    table.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_whatever_it_was_the_tables_are_the_same(tmp_path: Path, version: int):
    path = old_database(tmp_path / "old.sqlite", version)
    expected = schema(old_database(tmp_path / "as damnit has it.sqlite", 4))
    Database(path).close()
    Database(tmp_path / "new.sqlite", create=True).close()
    assert schema(path) == schema(tmp_path / "new.sqlite") == expected


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_old_format_is_read_without_a_change(tmp_path: Path, version: int):
    path = old_database(tmp_path / "runs.sqlite", version)
    before = contents(tmp_path)
    table = Database(path, readonly=True)
    check(table)
    assert table.metameta["data_format_version"] == version
    with pytest.raises(TableError, match="open read-only"):
        table.set_cells(1, 1, [])
    assert contents(tmp_path) == before
    other = Database(path)  # by another process, while this one goes on
    other.set_cells(1, 1, [StoredCell("dose", 7, attributes={"units": "MGy"})])
    assert table.cell(1, 1, "dose").units == "MGy"
    assert table.metameta["data_format_version"] == 4
    other.close()


def test_damnit_died_between_a_column_and_the_version(tmp_path: Path):
    path = old_database(tmp_path / "runs.sqlite", 1)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE run_variables ADD COLUMN attributes")
    table = Database(path)
    check(table)
    table.close()


def test_what_damnit_wrote_meanwhile_is_taken_up(tmp_path: Path):
    table = Database(old_database(tmp_path / "runs.sqlite", 4))
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute(
            "INSERT INTO run_variables(proposal, run, name, version, value) "
            "VALUES(2, 1, 'theirs', 1, 5)"
        )
        # its own views, which take run 1 of both proposals for one
        db.execute("DROP VIEW runs")
        db.execute("CREATE VIEW runs AS SELECT proposal, run FROM run_info GROUP BY run")
    assert table.cell(2, 1, "theirs").value == 5
    table.set_cells(1, 1, [StoredCell("dose", 2.0)])
    assert table.variables()["theirs"].submitted
    assert asked(table.path, "SELECT run, theirs FROM runs ORDER BY proposal") == [
        (1, None), (2, None), (1, 5),
    ]  # fmt: skip
    table.close()


# -- killed in the middle --------------------------------------------------------------------------

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from suitcase.nxstxm.variables._connection import Connections
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._import_v0 import import_v0

what, old, new = sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
opened = Connections._opened
left = 0

def dying(statement):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def opening(self, how):
    db = opened(self, how)
    if self.path.parent == new.parent and "ro" not in how:
        db.set_trace_callback(dying)
    return db

Connections._opened = opening
for number in range(1000):
    for path in new.parent.iterdir():
        path.unlink()
    if what == "migrate":
        shutil.copy(old, new)
    child = os.fork()
    if not child:
        try:
            left = number
            if what == "import":
                import_v0(old, new)
            else:
                Database(new, create=what == "create").close()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    print(number, flush=True)
    sys.stdin.readline()
"""


def kill(what: str, old: Path, new: Path, check: Callable[[], None]) -> int:
    """Kill it before each of its statements; check what is left each time."""
    count = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(PATHS), what, str(old), str(new)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in process.stdout:
            count += 1
            check()
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    return count


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked here")
def test_a_killed_migration_leaves_an_old_or_a_new_one(tmp_path: Path):
    old, new = old_database(tmp_path / "old.sqlite", 1), tmp_path / "new" / "runs.sqlite"
    new.parent.mkdir()
    seen = set()

    def whole() -> None:
        [(version,)] = asked(new, "SELECT value FROM metameta WHERE key='data_format_version'")
        seen.add(version)
        assert asked(new, "PRAGMA integrity_check") == [("ok",)]
        table = Database(new)
        check(table)
        table.close()

    assert kill("migrate", old, new, whole) > 20
    assert seen == {1, 2, 3, 4}


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked here")
def test_a_table_is_made_whole_or_made_again(tmp_path: Path):
    new = tmp_path / "new" / "runs.sqlite"
    new.parent.mkdir()

    def again() -> None:
        table = Database(new, create=True)
        table.set_cells(1, 1, [StoredCell("x", 1)])
        assert table.metameta["data_format_version"] == 4
        table.close()

    assert kill("create", new, new, again) > 20


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked here")
def test_a_killed_import_leaves_nothing_of_that_name(tmp_path: Path):
    old, new = first_database(tmp_path / "old.sqlite"), tmp_path / "new" / "runs.sqlite"
    new.parent.mkdir()
    before = old.read_bytes()
    left = []

    def nothing() -> None:
        left.append(new.exists())
        assert old.read_bytes() == before

    kill("import", old, new, nothing)
    assert left.count(False) > 20
    assert new.exists()


# -- the first format ------------------------------------------------------------------------------


def test_the_first_format_is_imported(tmp_path: Path):
    (tmp_path / "old").mkdir()
    old = first_database(tmp_path / "old" / "runs.sqlite")
    before = contents(old.parent)
    with pytest.raises(TableFormatError, match=r"first format.*import_v0"):
        Database(old)
    with pytest.raises(TableFormatError, match="import_v0"):
        Database(old, readonly=True)
    new = tmp_path / "new" / "runs.sqlite"
    assert import_v0(old, new) == 3
    assert contents(old.parent) == before
    assert [path.name for path in new.parent.iterdir()] == ["runs.sqlite"]
    table = Database(new)
    assert values(table) == {
        (1, 1): {"comment": "fine", "dose": 1.5, "picture": PNG},
        (1, 2): {"odd": None},
        (2, 1): {"comment": "o'brien", "dose": 7, "odd": "text"},
    }
    # nothing is unpickled, for that could run anything
    assert "pickled object" in (table.cell(1, 2, "odd").error or "")
    assert (table.run(1, 1).start_time, table.run(1, 1).added_at) == (100.0, 90.0)
    assert table.run(2, 1).start_time is None
    assert table.cell(1, 1, "dose").timestamp == 90.0
    assert dict(table.metameta) == {"data_format_version": 4, "proposal": 1, "db_id": "abc"}
    assert table.variables()["dose"].type == "number"
    assert table.variables()["odd"].submitted
    assert [each.text for each in table.timed_comments()] == ["shutter stuck"]
    assert asked(new, "SELECT dose, odd FROM runs") == [(1.5, None), (None, None), (7, "text")]
    table.close()
    with pytest.raises(FileExistsError, match="is there already"):
        import_v0(old, new)
    assert Database(new, readonly=True).cell(2, 1, "dose").value == 7


def test_the_error_of_the_first_format_says_how_to_import_it(tmp_path: Path):
    (tmp_path / "o'ld").mkdir()
    old = first_database(tmp_path / "o'ld" / "runs.sqlite")
    with pytest.raises(TableFormatError) as caught:
        RunTable(old.parent)
    exec(str(caught.value).rpartition("by: ")[2])  # as it is written there
    with RunTable(old.parent / "new") as table:
        assert table[2, 1]["dose"].read() == 7


def test_what_is_not_of_the_first_format_is_not_imported(tmp_path: Path):
    new = tmp_path / "new.sqlite"
    with pytest.raises(TableFormatError, match="format 0"):
        import_v0(old_database(tmp_path / "v1.sqlite", 1), new)
    with pytest.raises(TableError, match="no database"):
        import_v0(tmp_path / "nothing", new)
    text = tmp_path / "text"
    text.write_text("no database " * 100)
    with pytest.raises(TableFormatError, match="no database of SQLite"):
        import_v0(text, new)
    odd = tmp_path / "odd.sqlite"
    with closing(sqlite3.connect(odd)) as db:
        db.execute('CREATE TABLE runs(proposal, runnr, run, "o\'brien")')
    with pytest.raises(VariableError, match="'run'"):
        import_v0(odd, new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.sqlite", "text", "v1.sqlite"]


def test_hostile_columns_of_the_first_format(tmp_path: Path):
    old = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(old)) as db, db:
        db.execute('CREATE TABLE runs(proposal, runnr, "o\'brien", "a""b", "x; DROP TABLE runs")')
        db.execute("INSERT INTO runs VALUES(1, 2, 3, 4, 5)")
    assert import_v0(old, tmp_path / "new.sqlite") == 1
    table = Database(tmp_path / "new.sqlite")
    assert values(table)[1, 2] == {"o'brien": 3, 'a"b': 4, "x; DROP TABLE runs": 5}
    table.close()


# -- what is none ----------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_table_of_the_future_is_left_alone(tmp_path: Path, readonly: bool, mode: str):
    path = old_database(tmp_path / "runs.sqlite", 4)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE metameta SET value=5 WHERE key='data_format_version'")
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode={mode}")
    before = contents(tmp_path)
    with pytest.raises(TableFormatError, match=r"format 5; .* up to 4.*newer version"):
        Database(path, readonly=readonly, create=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("version", [OWN + 1, "new", None])
def test_our_own_tables_of_the_future(tmp_path: Path, version: object):
    path = tmp_path / "runs.sqlite"
    Database(path, create=True).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE nxstxm_meta SET value=? WHERE key='schema_version'", (version,))
    before = contents(tmp_path)
    with pytest.raises(TableFormatError, match="tables nxstxm_ of version"):
        Database(path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("version", [0, -1, "0.5", None, b"4", "x' OR 1"])
def test_a_format_that_is_none(tmp_path: Path, version: object):
    path = old_database(tmp_path / "runs.sqlite", 4)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE metameta SET value=? WHERE key='data_format_version'", (version,))
    if version == b"4":  # as good as any
        Database(path).close()
        return
    with pytest.raises(TableFormatError, match="which is none"):
        Database(path)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_something_else(tmp_path: Path, readonly: bool):
    text, empty, other = tmp_path / "text", tmp_path / "empty", tmp_path / "other.sqlite"
    text.write_text("no database " * 100)
    empty.touch()
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE notes(text)")
        db.execute("CREATE TABLE runs(day, distance)")
    before = contents(tmp_path)
    with pytest.raises(TableFormatError, match="no database of SQLite"):
        Database(text, readonly=readonly)
    with pytest.raises(TableFormatError, match="is empty, and no run table"):
        Database(empty, readonly=readonly)
    with pytest.raises(TableFormatError, match="something else, with the tables notes, runs"):
        Database(other, readonly=readonly, create=True)
    for path in (tmp_path / "nothing", tmp_path / "no" / "folder"):
        with pytest.raises(TableError, match="there is no run table"):
            Database(path, readonly=readonly)
    with pytest.raises(TableError):
        Database(tmp_path, readonly=readonly)
    assert contents(tmp_path) == before


def test_a_damaged_table(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    table = Database(path, create=True)
    for run in range(50):
        table.set_cells(1, run, [StoredCell(f"v{n}", "x" * 100) for n in range(20)])
    table.close()
    raw = bytearray(path.read_bytes())
    raw[4096 * 3 :] = b"\xff" * (len(raw) - 4096 * 3)
    path.write_bytes(raw)
    with pytest.raises(TableError, match=r"damaged|can not be used"):
        Database(path).to_pandas()
