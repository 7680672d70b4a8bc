"""The table and the files of runs agree on each single result, or it is noticed; none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan
from suitcase.nxstxm._errors import OptionError
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import (
    Cell,
    CellError,
    MissingValueError,
    Processed,
    Processor,
    RunTable,
    VariableError,
    found_scans,
)

#: Each time another result, and made in the same way.
CODE = """
import time
import numpy as np
from suitcase.nxstxm.variables import Variable

@Variable(title="Curve")
def curve(run):
    return np.full(3, time.time())

@Variable(title="Mean", summary="mean")
def mean(run):
    return np.full(3, time.time())

@Variable(title="Same")
def same(run):
    return 1.0
"""


class Lab:
    """A table of two scans."""

    def __init__(self, folder: Path) -> None:
        self.scans = folder / "scans"
        self.scans.mkdir()
        for name in ("stxm-image", "pystxm2019-sample_image-points"):
            export_scan(scan_documents(all_requests()[name]), self.scans)
        self.table = RunTable.create(folder / "table", proposal=900001, context=CODE)
        self.processor = Processor(self.table, timeout=60)

    def process(self, **how: Any) -> list[Processed]:
        return list(self.processor.process(found_scans([self.scans]), **how))

    def file(self, run: int) -> Path:
        return self.table.path / f"extracted_data/p900001_r{run}.h5"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.processor.close()
    made.table.close()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[RunTable]:
    with RunTable.create(tmp_path / "table", proposal=900001, context="") as made:
        yield made


# -- results made in the same way ------------------------------------------------------------------


def test_a_result_that_the_table_was_not_told_of(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.process()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(lab.table.database, "set_cells", full)
    assert {each.failure for each in lab.process(force=True)} == {"the disk is full"}
    monkeypatch.undo()
    for name in ("curve", "mean"):
        with pytest.raises(MissingValueError, match="another time; process the run again"):
            lab.table[1][name].read()
        with pytest.raises(MissingValueError, match="another time"):
            lab.table[1][name].preview()
    why = "the run's file has not this result"
    assert lab.process()[0].computed == dict.fromkeys(("curve", "mean", "same"), why)
    row = lab.table[1]
    assert row["curve"].read()[0] == row["curve"].summary()[1][0]
    assert row["mean"].read()[0] == pytest.approx(row["mean"].summary())
    assert [each.computed for each in lab.process()] == [{}, {}]


def test_repeats_are_no_history(lab: Lab) -> None:
    for _ in range(3):
        lab.process(force=True)
    assert lab.table[1]["same"].history() == []
    assert len(lab.table[1]["mean"].history()) == 2


# -- damaged files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_damaged_file_stops_nobody_and_is_kept(
    lab: Lab, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab.process()
    lab.table.submit((900001, 1), {"dose": 3.5}, provenance="dose meter")
    whole = lab.file(1).read_bytes()
    broken = {"cut": whole[: len(whole) // 2], "empty": b"", "other": b"x" * len(whole)}[damage]
    lab.file(1).write_bytes(broken)
    done = lab.process()
    assert [each.failure for each in done] == ["", ""]
    assert set(done[0].computed) == {"curve", "mean", "same"}
    assert done[1].computed == {}
    assert "can not be read" in caplog.text
    aside = lab.file(1).with_name("p900001_r1.h5.damaged")
    assert aside.read_bytes() == broken
    assert lab.table[1]["curve"].read().shape == (3,)
    assert lab.table[1]["dose"].read() == 3.5
    assert lab.process()[0].computed == {}
    # the next one does not take its place
    lab.file(1).write_bytes(b"again")
    lab.process()
    assert aside.read_bytes() == broken
    assert aside.with_name("p900001_r1.h5.damaged-2").read_bytes() == b"again"


def test_a_file_that_may_not_be_read_is_not_set_aside(
    table: RunTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.submit((900001, 1), {"dose": 3.5}, provenance="dose meter")

    def refused(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("suitcase.nxstxm.variables._run_writing.opened_file", refused)
    with pytest.raises(NXstxmError, match="Permission denied"):
        table.submit((900001, 1), {"more": 1.0}, provenance="dose meter")
    monkeypatch.undo()
    assert table[1]["dose"].read() == 3.5
    assert [each.suffix for each in (table.path / "extracted_data").glob("p*")] == [".h5"]


# -- results that are submitted --------------------------------------------------------------------


def test_the_last_of_two_who_submit_is_in_both(
    table: RunTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One begins while the other is between the file and the table."""
    import threading

    other = RunTable(table.path)
    last = threading.Thread(
        target=lambda: other.submit((900001, 1), {"x": 2.0, "curve": np.full(3, 2.0)},
                                    provenance="b")
    )  # fmt: skip
    put = table.database.set_cells

    def slow(*cells: Any, **how: Any) -> None:
        last.start()
        last.join(0.5)
        put(*cells, **how)

    monkeypatch.setattr(table.database, "set_cells", slow)
    table.submit((900001, 1), {"x": 1.0, "curve": np.full(3, 1.0)}, provenance="a")
    last.join(60)
    row = table[1]
    assert row["x"].summary() == row["x"].read() == 2.0
    assert row["curve"].read().tolist() == [2.0] * 3
    assert row["x"].stored.provenance == "b"
    other.close()


