"""EuXFEL runs whose process died, made from what the journals have."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmValueError
from ..documents import JournalFolder, ScanFacts, is_damaged, read_archive, recover_each
from ._options import RunOptions
from ._place import finished, unfinished
from ._run import RunWriter

#: What journals of EuXFEL runs say of themselves.
FORM = "euxfel"
#: Documents that could not be used and are named.
_NAMED = 5


def is_of_run(facts: ScanFacts) -> bool:
    """Tell whether a journal is of a EuXFEL run."""
    return facts.form == FORM


def recover_runs(directory: Path) -> list[Path]:
    """Make the EuXFEL runs that an earlier process left in a folder; see `recover_each`."""
    return recover_each(directory, lambda folder: recover_run(directory, folder), is_of_run)


def recover_run(top: Path, folder: JournalFolder, **options: Any) -> Path | None:
    """Make the run of a journal.

    Parameters
    ----------
    top : Path
        The folder of the proposals.
    folder : JournalFolder
        The journal.
    **options
        Over those with which the run was measured.

    Returns
    -------
    Path or None
        The folder of the run; None when there is nothing to make, or it is there.

    Raises
    ------
    NXstxmError
        It can not be made.
    """
    chosen = RunOptions.of(**{**folder.facts.options, **options})
    made: Path | None = None
    for path in folder.journals():
        messages: list[str] = []
        with closing(_documents(path, messages)) as documents:
            name, start = next(documents, ("", {}))
            if not name:
                continue
            if name != "start":
                raise NXstxmValueError(
                    f"the start document of {path} is damaged; nothing can be made of the others "
                    f"without it"
                )
            writer = begin_again(top, start, chosen)
            if writer is None:
                continue  # it was killed after the run was complete
            _fill(writer, chosen, documents, messages, path, folder)
            made = writer.place.folder
    return made


def _documents(
    path: Path, messages: list[str]
) -> Generator[tuple[str, dict[str, Any]], None, None]:
    with path.open("rb") as file:
        yield from read_archive(file, on_damage="skip", damage=messages, partial=True)


def begin_again(top: Path, start: Mapping[str, Any], options: RunOptions) -> RunWriter | None:
    """Begin a run that may have been begun before; None when it is complete."""
    place = unfinished(top, start, options)
    if place is None and finished(top, start, options) is not None:
        return None
    return RunWriter(top, start, options, place)


def _fill(
    writer: RunWriter,
    options: RunOptions,
    documents: Any,
    messages: list[str],
    journal: Path,
    folder: JournalFolder,
) -> None:
    """Write what came; what can not be used is left out, and told, and stays in its journal."""
    n_wrong = 0
    try:
        with closing(options.filling()) as filling:
            for name, doc in documents:
                try:
                    for each in filling(name, doc):
                        writer.take(*each)
                except NXstxmError as error:
                    n_wrong += 1
                    if n_wrong <= _NAMED:
                        writer.note(f"a {name} could not be used: {error}")
        if n_wrong > _NAMED:
            writer.note(f"{n_wrong} documents could not be used in all")
        if n_wrong or (messages and is_damaged(journal)):
            writer.note(f"not all of the journal could be used; it is kept in {folder.aside.name}")
            folder.leave_out({})
        writer.close([*filling.messages, *messages])
    except BaseException:
        writer.abandon()  # the journal has all of it
        raise
