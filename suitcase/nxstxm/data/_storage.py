"""What takes frames and gives them back: the contract, and the memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import NXstxmKeyError, NXstxmStateError
from ._coordinates import DataCoordinates, coordinates

AnyArray = npt.NDArray[Any]
Metadata = Mapping[str, Any]


class DataStorage(ABC):
    """A place for data that are labelled with coordinates.

    A storage may be used by several threads at once. `StorageContract` in
    ``suitcase.nxstxm.data.testing`` tests what is promised here.
    """

    @abstractmethod
    def put(self, coords: DataCoordinates, data: AnyArray, metadata: Metadata) -> bool:
        """Store data; they can be read when this returns.

        Parameters
        ----------
        coords : DataCoordinates
            Where they belong.
        data : ndarray
            The data, not to be changed by anybody afterwards.
        metadata : Mapping
            What is to be known of them.

        Returns
        -------
        bool
            Whether data of these coordinates were there before and have been replaced.

        Raises
        ------
        NXstxmStateError
            After `finish`.
        """

    @abstractmethod
    def get_data(self, coords: DataCoordinates) -> AnyArray:
        """Give the data.

        Raises
        ------
        NXstxmKeyError
            There are none of these coordinates; the message names them.
        """

    @abstractmethod
    def get_metadata(self, coords: DataCoordinates) -> Metadata:
        """Give the metadata; as `get_data`."""

    @abstractmethod
    def __contains__(self, coords: object) -> bool:
        """Tell whether there are data of these coordinates."""

    @abstractmethod
    def finish(self) -> None:
        """Take nothing more; what is there can still be read. Again is harmless."""

    @abstractmethod
    def close(self) -> None:
        """Finish, and let go of files and memory. Again is harmless."""

    def __getitem__(self, coords: Mapping[str, Any]) -> AnyArray:
        """Give the data of coordinates, which may be a dict."""
        return self.get_data(coordinates(coords))

    def __enter__(self) -> DataStorage:
        """Give the storage itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class RAMStorage(DataStorage):
    """Keeps data in memory."""

    def __init__(self) -> None:
        self._frames: dict[DataCoordinates, tuple[AnyArray, Metadata]] = {}
        self._lock = Lock()
        self._finished = False

    def put(self, coords: DataCoordinates, data: AnyArray, metadata: Metadata) -> bool:
        """Store data; see `DataStorage.put`."""
        if self._finished:
            raise NXstxmStateError(f"{coords} can not be stored: the storage is finished")
        with self._lock:
            replaced = coords in self._frames
            self._frames[coords] = (data, metadata)
        return replaced

    def get_data(self, coords: DataCoordinates) -> AnyArray:
        """Give the data; see `DataStorage.get_data`."""
        return self._frame(coords)[0]

    def get_metadata(self, coords: DataCoordinates) -> Metadata:
        """Give the metadata; see `DataStorage.get_metadata`."""
        return self._frame(coords)[1]

    def _frame(self, coords: DataCoordinates) -> tuple[AnyArray, Metadata]:
        try:
            return self._frames[coords]
        except KeyError:
            raise missing(coords) from None

    def __contains__(self, coords: object) -> bool:
        """Tell whether there are data of these coordinates."""
        return isinstance(coords, Mapping) and coordinates(coords) in self._frames

    def __iter__(self) -> Iterator[DataCoordinates]:
        """Give the coordinates of what is stored, in the order in which they came first."""
        return iter(list(self._frames))

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._frames)

    def finish(self) -> None:
        """Take nothing more."""
        self._finished = True

    def close(self) -> None:
        """Finish, and forget everything."""
        self.finish()
        with self._lock:
            self._frames = {}


def missing(coords: Mapping[str, Any]) -> NXstxmKeyError:
    """Make the error for coordinates of which there are no data."""
    return NXstxmKeyError(f"there are no data at {coords}")


def as_array(data: Any) -> AnyArray:
    """Give data as an array, as they are where they are one."""
    return data if isinstance(data, np.ndarray) else np.asarray(data)
