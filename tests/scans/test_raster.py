"""Without these tests a plan written by hand would be a list, or a picture by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp
from bluesky.utils import RunEngineInterrupted
from hypothesis import given, settings
from hypothesis import strategies as st
from ophyd import Signal
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, validate
from suitcase.nxstxm.scans import as_raster, may_be_raster, place, read_plan

from ..exchange.same import same_file

ROLES = {"sample_x": "sx", "sample_y": "sy", "energy": "mono"}
ENERGIES = (700.0, 708.5, 705.0)
Y, X = (5.0, 5.5, 6.0), (0.0, 1.0, 2.0, 3.0)


def walk(energies: Iterable[float], snake: Any, backwards: bool = False) -> list[Any]:
    """Give the points; a snake goes on from energy to energy, or begins anew (``"anew"``)."""
    points: list[Any] = []
    for e in energies:
        for j, y in enumerate(Y):
            passes = j if snake == "anew" else len(points) // len(X)
            row = X[::-1] if bool(snake and passes % 2) != backwards else X
            points += [(e, y, x) for x in row]
    return points


def measured(
    points: list[Any], folder: Path, noise: float = 0.0, md: Any = None, **options: Any
) -> Path:
    """Measure points one by one in a run that tells nothing, live and exported."""
    chance = np.random.default_rng(1)
    mono, sy, sx, det = (Signal(name=n, value=0.0) for n in ("mono", "sy", "sx", "det"))

    @bpp.run_decorator(md={"plan_name": "mine", **(md or {})})
    def mine() -> Any:
        for point in points:
            for device, value in zip((mono, sy, sx), point, strict=True):
                yield from bps.mv(device, value + noise * chance.uniform(-1, 1))
            yield from bps.mv(det, 1e4 * point[0] + 100 * point[1] + point[2])
            yield from bps.trigger_and_read([mono, sy, sx, det])

    options.setdefault("devices", {**ROLES, "signal": "det"})
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    with NXstxmWriter(folder / "live", **options) as writer:
        engine.subscribe(writer)
        engine(mine(), lambda name, doc: documents.append((name, doc)))
    [path] = writer.paths
    same_file(path, export_scan(documents, folder / "again", **options))
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    return path


def kind_of(path: Path) -> str:
    with h5py.File(path) as h5:
        kind: str = h5["entry0/det/stxm_scan_type"][0].decode()
        return kind


@pytest.mark.parametrize("hinted", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("snake", [False, True, "anew"])
def test_energies_that_are_visited_in_one_run_make_a_stack(
    snake: Any, noise: float, hinted: bool, tmp_path: Path
) -> None:
    hints = {"dimensions": [[[name], "primary"] for name in ("mono", "sy", "sx")]}
    md = {"hints": hints} if hinted else None
    path = measured(walk(ENERGIES, snake), tmp_path, noise, md)
    with h5py.File(path) as h5:
        data = h5["entry0/det"]
        assert data["stxm_scan_type"][0] == b"sample image stack"
        assert data["data"].shape == (3, 3, 4)
        for name, values in (("energy", ENERGIES), ("sample_y", Y), ("sample_x", X)):
            np.testing.assert_allclose(data[name], values, atol=noise)
        wanted = 1e4 * np.asarray(ENERGIES)[:, None, None] + 100 * np.asarray(Y)[:, None]
        np.testing.assert_allclose(data["data"], wanted + np.asarray(X))
        assert h5["entry0"].attrs["complete"]
        assert "raster of 3 energy x 3 sample_y x 4 sample_x" in "\n".join(
            h5["entry0/collection/messages"].asstr()[()]
        )


def test_what_stands_still_may_tremble(tmp_path: Path) -> None:
    """The energy of an image is read a little differently each time."""
    path = measured(walk([700.0], snake=True), tmp_path, noise=0.05)
    assert kind_of(path) == "sample image"


def test_an_image_may_run_backwards_and_end_early(tmp_path: Path) -> None:
    path = measured(walk([700.0], snake=True, backwards=True)[:-2], tmp_path)
    with h5py.File(path) as h5:
        data = h5["entry0/det/data"][()]
        np.testing.assert_array_equal(h5["entry0/det/sample_x"], X[::-1])
        assert kind_of(path) == "sample image"
        assert np.isnan(data).sum() == 2
        assert not h5["entry0"].attrs["complete"]


NO_RASTERS: dict[str, Callable[[], list[Any]]] = {
    "an energy twice": lambda: walk([700.0, 705.0, 700.0], False),
    "a hole": lambda: [p for p in walk(ENERGIES, False) if p != (700.0, 5.5, 2.0)],
    "two swapped": lambda: [*(w := walk(ENERGIES, False))[1::-1], *w[2:]],
    "a cloud": lambda: [(700.0, *p) for p in np.random.default_rng(2).random((30, 2))],
    "a line": lambda: [(700.0, 5.0, x) for x in X],
    "an energy that drifts": lambda: [
        (700.0 + 0.1 * i, y, x) for i, (_, y, x) in enumerate(walk([700.0], False))
    ],
    "a drift": lambda: [(700.0, 5.0 + 1e-4 * i, x) for i, x in enumerate(X * 3)],
    "a spiral on a grid": lambda: [
        (700.0, y, x)
        for y, x in [(1, 1), (1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    ],
}


@pytest.mark.parametrize("what", NO_RASTERS)
def test_anything_else_stays_a_list(what: str, tmp_path: Path) -> None:
    path = measured(NO_RASTERS[what](), tmp_path)
    assert kind_of(path) == "generic scan"
    with h5py.File(path) as h5:
        assert h5["entry0/det/data"].shape == (len(NO_RASTERS[what]()),)


def test_a_raster_that_was_paused_and_rewound_is_one(tmp_path: Path) -> None:
    """What was measured again since the last checkpoint counts once."""
    mono, sy, sx, det = (Signal(name=n, value=0.0) for n in ("mono", "sy", "sx", "det"))
    points = walk(ENERGIES, True)

    @bpp.run_decorator(md={"plan_name": "mine"})
    def mine() -> Any:
        for i, point in enumerate(points):
            if i % 6 == 0:
                yield from bps.checkpoint()
            for device, value in zip((mono, sy, sx), point, strict=True):
                yield from bps.mv(device, value)
            yield from bps.mv(det, float(i))
            yield from bps.trigger_and_read([mono, sy, sx, det])
            if i == 9:
                yield from bps.pause()

    options: Any = {"devices": {**ROLES, "signal": "det"}}
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    with NXstxmWriter(tmp_path / "live", **options) as writer:
        engine.subscribe(writer)
        with pytest.raises(RunEngineInterrupted):
            engine(mine(), lambda name, doc: documents.append((name, doc)))
        engine.resume()
    [path] = writer.paths
    assert sum(name == "event" for name, _ in documents) == len(points) + 4
    same_file(path, export_scan(documents, tmp_path / "again", **options))
    assert kind_of(path) == "sample image stack"
    with h5py.File(path) as h5:
        data = h5["entry0/det/data"][()]
        assert np.unique(data).tolist() == list(range(len(points)))
        assert h5["entry0"].attrs["complete"]


def test_processors_keep_the_plan_as_it_was(tmp_path: Path) -> None:
    path = measured(walk(ENERGIES, False), tmp_path, processors=[lambda c, d, m: (c, 2 * d, m)])
    assert kind_of(path) == "generic scan"


def test_adaptive_plans_stay_what_they_are(tmp_path: Path) -> None:
    x, y = SynAxis(name="sx"), SynAxis(name="sy")
    det = SynSignal(name="det", func=lambda: np.exp(-((x.position - 1) ** 2)), kind="hinted")
    documents: list[Any] = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        bp.adaptive_scan([det, y], "det", x, 0, 3, 0.05, 1.0, 0.2, True),
        lambda name, doc: documents.append((name, doc)),
    )
    assert kind_of(export_scan(documents, tmp_path, devices=ROLES)) == "generic scan"


@settings(max_examples=200)
@given(
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=3),
    data=st.data(),
    noise=st.sampled_from([0.0, 1e-6, 0.05]),
)
def test_every_raster_is_found_as_it_was_walked(
    sizes: list[int], data: st.DataObject, noise: float
) -> None:
    roles = ("energy", "sample_y", "sample_x")[-len(sizes) :]
    levels = [
        data.draw(st.permutations([float(3 * i * i + i) for i in range(size)])) for size in sizes
    ]
    snakes = [None, *(data.draw(st.sampled_from([None, "on", "anew"])) for _ in sizes[1:])]
    steps = np.array(np.unravel_index(np.arange(np.prod(sizes)), sizes))
    index = steps.copy()
    for i, snake in enumerate(snakes):
        if snake is not None:
            on = np.arange(index.shape[1]) // np.prod(sizes[i:])
            passes = on if snake == "on" else steps[i - 1]
            index[i] = np.where(passes % 2, sizes[i] - 1 - index[i], index[i])
    chance = np.random.default_rng(data.draw(st.integers(0, 99)))
    readings = {
        role: np.asarray(level)[which] + noise * chance.uniform(-1, 1, len(which))
        for role, level, which in zip(roles, levels, index, strict=True)
    }
    plan = read_plan({"uid": "r", "time": 0.0}).with_devices(
        {role: role for role in ("energy", "sample_y", "sample_x")}
    )
    plan = plan.bind(
        {"name": "primary", "data_keys": {r: {"dtype": "number", "shape": []} for r in roles}}
    )
    assert may_be_raster(plan)
    found = as_raster(plan, readings)
    assert [loop.axis for loop in found.loops] == list(roles)
    assert [loop.size for loop in found.loops] == sizes
    placed = place(found, np.arange(np.prod(sizes)))
    for role, level, which in zip(roles, levels, index, strict=True):
        [axis] = [axis for axis in found.entries[0].axes if axis.name == role]
        there = np.asarray(axis.setpoints)[placed.axes[role]]
        np.testing.assert_allclose(there, np.asarray(level)[which], atol=max(noise, 1e-12))
    for axis in found.entries[0].axes:
        level = levels[roles.index(axis.name)]
        np.testing.assert_allclose(axis.setpoints or (), level, atol=max(noise, 1e-12))
