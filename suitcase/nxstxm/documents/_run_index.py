"""To which run a document belongs: the links from uid to uid that event-model's schemas lay.

Only start, descriptor and stop name their run. An event names a descriptor, a datum a resource,
which may name none; in a file with several runs woven into each other these links are all there
is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suitcase.nxstxm.documents._damage import DamageReport
from suitcase.nxstxm.documents._formats import Record

# By which keys a document says where it belongs: the first that is there counts.
_LINKS: dict[str, tuple[str, ...]] = {
    "start": ("uid",),
    "descriptor": ("run_start",),
    "stop": ("run_start",),
    "event": ("descriptor",),
    "event_page": ("descriptor",),
    "resource": ("run_start",),
    "datum": ("resource",),
    "datum_page": ("resource",),
    "bulk_datum": ("resource",),
    "stream_resource": ("run_start",),
    "stream_datum": ("stream_resource", "descriptor"),
}
# Documents that others name by their uid.
_LINKED = frozenset({"descriptor", "resource", "stream_resource"})
# Older resources do not name their run; event-model gives them to all that are open.
_MAY_BE_ORPHANS = frozenset({"resource", "stream_resource"})


@dataclass
class Span:
    """The positions of the first and the last record of a run."""

    first: int
    last: int


class RunIndex:
    """
    Follow the links of documents as they come by.

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
    owners : dict
        The runs that a uid belongs to, of runs, descriptors and resources.
    """

    def __init__(self, report: DamageReport) -> None:
        self.report = report
        self.starts: dict[str, dict[str, Any]] = {}
        self.spans: dict[str, Span] = {}
        self.owners: dict[str, tuple[str, ...]] = {}
        self._open: dict[str, None] = {}

    def add(self, record: Record) -> None:
        """Note where a document belongs, and what will belong to it."""
        name, document = record.name, record.document
        if name == "start" and not self._begin(document):
            return
        uid = document.get("uid")
        orphan = name in _MAY_BE_ORPHANS and not document.get("run_start")
        runs = tuple(self._open or list(self.starts)[-1:]) if orphan else self.runs_of(record)
        if not runs:
            links = " or ".join(_LINKS.get(name, ())) or "name"
            self.report(
                f"the {name} document at {record.position} belongs to no run in this file: "
                f"its {links} is not known"
            )
            return
        if name in _LINKED and isinstance(uid, str):
            self.owners[uid] = runs
        for run in runs:
            span = self.spans.setdefault(run, Span(record.position, record.position))
            span.last = record.position
            if name == "stop":
                self._open.pop(run, None)

    def runs_of(self, record: Record) -> tuple[str, ...]:
        """Give the uids of the runs that a document belongs to; mostly one."""
        name, document = record.name, record.document
        if name == "bulk_events":
            return tuple(dict.fromkeys(run for e in _events(document) for run in self._owner(e)))
        keys = ("uid",) if name in _MAY_BE_ORPHANS and not document.get("run_start") else None
        for key in keys or _LINKS.get(name, ()):
            uid = document.get(key)
            if isinstance(uid, str):
                return self.owners.get(uid, ())
        return ()

    def part_of(self, run: str, record: Record) -> dict[str, Any] | None:
        """Give what a document tells about a run: all of it, or nothing, or some bulk events."""
        runs = self.runs_of(record)
        # Nothing of a run can come before its start document, so a later one is a second one.
        again = record.name == "start" and record.position != self.spans[run].first
        if run not in runs or again:
            return None
        if len(runs) == 1 or record.name != "bulk_events":
            return record.document
        return {
            stream: [event for event in events if run in self._owner(event)]
            for stream, events in record.document.items()
            if isinstance(events, list)
        }

    def _begin(self, document: dict[str, Any]) -> bool:
        uid = document.get("uid")
        if not isinstance(uid, str):
            self.report(f"a start document has the uid {uid!r}, which is not a string")
            return False
        if uid in self.starts:
            self.report(f"run {uid} starts twice; the second start document is left out")
            return False
        self.starts[uid] = document
        self.owners[uid] = (uid,)
        self._open[uid] = None
        return True

    def _owner(self, event: Any) -> tuple[str, ...]:
        uid = event.get("descriptor") if isinstance(event, dict) else None
        return self.owners.get(uid, ()) if isinstance(uid, str) else ()


def _events(document: dict[str, Any]) -> list[Any]:
    return [e for events in document.values() if isinstance(events, list) for e in events]
