"""The table is read on a terminal at night: what is typed there has to do what it says."""

from __future__ import annotations

import csv
import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import h5py
import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import export_scan
from suitcase.nxstxm._errors import OptionError
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, found_scans, watch

Command = Callable[..., tuple[int, str, str]]
STACK, IMAGE = "pystxm2019-sample_image_stack-lines", "pystxm2019-sample_image-points"
EVIL = "<script>alert('x')</script>\"; DROP TABLE run_info; --"
EXTRA = """
@Variable(title="Evil")
def evil(run):
    return {evil!r}

@Variable(title="Formula")
def formula(run):
    return "=1+1"

@Variable(title="Wrong")
def wrong(run):
    return 1 / 0
"""


def write(name: str, folder: Path) -> Path:
    return export_scan(scan_documents(all_requests()[name]), folder)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from suitcase.nxstxm.cli import main

    home = tmp_path_factory.mktemp("night")
    for name in (STACK, IMAGE):
        write(name, home / "scans")
    table = str(home / "table")
    assert main(["table", "init", table, "--proposal", "900001"]) == 0
    context = home / "table" / "context.py"
    context.write_text(context.read_text() + EXTRA.format(evil=EVIL))
    assert main(["table", "process", table, str(home / "scans")]) == 0
    return home


def test_init_makes_a_table_once(nxstxm: Command, tmp_path: Path) -> None:
    status, out, _ = nxstxm("table", "init", tmp_path / "t", "--proposal", "2023-A7")
    assert status == 0
    assert "its variables are in" in out
    assert "mean_counts," in (tmp_path / "t" / "context.py").read_text()
    (tmp_path / "t" / "context.py").write_text("# mine\n")
    assert nxstxm("table", "init", tmp_path / "t")[0] == 0
    assert (tmp_path / "t" / "context.py").read_text() == "# mine\n"
    status, _, err = nxstxm("table", "show", tmp_path / "none")
    assert (status, "nxstxm table init" in err) == (1, True)


def test_process_says_what_it_did_and_why(nxstxm: Command, filled: Path) -> None:
    table = filled / "table"
    status, out, _ = nxstxm("table", "process", table)
    assert (status, out.count("up to date")) == (0, 2)
    status, out, _ = nxstxm("table", "process", table, "1", "--force", "--var", "mean_counts")
    assert (status, out.count("1 computed")) == (0, 1)
    assert "(1 forced)" in out
    status, out, _ = nxstxm("table", "process", table, "--param", "saturation=5", "--jobs", "2")
    assert out.count("parameter saturation None -> 5") == 2
    assert nxstxm("table", "process", table)[0] == 0
    for arguments, code, message in (
        (("99",), 1, "neither a file, a folder, nor a run"),
        (("--var", "men_counts"), 1, "no variable 'men_counts'"),
        (("--param", "x"), 2, "is no name=value"),
    ):
        status, _, err = nxstxm("table", "process", table, *arguments)
        assert (status, message in err) == (code, True), err
    status, out, _ = nxstxm("table", "process", table, "--force", "--var", "wrong")
    assert status == 0
    assert "ZeroDivisionError: division by zero" in out


def test_show_prints_rows(nxstxm: Command, filled: Path) -> None:
    table = filled / "table"
    names = ["scan_type", "Mean counts", "od_spectrum", "thumbnail", "wrong", "evil", "focus"]
    columns = [part for name in names for part in ("--var", name)]
    status, out, err = nxstxm("table", "show", table, *columns)
    assert (status, err) == (0, "")
    assert "sample image stack" in out
    assert re.search(r"\d+\.\d+ counts", out)
    assert "[image]" in out
    assert "ZeroDivisionError" in out
    assert any(bar in out for bar in "▁▂▃▄▅▆▇█")
    status, out, _ = nxstxm("table", "show", table, "--last", "1", "--var", "scan_type")
    assert len(out.splitlines()) == 2
    assert nxstxm("table", "tag", table, "mean_counts", "mine")[0] == 0
    status, out, _ = nxstxm("table", "show", table, "--tag", "mine")
    assert out.splitlines()[0].split() == ["Run", "Mean", "counts"]
    assert nxstxm("table", "tag", table, "mean_counts", "mine", "--remove")[0] == 0
    status, _, err = nxstxm("table", "show", table, "--tag", "mine")
    assert (status, "no variable has the tag 'mine'" in err) == (1, True)
    assert nxstxm("table", "show", table, "--var", "nothing")[0] == 1


