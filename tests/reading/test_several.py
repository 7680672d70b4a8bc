"""A series of files is one measurement; so it must open as one, without losing what is what."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from styles import ENERGY, IMAGE, NX, NY, STACK, X, Y, build_style, group, put

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim

REQUESTS = sim.all_requests()


def image(path, energy, data, *, angle=None, polarization=None, x=X, channel="counter0"):
    with h5py.File(path, "w") as file:
        entry = group(file, "entry0", "NXentry")
        picture = group(entry, channel, "NXdata")
        picture.attrs["signal"] = "data"
        picture.attrs["axes"] = ["sample_y", "sample_x"]
        put(picture, data=data, sample_y=Y, sample_x=x, energy=[energy], count_time=[0.01])
        put(picture, stxm_scan_type="sample image")
        if angle is not None:
            put(group(entry, "sample", "NXsample"), rotation_angle=angle)
        if polarization is not None:
            device = group(group(entry, "instrument", "NXinstrument"), "id", "NXinsertion_device")
            put(device, polarization=polarization)
    return path


def test_images_become_a_stack_in_the_order_of_energy(tmp_path):
    energies = [290.0, 280.0, 285.0]
    paths = [image(tmp_path / f"{e}.h5", e, IMAGE + e) for e in energies]
    with open_nxstxm(paths) as tree:
        picture = tree["entry0/counter0"]
        assert picture["data"].dims == ("energy", "y", "x")
        assert picture["energy"].values.tolist() == sorted(energies)
        for energy in energies:
            np.testing.assert_array_equal(picture["data"].sel(energy=energy), IMAGE + energy)
        assert tree["entry0"].attrs["scan_type"] == "sample image stack"
        assert picture.attrs["scan_type"] == "sample image stack"
        assert tree["entry0"].attrs["made_of"] == [f"{e}.h5:entry0" for e in energies]
        assert picture["data"].chunks is not None, "nothing is read before it is wanted"
        assert picture["count_time"].values.ravel().tolist() == [0.01] * picture["count_time"].size


def test_repeated_energies_are_kept(tmp_path):
    paths = [image(tmp_path / f"{n}.h5", 280.0, IMAGE + n) for n in range(3)]
    with open_nxstxm(paths) as tree:
        data = tree["entry0/counter0"]["data"]
        np.testing.assert_array_equal(data.values, [IMAGE, IMAGE + 1, IMAGE + 2])


@pytest.mark.parametrize("dim", ["polarization", "theta"])
def test_what_differs_becomes_a_dimension(tmp_path, dim):
    values = {"polarization": ["left", "right"], "theta": [-10.0, 20.0]}[dim]
    paths = []
    for number, value in enumerate(values):
        for energy in (280.0, 290.0):
            named = {"angle": value} if dim == "theta" else {"polarization": value}
            path = tmp_path / f"{number}-{energy}.h5"
            paths.append(image(path, energy, IMAGE + energy + 1000 * number, **named))
    with open_nxstxm(paths) as tree:
        assert list(tree.children) == ["entry0"]
        data = tree["entry0/counter0"]["data"]
        assert data.dims == (dim, "energy", "y", "x")
        assert data[dim].values.tolist() == values
        for number, value in enumerate(values):
            got = data.sel({dim: value, "energy": 290.0})
            np.testing.assert_array_equal(got, IMAGE + 290 + 1000 * number)


def test_other_energies_are_another_stack(tmp_path):
    paths = [
        image(tmp_path / "a.h5", 280.0, IMAGE, polarization="left"),
        image(tmp_path / "b.h5", 290.0, IMAGE, polarization="right"),
    ]
    with open_nxstxm(paths) as tree:
        assert list(tree.children) == ["entry0", "entry0_2"]


@pytest.mark.parametrize("other", [{"x": X + 1}, {"channel": "counter1"}])
def test_other_places_or_channels_stay_apart(tmp_path, other):
    paths = [
        image(tmp_path / "a.h5", 280.0, IMAGE),
        image(tmp_path / "b.h5", 290.0, IMAGE, **other),
    ]
    with open_nxstxm(paths) as tree:
        assert list(tree.children) == ["entry0", "entry0_2"]
        for entry in tree.children.values():
            assert next(iter(entry.children.values()))["data"].dims == ("y", "x")


def test_positions_that_differ_by_a_rounding(tmp_path):
    paths = [
        image(tmp_path / "a.h5", 280.0, IMAGE),
        image(tmp_path / "b.h5", 290.0, IMAGE, x=X * (1 + 1e-6)),
    ]
    with open_nxstxm(paths) as tree:
        assert tree["entry0/counter0"]["data"].shape == (2, NY, NX)


def test_stacks_of_two_programs(tmp_path):
    """Files of different programs are one measurement when they show the same."""
    first, _ = build_style("pixelator-stack", tmp_path)
    second, _ = build_style("cls-stack", tmp_path)
    with h5py.File(second, "r+") as file:
        del file["entry0/DNM_RING_CURRENT"]
        file["entry0"].move("sis3820", "counter0")
        file["entry0/counter0/energy"][...] += 100
    with h5py.File(first, "r+") as file:
        del file["entry1/counter0/epu_polarization"]
    with open_nxstxm([second, first]) as tree:
        [entry] = tree.children.values()
        picture = entry["counter0"]
        assert picture["energy"].values.tolist() == [*ENERGY, *(ENERGY + 100)]
        np.testing.assert_array_equal(picture["data"].values[:3], STACK)
        np.testing.assert_array_equal(picture["data"].values[3:5], STACK[:2])
        assert "control" not in picture, "one of the two has none"


@pytest.mark.parametrize(
    ("name", "dim", "size"),
    [("stack-two-polarizations", "polarization", 2), ("stxm-tomography", "theta", 3)],
)
def test_entries_of_one_file(tmp_path, name, dim, size):
    path = export_scan(sim.scan_documents(REQUESTS[name]), tmp_path)
    wanted = list(sim.expected(REQUESTS[name]).values())
    with open_nxstxm([path]) as tree:
        [entry] = tree.children.values()
        channel = entry[entry.attrs.get("default", "counter0")]
        data = channel["data"]
        assert data.dims[0] == dim
        assert data.sizes[dim] == size == len(wanted)
        got = data.values
        for expected in wanted:
            assert any(np.array_equal(plane, expected.data) for plane in got)
    with open_nxstxm(path) as tree:
        assert len(tree.children) == size, "a file by itself is as it is"


def test_one_image_stays_what_it_is(tmp_path):
    path = image(tmp_path / "a.h5", 280.0, IMAGE)
    with open_nxstxm([path]) as tree, open_nxstxm(path) as alone:
        np.testing.assert_array_equal(
            tree["entry0/counter0"]["data"], alone["entry0/counter0"]["data"]
        )
        assert tree["entry0/counter0"]["data"].dims == ("y", "x")


def test_no_file_at_all():
    with pytest.raises(NXstxmError, match="empty list"):
        open_nxstxm([])
