"""Cells of the table: set together, read, and what they were before."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._connection import Connections
from ._errors import MissingValueError, UnknownError, VariableError
from ._names import SUBMITTED, bound, moment, whole
from ._run_layout import WRITTEN
from ._runs import RunInfo, last_runs, put_run, unknown_run
from ._stored_cell import COLUMNS, StoredCell, decoded, encoded, parsed
from ._views import COMMENT, refresh

_OF_RUN = "proposal=? AND run=?"
_ALL = f"proposal, run, {COLUMNS}"
_NAME, _TIMESTAMP, _ATTRIBUTES = 0, 2, 7
#: Attributes that say how long it took to make a cell, and by which writing its data came.
SECONDS = "seconds"
_OF_MAKING = (SECONDS, WRITTEN)
_PUT = f"""INSERT INTO run_variables({_ALL}, version) VALUES({", ".join("?" * 10)}, 1)
    ON CONFLICT(proposal, run, name, version) DO UPDATE SET
    {", ".join(f"{column}=excluded.{column}" for column in COLUMNS.split(", ")[1:])}"""

_STAMP = "INSERT OR REPLACE INTO nxstxm_files(proposal, run, stamp) VALUES(?, ?, ?)"


@dataclass(frozen=True)
class Row:
    """A run and its cells.

    Attributes
    ----------
    run : RunInfo
        The run.
    cells : Mapping of str to StoredCell
        By the names of the variables.
    """

    run: RunInfo
    cells: Mapping[str, StoredCell]


# -- in a transaction of who asks -----------------------------------------------------------------


def put_cells(
    db: sqlite3.Connection,
    proposal: int,
    run: int,
    rows: list[tuple[Any, ...]],
    start_time: float | None = None,
) -> None:
    """Set cells of a run, and remember what they were."""
    put_run(db, proposal, run, start_time)
    before: dict[str, list[tuple[Any, ...]]] = {}
    if rows:
        query = f"SELECT {COLUMNS}, version FROM run_variables WHERE {_OF_RUN} ORDER BY version"
        for row in db.execute(query, (proposal, run)):
            before.setdefault(row[_NAME], []).append(row)
    earlier: list[tuple[Any, ...]] = []
    for row in rows:
        for *old, version in before.get(row[_NAME], ()):
            if not _same(old, row):
                earlier.append((proposal, run, *old))
            if version != 1:  # others could read it in place of the new one
                db.execute(
                    f"DELETE FROM run_variables WHERE {_OF_RUN} AND name=? AND version=?",
                    (proposal, run, row[_NAME], version),
                )
    if earlier:
        places = ", ".join("?" * 10)
        db.executemany(f"INSERT INTO nxstxm_history({_ALL}) VALUES({places})", earlier)
    db.executemany(_PUT, [(proposal, run, *row) for row in rows])


def _same(old: list[Any], new: tuple[Any, ...]) -> bool:
    """Tell whether cells differ in nothing but when they were made, and how long that took."""
    if any(
        type(a) is not type(b) or a != b
        for at, (a, b) in enumerate(zip(old, new, strict=True))
        if at not in (_TIMESTAMP, _ATTRIBUTES)
    ):
        return False
    texts = old[_ATTRIBUTES], new[_ATTRIBUTES]
    if texts[0] == texts[1]:
        return True
    one, other = (
        {key: value for key, value in parsed(text).items() if key not in _OF_MAKING}
        for text in texts
    )
    return one == other


def truths(db: sqlite3.Connection) -> frozenset[str]:
    """Name the variables of users that are truth values."""
    return frozenset(
        name for (name,) in db.execute("SELECT name FROM variables WHERE type='boolean'")
    )


def cells_of(
    db: sqlite3.Connection, proposal: int, run: int, truth: frozenset[str]
) -> dict[str, StoredCell]:
    """Read all cells of a run."""
    query = f"SELECT {COLUMNS} FROM run_variables WHERE {_OF_RUN} ORDER BY name, version"
    return {
        row[_NAME]: decoded(row, row[_NAME] in truth)
        for row in db.execute(query, (proposal, run))
        if isinstance(row[_NAME], str)
    }


def check_run(db: sqlite3.Connection, table: Connections, proposal: int, run: int) -> None:
    """Raise an error where a run is not there."""
    there = db.execute(f"SELECT 1 FROM run_info WHERE {_OF_RUN}", (proposal, run)).fetchone()
    if there is None:
        raise unknown_run(table, proposal, run)


def _numbers(proposal: int, run: int) -> tuple[int, int]:
    return whole(proposal, "proposal"), whole(run, "run")


def _rows(cells: Iterable[StoredCell]) -> list[tuple[Any, ...]]:
    """Give cells as the database has them, if they can be set together."""
    now = time.time()
    rows = [encoded(cell, now) for cell in cells]
    names = {row[_NAME] for row in rows}
    if len(names) != len(rows):
        twice = [row[_NAME] for row in rows if sum(r[_NAME] == row[_NAME] for r in rows) > 1]
        raise VariableError(f"cell {twice[0]!r:.60} is given more than once; give one of them")
    if COMMENT in names:
        raise VariableError(
            f"{COMMENT!r} is what users say of a run; use set_comment, or give the variable "
            f"another name"
        )
    return rows


def _known(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> dict[str, str | None]:
    """Give the variables that are known, and their types; none of the cells is one of users."""
    known: dict[str, str | None] = dict(db.execute("SELECT name, type FROM variables"))
    theirs = sorted(row[_NAME] for row in rows if known.get(row[_NAME]) is not None)
    if theirs:
        raise VariableError(
            f"{theirs[0]!r:.60} is a variable of users, which nothing that is computed may "
            f"change; use set_user_value, or give the variable another name"
        )
    return known


def _check_scan(
    db: sqlite3.Connection, table: Connections, proposal: int, run: int, first_uid: str
) -> None:
    query = "SELECT proposal, run FROM nxstxm_runs WHERE first_uid=?"
    if db.execute(query, (bound(first_uid),)).fetchone() != (proposal, run):
        raise UnknownError(
            f"run {run} of proposal {proposal} is not the scan {first_uid!r:.60} in {table.path} "
            f"any more: it was deleted meanwhile; process the scan again"
        )


# -- the table ------------------------------------------------------------------------------------


class Cells(Connections):
    """The cells of a table."""

    def set_cells(
        self,
        proposal: int,
        run: int,
        cells: Iterable[StoredCell],
        *,
        start_time: float | None = None,
        stamp: str | None = None,
        first_uid: str | None = None,
    ) -> None:
        """Set cells of a run, all of them or, when anything goes wrong, none.

        The run is added where it is not there. What a cell was before goes into its history,
        unless it differs in nothing but when it was made and how long that took. A variable that
        nobody described is described by its name, so that it can be read.

        Parameters
        ----------
        proposal, run : int
            The run.
        cells : iterable of StoredCell
            What is set; other cells stay.
        start_time : float, optional
            When the run began.
        stamp : str, optional
            Of the run's file that has the data of these cells.
        first_uid : str, optional
            The scan that the run has to be, and not only was when it was read.

        Raises
        ------
        UnknownError
            The run is not this scan: somebody has deleted it.
        CellError
            A value can not be stored.
        VariableError
            A name can not be used, is given twice, or is that of a variable of users.
        TableError
            The database can not be written.
        """
        numbers = _numbers(proposal, run)
        rows = _rows(cells)
        began = moment(start_time, "start_time")
        with self.writing() as db:
            if first_uid is not None:
                _check_scan(db, self, *numbers, first_uid)
            known = _known(db, rows)
            put_cells(db, *numbers, rows, began)
            if stamp is not None:
                db.execute(_STAMP, (*numbers, stamp))
            new = [row[_NAME] for row in rows if row[_NAME] not in known]
            db.executemany(
                "INSERT INTO variables(name, title, attributes) VALUES(?, ?, ?)",
                [(name, name, SUBMITTED) for name in new],
            )
            refresh(db, changed=bool(new))

    def check_cells(self, cells: Iterable[StoredCell]) -> None:
        """Raise what `set_cells` would raise, and set nothing."""
        rows = _rows(cells)
        with self.writing() as db:
            _known(db, rows)

    def stamp(self, proposal: int, run: int) -> str:
        """Give the stamp of the run's file with which its cells agree; nothing for none."""
        query = f"SELECT stamp FROM nxstxm_files WHERE {_OF_RUN}"
        numbers = _numbers(proposal, run)
        rows = self.read(lambda db: db.execute(query, numbers).fetchall())
        return str(rows[0][0]) if rows else ""

    def set_stamp(self, proposal: int, run: int, stamp: str) -> None:
        """Note that the cells of a run agree with its file."""
        with self.writing() as db:
            db.execute(_STAMP, (*_numbers(proposal, run), stamp))

    def cells(self, proposal: int, run: int) -> dict[str, StoredCell]:
        """Give the cells of a run, those with errors too; none of a run that is not there."""
        numbers = _numbers(proposal, run)
        return self.read(lambda db: cells_of(db, *numbers, truths(db)))

    def errors(self, proposal: int, run: int) -> dict[str, StoredCell]:
        """Give the cells of a run that say what went wrong."""
        found = self.cells(proposal, run)
        return {name: cell for name, cell in found.items() if cell.error is not None}

    def cell(self, proposal: int, run: int, name: str) -> StoredCell:
        """Give a cell.

        Raises
        ------
        UnknownError
            The run is not there.
        MissingValueError
            The run has no such cell.
        """
        query = f"""SELECT {COLUMNS} FROM run_variables WHERE {_OF_RUN} AND name=?
            ORDER BY version DESC LIMIT 1"""
        numbers = _numbers(proposal, run)

        def look(db: sqlite3.Connection) -> StoredCell:
            row = db.execute(query, (*numbers, bound(name))).fetchone()
            if row is not None:
                return decoded(row, name in truths(db))
            check_run(db, self, *numbers)
            names = ", ".join(cells_of(db, *numbers, frozenset())) or "no cells"
            raise MissingValueError(
                f"run {run} of proposal {proposal} has no {name!r:.60}; it has {names:.500}"
            )

        return self.read(look)

    def history(self, proposal: int, run: int, name: str | None = None) -> list[StoredCell]:
        """Give what cells of a run were before, the oldest first.

        Parameters
        ----------
        proposal, run : int
            The run.
        name : str, optional
            One variable; all of them by default.
        """
        where = _OF_RUN
        values: list[Any] = [*_numbers(proposal, run)]
        if name is not None:
            where, values = f"{_OF_RUN} AND name=?", [*values, bound(name)]
        query = f"SELECT {COLUMNS} FROM nxstxm_history WHERE {where} ORDER BY id"

        def look(db: sqlite3.Connection) -> list[StoredCell]:
            truth = truths(db)
            return [decoded(row, row[_NAME] in truth) for row in db.execute(query, values)]

        return self.read(look)

    def rows(
        self, last: int | None = 50, *, proposal: int | None = None, skip: int = 0
    ) -> list[Row]:
        """Give the runs that began last, with their cells, in the order of their times.

        Parameters
        ----------
        last : int, optional
            How many, None for all.
        proposal : int, optional
            Of one proposal.
        skip : int
            How many later ones are left out: to go back page by page.
        """

        def look(db: sqlite3.Connection) -> list[Row]:
            truth = truths(db)
            return [
                Row(info, cells_of(db, info.proposal, info.run, truth))
                for info in last_runs(db, last, proposal, skip)
            ]

        return self.read(look)