def test_users_add_values_and_comments(nxstxm: Command, filled: Path) -> None:
    table = filled / "table"
    assert nxstxm("table", "set", table, "1", "grade", "7", "--type", "integer")[0] == 0
    assert nxstxm("table", "set", table, "2", "grade", "8")[0] == 0
    status, _, err = nxstxm("table", "set", table, "2", "grade", "good")
    assert (status, "good" in err) == (1, True)
    assert nxstxm("table", "set", table, "1", "mean_counts", "3")[0] == 1
    assert nxstxm("table", "comment", table, EVIL, "--run", "1")[0] == 0
    assert nxstxm("table", "comment", table, "beam lost")[0] == 0
    with RunTable(table) as opened:
        assert opened[1]["grade"].read() == 7
        assert opened[1].comment == EVIL
        assert [each.text for each in opened.database.timed_comments()] == ["beam lost"]


# -- what is typed ---------------------------------------------------------------------------------

PARAMETER = """
from suitcase.nxstxm.variables import Variable

@Variable(title="The parameter")
def given(run, p: "param#p" = "none"):
    return p
"""
NAMED = "2023:A7"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two scans, of a proposal with a name, and of one with a number, in a table."""
    for name in (STACK, IMAGE):
        write(name, tmp_path / "scans")
    found = found_scans([tmp_path / "scans"])
    with RunTable.create(tmp_path / "table", proposal=NAMED, context=PARAMETER) as table:
        scans = [
            dataclasses.replace(scan, scan_id=7, proposal=proposal)
            for scan, proposal in zip(found, (NAMED, "900002"), strict=True)
        ]
        with Processor(table) as processor:
            assert [done.run for done in processor.process(scans)] == [7, 7]
    return tmp_path / "table"


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    """A table without scans."""
    with RunTable.create(tmp_path / "table", proposal=1, context=PARAMETER) as table:
        for run in (1, 2):
            table.submit((1, run), {"dose": 1.5}, provenance="by hand")
    return tmp_path / "table"


def test_watch_takes_parameters(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    write(IMAGE, tmp_path / "scans")
    stop = threading.Event()
    with (
        RunTable.create(tmp_path / "table", context=PARAMETER) as table,
        Processor(table) as processor,
    ):
        folders = [tmp_path / "scans"]
        for done in processor.process(found_scans(folders), params={"p": "x"}):
            assert done.computed == {"given": "new"}
        coming = watch(processor, folders, stop=stop, ready=stop.set, params={"p": "x"})
        assert list(coming) == []
        assert table[1]["given"].read() == "x"


def test_the_command_watch_takes_parameters(
    nxstxm: Command, typed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("watchfiles")
    taken: list[object] = []

    def watched(*_: object, params: object, **__: object) -> list[object]:
        taken.append(params)
        return []

    monkeypatch.setattr("suitcase.nxstxm.cli._table.watch", watched)
    command = ("table", "watch", typed, typed)
    assert nxstxm(*command, "--param", "p=x", "--param", "q=2")[0] == 0
    assert taken == [{"p": "x", "q": 2}]
    status, _, err = nxstxm(*command, "--param", "p")
    assert (status, "is no name=value" in err) == (2, True)


def test_set_does_not_ignore_types(nxstxm: Command, typed: Path) -> None:
    command = ("table", "set", typed, "1")
    assert nxstxm(*command, "grade", "good", "--type", "string")[0] == 0
    status, _, err = nxstxm(*command, "grade", "7", "--type", "integer")
    assert status == 1
    for told in ("'grade'", "'string'", "'integer'", "--type"):
        assert told in err, err
    assert nxstxm(*command, "grade", "bad", "--type", "string")[0] == 0
    status, _, err = nxstxm(*command, "dose", "7", "--type", "integer")
    assert (status, "'dose'" in err, "'integer'" in err, "computed" in err) == (1, True, True, True)
    with RunTable(typed, readonly=True) as opened:
        assert opened[1]["grade"].read() == "bad"
        assert opened[1]["dose"].read() == 1.5


def test_set_makes_no_variable_that_it_can_not_set(nxstxm: Command, typed: Path) -> None:
    for run, value in (("1", "good"), ("9", "7")):
        assert nxstxm("table", "set", typed, run, "grade", value, "--type", "integer")[0] == 1
    with RunTable(typed, readonly=True) as opened:
        assert "grade" not in opened.titles()


def test_set_does_not_ignore_titles(nxstxm: Command, typed: Path) -> None:
    command = ("table", "set", typed, "1")
    status, _, err = nxstxm(*command, "grade", "7", "--title", "The grade")
    assert status == 1
    for told in ("'grade'", "'The grade'", "--type"):
        assert told in err, err
    status, _, err = nxstxm(*command, "dose", "7", "--title", "Mine")
    assert (status, "'dose'" in err, "'Mine'" in err) == (1, True, True)
    assert nxstxm(*command, "grade", "7", "--type", "integer", "--title", "The grade")[0] == 0
    assert nxstxm(*command, "grade", "8", "--title", "Grade")[0] == 0
    with RunTable(typed, readonly=True) as opened:
        assert opened.titles()["grade"] == "Grade"
        assert opened[1]["grade"].read() == 8


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean"])
def test_an_empty_value_is_none(nxstxm: Command, typed: Path, kind: str) -> None:
    assert nxstxm("table", "set", typed, "1", "grade", "1", "--type", kind)[0] == 0
    assert nxstxm("table", "set", typed, "1", "grade", "")[0] == 0
    with RunTable(typed, readonly=True) as opened:
        assert opened[1]["grade"].summary() is None


@pytest.mark.parametrize("run", ["²", "٣", "1:²", "²:1", ":1", "1:", "9" * 5000, "3"])
def test_what_is_no_run_is_said(nxstxm: Command, typed: Path, run: str) -> None:
    for command in (
        ("process", typed, run),
        ("set", typed, run, "grade", "1", "--type", "integer"),
        ("comment", typed, "text", "--run", run),
    ):
        status, _, err = nxstxm("table", *command)
        assert (status, repr(run) in err, "Traceback" in err) == (1, True, False), err[-500:]


def test_runs_of_other_proposals_are_named(nxstxm: Command, written: Path) -> None:
    for run, text in (("7", "a"), ("900002:7", "b"), (f"{NAMED}:7", "c"), ("900002:7", "d")):
        assert nxstxm("table", "comment", written, text, "--run", run)[0] == 0
    command = ("table", "set", written, "900002:7", "grade", "3", "--type", "integer")
    assert nxstxm(*command)[0] == 0
    status, out, _ = nxstxm("table", "process", written, "900002:7", "--force")
    assert (status, out.count("computed")) == (0, 1)
    for run in ("900003:7", "900002:8", "other:7"):
        status, _, err = nxstxm("table", "process", written, run)
        assert (status, repr(run) in err) == (1, True), err
        status, _, err = nxstxm("table", "comment", written, "x", "--run", run)
        assert (status, repr(run) in err, "PROPOSAL:RUN" in err) == (1, True, True), err
    with RunTable(written, readonly=True) as opened:
        assert opened[7].comment == "c"
        assert opened[900002, 7].comment == "d"
        assert opened[900002, 7]["grade"].read() == 3
        assert "other" not in opened.database.proposal_names().values()


def test_variables_are_named_by_titles_too(nxstxm: Command, written: Path) -> None:
    title = "The parameter"
    status, out, _ = nxstxm("table", "process", written, "--var", title, "--param", "p=y")
    assert (status, out.count("1 computed")) == (0, 2)
    assert nxstxm("table", "tag", written, title, "mine")[0] == 0
    command = ("table", "set", written, "7")
    assert nxstxm(*command, "grade", "1", "--type", "integer", "--title", "My grade")[0] == 0
    assert nxstxm(*command, "My grade", "2")[0] == 0
    with RunTable(written, readonly=True) as opened:
        assert opened.database.tags() == {"mine": ("given",)}
        assert opened[7]["grade"].read() == 2
        assert set(opened.titles()) == {"given", "grade"}
    # a name goes before a title, and of titles that are alike none is taken
    assert nxstxm(*command, "given by me", "3", "--type", "integer", "--title", title)[0] == 0
    for arguments in (
        ("show", written, "--var", title),
        ("tag", written, title, "theirs"),
        ("set", written, "7", title, "4"),
    ):
        status, _, err = nxstxm("table", *arguments)
        assert status == 1
        for told in (repr(title), "given and given by me"):
            assert told in err, err
    status, _, err = nxstxm("table", "tag", written, "nothing", "mine")
    assert (status, "no variable 'nothing'" in err) == (1, True)


def exported(nxstxm: Command, table: Path, folder: Path) -> tuple[list[list[str]], Page]:
    """Give the rows of the table as CSV, and its page."""
    sheet, page = folder / "table.csv", folder / "table.html"
    for output in (sheet, page):
        assert nxstxm("table", "export", table, "-o", output)[0] == 0
    with sheet.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file)), Page(page.read_text(encoding="utf-8"))


def test_comments_are_shown(nxstxm: Command, typed: Path, tmp_path: Path) -> None:
    assert "Comment" not in nxstxm("table", "show", typed)[1]
    _, page = exported(nxstxm, typed, typed)
    assert "Comment" not in page.text
    with RunTable(typed) as opened:
        opened.database.set_comment(1, 2, "taken back")
        opened.database.set_comment(1, 2, None)
    assert "Comment" not in nxstxm("table", "show", typed)[1]
    long = "the sample moved, and we went on all the same " + "x" * 50
    assert nxstxm("table", "comment", typed, long, "--run", "1")[0] == 0
    status, out, _ = nxstxm("table", "show", typed)
    assert (status, out.splitlines()[0].split()) == (0, ["Run", "dose", "Comment"])
    assert long.replace(" ", "") in re.sub(r"^1\s+1\.5|\s", "", out.split("Comment")[1])
    assert "Comment" not in nxstxm("table", "show", typed, "--last", "1")[1]
    for name in ("comment", "Comment"):
        status, out, _ = nxstxm("table", "show", typed, "--var", name)
        assert (status, out.splitlines()[0].split()) == (0, ["Run", "Comment"])
    rows, page = exported(nxstxm, typed, tmp_path)
    assert rows[0][:4] == ["proposal", "run", "start_time", "Comment"]
    assert long in rows[1]
    assert page.headings[-1] == "Comment"
    assert long in page.text


def test_proposals_are_shown_by_their_names(nxstxm: Command, written: Path, tmp_path: Path) -> None:
    status, out, _ = nxstxm("table", "show", written)
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} == {"Proposal", NAMED, "900002"}
    rows, page = exported(nxstxm, written, tmp_path)
    assert {row[0] for row in rows} == {"proposal", NAMED, "900002"}
    assert NAMED in page.text
    status, out, _ = nxstxm("table", "init", written)
    assert (status, f"proposal {NAMED}" in out) == (0, True)
    with RunTable(written, readonly=True) as opened:
        numbers = list(opened.to_pandas()["proposal"])
        assert numbers == [900002, opened.proposal]
        assert opened.database.proposal_names() == {opened.proposal: NAMED}
    openpyxl = pytest.importorskip("openpyxl")
    book = tmp_path / "table.xlsx"
    assert nxstxm("table", "export", written, "-o", book)[0] == 0
    cells = [row[0].value for row in openpyxl.load_workbook(book).active.iter_rows()]
    assert sorted(cells, key=str) == [NAMED, 900002, "proposal"]


def test_names_of_proposals_harm_nobody(nxstxm: Command, tmp_path: Path) -> None:
    names = ("=1+1", EVIL, "\udcff")
    with RunTable.create(tmp_path / "table") as table:
        for name in names:
            numbers = table.database.number_of(f"scan of {name}", name)
            table.submit(numbers, {"told": name}, provenance="by hand")
    status, out, err = nxstxm("table", "show", tmp_path / "table")
    assert (status, err) == (0, "")
    assert "\\udcff" in out
    rows, page = exported(nxstxm, tmp_path / "table", tmp_path)
    assert [row[0] for row in rows[1:]] == ["'=1+1", EVIL, "\\udcff"]
    assert "script" not in [tag for tag, _ in page.tags]
    assert "\\udcff" in page.text


def test_truth_and_times_have_no_units(nxstxm: Command, tmp_path: Path) -> None:
    import datetime

    moment = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    values = {"truth": True, "time": moment, "number": 1.5}
    with RunTable.create(tmp_path / "table") as table:
        units = dict.fromkeys(values, "furlong")
        table.submit((1, 1), values, provenance="by hand", units=units)
    status, out, _ = nxstxm("table", "show", tmp_path / "table")
    assert status == 0
    _, page = exported(nxstxm, tmp_path / "table", tmp_path)
    for text in (out, page.text):
        assert "1.5 furlong" in text
        assert "yes" in text
        assert "2024-01-01 00:00:00 UTC" in text
        assert text.count("furlong") == 1


# -- files -----------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "th":
            self.headings.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.headings and self.tags[-1][0] == "th" and not self.headings[-1]:
            self.headings[-1] = data


def test_export_is_one_file_that_harms_nobody(
    nxstxm: Command, filled: Path, tmp_path: Path
) -> None:
    table = filled / "table"
    page = tmp_path / "night.html"
    assert nxstxm("table", "export", table, "-o", page)[0] == 0
    made = Page(page.read_text(encoding="utf-8"))
    names = [tag for tag, _ in made.tags]
    assert "script" not in names
    assert EVIL in made.text
    assert names.count("img") >= 2
    for _, attributes in made.tags:
        for key in ("src", "href"):
            assert (attributes.get(key) or "data:").startswith("data:")
    sheet = tmp_path / "night.csv"
    assert nxstxm("table", "export", table, "-o", sheet)[0] == 0
    with sheet.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["Formula"] for row in rows] == ["'=1+1", "'=1+1"]
    assert rows[0]["Evil"] == EVIL
    openpyxl = pytest.importorskip("openpyxl")
    book = tmp_path / "night.xlsx"
    assert nxstxm("table", "export", table, "-o", book)[0] == 0
    cells = [c.value for c in next(openpyxl.load_workbook(book).active.iter_rows())]
    assert "Mean counts" in cells
    status, _, err = nxstxm("table", "export", table, "-o", sheet)
    assert (status, "is there already" in err, "--overwrite" in err) == (1, True, True)
    assert nxstxm("table", "export", table, "-o", sheet, "--overwrite")[0] == 0
    assert nxstxm("table", "export", table, "-o", tmp_path / "x.doc")[0] == 2


def test_watch_processes_what_comes_and_what_changes(tmp_path: Path, nxstxm: Command) -> None:
    pytest.importorskip("watchfiles")
    (tmp_path / "scans").mkdir()
    write(IMAGE, tmp_path / "scans")
    table = tmp_path / "table"
    assert nxstxm("table", "init", table)[0] == 0
    code = "from suitcase.nxstxm.variables import Variable\n@Variable\ndef a(run): return {}\n"
    (table / "context.py").write_text(code.format(1))
    command = [sys.executable, "-m", "suitcase.nxstxm", "table", "watch", table]
    watcher = subprocess.Popen([*command, tmp_path / "scans"], stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout is not None

        def said(text: str) -> None:
            deadline = time.monotonic() + 100
            while time.monotonic() < deadline:
                line = watcher.stdout.readline()
                if text in line:
                    return
                assert line, f"it ended before it said {text!r}"
            raise AssertionError(text)

        said("1 computed")
        said("watching")
        write(STACK, tmp_path / "scans")
        said("run 2")
        (table / "context.py").write_text(code.format(2))
        said("its code has changed")
        said("its code has changed")
        os.kill(watcher.pid, signal.SIGINT)
        assert watcher.wait(60) == 0
    finally:
        if watcher.poll() is None:
            watcher.kill()
            watcher.wait()
        watcher.stdout.close()
    with RunTable(table, readonly=True) as opened:
        assert [opened[run]["a"].read() for run in (1, 2)] == [2, 2]


def test_watch_ends_after_the_scan_that_it_is_at(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    scans, begun = tmp_path / "scans", tmp_path / "begun"
    scans.mkdir()
    write(IMAGE, scans)
    write(STACK, scans)
    RunTable.create(
        tmp_path / "table",
        context=f"""
