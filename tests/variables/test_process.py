"""What a night's table says has to be true, and only what changed may cost time again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import (
    Cell,
    CellError,
    ContextError,
    Message,
    MissingValueError,
    Processed,
    Processor,
    RunTable,
    VariableError,
    found_scans,
)

NAMES = ("pystxm2019-sample_image_stack-lines", "pystxm2019-sample_image-points")
CODE = '''
import numpy as np
from suitcase.nxstxm.variables import Cell, Skip, Variable

FACTOR = 2

def scaled(x):
    return x * FACTOR

@Variable(title="Mean", units="counts", tags="counts")
def mean(run):
    """The mean."""
    return float(run.picture().mean())

@Variable(title="Twice")
def twice(run, mean: "var#mean"):
    return scaled(mean)

@Variable(title="Spectrum")
def spectrum(run):
    picture = run.picture()
    if "energy" not in picture.dims:
        raise Skip("no energies")
    return picture.mean(("y", "x"))

@Variable(title="Bad")
def bad(run, twice: "var#twice"):
    return twice + 1 / 0

@Variable(title="Limit")
def limit(run, value: "param#limit" = 1.0):
    return value
'''


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for name in NAMES:
        export_scan(scan_documents(all_requests()[name]), folder)
    return folder


class Lab:
    """A table, and what was told while it was filled."""

    def __init__(self, folder: Path, scans: Path, jobs: int = 1) -> None:
        self.table = RunTable.create(folder / "table", proposal=900001, context=CODE)
        self.scans = found_scans([scans])
        self.heard: list[Message] = []
        self.processor = Processor(self.table, jobs=jobs, timeout=60, sink=self.heard.append)

    def process(self, **how: Any) -> dict[int, Processed]:
        return {each.run: each for each in self.processor.process(self.scans, **how)}

    def computed(self, **how: Any) -> dict[str, str]:
        """Give what was computed for the first scan, and why; the others are as it."""
        done = self.process(**how)
        assert len({tuple(each.computed) for each in done.values()}) == 1
        return dict(done[1].computed)

    def write(self, code: str) -> None:
        self.table.context_path.write_text(code, encoding="utf-8")


@pytest.fixture
def lab(tmp_path: Path, scans: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, scans)
    yield made
    made.processor.close()
    made.table.close()


def test_only_what_changed_is_computed_and_it_is_said_why(lab: Lab) -> None:
    everything = {"mean", "twice", "spectrum", "bad", "limit"}
    assert set(lab.computed()) == everything
    assert lab.computed() == {}
    lab.write(CODE.replace('"""The mean."""', '"""Better."""') + "\n# a comment\n")
    assert lab.computed() == {}
    lab.write(CODE.replace("FACTOR = 2", "FACTOR = 3"))
    assert lab.computed() == {"twice": "its code has changed", "bad": "twice has changed"}
    lab.write(CODE.replace("FACTOR = 2", "FACTOR = 3").replace('units="counts"', 'units="1"'))
    assert lab.computed() == {
        "mean": "option units counts -> 1",
        "twice": "mean has changed",
        "bad": "twice has changed",
    }
    assert lab.table[1]["mean"].units == "1"
    assert lab.computed(params={"limit": 5}) == {"limit": "parameter limit None -> 5"}
    assert lab.table[1]["limit"].read() == 5
    assert lab.computed(force=True, variables=["mean"]) == {"mean": "forced"}
    assert set(lab.computed(force=True)) == everything
    with pytest.raises(NXstxmError, match="there is no variable 'men'"):
        lab.process(variables=["men"])


def test_what_is_stored_is_what_was_computed(lab: Lab) -> None:
    done = lab.process()
    assert all(set(each.errors) == {"bad"} for each in done.values())
    for info in lab.table.runs():
        row = lab.table[info.first_uid or ""]
        mean = row["Mean"]
        assert (mean.name, mean.units) == ("mean", "counts")
        assert mean.read() == mean.summary()
        assert row["twice"].read() == 2 * mean.read()
        assert row["bad"].error == "ZeroDivisionError: division by zero"
        assert "line" in row["bad"].stored.attributes["traceback"]
        with pytest.raises(MissingValueError, match="division by zero"):
            row["bad"].read()
        assert mean.lineage != row["twice"].lineage
        with h5py.File(lab.table.path / f"extracted_data/p900001_r{info.run}.h5") as file:
            assert set(file) == {".reduced", ".preview", ".errors", ".made", ".written"} | {
                name for name in row if row[name].error is None
            }
    stack = next(row for row in map(lab.table.__getitem__, (1, 2)) if not row["spectrum"].error)
    image = next(row for row in map(lab.table.__getitem__, (1, 2)) if row["spectrum"].error)
    assert image["spectrum"].error == "Skip: no energies"
    assert stack["spectrum"].read().dims == ("energy",)
    assert stack["spectrum"].preview().dims == ("energy",)
    assert stack["spectrum"].summary().shape == (2, 3)
    with pytest.raises(MissingValueError, match="has no 'none'; it has"):
        stack["none"]
    assert 3 not in lab.table
    frame = lab.table.to_pandas()
    assert list(frame["run"]) == [1, 2]
    np.testing.assert_array_equal(frame["twice"], 2 * frame["mean"])
    along = lab.table.to_xarray("mean")
    assert along.dims == ("run",)
    assert along.attrs == {"units": "counts"}
    with pytest.raises(MissingValueError):
        lab.table.to_xarray("bad")


def test_a_broken_context_leaves_the_last_good_one_at_work(lab: Lab, tmp_path: Path) -> None:
    lab.process()
    lab.write("x = = 1")
    assert lab.computed(force=True, variables=["mean"]) == {"mean": "forced"}
    assert "no Python" in lab.table.database.metameta["nxstxm_context_error"]
    with Processor(lab.table, timeout=60) as other:  # another process would know it as well
        assert other.context().error is not None
        assert {info.name for info in other.context().infos} >= {"mean", "twice"}
    lab.write(CODE)
    assert lab.computed() == {}
    assert "nxstxm_context_error" not in lab.table.database.metameta
    fresh = RunTable.create(tmp_path / "fresh", context="1 / 0")
    with (
        Processor(fresh, timeout=60) as processor,
        pytest.raises(ContextError, match="line 1: ZeroDivisionError"),
    ):
        list(processor.process(lab.scans))


def test_several_workers_give_the_same(tmp_path: Path, scans: Path) -> None:
    one, two = Lab(tmp_path / "1", scans), Lab(tmp_path / "2", scans, jobs=2)
    try:
        for lab in (one, two):
            lab.process()
        left, right = (lab.table.to_pandas().drop(columns="start_time") for lab in (one, two))
        assert left.astype(str).equals(right.astype(str))
    finally:
        for lab in (one, two):
            lab.processor.close()


def test_changes_are_told(lab: Lab) -> None:
    lab.process()
    kinds = [message.kind for message in lab.heard]
    assert kinds.count("variable_set") == 5
    for kind in ("processing_state_set", "run_values_updated", "processing_finished"):
        assert kinds.count(kind) == 2
    mean = next(m for m in lab.heard if m.data.get("name") == "mean")
    assert mean.data["title"] == "Mean"
    assert mean.data["description"] == "The mean."
    values = [m.data for m in lab.heard if m.kind == "run_values_updated"]
    assert {v["run"] for v in values} == {1, 2}
    assert set(values[0]["values"]) == {"mean", "twice", "spectrum", "bad", "limit"}
    lab.heard.clear()
    lab.process()
    assert lab.heard == []


def test_results_from_elsewhere_are_cells_too(lab: Lab) -> None:
    lab.process()
    uid = lab.table.runs()[0].first_uid
    assert uid is not None
    lab.table.submit(
        uid,
        {"dose": 3.5, "map": Cell(np.arange(12.0).reshape(3, 4), bold=True)},
        provenance="dose meter",
        units={"dose": "MGy"},
        errors={"leak": RuntimeError("valve open")},
    )
    row = lab.table[uid]
    assert (row["dose"].read(), row["dose"].units) == (3.5, "MGy")
    assert row["dose"].stored.provenance == "dose meter"
    assert row["map"].summary().startswith(b"\x89PNG")
    assert row["map"].stored.bold is True
    assert row["leak"].error == "RuntimeError: valve open"
    assert row["mean"].read() > 0
    with pytest.raises(NXstxmError, match="does not say who"):
        lab.table.submit(uid, {"x": 1}, provenance="")
    with pytest.raises(CellError):
        lab.table.submit(uid, {"x": object()}, provenance="me")
    lab.table.database.add_user_variable("weather", "string")
    with pytest.raises(VariableError, match="'weather' is a variable of users"):
        lab.table.submit("a new scan", {"weather": "rain"}, provenance="me")
    assert "a new scan" not in lab.table
    lab.table.submit("a new scan", {"x": 1}, provenance="me")
    assert lab.table["a new scan"].info.run == 3
    lab.table.delete("a new scan")
    assert "a new scan" not in lab.table
    assert not (lab.table.path / "extracted_data/p900001_r3.h5").exists()


def test_the_same_number_twice_and_proposals_that_are_none(tmp_path: Path, scans: Path) -> None:
    """Both simulated scans have scan_id 1; a proposal may be a word."""
    lab = Lab(tmp_path, scans)
    try:
        lab.process()
        infos = lab.table.runs()
        assert sorted(info.run for info in infos) == [1, 2]
        assert {info.scan_id for info in infos} == {1}
        again = {each.uid: each.run for each in lab.processor.process(lab.scans[::-1])}
        assert again == {info.first_uid: info.run for info in infos}
    finally:
        lab.processor.close()


def test_a_table_is_made_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nxstxm table init"):
        RunTable(tmp_path / "none")
    first = RunTable.create(tmp_path / "t", proposal="2023-STXM")
    assert first.proposal > 1_000_000_000
    first.context_path.write_text("# mine\n")
    again = RunTable.create(tmp_path / "t", proposal=5)
    assert again.proposal == first.proposal
    assert again.context_path.read_text() == "# mine\n"
    reader = RunTable(tmp_path / "t", readonly=True)
    assert reader.runs() == []
    with pytest.raises(NXstxmError):
        reader.submit("a", {"x": 1}, provenance="me")


def test_what_is_no_scan_is_named(tmp_path: Path, scans: Path) -> None:
    (tmp_path / "x.h5").write_text("no HDF5")
    with pytest.raises(NXstxmError, match=r"x\.h5 is no file of a scan"):
        found_scans([tmp_path / "x.h5"])
    with pytest.raises(OSError, match="no file or folder"):
        found_scans([tmp_path / "none"])
    assert found_scans([tmp_path]) == []
    assert len(found_scans([scans])) == 2


def test_euxfel_runs_are_rows_for_functions_of_damnit(tmp_path: Path) -> None:
    pytest.importorskip("extra_data")
    from suitcase.nxstxm.euxfel import export

    runs = [list(run) for run in scan_documents(all_requests()[NAMES[1]])]
    for run in runs:
        export(run, tmp_path / "data", proposal=900001)
    code = """
from damnit_ctx import Cell, Skip, Variable

@Variable(title="Trains", data="raw")
def trains(run):
    return len(run.train_ids)

@Variable(title="Sources")
def sources(run, number: "meta#run_number", proposal: "meta#proposal"):
    return f"{number} {proposal} {len(run.all_sources) > 0}"

@Variable(title="Sample")
def sample(run, name: "mymdc#sample_name"):
    return name
"""
    table = RunTable.create(tmp_path / "table", proposal=900001, context=code)
    (scan,) = found_scans([tmp_path / "data" / "p900001"])
    assert scan.kind == "euxfel"
    assert scan.uid == runs[0][0][1]["uid"]
    with Processor(table, timeout=60) as processor:
        (done,) = processor.process([scan])
    assert set(done.errors) == {"sample"}
    row = table[scan.uid]
    assert row["trains"].read() > 0
    assert row["sources"].read() == f"{row.info.run} 900001 True"
