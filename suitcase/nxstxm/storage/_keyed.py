"""Any frontend as a data storage: frames under one key, labelled with coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from ..data import DataCoordinates, DataStorage, NXstxmStateError, missing
from ._attributes import of_json
from ._dtypes import AnyArray
from ._errors import DataNotAvailable
from ._frontend import StorageFrontend
from ._key import DataKey
from ._kinds import Framed
from ._loading import StoredData
from ._metadata import ChunkInfo
from ._saver import Saver


class KeyedStorage(DataStorage):
    """Keeps the frames of a `DataHandler` as data of one key.

    Each frame is a chunk. While frames come, only this process sees them; after `finish` they are
    there for everybody, under their key. A storage of a key that is there already gives what is
    stored, and takes nothing.

    Parameters
    ----------
    frontend : StorageFrontend
        Where.
    key : DataKey
        Under which key.
    metadata : Mapping, optional
        What is to be known of it, besides.
    **options
        As of `StorageFrontend.saver`.

    Raises
    ------
    DataLockedError
        Another writer saves these data.
    OptionError
        Nothing can be saved there.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.data import DataCoordinates
    >>> from suitcase.nxstxm.storage import DataKey, KeyedStorage, MemoryFrontend
    >>> frontend = MemoryFrontend()
    >>> key = DataKey("a1b2", "frames", {"frames": ("camera", "1", {})})
    >>> storage = KeyedStorage(frontend, key)
    >>> storage.put(DataCoordinates(energy=3), np.ones((2, 2)), {"exposure": 0.1})
    False
    >>> storage.finish()
    >>> KeyedStorage(frontend, key)[{"energy": 3}].sum()
    4.0
    """

    def __init__(
        self,
        frontend: StorageFrontend,
        key: DataKey,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.key = key
        self.frontend = frontend
        self._lock = Lock()
        self._saver: Saver | None = None
        self._stored: StoredData | None = None
        #: Where frames are: the number of their chunk, and their metadata.
        self._frames: dict[DataCoordinates, tuple[int, Mapping[str, Any]]] = {}
        self._finished = False
        try:
            self._open()
        except DataNotAvailable:
            self._saver = frontend.saver(key, metadata, **options)

    def _open(self) -> None:
        self._stored = self.frontend.open(self.key)
        for info in self._stored.chunks:  # of two with the same coordinates the later counts
            coords, about = _label(info)
            self._frames[coords] = (info.index, about)

    def put(self, coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> bool:
        """Store a frame; see `DataStorage.put`."""
        saver = self._saver
        if saver is None or self._finished:
            raise NXstxmStateError(f"{coords} can not be stored: {self.key} is finished")
        label = {"coords": dict(coords), "metadata": dict(metadata)}
        index = saver.save(Framed(data), label=label)
        with self._lock:
            replaced = coords in self._frames
            if not replaced or self._frames[coords][0] < index:
                self._frames[coords] = (index, dict(metadata))
        return replaced

    def get_data(self, coords: DataCoordinates) -> AnyArray:
        """Give a frame; see `DataStorage.get_data`."""
        index, _ = self._frame(coords)
        if self._stored is not None:
            framed: Framed = self._stored.read(self._stored.chunks[index])
        else:
            assert self._saver is not None
            framed = self._saver.read_back(index)
        return framed.data

    def get_metadata(self, coords: DataCoordinates) -> Mapping[str, Any]:
        """Give the metadata of a frame; see `DataStorage.get_metadata`."""
        return self._frame(coords)[1]

    def _frame(self, coords: DataCoordinates) -> tuple[int, Mapping[str, Any]]:
        with self._lock:
            if coords not in self._frames:
                raise missing(coords)
            return self._frames[coords]

    def __contains__(self, coords: object) -> bool:
        """Tell whether there is such a frame."""
        with self._lock:
            return coords in self._frames

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._frames)

    def finish(self) -> None:
        """Take nothing more; the data are available under their key from now on.

        Without any frame there are no data.
        """
        with self._lock:
            finished, self._finished = self._finished, True
        if finished or self._saver is None:
            return
        if not self._frames:
            self._saver.discard()
            return
        self._saver.close()
        self._stored = self.frontend.open(self.key)

    def close(self) -> None:
        """Finish, and forget what is known of frames."""
        self.finish()
        with self._lock:
            self._frames = {}


def _label(info: ChunkInfo) -> tuple[DataCoordinates, Mapping[str, Any]]:
    label = of_json(info.label) if isinstance(info.label, Mapping) else {}
    return DataCoordinates(label.get("coords", {"chunk": info.index})), label.get("metadata", {})
