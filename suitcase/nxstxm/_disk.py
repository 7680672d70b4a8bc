"""Asking the disk to have what was written, so that a power cut does not take it."""

from __future__ import annotations

import os
from pathlib import Path


def on_windows() -> bool:
    """Tell whether folders can not be flushed, nor files renamed that a viewer holds."""
    return os.name == "nt"


def sync(path: Path) -> None:
    """Flush a file or, where that can be done, a folder to disk.

    Raises
    ------
    OSError
        It can not be flushed.
    """
    if path.is_dir() and on_windows():
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
