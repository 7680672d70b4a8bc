"""Titles, comments and names of samples are written by anybody: whatever they are, nothing of them
is obeyed by the database, a browser, a spreadsheet, a terminal or a disk, and nothing is lost.
"""

from __future__ import annotations

import csv
import json
import math
import os
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import (
    Cell,
    ContextError,
    ContextFile,
    KafkaSink,
    Message,
    Processed,
    Processor,
    RunTable,
    Sinks,
    export_table,
    found_scans,
    watch,
)
from suitcase.nxstxm.variables._messages import variable_set

from .databases import asked, cell, info

Command = Callable[..., tuple[int, str, str]]
IMAGE = "pystxm2019-sample_image-points"
#: What somebody may write anywhere, by what it would do.
TEXTS = {
    "sql": "'; DROP TABLE run_variables; --",
    "html": "<script>alert(1)</script>\"><img src=x onerror='alert(2)'>",
    "path": "../../x",
    "absolute": "/tmp/../etc/x",
    "nul": "a\0b",
    "half": "half \ud834",
    "direction": "\u202egnp.exe\u2066",
    "long": "x" * 1_000_000,
    "formula": "=cmd()",
    "formula2": "@SUM(1+1)*cmd|' /C calc'!A0",
    "terminal": "\x1b]0;evil\x07\x1b[2J\x9b31m",
    "control": "\x01\x02\x1f",
    "lines": "=a\n+b\r\n-c",
    "template": "{0.__class__}%s$(x)`x`",
}
#: Of these only the meaning comes back from HDF5, or as a tag, which others read as well.
UNSTORABLE = ("nul", "half")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CODE = f"""
import numpy as np
from suitcase.nxstxm.variables import Cell, Skip, Variable

TEXTS = {TEXTS!r}

@Variable(title="Sample")
def sample(run, name: "start#sample.name"):
    return name

@Variable(title="Given")
def given(run, text: "param#text" = ""):
    return text

@Variable(title="Fails")
def fails(run, name: "start#sample.name"):
    raise ValueError(name)

@Variable(title="Needs", summary="max")
def needs(run, other: "var#fails"):
    return other

@Variable(title="Skips")
def skips(run, name: "start#sample.name"):
    raise Skip(name)

@Variable(title="Measured")
def measured(run, name: "start#sample.name"):
    return Cell(1.5, units=name)

@Variable(title="Summed up")
def summed_up(run, name: "start#sample.name"):
    return Cell(np.arange(3.0), summary_value=name)
"""
for _name, _text in TEXTS.items():
    _tags = f", tags=[TEXTS[{_name!r}]]" if _name not in UNSTORABLE else ""
    _units = f", units=TEXTS[{_name!r}][:1000]"  # each cell has them
    _given = f"title=TEXTS[{_name!r}], description=TEXTS[{_name!r}]{_units}{_tags}"
    CODE += f"\n@Variable({_given})\ndef told_{_name}(run):\n    return {len(_name)}\n"


def scan(folder: Path, number: int = 0, **said: Any) -> Path:
    """Write a scan whose start document says something."""
    runs = [list(run) for run in scan_documents(all_requests()[IMAGE])]
    for run in runs:
        for name, document in run:
            if name == "start":
                document.update(said, uid=f"scan-{number}")
            if "run_start" in document:
                document["run_start"] = f"scan-{number}"
    return export_scan(runs, folder)


