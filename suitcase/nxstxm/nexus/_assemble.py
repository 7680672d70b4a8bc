"""Putting a scan's file together from its runs, and reading its archive back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmOSError, NXstxmStateError, NXstxmValueError
from ..documents import ArrayRef, array_crc32, read_archive
from ._entry import EntryWriter
from ._jobs import jobs
from ._options import WriterOptions
from ._record import RunRecord
from ._scanfile import SUFFIX, ScanFile, publish
from ._shared import SharedObjects
from ._staging import STAGING

CREATOR = "suitcase.nxstxm"


def finish_file(
    file: ScanFile, records: Sequence[RunRecord], name: str | None, options: WriterOptions
) -> Path:
    """Write the entries of a scan, check that all is there, and publish its file.

    Parameters
    ----------
    file : ScanFile
        The temporary file; columns that are on disk are in it.
    records : sequence of RunRecord
        All runs of the scan, in any order.
    name : str or None
        Name of the file without its ending; None for a file in memory, which is not published.
    options : WriterOptions
        The writer's options.

    Returns
    -------
    Path
        The final path; of a file in memory an empty one.

    Raises
    ------
    NXstxmFileExistsError
        The name is taken; nothing was overwritten and the temporary file is complete.
    NXstxmStateError
        There is no run, or the temporary file is gone.
    """
    path = file.path
    with file.locked():
        if path is not None and not path.exists():
            raise NXstxmStateError(
                f"{path} is gone: another writer finished this scan, or somebody removed it"
            )
        if path is None or not _on_disk(records) or _has_one_with_frames(records):
            # small, or one run with large frames that need not be copied
            with file.opened() as h5:
                assemble(h5, h5, records, options, file.first_uid)
            complete = path
        else:
            complete = path.with_name(f"{path.name.removesuffix('.tmp')}.new.tmp")
            fresh = ScanFile(complete, file.first_uid)
            with file.opened("r") as source, fresh.opened("w") as h5:
                assemble(h5, source, records, options, file.first_uid)
        if path is None or complete is None or name is None:
            return Path()
        final = publish(complete, path.with_name(f"{name}{SUFFIX}"), overwrite=options.overwrite)
        if complete != path:
            path.unlink()
        return final


def _on_disk(records: Sequence[RunRecord]) -> bool:
    return any(
        isinstance(piece.values, str)
        for record in records
        for pieces in record.columns.values()
        for piece in pieces
    )


def _has_one_with_frames(records: Sequence[RunRecord]) -> bool:
    return len(records) == 1 and bool(records[0].references)


def assemble(
    h5: h5py.File,
    source: h5py.File,
    records: Sequence[RunRecord],
    options: WriterOptions,
    first_uid: str,
) -> None:
    """Write the entries of a scan into a file.

    Parameters
    ----------
    h5 : h5py.File
        The file, open for writing.
    source : h5py.File
        The file that holds the columns; when it is the same, its staging area is taken away.
    records : sequence of RunRecord
        All runs of the scan, in any order.
    options : WriterOptions
        The writer's options.
    first_uid : str
        Identity of the scan.

    Raises
    ------
    NXstxmStateError
        There is no run.
    """
    if not records:
        raise NXstxmStateError(
            f"scan {first_uid} has no run that was exported to its end; export its runs again"
        )
    runs = sorted(records, key=lambda r: (r.plan.time, r.uid))
    for name in [name for name in h5 if name != STAGING]:
        del h5[name]  # what an earlier attempt to finish left
    writer_class = options.entry_writer or EntryWriter
    arranged = jobs(runs)
    shared = SharedObjects()
    for job in arranged:
        writer_class(h5, source, job, options, first_uid, shared).write()
    _write_root(h5, arranged[0].name, options, first_uid)


def _write_root(h5: h5py.File, default: str, options: WriterOptions, first_uid: str) -> None:
    """Complete the root and take the scaffolding away."""
    if STAGING in h5:
        del h5[STAGING]
    h5.attrs["NX_class"] = "NXroot"
    h5.attrs["default"] = default
    h5.attrs["first_uid"] = first_uid
    h5.attrs["creator"] = CREATOR
    h5.attrs["creator_version"] = _version()
    h5.attrs["file_time"] = options.time(time.time())
    h5.attrs["HDF5_Version"] = h5py.version.hdf5_version
    h5.attrs["h5py_version"] = h5py.version.version


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("suitcase-nxstxm")
    except PackageNotFoundError:
        return "unknown"


def archived_runs(path: str | Path) -> dict[str, str]:
    """List the runs whose documents a file holds.

    Parameters
    ----------
    path : str or Path
        An NXstxm file of this package.

    Returns
    -------
    dict of str to str
        Run uid to the path of its archive in the file, in the order of the runs.
    """
    with _opened(path) as h5:
        found: dict[str, tuple[float, str]] = {}
        for name in h5:
            home = h5.get(f"{name}/collection/bluesky")
            if not isinstance(home, h5py.Group):
                continue
            for run in home:
                item = home[run]
                if isinstance(item, h5py.Dataset) and "uid" in item.attrs:
                    uid = str(item.attrs["uid"])
                    start = next(iter(read_archive(item[()].tobytes())))[1]
                    found.setdefault(uid, (float(start.get("time", 0.0)), item.name))
    ordered = sorted(found.items(), key=lambda pair: (pair[1][0], pair[0]))
    return {uid: where for uid, (_, where) in ordered}


def read_documents(
    path: str | Path, uid: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the documents that a file was made of.

    Parameters
    ----------
    path : str or Path
        An NXstxm file of this package.
    uid : str, optional
        Only this run.

    Yields
    ------
    name : str
        Kind of document.
    doc : dict
        The document, equal to the one that came in.

    Raises
    ------
    NXstxmOSError
        The file can not be opened.
    NXstxmValueError
        It holds no archive, not of this run, or a damaged one.
    """
    runs = archived_runs(path)
    if not runs or (uid is not None and uid not in runs):
        raise NXstxmValueError(
            f"{path} holds no archive{f' of run {uid}' if uid else ''}; it has "
            f"{', '.join(runs) or 'none'}"
        )
    with _opened(path) as h5:
        for run, where in runs.items():
            if uid is None or run == uid:
                resolve = _Resolver(h5, h5[where])
                yield from read_archive(h5[where][()].tobytes(), resolve=resolve)


class _Resolver:
    """Finds the arrays that an archive refers to."""

    def __init__(self, h5: h5py.File, archive: h5py.Dataset) -> None:
        self._h5 = h5
        self._table = json.loads(archive.attrs.get("arrays", "[]"))

    def __call__(self, ref: ArrayRef) -> np.ndarray[Any, Any]:
        for stream, key, row, n, path, at in self._table:
            if (stream, key) == (ref.stream, ref.key) and row <= ref.row < row + n:
                array: np.ndarray[Any, Any] = self._h5[path][at + ref.row - row]
                if array_crc32(array) != ref.crc32:
                    raise NXstxmValueError(
                        f"{self._h5.filename}: row {ref.row} of {key!r} in {path} does not have "
                        f"its checksum; the file was damaged or changed"
                    )
                return array
        raise NXstxmValueError(
            f"{self._h5.filename}: row {ref.row} of {ref.key!r} of run {ref.run} is not in the file"
        )


def _opened(path: str | Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be opened as HDF5 ({error})") from error


__all__ = ["archived_runs", "assemble", "read_documents"]
