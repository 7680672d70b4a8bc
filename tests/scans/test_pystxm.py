"""Without these, what pyStxm wrote down could be read as another scan, or fail without a reason."""

import json

import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.scans import MetadataError, ScanType, read_plan

from .starts import AXIS_X, ENERGIES, METADATA, ROI, RUN, metadata, pystxm, start

REQUESTS = {k: r for k, r in sim.all_requests().items() if r.dialect != "stxm"}
every_request = pytest.mark.parametrize("name", REQUESTS)


def plans_of(request):
    return [read_plan(run[0][1]) for run in sim.scan_documents(request)]


# -- what the simulator asks for ------------------------------------------------------------------


@every_request
def test_entries_of_all_runs_are_those_that_were_asked_for(name):
    request = REQUESTS[name]
    plans, expected = plans_of(request), sim.expected(request)
    found = {entry.name: entry for plan in plans for entry in plan.entries}
    assert set(found) == set(expected)
    for entry_name, wanted in expected.items():
        entry = found[entry_name]
        assert tuple(axis.name for axis in entry.axes) == wanted.axes
        assert entry.shape == wanted.data.shape
        assert entry.energies == pytest.approx(tuple(wanted.energies))
        assert entry.dwells == pytest.approx(tuple(wanted.count_time))
        assert (entry.rotation_angle or 0.0) == wanted.rotation_angle
        assert entry.polarization.code == wanted.polarization.code
        assert entry.polarization.stokes[0] == 1.0
        setpoints = {axis.name: axis.setpoints for axis in (*entry.axes, *entry.positions)}
        for axis, points in setpoints.items():
            assert points == pytest.approx(tuple(wanted.setpoints[axis]))
        if "line_position" in setpoints or wanted.axes == ("energy",):
            assert set(setpoints) == set(wanted.setpoints)


@every_request
def test_the_runs_agree_on_what_scan_they_are(name):
    request = REQUESTS[name]
    plans = plans_of(request)
    assert {plan.scan_type for plan in plans} == {ScanType(request.scan_type)}
    assert {plan.scan_type.label for plan in plans} == {request.kind.label}
    assert len({plan.signature for plan in plans}) == 1
    assert [plan.dialect for plan in plans] == ["pystxm"] * len(plans)
    assert not any(plan.messages for plan in plans)
    if request.truncate is None:
        assert {plan.expected_runs for plan in plans} == {len(plans)}
    slots = [(plan.entries[0].name, plan.fixed) for plan in plans]
    assert len(set(slots)) == len(slots)


@every_request
def test_every_run_knows_its_points_and_its_energy(name):
    request = REQUESTS[name]
    per_scan = len(request.energies) if request.kind.by_run else 1
    for plan, documents in zip(plans_of(request), sim.scan_documents(request), strict=True):
        every = sum(entry.data.size for entry in sim.expected(request).values()
                    if entry.name in {e.name for e in plan.entries})  # fmt: skip
        assert plan.n_points == every // per_scan
        told = json.loads(json.loads(documents[0][1]["metadata"])["img_idx_map"])
        assert plan.fixed == ((("energy", told["e_idx"]),) if request.kind.by_run else ())


@every_request
def test_detectors_and_zone_plate(name):
    request = REQUESTS[name]
    for plan in plans_of(request):
        assert all(d.role == "signal" and d.data_key is None for d in plan.detectors)
        assert plan.detectors[0].name.startswith(request.detectors[0])
        plate, optics = plan.zone_plate, request.optics
        assert (plate.outer_diameter, plate.central_stop_diameter, plate.outermost_zone_width) == (
            optics.zone_plate_um, optics.central_stop_um, optics.outer_zone_nm,
        )  # fmt: skip
        assert plan.user == request.user
        json.loads(plan.request)


def test_a_focus_counts_the_zone_plate_and_not_the_decoy():
    request = REQUESTS["pystxm2019-osa_focus-points"]
    (plan,) = plans_of(request)
    roi = json.loads(sim.scan_documents(request)[0][0][1]["metadata"])["rois"]["3"]
    assert roi["Z"]["NPOINTS"] == 50
    assert plan.entries[0].shape == (6, 5)