class Night:
    """A table with a scan for each text, and what was told while it was filled."""

    def __init__(self, home: Path) -> None:
        self.home = home
        name = "table" if os.name == "nt" else "{0}<b>'; x"
        self.table = RunTable.create(home / name, proposal=TEXTS["path"], context=CODE)
        self.heard: list[Message] = []
        self.done: dict[str, Processed] = {}
        with Processor(self.table, timeout=60, sink=self.heard.append) as processor:
            for number, (name, text) in enumerate(TEXTS.items()):
                said = {"sample": {"name": text}, "proposal_id": text, "comment": text}
                path = scan(home / "scans" / name, number, **said)
                self.done.update(
                    (name, each)
                    for each in processor.process(found_scans([path]), params={"text": text})
                )
                done = self.done[name]
                self.table.submit(
                    done.uid, {"sent": Cell(2.0, units=text)}, provenance=text,
                    errors={"leak": RuntimeError(text)},
                )  # fmt: skip
                self.table.database.set_comment(done.proposal, done.run, text)
                self.table.database.add_timed_comment(1.0, text)
        self.table.database.add_user_variable("mine", "string", "<b>", TEXTS["html"])
        for name, done in self.done.items():
            self.table.database.set_user_value(done.proposal, done.run, "mine", TEXTS[name])
            if name not in UNSTORABLE:
                self.table.database.add_tag("mine", TEXTS[name])

    def exported(self, kind: str) -> Path:
        path = self.home / f"table.{kind}"
        return path if path.exists() else export_table(self.table, path)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    made = Night(tmp_path_factory.mktemp("night"))
    yield made
    made.table.close()


def shown(text: str) -> str:
    """Give a text as files in UTF-8 have it."""
    return text.encode("utf-8", "backslashreplace").decode()


# -- the whole way ---------------------------------------------------------------------------------


def test_every_text_comes_back(night: Night) -> None:
    database = night.table.database
    for name, text in TEXTS.items():
        done = night.done[name]
        assert done.failure == ""
        assert dict(done.errors)["fails"] == f"ValueError: {text}"
        row = night.table[done.uid]
        for each in ("sample", "given", "summed_up", "mine"):
            assert row[each].summary() == text
        assert row["fails"].error == row["leak"].error.replace("Runtime", "Value")
        assert row["fails"].error == f"ValueError: {text}"
        assert text in (row["needs"].error or "")
        assert row["skips"].error == f"Skip: {text}"
        assert row["measured"].units == row["sent"].units == text
        assert row["sent"].stored.provenance == shown(text)
        assert row.comment == text
        assert database.proposal_name(done.proposal) == text
        if name not in UNSTORABLE:
            assert row["sample"].read() == row["given"].read() == text
        variable = database.variables()[f"told_{name}"]
        assert variable.title == variable.description == shown(text)
        assert variable.units == text[:1000]
        assert row[shown(text)].read() == len(name)
    tags = {text for name, text in TEXTS.items() if name not in UNSTORABLE}
    assert set(database.tags()) == tags
    assert {each.text for each in database.timed_comments()} == {*map(shown, TEXTS.values())}
    assert len(night.table.runs()) == len(TEXTS)
    assert asked(database.path, "PRAGMA integrity_check") == [("ok",)]
    names = {name for (name,) in asked(database.path, "SELECT name FROM sqlite_master")}
    assert {"run_info", "run_variables", "variables", "runs", "nxstxm_runs"} <= names


def test_nothing_is_written_elsewhere(night: Night) -> None:
    for kind in ("html", "csv"):
        night.exported(kind)
    assert {each.name for each in night.home.iterdir()} <= {
        "scans", night.table.path.name, "table.html", "table.csv", "table.xlsx",
    }  # fmt: skip
    made = [each.relative_to(night.table.path) for each in night.table.path.rglob("*")]
    allowed = r"context\.py|runs\.sqlite(-wal|-shm)?|extracted_data(.p\d+_r\d+\.h5)?"
    assert [str(each) for each in made if not re.fullmatch(allowed, str(each))] == []
    assert sum(each.suffix == ".h5" for each in made) == len(TEXTS)
    for path in (night.table.path / "extracted_data").iterdir():
        with h5py.File(path) as file:
            assert {name for name in file if not name.startswith(".")} <= {
                "sample", "given", "measured", "summed_up", "sent",
                *(f"told_{name}" for name in TEXTS),
            }  # fmt: skip


