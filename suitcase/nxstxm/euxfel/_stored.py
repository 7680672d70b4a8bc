"""Runs in folders, as sources of documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .._errors import NXstxmValueError
from ._replay import documents

Document = dict[str, Any]


@dataclass(frozen=True)
class StoredRun:
    """A EuXFEL run in a folder.

    Attributes
    ----------
    path : Path
        The folder, or whatever EXtra-data opened.
    """

    path: Any

    @cached_property
    def start(self) -> Document:
        """Its start document."""
        for name, doc in self.documents():
            if name == "start":
                return doc
        raise NXstxmValueError(f"{self.path} has no start document")

    @property
    def uid(self) -> str:
        """Of the run."""
        return str(self.start["uid"])

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Give its documents, from the start on, read anew at each call."""
        return documents(self.path)


def runs_in(path: str | Path) -> list[StoredRun]:
    """Find the EuXFEL runs in a folder.

    Parameters
    ----------
    path : str or Path
        Folder of a run, of a proposal (``p000123``), or of its runs (``raw``).

    Returns
    -------
    list of StoredRun
        In the order of their numbers; none where there is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        return []
    if _has_files(folder):
        return [StoredRun(folder)]
    found = [*folder.glob("r[0-9]*"), *folder.glob("raw/r[0-9]*")]
    return [StoredRun(each) for each in sorted(found) if _has_files(each)]


def _has_files(folder: Path) -> bool:
    return any(folder.glob("*-R[0-9]*.h5")) or any(folder.glob("*-S[0-9]*.h5"))
