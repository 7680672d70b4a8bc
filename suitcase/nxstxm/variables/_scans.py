"""The scans that a table is of: files, and EuXFEL runs, as references."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from .._log import logger
from ..euxfel import StoredRun, runs_in
from ..nexus import runs_in_file
from ..scans import group_runs, read_plan
from ..storage import NXstxmDirectory, chosen_run, uid_of
from ._numbers import is_proposal
from ._run import RunRef


@dataclass(frozen=True)
class FoundScan:
    """A scan that was found.

    Attributes
    ----------
    uid : str
        Its ``first_uid``.
    kind : "nxstxm" or "euxfel"
        What it is stored as.
    paths : tuple of str
        The file, or the folders of its runs.
    scan_id : int, optional
        Its number, of which others may have the same.
    proposal : object
        What its start document says of the proposal; None for nothing.
    start_time : float, optional
        When it began.
    """

    uid: str
    kind: str
    paths: tuple[str, ...]
    scan_id: int | None = None
    proposal: Any = None
    start_time: float | None = None

    def ref(self, proposal: int, number: int) -> RunRef:
        """Give what a worker needs."""
        folder = str(Path(self.paths[0]).parent)
        if self.kind == "euxfel":
            folder = str(Path(self.paths[0]).parent.parent)
        return RunRef(
            self.uid,
            self.kind,  # type: ignore[arg-type]
            self.paths,
            proposal,
            number,
            self.start_time,
            folder,
        )


def found_scans(places: Iterable[str | os.PathLike[str]]) -> list[FoundScan]:
    """Find the scans in files and folders.

    Parameters
    ----------
    places : iterable of path-like
        Files; folders of files, which are looked through with all in them; folders of EuXFEL runs
        or proposals.

    Returns
    -------
    list of FoundScan
        In the order of time. What is no scan in a folder is passed over.

    Raises
    ------
    NXstxmOSError
        A place is not there.
    NXstxmValueError
        A file that was named is no scan.
    """
    found: dict[str, FoundScan] = {}
    for place in map(Path, places):
        if not place.exists():
            raise NXstxmOSError(f"there is no file or folder {place}")
        for scan in _in(place):
            found[scan.uid] = scan
    return sorted(found.values(), key=lambda each: (each.start_time or 0.0, each.uid))


def _in(place: Path) -> Iterator[FoundScan]:
    if place.is_file():
        yield file_scan(place)
        return
    runs = runs_in(place)
    if runs:
        yield from _of_runs(runs)
        return
    for path in NXstxmDirectory(place).run_ids():
        try:
            yield file_scan(path)
        except (NXstxmError, OSError) as error:
            logger.debug("%s is no scan: %s", path, error)
    for folder in sorted({path.parent for path in place.glob("**/raw/r[0-9]*")}):
        yield from _of_runs(runs_in(folder.parent))


def file_scan(path: Path) -> FoundScan:
    """Describe the scan of a file.

    Raises
    ------
    NXstxmValueError
        It is none.
    """
    uid = uid_of(path)
    if not uid:
        raise NXstxmValueError(f"{path} is no file of a scan")
    start = chosen_run(runs_in_file(path), uid).start
    return _scan(uid, "nxstxm", (str(path.absolute()),), start)


def _of_runs(runs: Sequence[StoredRun]) -> Iterator[FoundScan]:
    by_uid: dict[str, StoredRun] = {}
    for run in runs:
        try:
            by_uid[run.uid] = run
        except (NXstxmError, OSError, ValueError) as error:
            logger.debug("%s is no run of Bluesky: %s", run.path, error)
    for plans in group_runs(read_plan(run.start) for run in by_uid.values()):
        group = [by_uid[plan.run] for plan in plans]
        paths = tuple(str(Path(run.path).absolute()) for run in group)
        yield _scan(plans[0].run, "euxfel", paths, group[0].start)


def _scan(uid: str, kind: str, paths: tuple[str, ...], start: Mapping[str, Any]) -> FoundScan:
    number, begun = start.get("scan_id"), start.get("time")
    proposal = start.get("proposal_id", start.get("proposal"))
    if isinstance(proposal, Mapping):
        proposal = proposal.get("proposal_id", proposal.get("id"))
    return FoundScan(
        uid,
        kind,
        paths,
        number if isinstance(number, int) and not isinstance(number, bool) else None,
        _proposal(proposal),
        _moment(begun),
    )


def _proposal(said: Any) -> int | str | None:
    """Give what a start document says of the proposal; a number that is none of one is a name."""
    if isinstance(said, bool) or not isinstance(said, (int, str)) or said == "":
        return None
    return said if isinstance(said, str) or is_proposal(said) else str(said)


def _moment(said: Any) -> float | None:
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        return None
    try:
        found = float(said)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
