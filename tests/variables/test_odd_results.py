"""Odd results, names and parameters, and processes that end where nobody expects it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.variables import (
    ContextError,
    Processor,
    RunTable,
    TableError,
    VariableError,
    found_scans,
)

from .test_hostile import scan

HEAD = """
import datetime, os, subprocess, sys, time
import numpy as np, pandas as pd, xarray as xr
from suitcase.nxstxm.variables import Cell, Variable
@Variable
def good(run):
    return 1
"""


def made(tmp_path: Path, code: str, **how: Any) -> tuple[RunTable, Any]:
    scan(tmp_path / "scans")
    table = RunTable.create(tmp_path / "table", context=HEAD + code)
    params = how.pop("params", None)
    with Processor(table, **{"timeout": 60, **how}) as processor:
        (done,) = processor.process(found_scans([tmp_path / "scans"]), params=params)
    return table, done


RESULTS = [
    "np.array(['a\\0b'])",
    "np.array('a\\0b')",
    "xr.DataArray(np.array([{}, []], object))",
    "xr.DataArray([1.0, 2.0], attrs={'made': {'by': 'me'}})",
    "xr.DataArray([1.0, 2.0], attrs={'made': None})",
    "xr.DataArray([1.0, 2.0], attrs={'made': 'a\\0b'})",
    "xr.DataArray([1.0, 2.0], name='a/b')",
    "xr.DataArray([1.0, 2.0], dims='\\ud834')",
    "xr.DataArray([1.0, 2.0], dims='.', coords={'.': [1, 2]})",
    "xr.DataArray([1.0, 2.0], dims=(3,))",
    "xr.DataArray(np.ones((1, 2)), dims='ab', coords={'a': [1], 'b': [1, 2]}).stack(z=['a', 'b'])",
    "xr.DataArray(np.array(['a\\0b', '\\ud834']))",
    "xr.DataArray([1.0], attrs={'big': np.zeros(100_000)})",
    "pd.DataFrame({'a': [object(), 1]})",
    "pd.DataFrame({'a': [1, 'x']})",
    "pd.DataFrame([[1, 2]], columns=['a', 'a'])",
    "pd.Series([1], name='\\ud834')",
    "np.zeros(2, [('a', 'f8'), ('b', 'U3')])",
    "datetime.datetime(1, 1, 1)",
    "Cell(1, preview=xr.DataArray([1.0, 2.0], dims='\\ud834'))",
]


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_that_can_not_be_written_fails_alone(tmp_path: Path, result: str) -> None:
    table, done = made(tmp_path, f"@Variable\ndef odd(run):\n    return {result}\n")
    assert done.failure == ""
    row = table[done.uid]
    assert row["good"].read() == 1
    assert row["odd"].error or row["odd"].read() is not None


def test_a_time_that_is_stored_is_read(tmp_path: Path) -> None:
    table, done = made(tmp_path, "@Variable\ndef odd(run):\n    return datetime.datetime.max\n")
    assert table[done.uid]["odd"].error or table[done.uid]["odd"].read()


def test_half_characters_of_an_array_come_back(tmp_path: Path) -> None:
    table, done = made(tmp_path, "@Variable\ndef odd(run):\n    return np.array(['a\\ud834b'])\n")
    assert table[done.uid]["odd"].read().tolist() == ["a\ud834b"]


@pytest.mark.parametrize(
    "given", [float("inf"), np.float32(1.5), np.arange(3), b"x", {"a": np.inf}]
)
def test_a_parameter_is_what_was_given(tmp_path: Path, given: Any) -> None:
    """`to_json` makes forms of these, of which the worker makes nothing again."""
    table, done = made(
        tmp_path, "@Variable\ndef p(run, x: 'param#x'):\n    return repr(x)\n", params={"x": given}
    )
    assert table[done.uid]["p"].read() == repr(given)


def test_who_only_looks_changes_no_file_of_a_run(tmp_path: Path) -> None:
    table, done = made(tmp_path, "")
    file = table.path / "extracted_data" / "p1_r1.h5"
    before = file.read_bytes()
    looking = RunTable(table.path, readonly=True)
    for run in (1, (1, 1), (1, 99), done.uid):
        with pytest.raises(TableError, match="open read-only"):
            looking.submit(run, {"x": 1.0}, provenance="me")
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "run", [("/../../../evil", 1), (1, "1/../../../../evil"), (1.5, 1), (True, 1)]
)
def test_numbers_that_are_none_write_nothing(tmp_path: Path, run: Any) -> None:
    table = RunTable.create(tmp_path / "in" / "table")
    with pytest.raises(VariableError):
        table.submit(run, {"x": 1.0}, provenance="me")
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize("name", ["", "comment", "run", "a\0b", ".errors", "a/b", "..", "."])
def test_what_the_database_refuses_is_in_no_file(tmp_path: Path, name: str) -> None:
    table = RunTable.create(tmp_path / "table")
    table.submit("a", {"x": 1.0}, provenance="me")
    file = table.path / "extracted_data" / "p1_r1.h5"
    before = file.read_bytes()
    try:
        table.submit("a", {name: 2.0}, provenance="me")
    except NXstxmError:
        assert file.read_bytes() == before
        assert set(table["a"]) == {"x"}
    else:
        assert table["a"][name].read() == 2.0
    assert table["a"]["x"].read() == 1.0


def test_a_name_of_a_variable_of_users_leaves_the_last_good_context_at_work(tmp_path: Path) -> None:
    table, _ = made(tmp_path, "")
    table.database.add_user_variable("mine", "string")
    table.context_path.write_text(HEAD + "@Variable\ndef mine(run):\n    return 1\n")
    with Processor(table, timeout=60) as processor:
        assert processor.context().error is not None
        (done,) = processor.process(found_scans([tmp_path / "scans"]), force=True)
        assert set(done.computed) == {"good"}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limits")
def test_reading_a_context_file_has_no_more_memory_than_it_may(tmp_path: Path) -> None:
    table = RunTable.create(tmp_path / "table", context="x = bytearray(15_000_000_000)\n")
    with (
        Processor(table, timeout=60, memory=6 << 30) as processor,
        pytest.raises(ContextError, match="MemoryError"),
    ):
        processor.context()


def test_a_process_that_a_variable_leaves_behind_delays_nothing(tmp_path: Path) -> None:
    """`Worker.close` closes a pipe at which a thread of its own waits: for ever, here 100 s."""
    code = """
