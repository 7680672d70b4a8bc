"""The documents of a run that was written here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from .._errors import NXstxmKeyError, NXstxmOSError, NXstxmValueError
from ..documents import ArrayRef, read_archive
from ._run import ARCHIVE, LAST
from ._stream import KEY, STREAM


def documents(run: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the documents of a run.

    Parameters
    ----------
    run : str or Path
        Its folder, ``.../raw/r0001``.

    Yields
    ------
    name, document
        As they came.

    Raises
    ------
    NXstxmOSError
        There is no such folder, or a file can not be read.
    NXstxmValueError
        The run was written by somebody else, or is damaged.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise NXstxmOSError(f"{folder} is no folder of a run")
    found = sorted(folder.glob(f"*-{LAST}-S00000.h5"))
    if not found:
        raise NXstxmValueError(
            f"{folder} has no file *-{LAST}-S00000.h5, which has the documents of a run "
            f"that suitcase.nxstxm wrote and completed"
        )
    with h5py.File(found[0], "r") as h5:
        if ARCHIVE not in h5:
            raise NXstxmValueError(f"{found[0]} has no {ARCHIVE}")
        data = h5[ARCHIVE][0].tobytes()
    arrays = _Arrays(folder)
    try:
        yield from read_archive(io.BytesIO(data), resolve=arrays)
    finally:
        arrays.close()


class _Arrays:
    """Finds the arrays to which an archive refers, one file open at a time."""

    def __init__(self, folder: Path) -> None:
        self._rows: dict[tuple[str, str], list[tuple[Path, str, int]]] = {}
        self._h5: h5py.File | None = None
        self._path: Path | None = None
        for path in sorted(folder.glob("*.h5")):
            with h5py.File(path, "r") as h5:
                home = h5.get("INSTRUMENT")
                if isinstance(home, h5py.Group):
                    home.visititems(lambda _, node, at=path: self._note(at, node))

    def _note(self, path: Path, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and STREAM in node.attrs:
            where = node.attrs[STREAM], node.attrs[KEY]
            self._rows.setdefault(where, []).append((path, node.name, len(node)))

    def __call__(self, ref: ArrayRef) -> Any:
        row = ref.row
        for path, name, n in self._rows.get((ref.stream, ref.key), ()):
            if row < n:
                return self._open(path)[name][row]
            row -= n
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
