"""The files of runs as a frontend of storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm import export_scan
from suitcase.nxstxm._errors import NXstxmOSError, OptionError
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.storage import DataCorrupted, DataExistsError, DataKey, DataNotAvailable
from suitcase.nxstxm.storage.testing import FrontendContract
from suitcase.nxstxm.variables import (
    ContextError,
    ContextFile,
    Processor,
    RunFiles,
    RunTable,
    TableRun,
    found_scans,
)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[RunTable]:
    with RunTable.create(tmp_path / "table", proposal=900001, context="") as made:
        yield made


class TestRunFiles(FrontendContract):
    @pytest.fixture
    def frontend(self, table: RunTable) -> RunFiles:
        return RunFiles(table)


# -- results of variables -------------------------------------------------------------------------

CODE = """
import numpy as np
import pandas as pd
import xarray as xr
from suitcase.nxstxm.variables import Cell, Variable

DARK = 3.0

@Variable(title="Stack", data="my stack", units="1")
def stack(run):
    picture = run.picture().load()
    return (picture - DARK).assign_coords(when=np.datetime64("2026-05-01T12:00:00", "s"))

@Variable(title="Mean spectrum")
def spectrum(run, stack: "data#my stack"):
    return stack.mean(("y", "x"))

@Variable(title="Large")
def large(run):
    return np.random.default_rng(1).random((400, 500))

@Variable(title="Small")
def small(run):
    return np.arange(10.0)

@Variable(title="Number", data="number")
def number(run):
    return 1.5

@Variable(title="Text", data="text")
def text(run):
    return "ü"

@Variable(title="Set", data="set")
def both(run, stack: "data#my stack"):
    return xr.Dataset({"a/b": stack, "mask": ("y", stack.sizes["y"] * [True])}, attrs={"n": 3})

@Variable(title="Rows", data="rows")
def rows(run):
    return pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]})

@Variable(title="Figure", data="figure")
def figure(run):
    from matplotlib.figure import Figure
    made = Figure()
    made.subplots().plot([1, 2])
    return made
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    request = all_requests()["pystxm2019-sample_image_stack-lines"]
    export_scan(scan_documents(request), folder)
    return folder


def processed(table: RunTable, scans: Path, code: str = CODE) -> dict[str, str]:
    """Process the scan; say what was computed, and why."""
    table.context_path.write_text(code)
    with Processor(table, timeout=60) as processor:
        (done,) = processor.process(found_scans([scans]))
    assert not done.errors
    assert not done.failure
    return dict(done.computed)


@pytest.fixture
def row(table: RunTable, scans: Path) -> TableRun:
    processed(table, scans)
    return table[table.runs()[0].first_uid or ""]


def test_results_are_found_by_their_keys(table: RunTable, row: TableRun) -> None:
    files = RunFiles(table)
    keys = {name: row[name].key for name in row}
    have = {name: key for name, key in keys.items() if key is not None}
    # those that declare a data type, and large ones; a figure is no data
    assert set(have) == {"stack", "large", "number", "text", "both", "rows"}
    assert {each.key for each in files.list()} == set(have.values())
    assert {key.run_id for key in have.values()} == {row.info.first_uid}
    assert have["stack"].data_type == "my stack"
    assert have["large"].data_type == "var#large"
    for name, key in have.items():
        assert key.hash == row[name].lineage
        assert files.verify(key) > 0
    xr.testing.assert_identical(files.load(have["stack"]), row["stack"].read())
    both = files.load(have["both"])  # of names with slashes, which NetCDF has not, as well
    xr.testing.assert_identical(both.rename({"a/b": "a_b"}), row["both"].read())
    stack = files.load(have["stack"])
    assert stack.when.dtype.kind == "M"
    assert stack.dtype == np.float64
    np.testing.assert_array_equal(files.load(have["large"]), row["large"].read(), strict=True)
    assert files.load(have["number"]) == 1.5
    assert files.load(have["text"]) == "ü"
    assert files.load(have["rows"]).to_pandas().equals(row["rows"].read())
    first, last = stack.energy.values[[0, -1]]
    part = files.load(have["stack"], between={"energy": (first, (first + last) / 2)})
    xr.testing.assert_identical(part, stack[: part.sizes["energy"]])
    assert files.load(have["large"], rows=(3, 5)).shape == (2, 500)


def test_the_lineage_tells_of_all_that_a_result_is_made_from(row: TableRun) -> None:
    key = row["both"].key
    assert key is not None
    assert set(key.lineage) == {"scan", "my stack", "set"}
    assert key.lineage["set"].name == "both"
    stack = row["stack"].key
    assert stack is not None
    assert key.lineage["my stack"] == stack.lineage["my stack"]


def test_nothing_is_stored_twice(table: RunTable, row: TableRun) -> None:
    assert not table.store_path.exists()
    found = [path for path in table.path.rglob("*") if path.is_file()]
    whole = sum(path.stat().st_size for path in found if path.suffix == ".h5")
    large = row["large"].read().nbytes  # random numbers: they can not be compressed
    assert large < whole < 2 * large
    database = sum(path.stat().st_size for path in found if "sqlite" in path.name)
    assert database < large


