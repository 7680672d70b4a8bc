"""Without these, maps of Diamond and NSLS-II would be drawn transposed, mirrored, or as lists.

Start documents are those that the plans of these facilities make: ``spec_scan``, which hands a
ScanSpec and a shape to Bluesky's ``scan_nd``, and fly scans with a block ``scan``.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from operator import add
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp
from cycler import cycler
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ophyd import Signal
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, validate
from suitcase.nxstxm.scans import ScanType, as_raster, place, read_plan

from ..exchange.same import same_file
from .starts import start

ROLES = {"sample_x": "sx", "sample_y": "sy"}


class Stage:
    """Two motors, an energy, and a detector that says where they stand."""

    def __init__(self) -> None:
        self.x, self.y, self.energy = (SynAxis(name=name) for name in ("sx", "sy", "mono"))
        self.det = SynSignal(
            name="det",
            func=lambda: 1e4 * self.energy.position + 100 * self.y.position + self.x.position,
            kind="hinted",
        )


@pytest.fixture
def stage() -> Stage:
    return Stage()


def measured(plan: Any, folder: Path, **options: Any) -> Path:
    """Measure live and export; both files are the same and have no errors."""
    options.setdefault("devices", ROLES)
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    with NXstxmWriter(folder / "live", **options) as writer:
        engine.subscribe(writer)
        engine(plan, lambda name, doc: documents.append((name, doc)))
    [path] = writer.paths
    same_file(path, export_scan(documents, folder / "again", **options))
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    return path


def scan_of(stage: Stage, points: list[tuple[float, ...]], *motors: str, **md: Any) -> Any:
    """Give a `scan_nd` of points, as ``spec_scan`` makes it."""
    cyclers = [
        cycler(getattr(stage, motor), [point[i] for point in points])
        for i, motor in enumerate(motors)
    ]
    return bp.scan_nd([stage.det], reduce(add, cyclers), md={"plan_name": "spec_scan", **md})


def picture(path: Path) -> tuple[str, Any, dict[str, Any], str]:
    """Give the kind of a picture, its values, its axes, and what the entry tells."""
    with h5py.File(path) as h5:
        data = h5["entry0/det"]
        axes = {name.decode(): data[name.decode()][()] for name in data.attrs["axes"]}
        home = h5["entry0/collection"]
        told = "\n".join(home["messages"].asstr()[()]) if "messages" in home else ""
        return data["stxm_scan_type"][0].decode(), data["data"][()], axes, told


def is_right(path: Path, shape: tuple[int, ...]) -> str:
    """Assert that each value is at the place that it names; give what the entry tells."""
    kind, data, axes, told = picture(path)
    assert kind == ("sample image" if len(shape) == 2 else "sample image stack")
    assert data.shape == shape
    wanted = 100 * axes["sample_y"][:, None] + axes["sample_x"]
    if "energy" in axes:
        wanted = 1e4 * axes["energy"][:, None, None] + wanted
    np.testing.assert_allclose(data, wanted)
    return told


# -- a shape, and no more -------------------------------------------------------------------------


def grid(ny: int, nx: int, snake: bool) -> list[tuple[float, ...]]:
    lines = [[(float(y), 2.0 * x) for x in range(nx)] for y in range(ny)]
    return [p for i, line in enumerate(lines) for p in (line[::-1] if snake and i % 2 else line)]


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("fast_first", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (4, 4), (5, 2)])
def test_a_shape_alone_is_not_taken_for_a_path(
    size: tuple[int, int], fast_first: bool, snake: bool, stage: Stage, tmp_path: Path
) -> None:
    """The motors of `scan_nd` are in no order, so a shape may be that of the other one first."""
    shape = size[::-1] if fast_first else size
    told = is_right(
        measured(scan_of(stage, grid(*size, snake), "y", "x", shape=shape), tmp_path), size
    )
    assert f"it is {size[0]} sample_y x {size[1]} sample_x" in told


def test_the_slow_axis_may_be_x(stage: Stage, tmp_path: Path) -> None:
    points = [(x, y) for y, x in grid(3, 4, True)]
    path = measured(scan_of(stage, points, "y", "x", shape=(3, 4)), tmp_path)
    is_right(path, (4, 3))


def test_energies_too(stage: Stage, tmp_path: Path) -> None:
    points = [(e, *p) for e in (700.0, 705.0) for p in grid(3, 4, True)]
    plan = scan_of(stage, points, "energy", "y", "x", shape=(2, 3, 4))
    is_right(measured(plan, tmp_path, devices={**ROLES, "energy": "mono"}), (2, 3, 4))


def test_motors_that_nobody_knows_have_a_grid_of_their_own(stage: Stage, tmp_path: Path) -> None:
    path = measured(
        scan_of(stage, grid(3, 4, True), "y", "x", shape=(3, 4)), tmp_path, devices=None
    )
    kind, data, axes, _ = picture(path)
    assert (kind, list(axes), data.shape) == ("generic scan", ["sy", "sx"], (3, 4))
    np.testing.assert_allclose(data, 100 * axes["sy"][:, None] + axes["sx"])


def test_a_grid_that_ended_early_has_the_shape_that_was_told(stage: Stage, tmp_path: Path) -> None:
    plan = scan_of(stage, grid(4, 5, True)[:12], "y", "x", shape=(4, 5))
    path = measured(plan, tmp_path)
    kind, data, axes, _ = picture(path)
    assert (kind, data.shape) == ("sample image", (4, 5))
    wanted = 100 * axes["sample_y"][:, None] + axes["sample_x"]
    came = np.isfinite(data)
    assert came.sum() == 12
    assert not came[3].any()
    assert np.isnan(axes["sample_y"][3])
    np.testing.assert_allclose(data[came], wanted[came])


NO_GRIDS = {
    "a cloud": np.random.default_rng(3).random((12, 2)).tolist(),
    "one that goes to and fro": [(y, x) for y, x in grid(3, 4, False)[::2]] * 2,
    "a line of many": [(0.0, float(i)) for i in range(12)],
}


@pytest.mark.parametrize("what", NO_GRIDS)
def test_points_that_do_not_fit_a_shape_are_a_list(what: str, stage: Stage, tmp_path: Path) -> None:
    points = [tuple(p) for p in NO_GRIDS[what]]
    kind, data, axes, told = picture(
        measured(scan_of(stage, points, "y", "x", shape=(3, 4)), tmp_path)
    )
    assert (kind, data.shape, list(axes)) == ("generic scan", (12,), ["point"])
    np.testing.assert_allclose(data, [100 * y + x for y, x in points])
    assert "a shape of 3 x 4, but not how it was walked" in told


def test_a_plan_that_tells_its_path_is_believed() -> None:
    """Motors may be stuck: what a plan tells counts, whatever they read."""
    known = {"extents": [[0, 2], [0, 3]], "snaking": [False, True], "snake_axes": "True"}
    about: dict[str, Any] = {
        "motors": ["sy", "sx"], "shape": [3, 4],
        "hints": {"dimensions": [[["sy"], "primary"], [["sx"], "primary"]]},
    }  # fmt: skip
    declared = {
        "name": "primary", "uid": "d",
        "data_keys": {k: {"dtype": "number", "shape": []} for k in ("sx", "sy", "det")},
    }  # fmt: skip
    for key, value in known.items():
        plan = read_plan(start(**about, **{key: value})).with_devices(ROLES)
        assert plan.told_shape == ()
        assert plan.bind(declared).scan_type is ScanType.SAMPLE_IMAGE
    plan = read_plan(start(**about)).with_devices(ROLES)
    assert plan.told_shape == (3, 4)
    assert plan.bind(declared).scan_type is ScanType.GENERIC_SCAN
    # where no event says where its point is, the shape is all there is to go by
    lines = {**declared["data_keys"], "sx": {"dtype": "array", "shape": [4]}}
    assert plan.bind({**declared, "data_keys": lines}).scan_type is ScanType.SAMPLE_IMAGE
    lines = {**declared["data_keys"], "det": {"dtype": "array", "shape": [4]}}
    assert plan.bind({**declared, "data_keys": lines}).scan_type is ScanType.SAMPLE_IMAGE
    spectra = {**declared["data_keys"], "det": {"dtype": "array", "shape": [1024]}}
    assert plan.bind({**declared, "data_keys": spectra}).scan_type is ScanType.GENERIC_SCAN
    assert plan.bind({**declared, "name": "baseline"}).scan_type is ScanType.SAMPLE_IMAGE


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_walk_over_a_shape_is_found(data: st.DataObject) -> None:
    """Whichever axis is which, whatever runs backwards, and though the motors tremble."""
    roles = ["energy", "sample_x", "sample_y"]
    n_axes = data.draw(st.integers(2, 3))
    order = data.draw(st.permutations(roles))[:n_axes]
    shape = data.draw(st.tuples(*[st.integers(2, 5)] * n_axes))
    snakes = [False, *data.draw(st.lists(st.booleans(), min_size=n_axes - 1, max_size=n_axes - 1))]
    levels = [
        np.cumsum(data.draw(st.lists(st.floats(1, 9), min_size=n, max_size=n)))
        * data.draw(st.sampled_from([1, -1]))
        for n in shape
    ]
    n = data.draw(st.integers(prod(shape[1:]) + 1, prod(shape)))
    noise = data.draw(st.sampled_from([0.0, 0.2]))
    index = _walked(shape, snakes)[:, :n]
    # each loop turned at least once: else nothing tells that it would
    assume(all(len(np.unique(steps)) > 1 for steps in index))
    chance = np.random.default_rng(0)
    readings = {
        role: levels[i][index[i]] + noise * chance.uniform(-1, 1, n) for i, role in enumerate(order)
    }
    keys = {role: role for role in sorted(order)}
    told = shape if data.draw(st.booleans()) else shape[::-1]
    plan = read_plan(
        start(motors=sorted(order), shape=list(told), num_points=prod(shape))
    ).with_devices(keys)
    plan = plan.bind(
        {"name": "primary", "data_keys": {k: {"dtype": "number", "shape": []} for k in keys}}
    )
    found = as_raster(plan, readings)
    [entry] = found.entries
    assert {loop.axis: loop.size for loop in found.loops} == dict(zip(order, shape, strict=True))
    at = place(found, np.arange(n)).axes
    for i, role in enumerate(order):
        axis = next(axis for axis in entry.axes if axis.name == role)
        if axis.setpoints is not None:
            there = np.asarray(axis.setpoints)[at[role]]
            np.testing.assert_allclose(there, levels[i][index[i]], atol=2 * noise)
        np.testing.assert_array_equal(at[role], index[i])


def _walked(shape: tuple[int, ...], snakes: list[bool]) -> Any:
    """Walk loops within loops, one step after the other."""
    steps: list[list[int]] = []
    passes = [0] * len(shape)

    def go(i: int, at: list[int]) -> None:
        if i == len(shape):
            steps.append(at)
            return
        backwards = snakes[i] and passes[i] % 2
        passes[i] += 1
        for step in range(shape[i])[:: -1 if backwards else 1]:
            go(i + 1, [*at, step])

    go(0, [])
    return np.array(steps).T


def test_with_processors_it_stays_a_list(stage: Stage, tmp_path: Path) -> None:
    """Frames get their places while it is measured, when nothing is known yet."""
    plan = scan_of(stage, grid(3, 4, True), "y", "x", shape=(3, 4))
    path = measured(plan, tmp_path, processors=[lambda c, d, m: (c, 2 * d, m)])
    assert picture(path)[0] == "generic scan"


# -- ScanSpec -------------------------------------------------------------------------------------


def specs() -> Any:
    """Give scanspec, and its line: it was called `Line` before."""
    made = pytest.importorskip("scanspec.specs", reason="scanspec needs a newer Python")
    return made, getattr(made, "Linspace", None) or made.Line


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_grid_of_scanspec_is_walked_as_it_says(data: st.DataObject) -> None:
    made, line = specs()
    names = data.draw(st.permutations(["sample_y", "sample_x", "energy"]))
    names = names[: data.draw(st.integers(1, 3))]
    spec = None
    for name in names:
        each = line(name, *data.draw(st.permutations([1.0, 7.0])), data.draw(st.integers(1, 4)))
        if data.draw(st.booleans()):
            each = made.Snake(each)
        spec = each if spec is None else spec * each
    if data.draw(st.booleans()):
        spec = made.Snake(spec)
    if data.draw(st.booleans()):
        spec = made.Fly(made.ConstantDuration(0.25, spec))
    about = {
        "spec": spec.serialize(), "shape": list(spec.shape()), "motors": sorted(names),
        "hints": {"dimensions": [[[name], "primary"] for name in sorted(names)]},
    }  # fmt: skip
    plan = read_plan(start(**about))
    assert plan.told_shape == ()
    [entry] = plan.entries
    at = place(plan, np.arange(plan.n_points or 0)).axes
    for name, wanted in spec.frames().midpoints.items():
        axis = next(axis for axis in entry.axes if axis.name == name)
        np.testing.assert_allclose(np.asarray(axis.setpoints)[at[name]], wanted)
    assert entry.dwells == ((0.25,) if "ConstantDuration" in str(about["spec"]) else ())


@pytest.mark.parametrize("named", [True, False])
def test_spec_scan(named: bool, stage: Stage, tmp_path: Path) -> None:
    """Axes have the names of motors, or are what Python shows of an object."""
    made, line = specs()
    y, x = ("sy", "sx") if named else ("<Motor object at 0x1>", "<Motor object at 0x2>")
    spec = line(y, 0, 2, 3) * made.Snake(line(x, 5, 8, 4))
    at = spec.frames().midpoints
    points = list(zip(at[y].tolist(), at[x].tolist(), strict=True))
    plan = scan_of(stage, points, "y", "x", shape=spec.shape(), spec=spec.serialize())
    told = is_right(measured(plan, tmp_path), (3, 4))
    assert ("the plan tells a shape" in told) is not named


def test_a_single_axis_is_known_without_its_name() -> None:
    _, line = specs()
    spec = line("<Motor object at 0x1>", 2, 4, 3)
    plan = read_plan(start(spec=spec.serialize(), shape=[3], motors=["sample_x"], num_points=3))
    [axis] = plan.entries[0].axes
    assert (axis.name, axis.setpoints) == ("sample_x", (2.0, 3.0, 4.0))


ODD_SPECS: dict[str, Any] = {
    "nothing": None,
    "text": "Line(x)",
    "no type": {"axis": "sx", "start": 0, "stop": 1, "num": 2},
    "a type that is a list": {"type": ["Fly"], "spec": {}},
    "no number": {"type": "Linspace", "axis": "sx", "start": 0, "stop": 1},
    "no end": {"type": "Linspace", "axis": "sx", "start": 0, "num": 2},
    "half a point": {"type": "Linspace", "axis": "sx", "start": 0, "stop": 1, "num": 2.5},
    "an axis that is a number": {"type": "Linspace", "axis": 5, "start": 0, "stop": 1, "num": 2},
    "half a product": {"type": "Product", "outer": None, "inner": None},
    "a spiral": {"type": "Spiral", "x_axis": "sx", "y_axis": "sy"},
    "an axis twice": {
        "type": "Product",
        "outer": {"type": "Linspace", "axis": "sx", "start": 0, "stop": 1, "num": 2},
        "inner": {"type": "Linspace", "axis": "sx", "start": 0, "stop": 1, "num": 2},
    },
    "other motors": {
        "type": "Product",
        "outer": {"type": "Linspace", "axis": "a", "start": 0, "stop": 1, "num": 2},
        "inner": {"type": "Linspace", "axis": "b", "start": 0, "stop": 1, "num": 2},
    },
}
for _ in range(3000):  # deeper than Python could follow
    ODD_SPECS["very deep"] = {"type": "Snake", "spec": ODD_SPECS.get("very deep")}


@pytest.mark.parametrize("what", ODD_SPECS)
def test_a_spec_that_makes_no_sense_is_as_if_there_were_none(what: str) -> None:
    plain = start(motors=["sx", "sy"], num_points=4)
    [entry] = read_plan({**plain, "spec": ODD_SPECS[what]}).entries
    assert entry == read_plan(plain).entries[0]


# -- the block of NSLS-II -------------------------------------------------------------------------


def block(**changes: Any) -> dict[str, Any]:
    """Give the block of a fly scan of 5 x 3 points."""
    return {
        "type": "XRF_FLY", "scan_input": [0.0, 4.0, 5, 10.0, 12.0, 3, 0.1], "sample_name": "leaf",
        "detectors": ["zebra", "sclr"], "dwell": 0.1, "shape": (5, 3), "snake": True,
        "fast_axis": {"motor_name": "sx", "units": "um"},
        "slow_axis": {"motor_name": "sy", "units": "um"},
        "delta": {"val": 0.5, "units": "um"}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("snake", [False, True])
def test_lines_of_a_fly_scan(snake: bool, tmp_path: Path) -> None:
    """Each event is a line; its stream has a name of its own, and no motor is read."""
    counter = Signal(name="det", value=np.zeros(5), kind="hinted")

    @bpp.run_decorator(md={"plan_name": "scan_and_fly", "scan": block(snake=snake)})
    def fly() -> Any:
        for y in (10.0, 11.0, 12.0):
            there = np.arange(5.0)[:: -1 if snake and y == 11 else 1]
            yield from bps.mv(counter, 100 * y + there)
            yield from bps.trigger_and_read([counter], name="stream0")

    path = measured(fly(), tmp_path)
    is_right(path, (3, 5))
    with h5py.File(path) as h5:
        np.testing.assert_allclose(h5["entry0/det/count_time"], [0.1])
        np.testing.assert_allclose(h5["entry0/instrument/det/count_time"], np.full(15, 0.1))


def test_the_fast_axis_may_be_y() -> None:
    told = block(fast_axis={"motor_name": "sy"}, slow_axis={"motor_name": "sx"})
    plan = read_plan(start(scan=told)).with_devices(ROLES)
    assert [(loop.axis, loop.size, loop.snaked) for loop in plan.loops] == [
        ("sample_x", 3, False), ("sample_y", 5, True),
    ]  # fmt: skip
    assert plan.entries[0].axes[0].setpoints == (0.0, 1.0, 2.0, 3.0, 4.0)


def test_a_step_scan_has_steps_where_a_fly_scan_has_numbers() -> None:
    told = block(type="XRF_STEP", scan_input=[0.0, 4.0, 1.0, 10.0, 12.0, 1.0, 0.1])
    plan = read_plan(start(scan=told)).with_devices(ROLES)
    assert plan.entries[0].shape == (3, 5)
    assert [axis.setpoints for axis in plan.entries[0].axes] == [None, None]


def test_a_plan_of_bluesky_within_is_believed_first() -> None:
    """Step scans there are made by `grid_scan`, which tells its path itself."""
    own = {"motors": ["sy", "sx"], "shape": [2, 2], "extents": [[0, 1], [0, 1]],
           "snaking": [False, False]}  # fmt: skip
    assert read_plan(start(scan=block(), **own)).entries[0].shape == (2, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (5,)}, {"shape": None}, {"shape": (5, 0)}, {"shape": (5, "x")},
        {"fast_axis": None}, {"fast_axis": {"motor_name": 3}}, {"slow_axis": {}},
        {"slow_axis": {"motor_name": "sx"}},
    ],
)  # fmt: skip
def test_a_block_that_makes_no_sense_is_as_if_there_were_none(changes: dict[str, Any]) -> None:
    [entry] = read_plan(start(num_points=3, scan=block(**changes))).entries
    assert [axis.name for axis in entry.axes] == ["point"]


@pytest.mark.parametrize("given", [None, "x", [1, 2], [0, 4, 5, 10, 12]])
def test_without_its_ends_a_block_tells_the_shape(given: Any) -> None:
    plan = read_plan(start(scan=block(scan_input=given)))
    assert plan.entries[0].shape == (3, 5)


# -- who and what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"proposal": {"proposal_id": "312345", "title": "leaves"}}, "312345"),
        ({"instrument_session": "cm44191-1"}, "cm44191-1"),
        ({"data_session": "pass-312345"}, "pass-312345"),
        ({"proposal_id": 7, "data_session": "pass-8"}, "7"),
        ({"proposal": "mine", "proposal_id": 7}, "mine"),
        ({"proposal": {}, "proposal_id": None}, None),
    ],
)
def test_proposals_have_many_names(about: dict[str, Any], wanted: str | None) -> None:
    assert read_plan(start(**about)).proposal == wanted
