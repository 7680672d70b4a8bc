"""Scans that are still measured, or wait for their other runs: a file of the moment, to look at."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import h5py

from ..._errors import NXstxmOSError, NXstxmStateError, NXstxmValueError
from ...documents import JournalFolder, PlacedFrames
from .._assemble import assemble
from .._journalled import JournalledRun
from .._options import WriterOptions
from .._saved import is_assembled, read_records
from .._scanfile import ScanFile
from .._staging import RunStage

#: Ends the name of what a live writer writes; its journals are beside it.
_OWN, _JOURNAL, _TEMPORARY = ".own.tmp", ".journal", ".tmp"


class Moment:
    """A file that is there as long as somebody looks at it.

    Attributes
    ----------
    path : Path
        The file.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="nxstxm-moment-"))
        self.path = folder / "moment.hdf5"
        self._gone = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


def is_running(path: Path) -> bool:
    """Whether a path is of a scan that has no file yet: its temporary file, or its journals."""
    return path.suffix == _TEMPORARY or (path.suffix == _JOURNAL and path.is_dir())


def moment_of(path: Path) -> Moment | None:
    """Make a file of what there is of a scan.

    Parameters
    ----------
    path : Path
        Its temporary file, or the folder of its journals.

    Returns
    -------
    Moment or None
        None when the temporary file is one of another program, to be opened as it is.

    Raises
    ------
    NXstxmStateError
        Nothing has arrived yet, or it is finished.
    """
    folder = _journals_of(path)
    if folder is not None:
        return _of_journals(folder)
    if not path.exists():
        raise NXstxmStateError(
            f"{path} is gone: its scan is finished, or was removed; look for its .hdf5"
        )
    return _of_stage(path)


def _journals_of(path: Path) -> Path | None:
    if path.suffix == _JOURNAL:
        return path
    folder = path.with_name(path.name.removesuffix(_OWN).removesuffix(_TEMPORARY) + _JOURNAL)
    return folder if folder.is_dir() else None


def _of_journals(path: Path) -> Moment:
    folder = JournalFolder.look(path)
    facts = folder.facts
    options = replace(
        WriterOptions.of(**facts.options), on_error="leave_out", overwrite=True, compression="none"
    )
    moment = Moment()
    file = ScanFile(moment.path, facts.first_uid, own=True)
    stages: list[RunStage] = []
    try:
        with file.opened("w"):
            pass  # an empty file, to which frames are moved first
        with closing(PlacedFrames(path.parent, folder.rescue)) as frames:
            records = []
            for journal in folder.journals():
                with suppress(FileNotFoundError):  # it was finished meanwhile
                    run = JournalledRun(journal)
                    if run.start is None:
                        continue
                    stage = RunStage(run.start, options, archive=False)
                    stage.file = file
                    stages.append(stage)
                    if facts.processors:
                        stage.note(f"without the processors {', '.join(facts.processors)}")
                    run.take(stage, options, frames)
                    records.append(stage.finish())
            if not records:
                raise NXstxmStateError(f"nothing of the scan has arrived in {path} yet")
            with file.opened() as h5:
                assemble(h5, h5, records, options, facts.first_uid)
    finally:
        for stage in stages:
            stage.files.close()
        file.close()
    return moment


def _of_stage(path: Path) -> Moment | None:
    """Make a file of runs that were exported and wait for others; None when there are none."""
    file = ScanFile(path, "")
    moment = Moment()
    try:
        with file.opened("r") as source:
            if is_assembled(source):
                return None
            records, saved = read_records(source, None)
            if not records:
                return None
            options = replace(WriterOptions.of(**saved), compression="none")
            with h5py.File(moment.path, "w") as h5:
                assemble(h5, source, records, options, records[0].uid)
    except (NXstxmOSError, NXstxmValueError, KeyError, OSError):
        return None  # of another program
    return moment
