"""The tables of a run table: those of DAMNIT's format, those of ours, and how old ones become new.

Each step is a transaction. Who dies within one leaves the database as it was before it.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import TableFormatError
from ._views import adopt, refresh

#: The version of DAMNIT's format.
FORMAT = 4
#: The version of our own tables.
OWN = 2
_VERSION = "data_format_version"
_NEEDED = {"metameta", "run_info", "run_variables", "variables"}

_BASELINE = (
    "CREATE TABLE IF NOT EXISTS run_info(proposal, run, start_time, added_at)",
    "CREATE UNIQUE INDEX IF NOT EXISTS proposal_run ON run_info(proposal, run)",
    """CREATE TABLE IF NOT EXISTS run_variables(
        proposal, run, name, version, value, timestamp, max_diff, provenance,
        summary_type, summary_method)""",
    """CREATE UNIQUE INDEX IF NOT EXISTS variable_version
        ON run_variables(proposal, run, name, version)""",
    "CREATE TABLE IF NOT EXISTS metameta(key PRIMARY KEY NOT NULL, value)",
    """CREATE TABLE IF NOT EXISTS variables(
        name TEXT PRIMARY KEY NOT NULL, type TEXT, title TEXT, description TEXT,
        attributes TEXT)""",
    "CREATE TABLE IF NOT EXISTS time_comments(timestamp, comment)",
)
_TAGS = (
    """CREATE TABLE IF NOT EXISTS tags(
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS variable_tags(
        variable_name TEXT NOT NULL REFERENCES variables(name) ON DELETE CASCADE,
        tag_id INTEGER NOT NULL REFERENCES tags(id) ON DELETE CASCADE,
        PRIMARY KEY(variable_name, tag_id))""",
)
_TRIGGER = """CREATE TRIGGER IF NOT EXISTS delete_orphan_tags_after_variable_tag_delete
    AFTER DELETE ON variable_tags FOR EACH ROW BEGIN
        DELETE FROM tags WHERE id = OLD.tag_id
            AND id NOT IN (SELECT tag_id FROM variable_tags);
    END"""
#: Of uids and names text that is no Unicode is kept as bytes: their columns have no type.
_OURS = (
    "CREATE TABLE nxstxm_meta(key TEXT PRIMARY KEY NOT NULL, value)",
    """CREATE TABLE nxstxm_proposals(
        name PRIMARY KEY NOT NULL, proposal INTEGER UNIQUE NOT NULL)""",
    """CREATE TABLE nxstxm_runs(
        first_uid PRIMARY KEY NOT NULL, proposal INTEGER NOT NULL, run INTEGER NOT NULL,
        scan_id INTEGER, kind, paths TEXT NOT NULL, start_time REAL, UNIQUE(proposal, run))""",
    """CREATE TABLE nxstxm_files(
        proposal INTEGER NOT NULL, run INTEGER NOT NULL, stamp TEXT NOT NULL,
        PRIMARY KEY(proposal, run)) WITHOUT ROWID""",
    """CREATE TABLE nxstxm_history(
        id INTEGER PRIMARY KEY, proposal, run, name, value, timestamp, max_diff, provenance,
        summary_type, summary_method, attributes)""",
)
#: Of the second version.
_PARTS = """CREATE TABLE nxstxm_parts(
    first_uid NOT NULL, uid NOT NULL, kind TEXT NOT NULL, path NOT NULL,
    PRIMARY KEY(first_uid, uid, kind)) WITHOUT ROWID"""
_OUR_INDEXES = (
    "CREATE INDEX nxstxm_history_of_cell ON nxstxm_history(proposal, run, name)",
    "CREATE INDEX nxstxm_run_info_by_time ON run_info(start_time)",
    "CREATE INDEX nxstxm_run_info_of_proposal ON run_info(proposal, start_time)",
)


@dataclass(frozen=True)
class Found:
    """What a database is.

    Attributes
    ----------
    version : int
        Of DAMNIT's format; -1 where there is nothing yet.
    own : int
        Of our tables; 0 where there are none.
    """

    version: int
    own: int

    @property
    def current(self) -> bool:
        """Whether both are the newest."""
        return (self.version, self.own) == (FORMAT, OWN)


def found(db: sqlite3.Connection, path: object) -> Found:
    """Look what a database is.

    Raises
    ------
    TableFormatError
        It is none that can be used.
    """
    names = _tables(db)
    if not names:
        return Found(-1, 0)
    if "run_info" not in names and "runnr" in _columns(db, "runs"):
        old = Path(str(path))
        new = old.parent / "new" / "runs.sqlite"
        raise TableFormatError(
            f"{path} is a database of DAMNIT's first format (0), a wide table; a new one is made "
            f"of it by: from suitcase.nxstxm.variables import import_v0; "
            f"import_v0({str(old)!r}, {str(new)!r})"
        )
    if names >= _NEEDED:
        return Found(_version(db, path), _own_version(db, names, path))
    shown = ", ".join(sorted(names)[:8])
    raise TableFormatError(
        f"{path} is no run table but the database of something else, with the tables {shown}; "
        f"give another path"
    )


def _tables(db: sqlite3.Connection) -> set[str]:
    return {
        name
        for (name,) in db.execute(
            "SELECT name FROM main.sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite#_%' "
            "ESCAPE '#'"
        )
    }


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _version(db: sqlite3.Connection, path: object) -> int:
    rows = db.execute("SELECT value FROM main.metameta WHERE key=?", (_VERSION,)).fetchall()
    given: Any = rows[0][0] if rows else None
    try:
        version = int(given)
    except (TypeError, ValueError):
        version = 0
    if version < 1:
        raise TableFormatError(
            f"{path} says that it has DAMNIT's format {given!r:.40}, which is none; the formats "
            f"1 to {FORMAT} are known"
        )
    if version > FORMAT:
        raise TableFormatError(
            f"{path} has DAMNIT's format {version}; this version of the package knows those up to "
            f"{FORMAT}, and leaves the file as it is. Use a newer version of suitcase-nxstxm"
        )
    return version


def _own_version(db: sqlite3.Connection, names: set[str], path: object) -> int:
    if "nxstxm_meta" not in names:
        return 0
    rows = db.execute("SELECT value FROM main.nxstxm_meta WHERE key='schema_version'").fetchall()
    version = rows[0][0] if rows else None
    if not isinstance(version, int) or not 1 <= version <= OWN:
        raise TableFormatError(
            f"{path} has tables nxstxm_ of version {version!r:.40}; this version of the package "
            f"knows those up to {OWN}, and leaves the file as it is. Use a newer version of "
            f"suitcase-nxstxm"
        )
    return version


# -- steps ----------------------------------------------------------------------------------------


def _each(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def step(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement)

    return step


def _attributes(db: sqlite3.Connection) -> None:
    # DAMNIT's own step may have died between the column and the number of the version
    if "attributes" not in _columns(db, "run_variables"):
        db.execute("ALTER TABLE run_variables ADD COLUMN attributes")


#: What makes a version of the one before it.
_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _each(*_BASELINE),
    2: _attributes,
    3: _each(*_TAGS),
    4: _each(_TRIGGER),
}


def _own_1(db: sqlite3.Connection) -> None:
    _each(*_OURS, *_OUR_INDEXES)(db)
    db.execute(
        "INSERT INTO metameta VALUES('db_id', ?) ON CONFLICT(key) DO NOTHING",
        (secrets.token_hex(20),),
    )
    adopt(db)


_OWN_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _own_1, 2: _each(_PARTS)}


def make(db: sqlite3.Connection) -> None:
    """Make all tables, in the transaction of who asks."""
    for version, step in _STEPS.items():
        step(db)
        _set_version(db, version)
    for version, step in _OWN_STEPS.items():
        step(db)
        _set_own_version(db, version)
    refresh(db, changed=True)


def advance(db: sqlite3.Connection, now: Found) -> bool:
    """Go one step towards the newest version, in the transaction of who asks.

    Parameters
    ----------
    db : sqlite3.Connection
        The database.
    now : Found
        What it is.

    Returns
    -------
    bool
        Whether there was a step left to go.
    """
    if now.version < FORMAT:
        _STEPS[now.version + 1](db)
        _set_version(db, now.version + 1)
        return True
    if now.own < OWN:
        _OWN_STEPS[now.own + 1](db)
        _set_own_version(db, now.own + 1)
        refresh(db, changed=True)
        return True
    return False


def _set_version(db: sqlite3.Connection, version: int) -> None:
    db.execute(
        "INSERT INTO metameta VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value=excluded.value",
        (_VERSION, version),
    )


def _set_own_version(db: sqlite3.Connection, version: int) -> None:
    db.execute("INSERT OR REPLACE INTO nxstxm_meta VALUES('schema_version', ?)", (version,))
    db.execute("INSERT OR IGNORE INTO nxstxm_meta VALUES('made', ?)", (time.time(),))


# -- reading old ones -----------------------------------------------------------------------------


def fill_in(db: sqlite3.Connection) -> None:
    """Give a connection what an older database lacks, empty, in its own memory.

    So an old database is read as a new one is, and not a byte of it is changed.
    """
    names = _tables(db)
    for table, statement in (
        *((name, text) for name, text in zip(("tags", "variable_tags"), _TAGS, strict=True)),
        *((text.split("(")[0].split()[-1], text) for text in (*_OURS, _PARTS)),
    ):
        if table not in names:
            db.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
    columns = _columns(db, "run_variables")
    if columns and "attributes" not in columns:
        db.execute(
            """CREATE TEMP VIEW run_variables AS SELECT proposal, run, name, version, value,
            timestamp, max_diff, provenance, summary_type, summary_method, NULL AS attributes
            FROM main.run_variables"""
        )
