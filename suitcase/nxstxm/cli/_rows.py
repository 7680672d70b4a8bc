"""Files as rows of a table: what a scientist looks for, and a small picture."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import isfinite
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.nexus import COUNTED, Channel, Contents, Entry, read_contents, thumbnail

#: A row: a JSON object. ``file``, ``changed`` (ns) and ``size`` (bytes) tell which file it is of.
Row: TypeAlias = dict[str, Any]

#: Endings of files that can hold scans.
ENDINGS = (".hdf5", ".h5", ".hdf", ".nxs", ".nx5", ".stxm")
#: Files that are part of a scan, and no scans: frames of cameras, results of reconstructions.
_NO_SCANS = ("ccdframes", ".journal")
_THUMBNAIL = 96


def find_files(top: Path) -> list[Path]:
    """List the files below a folder that may hold scans, in the order of their names.

    Hidden ones, and links to other folders, are left out.
    """
    found: list[Path] = []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and _may_be(n))
        found += (
            Path(folder) / name
            for name in sorted(names)
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and _may_be(name)
        )
    return found


def _may_be(name: str) -> bool:
    return not any(part in name for part in _NO_SCANS)


def rows_of(
    files: Iterable[Path], top: Path, known: Mapping[str, Row], jobs: int
) -> Iterator[tuple[Row, bool]]:
    """Give the row of each file.

    Parameters
    ----------
    files : iterable of Path
        The files.
    top : Path
        What their names in the table are relative to.
    known : mapping of str to Row
        Rows by name; one of a file that has not changed is given again.
    jobs : int
        Processes.

    Yields
    ------
    row : Row
        The row; what could not be read has ``error``.
    is_new : bool
        The file was read.
    """
    waiting: list[tuple[Path, Row]] = []
    for file in files:
        path = Path(os.path.relpath(file, top)).as_posix()
        name = _shown(path)
        try:
            state = file.stat()
        except OSError:
            continue  # it is gone
        stamp: Row = {"file": name, "changed": state.st_mtime_ns, "size": state.st_size}
        if name != path:
            # what is no UTF-8 the page can not hold as text, and so not make a link of
            stamp["link"] = quote(os.fsencode(path))
        row = known.get(name)
        if row is not None and stamp.items() <= row.items():
            yield row, False
        else:
            waiting.append((file, stamp))
    if jobs > 1 and len(waiting) > 1:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for row in pool.map(_row_of, waiting, chunksize=8):
                yield row, True
    else:
        for each in waiting:
            yield _row_of(each), True


def _row_of(which: tuple[Path, Row]) -> Row:
    file, stamp = which
    try:
        contents = read_contents(file)
        entry = contents.entry()
        return {**stamp, **_facts(contents, entry)}
    except NXstxmError as error:
        return {**stamp, "error": _shown(str(error))}
    except MemoryError as error:
        return {**stamp, "error": f"its picture does not fit into the memory ({error})"}


def _facts(contents: Contents, entry: Entry) -> Row:
    row: Row = {
        "type": entry.scan_type,
        "entries": len(contents.entries),
        "sample": _shown(str(entry.attrs.get("sample_name", "") or entry.attrs.get("title", ""))),
        "start": _shown(str(entry.attrs.get("start_time", ""))),
        "complete": bool(entry.attrs.get("complete", True)),
    }
    if not entry.channels:
        return row
    channel = entry.channel()
    shape = channel.data.stored.shape
    row |= {
        "points": int(np.prod(shape)),
        "shape": " x ".join(map(str, shape)),
        "energies": _range(channel, "energy"),
        "width": _width(channel),
        "dwell": _one(channel, "count_time"),
        "polarization": _word(channel, "polarization"),
    }
    make = partial(thumbnail, channel, _THUMBNAIL)
    return {**row, "picture": base64.b64encode(make()).decode()}


def _range(channel: Channel, name: str) -> list[float]:
    """Give the lowest and highest value of a coordinate; what is no number does not count."""
    found = channel.coordinate(name)
    if found is None or found.values.dtype.kind not in "iuf":
        return []
    if found.attrs.get("units") == COUNTED:
        return []
    values = found.values.astype(float)
    known = values[np.isfinite(values)]
    if not known.size:
        return []
    return [round(float(known.min()), 4), round(float(known.max()), 4)]


def _width(channel: Channel) -> float | None:
    """Give how wide the picture is, in its units; None where there is no such axis."""
    ends = _range(channel, "x") if "x" in channel.data.dims else []
    # of two numbers the difference may be none
    return round(ends[1] - ends[0], 4) if ends and isfinite(ends[1] - ends[0]) else None


def _one(channel: Channel, name: str) -> float | None:
    ends = _range(channel, name)
    return ends[0] if ends else None


def _word(channel: Channel, name: str) -> str:
    found = channel.coordinate(name)
    return _shown(str(found.values[()])) if found is not None and found.values.ndim == 0 else ""


def _shown(text: str) -> str:
    """Give a text as every page can hold it: bytes that are no UTF-8 are written as numbers."""
    return text.encode("utf-8", "backslashreplace").decode()
