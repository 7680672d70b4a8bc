"""Data in any file system are the same data as on a disk, and no writer spoils them.

Without these tests a store could be written to a bucket that no `DataDirectory` reads, one row of a
stack would be fetched by reading all of it, and a job that was killed would keep its key for ever.
"""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.zip import ZipFileSystem

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.storage import (
    DataCorrupted,
    DataDirectory,
    DataKey,
    DataLockedError,
    DataNotAvailable,
    FsspecDirectory,
    SaverError,
    StorageFrontend,
)
from suitcase.nxstxm.storage._pieces import THREADS
from suitcase.nxstxm.storage.testing import FrontendContract

from .filesystems import Plain, Remote

KEY = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {})})


def other_key(n: int) -> DataKey:
    return DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {"n": n})})


def folder_of(store: FsspecDirectory, key: DataKey = KEY) -> str:
    return store.backend.files.path(store._place(key).backend_key)


def names_of(store: FsspecDirectory, key: DataKey = KEY) -> list[str]:
    return store.backend.files.names(folder_of(store, key))


def memory() -> FsspecDirectory:
    fs = MemoryFileSystem(skip_instance_cache=True)
    fs.store, fs.pseudo_dirs = {}, [""]
    return FsspecDirectory(uuid4().hex, filesystem=fs)


def asynchronous(fs: Any) -> Any:
    """Make of a file system one whose calls go through an event loop, as those of s3fs do."""
    wrapper = pytest.importorskip("fsspec.implementations.asyn_wrapper")
    return wrapper.AsyncFileSystemWrapper(fs, asynchronous=False)


