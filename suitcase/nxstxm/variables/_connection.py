"""Connections to a database that several threads and processes use."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from .._log import logger
from .._sqlite import ConnectionPool, transaction
from ._errors import TableError, TableFormatError

T = TypeVar("T")
#: How often a file that nobody has open is read again because it was changed meanwhile.
_TRIES = 20
#: Where a file's header says that changes are logged ahead, and how.
_MODE_AT, _AHEAD = 18, 2


class Connections(ConnectionPool):
    """Connections to one database.

    Parameters
    ----------
    path : path-like
        The database, which is there.
    readonly : bool
        Write nothing and make nothing, not even the files that SQLite keeps beside a database.
    timeout : float
        Seconds to wait for another who writes.
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool, timeout: float) -> None:
        super().__init__()
        self.path = Path(path).absolute()
        self.readonly = readonly
        self.timeout = timeout

    # -- using it ----------------------------------------------------------------------------------

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something that only reads, and sees the database as it is at one moment.

        It may be done again: where the database is read-only and was changed meanwhile.
        """
        if self.readonly:
            return self._read_only(work)
        with self.plain() as db, transaction(db, "BEGIN"):
            return work(db)

    @contextmanager
    def writing(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection whose statements count together, or not at all.

        Parameters
        ----------
        durable : bool
            Wait until the disk has it. What is not durable is whole or not there after a power
            cut; it can be computed again, which a number or a comment can not.

        Raises
        ------
        TableError
            It can not be written.
        """
        if self.readonly:
            raise TableError(f"{self.path} is open read-only; open it without readonly to write")
        with self.plain() as db:
            if durable:
                db.execute("PRAGMA synchronous=FULL")
            with transaction(db):
                yield db
            if durable:
                db.execute("PRAGMA synchronous=NORMAL")

    def plain(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection without a transaction."""
        return self._connection()

    # -- opening -----------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        db = self._opened("mode=rw")
        try:
            db.execute("PRAGMA foreign_keys=ON")
            db.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            db.close()
            raise
        return db

    def _opened(self, how: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?{how}",
            uri=True,
            timeout=self.timeout,
            isolation_level=None,  # transactions are begun where they are meant
            check_same_thread=False,  # but one thread at a time
        )

    def prepared_readonly(self, db: sqlite3.Connection) -> None:
        """Make a connection ready that only reads; others override it."""

    def log_ahead(self, db: sqlite3.Connection) -> None:
        """Let readers and one writer not wait for each other, which then is so for good."""
        if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:  # for this SQLite itself does not wait
                if "locked" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    logger.info("%s is not logged ahead, for others use it", self.path)
                    return
                time.sleep(0.02)

    # -- reading only ------------------------------------------------------------------------------

    def _read_only(self, work: Callable[[sqlite3.Connection], T]) -> T:
        beside = False
        with self._told():
            for _ in range(_TRIES):
                unused = self._unused(beside)
                how = "mode=ro&immutable=1" if unused else "mode=ro"
                try:
                    with closing(self._opened(how)) as db:
                        db.execute("PRAGMA temp_store=MEMORY")
                        self.prepared_readonly(db)
                        with transaction(db, "BEGIN"):
                            found = work(db)
                except sqlite3.DatabaseError as error:
                    if not unused and not beside and "unable to open" in str(error):
                        beside = True  # perhaps for the log beside it, which may be empty
                        continue
                    if unused and unused != self._unused(beside):
                        continue
                    raise
                if not unused or unused == self._unused(beside):
                    return found
            raise TableError(f"{self.path} was changed each time that it was read; try again")

    def _unused(self, with_empty_log: bool) -> tuple[int, ...]:
        """Give the state of a file that nobody has open; nothing where somebody may.

        As long as a program has a database open that is logged ahead, there is a log beside it.
        Without one SQLite would make it, and leave it there; and in a folder that can not be
        written it would fail. So the file is read as it stands.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            with self.path.open("rb") as file:
                header = file.read(_MODE_AT + 1)
            if len(header) <= _MODE_AT or header[_MODE_AT] != _AHEAD:
                return ()
            if log.exists() and (log.stat().st_size or not with_empty_log):
                return ()
            found = self.path.stat()
        except OSError:
            return ()  # SQLite says what is wrong
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    # -- errors ------------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make errors of SQLite those of this package."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> TableError | TableFormatError:
        why, path = str(error), self.path
        if "locked" in why:
            return TableError(
                f"{path} was locked by another for more than {self.timeout:g} s ({why}); see who "
                f"writes to it, or give a longer timeout"
            )
        if "full" in why:
            return TableError(
                f"there is no room for what is to be written to {path} ({why}); nothing was "
                f"written. Make room, and do it again"
            )
        if "readonly" in why:
            return TableError(f"{path} can not be written ({why}); open it with readonly=True")
        if "not a database" in why:
            return TableFormatError(f"{path} is no database of SQLite; give another path")
        if "malformed" in why:
            return TableError(
                f"{path} is damaged ({why}); 'sqlite3 {path.name} .recover' may give back most of "
                f"it"
            )
        if "unable to open" in why and path.is_file():
            way = (
                f"another program has left a log beside it, which can not be read in this folder: "
                f"copy {path.name} and {path.name}-wal to one that can be written"
                if self.readonly
                else "its folder has to be one that can be written; or open it with readonly=True"
            )
            return TableError(f"{path} can not be opened ({why}); {way}")
        return TableError(f"{path} can not be used ({why})")