import time
from pathlib import Path
from suitcase.nxstxm.variables import Variable

@Variable
def slow(run):
    Path({str(begun)!r}).touch()
    time.sleep(4)
    return 1
""",
    ).close()
    command = [sys.executable, "-m", "suitcase.nxstxm", "table", "watch", tmp_path / "table", scans]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 100
        while not begun.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(watcher.pid, signal.SIGTERM)
        said, _ = watcher.communicate(timeout=60)
    finally:
        if watcher.poll() is None:
            watcher.kill()
            watcher.wait()
    assert watcher.returncode == 0
    assert said.count("1 computed") == 1
    assert "watching" not in said
    with RunTable(tmp_path / "table", readonly=True) as opened:
        assert opened[1]["slow"].read() == 1
        assert sum("slow" in opened[info.first_uid or ""] for info in opened.runs()) == 1


# -- what is passed over, and what is none ---------------------------------------------------------


@pytest.mark.parametrize("value", ["-5", "-1e-3", "-inf"])
def test_negative_numbers_are_values(nxstxm: Command, typed: Path, value: str) -> None:
    assert nxstxm("table", "set", typed, "1", "offset", value, "--type", "number")[0] == 0
    assert nxstxm("table", "set", typed, "--type", "number", "1", "offset", value)[0] == 0
    with RunTable(typed) as opened:
        assert opened[1]["offset"].read() == float(value)
    assert nxstxm("table", "set", typed, "1", "offset", "5", "--typ", "number")[0] == 2


@pytest.mark.parametrize("memory", ["-1", "0", "0.01"])
def test_memory_that_no_worker_can_do_with(nxstxm: Command, typed: Path, memory: str) -> None:
    status, _, err = nxstxm("table", "process", typed, "--memory", memory)
    assert status == 2
    assert "--memory" in err
    with RunTable(typed) as opened, pytest.raises(OptionError, match="memory=-1 leaves a worker"):
        Processor(opened, memory=-1)


def test_a_scan_that_is_cut_short_is_said_once(
    nxstxm: Command, typed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scans = tmp_path / "more scans"
    good = write(IMAGE, scans)
    cut = scans / "cut.hdf5"
    cut.write_bytes(good.read_bytes()[:20_000])
    with h5py.File(scans / "of something else.h5", "w") as other:
        other["x"] = 1
    for _ in range(2):
        assert nxstxm("table", "process", typed, scans)[0] == 0
    (warning,) = (each for each in caplog.messages if "passed over" in each)
    assert "cut.hdf5" in warning
    assert "truncated" in warning
    status, _, err = nxstxm("table", "process", typed, cut)
    assert status == 1
    assert "truncated" in err
