"""Without these tests an export right after a scan could miss its end, and one that can not succeed
could wait for ever, leave half a file, or say something that helps nobody.

The catalogs are real ones: what they know of a run that still goes on differs from one to the
other.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import h5py
import pytest

from .processes import Refused, Worker, tiled_server, worker
from .scans import FOREIGN, LATE, NEVER_STORED, UNFINISHED, WOVEN
from .stored import Stored

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
#: The worker's fixture, its catalog, and how many of the last events of a run the catalog may keep
#: to itself as long as the run goes on: databroker 2 gives them in pages of 25, a msgpack file is
#: written when there is enough to write.
CATALOGS = {
    "databroker 1": ("databroker1", "mongo", 0),
    "databroker 1 on msgpack": ("databroker1", "msgpack", 1000),
    "databroker 2": ("databroker2", "temp", 25),
    "Tiled": ("tiled_plain", "live", 0),
    "Tiled with exporter": ("tiled_exporting", "live", 0),
}


class Kept:
    """A catalog in a worker: to insert documents, and to export from."""

    def __init__(self, process: Worker, name: str, stored: Stored, kept_back: int = 0) -> None:
        self.kept_back = kept_back
        self._process = process
        self._name = name
        self._stored = stored

    def insert(self, scan: str, run: int = 0, first: int = 0, last: int | None = None) -> None:
        self._process("insert", self._name, scan, run, first, last)

    def insert_later(self, seconds: float, scan: str, run: int, first: int) -> None:
        self._process("insert_later", seconds, self._name, scan, run, first, None)

    def export(self, scan: str, target: Path, **options: Any) -> Path:
        self._process("export_one", self._name, self._stored.uids(scan), str(target), options)
        return target


@pytest.fixture(params=CATALOGS)
def kept(request: pytest.FixtureRequest, stored: Stored) -> Kept:
    fixture, name, kept_back = CATALOGS[request.param]
    return Kept(request.getfixturevalue(fixture), name, stored, kept_back)


def test_a_run_that_nobody_knows_is_named(kept: Kept, stored: Stored, tmp_path: Path) -> None:
    [uid] = stored.uids(NEVER_STORED)
    begun = time.monotonic()
    with pytest.raises(Refused, match=f"has no run {uid} after 0.5 s; see that the uid") as caught:
        kept.export(NEVER_STORED, tmp_path / "x.hdf5", timeout=0.5)
    assert caught.value.kind == "NXstxmKeyError"
    assert time.monotonic() - begun < 30
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_does_not_end_is_named_or_written_as_incomplete(
    kept: Kept, stored: Stored, tmp_path: Path
) -> None:
    kept.insert(UNFINISHED, last=-2)  # without its last point, and without an end
    [uid] = stored.uids(UNFINISHED)
    told = rf"run {uid} in .* has no stop .* after 0.5 s.*incomplete="
    with pytest.raises(Refused, match=told) as caught:
        kept.export(UNFINISHED, tmp_path / "x.hdf5", timeout=0.5)
    assert caught.value.kind == "UnfinishedError"
    assert list(tmp_path.iterdir()) == []
    path = kept.export(UNFINISHED, tmp_path / "x.hdf5", timeout=0.1, incomplete=True)
    with h5py.File(path) as h5, h5py.File(stored.direct(UNFINISHED)) as direct:
        entry, whole = h5[h5.attrs["default"]], direct[direct.attrs["default"]]
        assert not entry.attrs["complete"]
        assert whole.attrs["complete"]
        assert entry["collection/exit_status"].asstr()[()] == "incomplete"
        came, all_of_them = (e["instrument/counter0/data"][()].tolist() for e in (entry, whole))
    assert len(all_of_them) - 1 - kept.kept_back <= len(came) <= len(all_of_them) - 1
    assert came == all_of_them[: len(came)]


def test_a_run_whose_end_comes_late_is_awaited(kept: Kept, stored: Stored, tmp_path: Path) -> None:
    kept.insert(LATE, last=-1)
    begun = time.monotonic()
    kept.insert_later(0.5, LATE, 0, -1)
    path = kept.export(LATE, tmp_path / "x.hdf5", timeout=60)
    assert 0.4 < time.monotonic() - begun < 50
    assert stored.differences(LATE, path) == []


def test_runs_that_are_woven_into_each_other_come_apart(
    kept: Kept, stored: Stored, tmp_path: Path
) -> None:
    """As when two programs measure at a time, or a plan opens a run within a run."""
    left = {
        (scan, run): len(documents)
        for scan in WOVEN
        for run, documents in enumerate(stored.scans[scan].runs)
    }
    for number in range(max(left.values())):
        for (scan, run), count in left.items():
            if number < count:
                kept.insert(scan, run, number, number + 1)
    for scan in WOVEN:
        path = kept.export(scan, tmp_path / f"{scan}.hdf5")
        assert stored.differences(scan, path) == []


def test_a_euxfel_run_of_others_is_a_run_like_any(
    kept: Kept, stored: Stored, tmp_path: Path
) -> None:
    if FOREIGN not in stored.scans:
        pytest.skip("EXtra-data is not installed")
    kept.insert(FOREIGN)
    path = kept.export(FOREIGN, tmp_path / "x.hdf5")
    assert stored.differences(FOREIGN, path) == []


def test_a_tiled_server_that_does_not_answer_is_named(
    python2: Path, stored: Stored, tmp_path: Path
) -> None:
    [name] = WOVEN[1:]
    with tiled_server(python2, tmp_path / "s", readable=stored.files, exporter=False) as server:
        arguments = ("in_tiled.py", tmp_path / "log", str(stored.pickle), server.address)
        with worker(python2, *arguments, "`client`", '`"tiled:ADDRESS"`') as process:
            target = tmp_path / "out" / "x.hdf5"
            kept = Kept(process, "stored", stored)
            kept.insert(name)
            kept.export(name, target)
            assert stored.differences(name, target) == []
            target.unlink()
            server.process.terminate()
            server.process.wait(60)
            for way in process("names", "stored"):
                told = process("export", "stored", way, [name], str(target.parent))[name]
                assert told.startswith("NXstxmOSError: Tiled at "), told
                assert server.place in told
                assert "did not answer as it should" in told
                assert "see that the server runs" in told
                assert server.key not in told
            assert list(target.parent.iterdir()) == []
