"""Without these tests a correction could be wrong, or be applied to what it does not fit."""

from __future__ import annotations

import pickle
from threading import Lock
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.data import (
    DataCoordinates,
    DataHandler,
    DataProcessor,
    Frame,
    RAMStorage,
    chain,
)
from suitcase.nxstxm.data.processors import (
    dead_time,
    downsample,
    mask,
    normalise,
    region_sum,
    subtract_dark,
)

COORDS = DataCoordinates(energy=1, y=2)


def apply(processor: DataProcessor, data: Any, **metadata: Any) -> np.ndarray:
    data = np.asarray(data)
    before = data.copy()
    [made] = processor(Frame(COORDS, data, metadata))
    assert made.coordinates == COORDS
    assert dict(made.metadata) == metadata
    np.testing.assert_array_equal(data, before)
    return made.data


def test_dead_time_gives_back_what_the_counter_missed() -> None:
    tau, dwell = 1e-6, 1e-3
    true = np.array([[0.0, 100.0], [500.0, 900.0]])
    counted = true / (1 + true * tau / dwell)
    np.testing.assert_allclose(apply(dead_time(tau, dwell), counted), true, rtol=1e-12)
    counts = np.array([0, 10, 999, 1000, 2000], np.uint16)
    found = apply(dead_time(tau, dwell), counts)
    np.testing.assert_allclose(found[:3], [0, 10 / 0.99, 999 / 0.001], rtol=1e-9)
    assert np.isinf(found[3:]).all()


def test_dark_is_subtracted_also_below_zero() -> None:
    frame = np.array([[1, 2], [3, 4]], np.uint16)
    np.testing.assert_array_equal(apply(subtract_dark(2), frame), [[-1, 0], [1, 2]])
    dark = [[0.5, 0.0], [5.0, 1.0]]
    np.testing.assert_array_equal(apply(subtract_dark(dark), frame), [[0.5, 2], [-2, 3]])


def test_normalised_by_the_ring_current() -> None:
    frame = np.array([100, 50])
    np.testing.assert_allclose(apply(normalise(), frame, ring_current=200.0), [0.5, 0.25])
    found = apply(normalise("i0", reference=10), frame, i0=[10.0, 0.0])
    np.testing.assert_array_equal(found, [100, np.inf])
    with pytest.raises(NXstxmError, match=r"has no 'ring_current' in its metadata.*it has i0"):
        apply(normalise(), frame, i0=1)


def test_bad_pixels_are_masked() -> None:
    frame = np.arange(6, dtype=np.uint8).reshape(2, 3)
    bad = np.zeros((2, 3), bool)
    bad[1, 2] = True
    found = apply(mask(bad), frame)
    assert np.isnan(found[1, 2])
    np.testing.assert_array_equal(found[0], [0, 1, 2])
    found = apply(mask(bad, value=0), frame)
    assert (found.dtype, found[1, 2]) == (np.uint8, 0)


def test_an_area_detector_is_summed_over_a_region() -> None:
    frame = np.full((4, 5), 2**15, np.uint16)
    total = apply(region_sum(slice(1, 3), slice(0, 4)), frame)
    assert (int(total), total.shape) == (8 * 2**15, ())
    several = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(np.int32)
    found = apply(region_sum(slice(None), slice(1, 2)), several)
    np.testing.assert_array_equal(found, several[:, :, 1].sum(axis=1))
    np.testing.assert_allclose(apply(region_sum(slice(None), slice(None)), [[0.5, 0.25]]), 0.75)


def test_previews_are_averages() -> None:
    frame = np.arange(20.0).reshape(4, 5)
    np.testing.assert_array_equal(apply(downsample(2), frame), [[3, 5], [13, 15]])
    np.testing.assert_array_equal(apply(downsample(1), frame), frame)


@pytest.mark.parametrize(
    ("processor", "told"),
    [
        (subtract_dark(np.zeros((3, 3))), r"the dark measurement has the shape \(3, 3\)"),
        (mask(np.zeros(2, bool)), r"the mask has the shape \(2,\), the frame \(2, 2\)"),
        (normalise("i0"), r"i0 has the shape \(3,\)"),
        (downsample(3), r"no squares of 3 pixels"),
    ],
)
def test_what_does_not_fit_is_told(processor: DataProcessor, told: str) -> None:
    with pytest.raises(NXstxmError, match=told):
        apply(processor, np.ones((2, 2)), i0=np.ones(3))


