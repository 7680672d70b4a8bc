"""Without these, the demo's microscope could fail under a real RunEngine, or leave it unusable."""

import json
from itertools import pairwise

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.utils import RunEngineInterrupted
from event_model import DocumentNames, schema_validators

from suitcase.nxstxm.sim import (
    Region,
    Sample,
    ScanRequest,
    ShutterClosedError,
    SimulatedMicroscope,
    Span,
    all_requests,
    expected,
    focus_plan,
    image_plan,
    line_spectrum_plan,
    point_spectrum_plan,
    scan_plan,
    stack_plan,
    tomography_plan,
)

from .replay import place

SMALL = {"x": (-4.0, 4.0, 6), "y": (-3.0, 3.0, 5)}


@pytest.fixture
def scope():
    return SimulatedMicroscope(seed=3)


@pytest.fixture(scope="module")
def engine():
    return RunEngine({}, call_returns_result=False)


@pytest.fixture
def run(engine):
    """Run a plan, and give its documents by run; they follow the schemas."""
    documents = []
    token = engine.subscribe(lambda name, document: documents.append((name, document)))

    def go(plan):
        documents.clear()
        engine(plan)
        return split(documents)

    go.engine, go.documents = engine, documents
    yield go
    engine.unsubscribe(token)
    assert engine.state == "idle"


def split(documents):
    runs = []
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
        if name == "start":
            runs.append([])
        runs[-1].append((name, document))
    return runs


def streams(documents):
    return {d["name"]: d for n, d in documents if n == "descriptor"}


def events(documents, stream="primary"):
    uid = streams(documents)[stream]["uid"]
    return [d for n, d in documents if n == "event" and d["descriptor"] == uid]


def md_of(documents):
    return json.loads(documents[0][1]["metadata"])


def test_an_image_is_one_run_of_lines_with_a_baseline(run, scope):
    (image,) = run(image_plan(scope, **SMALL, energy=708.0))
    assert md_of(image)["scan_type"] == 6
    assert image[-1][1]["num_events"] == {"baseline": 2, "primary": 5}
    lines = [e["data"]["counter0_waveform_rbv"] for e in events(image)]
    assert all(line.shape == (6,) and line.dtype == np.int64 for line in lines)
    currents = [e["data"]["ring_current_val"] for e in events(image)]
    assert all(a > b for a, b in pairwise(currents))
    assert currents[0] == pytest.approx(220.0, rel=1e-3)


def test_the_baseline_tells_units_and_sources_and_how_it_was_measured(run, scope):
    (image,) = run(image_plan(scope, **SMALL, energy=707.5))
    keys = streams(image)["baseline"]["data_keys"]
    assert len(keys) >= 20
    assert all(key["source"].startswith("PV:") for key in keys.values())
    assert keys["energy"]["units"] == "eV"
    assert keys["ring_current_val"]["units"] == "mA"
    before, after = events(image, "baseline")
    assert before["data"]["energy"] == pytest.approx(707.5, abs=0.01)
    assert before["data"]["polarization"] == 2.0
    assert after["data"]["sample_y_user_setpoint"] == 3.0


def test_the_image_shows_the_sample(run, scope):
    (image,) = run(image_plan(scope, (-5.0, 5.0, 41), (-5.0, 5.0, 41), energy=708.0, dwell_ms=2.0))
    seen = place([image])["entry0"] / 2000.0
    x = np.linspace(-5.0, 5.0, 41)
    truth = Sample().transmission(708.0, x[None, :], x[:, None])
    assert np.abs(seen - truth).mean() < 0.03
    assert np.corrcoef(seen.ravel(), truth.ravel())[0, 1] > 0.99


def test_an_image_has_light_after_the_osa_was_scanned(run, scope):
    run(image_plan(scope, (-40.0, 40.0, 3), (-40.0, 40.0, 3), scan_type=1))
    (image,) = run(image_plan(scope, **SMALL))
    assert place([image])["entry0"].max() > 800


