"""Without these, scans of programs that write the `stxm` block could be laid out wrongly."""

import json

import numpy as np
import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm.scans import (
    MetadataError,
    ScanType,
    UnknownScanTypeError,
    place,
    read_plan,
    stxm_metadata,
)

from .starts import BLOCK, RUN, start, stxm

REQUESTS = {k: r for k, r in sim.all_requests().items() if r.dialect == "stxm"}
BARE = {k: BLOCK[k] for k in ("shape", "energies", "x_extent", "y_extent")}


def axes_of(entry):
    return {axis.name: axis.setpoints for axis in entry.axes}


@pytest.mark.parametrize("name", REQUESTS)
def test_blocks_of_the_simulator_are_what_was_asked_for(name):
    request = REQUESTS[name]
    plans = [read_plan(run[0][1]) for run in sim.scan_documents(request)]
    for plan, wanted in zip(plans, sim.expected(request).values(), strict=True):
        (entry,) = plan.entries
        assert tuple(axis.name for axis in entry.axes) == wanted.axes
        assert plan.scan_type.label == wanted.label
        for axis, points in axes_of(entry).items():
            assert points == pytest.approx(tuple(wanted.setpoints[axis]))
        assert entry.energies == tuple(wanted.energies)
        assert entry.dwells == pytest.approx(tuple(wanted.count_time))
        if request.optional_keys:
            assert entry.rotation_angle == wanted.rotation_angle
            assert entry.polarization.name in ("linear horizontal", "circular left",
                                               "circular right")  # fmt: skip
            assert plan.sample == request.sample.name
        assert plan.n_points == wanted.data.size
    groups = {plan.group.id for plan in plans if plan.group}
    assert len(groups) == (len(plans) > 1)


def test_only_four_keys_are_needed():
    plan = read_plan(start(stxm=BARE))
    assert plan.dialect == "stxm"
    assert plan.scan_type is ScanType.SAMPLE_IMAGE_STACK
    (entry,) = plan.entries
    assert axes_of(entry) == {
        "energy": (700.0, 708.0),
        "sample_y": (10.0, 12.0, 14.0),
        "sample_x": (0.0, 1.0, 2.0, 3.0),
    }
    assert entry.dwells == (0.0, 0.0)
    assert (entry.polarization, entry.rotation_angle, entry.name) == (None, None, None)
    assert plan.detectors == ()
    assert (plan.group, plan.sample, plan.expected_runs) == (None, None, 1)


def test_one_energy_is_an_image():
    plan = read_plan(stxm(shape=[1, 3, 4], energies=[700.0]))
    assert plan.scan_type is ScanType.SAMPLE_IMAGE
    assert list(axes_of(plan.entries[0])) == ["sample_y", "sample_x"]
    assert plan.entries[0].energies == (700.0,)


def test_a_block_may_be_json_text():
    assert read_plan(start(stxm=json.dumps(BLOCK))).entries == read_plan(stxm()).entries


def test_optional_keys_are_read():
    plan = read_plan(
        stxm(
            scan_type="tomography", sample={"name": "foil"}, polarization="LH", rotation_angle=20,
            detectors={"signal": ["pmt", "apd"], "i0": "mesh", "camera": "ccd"},
            scan_group={"id": "g1", "index": 2, "total": 5},
        )
    )  # fmt: skip
    (entry,) = plan.entries
    assert plan.scan_type is ScanType.TOMOGRAPHY_SCAN
    assert (plan.sample, entry.rotation_angle) == ("foil", 20.0)
    assert entry.polarization.stokes == (1.0, 1.0, 0.0, 0.0)
    assert (plan.group.id, plan.group.index, plan.group.total) == ("g1", 2, 5)
    assert plan.expected_runs == 5
    assert {d.name: (d.role, d.per) for d in plan.detectors} == {
        "pmt": ("signal", "line"),
        "apd": ("signal", "line"),
        "mesh": ("i0", "line"),
        "ccd": ("camera", None),
    }


@pytest.mark.parametrize(
    ("detectors", "expected"),
    [
        ("apd", {"pmt": "signal", "apd": "signal"}),
        (["pmt", "apd"], {"pmt": "signal", "apd": "signal"}),
        ([{"name": "I zero", "data_key": "mesh", "role": "i0"}], {"pmt": "signal", "I zero": "i0"}),
        ([{"name": "pmt", "role": "nonsense"}], {"pmt": "signal"}),
    ],
)
def test_detectors_may_be_written_in_several_ways(detectors, expected):
    plan = read_plan(stxm(detectors=detectors))
    assert {d.name: d.role for d in plan.detectors} == expected


