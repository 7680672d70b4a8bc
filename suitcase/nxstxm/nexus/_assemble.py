"""Putting a scan's file together from its runs, and reading its archive back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import h5py

from .._errors import NXstxmStateError
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
