"""Numbers: of scans, and of their proposals."""

from __future__ import annotations

import json
import operator
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ._errors import VariableError
from ._names import bound, moment, shown, storable, unbound, whole
from ._parts import Parts, ScanPart, put_parts
from ._runs import RUNS, RunInfo, put_run, run_of_row

#: Proposals that are no number get one from here on. Of those that are, none has ten digits.
FIRST_PROPOSAL = 1_000_000_001
#: The largest number of a scan that becomes that of its run.
_LARGEST = 2**31 - 1
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_ONE = "proposal=? AND run=?"


@dataclass(frozen=True)
class Asked:
    """A scan whose numbers are wanted; see `Numbers.number_of`."""

    first_uid: str
    proposal: int | str | None = None
    scan_id: Any = None
    kind: str | None = None
    paths: tuple[str, ...] | None = None
    start_time: float | None = None
    parts: tuple[ScanPart, ...] = ()

    def checked(self) -> Asked:
        """Give it, if it can be one."""
        if not isinstance(self.first_uid, str) or not self.first_uid:
            raise VariableError(f"first_uid={shown(self.first_uid)} is no scan; give its first uid")
        moment(self.start_time, "start_time")
        return self

    def is_told_by(self, known: RunInfo | None) -> bool:
        """Tell whether the table has all of it already."""
        return (
            known is not None
            and self.kind in (None, known.kind)
            and self.start_time in (None, known.start_time)
            and self.paths in (None, known.paths)
        )


class Numbers(Parts):
    """The numbers of a table."""

    def run_of(self, first_uid: str) -> RunInfo | None:
        """Give the run that a scan is; None where it has no number yet."""
        query = f"{RUNS}WHERE n.first_uid=?"
        rows = self.read(lambda db: db.execute(query, (bound(first_uid),)).fetchall())
        return run_of_row(rows[0]) if rows else None

    def number_of(
        self,
        first_uid: str,
        proposal: int | str | None = None,
        *,
        scan_id: Any = None,
        kind: str | None = None,
        paths: Iterable[object] | None = None,
        start_time: float | None = None,
    ) -> tuple[int, int]:
        """Give the numbers of a scan, which it keeps for good; new ones where it has none.

        The run's number is the scan's where that is free in the proposal, or else the one behind
        the largest of the proposal. Many processes may ask at once.

        Parameters
        ----------
        first_uid : str
            The scan.
        proposal : int or str, optional
            Its proposal, see `proposal_number`; by default that of the table. A scan that has
            numbers stays in the proposal that it was given first.
        scan_id : int, optional
            The scan's number.
        kind : str, optional
            Where the scan is found.
        paths : iterable of path-like, optional
            The scan's files; given again they take the place of those known.
        start_time : float, optional
            When it began.

        Returns
        -------
        (int, int)
            Proposal and run.
        """
        wanted = Asked(
            first_uid,
            proposal,
            scan_id,
            kind,
            None if paths is None else tuple(map(str, paths)),
            start_time,
        )
        return self.numbers_of([wanted])[0]

    def numbers_of(self, scans: Iterable[Asked]) -> list[tuple[int, int]]:
        """Give the numbers of scans, as `number_of` does, all of them in one transaction."""
        asked = [each.checked() for each in scans]
        found = {each.first_uid: self.run_of(each.first_uid) for each in asked}
        new = [
            each
            for each in asked
            if not each.is_told_by(found[each.first_uid])
            or not set(each.parts) <= set(self.parts(each.first_uid))
        ]
        numbers = {u: (run.proposal, run.run) for u, run in found.items() if run is not None}
        if new:
            with self.writing(durable=True) as db:
                numbers |= {each.first_uid: _numbered(db, each) for each in new}
        return [numbers[each.first_uid] for each in asked]

    def proposal_number(self, proposal: int | str | None = None) -> int:
        """Give the number of a proposal, which it gets where it is none.

        A number of up to nine digits is its own. Names get numbers from 1 000 000 001 on, which no
        facility gives its proposals.

        Parameters
        ----------
        proposal : int or str, optional
            Its number or name; by default that of the table.
        """
        number = _as_number(proposal)
        if number is not None:
            return number
        with self.writing(durable=True) as db:
            return _proposal(db, proposal)

    def proposal_name(self, number: int) -> str:
        """Give the name of a proposal: of one that is a number its digits."""
        query = "SELECT name FROM nxstxm_proposals WHERE proposal=?"
        value = (whole(number, "proposal"),)
        rows = self.read(lambda db: db.execute(query, value).fetchall())
        return str(unbound(rows[0][0])) if rows else str(number)

    def proposal_names(self) -> dict[int, str]:
        """Give the names of the proposals that have one, by their numbers."""
        query = "SELECT proposal, name FROM nxstxm_proposals"
        rows = self.read(lambda db: db.execute(query).fetchall())
        return {int(number): str(unbound(name)) for number, name in rows}


