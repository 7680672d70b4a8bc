"""Databases of DAMNIT's first format, a wide table, made new."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

from .._errors import NXstxmFileExistsError
from .._publish import publish
from ._connection import Connections
from ._errors import TableError, TableFormatError
from ._names import RESERVED, checked_name
from ._runs import put_run
from ._schema import make
from ._stored_cell import COLUMNS, NPY, PNG, StoredCell, encoded
from ._views import adopt, refresh

_FIXED = {"proposal", "runnr", "start_time", "added_at"}
_PROVENANCE = "import of format 0"


def import_v0(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
    """Make a database of the newest format of one of DAMNIT's first format.

    The old one is only read. What it has as pickled objects of Python is not opened, for they
    could run anything: such cells say so, as errors.

    Parameters
    ----------
    old : path-like
        The old database.
    new : path-like
        The new one, which must not be there. It gets its name when all is in it.

    Returns
    -------
    int
        How many runs it has.

    Raises
    ------
    NXstxmFileExistsError
        The new one is there.
    TableFormatError
        The old one has no such format.
    TableError
        It can not be read, or the new one not be written.
    """
    source, target = Path(old).absolute(), Path(new).absolute()
    if not source.is_file():
        raise TableError(f"there is no database {source}")
    if target.exists():
        raise NXstxmFileExistsError(f"{target} is there already; give another path")
    reading = Connections(source, readonly=True, timeout=30.0)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.importing")
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        count = reading.read(lambda db: _imported(db, source, temporary))
        publish(temporary, target)
    except FileExistsError as error:
        raise NXstxmFileExistsError(f"{target} is there already; give another path") from error
    except OSError as error:
        raise TableError(f"{target} can not be made ({error})") from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    return count


def _imported(db: sqlite3.Connection, source: Path, temporary: Path) -> int:
    columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info('runs')")]
    if not {"proposal", "runnr"} <= set(columns):
        raise TableFormatError(
            f"{source} is no database of DAMNIT's format 0: it has no table runs with columns "
            f"proposal and runnr; newer ones are opened as they are"
        )
    cells = [name for name in columns if name not in _FIXED]
    for name in cells:
        checked_name(name)
    writing = Connections(temporary, readonly=False, timeout=30.0)
    with closing(writing), writing.writing(durable=True) as new:
        make(new)
        _copy_rest(db, new)
        count = 0
        chosen = ", ".join(
            _quoted(name) for name in ("proposal", "runnr", *_times(columns), *cells)
        )
        for row in db.execute(f"SELECT {chosen} FROM runs ORDER BY rowid"):
            proposal, run, start_time, added_at, *values = (
                row if len(_times(columns)) == 2 else (*row[:2], None, None, *row[2:])
            )
            count += 1
            put_run(new, proposal, run, start_time, added_at)
            given = zip(cells, values, strict=True)
            _put(new, proposal, run, added_at, [(n, v) for n, v in given if v is not None])
        adopt(new)
        refresh(new, changed=True)
    return count


def _times(columns: list[str]) -> tuple[str, ...]:
    times = ("start_time", "added_at")
    return times if set(times) <= set(columns) else ()


def _put(
    new: sqlite3.Connection, proposal: Any, run: Any, when: float | None, cells: list[Any]
) -> None:
    rows = []
    for name, value in cells:
        kind = None
        if isinstance(value, bytes):
            if value.startswith(NPY):
                kind = "numpy"
            elif not value.startswith(PNG):
                rows.append(_refused(name, value))
                continue
        # as it was: it is a value of a database already
        rows.append((name, value, when, None, _PROVENANCE, kind, None, None))
    new.executemany(
        f"INSERT INTO run_variables(proposal, run, version, {COLUMNS}) "
        f"VALUES(?, ?, 1, {', '.join('?' * 8)})",
        [(proposal, run, *row) for row in rows],
    )


def _refused(name: str, value: bytes) -> tuple[Any, ...]:
    what = "a pickled object" if value[:1] == b"\x80" else "of an unknown kind"
    attributes = {
        "error": f"not imported: {len(value)} bytes, {what}; it is still in the old database",
        "error_cls": "ImportError",
    }
    cell = StoredCell(name, None, provenance=_PROVENANCE, attributes=attributes)
    return encoded(cell, 0.0)


def _copy_rest(db: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Copy what the old database knows of itself, variables of users, and comments of times."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if "metameta" in there:
        known = db.execute("SELECT key, value FROM metameta WHERE key != 'data_format_version'")
        new.executemany("INSERT OR REPLACE INTO metameta VALUES(?, ?)", known)
    if "variables" in there:
        known = db.execute("SELECT name, type, title, description, attributes FROM variables")
        new.executemany(
            "INSERT OR REPLACE INTO variables(name, type, title, description, attributes) "
            "VALUES(?, ?, ?, ?, ?)",
            [row for row in known if row[0] not in RESERVED],
        )
    if "time_comments" in there:
        known = db.execute("SELECT timestamp, comment FROM time_comments ORDER BY rowid")
        new.executemany("INSERT INTO time_comments(timestamp, comment) VALUES(?, ?)", known)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