def test_extents_may_descend_and_a_single_point_is_in_the_middle():
    entry = read_plan(stxm(x_extent=[3.0, 0.0], shape=[2, 1, 4])).entries[0]
    assert axes_of(entry)["sample_x"] == (3.0, 2.0, 1.0, 0.0)
    assert axes_of(entry)["sample_y"] == (12.0,)


def test_dwells_are_milliseconds_one_for_all_or_one_each():
    assert read_plan(stxm(dwell_ms=2)).entries[0].dwells == (0.002, 0.002)
    assert read_plan(stxm(dwell_ms=[2, 3.5])).entries[0].dwells == (0.002, 0.0035)


def test_a_line_spectrum_has_one_spatial_axis():
    plan = read_plan(stxm(scan_type=5, shape=[2, 1, 5], x_extent=[0, 3], y_extent=[0, 4]))
    (entry,) = plan.entries
    assert axes_of(entry)["line_position"] == pytest.approx((0, 1.25, 2.5, 3.75, 5))
    assert [(axis.name, axis.size) for axis in entry.positions] == [
        ("sample_x", 5), ("sample_y", 5),
    ]  # fmt: skip
    assert [loop.axis for loop in plan.loops] == ["energy", "line_position"]


def test_a_point_spectrum_stands_still():
    plan = read_plan(stxm(scan_type=4, shape=[2, 1, 1], x_extent=[1.5], y_extent=[2.0, 2.0]))
    (entry,) = plan.entries
    assert axes_of(entry) == {"energy": (700.0, 708.0)}
    assert {axis.name: axis.setpoints for axis in entry.positions} == {
        "sample_x": (1.5,),
        "sample_y": (2.0,),
    }


@pytest.mark.parametrize(
    ("scan_type", "axes"), [(0, ("detector_y", "detector_x")), (1, ("osa_y", "osa_x"))]
)
def test_images_of_other_stages_carry_their_names(scan_type, axes):
    plan = read_plan(
        stxm(scan_type=scan_type, shape=[1, 3, 4], energies=[700.0], x_motor="mx", y_motor="my")
    )
    assert tuple(axes_of(plan.entries[0])) == axes


def test_an_image_type_with_several_energies_is_written_as_a_stack_and_says_so():
    plan = read_plan(stxm(scan_type=6))
    assert plan.scan_type is ScanType.SAMPLE_IMAGE_STACK
    assert "SAMPLE_IMAGE has no energy axis but the run has 2 energies" in plan.messages[0]


# -- polarizations --------------------------------------------------------------------------------


def test_interleaved_polarizations_are_entries_and_every_line_finds_its_own():
    plan = read_plan(
        stxm(
            shape=[6, 1, 2], energies=[700, 700, 705, 705, 708, 708],
            polarization=["CL", "CR", "CR", "CL", "CL", "CR"], dwell_ms=[1, 2, 3, 4, 5, 6],
        )
    )  # fmt: skip
    left, right = plan.entries
    assert (left.polarization.stokes[3], right.polarization.stokes[3]) == (-1.0, 1.0)
    assert left.energies == right.energies == (700.0, 705.0, 708.0)
    assert left.dwells == (0.001, 0.004, 0.005)
    assert right.dwells == (0.002, 0.003, 0.006)
    placed = place(plan, np.arange(0, 12, 2))
    assert placed.entry.tolist() == [0, 1, 1, 0, 0, 1]
    assert placed.axes["energy"].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("given", "name", "stokes"),
    [
        ("circular right", "circular right", (1, 0, 0, 1)),
        ("LCP", "LCP", (1, 0, 0, -1)),
        ("lin. ver.", "lin. ver.", (1, -1, 0, 0)),
        (45, "linear 45 deg", (1, 0, 1, 0)),
        (90.0, "linear 90 deg", (1, -1, 0, 0)),
        ([2, 0, 0, -2], "Stokes vector", (1, 0, 0, -1)),
        (["LH"], "LH", (1, 1, 0, 0)),
        (["LH", "LH"], "LH", (1, 1, 0, 0)),
        ("as it was", "as it was", None),
    ],
)
def test_a_polarization_is_a_name_an_angle_or_a_stokes_vector(given, name, stokes):
    (entry,) = read_plan(stxm(polarization=given)).entries
    assert entry.polarization.name == name
    if stokes is None:
        assert entry.polarization.stokes is None
    else:
        assert entry.polarization.stokes == pytest.approx(stokes, abs=1e-12)


# -- what can not be understood -------------------------------------------------------------------