def test_a_result_that_only_the_file_has_is_not_given(
    table: RunTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.submit((900001, 1), {"curve": np.full(3, 1.0)}, provenance="a")

    def full(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(table.database, "set_cells", full)
    with pytest.raises(OSError, match="full"):
        table.submit((900001, 1), {"curve": np.full(3, 5.0)}, provenance="a")
    monkeypatch.undo()
    with pytest.raises(MissingValueError, match="another time; submit it again"):
        table[1]["curve"].read()
    table.submit((900001, 1), {"curve": np.full(3, 5.0)}, provenance="a")
    assert table[1]["curve"].read()[0] == 5.0


def test_who_submits_hides_no_file_that_came_meanwhile(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes the file, and dies, while another waits for his turn to submit."""
    from suitcase.nxstxm.variables import _run_writing

    lab.process()
    lock = _run_writing.lock_file
    put = RunTable(lab.table.path).database.set_cells

    @contextmanager
    def after_another(*where: Any) -> Iterator[None]:
        monkeypatch.setattr(_run_writing, "lock_file", lock)
        monkeypatch.setattr(lab.table.database, "set_cells", full)
        assert lab.process(force=True)[0].failure == "the disk is full"
        monkeypatch.setattr(lab.table.database, "set_cells", put)
        with lock(*where):
            yield

    def full(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(_run_writing, "lock_file", after_another)
    lab.table.submit((900001, 1), {"dose": 3.5}, provenance="dose meter")
    monkeypatch.undo()
    assert set(lab.process()[0].computed) == {"curve", "mean", "same"}
    assert lab.table[1]["dose"].read() == 3.5


@pytest.mark.parametrize("name", ["a/b", ".a"])
def test_a_name_that_is_refused_makes_no_row(table: RunTable, name: str) -> None:
    with pytest.raises(VariableError, match="can not be the name of a result"):
        table.submit("new", {name: 1}, provenance="a")
    assert table.runs() == []


def test_units_of_cells(table: RunTable) -> None:
    cell = Cell(1.0)
    given = {"a": cell, "b": Cell(2.0, units="mm"), "c": 3.0}
    table.submit((900001, 1), given, provenance="a", units={"a": "mm", "b": "mm", "c": "mm"})
    assert [table[1][name].units for name in given] == ["mm"] * 3
    assert cell.units is None  # it is whose it was
    for units, why in (({"b": "um"}, "'mm' in its Cell and 'um'"), ({"z": "um"}, "has no result")):
        with pytest.raises(OptionError, match=why):
            table.submit((900001, 1), given, provenance="a", units=units)
    with pytest.raises(CellError, match="are no text"):
        table.submit((900001, 1), given, provenance="a", units={"a": 5})  # type: ignore[dict-item]


# -- what is read is the result --------------------------------------------------------------------


def test_a_summary_is_not_given_for_a_result(table: RunTable) -> None:
    results = {
        "line": np.arange(5.0),
        "image": np.ones((4, 5)),
        "cube": np.ones((2, 3, 4)),
        "largest": Cell(np.arange(5.0), summary="max"),
        "said": Cell(np.arange(5.0), summary_value=3.0),
        "number": 2.5,
        "text": "hello",
        "z": 1 + 2j,
    }
    table.submit((900001, 1), results, provenance="a")
    for name in results:
        table.database.rename(name, f"new {name}")
    row = table[1]
    for name in ("line", "image", "cube", "largest", "said"):
        assert row[f"new {name}"].summary() is not None
        with pytest.raises(MissingValueError, match="no data"):
            row[f"new {name}"].read()
    assert row["new number"].read() == 2.5
    assert row["new text"].read() == "hello"
    assert row["new z"].read() == 1 + 2j


def test_what_users_typed_is_not_what_was_computed_before(table: RunTable) -> None:
    table.submit((900001, 1), {"q": np.arange(5.0)}, provenance="a")
    table.database.delete_variable("q")
    table.database.add_user_variable("q", "number")
    table.database.set_user_value(900001, 1, "q", 7)
    assert table[1]["q"].read() == table[1]["q"].preview() == 7
    table.database.set_user_value(900001, 1, "q", None)
    with pytest.raises(MissingValueError, match="nobody typed 'q' of run 1"):
        table[1]["q"].read()
    table.database.set_comment(900001, 1, "fine")
    assert table[1]["comment"].read() == "fine"
