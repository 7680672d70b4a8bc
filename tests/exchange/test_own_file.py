"""Without these tests the file of a scan that one writer has for itself, and that stays open while
the scan comes in, could be lost by an error, be found by others too early, or never be closed.
"""

from __future__ import annotations

import gc
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, Serializer, export, export_scan, finish_export
from suitcase.nxstxm.documents import DocumentError
from suitcase.nxstxm.nexus import ScanFile, read_documents

from .documents import ONE, Document, camera_stack, plain_run, scan
from .same import holds, same_file

ROOT = Path(__file__).resolve().parents[2]


def long_run() -> list[Document]:
    """Give a run of 40 MiB, which does not wait in memory."""
    chance = np.random.default_rng(5)
    return list(
        plain_run(80, {"camera": (256, 256)}, lambda _i, _key: chance.standard_normal((256, 256)))
    )


@pytest.fixture(scope="module")
def frames() -> list[Document]:
    return long_run()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_whole_on_the_disk_after_every_block(frames: list[Document], tmp_path: Path) -> None:
    serializer = Serializer(tmp_path, "x")
    uid = frames[0][1]["uid"]
    seen = set()
    for number, (name, doc) in enumerate(frames[:-1]):
        serializer(name, doc)
        assert names(tmp_path) == [f"x.{uid}.own.tmp"]
        if number % 4:
            continue
        copy = tmp_path / "copy"
        shutil.copy(tmp_path / f"x.{uid}.own.tmp", copy)  # what a power cut would leave
        with h5py.File(copy) as h5:
            found = h5.get(f"staging/{uid}")
            shapes = [d.shape for d in found.values() if d.ndim == 3] if found else []
            seen |= set(shapes)
            for dataset in found.values() if found else ():
                if dataset.ndim == 3:
                    last = len(dataset) - 1
                    wanted = frames[2 + last][1]["data"]["camera"]
                    np.testing.assert_array_equal(dataset[last], wanted, err_msg=str(number))
        copy.unlink()
    assert len(seen) >= 2  # it grew while it was looked at
    serializer(*frames[-1])
    assert names(tmp_path) == ["x.hdf5"]
    holds(tmp_path / "x.hdf5", [frames])


def one_scan(docs: list[Document], folder: Path, prefix: str) -> Path:
    return export_scan([docs], folder, file_prefix=prefix)


def test_after_an_error_others_find_it(frames: list[Document], tmp_path: Path) -> None:
    uid = frames[0][1]["uid"]
    broken = [*frames[:45], ("event", {**frames[45][1], "seq_num": None}), *frames[46:]]
    for folder, way in ((tmp_path / "run", export), (tmp_path / "scan", one_scan)):
        with pytest.raises(DocumentError, match="seq_num") as caught:
            way(broken, folder, "x")
        assert names(folder) == [f"x.{uid}.tmp"]
        assert str(folder / f"x.{uid}.tmp") in str(caught.value)
        holds(finish_export(folder, "x", uid), [frames[:45]])


def test_a_serializer_goes_on_after_an_error(frames: list[Document], tmp_path: Path) -> None:
    serializer = Serializer(tmp_path, "x")
    for name, doc in frames[:30]:
        serializer(name, doc)
    with pytest.raises(DocumentError):
        serializer("event", {**frames[30][1], "data": None})
    for name, doc in frames[30:]:
        serializer(name, doc)
    assert names(tmp_path) == ["x.hdf5"]
    holds(tmp_path / "x.hdf5", [frames])


def test_a_file_that_others_may_find_is_not_written_over(tmp_path: Path) -> None:
    """After an error the name for all may be taken: then it stays under its own."""
    [docs] = scan(ONE)
    uid = docs[0][1]["uid"]
    export(docs, tmp_path, "x", first_uid=uid)
    before = (tmp_path / f"x.{uid}.tmp").read_bytes()
    with pytest.raises(NXstxmError, match=rf"x\.{uid}\.own\.tmp"):
        export([*docs[:-1], ("event", {})], tmp_path, "x")
    assert names(tmp_path) == [f"x.{uid}.own.tmp", f"x.{uid}.tmp"]
    assert (tmp_path / f"x.{uid}.tmp").read_bytes() == before
    holds(finish_export(tmp_path, "x", uid), [docs])


