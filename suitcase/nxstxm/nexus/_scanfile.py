"""The temporary file of a scan: found or made, locked while it is written.

A file that several writers share is open only while a block is written, so that serializers,
threads and processes may add their runs to one scan. A lock file beside it, removed at once, keeps
them apart; HDF5's own locks are often switched off on network file systems. A file that one writer
has for itself is found by nobody else: it needs no lock and stays open between the blocks.
"""

from __future__ import annotations

import os
import re
import reprlib
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import IO, Any

import h5py

from .._errors import (
    NXstxmError,
    NXstxmKeyError,
    NXstxmOSError,
    NXstxmStateError,
    NXstxmValueError,
)
from .._kept_free import KeptFree
from .._locks import lock_file
from .._steady import SteadyFile
from ._publish import name_taken

SUFFIX = ".hdf5"
#: Bytes that HDF5 caches of each open dataset; its own choice is eight times that since 2.0, and
#: dozens of lists are open while an entry is written.
CHUNK_CACHE = 2**20
#: Ends the name of a temporary file that one writer has for itself; others look for ``.<uid>.tmp``.
OWN = ".own.tmp"


class ScanFile:
    """The temporary file of one scan, on disk or in memory.

    Parameters
    ----------
    target : Path or binary file
        The path, or a buffer that can be read and written.
    first_uid : str
        Identity of the scan.
    own : bool
        One writer has it for itself; see `share`.
    alone : bool
        It is never shared: what is in it is somewhere else too.

    Attributes
    ----------
    published : Path or None
        The final name, once it has it.
    kept_free : KeptFree
        Places in it that others write, around HDF5.
    """

    def __init__(
        self,
        target: Path | IO[bytes],
        first_uid: str,
        *,
        own: bool = False,
        alone: bool = False,
    ) -> None:
        self.target = target
        self.first_uid = first_uid
        self.published: Path | None = None
        self.kept_free = KeptFree()
        self._own = own
        self._alone = alone
        self._open: _Open | None = None
        self._threads = RLock()

    @property
    def alone(self) -> bool:
        """Whether what is in it is somewhere else too."""
        return self._alone

    @property
    def path(self) -> Path | None:
        """Where it is; None in memory."""
        return self.target if isinstance(self.target, Path) else None

    @contextmanager
    def session(self, mode: str = "r+") -> Iterator[h5py.File]:
        """Open it for as long as a block takes to write.

        Raises
        ------
        NXstxmOSError
            The file can not be opened or written; the message names it.
        """
        with self.locked(), self.opened(mode) as h5:
            yield h5

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other writers of the scan out, and all other threads of this one."""
        with self._threads:
            if self.path is None or self._own:
                yield
                return
            with lock_file(self.path.parent, self.first_uid):
                yield

    @contextmanager
    def reading(self) -> Iterator[h5py.File]:
        """Read what was written so far, while this process may go on writing.

        Raises
        ------
        NXstxmStateError
            The file is gone.
        """
        with self.locked():
            if self._open is not None:
                yield self._open.h5
                return
            with self.opened("r") as h5:
                yield h5

    @contextmanager
    def opened(self, mode: str = "r+") -> Iterator[h5py.File]:
        """Open it without a lock; see `session`."""
        try:
            if self.path is None:
                with h5py.File(self.target, mode, rdcc_nbytes=CHUNK_CACHE) as h5:
                    yield h5
            elif self._own and mode == "r+":
                if self._open is None:
                    self._open = _Open(self.path, self.kept_free)
                try:
                    with self._open.change() as h5:
                        yield h5
                except BaseException as error:
                    self.close(error)
                    raise
            elif mode == "r":
                self.close()
                with h5py.File(self.path, mode, rdcc_nbytes=CHUNK_CACHE) as h5:
                    yield h5
            else:
                with (
                    SteadyFile(self.path, f"{mode[0]}+b") as steady,
                    h5py.File(steady, mode, rdcc_nbytes=CHUNK_CACHE) as h5,
                ):
                    yield h5
        except NXstxmError:
            raise
        except FileNotFoundError as error:
            raise NXstxmStateError(
                f"{self.target} is gone: another writer finished this scan, or somebody removed "
                f"it; export the scan again if its file is not there"
            ) from error
        except OSError as error:
            self.share()
            raise NXstxmOSError(
                f"{self.target} could not be written ({error}). What was written before is in "
                f"that file; free space or mend the folder, then export the run again"
            ) from error

    def write_through(self, at: int, data: Any) -> None:
        """Write at a place that is kept free, while a session goes on."""
        if self._open is None:
            raise AssertionError("only a file that its writer has for itself has such places")
        self._open.steady.write_through(at, data)

    def close(self, error: BaseException | None = None) -> None:
        """Close a file that stayed open; an error takes back what it has of the last block."""
        held, self._open = self._open, None
        if held is not None:
            held.close(error)

    def share(self) -> None:
        """Let others find a file that one writer had for itself: after an error it is kept.

        It gets the name ``*.<first_uid>.tmp`` unless another file has it.
        """
        self.close()
        path = self.path
        if path is None or not self._own or self._alone:
            return
        shared = path.with_name(f"{path.name.removesuffix(OWN)}.tmp")
        with suppress(OSError), lock_file(path.parent, self.first_uid):
            if not shared.exists():
                os.replace(path, shared)  # noqa: PTH105 - the atomic call, by its name
                self.target, self._own = shared, False


class _Open:
    """A file that stays open between the blocks of its only writer."""

    def __init__(self, path: Path, kept_free: KeptFree) -> None:
        stack = ExitStack()
        self.steady = stack.enter_context(SteadyFile(path, "r+b", kept_free))
        self.h5 = stack.enter_context(h5py.File(self.steady, "r+", rdcc_nbytes=CHUNK_CACHE))
        self._stack = stack
        # a writer that is dropped without a word closes it too, at the latest when Python ends
        self._at_end = weakref.finalize(self, stack.close)

    @contextmanager
    def change(self) -> Iterator[h5py.File]:
        """Write a block; it is on the disk when this is left without an error."""
        yield self.h5
        self.h5.flush()
        self.steady.commit()

    def close(self, error: BaseException | None) -> None:
        """Close it; an error takes back what was not on the disk."""
        if self._at_end.detach() is not None:
            self._stack.__exit__(type(error) if error else None, error, None)


def temporary_file(directory: Path, prefix: str, first_uid: str) -> ScanFile:
    """Find the temporary file of a scan in a folder, or make it.

    Parameters
    ----------
    directory : Path
        The folder; it is made when missing.
    prefix : str
        Beginning of the name, already safe.
    first_uid : str
        Identity of the scan.

    Returns
    -------
    ScanFile
        The file ``*.<first_uid>.tmp`` that is there, or a new ``<prefix>.<first_uid>.tmp``.
    """
    check_uid(first_uid)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NXstxmOSError(f"folder {directory} can not be made ({error})") from error
    with lock_file(directory, first_uid):
        found = _found(directory, first_uid)
        if len(found) > 1:
            raise _several(directory, first_uid, found)
        if found:
            return ScanFile(found[0], first_uid)
        path = directory / f"{prefix}.{first_uid}.tmp"
        try:
            _create(path, first_uid)
        except OSError as error:
            raise NXstxmOSError(f"{path} can not be made ({error})") from error
        return ScanFile(path, first_uid)


def new_temporary_file(
    directory: Path,
    prefix: str,
    uid: str,
    *,
    overwrite: bool = False,
    alone: bool = False,
    ending: str = OWN,
) -> ScanFile:
    """Make a temporary file of our own, for a scan that this process writes alone.

    Parameters
    ----------
    directory : Path
        The folder.
    prefix : str
        Beginning of the name, already safe.
    uid : str
        Identity of the scan.
    overwrite : bool
        The final name may be taken.
    alone : bool
        See `ScanFile`.
    ending : str
        End of the name.

    Raises
    ------
    NXstxmFileExistsError
        The final name is taken already.
    NXstxmOSError
        The folder can not be written.
    """
    check_uid(uid)
    final = directory / f"{prefix}{SUFFIX}"
    if final.exists() and not overwrite:
        raise name_taken(final)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NXstxmOSError(f"folder {directory} can not be made ({error})") from error
    for number in range(1, 1000):
        name = prefix if number == 1 else f"{prefix}-{number}"
        path = directory / f"{name}.{uid}{ending}"
        try:
            _create(path, uid)
        except FileExistsError:
            continue  # of another writer of the same scan, or what a killed one left
        except OSError as error:
            raise NXstxmOSError(f"{path} can not be made ({error})") from error
        return ScanFile(path, uid, own=True, alone=alone)
    raise NXstxmOSError(f"{directory} holds 999 temporary files of run {uid}; remove them")


def _create(path: Path, first_uid: str) -> None:
    """Make a temporary file that is not there yet."""
    with SteadyFile(path, "x+b") as steady:
        try:
            with h5py.File(steady, "w") as h5:
                h5.attrs["first_uid"] = first_uid
        finally:
            if steady.error is not None:
                path.unlink()


def existing_file(directory: Path, first_uid: str) -> ScanFile:
    """Find the one temporary file of a scan.

    Raises
    ------
    NXstxmKeyError
        There is none.
    NXstxmStateError
        There are several.
    """
    check_uid(first_uid)
    found = _found(directory, first_uid)
    if not found:
        raise NXstxmKeyError(
            f"no temporary file *.{first_uid}.tmp in {directory}: export the runs of the scan "
            f"with first_uid={first_uid!r} first; a scan that was finished has no temporary file"
        )
    if len(found) > 1:
        raise _several(directory, first_uid, found)
    return ScanFile(found[0], first_uid)


def check_uid(uid: Any) -> None:
    """Refuse a uid that could lead out of the folder, since it becomes part of a file name."""
    if not isinstance(uid, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,80}", uid):
        raise NXstxmValueError(
            f"uid {reprlib.repr(uid)} can not be part of a file name; a uid has up to 80 letters, "
            f"digits, '-' and '_'"
        )


def _found(directory: Path, first_uid: str) -> list[Path]:
    ending = f".{first_uid}.tmp"
    try:
        return sorted(p for p in directory.iterdir() if p.name.endswith(ending))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NXstxmOSError(f"folder {directory} can not be read ({error})") from error


def _several(directory: Path, first_uid: str, found: list[Path]) -> NXstxmStateError:
    names = ", ".join(p.name for p in found)
    return NXstxmStateError(
        f"{len(found)} temporary files for scan {first_uid} in {directory}: {names}; move all "
        f"but one away"
    )
