"""A complete file gets its final name: at once, never half there, never over another."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .._disk import on_windows, sync
from .._errors import NXstxmFileExistsError, NXstxmOSError
from ._locks import lock_file

if TYPE_CHECKING:
    from ._scanfile import ScanFile

_RENAME_PATIENCE = 10.0  # seconds that a viewer on Windows may hold the file


def name_taken(final: Path, kept: ScanFile | None = None) -> NXstxmFileExistsError:
    """Make the error that says that a file is in the way, and where the scan is."""
    where = f"; nothing is lost, the scan is in {_shared_name(kept)}" if kept else ""
    return NXstxmFileExistsError(
        f"{final} exists already{where}. Choose another prefix, move the old file, or say "
        f"overwrite=True"
    )


def _shared_name(kept: ScanFile) -> str:
    kept.share()
    return Path(str(kept.target)).name


def publish(temporary: Path, final: Path, *, overwrite: bool, kept: ScanFile | None) -> Path:
    """Give a complete file its final name.

    The file is flushed to disk, linked to its name (which is atomic and never replaces a file),
    and the temporary name removed. With `overwrite` the name is replaced instead.

    Parameters
    ----------
    temporary, final : Path
        The names, in one folder.
    overwrite : bool
        Replace an existing file.
    kept : ScanFile or None
        The file that stays when this fails: it is shared, and the message names it.

    Returns
    -------
    Path
        The final name.

    Raises
    ------
    NXstxmFileExistsError
        The name is taken.
    """
    sync(temporary)
    deadline = time.monotonic() + _RENAME_PATIENCE
    while True:
        try:
            if overwrite:
                os.replace(temporary, final)  # noqa: PTH105 - the atomic call, by its name
            else:
                _link(temporary, final)
            break
        except FileExistsError as error:
            raise name_taken(final, kept) from error
        except OSError as error:
            # Windows refuses while a viewer holds the file; elsewhere this is final
            held = on_windows() and isinstance(error, PermissionError)
            if not held or time.monotonic() > deadline:
                where = f"; the scan is in {_shared_name(kept)}" if kept else ""
                raise NXstxmOSError(f"{final} can not be written ({error}){where}") from error
            time.sleep(0.05)
    sync(final.parent)
    return final


def _link(temporary: Path, final: Path) -> None:
    """Link, then unlink; where there are no links, look first."""
    try:
        os.link(temporary, final)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # FAT and some network folders: our own writers keep each other out
        with lock_file(final.parent, final.name):
            if final.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
            os.replace(temporary, final)  # noqa: PTH105
        return
    temporary.unlink()
