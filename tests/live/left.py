"""Scans that a process left behind, and what is in their journals."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from suitcase.nxstxm import NXstxmWriter
from suitcase.nxstxm.documents import read_archive

Documents = list[tuple[str, dict[str, Any]]]


def kinds(folder: Path) -> set[str]:
    found = set()
    for path in folder.glob("*.nxdocs"):
        with path.open("rb") as file:
            found |= {name for name, _ in read_archive(file, partial=True)}
    return found


def left_behind(
    folder: Path,
    runs: list[Documents],
    pause: float = 0.0,
    make: Any = NXstxmWriter,
    **options: Any,
) -> Path:
    """Leave a scan as a process does that dies when all is in the journal."""
    writer = make(folder, recover=False, **options)
    for run in runs:
        for name, doc in run[:-1]:
            writer(name, doc)
            time.sleep(pause)
    [journal] = folder.glob("*.journal")
    deadline = time.monotonic() + 10
    wanted = sum(len(run) - 1 for run in runs)
    while count_of(journal) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    saved = folder.parent / f"saved-{folder.name}"
    shutil.copytree(folder, saved)
    writer.close()
    shutil.rmtree(folder)
    saved.rename(folder)
    return next(folder.glob("*.journal"))


def count_of(folder: Path) -> int:
    found = 0
    for path in folder.glob("*.nxdocs"):
        with path.open("rb") as file:
            found += sum(1 for _ in read_archive(file, partial=True))
    return found
