"""What people keep documents in, and the runs in it: files, lists, streams, catalogs' runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .._errors import NXstxmTypeError, NXstxmValueError
from ..documents import StoredRun, stored_runs
from ..euxfel import StoredRun as EuXFELRun
from ..euxfel import runs_in
from ..nexus import ArchivedRun, DescribedRun, runs_in_file
from ..scans import group_runs, read_plan, run_uid
from ._catalog import Catalog, Document, Documents, Run, comes_from, opened, register_source
from ._databroker import open_databroker
from ._scan_in import AT_ONCE, Patience, scan_in, uids_of
from ._tiled import open_tiled

#: By which key a document says where it belongs; one without any follows the latest start.
_LINKS = {
    "descriptor": "run_start",
    "stop": "run_start",
    "event": "descriptor",
    "event_page": "descriptor",
    "resource": "run_start",
    "datum": "resource",
    "datum_page": "resource",
    "bulk_datum": "resource",
    "stream_resource": "run_start",
    "stream_datum": "stream_resource",
}


register_source("tiled", open_tiled)
register_source("databroker", open_databroker)
register_source("euxfel", lambda run: EuXFELRun(run) if comes_from(run, "extra_data") else None)


class FoundRun(NamedTuple):
    """A run that is to be exported.

    Attributes
    ----------
    start : Mapping
        Its start document.
    documents : iterable of (name, document)
        All of its documents, to be read once.
    handlers, roots : Mapping
        What its source knows of files of detectors: handlers by spec, and where roots are now.
    """

    start: Document
    documents: Documents
    handlers: Mapping[str, Any] = MappingProxyType({})
    roots: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class StoredScan:
    """The stored runs of one scan.

    Attributes
    ----------
    runs : tuple of StoredRun, ArchivedRun, DescribedRun or EuXFELRun
        In the order of time; of a file without documents, in that of its entries.
    source : str
        The file they are in, or the folder.
    """

    runs: tuple[StoredRun | ArchivedRun | DescribedRun | EuXFELRun, ...]
    source: str

    @property
    def name(self) -> str:
        """The file, and the scan's number where it has one."""
        number = self.runs[0].start.get("scan_id")
        return self.source if number is None else f"{self.source} (scan {number})"


@dataclass(frozen=True)
class CatalogScan:
    """A scan in a catalog, named so that another process can find it.

    Attributes
    ----------
    source : str or other
        ``"tiled:ADDRESS"``, ``"databroker:NAME"``, or what else opens a catalog; for several
        processes it must be picklable.
    uids : tuple of str
        Runs of the scan; the catalog is searched for the others.
    """

    source: Any
    uids: tuple[str, ...]

    @property
    def name(self) -> str:
        """The source, without what its address keeps secret, and the first run."""
        return f"{str(self.source).partition('?')[0]} {self.uids[0] if self.uids else ''}".strip()