def test_messages_are_json(night: Night) -> None:
    kinds = set()
    for message in night.heard:
        kinds.add(message.kind)
        raw = json.dumps(message.as_json(), allow_nan=False).encode("ascii")
        assert Message.of_json(json.loads(raw)) == message
    assert len(kinds) == 4
    titles = {m.data["title"] for m in night.heard if m.kind == "variable_set"}
    assert titles >= set(TEXTS.values())


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data:.50}")


def test_a_page_has_no_tag_of_theirs(night: Night) -> None:
    page = Page(night.exported("html"))
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "table", "thead", "tbody", "tr",
        "th", "td", "img", "svg", "polyline",
    }  # fmt: skip
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on") or key in ("href", "srcset")]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;")
        assert set(attributes) <= {"lang"} or tag != "html"
        style = attributes.get("style") or ""
        assert re.fullmatch(r"(background: rgb\(\d+, \d+, \d+\);)?(font-weight: bold;)?", style)
    text = "".join(page.text)
    for each in TEXTS.values():
        # of line ends a browser makes its own; of errors the first line is shown
        assert " ".join(shown(each).split()) in " ".join(text.split())
    headings = sum(tag == "th" for tag, _ in page.tags)
    assert sum(tag == "td" for tag, _ in page.tags) == headings * len(TEXTS)


def test_a_sheet_has_texts_and_no_formulas(night: Night) -> None:
    csv.field_size_limit(10_000_000)
    with night.exported("csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert {len(line) for line in lines} == {len(lines[0])}
    for line in lines:
        for each in line:
            assert not each.startswith(FORMULA)
    texts = {
        f"'{text}" if text.startswith(FORMULA) else text.replace("\0", "\\x00")
        for text in map(shown, TEXTS.values())
    }
    assert texts <= set(lines[0])
    assert {line[lines[0].index("Sample")] for line in lines[1:]} == texts


def test_a_sheet_of_excel_has_texts_and_no_formulas(night: Night) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    rows = list(openpyxl.load_workbook(night.exported("xlsx")).active.iter_rows())
    assert len(rows) == len(TEXTS) + 1
    assert {each.data_type for row in rows for each in row} <= {"s", "inlineStr", "n", "d", "b"}
    texts = [each.value for row in rows for each in row if isinstance(each.value, str)]
    assert not [text for text in texts if text.startswith("=")]
    assert "'=cmd()" in texts
    assert "a\N{REPLACEMENT CHARACTER}b" in texts
    assert "x" * 32_767 in texts  # what a sheet takes at most


#: What a terminal obeys instead of showing it.
OBEYED = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_a_terminal_is_given_no_orders(night: Night, nxstxm: Command) -> None:
    names = ["sample", "given", "fails", "measured", "summed_up", "mine"]
    some = [part for name in names for part in ("--var", name)]
    for which in (some, ["--var", shown(TEXTS["terminal"])], ["--tag", TEXTS["terminal"]], []):
        status, out, err = nxstxm("table", "show", night.table.path, *which)
        assert (status, err) == (0, "")
        assert OBEYED.search(out) is None
        assert len(out) < 100_000
        assert "\\ud834" in out or which != some
    given = ("--var", "given", "--param", f"text={TEXTS['terminal']}", "--force")
    status, out, err = nxstxm("table", "process", night.table.path, *given, "scan-1")
    assert (status, err) == (0, "")
    assert "1 computed" in out
    given = ("--var", "given", "--var", "fails", "--force", "--param", f"text={'x' * 100_000}")
    status, out, err = nxstxm("table", "process", night.table.path, *given)
    assert (status, err) == (0, "")
    assert out.count("2 computed") == len(TEXTS)
    assert OBEYED.search(out) is None
    assert len(out) < 10_000
    status, out, err = nxstxm("table", "show", night.table.path, "--var", TEXTS["terminal"] * 2)
    assert (status, out) == (1, "")
    assert OBEYED.search(err) is None


def test_an_output_that_has_few_letters_is_no_error(night: Night) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "suitcase.nxstxm", "table", "show", night.table.path],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u2026" in done.stdout  # the dots of a text that was cut


