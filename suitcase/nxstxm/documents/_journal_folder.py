"""The folder in which the documents of a scan lie until its file is there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout

from .._disk import sync
from .._errors import NXstxmFileExistsError, NXstxmOSError, NXstxmStateError
from ._archive_file import SUFFIX as JOURNAL_SUFFIX
from ._frame_file import FrameFile
from ._journal import Journal

SUFFIX = ".journal"
_FACTS, _LOCK = "scan.json", "lock"
#: Says that a file lacks some of what the journals have.
_LEFT_OUT = "left-out.json"
#: Seconds that somebody may look into a folder which is just being made.
_PATIENCE = 5.0
#: Seconds after which an empty folder is no longer taken for one that is just being made.
_BEING_MADE = 60.0


@dataclass(frozen=True)
class ScanFacts:
    """What must be known to make the file of a scan from its journals.

    Attributes
    ----------
    file : str
        The file, relative to the folder in which the journal folder is; parted by ``/``.
    first_uid : str
        Uid of the scan's first run.
    options : Mapping
        The writer's options, as `WriterOptions.saved` gives them.
    processors : tuple of str
        Names of the processors that the frames went through.
    host, pid : str, int
        Who writes it.
    form : str
        What is to be made of it: ``"nxstxm"`` or ``"euxfel"``.
    """

    file: str
    first_uid: str
    options: Mapping[str, Any] = field(default_factory=dict)
    processors: tuple[str, ...] = ()
    host: str = ""
    pid: int = 0
    form: str = "nxstxm"


class JournalFolder:
    """The journals of one scan; do not make it yourself, see `make` and `claim`.

    Attributes
    ----------
    path : Path
        The folder.
    facts : ScanFacts
        What is known of the scan.
    has_facts : bool
        False when all of that was lost but what the folder's name tells.
    """

    has_facts = True

    def __init__(
        self, path: Path, facts: ScanFacts, lock: FileLock | None, *, syncs: bool = False
    ) -> None:
        self.path = path
        self.facts = facts
        self._lock = lock
        self._syncs = syncs
        self._making = Lock()  # a run may begin while the journal's thread makes it anew

    @classmethod
    def make(cls, directory: Path, facts: ScanFacts, *, syncs: bool = False) -> JournalFolder:
        """Make the folder of a scan that begins.

        Parameters
        ----------
        directory : Path
            Where it is made.
        facts : ScanFacts
            What is known of the scan.
        syncs : bool
            Have the disk take the names of it, of its journals and of the files beside it.

        Raises
        ------
        NXstxmFileExistsError
            There is one of the same scan.
        NXstxmOSError
            It can not be made.
        """
        path = directory / f"{PurePosixPath(facts.file).stem}.{facts.first_uid}{SUFFIX}"
        facts = replace(facts, host=socket.gethostname(), pid=os.getpid())
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NXstxmOSError(f"folder {directory} can not be made ({error})") from error
        try:
            path.mkdir()
            lock = _locked(path, _PATIENCE)
            _write(path / _FACTS, asdict(facts))
            if syncs:
                _sync_names(path)
        except FileExistsError as error:
            raise NXstxmFileExistsError(
                f"{path} is there already: an earlier process left this scan, or writes it now. "
                f"`nxstxm recover {directory}` makes its file"
            ) from error
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        return cls(path, facts, lock, syncs=syncs)

    @classmethod
    def look(cls, path: Path) -> JournalFolder:
        """Give a folder that somebody else may be writing, to read it and no more."""
        try:
            return cls(path, _facts_of(path), None)
        except (OSError, ValueError, TypeError):
            return cls(path, _facts_by_name(path), None)

    @classmethod
    def claim(cls, path: Path) -> JournalFolder | None:
        """Take a folder over that an earlier process left.

        Returns
        -------
        JournalFolder or None
            None while somebody writes it, or perhaps makes it just now.

        Raises
        ------
        NXstxmOSError
            It can not be read.
        """
        is_new = _is_new(path)  # before it is locked: some locks are files that come and go in it
        try:
            lock = _locked(path, 0.0)
        except (NXstxmStateError, FileNotFoundError):
            return None  # somebody writes it, or its file came just now and it is gone
        facts = None
        try:
            facts = _facts_of(path)
        except FileNotFoundError:
            if is_new and not any(path.glob(f"*{JOURNAL_SUFFIX}")):  # a scan begins just now
                _unlock(lock)
                return None
        except ValueError:
            pass  # half written, when the power went
        except (OSError, TypeError) as error:
            _unlock(lock)
            raise NXstxmOSError(f"{path / _FACTS} can not be read ({error})") from error
        folder = cls(path, facts or _facts_by_name(path), lock)
        folder.has_facts = facts is not None
        if lock is None and _is_alive(folder.facts):
            return None
        return folder

    def journal(self, run: str, frames: FrameFile | None = None) -> Journal:
        """Begin the journal of a run, whose frames may be elsewhere.

        Raises
        ------
        NXstxmOSError
            It can not be made.
        """
        path = self.path / f"{run}{JOURNAL_SUFFIX}"
        try:
            self._remake()  # somebody may have removed it since the run before
        except OSError as error:
            raise NXstxmOSError(f"the journal {path} can not be made ({error})") from error
        journal = Journal(path, self._remake, run=run, frames=frames)
        if self._syncs:
            sync(self.path)
        return journal

    @property
    def rescue(self) -> Path:
        """What has the frames of the scan when somebody removed its temporary file."""
        return self.path / "frames"

    def _remake(self) -> None:
        """Make the folder and its facts anew, if somebody removed them."""
        with self._making:
            if (self.path / _FACTS).exists():
                return
            self.release()
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock = _locked(self.path, _PATIENCE)
            except NXstxmStateError as error:
                raise NXstxmOSError(str(error)) from error
            _write(self.path / _FACTS, asdict(self.facts))
            if self._syncs:
                _sync_names(self.path)

    def journals(self) -> list[Path]:
        """List the journals of the runs."""
        return sorted(self.path.glob(f"*{JOURNAL_SUFFIX}"))

    def release(self) -> None:
        """Leave it for `recover`."""
        lock, self._lock = self._lock, None
        _unlock(lock)

    # -- what a file lacks ------------------------------------------------------------------------

    @property
    def left_out(self) -> Mapping[str, int] | None:
        """What `leave_out` noted; None when nothing was."""
        try:
            said = json.loads((self.path / _LEFT_OUT).read_text(encoding="utf-8"))
        except OSError:
            return None
        except ValueError:
            return {}  # half written, when the power went
        return said if isinstance(said, dict) else {}

    def leave_out(self, used: Mapping[str, int]) -> None:
        """Note, before the file is there, that it lacks some of what the journals have.

        It is noted on the disk: who recovers may be killed before it removes the folder.

        Parameters
        ----------
        used : Mapping of str to int
            By run, of which some could not be used, how many documents were.
        """
        _write(self.path / _LEFT_OUT, dict(used))
        sync(self.path / _LEFT_OUT)

    def begin_again(self) -> None:
        """Forget what `leave_out` noted: the file is made once more."""
        (self.path / _LEFT_OUT).unlink(missing_ok=True)

    @property
    def aside(self) -> Path:
        """Where `remove` keeps what the file lacks: nobody recovers it again and again."""
        names = (f"{self.path.name}.damaged{n or ''}" for n in count())
        return next(each for name in names if not (each := self.path.with_name(name)).exists())

    def remove(self) -> Path | None:
        """Remove it, since the file of the scan is there.

        First it gets a name that nobody recovers: what a killed process leaves of it is rubbish.

        Returns
        -------
        Path or None
            Where all of it is kept, when the file lacks some of what it has.

        Raises
        ------
        OSError
            It can not be set aside.
        """
        self.release()
        if self.left_out is not None:
            return self.path.rename(self.aside)
        rubbish = self.path.with_name(f".{self.path.name}.done")
        try:
            self.path.rename(rubbish)
        except OSError:
            rubbish = self.path
        shutil.rmtree(rubbish, ignore_errors=True)
        return None


def _write(path: Path, said: Mapping[str, Any]) -> None:
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.write_text(json.dumps(said, indent=1, default=str), encoding="utf-8")
    unfinished.replace(path)


def _sync_names(path: Path) -> None:
    """Have the disk take a folder with its facts, and its name."""
    for each in (path / _FACTS, path, path.parent):
        sync(each)


def _facts_of(path: Path) -> ScanFacts:
    said = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    facts = ScanFacts(**{**said, "processors": tuple(said["processors"])})
    if not isinstance(facts.file, str) or not isinstance(facts.first_uid, str):
        raise TypeError("file and first_uid are text")
    return facts


def _is_new(path: Path) -> bool:
    """Tell whether something was made in a folder just now, or it is gone."""
    try:
        return abs(time.time() - path.stat().st_mtime) < _BEING_MADE
    except OSError:
        return True


def _facts_by_name(path: Path) -> ScanFacts:
    """Give what the name of a folder tells whose facts were not written, or lost with the power."""
    stem, _, first_uid = path.name.removesuffix(SUFFIX).rpartition(".")
    return ScanFacts(f"{stem}.hdf5", first_uid, host=socket.gethostname())


def _locked(path: Path, timeout: float) -> FileLock | None:
    """Lock a folder for as long as this process lives; None where there are no such locks.

    Raises
    ------
    NXstxmStateError
        Another holds it.
    FileNotFoundError
        It is gone.
    """
    lock = FileLock(path / _LOCK, timeout=timeout, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise NXstxmStateError(f"{path} is written by another process") from error
    except FileExistsError as error:  # filelock found it there, and then it was there no more
        raise FileNotFoundError(f"{path} is gone") from error
    except NotImplementedError:
        return None
    return lock


def _unlock(lock: FileLock | None) -> None:
    if lock is not None:
        with suppress(OSError):
            lock.release()


def _is_alive(facts: ScanFacts) -> bool:
    """Tell whether the process that writes a folder may be alive, where there are no locks."""
    if facts.host != socket.gethostname() or os.name == "nt":
        return True  # nobody can know; Windows would end the process that it is asked about
    try:
        os.kill(facts.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
