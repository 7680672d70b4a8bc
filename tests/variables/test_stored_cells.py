"""A value has to come back as it was set: years later nobody can ask what it was."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.variables import CellError
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._errors import (
    VariableError,
)
from suitcase.nxstxm.variables._stored_cell import StoredCell, decoded, encoded

from .databases import (
    CURVE,
    HALF,
    HOSTILE,
    PNG,
    WITH_NUL,
    asked,
    cell,
    same,
)

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -(2**63), 2**63 - 1, 2**64 - 1, 1.5, -0.0, math.inf, math.nan, "",
    "od", PNG, 1 + 2j, complex(math.nan, math.inf), CURVE, np.arange(5), np.float32(0.1),
    np.bool_(True), np.array(7),
    WITH_NUL, HALF, *HOSTILE,
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_value_comes_back_as_it_was_set(table: Database, value: Any):
    table.set_cells(1, 1, [cell("x", value)])
    assert same(value, table.cell(1, 1, "x").value)
    assert same(value, table.cells(1, 1)["x"].value)


_plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.complex_numbers(),
    st.text(st.characters(exclude_categories=())), st.binary().map(lambda tail: PNG + tail),
)  # fmt: skip
_arrays = npst.arrays(
    npst.scalar_dtypes().filter(lambda dtype: dtype.kind not in "SUmM"),
    npst.array_shapes(max_dims=3, max_side=4),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(_plain | _arrays, st.dictionaries(st.text(), _json, max_size=4), st.text())
def test_any_value_comes_back(value: Any, attributes: dict[str, Any], provenance: str):
    given = StoredCell("x", value, 1.0, 2.0, provenance, None, "mean", attributes)
    with closing(sqlite3.connect(":memory:")) as db:
        row = db.execute("SELECT ?, ?, ?, ?, ?, ?, ?, ?", encoded(given, 0.0)).fetchone()
    found = decoded(row)
    assert same(value, found.value)
    assert found.attributes == attributes
    assert found.provenance == provenance
    assert found.max_diff == (None if value is None else 2.0)


def test_values_are_kept_as_damnit_keeps_them(table: Database):
    table.set_cells(
        1,
        2,
        [
            cell("z", 1 + 2j),
            cell("array", np.arange(3)),
            cell("curve", CURVE, summary_type="trendline", summary_method="mean", max_diff=5),
            cell("png", PNG),
            cell("yes", True),
            cell("number", 1.5, timestamp=7.0, provenance="context.py"),
            cell("bad", attributes={"error": "no focus", "error_cls": "Skip"}, max_diff=3.0),
        ],
        start_time=100.0,
    )
    rows = asked(
        table.path,
        "SELECT name, version, value, max_diff, summary_type, summary_method, attributes, "
        "provenance, typeof(value) FROM run_variables WHERE proposal=1 AND run=2",
    )
    found = {row[0]: row[1:] for row in rows}
    assert found["z"][:5] == (1, struct.pack("<dd", 1, 2), None, "complex", None)
    assert found["array"][1][:6] == b"\x93NUMPY"
    assert found["array"][3] == "numpy"
    assert found["curve"][1][:6] == b"\x93NUMPY"
    assert found["curve"][2:5] == (5.0, "trendline", "mean")
    assert found["png"][1] == PNG
    assert found["png"][3] is None
    assert (found["yes"][1], found["yes"][7]) == (1, "integer")
    assert (found["number"][1], found["number"][6]) == (1.5, "context.py")
    # of what has no value nothing else is kept but what is to be said of it
    assert found["bad"][1:5] == (None, None, None, None)
    assert json.loads(found["bad"][5]) == {"error": "no focus", "error_cls": "Skip"}
    assert asked(table.path, "SELECT proposal, run, start_time FROM run_info") == [(1, 2, 100.0)]


def test_what_is_said_of_a_cell_comes_back(table: Database):
    given = {"units": "MGy", "bold": True, "background": [255, 0, 7], "lineage": "ab", "n": [1, {}]}
    table.set_cells(1, 1, [cell("x", 1, attributes={**given, "size": np.float32(2)})])
    found = table.cell(1, 1, "x")
    assert found.attributes == {**given, "size": 2.0}
    assert (found.units, found.bold, found.background) == ("MGy", True, (255, 0, 7))
    assert (found.lineage, found.error, found.error_cls) == ("ab", None, None)
    assert abs((found.timestamp or 0) - table.path.stat().st_mtime) < 600


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (cell("x", object()), "number, text, an array"),
        (cell("x", b"no picture"), "picture as PNG"),
        (cell("x", np.array([object()])), "array of objects"),
        (cell("x", [1, 2]), "list"),
        (cell("x", 10**5000), "bits"),
        (cell("x", 1, max_diff="much"), "max_diff='much'"),
        (cell("x", 1, timestamp=math.nan), "timestamp"),
        (cell("x", 1, attributes={"a": math.nan}), "JSON"),
        (cell("x", 1, attributes={"a": object()}), "JSON"),
        (cell("x", 1, attributes="bold"), "mapping"),
    ],
    ids=range(10),
)
def test_what_can_not_be_stored_is_refused_and_nothing_is_written(
    table: Database, given: StoredCell, message: str
):
    with pytest.raises(NXstxmError, match=message) as caught:
        table.set_cells(1, 1, [cell("fine", 1), given])
    assert isinstance(caught.value, (CellError, VariableError))
    assert table.runs() == []


def test_text_that_is_no_unicode_is_readable_by_others(table: Database):
    table.set_cells(1, 1, [cell("x", HALF, provenance=HALF, attributes={"error": HALF})])
    assert asked(table.path, "SELECT value, provenance FROM run_variables") == [
        ("half \\udce4", "half \\udce4")
    ]
    assert table.cell(1, 1, "x").error == HALF
