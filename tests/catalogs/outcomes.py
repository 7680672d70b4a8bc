"""What comes of exporting the scans from each source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from suitcase.nxstxm import NXstxmError, export_scan

from .processes import Worker
from .stored import FILES, Stored


@dataclass(frozen=True)
class Outcome:
    """What came of a scan: an error, or the places where its file differs from a direct export."""

    error: str = ""
    differences: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """All that is not as it should be."""
        return (self.error,) if self.error else self.differences


class Source(NamedTuple):
    """A row of the table: where the documents are, and what `export_scan` is given."""

    group: str
    given: str

    def __str__(self) -> str:
        return f"{self.group}: {self.given}"


#: By source and the name of the scan.
Outcomes = dict[Source, dict[str, Outcome]]


class Group(NamedTuple):
    """Sources that are made together: by which fixture, and what is said of its catalogs.

    The first catalog has all scans, and its first way exports all; the others are tried with one of
    each kind.
    """

    fixture: str
    catalogs: dict[str, str]


_TILED = {"stored": "", "live": " event by event", "undeclared": " without dtype"}
GROUPS = {
    "databroker 1": Group(
        "databroker1", {"mongo": "", "msgpack": " on msgpack", "lines": " on JSON lines"}
    ),
    "databroker 2": Group("databroker2", {"temp": ""}),
    "Tiled": Group("tiled_plain", _TILED),
    "Tiled with exporter": Group("tiled_exporting", _TILED),
    "SimpleTiledServer": Group("tiled_simple", {"stored": ""}),
    "file": Group("", {}),
}


def of_catalogs(worker: Worker, stored: Stored, name: str) -> Outcomes:
    """Fill the catalogs of a worker, and export from them in all ways."""
    found: Outcomes = {}
    for catalog, said in GROUPS[name].catalogs.items():
        wanted = stored.one_of_each if found else stored.of_the_table
        not_stored = worker("fill", catalog, wanted)
        for way in worker("names", catalog):
            scans = stored.one_of_each if found else wanted
            folder = stored.folder / "exported" / name / str(len(found))
            there = [scan for scan in scans if scan not in not_stored]
            failed = worker("export", catalog, way, there, str(folder))
            failed |= {scan: f"not stored: {told}" for scan, told in not_stored.items()}
            found[Source(name, way + said)] = {
                scan: Outcome(error=failed[scan])
                if scan in failed
                else _compared(stored, scan, folder / f"{scan}.hdf5")
                for scan in scans
            }
    return found


def of_files(stored: Stored, name: str) -> Outcomes:
    """Store all scans in each kind of file, and export from these."""
    found: Outcomes = {}
    for way, store in FILES.items():
        seen = found[Source(name, way)] = {}
        for scan in stored.of_the_table:
            folder = stored.folder / "exported" / name / str(len(found)) / scan
            folder.mkdir(parents=True)
            source = store(stored.scans[scan].runs, folder)
            try:
                path = export_scan(source, folder / "out", file_prefix="x")
            except NXstxmError as error:
                seen[scan] = Outcome(f"{type(error).__name__}: {error}")
            else:
                # files keep the documents as they are
                seen[scan] = _compared(stored, scan, path, documents=True)
    return found


def _compared(stored: Stored, scan: str, path: Path, *, documents: bool = False) -> Outcome:
    return Outcome(differences=tuple(stored.differences(scan, path, documents=documents)))
