"""The scans that a table is of: files, and EuXFEL runs, as references."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from .._log import logger
from ..euxfel import StoredRun, runs_in
from ..nexus import H5_ERRORS, open_file, runs_in_file, why
from ..scans import group_runs, read_plan
from ..storage import SUFFIXES, NXstxmDirectory, chosen_run, uid_of
from ._numbers import is_proposal
from ._parts import ScanPart
from ._run import RunRef

#: Folders of proposals at the European XFEL.
_FOLDER = re.compile("p([0-9]{6,9})")
#: Files of which was said that they can not be read.
_WARNED: set[tuple[str, int, int]] = set()


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
        What its start document says of the proposal, or the EuXFEL run; None for nothing.
    start_time : float, optional
        When it began.
    parts : tuple of ScanPart
        The runs that it is made of, and where each of them was found.
    """

    uid: str
    kind: str
    paths: tuple[str, ...]
    scan_id: int | None = None
    proposal: Any = None
    start_time: float | None = None
    parts: tuple[ScanPart, ...] = ()

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
        In the order of time. What is no scan in a folder is passed over; of a file that can not be
        read, as after a copy that broke off, a warning is logged once.

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
            known = found.get(scan.uid)
            found[scan.uid] = scan if known is None else _both(known, scan)
    return sorted(found.values(), key=lambda each: (each.start_time or 0.0, each.uid))


def _both(one: FoundScan, other: FoundScan) -> FoundScan:
    """Give a scan that was found twice: its file counts, and both are known."""
    chosen = one if (one.kind, other.kind) == ("nxstxm", "euxfel") else other
    parts = {(each.uid, each.kind): each for each in (*one.parts, *other.parts)}
    paths = chosen.paths
    if one.kind == other.kind == "euxfel":
        paths = tuple(dict.fromkeys((*one.paths, *other.paths)))
    return replace(chosen, paths=paths, parts=tuple(parts.values()))


def _in(place: Path) -> Iterator[FoundScan]:
    if place.is_file():
        yield file_scan(place)
        return
    runs = runs_in(place)
    if runs:
        yield from _of_runs(runs)
        return
    scans = NXstxmDirectory(place).run_ids()
    for path in sorted(each for each in place.glob("**/*") if each.suffix.lower() in SUFFIXES):
        if path.name.startswith("."):
            continue
        why_not = "" if path in scans else _unreadable(path)
        if path in scans:
            try:
                yield file_scan(path)
            except (NXstxmError, OSError) as error:
                why_not = str(error)
        if why_not:
            _warn_once(path, why_not)
    for folder in sorted({path.parent for path in place.glob("**/raw/r[0-9]*")}):
        yield from _of_runs(runs_in(folder.parent))


def _unreadable(path: Path) -> str:
    """Say why a file can not be read at all; nothing of those that are something else."""
    try:
        with open_file(path):
            return ""
    except (NXstxmError, *H5_ERRORS) as error:
        return why(error)


def _warn_once(path: Path, told: str) -> None:
    """Say that a file of a folder is passed over, unless it was said of it as it is."""
    with contextlib.suppress(OSError):  # it is gone
        about = path.stat()
        seen = (str(path.absolute()), about.st_size, about.st_mtime_ns)
        if seen not in _WARNED:
            _WARNED.add(seen)
            logger.warning("%s is passed over: %s", path, told)


def file_scan(path: Path) -> FoundScan:
    """Describe the scan of a file.

    Raises
    ------
    NXstxmValueError
        It is none.
    """
    uid = uid_of(path)
    if not uid:
        told = _unreadable(path)
        more = f": it can not be read ({told})" if told else ""
        raise NXstxmValueError(f"{path} is no file of a scan{more}")
    runs, where = runs_in_file(path), str(path.absolute())
    parts = tuple(ScanPart(run.uid, "nxstxm", where) for run in runs)
    return _scan(uid, "nxstxm", (where,), chosen_run(runs, uid).start, parts)


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
        parts = tuple(ScanPart(p.run, "euxfel", path) for p, path in zip(plans, paths, strict=True))
        scan = _scan(plans[0].run, "euxfel", paths, group[0].start, parts)
        if scan.proposal is None:
            scan = replace(scan, proposal=_proposal_of_run(Path(paths[0])))
        yield scan


def _proposal_of_run(folder: Path) -> int | None:
    """Give the proposal that the files of a EuXFEL run say, or else their folder."""
    for file in sorted(folder.glob("*.h5"))[:1]:
        with contextlib.suppress(*H5_ERRORS), open_file(file) as opened:
            number = int(np.asarray(opened["METADATA/proposalNumber"][()]).flat[0])
            if is_proposal(number):
                return number
    named = _FOLDER.fullmatch(folder.parent.parent.name)
    return int(named[1]) if named is not None and is_proposal(int(named[1])) else None


def _scan(
    uid: str,
    kind: str,
    paths: tuple[str, ...],
    start: Mapping[str, Any],
    parts: tuple[ScanPart, ...],
) -> FoundScan:
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
        parts,
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