def break_off(store: StorageFrontend) -> None:
    with store.saver(KEY) as saver:
        saver.save(np.arange(3))
        saver.save(1 // 0)


def chunks(value: float, rows: int = 3) -> list[Any]:
    return [np.full((2, 2), value) for _ in range(rows)]


# -- other file systems keep the same promises -----------------------------------------------------


class TestRemote(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self) -> StorageFrontend:
        return FsspecDirectory("store", filesystem=Remote())


class TestPlain(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self, tmp_path: Path) -> StorageFrontend:
        return FsspecDirectory(f"plain://{tmp_path}/store", filesystem=Plain())


class TestAsynchronous(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self) -> StorageFrontend:
        return FsspecDirectory("store", filesystem=asynchronous(Remote()))


# -- the same folders as a DataDirectory -----------------------------------------------------------


def test_each_reads_what_the_other_wrote(tmp_path: Path):
    disk = DataDirectory(tmp_path / "store", overwrite="always")
    store = FsspecDirectory(f"file://{tmp_path}/store", overwrite="always")
    for n, (one, other) in enumerate([(disk, store), (store, disk), (store, disk), (disk, store)]):
        with one.saver(KEY, {"n": n}) as saver:
            saver.save(np.full((2, 3), n), label="first")
            saver.save(np.full((1, 3), n))
        assert (other.load(KEY) == n).all()
        assert [chunk.label for chunk in other.loader(KEY)] == ["first", None]
        assert other.get_metadata(KEY).extra == {"n": n}
        assert other.verify(KEY) == one.verify(KEY)
        assert [m.key for m in other.list("a1b2", "od")] == [KEY]
        one.write_run_metadata("a1b2", {"start": {"n": n}})
        assert other.run_metadata("a1b2", "start.n") == n
    disk.remove(KEY)
    for one, other in ((disk, store), (store, disk)):
        with pytest.raises(ZeroDivisionError):
            break_off(one)
        assert "ZeroDivisionError" in (other.get_metadata(KEY).exception or "")
        assert len(other.load(KEY, allow_incomplete=True)) == 3
        other.remove(KEY)
        with pytest.raises(DataNotAvailable):
            one.get_metadata(KEY)


def test_data_that_a_data_directory_is_writing_can_be_looked_at(tmp_path: Path):
    disk, store = DataDirectory(tmp_path), FsspecDirectory(tmp_path)
    with disk.saver(KEY) as saver:
        saver.save(np.arange(3))
        assert KEY not in store
        assert store.load(KEY, allow_incomplete=True).tolist() == [0, 1, 2]
        with pytest.raises(DataLockedError, match="DataDirectory"):
            store.remove(KEY)
    assert store.load(KEY).tolist() == [0, 1, 2]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("kind", ["disk", "file"])
def test_a_zip_is_read(tmp_path: Path, kind: str, compression: int):
    data = np.random.default_rng(1).random((3, 300_000))  # 2.4 MB a row: several blocks
    folder = tmp_path / "store"
    source = DataDirectory(folder) if kind == "disk" else FsspecDirectory(folder)
    with source.saver(KEY) as saver:
        saver.save(data, label={"n": 1})
        saver.save(data + 1)
    source.write_run_metadata("a1b2", {"start": {"name": "diatom"}})
    with zipfile.ZipFile(tmp_path / "store.zip", "w", compression) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    shutil.rmtree(folder)

    store = FsspecDirectory(f"zip://store::{tmp_path}/store.zip")
    assert store.readonly
    np.testing.assert_array_equal(store.load(KEY), np.concatenate([data, data + 1]))
    np.testing.assert_array_equal(store.load(KEY, rows=(4, 5)), data[1:2] + 1)
    assert [chunk.label for chunk in store.loader(KEY)] == [{"n": 1}, None]
    assert store.run_metadata("a1b2", "start.name") == "diatom"
    assert list(store.runs()) == ["a1b2"]
    assert [m.key for m in store.list()] == [KEY]
    assert other_key(1) not in store
    assert "store.zip" in str(store.find(KEY))
    for work in (lambda: store.saver(other_key(1)), lambda: store.remove(KEY), store.clean):
        with pytest.raises(NXstxmError, match="read-only"):
            work()


def test_the_path_of_a_zip_is_enough(tmp_path: Path):
    DataDirectory(tmp_path / "store").save(KEY, np.arange(3))
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "store")
    assert FsspecDirectory(tmp_path / "packed.zip").load(KEY).tolist() == [0, 1, 2]
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(DataCorrupted, match=r"no\.zip"):
        FsspecDirectory(tmp_path / "no.zip")
    with pytest.raises(NXstxmError, match="missing"):
        FsspecDirectory(f"zip://::{tmp_path}/missing.zip")
    with pytest.raises(NXstxmError, match="only read"):
        FsspecDirectory("", filesystem=ZipFileSystem(f"{tmp_path}/new.zip", mode="w"))


# -- what goes over the line -----------------------------------------------------------------------


def test_only_what_is_wanted_is_fetched():
    fs = Remote()
    store = FsspecDirectory("store", filesystem=fs)
    data = np.random.default_rng(1).random((8, 500_000))  # 4 MB a row: a block
    with store.saver(KEY, compression="none") as saver:
        for first in (0, 4):
            saver.save(data[first : first + 4])
    fs.fetched.clear()
    opened = store.open(KEY)
    assert {name for name, _ in fs.fetched} == {"metadata.json", "chunks.jsonl"}
    fs.fetched.clear()
    np.testing.assert_array_equal(opened.read(opened.chunks[1], rows=(2, 3)), data[6:7])
    assert [name for name, _ in fs.fetched] == ["000001.h5"]
    assert fs.fetched[0][1] == 4_000_000
    fs.fetched.clear()
    np.testing.assert_array_equal(store.load(KEY, rows=(3, 5)), data[3:5])
    fetched = [each for each in fs.fetched if each[0].endswith(".h5")]
    assert sorted(fetched) == [("000000.h5", 4_000_000), ("000001.h5", 4_000_000)]


