"""A run has more streams than the one that makes the picture; without this they could be lost."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

bluesky = pytest.importorskip("bluesky")
import bluesky.plan_stubs as bps  # noqa: E402
import bluesky.plans as bp  # noqa: E402
import bluesky.preprocessors as bpp  # noqa: E402
from ophyd import Signal  # noqa: E402
from ophyd.sim import hw  # noqa: E402

from suitcase.nxstxm.documents import difference  # noqa: E402
from suitcase.nxstxm.exchange import export_scan  # noqa: E402
from suitcase.nxstxm.nexus import read_documents, validate  # noqa: E402

Documents = list[tuple[str, dict[str, Any]]]


def measured(plan: Any) -> Documents:
    """Run a plan on a RunEngine and give its documents."""
    engine = bluesky.RunEngine({}, context_managers=[])
    documents: Documents = []
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(plan)
    return documents


def test_a_monitored_signal_and_a_baseline_stand_beside_the_picture(tmp_path):
    devices = hw()
    shutter = Signal(name="shutter", value=0)

    @bpp.baseline_decorator([devices.motor2])
    @bpp.monitor_during_decorator([shutter])
    @bpp.run_decorator(md={})
    def plan() -> Any:
        for i in range(4):
            yield from bps.mv(devices.motor, i)
            yield from bps.trigger_and_read([devices.det, devices.motor])
            shutter.put(10 * i)

    documents = measured(plan())
    shutters = [
        d["data"]["shutter"] for n, d in documents if n == "event" and "shutter" in d["data"]
    ]
    path = export_scan(documents, tmp_path)
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        assert entry.attrs["default"] == "det"
        assert entry["det/data"].shape == (4,)
        log = entry["collection/shutter_monitor/shutter"]
        assert log.attrs["NX_class"] == "NXlog"
        assert log["value"][()].tolist() == shutters
        assert log["time"].shape == log["value"].shape
        assert entry["collection/primary/motor/value"][()].tolist() == [0, 1, 2, 3]
        assert entry["collection/baseline/motor2/value"].shape == (2,)
    assert validate(path) == []
    assert difference(documents, list(read_documents(path))) is None


def test_a_flyer_without_a_primary_stream_makes_the_picture(tmp_path):
    documents = measured(bp.fly([hw().flyer1]))
    assert not any(n == "descriptor" and d["name"] == "primary" for n, d in documents)
    readings = [
        value for name, doc in documents if name == "event_page" for value in doc["data"]["det"]
    ] or [d["data"]["det"] for n, d in documents if n == "event"]
    path = export_scan(documents, tmp_path)
    with h5py.File(path) as h5:
        assert np.array_equal(h5["entry0/det/data"], readings)
    assert validate(path) == []


def test_detectors_of_every_kind_have_their_place(tmp_path):
    devices = hw()
    text = Signal(name="filter", value="open")
    documents = measured(bp.count([devices.det, devices.direct_img, text], num=3))
    path = export_scan(documents, tmp_path)
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        assert entry["instrument/det/data"].shape == (3,)
        assert entry["instrument/img/data"].shape == (3, 10, 10)
        assert np.array_equal(entry["img/data"], entry["instrument/img/data"][()].sum(axis=(1, 2)))
        assert entry["collection/primary/filter/value"].asstr()[()].tolist() == ["open"] * 3
    assert validate(path) == []
