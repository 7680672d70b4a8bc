"""What went wrong in tables like this one before, and is seen only when all parts work together."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, TableRun, export_table, found_scans
from suitcase.nxstxm.variables._variable import PREFIXES

from ..catalogs.environments import python_with

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
ROOM = ROOT / "suitcase" / "nxstxm" / "variables"
PLAIN = """
import numpy as np
import pandas as pd
from suitcase.nxstxm.variables import Cell, Variable

VALUES = [3.0, 1.0, 2.0]

@Variable
def array(run):
    return np.array(VALUES)

@Variable
def plain(run):
    return VALUES

@Variable
def series(run):
    return pd.Series(VALUES, name="counts")

@Variable
def preview(run):
    return Cell(np.zeros((2, 2, 2)), preview=np.array(VALUES))

@Variable
def whole(run):
    return np.array([3, 1, 2])
"""
LABELLED = """
import numpy as np
import xarray as xr
from suitcase.nxstxm.variables import Cell, Variable

VALUES = [3.0, 1.0, 2.0]

@Variable
def labelled(run):
    return xr.DataArray(VALUES, dims="energy", coords={"energy": [700.0, 705.0, 710.0]})

@Variable
def preview_labelled(run):
    return Cell(1.0, preview=xr.DataArray(VALUES, dims="energy"))

@Variable
def density(run):
    picture = run.picture()
    with xr.set_options(keep_attrs=True):
        return -np.log((picture + 1) / (picture.max() + 1))

@Variable
def density_mean(run, density: "var#density"):
    return Cell(density, summary="mean")

@Variable(units="1")
def density_said(run, density: "var#density"):
    return Cell(density, summary="mean")

@Variable
def stored(run, od: "data#od"):
    return Cell(od, summary="mean")
"""
CURVES = {
    "plain": ("array", "plain", "series", "preview", "whole"),
    "labelled": ("labelled", "preview_labelled"),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunTable]]:
    """Fill two where others of the group may read and nobody else may do anything."""
    home = tmp_path_factory.mktemp("lessons")
    made = {}
    before = os.umask(0o027)
    try:
        runs = scan_documents(all_requests()["pystxm2019-sample_image-points"])
        export_scan(runs, home / "scans")
        for name, code in (("plain", PLAIN), ("labelled", LABELLED)):
            table = made[name] = RunTable.create(home / name, context=code)
            with Processor(table, timeout=60) as processor:
                (done,) = processor.process(found_scans([home / "scans"]))
            assert (done.failure, done.errors) == ("", {})
            table.submit(done.uid, {"sent": 1.0}, provenance="me")
            for kind in ("html", "csv"):
                export_table(table, table.path / f"table.{kind}")
    finally:
        os.umask(before)
    yield made
    for table in made.values():
        table.close()


def row_of(table: RunTable) -> TableRun:
    return table[table.runs()[0].first_uid or ""]


@pytest.mark.parametrize(("kind", "name"), [(k, name) for k in CURVES for name in CURVES[k]])
def test_a_curve_can_be_looked_at(tables: dict[str, RunTable], kind: str, name: str) -> None:
    """DAMNIT's API draws it with an argument that its library does not take."""
    cell = row_of(tables[kind])[name]
    np.testing.assert_array_equal(cell.preview(), [3, 1, 2])
    assert np.ndim(cell.preview()) == 1
    assert cell.stored.curve is not None
    np.testing.assert_array_equal(cell.stored.curve[1], [3, 1, 2])
    across = [700, 705, 710] if name == "labelled" else [0, 1, 2]
    np.testing.assert_array_equal(cell.stored.curve[0], across)


def test_a_curve_is_drawn(tables: dict[str, RunTable], nxstxm: Command) -> None:
    table = tables["plain"]
    page = (table.path / "table.html").read_text("utf-8")
    assert page.count("<polyline") == len(CURVES["plain"])
    for points in re.findall('points="([^"]*)"', page):
        numbers = [float(each) for pair in points.split() for each in pair.split(",")]
        assert len(numbers) == 6
        assert np.isfinite(numbers).all()
    status, out, _ = nxstxm("table", "show", table.path, "--var", "array", "--var", "whole")
    assert (status, out.count("█▁▄")) == (0, 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", CURVES)
def test_damnit_gives_our_curves(tables: dict[str, RunTable], kind: str) -> None:
    table, names = tables[kind], CURVES[kind]
    script = (
        "import json, sys; from damnit import Damnit; row = Damnit(sys.argv[1])[int(sys.argv[2])]\n"
        "print(json.dumps({name: [float(each) for each in row[name].preview_data()]\n"
        "                  for name in sys.argv[3:]}))"
    )
    command = [python_with("damnit"), "-c", script, table.path, str(table.runs()[0].run), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: [3, 1, 2] for name in names}


def test_a_result_has_no_units_of_what_it_was_made_of(tables: dict[str, RunTable]) -> None:
    """Arithmetic hands on the attributes of an array: densities were counts."""
    row = row_of(tables["labelled"])
    assert row["density"].read().attrs["units"] == "counts"
    assert row["density"].units is None
    assert row["density_mean"].units is None
    assert "units" not in row["density_mean"].stored.attributes
    assert row["density_said"].units == "1"
    assert row["stored"].units is None
    assert " counts" not in (tables["labelled"].path / "table.html").read_text("utf-8")


def test_what_is_documented_is_what_is_understood() -> None:
    """DAMNIT's documentation has names of annotations that its code does not have."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.rst"), *ROOM.glob("*.py")]
    texts = "\n".join(page.read_text("utf-8") for page in pages)
    named = set(re.findall(r"[\"']([a-z_]+#)(?=[\w.*{])", texts)) - {"sqlite#"}  # names in SQL
    assert {"var#", "param#", "data#"} <= named <= set(PREFIXES)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions here")
def test_what_is_made_is_as_open_as_the_user_wants_it(tables: dict[str, RunTable]) -> None:
    """DAMNIT makes its files writable, and its folders, by everybody."""
    table = tables["labelled"]
    made = [table.path, *table.path.rglob("*")]
    assert {"runs.sqlite", "extracted_data", "store", "table.html", "table.csv"} <= {
        path.name for path in made
    }
    assert sum(path.suffix == ".h5" for path in made) > 1
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o027} == {}


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_nothing_is_unpickled(path: Path) -> None:
    """Who unpickles executes what another process, or another person, has written."""
    tree = ast.parse(path.read_text("utf-8"))
    modules = {
        *(a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names),
        *(n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)),
    }
    names = {each.partition(".")[0] for each in modules}
    assert not names & {"pickle", "marshal", "shelve", "dill", "joblib", "multiprocessing"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
            assert "allow_pickle=False" in ast.unparse(node)