@pytest.mark.parametrize("style", ["points", "lines", "images"])
def test_an_image_may_come_as_points_lines_or_whole(run, scope, style):
    (image,) = run(image_plan(scope, **SMALL, style=style))
    assert len(events(image)) == {"points": 30, "lines": 5, "images": 1}[style]
    assert place([image])["entry0"].shape == (5, 6)


def test_point_counts_are_whole_numbers(run, scope):
    (image,) = run(image_plan(scope, (-200.0, 200.0, 4), (-200.0, 200.0, 3), scan_type=0))
    counted = [e["data"]["counter0_single_value_rbv"] for e in events(image)]
    assert all(type(value) is int for value in counted)
    key = streams(image)["primary"]["data_keys"]["counter0_single_value_rbv"]
    assert (key["dtype"], key["units"]) == ("integer", "counts")


def test_a_stack_is_one_run_per_energy_and_only_the_first_has_a_baseline(run, scope):
    runs = run(stack_plan(scope, (700.0, 708.0, 708.0), **SMALL, dwell_ms=(1.0, 2.0, 1.0)))
    assert [set(streams(r)) for r in runs] == [{"baseline", "primary"}, {"primary"}, {"primary"}]
    index = [json.loads(md_of(r)["img_idx_map"]) for r in runs]
    assert [(i["entry"], i["e_idx"]) for i in index] == [
        ("entry0", 0),
        ("entry0", 1),
        ("entry0", 2),
    ]
    assert [md_of(r)["dwell"] for r in runs] == [1.0, 2.0, 1.0]
    assert place(runs)["entry0"].shape == (3, 5, 6)


def test_polarizations_of_a_stack_show_the_dichroism(run, scope):
    runs = run(
        stack_plan(scope, (708.0,), (-2.2, -2.2, 1), (1.8, 1.8, 1), polarizations=(0, 1),
                   dwell_ms=20.0)
    )  # fmt: skip
    placed = place(runs)
    assert placed["entry0"].item() > 1.3 * placed["entry1"].item()


def test_a_tomography_has_an_entry_per_angle(run, scope):
    runs = run(tomography_plan(scope, (-30.0, 0.0, 30.0), (708.0,), **SMALL))
    angles = [json.loads(md_of(r)["img_idx_map"])["rotation_angle"] for r in runs]
    assert angles == [-30.0, 0.0, 30.0]
    assert all("baseline" in streams(r) for r in runs)
    assert events(runs[2], "baseline")[0]["data"]["theta"] == pytest.approx(30.0, abs=0.01)


def test_points_of_spectra_are_interleaved(run, scope):
    (spectra,) = run(
        point_spectrum_plan(scope, [(-2.2, 1.8), (4.5, 4.5)], (700.0, 708.0), dwell_ms=10.0)
    )
    assert len(events(spectra)) == 4
    placed = place([spectra])
    assert placed["entry0"][1] < 0.5 * placed["entry0"][0]
    assert placed["entry1"] == pytest.approx([10_000, 10_000], rel=0.05)


def test_a_line_spectrum_is_a_line_per_energy(run, scope):
    (line,) = run(line_spectrum_plan(scope, (-4.0, 1.8), (0.0, 1.8), 9, (700.0, 708.0, 715.0)))
    placed = place([line])["entry0"]
    assert placed.shape == (3, 9)
    assert placed[1, 4] < 0.5 * placed[0, 4]


@pytest.mark.parametrize(("scan_type", "ends"), [(3, ((-1.4, 1.8), (0.0, 1.8))),
                                                 (2, ((10.0, 0.0), (30.0, 0.0)))])  # fmt: skip
def test_a_focus_scan_is_sharpest_in_focus(run, scope, scan_type, ends):
    (focus,) = run(
        focus_plan(
            scope, *ends, 15, (-3832.0, -3772.0, 5), scan_type=scan_type, style="lines",
            dwell_ms=5.0,
        )
    )  # fmt: skip
    placed = place([focus])["entry0"]
    assert placed.shape == (5, 15)
    assert int(np.argmax(np.abs(np.diff(placed, axis=1)).max(axis=1))) == 2


