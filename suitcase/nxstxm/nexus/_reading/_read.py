"""A whole file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import h5py

from ..._errors import NXstxmOSError, NXstxmTypeError, NXstxmValueError
from ..._h5heap import refuse_broken_heaps
from ..._h5tree import H5_ERRORS, why
from ._attributes import attributes
from ._contents import Contents, Entry
from ._entry import EntryReader, nx_class
from ._exchange import exchange_entry
from ._reach import Reach, Roots, open_shared, roots_of
from ._running import is_running, moment_of

#: Files up to this size are looked through for what would hold HDF5 for ever; that takes 3 ms.
_LOOKED_THROUGH = 16 * 2**20
#: Begin the names of groups that are entries, in files without NeXus classes.
_LIKE_ENTRIES = ("entry", "measurement")


def read_contents(
    path: str | os.PathLike[str],
    *,
    external_roots: Roots = (),
    readings: bool = False,
    entry: str | None = None,
) -> Contents:
    """Read what a file holds, without its arrays.

    Parameters
    ----------
    path : path-like
        The file, of this or of another program; or the temporary file, or the folder of journals,
        of a scan that is still measured.
    external_roots : path-like, or an iterable of these
        Folders, besides that of the file, in which other files may be opened that it leads to.
    readings : bool
        Read what the baseline and other streams have, too.
    entry : str, optional
        Look at no other entry.

    Returns
    -------
    Contents
        Arrays are described, and read when they are wanted.

    Raises
    ------
    NXstxmTypeError
        It is no path.
    NXstxmOSError
        It can not be opened as HDF5.
    NXstxmValueError
        It has nothing that a scan has.
    NXstxmStateError
        The scan has just begun, or is finished.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise NXstxmTypeError(
            f"{path!r} is not a path but of type {type(path).__name__}; give the path of a file"
        )
    path = Path(path).absolute()
    roots = roots_of(external_roots)
    moment = moment_of(path) if is_running(path) else None
    if moment is not None:
        roots.append(path.parent)  # files of detectors are beside the one that will be
    where = path if moment is None else moment.path
    with Reach(_opened(where), where, roots) as reach:
        found = _entries(reach, readings=readings, only=entry)
        if not found:
            raise _nothing(reach, path)
        attrs = attributes(reach.file)
        if reach.refused:
            attrs["left_out"] = list(reach.refused)
        if moment is not None:
            attrs["running"] = f"as of {attrs.get('file_time', 'now')}"
        default = attrs.get("default")
        return Contents(
            path=path,
            entries=found,
            default=default if default in found else next(iter(found)),
            attrs={k: v for k, v in attrs.items() if k not in ("default", "NX_class")},
            moment=moment,
        )


def _opened(path: Path) -> h5py.File:
    if not path.is_file():
        raise NXstxmOSError(f"{path} is not a file; give the path of an NXstxm file")
    try:
        if path.stat().st_size <= _LOOKED_THROUGH:
            refuse_broken_heaps(path)
        return open_shared(path)
    except NXstxmOSError:
        raise
    except H5_ERRORS as error:
        raise NXstxmOSError(
            f"{path} can not be opened as HDF5 ({why(error)}): it is damaged, was cut short, "
            "or is a file of another kind"
        ) from error


def _entries(reach: Reach, *, readings: bool, only: str | None) -> dict[str, Entry]:
    groups = {
        name: member for name, member in reach.members(reach.root) if isinstance(member, h5py.Group)
    }
    entries = {name: group for name, group in groups.items() if nx_class(group) == "NXentry"}
    if not entries:
        entries = {n: g for n, g in groups.items() if n.lower().startswith(_LIKE_ENTRIES)}
    found: dict[str, Entry] = {}
    # one that is not there is told by who asks for it, with the names of the others
    wanted = [only] if only in entries else entries
    for name in sorted(wanted, key=in_order):
        entry = EntryReader(reach, name, entries[name], readings=readings).entry()
        if entry is not None:
            found[name] = entry
    if not found and "exchange" in groups:
        entry = exchange_entry(reach)
        return {} if entry is None else {entry.name: entry}
    return found


def _nothing(reach: Reach, path: Path) -> NXstxmValueError:
    """Give the error of a file that has no scan; it says what it has instead."""
    names = [name for name, _ in reach.members(reach.root)]
    if not names:
        return NXstxmValueError(f"{path} is empty: its program has not written anything yet")
    told = "; ".join(reach.refused) or f"it has {', '.join(names[:10])}"
    return NXstxmValueError(
        f"{path} holds no scan: it has no NXentry with data ({told}). "
        f"`nxstxm validate` says what a NXstxm file needs"
    )


def in_order(name: str) -> list[tuple[int, str]]:
    """Order names as people count: entry10 comes after entry9."""
    parts: list[Any] = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
