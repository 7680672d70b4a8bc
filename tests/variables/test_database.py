"""The run table is what people look at for years: nothing of it may be lost or belong to another
run, whatever somebody called a variable, and to write a run must not cost more the more there are.
"""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import (
    MissingValueError,
    TableError,
    UnknownError,
    VariableError,
)

from .databases import (
    CURVE,
    HALF,
    HOSTILE,
    PNG,
    WITH_NUL,
    asked,
    cell,
    info,
    statements,
    steps,
)

# -- cells of runs ---------------------------------------------------------------------------------


def test_earlier_values_are_kept(table: Database):
    table.set_cells(1, 1, [cell("x", 1, timestamp=10.0, provenance="one"), cell("y", "stays")])
    table.set_cells(1, 1, [cell("x", 1.0, timestamp=11.0, provenance="one")])
    table.set_cells(1, 1, [cell("x", CURVE, timestamp=12.0, provenance="two")])
    table.set_cells(1, 1, [cell("x", None, timestamp=13.0, attributes={"error": "no"})])
    table.set_cells(2, 1, [cell("x", "of another proposal")])
    found = table.history(1, 1, "x")
    assert [(each.timestamp, each.provenance) for each in found] == [
        (10.0, "one"), (11.0, "one"), (12.0, "two"),
    ]  # fmt: skip
    assert [type(each.value) for each in found] == [int, float, np.ndarray]
    assert table.cell(1, 1, "x").error == "no"
    assert table.cell(1, 1, "y").value == "stays"
    assert [each.name for each in table.history(1, 1)] == ["x"] * 3
    assert asked(table.path, "SELECT DISTINCT version FROM run_variables") == [(1,)]


def test_the_same_again_does_not_grow_the_history(table: Database):
    for when in range(5):
        table.set_cells(1, 1, [cell("x", PNG, timestamp=float(when), attributes={"lineage": "a"})])
    assert table.history(1, 1) == []
    assert table.cell(1, 1, "x").timestamp == 4.0
    table.set_cells(1, 1, [cell("x", PNG, attributes={"lineage": "b"})])
    assert [each.lineage for each in table.history(1, 1)] == ["a"]


def test_versions_of_others_are_read_and_replaced(table: Database):
    table.set_cells(1, 1, [cell("x", 1)])
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute(
            "INSERT INTO run_variables(proposal, run, name, version, value) VALUES(1, 1, 'x', 2, 5)"
        )
    assert table.cell(1, 1, "x").value == table.cells(1, 1)["x"].value == 5
    assert table.to_pandas()["x"].tolist() == [5]
    table.set_cells(1, 1, [cell("x", 7)])
    assert table.cell(1, 1, "x").value == 7
    assert [each.value for each in table.history(1, 1)] == [1, 5]


def test_what_is_not_there_is_said(table: Database):
    table.set_cells(1, 1, [cell("x", 1), cell("y", 1)])
    assert table.cells(1, 7) == {}
    with pytest.raises(MissingValueError, match="run 1 of proposal 1 has no 'z'; it has x, y"):
        table.cell(1, 1, "z")
    with pytest.raises(UnknownError, match=r"run 7 of proposal 1 is not in .*runs\.sqlite"):
        table.cell(1, 7, "x")
    for ask in (table.run, table.delete_run):
        with pytest.raises(UnknownError, match="run 7 of proposal 2"):
            ask(2, 7)
    for wrong in ("1", 1.5, True, None, 2**70, 10**5000):
        with pytest.raises(VariableError, match="run="):
            table.set_cells(1, wrong, [])  # type: ignore[arg-type]
    with pytest.raises(VariableError, match="'x' is given more than once"):
        table.set_cells(1, 1, [cell("x", 1), cell("x", 2)])
    assert table.cell(1, 1, "x").value == 1


def test_errors_are_reached(table: Database):
    """DAMNIT's API knows nothing of errors: they are in the attributes only."""
    why = {"error": "only focus scans have a focus", "error_cls": "Skip"}
    table.set_cells(1, 1, [cell("x", 1), cell("focus", attributes=why)])
    assert list(table.errors(1, 1)) == ["focus"]
    found = table.cell(1, 1, "focus")
    assert (found.value, found.error, found.error_cls) == (None, *why.values())


