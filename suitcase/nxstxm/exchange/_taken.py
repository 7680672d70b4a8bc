"""Names that files of scans will have which are still being measured."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from .._errors import NXstxmFileExistsError
from ..documents import JournalFolder
from ..nexus import SUFFIX

_JOURNALS = ".journal"


class TakenName:
    """A name that no other scan of this process may have, as long as somebody holds this.

    Parameters
    ----------
    final : Path
        The file.

    Raises
    ------
    NXstxmFileExistsError
        Another scan that goes on has the name.
    """

    def __init__(self, final: Path) -> None:
        self._key = os.path.normcase(final)
        with _lock:
            if self._key in _taken:
                raise NXstxmFileExistsError(
                    f"{final} is to be the file of another scan, which goes on; choose another "
                    f"name, or finish that scan first"
                )
            _taken[self._key] = self

    def give_back(self) -> None:
        """Let others have it."""
        with _lock:
            if _taken.get(self._key) is self:
                del _taken[self._key]


_lock = Lock()
#: Weak: whatever becomes of a scan, its name is not taken for longer than there is the scan.
_taken: WeakValueDictionary[str, TakenName] = WeakValueDictionary()


def refuse_journalled(directory: Path, target: Path, own: Path | None) -> None:
    """Refuse a name that the scan of another journal has, whichever process writes it.

    Parameters
    ----------
    directory : Path
        The folder of a writer.
    target : Path
        The file, relative to it, without its ending.
    own : Path or None
        The journal of the scan itself; there already, so that of two that begin at the same time
        not both find nothing.

    Raises
    ------
    NXstxmFileExistsError
        A scan that goes on has the name, or one that waits for `recover`.
    """
    file = f"{target.as_posix()}{SUFFIX}"
    for path in directory.glob(f"{glob.escape(target.name)}.*{_JOURNALS}"):
        if path == own:
            continue
        if os.path.normcase(_file_of(path)) == os.path.normcase(file):
            raise NXstxmFileExistsError(
                f"{directory / file} is to be the file of another scan, whose journal is {path}: "
                f"it goes on, or was left by a process that died. Choose another name; "
                f"`nxstxm recover {directory}` makes the file of one that was left"
            )


def _file_of(journal: Path) -> str:
    """Give the file that is to be made of a journal; nothing where it went just now."""
    try:
        return JournalFolder.look(journal).facts.file if journal.is_dir() else ""
    except (OSError, KeyError):
        return ""
