"""Without these tests expected coordinates could differ from those that a scan gives, could be made
long before they are needed, or run out without a word.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.data import DataCoordinates, DataCoordinatesIterator
from suitcase.nxstxm.scans import ScanPlan, place, read_plan
from suitcase.nxstxm.sim import all_requests, scan_documents

create = DataCoordinatesIterator.create


def plan_of(name: str, run: int = 0) -> ScanPlan:
    return read_plan(scan_documents(all_requests()[name])[run][0][1])


def test_a_list_is_walked_as_often_as_one_likes_and_nested() -> None:
    items = [{"time": i, "channel": "DAPI"} for i in range(3)]
    made = create(items)
    assert list(made) == items
    assert list(made) == items
    assert [(a.time, b.time) for a in made for b in made] == [
        (a, b) for a in range(3) for b in range(3)
    ]
    assert all(type(each) is DataCoordinates for each in made)


def test_one_is_a_list_of_one() -> None:
    assert list(create({"time": 1})) == [{"time": 1}]
    assert list(create(DataCoordinates(time=1))) == [{"time": 1}]
    made = create([{"time": 1}])
    assert create(made) is made


def test_endless_coordinates_are_made_when_they_are_asked_for() -> None:
    made: list[int] = []

    def endless() -> Iterator[dict[str, int]]:
        for i in itertools.count():
            made.append(i)
            yield {"time": i}

    expected = create(endless())
    assert made == []
    assert expected.might_produce_coordinates({"time": 5}) is None
    assert made == []
    first = list(itertools.islice(expected, 3))
    assert (first, made) == ([{"time": 0}, {"time": 1}, {"time": 2}], [0, 1, 2])
    with pytest.raises(NXstxmError, match="a generator, which can be walked through once"):
        iter(expected)


def test_an_object_that_gives_iterators_is_walked_again() -> None:
    class Twice:
        def __iter__(self) -> Iterator[dict[str, int]]:
            return iter([{"a": 1}])

    made = create(Twice())
    assert list(made) == list(made) == [{"a": 1}]


def test_what_a_list_might_produce() -> None:
    made = create([{"time": 0, "z": 1}, DataCoordinates(time=1, z=2.5)])
    assert made.might_produce_coordinates({"time": 0, "z": 1}) is True
    assert made.might_produce_coordinates(DataCoordinates(z=2.5)) is True
    assert made.might_produce_coordinates({"time": 0, "z": 2.5}) is False
    assert made.might_produce_coordinates({"other": 0}) is False


@pytest.mark.parametrize("source", [3, None, "text", b"bytes"])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(NXstxmError, match="give coordinates, dicts, a generator"):
        create(source)


def test_what_is_no_item_is_refused_when_it_comes() -> None:
    made = iter(create([{"a": 1}, 3]))  # type: ignore[list-item]
    assert next(made) == {"a": 1}
    with pytest.raises(NXstxmError, match="not a int"):
        next(made)
    with pytest.raises(NXstxmError, match="not a int"):
        create(iter([])).might_produce_coordinates(3)  # type: ignore[arg-type]


def test_it_is_made_by_create() -> None:
    with pytest.raises(NXstxmError, match=r"create\(\.\.\.\)"):
        DataCoordinatesIterator()


# -- of a plan ------------------------------------------------------------------------------------

PLANS = [
    "pystxm2019-sample_image-points",
    "image-snake-points",
    "stack-two-regions",
    "pystxm2019-sample_point_spectra-points",
    "stxm-stack",
    "pystxm2019-sample_focus-lines",
]


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_gives_its_points_in_the_order_of_measurement(name: str) -> None:
    plan = plan_of(name)
    assert plan.n_points is not None
    made = list(create(plan))
    assert len(made) == plan.n_points
    placed = place(plan, np.arange(plan.n_points))
    for axis, index in placed.axes.items():
        assert [coords[axis] for coords in made] == index.tolist()
    assert len({*made}) == plan.n_points
    several = len(plan.entries) > 1
    assert all(("region" in coords) == several for coords in made)
    assert all(create(plan).might_produce_coordinates(coords) for coords in made)


def test_what_a_plan_might_produce() -> None:
    plan = plan_of("stack-two-regions")  # the first run: one region, the first energy
    ask = create(plan).might_produce_coordinates
    (entry,) = plan.entries
    sizes = {axis.name: axis.size for axis in entry.axes}
    assert ask({}) is True
    for axis, size in sizes.items():
        if axis == "energy":
            continue
        assert size is not None
        assert ask({axis: size - 1}) is True
        assert ask({axis: size}) is False
        assert ask({axis: -1}) is False
        assert ask({axis: 0.5}) is False
    assert ask({"energy": dict(plan.fixed)["energy"]}) is True
    assert ask({"energy": dict(plan.fixed)["energy"] + 1}) is False
    assert ask({"nothing": 0}) is False


def test_a_plan_of_a_thousand_million_points_costs_nothing() -> None:
    plan = plan_of("pystxm2019-sample_image-points")
    (entry,) = plan.entries
    large = tuple(replace(axis, setpoints=None, size=31623) for axis in entry.axes)
    loops = tuple(replace(loop, size=31623) for loop in plan.loops)
    plan = replace(plan, entries=(replace(entry, axes=large),), loops=loops)
    made = create(plan)
    assert [dict(each) for each in itertools.islice(made, 2)] == [
        {axis.name: i * (axis is large[-1]) for axis in large} for i in range(2)
    ]
    assert made.might_produce_coordinates({large[0].name: 31622}) is True
    assert made.might_produce_coordinates({large[0].name: 31623}) is False


def test_a_plan_without_an_end_goes_on() -> None:
    plan = read_plan({"uid": "0" * 8, "time": 0.0, "plan_name": "count", "num_points": None})
    made = create(plan)
    if plan.n_points is None:
        assert len(list(itertools.islice(made, 10_000))) == 10_000


# -- from values to indices -----------------------------------------------------------------------


def test_values_become_indices() -> None:
    plan = plan_of("stack-uneven-energies")
    (entry,) = plan.entries
    for index, energy in enumerate(entry.energies):
        found = plan.coordinates(energy=energy + 1e-3)
        assert found == {"energy": entry.energies.index(energy)}
        assert index >= found["energy"]
    across = entry.axes[-1]
    assert across.setpoints is not None
    assert plan.coordinates(**{across.name: across.setpoints[2]}) == {across.name: 2}
    assert DataCoordinates(plan.coordinates(0, energy=entry.energies[0])).energy == 0
    assert plan.coordinates(0)["region"] == (entry.name or entry.region)


@pytest.mark.parametrize("name", all_requests())
def test_entries_have_names_of_their_own_which_their_frames_bear(name: str) -> None:
    plan = plan_of(name)
    names = plan.entry_names
    assert len(set(names)) == len(names) == len(plan.entries)
    assert all(names)
    for number in range(len(names)):
        assert plan.coordinates(number)["region"] == names[number]
        assert plan.coordinates(names[number]) == plan.coordinates(number)
    if len(names) > 1:
        assert {coords["region"] for coords in create(plan)} == set(names)


def test_entries_of_one_name_are_told_apart() -> None:
    plan = plan_of("pystxm2019-sample_point_spectra-points")
    twice = replace(plan, entries=(replace(plan.entries[0], name="a", region="a"),) * 2)
    assert twice.entry_names == ("a-0", "a-1")
    unnamed = replace(plan, entries=(replace(plan.entries[0], name="", region=""),) * 2)
    assert unnamed.entry_names == ("0", "1")


def test_values_that_no_plan_has_are_told() -> None:
    plan = plan_of("stack-two-regions")
    lowest = min(plan.entries[0].energies)
    with pytest.raises(NXstxmError, match=r"energy .* is not in the plan: the nearest of \d+ is"):
        plan.coordinates(energy=lowest - 100)
    assert plan.coordinates(energy=lowest - 100, tolerance=100.5)["energy"] == 0
    assert plan.coordinates(energy=lowest - 100, tolerance={"energy": 101})["energy"] == 0
    with pytest.raises(NXstxmError, match="is not in the plan"):
        plan.coordinates(energy=float("nan"))
    with pytest.raises(NXstxmError, match="the plan has no axis 'speed'; it has energy, "):
        plan.coordinates(speed=1)
    several = plan_of("pystxm2019-sample_point_spectra-points")
    with pytest.raises(NXstxmError, match=r"has the entries .*; name one with entry="):
        several.coordinates(energy=several.entries[0].energies[0])
    with pytest.raises(NXstxmError, match="not 99"):
        several.coordinates(99, energy=1)