BROKEN = {
    "no shape": (stxm(shape=...), "has no shape"),
    "no energies nor extents": (
        stxm(energies=..., x_extent=..., y_extent=None), "has no energies, x_extent, y_extent",
    ),
    "shape of two": (stxm(shape=[3, 4]), "must be [nE, nY, nX]"),
    "shape with a zero": (stxm(shape=[2, 0, 4]), "must be [nE, nY, nX]"),
    "shape with a half": (stxm(shape=[2, 1.5, 4]), "shape"),
    "shape that is text": (stxm(shape="3x4"), "shape"),
    "shape that is a number": (stxm(shape=5), "shape"),
    "too few energies": (stxm(energies=[700.0]), "shape says 2 energies, the list has 1"),
    "energies that are text": (stxm(energies=["a", "b"]), "energies"),
    "an extent of three": (stxm(x_extent=[0, 1, 2]), "x_extent"),
    "an extent that is text": (stxm(y_extent="wide"), "y_extent"),
    "an extent of nothing": (stxm(x_extent=[]), "x_extent"),
    "too many dwells": (stxm(dwell_ms=[1, 2, 3]), "3 dwell_ms for 2 energies"),
    "a dwell that is text": (stxm(dwell_ms="long"), "dwell_ms"),
    "a focus": (stxm(scan_type=3), "zone plate positions"),
    "a line of two dimensions": (stxm(scan_type=5), "a line is [nE, 1, nX]"),
    "a point of two dimensions": (stxm(scan_type=4), "has shape [nE, 1, 1]"),
    "too many polarizations": (stxm(polarization=["LH", "LV", "CL"]), "3 polarizations for 2"),
    "a polarization that is a mapping": (stxm(polarization={"a": 1}), "polarization"),
    "a polarization of words": (stxm(polarization=[["a", "b"], "LH"]), "polarization"),
    "a detector that is a number": (stxm(detectors=[5]), "detector"),
    "detectors that are a number": (stxm(detectors=5), "detector"),
    "a detector without a name": (stxm(detectors=[{"role": "i0"}]), "detector"),
    "a group without an id": (stxm(scan_group={"index": 1}), "scan_group"),
    "broken JSON": (start(stxm="{"), "stxm"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_missing_or_odd_is_refused_with_the_key(what):
    document, message = BROKEN[what]
    with pytest.raises(MetadataError) as caught:
        read_plan(document)
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["shape", "energies", "x_extent", "y_extent"])
def test_the_message_names_the_run_and_the_way_out(key):
    with pytest.raises(MetadataError) as caught:
        read_plan(stxm(**{key: ...}))
    assert str(caught.value).startswith(f"the stxm block of run {RUN[:8]} has no {key}")
    assert "stxm_metadata(" in str(caught.value)


@pytest.mark.parametrize("value", [99, "movie", True, {}])
def test_an_unknown_scan_type_names_the_run(value):
    with pytest.raises(UnknownScanTypeError, match="in run 8b8a62f3"):
        read_plan(stxm(scan_type=value))


def test_the_block_goes_before_the_metadata():
    both = {**stxm(), "metadata": "{}"}
    assert read_plan(both).dialect == "stxm"


def test_what_stxm_metadata_writes_is_read_as_it_was_meant():
    block = stxm_metadata(
        shape=[2, 3, 4], energies=[708, 700], x_extent=[3, 0], y_extent=[10, 14], dwell_ms=[1, 2],
        data_field="pmt", scan_type=ScanType.SAMPLE_IMAGE_STACK, polarization=["CL", "CR"],
    )  # fmt: skip
    plan = read_plan(start(stxm=json.loads(json.dumps(block))))
    assert [entry.energies for entry in plan.entries] == [(708.0,), (700.0,)]
    assert [entry.dwells for entry in plan.entries] == [(0.001,), (0.002,)]
    assert axes_of(plan.entries[0])["sample_x"] == (3.0, 2.0, 1.0, 0.0)
    assert plan.devices["sample_x"].stems == ("SampleX",)
    assert plan.detectors[0].name == "pmt"


def test_a_raster_without_a_block_is_an_image_whose_energy_is_not_known() -> None:
    start = {
        "uid": "raster",
        "time": 1.7e9,
        "plan_name": "stxm_fly_raster",
        "shape": [3, 4],
        "motors": ["SampleY"],
        "detectors": ["Line"],
        "x_extent": [4.0, -4.0],
        "y_extent": [-2.0, 2.0],
    }
    plan = read_plan(start)
    assert (plan.dialect, plan.scan_type.name) == ("stxm", "SAMPLE_IMAGE")
    (entry,) = plan.entries
    assert [(a.name, a.size) for a in entry.axes] == [("sample_y", 3), ("sample_x", 4)]
    assert entry.axes[1].setpoints == pytest.approx((4.0, 4 / 3, -4 / 3, -4.0))
    assert entry.energies == entry.dwells == ()
    bound = plan.bind(
        {"name": "primary", "data_keys": {"Line": {"dtype": "array", "shape": [4], "source": "x"}}}
    )
    assert [(d.data_key, d.role, d.per) for d in bound.detectors] == [("Line", "signal", "line")]