def test_a_snake_is_seen_in_the_hints_of_the_plan():
    (plan,) = plans_of(REQUESTS["image-snake-points"])
    assert [(loop.axis, loop.snaked) for loop in plan.loops] == [
        ("sample_y", False),
        ("sample_x", True),
    ]
    (plan,) = plans_of(REQUESTS["image-descending"])
    assert not any(loop.snaked for loop in plan.loops)


def test_point_spectra_interleave_the_points_in_the_order_of_the_list():
    (plan,) = plans_of(REQUESTS["pystxm2019-sample_point_spectra-points"])
    assert [entry.name for entry in plan.entries] == ["entry2", "entry1", "entry0"]
    assert [loop.axis for loop in plan.loops] == ["energy", "entry"]


def test_two_polarizations_of_point_spectra_go_on_counting():
    two = {**ENERGIES, "POL_ROIS": [{"POL": 0}, {"POL": 1}]}
    roi = {"X": AXIS_X | {"SETPOINTS": [1.0]}, "Y": AXIS_X | {"SETPOINTS": [2.0]}}
    rois = {str(k): {**roi, "EV_ROIS": [two]} for k in (2, 0)}
    plan = read_plan(pystxm(scan_type=4, rois=rois, sp_id_lst=[2, 0], img_idx_map=...))
    assert [entry.name for entry in plan.entries] == ["entry2", "entry0", "entry5", "entry3"]
    assert [entry.polarization.name for entry in plan.entries] == (
        ["circular left"] * 2 + ["circular right"] * 2
    )
    assert [(loop.axis, loop.size) for loop in plan.loops] == [
        ("entry", 2), ("energy", 2), ("entry", 2),
    ]  # fmt: skip


# -- what may be missing, what may be odd ---------------------------------------------------------


def test_metadata_may_be_decoded_already():
    for found in (METADATA, json.dumps(METADATA), json.dumps(json.dumps(METADATA))):
        plan = read_plan(start(metadata=found))
        assert plan.entries[0].shape == (2, 2, 3)
        assert plan.fixed == (("energy", 0),)
    integer_keys = {**METADATA, "rois": {0: ROI}}
    assert read_plan(start(metadata=integer_keys)).signature == read_plan(pystxm()).signature


@pytest.mark.parametrize(
    "key", ["entry_name", "sp_id_lst", "dwell", "primary_det", "wdg_com", "rev_lu_dct"]
)
def test_a_file_can_do_without(key):
    plan = read_plan(pystxm(**{key: ...}))
    assert plan.entries[0].energies == (700.0, 708.0)
    assert plan.entries[0].dwells == (0.002, 0.002)
    assert plan.entries[0].name == "entry0"


def test_a_run_that_does_not_say_where_it_stands_is_the_whole_scan():
    plan = read_plan(pystxm(img_idx_map=...))
    assert plan.fixed == ()
    assert plan.expected_runs == 1
    assert [loop.axis for loop in plan.loops] == ["energy", "sample_y", "sample_x"]


def test_setpoints_may_be_given_by_their_ends():
    ends = {"POSITIONER": "SampleX", "START": 4, "STOP": -4, "NPOINTS": 5}
    axis = read_plan(pystxm("rois", "0", "X", to=ends)).entries[0].axes[-1]
    assert axis.setpoints == (4.0, 2.0, 0.0, -2.0, -4.0)
    one = read_plan(pystxm("rois", "0", "X", to=ends | {"NPOINTS": 1, "STOP": None}))
    assert one.entries[0].axes[-1].setpoints == (4.0,)


def test_a_line_along_one_stage_has_a_position_that_stands_still():
    still = pystxm("rois", "0", "Y", "SETPOINTS", to=[5.0], scan_type=5, img_idx_map=...)
    entry = read_plan(still).entries[0]
    assert {axis.name: axis.setpoints for axis in entry.positions} == {
        "sample_x": (0.0, 0.5, 1.0),
        "sample_y": (5.0, 5.0, 5.0),
    }
    assert entry.axes[1].setpoints == (0.0, 0.5, 1.0)


