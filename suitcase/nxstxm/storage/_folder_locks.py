"""Locks in folders of a local disk: of a run's folder, and of one in which data are written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .._errors import NXstxmOSError
from .._log import logger
from ._errors import DataLockedError
from ._writers import WRITER

_WRITER_LOCK, _RUN_LOCK = "writer.lock", ".lock"
#: Seconds that somebody may need to rename and to remove folders.
_PATIENCE = 120.0


@contextmanager
def guard(run: Path) -> Iterator[None]:
    """Hold the lock of a run's folder: for renaming and removing, never while data are written."""
    lock = FileLock(run / _RUN_LOCK, timeout=_PATIENCE, poll_interval=0.005, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise DataLockedError(f"{run / _RUN_LOCK} was held for {_PATIENCE:g} s") from error
    except (OSError, NotImplementedError) as error:  # some network disks have no locks
        raise NXstxmOSError(f"{run} can not be written ({error})") from error
    try:
        yield
    finally:
        lock.release()


def _lock_of(temp: Path) -> FileLock:
    return FileLock(temp / _WRITER_LOCK, timeout=0, thread_local=False)


def take(temp: Path) -> FileLock | None:
    """Make a ``_temp`` folder and lock it; None when a living writer has it."""
    if temp.exists():
        if not is_stale(temp):
            return None
        logger.info("%s is removed: its writer died", temp)
        shutil.rmtree(temp)
    temp.mkdir()
    lock = _lock_of(temp)
    lock.acquire()
    # only for messages: a full disk will be told of by what is written next
    about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    with contextlib.suppress(OSError):
        (temp / WRITER).write_text(json.dumps(about), encoding="utf-8")
    return lock


def is_stale(temp: Path) -> bool:
    """Tell whether nobody holds the lock in a ``_temp`` folder any more."""
    lock = _lock_of(temp)
    try:
        lock.acquire()
    except Timeout:
        return False
    except FileNotFoundError:
        return True
    lock.release()
    return True


def writer_of(temp: Path) -> str:
    """Say who writes in a ``_temp`` folder."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        about = json.loads((temp / WRITER).read_text(encoding="utf-8"))
        since = time.strftime("%H:%M:%S", time.localtime(about["since"]))
        return f"process {about['pid']} on {about['host']}, since {since}"
    return "another writer"


def let_go(lock: FileLock) -> None:
    """Give up the lock in a ``_temp`` folder, and what told whose it was."""
    path = Path(lock.lock_file)
    path.with_name(WRITER).unlink(missing_ok=True)
    lock.release(force=True)
    path.unlink(missing_ok=True)
