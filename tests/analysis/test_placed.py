"""A list of the instrument must come to where its points were, in every kind of scan."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim
from suitcase.nxstxm.analysis import optical_density, placed_list

REQUESTS = sim.all_requests()


def exported(name, folder, *, role="i0", without=(), turned=()):
    """Write a scan whose detector has a role, without lists of places or in another order."""
    path = export_scan(sim.scan_documents(REQUESTS[name]), folder)
    with h5py.File(path, "r+") as file:
        for group in list(file["entry0/instrument"].values()):
            last = group.name.rpartition("/")[2]
            if last == "counter0":
                group.attrs["role"] = role
            if last in without:
                for key in list(group):
                    del group[key]
            for key in turned if isinstance(group, h5py.Group) else ():
                if last == key:
                    data = next(each for each in group.values() if each.ndim)
                    data[...] = data[...][::-1]
    return path


@pytest.mark.parametrize(
    "name",
    [
        "stack-repeated-energies",
        "point-spectra-repeated-energies",
        "image-snake-points",
        "line-spectra-with-motors",
        "pystxm2019-sample_line_spectra-lines",
        "pystxm2019-sample_focus-lines",
        "pystxm2019-osa_focus-points",
        "pystxm2019-osa_image-points",
        "generic-2d",
    ],
)
def test_a_list_is_the_picture(name, tmp_path):
    with open_nxstxm(exported(name, tmp_path)) as tree:
        for entry in tree.children.values():
            channel = entry.attrs["default"]
            node = entry[channel]
            np.testing.assert_array_equal(placed_list(node, channel), node["data"])


@pytest.mark.parametrize(
    "name", ["pystxm2019-sample_line_spectra-lines", "pystxm2019-sample_focus-lines"]
)
def test_lists_in_order_need_no_places(name, tmp_path):
    path = exported(name, tmp_path, without=("sample_x", "sample_y", "zoneplate_z"))
    with open_nxstxm(path) as tree:
        node = tree["entry0/counter0"]
        assert "sample_x" not in tree["entry0/instrument"]
        np.testing.assert_array_equal(placed_list(node, "i0"), node["data"])
        np.testing.assert_allclose(optical_density(node, "i0").values, 0, atol=1e-12)


def test_a_list_in_another_order_is_refused(tmp_path):
    path = exported(
        "pystxm2019-sample_line_spectra-lines", tmp_path, without=("sample_x", "sample_y"),
        turned=("monochromator",),
    )  # fmt: skip
    with (
        open_nxstxm(path) as tree,
        pytest.raises(NXstxmError, match="along energy it has another order"),
    ):
        placed_list(tree["entry0/counter0"], "i0")


def test_a_list_of_another_length_is_refused(tmp_path):
    path = exported("pystxm2019-sample_line_spectra-lines", tmp_path)
    with h5py.File(path, "r+") as file:
        home = file["entry0/instrument/counter0"]
        values = home["data"][...]
        del home["data"]
        home["data"] = values[:-1]
    with open_nxstxm(path) as tree, pytest.raises(NXstxmError, match="the picture has 24 points"):
        placed_list(tree["entry0/counter0"], "i0")


def test_repeated_energies_in_no_order_share_a_mean(tmp_path):
    """Where values do not come plane by plane, nobody knows in which of them one was measured."""
    path = exported("stack-repeated-energies", tmp_path)
    with h5py.File(path, "r+") as file:
        home = file["entry0/instrument"]
        order = np.random.default_rng(1).permutation(80)
        for group in home.values():
            for data in group.values() if isinstance(group, h5py.Group) else ():
                if getattr(data, "shape", ()) == (80,):
                    data[...] = data[...][order]
    with open_nxstxm(path) as tree:
        node = tree["entry0/counter0"]
        placed = placed_list(node, "i0").values
        data = node["data"].values
        assert node["energy"].values.tolist() == [705.0, 708.0, 708.0, 705.0]
        np.testing.assert_allclose(placed[[0, 3]], [data[[0, 3]].mean(axis=0)] * 2)
        np.testing.assert_allclose(placed[[1, 2]], [data[[1, 2]].mean(axis=0)] * 2)


def test_a_broken_off_stack_with_repeated_energies(tmp_path):
    path = exported("stack-repeated-energies", tmp_path)
    with h5py.File(path, "r+") as file:
        for group in file["entry0/instrument"].values():
            for key, data in list(group.items()) if isinstance(group, h5py.Group) else ():
                if getattr(data, "shape", ()) == (80,):
                    values, attrs = data[...], dict(data.attrs)
                    del group[key]
                    group[key] = values[:70]
                    group[key].attrs.update(attrs)
    with open_nxstxm(path) as tree:
        node = tree["entry0/counter0"]
        placed = placed_list(node, "i0").values.ravel()
        np.testing.assert_array_equal(placed[:70], node["data"].values.ravel()[:70])
        assert np.isnan(placed[70:]).all()
