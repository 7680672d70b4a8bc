"""Putting a scan's file together from its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from .._errors import NXstxmStateError, OptionError
from ._archived import runs_of_file
from ._entry import EntryWriter
from ._jobs import jobs
from ._options import WriterOptions
from ._publish import name_taken, publish
from ._record import STAGING, RunRecord
from ._refine import refine
from ._saved import is_assembled, read_records
from ._scanfile import SUFFIX, ScanFile
from ._shared import SharedObjects
from ._version import PROGRAM, version


def finish_file(
    file: ScanFile, records: Sequence[RunRecord], name: str | None, options: WriterOptions
) -> Path:
    """Write the entries of a scan that this process wrote alone, and publish its file.

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
        The name is taken; nothing was overwritten.
    NXstxmStateError
        There is no run, or the temporary file is gone.
    """
    with file.locked():
        path = _finish(file, records, name, options)
        file.published = path if name is not None else None
        return path


def finish_staged(
    file: ScanFile,
    name_of: Callable[[Mapping[str, Any], WriterOptions], str],
    options: Mapping[str, Any],
) -> Path:
    """Write the entries of the scan whose runs wait in a temporary file, and publish its file.

    Parameters
    ----------
    file : ScanFile
        The temporary file.
    name_of : callable
        Gives the name of the file, without its ending, for the start document of the first run.
    options : Mapping
        The writer's options; what is not given is as it was for the first run.

    Returns
    -------
    Path
        The final path.

    Raises
    ------
    NXstxmFileExistsError
        The name is taken; nothing was overwritten and the temporary file stays.
    NXstxmStateError
        There is no run, or the temporary file is gone.
    """
    if options.get("processors"):
        raise OptionError(
            "processors are given with each export of a run, when its frames are made; "
            "finish_export only arranges what they gave"
        )
    # One lock from reading the runs to the final name: a run that is stored in between would
    # otherwise vanish with the temporary file.
    with file.locked():
        with file.opened("r") as h5:
            assembled = is_assembled(h5)
            records, saved = ([], {}) if assembled else read_records(h5, options.get("devices"))
        chosen = WriterOptions.of(**{**saved, **options})
        path = file.path
        if assembled and path is not None:
            starts = [run.start for run in runs_of_file(path)]
        else:
            starts = [record.start for record in records]
        if not starts or path is None:
            raise NXstxmStateError(
                f"{file.target} holds no run that was exported to its end; export its runs again"
            )
        start = next((s for s in starts if s.get("uid") == file.first_uid), starts[0])
        name = name_of(start, chosen)
        if assembled:
            final = path.with_name(f"{name}{SUFFIX}")
            return publish(path, final, overwrite=chosen.overwrite, kept=file)
        return _finish(file, records, name, chosen)


def _finish(
    file: ScanFile, records: Sequence[RunRecord], name: str | None, options: WriterOptions
) -> Path:
    """Do the work of `finish_file`; the file is locked."""
    path = file.path
    if path is None or name is None:  # in memory
        with file.opened() as h5:
            assemble(h5, h5, records, options, file.first_uid)
        return Path()
    final = path.with_name(f"{name}{SUFFIX}")
    if final.exists() and not options.overwrite:
        raise name_taken(final, file)  # before the work, not after it
    if not _on_disk(records) or _has_one_with_frames(records):
        # small, or one run with large frames that need not be copied
        with file.opened() as h5:
            assemble(h5, h5, records, options, file.first_uid)
        file.close()
        return publish(path, final, overwrite=options.overwrite, kept=file)
    complete = path.with_name(f"{path.name.removesuffix('.tmp')}.new.tmp")
    fresh = ScanFile(complete, file.first_uid)
    try:
        with file.opened("r") as source, fresh.opened("w") as h5:
            assemble(h5, source, records, options, file.first_uid)
        publish(complete, final, overwrite=options.overwrite, kept=file)
    except BaseException:
        complete.unlink(missing_ok=True)  # all that is in it is in the temporary file too
        raise
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
    refine(runs, source, options.devices)
    arranged = jobs(runs)
    shared = SharedObjects()
    for job in arranged:
        writer_class(h5, source, job, options, first_uid, shared).write()
    _write_root(h5, arranged[0].name, options, first_uid)


def _write_root(h5: h5py.File, default: str, options: WriterOptions, first_uid: str) -> None:
    """Complete the root and take the scaffolding away."""
    h5.attrs["default"] = default
    h5.attrs["first_uid"] = first_uid
    h5.attrs["creator"] = PROGRAM
    h5.attrs["creator_version"] = version()
    h5.attrs["file_time"] = options.time(time.time())
    h5.attrs["HDF5_Version"] = h5py.version.hdf5_version
    h5.attrs["h5py_version"] = h5py.version.version
    if STAGING in h5:
        del h5[STAGING]
    h5.attrs["NX_class"] = "NXroot"  # the last of all: see `is_assembled`
