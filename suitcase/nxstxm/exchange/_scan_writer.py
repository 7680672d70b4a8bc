"""Writes one scan: takes its runs, in memory as long as they are small, and finishes its file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suitcase.utils import SuitcaseUtilsTypeError

from ..nexus import (
    OWN,
    RunRecord,
    RunStage,
    ScanFile,
    WriterOptions,
    finish_file,
    new_temporary_file,
    publish,
)

#: Runs of one scan that are held in memory together, bytes.
HELD_BYTES = 8 * 2**20


class ScanWriter:
    """One scan on its way into a file of a folder, all of it by this process.

    Parameters
    ----------
    directory : Path
        The folder.
    name : str
        Name of the file, without its ending.
    first_uid : str
        Uid of the first run.
    options : WriterOptions
        The writer's options.
    alone : bool
        Nobody else shall find its temporary file: all of the scan is somewhere else too.
    ending : str
        End of the temporary file's name.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        first_uid: str,
        options: WriterOptions,
        *,
        alone: bool = False,
        ending: str = OWN,
    ) -> None:
        self.options = options
        self.name = name
        self.first_uid = first_uid
        self._alone = alone
        self.file: ScanFile = new_temporary_file(
            directory, name, first_uid, overwrite=options.overwrite, alone=alone, ending=ending
        )
        self._stages: list[RunStage] = []
        self._records: list[RunRecord] = []

    def run(self, start: Mapping[str, Any]) -> RunStage:
        """Begin a run."""
        return self.adopt(RunStage(start, self.options))

    def adopt(self, stage: RunStage) -> RunStage:
        """Take a run that has begun."""
        stage.file = self.file
        self._stages.append(stage)
        return stage

    def end(self, stage: RunStage) -> None:
        """End a run; runs that are held move to disk when they are many.

        What a processor raised is raised by `RunStage.check`.
        """
        self._records.append(stage.finish())
        if sum(s.held_bytes for s in self._stages) > HELD_BYTES:
            for each in self._stages:
                each.spill()

    def keep(self) -> None:
        """Leave what came in the temporary file, after an error, where others can find it."""
        if self._alone:
            self.file.close()
            return
        for stage in self._stages:
            stage.keep()
        self.file.share()

    def drop(self) -> None:
        """Remove the temporary file: all that is in it is somewhere else too."""
        self.file.close()
        path = self.file.path
        if path is not None:
            path.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Write the file and give it its final name; after an error the scan stays."""
        try:
            return finish_file(self.file, self._records, self.name, self.options)
        except BaseException:
            self.keep()
            raise
        finally:
            for stage in self._stages:
                stage.files.close()


def hand_over(
    stage: RunStage, options: WriterOptions, manager: Any, label: str, postfix: str
) -> None:
    """Give a finished run to a manager of ``suitcase.utils``: a file where it knows paths.

    Parameters
    ----------
    stage : RunStage
        The run, which is in memory.
    options : WriterOptions
        The writer's options.
    manager : MultiFileManager, MemoryBuffersManager or the like
        Who says where it goes.
    label, postfix : str
        Kind and name of what is written, in the manager's words.
    """
    buffer = io.BytesIO()
    file = stage.file = ScanFile(buffer, stage.record.uid)
    with file.opened("w"):
        pass  # an empty file, to which frames are moved first as on disk
    finish_file(file, [stage.finish()], None, options)
    try:
        # A file that was opened by the manager would grow under its final name, and its `close`
        # fails for files that are closed already.
        path = Path(manager.reserve_name(label, postfix))
    except SuitcaseUtilsTypeError:
        with manager.open(label, postfix, "xb") as target:
            target.write(buffer.getbuffer())
        return
    uid, overwrite = stage.record.uid, options.overwrite
    temporary = new_temporary_file(path.parent, path.stem, uid, overwrite=overwrite).path
    if temporary is None:
        raise AssertionError("a temporary file in a folder has a path")
    try:
        temporary.write_bytes(buffer.getbuffer())
        publish(temporary, path, overwrite=overwrite, kept=None)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
