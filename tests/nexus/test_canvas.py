"""Without these tests a stack that is too large for the memory could be written with points in the
wrong place, with wrong counts of what is missing, or take room for what never came.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suitcase.nxstxm.nexus import _canvas
from suitcase.nxstxm.nexus._canvas import Canvas
from suitcase.nxstxm.nexus._encoding import CHUNK_BYTES, storage

shapes = st.tuples(*[st.integers(1, 9)] * 3) | st.tuples(*[st.integers(1, 5)] * 4)


@settings(deadline=None, max_examples=150)
@given(
    data=st.data(),
    shape=shapes,
    compression=st.sampled_from(["none", "gzip"]),
    sparse=st.booleans(),
    held=st.integers(1, 2000),
)
def test_points_in_any_order_are_where_they_belong(
    data: st.DataObject, shape: tuple[int, ...], compression: str, sparse: bool, held: int
) -> None:
    n = prod(shape)
    positions = data.draw(st.lists(st.integers(-1, n - 1), max_size=40))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(positions)), max_size=4)))
    wanted = np.full(n, np.nan)
    with (
        pytest.MonkeyPatch.context() as patch,
        h5py.File("x", "w", "core", backing_store=False) as h5,
    ):
        patch.setattr(_canvas, "HELD_BYTES", held)
        patch.setattr(_canvas, "LARGE", 0)
        canvas = Canvas(h5, "data", shape, "counts", compression, sparse=sparse)
        for i, block in enumerate(np.split(np.array(positions, int), cuts)):
            canvas.put(block, np.arange(len(block)) + 100.0 * i)
            for position, value in zip(block, np.arange(len(block)) + 100.0 * i, strict=True):
                if position >= 0:
                    wanted[position] = value
        dataset = canvas.close()
        np.testing.assert_array_equal(dataset[()], wanted.reshape(shape))
        assert canvas.missing == np.isnan(wanted).sum()
        assert dataset.attrs["units"] == "counts"
        assert (dataset.compression == "gzip") == (compression == "gzip")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_stack_that_hardly_began_takes_no_room(compression: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        canvas = Canvas(h5, "data", (500, 1000, 1000), "counts", compression, sparse=True)
        canvas.put(np.arange(3000) + 5 * 10**6, np.ones(3000))
        dataset = canvas.close()
        assert dataset[5, :3].all()
        assert np.isnan(dataset[499, 0, 0])
        assert canvas.missing == 500 * 10**6 - 3000
    assert (tmp_path / "x.h5").stat().st_size < 2**24


@pytest.mark.parametrize(
    "shape", [(100, 200, 200), (500, 512, 512), (3, 2000, 3000), (4, 7, 300, 90)]
)
def test_compressed_chunks_are_a_few_images_deep(shape: tuple[int, ...]) -> None:
    chunks = storage(shape, np.dtype(float), "gzip")["chunks"]
    assert chunks[0] == min(4, shape[0])
    assert 0.3 < prod(chunks) * 8 / CHUNK_BYTES <= 1.01
    # little is stored beyond the edges
    stored = prod(-(-n // c) * c for n, c in zip(shape, chunks, strict=True))
    assert stored < 1.15 * prod(shape)
    assert storage(shape, np.dtype(float)) == {}
