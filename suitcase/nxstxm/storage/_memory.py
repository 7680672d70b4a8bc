"""Data in the memory of this process: what is needed again at once, and tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._frontend import Location, StorageFrontend
from ._key import DataKey
from ._memory_backend import MemoryBackend
from ._metadata import sealed_run, unsealed_run
from ._places import place_of


class MemoryFrontend(StorageFrontend):
    """Data in memory.

    The arrays of each chunk are kept as copies that nobody can write to: neither who saves may
    change them afterwards, nor who loads. What is loaded shares them where it is one chunk.

    They are there as long as the frontend is, and for this process alone.

    Parameters
    ----------
    **options
        As of `StorageFrontend`.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataKey, MemoryFrontend
    >>> store = MemoryFrontend()
    >>> key = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {"dark": 0.0})})
    >>> store.save(key, np.arange(6.0).reshape(2, 3))
    >>> store.load(key, rows=(1, 2))
    array([[3., 4., 5.]])
    """

    usual_priority = 0.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.backend = MemoryBackend()
        self._told: dict[str, bytes] = {}

    def _locate(self, key: DataKey) -> Location | None:
        place = place_of(key)
        return Location(self.backend, place) if place in self.backend else None

    def _place(self, key: DataKey) -> Location:
        return Location(self.backend, place_of(key))

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        for backend_key, metadata in self.backend.all():
            if run_id in (None, metadata.run_id) and data_type in (None, metadata.data_type):
                yield Location(self.backend, backend_key)

    # -- runs --------------------------------------------------------------------------------------

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        raw = self._told.get(run_id)
        if raw is None:
            return None
        return unsealed_run(raw, f"run {run_id!r} in {self}")

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        # as text: the same values are taken as elsewhere, and nobody can change them afterwards
        self._told[run_id] = sealed_run(run_id, metadata)

    def _runs(self) -> Iterator[str]:
        yield from sorted(self._told)
