"""Who looks after stored results does it here: what is said of them has to be true."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from suitcase.nxstxm.cli._store import verify
from suitcase.nxstxm.storage import DataDirectory, DataKey, FsspecDirectory
from suitcase.nxstxm.variables import RunFiles, RunTable

Run = Callable[..., tuple[int, str, str]]
OD = DataKey("a1b2", "od", {"scan": ("scan", "1", {}), "od": ("density", "1.0", {"dark": 0.5})})
NEW = DataKey("a1b2", "od", {"scan": ("scan", "1", {}), "od": ("density", "1.1", {"dark": 0.5})})
MAP = DataKey("c3", "a map", {"a map": ("fit", "2", {"order": 3})})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = DataDirectory(tmp_path / "store")
    store.save(OD, np.arange(24.0).reshape(4, 6), {"comment": "first"})
    store.save(NEW, np.arange(24.0).reshape(4, 6))
    with store.saver(MAP) as saver:
        for _ in range(3):
            saver.save(np.random.default_rng(1).normal(size=(20, 100)))
    store.write_run_metadata("a1b2", {"start": {"scan_id": 7}})
    return tmp_path / "store"


def break_one(folder: Path) -> None:
    store = DataDirectory(folder)
    with (
        pytest.raises(ZeroDivisionError),
        store.saver(DataKey("c3", "bad", {"bad": ("f", "1", {})})),
    ):
        raise ZeroDivisionError("no counts")


def test_ls_lists_what_is_there(nxstxm: Run, folder: Path) -> None:
    break_one(folder)
    status, out, err = nxstxm("store", "ls", folder)
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:3] == ["run", "type", "hash"]
    assert sorted(line[0] for line in lines[1:]) == ["a1b2", "a1b2", "c3", "c3"]
    row = next(line for line in lines if MAP.hash[:16] in line)
    assert row[-4:] == ["60", "48", "kB", "3"]
    assert next(line for line in lines if "bad" in line)[-1] == "broken"
    status, out, _ = nxstxm("store", "ls", folder, "--run", "a1b2", "--type", "od")
    assert len(out.splitlines()) == 3
    status, _, err = nxstxm("store", "ls", folder / "nowhere")
    assert status == 1
    assert "there is no folder" in err


def test_show_tells_how_it_was_made(nxstxm: Run, folder: Path) -> None:
    status, out, _ = nxstxm("store", "show", folder, str(OD))
    assert status == 0
    for text in (str(OD), "whole", "comment", "first", "density version 1.0", "dark = 0.5", "axis"):
        assert text in out
    _, out, _ = nxstxm("store", "show", folder, OD.hash[:6], "--compare", str(NEW))
    assert f"{NEW}: differs: od.version 1.0 -> 1.1" in out
    status, _, err = nxstxm("store", "show", folder, "a1b2")
    assert status == 1
    assert "a1b2 fits 2" in err
    status, _, err = nxstxm("store", "show", folder, "zz")
    assert (status, "fits nothing" in err) == (1, True)
    break_one(folder)
    _, out, _ = nxstxm("store", "show", folder, "c3-bad")
    assert "ZeroDivisionError: no counts" in out


def test_verify_finds_a_flipped_bit(nxstxm: Run, folder: Path) -> None:
    status, out, err = nxstxm("store", "verify", folder)
    assert (status, out.count("good"), err) == (0, 3, "")
    chunk = sorted(folder.rglob("a%20map*/000001.h5"))[0]
    info = DataDirectory(folder).open(MAP).chunks[1]
    raw = bytearray(chunk.read_bytes())
    raw[info.place["arrays"]["data"]["b"][0][0] + 100] ^= 4
    chunk.write_bytes(raw)
    status, out, err = nxstxm("store", "verify", folder)
    assert (status, out.count("good")) == (1, 2)
    assert f"bad  {MAP}" in out
    assert "000001.h5" in err
    assert nxstxm("store", "verify", folder, OD.hash[:5])[0] == 0
    (folder / "broken").mkdir()
    metadata = next(folder.rglob(f"{OD.name}/metadata.json"))
    metadata.write_text(metadata.read_text().replace("0.5", "0.6"))
    status, out, err = nxstxm("store", "verify", folder)
    assert status == 1
    assert "its checksum is wrong" in err
    status, out, err = nxstxm("store", "ls", folder)
    assert "its checksum is wrong" in err


def test_copy_takes_runs_along_and_refuses_to_replace(
    nxstxm: Run, folder: Path, tmp_path: Path
) -> None:
    to = tmp_path / "copy"
    status, out, _ = nxstxm(
        "store", "copy", folder, to, "--compression", "zstd", "--rechunk", "0.02"
    )
    assert (status, out.count("copied")) == (0, 3)
    there, here = DataDirectory(to), DataDirectory(folder)
    for key in (OD, NEW, MAP):
        np.testing.assert_array_equal(there.load(key), here.load(key))
    about = there.get_metadata(MAP)
    assert (about.compression, about.n_chunks) == ("zstd", 3)
    assert there.get_metadata(OD).extra == {"comment": "first"}
    assert there.run_metadata("a1b2", "start.scan_id") == 7
    status, _, err = nxstxm("store", "copy", folder, to, str(OD))
    assert (status, "is there already" in err) == (1, True)
    assert nxstxm("store", "copy", folder, to, str(OD), "--overwrite")[0] == 0
    address = f"memory://{tmp_path.name}"
    assert nxstxm("store", "copy", folder, address)[0] == 0
    np.testing.assert_array_equal(FsspecDirectory(address).load(MAP), here.load(MAP))
    assert nxstxm("store", "copy", folder, to, "--rechunk", "-1")[0] == 2
    assert nxstxm("store", "copy", folder, to, "--compression", "rar")[0] == 1


WRITER = """
import sys, time
import numpy as np
from suitcase.nxstxm.storage import DataDirectory, DataKey
store = DataDirectory(sys.argv[1])
saver = store.saver(DataKey("c3", "slow", {"slow": ("f", "1", {})}))
saver.save(np.zeros(3))
print("saving", flush=True)
time.sleep(600)
"""


def test_clean_removes_what_the_dead_have_left_and_nothing_else(nxstxm: Run, folder: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "saving\n"
        assert nxstxm("store", "clean", folder)[1] == ""
        assert "unfinished" in nxstxm("store", "ls", folder)[1]
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    break_one(folder)
    deadline = time.monotonic() + 60
    while not (out := nxstxm("store", "clean", folder, "--dry-run")[1]):
        assert time.monotonic() < deadline
    assert out.startswith("would clean")
    assert list(folder.rglob("slow-*_temp"))
    assert nxstxm("store", "clean", folder)[1].startswith("cleaned")
    assert not list(folder.rglob("*_temp"))
    assert list(folder.rglob("*_broken"))
    nxstxm("store", "clean", folder, "--broken")
    assert not list(folder.rglob("*_broken"))
    assert nxstxm("store", "verify", folder)[0] == 0


def test_a_run_table_is_a_store_too(nxstxm: Run, folder: Path, tmp_path: Path) -> None:
    with RunTable.create(tmp_path / "table", proposal=900001, context="") as table:
        RunFiles(table).save(OD, np.random.default_rng(1).normal(size=(60, 100)))
    status, out, err = nxstxm("store", "ls", tmp_path / "table")
    assert (status, err) == (0, "")
    assert OD.hash[:16] in out
    assert nxstxm("store", "verify", tmp_path / "table")[0] == 0
    assert nxstxm("store", "copy", folder, tmp_path / "table", MAP.hash[:8])[0] == 0
    with RunTable(tmp_path / "table", readonly=True) as table:
        assert {metadata.key for metadata in RunFiles(table).list()} == {OD, MAP}
        assert RunFiles(table).load(MAP).shape == (60, 100)
    (file,) = (tmp_path / "table" / "extracted_data").glob("*_r1.h5")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert nxstxm("store", "verify", tmp_path / "table")[0] == 1


def test_copy_keeps_what_is_known_there_and_tells_what_it_can_not_copy(
    nxstxm: Run, folder: Path, tmp_path: Path
) -> None:
    break_one(folder)
    here, there = DataDirectory(folder), DataDirectory(tmp_path / "copy")
    here.write_run_metadata("only noted", {"start": {"scan_id": 8}})
    there.write_run_metadata("a1b2", {"notes": "ten hours of work", "start": {"scan_id": 9}})
    (damaged,) = folder.rglob(f"od-{NEW.hash[:16]}/metadata.json")
    damaged.write_bytes(b"{}")
    status, out, err = nxstxm("store", "copy", folder, there.path)
    assert (status, out.count("copied  ")) == (1, 2)
    assert f"od-{NEW.hash[:16]}" in err
    assert "is broken, and not copied" in err + out
    assert there.run_metadata("a1b2") == {
        "notes": "ten hours of work",
        "start": {"scan_id": 9},
    }
    assert there.run_metadata("only noted", "start.scan_id") == 8
    nxstxm("store", "copy", folder, there.path, "--overwrite")
    assert there.run_metadata("a1b2") == {"start": {"scan_id": 7}}


def test_verify_looks_at_what_is_known_of_runs(nxstxm: Run, folder: Path) -> None:
    (noted,) = folder.rglob("run.json")
    noted.write_bytes(noted.read_bytes().replace(b"7", b"8"))
    status, out, err = nxstxm("store", "verify", folder)
    assert status == 1
    assert "bad  what is known of run a1b2" in out
    assert "checksum" in err


def test_a_look_at_what_could_be_cleaned_writes_nothing(nxstxm: Run, tmp_path: Path) -> None:
    (tmp_path / "ab" / "holiday").mkdir(parents=True)
    (tmp_path / "ab" / "holiday" / "beach.jpg").write_bytes(b"sand")
    for how in (["--dry-run"], []):
        assert nxstxm("store", "clean", tmp_path, *how)[:2] == (0, "")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["beach.jpg"]
    status, _, err = nxstxm("store", "clean", tmp_path, "--older", "5")
    assert status == 2
    assert "--older is for addresses of fsspec" in err
    address = f"memory://{tmp_path.name}"
    FsspecDirectory(address).save(OD, np.zeros(3))
    assert nxstxm("store", "clean", address, "--older", "5")[0] == 0


def test_verify_shows_how_far_it_is_on_a_terminal(folder: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    assert verify(console, DataDirectory(folder), [])
    assert "verifying" in shown.getvalue()
    assert shown.getvalue().count("good") == 3
    shown = io.StringIO()
    assert verify(Console(file=shown, width=100), DataDirectory(folder), [])
    assert "verifying" not in shown.getvalue()
