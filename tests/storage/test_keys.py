"""Without these tests two results could share a key, or a result could not be found under its own
on another machine or after the next change of the code.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import os
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.storage import DataKey, Lineage, Step, split_key
from suitcase.nxstxm.storage._canonical import canonical
from suitcase.nxstxm.storage._errors import KeyValueError

from . import hashes

SCRIPT = Path(hashes.__file__)
#: The letters that a hash is written in.
LETTERS = set("abcdefghijklmnopqrstuvwxyz234567")
UTC = datetime.timezone.utc
EAST = datetime.timezone(datetime.timedelta(hours=2))


class Method(enum.Enum):
    MEAN = 1
    AVERAGE = 1
    MEDIAN = "median"


class Count(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):
    A = "a"


class Edge(enum.Flag):
    LEFT = 1
    RIGHT = 2
    TOP = 4
    SIDES = 3


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()


# -- one text for one value -----------------------------------------------------------------------

ROWS: list[tuple[str, str, list[Any]]] = [
    # what it is about, the text, and the values that have it
    ("sequences", "[1,2,3]", [
        (1, 2, 3), [1, 2, 3], range(1, 4), np.array([1, 2, 3]), np.array([1, 2, 3], "u1"),
        np.array([1, 2, 3], ">i8"), np.array([1, 2, 3], object), np.arange(7)[1:4],
        [np.int8(1), np.uint64(2), 3], np.arange(3, 0, -1)[::-1],
    ]),
    ("nested sequences", "[[1.0,2.0],[3.0,4.0]]", [
        [[1.0, 2.0], [3.0, 4.0]], ((1.0, 2.0), [3.0, 4.0]), np.array([[1, 2], [3, 4]], float),
        np.array([[1, 2], [3, 4]], "f2"), np.array([[1, 3], [2, 4]], float).T,
        [np.array([1.0, 2.0]), (3.0, 4.0)],
    ]),
    ("no elements", "[]", [(), [], range(0), np.zeros(0), np.zeros((0, 3))]),
    ("whole numbers", "1", [1, np.int8(1), np.uint64(1), np.array(1)]),
    ("huge numbers", str(2**80), [2**80]),
    ("numbers", "1.0", [1.0, np.float64(1), np.float32(1), np.float16(1), np.longdouble(1),
                        np.array(1.0)]),
    ("a third", "0.3333333333333333", [1 / 3, np.float64(1) / 3]),
    ("a third, in short", "0.3333333432674408", [np.float32(1) / np.float32(3)]),
    ("truths", "true", [True, np.bool_(True), np.array(True)]),
    ("lists of truths", "[true,false]", [[True, False], np.array([True, False])]),
    ("nothing", "null", [None]),
    ("texts", '"a"', ["a", np.str_("a"), np.array("a"), Text("a")]),
    ("lists of texts", '["a","bc"]', [["a", "bc"], np.array(["a", "bc"]),
                                      np.array(["a", "bc"], object)]),
    ("texts of any letters", '"\\u00e9\\u0000\\ud800"', ["é\0\ud800"]),
    ("zero", "0.0", [0.0, -0.0, np.float32(-0.0)]),
    ("zeros", "[0.0,0.0]", [[0.0, -0.0], np.array([-0.0, 0.0]), np.array([-0.0, 0.0], "f4")]),
    ("not a number", '{"$float":"nan"}', [float("nan"), -float("nan"), np.float32("nan")]),
    ("infinities", '[{"$float":"inf"},{"$float":"-inf"}]', [
        [float("inf"), float("-inf")], np.array([np.inf, -np.inf]), (np.float32("inf"), -np.inf),
    ]),
    ("sets", '{"$set":[1,2,3]}', [{3, 1, 2}, frozenset((2, 3, 1)), {np.int64(1), 2, 3}]),
    ("sets of many things", '{"$set":["a",1,null,{"$set":[2]}]}', [{None, 1, "a", frozenset({2})}]),
    ("bytes", '{"$bytes":"00ff"}', [b"\0\xff", bytearray(b"\0\xff"), np.bytes_(b"\0\xff")]),
    ("complex numbers", '{"$complex":[1.0,-2.0]}', [1 - 2j, np.complex64(1 - 2j),
                                                    np.clongdouble(1 - 2j)]),
    ("lists of complex numbers", '[{"$complex":[1.0,0.0]}]', [[1 + 0j], np.array([1 + 0j])]),
    ("odd complex numbers", '{"$complex":[{"$float":"nan"},0.0]}', [complex(float("nan"), -0.0)]),
    ("paths", '{"$path":"a/b"}', [PurePosixPath("a/b"), PureWindowsPath("a\\b"), Path("a") / "b"]),
    ("members of enums", '{"$enum":"Method.MEAN"}', [Method.MEAN, Method.AVERAGE, Method(1)]),
    ("members that are numbers", '{"$enum":"Count.ONE"}', [Count.ONE]),
    ("members that are texts", '{"$enum":"Word.A"}', [Word.A]),
    ("flags", '{"$enum":"Edge.LEFT"}', [Edge.LEFT]),
    ("several flags", '{"$enum":"Edge.LEFT|TOP"}', [Edge.LEFT | Edge.TOP, Edge.TOP | Edge.LEFT]),
    ("several flags with a name", '{"$enum":"Edge.SIDES"}', [Edge.LEFT | Edge.RIGHT, Edge.SIDES]),
    ("no flag", '{"$enum":"Edge."}', [Edge(0)]),
    ("bits without a name", '{"$enum":"Bits.A|8"}', [Bits(9)]),
    ("moments", '{"$datetime":"2024-02-29T10:00:00+00:00"}', [
        datetime.datetime(2024, 2, 29, 10, tzinfo=UTC),
        datetime.datetime(2024, 2, 29, 12, tzinfo=EAST),
    ]),
    ("moments without a zone", '{"$datetime":"2024-02-29T10:00:00"}', [
        datetime.datetime(2024, 2, 29, 10),
    ]),
    ("days", '{"$date":"2024-02-29"}', [datetime.date(2024, 2, 29)]),
    ("durations", '{"$timedelta":1500000}', [
        datetime.timedelta(seconds=1.5), datetime.timedelta(milliseconds=1500),
    ]),
    ("moments of numpy", '{"$datetime64":["2024-02-29T12","h"]}', [np.datetime64("2024-02-29T12")]),
    ("moments in steps", '{"$datetime64":["2024-02-29T00:00:00","10s"]}', [
        np.datetime64("2024-02-29T00:00:00", "10s"),
    ]),
    ("no moment", '{"$datetime64":["NaT","s"]}', [np.datetime64("NaT", "s")]),
    ("durations of numpy", '{"$timedelta64":["3","s"]}', [np.timedelta64(3, "s")]),
    ("durations in steps", '{"$timedelta64":["3","25s"]}', [np.timedelta64(3, "25s")]),
    ("lists of moments", '[{"$datetime64":["2024","Y"]}]', [
        np.array(["2024"], "M8[Y]"), [np.datetime64("2024")],
    ]),
    ("slices", '{"$slice":[1,null,2]}', [slice(1, None, 2), slice(np.int64(1), None, 2)]),
    ("records", '[[1,"a"],[2,"b"]]', [
        np.array([(1, "a"), (2, "b")], [("x", "i4"), ("y", "U3")]), [(1, "a"), (2, "b")],
    ]),
    ("mappings", '{"a":1,"b":[2.0]}', [
        {"a": 1, "b": [2.0]}, {"b": (2.0,), "a": 1}, OrderedDict(b=[2.0], a=1),
        MappingProxyType({"a": 1, "b": [2.0]}), {np.str_("a"): np.int8(1), Text("b"): [2.0]},
    ]),
    ("empty mappings", "{}", [{}, OrderedDict()]),
    ("mappings of numbers", '{"$map":[["1",2],[1,3],[1.5,4],[null,5]]}', [
        {1: 3, "1": 2, None: 5, 1.5: 4}, {None: 5, 1.5: 4, "1": 2, 1: 3},
    ]),
    ("mappings of members", '{"$map":[[{"$enum":"Word.A"},1]]}', [{Word.A: 1}]),
    ("mappings like forms", '{"$map":[["$set",[1]]]}', [{"$set": [1]}]),
    ("mappings like pairs", '{"$map":[["$map",[["$set",[1]]]]]}', [{"$map": [["$set", [1]]]}]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_the_text_of_a_value_is_as_the_table_says(text: str, values: list[Any]) -> None:
    for value in values:
        assert canonical(value) == text
        assert json.loads(text) is not ...
        assert Lineage({"a": ("f", "1", {"o": value})}).hash == (
            Lineage({"a": ("f", "1", {"o": values[0]})}).hash
        )


def test_values_of_different_rows_have_different_texts() -> None:
    texts = [text for _, text, _ in ROWS]
    assert len(set(texts)) == len(texts)


def test_arrays_of_xarray_are_dimensions_values_and_coordinates() -> None:
    xr = pytest.importorskip("xarray")
    mask = xr.DataArray([[True, False]], dims=("y", "x"), coords={"x": [1.0, -0.0]}, name="mask")
    text = '{"$array":{"coords":{"x":[["x"],[1.0,0.0]]},"dims":["y","x"],"values":[[true,false]]}}'
    assert canonical(mask) == text
    assert canonical(mask.rename("other").assign_attrs(units="um")) == text
    others = [
        mask.T, ~mask, mask.assign_coords(x=[1.0, 2.0]), mask.drop_vars("x"), mask.astype(int),
        mask.assign_coords(e=700.0), mask.rename(x="z"),
    ]  # fmt: skip
    texts = {canonical(each) for each in others}
    assert len(texts) == len(others)
    assert text not in texts
    for odd in (xr.Dataset(coords={"x": [1, 2]}), xr.Dataset({"a": mask}), mask.variable):
        with pytest.raises(KeyValueError, match=r"option 'm' of a is a \w+ of xarray"):
            Lineage({"a": ("f", "1", {"m": odd})})


def test_moments_of_pandas_keep_their_nanoseconds() -> None:
    pd = pytest.importorskip("pandas")
    assert canonical(pd.Timedelta(1500, "us")) == canonical(datetime.timedelta(microseconds=1500))
    assert canonical(pd.Timedelta(1, "ns")) == '{"$timedelta":[0,1]}'
    assert canonical(pd.Timestamp("2024-02-29")) == canonical(datetime.datetime(2024, 2, 29))
    fine = {canonical(pd.Timestamp("2024-02-29") + pd.Timedelta(n, "ns")) for n in range(5)}
    assert len(fine) == 5


NAMES = st.text(max_size=3) | st.sampled_from(
    ["$set", "$map", "$float", "$bytes", "$complex", "$enum", "$path", "$array", "$", "nan"]
)
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(), NAMES,
    st.binary(max_size=2), st.complex_numbers(), st.sampled_from([*Method, *Count, *Word, *Edge]),
    st.datetimes(), st.datetimes(timezones=st.just(EAST)), st.dates(), st.timedeltas(),
    st.sampled_from([PurePosixPath("a/b"), PurePosixPath("a"), slice(1), slice(1, 2)]),
)  # fmt: skip
HASHABLE = st.recursive(
    ATOMS.filter(lambda value: not isinstance(value, slice)),
    lambda inner: st.frozensets(inner, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    ATOMS | HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
        st.dictionaries(HASHABLE, inner, max_size=2),
    ),
    max_leaves=8,
)


def meant(value: Any) -> Any:
    """Say what a value is, in another way than the module does: tuples that begin with a kind."""
    if isinstance(value, enum.Enum):
        return ("enum", type(value).__name__, value.name)
    if isinstance(value, complex):
        return ("complex", meant(value.real), meant(value.imag))
    if isinstance(value, Mapping):
        return ("map", frozenset((meant(key), meant(each)) for key, each in value.items()))
    if isinstance(value, (list, tuple)):
        return ("list", *map(meant, value))
    if isinstance(value, (set, frozenset)):
        return ("set", frozenset(map(meant, value)))
    if isinstance(value, float):
        return ("float", "nan" if value != value else repr(value or 0.0))
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, datetime.datetime):
        zone = value.tzinfo is not None
        return ("datetime", zone, value.astimezone(UTC) if zone else value)
    return (type(value).__name__, value)


@settings(max_examples=200)
@given(VALUES, VALUES)
@example({"$set": []}, frozenset())
@example({"$float": "nan"}, float("nan"))
@example({"$map": [[1, 2]]}, {1: 2})
@example({1: 2}, {True: 2})
@example({1: 2}, {1.0: 2})
@example({Word.A: 1}, {"Word.A": 1})
@example({Word.A: 1}, {"a": 1})
@example([1, [2]], [[1], 2])
@example("1", 1)
def test_two_values_have_one_text_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (meant(one) == meant(other))
    json.loads(canonical(one))
    assert canonical(one).isascii()


@given(st.lists(st.tuples(st.text(max_size=3), st.integers()), unique_by=lambda pair: pair[0]))
def test_the_order_of_a_mapping_does_not_matter(pairs: list[tuple[str, int]]) -> None:
    assert canonical(dict(pairs)) == canonical(dict(reversed(pairs)))
    one = Lineage({"a": ("f", "1", dict(pairs))})
    assert one.hash == Lineage({"a": ("f", "1", dict(reversed(pairs)))}).hash


@given(st.lists(st.floats(allow_nan=False, width=32)))
def test_an_array_a_list_and_a_tuple_are_the_same(values: list[float]) -> None:
    text = canonical(values)
    assert canonical(tuple(values)) == text
    for dtype in ("f4", "f8", ">f8", object):
        assert canonical(np.array(values, dtype)) == text


def test_one_as_a_number_a_float_and_a_truth_are_three() -> None:
    made = {Lineage({"a": ("f", "1", {"o": one})}).hash for one in (1, 1.0, True, "1", [1])}
    assert len(made) == 5


# -- what has no defined form ---------------------------------------------------------------------


def a_generator() -> Any:
    yield 1


ODD: list[Any] = [
    object(), print, lambda: 1, type, np, a_generator(), iter([1]), decimal.Decimal("1.5"),
    fractions.Fraction(1, 3), datetime.time(1), EAST, memoryview(b"ab"), NotImplemented, ...,
    np.random.default_rng(0), np.dtype("f8"),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_what_has_no_form_is_refused_with_the_name_of_the_option(value: Any) -> None:
    for option, where in (
        (value, r"option 'how' of od is "),
        ([1, value], r"option 'how' of od\[1\] is "),
        ({"a": {"b": (value,)}}, r"option 'how' of od\['a'\]\['b'\]\[0\] is "),
        (np.array([None, value], object), r"option 'how' of od\[1\] is "),
    ):
        with pytest.raises(KeyValueError, match=where) as caught:
            Lineage({"od": ("f", "1", {"fine": 1, "how": option})})
        assert type(value).__name__ in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_an_open_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file, pytest.raises(KeyValueError, match="TextIOWrapper"):
        DataKey("r", "od", {"od": ("f", "1", {"file": file})})


def test_what_has_no_form_is_refused_as_a_key_and_in_a_set() -> None:
    with pytest.raises(KeyValueError, match=r"a key of option 'o' of a"):
        Lineage({"a": ("f", "1", {"o": {print: 1}})})
    with pytest.raises(KeyValueError, match=r"an element of option 'o' of a"):
        Lineage({"a": ("f", "1", {"o": {print}})})


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (("f", "1"), "give .name, version, options."),
        ("f", "give .name, version, options."),
        (("f", "1", [1]), "give .name, version, options."),
        (("f", 1, {}), "both are text"),
        ((None, "1", {}), "both are text"),
        (("f", "1", {1: 2}), "an option named 1"),
    ],
)
def test_a_step_of_another_form_is_refused(step: Any, said: str) -> None:
    with pytest.raises(KeyValueError, match=said) as caught:
        Lineage({"some type": step})
    assert "some type" in str(caught.value)


# -- lineages -------------------------------------------------------------------------------------


class Types:
    """Types of data, each made from some before it."""

    def __init__(self, above: list[set[int]], options: list[dict[str, Any]]) -> None:
        self.above = above
        self.names = [f"t{i}" for i in range(len(above))]
        self.steps = [[f"f{i}", "1.0", dict(each)] for i, each in enumerate(options)]

    def ancestors(self, i: int) -> set[int]:
        found = {i}
        for j in self.above[i]:
            found |= self.ancestors(j)
        return found

    def lineages(self) -> list[Lineage]:
        return [
            Lineage({self.names[j]: tuple(self.steps[j]) for j in sorted(self.ancestors(i))})
            for i in range(len(self.names))
        ]


@st.composite
def types(draw: st.DrawFn) -> Types:
    n = draw(st.integers(1, 8))
    above = [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(n)]
    options = [draw(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2)) for _ in range(n)]
    return Types(above, options)


@settings(max_examples=70)
@given(types(), st.data())
def test_a_change_reaches_what_is_below_and_nothing_else(all_: Types, data: st.DataObject) -> None:
    before = all_.lineages()
    assert [each.hash for each in all_.lineages()] == [each.hash for each in before]
    i = data.draw(st.integers(0, len(before) - 1), "type")
    name, version, options = all_.steps[i]
    what = data.draw(st.sampled_from(["name", "version", "added", "removed", "value"]), "what")
    if what == "name":
        all_.steps[i][0] = name + "x"
    elif what == "version":
        all_.steps[i][1] = version + ".1"
    elif what == "added" or not options:
        options["d"] = data.draw(VALUES)
    elif what == "removed":
        del options[sorted(options)[0]]
    else:
        changed = sorted(options)[0]
        old = options[changed]
        options[changed] = data.draw(VALUES.filter(lambda v: meant(v) != meant(old)), "value")
    after = all_.lineages()
    for j, (one, other) in enumerate(zip(before, after, strict=True)):
        below = i in all_.ancestors(j)
        assert (one.hash != other.hash) == below
        assert (one != other) == below


def test_the_order_of_steps_does_not_matter_and_types_count() -> None:
    one, other = ("f", "1", {}), ("g", "1", {})
    assert Lineage({"a": one, "b": other}) == Lineage({"b": other, "a": one})
    assert hash(Lineage({"a": one})) == hash(Lineage({"a": one}))
    assert Lineage({"a": one}).hash != Lineage({"b": one}).hash
    assert Lineage({"a": one, "b": other}).hash != Lineage({"a": other, "b": one}).hash
    assert Lineage({"a": one}).hash != Lineage({"a": one, "b": other}).hash
    assert DataKey("r", "a", {"a": one, "b": other}) != DataKey("r", "b", {"a": one, "b": other})
    assert DataKey("r", "a", {"a": one}) != DataKey("s", "a", {"a": one})


def test_a_lineage_is_a_mapping_that_equals_what_it_was_made_of() -> None:
    steps = {"a": ("f", "1", {"o": (1, 2)}), "b": Step("g", "2")}
    lineage = Lineage(steps)
    assert lineage == steps
    assert lineage == {"a": Step("f", "1", {"o": [1, 2]}), "b": ("g", "2", {})}
    assert lineage != {"a": ("f", "1", {"o": [1.0, 2]}), "b": ("g", "2", {})}
    assert lineage != {"a": print}
    assert lineage != "a"
    assert (len(lineage), list(lineage), lineage["b"]) == (2, ["a", "b"], Step("g", "2"))
    assert Lineage.of_json(json.loads(json.dumps(lineage.as_json()))) == lineage
    assert "'f', '1'" in repr(lineage)


@given(VALUES)
def test_a_lineage_that_was_stored_has_its_hash_still(value: Any) -> None:
    lineage = Lineage({"a": ("f", "1", {"o": value})})
    again = Lineage.of_json(json.loads(json.dumps(lineage.as_json())))
    assert again.hash == lineage.hash


def test_options_that_are_changed_later_do_not_change_a_lineage() -> None:
    energies, region = np.arange(3.0), {"x": [1]}
    lineage = Lineage({"a": ("f", "1", {"e": energies, "r": region})})
    expected = Lineage({"a": ("f", "1", {"e": [0.0, 1.0, 2.0], "r": {"x": [1]}})}).hash
    energies[:] = 7
    region["x"].append(2)
    assert lineage.hash == expected


# -- printed keys ---------------------------------------------------------------------------------


def key(run: str = "r", data_type: str = "t") -> DataKey:
    return DataKey(run, data_type, {data_type: ("f", "1", {})})


ODD_NAMES = [
    "a-b", "-", "--", "a_temp", "_temp", "a_temp-b", "x_broken", "é", "中", "🙂", "a/b", "../x",
    "..", ".", ".a", "a.", "a.b", "%", "%2D", "%41", "C:\\x", "a b", "\n", "a\n", ".\n", "\0",
    "\ud800", "run-od-fudrzdymyykct3ca", "_", "a~b", "A", "con",
]  # fmt: skip


@settings(max_examples=150)
@given(
    st.text(min_size=1, max_size=15) | st.sampled_from(ODD_NAMES),
    st.text(min_size=1, max_size=15) | st.sampled_from(ODD_NAMES),
)
def test_a_printed_key_is_taken_apart_again(run: str, data_type: str) -> None:
    made = key(run, data_type)
    printed = str(made)
    assert split_key(printed) == (run, data_type, made.hash[:16])
    assert printed.count("-") == run.count("-") + 2
    assert set(printed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-%") | set(
        "abcdefghijklmnopqrstuvwxyz"
    )
    assert printed.endswith(made.name)
    assert not printed.startswith(".")


@settings(max_examples=100)
@given(st.lists(st.text(st.characters(codec=None), min_size=1, max_size=6), min_size=4, max_size=4))
@example(["a", "b-c", "a-b", "c"])
@example(["a-", "b", "a", "-b"])
@example(["%2D", "a", "-", "a"])
def test_two_keys_are_never_printed_alike(names: list[str]) -> None:
    one, other = key(*names[:2]), key(*names[2:])
    assert (str(one) == str(other)) == (one == other)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_printed_key_is_one_name_that_every_disk_takes(name: str, tmp_path: Path) -> None:
    printed = str(key(name, name))
    (tmp_path / printed).mkdir()
    assert [each.name for each in tmp_path.iterdir()] == [printed]


def test_a_hash_has_256_bits_in_small_letters() -> None:
    made = key()
    assert len(made.hash) == 52
    assert set(made.hash) <= LETTERS
    assert made.hash == made.lineage.hash
    assert str(made) == f"r-t-{made.hash[:16]}"


@pytest.mark.parametrize("name", ["", "a", "a-b", "-a-b", "a--b", "a-b-", "a-%FF-b", "%ED-a-b"])
def test_what_is_no_printed_key_is_refused(name: str) -> None:
    with pytest.raises(KeyValueError, match=r"no key|no part of a printed key"):
        split_key(name)


@pytest.mark.parametrize("bad", ["", None, 3, b"a"])
def test_a_run_and_a_type_are_texts_with_something_in_them(bad: Any) -> None:
    for run, data_type, what in ((bad, "t", "run_id"), ("r", bad, "data_type")):
        with pytest.raises(KeyValueError, match=what):
            DataKey(run, data_type, {"t": ("f", "1", {})})


def test_names_that_no_disk_takes_are_refused() -> None:
    assert str(key("r" * 180, "t" * 180))
    for run, data_type, what in (
        ("r" * 181, "t", "run id"),
        ("r", "t" * 181, "data type"),
        ("é" * 31, "t", "run id"),
        ("r", "-" * 61, "data type"),
    ):
        with pytest.raises(KeyValueError, match=f"{what} .* letters long") as caught:
            key(run, data_type)
        assert isinstance(caught.value, NXstxmError)
    assert str(key("é" * 30, "-" * 60))


def test_a_lineage_without_its_type_is_refused() -> None:
    with pytest.raises(KeyValueError, match="how a, b was made, not 'c' itself"):
        DataKey("r", "c", {"a": ("f", "1", {}), "b": ("f", "1", {})})
    with pytest.raises(KeyValueError, match="how nothing was made"):
        DataKey("r", "c", {})


# -- the same everywhere, and for ever ------------------------------------------------------------

#: Data are found by these: a change of the code that changes one loses all that was stored.
PINNED = {
    "plain": "xaw3p4ei65e3s6hes5hzerj4cgsbabjnmg6e4k3pzi433vpsif3q",
    "two": "t3euf6mupa7wkn2cceaxhs2ambxcgo2caj7qlhez4wkyq3shb6mq",
    "sets": "rijqdw34xgc7to5x2qctgfrm57d6x627z6xo747rj6icajtgg5ga",
    "enums": "vep35khu45y6pbg5h7hupwj6x5ntbxx4s3xmuyafjpmcb7uimltq",
    "mappings": "45es5442sqa5ysfubvubn5eyappnp5zj5hng5vblxna72lazjhrq",
    "numbers": "zmtkvialk6uvaptpq3r2nllaxeyalmko5ufsy2w2nnefciv2mpxq",
    "texts": "c6l6k4u2y7yqswc2g3yvb2cwi5dbv7hvdhb5ere47dozf65w5wbq",
    "dates": "sp4segndgv5as46u6u6oc5yripid2sknc4izczuou3fl5smwi65a",
    "arrays": "mb7f65htn3wvwcg6ihx4bhfn3zxyxpn7ln4me2i2tx5jyjunv2vq",
    "others": "t7odoooj2a7dbijm2iony652ldmwslswidkg7hlpxc2feh3m4apq",
}


def test_hashes_are_those_that_they_always_were() -> None:
    assert {name: Lineage(each).hash for name, each in hashes.lineages().items()} == PINNED
    documented = {"scan": ("scan", "1", {}), "od": ("od", "1.0", {"dark": 0.0})}
    assert str(DataKey("a1b2", "od", documented)) == "a1b2-od-fudrzdymyykct3ca"


def hashed_by(python: str, seed: str) -> Any:
    made = subprocess.run(
        [python, str(SCRIPT)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(made.stdout)


@pytest.mark.parametrize("seed", ["0", "1", "4294967295", "random"])
def test_hashes_are_the_same_in_other_processes(seed: str) -> None:
    assert hashed_by(sys.executable, seed) == PINNED


def other_pythons(version: str) -> list[str]:
    """Find Pythons of a version that have numpy."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")]
    return [str(each) for each in candidates if each and has_numpy(str(each))]


def has_numpy(python: str) -> bool:
    command = [python, "-c", "import numpy"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_hashes_are_the_same_in_other_pythons(version: str) -> None:
    found = other_pythons(version)
    if not found:
        pytest.skip(f"there is no Python {version} with numpy here")
    assert hashed_by(found[0], "random") == PINNED