def test_the_polarization_of_a_run_is_that_of_its_index():
    two = [{"POL": 0, "ANGLE": 0}, {"POL": 1, "ANGLE": 0}, {"POL": 5, "ANGLE": 45.0}]
    expected = [
        ("circular left", (1, 0, 0, -1)),
        ("circular right", (1, 0, 0, 1)),
        ("linear inclined", (1, 0, 1, 0)),
    ]
    for index, (name, stokes) in enumerate(expected):
        md = metadata("rois", "0", "EV_ROIS", 0, "POL_ROIS", to=two)
        md["img_idx_map"]["pol_idx"] = index
        polarization = read_plan(start(metadata=md)).entries[0].polarization
        assert polarization.name == name
        assert polarization.stokes == pytest.approx(stokes)


def test_an_unknown_polarization_is_none():
    md = metadata("rois", "0", "EV_ROIS", 0, "POL_ROIS", to=[{"POL": -1}])
    assert read_plan(start(metadata=md)).entries[0].polarization is None
    bare = pystxm("rois", "0", "EV_ROIS", 0, "POL_ROIS", to=...)
    assert read_plan(bare).entries[0].polarization is None


def test_the_angle_of_a_run_comes_from_its_index_the_metadata_or_the_goniometer():
    md = metadata("rois", "0", "GONI", to={"T": {"SETPOINTS": [7.0]}})
    assert read_plan(start(metadata=md)).entries[0].rotation_angle == 7.0
    md["rotation_angle"] = 8.0
    assert read_plan(start(metadata=md)).entries[0].rotation_angle == 8.0
    md["img_idx_map"]["rotation_angle"] = 9.0
    assert read_plan(start(metadata=md)).entries[0].rotation_angle == 9.0


# -- what can not be understood -------------------------------------------------------------------

