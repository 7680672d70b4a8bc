"""Without these tests frames that come from a RunEngine could be labelled with another point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import grid_scan
from event_model import pack_event_page
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm.data import DataHandler, FrameFeed, RAMStorage
from suitcase.nxstxm.sim import ScanRequest, Span, all_requests, scan_documents

from ..sim.monitors import with_monitor


def fed(documents: list[tuple[str, Any]], **options: Any) -> RAMStorage:
    storage = RAMStorage()
    handler = DataHandler(storage)
    feed = FrameFeed(handler, **options)
    for name, doc in documents:
        feed(name, doc)
    handler.finish()
    return storage


def stack(style: str) -> list[list[tuple[str, Any]]]:
    usual = all_requests()["pystxm2019-sample_image_stack-lines"]
    region = usual.regions[0]._replace(x=Span(-2, 2, 4), y=Span(-1, 1, 3))
    request = ScanRequest(
        7, regions=(region,), energies=(700.0, 705.0), style=style, motors=False,
        include_baseline=False,
    )  # fmt: skip
    return scan_documents(request)


@pytest.mark.parametrize(
    ("style", "axes", "shape"),
    [
        ("points", ("energy", "sample_x", "sample_y"), ()),
        ("lines", ("energy", "sample_y"), (4,)),
        ("images", ("energy",), (12,)),
    ],
)
def test_a_frame_has_the_indices_that_all_its_points_share(
    style: str, axes: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    runs = stack(style)
    storage = fed([document for run in runs for document in run])
    sizes = {"energy": 2, "sample_y": 3, "sample_x": 4}
    assert {tuple(sorted(coords)) for coords in storage} == {axes}
    assert len(storage) == np.prod([sizes[axis] for axis in axes])
    events = [(i, doc) for i, run in enumerate(runs) for name, doc in run if name == "event"]
    assert len(events) == len(storage)
    for (energy, event), coords in zip(events, storage, strict=True):
        assert coords.energy == energy
        data = storage.get_data(coords)
        assert data.size == max(int(np.prod(shape)), 1)
        [value] = [
            v for k, v in event["data"].items() if k == storage.get_metadata(coords)["data_key"]
        ]
        np.testing.assert_array_equal(data.ravel(), np.ravel(value))
        if "sample_y" in axes:
            row = (event["seq_num"] - 1) * data.size // 4
            assert coords.sample_y == row


def test_pages_give_the_same_frames() -> None:
    [run, _] = stack("lines")
    paged = [document for document in run if document[0] != "event"]
    paged.insert(-1, ("event_page", pack_event_page(*(d for n, d in run if n == "event"))))
    one, other = fed(run), fed(paged)
    assert list(one) == list(other)
    for coords in one:
        np.testing.assert_array_equal(one.get_data(coords), other.get_data(coords))


@pytest.mark.parametrize("stream", ["counter_monitor", "watched"])
@pytest.mark.parametrize("style", ["points", "lines"])
def test_what_is_monitored_makes_no_frames(style: str, stream: str) -> None:
    [run, _] = stack(style)
    one = fed(run)
    other = fed(with_monitor(run, stream, first=stream == "counter_monitor"))
    assert list(one) == list(other)
    for coords in one:
        np.testing.assert_array_equal(one.get_data(coords), other.get_data(coords))


def test_regions_and_channels_tell_frames_apart() -> None:
    runs = scan_documents(all_requests()["pystxm2019-sample_point_spectra-points"])
    storage = fed([document for run in runs for document in run])
    assert len({coords.region for coords in storage}) > 1
    runs = scan_documents(all_requests()["image-two-detectors"])
    storage = fed([document for run in runs for document in run])
    assert len({coords.channel for coords in storage}) == 2
    [only] = {c.get("channel") for c in fed(runs[0], keys=[next(iter(storage)).channel])}
    assert only is None


def test_a_run_engine_feeds_a_handler_while_it_runs() -> None:
    y, x = SynAxis(name="y", labels={"motors"}), SynAxis(name="x", labels={"motors"})
    camera = SynSignal(
        name="camera",
        func=lambda: np.full((2, 3), 10 * y.readback.get() + x.readback.get()),
    )
    engine = RunEngine({}, call_returns_result=False)
    storage = RAMStorage()
    seen: list[float] = []
    with DataHandler(storage, lambda c, d, m: (c, d + 1, m)) as handler:
        engine.subscribe(FrameFeed(handler, keys=["camera"]))

        def look(name: str, doc: Any) -> None:
            if name == "event":
                at = {"y": (doc["seq_num"] - 1) // 3, "x": (doc["seq_num"] - 1) % 3}
                seen.append(float(handler.await_data(at, 10, processed=True)[0][0, 0]))

        engine.subscribe(look)
        engine(grid_scan([camera], y, 0, 1, 2, x, 0, 2, 3))
        handler.finish()
        assert seen == [1, 2, 3, 11, 12, 13]
        assert [dict(coords) for coords in storage] == [
            {"y": i, "x": j} for i in range(2) for j in range(3)
        ]
