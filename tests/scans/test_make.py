"""Without these, metadata that our own functions write might not be read as what was meant."""

import inspect
import json

import numpy as np
import pytest

from suitcase.nxstxm import make_standard_metadata as from_the_face
from suitcase.nxstxm._errors import NXstxmError, NXstxmTypeError
from suitcase.nxstxm.scans import (
    MetadataError,
    ScanType,
    UnknownScanTypeError,
    make_standard_metadata,
    read_plan,
    stxm_metadata,
)

from .starts import BLOCK, METADATA, ROI, start


def test_the_signature_is_the_documented_one():
    parameters = list(inspect.signature(make_standard_metadata).parameters.values())
    assert [p.name for p in parameters] == [
        "entry_name", "scan_type", "primary_det", "override_xy_posner_nms", "keywords",
    ]  # fmt: skip
    assert parameters[3].default is False
    assert parameters[4].kind is inspect.Parameter.VAR_KEYWORD
    assert from_the_face is make_standard_metadata


@pytest.mark.parametrize("kind", ScanType)
def test_every_scan_type_is_read_again(kind):
    line = {"SETPOINTS": [0.0, 1.0, 2.0]}
    along = "line_position" in kind.layout.axes
    roi = {**ROI, "Y": ROI["Y"] | line, "X": ROI["X"] | line} if along else ROI
    text = make_standard_metadata(
        "entry3", kind, "counter0", rois={0: roi}, dwell=2.5, zp_def={"zpD": 240.0, "zp_idx": 7}
    )
    plan = read_plan(start(metadata=text))
    (entry,) = plan.entries
    expected = {"energy": 2, "line_position": 3, "sample_x": 3, "sample_y": 2, "zoneplate_z": 2}
    expected |= {f"{stage}_{axis}": expected[f"sample_{axis}"] for stage in ("osa", "detector")
                 for axis in "xy"}  # fmt: skip
    axes = kind.layout.axes or ("sample_y", "sample_x")
    assert plan.scan_type is kind
    assert [(axis.name, axis.size) for axis in entry.axes] == [(n, expected[n]) for n in axes]
    # a point spectrum names its entries after the points
    assert entry.name == ("entry0" if kind == 4 else "entry3")
    assert entry.energies == (700.0, 708.0)
    assert entry.dwells == (0.002, 0.002)
    assert [d.name for d in plan.detectors] == ["counter0"]
    assert (plan.zone_plate.outer_diameter, plan.zone_plate.index) == (240.0, 7)


def test_the_documented_keys_are_all_there_and_own_keys_are_kept():
    text = make_standard_metadata("entry0", "sample image", "det", rois={"0": ROI}, colour="red")
    found = json.loads(text)
    assert set(METADATA) | {"zp_def"} <= set(found)
    assert found["colour"] == "red"
    assert found["scan_type"] == 6
    assert found["dwell"] == 1.0
    for key in ("wdg_com", "img_idx_map"):
        assert isinstance(found[key], str)
        json.loads(found[key])


def test_numpy_values_and_several_detectors():
    axis = {"POSITIONER": "SampleX", "SETPOINTS": np.linspace(0, 1, 3), "NPOINTS": np.int64(3)}
    roi = {"X": axis, "Y": axis | {"POSITIONER": "SampleY"}, "EV_ROIS": np.array([700.0])}
    text = make_standard_metadata("entry0", 6, ["a", "b"], rois={"0": roi}, dwell=np.float32(2))
    plan = read_plan(start(metadata=text))
    assert [d.name for d in plan.detectors] == ["a", "b"]
    assert plan.entries[0].axes[1].setpoints == (0.0, 0.5, 1.0)


def test_overriding_the_positioners_makes_them_the_sample_stage():
    moved = {"POSITIONER": "GoniX", "SRC": "IOC:m107", "SETPOINTS": [0.0, 1.0]}
    rois = {"0": {"X": moved, "Y": moved | {"POSITIONER": "GoniY"}, "EV_ROIS": [700.0]}}
    kept = read_plan(start(metadata=make_standard_metadata("entry0", 6, "d", rois=rois)))
    assert kept.devices["sample_x"].stems == ("IOC:m107", "GoniX")
    text = make_standard_metadata(
        "entry0", 6, "d", True, rois=rois, rev_lu_dct={"SampleX": "IOC:m117"}
    )
    plan = read_plan(start(metadata=text))
    assert plan.devices["sample_x"].stems == ("IOC:m117", "SampleX")
    assert rois["0"]["X"] is moved
    assert moved["POSITIONER"] == "GoniX"


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        (("", 6, "d"), {"rois": {"0": ROI}}, MetadataError, "entry_name is ''"),
        ((None, 6, "d"), {"rois": {"0": ROI}}, MetadataError, "entry_name is None"),
        (("entry0", 99, "d"), {"rois": {"0": ROI}}, UnknownScanTypeError, "scan type 99"),
        (("entry0", 6, None), {"rois": {"0": ROI}}, MetadataError, "primary_det is None"),
        (("entry0", 6, "d"), {}, MetadataError, "names no region"),
        (("entry0", 6, "d"), {"rois": [1]}, MetadataError, "rois is"),
        (("entry0", 6, "d"), {"rois": {"0": {"X": {}}}}, MetadataError, "roi '0' has no Y"),
        (("entry0", 6, "d"), {"rois": {"0": ROI}, "zp_def": {1: object()}}, NXstxmTypeError,
         "metadata can not be written as JSON: object"),
        (("entry0", 6, "d"), {"rois": {"0": ROI}, "wdg_com": object()}, NXstxmTypeError,
         "wdg_com can not be written as JSON"),
        (("entry0", 6, "d"), {"rois": {"0": {**ROI, "EV_ROIS": []}}}, MetadataError,
         "has no energies"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_again_is_refused(arguments, keywords, error, message):
    with pytest.raises(error) as caught:
        make_standard_metadata(*arguments, **keywords)
    assert message in str(caught.value)


def test_the_block_is_what_was_given_with_plain_types():
    block = stxm_metadata(
        shape=np.array([2, 3, 4]), energies=np.array([700, 708]), x_extent=(0, 3),
        y_extent=np.array([10, 14]), dwell_ms=np.int64(2), data_field="pmt",
    )  # fmt: skip
    assert block == BLOCK
    assert json.loads(json.dumps(block)) == block
    own = stxm_metadata(**{k: v for k, v in block.items() if k != "contract_version"},
                        scan_type=ScanType.TOMOGRAPHY_SCAN, rotation_angle=20.0)  # fmt: skip
    assert own["scan_type"] == 11
    plan = read_plan(start(stxm=own))
    assert plan.scan_type is ScanType.TOMOGRAPHY_SCAN
    assert plan.entries[0].rotation_angle == 20.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [2, 3]}, "shape"),
        ({"shape": ["a", 3, 4]}, "shape is 'a', not a number"),
        ({"energies": [700.0]}, "shape says 2 energies, the list has 1"),
        ({"energies": [700.0, float("nan")]}, "energies[1] is nan"),
        ({"x_extent": [0, 1, 2]}, "x_extent"),
        ({"dwell_ms": [1, 2, 3]}, "3 dwell_ms for 2 energies"),
        ({"scan_type": 99}, "scan type 99"),
        ({"scan_group": {}}, "scan_group"),
    ],
)
def test_a_block_that_could_not_be_read_again_is_refused(changes, message):
    block = {k: v for k, v in BLOCK.items() if k != "contract_version"} | changes
    with pytest.raises(NXstxmError) as caught:
        stxm_metadata(**block)
    assert message in str(caught.value)
