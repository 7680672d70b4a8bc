"""Who analyses the table has it in pandas: no number may become another on the way there."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import numpy as np

from suitcase.nxstxm.variables._database import Database

from .databases import (
    CURVE,
    PNG,
    cell,
    info,
    same,
)


def test_the_table_in_pandas(table: Database):
    table.set_computed([info("number", "The number", units="um"), info("empty")])
    table.set_cells(
        1,
        1,
        [
            cell("number", 1.5), cell("whole", 2**60 + 1), cell("truth", True), cell("z", 1j),
            cell("text", "od"), cell("picture", PNG), cell("array", np.arange(3)),
            cell("curve", CURVE, summary_type="trendline"), cell("nan", math.nan),
            cell("bad", attributes={"error": "no"}), cell("mixed", 5),
        ],
        start_time=86400.0,
    )  # fmt: skip
    table.set_cells(2, 1, [cell("number", 2), cell("mixed", "five")])
    table.set_comment(1, 1, "fine")
    frame = table.to_pandas()
    assert list(frame.columns[:6]) == [
        "proposal",
        "run",
        "start_time",
        "comment",
        "number",
        "empty",
    ]
    assert frame["proposal"].tolist() == [1, 2]
    assert str(frame["start_time"][0]) == "1970-01-02 00:00:00+00:00"
    assert frame["number"].dtype == float
    assert frame["number"].tolist() == [1.5, 2.0]
    assert frame["whole"].dtype == "Int64"
    assert frame["whole"][0] == 2**60 + 1
    assert frame["truth"].dtype == "boolean"
    assert frame["z"].tolist() == [1j, None]
    assert frame["mixed"].tolist() == [5, "five"]
    assert frame.loc[0, ["picture", "array", "curve"]].tolist() == [
        "<image>", "<array>", "<sparkline>",
    ]  # fmt: skip
    assert frame[["nan", "bad", "empty"]].isna().all(axis=None)
    raw = table.to_pandas(1, raw=True)
    assert len(raw) == 1
    assert raw["picture"][0] == PNG
    assert raw["array"][0].tolist() == [0, 1, 2]
    assert same(CURVE, raw["curve"][0])
    assert raw["truth"].tolist() == [True]
    titled = table.to_pandas(titles=True)
    assert "The number" in titled
    assert "number" not in titled
    assert table.to_pandas(last=1)["run"].tolist() == [1]
    assert table.to_pandas(last=0).empty


def test_titles_that_are_alike_stay_apart(table: Database):
    table.set_computed([info("a", "Same"), info("b", "Same"), info("c", "run")])
    table.set_cells(1, 1, [cell("a", 1), cell("b", 2), cell("c", 3)])
    frame = table.to_pandas(titles=True)
    assert frame[["Same", "Same (b)", "run (c)", "run"]].iloc[0].tolist() == [1, 2, 3, 1]


def test_a_variable_of_others_with_the_name_of_a_column(table: Database):
    table.set_cells(1, 1, [cell("x", 1)])
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute("UPDATE run_variables SET name='run', value=7")
    frame = table.to_pandas()
    assert frame[["run", "run (run)"]].iloc[0].tolist() == [1, 7]


def test_an_empty_table_in_pandas(table: Database):
    assert table.to_pandas().empty
    assert list(table.to_pandas().columns) == ["proposal", "run", "start_time", "comment"]