def _numbered(db: sqlite3.Connection, scan: Asked) -> tuple[int, int]:
    """Give the numbers of a scan, new ones where it has none, and note what is known of it."""
    uid, start_time = bound(scan.first_uid), moment(scan.start_time, "start_time")
    found = db.execute("SELECT proposal, run FROM nxstxm_runs WHERE first_uid=?", (uid,)).fetchone()
    if found is None:
        number = _proposal(db, scan.proposal)
        found = (number, _free(db, number, scan.scan_id))
        db.execute(
            "INSERT INTO nxstxm_runs(first_uid, proposal, run, scan_id, paths) "
            "VALUES(?, ?, ?, ?, '[]')",
            (uid, *found, _scan_id(scan.scan_id)),
        )
    paths = None if scan.paths is None else json.dumps(scan.paths)
    db.execute(
        "UPDATE nxstxm_runs SET kind=coalesce(?, kind), paths=coalesce(?, paths), "
        "start_time=coalesce(?, start_time) WHERE first_uid=?",
        (storable(scan.kind), paths, start_time, uid),
    )
    put_parts(db, scan.first_uid, scan.parts)
    put_run(db, found[0], found[1], start_time)
    return int(found[0]), int(found[1])


# -- numbers --------------------------------------------------------------------------------------


def is_proposal(number: int) -> bool:
    """Tell whether a number may be that of a proposal which is no name."""
    return 0 < number < FIRST_PROPOSAL - 1


def _as_number(proposal: int | str | None) -> int | None:
    """Give the number of a proposal that is one."""
    if isinstance(proposal, str):
        return int(proposal) if _NUMBER.fullmatch(proposal) else None
    if proposal is None:
        return None
    number = whole(proposal, "proposal")
    return number if is_proposal(number) else None


def _proposal(db: sqlite3.Connection, proposal: int | str | None) -> int:
    number = _as_number(proposal)
    if number is None and proposal is None:
        own = db.execute("SELECT value FROM metameta WHERE key='proposal'").fetchone()
        number = own[0] if own and isinstance(own[0], int) else None
    if number is None:
        number = _named(db, proposal)
    # DAMNIT's own API takes the proposal of the table where none is given
    db.execute("INSERT INTO metameta VALUES('proposal', ?) ON CONFLICT(key) DO NOTHING", (number,))
    return number


def _named(db: sqlite3.Connection, proposal: int | str | None) -> int:
    if isinstance(proposal, str) or proposal is None:
        name = proposal or ""
    else:
        known = db.execute(
            "SELECT proposal FROM nxstxm_proposals WHERE proposal=?", (proposal,)
        ).fetchone()
        if known is None:
            raise VariableError(
                f"proposal {shown(proposal)} is none: numbers have up to nine digits, and larger "
                f"ones are those of proposals with a name; give the name, or the number as text"
            )
        return int(known[0])
    found = db.execute(
        "SELECT proposal FROM nxstxm_proposals WHERE name=?", (bound(name),)
    ).fetchone()
    if found is None:
        (largest,) = db.execute("SELECT max(proposal) FROM nxstxm_proposals").fetchone()
        found = (FIRST_PROPOSAL if largest is None else largest + 1,)
        db.execute("INSERT INTO nxstxm_proposals VALUES(?, ?)", (bound(name), found[0]))
    return int(found[0])


def _scan_id(given: Any) -> int | None:
    try:
        number = None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        return None
    return number if number is not None and 0 < number <= _LARGEST else None


def _free(db: sqlite3.Connection, proposal: int, scan_id: Any) -> int:
    """Give a number that no run of a proposal has."""
    # both tables: others may have removed a run from theirs, and its file is still there
    wanted, tables = _scan_id(scan_id), ("run_info", "nxstxm_runs")
    if wanted is not None and not any(
        db.execute(f"SELECT 1 FROM {table} WHERE {_ONE}", (proposal, wanted)).fetchone()
        for table in tables
    ):
        return wanted
    largest = 0
    for table in tables:
        # of texts, which the column may have, no number is made
        query = f"SELECT max(run) FROM {table} WHERE proposal=? AND run < ?"
        (found,) = db.execute(query, (proposal, 2**62)).fetchone()
        largest = max(largest, int(found or 0))
    return largest + 1
