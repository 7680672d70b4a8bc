"""Without these, a column could be taken for another device's, or a detector be left out."""

import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm.scans import read_plan, role_of

from .starts import pystxm, start, stxm

NUMBER = {"dtype": "number", "shape": [], "source": "PV:x"}
LINE = {"dtype": "array", "shape": [9], "source": "PV:x"}


def descriptor(keys, name="primary", **more):
    return {"uid": "d", "name": name, "data_keys": keys, **more}


def roles(plan):
    return {detector.data_key: detector.role for detector in plan.detectors}


REQUESTS = sim.all_requests()


@pytest.mark.parametrize("name", REQUESTS)
def test_every_signal_of_the_simulator_finds_its_column(name):
    request = REQUESTS[name]
    for run in sim.scan_documents(request):
        plan = read_plan(run[0][1])
        for kind, document in run:
            if kind == "descriptor":
                again = plan.bind(document)
                assert again.bind(document) == again
                plan = again
        keys = {k for kind, d in run if kind == "descriptor" and d["name"] == "primary"
                for k in d["data_keys"]}  # fmt: skip
        if not keys:
            continue
        for detector in request.detectors:
            (found,) = [d for d in plan.detectors if d.data_key.startswith(detector)]
            assert found.data_key in keys
            # one that the plan names is a signal, whatever it is called
            named = request.dialect == "stxm"
            assert found.role == ("i0" if "i0" in detector and not named else "signal")
        # nothing but detectors became one
        assert {d.data_key for d in plan.detectors} - {"ccd_image"} == {
            k for k in keys if k.startswith(request.detectors)
        }


def test_the_names_of_2019_lead_to_control_system_names():
    request = REQUESTS["pystxm2019-osa_focus-points"]
    (run,) = sim.scan_documents(request)
    plan = read_plan(run[0][1])
    for kind, document in run:
        plan = plan.bind(document) if kind == "descriptor" else plan
    devices = plan.devices
    assert (devices["osa_x"].read_key, devices["osa_x"].set_key) == (
        "IOC:m104", "IOC:m104_user_setpoint",
    )  # fmt: skip
    assert devices["ring_current"].read_key == "RING-01:mA:fbk_val"
    assert devices["zoneplate_z"].read_key == "IOC:m111"
    assert devices["energy"].read_key == "BL-MONO:ENERGY"
    # the key says um, as real ones do
    assert devices["energy"].units == "eV"
    assert devices["ring_current"].units == "mA"


@pytest.mark.parametrize(
    "suffix", ["", "_val", "_user_readback", "_readback", "_rbv", "_RBV", "_value"]
)
@pytest.mark.parametrize("setpoint", ["_user_setpoint", "_setpoint"])
def test_readings_and_setpoints_are_found_by_the_endings_that_are_in_use(suffix, setpoint):
    keys = {f"IOC:m117{suffix}": NUMBER, f"IOC:m117{setpoint}": NUMBER, "counter0": NUMBER}
    device = read_plan(pystxm()).bind(descriptor(keys)).devices["sample_x"]
    assert (device.read_key, device.set_key) == (f"IOC:m117{suffix}", f"IOC:m117{setpoint}")


def test_the_positioner_of_the_region_goes_before_the_table_of_roles():
    moved = {"POSITIONER": "piezo", "SETPOINTS": [0.0, 1.0]}
    plan = read_plan(pystxm("rois", "0", "X", to=moved, rev_lu_dct={"GoniX": "IOC:m107"}))
    bound = plan.bind(descriptor({"piezo": NUMBER, "IOC:m107": NUMBER}))
    assert bound.devices["sample_x"].read_key == "piezo"


def test_the_baseline_binds_devices_and_no_detectors():
    keys = {"IOC:m117": NUMBER, "counter0_x": NUMBER, "pressure": NUMBER}
    plan = read_plan(pystxm()).bind(descriptor(keys, "baseline"))
    assert plan.devices["sample_x"].read_key == "IOC:m117"
    assert roles(plan) == {None: "signal"}
    bound = plan.bind(descriptor({"counter0_waveform_rbv": LINE}))
    assert bound.devices["sample_x"].read_key == "IOC:m117"
    assert roles(bound) == {"counter0_waveform_rbv": "signal"}


def test_a_detector_is_known_by_its_key_or_by_its_beginning():
    plan = read_plan(pystxm(primary_det=["counter0", "pmt"]))
    bound = plan.bind(descriptor({"counter0_waveform_rbv": LINE, "pmt": NUMBER}))
    assert {d.name: d.data_key for d in bound.detectors} == {
        "counter0": "counter0_waveform_rbv",
        "pmt": "pmt",
    }
    assert bound.detectors[0].per == "line"


