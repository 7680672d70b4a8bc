"""Without these tests recovering could take away the only copy of what it could not use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmWriter, recover
from suitcase.nxstxm.documents import difference, read_archive
from suitcase.nxstxm.euxfel import EuXFELWriter
from suitcase.nxstxm.exchange import RecoverError
from suitcase.nxstxm.nexus import read_documents, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from ..exchange.same import holds
from .frame_run import frame_run
from .left import left_behind

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
STACK = "pystxm2019-sample_image_stack-lines"
MARK = b"\xc1NXblock"
#: Long enough that each document has a block of its own.
PAUSE = 0.04
Documents = list[tuple[str, dict[str, Any]]]


def runs_of(name: str) -> list[Documents]:
    return scan_documents(REQUESTS[name])


def damage(path: Path, uid: str) -> int:
    """Change a byte in the block that has a descriptor; give where."""
    data = bytearray(path.read_bytes())
    first, *blocks = data.split(MARK)
    at = len(first)
    for block in blocks:
        at += len(MARK) + len(block)
        if uid.encode() in block and b"data_keys" in block:
            break
    data[at - 20] ^= 1
    path.write_bytes(data)
    return at - 20


def primary(run: Documents) -> str:
    return next(d["uid"] for n, d in run if n == "descriptor" and d.get("name") == "primary")


def readable(folder: Path) -> Documents:
    [path] = folder.glob("*.nxdocs")
    with path.open("rb") as file:
        return list(read_archive(file, on_damage="skip", damage=[], partial=True))


def told(path: Path) -> str:
    with h5py.File(path) as h5:
        return "\n".join(h5["entry0/collection/messages"].asstr()[()])


def kept_of(folder: Path) -> Path:
    [kept] = folder.glob("*.journal.damaged")
    assert not list(folder.glob("*.journal"))
    assert not list(folder.glob("*.tmp"))
    return kept


# -- what could not be used -----------------------------------------------------------------------


@pytest.mark.parametrize("at_startup", [False, True])
def test_what_could_not_be_used_is_kept(
    at_startup: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Events of a damaged descriptor make no picture, and are nowhere else."""
    [run] = runs_of(LINES)
    folder = tmp_path / "left"
    journal = left_behind(folder, [run], PAUSE)
    [path] = journal.glob("*.nxdocs")
    damage(path, primary(run))
    before, content = readable(journal), path.read_bytes()
    with caplog.at_level(logging.WARNING):
        if at_startup:
            NXstxmWriter(folder).close()
        else:
            recover(folder)
    [made] = folder.glob("*.hdf5")
    assert [p for p in validate(made) if p.level == "error"] == []
    kept = kept_of(folder)
    assert kept.name in told(made)
    assert kept.name in caplog.text
    assert len(list(read_documents(made))) < len(before)
    assert difference(before, readable(kept)) is None
    assert (kept / path.name).read_bytes() == content
    assert recover(folder) == []  # not over and over
    assert kept.exists()


def test_who_mends_a_journal_that_was_kept_has_all_of_it(tmp_path: Path) -> None:
    """Frames that only the temporary file had are kept beside it."""
    run = frame_run(12)
    folder = tmp_path / "left"
    journal = left_behind(folder, [run], PAUSE)
    [path] = journal.glob("*.nxdocs")
    at = damage(path, "descriptor0")
    [made] = recover(folder)
    kept = kept_of(folder)
    again = kept.rename(journal) / path.name
    assert recover(folder) == []  # nothing was mended: it is put aside again
    again = kept_of(folder).rename(journal) / path.name
    data = bytearray(again.read_bytes())
    data[at] ^= 1
    again.write_bytes(data)
    assert recover(folder, overwrite=True) == [made]
    holds(made, [run[:-1]])
    assert [p.name for p in folder.iterdir()] == [made.name]


def test_a_recovery_that_dies_keeps_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there, and lacks some: that is no other scan's file."""
    [run] = runs_of(LINES)
    folder = tmp_path / "left"
    journal = left_behind(folder, [run], PAUSE)
    [path] = journal.glob("*.nxdocs")
    damage(path, primary(run))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> Any:
        raise Killed

    for place in (
        "_scan_writer.finish_file",
        "_recover._keep_frames",
        "_recover.JournalFolder.remove",
    ):
        with monkeypatch.context() as broken:
            broken.setattr(f"suitcase.nxstxm.exchange.{place}", killed)
            with pytest.raises(Killed):
                recover(folder)
        assert journal.exists()
    recover(folder)
    kept_of(folder)
    assert len(list(folder.glob("*.hdf5"))) == 1


def test_euxfel_runs_keep_what_could_not_be_used(tmp_path: Path) -> None:
    [run] = runs_of(LINES)
    folder = tmp_path / "left"
    journal = left_behind(folder, [run], PAUSE, EuXFELWriter)
    [path] = journal.glob("*.nxdocs")
    damage(path, primary(run))
    before = readable(journal)
    assert len(recover(folder)) == 1
    kept = kept_of(folder)
    assert difference(before, readable(kept)) is None
    assert recover(folder) == []


# -- what is only unfinished ----------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["cut", "zeros", "changed", "alone"])
def test_an_unfinished_end_is_no_damage(tail: str, tmp_path: Path) -> None:
    """A power cut leaves the beginning of a block, or zeros; another byte it does not leave."""
    [run] = runs_of(LINES)
    folder = tmp_path / "left"
    journal = left_behind(folder, [run], PAUSE)
    [path] = journal.glob("*.nxdocs")
    data = bytearray(path.read_bytes())
    last = data.rindex(MARK)
    if tail == "cut":
        del data[-100:]
    elif tail == "zeros":
        data[last + 100 :] = bytes(len(data) - last - 100)
    elif tail == "changed":
        data[last + 100] ^= 1
    else:
        del data[data.index(MARK, data.index(MARK) + 1) :]
        data[100] ^= 1
    path.write_bytes(data)
    if tail == "alone":
        with pytest.raises(RecoverError, match=r"the start document of .* is damaged"):
            recover(folder)
        assert path.read_bytes() == data
        return
    [made] = recover(folder)
    assert len(list(read_documents(made))) == len(run) - 2
    assert bool(list(folder.glob("*.damaged"))) == (tail == "changed")
    assert not list(folder.glob("*.journal"))


# -- one run of several ---------------------------------------------------------------------------


def test_a_run_whose_start_is_damaged_does_not_hold_up_the_others(tmp_path: Path) -> None:
    runs = runs_of(STACK)
    folder = tmp_path / "left"
    journal = left_behind(folder, runs, 0.03)
    for lost in (runs[0], runs[1]):  # the first gives the file its name
        path = journal / f"{lost[0][1]['uid']}.nxdocs"
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        rest = [run[:-1] for run in runs if run is not lost]
        [made] = recover(folder)
        assert [p for p in validate(made) if p.level == "error"] == []
        holds(made, rest)
        assert "a run is missing" in told(made)
        with h5py.File(made) as h5:
            assert not h5["entry0"].attrs["complete"]
            assert np.isfinite(h5["entry0/counter0/data"]).any()
        kept = kept_of(folder)
        assert (kept / path.name).read_bytes() == data
        data[100] ^= 1
        path = kept.rename(journal) / path.name
        path.write_bytes(data)
        made.unlink()