def test_numpy_numbers_are_numbers(table: Database):
    table.set_cells(np.int64(1), np.int32(1), [cell("x", np.int16(3))], start_time=np.float32(2))
    numbers = np.int64(1), np.int64(1)
    assert table.cell(*numbers, "x").value == 3
    assert table.run(*numbers).start_time == 2.0
    assert len(table.runs(np.int64(1))) == len(table.rows(np.int64(5), proposal=np.int64(1))) == 1
    assert len(table.to_pandas(np.int64(1))) == 1
    table.delete_run(*numbers)


# -- defects of databases like this one ------------------------------------------------------------


def test_the_cost_of_a_write_does_not_grow(table: Database, monkeypatch: pytest.MonkeyPatch):
    """DAMNIT looks through all values of all runs for the names of variables, at each write."""

    def write(run: int) -> None:
        table.set_cells(1, run, [cell(f"v{n}", run + n) for n in range(20)])

    costs = {}
    for run in range(1, 301):
        if run in (2, 50, 300):
            with statements(table, monkeypatch) as told:
                table.number_of("first")  # a connection, which does not count
                told.clear()
                write(run)
                shown = [line for line in told if not line.startswith("INSERT INTO run_var")]
            costs[run] = (len(told), len(shown), steps(table, lambda run=run: write(run + 1000)))
        else:
            write(run)
    assert costs[2][:2] == costs[50][:2] == costs[300][:2]
    assert costs[300][1] < 15
    assert costs[300][2] <= 1.2 * costs[2][2]
    assert not any("DISTINCT" in line or "VIEW" in line for line in told)


def test_views_are_made_when_variables_change(table: Database, monkeypatch: pytest.MonkeyPatch):
    with statements(table, monkeypatch) as told:
        table.set_cells(1, 1, [cell("x", 1)])
        assert sum("CREATE VIEW" in line for line in told) == 2
        told.clear()
        table.set_cells(1, 2, [cell("x", 1)])
        table.set_comment(1, 2, "fine")
        assert not any("VIEW" in line for line in told)
        table.add_user_variable("y", "number")
        assert sum("CREATE VIEW" in line for line in told) == 2


def test_two_proposals_have_run_1(table: Database):
    """DAMNIT's views take the two for one."""
    for proposal in (1, 2):
        table.set_cells(proposal, 1, [cell("x", proposal * 10, max_diff=proposal)], start_time=5.0)
    table.ensure_run(3, 1)
    assert asked(table.path, "SELECT proposal, run, x FROM runs ORDER BY 1") == [
        (1, 1, 10), (2, 1, 20), (3, 1, None),
    ]  # fmt: skip
    assert asked(table.path, "SELECT proposal, run, x FROM max_diffs ORDER BY 1") == [
        (1, 1, 1.0), (2, 1, 2.0),
    ]  # fmt: skip
    assert table.to_pandas()["x"].tolist()[:2] == [10, 20]
    assert [row.cells["x"].value for row in table.rows(2, proposal=2)] == [20]


def test_a_submitted_variable_is_described(table: Database):
    """In DAMNIT it is among the keys and not to be had."""
    table.set_cells(1, 1, [cell("sent", 1)])
    variable = table.variables()["sent"]
    assert (variable.title, variable.type, variable.submitted) == ("sent", None, True)
    assert asked(table.path, "SELECT name, type, title FROM variables") == [("sent", None, "sent")]
    table.set_computed([info("sent", "Sent", units="um")])
    variable = table.variables()["sent"]
    assert (variable.title, variable.units, variable.submitted) == ("Sent", "um", False)


