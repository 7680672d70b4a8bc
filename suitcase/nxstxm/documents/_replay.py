"""Runs out of files: what an experiment stored in whatever format, given back run by run.

A file may hold one run or a hundred, one after the other or woven into each other, and more than
fits into memory. A first pass finds the runs and where each begins and ends; the documents of a
run are read when somebody iterates over them, as often as they like.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.documents._archive import ArchiveWriter
from suitcase.nxstxm.documents._archive_reader import ArchiveError, read_archive
from suitcase.nxstxm.documents._damage import DamageReport, OnDamage
from suitcase.nxstxm.documents._formats import (
    Record,
    SourceKind,
    load_recorded,
    read_records,
    recognise,
)
from suitcase.nxstxm.documents._packing import Resolve
from suitcase.nxstxm.documents._run_index import RunIndex

Documents = Iterator[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class StoredRun:
    """
    One run in a file. Do not make this yourself; get it from `stored_runs`.

    Attributes
    ----------
    uid : str
        The uid of the run.
    start : Mapping
        Its start document.
    source : str
        The path of the file.
    source_kind : {"archive", "msgpack", "jsonl", "recorded-json"}
        The format. The runs of a recorded JSON file are one scan; in other files nothing but the
        start documents says which runs belong together.
    """

    uid: str
    start: Mapping[str, Any]
    source: str
    source_kind: SourceKind
    _read: Callable[[], Documents] = field(repr=False, compare=False)

    def documents(self) -> Documents:
        """
        Give the documents of the run in the order in which they were stored.

        Each call reads anew, so nobody's changes to a document are seen by the next reader.

        Raises
        ------
        NXstxmOSError, NXstxmValueError
            When the file is gone or has changed.
        """
        return self._read()


def stored_runs(
    path: str | os.PathLike[str],
    *,
    on_damage: OnDamage = "raise",
    damage: list[str] | None = None,
    resolve: Resolve | None = None,
) -> list[StoredRun]:
    """
    Find the runs in a file of documents.

    Parameters
    ----------
    path : path
        Recorded JSON, JSON lines, msgpack or an archive, each plain or compressed with gzip,
        whatever the name says.
    on_damage : {"raise", "skip"}
        "skip" leaves out what can not be read and goes on where the format allows it: at the
        next line or block. Recorded JSON is one value and is whole or nothing.
    damage : list of str, optional
        Where "skip" puts messages about what was left out; without a list they are logged.
    resolve : callable, optional
        Gives the arrays for the `ArrayRef` of an archive; else these stay in the documents.

    Returns
    -------
    list of StoredRun
        In the order of their start times.

    Raises
    ------
    NXstxmOSError
        When there is no such file, or it can not be read.
    NXstxmValueError
        When it is damaged, in none of these formats, or holds no run.
    """
    path = Path(path)
    kind = recognise(path)
    if kind == "recorded-json":
        runs = _recorded_runs(path, _report(path, kind, on_damage, damage))
    else:
        runs = _indexed_runs(path, kind, on_damage, damage, resolve)
    if not runs:
        raise NXstxmValueError(f"{path} holds no run: there is no start document in it")
    return sorted(runs, key=lambda run: start_time(run.start))


def replay(
    path: str | os.PathLike[str],
    *,
    on_damage: OnDamage = "raise",
    damage: list[str] | None = None,
    resolve: Resolve | None = None,
) -> Documents:
    """
    Give all documents in a file, in the order in which they are stored.

    The runs of recorded JSON come one after the other, by start time. Parameters and errors are
    those of `stored_runs`; errors about the file as a whole are raised by the call itself, those
    about a place in it when the iteration comes there.
    """
    path = Path(path)
    kind = recognise(path)
    if kind == "recorded-json":
        runs = stored_runs(path, on_damage=on_damage, damage=damage)
        return (pair for run in runs for pair in run.documents())
    report = _report(path, kind, on_damage, damage)
    records = read_records(path, kind, report, resolve=resolve)
    return ((record.name, record.document) for record in records)


def start_time(start: Mapping[str, Any]) -> float:
    """Give the time of a start document, in seconds since 1970; infinity if it has none."""
    time = start.get("time")
    return time if isinstance(time, (int, float)) and not math.isnan(time) else math.inf


def _report(
    path: Path,
    kind: SourceKind,
    on_damage: OnDamage,
    damage: list[str] | None,
    known: Collection[str] = (),
) -> DamageReport:
    error = ArchiveError if kind == "archive" else NXstxmValueError
    return DamageReport(str(path), on_damage, damage, error, known)


def _indexed_runs(
    path: Path,
    kind: SourceKind,
    on_damage: OnDamage,
    damage: list[str] | None,
    resolve: Resolve | None,
) -> list[StoredRun]:
    seen: list[str] = []
    index = RunIndex(_report(path, kind, on_damage, seen))
    for record in read_records(path, kind, index.report):
        index.add(record)
    # What is told from now on is about arrays, which are only asked for when a run is read.
    index.report = _report(path, kind, on_damage, damage, known=seen)
    for message in seen:
        index.report.note(message)
    return [
        StoredRun(uid, start, str(path), kind, partial(_read_run, path, kind, uid, index, resolve))
        for uid, start in index.starts.items()
    ]


def _read_run(
    path: Path, kind: SourceKind, uid: str, index: RunIndex, resolve: Resolve | None
) -> Documents:
    span = index.spans[uid]
    for record in read_records(
        path, kind, index.report, resolve=resolve, first=span.first, last=span.last
    ):
        document = index.part_of(uid, record)
        if document is not None:
            yield record.name, document


def _recorded_runs(path: Path, report: DamageReport) -> list[StoredRun]:
    loaded = load_recorded(path)
    if isinstance(loaded, dict):
        groups = loaded
    else:
        index = RunIndex(report)
        for record in loaded:
            index.add(record)
        groups = {uid: [] for uid in index.starts}
        for record in loaded:
            for uid in index.runs_of(record):
                document = index.part_of(uid, record)
                if document is not None:
                    groups[uid].append(record._replace(document=document))
    runs = []
    for uid, records in sorted(groups.items()):
        start = next((record.document for record in records if record.name == "start"), None)
        if start is None or not isinstance(start.get("uid"), str):
            report(f"run {uid!r} has no start document with a uid")
            continue
        read = partial(_unpacked_run, _packed_run(records))
        runs.append(StoredRun(start["uid"], start, str(path), "recorded-json", read))
    return runs


def _packed_run(records: Iterable[Record]) -> bytes:
    # Smaller than the documents, and every reader gets documents of its own.
    data = bytearray()
    writer = ArchiveWriter(data.extend, compression="none")
    for record in records:
        writer.append(record.name, record.document)
    writer.close()
    return bytes(data)


def _unpacked_run(data: bytes) -> Documents:
    return read_archive(data)
