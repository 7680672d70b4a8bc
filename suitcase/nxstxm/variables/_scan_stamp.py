"""What the files of a scan are like: cells note it, so that a scan that grew is computed again."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Where a computed cell has it, in its attributes.
SCAN = "scan"
#: The content of larger scans is not hashed: it would take longer than most variables do.
_HASHED = 64 * 1024 * 1024
_PART = 1024 * 1024
_DIGITS = 12


def scan_stamp(kind: str, paths: Sequence[str]) -> dict[str, Any]:
    """Say what the files of a scan are like, without reading them.

    Parameters
    ----------
    kind : "nxstxm" or "euxfel"
        What it is stored as.
    paths : sequence of str
        The file, or the folders of its runs.

    Returns
    -------
    dict
        ``kind``; ``runs``, how many paths; ``bytes`` of all files; ``files``, the hash of their
        sizes, and of EuXFEL runs their names; ``times``, the hash of when they were written.
        Neither has the folder, nor the name of an NXstxm file: a scan may be moved. Nothing where
        files are gone: what was computed of them counts.
    """
    sizes, times, total = [], [], 0
    for name, path in _files(kind, paths):
        try:
            about = path.stat()
        except OSError:
            return {}
        total += about.st_size
        sizes.append(f"{name}:{about.st_size}")
        times.append(f"{name}:{about.st_mtime_ns}")
    return {
        "kind": kind,
        "runs": len(paths),
        "bytes": total,
        "files": _hash(*sizes),
        "times": _hash(*times),
    }


def with_content(stamp: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Add the hash of what is in the files, by which a copy is known; of large scans nothing.

    Parameters
    ----------
    stamp : Mapping
        What `scan_stamp` gave before the files are read here.
    paths : sequence of str
        As of `scan_stamp`.
    """
    if not stamp or stamp["bytes"] > _HASHED:
        return dict(stamp)
    found = _content(stamp["kind"], tuple(paths), stamp["files"], stamp["times"])
    return {**stamp, "content": found} if found else dict(stamp)


def why_other(before: Any, now: Mapping[str, Any], paths: Sequence[str]) -> str:
    """Say why a cell that was made of a scan as it was has to be made again; nothing if it has not.

    Parameters
    ----------
    before : object
        What a cell has noted; what has noted nothing is left as it is.
    now : Mapping
        What `scan_stamp` gives now.
    paths : sequence of str
        As of `scan_stamp`, for what is only looked at where times differ and nothing else.
    """
    if not now or not isinstance(before, Mapping) or "files" not in before:
        return ""
    if before.get("kind") != now["kind"]:
        return f"the scan is read from {now['kind']}, not {before.get('kind')!s:.20}"
    if before["files"] != now["files"]:
        grown = _number(before.get("runs")) < now["runs"] or (
            now["kind"] == "euxfel" and _number(before.get("bytes")) < now["bytes"]
        )
        return "the scan has grown" if grown else "the scan has changed"
    if before.get("times") == now["times"]:
        return ""
    content = before.get("content")
    if content is not None and content == with_content(now, paths).get("content"):
        return ""  # a copy
    return "the scan has changed"


@functools.lru_cache(maxsize=1024)  # each cell of a scan asks for it
def _content(kind: str, paths: tuple[str, ...], *_: str) -> str:
    made = hashlib.blake2b(digest_size=16)
    try:
        for name, path in _files(kind, paths):
            made.update(os.fsencode(f"{name}\n"))
            with path.open("rb") as file:
                while part := file.read(_PART):
                    made.update(part)
    except OSError:
        return ""
    return made.hexdigest()[:_DIGITS]


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else 0


def _files(kind: str, paths: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Give the files of a scan and what they are called in it."""
    for path in map(Path, paths):
        if kind != "euxfel":
            yield "", path
            continue
        for file in sorted(path.glob("*.h5")):
            yield f"{path.name}/{file.name}", file


def _hash(*texts: str) -> str:
    made = hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogateescape"), digest_size=16)
    return made.hexdigest()[:_DIGITS]
