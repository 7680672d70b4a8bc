"""Without these tests a storage could lose, mix or hide data that it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.data import DataCoordinates, DataStorage, RAMStorage
from suitcase.nxstxm.data.testing import StorageContract


class TestRAMStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> DataStorage:
        return RAMStorage()


def test_a_storage_without_methods_can_not_be_made() -> None:
    class Nothing(DataStorage):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()  # type: ignore[abstract]


class Forgetful(RAMStorage):
    def get_data(self, coords: DataCoordinates) -> Any:
        return super().get_data(coords) * 2


class Silent(RAMStorage):
    def put(self, coords: DataCoordinates, data: Any, metadata: Any) -> bool:
        super().put(coords, data, metadata)
        return False


class Open(RAMStorage):
    def finish(self) -> None:
        pass


@pytest.mark.parametrize(
    ("storage", "test"),
    [
        (Forgetful, "test_what_was_put_is_readable_at_once"),
        (Silent, "test_the_same_coordinates_replace_and_say_so"),
        (Open, "test_nothing_is_put_after_finish_and_all_is_read"),
    ],
)
def test_the_contract_finds_what_breaks_it(storage: type[DataStorage], test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(StorageContract(), test)(storage())


def test_memory_lists_what_it_has_and_takes_dicts() -> None:
    with RAMStorage() as storage:
        for i in range(3):
            storage.put(DataCoordinates(i=i), np.full(2, i), {})
        assert list(storage) == [{"i": 0}, {"i": 1}, {"i": 2}]
        assert len(storage) == 3
        assert {"i": 1} in storage
        assert 3 not in storage
        np.testing.assert_array_equal(storage[{"i": 1}], [1, 1])
    assert len(storage) == 0
