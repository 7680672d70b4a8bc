"""Without these tests frames that are not copied into one array could be read as other frames."""

import numpy as np
import pytest

from suitcase.nxstxm.documents import Frames


def test_frames_read_like_the_array_they_would_make():
    arrays = [np.arange(6.0).reshape(2, 3) + 10 * i for i in range(4)]
    frames, whole = Frames(arrays), np.stack(arrays)
    assert (frames.shape, frames.dtype, frames.ndim) == (whole.shape, whole.dtype, whole.ndim)
    assert (len(frames), frames.nbytes) == (len(whole), whole.nbytes)
    np.testing.assert_array_equal(frames, whole)
    np.testing.assert_array_equal(list(frames), whole)
    for index in (slice(None), slice(1, 3), slice(-1, None), slice(9, 12), slice(None, None, 2)):
        found = frames[index]
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(found, whole[index], strict=True)
    np.testing.assert_array_equal(frames[-1], whole[-1])
    np.testing.assert_array_equal(np.asarray(frames, np.int32), whole.astype(np.int32))


def test_frames_are_not_copied_until_somebody_asks():
    arrays = [np.zeros((2, 2)), np.ones((2, 2))]
    frames = Frames(arrays)
    assert frames[1] is arrays[1]
    with pytest.raises(ValueError, match="without a copy"):
        frames.__array__(copy=False)


@pytest.mark.parametrize("dtype", [">f8", "<u2", "=i4"])
def test_frames_come_in_the_byte_order_of_the_machine(dtype):
    arrays = [np.arange(4, dtype=dtype).reshape(2, 2) + i for i in range(2)]
    native = Frames(arrays).in_native_order()
    assert native.dtype.isnative
    np.testing.assert_array_equal(np.asarray(native), np.stack(arrays))
