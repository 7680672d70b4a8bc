"""An SQLite database that several threads and processes use, each with connections of its own."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._errors import NXstxmOSError, OptionError
from .._sqlite import ConnectionPool, transaction
from ._errors import DataCorrupted

#: Says whose the database is, in its header: "NXSt".
APPLICATION = 0x4E585374
_TABLES = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"


class Database(ConnectionPool):
    """A database of one schema.

    Parameters
    ----------
    path : path-like
        Where it is; it is made when it is not there.
    schema : sequence of str
        The statements that make its tables.
    version : int
        The version of the schema.
    readonly : bool
        Write nothing, and make nothing.
    timeout : float
        Seconds to wait for another who writes.

    Raises
    ------
    OptionError
        It is the database of something else, or of another version.
    DataCorrupted
        It is damaged.
    OSError
        It can not be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Sequence[str],
        version: int,
        *,
        readonly: bool = False,
        timeout: float = 30.0,
    ) -> None:
        super().__init__()
        self.path = Path(path).absolute()
        self.readonly = readonly
        self.timeout = timeout
        self._schema = tuple(schema)
        self._version = version
        if readonly and not self.path.exists():
            raise NXstxmOSError(f"there is no database {self.path}, and none is made: readonly")
        if not readonly:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise NXstxmOSError(f"{self.path.parent} can not be made ({error})") from error
        with self._connection() as db:
            self._prepare(db)

    # -- using it ----------------------------------------------------------------------------------

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Give all rows that a statement finds."""
        with self._connection() as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose statements count together, or not at all."""
        if self.readonly:
            raise OptionError(f"{self.path} is read-only: nothing can be noted")
        with self._connection() as db, transaction(db):
            yield db

    # -- connections -------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        if not self.readonly:
            db = self._opened("mode=rwc")
            try:
                # a power cut may take the last rows; what they are about is still to be found
                db.execute("PRAGMA synchronous=NORMAL")
            except BaseException:
                db.close()
                raise
            return db
        db = self._opened("mode=ro")
        try:
            db.execute(_TABLES).fetchall()
        except BaseException as error:
            db.close()
            # files beside it may be needed, that can not be made here; and nobody is writing
            if (
                not isinstance(error, sqlite3.OperationalError)
                or "locked" in str(error)
                or self.path.with_name(f"{self.path.name}-wal").exists()
            ):
                raise
            return self._opened("mode=ro&immutable=1")
        return db

    def _opened(self, how: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?{how}",
            uri=True,
            timeout=self.timeout,
            isolation_level=None,  # transactions are begun where they are meant
            check_same_thread=False,  # but one thread at a time
        )

    # -- the schema --------------------------------------------------------------------------------

    def _prepare(self, db: sqlite3.Connection) -> None:
        if self._is_ours(db):
            return
        if self.readonly:
            raise OptionError(f"{self.path} is an empty database; it is not filled: readonly")
        self._log_ahead(db)
        with transaction(db):
            if self._is_ours(db):  # another process was quicker
                return
            for statement in self._schema:
                db.execute(statement)
            db.execute(f"PRAGMA application_id={APPLICATION:d}")  # a pragma takes no parameters
            db.execute(f"PRAGMA user_version={self._version:d}")

    def _is_ours(self, db: sqlite3.Connection) -> bool:
        """Tell whether the schema is there; not where there is nothing yet."""
        ((application,),) = db.execute("PRAGMA application_id").fetchall()
        ((version,),) = db.execute("PRAGMA user_version").fetchall()
        tables = [name for (name,) in db.execute(_TABLES)]
        if application == APPLICATION and version == self._version:
            return True
        if application == APPLICATION:
            raise OptionError(
                f"{self.path} has version {version} of its schema; this version of the package "
                f"knows {self._version}. Use the version that made it, or give another path and "
                f"scan the backends again"
            )
        if tables or application or version:
            raise OptionError(
                f"{self.path} is the database of something else, with the tables "
                f"{', '.join(sorted(tables)[:10]) or 'of no name'}; give another path"
            )
        return False

    def _log_ahead(self, db: sqlite3.Connection) -> None:
        """Let readers and one writer not wait for each other."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:  # for this one SQLite itself does not wait
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make errors of SQLite those of this package."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise NXstxmOSError(
                    f"{self.path} was locked by another for more than {self.timeout:g} s ({error})"
                ) from error
            raise NXstxmOSError(f"{self.path} can not be used ({error})") from error
        except sqlite3.DatabaseError as error:
            raise DataCorrupted(
                f"{self.path} is no database, or a damaged one ({error}); give another path and "
                f"scan the backends again"
            ) from error
