"""What people type into the table stays theirs: no computation may change it."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import (
    UnknownError,
    VariableError,
)

from .databases import (
    HALF,
    asked,
    cell,
    info,
    same,
)

# -- what describes variables ----------------------------------------------------------------------


def test_computed_variables_are_described(table: Database):
    first = [info("a", "A", ("x", "y"), units="um"), info("b", description="what it is")]
    assert table.set_computed(first) == ("a", "b")
    assert table.set_computed(first) == ()
    found = table.variables()
    assert list(found) == ["a", "b"]
    assert (found["a"].title, found["a"].units, found["a"].tags) == ("A", "um", ("x", "y"))
    assert (found["b"].title, found["b"].description, found["b"].type) == ("b", "what it is", None)
    assert asked(table.path, "SELECT attributes FROM variables WHERE name='b'") == [(None,)]
    assert json.loads(asked(table.path, "SELECT attributes FROM variables")[0][0])["units"] == "um"
    table.add_tag("a", "mine")
    assert table.set_computed([info("a", "A2", ("y", "z"))]) == ("a",)
    found = table.variables()
    assert (found["a"].title, found["a"].units) == ("A2", None)
    assert found["a"].tags == ("mine", "y", "z")
    assert list(found) == ["a", "b"]


def test_what_is_gone_is_removed_only_when_asked(table: Database):
    table.set_computed([info("a"), info("b")])
    table.add_user_variable("mine", "number")
    table.set_cells(1, 1, [cell("a", 1), cell("b", 1), cell("sent", 1)])
    table.set_user_value(1, 1, "mine", 1)
    assert table.set_computed([info("a")]) == ()
    assert list(table.variables()) == ["a", "b", "mine", "sent"]
    assert table.set_computed([info("a")], remove=True) == ("b",)
    assert list(table.variables()) == ["a", "mine", "sent"]
    assert list(table.cells(1, 1)) == ["a", "mine", "sent"]


def test_a_computed_variable_does_not_take_the_name_of_a_user(table: Database):
    table.add_user_variable("mine", "number")
    table.ensure_run(1, 1)
    for taken in ("mine", "comment"):
        with pytest.raises(VariableError, match=f"'{taken}'"):
            table.set_computed([info("a"), info(taken)])
        with pytest.raises(VariableError, match=f"'{taken}'"):
            table.set_cells(1, 1, [cell("a", 1), cell(taken, 1)])
        assert list(table.variables()) == ["mine"]
        assert table.cells(1, 1) == {}
    table.set_computed([info("a")])
    for taken in ("a", "mine", "comment"):
        with pytest.raises(VariableError, match=f"'{taken}' is taken"):
            table.add_user_variable(taken, "string")
        with pytest.raises(VariableError, match=f"can not become '{taken}'"):
            table.rename("a", taken)


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        ("boolean", "True", True), ("boolean", "T", True), ("boolean", " yes ", True),
        ("boolean", "1", True), ("boolean", "F", False), ("boolean", "no", False),
        ("boolean", 0, False), ("boolean", np.bool_(True), True), ("boolean", "", None),
        ("integer", "-7", -7), ("integer", " 34 ", 34), ("integer", 5.0, 5), ("integer", "", None),
        ("integer", np.int8(5), 5), ("integer", -(2**63), -(2**63)),
        ("number", "-34.1e10", -34.1e10), ("number", "inf", math.inf), ("number", 3, 3.0),
        ("number", "85.4E7", 85.4e7), ("number", " ", None), ("number", np.float32(0.5), 0.5),
        ("string", "", ""), ("string", " Broken ", " Broken "), ("string", HALF, HALF),
        ("string", None, None), ("boolean", None, None),
    ],
)  # fmt: skip
def test_what_users_type_is_understood(table: Database, kind: str, given: Any, wanted: Any):
    table.add_user_variable("mine", kind)
    table.ensure_run(1, 1)
    assert same(wanted, table.set_user_value(1, 1, "mine", given))
    assert same(wanted, table.cell(1, 1, "mine").value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("boolean", "maybe"), ("boolean", 2), ("boolean", "2"), ("boolean", 0.5),
        ("integer", "1.5"), ("integer", "1_000"), ("integer", 1.5), ("integer", True),
        ("integer", 2**63), ("integer", "9" * 30), ("integer", "9" * 5000), ("integer", "٣٤"),
        ("number", "1,5"), ("number", "much"), ("number", True), ("number", 10**5000),
        ("string", 5), ("string", b"x"),
    ],
    ids=range(18),
)  # fmt: skip
def test_what_users_type_is_refused(table: Database, kind: str, given: Any):
    table.add_user_variable("mine", kind)
    table.ensure_run(1, 1)
    with pytest.raises(VariableError, match="'mine' can not be"):
        table.set_user_value(1, 1, "mine", given)
    assert table.cells(1, 1) == {}


def test_variables_of_users(table: Database):
    table.add_user_variable("good", "boolean", "Good?", "as they say")
    with pytest.raises(VariableError, match="'good' is taken by another"):
        table.add_user_variable("good", "boolean")
    table.add_user_variable("good", "boolean", "Really good?", exist_ok=True)
    with pytest.raises(VariableError, match="taken"):
        table.add_user_variable("good", "string", exist_ok=True)
    with pytest.raises(VariableError, match="one of boolean, integer, number, string"):
        table.add_user_variable("x", "float")
    known = table.variables()["good"]
    assert (known.title, known.description, known.type) == ("Really good?", None, "boolean")
    table.set_cells(1, 1, [cell("computed", 1)])
    with pytest.raises(UnknownError, match=r"'computed' is no variable of users; .* good"):
        table.set_user_value(1, 1, "computed", "yes")
    with pytest.raises(UnknownError, match="run 2 of proposal 1"):
        table.set_user_value(1, 2, "good", "yes")
    table.set_user_value(1, 1, "good", "yes")
    table.set_user_value(1, 1, "good", "no")
    assert [each.value for each in table.history(1, 1, "good")] == [True]
    # as DAMNIT writes it: nothing in the row says that it is a truth value
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute("UPDATE run_variables SET value=1, attributes=NULL WHERE name='good'")
    assert table.cell(1, 1, "good").value is True
    assert table.cells(1, 1)["good"].value is True
    assert table.to_pandas()["good"].tolist() == [True]


def test_tags(table: Database):
    table.set_computed([info("a"), info("b"), info("c")])
    for name, tag in (("a", "x"), ("a", "x"), ("b", "x"), ("b", "y"), ("c", "y")):
        table.add_tag(name, tag)
    assert table.tags() == {"x": ("a", "b"), "y": ("b", "c")}
    table.rename_tag("x", "z")
    table.rename_tag("z", "z")
    assert table.tags() == {"y": ("b", "c"), "z": ("a", "b")}
    table.rename_tag("z", "y")
    assert table.tags() == {"y": ("a", "b", "c")}
    table.remove_tag("a", "y")
    with pytest.raises(UnknownError, match="does not have the tag 'y'; its tags: none"):
        table.remove_tag("a", "y")
    with pytest.raises(UnknownError, match="'nothing' is not in"):
        table.add_tag("nothing", "y")
    with pytest.raises(UnknownError, match="tag 'x' is not in"):
        table.rename_tag("x", "y")
    with pytest.raises(VariableError, match="tag"):
        table.add_tag("a", "")
    table.rename("b", "d")
    assert table.tags() == {"y": ("c", "d")}
    table.delete_variable("c")
    table.delete_variable("d")
    assert table.tags() == {}
    assert asked(table.path, "SELECT count(*) FROM tags") == [(0,)]


def test_a_variable_gets_another_name(table: Database):
    table.set_computed([info("a", "Of a")])
    for value in (1, 2):
        table.set_cells(1, 1, [cell("a", value), cell("b", value)])
    table.rename("a", "c")
    table.rename("b", "d")
    assert [table.variables()[name].title for name in ("c", "d")] == ["Of a", "d"]
    assert table.cell(1, 1, "c").value == 2
    assert [each.value for each in table.history(1, 1, "c")] == [1]
    assert asked(table.path, "SELECT c, d FROM runs") == [(2, 2)]
    with pytest.raises(UnknownError, match=r"'a' is not in .* c, d"):
        table.rename("a", "e")
    with pytest.raises(UnknownError):
        table.delete_variable("comment")


# -- comments, settings ----------------------------------------------------------------------------


def test_comments(table: Database):
    with pytest.raises(UnknownError, match="run 1 of proposal 1"):
        table.set_comment(1, 1, "of nothing")
    table.ensure_run(1, 1)
    assert table.comment(1, 1) is None
    table.set_comment(1, 1, "fine")
    table.set_comment(1, 1, "not so fine")
    assert table.comment(1, 1) == "not so fine"
    assert asked(table.path, "SELECT comment FROM runs") == [("not so fine",)]
    assert [each.value for each in table.history(1, 1)] == ["fine"]
    table.set_comment(1, 1, None)
    assert table.comment(1, 1) is None
    with pytest.raises(VariableError, match="5 is no text"):
        table.set_comment(1, 1, 5)  # type: ignore[arg-type]


def test_comments_of_times(table: Database):
    second = table.add_timed_comment(20.0, "second")
    first = table.add_timed_comment(10.0, "first")
    assert [each.text for each in table.timed_comments()] == ["first", "second"]
    assert [each.number for each in table.timed_comments(15.0)] == [second]
    assert [each.number for each in table.timed_comments(end=20.0)] == [first]
    table.change_timed_comment(first, "FIRST")
    table.change_timed_comment(second, None)
    assert [(each.timestamp, each.text) for each in table.timed_comments()] == [(10.0, "FIRST")]
    with pytest.raises(UnknownError, match=f"comment {second}"):
        table.change_timed_comment(second, "again")
    with pytest.raises(VariableError):
        table.add_timed_comment(math.nan, "never")


def test_settings(table: Database):
    settings = table.metameta
    assert settings["data_format_version"] == 4
    assert len(settings["db_id"]) == 40
    settings["n"] = 5
    settings.update({"x": None, "y": b"1"}, z=1.5)
    assert {key: settings[key] for key in "nxyz"} == {"n": 5, "x": None, "y": b"1", "z": 1.5}
    assert settings.setdefault("n", 7) == 5
    assert settings.setdefault("m", "text") == settings["m"] == "text"
    assert settings.pop("m") == "text"
    assert "m" not in settings
    assert len(settings) == len(list(settings)) == 6
    for wrong in ([], 10**5000):
        with pytest.raises(VariableError):
            settings["bad"] = wrong
    with pytest.raises(VariableError, match="data_format_version"):
        settings["data_format_version"] = 5
    with pytest.raises(KeyError, match="says nothing of 'bad'"):
        settings["bad"]
    with pytest.raises(UnknownError):
        del settings["bad"]
