"""Without these tests a point without beam would look like a dark sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import grid_scan, scan
from ophyd import Signal
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, validate

ROLES = {"sample_x": "sx", "sample_y": "sy", "ring_current": "ring", "shutter": "blade"}
GOOD, MISSING, LOST, CLOSED, TOP_UP = 0, 1, 2, 4, 8


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
        assert mask.attrs["flag_masks"].tolist() == [MISSING, LOST, CLOSED, TOP_UP]
        assert mask.attrs["flag_meanings"] == "not_measured beam_lost shutter_closed top_up"
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
