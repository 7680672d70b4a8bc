"""To which run a document belongs: the links from uid to uid that event-model's schemas lay.

Only start, descriptor and stop name their run. An event names a descriptor, a datum a resource,
which may name none; where several runs are woven into each other these links are all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
#: By which keys a document says where it belongs: the first that is there counts.
LINKS: dict[str, tuple[str, ...]] = {
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


class Routes:
    """Follow the links of documents as they come by."""

    def __init__(self) -> None:
        #: The runs that a uid belongs to, of runs, descriptors and resources.
        self._owners: dict[str, tuple[str, ...]] = {}
        self._open: dict[str, None] = {}
        self._latest: tuple[str, ...] = ()

    def begin(self, run: str) -> None:
        """Begin a run."""
        self._latest = self._owners[run] = (run,)
        self._open[run] = None

    def take(self, name: str, doc: Document) -> tuple[str, ...]:
        """Note what will belong to a document; give the uids of its own runs, mostly one."""
        orphan = name in _MAY_BE_ORPHANS and not doc.get("run_start")
        runs = (tuple(self._open) or self._latest) if orphan else self.runs_of(name, doc)
        if name in _LINKED:
            uid = doc.get("uid")
            if runs and isinstance(uid, str):
                self._owners[uid] = runs
        elif name == "stop":
            for run in runs:
                self._open.pop(run, None)
        return runs

    def runs_of(self, name: str, doc: Document) -> tuple[str, ...]:
        """Give the uids of the runs that a document belongs to, once it was taken."""
        if name == "bulk_events":
            return tuple(dict.fromkeys(run for e in _events(doc) for run in self._owner(e)))
        keys = ("uid",) if name in _MAY_BE_ORPHANS and not doc.get("run_start") else None
        for key in keys or LINKS.get(name, ()):
            uid = doc.get(key)
            if isinstance(uid, str):
                return self._owners.get(uid, ())
        return ()

    def part_of(self, run: str, name: str, doc: Document) -> Document | None:
        """Give what a document tells about a run: all of it, or nothing, or some bulk events."""
        runs = self.runs_of(name, doc)
        if run not in runs:
            return None
        if len(runs) == 1 or name != "bulk_events":
            return doc
        return {
            stream: [event for event in events if run in self._owner(event)]
            for stream, events in doc.items()
            if isinstance(events, list)
        }

    def forget(self, run: str) -> None:
        """Forget a run: no more documents of it come."""
        self._open.pop(run, None)
        self._owners = {
            uid: left
            for uid, runs in self._owners.items()
            if (left := tuple(each for each in runs if each != run))
        }

    def _owner(self, event: Any) -> tuple[str, ...]:
        uid = event.get("descriptor") if isinstance(event, Mapping) else None
        return self._owners.get(uid, ()) if isinstance(uid, str) else ()


def _events(document: Document) -> list[Any]:
    return [e for events in document.values() if isinstance(events, list) for e in events]
