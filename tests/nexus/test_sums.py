"""Without this test the picture of a camera could be wrong by a rounding, or an overflow."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from suitcase.nxstxm.documents import Frames
from suitcase.nxstxm.nexus._record import frame_sums

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", ">u2", ">f4")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)


def exact(frame: Any) -> float:
    values = np.abs(frame) if frame.dtype.kind == "c" else frame
    return fsum(values.astype(float).ravel().tolist())


@given(data=st.data(), dtype=st.sampled_from(DTYPES), shape=SHAPES)
def test_a_frame_is_summed_exactly(data: st.DataObject, dtype: str, shape: Any) -> None:
    kind = np.dtype(dtype).kind
    elements = {} if kind not in "fc" else {"elements": st.integers(-1000, 1000)}
    frames = data.draw(hnp.arrays(np.dtype(dtype), shape, **elements))
    found = frame_sums(frames)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [exact(frame) for frame in frames], rtol=1e-6)
    if kind in "iub" and np.dtype(dtype).itemsize < 8:
        np.testing.assert_array_equal(found, [exact(frame) for frame in frames])
    if len(frames) and frames.ndim > 1:
        np.testing.assert_array_equal(frame_sums(Frames(list(frames))), found)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("shape", [(1, 2, 40_000), (1, 40_000, 3), (2, 300, 2**15)])
def test_the_brightest_frame_does_not_overflow(dtype: str, shape: tuple[int, ...]) -> None:
    limits = np.iinfo(dtype)
    for value in (limits.max, limits.min):
        frames = np.full(shape, value, dtype)
        wanted = float(value) * np.prod(shape[1:])
        np.testing.assert_array_equal(frame_sums(frames), np.full(shape[0], wanted))
