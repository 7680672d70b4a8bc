"""Without these, a scan could get another type's number, label or axes, and a list a hole."""

import copy
import pickle

import pytest

from suitcase.nxstxm import scans
from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.scans import LAYOUTS, Route, ScanType, UnknownScanTypeError, read_plan

from .starts import pystxm

NAMES = (
    "DETECTOR_IMAGE",
    "OSA_IMAGE",
    "OSA_FOCUS",
    "SAMPLE_FOCUS",
    "SAMPLE_POINT_SPECTRA",
    "SAMPLE_LINE_SPECTRA",
    "SAMPLE_IMAGE",
    "SAMPLE_IMAGE_STACK",
    "GENERIC_SCAN",
    "COARSE_IMAGE_SCAN",
    "COARSE_GONI_SCAN",
    "TOMOGRAPHY_SCAN",
    "PATTERN_GEN_SCAN",
    "PTYCHOGRAPHY_SCAN",
    "TWO_VARIABLE_IMAGE",
)
LABELS = {
    "sample point spectrum": 4,
    "sample line spectrum": 5,
    "sample image": 6,
    "sample image stack": 7,
    "sample focus": 3,
    "osa image": 1,
    "osa focus": 2,
    "detector image": 0,
    "generic scan": 8,
}
AXES = {
    0: ("detector_y", "detector_x"),
    1: ("osa_y", "osa_x"),
    2: ("zoneplate_z", "line_position"),
    3: ("zoneplate_z", "line_position"),
    4: ("energy",),
    5: ("energy", "line_position"),
    6: ("sample_y", "sample_x"),
    7: ("energy", "sample_y", "sample_x"),
    8: (),
    9: ("sample_y", "sample_x"),
    10: ("sample_y", "sample_x"),
    11: ("energy", "sample_y", "sample_x"),
    12: ("sample_y", "sample_x"),
    13: ("energy", "sample_y", "sample_x"),
    14: (),
}
#: As documented in 2019.
LISTS = {
    "two_posner_scans": [0, 1, 9, 10, 6, 8],
    "single_entry_scans": [0, 1, 2, 3, 5, 6, 9, 10, 8],
    "multi_entry_scans": [7, 4, 11],
    "single_2d_scans": [0, 1, 9, 10],
    "focus_scans": [3, 2],
    "single_image_scans": [6],
    "stack_type_scans": [7, 11],
    "spectra_type_scans": [4, 8],
    "line_spec_scans": [5],
}


@pytest.mark.parametrize("value", range(15))
def test_numbers_and_names_are_those_of_the_control_system(value):
    kind = ScanType(value)
    assert (kind.name, kind.value, int(kind)) == (NAMES[value], value, value)
    assert ScanType[NAMES[value]] is kind


def test_there_are_no_other_types():
    assert [kind.name for kind in ScanType] == list(NAMES)
    assert scans.scan_types is ScanType


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAMPLE_POINT_SPECTRUM", 4),
        ("SAMPLE_LINE_SPECTRUM", 5),
        ("COARSE_IMAGE", 9),
        ("COARSE_GONI", 10),
        ("TOMOGRAPHY", 11),
        ("PATTERN_GEN", 12),
        ("PTYCHOGRAPHY", 13),
    ],
)
def test_later_spellings_are_the_same_members(name, value):
    assert ScanType[name] is ScanType(value) is ScanType(name.lower())


@pytest.mark.parametrize("value", range(15))
def test_a_type_is_found_however_it_is_written(value):
    kind, name = ScanType(value), NAMES[value]
    for written in (value, float(value), str(value), kind, name, name.lower(), name.title()):
        assert ScanType(written) is kind
    for written in (name.replace("_", " "), name.replace("_", "-"), f"  {name}\n"):
        assert ScanType(written) is kind


@pytest.mark.parametrize(("label", "value"), LABELS.items())
def test_a_type_is_found_by_its_label_in_the_spellings_of_other_facilities(label, value):
    for written in (label, label.upper(), label.title(), label.replace(" ", "_"), f" {label} "):
        assert ScanType(written) is ScanType(value)
    assert ScanType(label.replace("spectrum", "spectra")) is ScanType(value)


@pytest.mark.parametrize(
    "value", [15, -1, 99, 6.5, "", "99", "²", "movie", "sample", None, b"sample image", [6], {}]
)
def test_anything_else_is_refused_with_the_value_and_the_way_out(value):
    with pytest.raises(UnknownScanTypeError, match=r"is not one of ScanType \(0\.\.14\)") as caught:
        ScanType(value)
    assert repr(value) in str(caught.value)
    assert "SAMPLE_IMAGE" in str(caught.value)
    assert isinstance(caught.value, NXstxmError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [99, None, True, "movie", [6]])
def test_the_message_names_the_run(value):
    with pytest.raises(UnknownScanTypeError) as caught:
        read_plan(pystxm(scan_type=value))
    expected = f"scan type {value!r} in run 8b8a62f3 is not one of ScanType (0..14)"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(("name", "values"), LISTS.items())
def test_the_documented_lists_hold_their_elements_in_order(name, values):
    found = getattr(scans, name)
    assert isinstance(found, list)
    assert found == values
    assert all(isinstance(kind, ScanType) for kind in found)


def test_every_type_has_a_layout_with_a_label_of_the_definition():
    assert list(LAYOUTS) == list(ScanType)
    for kind, layout in LAYOUTS.items():
        assert (kind.layout, kind.label, kind.route) == (layout, layout.label, layout.route)
        assert layout.label in LABELS
        assert layout.axes == AXES[kind]
        assert ScanType(layout.label).layout.axes == layout.axes


def test_line_positions_have_the_stage_that_moves():
    lines = {kind: layout.line for kind, layout in LAYOUTS.items() if layout.line}
    assert lines == {
        2: ("osa_x", "osa_y"),
        3: ("sample_x", "sample_y"),
        5: ("sample_x", "sample_y"),
    }


def test_routes():
    assert [kind for kind in ScanType if kind.route is Route.POINT_SPECTRA] == [4]
    assert [kind for kind in ScanType if kind.route is Route.MULTI_ENTRY] == [7, 11, 13]


def test_members_travel_between_processes():
    assert pickle.loads(pickle.dumps(ScanType.OSA_FOCUS)) is ScanType.OSA_FOCUS
    assert copy.deepcopy(ScanType.OSA_FOCUS) is ScanType.OSA_FOCUS
