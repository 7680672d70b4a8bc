"""Lock files, beside what they keep others from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLock, Timeout

from ._errors import NXstxmOSError

_LOCK_TIMEOUT = 120.0


@contextmanager
def lock_file(directory: Path, name: str) -> Iterator[None]:
    """Hold the lock ``.<name>.lock`` in a folder.

    Parameters
    ----------
    directory : Path
        The folder.
    name : str
        What is locked.

    Raises
    ------
    NXstxmOSError
        Another holds it for too long, or the folder can not be written.
    """
    path = directory / f".{name}.lock"
    lock = SoftFileLock(path, timeout=_LOCK_TIMEOUT, poll_interval=0.01)
    try:
        lock.acquire()
    except Timeout as error:
        raise NXstxmOSError(
            f"{path} is locked by another writer for more than {_LOCK_TIMEOUT:g} s; if none "
            f"runs, remove that file"
        ) from error
    except OSError as error:
        raise NXstxmOSError(f"folder {directory} can not be written ({error})") from error
    try:
        yield
    finally:
        lock.release()
