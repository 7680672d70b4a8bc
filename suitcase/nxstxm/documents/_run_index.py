"""Where in a file of documents each run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suitcase.nxstxm.documents._damage import DamageReport
from suitcase.nxstxm.documents._formats import Record
from suitcase.nxstxm.documents._routes import LINKS, Routes


@dataclass
class Span:
    """The positions of the first and the last record of a run."""

    first: int
    last: int


class RunIndex:
    """
    Find the runs in records as they come by.

    Parameters
    ----------
    report : DamageReport
        Told about documents that belong to no run.

    Attributes
    ----------
    report : DamageReport
        As given; may be exchanged.
    starts : dict
        The start document of each run by its uid.
    spans : dict
        Where each run begins and ends.
    """

    def __init__(self, report: DamageReport) -> None:
        self.report = report
        self.starts: dict[str, dict[str, Any]] = {}
        self.spans: dict[str, Span] = {}
        self._routes = Routes()

    def add(self, record: Record) -> None:
        """Note where a document belongs, and what will belong to it."""
        name, document = record.name, record.document
        if name == "start" and not self._begin(document):
            return
        runs = self._routes.take(name, document)
        if not runs:
            links = " or ".join(LINKS.get(name, ())) or "name"
            self.report(
                f"the {name} document at {record.position} belongs to no run in this file: "
                f"its {links} is not known"
            )
            return
        for run in runs:
            span = self.spans.setdefault(run, Span(record.position, record.position))
            span.last = record.position

    def runs_of(self, record: Record) -> tuple[str, ...]:
        """Give the uids of the runs that a document belongs to; mostly one."""
        return self._routes.runs_of(record.name, record.document)

    def part_of(self, run: str, record: Record) -> dict[str, Any] | None:
        """Give what a document tells about a run: all of it, or nothing, or some bulk events."""
        # Nothing of a run can come before its start document, so a later one is a second one.
        if record.name == "start" and record.position != self.spans[run].first:
            return None
        part = self._routes.part_of(run, record.name, record.document)
        return None if part is None else dict(part)

    def _begin(self, document: dict[str, Any]) -> bool:
        uid = document.get("uid")
        if not isinstance(uid, str):
            self.report(f"a start document has the uid {uid!r}, which is not a string")
            return False
        if uid in self.starts:
            self.report(f"run {uid} starts twice; the second start document is left out")
            return False
        self.starts[uid] = document
        self._routes.begin(uid)
        return True
