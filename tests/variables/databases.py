"""Databases as others have made them, and what is asked of any of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.variables._context import VariableInfo
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._stored_cell import StoredCell

#: A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0"
    "000003010100c9fe92ef0000000049454e44ae426082"
)
#: A sparkline.
CURVE = np.array([[0.0, 1.0, 2.0], [5.0, np.nan, -0.0]])
#: What somebody may write anywhere.
HOSTILE = (
    "o'brien", '"; DROP TABLE run_info; --', "'); DELETE FROM variables; --", "%", "?", ":name",
    "<script>alert(1)</script>", "a\nb", "µm \N{LEMON}", "\u202egnp.exe", "[x]", "`x`", "A",
    "a", " ", "x" * 10_000, "NULL", "1", "nxstxm_runs", "v.name", "\\udce4",
)  # fmt: skip
#: Texts that no name may have, and any other field.
WITH_NUL, HALF = "a\0b", "half \udce4"

TABLES = {
    0: """
        CREATE TABLE runs(proposal, runnr, start_time, added_at, comment, dose, picture, odd);
        CREATE UNIQUE INDEX proposal_run ON runs (proposal, runnr);
        CREATE TABLE metameta(key PRIMARY KEY NOT NULL, value);
        CREATE TABLE variables(name TEXT PRIMARY KEY NOT NULL, type TEXT, title TEXT,
                               description TEXT, attributes TEXT);
        CREATE TABLE time_comments(timestamp, comment);
    """,
    1: """
        CREATE TABLE run_info(proposal, run, start_time, added_at);
        CREATE UNIQUE INDEX proposal_run ON run_info (proposal, run);
        CREATE TABLE run_variables(proposal, run, name, version, value, timestamp, max_diff,
                                   provenance, summary_type, summary_method);
        CREATE UNIQUE INDEX variable_version ON run_variables (proposal, run, name, version);
        CREATE VIEW runs AS SELECT * FROM run_info;
        CREATE VIEW max_diffs AS SELECT proposal, run FROM run_info;
        CREATE TABLE metameta(key PRIMARY KEY NOT NULL, value);
        CREATE TABLE variables(name TEXT PRIMARY KEY NOT NULL, type TEXT, title TEXT,
                               description TEXT, attributes TEXT);
        CREATE TABLE time_comments(timestamp, comment);
    """,
    2: "ALTER TABLE run_variables ADD COLUMN attributes;",
    3: """
        CREATE TABLE tags(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL);
        CREATE TABLE variable_tags(
            variable_name TEXT NOT NULL, tag_id INTEGER NOT NULL,
            FOREIGN KEY (variable_name) REFERENCES variables(name) ON DELETE CASCADE,
            FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE,
            PRIMARY KEY (variable_name, tag_id));
    """,
    4: """
        CREATE TRIGGER delete_orphan_tags_after_variable_tag_delete
        AFTER DELETE ON variable_tags FOR EACH ROW
        BEGIN
            DELETE FROM tags WHERE id = OLD.tag_id
            AND NOT EXISTS (SELECT 1 FROM variable_tags WHERE tag_id = OLD.tag_id);
        END;
    """,
}
#: Of two proposals; `sent` is described nowhere.
FILLED = """
    INSERT INTO run_info VALUES(1, 1, 100.0, 90.0), (2, 1, 200.0, 190.0), (1, 2, NULL, 95.0);
    INSERT INTO variables VALUES('dose', NULL, 'Dose', 'what it got', NULL),
                                ('good', 'boolean', 'Good?', NULL, NULL);
    INSERT INTO run_variables(proposal, run, name, version, value, timestamp, max_diff, provenance)
        VALUES(1, 1, 'dose', 1, 1.5, 101.0, 0.5, 'context.py'),
              (2, 1, 'dose', 1, 2.5, 201.0, 0.25, 'context.py'),
              (1, 1, 'good', 1, 1, 102.0, NULL, ''),
              (2, 1, 'sent', 1, 'text', 202.0, NULL, 'elsewhere'),
              (1, 1, 'comment', 1, 'fine', 103.0, NULL, '');
    INSERT INTO metameta VALUES('proposal', 1), ('context_python', '/usr/bin/python');
    INSERT INTO time_comments VALUES(150.0, 'shutter stuck');
