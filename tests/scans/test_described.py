"""Without the description of a file, one that has no documents could not be written again."""

from __future__ import annotations

import json

import pytest

from suitcase.nxstxm.scans import MetadataError, ScanType, read_plan

BLOCK = {
    "scan_type": "sample image stack",
    "entry": "entry7",
    "axes": [
        {"name": "energy", "setpoints": [280.0, 290.0], "units": "eV"},
        {"name": "sample_y", "setpoints": [0.0, 1.0, 3.0], "units": "um"},
        {"name": "sample_x", "setpoints": [5.0, 4.0], "units": "um"},
    ],
    "energies": [280.0, 290.0],
    "dwells": [0.001, 0.002],
    "detectors": [{"name": "pmt", "data_key": "pmt_counts"}],
    "devices": {"ring_current": "control"},
    "rotation_angle": 12.5,
    "polarization": "circular left",
    "zone_plate": {"outer_diameter": 240.0},
    "messages": ["something was guessed"],
}


def plan(**changed):
    block = {k: v for k, v in {**BLOCK, **changed}.items() if v is not None}
    return read_plan({"uid": "a", "time": 1.0, "nxstxm": block})


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_all_of_it_is_read(form):
    made = read_plan({"uid": "a", "time": 1.0, "nxstxm": form(BLOCK)})
    assert made.dialect == "nxstxm"
    assert made.scan_type is ScanType.SAMPLE_IMAGE_STACK
    [entry] = made.entries
    assert entry.name == "entry7"
    assert [(a.name, a.setpoints, a.units) for a in entry.axes] == [
        ("energy", (280.0, 290.0), "eV"),
        ("sample_y", (0.0, 1.0, 3.0), "um"),
        ("sample_x", (5.0, 4.0), "um"),
    ]
    assert entry.dwells == (0.001, 0.002)
    assert entry.rotation_angle == 12.5
    assert entry.polarization.name == "circular left"
    assert [(loop.axis, loop.size) for loop in made.loops] == [
        ("energy", 2), ("sample_y", 3), ("sample_x", 2),
    ]  # fmt: skip
    [detector] = made.detectors
    assert (detector.name, detector.data_key, detector.per) == ("pmt", "pmt_counts", "line")
    assert made.devices["ring_current"].stems == ("control",)
    assert made.zone_plate.outer_diameter == 240.0
    assert made.messages == ("something was guessed",)


def test_what_may_be_missing():
    made = plan(
        entry=None, dwells=None, detectors=None, devices=None, rotation_angle=None,
        polarization="a name of its own", zone_plate=None, messages=None,
    )  # fmt: skip
    assert made.entries[0].dwells == (0.0, 0.0)
    assert made.entries[0].name is None
    assert made.zone_plate is None
    assert plan(dwells=0.5).entries[0].dwells == (0.5, 0.5)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"axes": None}, "has no axes"),
        ({"scan_type": "nonsense"}, "is not one of ScanType"),
        ({"axes": 3}, "is 3, not a list of axes"),
        ({"axes": [{"setpoints": [1.0]}]}, "an axis has no name"),
        ({"axes": [{"name": "x", "setpoints": "many"}]}, "setpoints of x"),
        ({"dwells": [1.0, 2.0, 3.0]}, "3 dwells for 2 energies"),
        ({"detectors": [{"role": "signal"}]}, "detector of the nxstxm block has no name"),
    ],
)
def test_what_makes_no_sense_is_told(changed, told):
    with pytest.raises(ValueError, match=told) as error:
        plan(**changed)
    assert isinstance(error.value, (MetadataError, ValueError))
