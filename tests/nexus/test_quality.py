"""Without these tests a point without beam would look like a dark sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plan_stubs import one_nd_step
from bluesky.plans import grid_scan, scan
from bluesky.preprocessors import baseline_wrapper, monitor_during_wrapper
from ophyd import Signal
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, validate

from .flying import exported, flown

ROLES = {"sample_x": "sx", "sample_y": "sy", "ring_current": "ring", "shutter": "blade"}
GOOD, MISSING, LOST, CLOSED, TOP_UP, UNKNOWN = 0, 1, 2, 4, 8, 16


def written(folder: Path, plan: Any, n: int | None = None, **options: Any) -> Path:
    documents: list[tuple[str, Any]] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(plan)
    if n is not None:  # the scan was aborted behind n events
        events = [i for i, (name, _) in enumerate(documents) if name == "event"]
        documents = [*documents[: events[n]], documents[-1]]
    path = export_scan(documents, folder, **options)
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    return path


def told(h5: h5py.File) -> str:
    home = h5["entry0/collection"]
    return "\n".join(home["messages"].asstr()[()]) if "messages" in home else ""


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("snake", [False, True])
def test_beam_shutter_and_top_up_flag_points_and_drop_nothing(
    words: bool, snake: bool, tmp_path: Path
) -> None:
    x, y = SynAxis(name="sx"), SynAxis(name="sy")
    det = SynSignal(func=lambda: 10 * y.position + x.position, name="det", kind="hinted")
    ring = SynSignal(func=lambda: 2.0 if y.position == 1 else 200.0, name="ring")
    states = ("Closed", "OPEN") if words else (0, 1)
    blade = SynSignal(func=lambda: states[int(x.position != 3)], name="blade")
    gate = SynSignal(func=lambda: int(x.position == 0 and y.position == 2), name="gate")
    plan = grid_scan([det, ring, blade, gate], y, 0, 2, 3, x, 0, 3, 4, snake)
    path = written(tmp_path, plan, devices={**ROLES, "top_up": "gate"})
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        np.testing.assert_array_equal(entry["det/data"], 10 * np.arange(3)[:, None] + np.arange(4))
        mask = entry["quality/mask"]
        assert mask.dtype == np.uint8
        wanted = np.zeros((3, 4), int)
        wanted[1] |= LOST
        wanted[:, 3] |= CLOSED
        wanted[2, 0] |= TOP_UP
        np.testing.assert_array_equal(mask, wanted)
        assert mask.attrs["flag_masks"].tolist() == [MISSING, LOST, CLOSED, TOP_UP, UNKNOWN]
        meanings = "not_measured beam_lost shutter_closed top_up unknown"
        assert mask.attrs["flag_meanings"] == meanings
        assert entry["quality/based_on"].asstr()[()] == "ring_current, shutter, top_up"
        assert "4 points have the flag beam_lost" in told(h5)
        assert "3 points have the flag shutter_closed" in told(h5)


def test_what_was_not_measured_has_a_flag_of_its_own(tmp_path: Path) -> None:
    x = SynAxis(name="sx")
    blade = Signal(name="blade", value=1)
    path = written(tmp_path, scan([x, blade], x, 0, 5, 6), 4, devices=ROLES)
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/quality/mask"], [0, 0, 0, 0, MISSING, MISSING])
        assert "have the flag" not in told(h5)


def test_without_anything_that_tells_there_is_no_mask(tmp_path: Path) -> None:
    x = SynAxis(name="sx")
    path = written(tmp_path, scan([x], x, 0, 5, 6), devices=ROLES)
    with h5py.File(path) as h5:
        assert "quality" not in h5["entry0"]


def test_a_detector_may_be_called_quality(tmp_path: Path) -> None:
    x = SynAxis(name="sx")
    det = SynSignal(func=lambda: x.position, name="quality", kind="hinted")
    blade = Signal(name="blade", value=0)
    path = written(tmp_path, scan([det, blade], x, 0, 2, 3), devices=ROLES)
    with h5py.File(path) as h5:
        assert (h5["entry0/quality/mask"][()] == CLOSED).all()
        assert h5["entry0"].attrs["default"] != "quality"


NAN = float("nan")


@pytest.mark.parametrize(
    ("role", "said", "flags"),
    [
        ("ring_current", (0.0, 0.0, 0.0), (LOST, LOST, LOST)),
        ("ring_current", (-0.1, -0.1, -0.1), (LOST, LOST, LOST)),
        ("ring_current", (200.0, NAN, 0.0), (GOOD, UNKNOWN, LOST)),
        ("ring_current", (NAN, NAN, NAN), (UNKNOWN, UNKNOWN, UNKNOWN)),
        ("shutter", (1.0, NAN, 0.0), (GOOD, UNKNOWN, CLOSED)),
        ("shutter", ("Shutter is Open", "not open", "CLOSED"), (GOOD, CLOSED, CLOSED)),
        ("shutter", ("opening", "fault", "on"), (CLOSED, UNKNOWN, GOOD)),
        ("top_up", ("idle", "injecting", "not injecting"), (GOOD, TOP_UP, GOOD)),
        ("top_up", ("Off", "No injection", "plum"), (GOOD, GOOD, UNKNOWN)),
        ("top_up", (False, True, NAN), (GOOD, TOP_UP, UNKNOWN)),
    ],
)
def test_what_a_role_says(
    role: str, said: tuple[Any, ...], flags: tuple[int, ...], tmp_path: Path
) -> None:
    x = SynAxis(name="sx")
    state = SynSignal(func=lambda: said[int(x.position)], name="state")
    path = written(
        tmp_path, scan([x, state], x, 0, 2, 3), devices={"sample_x": "sx", role: "state"}
    )
    with h5py.File(path) as h5:
        assert tuple(h5["entry0/quality/mask"][()]) == flags
        for word in {"fault", "plum"}.intersection(map(str, said)):
            assert f"{role} said {word!r}, which is not understood" in told(h5)


def test_of_the_samples_of_a_point_any_flags_it(tmp_path: Path) -> None:
    """Their mean would hide a shutter that was closed most of the time."""
    there = np.linspace(-0.5, 4.5, 100)
    blade, ring, gate = np.ones(100), np.full(100, 200.0), np.zeros(100)
    blade[42:58], ring[22], gate[99] = 0, 0, 1
    row = {"counter": there, "encoder": there, "blade": blade, "ring": ring, "gate": gate}
    silent = {**row, "ring": np.full(100, NAN)}
    roles = {"sample_x": "encoder", "sample_y": "y", "signal": "counter"}
    roles |= {"shutter": "blade", "ring_current": "ring", "top_up": "gate"}
    with h5py.File(exported(flown([row, silent], 2), tmp_path, devices=roles)) as h5:
        mask = h5["entry0/quality/mask"][()]
        np.testing.assert_array_equal(mask[0], [GOOD, LOST, CLOSED, GOOD, TOP_UP])
        silent_ring = [0, 0, CLOSED, 0, TOP_UP]
        np.testing.assert_array_equal(mask[1] | UNKNOWN, np.array(silent_ring) | UNKNOWN)
        assert (mask[1, [0, 1, 3]] == UNKNOWN).all()


@pytest.mark.parametrize("words", [False, True])
def test_a_monitored_role_tells_what_it_said_last(words: bool, tmp_path: Path) -> None:
    x = SynAxis(name="sx")
    det = SynSignal(func=lambda: x.position, name="det", kind="hinted")
    ring, blade = Signal(name="ring", value=200.0), Signal(name="blade", value="Open")
    blade.put("Open" if words else 1)

    def moved(detectors: Any, step: Any, pos_cache: Any) -> Any:
        ring.put({2: 1.0, 3: 150.0}.get(step[x], ring.get()))
        if step[x] == 4:
            blade.put("closed" if words else 0)
        return (yield from one_nd_step(detectors, step, pos_cache))

    plan = monitor_during_wrapper(scan([det], x, 0, 4, 5, per_step=moved), [ring, blade])
    with h5py.File(written(tmp_path, plan, devices=ROLES)) as h5:
        mask = h5["entry0/quality/mask"][()]
        np.testing.assert_array_equal(mask, [GOOD, GOOD, LOST, GOOD, CLOSED])
        assert h5["entry0/quality/based_on"].asstr()[()] == "ring_current, shutter"
        control = h5["entry0/control/data"]
        np.testing.assert_array_equal(control, [200, 200, 1, 150, 150])
        assert control.attrs["source"] == "monitored"


def test_a_baseline_makes_no_mask_and_the_entry_says_so(tmp_path: Path) -> None:
    x = SynAxis(name="sx")
    det = SynSignal(func=lambda: x.position, name="det", kind="hinted")
    plan = baseline_wrapper(scan([det], x, 0, 2, 3), [Signal(name="ring", value=200.0)])
    with h5py.File(written(tmp_path, plan, devices=ROLES)) as h5:
        assert "quality" not in h5["entry0"]
        assert "ring_current ('ring') was read before and after the run only" in told(h5)
        assert (h5["entry0/control/data"][()] == 200).all()
