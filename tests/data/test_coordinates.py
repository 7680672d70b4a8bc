"""Without these tests data could be labelled with coordinates that change under a dictionary's
feet, that are equal and differ, or that no plan has.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.data import CoordinatesError, DataCoordinates

names = st.text("abcxyz_ éß-0", min_size=1, max_size=6).filter(lambda n: not n.startswith("_"))
values = st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
mappings = st.dictionaries(names, values, max_size=5)


def test_the_documented_example() -> None:
    coords = DataCoordinates(time=3, channel="DAPI", z=5)
    assert (coords.time, coords["channel"]) == (3, "DAPI")
    coords.position = 2
    assert dict(coords) == {"time": 3, "channel": "DAPI", "z": 5, "position": 2}
    assert repr(coords) == "DataCoordinates(time=3, channel='DAPI', z=5, position=2)"


@settings(deadline=None)
@given(mappings)
def test_coordinates_are_the_mapping_they_were_made_of(axes: dict[str, Any]) -> None:
    coords = DataCoordinates(axes)
    assert isinstance(coords, Mapping)
    assert dict(coords) == axes
    assert coords == axes
    assert axes == coords
    assert list(coords.keys()) == list(axes)
    assert list(coords.values()) == list(axes.values())
    assert len(coords) == len(axes)
    assert all(name in coords and coords.get(name) == value for name, value in axes.items())
    turned = DataCoordinates(dict(reversed(list(axes.items()))))
    assert (turned, hash(turned)) == (coords, hash(coords))
    assert {coords: 1}[turned] == 1
    assert coords.matches({})
    assert coords.matches(axes)
    for made in (pickle.loads(pickle.dumps(coords)), copy.copy(coords), copy.deepcopy(coords)):
        assert (made, type(made)) == (coords, DataCoordinates)


@settings(deadline=None)
@given(mappings, mappings)
def test_joined_coordinates(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert DataCoordinates(a) | b == {**a, **b}
    assert a | DataCoordinates(b) == {**a, **b}
    assert (DataCoordinates(a) == DataCoordinates(b)) == (a == b)
    assert DataCoordinates({**a, **b}).matches(b)
    assert DataCoordinates(a).matches(b) == (b.items() <= a.items())


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int8(3), 3),
        (np.uint64(2**63), 2**63),
        (np.float32(0.5), 0.5),
        (np.float64(280.5), 280.5),
        (np.str_("a"), "a"),
        (280.0, 280.0),
    ],
)
def test_numbers_of_numpy_become_those_of_python(value: Any, plain: Any) -> None:
    """By every way in."""
    made = [DataCoordinates(a=value), DataCoordinates({"a": value}), DataCoordinates()]
    made[2].a = value
    made.append(DataCoordinates(b=1).replace(a=value))
    made.append(DataCoordinates() | {"a": value})
    for coords in made:
        assert (coords.a, type(coords.a)) == (plain, type(plain))


@pytest.mark.parametrize("value", [None, True, np.bool_(False), 1j, [1], (1,), b"a", float("nan")])
def test_other_values_are_refused(value: Any) -> None:
    coords = DataCoordinates()
    for way in (
        lambda: DataCoordinates(a=value),
        lambda: DataCoordinates({"a": value}),
        lambda: setattr(coords, "a", value),
        lambda: coords | {"a": value},
    ):
        with pytest.raises(NXstxmError, match="axis 'a' is"):
            way()
    assert len(coords) == 0


@pytest.mark.parametrize("name", ["", "_private", 1, None])
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(NXstxmError, match="an axis is named by text"):
        DataCoordinates({name: 1})


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(NXstxmError, match="are a mapping of names to values, not a list"):
        DataCoordinates([("a", 1)])  # type: ignore[arg-type]
    with pytest.raises(NXstxmError, match="axis y is given twice"):
        DataCoordinates({"y": 1}, y=2)
    with pytest.raises(TypeError):
        DataCoordinates(a=1) | 3  # type: ignore[operator]


def test_a_value_never_changes() -> None:
    coords = DataCoordinates(y=10)
    for way in (
        lambda: setattr(coords, "y", 11),
        lambda: coords.__setitem__("y", 11),
        lambda: setattr(coords, "y", 10),
    ):
        told = r"coords\.replace\(y=1.\) or coords \| \{'y': 1"
        with pytest.raises(CoordinatesError, match=told):
            way()
    with pytest.raises(CoordinatesError, match="can not be removed"):
        del coords.y
    assert coords == {"y": 10}
    assert coords.replace(y=11, z=5) == {"y": 11, "z": 5}
    assert coords == {"y": 10}


def test_no_axis_is_added_to_what_is_in_use() -> None:
    coords = DataCoordinates(y=10)
    coords.z = 5
    kept = {coords: "data"}
    with pytest.raises(CoordinatesError, match=r"they are in use.*coords \| \{'x': 1\}"):
        coords.x = 1
    assert kept[DataCoordinates(z=5, y=10)] == "data"


def test_axes_named_as_methods_are_items() -> None:
    coords = DataCoordinates({"replace": 1, "items": 2})
    assert (coords["replace"], coords["items"]) == (1, 2)
    assert dict(coords.items()) == {"replace": 1, "items": 2}
    assert coords.replace(items=3)["items"] == 3


def test_what_is_not_there() -> None:
    coords = DataCoordinates(y=10)
    with pytest.raises(AttributeError, match=r"have no axis 'x'; they have y"):
        _ = coords.x
    with pytest.raises(KeyError):
        coords["x"]
    assert coords.get("x") is None
    assert not hasattr(coords, "x")
    assert "y" in dir(coords)


def test_integers_pick_from_xarray() -> None:
    array = xr.DataArray(np.arange(6).reshape(2, 3), dims=("energy", "y"))
    coords = DataCoordinates(energy=1, region="entry0", y=2, weight=0.5)
    assert coords.isel() == {"energy": 1, "y": 2}
    assert int(array.isel(coords.isel())) == 5
