"""Each function must find the truth in data made from it, and refuse what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim
from suitcase.nxstxm.analysis import (
    align_stack,
    brightest,
    focus_position,
    normalise,
    optical_density,
    placed_list,
    region_spectrum,
    shift_energy,
    svd,
    xmcd,
)

ENERGY = np.linspace(280.0, 300.0, 21)
Y, X = np.linspace(-3.0, 3.0, 24), np.linspace(-4.0, 4.0, 32)
FLUX = 1e5 * (1 - 0.02 * (ENERGY - 280))


def array(values, *dims, **attrs):
    along = {"energy": ENERGY, "y": Y, "x": X}
    coords = {dim: along[dim][:size] for dim, size in zip(dims, values.shape, strict=True)}
    made = xr.DataArray(values, coords, dims, attrs={"units": "counts", **attrs})
    if "energy" in made.coords:
        made["energy"].attrs["units"] = "eV"
    return made


def thickness():
    """A grain in the middle, and nothing at the borders."""
    return np.where(np.hypot(*np.meshgrid(Y, X, indexing="ij")) < 2, 0.7, 0.0)


def absorption():
    return 0.3 + np.exp(-((ENERGY - 288) ** 2))


def density():
    return absorption()[:, None, None] * thickness()


def stack(dark=0.0):
    return array(FLUX[:, None, None] * np.exp(-density()) + dark, "energy", "y", "x")


EMPTY = {"x": slice(-4, -3), "y": slice(-3, 3)}


# -- optical density -------------------------------------------------------------------------------


def test_density_by_a_region():
    made = optical_density(stack(), region=EMPTY)
    np.testing.assert_allclose(made.values, density(), atol=1e-12)
    assert made.attrs["units"] == "1"
    assert made.attrs["long_name"] == "optical density"
    assert made.attrs["history"].startswith("optical_density(")
    assert made.dims == ("energy", "y", "x")
    assert made["energy"].attrs["units"] == "eV"


def test_density_with_dark_counts():
    made = optical_density(stack(dark=50.0), region=EMPTY, dark=50.0)
    np.testing.assert_allclose(made.values, density(), atol=1e-12)
    darks = array(np.full((24, 32), 50.0), "y", "x")
    np.testing.assert_allclose(
        optical_density(stack(dark=50.0), region=EMPTY, dark=darks).values, density(), atol=1e-12
    )
    assert abs(optical_density(stack(dark=50.0), region=EMPTY).values - density()).max() > 1e-5


def test_density_by_a_spectrum_of_other_energies():
    """A flux that falls straight is found exactly by straight lines."""
    other = np.linspace(279.0, 301.0, 12)
    i0 = xr.DataArray(1e5 * (1 - 0.02 * (other - 280)), {"energy": other}, ("energy",))
    np.testing.assert_allclose(optical_density(stack(), i0).values, density(), atol=1e-12)
    turned = i0.isel(energy=slice(None, None, -1))
    np.testing.assert_allclose(optical_density(stack(), turned).values, density(), atol=1e-12)


def test_density_by_another_file():
    """Another picture, of other places: its mean counts; its dwell and angle do not matter."""
    empty = array(np.broadcast_to(FLUX[:, None, None], (21, 5, 6)), "energy", "y", "x")
    empty = empty.assign_coords(x=empty["x"] + 100, theta=12.0)
    made = optical_density(stack(), empty.to_dataset(name="data"))
    np.testing.assert_allclose(made.values, density(), atol=1e-12)
    assert "theta" not in made.coords


def test_density_by_another_detector_of_the_same_points():
    beam = 1 + 0.1 * np.sin(np.arange(24 * 32)).reshape(24, 32)
    light = array(stack().values * beam, "energy", "y", "x")
    i0 = array(FLUX[:, None, None] * beam, "energy", "y", "x")
    np.testing.assert_allclose(optical_density(light, i0).values, density(), atol=1e-12)


@pytest.mark.parametrize("i0", [1e5, array(np.full((24, 32), 1e5), "y", "x")])
def test_density_of_an_image(i0):
    made = optical_density(stack().isel(energy=0), i0)
    np.testing.assert_allclose(made.values, density()[0], atol=1e-12)


def test_density_of_an_image_by_a_spectrum():
    i0 = xr.DataArray(FLUX, {"energy": ENERGY}, ("energy",))
    made = optical_density(stack().sel(energy=288.0), i0)
    np.testing.assert_allclose(made.values, density()[8], atol=1e-12)


def test_density_is_nan_where_there_was_no_light():
    light = stack()
    light[3, 4, 5], light[3, 4, 6] = 0.0, -2.0
    made = optical_density(light, region=EMPTY)
    assert np.isnan(made.values[3, 4, 5:7]).all()
    assert np.isfinite(made.values).sum() == made.size - 2


def test_density_by_the_role_of_a_detector(tmp_path):
    request = sim.all_requests()["image-two-detectors"]
    [wanted] = sim.expected(request).values()
    i0 = wanted.channels["i0_counter"]
    with open_nxstxm(export_scan(sim.scan_documents(request), tmp_path)) as tree:
        node = tree["entry0/counter0"]
        np.testing.assert_array_equal(placed_list(node, "i0").values, i0)
        made = optical_density(node, "i0")
        np.testing.assert_allclose(made.values, -np.log(wanted.data / i0))
        assert "i0" in made.attrs["history"]
        with pytest.raises(NXstxmError, match=r"no list 'nothing'; there are: .*counter0"):
            optical_density(node, "nothing")
    with pytest.raises(NXstxmError, match="give the node of the channel"):
        optical_density(stack(), "i0")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "needs either i0"),
        ({"i0": 1.0, "region": EMPTY}, "needs either i0"),
        ({"region": {"z": slice(0, 1)}}, "'z' is no dimension of the sample"),
        ({"region": {"x": slice(100, 200)}}, "no point of the picture inside"),
        ({"region": np.ones((2, 2), bool)}, "does not fit a picture"),
        ({"i0": xr.DataArray([1.0, 2.0], {"energy": [285.0, 290.0]}, ("energy",))},
         "15 energies .* are outside of those that are known"),
    ],
)  # fmt: skip
def test_density_refuses(arguments, told):
    with pytest.raises(NXstxmError, match=told):
        optical_density(stack(), **arguments)


def test_a_picture_is_asked_for():
    with pytest.raises(NXstxmError, match="int is no picture"):
        region_spectrum(3)


def test_the_brightest_points_are_outside_of_the_sample():
    mask = brightest(stack(), 0.2)
    assert not (mask.values & (thickness() > 0)).any()
    assert mask.values.sum() >= 0.2 * mask.size
    np.testing.assert_allclose(optical_density(stack(), region=mask).values, density(), atol=1e-12)
    for part in (0, 1.5):
        with pytest.raises(NXstxmError, match="not between 0 and 1"):
            brightest(stack(), part)


# -- spectra ---------------------------------------------------------------------------------------


def test_spectrum_of_a_region():
    inside = xr.DataArray(thickness() > 0, dims=("y", "x"))
    made = region_spectrum(array(density(), "energy", "y", "x"), inside)
    np.testing.assert_allclose(made.values, 0.7 * absorption())
    assert made.dims == ("energy",)
    assert made.attrs["units"] == "counts"
    np.testing.assert_allclose(region_spectrum(stack()).values, stack().values.mean(axis=(1, 2)))


def test_a_region_by_coordinates():
    values = array(np.arange(24 * 32.0).reshape(24, 32), "y", "x")
    inside = (X >= -1) & (X <= 2)
    for region in ({"x": slice(-1, 2)}, {"x": slice(2, -1)}):
        assert float(region_spectrum(values, region)) == values.values[:, inside].mean()
    assert (
        float(region_spectrum(values, {"x": slice(-1, None)})) == values.values[:, X >= -1].mean()
    )
    assert float(region_spectrum(values, {"x": slice(None, 2)})) == values.values[:, X <= 2].mean()
    nearest = int(np.abs(X - 0.2).argmin())
    assert float(region_spectrum(values, {"x": 0.2})) == values.values[:, nearest].mean()


def test_points_that_were_not_measured_do_not_count():
    values = stack()
    values[:, 0, :] = np.nan
    values[5] = np.nan
    made = region_spectrum(values)
    assert np.isnan(made.values[5])
    np.testing.assert_allclose(made.values[0], stack().values[0, 1:].mean())


@given(st.floats(-50, 50), st.booleans())
def test_shifted_energies(by, as_pair):
    made = shift_energy(stack(), (285.0, 285.0 + by) if as_pair else by)
    np.testing.assert_allclose(made["energy"].values, ENERGY + by, atol=1e-9)
    assert made["energy"].attrs == {"units": "eV"}
    np.testing.assert_array_equal(made.values, stack().values)


def test_history_grows_line_by_line():
    made = region_spectrum(shift_energy(optical_density(stack(), region=EMPTY), 0.5), EMPTY)
    lines = made.attrs["history"].splitlines()
    assert [line.partition("(")[0] for line in lines] == [
        "optical_density", "shift_energy", "region_spectrum",
    ]  # fmt: skip
    assert lines[1] == "shift_energy(by=0.5)"
    assert "history" not in stack().attrs, "the source is left alone"


# -- alignment -------------------------------------------------------------------------------------


def drifting(shifts, *, contrast=None):
    """A field of grains, moved by parts of a pixel."""
    chance = np.random.default_rng(3)
    big = ndimage.gaussian_filter(chance.normal(size=(120, 140)), 3.0)
    big = 100 + 20 * big / big.std()
    images = [
        ndimage.shift(big, -np.asarray(shift), order=3, mode="reflect")[40:88, 40:104]
        for shift in shifts
    ]
    if contrast is not None:
        images = [100 + c * (image - 100) for c, image in zip(contrast, images, strict=True)]
    values = np.stack(images)
    coords = {
        "energy": ("energy", np.arange(len(shifts)) + 280.0, {"units": "eV"}),
        "y": ("y", 0.05 * np.arange(48), {"units": "um"}),
        "x": ("x", 0.04 * np.arange(64), {"units": "um"}),
    }
    return xr.DataArray(values, coords, ("energy", "y", "x"), attrs={"units": "counts"})


DRIFT = [(0.0, 0.0), (1.3, -0.7), (2.6, -2.2), (1.8, -4.1), (0.4, -5.9)]


@pytest.mark.parametrize("reference", ["previous", "first", 0])
def test_a_drift_is_found(reference):
    aligned, shifts = align_stack(drifting(DRIFT), reference=reference, precision=0.05)
    found = np.stack([shifts["shift_y"] / 0.05, shifts["shift_x"] / 0.04], axis=1)
    np.testing.assert_allclose(found, DRIFT, atol=0.25)
    assert shifts["shift_x"].attrs["units"] == "um"
    inner = aligned.values[:, 8:-8, 10:-10]
    assert np.abs(inner - inner[0]).max() < 0.1 * np.ptp(inner[0])
    assert aligned.attrs["history"].startswith("align_stack(")
    assert aligned.attrs["units"] == "counts"


def test_a_drift_is_found_where_the_contrast_changes():
    stack = drifting(DRIFT, contrast=[1.0, 1.4, 2.0, 1.2, 0.8])
    _, shifts = align_stack(stack, precision=0.05)
    found = np.stack([shifts["shift_y"] / 0.05, shifts["shift_x"] / 0.04], axis=1)
    np.testing.assert_allclose(found, DRIFT, atol=0.25)


def test_a_drift_within_a_region_and_without_borders():
    region = {"x": slice(0.4, 2.2), "y": slice(0.3, 2.1)}
    aligned, shifts = align_stack(drifting(DRIFT), reference="first", region=region, crop=True)
    found = np.stack([shifts["shift_y"] / 0.05, shifts["shift_x"] / 0.04], axis=1)
    np.testing.assert_allclose(found, DRIFT, atol=0.4)
    assert np.isfinite(aligned.values).all()
    assert aligned.sizes["x"] in range(64 - 8, 64 - 5)


def test_phase_correlation_of_images_that_are_sharp_to_the_pixel():
    chance = np.random.default_rng(5)
    big = chance.poisson(50, (80, 90)).astype(float)
    moved = [(0, 0), (3, -2), (-4, 5)]
    stack = drifting([(0, 0)] * 3)
    values = [np.roll(big, (-y, -x), axis=(0, 1))[16:64, 13:77] for y, x in moved]
    _, shifts = align_stack(stack.copy(data=np.stack(values)), reference="first", method="phase")
    found = np.stack([shifts["shift_y"] / 0.05, shifts["shift_x"] / 0.04], axis=1)
    np.testing.assert_allclose(found, moved, atol=0.1)


def test_nothing_moves_where_nothing_drifts():
    aligned, shifts = align_stack(drifting([(0, 0)] * 3), reference="mean")
    np.testing.assert_array_equal(aligned.values, drifting([(0, 0)] * 3).values)
    assert not shifts.to_array().values.any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.isel(energy=0), "needs the dimensions energy, y, x; the array has y, x"),
        (lambda s: s.assign_coords(x=s["x"].values ** 2), "steps along x are uneven"),
        (lambda s: s.where(s["energy"] != 281), "nothing of the image at 281 eV"),
    ],
)
def test_alignment_refuses(change, told):
    with pytest.raises(NXstxmError, match=told):
        align_stack(change(drifting(DRIFT)))


@pytest.mark.parametrize(
    "options", [{"reference": 9}, {"reference": "best"}, {"precision": 0}, {"method": "eye"}]
)
def test_alignment_refuses_options(options):
    with pytest.raises(NXstxmError, match=r"reference=|precision=|method="):
        align_stack(drifting(DRIFT), **options)


# -- dichroism -------------------------------------------------------------------------------------


def test_dichroism():
    left = array(density() * 1.2, "energy", "y", "x", units="1").assign_coords(polarization="left")
    right = array(density() * 0.8, "energy", "y", "x", units="1").assign_coords(
        polarization="right"
    )
    made = xmcd(left, right)
    np.testing.assert_allclose(made["difference"], 0.4 * density(), atol=1e-12)
    np.testing.assert_allclose(made["mean"], density(), atol=1e-12)
    inside = thickness() > 0
    np.testing.assert_allclose(made["asymmetry"].values[:, inside], 0.2)
    assert np.isnan(made["asymmetry"].values[:, ~inside]).all()
    assert "polarization" not in made.coords
    assert made["difference"].attrs["units"] == "1"


def test_dichroism_demands_equal_energies():
    left = array(density(), "energy", "y", "x")
    right = left.assign_coords(energy=ENERGY + 0.3)
    with pytest.raises(NXstxmError, match=r"energies differ .*interpolate=True"):
        xmcd(left, right)
    line = xr.DataArray(2 * ENERGY, {"energy": ENERGY}, ("energy",))
    made = xmcd(line.isel(energy=slice(1, -1)), line, interpolate=True)
    np.testing.assert_allclose(made["difference"], 0, atol=1e-12)
    with pytest.raises(NXstxmError, match="outside of those that are known"):
        xmcd(line, line.isel(energy=slice(1, -1)), interpolate=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a.assign_coords(x=a["x"] + 1), "not of the same points"),
        (lambda a: a.isel(x=slice(3)), "not of the same points"),
        (lambda a: a.assign_attrs(units="1"), "one is in 'counts', the other in '1'"),
        (lambda a: a.isel(energy=0), "needs the dimensions energy"),
    ],
)
def test_dichroism_refuses(change, told):
    left = array(density(), "energy", "y", "x")
    with pytest.raises(NXstxmError, match=told):
        xmcd(left, change(left))


# -- normalising -----------------------------------------------------------------------------------


def channel(**more):
    current = 200 + 50 * np.cos(np.arange(21 * 24 * 32)).reshape(21, 24, 32)
    data = array(stack().values * current, "energy", "y", "x")
    control = array(current, "energy", "y", "x", units="mA")
    return xr.Dataset({"data": data, "control": control, **more}), current


def test_normalised_by_the_ring_current():
    picture, current = channel()
    made = normalise(picture)
    np.testing.assert_allclose(made.values, stack().values * current.mean())
    assert made.attrs["units"] == "counts"


def test_points_that_can_not_be_trusted_are_left_out():
    flags = np.zeros((21, 24, 32), np.uint8)
    flags[2, 3, 4], flags[2, 3, 5], flags[2, 3, 6] = 2, 8, 1
    picture, current = channel(quality=array(flags, "energy", "y", "x"))
    picture["control"][2, 3, 4] = -1.0  # lost, and flagged
    made = normalise(picture)
    assert np.isnan(made.values[2, 3, 4:7]).all()
    assert np.isfinite(made.values).sum() == made.size - 3
    only = normalise(picture.assign(control=picture["control"].clip(1)), mask=2 | 4)
    assert np.isnan(only.values[2, 3, 4])
    assert np.isfinite(only.values[2, 3, 5])
    assert np.isfinite(normalise(picture, by=None, mask=False).values).all()
    assert current.shape == made.shape


@pytest.mark.parametrize("monitor", ["zeros", "itself", "missing"])
def test_what_can_be_no_monitor(monitor):
    picture, _ = channel()
    if monitor == "zeros":
        picture["control"] = picture["control"] * 0
    elif monitor == "itself":
        picture["control"] = picture["data"]
    else:
        picture = picture.drop_vars("control")
    with pytest.raises(NXstxmError, match=r"by=None|there is no 'control'"):
        normalise(picture)
    with pytest.raises(NXstxmError, match="give the channel"):
        normalise(picture["data"])


# -- singular values -------------------------------------------------------------------------------


def test_two_substances_are_two_components():
    spectra = np.stack([absorption(), 1 + np.tanh(ENERGY - 292)])
    maps = np.stack([thickness(), np.cos(X)[None, :] ** 2 * np.ones((24, 1))])
    values = np.einsum("ce,cyx->eyx", spectra, maps)
    made = svd(array(values, "energy", "y", "x", units="1"))
    assert (made["singular_values"].values[2:] < 1e-9 * made["singular_values"].values[0]).all()
    again = np.einsum("ce,cyx->eyx", made["spectra"].values[:2], made["maps"].values[:2])
    np.testing.assert_allclose(again, values, atol=1e-9)
    assert made["explained"].values.sum() == pytest.approx(1)
    # both span the same plane
    for spectrum in spectra:
        basis = made["spectra"].values[:2]
        np.testing.assert_allclose(basis.T @ (basis @ spectrum), spectrum, atol=1e-9)
    assert (made["maps"].sum(["y", "x"]).values[:2] >= 0).all()
    assert made["maps"].attrs["units"] == "1"


def test_components_of_what_was_measured():
    values = density()
    values[3, 10, 12] = np.nan
    made = svd(array(values, "energy", "y", "x"), 1)
    assert np.isnan(made["maps"].values[0, 10, 12])
    assert np.isfinite(made["maps"].values).sum() == 24 * 32 - 1
    line = svd(xr.DataArray(density()[:, 12], {"energy": ENERGY, "line": X}, ("energy", "line")), 2)
    assert line["maps"].dims == ("component", "line")


@pytest.mark.parametrize("n", [0, 22])
def test_impossible_numbers_of_components(n):
    with pytest.raises(NXstxmError, match=f"n={n} components can not be had"):
        svd(stack(), n)
    with pytest.raises(NXstxmError, match="choose one of the others"):
        svd(stack().expand_dims("theta"))


# -- focus -----------------------------------------------------------------------------------------


def focus_scan(best=-812.0, z=None):
    z = np.linspace(-900, -700, 21) if z is None else z
    line = np.where(np.arange(60) % 12 < 6, 1000.0, 300.0)
    rows = [ndimage.gaussian_filter1d(line, 0.3 + abs(p - best) / 25, mode="wrap") for p in z]
    return xr.DataArray(
        np.stack(rows),
        {"zoneplate_z": ("zoneplate_z", z, {"units": "um"}), "line": 0.1 * np.arange(60)},
        ("zoneplate_z", "line"),
        attrs={"units": "counts"},
    )


@pytest.mark.parametrize("best", [-850.0, -812.0, -755.5])
def test_the_focus_is_found(best):
    made = focus_position(focus_scan(best))
    assert float(made["position"]) == pytest.approx(best, abs=3)
    assert made["position"].attrs["units"] == "um"
    assert 0 < float(made["uncertainty"]) < 5
    assert made["sharpness"].dims == ("zoneplate_z",)


def test_the_focus_is_found_in_noise_and_gaps():
    scan = focus_scan()
    chance = np.random.default_rng(1)
    scan = scan.copy(data=chance.poisson(scan.values).astype(float))
    scan[3] = np.nan
    scan[7, :10] = np.nan
    assert float(focus_position(scan)["position"]) == pytest.approx(-812, abs=4)


@pytest.mark.parametrize(
    ("scan", "told"),
    [
        (focus_scan(-400.0), "wider range|no peak"),
        (focus_scan(-690.0), "wider range|no peak"),
        (focus_scan(z=np.linspace(-900, -700, 4)), "five positions"),
        (focus_scan().isel(line=0), "needs the dimensions zoneplate_z, line"),
        (focus_scan() * np.nan, "fewer than five lines"),
    ],
)
def test_no_focus(scan, told):
    with pytest.raises(NXstxmError, match=told):
        focus_position(scan)


def test_what_is_missing_is_named(monkeypatch):
    import suitcase.nxstxm.analysis as room

    monkeypatch.setitem(__import__("sys").modules, "suitcase.nxstxm.analysis._svd", None)
    with pytest.raises(room.MissingAnalysisError, match=r"suitcase-nxstxm\[analysis\]"):
        _ = room.svd
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = room.nothing
