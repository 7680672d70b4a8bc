"""Files are somebody else's programs: reading one must not hang, nor look into other folders."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from styles import IMAGE, STACK, group, put

from suitcase.nxstxm import NXstxmError, open_nxstxm
from suitcase.nxstxm.nexus import read_contents

HOLE = 10 * 2**30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the file; what is beside it is outside."""
    made = tmp_path / "inside"
    made.mkdir()
    return made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Give a file outside of that folder."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["data"] = IMAGE
    return path


def picture(file: h5py.File, **values: object) -> h5py.Group:
    data = group(group(file, "entry0", "NXentry"), "counter0", "NXdata")
    data.attrs["signal"] = "data"
    data.attrs["axes"] = ["sample_y", "sample_x"]
    put(data, stxm_scan_type="sample image", **values)
    return data


def read(path: Path, **options: object) -> np.ndarray:
    tree = open_nxstxm(path, **options)
    try:
        return tree["entry0/counter0"]["data"].values
    finally:
        tree.close()


def test_groups_that_contain_themselves(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file, data=IMAGE)
        data["again"] = data
        file["entry0/around"] = file["/"]
        file["entry0/instrument"] = file["entry0"]
        file["entry0/collection"] = h5py.SoftLink("/entry0")
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)


def test_links_that_lead_in_a_circle(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file, data=IMAGE)
        data["sample_x"] = h5py.SoftLink("/entry0/counter0/sample_y")
        data["sample_y"] = h5py.SoftLink("/entry0/counter0/sample_x")
        file["entry1"] = h5py.SoftLink("entry1")
    tree = open_nxstxm(folder / "a.hdf5")
    assert "circle" in "\n".join(tree.attrs["left_out"])
    np.testing.assert_array_equal(tree["entry0/counter0"]["data"].values, IMAGE)
    tree.close()


@pytest.mark.parametrize("through", ["link", "soft link", "two links"])
def test_a_link_out_of_the_folder_is_not_followed(folder, secret, through):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file)
        if through == "link":
            data["data"] = h5py.ExternalLink("../secret.h5", "data")
        elif through == "soft link":
            file["door"] = h5py.ExternalLink(str(secret), "/")
            data["data"] = h5py.SoftLink("/door/data")
        else:
            with h5py.File(folder / "b.hdf5", "w") as other:
                other["data"] = h5py.ExternalLink(str(secret), "data")
            data["data"] = h5py.ExternalLink("b.hdf5", "data")
    with pytest.raises(NXstxmError, match=r"secret\.h5 is outside of .*external_roots"):
        open_nxstxm(folder / "a.hdf5")
    np.testing.assert_array_equal(read(folder / "a.hdf5", external_roots=[folder.parent]), IMAGE)


def test_a_link_within_the_folder_is_followed(folder):
    with h5py.File(folder / "detector.h5", "w") as other:
        other["data"] = IMAGE
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file)["data"] = h5py.ExternalLink("detector.h5", "data")
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)


def test_a_symbolic_link_is_no_way_out(folder, secret):
    (folder / "harmless.h5").symlink_to(secret)
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file)["data"] = h5py.ExternalLink("harmless.h5", "data")
    with pytest.raises(NXstxmError, match="outside of"):
        open_nxstxm(folder / "a.hdf5")


def test_a_list_outside_is_left_out_and_told(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file, data=IMAGE)
        detector = group(group(file["entry0"], "instrument", "NXinstrument"), "ccd", "NXdetector")
        detector["data"] = h5py.ExternalLink("../secret.h5", "data")
    tree = open_nxstxm(folder / "a.hdf5")
    assert "/entry0/instrument/ccd/data is left out" in tree.attrs["left_out"][0]
    tree.close()