def test_any_name_can_be_a_variable(table: Database):
    """DAMNIT writes names into its statements as they are."""
    names = [*HOSTILE, "comment-", "Comment"]
    table.set_cells(1, 1, [cell(name, at, max_diff=at) for at, name in enumerate(names)])
    table.set_cells(2, 1, [cell(name, -at) for at, name in enumerate(names)])
    assert [table.cell(1, 1, name).value for name in names] == [*range(len(names))]
    with closing(sqlite3.connect(table.path)) as db:
        for view, fixed in (("runs", 4), ("max_diffs", 2)):
            cursor = db.execute(f"SELECT * FROM {view} WHERE proposal=1")
            assert cursor.fetchone()[fixed + 1 :] == (*range(len(names)),)
            headings = [each[0] for each in cursor.description][fixed + 1 :]
            # for SQLite names of columns are the same in upper and lower case
            alike = {"a", "Comment"}
            assert [name for name in headings if name in names and name not in alike] == [
                name for name in names if name not in alike
            ]
    frame = table.to_pandas()
    assert list(frame.columns)[4:] == names
    assert frame.iloc[0, 4:].tolist() == [*range(len(names))]
    for at, name in enumerate(names):
        table.rename(name, f"new {at}")
        table.rename(f"new {at}", name)
    assert [table.cell(1, 1, name).value for name in names] == [*range(len(names))]
    for name in names:
        table.delete_variable(name)
    assert table.cells(1, 1) == {}
    assert len(table.runs()) == 2


@pytest.mark.parametrize(
    "name", ["", WITH_NUL, HALF, "run", "proposal", "start_time", "added_at", 5, None]
)
def test_what_can_be_no_name_is_refused(table: Database, name: Any):
    with pytest.raises(VariableError):
        table.set_cells(1, 1, [cell(name, 1)])
    with pytest.raises(VariableError):
        table.add_user_variable(name, "string")
    assert table.runs() == []
    if isinstance(name, str):
        table.set_cells(1, 1, [cell("x", 1)])
        with pytest.raises(VariableError):
            table.rename("x", name)
        for ask in (table.cell, table.history):
            with pytest.raises(MissingValueError) if ask == table.cell else closing(table):
                assert ask(1, 1, name) == []
        with pytest.raises(UnknownError):
            table.delete_variable(name)


def test_hostile_text_in_every_field(table: Database):
    for text in (*HOSTILE, WITH_NUL, HALF):
        numbers = table.number_of(text, text, kind=text, paths=[text])
        known = table.run(*numbers)
        assert (known.first_uid, known.paths) == (text, (text,))
        assert table.run_of(text) == known
        assert table.proposal_name(numbers[0]) == text
        attributes = {"error": text, "error_cls": text, "units": text, text: text}
        given = cell("x", text, provenance=text, summary_type=text, attributes=attributes)
        table.set_cells(*numbers, [given])
        found = table.cell(*numbers, "x")
        assert (found.value, found.attributes) == (text, attributes)
        table.set_comment(*numbers, text)
        assert table.comment(*numbers) == text
        table.add_timed_comment(1.0, text)
        table.set_computed([info("t", text, description=text, units=text)])
        assert table.variables()["t"].units == text
        if text not in (WITH_NUL, HALF):
            table.metameta[text] = text
            assert table.metameta[text] == text
            table.add_tag("t", text)
            assert text in table.variables()["t"].tags
    shown = [*HOSTILE, WITH_NUL, "half \\udce4"]
    assert [each.text for each in table.timed_comments()] == shown
    frame = table.to_pandas(titles=True)
    assert len(frame) == len(HOSTILE) + 2
    assert len(table.rows()) == len(frame)
    assert asked(table.path, "PRAGMA integrity_check") == [("ok",)]


def test_very_many_variables(table: Database):
    """A result of SQLite has 2000 columns at most."""
    table.set_cells(1, 1, [cell(f"v{n:04}", n) for n in range(2500)])
    assert len(table.cells(1, 1)) == 2500
    assert table.to_pandas().shape == (1, 2504)
    [row] = asked(table.path, "SELECT * FROM runs")
    assert row[5:] == (*range(1899),)
    table.set_cells(1, 2, [cell(f"{'x' * 10_000}{n}", n) for n in range(200)])
    assert len(asked(table.path, "SELECT * FROM runs")) == 2


# -- as an object ----------------------------------------------------------------------------------


def test_it_goes_to_another_process(table: Database):
    table.set_cells(1, 1, [cell("x", 1)])
    again = pickle.loads(pickle.dumps(table))
    assert again.cell(1, 1, "x").value == again.metameta["data_format_version"] - 3 == 1
    again.close()
    assert repr(again) == f"Database({str(table.path)!r})"


def test_errors_go_to_another_process():
    for error in (TableError("a"), UnknownError("b"), VariableError("c")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
