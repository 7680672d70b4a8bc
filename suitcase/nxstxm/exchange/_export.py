"""Exporting one run, and finishing a scan whose runs were exported one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..documents import segments
from ..nexus import WriterOptions, existing_file, finish_staged
from ._names import resolve_prefix
from ._run_export import RunExport


def export(
    gen: Iterable[tuple[str, Mapping[str, Any]]],
    directory: Any,
    file_prefix: str = "{uid}",
    *,
    first_uid: str | None = None,
    **options: Any,
) -> dict[str, list[Any]]:
    """Write the documents of one run into an NXstxm file.

    Parameters
    ----------
    gen : iterable of (name, doc)
        The documents of one run.
    directory : str, Path or manager
        The folder, or a manager of ``suitcase.utils``.
    file_prefix : str
        Template of the file's name.
    first_uid : str, optional
        Uid of the first run of the scan. The run then joins the temporary file
        ``*.<first_uid>.tmp`` of the folder, until `finish_export` finishes it.
    **options
        As of `Serializer`.

    Returns
    -------
    dict
        ``{"stream_data": [path]}``: the file, or the temporary file that waits.

    Examples
    --------
    One run, one file::

        export(header.documents(fill=True), "/data")

    A scan of several runs::

        for uid in uids:
            export(db[uid].documents(fill=True), "/data", "C001", first_uid=uids[0])
        finish_export("/data", "C001", uids[0])
    """
    run = RunExport(directory, file_prefix, first_uid=first_uid, **options)
    try:
        for name, docs, _ in segments(gen):
            run.take_all(name, docs)
    except BaseException as error:
        run.leave(error)
        raise
    run.leave(None)
    return run.artifacts


def finish_export(directory: str | Path, file_prefix: str, first_uid: str, **options: Any) -> Path:
    """Finish the file of a scan whose runs were exported with `first_uid`.

    Parameters
    ----------
    directory : str or Path
        The folder.
    file_prefix : str
        Template of the file's name, filled from the start document of the scan's first run.
    first_uid : str
        Identity of the scan.
    **options
        As of `Serializer`; what is not given is as it was for the first run.

    Returns
    -------
    Path
        ``<prefix>.hdf5``, complete.

    Raises
    ------
    NXstxmKeyError
        There is no temporary file of this scan.
    NXstxmFileExistsError
        The name is taken; the temporary file stays.
    """
    file = existing_file(Path(directory).expanduser(), first_uid)

    def name_of(start: Mapping[str, Any], chosen: WriterOptions) -> str:
        return resolve_prefix(file_prefix, start, chosen.timezone)

    return finish_staged(file, name_of, options)
