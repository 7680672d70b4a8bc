"""The tables of an `SQLiteFrontend`: which data are where, and what is known of runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ._canonical import as_text
from ._database import Database
from ._errors import DataCorrupted
from ._key import DataKey, Lineage

SCHEMA_VERSION = 1
_SCHEMA = (
    """CREATE TABLE data(
        run_id TEXT NOT NULL, data_type TEXT NOT NULL, hash TEXT NOT NULL,
        lineage TEXT NOT NULL, backend TEXT NOT NULL, backend_key TEXT NOT NULL,
        state TEXT NOT NULL, created REAL NOT NULL,
        PRIMARY KEY(run_id, data_type, hash))""",
    "CREATE INDEX data_by_backend ON data(backend)",
    "CREATE INDEX data_by_type ON data(data_type)",
    "CREATE TABLE runs(run_id TEXT NOT NULL PRIMARY KEY, metadata TEXT NOT NULL)",
)
#: What was last seen of data: they are whole, damaged, or not there any more.
State = Literal["whole", "broken", "gone"]
_COLUMNS = "SELECT run_id, data_type, hash, lineage, backend, backend_key, state, rowid FROM data "
_ONE = "WHERE run_id=? AND data_type=? AND hash=?"
_AFTER = "rowid > ? ORDER BY rowid LIMIT ?"
#: A run has few rows: the plus keeps SQLite from going through those of others by their numbers.
_AFTER_OF_RUN = "+rowid > ? ORDER BY +rowid LIMIT ?"
#: Rows that are read at a time.
_PAGE = 1000


@dataclass(frozen=True)
class Row:
    """Where data are.

    Attributes
    ----------
    run_id, data_type, hash : str
        Their key.
    lineage : str
        How they were made, as JSON.
    backend, backend_key : str
        Where they are.
    state : str
        What was last seen of them.
    """

    run_id: str
    data_type: str
    hash: str
    lineage: str
    backend: str
    backend_key: str
    state: State = "whole"

    @classmethod
    def of(cls, key: DataKey, backend: str, backend_key: str, state: State = "whole") -> Row:
        """Note where data of a key are."""
        lineage = as_text(key.lineage.as_json())
        return cls(key.run_id, key.data_type, key.hash, lineage, backend, backend_key, state)

    @property
    def place(self) -> tuple[str, str]:
        """Backend and backend key."""
        return (self.backend, self.backend_key)

    def made_by(self) -> Lineage:
        """Give the lineage.

        Raises
        ------
        DataCorrupted
            It is none.
        """
        try:
            return Lineage.of_json(json.loads(self.lineage))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataCorrupted(
                f"the lineage of {self.data_type} of run {self.run_id!r} in the database is "
                f"damaged ({error})"
            ) from error


class Rows:
    """The tables; see `Database` for what goes wrong."""

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool, timeout: float) -> None:
        self.database = Database(path, _SCHEMA, SCHEMA_VERSION, readonly=readonly, timeout=timeout)

    # -- data --------------------------------------------------------------------------------------

    def get(self, key: DataKey) -> Row | None:
        """Give the row of a key."""
        found = self.database.rows(_COLUMNS + _ONE, _bound(key.run_id, key.data_type, key.hash))
        return _row(found[0]) if found else None

    def like(
        self, run_id: str | None = None, data_type: str | None = None, backend: str | None = None
    ) -> Iterator[Row]:
        """Give the rows of a run, a type, a backend, or all; read page by page."""
        given = {"run_id=?": run_id, "data_type=?": data_type, "backend=?": backend}
        wanted = {column: text for column, text in given.items() if text is not None}
        # of names of columns, and no values
        where = "WHERE " + " AND ".join([*wanted, _AFTER if run_id is None else _AFTER_OF_RUN])
        after = 0
        while True:
            found = self.database.rows(_COLUMNS + where, [*_bound(*wanted.values()), after, _PAGE])
            yield from map(_row, found)
            if len(found) < _PAGE:
                return
            after = found[-1][-1]

    def put(self, rows: Iterable[Row]) -> None:
        """Note where data are, in place of what was known."""
        with self.database.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO data VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *_bound(row.run_id, row.data_type, row.hash, row.lineage, *row.place),
                        row.state,
                        time.time(),
                    )
                    for row in rows
                ],
            )

    def see(self, row: Row, state: State) -> None:
        """Note what was seen of data."""
        if row.state != state and not self.database.readonly:
            with self.database.writing() as db:
                key = _bound(row.run_id, row.data_type, row.hash, *row.place)
                db.execute(
                    f"UPDATE data SET state=? {_ONE} AND backend=? AND backend_key=?", (state, *key)
                )

    def forget(self, rows: Iterable[Row]) -> None:
        """Forget where data are, unless they are somewhere else by now."""
        with self.database.writing() as db:
            db.executemany(
                f"DELETE FROM data {_ONE} AND backend=? AND backend_key=?",
                [_bound(row.run_id, row.data_type, row.hash, *row.place) for row in rows],
            )

    # -- runs --------------------------------------------------------------------------------------

    def run(self, run_id: str) -> str | None:
        """Give what is known of a run, as it was put."""
        found = self.database.rows("SELECT metadata FROM runs WHERE run_id=?", _bound(run_id))
        return str(found[0][0]) if found else None

    def put_run(self, run_id: str, metadata: str) -> None:
        """Note what is known of a run."""
        with self.database.writing() as db:
            db.execute("INSERT OR REPLACE INTO runs VALUES(?, ?)", (*_bound(run_id), metadata))

    def runs(self) -> list[str]:
        """Give the ids of runs."""
        found = self.database.rows("SELECT run_id FROM runs ORDER BY run_id")
        return [_text(run_id) for (run_id,) in found]


def _row(found: Sequence[Any]) -> Row:
    return Row(*map(_text, found[:-1]))  # type: ignore[arg-type]


def _bound(*texts: str) -> tuple[Any, ...]:
    """Give texts as SQLite takes them; those that are no Unicode as bytes."""
    return tuple(
        _bytes(text) if any("\ud800" <= x <= "\udfff" for x in text) else text for text in texts
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else str(value)
