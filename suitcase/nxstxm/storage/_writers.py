"""One writer for each piece of data, in file systems that have no locks.

The writer leaves a note in the folder. Who finds one there is not the writer; who wrote one looks
again before the data are published, for the note may have been removed or replaced: then they are
not. What is held in this process is known without a note.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from .._disk import on_windows
from ._files import Files

WRITER = "writer.json"
#: Tells this process from others that have its number, before it or on another machine.
_PROCESS = uuid4().hex


@dataclass(eq=False)
class Claim:
    """That somebody is the writer, as long as it is held.

    Attributes
    ----------
    folder : str
        Of what.
    token : str
        What tells it from other claims.
    """

    folder: str
    token: str = field(default_factory=lambda: uuid4().hex)


#: The claims of this process; one that nobody holds any more is none.
_CLAIMS: WeakValueDictionary[tuple[Any, str], Claim] = WeakValueDictionary()
_CLAIMS_LOCK = Lock()


class Writers:
    """The writers of data below a folder of a file system.

    Parameters
    ----------
    files : Files
        The files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def claim(self, folder: str) -> Claim | None:
        """Become the writer; None where there is one.

        Raises
        ------
        OSError
            The note can not be written.
        """
        claim = Claim(folder)
        with _CLAIMS_LOCK:
            if _CLAIMS.setdefault((self._files.fs, folder), claim) is not claim:
                return None
        noted = False
        try:
            noted = self._write_note(claim)
        finally:
            if not noted:
                self._drop(claim)
        return claim if noted else None

    def _write_note(self, claim: Claim) -> bool:
        note = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.time(),
                "process": _process(),
                "token": claim.token,
            }
        ).encode()
        path = f"{claim.folder}/{WRITER}"
        self._files.make(claim.folder)
        if not self._files.create(path, note):
            if self._note(claim.folder).get("process") != _process():
                return False
            # of a claim of this process that nobody holds any more
            self._files.write(path, note)
        return self.holds(claim)

    def _drop(self, claim: Claim) -> None:
        with _CLAIMS_LOCK:
            if _CLAIMS.get((self._files.fs, claim.folder)) is claim:
                del _CLAIMS[self._files.fs, claim.folder]

    def holds(self, claim: Claim) -> bool:
        """Tell whether the note is still that of a claim."""
        return self._note(claim.folder).get("token") == claim.token

    def release(self, claim: Claim) -> None:
        """Be the writer no more; a folder that is empty then goes."""
        try:
            if self.holds(claim):
                self._files.remove(f"{claim.folder}/{WRITER}")
                self._files.remove_folder(claim.folder)
        finally:
            self._drop(claim)

    def writer(self, folder: str) -> str:
        """Say who writes; nothing for nobody."""
        note = self._note(folder)
        if not note:
            return ""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(note.get("since", 0)))
        return f"process {note.get('pid')} on {note.get('host')}, since {since}"

    def is_dead(self, folder: str, older: float | None) -> bool:
        """Tell whether the writer whose note is in a folder is known to be dead.

        Parameters
        ----------
        folder : str
            The folder.
        older : float, optional
            One that began longer ago than so many seconds is taken for dead.
        """
        note = self._note(folder)
        if note.get("process") == _process():
            with _CLAIMS_LOCK:
                return (self._files.fs, folder) not in _CLAIMS
        if older is not None and time.time() - note.get("since", 0) > older:
            return True
        return note.get("host") == socket.gethostname() and not _is_alive(note.get("pid"))

    def _note(self, folder: str) -> Mapping[str, Any]:
        try:
            note = json.loads(self._files.read(f"{folder}/{WRITER}"))
        except FileNotFoundError:
            return {}
        except ValueError:  # it is being written, or something else
            return {"pid": "unknown", "host": "an unknown machine"}
        return note if isinstance(note, dict) else {}


def _process() -> str:
    """Name this process; a fork of it has another name."""
    return f"{_PROCESS}-{os.getpid()}"


def _is_alive(pid: Any) -> bool:
    """Tell whether a process of this machine lives, or may live."""
    if not isinstance(pid, int) or on_windows():  # to ask there may end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's
        return True
    return True
