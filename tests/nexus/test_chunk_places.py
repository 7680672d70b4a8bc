"""Frames are written around HDF5: a wrong place would be somebody else's data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm._h5chunks import row_places


@pytest.mark.parametrize("n", [3, 200])
def test_rows_are_where_hdf5_says(n: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        data = h5.create_dataset(
            "data", (5, 8, 2), "u2", chunks=(1, 8, 2), maxshape=(None, 8, 2), dcpl=made
        )
        for i in range(4):  # others lie between them
            h5[f"other{i}"] = np.arange(1000)
            data.resize(5 + (i + 1) * n, 0)
        expected = [
            data.id.get_chunk_info_by_coord((row, 0, 0)).byte_offset for row in range(len(data))
        ]
        assert row_places(data, 0, len(data)) == expected
        assert row_places(data, 4, 4 + n) == expected[4 : 4 + n]
        assert len({*expected}) == len(data)


def test_a_row_without_a_place_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        data = h5.create_dataset("data", (100, 8), "u2", chunks=(1, 8))
        data[:70] = 1
        assert len(row_places(data, 0, 70)) == 70
        with pytest.raises(ValueError, match=r"the chunk at \(70, 0\) has no place"):
            row_places(data, 0, 100)