def scans_in(paths: str | Path | Iterable[str | Path]) -> list[StoredScan]:
    """Find the scans in stored documents.

    Parameters
    ----------
    paths : path or iterable of paths
        Recorded JSON, JSON lines, msgpack, archives, NXstxm files of this and of other programs;
        gzip too. Folders of
        EuXFEL runs, or of proposals with such.

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
            # a file of another program has no documents: they are made of what is in it
            found.append(StoredScan(tuple(runs_in_file(path)), str(path)))
            continue
        folders = runs_in(path)
        runs = [] if folders else stored_runs(path)
        if runs and all(run.source_kind == "recorded-json" for run in runs):
            found.append(StoredScan(tuple(runs), str(path)))
            continue
        by_uid: dict[str, StoredRun | EuXFELRun] = {run.uid: run for run in runs or folders}
        for plans in group_runs(read_plan(run.start) for run in by_uid.values()):
            found.append(StoredScan(tuple(by_uid[plan.run] for plan in plans), str(path)))
    return found


def _is_hdf5(path: str | Path) -> bool:
    """Tell a file of ours by its first bytes; what can not be read is left to others to report."""
    try:
        with Path(path).open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return False


def runs_of(source: Any, uids: Any = None, patience: Patience = AT_ONCE) -> list[FoundRun]:
    """Find the runs in a source.

    Parameters
    ----------
    source : catalog, path, StoredScan, run, iterable of runs, or of documents
        See `export_scan`.
    uids : str, iterable of str or a RunEngine's result, optional
        Only these runs; of a catalog, the scan that they belong to.
    patience : Patience
        How long to wait for runs that are on their way into a catalog.

    Returns
    -------
    list of FoundRun
        In the order of time.

    Raises
    ------
    NXstxmTypeError, NXstxmValueError
        It is no source, holds several scans, no run, not those asked for, or one twice.
    """
    if isinstance(source, CatalogScan):
        source, uids = source.source, source.uids
    known = opened(source)
    if isinstance(known, Catalog):
        source = _of_catalog(known) if uids is None else scan_in(known, uids, patience)
        uids = None
    elif known is not None:
        source = known
    if isinstance(source, (str, Path)):
        source = scans_in(source)
        if len(source) > 1 and uids is None:
            path = source[0].source
            raise NXstxmValueError(
                f"{path} holds {len(source)} scans, not one; use "
                f"export_scans(scans_in({path!r}), ...), or name its runs with uids="
            )
        source = [run for scan in source for run in scan.runs]
    begun = [_peek(run) for run in _runs(source)]
    have = [run_uid(run.start) for run in begun]
    twice = sorted({uid for uid in have if have.count(uid) > 1})
    if twice:
        raise NXstxmValueError(f"the source has run {', '.join(twice)} more than once")
    if uids is not None:
        wanted = uids_of(uids)
        missing = [uid for uid in wanted if uid not in have]
        if missing:
            raise NXstxmValueError(
                f"the source has no run {', '.join(missing)}; it has {', '.join(have)[:1000]}"
            )
        begun = [run for uid, run in zip(have, begun, strict=True) if uid in wanted]
    if not begun:
        raise NXstxmValueError("there is no run to export: the source is empty")
    return sorted(begun, key=lambda run: (_time(run.start), run_uid(run.start)))


def _of_catalog(catalog: Catalog) -> list[Run]:
    """Give the runs of a catalog that holds one scan."""
    runs = {run_uid(run.start): run for run in catalog.runs()}
    groups = group_runs(read_plan(run.start) for run in runs.values())
    if len(groups) > 1:
        raise NXstxmValueError(
            f"{catalog.name} holds {len(groups)} scans, not one; name the runs of yours with uids="
        )
    return [runs[plan.run] for group in groups for plan in group]


def _runs(source: Any) -> list[Any]:
    """Give the runs in a source that is no path: objects with ``documents()``, or documents."""
    if isinstance(source, StoredScan):
        return list(source.runs)
    if callable(getattr(source, "documents", None)):
        return [source]
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
    return [opened(item) or item for item in items]


def _split(documents: Documents) -> list[Any]:
    """Split one stream into runs, which may be woven into each other."""
    runs: dict[str, list[tuple[str, Document]]] = {}
    owners: dict[str, str] = {}  # of what others name by its uid
    latest = ""
    for name, doc in documents:
        uid = doc.get("uid")
        if name == "start":
            latest = run_uid(doc)
            runs.setdefault(latest, [])
            owners[latest] = latest
        elif not runs:
            raise NXstxmValueError(f"the documents begin with a {name!r}, not with a start")
        if name == "bulk_events":
            for run, part in _bulk_parts(doc, owners, latest).items():
                runs[run].append((name, part))
            continue
        # what names an unknown document is refused, with a message, by the run it goes to
        link = doc.get(_LINKS.get(name, ""))
        known = owners.get(link) if isinstance(link, str) else None
        run = latest if name == "start" or known is None else known
        if name in ("descriptor", "resource", "stream_resource") and isinstance(uid, str):
            owners[uid] = run
        runs[run].append((name, doc))
    return list(runs.values())


def _bulk_parts(doc: Document, owners: Mapping[str, str], latest: str) -> dict[str, Document]:
    """Share out the events of a bulk document."""
    parts: dict[str, dict[str, list[Any]]] = {}
    for stream, events in doc.items():
        for event in events:
            run = owners.get(str(event.get("descriptor")), latest)
            parts.setdefault(run, {}).setdefault(stream, []).append(event)
    return dict(parts)


def _peek(run: Any) -> FoundRun:
    """Give the start document of a run, and all its documents."""
    if callable(getattr(run, "documents", None)):
        start = getattr(run, "start", None)
        if isinstance(start, Mapping):
            # nothing is opened before its turn: a scan may have more runs than files can be open
            documents = (pair for each in (run,) for pair in each.documents())
            return FoundRun(
                start, documents, getattr(run, "handlers", {}), getattr(run, "roots", {})
            )
        run = run.documents()
    if not isinstance(run, Iterable):
        raise NXstxmTypeError(f"a {type(run).__name__} is no run; give lists of documents")
    iterator = iter(run)
    head = next(iterator, None)
    if head is None or not isinstance(head, (tuple, list)) or len(head) != 2:
        raise NXstxmValueError(f"a run is a list of (name, document); got {str(head)[:60]!r}")
    name, doc = head
    if name != "start" or not isinstance(doc, Mapping):
        raise NXstxmValueError(f"a run begins with a {name!r} document, not with its start")
    return FoundRun(doc, itertools.chain([(name, doc)], iterator))


def _time(start: Document) -> float:
    time = start.get("time")
    return float(time) if isinstance(time, (int, float)) else 0.0
