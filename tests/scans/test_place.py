"""Without these, a point could land in the wrong pixel, or two of them in the same."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suitcase.nxstxm.scans import (
    EntryPlan,
    Loop,
    ScanPlan,
    ScanType,
    place,
    points_per_event,
)

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def plan(loops, *, fixed=(), visits=(), entries=1):
    entry = EntryPlan(None, (), (), ())
    return ScanPlan(
        "run", 0.0, "plain", ScanType.GENERIC_SCAN, (entry,) * entries, tuple(loops),
        fixed=fixed, visits=visits,
    )  # fmt: skip


def walk(sizes, snaked):
    """Give the index of each point of nested loops, as somebody walking them would."""
    directions = [1] * len(sizes)

    def inner(depth):
        if depth == len(sizes):
            yield ()
            return
        steps = range(sizes[depth])
        for i in steps if directions[depth] > 0 else reversed(steps):
            for rest in inner(depth + 1):
                yield (i, *rest)
        if snaked[depth]:
            directions[depth] *= -1

    return list(inner(0))


@given(SIZES, st.data())
def test_points_come_as_nested_loops_walk_back_and_forth(sizes, data):
    snaked = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    names = [f"a{i}" for i in range(len(sizes))]
    loops = [Loop(n, s, k) for n, s, k in zip(names, sizes, snaked, strict=True)]
    placed = place(plan(loops), np.arange(np.prod(sizes)))
    found = list(zip(*(placed.axes[name].tolist() for name in names), strict=True))
    assert found == walk(sizes, snaked)
    # a bijection: every pixel once
    assert sorted(found) == list(itertools.product(*map(range, sizes)))
    assert (placed.entry == 0).all()


@given(SIZES, st.integers(0, 3), st.data())
def test_each_pixel_of_each_entry_is_met_once(sizes, at, data):
    at = min(at, len(sizes) - 1)
    snaked = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    names = [f"a{i}" for i in range(len(sizes))]
    names[at] = "entry"
    loops = [Loop(n, s, k) for n, s, k in zip(names, sizes, snaked, strict=True)]
    placed = place(plan(loops, entries=sizes[at]), np.arange(np.prod(sizes)))
    columns = [placed.entry, *(placed.axes[n] for n in names if n != "entry")]
    met = set(zip(*(c.tolist() for c in columns), strict=True))
    assert len(met) == np.prod(sizes)
    assert set(placed.entry.tolist()) == set(range(sizes[at]))


@given(SIZES, st.lists(st.integers(-50, 2000), max_size=50), st.booleans())
def test_points_beyond_the_plan_have_no_entry_and_the_others_do_not_mind(sizes, points, snake):
    loops = [Loop(f"a{i}", size, snake) for i, size in enumerate(sizes)]
    placed = place(plan(loops), np.array(points, np.int64))
    total = int(np.prod(sizes))
    assert placed.entry.tolist() == [0 if 0 <= p < total else -1 for p in points]
    route = walk(sizes, [snake] * len(sizes))
    for k, point in enumerate(points):
        index = tuple(int(placed.axes[f"a{i}"][k]) for i in range(len(sizes)))
        assert all(0 <= i < size for i, size in zip(index, sizes, strict=True))
        if 0 <= point < total:
            assert index == route[point]


@given(SIZES, st.integers(0, 10_000))
def test_a_slowest_loop_of_unknown_length_takes_any_point(sizes, point):
    loops = [Loop("slow", None), *(Loop(f"a{i}", s) for i, s in enumerate(sizes))]
    placed = place(plan(loops), np.array([point, -1]))
    assert placed.entry.tolist() == [0, -1]
    assert placed.axes["slow"][0] == point // np.prod(sizes)


def test_visits_say_entry_and_energy_of_each_step():
    visits = ((0, 0), (1, 0), (1, 1), (0, 1))
    loops = [Loop("visit", 4), Loop("sample_y", 2), Loop("sample_x", 3)]
    placed = place(plan(loops, visits=visits, entries=2), np.arange(24))
    steps = [visits[k // 6] for k in range(24)]
    pairs = zip(placed.entry.tolist(), placed.axes["energy"].tolist(), strict=True)
    assert list(pairs) == steps
    assert placed.axes["sample_x"].tolist() == [0, 1, 2] * 8
    assert "visit" not in placed.axes


def test_what_the_run_does_not_step_stands_where_the_plan_says():
    placed = place(plan([Loop("sample_x", 3)], fixed=(("energy", 7),)), np.arange(3))
    assert placed.axes["energy"].tolist() == [7, 7, 7]


def test_no_points_are_no_trouble():
    placed = place(plan([Loop("sample_x", 3)]), np.zeros(0, np.int64))
    assert placed.entry.size == placed.axes["sample_x"].size == 0


IMAGE = [Loop("energy", 2), Loop("sample_y", 4), Loop("sample_x", 5)]


@pytest.mark.parametrize(
    ("n_values", "n_events", "per", "expected"),
    [
        (1, 40, None, 1),
        (5, 8, None, 5),
        (20, 2, None, 20),
        (40, 1, None, 40),
        (7, 8, None, 1),  # fits no loop: a spectrum of each point
        (5, 40, None, 1),  # as many events as points: five values each
        (5, 8, "point", 1),
        (3, 8, "line", 5),  # a line that came short
        (9, 8, "line", 5),  # a line that came long
        (5, 9, "line", 5),  # one line too many
        (1, 40, "line", 1),
    ],
)
def test_how_many_points_a_reading_covers(n_values, n_events, per, expected):
    assert points_per_event(plan(IMAGE), n_values, n_events, per) == expected


def test_a_line_of_one_point_is_a_line():
    one = plan([Loop("sample_y", 4), Loop("sample_x", 1)])
    assert points_per_event(one, 1, 4, "line") == 1


def test_a_plan_that_knows_no_size_takes_a_reading_as_a_point():
    assert points_per_event(plan([Loop("point", None)]), 5, 3, None) == 1
