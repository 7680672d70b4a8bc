"""What people say: of runs, and of times."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ._cells import check_run, put_cells
from ._connection import Connections
from ._errors import UnknownError, VariableError
from ._names import moment, storable, whole
from ._stored_cell import COLUMNS, StoredCell, decoded, encoded
from ._views import COMMENT, refresh


@dataclass(frozen=True)
class TimedComment:
    """Something that was said of a time, and not of a run.

    Attributes
    ----------
    number : int
        By which it is changed.
    timestamp : float
        When, in seconds since 1970.
    text : str
        What.
    """

    number: int
    timestamp: float
    text: str


class Comments(Connections):
    """The comments of a table."""

    def set_comment(self, proposal: int, run: int, text: str | None) -> None:
        """Say something of a run; None takes it back.

        What was said before is in the history of the variable ``comment``.

        Raises
        ------
        UnknownError
            The run is not there.
        """
        if text is not None and not isinstance(text, str):
            raise VariableError(f"comment {text!r:.60} is no text; give text, or None")
        numbers = whole(proposal, "proposal"), whole(run, "run")
        row = encoded(StoredCell(COMMENT, text, provenance=""), time.time())
        with self.writing(durable=True) as db:
            check_run(db, self, *numbers)
            put_cells(db, *numbers, [row])
            refresh(db)

    def comment(self, proposal: int, run: int) -> str | None:
        """Give what was said of a run."""
        query = f"SELECT {COLUMNS} FROM run_variables WHERE proposal=? AND run=? AND name=?"
        place = (whole(proposal, "proposal"), whole(run, "run"), COMMENT)
        row = self.read(lambda db: db.execute(f"{query} ORDER BY version DESC", place).fetchone())
        value = None if row is None else decoded(row).value
        return None if value is None else str(value)

    # -- of times ----------------------------------------------------------------------------------

    def add_timed_comment(self, timestamp: float, text: str) -> int:
        """Say something of a time, in seconds since 1970; give the comment's number."""
        values = _checked(timestamp, text)
        with self.writing(durable=True) as db:
            cursor = db.execute(
                "INSERT INTO time_comments(timestamp, comment) VALUES(?, ?)", values
            )
            return int(cursor.lastrowid or 0)

    def change_timed_comment(self, number: int, text: str | None) -> None:
        """Say it in another way; None takes it back.

        Raises
        ------
        UnknownError
            There is no such comment.
        """
        with self.writing(durable=True) as db:
            if text is None:
                done = db.execute("DELETE FROM time_comments WHERE rowid=?", (number,))
            else:
                done = db.execute(
                    "UPDATE time_comments SET comment=? WHERE rowid=?", (storable(text), number)
                )
            if not done.rowcount:
                raise UnknownError(
                    f"comment {number!r:.40} is not in {self.path}; timed_comments() gives those "
                    f"that are"
                )

    def timed_comments(
        self, begin: float | None = None, end: float | None = None
    ) -> list[TimedComment]:
        """Give what was said of times, all or from `begin` to before `end`, in their order."""
        query = """SELECT rowid, timestamp, comment FROM time_comments
            WHERE timestamp >= coalesce(?, timestamp) AND timestamp < coalesce(?, 1e99)
            ORDER BY timestamp, rowid"""
        times = moment(begin, "begin"), moment(end, "end")
        found = self.read(lambda db: db.execute(query, times).fetchall())
        return [TimedComment(number, when, str(text)) for number, when, text in found]


def _checked(timestamp: float, text: str) -> tuple[float, str | None]:
    when = moment(timestamp, "timestamp")
    if when is None or not isinstance(text, str):
        raise VariableError(
            f"comment {text!r:.60} of time {timestamp!r:.40} is none; give a time, and text"
        )
    return when, storable(text)
