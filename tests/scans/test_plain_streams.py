"""Without these, a plan that measures in a stream of another name would have an empty picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from ophyd.sim import SynSignal

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.data import DataHandler, FrameFeed, RAMStorage
from suitcase.nxstxm.scans import read_plan

from .bench import ROLES, Bench, picture


def image(bench: Bench, streams: tuple[str, str], measured: str) -> Any:
    """Measure a grid in a stream, and something else in ``primary`` before and after."""
    dark = SynSignal(func=lambda: 7.0, name="dark", kind="hinted")
    md = {
        "motors": ["sy", "sx"],
        "shape": [2, 3],
        "extents": [[0, 1], [0, 2]],
        "hints": {"dimensions": [[["sy"], streams[0]], [["sx"], streams[1]]]},
    }

    @bpp.run_decorator(md=md)
    def plan() -> Any:
        yield from bps.trigger_and_read([dark], name="primary")
        for y in range(2):
            for x in range(3):
                yield from bps.mv(bench.x, x, bench.y, y)
                yield from bps.trigger_and_read([bench.det, bench.x, bench.y], name=measured)
        yield from bps.trigger_and_read([dark], name="primary")

    return plan()


WANTED = 7e6 + 100 * np.arange(2)[:, np.newaxis] + np.arange(3)


@pytest.mark.parametrize("doubled", [False, True])
def test_the_stream_that_the_dimensions_name_is_the_measurement(
    doubled: bool, bench: Bench, run: Any
) -> None:
    options = {"processors": [lambda c, d, m: (c, 2 * d, m)]} if doubled else {}
    path, _ = run(image(bench, ("fast", "fast"), "fast"), devices=ROLES, **options)
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("sample image", ["sample_y", "sample_x"])
    np.testing.assert_array_equal(data, WANTED * (1 + doubled))
    with h5py.File(path) as h5:
        assert h5["entry0/instrument/det/data"].shape == (6,)
        assert h5["entry0/collection/primary/dark/value"].shape == (2,)
        assert h5["entry0"].attrs["complete"]


def test_frames_are_made_of_the_stream_that_the_dimensions_name(bench: Bench, run: Any) -> None:
    _, documents = run(image(bench, ("fast", "fast"), "fast"), devices=ROLES)
    storage = RAMStorage()
    handler = DataHandler(storage)
    feed = FrameFeed(handler)
    for name, doc in documents:
        feed(name, doc)
    handler.finish()
    frames = {coords: storage.get_metadata(coords)["data_key"] for coords in storage}
    assert sorted(frames.values()) == ["det"] * 6


@pytest.mark.parametrize(
    ("streams", "measured"),
    [
        (("fast", "slow"), "fast"),  # which of them?
        (("nowhere", "nowhere"), "fast"),
        (("primary", "primary"), "fast"),
        (("baseline", "baseline"), "fast"),
    ],
)
def test_without_such_a_stream_it_is_the_primary_one(
    streams: tuple[str, str], measured: str, bench: Bench, run: Any
) -> None:
    path, _ = run(image(bench, streams, measured), devices=ROLES)
    with h5py.File(path) as h5:
        assert h5["entry0/instrument/dark/data"][()].tolist() == [7, 7]


def test_a_named_stream_in_which_nothing_came_is_not_the_measurement(
    bench: Bench, run: Any, tmp_path: Path
) -> None:
    _, documents = run(image(bench, ("fast", "fast"), "fast"), devices=ROLES)
    fast = {doc["uid"] for name, doc in documents if doc.get("name") == "fast"}
    rest = [(name, doc) for name, doc in documents if doc.get("descriptor") not in fast]
    assert len(rest) == len(documents) - 6
    with h5py.File(export_scan(rest, tmp_path / "rest", devices=ROLES)) as h5:
        assert h5["entry0/instrument/dark/data"].shape == (2,)


@pytest.mark.parametrize(
    ("dimensions", "named"),
    [
        ([[["x"], "fast"]], "fast"),
        ([(("x",), "fast"), (("y",), "fast")], "fast"),
        ([[["x"], "fast"], [["y"]]], None),
        ([[["x"], ["fast"]]], None),
        ([[["x"], 3]], None),
        ([], None),
        ("fast", None),
        (None, None),
    ],
)
def test_what_dimensions_name(dimensions: Any, named: str | None) -> None:
    start = {"uid": "a", "time": 0.0, "hints": {"dimensions": dimensions}}
    assert read_plan(start).stream == named
