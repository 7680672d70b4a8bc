"""Exporting whole scans: all runs, any order, one finished file each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmTypeError, NXstxmValueError
from ..documents import StoredRun, stored_runs
from ..nexus import ArchivedRun, WriterOptions, runs_of_file
from ..scans import group_runs, read_plan
from ._scan_writer import ScanWriter

Documents = Iterable[tuple[str, Mapping[str, Any]]]


class ExportError(NXstxmError, RuntimeError):
    """Some scans could not be exported; the others were.

    Attributes
    ----------
    failures : list of (str, Exception)
        What failed and why.
    paths : list of Path
        The files that were written.
    """

    def __init__(self, failures: list[tuple[str, Exception]], paths: list[Path]) -> None:
        self.failures = failures
        self.paths = paths
        told = "; ".join(f"{what}: {error}" for what, error in failures)
        super().__init__(f"{len(failures)} of {len(failures) + len(paths)} scans failed: {told}")


@dataclass(frozen=True)
class StoredScan:
    """The stored runs of one scan.

    Attributes
    ----------
    runs : tuple of StoredRun or ArchivedRun
        In the order of time.
    source : str
        The file they are in.
    """

    runs: tuple[StoredRun | ArchivedRun, ...]
    source: str

    @property
    def name(self) -> str:
        """The file, and the scan's number where it has one."""
        number = self.runs[0].start.get("scan_id")
        return self.source if number is None else f"{self.source} (scan {number})"


def scans_in(paths: str | Path | Iterable[str | Path]) -> list[StoredScan]:
    """Find the scans in stored documents.

    Parameters
    ----------
    paths : path or iterable of paths
        Recorded JSON, JSON lines, msgpack, archives or our own NXstxm files; gzip too.

    Returns
    -------
    list of StoredScan
        File by file. A recorded JSON file and a file of ours are one scan; elsewhere runs are
        grouped as `suitcase.nxstxm.scans.group_runs` says.

    Raises
    ------
    NXstxmError
        A file can not be read.
    """
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: list[StoredScan] = []
    for path in listed:
        if _is_hdf5(path):
            found.append(StoredScan(tuple(runs_of_file(path)), str(path)))
            continue
        runs = stored_runs(path)
        if runs and all(run.source_kind == "recorded-json" for run in runs):
            found.append(StoredScan(tuple(runs), str(path)))
            continue
        by_uid = {run.uid: run for run in runs}
        for plans in group_runs(read_plan(run.start) for run in runs):
            found.append(StoredScan(tuple(by_uid[plan.run] for plan in plans), str(path)))
    return found


def _is_hdf5(path: str | Path) -> bool:
    """Tell a file of ours by its first bytes; what can not be read is left to others to report."""
    try:
        with Path(path).open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return False


def export_scan(
    source: Any,
    directory: str | Path,
    *,
    uids: Sequence[str] | None = None,
    file_prefix: str | None = None,
    **options: Any,
) -> Path:
    """Write one scan, all its runs in any order, into one finished file.

    Parameters
    ----------
    source : path, iterable of runs, or documents
        The path of stored documents of one scan; runs (objects with ``documents()``, such as
        stored runs and headers, or lists of documents); or the documents of one or several runs
        as one stream.
    directory : str or Path
        The folder.
    uids : sequence of str, optional
        Only these runs of the source.
    file_prefix : str, optional
        Template of the name, filled from the first run; by default scan number and the beginning
        of the uid.
    **options
        As of `Serializer`.

    Returns
    -------
    Path
        The finished file.

    Raises
    ------
    NXstxmValueError
        The source holds no run, several scans, or not the runs asked for.
    """
    chosen = WriterOptions.of(**options)
    runs = _runs(source)
    if uids is not None:
        runs = _only(runs, list(uids))
    begun = [_peek(run) for run in runs]
    if not begun:
        raise NXstxmValueError("there is no run to export: the source is empty")
    begun.sort(key=lambda pair: (_time(pair[0]), str(pair[0].get("uid"))))
    first = begun[0][0]
    if file_prefix is None:
        numbered = isinstance(first.get("scan_id"), int)
        file_prefix = "{scan_id:05d}-{uid:.8}" if numbered else "{uid}"
    for start, _ in begun:
        read_plan(start)  # a start that makes no sense makes no file
    writer = ScanWriter(Path(directory).expanduser(), first, file_prefix, chosen)
    try:
        for start, documents in begun:
            stage = writer.run(start)
            for name, doc in documents:
                if name != "start":
                    stage.take(name, doc)
                elif doc.get("uid") != start.get("uid"):
                    stage.streams.take_start(doc)
            writer.end(stage)
    except BaseException:
        writer.keep()
        raise
    return writer.finish()


