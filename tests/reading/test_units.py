"""Values must be in the units that the reference promises, whatever unit the file has."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from styles import ENERGY, IMAGE, NE, STACK, X, Y, build_style, group, put

from suitcase.nxstxm import export_scan, open_nxstxm
from suitcase.nxstxm.analysis import placed_list
from suitcase.nxstxm.exchange import scans_in

WAVELENGTH = 1239.841984332 / ENERGY  # nm


def with_units(folder, name, units, values=None):
    path, _ = build_style("pixelator-stack", folder)
    with h5py.File(path, "r+") as file:
        member = file[f"entry1/counter0/{name}"]
        member.attrs["units"] = units
        if values is not None:
            member[...] = values
    return path


@pytest.mark.parametrize(
    ("units", "values"),
    [
        ("eV", ENERGY),
        ("electronvolt", ENERGY),
        ("keV", ENERGY / 1e3),
        ("J", ENERGY * 1.602176634e-19),
        ("nm", WAVELENGTH),
        ("Angstrom", WAVELENGTH * 10),
        ("A", WAVELENGTH * 10),
        ("\N{LATIN CAPITAL LETTER A WITH RING ABOVE}", WAVELENGTH * 10),
        ("m", WAVELENGTH * 1e-9),
    ],
)
def test_energies_are_in_electronvolts(tmp_path, units, values):
    path = with_units(tmp_path, "energy", units, values)
    with open_nxstxm(path) as tree:
        picture = tree["entry1/counter0"]
        np.testing.assert_allclose(picture["energy"], ENERGY)
        assert picture["energy"].attrs["units"] == "eV"
        assert "guessed" not in picture.attrs
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new) as tree:
        np.testing.assert_allclose(tree["entry1/counter0"]["energy"], ENERGY)


@pytest.mark.parametrize(("name", "units"), [("energy", "um"), ("sample_x", "pixel")])
def test_a_unit_that_nobody_knows_stays_and_is_told(tmp_path, name, units):
    path = with_units(tmp_path, name, units)
    dim = {"sample_x": "x"}.get(name, name)
    with open_nxstxm(path) as tree:
        picture = tree["entry1/counter0"]
        np.testing.assert_array_equal(picture[dim], {"energy": ENERGY, "x": X}[dim])
        assert picture[dim].attrs["units"] == units
        assert f"stay as they are: {name} in {units}" in " ".join(picture.attrs["guessed"])


def test_energies_in_an_unknown_unit_are_told_when_they_are_written(tmp_path):
    [scan] = scans_in(with_units(tmp_path, "energy", "furlong"))
    assert "energy is in furlong" in " ".join(scan.runs[0].notes)


@pytest.mark.parametrize("units", ["s", "ms", None])
def test_dwells_of_pystxmcontrol_are_milliseconds_once(tmp_path, units):
    path, expected = build_style("als-version-3", tmp_path)
    with h5py.File(path, "r+") as file:
        dwell = file["entry0/default/count_time"]
        del dwell.attrs["units"]
        if units is not None:
            dwell.attrs["units"] = units
    with open_nxstxm(path) as tree:
        picture = tree["entry0/default"]
        np.testing.assert_allclose(picture["count_time"], expected.coords["count_time"])
        assert picture["count_time"].attrs["units"] == "s"
        told = " ".join(picture.attrs["guessed"])
        assert ("taken as milliseconds" in told) == (units != "ms")


def test_counts_of_pystxmcontrol_are_no_micrometres(tmp_path):
    path, _ = build_style("als-version-2-1", tmp_path)
    with open_nxstxm(path) as tree:
        assert "units" not in tree["entry0/counter0"]["data"].attrs
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new) as tree:
        assert tree["entry0/counter0"]["data"].attrs["units"] == "counts"


@pytest.mark.parametrize(("units", "times"), [("deg", 1), ("rad", 180 / np.pi), ("odd", 1)])
def test_angles_are_in_degrees(tmp_path, units, times):
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        sample = group(file["entry1"], "sample", "NXsample")
        put(sample, rotation_angle=0.5)
        sample["rotation_angle"].attrs["units"] = units
    [scan] = scans_in(path)
    with (
        open_nxstxm(path) as tree,
        open_nxstxm(export_scan(scan, tmp_path / "new")) as new,
    ):
        theta = tree["entry1/counter0"]["theta"]
        assert float(theta) == pytest.approx(0.5 * times)
        assert theta.attrs["units"] == ("odd" if units == "odd" else "deg")
        again = new["entry1/counter0"]["theta"]
        assert float(again) == pytest.approx(0.5 * times)
        assert again.attrs["units"] == "deg"
        assert (" is in odd" in " ".join(scan.runs[0].notes)) == (units == "odd")
        if units == "odd":
            assert "angle of the sample is in odd" in " ".join(
                tree["entry1/counter0"].attrs["guessed"]
            )


def test_energies_of_the_monochromator_are_in_electronvolts(tmp_path):
    """The picture has none; the list is in keV."""
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["entry1/counter0/energy"]
        mono = group(file["entry1/instrument"], "monochromator", "NXmonochromator")
        mono["energy"] = ENERGY / 1000
        mono["energy"].attrs["units"] = "keV"
    with open_nxstxm(path) as tree:
        np.testing.assert_allclose(tree["entry1/counter0"]["energy"], ENERGY)


def test_lists_of_places_in_other_units(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    y, x = np.repeat(Y, X.size), np.tile(X, Y.size)
    lists = {
        "sample_x": (np.tile(x, NE) / 1000, "mm"),
        "sample_y": (np.tile(y, NE), "um"),
        "diode": (STACK.ravel() * 3, "counts"),
    }
    with h5py.File(path, "r+") as file:
        home = file["entry1/instrument"]
        for name, (values, units) in lists.items():
            made = group(home, name, "NXdetector")
            made["data"] = values
            made["data"].attrs["units"] = units
        made = group(home, "monochromator", "NXmonochromator")
        made["energy"] = np.repeat(ENERGY, x.size) / 1000
        made["energy"].attrs["units"] = "keV"
    with open_nxstxm(path) as tree:
        np.testing.assert_array_equal(placed_list(tree["entry1/counter0"], "diode"), STACK * 3)


@pytest.mark.parametrize(("units", "times"), [(None, 1), ("um", 1), ("mm", 1000)])
def test_the_aperture_is_in_micrometres(tmp_path, units, times):
    path, _ = build_style("cls-legacy-focus", tmp_path)
    with h5py.File(path, "r+") as file:
        member = file["entry0/counter0/osa_x"]
        values = member[...]
        for name in ("units", "unit", "NX_units"):
            member.attrs.pop(name, None)
        if units is not None:
            member.attrs["units"] = units
    with open_nxstxm(path) as tree:
        osa = tree["entry0/counter0"]["osa_x"]
        np.testing.assert_allclose(osa, values * times)
        assert osa.attrs["units"] == "um"


# -- dimensions of length 1 ------------------------------------------------------------------------


def picture(path, label, data, **members):
    with h5py.File(path, "w") as file:
        entry = group(file, "entry1", "NXentry")
        home = group(entry, "counter0", "NXdata")
        home.attrs["signal"] = "data"
        home.attrs["axes"] = ["energy", "sample_y", "sample_x"]
        put(home, data=data, stxm_scan_type=label, count_time=[0.01], **members)
        put(group(entry, "control", "NXmonitor"), data=data * 0 + 400)
    return path


def test_one_image_with_an_energy_is_an_image(tmp_path):
    path = picture(
        tmp_path / "a.h5", "Image", IMAGE[np.newaxis], energy=[280.0], sample_y=Y, sample_x=X
    )
    with open_nxstxm(path) as tree:
        assert tree["entry1"].attrs["scan_type"] == "sample image"
        shown = tree["entry1/counter0"]
        assert shown["data"].dims == shown["control"].dims == ("y", "x")
        np.testing.assert_array_equal(shown["data"], IMAGE)
        assert float(shown["energy"]) == 280
        assert shown["energy"].dims == ()
        assert "energy of length 1 is no dimension" in " ".join(shown.attrs["guessed"])
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new) as tree:
        assert tree["entry1"].attrs["scan_type"] == "sample image"
        np.testing.assert_array_equal(tree["entry1/counter0"]["data"], IMAGE)
        np.testing.assert_array_equal(tree["entry1/counter0"]["control"], IMAGE * 0 + 400)


def test_a_stack_of_one_energy_stays_a_stack(tmp_path):
    path = picture(
        tmp_path / "a.h5", "sample image stack", IMAGE[np.newaxis], energy=[280.0], sample_y=Y,
        sample_x=X,
    )  # fmt: skip
    with open_nxstxm(path) as tree:
        assert tree["entry1/counter0"]["data"].dims == ("energy", "y", "x")


def test_a_point_spectrum_with_its_place_is_a_point_spectrum(tmp_path):
    data = STACK[:, :1, :1]
    path = picture(
        tmp_path / "a.h5", "sample point spectrum", data, energy=ENERGY, sample_y=[2.0],
        sample_x=[1.0],
    )  # fmt: skip
    with open_nxstxm(path) as tree:
        shown = tree["entry1/counter0"]
        assert shown["data"].dims == ("energy",)
        assert (float(shown["sample_x"]), float(shown["sample_y"])) == (1, 2)
    new = export_scan(scans_in(path)[0], tmp_path / "new")
    with open_nxstxm(new) as tree:
        assert tree["entry1"].attrs["scan_type"] == "sample point spectrum"
        shown = tree["entry1/counter0"]
        np.testing.assert_array_equal(shown["data"], data.ravel())
        assert (float(shown["sample_x"]), float(shown["sample_y"])) == (1, 2)
