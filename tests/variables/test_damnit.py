"""People have DAMNIT's own programs for their tables, and tables that DAMNIT made: both have to
work with the other's. These tests run the real DAMNIT, in an environment of its own.
"""

from __future__ import annotations

import datetime
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, found_scans
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._stored_cell import StoredCell

from ..catalogs.environments import python_with
from .databases import PNG, asked, info, schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: What DAMNIT is asked; the folder is `home`, and what is told is JSON.
BEGIN = """
import json, sys, sqlite3
from pathlib import Path
import numpy as np
from damnit import Damnit
from damnit.backend.db import DamnitDB, ReducedData
from damnit.backend.db_migrations import apply_migrations
home = Path(sys.argv[1])
"""
Ask = Callable[[str], Any]
CURVE = np.array([[0.0, 1.0, 2.0], [5.0, 4.0, 3.0]])


@pytest.fixture(scope="module")
def damnit() -> Path:
    return python_with("damnit")


@pytest.fixture
def ask(damnit: Path, tmp_path: Path) -> Ask:
    def asking(script: str) -> Any:
        done = subprocess.run(
            [damnit, "-c", BEGIN + script, tmp_path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return asking


@pytest.fixture
def table(tmp_path: Path) -> Database:
    """Make a table as the processing leaves it: two proposals with the same number of a run."""
    made = Database(tmp_path / "runs.sqlite", create=True)
    made.metameta["proposal"] = 1
    made.set_computed([info("dose", "The dose", ("overview",), units="MGy"), info("focus")])
    made.add_user_variable("good", "boolean", "Good?")
    for proposal, run in ((1, 1), (1, 2), (2, 1)):
        cells = [
            StoredCell("dose", proposal + run / 10, max_diff=0.5, attributes={"units": "MGy"}),
            StoredCell("z", 1 + 2j),
            StoredCell("map", PNG),
            StoredCell("spectrum", CURVE, summary_type="trendline"),
            StoredCell("sent", "o'brien", provenance="elsewhere"),
            StoredCell("focus", attributes={"error": "no focus", "error_cls": "Skip"}),
        ]
        made.set_cells(proposal, run, cells, start_time=1e9 + run)
        file = tmp_path / "extracted_data" / f"p{proposal}_r{run}.h5"
        file.parent.mkdir(exist_ok=True)
        with h5py.File(file, "w") as h5:
            for cell in cells[:-1]:
                is_picture = isinstance(cell.value, bytes)
                value = np.frombuffer(PNG, np.uint8) if is_picture else cell.value
                h5[f".reduced/{cell.name}"] = value
                h5[f"{cell.name}/data"] = value
            h5.create_group(".errors")
    made.set_comment(1, 1, "fine")
    made.set_user_value(1, 1, "good", "yes")
    made.close()
    return made


def test_damnit_reads_our_table(table: Database, ask: Ask):
    told = ask("""
table = Damnit(home)
row = table[1]
frame = table.table()
print(json.dumps({
    "runs": table.runs(), "proposal": table.proposal, "keys": row.keys(), "titles": row.titles(),
    "dose": row["dose"].summary(), "by title": row["The dose"].summary(),
    "units": row["dose"].units, "other": table[2, 1, "dose"].summary(),
    "z": [row["z"].summary().real, row["z"].summary().imag],
    "spectrum": row["spectrum"].summary().tolist(), "read": row["spectrum"].read().tolist(),
    "map": row["map"].summary().hex(), "sent": table[1, "sent"].summary(),
    "comment": row["comment"].read(), "good": row["good"].read(),
    "frame": {name: [str(each) for each in frame[name]] for name in frame},
    "with titles": list(table.table(with_titles=True)),
}))
""")
    frame = told.pop("frame")
    titles = told.pop("with titles")
    assert told == {
        "runs": [1, 2, 1], "proposal": 1,
        "keys": ["comment", "dose", "good", "map", "sent", "spectrum", "z"],
        "titles": ["Comment", "Good?", "The dose", "map", "sent", "spectrum", "z"],
        "dose": 1.1, "by title": 1.1, "units": "MGy", "other": 2.1, "z": [1, 2],
        "spectrum": CURVE.tolist(), "read": CURVE.tolist(), "map": PNG.hex(), "sent": "o'brien",
        "comment": "fine", "good": 1,
    }  # fmt: skip
    assert frame["proposal"] == ["1", "1", "2"]
    assert frame["dose"] == ["1.1", "1.2", "2.1"]
    assert frame["spectrum"] == ["<sparkline>"] * 3
    assert frame["z"] == ["(1+2j)"] * 3
    assert {"Run", "The dose", "Good?", "sent"} <= set(titles)
    ours = table.to_pandas()
    assert set(frame) == set(ours)
    for name in ("proposal", "run", "dose", "sent", "z", "spectrum"):
        assert [str(each) for each in ours[name]] == frame[name]


def test_damnit_writes_into_our_table(table: Database, ask: Ask):
    ask("""
with DamnitDB.from_dir(home) as db:
    db.set_variables(2, 1, {"theirs": ReducedData(5, max_diff=1.0), "dose": ReducedData(7.5)},
                     provenance="context.py", start_time=1e9)
    db.change_run_comment(2, 1, "of damnit")
    db.tag_variable("dose", "theirs")
    db.metameta["slurm_time"] = "1:00"
""")
    again = Database(table.path)
    assert again.cell(2, 1, "theirs").value == 5
    assert again.cell(2, 1, "dose").value == 7.5
    assert again.comment(2, 1) == "of damnit"
    assert again.tags() == {"overview": ("dose",), "theirs": ("dose",)}
    assert again.metameta["slurm_time"] == "1:00"
    # DAMNIT made its views, in which run 1 of both proposals is one
    assert len(asked(table.path, "SELECT run FROM runs")) == 2
    again.set_cells(1, 1, [StoredCell("dose", 8.5)])
    assert asked(table.path, "SELECT proposal, run, dose, theirs FROM runs ORDER BY 1, 2") == [
        (1, 1, 8.5, None), (1, 2, 1.2, None), (2, 1, 7.5, 5),
    ]  # fmt: skip
    assert again.variables()["theirs"].submitted
    again.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_tables_that_damnit_made(tmp_path: Path, ask: Ask, version: int):
    ask(f"""
db = sqlite3.connect(home / "runs.sqlite")
def set_version(number):
    db.execute("INSERT INTO metameta VALUES('data_format_version', ?) "
               "ON CONFLICT(key) DO UPDATE SET value=excluded.value", (number,))
apply_migrations(db, from_version=-1, to_version={version}, set_version=set_version)
db.execute("INSERT INTO run_info VALUES(1, 1, 5.0, 6.0)")
db.execute("INSERT INTO run_variables(proposal, run, name, version, value) "
           "VALUES(1, 1, 'dose', 1, 2.5)")
db.commit()
db.close()
with DamnitDB(home / "new.sqlite", create=True) as new:
    pass
""")
    path = tmp_path / "runs.sqlite"
    looking = Database(path, readonly=True)
    assert looking.cell(1, 1, "dose").value == 2.5
    assert looking.metameta["data_format_version"] == version
    table = Database(path)
    assert table.cell(1, 1, "dose").value == 2.5
    assert table.metameta["data_format_version"] == 4
    assert asked(path, "SELECT dose FROM runs") == [(2.5,)]
    table.close()
    made = Database(tmp_path / "ours.sqlite", create=True)
    made.close()
    assert schema(path) == schema(tmp_path / "new.sqlite") == schema(made.path)
    told = ask("print(json.dumps([str(each) for each in Damnit(home).table()['dose']]))")
    assert told == ["2.5"]


PROCESSED = """
import datetime
import numpy as np, xarray as xr
from suitcase.nxstxm.variables import Cell, Skip, Variable

@Variable(title="A number", units="um", tags="first")
def number(run):
    return 2.5

@Variable(title="A word")
def word(run):
    return "o'brien"

@Variable(title="Complex")
def z(run):
    return 1 + 2j

@Variable(title="When")
def when(run):
    return datetime.datetime(2024, 1, 1, 12)

@Variable(title="Spectrum", units="counts")
def spectrum(run):
    return xr.DataArray([5.0, 4.0, 3.0], dims="energy", coords={"energy": [280.0, 281.0, 282.0]})

@Variable(title="Mean", summary="mean", units="counts")
def mean(run):
    return np.arange(12.0).reshape(3, 4)

@Variable(title="Image", units="counts")
def image(run):
    return np.arange(120_000.0).reshape(300, 400)

@Variable(title="Colours")
def colours(run):
    return np.full((40, 60, 3), 200, np.uint8)

@Variable(title="Labelled")
def labelled(run):
    at = {dim: (dim, np.arange(n), {"units": "um"}) for dim, n in (("y", 40.0), ("x", 60.0))}
    return xr.DataArray(np.arange(2400.0).reshape(40, 60), dims=("y", "x"), coords=at)

@Variable(title="Shown")
def shown(run):
    return Cell(np.ones((2, 3, 4)), preview=np.arange(6.0).reshape(2, 3), units="1", bold=True)

@Variable(title="Skipped")
def skipped(run):
    raise Skip("nothing")
"""
ASKED = """
row = Damnit(home / "table")[1]

def told(name, value):
    if isinstance(value, bytes):
        return {"png": value.hex()}
    if isinstance(value, complex):
        return [value.real, value.imag]
    if hasattr(value, "shape") and value.shape:
        made = {"shape": list(value.shape), "sum": float(np.asarray(value, float).sum())}
        if getattr(value, "coords", None) is not None:
            made["x"] = np.asarray(value[value.dims[-1]], float).tolist()[:3]
        return made
    if hasattr(value, "isoformat"):
        return value.timestamp()
    return value if isinstance(value, (str, int, float)) else float(value)

print(json.dumps({name: {
    "read": told(name, row[name].read()), "summary": told(name, row[name].summary()),
    "units": row[name].units, "title": row[name].title,
} for name in row.keys() if name not in ("comment", "skipped")}))
"""


def test_damnit_reads_what_was_processed(ask: Ask, tmp_path: Path):
    """Values, units and thumbnails are those that this package reads of the same cells."""
    (tmp_path / "scans").mkdir()
    export_scan(scan_documents(all_requests()["stxm-image"]), tmp_path / "scans")
    with RunTable.create(tmp_path / "table", proposal=900001, context=PROCESSED) as table:
        with Processor(table, timeout=60) as processor:
            (done,) = processor.process(found_scans([tmp_path / "scans"]))
        assert (done.failure, done.errors) == ("", {})
        table.submit(done.uid, {"sent": np.arange(4.0)}, provenance="me", units={"sent": "mm"})
        row = table[done.uid]
        told = ask(ASKED)
        assert set(told) == set(row) - {"skipped"}
        assert {name: each["units"] for name, each in told.items() if each["units"]} == {
            name: row[name].units for name in row if row[name].units
        }
        assert {each["title"] for each in told.values()} == {row[name].title for name in told}
        pictures = {name: row[name].summary().hex() for name in ("image", "colours", "labelled")}
        pictures["shown"] = row["shown"].summary().hex()
        for name, png in pictures.items():
            assert told[name]["summary"] == {"png": png}
            size = Image.open(io.BytesIO(bytes.fromhex(png))).size
            assert 60 <= max(size) <= 300
        for name, shape in (("image", [300, 400]), ("colours", [40, 60, 3]), ("mean", [3, 4])):
            assert told[name]["read"]["shape"] == shape
            assert told[name]["read"]["sum"] == float(np.asarray(row[name].read(), float).sum())
        assert told["labelled"]["read"]["x"] == [0.0, 1.0, 2.0]
        assert told["spectrum"]["read"] == {"shape": [3], "sum": 12.0, "x": [280.0, 281.0, 282.0]}
        assert told["spectrum"]["summary"]["shape"] == [2, 3]
        assert told["mean"]["summary"] == row["mean"].summary() == 5.5
        assert told["sent"]["read"] == {"shape": [4], "sum": 6.0}
        assert told["number"]["read"] == told["number"]["summary"] == 2.5
        assert told["word"]["read"] == told["word"]["summary"] == "o'brien"
        assert told["z"]["read"] == told["z"]["summary"] == [1.0, 2.0]
        noon = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone.utc).timestamp()
        assert told["when"]["read"] == told["when"]["summary"] == noon
