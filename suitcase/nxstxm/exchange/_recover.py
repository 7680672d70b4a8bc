"""Files of scans whose process died, made from what the journals have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from .. import euxfel
from .._errors import NXstxmError, NXstxmFileExistsError, NXstxmValueError
from .._log import logger
from ..documents import JournalFolder, PlacedFrames, recover_each
from ..nexus import (
    H5_ERRORS,
    SUFFIX,
    JournalledRun,
    WriterOptions,
    archived_runs,
    read_documents,
)
from ._beside import RunsBeside
from ._scan_writer import ScanWriter

#: Ends the name of the file that is being made; that of the dead process has frames.
_AGAIN = ".again.tmp"


def recover(directory: str | Path, **options: Any) -> list[Path]:
    """Make the files of scans that another process began and did not finish.

    Parameters
    ----------
    directory : str or Path
        The folder of an `NXstxmWriter`.
    **options
        As of `Serializer`; what is not given is as it was when the scan was measured. Processors
        must be given again.

    Returns
    -------
    list of Path
        The files. Scans that some process is writing are left to it. What had not stopped is
        marked as incomplete. The journal of a scan of which something could not be used is kept,
        under a name that ends in ``.journal.damaged``; the file and the log say so.

    Raises
    ------
    RecoverError
        Some could not be made; all others were. Their journals stay.

    Notes
    -----
    It can be killed and begun again at any time: a file gets its name when it is complete, and the
    journal goes after that.
    """
    WriterOptions.of(**options)  # a wrong one is told before anything is done
    top = Path(directory).expanduser().absolute()

    def made(folder: JournalFolder) -> Path | None:
        if euxfel.is_of_run(folder.facts):
            return euxfel.recover_run(top, folder)
        return _recovered(top, folder, options)

    return recover_each(top, made)


def _recovered(top: Path, folder: JournalFolder, options: Any) -> Path | None:
    """Make the file of a scan; None when there is nothing to make, or it is there."""
    facts = folder.facts
    final = (top / PurePosixPath(facts.file)).resolve()
    if not final.is_relative_to(top.resolve()):
        raise NXstxmValueError(
            f"{folder.path} says that its file is {facts.file!r}, outside of {top}"
        )
    chosen = WriterOptions.of(**{**facts.options, **options})
    if chosen.on_error == "raise":
        chosen = replace(chosen, on_error="leave_out")
    name = final.name.removesuffix(SUFFIX)
    _clear(final.parent, name, facts.first_uid, [_AGAIN, ".again.new.tmp"])
    with closing(PlacedFrames(top, folder.rescue)) as frames:
        made = _made(final, name, folder, chosen, frames)
        if folder.left_out is not None and _keep_frames(final, name, folder):
            return made
        # not before: frames may be in it that are nowhere else
        _clear(final.parent, name, facts.first_uid, _OF_THE_DEAD)
        frames.clear()
    return made


def _keep_frames(final: Path, name: str, folder: JournalFolder) -> bool:
    """Keep the frames of a journal that is kept, beside it; tell whether they are where they were.

    Not only those that were used: what is damaged may tell of others.
    """
    dead = final.with_name(f"{name}.{folder.facts.first_uid}{_OF_THE_DEAD[0]}")
    try:
        if dead.exists() and not folder.rescue.exists():
            dead.rename(folder.rescue)
    except OSError as error:
        logger.warning("%s has frames of %s and stays (%s)", dead, folder.path, error)
        return True
    return False


def _made(
    final: Path, name: str, folder: JournalFolder, chosen: WriterOptions, frames: PlacedFrames
) -> Path | None:
    """Make the file of what the journals have."""
    facts = folder.facts
    runs = [run for path in folder.journals() if not (run := JournalledRun(path)).is_empty]
    lost = [run.path for run in runs if run.start is None]
    runs = [run for run in runs if run.start is not None]
    if lost and not runs:
        raise NXstxmValueError(
            f"the start document of {lost[0]} is damaged; nothing can be made of the others "
            f"without it"
        )
    if not runs:
        return None
    if final.exists() and not chosen.overwrite:
        if _holds(final, runs, folder.left_out or {}):
            return None  # it was killed after the file got its name
        raise NXstxmFileExistsError(
            f"{final} is another scan's; move it, or say overwrite=True, and recover again"
        )
    folder.begin_again()
    beside = RunsBeside(chosen, raises=False, again=True)
    writer = ScanWriter(final.parent, name, facts.first_uid, chosen, alone=True, ending=_AGAIN)
    try:
        for run in runs:
            stage = writer.run(run.start)
            if not folder.has_facts:
                stage.note(
                    "what the writer was told of this scan is lost: it has the options that were "
                    "given to recover"
                )
            missing = sorted({*facts.processors} - _names(chosen))
            if missing:
                stage.note(
                    f"recovered without the processors {', '.join(missing)}: pictures are of the "
                    f"readings as they came"
                )
            for path in lost:
                stage.note_once(
                    f"a run is missing: the start document of its journal {path.name} is damaged"
                )
            run.take(stage, chosen, frames, beside.run(run.start))
            if run.has_more or lost:
                stage.note(
                    f"not all of the journal could be used; it is kept in {folder.aside.name}"
                )
            writer.end(stage)
        more = {run.start["uid"]: run.n_used for run in runs if run.has_more}
        if more or lost:
            folder.leave_out(more)
        return writer.finish()
    except BaseException:
        writer.drop()  # the journals have all of it
        raise


def _names(options: WriterOptions) -> set[str]:
    return set() if options.processors is None else {p.name for p in options.processors.processors}


def _holds(path: Path, runs: list[JournalledRun], used: Mapping[str, int]) -> bool:
    """Tell whether a file has all the documents of runs, of some as many as could be used."""
    try:
        known = archived_runs(path)
        return all(
            run.start["uid"] in known
            and sum(1 for _ in read_documents(path, run.start["uid"]))
            >= used.get(run.start["uid"], sum(1 for _ in run))
            for run in runs
        )
    except (NXstxmError, *H5_ERRORS):
        return False


#: Ends of the names of what a dead process leaves beside its journals.
_OF_THE_DEAD = (".own.tmp", ".own.new.tmp", ".new.tmp")


def _clear(folder: Path, name: str, first_uid: str, endings: Iterable[str]) -> None:
    """Remove temporary files of a scan whose process is dead."""
    for ending in endings:
        path = folder / f"{name}.{first_uid}{ending}"
        if path.exists():
            logger.info("%s is of a process that died, and goes", path)
            with suppress(OSError):
                path.unlink()