def test_only_what_a_change_concerns_is_made_again(table: RunTable, scans: Path) -> None:
    processed(table, scans)
    row = table[table.runs()[0].first_uid or ""]
    before = {name: row[name].key for name in row}
    large = row["large"].read()
    assert processed(table, scans) == {}
    computed = processed(table, scans, CODE.replace("DARK = 3.0", "DARK = 4.0"))
    assert computed == {
        "stack": "its code has changed",
        "spectrum": "stack has changed",
        "both": "stack has changed",
    }
    row = table[table.runs()[0].first_uid or ""]
    after = {name: row[name].key for name in row}
    assert {name for name in after if after[name] != before[name]} == {"stack", "both"}
    store = table.store()
    told = store.compare(before["both"], after["both"])
    assert told.startswith("differs: my stack.source ")
    files = RunFiles(table)
    assert before["stack"] not in files  # the newest result is the only one
    assert float((row["stack"].read() - files.load(after["stack"])).max()) == 0.0
    np.testing.assert_array_equal(files.load(before["large"]), large)  # its file was made anew
    assert files.verify(before["large"]) > 0


def test_labelled_results_stay_as_they_are_when_others_are_made_again(
    table: RunTable, scans: Path
) -> None:
    processed(table, scans)
    run = table.runs()[0].first_uid or ""
    before = {name: table[run][name].read().copy() for name in ("stack", "spectrum", "both")}
    for number in (2.5, 3.5):  # a copy of a copy, too
        assert set(processed(table, scans, CODE.replace("return 1.5", f"return {number}"))) == {
            "number"
        }
        row = table[run]
        assert row["number"].read() == number
        for name, known in before.items():
            xr.testing.assert_identical(row[name].read(), known)
        assert RunFiles(table).load(row["stack"].key).identical(before["stack"])


def test_a_store_has_all_of_a_table(table: RunTable, row: TableRun) -> None:
    store = table.store()
    kinds = {(type(frontend).__name__, about.data_type) for frontend, about in store.list()}
    assert ("NXstxmDirectory", "scan") in kinds
    assert ("RunFiles", "my stack") in kinds
    run = row.info.first_uid
    picture = store.get(run, "picture")
    assert picture.sizes["energy"] == row["stack"].read().sizes["energy"]
    key = row["stack"].key
    assert key is not None
    ((data, exact),) = store.found(key)
    assert exact
    assert data.load().identical(row["stack"].read())


def test_results_are_changed_by_processing_alone(table: RunTable, row: TableRun) -> None:
    files = RunFiles(table, overwrite="always")
    key = row["large"].key
    assert key is not None
    with pytest.raises(DataExistsError, match="process the run with force"):
        files.save(key, np.zeros(3))
    with pytest.raises(OptionError, match="delete the run, or the variable"):
        files.remove(key)
    assert files.load(key).shape == (400, 500)
    # what is saved beside them is no column, and processing leaves it alone
    other = DataKey(key.run_id, "map", {"map": ("fit", "1.0", {})})
    files.save(other, np.arange(5))
    assert "map" not in table[row.info.first_uid or ""]
    with Processor(table, timeout=60) as processor:
        assert list(processor.process(found_scans([row.info.paths[0]]), force=True))
    assert files.load(other).tolist() == [0, 1, 2, 3, 4]
    table.delete(row.info.first_uid or "")
    assert list(files.list()) == []


def test_a_flipped_bit_is_never_loaded_silently(table: RunTable, row: TableRun) -> None:
    files = RunFiles(table)
    path = table.path / "extracted_data" / f"p900001_r{row.info.run}.h5"
    key = row["large"].key
    assert key is not None
    good, raw = files.load(key), path.read_bytes()
    chance = np.random.default_rng(7)
    noticed = 0
    for _ in range(60):
        spoiled = bytearray(raw)
        spoiled[chance.integers(len(raw))] ^= 1 << int(chance.integers(8))
        path.write_bytes(spoiled)
        try:
            assert np.array_equal(files.load(key), good)
        except (DataCorrupted, DataNotAvailable, NXstxmOSError):
            noticed += 1
    assert noticed > 30  # most of the file is this array
    path.write_bytes(raw)
    assert files.verify(key) > 0


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ('@Variable(data="od")\ndef a(run): return 1\n@Variable(data="od")\ndef b(run): return 2',
         "line 4: variable b declares data='od', which variable a is"),
        ('@Variable(data="scan")\ndef a(run): return 1', "which the scan itself is"),
        ('@Variable(data="od")\ndef a(run, od: "data#od"): return 1', "in a circle: a <- a"),
    ],
)  # fmt: skip
def test_types_that_can_not_be_declared(code: str, told: str) -> None:
    with pytest.raises(ContextError, match=told):
        ContextFile.from_str(f"from suitcase.nxstxm.variables import Variable\n{code}\n")
