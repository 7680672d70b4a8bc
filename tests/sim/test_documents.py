"""Without these, the tests of the file writers would rest on documents that no schema allows, that
differ every time, or that do not say what the simulation claims to have measured.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from event_model import DocumentNames, schema_validators

from suitcase.nxstxm.sim import ScanRequest, all_requests, expected, scan_documents

from .replay import metadata, place, primary_data

REQUESTS = all_requests()
every_request = pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)


def start_of(run):
    return run[0][1]


def streams(run):
    return {d["name"]: d for n, d in run if n == "descriptor"}


@every_request
def test_documents_follow_the_schemas_and_each_other(request_):
    for run in scan_documents(request_):
        descriptors = {}
        counted = {}
        for name, document in run:
            schema_validators[DocumentNames[name]].validate(document)
            if name == "descriptor":
                descriptors[document["uid"]] = document
            elif name in ("event", "event_page"):
                descriptor = descriptors[document["descriptor"]]
                assert set(document["data"]) == set(descriptor["data_keys"])
                counted[descriptor["name"]] = counted.get(descriptor["name"], 0) + 1
        uids = [u for n, d in run for u in np.atleast_1d(d["uid"])]
        assert len(set(uids)) == len(uids)
        times = [t for n, d in run for t in np.atleast_1d(d["time"])]
        assert times == sorted(times)
        name, stop = run[-1]
        if request_.truncated_status != "killed":
            assert (name, stop["run_start"]) == ("stop", run[0][1]["uid"])
            assert stop["num_events"] == counted


@every_request
def test_the_same_request_gives_the_same_documents(request_):
    first, second = scan_documents(request_), scan_documents(replace(request_))
    assert repr(first) == repr(second)
    assert (
        start_of(first[0])["uid"] != start_of(scan_documents(replace(request_, seed=9))[0])["uid"]
    )


@every_request
def test_documents_placed_by_the_rules_give_what_is_expected(request_):
    placed = place(scan_documents(request_))
    truth = expected(request_)
    assert set(placed) == set(truth)
    for name, entry in truth.items():
        reached = placed[name]
        np.testing.assert_array_equal(reached, entry.data[: len(reached)])
        assert np.isnan(entry.data[len(reached) :]).all()
        assert entry.complete == (not np.isnan(entry.data).any())
    assert all(entry.complete for entry in truth.values()) == (request_.truncate is None)


@every_request
def test_runs_come_in_the_order_of_time_and_uids_are_all_different(request_):
    starts = [start_of(run) for run in scan_documents(request_)]
    assert [s["time"] for s in starts] == sorted(s["time"] for s in starts)
    assert [s["scan_id"] for s in starts] == list(range(1, len(starts) + 1))
    assert len({s["uid"] for s in starts}) == len(starts)


@every_request
def test_only_the_first_run_of_an_entry_has_a_baseline(request_):
    seen = set()
    for run in scan_documents(request_):
        entry = None if request_.dialect == "stxm" else metadata(start_of(run))["entry_name"]
        wanted = request_.include_baseline and request_.dialect != "stxm" and entry not in seen
        assert ("baseline" in streams(run)) == wanted
        seen.add(entry)


def test_the_baseline_holds_many_readings_with_units_and_sources():
    run = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])[0]
    keys = streams(run)["baseline"]["data_keys"]
    assert len(keys) > 40
    assert all(key["source"].startswith("PV:") and "units" in key for key in keys.values())
    # wrong in real life, and therefore here
    assert keys["BL-MONO:ENERGY"]["units"] == "um"


def test_runs_of_a_stack_go_by_polarization_then_energy_then_region():
    def order(name):
        found = [metadata(start_of(run))["img_idx_map"] for run in scan_documents(REQUESTS[name])]
        return [(m["entry"], m["pol_idx"], m["e_idx"], m["sp_idx"], m["sp_id"]) for m in found]

    assert order("stack-two-regions-two-polarizations")[:7] == [
        ("entry0", 0, 0, 0, 4),
        ("entry1", 0, 0, 1, 7),
        ("entry0", 0, 1, 0, 4),
        ("entry1", 0, 1, 1, 7),
        ("entry0", 0, 2, 0, 4),
        ("entry1", 0, 2, 1, 7),
        ("entry2", 1, 0, 0, 4),
    ]
    assert [entry for entry, *_ in order("stack-interleaved-polarizations")[:4]] == [
        "entry0",
        "entry1",
        "entry2",
        "entry3",
    ]


def test_runs_of_a_tomography_go_by_angle_then_energy():
    runs = scan_documents(REQUESTS["pystxm2019-tomography_scan-lines"])
    found = [metadata(start_of(run))["img_idx_map"] for run in runs]
    assert [(m["entry"], m["e_idx"], m["rotation_angle"]) for m in found] == [
        (f"entry{k}", e, angle) for k, angle in enumerate((-20.0, 0.0, 20.0)) for e in (0, 1)
    ]


def test_the_decoys_of_real_requests_are_there():
    focus = metadata(start_of(scan_documents(REQUESTS["pystxm2019-osa_focus-points"])[0]))
    roi = focus["rois"]["3"]
    assert (roi["Z"]["NPOINTS"], roi["ZP"]["Z"]["NPOINTS"]) == (50, 6)
    image = metadata(start_of(scan_documents(REQUESTS["pystxm2019-sample_image-lines"])[0]))
    roi = image["rois"]["0"]
    assert roi["GONI"]["X"]["SETPOINTS"] != roi["X"]["SETPOINTS"]
    assert roi["X"]["STEP"] != pytest.approx(np.diff(roi["X"]["SETPOINTS"])[0])


def test_waveforms_of_2019_are_declared_longer_than_they_are():
    run = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])[0]
    assert streams(run)["primary"]["data_keys"]["counter0_waveform_rbv"]["shape"] == [9]
    for _, data in primary_data(run):
        assert data["counter0_waveform_rbv"].shape == (5,)
        assert data["counter0_waveform_rbv"].dtype == np.int64


def test_json_strings_nest_as_deep_as_real_ones():
    md = metadata(start_of(scan_documents(REQUESTS["stack-nested-strings"])[0]))
    lists = json.loads(md["wdg_com"]["SINGLE_LST"])
    assert json.loads(lists["EV_ROIS"]) == [700.0, 705.0, 708.0]
    plain = metadata(start_of(scan_documents(REQUESTS["pystxm2019-sample_image_stack-lines"])[0]))
    assert plain["wdg_com"]["SINGLE_LST"]["EV_ROIS"] == [700.0, 705.0, 708.0]


def test_uneven_energies_are_split_into_regions_that_add_up():
    request = REQUESTS["stack-uneven-energies"]
    rois = metadata(start_of(scan_documents(request)[0]))["rois"]["0"]["EV_ROIS"]
    assert len(rois) > 1
    assert tuple(e for roi in rois for e in roi["SETPOINTS"]) == request.energies


def test_the_newer_dialect_says_more_and_names_otherwise():
    runs = scan_documents(REQUESTS["pystxm-channels-lines"])
    md = json.loads(start_of(runs[0])["metadata"])
    assert md["primary_det"] == ["DNM_SIS3820_waveform_rbv"]
    assert md["default_det"] == "DNM_SIS3820_CHAN_00"
    assert md["rotation_angle"] == 0.0
    assert set(json.loads(md["sequence_map"])) == {"0", "1", "2"}
    assert md["rev_lu_dct"]["DNM_ENERGY"] == "BL-MONO:ENERGY"
    keys = streams(runs[0])["baseline"]["data_keys"]
    assert {"DNM_ENERGY", "DNM_SAMPLE_X", "DNM_ZONEPLATE_Z_BASE", "RING-01:mA:fbk"} <= set(keys)
    _, data = next(primary_data(runs[0]))
    assert set(data["DNM_SIS3820_waveform_rbv"]) == {"DNM_SIS3820_CHAN_00", "DNM_SIS3820_CHAN_15"}
    bare = json.loads(
        start_of(scan_documents(REQUESTS["pystxm-without-optional-keys"])[0])["metadata"]
    )
    assert not {"default_det", "rotation_angle", "sequence_map"} & set(bare)


def test_channels_of_point_spectra_tell_the_point():
    run = scan_documents(REQUESTS["pystxm-channels-point-spectra"])[0]
    found = [set(data["DNM_SIS3820_waveform_rbv"]) for _, data in primary_data(run)]
    assert found[0] == {"SIS3820_CHAN_00-spid-2", "SIS3820_CHAN_15-spid-2"}
    assert found[1] == {"SIS3820_CHAN_00-spid-1", "SIS3820_CHAN_15-spid-1"}


def test_the_stxm_block_comes_in_pages_of_one_line():
    run = scan_documents(REQUESTS["stxm-stack"])[0]
    block = start_of(run)["stxm"]
    assert (block["contract_version"], block["shape"]) == (1, [3, 4, 5])
    assert list(streams(run)) == ["primary"]
    pages = [d for n, d in run if n == "event_page"]
    assert len(pages) == 12
    assert all(len(page["seq_num"]) == 1 for page in pages)
    assert all(page["data"]["SampleX"][0].shape == (5,) for page in pages)
    bare = start_of(scan_documents(REQUESTS["stxm-stack-bare"])[0])["stxm"]
    assert list(bare)[-1] == "data_field"
    groups = [
        start_of(r)["stxm"]["scan_group"] for r in scan_documents(REQUESTS["stxm-tomography"])
    ]
    assert [(g["index"], g["total"]) for g in groups] == [(0, 3), (1, 3), (2, 3)]
    assert len({g["id"] for g in groups}) == 1


@pytest.mark.parametrize(
    ("name", "status", "events"),
    [
        ("image-aborted", "abort", 2),
        ("image-aborted-quietly", "success", 3),
        ("image-failed", "fail", 2),
    ],
)
def test_a_truncated_scan_ends_with_the_status_asked_for(name, status, events):
    (run,) = scan_documents(REQUESTS[name])
    assert run[-1][1]["exit_status"] == status
    assert run[-1][1]["num_events"]["primary"] == events


def test_a_killed_run_has_no_stop_document():
    (run,) = scan_documents(REQUESTS["image-killed"])
    assert run[-1][0] == "event"


def test_motors_follow_their_setpoints_unless_they_are_stuck():
    def read(name):
        run = scan_documents(REQUESTS[name])[0]
        return [(d["IOC:m107"], d["IOC:m107_user_setpoint"]) for _, d in primary_data(run)]

    moving = np.array(read("pystxm2019-coarse_goni_scan-points"))
    assert np.abs(moving[:, 0] - moving[:, 1]).max() < 0.01
    stuck = np.array(read("image-stuck-motors"))
    assert len(set(stuck[:, 0])) == 1
    np.testing.assert_array_equal(stuck[:, 1], moving[:, 1])


def test_a_snake_says_so_and_runs_back_and_forth():
    run = scan_documents(REQUESTS["image-snake-points"])[0]
    assert start_of(run)["snaking"] == [False, True]
    x = [data["IOC:m107_user_setpoint"] for _, data in primary_data(run)]
    assert x[:5] == x[5:10][::-1] == [-4.0, -2.0, 0.0, 2.0, 4.0]


def test_a_camera_gives_a_frame_with_every_point():
    request = REQUESTS["pystxm2019-ptychography_scan-points"]
    runs = scan_documents(request)
    frames = [data["ccd_image"] for run in runs for _, data in primary_data(run)]
    np.testing.assert_array_equal(frames, expected(request)["entry0"].frames)
    assert expected(request)["entry0"].frames.shape == (40, 4, 6)


def test_a_large_scan_takes_little_time_to_write():
    request = ScanRequest(7, energies=tuple(np.linspace(700.0, 720.0, 40)))
    assert sum(len(run) for run in scan_documents(request)) > 200