# -- uids, proposals, times ------------------------------------------------------------------------


def test_a_uid_is_no_path(tmp_path: Path) -> None:
    """Exporting refuses such a uid; files come from elsewhere, too."""
    names = ("path", "absolute", "html", "terminal")
    for number, name in enumerate(names):
        with h5py.File(scan(tmp_path / "in" / "scans", number), "r+") as file:
            file.attrs["first_uid"] = TEXTS[name]
    code = (
        "from suitcase.nxstxm.variables import Variable\n"
        "@Variable\ndef mean(run, od: 'data#od'): return float(od.mean())\n"
        "@Variable\ndef uid(run): return run.uid\n"
    )
    with RunTable.create(tmp_path / "in" / "table", context=code) as table:
        with Processor(table, timeout=60) as processor:
            for done in processor.process(found_scans([tmp_path / "in" / "scans"])):
                assert (done.failure, done.errors) == ("", {})
        for name in names:
            assert table[TEXTS[name]]["uid"].read() == TEXTS[name]
            assert math.isfinite(table[TEXTS[name]]["mean"].read())
        assert len(list((table.path / "store").rglob("000000.h5"))) == len(names)
    assert [each.name for each in tmp_path.iterdir()] == ["in"]
    assert {each.name for each in (tmp_path / "in").iterdir()} == {"scans", "table"}


PROPOSALS = (0, -5, True, 10**9, 10**12, 2**70, 1.5, "", [], {"proposal_id": -7}, {"id": "a"})


def test_a_proposal_that_is_none_stops_no_other_scan(tmp_path: Path) -> None:
    numbers = range(len(PROPOSALS))
    for number in numbers:
        scan(tmp_path / "scans", number, scan_id=number + 1, proposal_id=PROPOSALS[number])
    code = (
        "from suitcase.nxstxm.variables import Variable\n"
        "@Variable\ndef said(run, p: 'meta#proposal'): return p\n"
    )
    with RunTable.create(tmp_path / "table", proposal=900001, context=code) as table:
        with Processor(table, timeout=60) as processor:
            done = list(processor.process(found_scans([tmp_path / "scans"])))
        assert [each.failure for each in done] == [""] * len(PROPOSALS)
        told = {each.uid: table.database.proposal_name(each.proposal) for each in done}
        assert [told[f"scan-{number}"] for number in numbers] == [
            "0", "-5", "900001", str(10**9), str(10**12), str(2**70), "900001", "900001", "900001",
            "-7", "a",
        ]  # fmt: skip
        assert all(table[each.uid]["said"].read() == each.proposal for each in done)


def test_times_of_other_ages_are_shown(tmp_path: Path, nxstxm: Command) -> None:
    code = (
        "import datetime\n"
        "from suitcase.nxstxm.variables import Variable\n"
        "UTC = datetime.timezone.utc\n"
        "@Variable\ndef late(run): return datetime.datetime(9999, 12, 31, 23, 59, tzinfo=UTC)\n"
        "@Variable\ndef early(run): return datetime.datetime(1, 1, 2, tzinfo=UTC)\n"
    )
    path = scan(tmp_path / "scans")
    with RunTable.create(tmp_path / "table", context=code) as table:
        with Processor(table, timeout=60) as processor:
            (done,) = processor.process(found_scans([path]))
        assert not done.errors
        database = table.database
        for run, when in enumerate((1e18, -1e18, 1e300, 3e11, 0.0), 100):
            stored = cell("late", when, summary_type="timestamp")
            database.set_cells(done.proposal, run, [stored], start_time=when)
        frame = table.to_pandas()
        assert frame["start_time"].isna().sum() == 4
        page = export_table(table, tmp_path / "table.html").read_text("utf-8")
        for text in ("9999-12-31 23:59:00 UTC", "1970-01-01 00:00:00 UTC", "1e+300 s"):
            assert text in page
        for kind in ("csv", "xlsx"):
            if kind == "csv" or pytest.importorskip("openpyxl"):
                export_table(table, tmp_path / f"table.{kind}")
    status, out, err = nxstxm("table", "show", tmp_path / "table")
    assert (status, err) == (0, "")
    assert "1e+18 s" in out


