"""Frames of a running scan can go to any frontend, and a DataStorage promises to keep them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.data import (
    DataCoordinates,
    DataHandler,
    DataStorage,
    NXstxmStateError,
)
from suitcase.nxstxm.data.testing import StorageContract
from suitcase.nxstxm.storage import (
    DataDirectory,
    DataKey,
    DataLockedError,
    FsspecDirectory,
    KeyedStorage,
    MemoryFrontend,
    SQLiteFrontend,
    StorageFrontend,
)

KEY = DataKey("a-run", "frames", {"frames": ("camera", "1", {"dark": 3.0})})


def frontends(tmp_path: Path) -> dict[str, Any]:
    return {
        "directory": lambda: DataDirectory(tmp_path / "store", durable=False),
        "memory": MemoryFrontend,
        "fsspec": lambda: FsspecDirectory(f"memory://{tmp_path.name}"),
        "sqlite": lambda: SQLiteFrontend(
            tmp_path / "data.sqlite", {"disk": DataDirectory(tmp_path / "disk", durable=False)}
        ),
    }


@pytest.fixture(params=["directory", "memory", "fsspec", "sqlite"])
def frontend(request: pytest.FixtureRequest, tmp_path: Path) -> StorageFrontend:
    made: StorageFrontend = frontends(tmp_path)[request.param]()
    return made


class TestKeyedStorage(StorageContract):
    @pytest.fixture
    def storage(self, frontend: StorageFrontend) -> Iterator[DataStorage]:
        with KeyedStorage(frontend, KEY) as storage:
            yield storage


def test_frames_are_there_for_others_when_it_is_finished(frontend: StorageFrontend) -> None:
    storage = KeyedStorage(frontend, KEY, {"sample": "Au"})
    frames = {
        DataCoordinates(energy=0): np.ones((2, 3), np.uint16),
        DataCoordinates(energy=1, region="a"): np.arange(5.0),  # of another shape and dtype
        DataCoordinates(energy=2): np.array(7),
    }
    for number, (coords, data) in enumerate(frames.items()):
        storage.put(coords, data, {"number": number, "list": [1.5, np.float32(2.0)]})
    storage.put(DataCoordinates(energy=0), np.zeros((2, 3)), {"again": True})
    assert KEY not in frontend
    storage.finish()
    assert KEY in frontend
    again = KeyedStorage(frontend, KEY)
    assert len(again) == 3
    frames[DataCoordinates(energy=0)] = np.zeros((2, 3))
    for coords, data in frames.items():
        np.testing.assert_array_equal(again[coords], data, strict=True)
    assert dict(again.get_metadata(DataCoordinates(energy=0))) == {"again": True}
    assert again.get_metadata(DataCoordinates(energy=2)) == {"number": 2, "list": [1.5, 2.0]}
    assert frontend.get_metadata(KEY).extra == {"sample": "Au"}
    with pytest.raises(NXstxmStateError, match="is finished"):
        again.put(DataCoordinates(energy=3), np.ones(1), {})


def test_a_handler_fills_it(frontend: StorageFrontend) -> None:
    with DataHandler(KeyedStorage(frontend, KEY), lambda c, d, m: (c, d * 2, m)) as handler:
        for energy in range(10):
            handler.put({"energy": energy}, np.full(3, energy), {})
        handler.finish()
    stored = KeyedStorage(frontend, KEY)
    assert [int(stored[{"energy": e}][0]) for e in range(10)] == list(range(0, 20, 2))


def test_without_frames_nothing_is_left(frontend: StorageFrontend) -> None:
    KeyedStorage(frontend, KEY).finish()
    assert KEY not in frontend
    assert not list(frontend.locations())
    with KeyedStorage(frontend, KEY) as storage:
        storage.put(DataCoordinates(a=1), np.ones(1), {})
    assert KEY in frontend


def test_two_can_not_write_the_same(frontend: StorageFrontend) -> None:
    first = KeyedStorage(frontend, KEY)
    with pytest.raises(DataLockedError):
        KeyedStorage(frontend, KEY)
    first.close()
