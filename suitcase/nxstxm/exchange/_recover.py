"""Files of scans whose process died, made from what the journals have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from .. import euxfel
from .._errors import NXstxmError, NXstxmFileExistsError, NXstxmValueError
from .._log import logger
from ..documents import ArrayRef, JournalFolder, read_archive, recover_each
from ..nexus import H5_ERRORS, SUFFIX, RunStage, WriterOptions, archived_runs, read_documents
from ._beside import RunBeside, RunsBeside
from ._placed_frames import PlacedFrames
from ._scan_writer import ScanWriter

#: Documents that could not be used and are named in an entry.
_NAMED = 5
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
        marked as incomplete.

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
        # not before: frames may be in it that are nowhere else
        _clear(final.parent, name, facts.first_uid, _OF_THE_DEAD)
        frames.clear()
    return made


def _made(
    final: Path, name: str, folder: JournalFolder, chosen: WriterOptions, frames: PlacedFrames
) -> Path | None:
    """Make the file of what the journals have."""
    facts = folder.facts
    runs = [run for path in folder.journals() if not (run := _Journalled(path)).is_empty]
    for run in runs:
        if run.start is None:
            raise NXstxmValueError(
                f"the start document of {run.path} is damaged; nothing can be made of the others "
                f"without it"
            )
    if not runs:
        return None
    if final.exists() and not chosen.overwrite:
        if _holds(final, runs):
            return None  # it was killed after the file got its name
        raise NXstxmFileExistsError(
            f"{final} is another scan's; move it, or say overwrite=True, and recover again"
        )
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
            run.take(stage, chosen, frames, beside.run(run.start))
            writer.end(stage)
        return writer.finish()
    except BaseException:
        writer.drop()  # the journals have all of it
        raise


def _names(options: WriterOptions) -> set[str]:
    return set() if options.processors is None else {p.name for p in options.processors.processors}


class _Journalled:
    """A run as its journal has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._messages: list[str] = []
        with closing(self._documents(None)) as documents:
            name, doc = next(documents, ("", {}))
        self.start: Any = doc if name == "start" else None
        self.is_empty = not name

    def _documents(self, resolve: Callable[[ArrayRef], object] | None) -> Any:
        with self.path.open("rb") as file:
            yield from read_archive(
                file, resolve=resolve, on_damage="skip", damage=self._messages, partial=True
            )

    def __iter__(self) -> Any:
        self._messages.clear()
        return self._documents(None)

    def take(
        self,
        stage: RunStage,
        options: WriterOptions,
        frames: PlacedFrames,
        beside: RunBeside | None,
    ) -> None:
        """Give its documents to a stage; what can not be used is left out, and told."""
        n_wrong = 0
        self._messages.clear()
        with closing(options.filling()) as filling:
            for name, doc in self._documents(frames.read):
                if name == "start":
                    continue
                if name in ("event", "event_page"):
                    _leave_out_lost(doc)
                try:
                    for each in filling(name, doc):
                        stage.take(*each)
                        if beside is not None:
                            beside.take(*each)
                except NXstxmError as error:
                    n_wrong += 1
                    if n_wrong <= _NAMED:
                        stage.note(f"{_kind(name)} could not be used: {error}")
            for message in filling.messages:
                stage.note(message)
            if beside is not None:
                beside.end([*filling.messages, *self._messages])
        if n_wrong > _NAMED:
            stage.note(f"{n_wrong} documents could not be used in all")
        for message in list(dict.fromkeys(self._messages))[:_NAMED]:
            stage.note(f"the journal is damaged: {message}")
        if len(self._messages) > _NAMED:
            stage.note(f"the journal is damaged at {len(self._messages)} places in all")


def _leave_out_lost(doc: dict[str, Any]) -> None:
    """Leave out the readings of an event whose arrays are lost; a page loses the column."""
    data = doc.get("data")
    if not isinstance(data, Mapping):
        return
    lost = [
        key
        for key, value in data.items()
        if any(isinstance(v, ArrayRef) for v in (value if isinstance(value, list) else (value,)))
    ]
    if lost:
        doc["data"] = {key: value for key, value in data.items() if key not in lost}


def _kind(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name.replace('_', ' ')}"


def _holds(path: Path, runs: list[_Journalled]) -> bool:
    """Tell whether a file has all the documents of runs."""
    try:
        known = archived_runs(path)
        return all(
            run.start["uid"] in known
            and sum(1 for _ in read_documents(path, run.start["uid"])) >= sum(1 for _ in run)
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
