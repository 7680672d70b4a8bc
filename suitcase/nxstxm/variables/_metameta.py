"""What the table knows of itself, as a mapping."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import Any

from ._connection import Connections
from ._errors import UnknownError, VariableError
from ._names import bound, checked_name, shown, storable

_SET = """INSERT INTO metameta(key, value) VALUES(?, ?)
    ON CONFLICT(key) DO UPDATE SET value=excluded.value"""
#: What only migrations may change.
_KEPT = "data_format_version"


class Metameta(MutableMapping[str, Any]):
    """Settings of a table: ``data_format_version``, ``db_id``, ``proposal``, and others.

    Values are numbers, text, bytes or None. Each is read from the database when it is asked for,
    and on its disk when it is set.
    """

    def __init__(self, table: Connections) -> None:
        self._table = table

    def __getitem__(self, key: str) -> Any:
        query, place = "SELECT value FROM metameta WHERE key=?", (bound(key),)
        found = self._table.read(lambda db: db.execute(query, place).fetchone())
        if found is None:
            raise UnknownError(
                f"the table {self._table.path} says nothing of {key!r:.60}; it does of "
                f"{', '.join(self)[:500]}"
            )
        return found[0]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        _check(key)
        with self._table.writing(durable=True) as db:
            if not db.execute("DELETE FROM metameta WHERE key=?", (bound(key),)).rowcount:
                raise UnknownError(f"the table {self._table.path} says nothing of {key!r:.60}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def update(self, *given: Any, **more: Any) -> None:
        """Set several values together."""
        values = dict(*given, **more)
        rows = [(_check(key), _storable(key, value)) for key, value in values.items()]
        with self._table.writing(durable=True) as db:
            db.executemany(_SET, rows)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Give a value, which is set where there is none; of many who ask at once one sets it."""
        if key in self:
            return self[key]
        row = (_check(key), _storable(key, default))
        with self._table.writing(durable=True) as db:
            db.execute("INSERT INTO metameta VALUES(?, ?) ON CONFLICT(key) DO NOTHING", row)
            return db.execute("SELECT value FROM metameta WHERE key=?", row[:1]).fetchone()[0]

    def _all(self) -> dict[str, Any]:
        def look(db: sqlite3.Connection) -> dict[str, Any]:
            return dict(db.execute("SELECT key, value FROM metameta ORDER BY rowid"))

        return self._table.read(look)

    def __repr__(self) -> str:
        """Give what is in it."""
        return f"Metameta({self._all()!r})"


def _check(key: Any) -> str:
    checked_name(key, "setting")
    if key == _KEPT:
        raise VariableError(f"{_KEPT!r} is not set: opening a table makes it the newest")
    return str(key)


def _storable(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    whole = isinstance(value, int) and -(2**63) <= value < 2**63
    if value is None or whole or isinstance(value, (float, bytes)):
        return value
    raise VariableError(
        f"{key!r:.60} can not be {shown(value)}; give a number, text, bytes or None"
    )