"""


def cell(name: str, value: Any = None, **others: Any) -> StoredCell:
    """Make a cell."""
    return StoredCell(name, value, **others)


def same(one: Any, two: Any) -> bool:
    """Tell whether two values are the same in type and digits."""
    if isinstance(one, np.ndarray) and one.ndim:
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and str(one) == str(two)
    plain = one.item() if isinstance(one, (np.generic, np.ndarray)) else one
    return type(plain) is type(two) and (repr(plain) == repr(two))


def old_database(path: Path, version: int) -> Path:
    """Make a database as DAMNIT's code of that version leaves it, with some runs."""
    with closing(sqlite3.connect(path)) as db:
        for step in range(1, version + 1):
            db.executescript(TABLES[step])
        db.executescript(FILLED)
        db.execute("INSERT INTO metameta VALUES('data_format_version', ?)", (version,))
        db.commit()
    return path


def first_database(path: Path) -> Path:
    """Make a database of DAMNIT's first format: a wide table."""
    rows = [
        (1, 1, 100.0, 90.0, "fine", 1.5, PNG, None),
        (1, 2, 200.0, 190.0, None, None, None, b"\x80\x04K\x05."),
        (2, 1, None, None, "o'brien", 7, None, "text"),
    ]
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TABLES[0])
        db.executemany("INSERT INTO runs VALUES(?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("INSERT INTO metameta VALUES('proposal', 1), ('db_id', 'abc')")
        db.execute("INSERT INTO variables VALUES('dose', 'number', 'Dose', NULL, NULL)")
        db.execute("INSERT INTO time_comments VALUES(150.0, 'shutter stuck')")
        db.commit()
    return path


def asked(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask a database something, as any other program does."""
    with closing(sqlite3.connect(path, timeout=30)) as db:
        return db.execute(query, values).fetchall()


def schema(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Give what DAMNIT looks for: columns of tables, indexes and keys; not how it was written."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with closing(sqlite3.connect(path)) as db:
        for name, kind in db.execute("SELECT name, type FROM sqlite_master"):
            if name.startswith(("nxstxm_", "sqlite_")):
                continue
            found[f"{kind} {name}"] = []
            if kind == "table":
                found[f"{kind} {name}"] = [
                    *db.execute(f"PRAGMA table_info({name})").fetchall(),
                    *sorted(row[2:] for row in db.execute(f"PRAGMA foreign_key_list({name})")),
                ]
            elif kind == "index":
                found[f"{kind} {name}"] = db.execute(f"PRAGMA index_info({name})").fetchall()
    return found


def info(name: str, title: str = "", tags: tuple[str, ...] = (), **others: Any) -> VariableInfo:
    """Describe a variable as a context file does."""
    known: dict[str, Any] = {
        "description": None, "units": None, "summary": None, "version": None, "data_type": None,
        "transient": False, "line": 1, "needs": (), "uses": (), "fingerprint": "",
    }  # fmt: skip
    return VariableInfo(name=name, title=title or name, tags=tags, **{**known, **others})


@contextmanager
def statements(table: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note what SQLite is told, and how many steps it takes for it: a line for each thousand."""
    told: list[str] = []
    connect = table._connect

    def noting() -> sqlite3.Connection:
        db = connect()
        db.set_trace_callback(told.append)
        return db

    table.close()
    monkeypatch.setattr(table, "_connect", noting)
    yield told
    table.close()
    monkeypatch.undo()


def steps(table: Database, work: Any) -> int:
    """Count the steps of SQLite's machine that something takes, in tens."""
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    with table.plain() as db:
        db.set_progress_handler(one, 10)
    work()
    with table.plain() as db:
        db.set_progress_handler(None, 0)
    return count
