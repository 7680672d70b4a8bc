"""A catalog in memory that a user registers: ``shelf:NAME``.

As a script this is the command `nxstxm`, with the shelf ``simulated`` of three scans. The processes
that the command starts import the script, so they know the shelf too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from suitcase.nxstxm._errors import NXstxmKeyError, NXstxmOSError
from suitcase.nxstxm.exchange import Catalog, Run, register_source
from suitcase.nxstxm.sim import ScanRequest, scan_documents

Document = tuple[str, Mapping[str, Any]]
Documents = list[Document]


@dataclass
class ShelfRun:
    own: Documents
    #: Raised after the first documents.
    breaks: Exception | None = None
    #: Where the files of detectors are now, as databroker's catalogs know it.
    roots: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> Mapping[str, Any]:
        return self.own[0][1]

    @property
    def stop(self) -> Mapping[str, Any] | None:
        return next((doc for name, doc in self.own if name == "stop"), None)

    def documents(self) -> Iterator[Document]:
        if self.breaks is not None:
            yield from self.own[:3]
            raise self.breaks
        yield from self.own


@dataclass
class Shelf:
    name: str
    by_uid: dict[str, ShelfRun] = field(default_factory=dict)

    def put(self, *runs: Documents, breaks: Exception | None = None) -> Shelf:
        self.by_uid |= {run[0][1]["uid"]: ShelfRun(run, breaks) for run in runs}
        return self

    def run(self, uid: str) -> Run:
        found = [run for known, run in self.by_uid.items() if known.startswith(uid)]
        if len(found) != 1:
            raise NXstxmKeyError(f"{self.name} has no run {uid}")
        return found[0]

    def runs(
        self, *, since: float | None = None, until: float | None = None, scan_id: int | None = None
    ) -> Iterator[Run]:
        for run in list(self.by_uid.values()):
            time, number = run.start["time"], run.start.get("scan_id")
            after = since is None or time >= since
            if after and (until is None or time < until) and scan_id in (None, number):
                yield run


SHELVES: dict[str, Shelf] = {}


def simulated() -> Shelf:
    """Give a shelf with an image, a stack and a spectrum, one a day."""
    shelf = Shelf("shelf simulated")
    for day, (scan_type, energies) in enumerate(
        ((6, (700.0,)), (7, (700.0, 708.0)), (0, (700.0,)))
    ):
        request = ScanRequest(
            scan_type=scan_type,
            energies=energies,
            start_time=1_700_000_000.0 + 86_400 * day,
            scan_id=1 + 10 * day,
            include_baseline=False,
        )
        shelf.put(*scan_documents(request))
    return shelf


def open_shelf(thing: object) -> Catalog | Run | None:
    if not isinstance(thing, str) or not thing.startswith("shelf:"):
        return None
    name, _, uid = thing.removeprefix("shelf:").partition("/")
    if name == "simulated":
        return simulated()
    if name not in SHELVES:
        raise NXstxmOSError(f"there is no shelf {name.partition('?')[0]!r}")
    return SHELVES[name].run(uid) if uid else SHELVES[name]


register_source("shelf by name", open_shelf)

if __name__ == "__main__":
    from suitcase.nxstxm.cli import main

    sys.exit(main())
