"""What a scan is made of, and where each of its runs is: in its file, and as EuXFEL runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ._connection import Connections
from ._names import bound, storable, unbound


@dataclass(frozen=True)
class ScanPart:
    """A run of a scan, as it is stored somewhere.

    Attributes
    ----------
    uid : str
        The run of Bluesky.
    kind : "nxstxm" or "euxfel"
        What it is stored as.
    path : str
        The file of the scan, or the folder of the EuXFEL run.
    """

    uid: str
    kind: str
    path: str


def put_parts(db: sqlite3.Connection, first_uid: str, parts: Iterable[ScanPart]) -> None:
    """Note where runs of a scan are; one that is found elsewhere is not where it was."""
    db.executemany(
        "INSERT OR REPLACE INTO nxstxm_parts(first_uid, uid, kind, path) VALUES(?, ?, ?, ?)",
        [
            (bound(first_uid), bound(each.uid), storable(each.kind), bound(each.path))
            for each in parts
        ],
    )


class Parts(Connections):
    """The runs that the scans of a table are made of."""

    def parts(self, first_uid: str) -> tuple[ScanPart, ...]:
        """Give the runs of a scan, and where they were found last; none of one that is not known.

        Parameters
        ----------
        first_uid : str
            The scan.
        """
        query = "SELECT uid, kind, path FROM nxstxm_parts WHERE first_uid=? ORDER BY kind, path"
        rows = self.read(lambda db: db.execute(query, (bound(first_uid),)).fetchall())
        return tuple(ScanPart(unbound(uid), str(kind), unbound(path)) for uid, kind, path in rows)


def read_from(
    kind: str, paths: tuple[str, ...], parts: Iterable[ScanPart]
) -> tuple[str, tuple[str, ...]]:
    """Say where variables read a scan: in its file where there is one, or in all EuXFEL runs of it.

    Parameters
    ----------
    kind : "nxstxm" or "euxfel"
        What it was found as.
    paths : tuple of str
        Where.
    parts : iterable of ScanPart
        Where else it is known to be.
    """
    if kind != "euxfel":
        return kind, paths
    there = [each for each in parts if Path(each.path).exists()]
    files = [each.path for each in there if each.kind == "nxstxm"]
    if files:
        return "nxstxm", (files[0],)
    more = {each.path for each in there if each.kind == kind} - set(paths)
    return kind, tuple(sorted({*paths, *more})) if more else paths
