"""The documents of a run."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from .._errors import NXstxmError, NXstxmKeyError, NXstxmOSError, NXstxmValueError
from .._h5tree import H5_ERRORS, why
from ..documents import ArrayRef, read_archive
from ._devices import KEY, SPLIT, STREAM
from ._foreign import foreign_documents, is_whole, opened_run
from ._last import ARCHIVE
from ._place import LAST, UNFINISHED


def documents(run: Any) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """Give the documents of a run.

    Parameters
    ----------
    run : str, Path or DataCollection
        Its folder, ``.../raw/r0001``; or what EXtra-data opened: of a selection of a run what can
        be said of it is given, whoever wrote it.

    Yields
    ------
    name, document
        Of a run that was written here, and completed, its documents as they came; of one that is
        not complete yet the ``exit_status`` is "abort". Of any other
        what can be said of it: sources that have data for the same trains are a stream, each of
        these trains an event.

    Raises
    ------
    NXstxmOSError
        There is no such folder, or a file can not be read.
    NXstxmValueError
        The run is damaged, or has no data.
    ImportError
        The run is another's, and EXtra-data is not installed.
    """
    folder = _folder_of(run)
    last = None if folder is None else archive_of(folder)
    if folder is not None and last is not None:
        yield from _archived(folder, last)
        return
    is_ours = folder is not None and _is_begun(folder)
    for name, doc in foreign_documents(opened_run(run)):
        if name == "stop" and is_ours:
            doc |= {"exit_status": "abort", "reason": "the run is not complete"}
        yield name, doc


def _folder_of(run: Any) -> Path | None:
    """Find the folder of a run; None of what EXtra-data opened, unless it is all of one of ours."""
    if isinstance(run, (str, Path)):
        folder = Path(run)
        if not folder.exists():
            raise NXstxmOSError(f"{folder} is no folder of a run")
        if folder.is_dir() and not any(folder.glob("*.h5")):
            raise NXstxmValueError(f"{folder} has no files *.h5, as runs have")
        return folder
    opened = opened_run(run)
    folders = {Path(file.filename).resolve().parent for file in opened.files}
    if len(folders) != 1:
        return None
    [folder] = folders
    is_ours = archive_of(folder) is not None or _is_begun(folder)
    return folder if is_ours and is_whole(opened, folder) else None


def _is_begun(folder: Path) -> bool:
    return any(folder.glob(f"{UNFINISHED}*"))


def archive_of(folder: Path) -> Path | None:
    """Find the file with the documents of a run that was written here; None of another's."""
    for path in sorted(folder.glob(f"*-{LAST}-S00000.h5")):
        try:
            with h5py.File(path, "r") as h5:
                if ARCHIVE in h5:
                    return path
        except OSError as error:
            raise NXstxmOSError(f"{path} can not be read ({error})") from error
    return None


def _archived(folder: Path, last: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    arrays: _Arrays | None = None
    try:
        with h5py.File(last, "r") as h5:
            data = h5[ARCHIVE][0].tobytes()
        arrays = _Arrays(folder)
        yield from read_archive(io.BytesIO(data), resolve=arrays)
    except NXstxmError:
        raise
    except H5_ERRORS as error:
        raise NXstxmOSError(f"{folder} can not be read: {why(error)}") from error
    finally:
        if arrays is not None:
            arrays.close()


@dataclass(frozen=True)
class _Rows:
    """Rows of a data key in one file; where they are parts of arrays, how many each array has."""

    path: Path
    name: str
    n: int
    counts: Mapping[int, int] | None


class _Arrays:
    """Finds the arrays to which an archive refers, one file open at a time."""

    def __init__(self, folder: Path) -> None:
        self._rows: dict[tuple[str, str], list[_Rows]] = {}
        self._h5: h5py.File | None = None
        self._path: Path | None = None
        for path in sorted(folder.glob("*.h5")):
            with h5py.File(path, "r") as h5:
                home = h5.get("INSTRUMENT")
                if isinstance(home, h5py.Group):
                    home.visititems(lambda _, node, at=path: self._note(at, node))

    def _note(self, path: Path, node: Any) -> None:
        if not isinstance(node, h5py.Dataset) or STREAM not in node.attrs:
            return
        counts = None
        if SPLIT in node.attrs:
            index = node.file[node.parent.name.replace("/INSTRUMENT/", "/INDEX/", 1)]
            counts = dict(
                zip(index["first"][()].tolist(), index["count"][()].tolist(), strict=True)
            )
        where = node.attrs[STREAM], node.attrs[KEY]
        self._rows.setdefault(where, []).append(_Rows(path, node.name, len(node), counts))

    def __call__(self, ref: ArrayRef) -> Any:
        row = ref.row
        for rows in self._rows.get((ref.stream, ref.key), ()):
            if row < rows.n:
                dataset = self._open(rows.path)[rows.name]
                if rows.counts is None:
                    return dataset[row]
                return dataset[row : row + rows.counts[row]]
            row -= rows.n
        raise NXstxmKeyError(f"no file has {ref}")

    def _open(self, path: Path) -> h5py.File:
        if self._h5 is None or self._path != path:
            self.close()
            self._h5, self._path = h5py.File(path, "r"), path
        return self._h5

    def close(self) -> None:
        if self._h5 is not None:
            self._h5.close()
            self._h5 = None