@pytest.mark.parametrize("nested", [False, True])
def test_a_virtual_dataset_that_reads_outside(folder, secret, nested):
    where = secret
    if nested:
        where = folder / "b.hdf5"
        with h5py.File(where, "w") as other:
            layout = h5py.VirtualLayout(IMAGE.shape, float)
            layout[...] = h5py.VirtualSource(secret, "data", IMAGE.shape)
            other.create_virtual_dataset("data", layout)
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file)
        layout = h5py.VirtualLayout(IMAGE.shape, float)
        layout[...] = h5py.VirtualSource(where, "data", IMAGE.shape)
        data.create_virtual_dataset("data", layout)
    tree = open_nxstxm(folder / "a.hdf5")
    with pytest.raises(NXstxmError, match=r"secret\.h5 is outside of"):
        _ = tree["entry0/counter0"]["data"].values
    tree.close()
    np.testing.assert_array_equal(read(folder / "a.hdf5", external_roots=[folder.parent]), IMAGE)


def test_virtual_datasets_in_a_circle(folder):
    for name, other in (("a", "b"), ("b", "a")):
        with h5py.File(folder / f"{name}.hdf5", "w") as file:
            data = picture(file)
            layout = h5py.VirtualLayout(IMAGE.shape, float)
            where = "entry0/counter0/data"
            layout[...] = h5py.VirtualSource(folder / f"{other}.hdf5", where, IMAGE.shape)
            data.create_virtual_dataset("data", layout)
    contents = read_contents(folder / "a.hdf5")
    assert contents.entry().channel().data.stored.shape == IMAGE.shape


def test_values_in_a_raw_file_outside(folder, tmp_path):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(IMAGE.tobytes())
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file).create_dataset(
            "data", IMAGE.shape, float, external=[(str(raw), 0, IMAGE.nbytes)]
        )
    tree = open_nxstxm(folder / "a.hdf5")
    with pytest.raises(NXstxmError, match=r"raw\.bin is outside of"):
        _ = tree["entry0/counter0"]["data"].values
    tree.close()


@pytest.mark.parametrize("chunks", [None, (1, 1000, 1000)])
def test_gigabytes_that_nobody_wrote(folder, chunks):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file)
        data.create_dataset("data", (HOLE // 8 // 1000_000, 1000, 1000), float, chunks=chunks)
    assert (folder / "a.hdf5").stat().st_size < 1e5
    tree = open_nxstxm(folder / "a.hdf5")
    with pytest.raises(NXstxmError, match="next to nothing was written"):
        _ = tree["entry0/counter0"]["data"].values
    tree.close()


def test_an_axis_longer_than_any_scan(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file, data=IMAGE)
        data.create_dataset("energy", (2**40,), float, chunks=(1024,))
        data.create_dataset("count_time", (2**40, 2**20), float, chunks=(1024, 1))
        file["entry0"].create_dataset("title", (2**40,), "S10", chunks=(1024,))
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)


def test_more_members_than_any_scan_has(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file, data=IMAGE)
        crowd = group(file["entry0"], "instrument", "NXinstrument")
        for number in range(20_001):
            crowd[f"n{number}"] = h5py.SoftLink("/nowhere")
    tree = open_nxstxm(folder / "a.hdf5")
    assert "no scan has so many" in tree.attrs["left_out"][0]
    tree.close()


def test_types_that_are_neither_numbers_nor_text(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file, data=IMAGE)
        data.attrs["odd"] = data.ref
        data["odd"] = np.zeros(3, [("a", int), ("b", "S3")])
        data.create_dataset("ragged", (2,), h5py.vlen_dtype(float))
        data["kind"] = np.dtype(float)
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "can not be opened as HDF5"),
        (b"not HDF5 at all" * 100, "can not be opened as HDF5"),
        (None, "is not a file"),
    ],
)
def test_no_hdf5(folder, content, told):
    path = folder / "a.hdf5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NXstxmError, match=told) as error:
        open_nxstxm(path)
    assert str(path) in str(error.value)


def test_a_file_with_nothing_in_it_yet(folder):
    with h5py.File(folder / "a.stxm", "w"):
        pass
    with pytest.raises(NXstxmError, match="is empty"):
        open_nxstxm(folder / "a.stxm")


def test_a_tomogram_is_no_stack(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        put(group(file, "exchange"), data=STACK, theta=np.arange(3.0))
    with pytest.raises(NXstxmError, match=r"holds no scan.*it has exchange"):
        open_nxstxm(folder / "a.h5")


def test_a_file_that_was_cut_short(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file, data=np.zeros((300, 300)))
    path = folder / "a.hdf5"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(NXstxmError, match="cut short"):
        open_nxstxm(path)
