"""Files of any file system that fsspec knows, whose errors are those of this package."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from .._errors import NXstxmError, NXstxmOSError, OptionError
from ._errors import DataCorrupted
from ._piece_reading import Fetch


class Files:
    """Files below a folder of a file system.

    Each is written and read with as few calls as can be, for each may go to another continent.

    Parameters
    ----------
    fs : AbstractFileSystem
        The file system.
    root : str
        The folder, as the file system writes it.
    """

    def __init__(self, fs: Any, root: str) -> None:
        self.fs = fs
        self.root = root.rstrip("/")

    @property
    def can_write(self) -> bool:
        """Whether files can be written; archives are only read."""
        return not isinstance(self.fs, AbstractArchiveFileSystem)

    def path(self, *parts: str) -> str:
        """Give the path of a file, or of a folder."""
        return "/".join([self.root, *parts] if self.root else parts)

    def describe(self, *parts: str) -> str:
        """Say where a file is."""
        where = str(self.fs.unstrip_protocol(self.path(*parts)))
        archive = getattr(getattr(self.fs, "of", None), "path", None)
        return where if archive is None else f"{where} in {archive}"

    @contextmanager
    def told(self, what: str, path: str) -> Iterator[None]:
        """Make errors those of this package; what is not there to be read stays what it is."""
        try:
            yield
        except NXstxmError:
            raise
        except (FileNotFoundError, NotADirectoryError, KeyError) as error:  # KeyError: archives
            if what == "read":
                raise FileNotFoundError(path) from error
            raise NXstxmOSError(f"{path} can not be {what}: its folder is missing") from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataCorrupted(f"{path} can not be {what}: {error}") from error
        except NotImplementedError as error:
            raise OptionError(
                f"{path} can not be {what}: {type(self.fs).__name__} does not know how to"
            ) from error
        except Exception as error:  # each file system's library has its own
            raise NXstxmOSError(
                f"{path} can not be {what} ({type(error).__name__}: {error})"
            ) from error

    # -- reading -----------------------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        """Read a small file.

        Raises
        ------
        FileNotFoundError
            There is none.
        """
        with self.told("read", path):
            return bytes(self.fs.cat_file(path))

    def names(self, path: str) -> list[str]:
        """Name what is in a folder; nothing where there is none."""
        missing = (FileNotFoundError, NotADirectoryError)
        with self.told("listed", path), contextlib.suppress(*missing):
            self.fs.invalidate_cache(path)  # others may have written
            found = (str(each).rstrip("/") for each in self.fs.ls(path, detail=False))
            return sorted(each.rpartition("/")[2] for each in found if each != path)
        return []

    @contextmanager
    def reading(self, path: str) -> Iterator[Fetch]:
        """Open a file; several threads may fetch bytes from it, and no others are read."""
        if self._knows_ranges():
            yield lambda offset, size: self._range(path, offset, size)
            return
        with self.told("read", path):
            file = self._opened(path)
        lock = Lock()

        def fetch(offset: int, size: int) -> bytes:
            with lock, self.told("read", path):
                file.seek(offset)
                return bytes(file.read(size))

        with file:
            yield fetch

    def _knows_ranges(self) -> bool:
        """Tell whether a part of a file is fetched without the file being opened for it."""
        own = type(self.fs).cat_file is not AbstractFileSystem.cat_file
        return own or bool(getattr(self.fs, "async_impl", False))

    def _opened(self, path: str) -> Any:
        try:
            return self.fs.open(path, "rb", cache_type="none")  # nothing is read ahead
        except TypeError:
            return self.fs.open(path, "rb")

    def _range(self, path: str, offset: int, size: int) -> bytes:
        try:
            with self.told("read", path):
                found = bytes(self.fs.cat_file(path, start=offset, end=offset + size))
        except NXstxmOSError:
            if self._is_shorter(path, offset + size):  # to ask for more is an error for some
                return b""
            raise
        # some servers do not know ranges, and send all
        return found if len(found) <= size else found[offset : offset + size]

    def _is_shorter(self, path: str, size: int) -> bool:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            return bool(self.fs.size(path) < size)
        return False

    # -- writing -----------------------------------------------------------------------------------

    def make(self, path: str) -> None:
        """Make a folder, where the file system has such."""
        with self.told("made", path):
            self.fs.makedirs(path, exist_ok=True)

    def write(self, path: str, raw: bytes) -> None:
        """Write a file, or another in its place, with one call."""
        with self.told("written", path):
            self.fs.pipe_file(path, raw)

    def create(self, path: str, raw: bytes) -> bool:
        """Write a file that is not there; give whether it was not.

        Where the file system can not do both at once, another may be quicker in between.
        """
        with contextlib.suppress(FileNotFoundError):
            self.read(path)
            return False
        with self.told("written", path):
            try:
                self.fs.pipe_file(path, raw, mode="create")
            except FileExistsError:
                return False
            except (TypeError, ValueError):  # it knows no modes
                self.fs.pipe_file(path, raw)
        return True

    def move(self, old: str, new: str) -> None:
        """Give a file another name."""
        with self.told("moved", old):
            try:
                self.fs.cp_file(old, new)
            except NotImplementedError:
                self.fs.pipe_file(new, self.fs.cat_file(old))
        self.remove(old)

    def remove(self, *paths: str) -> None:
        """Remove files; those that are not there do no harm."""
        for path in paths:  # one by one: several at once are taken for patterns
            with self.told("removed", path), contextlib.suppress(FileNotFoundError):
                self.fs.rm_file(path)

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty, where the file system has such."""
        with contextlib.suppress(Exception):  # nobody is hurt by an empty folder
            self.fs.invalidate_cache(path)
            if self.fs.isdir(path) and not self.names(path):
                self.fs.rmdir(path)


class LocalFiles(Files):
    """Files of a local disk: they are replaced and made at once, and read at any place."""

    @contextmanager
    def reading(self, path: str) -> Iterator[Fetch]:
        """Open a file; see `Files.reading`."""
        pread = getattr(os, "pread", None)
        if pread is None:
            with super().reading(path) as fetch:
                yield fetch
            return
        with self.told("read", path):
            handle = os.open(path, os.O_RDONLY)

        def fetch_at(offset: int, size: int) -> bytes:
            with self.told("read", path):
                return bytes(pread(handle, size, offset))

        try:
            yield fetch_at
        finally:
            os.close(handle)

    def write(self, path: str, raw: bytes) -> None:
        """Write a file; whoever reads sees the old one or the new."""
        temporary = Path(path).with_name(f".{Path(path).name}-{uuid4().hex[:8]}")
        with self.told("written", path):
            try:
                temporary.write_bytes(raw)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def create(self, path: str, raw: bytes) -> bool:
        """Write a file that is not there; give whether it was not."""
        with self.told("written", path):
            try:
                with Path(path).open("xb") as file:
                    file.write(raw)
            except FileExistsError:
                return False
        return True

    def move(self, old: str, new: str) -> None:
        """Give a file another name."""
        with self.told("moved", old):
            Path(old).replace(new)


def files_of(fs: Any, root: str) -> Files:
    """Give the files below a folder."""
    return (LocalFiles if isinstance(fs, LocalFileSystem) else Files)(fs, root)
