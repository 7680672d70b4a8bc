"""The documents that a finished file was made of, read back from its archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from .._h5heap import refuse_broken_heaps
from .._h5tree import H5_ERRORS, open_file, why
from ..documents import ArrayRef, array_crc32, read_archive


@dataclass(frozen=True)
class ArchivedRun:
    """A run that a finished file holds.

    Attributes
    ----------
    uid : str
        The run's uid.
    start : Mapping
        Its start document.
    source : str
        The file.
    """

    uid: str
    start: Mapping[str, Any]
    source: str

    def documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read the run's documents, as often as asked."""
        return _documents(self.source, _archives(self.source), self.uid)


def runs_of_file(path: str | Path) -> list[ArchivedRun]:
    """List the runs of a finished file, in the order of time.

    Raises
    ------
    NXstxmOSError, NXstxmValueError
        As `read_documents`.
    """
    return [
        ArchivedRun(uid, _start_of(path, uid, where), str(path))
        for uid, where in archived_runs(path).items()
    ]


def _start_of(path: str | Path, uid: str, where: str) -> Mapping[str, Any]:
    name, doc = next(_documents(path, {uid: where}, uid), ("nothing", {}))
    if name != "start":
        raise NXstxmValueError(
            f"the archive of run {uid} in {path} begins with {name}, not with a start document"
        )
    return doc


def archived_runs(path: str | Path) -> dict[str, str]:
    """List the runs whose documents a file holds.

    Parameters
    ----------
    path : str or Path
        An NXstxm file of this package.

    Returns
    -------
    dict of str to str
        Run uid to the path of its archive in the file, in the order of the runs.
    """
    with open_file(Path(path)):
        refuse_broken_heaps(Path(path))
    return _archives(path)


def _archives(path: str | Path) -> dict[str, str]:
    with open_file(Path(path)) as h5, _damage_told(path):
        found: dict[str, tuple[float, str]] = {}
        for name in h5:
            home = h5.get(f"{name}/collection/bluesky")
            if not isinstance(home, h5py.Group):
                continue
            for run in home:
                item = home[run]
                if isinstance(item, h5py.Dataset) and "uid" in item.attrs:
                    uid = str(item.attrs["uid"])
                    found.setdefault(uid, (float(item.attrs.get("time", 0.0)), item.name))
    ordered = sorted(found.items(), key=lambda pair: (pair[1][0], pair[0]))
    return {uid: where for uid, (_, where) in ordered}


def read_documents(
    path: str | Path, uid: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the documents that a file was made of.

    Parameters
    ----------
    path : str or Path
        An NXstxm file of this package.
    uid : str, optional
        Only this run.

    Yields
    ------
    name : str
        Kind of document.
    doc : dict
        The document, equal to the one that came in.

    Raises
    ------
    NXstxmOSError
        The file can not be opened.
    NXstxmValueError
        It holds no archive, not of this run, or a damaged one.
    """
    yield from _documents(path, archived_runs(path), uid)


def _documents(
    path: str | Path, runs: Mapping[str, str], uid: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    if not runs or (uid is not None and uid not in runs):
        raise NXstxmValueError(
            f"{path} holds no archive{f' of run {uid}' if uid else ''}; it has "
            f"{', '.join(runs) or 'none'}"
        )
    with open_file(Path(path)) as h5:
        for run, where in runs.items():
            if uid is None or run == uid:
                with _damage_told(path):
                    resolve, data = _Resolver(h5, h5[where]), h5[where][()].tobytes()
                yield from read_archive(data, resolve=resolve)


class _Resolver:
    """Finds the arrays that an archive refers to."""

    def __init__(self, h5: h5py.File, archive: h5py.Dataset) -> None:
        self._h5 = h5
        table = h5.get(f"{archive.name}_arrays")
        self._table = [] if table is None else json.loads(table.asstr()[()])

    def __call__(self, ref: ArrayRef) -> np.ndarray[Any, Any]:
        for stream, key, row, n, path, at in self._table:
            if (stream, key) == (ref.stream, ref.key) and row <= ref.row < row + n:
                with _damage_told(self._h5.filename):
                    array: np.ndarray[Any, Any] = self._h5[path][at + ref.row - row]
                if array_crc32(array) != ref.crc32:
                    raise NXstxmValueError(
                        f"{self._h5.filename}: row {ref.row} of {key!r} in {path} does not have "
                        f"its checksum; the file was damaged or changed"
                    )
                return array
        raise NXstxmValueError(
            f"{self._h5.filename}: row {ref.row} of {ref.key!r} of run {ref.run} is not in the file"
        )


@contextmanager
def _damage_told(path: str | Path) -> Iterator[None]:
    """Make one error of the many that HDF5 has for a damaged file."""
    try:
        yield
    except NXstxmError:
        raise
    except H5_ERRORS as error:
        raise NXstxmOSError(
            f"the archive in {path} can not be read ({why(error)}): the file is damaged. "
            f"suitcase.nxstxm.nexus.validate names the parts that are"
        ) from error
