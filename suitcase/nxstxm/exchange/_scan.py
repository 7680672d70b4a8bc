"""Exporting whole scans: all runs, any order, one finished file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from pickle import PicklingError
from typing import Any

from .._errors import NXstxmError, tell_where
from ..documents import segments
from ..nexus import WriterOptions
from ..scans import read_plan, run_uid
from ._beside import RunsBeside
from ._names import name_of_scan
from ._scan_in import Patience
from ._scan_writer import ScanWriter
from ._sources import CatalogScan, StoredScan, runs_of


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


def export_scan(
    source: Any,
    directory: str | Path,
    *,
    uids: Any = None,
    file_prefix: str | None = None,
    timeout: float = 10.0,
    incomplete: bool = False,
    progress: Callable[[str], object] | None = None,
    **options: Any,
) -> Path:
    """Write one scan, all its runs in any order, into one finished file.

    Parameters
    ----------
    source : catalog, path, iterable of runs, or documents
        A catalog of databroker or Tiled, or ``"tiled:ADDRESS"`` or ``"databroker:NAME"``, with
        `uids`; the path of stored documents of one scan; runs (objects with ``documents()``, such
        as headers and stored runs, or lists of documents); or the documents of one or several
        runs as one stream, one after the other or woven into each other.
    directory : str or Path
        The folder.
    uids : str, sequence of str, or what the RunEngine returned, optional
        Of a catalog: some or all runs of the scan; the catalog is searched for the others. Of
        anything else: only these runs.
    timeout : float
        Seconds to wait for runs of a catalog that are not there yet, or have not stopped.
    incomplete : bool
        After that time export a run that has not stopped, as far as it came.
    progress : callable, optional
        Told in words what is waited for.
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
    NXstxmKeyError
        The catalog has no such run.
    UnfinishedError
        A run of the catalog did not stop in time.
    Exception
        What one of the ``processors`` raised.
    """
    chosen = WriterOptions.of(**options)
    runs_beside = RunsBeside(chosen)
    begun = runs_of(source, uids, Patience(timeout, incomplete, progress))
    first = begun[0].start
    for run in begun:
        read_plan(run.start)  # a start that makes no sense makes no file
    name = name_of_scan(first, file_prefix, chosen.timezone)
    writer = ScanWriter(Path(directory).expanduser(), name, run_uid(first), chosen)
    try:
        for run in begun:
            stage = writer.run(run.start)
            stage.files.roots.update(run.roots)
            beside = runs_beside.run(run.start, run.roots)
            with closing(chosen.filling().knowing(run.handlers, run.roots)) as filling:
                for name, docs, _ in segments(run.documents):
                    if name == "start":
                        if not _is(docs[0].get("uid"), run.start.get("uid")):
                            stage.streams.take_start(docs[0])
                    elif len(docs) > 1 and filling.is_idle and beside is None:
                        stage.take_events(docs)
                    else:
                        for each in chain.from_iterable(filling(name, doc) for doc in docs):
                            stage.take(*each)
                            if beside is not None:
                                beside.take(*each)
                for message in filling.messages:
                    stage.note(message)
                if beside is not None:
                    beside.end(filling.messages)
            writer.end(stage)
            stage.check()
    except BaseException as error:
        writer.keep()
        if isinstance(error, NXstxmError):
            tell_where(error, writer.file.path)
        raise
    return writer.finish()


def _is(uid: Any, other: Any) -> bool:
    return isinstance(uid, str) and uid == other


def export_scans(
    sources: Iterable[Any],
    directory: str | Path,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> list[Path]:
    """Write many scans, one file each.

    Parameters
    ----------
    sources : iterable
        Scans as `scans_in` finds them, scans of catalogs (`CatalogScan`), or sources as
        `export_scan` takes them.
    directory : str or Path
        The folder.
    jobs : int
        Processes that share the work. For more than one, sources must be picklable, and a script
        needs its ``if __name__ == "__main__":``.
    progress : callable, optional
        Told how many scans are done, by success or failure, and how many there are.
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
    tell = progress or (lambda _done, _all: None)
    tell(0, len(listed))
    outcomes: list[Path | Exception]
    if jobs > 1:
        # Other ways to start processes copy this one with its open files and locks.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            calls = [pool.submit(export_scan, item, directory, **options) for item in listed]
            for done, _ in enumerate(as_completed(calls), 1):
                tell(done, len(listed))
            outcomes = [_attempt(call.result) for call in calls]
    else:
        outcomes = []
        for item in listed:
            outcomes.append(_attempt(partial(export_scan, item, directory, **options)))
            tell(len(outcomes), len(listed))
    failures = [
        (_label(item), outcome)
        for item, outcome in zip(listed, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    paths = [outcome for outcome in outcomes if isinstance(outcome, Path)]
    if failures:
        raise ExportError(failures, paths)
    return paths


#: What goes wrong with a scan: ours, and what sources, files, pickles and processes raise.
_FAILURES = (
    NXstxmError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, EOFError, MemoryError, PicklingError,
)  # fmt: skip


def _attempt(call: Callable[[], Path]) -> Path | Exception:
    try:
        return call()
    except _FAILURES as error:
        return error


def _label(item: Any) -> str:
    if isinstance(item, (StoredScan, CatalogScan)):
        return item.name
    return str(item) if isinstance(item, (str, Path)) else type(item).__name__
