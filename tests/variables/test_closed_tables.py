"""Archived tables can not be written, and tables of a newer version may be anything: both have to
be said in a line that names the file, and nothing of them may change.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm import NXstxmError, export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, export_table, found_scans
from suitcase.nxstxm.variables._errors import TableError, TableFormatError

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
CODE = """
from suitcase.nxstxm.variables import Variable

@Variable(title="Mean", tags="counts")
def mean(run):
    return float(run.picture().mean())
"""


def filled(home: Path) -> Path:
    """Make a table with a scan."""
    export_scan(scan_documents(all_requests()["pystxm2019-sample_image-points"]), home / "scans")
    with (
        RunTable.create(home / "table", context=CODE) as table,
        Processor(table, timeout=60) as processor,
    ):
        (done,) = processor.process(found_scans([home / "scans"]))
        assert not done.errors
        table.database.add_user_variable("mine", "string")
    return home / "table"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("closed"))


#: All that the command line does with a table; and whether it only looks.
COMMANDS = (
    (("process", "TABLE", "SCANS"), False),
    (("process", "TABLE", "--force"), False),
    (("set", "TABLE", "1", "mine", "5"), False),
    (("comment", "TABLE", "text"), False),
    (("comment", "TABLE", "text", "--run", "1"), False),
    (("tag", "TABLE", "mean", "x"), False),
    (("watch", "TABLE", "SCANS"), False),
    (("show", "TABLE"), True),
    (("export", "TABLE", "-o", "OUT.csv", "--overwrite"), True),
    (("export", "TABLE", "-o", "OUT.html", "--overwrite"), True),
)


def arguments(command: tuple[str, ...], table: Path, out: Path) -> list[str]:
    places = {"TABLE": table, "SCANS": table.parent / "scans"}
    return [str(places.get(word, word.replace("OUT", str(out)))) for word in command]


def said(err: str, name: str) -> None:
    """Assert that an error is one line that names a file."""
    assert "Traceback" not in err
    assert err.count("\n") == 1, err
    assert name in err, err


# -- read-only -------------------------------------------------------------------------------------


def test_a_table_that_is_only_looked_at_stays_as_it_is(table: Path, tmp_path: Path) -> None:
    before = contents(table)
    with RunTable(table, readonly=True) as looking:
        (info,) = looking.runs()
        row = looking[info.first_uid or ""]
        assert row["mean"].read() == row["mean"].summary() > 0
        for kind in ("html", "csv"):
            export_table(looking, tmp_path / f"table.{kind}")
        for change in (
            lambda: looking.submit("new", {"x": 1}, provenance="me"),
            lambda: looking.delete(info.first_uid or ""),
            lambda: looking.database.set_comment(info.proposal, info.run, "text"),
            lambda: looking.database.add_tag("mean", "x"),
        ):
            with pytest.raises(TableError, match=r"runs\.sqlite is open read-only"):
                change()
        with (
            Processor(looking, timeout=60) as processor,
            pytest.raises(TableError, match=r"runs\.sqlite is open read-only"),
        ):
            list(processor.process(found_scans([table.parent / "scans"]), force=True))
        assert row["mean"].read() > 0
    assert contents(table) == before


@pytest.fixture
def closed() -> Iterator[Path]:
    """Give a table in a folder that nobody can write to."""
    with tempfile.TemporaryDirectory() as name:  # those of pytest are closed to other users
        table = filled(Path(name))
        paths = [Path(name), *Path(name).rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield table
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


#: Root may write anywhere, and becomes another user; who may not be able to read Python itself, so
#: that everything is done once before.
RUN = """
import contextlib, io, json, os, sys
from suitcase.nxstxm.cli import main
table, looking, commands = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])

def run(commands):
    for command in commands:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["table", *command])
        yield status, out.getvalue(), err.getvalue()

if not os.geteuid():
    import watchfiles
    list(run([["comment", "none", "text"], *looking]))
    os.seteuid(65534)
assert not os.access(table, os.W_OK, effective_ids=True)
print(json.dumps(list(run(commands))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permissions here")
def test_a_folder_that_nobody_can_write_to_is_shown_and_not_changed(closed: Path) -> None:
    before = contents(closed)
    with tempfile.TemporaryDirectory() as out:
        Path(out).chmod(0o777)
        commands = [arguments(command, closed, Path(out) / "x") for command, _ in COMMANDS]
        looking = [each for each, (_, looks) in zip(commands, COMMANDS, strict=True) if looks]
        done = subprocess.run(
            [sys.executable, "-c", RUN, closed, json.dumps(looking), json.dumps(commands)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for (command, looks), (status, told, err) in zip(
            COMMANDS, json.loads(done.stdout), strict=True
        ):
            assert status == int(not looks), (command, told, err)
            if looks:
                assert err == ""
            else:
                said(err, "runs.sqlite")
        assert {path.suffix for path in Path(out).iterdir()} == {".csv", ".html"}
    assert contents(closed) == before


# -- of a newer version ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE metameta SET value=99 WHERE key='data_format_version'", "DAMNIT's format 99"),
        ("UPDATE metameta SET value='new' WHERE key='data_format_version'", "format 'new'"),
        ("UPDATE nxstxm_meta SET value=99", "tables nxstxm_ of version 99"),
        ("DROP TABLE run_variables", "is no run table but the database of something else"),
    ],
)
def test_a_table_of_the_future_is_left_as_it_is(
    tmp_path: Path, nxstxm: Command, change: str, message: str
) -> None:
    folder = tmp_path / "table"
    with RunTable.create(folder, context=CODE) as table:
        table.submit("a", {"x": 1}, provenance="me")
        older = Processor(table, timeout=60)  # a program that has it open meanwhile
    with closing(sqlite3.connect(folder / "runs.sqlite")) as db, db:
        if "DROP" in change:
            db.execute("DROP VIEW runs")
            db.execute("DROP VIEW max_diffs")
        db.execute(change)
    before = contents(folder)
    for opening in (
        lambda: RunTable(folder),
        lambda: RunTable(folder, readonly=True),
        lambda: RunTable.create(folder, proposal=5),
    ):
        with pytest.raises(TableFormatError, match=message) as caught:
            opening()
        assert str(folder / "runs.sqlite") in str(caught.value)
        assert isinstance(caught.value, NXstxmError)
    (tmp_path / "scans").mkdir()
    for command, _ in (*COMMANDS, (("init", "TABLE"), False)):
        status, out, err = nxstxm("table", *arguments(command, folder, tmp_path / "x"))
        assert (status, out) == (1, "")
        said(err, "runs.sqlite")
        assert message in err
    assert not list(tmp_path.glob("x*"))
    assert contents(folder) == before
    older.close()


def test_what_is_no_table_at_all_is_named(tmp_path: Path, nxstxm: Command) -> None:
    (tmp_path / "scans").mkdir()
    for name, content in (("text", b"no database" * 100), ("empty", b"")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "runs.sqlite").write_bytes(content)
        for command, _ in COMMANDS:
            status, out, err = nxstxm("table", *arguments(command, folder, tmp_path / "x"))
            assert (status, out) == (1, "")
            said(err, "runs.sqlite")
        assert contents(folder) == {"runs.sqlite": hashlib.sha256(content).hexdigest()}
    if hasattr(os, "mkfifo"):
        (tmp_path / "queue").mkdir()
        os.mkfifo(tmp_path / "queue" / "runs.sqlite")
        status, _, err = nxstxm("table", "show", tmp_path / "queue")
        assert status == 1
        said(err, "queue")
