"""Without these tests a run of a detector that writes its own files would be empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.documents import HeldFileError, difference
from suitcase.nxstxm.euxfel import documents, export, validate

from ..live.killer import held
from .runs import Documents, arange, array, extra_data, folder_of, number, opened, problems, run_of

N = 7
FRAMES = arange(N, 40, 60).astype(np.uint16)


def detector_file(folder: Path, name: str = "cam.h5", frames: Any = FRAMES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / name, "w") as h5:
        h5["entry/data/data"] = frames
    return folder / name


def streamed(path: Path, n_events: int = N, *, first: int = 0, n: int = N) -> Documents:
    """Give a run whose camera tells of its frames in stream documents."""
    run = run_of([{"a": float(i)} for i in range(n_events)], {"a": number()})
    run[1][1]["data_keys"]["cam"] = array(40, 60, external="STREAM:", units="counts")
    run[1][1]["object_keys"]["cam"] = ["cam"]
    resource = {"uid": "r", "run_start": "run-1", "data_key": "cam",
                "mimetype": "application/x-hdf5", "uri": f"file://localhost{path}",
                "parameters": {"dataset": "entry/data/data"}}  # fmt: skip
    half = n // 2
    datums = [
        {"uid": f"r/{i}", "stream_resource": "r", "descriptor": "d",
         "indices": {"start": first + a, "stop": first + b},
         "seq_nums": {"start": a + 1, "stop": b + 1}}
        for i, (a, b) in enumerate(((0, half), (half, n)))
    ]  # fmt: skip
    told: Documents = [("stream_resource", resource), *(("stream_datum", d) for d in datums)]
    return [*run[:-2], *told, *run[-2:]]  # before the last event and after others


def asked(path: Path, n: int = N) -> Documents:
    """Give a run whose area detector tells of its frames in resources and datums."""
    run = run_of([{"a": float(i), "cam": f"x/{i}"} for i in range(n)], {"a": number()})
    run[1][1]["data_keys"]["cam"] = array(40, 60, external="FILESTORE:")
    run[1][1]["object_keys"]["cam"] = ["cam"]
    resource = {"uid": "x", "run_start": "run-1", "spec": "AD_HDF5", "root": str(path.parent),
                "resource_path": path.name, "resource_kwargs": {"frame_per_point": 1},
                "path_semantics": "posix"}  # fmt: skip
    datums = [
        ("datum", {"datum_id": f"x/{i}", "resource": "x", "datum_kwargs": {"point_number": i}})
        for i in range(n)
    ]
    return [*run[:2], ("resource", resource), *datums, *run[2:]]


def written(run: Documents, home: Path, **options: Any) -> Path:
    folder = folder_of(export(run, home, **options))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    return folder


@pytest.mark.parametrize("make", [streamed, asked])
@pytest.mark.parametrize("external", ["copy", "vds"])
def test_frames_of_a_detector(make: Any, external: str, tmp_path: Path, home: Path) -> None:
    path = detector_file(tmp_path / "detector")
    folder = written(make(path), home, external=external, trains_per_file=3)
    data = opened(folder)["STXM/primary/cam:output", "data.cam"]
    np.testing.assert_array_equal(data.ndarray(), FRAMES)
    assert data.dtype == np.uint16
    assert data.data_counts(labelled=False).tolist() == [1] * N
    positions = opened(folder)["STXM/primary/a", "a.value"]
    assert list(positions.drop_empty_trains().train_ids) == list(data.train_ids)
    ids = opened(folder)["STXM/primary/cam:output", "data.trainId"].ndarray()
    assert list(ids) == list(data.train_ids)
    with h5py.File(folder / "RAW-R0001-DA02-S00001.h5") as h5:
        assert h5["INSTRUMENT/STXM/primary/cam:output/data/cam"].is_virtual == (external == "vds")
    by_name = extra_data.open_run(str(folder.parents[1]), 1).alias["cam"]
    assert by_name.shape == FRAMES.shape


def test_virtual_datasets_move_with_the_folder(tmp_path: Path) -> None:
    top = tmp_path / "before"
    path = detector_file(top / "detector")
    written(streamed(path), top / "STXM" / "c", external="vds")
    top.rename(tmp_path / "after")
    [folder] = (tmp_path / "after").glob("STXM/c/p*/raw/r0001")
    np.testing.assert_array_equal(
        opened(folder)["STXM/primary/cam:output", "data.cam"].ndarray(), FRAMES
    )


def test_rows_that_begin_later_and_events_without(tmp_path: Path, home: Path) -> None:
    path = detector_file(tmp_path / "detector")
    folder = written(streamed(path, first=2, n=4), home)
    data = opened(folder)["STXM/primary/cam:output", "data.cam"]
    np.testing.assert_array_equal(data.ndarray(), FRAMES[2:6])
    assert data.data_counts(labelled=False).tolist() == [1, 1, 1, 1, 0, 0, 0]


def test_a_flown_stream_has_no_events(tmp_path: Path, home: Path) -> None:
    path = detector_file(tmp_path / "detector")
    run = [each for each in streamed(path) if each[0] != "event"]
    run[-1][1]["num_events"] = {"primary": 0}
    folder = written(run, home, trains_per_file=3)
    run_ = opened(folder)
    np.testing.assert_array_equal(run_["STXM/primary/cam:output", "data.cam"].ndarray(), FRAMES)
    assert run_["STXM/primary/cam:output", "data.cam"].units == "counts"
    assert len(run_.train_ids) == N
    told = run_.get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "the times of its trains are not known" in told


def test_several_files_and_what_was_measured_again(tmp_path: Path, home: Path) -> None:
    one = detector_file(tmp_path / "detector", "one.h5", FRAMES[:3])
    two = detector_file(tmp_path / "detector", "two.h5", FRAMES[3:])
    run = streamed(one, n=3)
    resource = next(d for n, d in run if n == "stream_resource")
    more = {**resource, "uid": "r2", "uri": f"file://localhost{two}"}
    datum = {"uid": "r2/0", "stream_resource": "r2", "descriptor": "d",
             "indices": {"start": 0, "stop": 4}, "seq_nums": {"start": 3, "stop": 7}}  # fmt: skip
    run[-1:-1] = [("stream_resource", more), ("stream_datum", datum)]
    data = opened(written(run, home))["STXM/primary/cam:output", "data.cam"]
    # the third was measured again
    np.testing.assert_array_equal(data.ndarray(), [*FRAMES[:2], *FRAMES[3:]])
    assert data.data_counts(labelled=False).tolist() == [1] * 6 + [0]


@pytest.mark.parametrize("make", [streamed, asked])
def test_a_file_that_is_not_there_is_told(make: Any, tmp_path: Path, home: Path) -> None:
    run = make(tmp_path / "none.h5")
    folder = written(run, home)
    run_ = opened(folder)
    assert "STXM/primary/cam:output" not in run_.all_sources
    told = run_.get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "none.h5 is not there" in told
    assert "root_map=" in told
    with pytest.raises(NXstxmError, match=r"none\.h5 is not there"):
        export(run, home, fill_or_fail=True)


def test_a_file_with_less_than_was_announced(tmp_path: Path, home: Path) -> None:
    path = detector_file(tmp_path / "detector", frames=FRAMES[:5])
    folder = written(streamed(path), home)
    data = opened(folder)["STXM/primary/cam:output", "data.cam"]
    np.testing.assert_array_equal(data.ndarray(), FRAMES[:5])
    assert data.data_counts(labelled=False).tolist() == [1] * 5 + [0] * 2
    told = opened(folder).get_run_value("BLUESKY/RUN/NOTES", "messages.value")
    assert "2 readings less than were announced" in told
    with pytest.raises(NXstxmError, match="2 readings less"):
        export(streamed(path), home, fill_or_fail=True)


def test_files_are_looked_for_where_they_are_now(tmp_path: Path, home: Path) -> None:
    detector_file(tmp_path / "now")
    run = streamed(Path("/detector/then/cam.h5"))
    folder = written(run, home, root_map={"/detector/then": str(tmp_path / "now")})
    np.testing.assert_array_equal(
        opened(folder)["STXM/primary/cam:output", "data.cam"].ndarray(), FRAMES
    )


def test_a_file_that_is_still_written_is_told(tmp_path: Path, home: Path) -> None:
    path = detector_file(tmp_path / "detector")
    with held(path), pytest.raises(HeldFileError, match="still written"):
        export(streamed(path), home)
    assert list(home.glob("p*/raw/r*")) == []  # and no number is taken
    assert written(streamed(path), home).name == "r0001"
