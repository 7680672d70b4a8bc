"""What a variable gets from another one is its own; and nothing is asked again that is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from suitcase.nxstxm.storage import own_copy
from suitcase.nxstxm.variables import FoundScan, Processed, Processor, RunTable
from suitcase.nxstxm.variables._run import ScanRun

from .noted import NOTE, STACK, calls, scan_in

xr = pytest.importorskip("xarray")

HEAD = f"""
import numpy as np
import pandas as pd
import xarray as xr
from suitcase.nxstxm.variables import Cell, Skip, Variable
{NOTE}
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> FoundScan:
    return scan_in(tmp_path_factory.mktemp("scans"), STACK)


class Lab:
    def __init__(self, folder: Path, scan: FoundScan) -> None:
        self.table = RunTable.create(folder / "table", proposal=900001)
        self.scan = scan
        self.processor = Processor(self.table, timeout=60)

    def process(self, code: str, **how: object) -> Processed:
        self.table.context_path.write_text(HEAD + code)
        (done,) = self.processor.process([self.scan], **how)  # type: ignore[arg-type]
        assert not done.failure
        return done

    def calls(self) -> list[str]:
        return calls(self.table)

    def read(self, name: str) -> object:
        return self.table[self.scan.uid][name].read()


@pytest.fixture
def lab(tmp_path: Path, scan: FoundScan):
    made = Lab(tmp_path, scan)
    yield made
    made.processor.close()
    made.table.close()


def test_who_changes_what_it_gets_changes_nothing_else(lab: Lab) -> None:
    makers = {
        "array": "np.ones(20000)",
        "labelled": "xr.DataArray(np.ones((3, 4)), dims=('y', 'x'), coords={'k': ('x', [1.] * 4)})",
        "set_": "xr.Dataset({'a': ('x', np.ones(3))})",
        "series": "pd.Series([1., 1.])",
        "listed": "[1., 1., 1.]",
    }
    code = "".join(
        f"@Variable\ndef {name}(run):\n    return {made}\n" for name, made in makers.items()
    )
    code += """
@Variable(transient=True)
def many(run):
    return {"a": [np.ones(3)], "b": (np.ones(2),)}

@Variable
def changes(run, a: "var#array", l: "var#labelled", s: "var#set_", p: "var#series",
            i: "var#listed", m: "var#many"):
    a[:] = l[:] = 5
    l["k"][:] = 5
    s["a"][:] = 5
    p[:] = 5
    i[:] = 5
    m["a"][0][:] = 5
    m["b"][0][:] = 5
    m["a"].append(5)
    return 1

@Variable
def reads(run, c: "var#changes", a: "var#array", l: "var#labelled", s: "var#set_",
          p: "var#series", i: "var#listed", m: "var#many"):
    return [float(np.sum(each)) for each in (a, l, l["k"], s["a"], p, i, m["a"], m["b"][0])]
"""
    assert lab.process(code).errors == {}
    np.testing.assert_array_equal(lab.read("reads"), [20000, 12, 4, 3, 2, 3, 3, 2])
    assert float(np.sum(lab.read("array"))) == 20000
    assert float(lab.read("labelled").sum()) == 12
    assert float(lab.read("labelled")["k"].sum()) == 4
    assert float(lab.read("set_")["a"].sum()) == 3
    assert float(lab.read("series").sum()) == 2


def test_what_was_not_read_is_not_read_for_a_copy(scan: FoundScan) -> None:
    run = ScanRun(scan.paths[0], scan.uid)
    picture = run.picture()
    copy = own_copy(picture)
    assert not copy.variable._in_memory
    assert copy.identical(picture)
    both = xr.Dataset({"lazy": picture, "here": ("t", np.arange(3.0)), "k": ("t", np.ones(3))})
    both = both.set_coords("k")
    mine = own_copy(both)
    mine["here"][:] = 9
    mine["k"][:] = 9
    assert (float(both["here"].sum()), float(both["k"].sum())) == (3, 3)
    assert not mine["lazy"].variable._in_memory
    assert mine["lazy"].identical(both["lazy"])
    here = xr.DataArray(np.ones(5), dims="x", coords={"lazy": picture[0, 0].drop_vars("x")})
    other = own_copy(here)
    other[:] = 9
    assert float(here.sum()) == 5
    assert other["lazy"].identical(here["lazy"])
    run.close()


KNOWN = """
@Variable
def base(run):
    note("base"); return 1
@Variable
def skips(run, b: "var#base"):
    note("skips"); raise Skip("nothing here")
@Variable
def none(run):
    note("none"); return None
@Variable
def fails(run):
    note("fails"); return 1 / 0
@Variable
def middle(run, b: "var#base"):
    note("middle"); return b
@Variable
def last(run, m: "var#middle", s: "var#skips" = 0, n: "var#none" = 0, f: "var#fails" = 0):
    note("last"); return 1
@Variable
def needs(run, s: "var#skips", n: "var#none"):
    note("needs"); return 1
"""


