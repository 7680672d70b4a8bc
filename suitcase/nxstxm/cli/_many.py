"""Scan after scan, in this process or in several: each has its turn, whatever becomes of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from suitcase.nxstxm.cli._archive import write_scan
from suitcase.nxstxm.cli._sources import FoundScan
from suitcase.nxstxm.cli._telling import Report, say
from suitcase.nxstxm.exchange import (
    CatalogScan,
    ExportError,
    StoredScan,
    export_scan,
    export_scans,
)
from suitcase.nxstxm.exchange._scan_in import Patience
from suitcase.nxstxm.nexus import DescribedRun


@dataclass(frozen=True)
class _Stored(StoredScan):
    """A stored scan whose name in errors is its number, for names may repeat."""

    number: int = 0

    @property
    def name(self) -> str:
        return str(self.number)


@dataclass(frozen=True)
class _InCatalog(CatalogScan):
    """The same of a catalog."""

    number: int = 0

    @property
    def name(self) -> str:
        return str(self.number)


def _numbered(number: int, scan: FoundScan) -> StoredScan | CatalogScan:
    source = scan.source
    if isinstance(source, StoredScan):
        return _Stored(source.runs, source.source, number)
    return _InCatalog(source.source, source.uids, number)


def export_each(
    console: Console,
    scans: Sequence[FoundScan],
    output: Path,
    *,
    jobs: int,
    patience: Patience,
    prefix: str | None,
    overwrite: bool,
) -> bool:
    """Export scans.

    Parameters
    ----------
    console : Console
        Where files are named.
    scans : sequence of FoundScan
        The scans.
    output : Path
        The folder.
    jobs : int
        Processes.
    patience : Patience
        How long to wait for runs of catalogs.
    prefix : str or None
        Template of the names.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    bool
        Whether all went well; what did not was told.
    """
    waits = {"timeout": patience.timeout, "incomplete": patience.incomplete}
    with Report(console, "exporting", len(scans)) as report:
        if jobs > 1 and len(scans) > 1:
            _export_in_processes(
                report, scans, output, jobs, file_prefix=prefix, overwrite=overwrite, **waits
            )
            return not report.failures
        asking = replace(patience, progress=report.waiting)

        def export(scan: FoundScan) -> tuple[Path, list[str]]:
            path = export_scan(scan.runs(asking), output, file_prefix=prefix, overwrite=overwrite)
            return path, _notes(scan)

        for scan in scans:
            report.attempt(scan.name, partial(_noted, partial(export, scan)))
    return not report.failures


def _export_in_processes(
    report: Report, scans: Sequence[FoundScan], output: Path, jobs: int, **options: object
) -> None:
    """Export scans in several processes, and tell which file is whose."""
    sources = [_numbered(number, scan) for number, scan in enumerate(scans)]
    failures: dict[str, Exception] = {}
    try:
        paths = export_scans(
            sources, output, jobs=jobs, progress=lambda done, _: report.done(done), **options
        )
    except ExportError as error:
        failures, paths = dict(error.failures), error.paths
    written = iter(paths)
    for source, scan in zip(sources, scans, strict=True):
        if source.name in failures:
            report.failed(scan.name, failures[source.name])
        else:
            path = next(written)
            report.wrote(scan.name, path)
            _tell(path, _notes(scan))


def _notes(scan: FoundScan) -> list[str]:
    """Give what a file of another program lacked, and what was guessed of it."""
    runs = scan.source.runs if isinstance(scan.source, StoredScan) else ()
    return [note for run in runs if isinstance(run, DescribedRun) for note in run.notes]


def archive_each(
    console: Console,
    scans: Sequence[FoundScan],
    output: Path,
    *,
    jobs: int,
    patience: Patience,
    fill: bool,
    overwrite: bool,
) -> bool:
    """Archive scans; parameters as of `export_each`, and `fill` as of `write_scan`."""
    with Report(console, "archiving", len(scans)) as report:
        if jobs > 1 and len(scans) > 1:
            write = partial(
                write_scan, directory=output, patience=patience, fill=fill, overwrite=overwrite
            )
            # Other ways to start processes copy this one with its open files and locks.
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                calls = {pool.submit(write, scan.source): scan.name for scan in scans}
                for call in as_completed(calls):
                    report.attempt(calls[call], partial(_noted, call.result))
            return not report.failures
        asking = replace(patience, progress=report.waiting)

        def archive(scan: FoundScan) -> tuple[Path, list[str]]:
            runs = scan.runs(asking)
            return write_scan(runs, output, patience=asking, fill=fill, overwrite=overwrite)

        for scan in scans:
            report.attempt(scan.name, partial(_noted, partial(archive, scan)))
    return not report.failures


def _noted(write: Callable[[], tuple[Path, list[str]]]) -> Path:
    path, notes = write()
    _tell(path, notes)
    return path


def _tell(path: Path, notes: Sequence[str]) -> None:
    for note in notes:
        say(f"{path}: {note}", "note", "yellow")
