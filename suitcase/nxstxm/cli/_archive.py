"""Archives of scans: all documents of a scan in one file, to be exported again whenever one likes.

An archive holds what its source gives: unlike an NXstxm file nothing is chosen, named or placed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from suitcase.nxstxm._errors import NXstxmError, NXstxmFileExistsError, NXstxmOSError
from suitcase.nxstxm.cli._telling import say
from suitcase.nxstxm.documents import (
    ArchiveError,
    Filling,
    StoredRun,
    UnfilledError,
    stored_runs,
    write_archive,
)
from suitcase.nxstxm.exchange import StoredScan, name_of_scan, scans_in
from suitcase.nxstxm.exchange._scan_in import Patience
from suitcase.nxstxm.exchange._sources import FoundRun, runs_of
from suitcase.nxstxm.nexus import publish
from suitcase.nxstxm.scans import ScanPlan, group_runs, read_plan

SUFFIX = ".nxdocs"
#: Of a file that is badly damaged no more is said than this.
_MOST_TOLD = 10


def write_scan(
    source: Any,
    directory: Path,
    *,
    patience: Patience,
    fill: bool = False,
    overwrite: bool = False,
) -> tuple[Path, list[str]]:
    """Write the archive of a scan.

    Parameters
    ----------
    source : StoredScan, CatalogScan or list of runs
        The scan.
    directory : Path
        The folder.
    patience : Patience
        How long to wait for runs of a catalog.
    fill : bool
        Bring readings that lie in files of detectors into the events. One that can not be read is
        an error: who asks for it may throw these files away.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path
        The archive, complete and on the disk.
    notes : list of str
        What the user should know about it.

    Raises
    ------
    NXstxmFileExistsError
        The name is taken.
    NXstxmOSError
        The folder can not be written, or the source not be read.
    """
    runs = runs_of(source, None, patience)
    first = runs[0].start
    name = name_of_scan(first)  # as an exported file is named
    path = directory / f"{name}{SUFFIX}"
    if path.exists() and not overwrite:  # before the work; `publish` makes sure
        raise NXstxmFileExistsError(
            f"{path} exists already; move it, or replace it: overwrite=True"
        )
    notes: list[str] = []
    temporary = directory / f".{name[:40]}.{secrets.token_hex(4)}.tmp"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                write_archive(_documents(runs, fill, notes), file)
            publish(temporary, path, overwrite=overwrite, kept=None)
        finally:
            temporary.unlink(missing_ok=True)
    except NXstxmError:
        raise
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be written ({error})") from error
    return path, notes


def _documents(
    runs: Sequence[FoundRun], fill: bool, notes: list[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the documents of the runs, one run after the other."""
    for run in runs:
        if not fill:
            yield from run.documents
            continue
        streamed: set[str] = set()
        filling = Filling(fill_or_fail=True).knowing(run.handlers, run.roots)
        # an error keeps what was read alive, and with it the open file
        with closing(filling), _closed_after(run.documents):
            for name, doc in run.documents:
                if name == "stream_resource":
                    streamed.add(str(doc.get("data_key")))
                try:
                    yield from filling(name, doc)
                except UnfilledError as error:
                    raise UnfilledError(
                        f"{error}. Without --fill the archive says where the readings are"
                    ) from error
        if streamed:
            notes.append(
                f"run {run.start.get('uid'):.8}: the readings of {', '.join(sorted(streamed))} "
                f"stay in their files, which are streams; keep these"
            )


@contextmanager
def _closed_after(documents: Any) -> Iterator[None]:
    """Close a generator, whatever happens."""
    try:
        yield
    finally:
        close = getattr(documents, "close", None)
        if callable(close):
            close()


def _tell(damage: str) -> None:
    say(damage, "damaged", "yellow")


def whole_file(path: str) -> list[StoredScan]:
    """Find the scans in a file that is not damaged."""
    try:
        return scans_in([path])
    except ArchiveError as error:
        raise ArchiveError(f"{error}. With --salvage the rest of it is archived") from error


def salvaged(path: str) -> list[StoredScan]:
    """Find the scans in what can be read of a file, and say what is damaged.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    list of StoredScan
        The scans of which at least the beginning is left.

    Raises
    ------
    NXstxmError
        Nothing can be read.
    """
    damage: list[str] = []
    try:
        runs = stored_runs(path, on_damage="skip", damage=damage)
    except NXstxmError:
        return scans_in([path])  # a file of ours, or the message that says what is wrong
    if not damage:
        return scans_in([path])
    for message in damage[:_MOST_TOLD]:
        _tell(message)
    if len(damage) > _MOST_TOLD:
        _tell(f"{path}: {len(damage) - _MOST_TOLD} more such messages are left out")
    if all(run.source_kind == "recorded-json" for run in runs):
        return [StoredScan(tuple(runs), path)]
    by_uid: dict[str, StoredRun] = {}
    plans: list[ScanPlan] = []
    for run in runs:
        try:
            plans.append(read_plan(run.start))
        except NXstxmError as error:
            _tell(f"{path}: run {run.uid} is left out: {error}")
        else:
            by_uid[plans[-1].run] = run
    groups = group_runs(plans)
    return [StoredScan(tuple(by_uid[plan.run] for plan in group), path) for group in groups]
