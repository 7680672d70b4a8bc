"""What a table says of a scan is true of the scan as it is: it may grow, or be written again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.euxfel import export
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processed, Processor, RunTable, found_scans
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._parts import ScanPart

CODE = """
from suitcase.nxstxm.variables import Variable

@Variable(title="Length")
def length(run):
    return len(getattr(run, "train_ids", ()))

@Variable(title="Kind")
def kind(run):
    return type(run).__name__

@Variable(title="Twice")
def twice(run, length: "var#length"):
    return 2 * length
"""
MEAN = """
from suitcase.nxstxm.variables import Variable

@Variable(title="Mean")
def mean(run):
    return float(run.picture().mean())
"""
GROWN, CHANGED = "the scan has grown", "the scan has changed"


def documents(name: str) -> list[list[Any]]:
    return [list(run) for run in scan_documents(all_requests()[name])]


@pytest.fixture(scope="module")
def stack() -> list[list[Any]]:
    """Give the runs of a scan that has three."""
    runs = documents("pystxm2019-sample_image_stack-lines")
    assert len(runs) == 3
    return runs


@pytest.fixture
def table(tmp_path: Path) -> Iterator[RunTable]:
    with RunTable.create(tmp_path / "table", context=CODE) as made:
        yield made


def processed(table: RunTable, place: Path, **how: Any) -> Processed:
    with Processor(table, timeout=60) as processor:
        (done,) = processor.process(found_scans([place]), **how)
    assert not done.failure
    return done


#: Whoever computes something of a EuXFEL run opens it with EXtra-data.
opens_euxfel = pytest.mark.skipif(find_spec("extra_data") is None, reason="needs extra-data")

# -- scans that grow -------------------------------------------------------------------------------


@opens_euxfel
def test_a_scan_of_several_euxfel_runs_grows(
    table: RunTable, stack: list[list[Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "raw data"
    export(stack[0], folder, proposal=900001)
    assert set(processed(table, folder).computed.values()) == {"new"}
    few = table[900001, 1]["length"].read()
    assert processed(table, folder).computed == {}
    for run in stack[1:]:
        export(run, folder, proposal=900001)
    # what it takes is computed with it: twice of what was counted before would be wrong
    done = processed(table, folder, variables=["twice"])
    assert done.computed == {"length": GROWN, "twice": GROWN}
    row = table[done.uid]
    assert row["length"].read() > few
    assert row["twice"].read() == 2 * row["length"].read()
    assert processed(table, folder).computed == {"kind": GROWN}
    assert processed(table, folder).computed == {}
    assert len(row.info.paths) == 3


@opens_euxfel
def test_a_proposal_that_moves_is_the_same(
    table: RunTable, stack: list[list[Any]], tmp_path: Path
) -> None:
    export(stack[0], tmp_path / "here", proposal=900001)
    processed(table, tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")  # with the times
    shutil.rmtree(tmp_path / "here")
    done = processed(table, tmp_path / "there")
    assert done.computed == {}
    (path,) = table[done.uid].info.paths
    assert "there" in path


# -- files that are written again ------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return export_scan(documents("stxm-image"), tmp_path / "scans")


@pytest.fixture
def means(tmp_path: Path) -> Iterator[RunTable]:
    with RunTable.create(tmp_path / "means", context=MEAN) as made:
        yield made


def brighten(path: Path) -> None:
    """Change the counts of a file, not its size."""

    def change(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and name.endswith("/data") and node.ndim >= 2:
            node[...] = node[...] * 10

    with h5py.File(path, "a") as opened:
        opened.visititems(change)


def test_a_file_written_again_under_its_uid(means: RunTable, file: Path) -> None:
    done = processed(means, file)
    before = means[done.uid]["mean"].read()
    size = file.stat().st_size
    brighten(file)
    assert file.stat().st_size == size
    assert processed(means, file).computed == {"mean": CHANGED}
    assert means[done.uid]["mean"].read() == pytest.approx(10 * before)
    assert processed(means, file).computed == {}


def test_a_copy_is_the_same_scan(means: RunTable, file: Path) -> None:
    processed(means, file)
    copy = file.with_name("another name.hdf5")
    copy.write_bytes(file.read_bytes())  # of another time
    file.unlink()
    assert processed(means, copy).computed == {}
    os.utime(copy, (1e9, 1e9))
    assert processed(means, copy).computed == {}


def test_of_large_scans_the_time_counts(
    means: RunTable, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.variables._scan_stamp._HASHED", 10)
    done = processed(means, file)
    assert "content" not in means[done.uid]["mean"].stored.attributes["scan"]
    file.rename(file.with_name("moved.hdf5"))
    assert processed(means, file.with_name("moved.hdf5")).computed == {}
    os.utime(file.with_name("moved.hdf5"), (1e9, 1e9))
    assert processed(means, file.with_name("moved.hdf5")).computed == {"mean": CHANGED}


def test_cells_that_have_noted_nothing_stay(means: RunTable, file: Path) -> None:
    """As those of tables that were made before anything was noted."""
    done = processed(means, file)
    cell = means[done.uid]["mean"].stored
    attributes = {key: each for key, each in cell.attributes.items() if key != "scan"}
    with closing(sqlite3.connect(means.path / "runs.sqlite")) as db, db:
        db.execute(
            "UPDATE run_variables SET attributes=json_remove(attributes, '$.scan') "
            "WHERE name='mean'"
        )
    assert means[done.uid]["mean"].stored.attributes == attributes
    brighten(file)
    assert processed(means, file).computed == {}


def test_a_scan_that_is_gone_is_as_it_was(means: RunTable, file: Path) -> None:
    scans = found_scans([file])
    processed(means, file)
    file.unlink()
    with Processor(means, timeout=60) as processor:
        (done,) = processor.process(scans)
    assert (done.computed, done.failure) == ({}, "")


# -- one scan in two places ------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["nxstxm", pytest.param("euxfel", marks=opens_euxfel), "both"])
def test_the_file_of_a_scan_is_read_whatever_came_last(
    table: RunTable, stack: list[list[Any]], tmp_path: Path, first: str
) -> None:
    (tmp_path / "files").mkdir()
    file = export_scan(stack, tmp_path / "files")
    for run in stack:
        export(run, tmp_path / "runs", proposal=900001)
    places = {"nxstxm": file, "euxfel": tmp_path / "runs"}
    if first == "both":
        with Processor(table, timeout=60) as processor:
            (done,) = processor.process(found_scans([file, tmp_path / "runs"]))
    else:
        done = processed(table, places.pop(first))
        (other,) = places.values()
        again = processed(table, other)
        told = {} if first == "nxstxm" else dict.fromkeys(
            ("length", "kind", "twice"), "the scan is read from nxstxm, not euxfel"
        )  # fmt: skip
        assert again.computed == told
    row = table[done.uid]
    assert row["kind"].read() == "ScanRun"
    assert (row.info.kind, row.info.paths) == ("nxstxm", (str(file),))
    uids = [run[0][1]["uid"] for run in stack]
    folders = sorted((tmp_path / "runs").glob("*/raw/*"))
    assert len(folders) == 3
    assert set(table.parts(done.uid)) == {
        *(ScanPart(uid, "nxstxm", str(file)) for uid in uids),
        *(ScanPart(u, "euxfel", str(path)) for u, path in zip(uids, folders, strict=True)),
    }
    assert len(table.runs()) == 1
    table.delete(done.uid)
    assert table.database.parts(done.uid) == ()


@opens_euxfel
def test_runs_of_which_only_some_are_named(
    table: RunTable, stack: list[list[Any]], tmp_path: Path
) -> None:
    for run in stack:
        export(run, tmp_path / "runs", proposal=900001)
    done = processed(table, tmp_path / "runs")
    first = Path(table[done.uid].info.paths[0])
    assert processed(table, first).computed == {}
    assert len(table[done.uid].info.paths) == 3


def test_tables_from_before_parts_were_known(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    made = Database(path, create=True)
    made.number_of("a", 1, kind="nxstxm", paths=["a.hdf5"])
    made.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE nxstxm_parts")
        db.execute("UPDATE nxstxm_meta SET value=1 WHERE key='schema_version'")
    before = path.read_bytes()
    looking = Database(path, readonly=True)
    assert looking.parts("a") == ()
    looking.close()
    assert path.read_bytes() == before
    now = Database(path)
    assert now.parts("a") == ()
    (info,) = now.runs()
    assert (info.first_uid, info.paths) == ("a", ("a.hdf5",))
    now.close()


# -- numbers and rows ------------------------------------------------------------------------------


@opens_euxfel
def test_the_proposal_of_a_euxfel_run(table: RunTable, tmp_path: Path) -> None:
    """Its start document says none; that of the table is another."""
    export(documents("stxm-image")[0], tmp_path / "runs", proposal=900001)
    done = processed(table, tmp_path / "runs")
    assert (table.proposal, done.proposal) == (1, 900001)
    (tmp_path / "runs" / "p900001").rename(tmp_path / "runs" / "p900002")
    (scan,) = found_scans([tmp_path / "runs" / "p900002"])
    assert scan.proposal == 900001  # the files say it


def test_a_run_that_is_deleted_while_it_is_processed(
    means: RunTable, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Processor._computed

    def deleting(self: Processor, *asked: Any) -> Any:
        done = compute(self, *asked)
        for info in means.runs():
            means.delete(info.first_uid or "")
        return done

    monkeypatch.setattr(Processor, "_computed", deleting)
    with Processor(means, timeout=60) as processor:
        (done,) = processor.process(found_scans([file]))
    assert "deleted meanwhile; process the scan again" in done.failure
    assert means.runs() == []
    # means.delete removed its file, and what the worker wrote then is of nobody
    assert not list((means.path / "extracted_data").glob("*.h5"))
    monkeypatch.undo()
    assert processed(means, file).computed == {"mean": "new"}
