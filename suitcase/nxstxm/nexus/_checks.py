"""Whether an NXstxm file keeps its promises, including those that validators do not look at.

nxvalidate and nxcheck know the NeXus definitions, but not what reading programs need, nor that
the lists of an entry must have one common length. `validate` knows; `nexusformat_problems` asks
nexusformat for its own opinion when it is installed.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import h5py
import numpy as np

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm._h5heap import refuse_broken_heaps
from suitcase.nxstxm._h5tree import (
    H5_ERRORS,
    Group,
    Problem,
    as_text,
    open_file,
    snapshot,
    why,
)
from suitcase.nxstxm.nexus._check_entry import entry_problems
from suitcase.nxstxm.nexus._check_fields import unit_value_problems
from suitcase.nxstxm.nexus._check_rules import PLAIN_TEXT_ATTRIBUTES

__all__ = ["Problem", "nexusformat_problems", "validate"]


def validate(path: str | os.PathLike[str]) -> list[Problem]:
    """Check one NXstxm file against the rules this project writes by.

    The structure, types, lengths, units, scan type and times of every NXentry are checked, every
    stored block of data is read once, and the archive of documents is unpacked.

    Parameters
    ----------
    path : path-like
        An HDF5 file.

    Returns
    -------
    list of Problem
        Empty when nothing is wrong. Damage inside the file is a problem, not an exception.

    Raises
    ------
    NXstxmOSError
        When the file is missing, truncated, not HDF5, or can not be opened for another reason.
    """
    path = Path(path)
    with open_file(path) as file:
        refuse_broken_heaps(path)
        root, problems = snapshot(file)
        problems.extend(_root_problems(root))
        for group in root.walk():
            problems.extend(_attribute_problems(group))
            problems.extend(unit_value_problems(group))
        for entry in root.of_class("NXentry"):
            problems.extend(entry_problems(entry))
        problems.extend(_archive_problems(file, root))
    return problems


def _root_problems(root: Group) -> Iterator[Problem]:
    if root.nx_class != "NXroot":
        yield Problem("error", "/@NX_class", f"is {root.attrs.get('NX_class')!r}, not 'NXroot'")
    if not root.of_class("NXentry"):
        yield Problem("error", "/", "the file has no NXentry")
    name = as_text(root.attrs.get("default"))
    if name is None:
        yield Problem("error", "/@default", "the attribute is missing; viewers then show nothing")
    elif name not in root.groups:
        yield Problem("error", "/@default", f"{name!r} does not exist")
    elif root.groups[name].nx_class != "NXentry":
        nx_class = root.groups[name].nx_class
        yield Problem("error", "/@default", f"{name!r} is an {nx_class}, not an NXentry")


def _attribute_problems(group: Group) -> Iterator[Problem]:
    if "NX_class" not in group.attrs and group.path != "/":
        yield Problem("error", f"{group.path}@NX_class", "the attribute is missing")
    for name in PLAIN_TEXT_ATTRIBUTES:
        value = group.attrs.get(name, "")
        if not isinstance(value, str):
            yield Problem("error", f"{group.path}@{name}", f"{value!r} is not a plain string")


def _archive_problems(file: h5py.File, root: Group) -> Iterator[Problem]:
    """Unpack the archived documents of every run, as a replay of the file would."""
    for entry in root.of_class("NXentry"):
        collection = entry.groups.get("collection")
        archive = collection.groups.get("bluesky") if collection is not None else None
        fields = archive.fields if archive is not None else {}
        for name, stored in fields.items():
            if name.endswith("_arrays") and name.removesuffix("_arrays") in fields:
                continue  # the table of arrays that an archive refers to
            if stored.dtype == np.uint8 and len(stored.shape) == 1:
                uid = as_text(stored.attrs.get("uid")) or name
                yield from _run_problems(file, stored.path, uid)
            else:
                found = f"{stored.dtype} of shape {stored.shape}"
                yield Problem("error", stored.path, f"is {found}, not 1-D uint8")


def _run_problems(file: h5py.File, path: str, uid: str) -> Iterator[Problem]:
    from suitcase.nxstxm.documents import read_archive

    try:
        data = file[path][()].tobytes()
    except H5_ERRORS as error:
        yield Problem("error", path, f"the archive can not be read: {why(error)}")
        return
    try:
        runs = [str(doc.get("uid")) for name, doc in read_archive(data) if name == "start"]
    except NXstxmError as error:
        yield Problem("error", path, f"the archive is damaged: {error}")
        return
    if runs != [uid]:
        yield Problem("error", path, f"holds {', '.join(runs) or 'no run'}, not the run {uid}")


def nexusformat_problems(path: str | os.PathLike[str]) -> list[Problem] | None:
    """Ask nexusformat what nxvalidate and nxcheck would say of a file.

    Every NXentry is held against the application definition it names (nxvalidate looks at the
    first only), and the whole tree against the base classes.

    Parameters
    ----------
    path : path-like
        A file that `validate` could open.

    Returns
    -------
    list of Problem or None
        None when nexusformat is not installed.

    Raises
    ------
    NXstxmOSError
        When the file can not be opened.
    """
    path = Path(path)
    with open_file(path) as file:
        refuse_broken_heaps(path)
        root, damage = snapshot(file)
    if find_spec("nexusformat") is None:
        return None
    if damage:
        # nexusformat reads on without the precautions of `snapshot`.
        return [Problem("error", "/", "nexusformat was not asked: parts can not be read")]
    from nexusformat.nexus import NeXusError
    from nexusformat.nexus import validate as nexus

    entries = [group.path for group in root.of_class("NXentry")]
    # Validators are kept between calls together with the lengths they have seen; a fresh set
    # keeps one file from being compared with the one before it.
    nexus.validators.clear()
    with _Listener(nexus.logger) as listener:
        try:
            for entry in entries:
                listener.where = entry
                nexus.validate_application(str(path), path=entry)
            nexus.validators.clear()
            listener.where = "/"
            nexus.validate_file(str(path))
        except (NeXusError, *H5_ERRORS) as error:
            listener.problems.append(
                Problem("error", listener.where, f"nexusformat gave up: {why(error)}")
            )
    return listener.problems


class _Listener(logging.Handler):
    """Takes the place of a logger's handlers and turns its records into problems.

    nexusformat announces the object it is about to look at as a CRITICAL record that ends in its
    path; the warnings and errors that follow do not name it again.
    """

    _LEVELS: ClassVar[dict[int, Literal["error", "warning"]]] = {
        logging.ERROR: "error",
        logging.WARNING: "warning",
    }
    _ABOUT = re.compile(r"^\s*\w+: (/\S*)$")

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self.where = "/"
        self._logger = logger
        self._handlers: list[logging.Handler] = []
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning or an error; remember the path that others announce."""
        message = record.getMessage()
        if record.levelno in self._LEVELS:
            level = self._LEVELS[record.levelno]
            self.problems.append(Problem(level, self.where, f"nexusformat: {message.strip()}"))
        elif about := self._ABOUT.match(message):
            self.where = about.group(1)

    def __enter__(self) -> _Listener:
        """Take over the logger."""
        self._handlers, self._level = self._logger.handlers, self._logger.level
        self._logger.handlers = [self]
        self._logger.setLevel(logging.WARNING)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the logger back as it was."""
        self._logger.handlers = self._handlers
        self._logger.setLevel(self._level)
