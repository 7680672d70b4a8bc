"""The table is read on a terminal at night: what is typed there has to do what it says."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import RunTable

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


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


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
    time.sleep(1)
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