BROKEN = {
    "broken JSON": (start(metadata='{"scan_type": 6'), "metadata"),
    "not a mapping": (start(metadata="[1, 2]"), "metadata"),
    "empty text": (start(metadata=""), "metadata"),
    "JSON in JSON in JSON": (start(metadata="".join('"' for _ in range(3))), "metadata"),
    "no scan type": (pystxm(scan_type=...), "scan_type"),
    "scan type of nowhere": (pystxm(scan_type=99), "scan type 99"),
    "scan type that is none": (pystxm(scan_type=None), "scan type None"),
    "no rois": (pystxm(rois=...), "rois"),
    "rois that are a list": (pystxm(rois=[ROI]), "rois"),
    "rois that are broken JSON": (pystxm(rois="{"), "rois"),
    "no region at all": (pystxm(rois={}, sp_id_lst=[], img_idx_map=...), "sp_id_lst and rois"),
    "a region that has no roi": (pystxm(sp_id_lst=[4], img_idx_map=...), "region '4'"),
    "a run of a region that has no roi": (pystxm("img_idx_map", "sp_id", to=4), "region '4'"),
    "integer keys and a missing region": (
        start(metadata={**METADATA, "rois": {1: ROI}}), "region '0'",
    ),
    "a roi that is text": (pystxm("rois", "0", to="big"), "region '0'"),
    "no X": (pystxm("rois", "0", "X", to=...), "roi 0.X"),
    "Y that is text": (pystxm("rois", "0", "Y", to="up"), "roi 0.Y"),
    "zero points": (
        pystxm("rois", "0", "X", to={"SETPOINTS": [], "NPOINTS": 0, "START": 0, "STOP": 1}),
        "roi 0.X",
    ),
    "no points": (pystxm("rois", "0", "X", to={"START": 0, "STOP": 1}), "NPOINTS of roi 0.X"),
    "half a point": (
        pystxm("rois", "0", "X", to={"NPOINTS": 2.5, "START": 0, "STOP": 1}), "NPOINTS of roi 0.X",
    ),
    "less than no points": (
        pystxm("rois", "0", "X", to={"NPOINTS": -3, "START": 0, "STOP": 1}), "NPOINTS of roi 0.X",
    ),
    "no end": (pystxm("rois", "0", "X", to={"NPOINTS": 3, "START": 0}), "STOP of roi 0.X"),
    "text for setpoints": (pystxm("rois", "0", "X", "SETPOINTS", to="wide"), "SETPOINTS"),
    "text among setpoints": (pystxm("rois", "0", "X", "SETPOINTS", to=[0, "a"]), "is 'a'"),
    "NaN among setpoints": (pystxm("rois", "0", "X", "SETPOINTS", to=[0, float("nan")]), "nan"),
    "True among setpoints": (pystxm("rois", "0", "X", "SETPOINTS", to=[0, True]), "True"),
    "setpoints in a mapping": (pystxm("rois", "0", "X", "SETPOINTS", to={"a": 1}), "SETPOINTS"),
    "a line of unequal sides": (pystxm(scan_type=5, img_idx_map=...), "points; they must be equal"),
    "a focus without a zone plate": (
        pystxm("rois", "0", "ZP", to=..., scan_type=3, img_idx_map=...), "zoneplate_z",
    ),
    "a generic scan of nothing": (
        pystxm(scan_type=8, img_idx_map=..., rois={"0": {"X": {"POSITIONER": "None"}}}),
        "names no positioner",
    ),
    "an index that is broken JSON": (pystxm(img_idx_map="{"), "img_idx_map"),
    "an index that is a list": (pystxm(img_idx_map=[1]), "img_idx_map"),
    "an energy index that is text": (pystxm("img_idx_map", "e_idx", to="first"), "is 'first'"),
    "an energy index below zero": (pystxm("img_idx_map", "e_idx", to=-1), "e_idx"),
    "an energy index beyond the list": (pystxm("img_idx_map", "e_idx", to=2), "e_idx 2"),
    "a polarization index that is text": (pystxm("img_idx_map", "pol_idx", to="x"), "pol_idx"),
    "no energies": (
        pystxm("rois", "0", "EV_ROIS", to=[], wdg_com=...), "neither SINGLE_LST nor EV_ROIS",
    ),
    "energies that are text": (pystxm("wdg_com", "SINGLE_LST", "EV_ROIS", to=["a"]), "EV_ROIS"),
    "energy regions that are a number": (pystxm("rois", "0", "EV_ROIS", to=5), "EV_ROIS"),
    "an energy region that is a list": (pystxm("rois", "0", "EV_ROIS", to=[[1]]), "EV_ROIS[0]"),
    "an energy region with text": (
        pystxm("rois", "0", "EV_ROIS", 0, "SETPOINTS", to=["a"]), "EV_ROIS[0].SETPOINTS",
    ),
    "dwells that are text": (pystxm("wdg_com", "SINGLE_LST", "DWELL", to=["a"]), "DWELL"),
    "a dwell that is text": (
        pystxm("rois", "0", "EV_ROIS", to=[700.0], wdg_com=..., dwell="long"), "dwell",
    ),
    "a dwell beyond all numbers": (
        pystxm("rois", "0", "EV_ROIS", to=[700.0], wdg_com=..., dwell=10**400), "dwell",
    ),
    "a request that is broken JSON": (pystxm(wdg_com="{"), "wdg_com"),
    "an energy list that is broken JSON": (pystxm("wdg_com", "SINGLE_LST", to="{"), "SINGLE_LST"),
    "a sequence that is broken JSON": (pystxm(sequence_map="{"), "sequence_map"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_missing_or_odd_is_refused_with_the_run_and_the_key(what):
    document, key = BROKEN[what]
    with pytest.raises(NXstxmError) as caught:
        read_plan(document)
    assert isinstance(caught.value, ValueError)
    assert key in str(caught.value)
    assert RUN[:8] in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("missing", ["uid", "time"])
def test_a_start_document_has_a_uid_and_a_time(missing):
    document = {k: v for k, v in pystxm().items() if k != missing}
    with pytest.raises(MetadataError, match=f"needs a '{missing}'"):
        read_plan(document)


def test_a_start_document_is_a_mapping():
    with pytest.raises(MetadataError, match="a start document is a mapping, not a list"):
        read_plan([])
