"""Without these tests arrays of a device that changes them could be others than were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import EuXFELWriter, Serializer, documents, export, validate

from .runs import Documents, arange, array, folder_of, number, opened, problems, run_of, stream_of


def round_trip(run: Documents, home: Path, **options: Any) -> Path:
    """Write a run, and see that it is whole, for everybody."""
    folder = folder_of(export(run, home, **options))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    return folder


def rows(folder: Path, key: str = "a") -> Any:
    return opened(folder)[f"STXM/primary/{key}:output", f"data.{key}"]


def messages(folder: Path) -> str:
    return str(opened(folder).get_run_value("BLUESKY/RUN/NOTES", "messages.value"))


# -- buffers that are used again ------------------------------------------------------------------


def into_one_buffer(shape: tuple[int, ...], n: int) -> Iterator[tuple[str, Any]]:
    """Give the documents of a run whose device has one buffer."""
    start, descriptor, stop = run_of([], {"a": array(*shape)})
    yield from (start, descriptor)
    buffer = np.zeros(shape)
    for i in range(n):
        buffer[...] = i
        [event] = run_of([{"a": buffer}], {})[2:-1]
        event[1].update(seq_num=i + 1, uid=f"e{i}", time=1.7e9 + i / 4)
        yield event
        buffer[...] = -1.0
    yield stop


#: Arrays that are held until some megabytes have come, and such that are written at once.
SHAPES = [(3,), (20, 30), (100, 100), (1500, 1500)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_devices_may_use_their_buffers_again(shape: tuple[int, ...], tmp_path: Path) -> None:
    with Serializer(tmp_path, copy_arrays=True) as serializer:
        for name, doc in into_one_buffer(shape, 7):
            serializer(name, doc)
    assert serializer.folder is not None
    assert validate(serializer.folder) == []
    np.testing.assert_array_equal(rows(serializer.folder)[:].ndarray()[:, 0].reshape(7, -1)[:, 0],
                                  range(7))  # fmt: skip
    told = [doc["data"]["a"] for name, doc in documents(serializer.folder) if name == "event"]
    assert [float(np.max(each)) for each in told] == [float(np.min(each)) for each in told]
    assert [float(np.max(each)) for each in told] == [float(i) for i in range(7)]


def test_export_and_the_live_writer_take_the_same_option(tmp_path: Path) -> None:
    exported = folder_of(export(into_one_buffer((100, 100), 5), tmp_path, copy_arrays=True))
    with EuXFELWriter(tmp_path, copy_arrays=True) as writer:
        for name, doc in into_one_buffer((100, 100), 5):
            writer(name, {**doc})
    for folder in (exported, *writer.paths):
        np.testing.assert_array_equal(rows(folder).ndarray()[:, 0, 0], range(5))
    assert len(writer.paths) == 1


# -- dtypes that change ---------------------------------------------------------------------------

INTS, FLOATS = [1, 2], [1.5, 2.5]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([INTS, FLOATS, INTS], "f8"),
        ([FLOATS, INTS], "f8"),
        ([np.array(INTS, "u2"), np.array(FLOATS), np.array(INTS, "u2")], "f8"),
        ([np.array(INTS, "u1"), np.array([-1, 300], "i2")], "i2"),
        ([np.array(INTS, "u2"), np.array([70_000, 1], "u4"), np.array(FLOATS, "f4")], "f8"),
        ([np.array(FLOATS, "f4"), np.array([0.1, 0.2])], "f8"),
        ([np.array(INTS, "i8"), np.array(FLOATS, "f4")], "f8"),
    ],
)
def test_arrays_whose_dtype_changes_have_one_that_holds_all(
    values: list[Any], dtype: str, tmp_path: Path
) -> None:
    run = run_of([{"a": each} for each in values], {"a": array(2)})
    data = rows(round_trip(run, tmp_path))
    assert data.dtype == dtype
    np.testing.assert_array_equal(data.ndarray(), values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        # no dtype of numpy has both exactly
        ([[2**60 + 1, 1], FLOATS], "a was (2,) int64 and is (2,) float64 now"),
        ([FLOATS, [2**60 + 1, 1]], "a was (2,) float64 and is (2,) int64 now"),
        ([np.array([2**64 - 1, 0], "u8"), [-1, 0]], "a was (2,) uint64 and is (2,) int64 now"),
        # and what is no number never becomes one
        ([np.array([True, False]), INTS], "a was (2,) bool and is (2,) int64 now"),
        ([INTS, [1, 2, 3]], "a was (2,) int64 and is (3,) int64 now"),
    ],
)
def test_what_one_dtype_can_not_have_is_told(values: list[Any], told: str, tmp_path: Path) -> None:
    run = run_of([{"a": each} for each in values], {"a": array(2)})
    folder = round_trip(run, tmp_path)
    assert told in messages(folder)
    np.testing.assert_array_equal(rows(folder).ndarray(), [values[0]])


def test_later_files_keep_the_dtype_of_the_first(tmp_path: Path) -> None:
    """EXtra-data takes it for that of all."""
    values = [INTS, INTS, [3.0, 4.0], FLOATS, INTS]
    folder = round_trip(run_of([{"a": v} for v in values], {"a": array(2)}), tmp_path,
                        trains_per_file=2)  # fmt: skip
    data = rows(folder)
    assert data.dtype == "i8"
    # whole numbers are what they were, whatever they came as
    np.testing.assert_array_equal(data.ndarray(), [INTS, INTS, [3, 4], INTS])
    assert data.data_counts(labelled=False).tolist() == [1, 1, 1, 0, 1]
    assert "a was (2,) int64 and is (2,) float64 now" in messages(folder)


def test_rows_that_are_written_keep_their_dtype(tmp_path: Path) -> None:
    """Some megabytes are held; what was before them is in the file."""
    values = [np.full(2000, i) for i in range(1200)]
    run = run_of([{"a": each} for each in [*values, np.full(2000, 0.5)]], {"a": array(2000)})
    folder = round_trip(run, tmp_path, trains_per_file=2000)
    data = rows(folder)
    assert (data.dtype, data.shape) == ("i8", (1200, 2000))
    assert "a was (2000,) int64 and is (2000,) float64 now" in messages(folder)


def test_frames_that_the_archive_refers_to_keep_their_dtype(tmp_path: Path) -> None:
    frame = arange(100, 100).astype(np.int64)
    run = run_of([{"a": each} for each in (frame, frame + 0.5, frame)], {"a": array(100, 100)})
    folder = round_trip(run, tmp_path)
    assert (rows(folder).dtype, len(rows(folder).ndarray())) == ("i8", 2)
    assert "a was (100, 100) int64 and is (100, 100) float64 now" in messages(folder)


@pytest.mark.parametrize("make", [float, np.float32])
def test_what_monitors_see_is_not_cut_to_whole_numbers(
    make: Callable[[float], Any], tmp_path: Path
) -> None:
    values = [1, 2, make(2.5), 3]
    run = stream_of(run_of([{"x": 1.0}] * 4, {"x": number()}), "m_monitor",
                    [{"m": each} for each in values], [1.7e9 + i / 4 for i in range(4)],
                    m=number(dtype="integer"))  # fmt: skip
    folder = round_trip(run, tmp_path)
    found = opened(folder)["STXM/m_monitor/m:output", "data.m"].ndarray()
    assert found.tolist() == values
    late = round_trip(run, tmp_path, trains_per_file=2)
    found = opened(late)["STXM/m_monitor/m:output", "data.m"].ndarray()
    assert found.tolist() == [1, 2, 3]
    held = opened(late)["STXM/m_monitor/m", "m.value"].ndarray()
    assert held.tolist() == [1, 2, 2, 3]
    assert "m was () int64 and is () float" in messages(late)


def test_arrays_that_become_others_are_told_in_the_run(tmp_path: Path) -> None:
    events = [{"late": 1.0 if i == 0 else [1.0]} for i in range(3)]
    folder = round_trip(run_of(events, {"late": number()}), tmp_path)
    assert "late was no array and is one of shape (1,)" in messages(folder)
