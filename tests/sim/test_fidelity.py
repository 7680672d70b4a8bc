"""Without these, the generated documents could drift away from those of real control programs.

Compared with recorded scans, which lie beside the repository and are not part of it.
"""

import json
import os
from pathlib import Path

import pytest

from suitcase.nxstxm.sim import all_requests, scan_documents

RECORDED = Path(
    os.environ.get(
        "NXSTXM_RECORDED", Path(__file__).resolve().parents[2].parent / "shared" / "recorded"
    )
)
REQUESTS = all_requests()
PAIRS = {
    "DETECTOR_IMAGE": "pystxm2019-detector_image-points",
    "GENERIC_SCAN": "pystxm2019-generic_scan-points",
    "OSA_FOCUS": "pystxm2019-osa_focus-points",
    "SAMPLE_IMAGE": "pystxm2019-sample_image-lines",
    "SAMPLE_IMAGE_STACK": "pystxm2019-sample_image_stack-lines",
    "SAMPLE_LINE_SPECTRA": "pystxm2019-sample_line_spectra-lines",
    "SAMPLE_POINT_SPECTRA": "pystxm2019-sample_point_spectra-points",
    "TOMOGRAPHY_SCAN": "pystxm2019-tomography_scan-lines",
}


@pytest.fixture(params=PAIRS.items(), ids=PAIRS)
def pair(request):
    """A recorded scan and a generated one of the same type, as runs in the order of time."""
    recorded, generated = request.param
    path = RECORDED / f"{recorded}.json"
    if not path.exists():
        pytest.skip(f"no recorded scans: {path} is missing; set NXSTXM_RECORDED to their folder")
    found = path.read_text()
    while isinstance(found, str):
        found = json.loads(found)
    runs = sorted(found.values(), key=lambda documents: documents[0][1]["time"])
    return runs, scan_documents(REQUESTS[generated])


def decoded(run):
    md = json.loads(run[0][1]["metadata"])
    return md | {key: json.loads(md[key]) for key in ("img_idx_map", "wdg_com")}


def streams(run):
    return {d["name"]: d for n, d in run if n == "descriptor"}


def types(mapping):
    return {key: type(value) for key, value in mapping.items()}


def test_metadata_have_the_keys_and_types_of_real_ones(pair):
    real, ours = (decoded(runs[0]) for runs in pair)
    assert types(ours) == types(real)
    assert types(ours["img_idx_map"]) == types(real["img_idx_map"])
    assert types(ours["zp_def"]) == types(real["zp_def"])
    assert ("SINGLE_LST" in ours["wdg_com"]) == ("SINGLE_LST" in real["wdg_com"])
    if "SINGLE_LST" in ours["wdg_com"]:
        assert types(ours["wdg_com"]["SINGLE_LST"]) == types(real["wdg_com"]["SINGLE_LST"])


def test_regions_have_the_keys_and_positioners_of_real_ones(pair):
    real, ours = (next(iter(decoded(runs[0])["rois"].values())) for runs in pair)
    assert set(ours) == set(real)
    for axis in "XYZ":
        assert set(ours[axis]) <= {*real[axis], "SETPOINTS"}
    for axis in "XY":
        assert ours[axis]["POSITIONER"] == real[axis]["POSITIONER"]
    assert ours["ZP"]["Z"]["POSITIONER"] == real["ZP"]["Z"]["POSITIONER"]
    assert set(ours["EV_ROIS"][0]) <= set(real["EV_ROIS"][0])


def test_all_devices_we_name_are_real_names(pair):
    real, ours = (decoded(runs[0])["rev_lu_dct"] for runs in pair)
    invented = {"CCG-01:vac:p", "FRG-01:vac:p", "TM-21"}  # gauges bear the name of the place
    assert set(ours) - invented <= set(real)


def test_runs_entries_and_baselines_follow_the_real_pattern(pair):
    def pattern(runs):
        found = []
        for run in runs:
            index = decoded(run)["img_idx_map"]
            found.append(
                (index["entry"], index["e_idx"], index["pol_idx"], "baseline" in streams(run))
            )
        return found

    real, ours = pair
    if len(real) > 1:
        assert pattern(ours) == pattern(real)
    assert decoded(ours[0])["sp_id_lst"] == decoded(real[0])["sp_id_lst"] or len(ours) == 1


def test_primary_readings_are_named_as_real_ones(pair):
    real, ours = (streams(runs[0])["primary"]["data_keys"] for runs in pair)
    places = ("PCT1402-01:", "RING-01:")  # the ring's name is the place's

    def plain(keys):
        return {key.replace(places[0], "").replace(places[1], "") for key in keys}

    assert plain(ours) == plain(real)


def test_waveforms_are_declared_longer_than_they_are_as_real_ones(pair):
    for runs in pair:
        primary = streams(runs[0])["primary"]
        event = next(d for _, d in runs[0] if d.get("descriptor") == primary["uid"])
        for key, value in event["data"].items():
            if key.endswith("waveform_rbv"):
                assert primary["data_keys"][key]["shape"] == [len(value) + 4]