# -- what other programs left in the database ------------------------------------------------------


class Evil:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_nothing_of_a_database_is_executed(tmp_path: Path, nxstxm: Command) -> None:
    """An array of objects is a pickle, which is a program."""
    table = RunTable.create(tmp_path / "table")
    table.submit("a", {"x": 1.0, "y": 1.0, "z": 1.0}, provenance="me")
    where = tmp_path / "blob.npy"
    np.save(where, np.array([Evil(tmp_path / "executed")], object), allow_pickle=True)
    huge = b"\x93NUMPY\x01\x00v\x00" + (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 15 + b",), }"
    ).ljust(117) + b"\n"  # fmt: skip
    with closing(sqlite3.connect(table.database.path)) as db, db:
        for name, blob in (
            ("x", where.read_bytes()), ("y", pickle.dumps(Evil(tmp_path / "executed"))), ("z", huge)
        ):  # fmt: skip
            db.execute("UPDATE run_variables SET value=? WHERE name=?", (blob, name))
    row = table["a"]
    assert all(isinstance(row[name].summary(), bytes) for name in "xyz")
    assert list(table.to_pandas(raw=True)["x"]) == [where.read_bytes()]
    export_table(table, tmp_path / "table.html")
    export_table(table, tmp_path / "table.csv")
    assert nxstxm("table", "show", table.path)[0] == 0
    table.close()
    assert not (tmp_path / "executed").exists()


def test_marks_that_are_none_are_passed_over(tmp_path: Path, nxstxm: Command) -> None:
    table = RunTable.create(tmp_path / "table")
    marks: tuple[Any, ...] = (
        "red", [], [1, 2], [1, 2, "x"], [1, 2, 300], [[1], 2, 3], {"a": 1}, [1, 2, None], 5,
        ["0);x:url(//a)", 1, 2], [0, 0, 255],
    )  # fmt: skip
    curves = [np.arange(3.0), np.zeros((3, 4)), np.zeros((2, 3), complex), np.zeros((2, 0))]
    cells = [cell(f"m{n}", 1.5, attributes={"background": m}) for n, m in enumerate(marks)]
    cells += [cell(f"c{n}", c, summary_type="trendline") for n, c in enumerate(curves)]
    cells += [cell("u", 1, attributes={"units": ["<b>"], "bold": "<b>"})]
    cells += [cell("e", None, attributes={"error": ["<b>"], "error_cls": {"<b>": 1}})]
    cells += [cell("t", "text", summary_type="timestamp"), cell("w", 5, summary_type="<b>")]
    table.database.set_cells(1, 1, cells)
    page = export_table(table, tmp_path / "table.html")
    assert "b" not in {tag for tag, _ in Page(page).tags}
    assert page.read_text("utf-8").count("background: rgb(") == 1
    export_table(table, tmp_path / "table.csv")
    status, out, err = nxstxm("table", "show", table.path)
    assert (status, err) == (0, "")
    assert "text" in out
    table.close()


def test_no_title_hides_a_column(tmp_path: Path) -> None:
    with RunTable.create(tmp_path / "table") as table:
        titles = {"a": "X (c)", "b": "X", "c": "X", "d": "proposal", "e": "proposal (d)"}
        table.database.set_computed([info(name, title) for name, title in titles.items()])
        table.database.set_cells(1, 1, [cell(name, at) for at, name in enumerate(titles, 10)])
        frame = table.to_pandas(titles=True)
        assert {10, 11, 12, 13, 14} <= set(frame.iloc[0])
        with export_table(table, tmp_path / "x.csv").open(newline="") as file:
            assert {"10", "11", "12", "13", "14"} <= set(list(csv.reader(file))[1])