@pytest.mark.skipif(THREADS < 2, reason="this machine has one core")
@pytest.mark.parametrize("form", [lambda fs: fs, asynchronous], ids=["threads", "asynchronous"])
def test_several_threads_fetch(form: Callable[[Any], Any]):
    fs = Remote()
    store = FsspecDirectory("store", filesystem=form(fs))
    data = np.random.default_rng(1).random((6, 500_000))
    store.save(KEY, data)
    fs.together = threading.Barrier(2)  # the first has to wait for the second
    np.testing.assert_array_equal(store.load(KEY), data)


def test_a_server_may_send_more_than_it_was_asked_for():
    fs = Remote()
    store = FsspecDirectory("store", filesystem=fs)
    store.saver(KEY).save_from(chunks(2))
    fs.knows_ranges = False
    assert (store.load(KEY, rows=(1, 5)) == 2).all()


def test_a_plain_file_is_opened_once_and_read_where_it_is_wanted(tmp_path: Path):
    fs = Plain()
    store = FsspecDirectory(str(tmp_path), filesystem=fs)
    data = np.random.default_rng(1).random((4, 500_000))
    store.save(KEY, data)
    fs.opened.clear()
    np.testing.assert_array_equal(store.load(KEY), data)
    assert sum(path.endswith(".h5") for path in fs.opened) == 1


def test_a_dead_line_is_no_damage_and_nothing_is_replaced_for_it():
    fs = Remote()
    store = FsspecDirectory("store", filesystem=fs)  # overwrite="if_broken"
    store.save(KEY, np.arange(3))
    opened = store.open(KEY)
    fs.broken = True
    for work in (lambda: store.load(KEY), opened.load, lambda: store.saver(KEY)):
        with pytest.raises(NXstxmError, match="the line is dead") as caught:
            work()
        assert not isinstance(caught.value, (DataCorrupted, DataNotAvailable))
    fs.broken = False
    assert store.load(KEY).tolist() == [0, 1, 2]
    saver = store.saver(other_key(1))
    fs.broken = True
    with pytest.raises(NXstxmError, match="can not be written"):
        saver.save(np.arange(3))
    saver.fail(ValueError("given up"))  # can not even note that
    fs.broken = False
    assert other_key(1) not in store


# -- replacing -------------------------------------------------------------------------------------


def test_new_files_have_other_names_and_the_old_ones_go():
    store = memory()
    store.overwrite = "always"
    store.save(KEY, np.zeros(3))
    assert names_of(store) == ["000000.h5", "chunks.jsonl", "metadata.json"]
    store.save(KEY, np.array(1.5))
    first = names_of(store)
    assert len(first) == 4
    assert not {"000000.h5", "chunks.jsonl"} & set(first)
    assert store.get_metadata(KEY).place["log"]["file"] in first
    store.save(KEY, np.ones(3))
    assert len(names_of(store)) == 3
    assert not (set(first) - {"metadata.json"}) & set(names_of(store))
    assert store.load(KEY).tolist() == [1, 1, 1]


def test_who_reads_finds_the_old_or_the_new(tmp_path: Path):
    """Or is told to open again, when what it was reading went away."""
    for store in (memory(), FsspecDirectory(tmp_path)):
        store.overwrite = "always"
        store.saver(KEY).save_from(chunks(-1))
        stop = threading.Event()

        def write(store: FsspecDirectory = store, stop: threading.Event = stop) -> None:
            for n in range(25):
                store.saver(KEY).save_from(chunks(n))
            stop.set()

        thread = threading.Thread(target=write)
        thread.start()
        seen = set()
        while not stop.is_set():
            assert KEY in store
            try:
                found = store.load(KEY)
            except DataCorrupted as error:
                assert "open them again" in str(error)  # noqa: PT017 - most often there is none
                continue
            assert found.shape == (6, 2)
            seen.add(found[0, 0])
            assert len(np.unique(found)) == 1
        thread.join()
        assert (store.load(KEY) == 24).all()
        assert len(seen) > 1


