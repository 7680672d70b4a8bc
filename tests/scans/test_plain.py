"""Without these, an ordinary Bluesky scan could be drawn mirrored, sheared or at wrong places."""

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp
from cycler import cycler
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm.exchange import export_scan
from suitcase.nxstxm.scans import ScanType, place, read_plan

from .starts import start


@pytest.fixture(scope="module")
def engine():
    return RunEngine({}, call_returns_result=False)


@pytest.fixture
def stage():
    """Three motors, and a detector whose reading says where they stand."""
    a, b, c = (SynAxis(name=name) for name in ("stage_a", "stage_b", "stage_c"))
    det = SynSignal(
        func=lambda: 100.0 * a.position + 10.0 * b.position + c.position, name="det", labels={"d"}
    )
    return a, b, c, det


@pytest.fixture
def written(engine, tmp_path):
    """Run a plan, write its file, and give start document and open file."""
    files = []

    def go(plan):
        documents = []
        token = engine.subscribe(lambda name, doc: documents.append((name, doc)))
        engine(plan)
        engine.unsubscribe(token)
        files.append(h5py.File(export_scan(documents, tmp_path), "r"))
        return documents[0][1], files[-1]

    yield go
    for file in files:
        file.close()


def picture(file):
    data = file["entry0/det"]
    assert data["stxm_scan_type"][0] == b"generic scan"
    axes = [axis.decode() for axis in data.attrs["axes"]]
    assert data["data"].shape == tuple(len(data[axis]) for axis in axes)
    return data["data"][()], {axis: data[axis][()] for axis in axes}


def test_a_count_is_a_series_in_time(written, stage):
    *_, det = stage
    document, file = written(bp.count([det], 4, delay=0.01))
    data, axes = picture(file)
    assert list(axes) == ["time"]
    assert data.shape == (4,)
    assert axes["time"][0] == 0
    assert (np.diff(axes["time"]) > 0).all()
    assert file["entry0/det/time"].attrs["units"] == "s"
    plan = read_plan(document)
    assert (plan.dialect, plan.scan_type, plan.n_points) == ("plain", ScanType.GENERIC_SCAN, 4)


def test_a_scan_is_drawn_where_the_motor_stood(written, stage):
    a, *_, det = stage
    document, file = written(bp.scan([det], a, -1, 3, 5))
    data, axes = picture(file)
    np.testing.assert_allclose(axes["stage_a"], [-1, 0, 1, 2, 3])
    np.testing.assert_allclose(data, 100 * axes["stage_a"])
    positioner = file["entry0/instrument/stage_a"]
    np.testing.assert_allclose(positioner["value"], axes["stage_a"])
    assert positioner["value"].attrs["source"] == "measured"
    assert read_plan(document).n_points == 5


def test_two_motors_of_one_dimension_make_one_axis(written, stage):
    a, b, _, det = stage
    _, file = written(bp.scan([det], a, -1, 1, b, 0, 4, 3))
    data, axes = picture(file)
    assert list(axes) == ["stage_a"]
    np.testing.assert_allclose(data, [-100, 20, 140])


def test_a_list_scan_keeps_its_uneven_steps(written, stage):
    a, *_, det = stage
    _, file = written(bp.list_scan([det], a, [0, 5, 1, 1, 8]))
    data, axes = picture(file)
    np.testing.assert_allclose(axes["stage_a"], [0, 5, 1, 1, 8])
    np.testing.assert_allclose(data, [0, 500, 100, 100, 800])


@pytest.mark.parametrize("snake", [False, True])
def test_a_grid_is_drawn_as_it_lies_whichever_way_it_was_walked(written, stage, snake):
    a, b, _, det = stage
    document, file = written(bp.grid_scan([det], a, 5, -5, 3, b, 0, 3, 4, snake_axes=snake))
    data, axes = picture(file)
    assert list(axes) == ["stage_a", "stage_b"]
    np.testing.assert_allclose(axes["stage_a"], [5, 0, -5])
    np.testing.assert_allclose(axes["stage_b"], [0, 1, 2, 3])
    np.testing.assert_allclose(data, 100 * axes["stage_a"][:, None] + 10 * axes["stage_b"])
    walked = file["entry0/instrument/stage_b/value"][4:8]
    np.testing.assert_allclose(walked, [3, 2, 1, 0] if snake else [0, 1, 2, 3])
    assert [loop.snaked for loop in read_plan(document).loops] == [False, snake]


def test_every_loop_of_a_snake_turns_round(written, stage):
    a, b, c, det = stage
    _, file = written(bp.grid_scan([det], a, 0, 2, 3, b, 0, 2, 3, c, 0, 3, 4, snake_axes=True))
    data, axes = picture(file)
    grids = np.meshgrid(*axes.values(), indexing="ij")
    np.testing.assert_allclose(data, 100 * grids[0] + 10 * grids[1] + grids[2])