def test_the_beginning_of_a_name_is_a_whole_word():
    plan = read_plan(pystxm(primary_det="counter"))
    bound = plan.bind(descriptor({"counter2_waveform_rbv": LINE, "counter_rbv": NUMBER}))
    names = {d.name: d.data_key for d in bound.detectors}
    assert names["counter"] == "counter_rbv"


def test_a_beginning_that_fits_several_keys_gives_a_detector_for_each():
    plan = read_plan(pystxm(primary_det="scaler"))
    bound = plan.bind(descriptor({"scaler_a": NUMBER, "scaler_b": NUMBER}))
    assert {d.name: d.data_key for d in bound.detectors} == {
        "scaler_a": "scaler_a",
        "scaler_b": "scaler_b",
    }


def test_a_detector_that_is_not_there_waits():
    plan = read_plan(pystxm()).bind(descriptor({"other": NUMBER}))
    assert (None, "signal") in roles(plan).items()
    assert roles(plan.bind(descriptor({"counter0": NUMBER})))["counter0"] == "signal"


def test_form_and_units_come_from_the_data_key():
    key = {**LINE, "units": "V", "dtype_numpy": "<f4"}
    plan = read_plan(stxm()).bind(descriptor({"pmt": key}))
    (detector,) = plan.detectors
    assert (detector.shape, detector.dtype, detector.units) == ((9,), "<f4", "V")
    assert detector.per == "line"
    (plain,) = read_plan(stxm()).bind(descriptor({"pmt": {**LINE, "units": ""}})).detectors
    assert plain.units == "counts"


@pytest.mark.parametrize(
    ("key", "declared", "role"),
    [
        ("apd", NUMBER, "signal"),
        ("I0", NUMBER, "i0"),
        ("mesh:i0:val", NUMBER, "i0"),
        ("ccd", {"dtype": "array", "shape": [512, 512]}, "camera"),
        ("mca", {"dtype": "array", "shape": [512]}, "signal"),
        ("row", {"dtype": "array", "shape": [1, 512]}, "signal"),
        ("DNM_SIS3820_waveform_rbv", {"dtype": "number", "shape": [4, 5]}, "signal"),
    ],
)
def test_the_role_of_a_detector_nobody_named_is_told_by_its_form(key, declared, role):
    assert roles(read_plan(pystxm()).bind(descriptor({key: declared})))[key] == role


def test_text_and_motors_are_no_detectors():
    keys = {
        "status": {"dtype": "string", "shape": []},
        "theta": NUMBER,
        "m": NUMBER,
        "m_user_setpoint": NUMBER,
        "odd": None,
    }
    assert roles(read_plan(start()).bind(descriptor(keys))) == {}


def test_the_hints_of_a_plain_run_tell_the_picture_from_the_rest():
    keys = {"det_a": NUMBER, "det_b": NUMBER}
    plan = read_plan(start())
    hinted = plan.bind(descriptor(keys, hints={"det": {"fields": ["det_b"]}}))
    assert roles(hinted) == {"det_a": "other", "det_b": "signal"}
    every = {"det_a": "signal", "det_b": "signal"}
    assert roles(plan.bind(descriptor(keys))) == every
    # only a motor has hints: then there would be no picture at all
    assert roles(plan.bind(descriptor(keys, hints={"m": {"fields": ["m"]}}))) == every


@pytest.mark.parametrize("keys", [None, [], "x"])
def test_a_descriptor_without_keys_changes_nothing(keys):
    plan = read_plan(stxm())
    assert plan.bind({"name": "primary", "data_keys": keys}) is plan


def test_a_user_s_devices_go_before_the_dialect_s():
    plan = read_plan(stxm()).with_devices(
        {"sample_x": "encoder", "i0": "mesh", "camera": "ccd", "signal": "pmt"}
    )
    bound = plan.bind(
        descriptor({"SampleX": NUMBER, "encoder": NUMBER, "mesh": NUMBER, "pmt": LINE,
                    "ccd": {"dtype": "array", "shape": [4, 4]}})
    )  # fmt: skip
    assert bound.devices["sample_x"].read_key == "encoder"
    assert bound.devices["sample_x"].units == "um"
    assert {k: v for k, v in roles(bound).items() if k != "SampleX"} == {
        "mesh": "i0",
        "ccd": "camera",
        "pmt": "signal",
    }


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("GoniX", "sample_x"),
        ("DNM_SAMPLE_X", "sample_x"),
        ("gonix", "sample_x"),
        ("OSA.Y", "osa_y"),
        ("ENERGY", "energy"),
        ("StorageRingCurrent", "ring_current"),
        ("_ZonePlateZ_base", "zoneplate_z"),
        ("toaster", None),
    ],
)
def test_roles_are_known_by_the_names_of_both_control_programs(name, role):
    assert role_of(name) == role
