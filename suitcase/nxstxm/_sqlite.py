"""Connections to an SQLite database, for several threads and for processes that fork."""

from __future__ import annotations

import os
import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

#: Connections of the process that this one was forked from: to close them would take its locks.
_INHERITED: list[list[sqlite3.Connection]] = []


class ConnectionPool(ABC):
    """Connections to one database, made when they are needed and used again.

    A connection is used by one thread at a time, and never by a process that was forked from the
    one that made it: SQLite does not survive that. Subclasses say how one is opened, and what its
    errors become.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        """Begin without connections."""
        self._idle: list[sqlite3.Connection] = []
        self._pid: int | None = os.getpid()
        # no __del__: of a circle of garbage the connections may be taken first, unclosed
        weakref.finalize(self, _close, self._idle, self._pid)

    @abstractmethod
    def _connect(self) -> sqlite3.Connection:
        """Open a connection."""

    @abstractmethod
    def _told(self) -> AbstractContextManager[None]:
        """Make errors of SQLite those of this package."""

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Give a connection; one in whose use something went wrong is closed."""
        with self._told():
            try:
                db = self._own().pop()
            except IndexError:
                db = self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._own().append(db)

    def _own(self) -> list[sqlite3.Connection]:
        """Give the connections of this process; those of the one it was forked from are kept."""
        if self._pid != os.getpid():
            _INHERITED.append(self._idle)
            self._begin()
        return self._idle

    def close(self) -> None:
        """Close the connections; they are made anew when they are needed."""
        _close(self._own(), os.getpid())

    def __getstate__(self) -> dict[str, Any]:
        """Give what another process needs."""
        return {**self.__dict__, "_idle": [], "_pid": None}


def _close(idle: list[sqlite3.Connection], pid: int) -> None:
    """Close connections of this process, not those of one that it was forked from."""
    while idle and pid == os.getpid():
        idle.pop().close()


@contextmanager
def transaction(db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Let statements count together, or not at all.

    Parameters
    ----------
    db : Connection
        One that begins no transactions by itself.
    begin : str
        How to begin. By default it waits here for others, and does not fail in the middle.
    """
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # on a full disk SQLite itself has undone it
            db.execute("ROLLBACK")
        raise