def test_broken_data_are_replaced_and_whole_ones_are_not():
    store = memory()
    store.save(KEY, np.arange(3))
    store.backend.files.remove(f"{folder_of(store)}/000000.h5")
    with pytest.raises(DataCorrupted, match=r"000000\.h5 is missing"):
        store.load(KEY)
    store.save(KEY, np.arange(4))
    assert store.load(KEY).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("file", ["metadata.json", "chunks.jsonl", "000000.h5", "constants.h5"])
@pytest.mark.parametrize("how", ["flipped", "shorter", "empty", "longer"])
def test_damage_is_told(file: str, how: str):
    xr = pytest.importorskip("xarray")
    store = memory()
    data = xr.DataArray(np.ones((300, 2)), dims=("y", "x"), coords={"x": [1, 2]})
    store.save(KEY, data, compression="none")
    path = f"{folder_of(store)}/{file}"
    raw = bytearray(store.backend.files.read(path))
    at = len(raw) // 2
    if file.endswith(".h5"):
        at = raw.index((data if file == "000000.h5" else data["x"]).values.tobytes()) + 8
    if how == "flipped":
        raw[at] ^= 1
    damaged = {"shorter": raw[:at], "empty": b"", "longer": raw + b"\n{}"}.get(how, raw)
    store.backend.files.write(path, bytes(damaged))
    if how == "longer" and file.endswith(".h5"):
        assert store.load(KEY).sum() == 600  # what is behind is not looked at
        return
    with pytest.raises(DataCorrupted, match=file):
        store.load(KEY)


# -- writers ---------------------------------------------------------------------------------------

DYING = """
import os, sys
import numpy as np
from suitcase.nxstxm.storage import DataKey, FsspecDirectory
store = FsspecDirectory(sys.argv[1])
key = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {})})
saver = store.saver(key)
saver.save(np.arange(3))
print(os.getpid(), flush=True)
os._exit(9)
"""


