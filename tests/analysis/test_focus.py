"""A focus must be found where there is one, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.analysis import focus_position

KINDS = {
    "counts": lambda chance, shape: chance.poisson(300, shape),
    "few counts": lambda chance, shape: chance.poisson(2, shape) + 0.0,
    "a current": lambda chance, shape: chance.normal(100.0, 5.0, shape),
    "a falling beam": lambda chance, shape: chance.poisson(
        np.linspace(1000, 500, shape[0])[:, None] * np.ones(shape)
    ),
}


def scan(rows, low=-900.0, high=-700.0):
    z = np.linspace(low, high, rows.shape[0])
    return xr.DataArray(
        np.asarray(rows, float),
        {
            "zoneplate_z": ("zoneplate_z", z, {"units": "um"}),
            "line": 0.1 * np.arange(rows.shape[1]),
        },
        ("zoneplate_z", "line"),
        attrs={"units": "counts"},
    )


def focus(best, *, positions=21, contrast=0.5, chance=None):
    line = 1000 * np.where(np.arange(60) % 12 < 6, 1 + contrast, 1 - contrast)
    rows = np.stack(
        [
            ndimage.gaussian_filter1d(line, 0.3 + abs(z - best) / 25, mode="wrap")
            for z in np.linspace(-900, -700, positions)
        ]
    )
    return scan(rows if chance is None else chance.poisson(rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positions", [5, 21])
def test_noise_has_no_focus(kind, positions):
    for seed in range(60):
        rows = KINDS[kind](np.random.default_rng(seed), (positions, 60))
        with pytest.raises(NXstxmError, match=r"chance|wider range|no peak"):
            focus_position(scan(rows))


def test_one_odd_line_is_no_focus():
    rows = np.random.default_rng(2).poisson(300, (21, 60)).astype(float)
    rows[9, 30:34] = 0.0  # the beam was away for a moment
    with pytest.raises(NXstxmError, match=r"at one position only|wider range"):
        focus_position(scan(rows))


@pytest.mark.parametrize("contrast", [0.2, 0.5])
@pytest.mark.parametrize("positions", [7, 21, 41])
def test_a_focus_in_noise_is_found(contrast, positions):
    for seed in range(10):
        best = -850 + 10.0 * seed
        chance = np.random.default_rng(seed)
        made = focus_position(focus(best, positions=positions, contrast=contrast, chance=chance))
        assert float(made["position"]) == pytest.approx(best, abs=200 / positions / 2)


def test_a_position_that_is_not_known_does_not_count():
    whole = focus(-812.0)
    z = whole["zoneplate_z"].values.copy()
    z[2] = np.nan
    made = focus_position(whole.assign_coords(zoneplate_z=("zoneplate_z", z, {"units": "um"})))
    assert float(made["position"]) == pytest.approx(-812, abs=3)
    z[4:] = np.nan
    with pytest.raises(NXstxmError, match="of which the position is known"):
        focus_position(whole.assign_coords(zoneplate_z=("zoneplate_z", z)))


def test_several_focus_scans_are_one_too_many():
    with pytest.raises(NXstxmError, match=r"has energy as well: choose one .*\.isel\(energy=0\)"):
        focus_position(focus(-812.0).expand_dims("energy"))
