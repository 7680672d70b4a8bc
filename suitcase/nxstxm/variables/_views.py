"""The views `runs` and `max_diffs`: a row for each run, a column for each variable.

They are made anew when the set of variables has changed, and when another program has changed
something of the schema: DAMNIT makes views of its own, which take runs of the same number in two
proposals for one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from ._names import SUBMITTED

#: A result of SQLite has 2000 columns at most, and a statement a million bytes.
_MOST_COLUMNS = 1900
_MOST_BYTES = 900_000
VIEWS = ("runs", "max_diffs")
#: A variable that is nowhere described, and not among the columns of a table by its name either.
COMMENT = "comment"
#: Its heading, as DAMNIT has it.
COMMENT_TITLE = "Comment"


def adopt(db: sqlite3.Connection) -> None:
    """Describe variables that have values and are not described: others submitted them.

    To find them all values are looked at. This is done once, and when another program has changed
    the schema, not when something is written.
    """
    db.execute(
        """INSERT OR IGNORE INTO variables(name, title, attributes)
        SELECT DISTINCT name, name, ? FROM run_variables
        WHERE typeof(name)='text' AND name IS NOT ?""",
        (SUBMITTED, COMMENT),
    )


def refresh(db: sqlite3.Connection, changed: bool = False) -> None:
    """Make the views anew where they have to be.

    Parameters
    ----------
    db : sqlite3.Connection
        In a transaction that writes.
    changed : bool
        Whether there are other variables than before.
    """
    (number,) = db.execute("PRAGMA schema_version").fetchone()
    known = db.execute("SELECT value FROM nxstxm_meta WHERE key='views'").fetchall()
    foreign = known != [(number,)]
    if not changed and not foreign:
        return
    if foreign and known:
        adopt(db)
    names = [name for (name,) in db.execute("SELECT name FROM variables ORDER BY rowid")]
    there = dict(
        db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='view' AND name IN (?, ?)", VIEWS
        )
    )
    for name, statement in statements([COMMENT, *names]).items():
        if there.get(name) != statement:
            db.execute(f"DROP VIEW IF EXISTS {name}")
            db.execute(statement)
    (number,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("INSERT OR REPLACE INTO nxstxm_meta VALUES('views', ?)", (number,))


def statements(names: Sequence[str]) -> dict[str, str]:
    """Give the statements that make the views; of very many variables they have the first."""
    shown = _that_fit(names)
    values = "".join(f", {_column(name, 'value')}" for name in shown)
    spreads = "".join(f", {_column(name, 'max_diff')}" for name in shown)
    return {
        "runs": "CREATE VIEW runs AS SELECT i.proposal AS proposal, i.run AS run, "
        f"i.start_time AS start_time, i.added_at AS added_at{values} FROM run_info AS i "
        "LEFT JOIN run_variables AS v ON v.proposal=i.proposal AND v.run=i.run "
        "GROUP BY i.proposal, i.run",
        "max_diffs": "CREATE VIEW max_diffs AS SELECT v.proposal AS proposal, v.run AS run"
        f"{spreads} FROM run_variables AS v GROUP BY v.proposal, v.run",
    }


def _that_fit(names: Iterable[str]) -> list[str]:
    kept: list[str] = []
    size = 1000
    for name in dict.fromkeys(names):
        size += 2 * len(name.encode()) + 80
        if len(kept) == _MOST_COLUMNS or size > _MOST_BYTES:
            break
        kept.append(name)
    return kept


def _column(name: str, of: str) -> str:
    return f"max(CASE WHEN v.name={_literal(name)} THEN v.{of} END) AS {_identifier(name)}"


def _literal(text: str) -> str:
    """Write a text into a statement: of a view the values can not be given beside it."""
    if "\0" in text:
        return f"CAST(X'{text.encode().hex()}' AS TEXT)"
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace("\0", "\ufffd").replace('"', '""') + '"'
