"""Frames that a process which died had put into the file that it did not finish."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from .._errors import NXstxmValueError
from ._frame_file import read_placed
from ._packing import ArrayRef, PlacedRef


class PlacedFrames:
    """Reads them where the journals say that they are.

    Parameters
    ----------
    top : Path
        The folder of the writer; nothing outside of it is read.
    rescue : Path
        What has them when somebody removed the file meanwhile.
    """

    def __init__(self, top: Path, rescue: Path) -> None:
        self._top = top.resolve()
        self._rescue = rescue
        self._files: dict[str, Any] = {}

    def read(self, ref: ArrayRef) -> object:
        """Give the array of a reference; its checksum is for the reader of the journal.

        Raises
        ------
        OSError, ValueError
            It is lost.
        """
        if not isinstance(ref, PlacedRef):
            raise NXstxmValueError(f"{ref} says not where in a file its array is")
        file = self._files.get(ref.file)
        if file is None:
            file = self._files[ref.file] = self._path(ref.file).open("rb", buffering=0)
        return read_placed(file, ref)

    def _path(self, name: str) -> Path:
        if self._rescue.exists():
            return self._rescue
        path = (self._top / PurePosixPath(name)).resolve()
        if not path.is_relative_to(self._top):
            raise NXstxmValueError(
                f"a journal says that frames are in {name!r}, outside its folder"
            )
        return path

    def clear(self) -> None:
        """Remove the files that were read: all that is in them is in the finished file."""
        self.close()
        for name in self._files:
            path = (self._top / PurePosixPath(name)).resolve()
            if path.is_relative_to(self._top) and path.suffix == ".tmp":
                with suppress(OSError):
                    path.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