LIVE = {
    name: request
    for name, request in all_requests().items()
    if request.dialect == "pystxm2019" and request.truncate is None
}


@pytest.mark.parametrize("request_", LIVE.values(), ids=LIVE)
def test_every_kind_of_request_runs_and_measures_what_is_expected(run, scope, request_):
    placed = place(run(scan_plan(scope, request_)))
    truth = expected(request_)
    assert set(placed) == set(truth)
    for name, entry in truth.items():
        assert placed[name].shape == entry.data.shape
        # both are photon counts of the same brightness
        spread = np.sqrt(placed[name] + entry.data + 1.0)
        assert np.abs((placed[name] - entry.data) / spread).max() < 6.0


@pytest.mark.parametrize("status", ["abort", "success"])
def test_a_plan_that_gives_up_leaves_the_engine_usable(run, scope, status):
    (image,) = run(image_plan(scope, **SMALL, truncate=2, truncated_status=status))
    assert image[-1][1]["exit_status"] == status
    assert image[-1][1]["num_events"] == {"baseline": 2, "primary": 2}
    (again,) = run(image_plan(scope, **SMALL))
    assert again[-1][1]["num_events"]["primary"] == 5


def test_a_plan_that_fails_says_why(run, scope):
    with pytest.raises(ShutterClosedError, match="after 2 events"):
        run(image_plan(scope, **SMALL, truncate=2, truncated_status="fail"))
    name, stop = run.documents[-1]
    assert (name, stop["exit_status"]) == ("stop", "fail")
    assert "shutter" in stop["reason"]


def test_a_stack_given_up_in_its_second_run_has_no_third(run, scope):
    runs = run(stack_plan(scope, (700.0, 705.0, 708.0), **SMALL, truncate=7))
    assert [r[-1][1]["exit_status"] for r in runs] == ["success", "abort"]


def test_a_scan_that_is_paused_and_aborted_ends_cleanly(run, scope):
    checkpoints = iter(range(100))

    def pause_before_the_fourth_line(message):
        if message.command == "checkpoint" and next(checkpoints) == 3:
            return None, bps.pause()
        return None, None

    with pytest.raises(RunEngineInterrupted):
        run(bpp.plan_mutator(image_plan(scope, **SMALL), pause_before_the_fourth_line))
    run.engine.abort("the user had enough")
    (image,) = split(run.documents)
    assert image[-1][1]["exit_status"] == "abort"
    assert image[-1][1]["num_events"]["primary"] == 3
    (again,) = run(image_plan(scope, **SMALL))
    assert again[-1][1]["exit_status"] == "success"


def test_the_same_seed_counts_the_same():
    def counted():
        scope = SimulatedMicroscope(seed=11)
        scope.counter_line.set_line({"sample_x": np.linspace(-1, 1, 4)})
        scope.counter_line.trigger()
        return scope.counter_line.waveform_rbv.get()

    # the ring current decays between the two: at most a photon
    np.testing.assert_allclose(counted(), counted(), atol=2)


def test_a_camera_takes_a_frame_at_each_point(run, scope):
    request = ScanRequest(13, (Region(0, Span(-2, 2, 3), Span(-1, 1, 2)),), (700.0, 708.0))
    runs = run(scan_plan(scope, request))
    key = streams(runs[0])["primary"]["data_keys"]["ccd_image"]
    assert (key["shape"], key["units"]) == ([4, 6], "counts")
    frames = np.array([e["data"]["ccd_image"] for documents in runs for e in events(documents)])
    truth = expected(request)["entry0"].frames
    assert frames.shape == truth.shape == (12, 4, 6)
    assert frames.dtype == np.int64
    assert np.abs((frames - truth) / np.sqrt(frames + truth + 1.0)).max() < 6.0
