"""The contract of a `DataStorage` as tests, to be run through by any storage.

Subclass `StorageContract` in a test module of yours and give it a fixture or a method ``storage``::

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .._errors import NXstxmKeyError, NXstxmStateError
from ._coordinates import DataCoordinates
from ._storage import DataStorage


def _raised(work: Any, *arguments: Any) -> BaseException | None:
    try:
        work(*arguments)
    except Exception as error:  # noqa: BLE001 - it is what is looked at
        return error
    return None


class StorageContract:
    """Tests of what every storage promises; `frame` may be overridden for odd dtypes."""

    def frame(self, number: int) -> np.ndarray[Any, Any]:
        """Make an array that differs from others."""
        return np.arange(100 * number, 100 * number + 12).astype(np.uint16).reshape(3, 4)

    def test_what_was_put_is_readable_at_once(self, storage: DataStorage) -> None:
        """Data and metadata come back, by coordinates in any order of axes."""
        for number in range(5):
            coords = DataCoordinates(energy=number, y=1, region="entry0")
            assert coords not in storage
            assert storage.put(coords, self.frame(number), {"n": number}) is False
            again = DataCoordinates(region="entry0", y=1, energy=number)
            assert again in storage
            found = storage.get_data(again)
            np.testing.assert_array_equal(found, self.frame(number), strict=True)
            assert dict(storage.get_metadata(again)) == {"n": number}

    def test_the_same_coordinates_replace_and_say_so(self, storage: DataStorage) -> None:
        """The later of two counts."""
        coords = DataCoordinates(time=1)
        assert storage.put(coords, self.frame(1), {"a": 1}) is False
        assert storage.put(coords, self.frame(2), {"b": 2}) is True
        np.testing.assert_array_equal(storage.get_data(coords), self.frame(2))
        assert dict(storage.get_metadata(coords)) == {"b": 2}

    def test_values_of_all_kinds_tell_data_apart(self, storage: DataStorage) -> None:
        """Integers, floats and text; an axis more or less."""
        kinds = [
            DataCoordinates(a=1),
            DataCoordinates(a=1.5),
            DataCoordinates(a="1"),
            DataCoordinates(a=1, b=0),
            DataCoordinates(b=1),
            DataCoordinates(),
        ]
        for number, coords in enumerate(kinds):
            assert storage.put(coords, self.frame(number), {}) is False
        for number, coords in enumerate(kinds):
            np.testing.assert_array_equal(storage.get_data(coords), self.frame(number))

    def test_what_is_missing_is_a_key_error_that_names_it(self, storage: DataStorage) -> None:
        """Also where some of the axes are there."""
        storage.put(DataCoordinates(energy=1, y=2), self.frame(1), {})
        for coords in (DataCoordinates(energy=1), DataCoordinates(energy=1, y=3)):
            assert coords not in storage
            for get in (storage.get_data, storage.get_metadata):
                error = _raised(get, coords)
                assert isinstance(error, NXstxmKeyError), error
                assert all(f"{name}" in str(error) for name in coords), error

    def test_nothing_is_put_after_finish_and_all_is_read(self, storage: DataStorage) -> None:
        """Finishing again is harmless."""
        coords = DataCoordinates(energy=1)
        storage.put(coords, self.frame(1), {"n": 1})
        storage.finish()
        storage.finish()
        error = _raised(storage.put, DataCoordinates(energy=2), self.frame(2), {})
        assert isinstance(error, NXstxmStateError), error
        assert DataCoordinates(energy=2) not in storage
        np.testing.assert_array_equal(storage.get_data(coords), self.frame(1))
        assert dict(storage.get_metadata(coords)) == {"n": 1}
        storage.close()
        storage.close()

    def test_many_threads_put_and_read(self, storage: DataStorage) -> None:
        """Each finds what it put."""

        def work(thread: int) -> None:
            for number in range(20):
                coords = DataCoordinates(thread=thread, number=number)
                storage.put(coords, self.frame(thread * 20 + number), {"n": number})
                found = storage.get_data(coords)
                np.testing.assert_array_equal(found, self.frame(thread * 20 + number))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        for thread in range(4):
            found = storage.get_data(DataCoordinates(thread=thread, number=7))
            np.testing.assert_array_equal(found, self.frame(thread * 20 + 7))
