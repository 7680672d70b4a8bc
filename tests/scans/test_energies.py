"""Polarizations may have energies of their own; without this their images could be misplaced."""

from __future__ import annotations

import pytest

from suitcase.nxstxm.scans import make_standard_metadata, read_plan


def plan_of(pol_idx: int, e_idx: int):
    """Measure two energies with both polarizations, and two more with the first alone."""
    left, right = {"POL": 0, "ANGLE": 0.0, "OFF": 0.0}, {"POL": 1, "ANGLE": 0.0, "OFF": 0.0}
    energies = [
        {"SETPOINTS": [700.0, 705.0], "DWELL": 1.0, "POL_ROIS": [left, right]},
        {"SETPOINTS": [712.0, 711.0], "DWELL": 3.0, "POL_ROIS": [left]},
    ]
    axis = {"POSITIONER": "SampleX", "SETPOINTS": [0.0, 1.0]}
    roi = {"X": axis, "Y": axis | {"POSITIONER": "SampleY"}, "EV_ROIS": energies}
    metadata = make_standard_metadata(
        f"entry{pol_idx}",
        7,
        "counter0",
        rois={"0": roi},
        img_idx_map={"e_idx": e_idx, "pol_idx": pol_idx, "entry": f"entry{pol_idx}", "sp_id": 0},
    )
    return read_plan({"uid": f"run{pol_idx}{e_idx}", "time": 1.0, "metadata": metadata})


@pytest.mark.parametrize(
    ("pol_idx", "name", "energies", "dwells"),
    [
        (0, "circular left", (700.0, 705.0, 712.0, 711.0), (0.001, 0.001, 0.003, 0.003)),
        (1, "circular right", (700.0, 705.0), (0.001, 0.001)),
    ],
)
def test_each_polarization_has_its_own_energies_in_their_order(pol_idx, name, energies, dwells):
    plan = plan_of(pol_idx, 1)
    (entry,) = plan.entries
    assert entry.polarization is not None
    assert (entry.name, entry.polarization.name) == (f"entry{pol_idx}", name)
    assert entry.energies == energies
    assert entry.dwells == pytest.approx(dwells)
    assert plan.fixed == (("energy", 1),)
    assert plan.expected_runs == 6
