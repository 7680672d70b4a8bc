"""A complete file gets its final name: at once, never half there, never over another."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from ._disk import on_windows, sync
from ._locks import lock_file

_RENAME_PATIENCE = 10.0  # seconds that a viewer on Windows may hold the file


def publish(temporary: Path, final: Path, *, overwrite: bool = False) -> None:
    """Give a complete file its final name.

    The file is flushed to disk, linked to its name (which is atomic and never replaces a file),
    and the temporary name removed. With `overwrite` the name is replaced instead.

    Parameters
    ----------
    temporary, final : Path
        The names, in one folder.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FileExistsError
        The name is taken.
    OSError
        The file can not be flushed or have the name.
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
        except PermissionError:
            # Windows refuses while a viewer holds the file; elsewhere this is final
            if not on_windows() or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    sync(final.parent)


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