def export_scans(
    sources: Iterable[Any], directory: str | Path, *, jobs: int = 1, **options: Any
) -> list[Path]:
    """Write many scans, one file each.

    Parameters
    ----------
    sources : iterable
        Scans as `scans_in` finds them, or sources as `export_scan` takes them.
    directory : str or Path
        The folder.
    jobs : int
        Processes that share the work; sources must be picklable for more than one.
    **options
        As of `export_scan`.

    Returns
    -------
    list of Path
        The files, in the order of the sources.

    Raises
    ------
    ExportError
        Some failed; all others were written first.
    """
    listed = list(sources)
    calls = [(_source_of(item), directory, options) for item in listed]
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(_attempt, calls))
    else:
        outcomes = [_attempt(call) for call in calls]
    failures = [
        (_label(item), outcome)
        for item, outcome in zip(listed, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    paths = [outcome for outcome in outcomes if isinstance(outcome, Path)]
    if failures:
        raise ExportError(failures, paths)
    return paths


def _attempt(call: tuple[Any, str | Path, dict[str, Any]]) -> Path | Exception:
    source, directory, options = call
    try:
        return export_scan(source, directory, **options)
    except NXstxmError as error:
        return error


def _source_of(item: Any) -> Any:
    return item.runs if isinstance(item, StoredScan) else item


def _label(item: Any) -> str:
    if isinstance(item, StoredScan):
        return item.name
    return str(item) if isinstance(item, (str, Path)) else type(item).__name__


# -- from what a caller gives to runs --------------------------------------------------------


def _runs(source: Any) -> list[Documents]:
    """Find the runs in a source; each is an iterable of documents."""
    if isinstance(source, StoredScan):
        return [run.documents() for run in source.runs]
    if isinstance(source, (str, Path)):
        scans = scans_in(source)
        if len(scans) != 1:
            raise NXstxmValueError(
                f"{source} holds {len(scans)} scans, not one; use "
                f"export_scans(scans_in({str(source)!r}), ...)"
            )
        return [run.documents() for run in scans[0].runs]
    if callable(getattr(source, "documents", None)):
        return [source.documents()]
    if not isinstance(source, Iterable):
        raise NXstxmTypeError(
            f"a {type(source).__name__} is no source of documents; give a path, runs, or documents"
        )
    iterator = iter(source)
    head = next(iterator, None)
    if head is None:
        return []
    items: Iterator[Any] = itertools.chain([head], iterator)
    if isinstance(head, (tuple, list)) and len(head) == 2 and isinstance(head[0], str):
        return _split(items)
    return [
        item.documents() if callable(getattr(item, "documents", None)) else item for item in items
    ]


def _split(documents: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Documents]:
    """Split one stream into runs: each begins with its start, its documents follow it."""
    runs: list[list[tuple[str, Mapping[str, Any]]]] = []
    for name, doc in documents:
        if name == "start":
            runs.append([])
        if not runs:
            raise NXstxmValueError(f"the documents begin with a {name}, not with a start document")
        runs[-1].append((name, doc))
    return list(runs)


def _peek(documents: Documents) -> tuple[Mapping[str, Any], Documents]:
    """Give the start document of a run, and all its documents."""
    iterator = iter(documents)
    head = next(iterator, None)
    if head is None or not isinstance(head, (tuple, list)) or len(head) != 2:
        raise NXstxmValueError(f"a run is a list of (name, document); got {str(head)[:60]!r}")
    name, doc = head
    if name != "start" or not isinstance(doc, Mapping):
        raise NXstxmValueError(f"a run begins with a {name!r} document, not with its start")
    return doc, itertools.chain([(name, doc)], iterator)


def _only(runs: list[Documents], uids: list[str]) -> list[Documents]:
    """Keep the runs asked for."""
    begun = [_peek(run) for run in runs]
    kept = [documents for start, documents in begun if start.get("uid") in uids]
    have = {start.get("uid") for start, _ in begun}
    missing = [uid for uid in uids if uid not in have]
    if missing:
        raise NXstxmValueError(
            f"the source has no run {', '.join(missing)}; it has {', '.join(map(str, have))}"
        )
    return kept


def _time(start: Mapping[str, Any]) -> float:
    time = start.get("time")
    return float(time) if isinstance(time, (int, float)) else 0.0
