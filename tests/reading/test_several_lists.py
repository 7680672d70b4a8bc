"""Files that are put together keep what each of them has: dwells, lists of points, readings."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from styles import IMAGE, NX, NY, X, Y, group, put
from test_several import image

from suitcase.nxstxm import export_scan, open_nxstxm, sim
from suitcase.nxstxm.analysis import optical_density, placed_list

REQUESTS = sim.all_requests()


def changed(path, name, value):
    with h5py.File(path, "r+") as file:
        file[f"entry0/{name}"][...] = value
    return path


def with_i0(path, energy=None):
    """Give a file lists of its points: where they were, and an I0."""
    with h5py.File(path, "r+") as file:
        home = file["entry0"]
        home = home["instrument"] if "instrument" in home else group(home, "instrument")
        home.attrs["NX_class"] = "NXinstrument"
        detector = group(home, "diode", "NXdetector")
        detector.attrs["role"] = "i0"
        detector["data"] = file["entry0/counter0/data"][...].ravel() * 2
        for name, values in (("sample_x", np.tile(X, NY)), ("sample_y", np.repeat(Y, NX))):
            group(home, name, "NXdetector")["data"] = values
        if energy is not None:
            group(home, "monochromator", "NXmonochromator")["energy"] = np.full(NX * NY, energy)
    return path


def test_each_energy_has_its_own_dwell(tmp_path):
    paths = [image(tmp_path / f"{e}.h5", e, IMAGE + e) for e in (290.0, 280.0)]
    changed(paths[0], "counter0/count_time", 0.05)
    with open_nxstxm(paths) as tree:
        dwell = tree["entry0/counter0"]["count_time"]
        assert dwell.dims == ("energy",)
        assert dwell.values.tolist() == [0.01, 0.05], "in the order of the energies"
        assert dwell.attrs["units"] == "s"


@pytest.mark.parametrize("dim", ["polarization", "theta"])
def test_each_polarization_and_angle_has_its_own_dwell(tmp_path, dim):
    values = {"polarization": ["left", "right"], "theta": [-10.0, 20.0]}[dim]
    paths = []
    for number, value in enumerate(values):
        for energy in (280.0, 290.0):
            named = {"angle": value} if dim == "theta" else {"polarization": value}
            path = image(tmp_path / f"{number}-{energy}.h5", energy, IMAGE, **named)
            paths.append(changed(path, "counter0/count_time", 0.01 + 0.02 * number))
    with open_nxstxm(paths) as tree:
        dwell = tree["entry0/counter0"]["count_time"]
        assert dwell.dims == (dim,)
        np.testing.assert_allclose(dwell.values, [0.01, 0.03])


def test_a_dwell_that_changes_along_both(tmp_path):
    paths = []
    for number, value in enumerate(["left", "right"]):
        for energy in (280.0, 290.0):
            path = image(tmp_path / f"{value}-{energy}.h5", energy, IMAGE, polarization=value)
            changed(path, "counter0/count_time", energy / 1000 if number else 0.01)
            paths.append(path)
    with open_nxstxm(paths) as tree:
        dwell = tree["entry0/counter0"]["count_time"]
        assert dwell.dims == ("polarization", "energy")
        np.testing.assert_allclose(dwell.values, [[0.01, 0.01], [0.28, 0.29]])


def test_places_that_differ_by_a_part_of_a_step_stay_places(tmp_path):
    paths = [image(tmp_path / f"{n}.h5", 280.0 + n, IMAGE, x=X + 0.004 * n) for n in range(2)]
    with open_nxstxm(paths) as tree:
        assert tree["entry0/counter0"]["x"].dims == ("x",)


def test_other_units_stay_apart_and_are_told(tmp_path):
    paths = [image(tmp_path / f"{e}.h5", e, IMAGE) for e in (280.0, 290.0)]
    for path, units in zip(paths, ("counts", "A"), strict=True):
        with h5py.File(path, "r+") as file:
            file["entry0/counter0/data"].attrs["units"] = units
    with open_nxstxm(paths) as tree:
        assert [tree[name]["counter0"]["data"].attrs["units"] for name in tree.children] == [
            "counts",
            "A",
        ]
        [told] = tree.attrs["kept_apart"]
        assert told == (
            "290.0.h5:entry0 is not joined with 280.0.h5:entry0: counter0 is in A, not in counts"
        )


def test_without_energies_nothing_is_a_stack(tmp_path):
    paths = [image(tmp_path / f"{n}.h5", 280.0, IMAGE) for n in range(2)]
    for path in paths:
        with h5py.File(path, "r+") as file:
            del file["entry0/counter0/energy"]
    with open_nxstxm(paths) as tree:
        assert [entry["counter0"]["data"].dims for entry in tree.children.values()] == [
            ("y", "x"),
            ("y", "x"),
        ]
        assert "energies are not known" in tree.attrs["kept_apart"][0]


@pytest.mark.parametrize("known", [True, False])
def test_i0_by_its_role_for_several_files(tmp_path, known):
    """The monochromator may have a list of energies, or the picture alone knows its own."""
    paths = []
    for energy in (290.0, 280.0, 285.0):
        path = image(tmp_path / f"{energy}.h5", energy, IMAGE + energy)
        paths.append(with_i0(path, energy if known else None))
    with open_nxstxm(paths) as tree:
        node = tree["entry0/counter0"]
        density = optical_density(node, "i0")
        assert density.dims == ("energy", "y", "x")
        np.testing.assert_allclose(density, np.log(2))
        lists = tree["entry0/instrument"]
        assert lists["diode"].attrs["role"] == "i0"
        made_of = np.array(tree["entry0"].attrs["made_of"])[lists["made_of"].values]
        assert made_of[0] == "290.0.h5:entry0", "lists are in the order of the files"
        assert lists["energy"].values[0] == 290


def test_repeated_energies_of_several_files_have_their_own_i0(tmp_path):
    paths = [with_i0(image(tmp_path / f"{n}.h5", 280.0, IMAGE + 9 * n), 280.0) for n in range(3)]
    with open_nxstxm(paths) as tree:
        node = tree["entry0/counter0"]
        np.testing.assert_array_equal(placed_list(node, "i0"), 2 * node["data"])


@pytest.mark.parametrize("dim", ["polarization", "theta"])
def test_i0_by_its_role_along_polarizations_and_angles(tmp_path, dim):
    values = {"polarization": ["right", "left"], "theta": [20.0, -10.0]}[dim]
    paths = []
    for number, value in enumerate(values):
        for energy in (280.0, 290.0):
            named = {"angle": value} if dim == "theta" else {"polarization": value}
            data = IMAGE + energy + 1000 * number
            path = image(tmp_path / f"{number}-{energy}.h5", energy, data, **named)
            paths.append(with_i0(path, energy))
    with open_nxstxm(paths) as tree:
        node = tree["entry0/counter0"]
        assert node["data"].dims == (dim, "energy", "y", "x")
        np.testing.assert_array_equal(placed_list(node, "i0"), 2 * node["data"])


def test_lists_that_one_file_lacks_or_has_in_other_units_are_left_out(tmp_path):
    paths = [with_i0(image(tmp_path / f"{e}.h5", e, IMAGE), e) for e in (280.0, 290.0)]
    with h5py.File(paths[0], "r+") as file:
        file["entry0/instrument/diode/data"].attrs["units"] = "A"
        put(group(file["entry0/instrument"], "more", "NXdetector"), data=np.zeros(NX * NY))
    with h5py.File(paths[1], "r+") as file:
        file["entry0/instrument/diode/data"].attrs["units"] = "counts"
    with open_nxstxm(paths) as tree:
        lists = tree["entry0/instrument"]
        assert "diode" not in lists
        assert "more" not in lists
        assert lists.sizes["point"] == 2 * NX * NY


def test_readings_of_all_files(tmp_path):
    request = REQUESTS["stack-two-polarizations"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    with open_nxstxm([path], baseline=True) as tree, open_nxstxm(path, baseline=True) as alone:
        [entry] = tree.children.values()
        readings = entry["baseline"]
        names = list(alone.children)
        assert entry["instrument"].sizes["point"] == sum(
            alone[name]["instrument"].sizes["point"] for name in names
        )
        key = next(iter(alone[names[0]]["baseline"].data_vars))
        own = [alone[name]["baseline"][key].values for name in names]
        np.testing.assert_array_equal(readings[key].values, np.concatenate(own))
        assert sorted(set(readings["made_of"].values.tolist())) == list(range(len(names)))


def test_spectra_of_other_points_stay_apart(tmp_path):
    request = REQUESTS["pystxm2019-sample_point_spectra-points"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    with open_nxstxm([path]) as tree:
        assert len(tree.children) == 3
        assert "another place on the sample" in tree.attrs["kept_apart"][0]


def test_line_spectra_of_other_lines_stay_apart(tmp_path):
    request = REQUESTS["pystxm2019-sample_line_spectra-lines"]
    paths = [
        export_scan(sim.scan_documents(request), tmp_path, file_prefix=name) for name in ("a", "b")
    ]
    with open_nxstxm(paths) as tree:
        assert len(tree.children) == 1
    with h5py.File(paths[1], "r+") as file:
        file["entry0/counter0/sample_y"][...] += 5
    with open_nxstxm(paths) as tree:
        assert len(tree.children) == 2, "the distance along the line alone is the same"
