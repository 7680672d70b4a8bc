"""Files are somebody else's programs: reading one must not hang, nor look into other folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
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


def virtual(group: h5py.Group, *sources: tuple[object, str], name: str = "data") -> None:
    """Make a virtual dataset; of several sources the last is read."""
    layout = h5py.VirtualLayout(IMAGE.shape, float)
    for file, where in sources:
        layout[...] = h5py.VirtualSource(file, where, IMAGE.shape)
    group.create_virtual_dataset(name, layout)


def told_by_another_process(path: Path) -> str:
    """Read a picture elsewhere, for HDF5 can end the process; gives the error."""
    code = (
        "import sys\n"
        "from suitcase.nxstxm import NXstxmError, open_nxstxm\n"
        "try:\n"
        "    open_nxstxm(sys.argv[1])['entry0/counter0']['data'].values\n"
        "except NXstxmError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


DATA = "entry0/counter0/data"


@pytest.mark.parametrize("by", ["each other", "its file", "its file's name", "a link"])
def test_virtual_datasets_in_a_circle(folder, by):
    path, other = folder / "a.hdf5", folder / "b.hdf5"
    with h5py.File(path, "w") as file:
        data = picture(file)
        if by == "each other":
            virtual(data, (other, DATA))
        elif by == "a link":
            file["again"] = h5py.SoftLink(f"/{DATA}")
            virtual(data, (".", "again"))
        else:
            virtual(data, ("." if by == "its file" else path.name, DATA))
    with h5py.File(other, "w") as file:
        virtual(picture(file), (path, DATA))
    contents = read_contents(path)
    assert contents.entry().channel().data.stored.shape == IMAGE.shape
    told = told_by_another_process(path)
    assert "is a virtual dataset that is made of itself" in told
    assert str(path) in told


@pytest.mark.parametrize("order", [1, -1])
def test_virtual_datasets_of_virtual_datasets(folder, order):
    def chain(group: h5py.Group, length: int) -> None:
        # the short way to the last of them, or the long one, is looked at first
        for number in range(1, length):
            sources = [(".", "n0"), (".", f"n{number - 1}")]
            virtual(group, *sources[::order], name=f"n{number}")

    for name, length in (("few", 10), ("many", 400)):
        with h5py.File(folder / f"{name}.hdf5", "w") as file:
            file["n0"] = IMAGE
            chain(file, length)
            virtual(picture(file), (".", f"n{length - 1}"))
    np.testing.assert_array_equal(read(folder / "few.hdf5"), IMAGE)
    assert "more than 16 virtual datasets" in told_by_another_process(folder / "many.hdf5")


def test_what_was_looked_at_counts_in_the_depth(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        file["n0"] = IMAGE
        for number in range(1, 30):
            virtual(file, (".", f"n{number - 1}"), name=f"n{number}")
        virtual(picture(file), *((".", f"n{number}") for number in (8, 16, 24, 29)))
    with pytest.raises(NXstxmError, match="more than 16 virtual datasets"):
        read(folder / "a.hdf5")


def series(group: h5py.Group, file: bytes, dataset: bytes) -> None:
    """Make a virtual dataset of a series of sources, whose names HDF5 makes of patterns."""
    endless = (h5py.h5s.UNLIMITED, *IMAGE.shape)
    space = h5py.h5s.create_simple((1, *IMAGE.shape), endless)
    ones = (1, 1, 1)
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), ones, (1, *IMAGE.shape))
    source = h5py.h5s.create_simple(IMAGE.shape)
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_virtual(space, file, dataset, source)
    space = h5py.h5s.create_simple((1, *IMAGE.shape), endless)
    h5py.h5d.create(group.id, b"data", h5py.h5t.NATIVE_DOUBLE, space, dcpl=how)


@pytest.mark.parametrize(("file", "dataset"), [(b".", b"/link_%b"), (b"f_%b.h5", b"/data")])
def test_a_series_of_sources_is_not_followed(folder, secret, file, dataset):
    (folder / "f_0.h5").symlink_to(secret)
    with h5py.File(folder / "a.hdf5", "w", libver="latest") as made:
        made["link_0"] = h5py.ExternalLink("../secret.h5", "data")
        series(picture(made), file, dataset)
    with pytest.raises(NXstxmError, match="a pattern for many names"):
        read(folder / "a.hdf5")


def test_a_source_with_a_percent_sign_in_its_name(folder, secret):
    with h5py.File(folder / "50%.h5", "w") as other:
        other["100%"] = IMAGE
    (folder / "60%.h5").symlink_to(secret)
    for name, source in (("a", ("50%%.h5", "100%%")), ("b", ("60%%.h5", "data"))):
        with h5py.File(folder / f"{name}.hdf5", "w") as file:
            virtual(picture(file), source)
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)
    with pytest.raises(NXstxmError, match=r"secret\.h5 is outside of"):
        read(folder / "b.hdf5")


def test_a_source_that_is_looked_for_elsewhere(folder, secret, monkeypatch):
    """Of a whole path that leads nowhere, HDF5 tries the last part in two folders."""
    (folder / "door.h5").symlink_to(secret)
    for name in ("door", "secret"):
        with h5py.File(folder / f"{name}.hdf5", "w") as file:
            virtual(picture(file), (folder / "none" / f"{name}.h5", "data"))
    with pytest.raises(NXstxmError, match=r"secret\.h5 is outside of"):
        read(folder / "door.hdf5")
    monkeypatch.chdir(secret.parent)
    with pytest.raises(NXstxmError, match="would be read from the working folder"):
        read(folder / "secret.hdf5")


def test_a_raw_file_of_the_working_folder(folder, tmp_path, monkeypatch):
    """HDF5 looks for raw files there, and not beside the file."""
    for where in (folder, tmp_path):
        (where / "raw.bin").write_bytes(IMAGE.tobytes())
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file).create_dataset(
            "data", IMAGE.shape, float, external=[("raw.bin", 0, IMAGE.nbytes)]
        )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NXstxmError, match=r"raw\.bin would be read from the working folder"):
        read(folder / "a.hdf5")
    monkeypatch.chdir(folder)
    np.testing.assert_array_equal(read(folder / "a.hdf5"), IMAGE)


@pytest.mark.parametrize("kind", [str, Path, lambda path: [path], lambda path: iter([str(path)])])
def test_one_root_may_stand_alone(folder, tmp_path, kind):
    other = tmp_path / "other"
    other.mkdir()
    with h5py.File(folder.parent / "secret.h5", "w") as file:
        file["data"] = IMAGE
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file)["data"] = h5py.ExternalLink("../secret.h5", "data")
    with pytest.raises(NXstxmError, match="outside of"):
        open_nxstxm(folder / "a.hdf5", external_roots=kind(other))
    np.testing.assert_array_equal(read(folder / "a.hdf5", external_roots=kind(tmp_path)), IMAGE)
    for engine in (xr.open_dataset, xr.open_datatree):
        with pytest.raises(NXstxmError, match="outside of"):
            engine(folder / "a.hdf5", engine="nxstxm", external_roots=kind(other))


def test_roots_that_are_no_folders(folder):
    with h5py.File(folder / "a.hdf5", "w") as file:
        picture(file, data=IMAGE)
    for wrong in (None, 3, [3]):
        with pytest.raises(NXstxmError, match="names no folders"):
            open_nxstxm(folder / "a.hdf5", external_roots=wrong)


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


@pytest.mark.parametrize("how", ["chunks", "virtual", "raw"])
def test_gigabytes_that_nobody_wrote_image_by_image(folder, how):
    """Each image is small, and there would be days of them."""
    shape = (200_000, 1000, 1000)
    with h5py.File(folder / "a.hdf5", "w") as file:
        data = picture(file)
        if how == "chunks":
            data.create_dataset("data", shape, float, chunks=(1, 1000, 1000))
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, float)
            layout[0] = h5py.VirtualSource("b.h5", "data", shape[1:])
            data.create_virtual_dataset("data", layout)
            with h5py.File(folder / "b.h5", "w") as other:
                other["data"] = np.zeros(shape[1:])
        else:
            (folder / "raw.bin").write_bytes(bytes(1000))
            raw = [(str(folder / "raw.bin"), 0, 8 * 200_000 * 1000_000)]
            data.create_dataset("data", shape, float, external=raw)
    stored = read_contents(folder / "a.hdf5").entry().channel().data.stored
    with pytest.raises(NXstxmError, match="next to nothing was written"):
        next(stored.planes())
    with pytest.raises(NXstxmError, match="next to nothing was written"):
        stored.read()
    assert stored.read((0, slice(3), slice(2))).shape == (3, 2)


def test_a_virtual_dataset_of_gigabytes_that_were_written(folder):
    """What its sources have counts, before they are packed."""
    shape = (160, 1000, 1000)
    with h5py.File(folder / "b.h5", "w") as other:
        made = other.create_dataset("data", shape, float, chunks=(1, 1000, 1000), compression=1)
        made[0] = 1.0
    with h5py.File(folder / "a.hdf5", "w") as file:
        layout = h5py.VirtualLayout(shape, float)
        layout[...] = h5py.VirtualSource("b.h5", "data", shape)
        picture(file).create_virtual_dataset("data", layout)
    stored = read_contents(folder / "a.hdf5").entry().channel().data.stored
    _, plane = next(stored.planes())
    assert (plane == 1.0).all()


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
