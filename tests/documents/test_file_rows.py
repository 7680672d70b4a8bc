"""Without these tests the files of detectors would be read wrongly, or somebody else's would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from suitcase.nxstxm.documents import DetectorFileError, StreamAssets, open_rows
from suitcase.nxstxm.documents._file_rows import arranged
from suitcase.nxstxm.documents._stream_assets import StreamResource

HDF5 = "application/x-hdf5"
TIFF, JPEG, NPY = (
    f"multipart/related;type={kind}" for kind in ("image/tiff", "image/jpeg", "application/x-npy")
)


def resource(path: Path | str, mimetype: str = HDF5, **parameters: Any) -> StreamResource:
    return StreamResource("u", "r", "k", mimetype, str(path), parameters)


def declared(*shape: int) -> dict[str, Any]:
    return {"dtype": "array", "shape": list(shape)}


# -- which rows are a reading ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "said", "shape"),
    [
        ((20, 6, 5), (1, 6, 5), (20, 6, 5)),  # concatenated frames, as ophyd-async has them
        ((20, 6, 5), (6, 5), (20, 6, 5)),
        ((20, 1, 6, 5), (1, 6, 5), (20, 6, 5)),  # stacked
        ((20, 6, 5), (4, 6, 5), (5, 4, 6, 5)),  # four frames an event, one behind the other
        ((20, 4, 6, 5), (4, 6, 5), (20, 4, 6, 5)),  # and stacked
        ((20,), (1,), (20,)),
        ((20,), (), (20,)),
        ((20, 1), (1,), (20,)),
        ((20,), (5,), (4, 5)),  # a line of five samples an event
        ((21,), (5,), (4, 5)),  # the last line is not whole yet
        ((20, 7), (7,), (20, 7)),
    ],
)
def test_rows_are_what_the_file_has(stored: Any, said: Any, shape: Any, tmp_path: Path) -> None:
    data = np.arange(np.prod(stored)).reshape(stored)
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        h5["a/b"] = data.astype(">i4")
    rows = open_rows(resource(tmp_path / "x.h5", dataset="a/b"), declared(*said), {})
    assert rows.shape == shape
    assert rows.dtype == np.dtype("<i4")
    wanted = data.ravel()[: np.prod(shape)].reshape(shape)
    np.testing.assert_array_equal(rows[:], wanted)
    np.testing.assert_array_equal(rows[1:3], wanted[1:3])
    np.testing.assert_array_equal(rows[2], wanted[2])
    np.testing.assert_array_equal(np.stack(list(rows)), wanted)
    assert rows[3:3].shape == (0, *shape[1:])


@given(
    n=st.integers(1, 12),
    row=st.lists(st.integers(1, 4), max_size=3),
    said=st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=4),
)
def test_no_reading_is_made_up_or_lost(n: int, row: list[int], said: list[Any]) -> None:
    each, shape = arranged(n, tuple(row), tuple(said))
    assert each >= 1
    assert np.prod(shape) == each * np.prod(row)


#: Templates as they are written, each with the filename for which it means img_000 and so on.
TEMPLATES = {
    "img_{:03d}": "x", "{:s}_{:03d}": "img", "{s}img_{:03d}": "", "img_%03d": "x",
    "%s%s_%3.3d": "img", "%s_%3.3d": "img", "%simg_%03d": "",
}  # fmt: skip


@pytest.mark.parametrize(("template", "filename"), TEMPLATES.items())
@pytest.mark.parametrize("kind", [TIFF, JPEG, NPY])
def test_a_series_of_files_is_read_one_by_one(
    kind: str, template: str, filename: str, tmp_path: Path
) -> None:
    frames = np.full((5, 16, 8), 7, np.uint8) * np.arange(1, 6, dtype=np.uint8)[:, None, None]
    ending = {TIFF: ".tiff", JPEG: ".jpeg", NPY: ".npy"}[kind]
    for i, frame in enumerate(frames):
        path = tmp_path / f"img_{i:03d}{ending}"
        if kind == NPY:
            np.save(path, frame)
        else:
            Image.fromarray(frame).save(path)
    named = {"template": template + ending, "filename": filename}
    rows = open_rows(resource(tmp_path, kind, **named), declared(1, 16, 8), {})
    assert rows.shape == frames.shape
    assert (rows.dataset, rows.is_hdf5) == ("", False)
    np.testing.assert_allclose(rows[1:4], frames[1:4], atol=1)  # jpeg is not exact
    assert rows.dtype == np.uint8


@pytest.mark.parametrize("filename", ["50%", "{a}", "%d", "{0}", "a b"])
@pytest.mark.parametrize("template", ["%s%s_%d.npy", "{:s}_{:d}.npy"])
def test_names_may_have_what_templates_have(template: str, filename: str, tmp_path: Path) -> None:
    np.save(tmp_path / f"{filename}_0.npy", np.eye(3))
    named = {"template": template, "filename": filename}
    rows = open_rows(resource(tmp_path, NPY, **named), declared(1, 3, 3), {})
    np.testing.assert_array_equal(rows[0], np.eye(3))


@pytest.mark.parametrize(
    ("pages", "said", "frames", "shape"),
    [
        (1, (1, 4, 3), None, (6, 4, 3)),
        (1, (4, 3), None, (6, 4, 3)),
        (1, (2, 4, 3), None, (3, 2, 4, 3)),  # two files a reading
        (2, (2, 4, 3), None, (6, 2, 4, 3)),  # a file with two pages is a reading
        (2, (4, 4, 3), None, (3, 4, 4, 3)),  # two such files are
        (1, (1, 9, 9), None, (6, 4, 3)),  # the file is right
        (1, (4, 3), 1, (6, 4, 3)),
        (1, (4, 3), 3, (2, 3, 4, 3)),  # the resource says so
    ],
)
def test_a_reading_may_be_of_several_files_and_a_file_of_several_pages(
    pages: int, said: Any, frames: int | None, shape: Any, tmp_path: Path
) -> None:
    data = np.arange(6 * pages * 12, dtype=np.uint32).reshape(6, pages, 4, 3) + 2**31
    for i, frame in enumerate(data):
        tifffile.imwrite(
            tmp_path / f"{i}.tif", frame[0] if pages == 1 else frame, photometric="minisblack"
        )
    named = {"template": "{:d}.tif"} | ({} if frames is None else {"frames": frames})
    rows = open_rows(resource(tmp_path, TIFF, **named), declared(*said), {})
    assert (rows.shape, rows.dtype) == (shape, np.uint32)
    np.testing.assert_array_equal(rows[:], data.reshape(shape))
    np.testing.assert_array_equal(rows[1], data.reshape(shape)[1])


@pytest.mark.parametrize("kind", [TIFF, JPEG, NPY])
def test_a_broken_file_of_a_series_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"nothing")
    with pytest.raises(DetectorFileError, match="0 can not be read"):
        open_rows(resource(tmp_path, kind, template="%d"), declared(1, 3, 2), {})


def test_a_zarr_array_is_read(tmp_path: Path) -> None:
    frames = np.arange(4 * 3 * 2).reshape(4, 3, 2)
    zarr.save(str(tmp_path / "x.zarr"), frames)
    rows = open_rows(resource(tmp_path / "x.zarr", "application/x-zarr"), declared(1, 3, 2), {})
    np.testing.assert_array_equal(rows[:], frames)


# -- what can not be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("text/csv", {}, "no kind of file"),
        (HDF5, {}, "does not say which dataset"),
        (HDF5, {"dataset": "none"}, "has no dataset 'none'"),
        (HDF5, {"dataset": "scalar"}, "has no dataset 'scalar'"),
        (HDF5, {"dataset": "group"}, "has no dataset 'group'"),
        (HDF5, {"dataset": "words"}, "no numbers"),
        (TIFF, {}, "does not say how its files are called"),
        (TIFF, {"template": "../{:d}.tiff"}, "leads to another folder"),
        (TIFF, {"template": "{:q}.tiff"}, "makes no sense"),
        (TIFF, {"template": "%d %d.tiff"}, "makes no sense"),
        (TIFF, {"template": "{0.__class__}.tiff"}, "is not there"),
        (TIFF, {"template": "x_{:d}.tiff"}, "is not there"),
    ],
)
def test_what_can_not_be_read_is_told(
    kind: str, parameters: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as h5:
        h5["scalar"] = 3
        h5.create_group("group")
        h5["words"] = ["a", "b"]
    with pytest.raises(DetectorFileError, match=message):
        open_rows(resource(path, kind, **parameters), declared(1), {})


def test_a_file_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DetectorFileError, match=r"root_map=.*/detector"):
        open_rows(resource("/detector/x.h5", dataset="a"), declared(1), {})
    (tmp_path / "x.h5").write_bytes(b"no HDF5")
    with pytest.raises(DetectorFileError, match="can not be read"):
        open_rows(
            resource("/detector/x.h5", dataset="a"), declared(1), {"/detector": str(tmp_path)}
        )
    # the root is a folder, not the beginning of a name
    with pytest.raises(DetectorFileError, match="is not there"):
        open_rows(resource("/detector/x.h5", dataset="a"), declared(1), {"/detect": str(tmp_path)})


def test_a_file_that_goes_while_it_is_read_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        h5["a"] = np.arange(5)
    rows = open_rows(resource(tmp_path / "x.h5", dataset="a"), declared(1), {})
    (tmp_path / "x.h5").unlink()
    with pytest.raises(DetectorFileError, match="can not be read"):
        rows[:]


# -- documents ------------------------------------------------------------------------------------


def datum(first: int, last: int, index: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "stream_datum", {
        "uid": "u/0", "stream_resource": "u", "descriptor": "d",
        "seq_nums": {"start": first, "stop": last},
        "indices": {"start": index, "stop": index + last - first}, **more,
    }  # fmt: skip


def assets(*documents: Any) -> StreamAssets:
    made = StreamAssets()
    made.take("descriptor", {"uid": "d", "name": "primary"})
    for name, doc in documents:
        made.take(name, doc)
    return made


NEW = ("stream_resource", {
    "uid": "u", "data_key": "k", "mimetype": HDF5, "uri": "file://localhost/a%20b/x.h5",
    "parameters": {"dataset": "d"}, "run_start": "r",
})  # fmt: skip
OLD = ("stream_resource", {
    "uid": "u", "data_key": "k", "spec": "AD_HDF5_SWMR_STREAM", "root": "/a b/",
    "resource_path": "x.h5", "resource_kwargs": {"path": "d"},
})  # fmt: skip


@pytest.mark.parametrize("given_", [NEW, OLD], ids=["new", "old"])
def test_rows_that_go_on_are_one(given_: Any) -> None:
    found = assets(given_, datum(1, 4, 0), datum(4, 9, 3), datum(12, 14, 8)).rows()
    [first, second] = found["primary", "k"]
    assert (first.seq_num, first.index, first.n) == (1, 0, 8)
    assert (second.seq_num, second.index, second.n) == (12, 8, 2)
    assert first.resource.path == "/a b/x.h5"
    assert first.resource.mimetype == HDF5


@pytest.mark.parametrize("uri", ["file:///C:/raw/x.h5", "file://localhost/C:/raw/x.h5"])
def test_a_path_of_windows_keeps_its_drive(uri: str) -> None:
    name, doc = NEW
    [rows] = assets((name, {**doc, "uri": uri}), datum(1, 4, 0)).rows()["primary", "k"]
    assert rows.resource.path == "C:/raw/x.h5"


@pytest.mark.parametrize(
    "documents",
    [
        [("stream_resource", {"uid": "u"})],
        [("stream_resource", {**NEW[1], "parameters": None})],
        [("stream_resource", {**NEW[1], "uri": 3})],
        [NEW, datum(1, 4, 0, seq_nums=None)],
        [NEW, datum(1, 4, 0, seq_nums={"start": "1", "stop": 3})],
        [NEW, datum(1, 4, 0, indices={"start": -1, "stop": 3})],
        [NEW, datum(1, 4, 0, descriptor="other")],
        [datum(1, 4, 0)],
    ],
)
def test_documents_that_make_no_sense_are_told(documents: list[Any]) -> None:
    made = assets(*documents)
    assert len(made.messages) == 1
    assert not made.rows()
