"""The run table's database: in DAMNIT's format, for many who use it at once."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from ._cells import Cells
from ._comments import Comments
from ._described import Described
from ._errors import TableError, TableFormatError
from ._frame import frame, values_of
from ._metameta import Metameta
from ._numbers import Numbers
from ._parts import Parts
from ._runs import Runs
from ._schema import advance, fill_in, found, make
from ._tags import Tags
from ._user_variables import UserVariables

if TYPE_CHECKING:
    import pandas as pd


class Database(Runs, Numbers, Parts, Cells, Comments, Described, UserVariables, Tags):
    """A run table: a row for each run, a cell for each variable.

    It is in DAMNIT's format, version 4, and older ones become so when they are opened to be
    written; what DAMNIT has no place for is in tables of our own. Threads and processes may use
    one table at once, on a disk of their machine: it is logged ahead (WAL), which folders of other
    machines may not allow.

    Parameters
    ----------
    path : path-like
        The database.
    create : bool
        Make it, and its folder, where it is not there.
    readonly : bool
        Change nothing, and make nothing beside it; old formats are read as they are.
    timeout : float
        Seconds to wait for another who writes.

    Raises
    ------
    TableError
        It is not there, or can not be opened.
    TableFormatError
        It is something else, or newer than this version of the package.

    Examples
    --------
    >>> from suitcase.nxstxm.variables._database import Database
    >>> from suitcase.nxstxm.variables._stored_cell import StoredCell
    >>> table = Database("runs.sqlite", create=True)
    >>> proposal, run = table.number_of("a1b2", 900001, scan_id=7)
    >>> table.set_cells(proposal, run, [StoredCell("dose", 3.5, attributes={"units": "MGy"})])
    >>> table.cell(900001, 7, "dose").value
    3.5
    >>> table.close()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = False,
        readonly: bool = False,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(path, readonly=readonly, timeout=timeout)
        if not self.path.exists():
            if readonly or not create:
                raise TableError(
                    f"there is no run table {self.path}; create=True without readonly makes one"
                )
            _make_file(self.path)
        if readonly:
            self.read(self._check)
            return
        with self.plain() as db:
            empty = found(db, self.path).version < 0
        if empty and not create:
            raise self._empty()
        with self.plain() as db:
            self.log_ahead(db)
        if empty:
            self._fill()
        while self._behind():
            pass

    @property
    def metameta(self) -> Metameta:
        """What the table knows of itself, to be read and set."""
        return Metameta(self)

    def prepared_readonly(self, db: sqlite3.Connection) -> None:
        """Make a connection ready that only reads."""
        fill_in(db)

    def _check(self, db: sqlite3.Connection) -> None:
        if found(db, self.path).version < 0:
            raise self._empty()

    def _empty(self) -> TableFormatError:
        return TableFormatError(
            f"{self.path} is empty, and no run table; create=True without readonly makes it one"
        )

    def _fill(self) -> None:
        with self.writing(durable=True) as db:
            if found(db, self.path).version < 0:  # or another process was quicker
                make(db)

    def _behind(self) -> bool:
        """Go a step towards the newest version; tell whether there was one."""
        with self.plain() as db:
            now = found(db, self.path)
        if now.current:
            return False
        with self.writing(durable=True) as db:  # another process may have gone it meanwhile
            return advance(db, found(db, self.path))

    def to_pandas(
        self,
        proposal: int | None = None,
        *,
        last: int | None = None,
        titles: bool = False,
        raw: bool = False,
    ) -> pd.DataFrame:
        """Give the table as one of pandas: proposal, run, start_time, comment, variables.

        Times are those of UTC. Cells without a value, and those with an error, are missing.

        Parameters
        ----------
        proposal : int, optional
            Of one proposal.
        last : int, optional
            Of the runs that began last.
        titles : bool
            Have titles as headings, and not names.
        raw : bool
            Have pictures as bytes and sparklines as arrays, and not what stands for them:
            ``"<image>"``, ``"<sparkline>"``, ``"<array>"``.
        """
        try:
            import pandas  # noqa: F401 - before the database is read
        except ImportError as error:
            raise TableError(
                f"to_pandas needs pandas ({error}): pip install 'suitcase-nxstxm[variables]'"
            ) from error
        runs, columns, known = self.read(lambda db: values_of(db, proposal, last, raw))
        return frame(runs, columns, known if titles else None)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"Database({str(self.path)!r})"


def _make_file(path: Path) -> None:
    """Make an empty file with the permissions that others are made with.

    SQLite's own would never let a group write to it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))
    except OSError as error:
        raise TableError(f"{path} can not be made ({error})") from error