@pytest.mark.parametrize("snake", [False, True, "the inner motor"])
def test_a_grid_of_lists_keeps_its_steps_and_its_snake(written, stage, snake):
    a, b, _, det = stage
    how = [b] if isinstance(snake, str) else snake
    plan = bp.list_grid_scan([det], a, [0, 1, 9], b, [4, 5, 7], snake_axes=how)
    data, axes = picture(written(plan)[1])
    np.testing.assert_allclose(axes["stage_a"], [0, 1, 9])
    np.testing.assert_allclose(axes["stage_b"], [4, 5, 7])
    np.testing.assert_allclose(data, 100 * axes["stage_a"][:, None] + 10 * axes["stage_b"])


def test_a_relative_grid_is_drawn_where_the_motors_were(written, stage):
    a, b, _, det = stage
    a.set(7)
    b.set(-3)
    _, file = written(bp.rel_grid_scan([det], a, -1, 1, 3, b, 0, 1, 2, snake_axes=True))
    data, axes = picture(file)
    np.testing.assert_allclose(axes["stage_a"], [6, 7, 8])
    np.testing.assert_allclose(axes["stage_b"], [-3, -2])
    np.testing.assert_allclose(data, 100 * axes["stage_a"][:, None] + 10 * axes["stage_b"])


@pytest.mark.parametrize("name", ["spiral", "square", "nd"])
def test_what_is_no_grid_is_a_row_of_points_in_time(written, stage, name):
    a, b, _, det = stage
    made = {
        "spiral": lambda: bp.spiral([det], a, b, 0, 0, 1, 1, 0.5, 4),
        "square": lambda: bp.spiral_square([det], a, b, 0, 0, 2, 2, 3, 3),
        "nd": lambda: bp.scan_nd([det], cycler(a, [0, 3, 1]) + cycler(b, [5, 5, 2])),
    }
    document, file = written(made[name]())
    data, axes = picture(file)
    assert list(axes) == ["point"]
    n = document["num_points"]
    np.testing.assert_array_equal(axes["point"], np.arange(n))
    names = ("stage_a", "stage_b") if name == "nd" else ("sample_x", "sample_y")
    here = [file[f"entry0/det/{each}"][()] for each in names]
    np.testing.assert_allclose(data, 100 * here[0] + 10 * here[1])
    for each, positions in zip(names, here, strict=True):
        assert len(positions) == n
        assert file["entry0/det"].attrs[f"{each}_indices"] == 0
        kept = "data" if each.startswith("sample") else "value"
        np.testing.assert_array_equal(file[f"entry0/instrument/{each}/{kept}"], positions)


def test_an_aborted_grid_keeps_its_shape(engine, stage, tmp_path):
    a, b, _, det = stage
    documents = []
    token = engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(bp.grid_scan([det], a, 0, 1, 2, b, 0, 2, 3, snake_axes=True))
    engine.unsubscribe(token)
    events = [pair for pair in documents if pair[0] == "event"]
    for pair in events[4:]:
        documents.remove(pair)
    with h5py.File(export_scan(documents, tmp_path)) as file:
        data, _ = picture(file)
        assert len(file["entry0/instrument/det/data"]) == 4
    np.testing.assert_array_equal(data, [[0, 10, 20], [np.nan, np.nan, 120]])


# -- start documents alone ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"hints": None, "motors": None, "shape": None},
        {"hints": [1], "shape": "abc", "motors": 5},
        {"hints": {"dimensions": [[None]]}, "motors": []},
        {"hints": {"dimensions": "x"}},
        {"motors": ["a", "b"], "shape": [2]},
        {"motors": ["a", "b"], "shape": [2, 0]},
        {"motors": ["a", "b"], "shape": [2, "x"]},
        {"motors": ["a", "b"], "shape": [2, 2], "hints": {"gridding": "rectilinear_nonsequential"}},
    ],
)
def test_a_start_that_tells_nothing_usable_is_a_row_of_points(keys):
    plan = read_plan(start(**keys))
    assert [axis.name for axis in plan.entries[0].axes] == ["point"]
    placed = place(plan, np.arange(3))
    assert placed.axes["point"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"extents": None},
        {"extents": [[0, 1]]},
        {"extents": [[0, 1, 2], ["a", "b"]]},
        {"plan_pattern": "outer_list_product"},
        {"plan_pattern": "outer_list_product", "plan_pattern_args": {"args": [1]}},
        {"plan_pattern": "outer_list_product",
         "plan_pattern_args": {"args": ["a", [1, 2, 3], "b", 5]}},
        {"plan_name": "rel_grid_scan", "extents": [[0, 1], [0, 1]]},
    ],
)  # fmt: skip
def test_a_grid_without_usable_setpoints_leaves_them_to_the_data(keys):
    plan = read_plan(start(motors=["a", "b"], shape=(np.int64(2), 3), **keys))
    assert plan.entries[0].shape == (2, 3)
    assert plan.entries[0].axes[1].setpoints is None
    assert plan.n_points == 6


@pytest.mark.parametrize("text", ["False", "None", "[]", None, 5])
def test_a_list_grid_that_was_not_snaked(text):
    plan = read_plan(start(motors=["a", "b"], shape=[2, 3], snake_axes=text))
    assert not any(loop.snaked for loop in plan.loops)


def test_two_dimensions_of_one_motor_get_two_names():
    plan = read_plan(start(motors=["GoniX", "SampleX"], shape=[2, 3]))
    assert [axis.name for axis in plan.entries[0].axes] == ["sample_x", "sample_x_2"]