@Variable
def leaves(run):
    subprocess.Popen(["sleep", "100"])
    os._exit(5)
"""
    begun = time.monotonic()
    _, done = made(tmp_path, code, timeout=20)
    assert done.errors == {"leaves": "WorkerDied: the worker ended with status 5"}
    assert time.monotonic() - begun < 60


def test_figures_of_pyplot_are_closed(tmp_path: Path) -> None:
    for number in range(3):
        scan(tmp_path / "scans", number, scan_id=number + 1)
    code = """
import matplotlib.pyplot as plt
@Variable
def before(run):
    return len(plt.get_fignums())
@Variable
def figure(run, b: "var#before"):
    return plt.figure()
"""
    table = RunTable.create(tmp_path / "table", context=HEAD + code)
    with Processor(table, timeout=60) as processor:
        done = list(processor.process(found_scans([tmp_path / "scans"])))
    assert [table[each.uid]["before"].read() for each in done] == [0, 0, 0]


def test_a_labelled_result_beside_an_array_is_read_without_a_warning(tmp_path: Path) -> None:
    """Xarray warns, and here a warning is an error, unless it is told `phony_dims`."""
    code = (
        "@Variable\ndef a(run):\n    return np.arange(3.0)\n"
        "@Variable\ndef b(run):\n    return xr.DataArray([1.0, 2.0], dims='x')\n"
    )
    table, done = made(tmp_path, code)
    assert table[done.uid]["b"].read().dims == ("x",)


def test_a_file_that_somebody_has_open_is_read(tmp_path: Path) -> None:
    import h5py

    table, done = made(tmp_path, "")
    with h5py.File(table.path / "extracted_data" / "p1_r1.h5"):
        assert table[done.uid]["good"].read() == 1


def test_a_long_parameter_is_shown_short(tmp_path: Path) -> None:
    table, done = made(
        tmp_path,
        "@Variable\ndef p(run, x: 'param#x'):\n    return len(x)\n",
        params={"x": "a" * 10**6},
    )
    with Processor(table, timeout=60) as processor:
        (done,) = processor.process(found_scans([tmp_path / "scans"]), params={"x": "b" * 10**6})
    assert len(done.computed["p"]) < 1000


def test_a_death_while_results_are_written_is_not_blamed_on_an_innocent_variable(
    tmp_path: Path,
) -> None:
    """So it is when HDF5 crashes on a full disk; and the error stays when there is room again."""
    code = """
class Ends(pd.DataFrame):
    def to_parquet(self, *args, **options):
        os._exit(9)

@Variable
def ends(run):
    return Ends({"a": [1]})

@Variable
def innocent(run, ends: "var#ends" = None):
    return 2
"""
    table, done = made(tmp_path, code)
    assert not {"good", "innocent"} & set(done.errors)
    assert done.failure or table[done.uid]["innocent"].read() == 2
    names = {each.name for each in (table.path / "extracted_data").iterdir()}
    assert "p1_r1.h5" not in names  # nothing of it counts
    table.context_path.write_text(HEAD + code.replace("os._exit(9)", "return super().to_parquet()"))
    with Processor(table, timeout=60) as processor:
        (done,) = processor.process(found_scans([tmp_path / "scans"]))
    assert table[done.uid]["innocent"].read() == 2
    names = {each.name for each in (table.path / "extracted_data").iterdir()}
    assert not [name for name in names if "writing" in name]
