"""Path providers: from a start document to the file of its scan."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from .._errors import NXstxmOSError, NXstxmTypeError, NXstxmValueError, as_error
from ..nexus import SUFFIX
from ..scans import run_uid
from ._names import name_of_scan, resolve_prefix, safe_file_name

#: Characters of a uid, and of a path that is shown in a message.
_UID, _SHOWN = 36, 200
#: Gives the path of a scan's file for the start document of its first run: absolute, or relative
#: to the writer's folder, with or without ending.
PathProvider = Callable[[Mapping[str, Any]], "str | Path"]


class DayFolders:
    """A folder for each day, and in it names in sequence: ``2019-07-12/C190712016.hdf5``.

    Parameters
    ----------
    directory : str or Path
        The folder; that of the writer, or one in it.
    letter : str
        Begins each name.
    folder : str
        Name of the day's folder, as `datetime.strftime` fills it.
    day : str
        What follows the letter, likewise.
    digits : int
        Digits of the number, at least.
    timezone : tzinfo
        Where the day begins and ends at midnight; UTC unless given.

    Notes
    -----
    A name is reserved by a small file, ``.<name>.taken``, which only one of several processes can
    make. It stays until the next name of that day is given and its file is there. The numbers of
    scans that failed are not given again.

    Examples
    --------
    >>> names = DayFolders("night")
    >>> path = names({"uid": "a", "time": 1562904000.0})
    >>> path.parent.name, path.name
    ('2019-07-12', 'C190712001.hdf5')
    """

    def __init__(
        self,
        directory: str | Path,
        letter: str = "C",
        *,
        folder: str = "%Y-%m-%d",
        day: str = "%y%m%d",
        digits: int = 3,
        timezone: tzinfo = timezone.utc,
    ) -> None:
        self._directory = Path(directory).expanduser()
        self._letter, self._folder, self._day = letter, folder, day
        self._digits, self._zone = digits, timezone

    def __call__(self, start: Mapping[str, Any]) -> Path:
        """Reserve the next name of the day on which a run starts.

        Raises
        ------
        NXstxmOSError
            The folder can not be written.
        """
        time = datetime.fromtimestamp(float(start["time"]), self._zone)
        folder = self._directory / safe_file_name(time.strftime(self._folder))
        stem = safe_file_name(self._letter + time.strftime(self._day))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            number = self._last(folder, stem) + 1
            while True:
                name = f"{stem}{number:0{self._digits}d}"
                try:
                    (folder / f".{name}.taken").open("x").close()
                except FileExistsError:
                    number += 1
                    continue
                return folder / f"{name}{SUFFIX}"
        except OSError as error:
            raise NXstxmOSError(f"no name can be reserved in {folder} ({error})") from error

    def _last(self, folder: Path, stem: str) -> int:
        """Find the highest number that is taken; clear away what reserves a file that is there."""
        pattern = re.compile(rf"\.?{re.escape(stem)}(\d+)(\..*)?")
        last = 0
        for path in folder.iterdir():
            found = pattern.fullmatch(path.name)
            if found is None:
                continue
            last = max(last, int(found[1]))
            name = path.name.removeprefix(".").removesuffix(".taken")
            if path.name == f".{name}.taken" and (folder / f"{name}{SUFFIX}").exists():
                path.unlink(missing_ok=True)
        return last


def provider_of(given: Any, zone: tzinfo) -> PathProvider:
    """Make a path provider of what a user gives: one, a template of the name, or None.

    Raises
    ------
    NXstxmTypeError
        It is neither.
    """
    if given is None:
        return lambda start: name_of_scan(start, None, zone)
    if isinstance(given, str):
        return lambda start: resolve_prefix(given, start, zone)
    if callable(given):
        provide: PathProvider = given
        return provide
    raise NXstxmTypeError(
        f"path_provider is a {type(given).__name__}; give a template such as '{{scan_id:05d}}', or "
        f"a function that takes a start document and gives a path"
    )


def target_of(directory: Path, provide: PathProvider, start: Mapping[str, Any]) -> Path:
    """Ask a path provider for the file of a scan, relative to a folder, without its ending.

    Raises
    ------
    NXstxmValueError
        The path is outside of the folder, has no name, or can be none of a file.
    """
    try:
        given = provide(start)
    except (SystemExit, KeyboardInterrupt) as error:
        if current_thread() is main_thread():
            raise
        raise as_error(error) from error  # the thread of a RunEngine would end in silence
    if not isinstance(given, (str, Path)):
        raise NXstxmTypeError(
            f"the path provider gave a {type(given).__name__} for run {run_uid(start):.8}; it must "
            f"give a path"
        )
    path = Path(given)
    try:
        top = directory.resolve()
        whole = (directory / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_path(path, error) from error
    if not whole.is_relative_to(top) or whole == top:
        raise NXstxmValueError(
            f"the path provider gave {str(path)!r}, which is not in {directory}; give a path in "
            f"it, or subscribe a writer for another folder"
        )
    relative = whole.relative_to(top)
    name = relative.name.removesuffix(SUFFIX)
    target = Path(*map(safe_file_name, relative.parts[:-1]), safe_file_name(name))
    longest = f"{target.name}.{'u' * _UID}.again.new.tmp"  # of the names of unfinished files
    try:
        os.lstat(top / target.parent / longest)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # told when the folder is made
    except OSError as error:
        raise _no_path(path, error) from error
    return target


def _no_path(path: Path, error: Exception) -> NXstxmValueError:
    told = repr(str(path))
    told = told if len(told) <= _SHOWN else f"{told[:_SHOWN]}..."
    return NXstxmValueError(
        f"the path provider gave {told}, which can not be the path of a file ({_reason(error)}); "
        f"give a shorter path, in fewer folders, without special characters"
    )


def _reason(error: Exception) -> str:
    """Say why, without the path, which may be long."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
