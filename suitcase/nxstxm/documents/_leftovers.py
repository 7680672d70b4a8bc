"""What processes that died left in a folder, and how each of it is made good."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .._errors import NXstxmError
from .._log import logger
from ._archive_reader import read_archive
from ._journal_folder import SUFFIX, JournalFolder, ScanFacts

#: No block ends with so many zeros.
_ZEROS = 16


class RecoverError(NXstxmError, RuntimeError):
    """Some scans could not be recovered; their journals stay.

    Attributes
    ----------
    failures : list of (Path, Exception)
        Which journals, and why.
    paths : list of Path
        The files that were made.
    """

    def __init__(self, failures: list[tuple[Path, Exception]], paths: list[Path]) -> None:
        self.failures = failures
        self.paths = paths
        told = "; ".join(f"{path}: {error}" for path, error in failures)
        super().__init__(f"{len(failures)} scans could not be recovered: {told}")


def recover_each(
    top: Path,
    make: Callable[[JournalFolder], Path | None],
    wants: Callable[[ScanFacts], bool] = lambda _: True,
) -> list[Path]:
    """Make what the journals in a folder have.

    Parameters
    ----------
    top : Path
        The folder.
    make : callable
        Makes the file of a journal, or gives None when there is nothing to make; the journal goes
        after that, unless it was noted that the file lacks some of what it has.
    wants : callable
        Tells which of them are to be made; others are left alone.

    Returns
    -------
    list of Path
        What was made.

    Raises
    ------
    RecoverError
        Some could not be made; all others were.
    """
    paths: list[Path] = []
    failures: list[tuple[Path, Exception]] = []
    for path in _leftovers(top):
        try:
            folder = JournalFolder.claim(path)
            if folder is None:
                continue
            if not wants(folder.facts):
                folder.release()
                continue
            try:
                found = make(folder)
            except BaseException:
                folder.release()
                raise
            if found is not None:
                paths.append(found)
            _removed(folder)
        except (NXstxmError, OSError) as error:
            if path.exists():  # else whoever wrote it has made the file meanwhile, and removed it
                failures.append((path, error))
    if failures:
        raise RecoverError(failures, paths)
    return paths


def _removed(folder: JournalFolder) -> None:
    """Remove a journal whose file is there; tell where it is when it is kept."""
    kept = folder.remove()
    if kept is not None:
        logger.warning(
            "not all that the journal of %s has could be used; it is kept in %s. `nxstxm archive "
            "--salvage` gives its documents; remove it when they are not needed",
            folder.facts.file, kept,
        )  # fmt: skip


def is_damaged(journal: Path) -> bool:
    """Tell whether a journal is damaged, and not only unfinished.

    A process that dies, or power that goes, leaves the beginning of it, perhaps with zeros behind.
    """
    messages: list[str] = []
    with journal.open("rb") as file:
        for _ in read_archive(file, on_damage="skip", damage=messages, partial=True):
            if messages:
                return True  # there is more behind it
        if not messages:
            return False
        file.seek(-min(_ZEROS, journal.stat().st_size), os.SEEK_END)
        return any(file.read())


def _leftovers(directory: Path) -> list[Path]:
    """List the journal folders in a folder, and remove what is only rubbish."""
    if not directory.is_dir():
        return []
    for rubbish in directory.glob(f".*{SUFFIX}.done"):
        shutil.rmtree(rubbish, ignore_errors=True)
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if path.is_dir())