def test_the_same_run_can_be_exported_twice_at_once(frames: list[Document], tmp_path: Path) -> None:
    """In one thread, document by document: neither waits for a lock of the other."""
    lone = [Serializer(tmp_path, name) for name in ("a", "b")]
    joined = Serializer(tmp_path, "c", first_uid=frames[0][1]["uid"])
    for name, doc in frames:
        for serializer in (*lone, joined):
            serializer(name, doc)
    finish_export(tmp_path, "c", frames[0][1]["uid"])
    assert names(tmp_path) == ["a.hdf5", "b.hdf5", "c.hdf5"]
    same_file(tmp_path / "a.hdf5", tmp_path / "b.hdf5")
    same_file(tmp_path / "a.hdf5", tmp_path / "c.hdf5")


def test_a_serializer_that_is_dropped_closes_its_file(
    frames: list[Document], tmp_path: Path
) -> None:
    serializer = Serializer(tmp_path, "x")
    for name, doc in frames[:40]:
        serializer(name, doc)
    [path] = tmp_path.iterdir()
    del serializer
    gc.collect()
    with h5py.File(path, "r+") as h5:  # refused by HDF5 while somebody has it open
        assert list(h5["staging"]) == [frames[0][1]["uid"]]


LEAVES = """
    import sys
    from suitcase.nxstxm import Serializer
    from tests.exchange.test_own_file import long_run
    serializer = Serializer(sys.argv[1], "x")
    for name, doc in long_run()[:40]:
        serializer(name, doc)
    if sys.argv[2] == "kill":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "how",
    ["end", pytest.param("kill", marks=pytest.mark.skipif(os.name == "nt", reason="no SIGKILL"))],
)
def test_a_process_that_ends_leaves_a_file_that_opens(
    frames: list[Document], how: str, tmp_path: Path
) -> None:
    script = "\n".join(line[4:] for line in LEAVES.splitlines())
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == (0 if how == "end" else -signal.SIGKILL), done.stderr
    assert done.stderr == ""
    uid = frames[0][1]["uid"]
    assert names(tmp_path) == [f"x.{uid}.own.tmp"]
    with h5py.File(tmp_path / f"x.{uid}.own.tmp") as h5:
        assert max(len(d) for d in h5[f"staging/{uid}"].values()) >= 32
    # it is in nobody's way
    holds(export_scan([frames], tmp_path, file_prefix="x"), [frames])
    assert names(tmp_path) == [f"x.{uid}.own.tmp", "x.hdf5"]


def test_the_archive_of_frames_holds_their_checksums(tmp_path: Path) -> None:
    """They are taken beside the writing, later than the documents that name them."""
    runs = camera_stack(2, 6)
    path = export_scan(runs, tmp_path, file_prefix="x")
    wanted = [document for run in runs for document in run]
    assert len(list(read_documents(path))) == len(wanted)
    holds(path, runs)
    with h5py.File(path, "r+") as h5:
        largest: list[h5py.Dataset] = []
        h5.visititems(
            lambda _, d: largest.append(d) if isinstance(d, h5py.Dataset) and d.ndim == 3 else None
        )
        frames = max(largest, key=lambda d: d.nbytes)
        frames[3, 7, 9] += 1
    with pytest.raises(NXstxmError, match="checksum"):
        list(read_documents(path))


def test_a_file_in_memory_has_no_others_to_share_it_with() -> None:
    file = ScanFile(io.BytesIO(), "u")
    file.share()
    file.close()
    assert file.path is None
