"""Data in folders of a local disk.

The folder of data has one of three names: its own when they are whole, ``_temp`` behind it while
they are written, ``_broken`` when that failed. Whoever renames or removes one holds the lock of the
run's folder for that moment; whoever writes holds the lock inside the ``_temp`` folder, which the
system takes from him when he dies.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from filelock import FileLock

from .._disk import sync
from .._errors import NXstxmOSError
from .._log import logger
from ._errors import (
    DataCorrupted,
    DataLockedError,
    DataNotAvailable,
)
from ._folder_locks import guard, is_stale, let_go, take, writer_of
from ._key import HASH_LETTERS
from ._metadata import StoredMetadata, unsealed
from ._piece_data import LOG, METADATA, PieceBackend
from ._piece_reading import Fetch
from ._places import BROKEN, TEMP, check_overwrite
from ._writers import WRITER

OLD, REMOVED = "_old", "_removed"
#: How the name begins of what was to be written of a run.
RUN_UNDONE = ".run.json-"
#: The name of data that are not whole, or not in use any more, and their state. A data type, too,
#: may end with such a word.
_LEFT = re.compile(
    rf"(.+-[a-z0-9]{{{HASH_LETTERS}}})({TEMP}|{BROKEN}|(?:{OLD}|{REMOVED})-[0-9a-f]{{8}})"
)
#: How often one looks again at data that are just getting their name.
_LOOKS = 25


class LocalBackend(PieceBackend):
    """Loads and saves data in folders under one folder.

    Parameters
    ----------
    root : Path
        The folder; nothing is written outside.
    durable : bool
        Flush everything to disk before data get their name, so that a power cut leaves all or
        nothing. A process that is killed does that anyway.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = Path(root)
        self.durable = durable
        self.name = str(self.root)

    # -- where things are --------------------------------------------------------------------------

    def folder(self, backend_key: str) -> Path:
        """Give the folder that whole data have.

        Raises
        ------
        DataNotAvailable
            The key leads out of the root.
        """
        parts = backend_key.split("/")
        if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
            raise DataNotAvailable(f"{backend_key!r} is no key of {self.root}")
        return self.root.joinpath(*parts)

    def state(self, backend_key: str) -> Path | None:
        """Give the folder in which data are now: whole, being written, or broken."""
        folder = self.folder(backend_key)
        # the own name twice: data may get it between two looks
        for path in (folder, beside(folder, TEMP), beside(folder, BROKEN), folder):
            if path.is_dir():
                if path.name.endswith(TEMP):  # those that are being replaced count to the end
                    return next(iter(_replaced(folder)), path)
                return path
        return None

    def describe(self, backend_key: str) -> str:
        """Say where data are."""
        return str(self.folder(backend_key))

    # -- reading -----------------------------------------------------------------------------------

    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of data; those that do not have their name yet are not whole."""
        what = f"{self.describe(backend_key)}/{METADATA}"
        for tries in range(_LOOKS, -1, -1):
            folder, raw = self._read_from(backend_key, METADATA)
            found = StoredMetadata.of_json(unsealed(raw, what), what)
            if not (found.is_whole and folder.name.endswith(TEMP)):
                return found
            if tries:
                time.sleep(0.002)  # they are getting it
        return found.with_(writing_ended=None)  # whoever was to give it died

    def _read_file(self, backend_key: str, name: str) -> bytes:
        return self._read_from(backend_key, name)[1]

    def _read_from(self, backend_key: str, name: str) -> tuple[Path, bytes]:
        """Read a small file; tell in which folder it was."""
        tries = 3  # the folder may be renamed between two looks
        while True:
            folder, tries = self.state(backend_key), tries - 1
            if folder is None:
                raise DataNotAvailable(f"there are no data in {self.describe(backend_key)}")
            try:
                return folder, (folder / name).read_bytes()
            except FileNotFoundError as error:
                missing = error
                if not tries:
                    break
            except OSError as error:
                raise _unread(folder / name, error) from error
        if folder.name.endswith(TEMP) and name == METADATA:
            raise DataNotAvailable(f"{folder} has just been begun")
        if folder.name.endswith((TEMP, BROKEN)) and name == LOG:
            return folder, b""  # no chunk was saved yet, or ever
        raise DataCorrupted(f"{folder / name} is missing") from missing

    @contextmanager
    def _reading(self, backend_key: str, name: str) -> Iterator[Fetch]:
        path = os.path.join(self.folder(backend_key), name)  # noqa: PTH118 - for each chunk
        try:
            try:
                file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
            except FileNotFoundError:  # the data are not whole, or the file is not there
                folder = self.state(backend_key)
                if folder is None:
                    raise
                path = str(folder / name)
                file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
        except OSError as error:
            raise _unread(path, error) from error
        pread, lock = getattr(os, "pread", None), Lock()

        def fetch(offset: int, size: int) -> bytes:
            if pread is not None:
                return bytes(pread(file.fileno(), size, offset))
            with lock:
                file.seek(offset)
                return file.read(size) or b""

        with file:
            yield fetch

    def _logs(self, backend_key: str, metadata: StoredMetadata) -> Sequence[str]:
        folder = self.state(backend_key)
        if metadata.is_whole or folder is None:
            return [LOG]
        return sorted({LOG, *(path.name for path in folder.glob("chunks*.jsonl"))})

    # -- writing -----------------------------------------------------------------------------------

    def make_saver(
        self,
        backend_key: str,
        metadata: StoredMetadata,
        *,
        overwrite: str,
        wait: float,
        **options: Any,
    ) -> Any:
        """Make a saver; see `StorageBackend.make_saver`."""
        from ._local_saver import LocalSaver

        LocalSaver.check(**options)
        lock = self.begin(backend_key, overwrite, wait)
        try:
            return LocalSaver(self, backend_key, metadata, lock, overwrite=overwrite, **options)
        except BaseException:
            with contextlib.suppress(OSError):
                self.discard(backend_key, lock)  # or this process would keep itself out
            raise

    def begin(self, backend_key: str, overwrite: str, wait: float) -> FileLock:
        """Make the ``_temp`` folder and take its lock; see `StorageBackend.make_saver`."""
        folder = self.folder(backend_key)
        if (folder / WRITER).exists():
            raise DataLockedError(
                f"{folder} is being written through a FsspecDirectory, or was when its writer "
                f"died; clean() of that removes what a dead one left"
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NXstxmOSError(f"{folder.parent} can not be made ({error})") from error
        deadline = time.monotonic() + wait
        while True:
            seen = self._check_overwrite(backend_key, overwrite)
            with guard(folder.parent):
                self._restore(folder)
                if _identity(folder) != seen:
                    continue  # other data than those that were looked at
                try:
                    lock = take(beside(folder, TEMP))
                except OSError as error:
                    raise NXstxmOSError(f"{folder}{TEMP} can not be made ({error})") from error
                if lock is not None:
                    return lock
            if time.monotonic() >= deadline:
                raise DataLockedError(
                    f"{self.describe(backend_key)} is being written by "
                    f"{writer_of(beside(folder, TEMP))}; wait for it with wait=SECONDS"
                )
            time.sleep(0.02)

    def _check_overwrite(self, backend_key: str, overwrite: str) -> Any:
        """Refuse to replace what is protected; give what was looked at."""
        folder = self.folder(backend_key)
        seen = _identity(folder)
        if seen is not None:
            check_overwrite(self, backend_key, overwrite)
        return seen

    def publish(self, backend_key: str, lock: FileLock, overwrite: str) -> None:
        """Give finished data their name, in place of those that were there.

        Raises
        ------
        DataExistsError
            Others came in between that are not to be replaced: not through this class, which would
            have seen the lock.
        """
        folder = self.folder(backend_key)
        if folder.exists():
            check_overwrite(self, backend_key, overwrite)
        temp, old = beside(folder, TEMP), beside(folder, f"{OLD}-{uuid4().hex[:8]}")
        with guard(folder.parent):
            if folder.exists():
                folder.rename(old)
            let_go(lock)
            try:
                temp.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
            for left in (*_replaced(folder), beside(folder, BROKEN)):
                shutil.rmtree(left, ignore_errors=True)
        if self.durable:
            sync(folder.parent)

    def abandon(self, backend_key: str, lock: FileLock) -> None:
        """Set unfinished data aside."""
        folder = self.folder(backend_key)
        temp, broken = beside(folder, TEMP), beside(folder, BROKEN)
        with guard(folder.parent):
            if broken.exists():
                shutil.rmtree(broken)
            let_go(lock)
            temp.rename(broken)

    def discard(self, backend_key: str, lock: FileLock) -> None:
        """Remove what was begun."""
        folder = self.folder(backend_key)
        with guard(folder.parent):
            let_go(lock)
            shutil.rmtree(beside(folder, TEMP))

    def remove(self, backend_key: str) -> None:
        """Remove data."""
        folder = self.folder(backend_key)
        with guard(folder.parent):
            temp = beside(folder, TEMP)
            if temp.is_dir() and not is_stale(temp):
                raise DataLockedError(f"{folder} is being written by {writer_of(temp)}")
            # those that were replaced first, or they could come back
            for path in (*_replaced(folder), folder, temp, beside(folder, BROKEN)):
                if path.is_dir():
                    away = beside(folder, f"{REMOVED}-{uuid4().hex[:8]}")
                    path.rename(away)
                    shutil.rmtree(away)

    # -- what dead writers left --------------------------------------------------------------------

    def _restore(self, folder: Path) -> bool:
        """Give data back their name that lost it to a writer who died replacing them."""
        if folder.exists():
            return False
        for old in _replaced(folder):
            old.rename(folder)
            logger.warning("%s is there again: whoever was to replace it died", folder)
            return True
        return False

    def clean(self, *, broken: bool = False, dry_run: bool = False) -> list[Path]:
        """Remove what dead writers left.

        Parameters
        ----------
        broken : bool
            Data that could not be finished as well, with the error that they tell.
        dry_run : bool
            Only look.

        Returns
        -------
        list of Path
            What was, or would be, removed or given back its name.
        """
        found: list[Path] = []
        for run in self.run_folders():
            if not any(_is_left(path.name) for path in run.iterdir()):
                continue  # and nothing is written into folders of others
            with nullcontext() if dry_run else guard(run):
                for path in sorted(run.iterdir()):
                    if path.name.startswith(RUN_UNDONE):  # nobody writes it: this holds the lock
                        found.append(path)
                        if not dry_run:
                            path.unlink()
                        continue
                    known = _LEFT.fullmatch(path.name)
                    if known is None or not path.is_dir():
                        continue
                    name, state = known.groups()
                    folder = run / name
                    if state.startswith(OLD) and not folder.exists():
                        found.append(folder)
                        if not dry_run:
                            path.rename(folder)
                        continue
                    if (state == TEMP and not is_stale(path)) or (state == BROKEN and not broken):
                        continue
                    found.append(path)
                    if not dry_run:
                        shutil.rmtree(path)
        return found

    def run_folders(self) -> Iterator[Path]:
        """Give the folders of runs."""
        if self.root.is_dir():
            for fan in sorted(self.root.iterdir()):
                if fan.is_dir() and len(fan.name) == 2:
                    yield from (path for path in sorted(fan.iterdir()) if path.is_dir())


def _is_left(name: str) -> bool:
    return name.startswith(RUN_UNDONE) or _LEFT.fullmatch(name) is not None


def beside(folder: Path, mark: str) -> Path:
    """Give the folder of the same data in another state."""
    return folder.with_name(folder.name + mark)


def _replaced(folder: Path) -> list[Path]:
    """Find data that were to be replaced, or have been."""
    return sorted(folder.parent.glob(f"{glob_escape(folder.name)}{OLD}-*"))


def glob_escape(name: str) -> str:
    """Write a name so that a pattern matches only it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _unread(path: str | Path, error: OSError) -> NXstxmOSError:
    """Say that a file can not be read; what only this process can not read is not damaged."""
    gone = isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
    return (DataCorrupted if gone else NXstxmOSError)(f"{path} can not be read ({error})")


def _identity(folder: Path) -> Any:
    """Tell data that were looked at from others that took their place."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns)