def test_what_has_no_value_is_not_asked_again_for_those_that_need_it(lab: Lab) -> None:
    lab.process(KNOWN)
    assert sorted(lab.calls()) == ["base", "fails", "last", "middle", "none", "skips"]
    changed = KNOWN.replace('note("last"); return 1', 'note("last"); return 2')
    changed = changed.replace('note("needs"); return 1', 'note("needs"); return 2')
    done = lab.process(changed)
    assert set(done.computed) == {"last", "needs"}
    assert lab.calls() == ["last"]
    assert lab.read("last") == 2
    error = lab.table[lab.scan.uid]["needs"].error
    assert "skips: Skip: nothing here" in error
    assert "none: it gave nothing" in error
    lab.process(changed.replace('raise Skip("nothing here")', "return 4"))
    assert sorted(lab.calls()) == ["last", "skips"]


# -- modules beside the file -----------------------------------------------------------------------

BESIDE = """
import mine
@Variable
def v(run):
    return mine.f()
@Variable
def u(run):
    import later
    return later.K
@Variable
def w(run):
    return 1
"""


def test_modules_beside_the_file_that_change_count_in_a_worker_that_lives(lab: Lab) -> None:
    mine, later = lab.table.path / "mine.py", lab.table.path / "later.py"
    mine.write_text("def f():\n    return 1\n")
    later.write_text("K = 1\n")
    assert set(lab.process(BESIDE).computed) == {"v", "u", "w"}
    worker = lab.processor._workers[0]._process
    mine.write_text("def f():\n    return 2\n")
    assert lab.process(BESIDE).computed == {"v": "its code has changed"}
    assert lab.read("v") == 2
    later.write_text("K = 3\n")
    assert lab.process(BESIDE).computed == {"u": "its code has changed"}
    assert lab.read("u") == 3
    later.write_text("K = 4\n")  # and the context file
    code = BESIDE.replace("return 1\n", "return 5\n")
    assert set(lab.process(code).computed) == {"u", "w"}
    assert (lab.read("v"), lab.read("u"), lab.read("w")) == (2, 4, 5)
    assert lab.processor._workers[0]._process is worker
    with Processor(lab.table, timeout=60) as other:
        (done,) = other.process([lab.scan])
    assert done.computed == {}


def test_a_module_that_is_broken_leaves_the_last_good_one_at_work(lab: Lab) -> None:
    mine = lab.table.path / "mine.py"
    mine.write_text("def f():\n    return 1\n")
    (lab.table.path / "later.py").write_text("K = 1\n")
    lab.process(BESIDE)
    mine.write_text("def f(:\n")
    assert set(lab.process(BESIDE, force=True).computed) == {"v", "u", "w"}
    assert lab.read("v") == 1
    assert "SyntaxError" in lab.table.database.metameta["nxstxm_context_error"]
    mine.write_text("def f():\n    return 3\n")
    assert set(lab.process(BESIDE).computed) == {"v"}
    assert lab.read("v") == 3


def test_a_module_that_changes_while_scans_are_processed_is_not_mixed_in(lab: Lab) -> None:
    """What another worker, begun later, reads is not what the results would be stored under."""
    mine = lab.table.path / "mine.py"
    mine.write_text("def f():\n    return 1\n")
    (lab.table.path / "later.py").write_text("K = 1\n")
    lab.table.context_path.write_text(HEAD + BESIDE)
    lab.processor.context()
    lab.processor._workers[0].close()
    described = lab.processor._counting.read

    def then_changed():
        found = described()
        mine.write_text("def f():\n    return 2\n")
        return found

    lab.processor._counting.read = then_changed  # type: ignore[method-assign]
    (done,) = lab.processor.process([lab.scan])
    lab.processor._counting.read = described  # type: ignore[method-assign]
    assert "imports from beside it have changed" in done.failure
    (done,) = lab.processor.process([lab.scan])
    assert not done.failure
    assert lab.read("v") == 2


# -- DAMNIT's templates ----------------------------------------------------------------------------


def test_what_files_of_damnit_begin_with_is_taken(lab: Lab) -> None:
    code = """
@Variable(title="Size", description="")
def size(run, folder: "meta#proposal_path"):
    return len([each for each in folder.iterdir() if each.suffix == ".hdf5"])
"""
    assert lab.process(code).errors == {}
    assert lab.read("size") == len(list(Path(lab.scan.paths[0]).parent.glob("*.hdf5")))


def test_watch_looks_at_modules_beside_the_file(lab: Lab, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    import threading

    from suitcase.nxstxm.variables import watch

    (tmp_path / "scans").mkdir()
    shutil.copy(lab.scan.paths[0], tmp_path / "scans")
    mine = lab.table.path / "mine.py"
    mine.write_text("def f():\n    return 1\n")
    (lab.table.path / "later.py").write_text("K = 1\n")
    lab.table.context_path.write_text(HEAD + BESIDE)
    stop = threading.Event()
    seen = []
    guard = threading.Timer(120, stop.set)
    guard.start()
    for done in watch(
        lab.processor,
        [tmp_path / "scans"],
        stop=stop,
        ready=lambda: mine.write_text("def f():\n    return 2\n"),
    ):
        seen.append(set(done.computed))
        if len(seen) == 2:
            stop.set()
    guard.cancel()
    assert seen == [{"v", "u", "w"}, {"v"}]