# -- what is typed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["²", "9" * 30, "9" * 5_000, "x" * 5_000, "٣", "-1", "a/../b", ""]
)
def test_what_is_no_run_is_said_in_a_line(tmp_path: Path, nxstxm: Command, typed: str) -> None:
    table = RunTable.create(tmp_path / "table")
    table.submit("a", {"x": 1}, provenance="me")
    table.close()
    for command in (
        ("process", table.path, "--", typed),
        ("set", table.path, "--type", "string", "--", typed, "mine", "1"),
        ("comment", table.path, "text", f"--run={typed}"),
    ):
        status, out, err = nxstxm("table", *command)
        assert (status, out) == (1, ""), command
        assert err.count("\n") == 1, err
        assert "Traceback" not in err


# -- messages and watching -------------------------------------------------------------------------


def test_a_message_that_is_too_large_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    producer = kafka.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1})
    (found,) = producer.list_topics(timeout=20).brokers.values()
    sink = KafkaSink(f"{found.host}:{found.port}", "abc")
    for told in (sink, Sinks(sink)):
        told(variable_set("a", "x" * 5_000_000, None, None))
    assert caplog.text.count("a message could not be sent") == 2
    sink.close()
    producer.flush(1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        *(
            (f"@Variable\ndef {name}(run): return 1", f"can not have the name '{name}'")
            for name in ("run", "proposal", "start_time", "added_at", "comment")
        ),
        ("@Variable(tags=['a\\0b'])\ndef v(run): return 1", "with a NUL or half a character"),
        ("@Variable(tags=['\\ud834'])\ndef v(run): return 1", "with a NUL or half a character"),
    ],
)
def test_names_that_no_table_has_are_mistakes_with_a_line(code: str, message: str) -> None:
    with pytest.raises(ContextError, match=message) as caught:
        ContextFile.from_str(f"from suitcase.nxstxm.variables import Variable\n{code}\n")
    assert caught.value.problems[0].line in (2, 3)


def test_who_watches_goes_on_after_what_can_not_be_described(tmp_path: Path) -> None:
    """A variable with the name of one of users is no mistake of the context file alone."""
    pytest.importorskip("watchfiles")
    code = "from suitcase.nxstxm.variables import Variable\n@Variable\ndef {}(run): return 1\n"
    scan(tmp_path / "scans", 0)
    table = RunTable.create(tmp_path / "table", context=code.format("first"))
    table.database.add_user_variable("mine", "string")
    stop, ready = threading.Event(), threading.Event()
    seen: list[Processed] = []

    def follow() -> None:
        with Processor(table, timeout=60) as processor:
            places = [tmp_path / "scans"]
            for done in watch(processor, places, stop=stop, ready=ready.set, poll=True):
                seen.append(done)
                if "later" in done.computed:
                    stop.set()

    watching = threading.Thread(target=follow)
    watching.start()
    assert ready.wait(60)
    table.context_path.write_text(code.format("mine"))
    stop.wait(1.5)
    assert watching.is_alive()
    table.context_path.write_text(code.format("later"))
    watching.join(60)
    stop.set()
    table.close()
    assert [set(each.computed) for each in seen] == [{"first"}, {"later"}]


def test_an_exception_that_has_no_text_fails_alone(tmp_path: Path) -> None:
    code = """
from suitcase.nxstxm.variables import Variable

class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")

@Variable
def odd(run):
    raise Odd

@Variable
def needs(run, o: "var#odd"):
    return o

@Variable
def good(run):
    return 1
"""
    path = scan(tmp_path / "scans")
    with RunTable.create(tmp_path / "table", context=code) as table:
        with Processor(table, timeout=60) as processor:
            (done,) = processor.process(found_scans([path]))
        assert done.errors["odd"] == "Odd: Odd"
        assert set(done.errors) == {"odd", "needs"}
        assert table[done.uid]["good"].read() == 1
