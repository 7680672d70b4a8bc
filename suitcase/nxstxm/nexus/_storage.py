"""The NXstxm file as a storage of frames: when it is finished, and while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from .._errors import NXstxmKeyError, NXstxmStateError, NXstxmTypeError
from .._h5tree import open_file
from ..data import DataCoordinates, DataStorage, Frame
from ._finished import read_part
from ._live import read_live
from ._record import AnyArray

if TYPE_CHECKING:
    from ._staging import RunStage

Metadata = Mapping[str, Any]


class NXstxmStorage(DataStorage):
    """Gives parts of an NXstxm file by their coordinates.

    Parameters
    ----------
    path : str or Path
        A finished file, which is only read. Of a run that is being written `Serializer.storage` is
        such a storage.

    Raises
    ------
    NXstxmOSError
        There is no such file, or it is no HDF5 file.

    Notes
    -----
    Coordinates are indices along the axes of an entry. What they leave open is a dimension of the
    data: ``storage[{"energy": 3}]`` is an image of a stack, ``storage[{}]`` all of it. ``region``
    names an entry where there are several (its attribute ``region``, or its name), ``channel`` a
    detector other than the first. Of a run that is being written frames come back as they were put,
    and parts of pictures with NaN where nothing came yet.

    Examples
    --------
    >>> from suitcase.nxstxm import export_scan
    >>> from suitcase.nxstxm.sim import ScanRequest, scan_documents
    >>> path = export_scan(scan_documents(ScanRequest(scan_type=7, energies=(700.0, 705.5))), ".")
    >>> with NXstxmStorage(path) as storage:
    ...     image = storage[{"energy": 1}]
    """

    _h5: h5py.File | None = None
    _closed = False

    def __init__(self, path: str | Path) -> None:
        if not isinstance(path, (str, Path)):
            raise NXstxmTypeError(
                f"a storage is over the path of a file, not a {type(path).__name__}; of a run that "
                f"is being written it is Serializer.storage"
            )
        self._h5 = open_file(Path(path).expanduser())

    def get_data(self, coords: DataCoordinates) -> AnyArray:
        """Give the data; see `DataStorage.get_data`."""
        return self._read(coords)[0]

    def get_metadata(self, coords: DataCoordinates) -> Metadata:
        """Give the metadata; of a finished file unit, data key and role of the detector."""
        return self._read(coords)[1]

    def __contains__(self, coords: object) -> bool:
        """Tell whether there is something at coordinates."""
        if not isinstance(coords, Mapping):
            return False
        try:
            self._read(DataCoordinates(coords))
        except NXstxmKeyError:
            return False
        return True

    def _read(self, coords: DataCoordinates) -> tuple[AnyArray, Metadata]:
        if self._closed or self._h5 is None:
            raise closed(coords)
        return read_part(self._h5, coords)

    def put(
        self,
        coords: DataCoordinates,
        data: AnyArray,  # noqa: ARG002 - a storage takes them
        metadata: Metadata,  # noqa: ARG002
    ) -> bool:
        """Refuse a frame: the file is finished."""
        raise NXstxmStateError(f"{coords} can not be stored: the file is finished")

    def finish(self) -> None:
        """Do nothing: nothing can be put."""

    def close(self) -> None:
        """Finish, and close the file."""
        self.finish()
        self._closed = True
        h5, self._h5 = self._h5, None
        if h5 is not None:
            h5.close()


class RunStorage(NXstxmStorage):
    """Gives, and takes, parts of a run that is being written; its file once that is finished.

    Parameters
    ----------
    stage : RunStage
        The run.
    """

    def __init__(self, stage: RunStage) -> None:
        self._stage = stage

    def _read(self, coords: DataCoordinates) -> tuple[AnyArray, Metadata]:
        if self._closed:
            raise closed(coords)
        path = self._published()
        if path is None:
            try:
                return read_live(self._stage, coords)
            except NXstxmStateError:
                path = self._published()
                if path is None:
                    raise  # else it was finished in this moment
        with open_file(path) as h5:
            return read_part(h5, coords)

    def _published(self) -> Path | None:
        """Give the finished file of the run, once there is one."""
        file = self._stage.file
        return None if file is None else file.published

    def put(self, coords: DataCoordinates, data: AnyArray, metadata: Metadata) -> bool:
        """Store a frame; see `DataStorage.put`."""
        if self._closed:
            raise NXstxmStateError(f"{coords} can not be stored: the storage is closed")
        return self._stage.frames.put(Frame(coords, data, metadata))

    def finish(self) -> None:
        """Take nothing more; the file itself is finished by the stop document of its run."""
        self._stage.frames.finish()


def closed(coords: DataCoordinates) -> NXstxmStateError:
    """Make the error of who reads from a storage that is closed."""
    return NXstxmStateError(f"{coords} can not be read: the storage is closed")
