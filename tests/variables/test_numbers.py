"""A scan keeps its number, which the name of its file has; and the last scans are found at once
among very many.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import (
    VariableError,
)

from .databases import (
    asked,
    cell,
    statements,
    steps,
)


def test_a_scan_gets_its_own_number_or_the_next(table: Database):
    assert table.number_of("a", 900001, scan_id=5) == (900001, 5)
    assert table.number_of("b", 900001, scan_id=5) == (900001, 6)
    assert table.number_of("c", "900001", scan_id=3) == (900001, 3)
    assert table.number_of("d", 900001) == (900001, 7)
    for at, odd in enumerate((0, -1, 2**40, "8", None, 8.5, True)):
        assert table.number_of(f"odd {at}", 900001, scan_id=odd) == (900001, 8 + at)
    assert table.number_of("e", 2, scan_id=5) == (2, 5)
    table.ensure_run(2, 6)
    assert table.number_of("f", 2, scan_id=6) == (2, 7)
    assert table.number_of("a") == table.number_of("a", 7, scan_id=99) == (900001, 5)
    assert table.run_of("nobody") is None
    with pytest.raises(VariableError, match="first_uid"):
        table.number_of("")


def test_a_scan_is_found_both_ways(table: Database):
    numbers = table.number_of(
        "a", 1, scan_id=5, kind="files", paths=[Path("/data/a.h5")], start_time=100.0
    )
    known = table.run(*numbers)
    assert known == table.run_of("a")
    assert (known.first_uid, known.scan_id, known.kind) == ("a", 5, "files")
    assert known.paths == (str(Path("/data/a.h5")),)
    assert (known.start_time, known.added_at is None) == (100.0, False)
    table.number_of("a", paths=["/moved/a.h5", "/moved/b.h5"])
    table.number_of("a", start_time=101.0)
    known = table.run(*numbers)
    assert known.paths == ("/moved/a.h5", "/moved/b.h5")
    assert (known.start_time, known.kind) == (101.0, "files")
    table.ensure_run(1, 5, added_at=1.0)
    assert table.run(*numbers) == known
    assert table.runs() == table.runs(1) == [known]
    assert table.runs(2) == []


def test_to_look_a_number_up_writes_nothing(table: Database, monkeypatch: pytest.MonkeyPatch):
    table.number_of("a", 1, kind="files", paths=["a"], start_time=5.0)
    with statements(table, monkeypatch) as told:
        table.number_of("a", 1, scan_id=9, kind="files", paths=["a"], start_time=5.0)
    assert not any("INSERT" in line or "UPDATE" in line for line in told)


def test_a_proposal_that_is_no_number_gets_one(table: Database):
    assert table.proposal_number("900001") == table.proposal_number(900001) == 900001
    first = table.proposal_number("MA-1234")
    assert first == 1_000_000_001
    assert table.number_of("a", "MA-1234", scan_id=5) == (first, 5)
    for at, name in enumerate(("35G12345", "", "0012", "0", "-5", "1.5", "1234567890")):
        assert table.proposal_number(name) == first + 1 + at
        assert table.proposal_number(first + 1 + at) == first + 1 + at
        assert table.proposal_name(first + 1 + at) == name
    assert table.proposal_name(900001) == "900001"
    assert table.proposal_number("MA-1234") == first
    for wrong in (0, -1, 1_000_000_000, 2_000_000_000, 1.5):
        with pytest.raises(VariableError, match="proposal"):
            table.proposal_number(wrong)  # type: ignore[arg-type]


def test_without_a_proposal_it_is_that_of_the_table(table: Database):
    assert "proposal" not in table.metameta
    assert table.number_of("a", scan_id=4) == (1_000_000_001, 4)
    assert table.metameta["proposal"] == 1_000_000_001
    table.metameta["proposal"] = 900001
    assert table.number_of("b", scan_id=4) == (900001, 4)
    assert table.number_of("c", 2, scan_id=4) == (2, 4)
    assert table.metameta["proposal"] == 900001


def test_a_number_is_not_given_while_its_file_may_be_there(table: Database):
    assert table.number_of("a", 1, scan_id=5) == (1, 5)
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute("DELETE FROM run_info")  # by another program
    assert table.number_of("b", 1, scan_id=5) == (1, 6)


def test_a_run_is_deleted(table: Database):
    for value in (1, 2):
        table.set_cells(*table.number_of("a", 1, scan_id=5), [cell("x", value)])
        table.set_cells(*table.number_of("b", 2, scan_id=5), [cell("x", value)])
    table.delete_run(1, 5)
    assert [(each.proposal, each.run) for each in table.runs()] == [(2, 5)]
    assert table.run_of("a") is None
    assert table.cells(1, 5) == {}
    assert table.history(1, 5) == []
    assert len(table.history(2, 5)) == 1
    assert asked(table.path, "SELECT proposal FROM runs") == [(2,)]


def test_the_last_runs_in_the_order_of_their_times(table: Database):
    for run, when in ((1, 30.0), (2, 10.0), (3, None), (4, 20.0), (5, 20.0)):
        table.set_cells(1, run, [cell("x", run)], start_time=when)
    table.set_cells(2, 9, [cell("y", 9)], start_time=25.0)

    def runs(*arguments: Any, **options: Any) -> list[int]:
        return [row.run.run for row in table.rows(*arguments, **options)]

    assert runs() == runs(None) == [3, 2, 4, 5, 9, 1]
    assert runs(2) == [9, 1]
    assert runs(2, skip=2) == [4, 5]
    assert runs(2, proposal=1) == [5, 1]
    assert runs(0) == []
    assert {name: each.value for name, each in table.rows(1)[0].cells.items()} == {"x": 1}


def test_the_last_of_very_many_runs_are_found_by_an_index(table: Database):
    with table.writing() as db:
        db.executemany(
            "INSERT INTO run_info VALUES(1, ?, ?, 0)", ((n, float(n)) for n in range(100_000))
        )
        db.executemany(
            "INSERT INTO run_variables(proposal, run, name, version, value) "
            "VALUES(1, ?, 'x', 1, ?)",
            ((n, n) for n in range(100_000)),
        )
    assert [row.cells["x"].value for row in table.rows()] == [*range(99_950, 100_000)]
    assert steps(table, table.rows) < 5_000  # to look at all runs takes a hundred times as many
    assert steps(table, lambda: table.rows(5, proposal=1)) < 5_000
    assert table.number_of("a", 1, scan_id=7) == (1, 100_000)
    assert steps(table, lambda: table.number_of("b", 1, scan_id=7)) < 200