def test_a_line_has_no_region_and_no_preview() -> None:
    for processor in (region_sum(slice(0, 1), slice(0, 1)), downsample(2)):
        with pytest.raises(NXstxmError, match=r"shape \(4,\)"):
            apply(processor, np.ones(4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: dead_time(0, 1),
        lambda: dead_time(1e-6, -1),
        lambda: normalise(reference=0),
        lambda: downsample(0),
        lambda: dead_time(float("nan"), 1),
    ],
)
def test_options_without_sense_are_refused(make: Any) -> None:
    with pytest.raises(NXstxmError, match="is not a positive"):
        make()


def test_they_tell_what_they_are_and_work_in_a_row() -> None:
    made = dead_time(1e-6, 1e-3)
    assert repr(made) == "<dead_time 1, tau=1e-06, dwell=0.001>"
    storage = RAMStorage()
    row = [subtract_dark(1), normalise("i0"), downsample(2)]
    with DataHandler(storage, row) as handler:
        for i in range(5):
            handler.put({"i": i}, np.full((4, 4), 1 + 2 * i), {"i0": 2.0})
        handler.finish()
        assert [float(storage.get_data(c).mean()) for c in storage] == [0, 1, 2, 3, 4]


READY = (
    dead_time(1e-6, 1e-3),
    subtract_dark(2),
    normalise("i0", reference=10),
    mask([[True, False], [False, False]]),
    region_sum(slice(0, 1), slice(None)),
    downsample(2),
)


@pytest.mark.parametrize("processor", READY, ids=lambda p: p.name)
def test_a_ready_one_goes_to_other_processes_and_is_copied(processor: DataProcessor) -> None:
    frame = np.array([[1, 2], [3, 4]])
    wanted = apply(processor, frame, i0=5)
    for other in (pickle.loads(pickle.dumps(processor)), processor.fresh()):
        assert other is not processor
        np.testing.assert_array_equal(apply(other, frame, i0=5), wanted)
        assert (other.name, other.version, other.options) == (
            processor.name, processor.version, processor.options,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("only", "is_for"),
    [
        ({}, True),
        ({"energy": 1}, True),
        ({"energy": (0, 1)}, True),
        ({"energy": 2}, False),
        ({"role": "signal"}, True),
        ({"role": {"i0", "camera"}}, False),
        ({"role": "signal", "y": 3}, False),
        ({"nothing": None}, True),
    ],
)
def test_frames_that_it_is_not_for_pass_untouched(only: dict[str, Any], is_for: bool) -> None:
    frame = Frame(COORDS, np.array([3.0]), {"role": "signal"})
    [made] = dead_time(1e-3, 1.0, only=only)(frame)
    assert (made is frame) is not is_for
    processors = chain([dead_time(1e-3, 1.0, only={"y": 99}), dead_time(1e-3, 1.0, only=only)])
    assert processors is not None
    assert processors.concerns(frame) is is_for


def test_what_one_gathers_is_its_own() -> None:
    class Sum:
        def __init__(self) -> None:
            self.total = 0.0

        def __call__(self, *frame: Any) -> None:
            self.total += float(frame[1].sum())

        def finish(self) -> Any:
            return {"channel": "sum"}, self.total, {}

    first = DataProcessor(Sum())
    first(Frame(COORDS, np.array([3.0]), {}))
    second = first.fresh()
    second(Frame(COORDS, np.array([4.0]), {}))
    assert [float(f.data) for f in first.finish()] == [3.0]
    assert [float(f.data) for f in second.finish()] == [7.0]  # a copy of what it was


def test_what_can_not_be_copied_is_told() -> None:
    class Locked:
        def __init__(self) -> None:
            self.lock = Lock()

        def __call__(self, *frame: Any) -> Any:
            return frame

    with pytest.raises(TypeError, match=r"Locked .*can not be copied.*__deepcopy__"):
        DataProcessor(Locked()).fresh()
