"""Without these tests a folder that is closed, or gone, could end an experiment."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm import NXstxmError, recover
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import EuXFELWriter, Serializer, documents, export, validate

from .runs import Documents, arange, array, folder_of, number, run_of, stream_of

#: Runs of numbers and of frames, with files that are complete before the run is.
RUNS = {
    "numbers": lambda: run_of([{"a": float(i)} for i in range(9)], {"a": number()}),
    "frames": lambda: run_of([{"a": arange(100, 100) + i} for i in range(9)],
                             {"a": array(100, 100)}),
}  # fmt: skip


# -- a folder that is gone ------------------------------------------------------------------------


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def without(run: Documents, folder: Path, at: int) -> Any:
    """Give the documents of a run; remove a folder before one of them."""
    for i, each in enumerate(run):
        if i == at:
            aside = folder.with_name("aside")
            folder.rename(aside)  # at once: files in it get their names beside
            shutil.rmtree(aside)
        yield each


@pytest.mark.parametrize("what", RUNS)
@pytest.mark.parametrize("at", [1, 2, 3, 5, 11])
def test_a_folder_that_disappears_is_one_clear_error(what: str, at: int, tmp_path: Path) -> None:
    home = tmp_path / "runs"
    run = RUNS[what]()
    with pytest.raises(NXstxmError, match=r"p000000.*(can not be|could not be)") as told:
        export(without(run, home, at), home, trains_per_file=4)
    assert isinstance(told.value, OSError)
    assert list(home.rglob("*.h5")) == []
    # and the same documents make a run where there is a folder again
    folder = folder_of(export(run, home))
    assert difference(run, list(documents(folder))) is None
    assert validate(folder) == []


def test_whoever_goes_on_is_told_the_same_again(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    serializer = Serializer(home, trains_per_file=2)
    told = []
    for name, doc in without(RUNS["numbers"](), home, 3):
        try:
            serializer(name, doc)
        except NXstxmError as error:
            told.append(str(error))
    with pytest.raises(NXstxmError, match=re.escape(told[0])):
        serializer.close()
    assert len({*told}) == 1
    assert "RAW-R0001-DA01" in told[0]
    assert list(home.rglob("*.h5")) == []


@pytest.mark.parametrize(
    "gone",
    [
        "p000000",
        "p000000/raw/r0001",
        "p000000/raw/r0001/RAW-R0001-DA01-S00000.h5",
        "p000000/raw/r0001/RAW-R0001-DA02-S00000.h5",
    ],
)
def test_what_disappears_does_not_end_a_measurement(
    gone: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that lacks a file is not complete either; the journal has what was in it."""
    run = stream_of(RUNS["frames"](), "dark", [{"d": 1.0}] * 3, [1.7e9] * 3, d=number())
    second = tmp_path / "p000000" / "raw" / "r0001" / "RAW-R0001-DA01-S00001.tmp"
    with caplog.at_level(logging.ERROR), EuXFELWriter(tmp_path, trains_per_file=3) as writer:
        for i, (name, doc) in enumerate(run):
            if i == 11:  # behind four frames, and the others
                while not (second.exists() and (tmp_path / gone).exists()):  # others write
                    time.sleep(0.01)
                remove(tmp_path / gone)
            writer(name, doc)
    assert writer.paths == []
    [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "run r0001 of proposal 0 could not be written" in record.getMessage()
    assert "`nxstxm recover` makes the run" in record.getMessage()
    [made] = recover(tmp_path)
    assert difference(run, list(documents(made))) is None
    assert validate(made) == []


# -- a folder that is closed ----------------------------------------------------------------------

CLOSED = """
    import os, sys, time
    from pathlib import Path
    from suitcase.nxstxm import NXstxmError
    from suitcase.nxstxm.documents import difference
    from suitcase.nxstxm.euxfel import EuXFELWriter, Serializer, documents, export, validate
    from tests.euxfel.runs import number, run_of

    home = Path(sys.argv[1])
    run = run_of([{"a": float(i)} for i in range(9)], {"a": number()})
    export(run, home / "open" / "warm", trains_per_file=4)  # all that is imported late
    for path in (home / "open", *(home / "open").rglob("*")):
        path.chmod(0o777)
    (home / "open" / "later").mkdir(mode=0o777)
    (home / "open" / "later").chmod(0o777)
    if not os.geteuid():
        os.seteuid(65534)  # nothing is closed to root

    def refused(work):
        try:
            work()
        except NXstxmError as error:
            assert isinstance(error, OSError), repr(error)
            assert "Permission denied" in str(error), error
            return str(error)
        raise AssertionError("it is closed")
"""
FROM_THE_START = """
    closed = home / "closed"
    told = refused(lambda: export(run, closed))
    assert f"no run can be made in {closed}" in told, told
    assert "choose another folder" in told, told
    with EuXFELWriter(home / "open" / "later") as writer:
        writer.close()
    told = refused(lambda: EuXFELWriter(closed)("start", run[0][1]))
    assert str(closed) in told, told
    assert [*closed.iterdir()] == []
"""
LATER = """
    later = home / "open" / "later"
    serializer = Serializer(later, trains_per_file=2)
    for i, (name, doc) in enumerate(run):
        if i == 5:
            while (serializer.folder / "RAW-R0001-DA01-S00000.tmp").exists():  # it gets its name
                time.sleep(0.001)
            serializer.folder.chmod(0o555)
        if i < 6:
            serializer(name, doc)
        elif i > 7:  # files get their names while the next one is written
            assert "RAW-R0001-DA01-S00001" in refused(lambda: serializer(name, doc))
    serializer.folder.chmod(0o777)
    refused(serializer.close)  # what was not written is missing
    [folder] = {path.parent for path in export(run, later)["stream_data"]}
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
@pytest.mark.parametrize("script", [FROM_THE_START, LATER], ids=["from the start", "later"])
def test_a_folder_that_is_closed_is_one_clear_error(script: str) -> None:
    text = textwrap.dedent(CLOSED) + textwrap.dedent(script)
    with tempfile.TemporaryDirectory() as name:  # pytest's are closed to other users
        home = Path(name)
        home.chmod(0o755)
        (home / "open").mkdir()
        (home / "closed").mkdir(mode=0o555)
        done = subprocess.run(
            [sys.executable, "-c", text, home],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
