"""Pictures are compared with what was measured in the same light, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from test_analysis import EMPTY, ENERGY, FLUX, X, absorption, array, density, stack, thickness

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.analysis import (
    normalise,
    optical_density,
    region_spectrum,
    shift_energy,
    svd,
    xmcd,
)


def image(energy, number=8):
    made = array(density()[number], "y", "x", units="1")
    return made if energy is None else made.assign_coords(energy=energy)


def angles(picture, *values):
    parts = [picture.assign_coords(theta=value) for value in values]
    return xr.concat(parts, "theta")


# -- dichroism -------------------------------------------------------------------------------------


def test_dichroism_of_images():
    made = xmcd(1.2 * image(288.0), 0.8 * image(288.0))
    np.testing.assert_allclose(made["difference"], 0.4 * density()[8])
    assert float(made["energy"]) == 288
    assert float(abs(xmcd(image(288.0), image(None))["difference"]).max()) == 0


@pytest.mark.parametrize("interpolate", [True, False])
def test_dichroism_of_images_of_other_energies(interpolate):
    with pytest.raises(NXstxmError, match="one image is of 285 eV, the other of 290 eV"):
        xmcd(image(285.0), image(290.0), interpolate=interpolate)


@pytest.mark.parametrize("turned", [True, False])
def test_dichroism_with_an_angle_on_one_side(turned):
    pair = [angles(image(288.0), 0.0, 10.0), image(288.0)]
    with pytest.raises(NXstxmError, match=r"the dimension theta, the other has not.*isel\(theta"):
        xmcd(*(pair[::-1] if turned else pair))


def test_dichroism_at_other_angles():
    with pytest.raises(NXstxmError, match="values of theta differ"):
        xmcd(angles(image(288.0), 0.0, 10.0), angles(image(288.0), 5.0, 15.0))
    assert xmcd(*[angles(image(288.0), 0.0, 10.0)] * 2)["difference"].sizes["theta"] == 2


def test_dichroism_in_any_order_of_dimensions():
    whole = array(density(), "energy", "y", "x", units="1")
    made = xmcd(whole, whole.transpose("x", "energy", "y"))
    assert made["difference"].dims == ("energy", "y", "x")
    assert not made["difference"].values.any()


# -- optical density -------------------------------------------------------------------------------


def empty(energy=None):
    made = array(np.full((24, 32), FLUX[0]), "y", "x")
    return made if energy is None else made.assign_coords(energy=energy)


def test_i0_of_one_energy_is_good_for_that_one():
    one = stack().isel(energy=0)
    np.testing.assert_allclose(optical_density(one, empty(280.0)), density()[0], atol=1e-12)
    np.testing.assert_allclose(optical_density(one, empty(280.05)), density()[0], atol=1e-12)
    np.testing.assert_allclose(optical_density(one, empty()), density()[0], atol=1e-12)
    with pytest.raises(NXstxmError, match=r"I0 is of 298 eV alone, .* 280 to 280 eV"):
        optical_density(one, empty(298.0))
    with pytest.raises(NXstxmError, match=r"of 298 eV alone, .* 280 to 300 eV.*drop_vars"):
        optical_density(stack(), empty(298.0))
    assert optical_density(stack(), empty(298.0).drop_vars("energy")).shape == stack().shape


def test_a_stack_of_the_same_points_as_i0_of_one_image():
    i0 = array(np.broadcast_to(FLUX[:, None, None], (21, 24, 32)), "energy", "y", "x")
    made = optical_density(stack().isel(energy=3), i0)
    np.testing.assert_allclose(made, density()[3], atol=1e-12)
    made = optical_density(stack().sel(energy=288.0), i0.isel(energy=[0, -1]))
    np.testing.assert_allclose(made, density()[8], atol=1e-12)


def test_i0_of_the_same_polarization():
    picture = angles(stack(), 0.0, 10.0)
    i0 = angles(xr.DataArray(FLUX, {"energy": ENERGY}, ("energy",)), 10.0, 0.0)
    i0 = i0 * xr.DataArray([2.0, 1.0], {"theta": [10.0, 0.0]}, ("theta",))
    made = optical_density(picture, i0)
    np.testing.assert_allclose(made.sel(theta=0.0), density(), atol=1e-12)
    np.testing.assert_allclose(made.sel(theta=10.0), density() + np.log(2), atol=1e-12)
    with pytest.raises(NXstxmError, match="the I0 lacks values of theta"):
        optical_density(picture, i0.assign_coords(theta=[10.0, 5.0]))
    with pytest.raises(NXstxmError, match="the I0 has the dimension theta"):
        optical_density(stack(), i0)


@pytest.mark.parametrize("kind", ["uint16", "int64", "float32"])
def test_numbers_of_numpy_are_numbers(kind):
    counts = (stack() * 0.1).round().astype("uint16")
    brightest = counts.values.max().astype(kind)
    made = optical_density(counts, brightest, dark=np.float32(0))
    np.testing.assert_allclose(made, -np.log(counts / float(brightest)))
    assert f"i0={float(brightest):g}" in made.attrs["history"]


# -- regions, shifts, components -------------------------------------------------------------------


@pytest.mark.parametrize("given", [(-4, -3), [-3, -4]])
def test_a_range_may_be_a_pair(given):
    np.testing.assert_array_equal(
        region_spectrum(stack(), {"x": given}), region_spectrum(stack(), {"x": slice(-4, -3)})
    )
    assert optical_density(stack(), region={"x": given}).shape == stack().shape


@pytest.mark.parametrize("given", [1000.0, -4.3, np.inf, "all", (1, 2, 3), None])
def test_a_place_outside_or_none_at_all(given):
    with pytest.raises(NXstxmError, match=r"outside of the picture|neither a number nor a range"):
        region_spectrum(stack(), {"x": given})


@pytest.mark.parametrize("given", [X[0] - 0.1, X[-1] + 0.1, np.float32(0.0), 0])
def test_a_place_within_half_a_step(given):
    assert region_spectrum(stack(), {"x": given}).shape == (21,)


@pytest.mark.parametrize("by", [(285.0, 285.3), [285.0, 285.3], np.array([285.0, 285.3]), 0.3])
def test_a_shift_in_every_form(by):
    np.testing.assert_allclose(shift_energy(stack(), by)["energy"], ENERGY + 0.3)


@pytest.mark.parametrize("by", [[285.0], [1, 2, 3], "much", None, {"a": 1}])
def test_what_is_no_shift(by):
    with pytest.raises(NXstxmError, match=r"neither a shift in eV nor two energies|by nan"):
        shift_energy(stack(), by)


@pytest.mark.parametrize("n", [2, 2.0, np.int64(2)])
def test_a_whole_number_of_components(n):
    assert svd(stack(), n).sizes["component"] == 2


@pytest.mark.parametrize("n", [2.5, "two", np.nan])
def test_no_whole_number_of_components(n):
    with pytest.raises(NXstxmError, match="components can not be had"):
        svd(stack(), n)


def test_a_truth_value_of_numpy_is_one():
    flags = np.zeros((24, 32), np.uint8)
    flags[0, 0], flags[0, 1] = 1, 2
    picture = xr.Dataset({"data": empty(), "quality": array(flags, "y", "x")})
    for mask, left in ((np.True_, 2), (True, 2), (1, 1), (np.False_, 0), (False, 0)):
        made = normalise(picture, by=None, mask=mask)
        assert int(np.isnan(made.values).sum()) == left


def test_the_truth_stays_the_truth():
    made = optical_density(stack(), region=EMPTY)
    np.testing.assert_allclose(made, absorption()[:, None, None] * thickness(), atol=1e-12)
