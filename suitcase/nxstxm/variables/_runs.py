"""Runs of the table, and the scans that they are."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from ._connection import Connections
from ._errors import UnknownError
from ._names import moment, unbound, whole

#: What is asked of runs, but for which of them.
RUNS = """SELECT i.proposal, i.run, i.start_time, i.added_at, n.first_uid, n.scan_id, n.kind,
    n.paths FROM run_info AS i LEFT JOIN nxstxm_runs AS n
    ON n.proposal=i.proposal AND n.run=i.run """
_ONE = "proposal=? AND run=?"


@dataclass(frozen=True)
class RunInfo:
    """What the table knows of a run, but for its cells.

    Attributes
    ----------
    proposal, run : int
        Its numbers.
    start_time, added_at : float, optional
        When it began and when it came here, in seconds since 1970.
    first_uid : str, optional
        The scan that it is; None where it was added by its numbers.
    scan_id : int, optional
        The scan's number.
    kind : str, optional
        What variables read the scan as.
    paths : tuple of str
        Its file, or the folders of its EuXFEL runs; see also `Parts.parts`.
    """

    proposal: int
    run: int
    start_time: float | None = None
    added_at: float | None = None
    first_uid: str | None = None
    scan_id: int | None = None
    kind: str | None = None
    paths: tuple[str, ...] = ()


def run_of_row(row: tuple[Any, ...]) -> RunInfo:
    """Make a run of its columns."""
    proposal, run, start_time, added_at, uid, scan_id, kind, paths = row
    return RunInfo(
        proposal,
        run,
        start_time,
        added_at,
        unbound(uid),
        scan_id,
        kind,
        tuple(json.loads(paths)) if paths else (),
    )


def put_run(
    db: sqlite3.Connection,
    proposal: int,
    run: int,
    start_time: float | None = None,
    added_at: float | None = None,
) -> None:
    """Add a run where it is not there, and set its time where one is given."""
    db.execute(
        """INSERT INTO run_info(proposal, run, start_time, added_at) VALUES(?, ?, ?, ?)
        ON CONFLICT(proposal, run) DO UPDATE SET start_time=excluded.start_time
        WHERE excluded.start_time IS NOT NULL""",
        (proposal, run, start_time, time.time() if added_at is None else added_at),
    )


def last_runs(
    db: sqlite3.Connection, last: int | None, proposal: int | None = None, skip: int = 0
) -> list[RunInfo]:
    """Give the runs that began last, in the order of their times; others are before them."""
    where, values = _of_proposal(proposal)
    found = db.execute(
        f"{RUNS}{where}ORDER BY i.start_time DESC, i.rowid DESC LIMIT ? OFFSET ?",
        [*values, -1 if last is None else max(int(last), 0), max(int(skip), 0)],
    )
    return [run_of_row(row) for row in found][::-1]


def _of_proposal(proposal: int | None) -> tuple[str, list[int]]:
    if proposal is None:
        return "", []
    return "WHERE i.proposal=? ", [whole(proposal, "proposal")]


class Runs(Connections):
    """The runs of a table."""

    def ensure_run(
        self,
        proposal: int,
        run: int,
        start_time: float | None = None,
        added_at: float | None = None,
    ) -> None:
        """Add a run by its numbers, or do nothing where it is there but to set its start time.

        Parameters
        ----------
        proposal, run : int
            Its numbers.
        start_time, added_at : float, optional
            When it began, and when it came here: now, by default.
        """
        numbers = whole(proposal, "proposal"), whole(run, "run")
        began, added = moment(start_time, "start_time"), moment(added_at, "added_at")
        with self.writing(durable=True) as db:
            put_run(db, *numbers, began, added)

    def runs(self, proposal: int | None = None) -> list[RunInfo]:
        """Give all runs, or those of a proposal, in the order of their numbers."""
        where, values = _of_proposal(proposal)
        query = f"{RUNS}{where}ORDER BY i.proposal, i.run"
        return self.read(lambda db: [run_of_row(row) for row in db.execute(query, values)])

    def run(self, proposal: int, run: int) -> RunInfo:
        """Give a run.

        Raises
        ------
        UnknownError
            It is not there.
        """
        query = f"{RUNS}WHERE i.proposal=? AND i.run=?"
        numbers = whole(proposal, "proposal"), whole(run, "run")
        rows = self.read(lambda db: db.execute(query, numbers).fetchall())
        if not rows:
            raise unknown_run(self, proposal, run)
        return run_of_row(rows[0])

    def delete_run(self, proposal: int, run: int) -> None:
        """Remove a run: its cells, their history, its numbers; its file stays.

        Raises
        ------
        UnknownError
            It is not there.
        """
        numbers = whole(proposal, "proposal"), whole(run, "run")
        with self.writing(durable=True) as db:
            db.execute(
                "DELETE FROM nxstxm_parts WHERE first_uid IN "
                f"(SELECT first_uid FROM nxstxm_runs WHERE {_ONE})",
                numbers,
            )
            for table in ("run_variables", "nxstxm_history", "nxstxm_files", "nxstxm_runs"):
                db.execute(f"DELETE FROM {table} WHERE {_ONE}", numbers)
            gone = db.execute(f"DELETE FROM run_info WHERE {_ONE}", numbers).rowcount
            if not gone:
                raise unknown_run(self, proposal, run)


def unknown_run(table: Connections, proposal: object, run: object) -> UnknownError:
    """Make the error for a run that is not there."""
    return UnknownError(
        f"run {run!r:.40} of proposal {proposal!r:.40} is not in {table.path}; runs() gives those "
        f"that are, and number_of() the numbers of a scan"
    )
