"""`convert`: a file in a format that other programs still need."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

from ..._errors import NXstxmFileExistsError, NXstxmOSError, NXstxmValueError
from ..._publish import publish
from ...nexus import Channel, Contents, Entry, read_contents
from ._csv import write_csv
from ._ncb import write_ncb
from ._stack import Stack
from ._tiff import write_tiff
from ._xim import write_xim, write_xim_line

#: Endings of files of scans; what else is behind a dot belongs to the name.
_ENDINGS = (".hdf5", ".h5", ".hdf", ".nxs", ".nx5", ".stxm", ".tmp")

#: Writes a channel into a folder under a name; gives the files, and what has to be said.
Writer: TypeAlias = Callable[[Contents, Entry, Channel, Path, str], tuple[list[Path], list[str]]]


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    notes : tuple of str
        What the format has no place for, and what was written though nobody knows it; a sentence
        each.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def _ncb(
    contents: Contents, entry: Entry, channel: Channel, folder: Path, name: str
) -> tuple[list[Path], list[str]]:
    stack = Stack.of(contents, entry, channel, "an .ncb")
    return write_ncb(stack, folder, name), stack.notes


def _xim(
    contents: Contents, entry: Entry, channel: Channel, folder: Path, name: str
) -> tuple[list[Path], list[str]]:
    if channel.data.dims == ("energy", "line"):
        return write_xim_line(channel, entry, folder, name)
    stack = Stack.of(contents, entry, channel, "a .xim")
    return write_xim(stack, folder, name), stack.notes


#: The formats, and what writes them.
FORMATS: dict[str, Writer] = {
    "ncb": _ncb,
    "xim": _xim,
    "tiff": write_tiff,
    "csv": lambda _, entry, channel, folder, name: write_csv(entry, channel, folder, name),
}


def convert(
    path: str | os.PathLike[str],
    to: str,
    directory: str | os.PathLike[str],
    *,
    entry: str | None = None,
    channel: str | None = None,
    overwrite: bool = False,
) -> Converted:
    """Write what is in a file of scans in a format that other programs need.

    Parameters
    ----------
    path : path-like
        An NXstxm file of this or of another program.
    to : {"ncb", "xim", "tiff", "csv"}
        ``ncb``: the binary stack of aXis2000 and Mantis, with its ``.dat``. ``xim``: the text files
        of STXM_Control, with their ``.hdr``. ``tiff``: pages for ImageJ, with the energies as text.
        ``csv``: spectra.
    directory : path-like
        The folder; it is made when it is missing.
    entry : str, optional
        Only this entry; by default all, each under its own name.
    channel : str, optional
        Another channel than the one that the file shows first.
    overwrite : bool
        Replace files of the same names.

    Returns
    -------
    Converted
        The files, which appear when all of them are complete.

    Raises
    ------
    NXstxmValueError
        There is no such format, or it has no place for this scan.
    NXstxmKeyError
        There is no such entry or channel.
    NXstxmFileExistsError
        A file of that name is there; nothing was written.
    NXstxmOSError
        The folder can not be written, or the file not be read.
    """
    if to not in FORMATS:
        raise NXstxmValueError(f"{to!r} is no format; there are: {', '.join(FORMATS)}")
    contents = read_contents(path)
    names = _names(contents)
    chosen = [contents.entry(entry)] if entry is not None else list(contents.entries.values())
    home = Path(directory)
    try:
        home.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".nxstxm-", suffix=".tmp", dir=home))
    except OSError as error:
        raise NXstxmOSError(f"{home} can not be written ({error.strerror or error})") from error
    try:
        made: list[Path] = []
        notes: list[str] = []
        for each in chosen:
            files, told = FORMATS[to](
                contents, each, each.channel(channel), unfinished, names[each.name]
            )
            made += files
            prefix = f"{each.name}: " if len(chosen) > 1 else ""
            notes += [f"{prefix}{note}" for note in told]
        return Converted(_published(made, home, overwrite=overwrite), tuple(notes))
    except OSError as error:
        if isinstance(error, NXstxmOSError):
            raise
        raise NXstxmOSError(f"{home} can not be written ({error.strerror or error})") from error
    except MemoryError as error:
        raise NXstxmOSError(
            f"what is in {path} does not fit into the memory ({error}); choose a part of it with "
            f"--entry or --channel"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _published(made: Iterable[Path], home: Path, *, overwrite: bool) -> tuple[Path, ...]:
    pairs = [(path, home / path.name) for path in made]
    taken = [final for _, final in pairs if final.exists()]
    if taken and not overwrite:
        raise NXstxmFileExistsError(
            f"{taken[0]} is there already; give another folder, or say --overwrite"
        )
    for path, final in pairs:
        publish(path, final, overwrite=overwrite)
    return tuple(final for _, final in pairs)


def _names(contents: Contents) -> Mapping[str, str]:
    """Give the name of what is made of each entry; no two are the same, whatever their letters."""
    stem = _stem(contents.path)
    if len(contents.entries) == 1:
        return dict.fromkeys(contents.entries, stem)
    names: dict[str, str] = {}
    taken: set[str] = set()
    for entry in contents.entries:
        first = name = f"{stem}_{_safe(entry)}"
        # "a.1" is not "a_1", and on some disks "A" is "a"
        for number in count(2):
            if name.lower() not in taken:
                break
            name = f"{first}-{number}"
        taken.add(name.lower())
        names[entry] = name
    return names


def _stem(path: Path) -> str:
    name = path.stem if path.suffix.lower() in _ENDINGS else path.name
    return _safe(name) or "scan"


def _safe(name: str) -> str:
    """Keep to letters that every program takes in the name of a file: blanks end it in some."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)