def killed_writer(path: Path) -> str:
    """Let another process begin to write, and die; give its number."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 9, done.stderr
    return done.stdout.strip()


def test_what_a_killed_writer_left_is_cleaned_and_replaced(tmp_path: Path):
    pid = killed_writer(tmp_path)
    store = FsspecDirectory(tmp_path)
    assert KEY not in store
    with pytest.raises(DataLockedError, match=rf"process {pid} on .*clean\(\) removes"):
        store.saver(KEY)
    with pytest.raises(DataLockedError):
        store.backend.remove(store._place(KEY).backend_key)
    assert len(store.clean(dry_run=True)) == 2
    left = ["000000.h5", "writer.json"]
    assert names_of(store) == left
    assert [path.rpartition("/")[2] for path in store.clean()] == left
    assert not Path(folder_of(store)).exists()
    store.save(KEY, np.arange(4))
    assert names_of(store) == ["000000.h5", "chunks.jsonl", "metadata.json"]
    assert store.clean() == []
    assert store.load(KEY).tolist() == [0, 1, 2, 3]


def test_leftovers_without_a_writer_are_replaced(tmp_path: Path):
    killed_writer(tmp_path)
    store = FsspecDirectory(tmp_path)
    store.backend.files.remove(f"{folder_of(store)}/writer.json")
    store.save(KEY, np.arange(4))
    assert len(names_of(store)) == 3
    assert "000000.h5" not in names_of(store)  # whoever began may be alive, and write it


def test_a_writer_on_another_machine_is_dead_when_it_is_old():
    store = memory()
    note = {"pid": 1, "host": "elsewhere", "since": 1e9, "process": "x", "token": "y"}
    path = f"{folder_of(store)}/writer.json"
    store.backend.files.write(path, json.dumps(note).encode())
    with pytest.raises(DataLockedError, match="process 1 on elsewhere, since 2001"):
        store.saver(KEY)
    assert store.clean() == []
    assert store.clean(older=1e12) == []
    assert len(store.clean(older=3600)) == 1
    store.save(KEY, np.arange(3))
    store.backend.files.write(path, b"half a n")
    store.overwrite = "always"
    with pytest.raises(DataLockedError, match="unknown"):
        store.saver(KEY)
    assert [each.rpartition("/")[2] for each in store.clean(older=3600)] == ["writer.json"]
    assert store.load(KEY).tolist() == [0, 1, 2]


def test_a_saver_that_nobody_holds_any_more_locks_nothing_here():
    store = memory()
    saver = store.saver(KEY)
    saver.save(np.arange(3))
    assert store.clean() == []
    del saver
    gc.collect()  # frames of errors that were handled may hold it until then
    store.save(KEY, np.arange(4))
    assert store.load(KEY).tolist() == [0, 1, 2, 3]
    assert len(names_of(store)) == 3


def test_a_writer_that_was_taken_for_dead_spoils_nothing():
    store = memory()
    slow = store.saver(KEY)
    slow.save(np.arange(3))
    store.backend.files.remove(f"{folder_of(store)}/writer.json")  # by somebody elsewhere
    other = FsspecDirectory(store.url, filesystem=Shared(store.backend.files.fs))
    quick = other.saver(KEY)
    quick.save(np.arange(4))
    slow.save(np.arange(3))
    with pytest.raises(DataLockedError, match="taken for dead"):
        slow.close()
    assert KEY not in other
    quick.close()
    assert other.load(KEY).tolist() == [0, 1, 2, 3]
    assert len(names_of(other)) == 3


class Shared(MemoryFileSystem):
    """The same files, seen from another process: nothing else is shared."""

    cachable = False

    def __init__(self, other: Any) -> None:
        super().__init__()
        self.store, self.pseudo_dirs = other.store, other.pseudo_dirs


def test_clean_removes_broken_data_only_when_it_is_told():
    store = memory()
    with pytest.raises(ZeroDivisionError):
        break_off(store)
    assert store.clean() == []
    assert len(store.clean(broken=True, dry_run=True)) == 3
    assert len(store.clean(broken=True)) == 3
    with pytest.raises(DataNotAvailable):
        store.get_metadata(KEY)


def test_clean_removes_files_that_a_writer_could_not():
    store = memory()
    store.save(KEY, np.arange(3))
    extra = f"{folder_of(store)}/000000-12345678.h5"
    store.backend.files.write(extra, b"old")
    assert [each.rpartition("/")[2] for each in store.clean()] == ["000000-12345678.h5"]
    assert store.load(KEY).tolist() == [0, 1, 2]


# -- being told ------------------------------------------------------------------------------------


def test_addresses_that_can_not_be_opened_are_told(tmp_path: Path):
    with pytest.raises(NXstxmError, match="nosuch"):
        FsspecDirectory("nosuch://store")
    with pytest.raises(NXstxmError, match="storage_options"):
        FsspecDirectory("store", filesystem=Remote(), storage_options={"key": "x"})
    store = FsspecDirectory(tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    assert KEY not in store
    with pytest.raises(NXstxmError, match="can not be made"):
        store.save(KEY, np.arange(3))
    assert list(store.list()) == []


def test_a_backend_key_leads_nowhere_else():
    store = memory()
    for key in ("../a", "a//b", "", "a/./b", "a\\b"):
        with pytest.raises(DataNotAvailable, match="no key"):
            store.backend.get_metadata(key)


def test_it_goes_to_another_process_and_its_saver_does_not(tmp_path: Path):
    store = FsspecDirectory(f"file://{tmp_path}")
    store.save(KEY, np.arange(3))
    assert pickle.loads(pickle.dumps(store)).load(KEY).tolist() == [0, 1, 2]
    saver = store.saver(other_key(1))
    with pytest.raises(SaverError, match="one process"):
        pickle.dumps(saver)
    saver.discard()
