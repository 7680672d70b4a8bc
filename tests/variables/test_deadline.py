"""A scan has so many seconds for its variables. Who used them up is told from who had none left,
and what was done in time counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from suitcase.nxstxm.variables import FoundScan, Processed, Processor, RunTable

from .noted import NOTE, calls, scan_in

pytestmark = pytest.mark.timeout(300)

HEAD = f"""
import os, time
from suitcase.nxstxm.variables import Skip, Variable
{NOTE}
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> FoundScan:
    return scan_in(tmp_path_factory.mktemp("scans"))


@pytest.fixture
def process(tmp_path: Path, scan: FoundScan) -> Callable[..., Processed]:
    table = RunTable.create(tmp_path / "table", proposal=900001)

    def one(code: str, timeout: float = 60.0, **how: object) -> Processed:
        table.context_path.write_text(HEAD + code)
        with Processor(table, timeout=timeout) as processor:
            (done,) = processor.process([scan], **how)  # type: ignore[arg-type]
        one.calls = calls(table)  # type: ignore[attr-defined]
        return done

    one.table = table  # type: ignore[attr-defined]
    return one


SLOW = """
@Variable
def a(run):
    note("a"); return 1
@Variable
def b(run):
    note("b"); {at}
    return 1
@Variable
def c(run):
    note("c"); return 3
@Variable
def of_b(run, b: "var#b"):
    note("of_b"); return b
@Variable
def of_of_b(run, x: "var#of_b" = 5, a: "var#a" = 1):
    note("of_of_b"); return x
"""


@pytest.mark.parametrize("at", ["time.sleep(100)", "[0 for _ in iter(int, 1)]"])
def test_who_never_comes_back_is_ended_and_the_others_are_computed(
    process: Callable[..., Processed], at: str
) -> None:
    done = process(SLOW.format(at=at), 3)
    assert set(done.errors) == {"b", "of_b"}
    assert done.errors["b"] == "WorkerDied: the worker was ended after 3 s"
    assert done.errors["of_b"].startswith("DependencyError: not computed, for b has no value")
    assert process.calls == ["a", "b", "c", "of_of_b"]  # type: ignore[attr-defined]
    row = process.table[done.uid]  # type: ignore[attr-defined]
    assert [row[name].read() for name in ("a", "c", "of_of_b")] == [1, 3, 5]
    assert 'note("b")' in row["b"].stored.attributes["traceback"]


def test_who_can_not_be_interrupted_ends_the_worker_and_what_was_done_counts(
    process: Callable[..., Processed],
) -> None:
    at = """
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
"""
    done = process(SLOW.format(at=at), 3)
    assert set(done.errors) == {"b", "c", "of_b", "of_of_b"}
    assert done.errors["b"] == "WorkerDied: the worker was ended after 3 s"
    assert done.errors["c"] == (
        "TimeoutError: there was no time left for it: the variables of a scan may take 3 s "
        "together, and 'b' had not come back by then; process the scan again, or with a longer "
        "--timeout"
    )
    assert done.errors["of_b"].startswith("DependencyError: not computed, for b has no value")
    assert process.calls == ["a", "b"]  # type: ignore[attr-defined]
    row = process.table[done.uid]  # type: ignore[attr-defined]
    assert row["a"].read() == 1
    # what had no time left is computed the next time, and nothing else
    again = process(SLOW.format(at=at), 3)
    assert again.errors == {}
    assert process.calls == ["c", "of_of_b"]  # type: ignore[attr-defined]
    row = process.table[done.uid]  # type: ignore[attr-defined]
    assert (row["c"].read(), row["of_of_b"].read()) == (3, 5)
    assert row["b"].error == "WorkerDied: the worker was ended after 3 s"


def test_who_lets_nobody_else_run_is_killed_and_the_others_are_computed(
    process: Callable[..., Processed],
) -> None:
    done = process(SLOW.format(at="sum(range(10**11))"), 2)
    assert set(done.errors) == {"b", "of_b"}
    assert done.errors["b"] == "WorkerDied: the worker was ended after 2 s"
    assert process.calls == ["a", "b", "a", "c", "of_of_b"]  # type: ignore[attr-defined]


def test_several_that_are_slow_are_computed_once_each(process: Callable[..., Processed]) -> None:
    code = "".join(
        f"@Variable\ndef {name}(run):\n    note('{name}'); time.sleep(2)\n    return 1\n"
        for name in "abc"
    )
    done = process(code, 3)
    assert {name: error.split(":")[0] for name, error in done.errors.items()} == {
        "b": "WorkerDied",
        "c": "TimeoutError",
    }
    assert process.calls == ["a", "b"]  # type: ignore[attr-defined]
    assert process(code, 3).errors == {}
    assert process.calls == ["c"]  # type: ignore[attr-defined]


def test_what_takes_longer_before_and_behind_the_variables_loses_nothing(
    process: Callable[..., Processed],
) -> None:
    """Beginning, reading the context file and writing are no time of the variables."""
    code = """
time.sleep(2)
class Slow(float):
    pass
@Variable
def a(run):
    note("a"); time.sleep(2); return 1
"""
    done = process(code, 3)
    assert (done.errors, done.failure) == ({}, "")
    assert process.calls == ["a"]  # type: ignore[attr-defined]


def test_a_transient_one_that_never_returns_is_named_by_who_needs_it(
    process: Callable[..., Processed],
) -> None:
    code = """
@Variable(transient=True)
def t(run):
    note("t"); time.sleep(100)
@Variable
def u(run, t: "var#t"):
    return t
"""
    done = process(code, 3)
    assert set(done.errors) == {"u"}
    assert "t: WorkerDied: the worker was ended after 3 s" in done.errors["u"]
