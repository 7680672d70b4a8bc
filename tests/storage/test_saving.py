"""Without these tests data could be lost, mixed or half there while somebody believes that they
were saved. The storage of strax has eight such defects; a test here names each that it is about.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm._errors import NXstxmKeyError, NXstxmOSError, OptionError
from suitcase.nxstxm.storage import (
    AmbiguousKeyError,
    DataCorrupted,
    DataDirectory,
    DataExistsError,
    DataKey,
    DataLockedError,
    DataNotAvailable,
    FormatError,
    KeyValueError,
    RunMetadataNotAvailable,
    Saver,
    SaverError,
)

from .process import PATH, chunk
from .samples import directory, folder, image, key, names, pieces, same

KEY = key(dark=3.0)
OLD, NEW = np.arange(3.0), np.arange(4.0) + 10


def run(command: str, **arguments: Any) -> list[Any]:
    """Let another process do something."""
    made = subprocess.run(
        [sys.executable, str(PATH), command, json.dumps(arguments)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return list(json.loads(made.stdout))


@contextmanager
def holder(path: Path, chunks: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Give a process that writes, and goes on when it gets a line."""
    arguments = json.dumps({"path": str(path), "chunks": chunks})
    with subprocess.Popen(
        [sys.executable, str(PATH), "hold", arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == ["holds", process.pid]
        yield process


def left(path: Path) -> set[str]:
    """Give what is in a store that is not whole data, nor needed by them."""
    return {
        each.name
        for each in path.rglob("*")
        if any(mark in each.name for mark in ("_temp", "_broken", "_old", "_removed", "json-"))
    }


# -- data that are there already ------------------------------------------------------------------


def nothing(store: DataDirectory) -> None:
    pass


def good(store: DataDirectory) -> None:
    store.save(KEY, OLD)


def rotten(store: DataDirectory) -> None:
    store.save(KEY, OLD)
    info = store.open(KEY).chunks[0]
    path = folder(store, KEY) / "000000.h5"
    raw = bytearray(path.read_bytes())
    raw[info.place["arrays"]["data"]["b"][0][0]] ^= 1
    path.write_bytes(raw)


def without_a_chunk(store: DataDirectory) -> None:
    store.save(KEY, OLD)
    (folder(store, KEY) / "000000.h5").unlink()


def broken(store: DataDirectory) -> None:
    with pytest.raises(ZeroDivisionError):
        store.saver(KEY).save_from(failing(OLD))


def left_by_a_dead_writer(store: DataDirectory) -> None:
    saver = store.saver(KEY)
    saver.save(OLD)
    saver._log.close()  # type: ignore[attr-defined]
    saver._writer_lock.release(force=True)  # type: ignore[attr-defined]


def failing(*chunks: Any) -> Iterator[Any]:
    yield from chunks
    raise ZeroDivisionError("the dark current is 0")


@pytest.mark.parametrize(
    ("before", "refused_by"),
    [
        (nothing, set()),
        (good, {"never", "if_broken"}),
        (rotten, {"never"}),
        (without_a_chunk, {"never"}),
        (broken, set()),
        (left_by_a_dead_writer, set()),
    ],
)
@pytest.mark.parametrize("overwrite", ["never", "if_broken", "always"])
def test_data_are_replaced_as_it_was_said(
    tmp_path: Path, before: Any, refused_by: set[str], overwrite: Any
) -> None:
    """Defect 1 of strax: ``overwrite="always"`` had no effect at all."""
    before(directory(tmp_path))
    was = {path: path.read_bytes() for path in tmp_path.rglob("*.h5")}
    store = directory(tmp_path, overwrite=overwrite)
    if overwrite in refused_by:
        with pytest.raises(DataExistsError, match=f"overwrite='{overwrite}' protects") as caught:
            store.saver(KEY)
        assert caught.value.at == str(folder(store, KEY))
        assert isinstance(caught.value, FileExistsError)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.h5")} == was
    else:
        store.save(KEY, NEW)
        assert same(NEW, store.load(KEY))
        store.verify(KEY)
    assert left(tmp_path) == set()


def test_old_data_are_there_until_new_ones_are_whole(tmp_path: Path) -> None:
    store = directory(tmp_path, overwrite="always")
    good(store)
    with store.saver(KEY) as saver:
        saver.save(NEW)
        assert same(OLD, store.load(KEY))
        assert same(NEW, saver.read_back(0))
        assert store.get_metadata(KEY).is_whole
    assert same(NEW, store.load(KEY))
    assert same(NEW, saver.read_back(0))
    with pytest.raises(ZeroDivisionError):
        store.saver(KEY).save_from(failing(OLD))
    assert same(NEW, store.load(KEY))
    assert KEY in store


def test_who_replaces_data_can_be_killed_at_any_moment(tmp_path: Path) -> None:
    """The names that data have between the two renamings of one who replaces them."""
    store = directory(tmp_path, overwrite="if_broken")
    good(store)
    at = folder(store, KEY)
    at.rename(at.with_name(f"{at.name}_old-0123abcd"))
    left_by_a_dead_writer(directory(tmp_path / "other"))
    folder(directory(tmp_path / "other"), KEY, "_temp").rename(folder(store, KEY, "_temp"))
    with pytest.raises(DataExistsError, match="protects it"):  # not: "is being written"
        store.saver(KEY)
    assert same(OLD, store.load(KEY))
    at.rename(at.with_name(f"{at.name}_old-0123abcd"))
    assert store.clean(dry_run=True) == [at, folder(store, KEY, "_temp")]
    assert same(OLD, store.load(KEY))  # those that are being replaced count to the end
    store.clean()
    assert same(OLD, store.load(KEY))
    assert names(at.parent) == [at.name]


def test_removed_data_do_not_come_back(tmp_path: Path) -> None:
    store = directory(tmp_path)
    good(store)
    at = folder(store, KEY)
    at.rename(at.with_name(f"{at.name}_old-0123abcd"))
    directory(tmp_path / "other").save(KEY, NEW)
    folder(directory(tmp_path / "other"), KEY).rename(at)
    store.remove(KEY)
    assert KEY not in store
    assert names(at.parent) == []
    store.save(KEY, NEW)
    assert same(NEW, store.load(KEY))
    with pytest.raises(DataNotAvailable):
        store.remove(key(dark=9.0))


# -- what is noticed ------------------------------------------------------------------------------


def test_a_flipped_byte_and_a_missing_chunk_are_noticed(tmp_path: Path) -> None:
    """Defect 2 of strax: neither was; test_damage.py flips many."""
    store = directory(tmp_path)
    rotten(store)
    with pytest.raises(DataCorrupted, match=r"data in .*000000\.h5: .* not those that were"):
        store.load(KEY)
    without_a_chunk(store)
    with pytest.raises(DataCorrupted, match=r"000000\.h5 can not be read"):
        store.load(KEY)
    assert store.find(KEY)


def test_arrays_need_no_fields_of_time(tmp_path: Path) -> None:
    """Defect 8 of strax: whole numbers named ``time`` and ``endtime`` were needed in each row."""
    store = directory(tmp_path)
    for i, data in enumerate((np.zeros((3, 4)), image(3), image(3)["od"], np.ones(2, "f4,i2"))):
        store.save(key(number=i), data)
        assert same(data, store.load(key(number=i)))


# -- two writers ----------------------------------------------------------------------------------


def test_a_second_writer_of_the_same_process_is_kept_out(tmp_path: Path) -> None:
    """Defect 3 of strax: the second one removed what the first one was writing."""
    store = directory(tmp_path)
    with store.saver(KEY) as first:
        first.save(OLD)
        for each in (store, directory(tmp_path, overwrite="always")):
            with pytest.raises(DataLockedError, match=f"process {os.getpid()} on .*, since") as e:
                each.saver(KEY)
            assert "wait=SECONDS" in str(e.value)
            assert isinstance(e.value, OSError)
            with pytest.raises(DataLockedError, match="is being written by process"):
                each.remove(KEY)
        other = key(dark=4.0)
        store.save(other, NEW)
        first.save(OLD)
    assert same(np.concatenate([OLD, OLD]), store.load(KEY))
    assert same(NEW, store.load(other))


def test_a_second_writer_in_another_process_is_kept_out(tmp_path: Path) -> None:
    store = directory(tmp_path, overwrite="always")
    with holder(tmp_path) as process:
        with pytest.raises(DataLockedError, match=f"process {process.pid} on .*, since"):
            store.saver(key())
        with pytest.raises(DataNotAvailable, match="being written, or their writer died"):
            store.load(key())
        assert store.clean() == []
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        with store.saver(key(), wait=60) as saver:  # waits for the other, and replaces
            assert same(chunk(0, "array"), store.load(key()))
            saver.save(NEW)
    assert same(NEW, store.load(key()))


def test_who_waits_finds_what_was_written_meanwhile(tmp_path: Path) -> None:
    store = directory(tmp_path)
    first = store.saver(KEY)
    found: list[Any] = []

    def second() -> None:
        try:
            store.saver(KEY, wait=60)
        except NXstxmError as error:
            found.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    first.save(OLD)
    time.sleep(0.05)
    assert not found
    first.close()
    thread.join()
    [error] = found
    assert isinstance(error, DataExistsError)


def test_who_waits_goes_on_after_one_who_failed_or_died(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with holder(tmp_path) as process, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.saver, key(), wait=60)
        process.kill()
        saver = waiting.result()
        second = pool.submit(store.saver, key(), wait=60)
        saver.fail(ZeroDivisionError())
        second.result().save_from([NEW])
    assert same(NEW, store.load(key()))
    assert left(tmp_path) == set()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with holder(tmp_path, chunks=2) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert key() not in store
    with pytest.raises(DataNotAvailable, match="being written, or their writer died"):
        store.find(key())
    found = store.load(key(), allow_incomplete=True)
    assert found[:, 0].tolist() == [0, 0, 1, 1]
    temp = folder(store, key(), "_temp")
    assert store.clean(dry_run=True) == [temp]
    assert temp.is_dir()
    assert store.clean() == [temp]
    assert not temp.exists()
    with pytest.raises(DataNotAvailable):
        store.get_metadata(key())


def test_many_threads_that_want_the_same_data_make_one(tmp_path: Path) -> None:
    store = directory(tmp_path)
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def make(i: int) -> None:
        barrier.wait()
        try:
            with store.saver(KEY, wait=60) as saver:
                for _ in range(3):
                    saver.save(np.full(2, i))
            outcomes.append("saved")
        except DataExistsError:
            outcomes.append("exists")

    threads = [threading.Thread(target=make, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["exists"] * 7 + ["saved"]
    assert len(set(store.load(KEY).tolist())) == 1
    assert left(tmp_path) == set()


# -- names ----------------------------------------------------------------------------------------

NASTY = [
    "a-b", "a_temp", "_temp", "x_broken", "x_old", "x_removed", "x_old-0123abcd", "-", "a.b", "é",
    "..", ".", "../x", "a/b", "/abs", "C:\\x", "a b\n", "%2D", "CON", "~", "*?[a]", "\ud800", "\0",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_any_name_is_stored_found_and_cleaned_within_the_folder(tmp_path: Path, name: str) -> None:
    """Defect 4 of strax: with "-" in a type it was never found, with "_temp" under another name."""
    inside = tmp_path / "a" / "store"
    store = directory(inside)
    keys = [key(name), key(data_type=name), key(name, name), key(), key(name, name, other=1)]
    for i, each in enumerate(keys):
        store.save(each, np.full(2, i))
        store.write_run_metadata(each.run_id, {"number": i})
    assert store.clean() == []
    assert store.clean(broken=True) == []
    for i, each in enumerate(keys):
        assert each in store
        assert store.load(each).tolist() == [i, i]
        assert each in [found.key for found in store.list(each.run_id, each.data_type)]
    assert {found.key for found in store.list()} == set(keys)
    assert {found.key for found in store.list(data_type=name)} == {
        each for each in keys if each.data_type == name
    }
    assert set(store.runs()) == {each.run_id for each in keys}
    assert store.run_metadata(name, "number") == 4
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["store"]
    assert all(len(fan) == 2 for fan in names(inside))
    for each in keys:
        store.remove(each)
        assert each not in store


@pytest.mark.parametrize("name", ["x_old", "x_removed", "x_temp", "x_broken", "x_old-0123abcd"])
def test_clearing_away_does_not_take_a_type_for_what_was_left(tmp_path: Path, name: str) -> None:
    store = directory(tmp_path)
    whole = key(data_type=name)
    store.save(whole, OLD)
    with pytest.raises(ZeroDivisionError):
        store.saver(key(data_type=name, other=1)).save_from(failing(OLD))
    with store.saver(key(data_type=name, other=2)) as saver:
        saver.save(OLD)
        assert store.clean() == []
        [found] = store.clean(broken=True)
        assert found == folder(store, key(data_type=name, other=1), "_broken")
    assert same(OLD, store.load(whole))
    assert same(OLD, store.load(key(data_type=name, other=2)))


def test_what_is_no_key_of_the_folder_is_refused(tmp_path: Path) -> None:
    backend = directory(tmp_path).backend
    for bad in ("../x", "a/../../x", "/abs", "", "a//b", "a/.", "C:/x", "a\\b"):
        with pytest.raises(DataNotAvailable, match="is no key of"):
            backend.open(bad)


def test_a_run_without_a_name_is_refused(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with pytest.raises(KeyValueError, match="a run id is ''"):
        store.write_run_metadata("", {})
    with pytest.raises(KeyValueError):
        store.run_metadata("")
    assert not tmp_path.exists() or names(tmp_path) == []


def test_what_is_unfinished_of_a_run_is_cleared_away(tmp_path: Path) -> None:
    store = directory(tmp_path)
    store.write_run_metadata("a-run", {"a": 1})
    run_folder = folder(store, key()).parent
    (run_folder / ".run.json-0123abcd").write_bytes(b"half")
    (run_folder / "of somebody else").write_bytes(b"x")
    (run_folder / "x_temp").mkdir()
    assert store.clean() == [run_folder / ".run.json-0123abcd"]
    assert names(run_folder) == ["of somebody else", "run.json", "x_temp"]
    assert store.run_metadata("a-run") == {"a": 1}
    assert list(store.list()) == []


# -- what a chunk costs ---------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nothing counts bytes here")
def test_a_late_chunk_costs_as_many_bytes_as_an_early_one(tmp_path: Path) -> None:
    """Defect 6 of strax: all metadata were written again with each chunk."""

    def written() -> int:
        said = Path("/proc/self/io").read_text().split()
        return int(said[said.index("wchar:") + 1])

    store = directory(tmp_path)
    data = np.arange(100.0)
    costs = []
    with store.saver(KEY) as saver:
        saver.save(data)
        about = (folder(store, KEY, "_temp") / "metadata.json").stat()
        for _ in range(400):
            before = written()
            saver.save(data)
            costs.append(written() - before)
        now = (folder(store, KEY, "_temp") / "metadata.json").stat()
        assert (now.st_mtime_ns, now.st_ino) == (about.st_mtime_ns, about.st_ino)
    early, late = sum(costs[:100]), sum(costs[-100:])
    assert late <= early + 100 * 10, "the numbers have some more digits"
    assert early < 100 * 20_000
    log = (folder(store, KEY) / "chunks.jsonl").read_bytes().splitlines()
    assert len(log) == 401
    assert max(map(len, log)) <= min(map(len, log)) + 4


# -- the life of a saver --------------------------------------------------------------------------


def test_a_saver_that_got_nothing_leaves_nothing_good(tmp_path: Path) -> None:
    """Defect 7 of strax: it left data that counted as whole and could not be loaded."""
    store = directory(tmp_path)
    for save in (
        lambda saver: saver.close(),
        lambda saver: saver.save_from([]),
        lambda saver: saver.__exit__(None, None, None),
    ):
        with pytest.raises(SaverError, match="closed without any chunk; data without rows"):
            save(store.saver(KEY))
        assert KEY not in store
        with pytest.raises(DataNotAvailable, match=r"broken by .*closed without any chunk"):
            store.load(KEY)
        with pytest.raises(DataCorrupted, match="has no chunks"):
            store.load(KEY, allow_incomplete=True)
        assert list(store.loader(KEY, allow_incomplete=True)) == []
    store.save(KEY, np.zeros((0, 3)))
    assert store.load(KEY).shape == (0, 3)


def test_nothing_is_saved_after_the_end_and_closing_again_is_harmless(tmp_path: Path) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    saver.save(OLD)
    saver.close()
    saver.close()
    saver.fail(ZeroDivisionError())
    saver.discard()
    with pytest.raises(SaverError, match=r"nothing more can be saved to a-run-od-.*: it is closed"):
        saver.save(OLD)
    with pytest.raises(SaverError, match="it is closed"):
        saver.save_from([OLD])
    assert same(OLD, store.load(KEY))
    failed = store.saver(key(dark=0.5))
    failed.fail(ZeroDivisionError())
    with pytest.raises(SaverError, match="it is closed"):
        failed.save(OLD)


def test_chunks_have_numbers_without_gaps_each_once(tmp_path: Path) -> None:
    store = directory(tmp_path, overwrite="always")
    with store.saver(KEY) as saver:
        for index in (2, np.int64(0), 1):
            saver.save(np.full(2, index), index, label={"n": int(index)})
        with pytest.raises(SaverError, match=r"chunk 1 of a-run-od-.* was saved already"):
            saver.save(OLD, 1)
        with pytest.raises(SaverError, match="chunk -1 can not be saved"):
            saver.save(OLD, -1)
        with pytest.raises(TypeError):
            saver.save(OLD, 1.5)  # type: ignore[arg-type]
        assert saver.save(np.full(2, 3)) == 3
    assert store.load(KEY).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    found = [(c.index, c.start, c.label) for c in store.loader(KEY)]
    assert found == [(0, 0, {"n": 0}), (1, 2, {"n": 1}), (2, 4, {"n": 2}), (3, 6, None)]
    saver = store.saver(KEY)
    for index in (0, 1, 4):
        saver.save(OLD, index)
    with pytest.raises(SaverError, match="lacks chunk 2, 3: 3 were saved, the last with number 4"):
        saver.close()
    assert store.load(KEY).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_last_chunk_is_not_forgotten_when_it_could_not_be_saved(tmp_path: Path) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    saver.save(OLD)
    with pytest.raises(FormatError):
        saver.save(OLD, label=object())  # refused: as if it had not been given
    (saver._folder / "000001.h5").mkdir()
    with pytest.raises(SaverError, match="another process saved a chunk"):
        saver.save(OLD)
    (saver._folder / "000001.h5").rmdir()
    with pytest.raises(SaverError, match="lacks chunk 1: 1 were saved"):
        saver.close()
    assert KEY not in store
    with store.saver(KEY) as saver:
        saver.save(OLD)
        with pytest.raises(FormatError):
            saver.save(OLD, 1, label=object())
        saver.save(NEW, 1)  # tried again, and better
    assert same(np.concatenate([OLD, NEW]), store.load(KEY))


def test_a_chunk_may_be_changed_once_it_is_saved(tmp_path: Path) -> None:
    store = directory(tmp_path)
    data = np.zeros(3)
    with store.saver(KEY) as saver:
        for i in range(3):
            data[:] = i
            saver.save(data)
    assert store.load(KEY).tolist() == [0] * 3 + [1] * 3 + [2] * 3


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    saver.save(OLD)
    saver.discard()
    assert KEY not in store
    assert left(tmp_path) == set()
    store.save(KEY, NEW)


def test_wrong_options_begin_nothing(tmp_path: Path) -> None:
    store = directory(tmp_path)
    for options, said in (
        ({"compression": "gzip"}, "compression is 'gzip'; .* one of lz4, zstd, none"),
        ({"colour": 1}, "knows no option colour; it knows compression, axis and index_by"),
        ({"index_by": "energy"}, "index_by='energy' is a text"),
    ):
        with pytest.raises(OptionError, match=said):
            store.saver(KEY, **options)
    with pytest.raises(FormatError, match=r"the metadata\['a'\] is "):
        store.saver(KEY, {"a": object()})
    assert left(tmp_path) == set()
    store.save(KEY, OLD)
    with pytest.raises(OptionError, match="overwrite is 'sometimes'; it is one of never"):
        DataDirectory(tmp_path, overwrite="sometimes")
    for name in ("take_only", "exclude"):
        with pytest.raises(OptionError, match=rf"{name}='od' is a text; give a list"):
            DataDirectory(tmp_path, **{name: "od"})


# -- errors of whoever makes the data -------------------------------------------------------------


def test_an_error_of_the_source_is_recorded_and_raised(tmp_path: Path) -> None:
    store = directory(tmp_path)
    closed = []

    def source() -> Iterator[Any]:
        try:
            yield from failing(OLD, NEW)
        finally:
            closed.append(True)

    with pytest.raises(ZeroDivisionError, match="the dark current is 0"):
        store.saver(KEY, {"why": "a test"}).save_from(source())
    assert closed
    assert KEY not in store
    with pytest.raises(DataNotAvailable, match="broken by ZeroDivisionError: the dark current"):
        store.find(KEY)
    known = store.get_metadata(KEY)
    assert not known.is_whole
    assert known.writing_ended is None
    assert known.extra == {"why": "a test"}
    assert known.exception is not None
    assert known.exception.startswith("Traceback")
    assert "in failing" in known.exception
    assert "ZeroDivisionError: the dark current is 0" in known.exception
    assert same(np.concatenate([OLD, NEW]), store.load(KEY, allow_incomplete=True))
    assert len(list(store.loader(KEY, allow_incomplete=True))) == 2
    assert [found.key for found in store.list()] == [KEY]
    assert store.find_several([KEY, key()]) == [None, None]
    assert store.clean() == []
    assert store.clean(broken=True) == [folder(store, KEY, "_broken")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_also_what_is_no_ordinary_error_is_recorded(tmp_path: Path, error: Any) -> None:
    store = directory(tmp_path)

    def save() -> None:
        with store.saver(KEY) as saver:
            saver.save(OLD)
            raise error

    with pytest.raises(error):
        save()
    with pytest.raises(DataNotAvailable, match=f"broken by {error.__name__}"):
        store.find(KEY)


def test_an_error_while_chunks_are_written_beside_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    real, made = saver._save_chunk, []

    def save_chunk(index: int, *rest: Any) -> Any:
        if index == 3:
            raise OSError(errno.EIO, "the disk is gone")
        return real(index, *rest)

    def source() -> Iterator[Any]:
        for i in range(100):
            made.append(i)
            yield np.full(2, i)

    monkeypatch.setattr(saver, "_save_chunk", save_chunk)
    with pytest.raises(OSError, match="the disk is gone"):
        saver.save_from(source())
    assert len(made) < 10, "the source is not asked for what can not be saved"
    assert KEY not in store
    assert store.load(KEY, allow_incomplete=True).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("slow", ["source", "disk"])
def test_neither_a_slow_source_nor_a_slow_disk_loses_the_last_chunk(
    tmp_path: Path, threads: int, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    real = saver._save_chunk

    def save_chunk(index: int, *rest: Any) -> Any:
        if slow == "disk":
            time.sleep(0.05 if index == 5 else 0.01)
        return real(index, *rest)

    def source() -> Iterator[Any]:
        for i in range(6):
            if slow == "source":
                time.sleep(0.01)
            yield np.full(2, i)

    monkeypatch.setattr(saver, "_save_chunk", save_chunk)
    saver.save_from(source(), threads=threads)
    assert store.load(KEY).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert store.get_metadata(KEY).n_chunks == 6


def test_closing_waits_for_threads_that_are_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    real, begun, go = saver._save_chunk, threading.Event(), threading.Event()

    def save_chunk(*what: Any) -> Any:
        begun.set()
        go.wait()
        return real(*what)

    monkeypatch.setattr(saver, "_save_chunk", save_chunk)
    with ThreadPoolExecutor(2) as pool:
        saving = pool.submit(saver.save, OLD)
        begun.wait()
        closing = pool.submit(saver.close)
        time.sleep(0.02)
        assert not closing.done()
        go.set()
        closing.result()
        assert saving.result() == 0
    assert same(OLD, store.load(KEY))


# -- errors of the disk ---------------------------------------------------------------------------


def test_a_full_disk_is_told_and_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """HDF5 takes the process with it when it can not write a file to its end."""
    pytest.importorskip("resource")
    limits = [100, 100, 900, 900, 3000, 3000, 4100, 4100, 6000, 6000, 8000, 8000]
    done, outcomes = run("full", path=str(tmp_path), limits=limits)
    assert done == "done"
    store = directory(tmp_path)
    for i, (error, saved, found) in enumerate(outcomes):
        assert error.startswith(f"NXstxmOSError: {tmp_path}")
        assert "can not be written" in error
        assert "File too large" in error
        assert found == saved < 60
        assert key(n=i) not in store
        assert not folder(store, key(n=i)).exists()
        store.save(key(n=i), NEW)
        assert same(NEW, store.load(key(n=i)))
    assert max(saved for _, saved, _ in outcomes) > 10
    assert left(tmp_path) == set()


class Disk:
    """A log file on a disk with room for some bytes more."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room, self.name = file, room, file.name

    def write(self, data: Any) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "no space left")
        done = int(self.file.write(data[: self.room]))
        self.room -= done
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_a_line_of_the_log_that_finds_no_room_is_taken_back(tmp_path: Path) -> None:
    """A file that is not buffered writes a part, and says nothing."""
    store = directory(tmp_path)
    with store.saver(KEY) as saver:
        saver.save(OLD)
        log: Any = saver._log  # type: ignore[attr-defined]
        saver._log = Disk(log, 50)  # type: ignore[attr-defined]
        with pytest.raises(NXstxmOSError, match=r"chunks\.jsonl can not be written .*no space"):
            saver.save(NEW)
        saver._log.room = 10**6  # type: ignore[attr-defined]
        assert same(OLD, store.load(KEY, allow_incomplete=True))
        (folder(store, KEY, "_temp") / "000001.h5").unlink()
        saver.save(NEW, 1)
    assert same(np.concatenate([OLD, NEW]), store.load(KEY))
    store.verify(KEY)


def no_room(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "no space left")


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("suitcase.nxstxm.storage._local_saver.write", r"000000\.h5 can not be written"),
        ("suitcase.nxstxm.storage._local_saver.sealed", r"metadata\.json can not be written"),
        ("suitcase.nxstxm.storage._local.LocalBackend.publish", "no space left"),
    ],
)
def test_an_error_at_any_step_leaves_the_old_data(
    tmp_path: Path, what: str, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path, overwrite="always")
    good(store)

    def save() -> None:
        with store.saver(KEY) as saver, monkeypatch.context() as patch:
            patch.setattr(what, no_room)
            saver.save(NEW)
            saver.close()

    with pytest.raises(OSError, match=match):
        save()
    assert same(OLD, store.load(KEY))
    store.save(KEY, NEW)
    assert same(NEW, store.load(KEY))
    assert left(tmp_path) == set()


def test_what_can_not_be_flushed_is_not_said_to_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DataDirectory(tmp_path, durable=True)

    def sync(path: Path) -> None:
        if path.suffix == ".h5":
            raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr("suitcase.nxstxm.storage._local_saver.sync", sync)
    with pytest.raises(OSError, match="the disk is gone"):
        store.save(KEY, OLD)
    assert KEY not in store
    monkeypatch.undo()
    store.save(KEY, OLD)
    assert same(OLD, store.load(KEY))


def test_a_folder_that_is_removed_meanwhile_is_told(tmp_path: Path) -> None:
    store = directory(tmp_path / "store")
    for gone in ("_temp", "run", "store"):
        saver = store.saver(KEY)
        saver.save(OLD)
        at = folder(store, KEY, "_temp")
        shutil.rmtree({"_temp": at, "run": at.parent, "store": tmp_path / "store"}[gone])
        with pytest.raises(NXstxmOSError, match=r"000001\.h5 can not be written"):
            saver.save(NEW)
        with pytest.raises((OSError, NXstxmError)):
            saver.close()
        assert KEY not in store
        store.save(KEY, OLD)
        assert same(OLD, store.load(KEY))
        store.remove(KEY)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = directory(tmp_path / "file" / "store")
    with pytest.raises(NXstxmOSError, match="can not be made"):
        store.save(KEY, OLD)
    with pytest.raises(NXstxmOSError, match=r"run\.json can not be written"):
        store.write_run_metadata("a-run", {})
    assert KEY not in store
    assert list(store.list()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    store = directory(tmp_path)
    good(store)
    run_folder = folder(store, KEY).parent
    run_folder.chmod(0o500)
    try:
        with pytest.raises(NXstxmOSError, match="can not be"):
            store.saver(key(dark=8.0))
        assert same(OLD, store.load(KEY))
    finally:
        run_folder.chmod(0o700)


# -- several threads and processes ----------------------------------------------------------------


def test_several_threads_save_chunks_with_numbers(tmp_path: Path) -> None:
    store = directory(tmp_path)
    data = image(40)
    parts = pieces(data, range(2, 40, 2), "energy")
    with store.saver(KEY, compression="zstd") as saver, ThreadPoolExecutor(8) as pool:
        order = np.random.default_rng(0).permutation(20)
        assert list(pool.map(lambda i: saver.save(parts[i], int(i)), order)) == order.tolist()
    assert same(data, store.load(KEY))
    store.verify(KEY)


def test_pieces_that_are_written_at_once_do_not_meet_in_hdf5(tmp_path: Path) -> None:
    """h5py 3.12 does not take its lock where chunks are written past its filters, and crashes."""
    store = directory(tmp_path)
    savers = [store.saver(key(n=n)) for n in range(4)]
    data = np.arange(2000).reshape(20, 100)

    def save(saver: Saver) -> None:
        with saver:
            for _ in range(100):
                saver.save(data)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, savers))
    for n in range(4):
        assert store.verify(key(n=n)) > 0
        assert len(store.load(key(n=n))) == 2000


def test_several_threads_without_numbers_get_each_their_own(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with store.saver(KEY) as saver, ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda i: (saver.save(np.full(1, i)), i), range(50)))
    assert sorted(number for number, _ in numbers) == list(range(50))
    assert store.load(KEY).tolist() == [i for _, i in sorted(numbers)]


FORK = pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"))
SLOW = pytest.param("spawn", marks=pytest.mark.slow)


@pytest.mark.parametrize("method", ["spawn", FORK])
def test_several_processes_save_chunks(tmp_path: Path, method: str) -> None:
    done = run("several", path=str(tmp_path), method=method, how="array", durable=True)
    assert done == ["done", [0, 0, 0]]
    store = directory(tmp_path)
    assert store.load(key()).tolist() == [[i] * 3 for i in range(6) for _ in range(2)]
    assert [c.label for c in store.loader(key())] == [f"number {i}" for i in range(6)]
    store.verify(key())
    files = ["metadata.json", "chunks.jsonl", *(f"{i:06d}.h5" for i in range(6))]
    assert names(folder(store, key())) == sorted(files)


@pytest.mark.parametrize("method", [SLOW, FORK])
@pytest.mark.parametrize("before", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_several_processes_save_chunks_that_share_something(
    tmp_path: Path, method: str, before: int
) -> None:
    done = run("several", path=str(tmp_path), method=method, before=before)
    assert done == ["done", [0, 0, 0]]
    store = directory(tmp_path)
    assert all(same(chunk(i), c.data) for i, c in enumerate(store.loader(key())))
    assert store.load(key()).sizes["energy"] == 12
    labels = [c.label for c in store.loader(key())]
    assert labels == [None] * before + [f"number {i}" for i in range(before, 6)]
    store.verify(key())
    [constants] = [each for each in names(folder(store, key())) if "constants" in each]
    assert (constants == "constants.h5") == bool(before)


@pytest.mark.parametrize("method", [SLOW, FORK])
def test_a_pool_of_processes_takes_the_saver_with_each_chunk(tmp_path: Path, method: str) -> None:
    assert run("pool", path=str(tmp_path), method=method) == ["done", 6]
    store = directory(tmp_path)
    assert store.load(key()).tolist() == [[i] * 3 for i in range(6) for _ in range(2)]


@pytest.mark.parametrize("method", [SLOW, FORK])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("array, error", "another process could not save .*: ValueError: the third could not be"),
        ("array, killed", "lacks chunk 3: 5 were saved"),
        ("array, killed while writing", r"000003\.h5 of .* was not finished"),
        ("array, twice", r"000003\.h5 is there: another process saved a chunk of this number"),
        ("constants", "'x' of chunk 3 of .* has other values"),
        pytest.param(
            "schema", "chunk 3 of .* differs from those before: od has .*f4", marks=pytest.mark.slow
        ),
    ],
)
def test_what_fails_in_another_process_breaks_the_data(
    tmp_path: Path, method: str, how: str, said: str
) -> None:
    store = directory(tmp_path)
    store.save(key(), OLD)
    failed, error, message = run("several", path=str(tmp_path), method=method, how=how)
    assert (failed, error) == ("failed", "SaverError")
    assert re.search(said, message)
    assert same(OLD, store.load(key()))
    assert left(tmp_path) == {folder(store, key(), "_broken").name}


def pickled(saver: Saver) -> Saver:
    """Make of a saver what another process gets."""
    found: Saver = pickle.loads(pickle.dumps(saver))
    return found


def test_processes_that_agree_among_themselves_must_agree_with_each_other(tmp_path: Path) -> None:
    store = directory(tmp_path)
    for other, said in (
        (image(2).assign(i0=image(2)["od"]), "several processes saved differ: i0 has "),
        (image(2)["od"], "several processes saved differ: kind 'data.*' instead of 'data"),
        (image(2).assign_coords(note="other"), "disagree in .*note.*, which all chunks share"),
    ):
        owner = store.saver(KEY)
        for i, data in enumerate((image(2), other)):
            with pickled(owner) as saver:
                saver.save(data, i)
        with pytest.raises(FormatError, match=said):
            owner.close()
        assert KEY not in store


def test_what_other_processes_saved_is_read_while_it_is_written(tmp_path: Path) -> None:
    store = directory(tmp_path)
    data = image(6)
    owner = store.saver(KEY)
    for i, piece in enumerate(pieces(data, [2, 4], "energy")):
        with pickled(owner) as saver:
            saver.save(piece, i)
            assert same(piece, saver.read_back(i))
        assert store.load(KEY, allow_incomplete=True).sizes["energy"] == 2 * (i + 1)
    owner.close()
    assert same(data, store.load(KEY))


def test_another_process_gives_numbers_and_is_not_asked_to_close(tmp_path: Path) -> None:
    store = directory(tmp_path)
    owner = store.saver(KEY)
    other = pickled(owner)
    with pytest.raises(SaverError, match="another process saves needs its number"):
        other.save(OLD)
    other.save(OLD, 0)
    other.close()
    assert KEY not in store
    with pytest.raises(SaverError, match="it is closed"):
        other.save(NEW, 1)
    owner.close()
    assert same(OLD, store.load(KEY))
    late = pickled(owner)
    with pytest.raises(NXstxmOSError, match="can not be"):
        late.save(NEW, 1)
    assert same(OLD, store.load(KEY))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.skipif(
    tuple(map(int, version("filelock").split(".")[:2])) < (3, 30),
    reason="this version of filelock lets go of a lock in a process that was forked",
)
def test_a_process_that_was_forked_does_not_let_go_of_the_lock(tmp_path: Path) -> None:
    assert run("forget", path=str(tmp_path)) == ["done", "DataLockedError"]


# -- reading while it is written ------------------------------------------------------------------


def test_data_are_read_while_they_are_written(tmp_path: Path) -> None:
    store = directory(tmp_path)
    data = image(8)
    with pytest.raises(DataNotAvailable):
        store.load(KEY, allow_incomplete=True)
    with store.saver(KEY) as saver:
        with pytest.raises(DataCorrupted, match="has no chunks"):
            store.load(KEY, allow_incomplete=True)
        for i, piece in enumerate(pieces(data, [2, 4, 6], "energy")):
            saver.save(piece)
            found = store.load(KEY, allow_incomplete=True)
            assert same(data.isel(energy=slice(0, 2 * i + 2)), found)
            rows = store.load(KEY, rows=(2 * i, 2 * i + 1), allow_incomplete=True)
            assert same(data.isel(energy=slice(2 * i, 2 * i + 1)), rows)
        assert store.find_several([KEY], allow_incomplete=True) != [None]
        with pytest.raises(DataNotAvailable, match="they are being written, or their writer died"):
            store.load(KEY)
    assert same(data, store.load(KEY))


def test_a_chunk_behind_a_gap_does_not_count_yet(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with store.saver(KEY) as saver:
        for i, known in ((1, 0), (0, 2), (3, 2), (2, 4)):
            saver.save(np.full(1, i), i)
            found = list(store.loader(KEY, allow_incomplete=True))
            assert [chunk.index for chunk in found] == list(range(known))


def test_who_reads_while_the_folder_is_renamed_reads_on(tmp_path: Path) -> None:
    store = directory(tmp_path)
    saver = store.saver(KEY)
    for i in range(3):
        saver.save(np.full(2, i))
    chunks = store.loader(KEY, allow_incomplete=True)
    assert next(chunks).data.tolist() == [0, 0]
    saver.close()
    assert [chunk.data.tolist() for chunk in chunks] == [[1, 1], [2, 2]]


# -- which data, and for whom ---------------------------------------------------------------------


def test_a_store_that_is_only_read_takes_nothing(tmp_path: Path) -> None:
    good(directory(tmp_path))
    before = names(folder(directory(tmp_path), KEY).parent)
    store = directory(tmp_path, readonly=True)
    for change in (
        lambda: store.saver(KEY), lambda: store.save(KEY, NEW), lambda: store.remove(KEY),
        lambda: store.write_run_metadata("a-run", {}),
    ):  # fmt: skip
        with pytest.raises(OptionError, match="is read-only"):
            change()
    assert same(OLD, store.load(KEY))
    assert names(folder(store, KEY).parent) == before


def test_types_that_are_not_taken_are_neither_saved_nor_found(tmp_path: Path) -> None:
    good(directory(tmp_path))
    other = key(data_type="map")
    directory(tmp_path).save(other, NEW)
    for options in ({"take_only": ["map", "x"]}, {"exclude": ["od"]}):
        store = directory(tmp_path, **options)
        assert (store.takes("od"), store.takes("map")) == (False, True)
        for attempt in (lambda: store.load(KEY), lambda: store.saver(KEY)):  # noqa: B023
            with pytest.raises(DataNotAvailable, match=r"does not take 'od' .take_only="):
                attempt()
        assert KEY not in store
        assert same(NEW, store.load(other))
    both = directory(tmp_path, take_only=["od", "map"], exclude=["od"])
    assert not both.takes("od")


def two_steps(run: str = "a-run", **changes: Any) -> DataKey:
    align = {"precision": 0.1, "by": "phase", **changes}
    version = align.pop("version", "1")
    dark = align.pop("dark", 0.0)
    return DataKey(
        run, "align", {"od": ("od", version, {"dark": dark}), "align": ("align", "1", align)}
    )


def test_data_are_found_loosely_only_where_that_is_asked_for(tmp_path: Path) -> None:
    store = directory(tmp_path)
    stored = two_steps(dark=1.0)
    store.save(stored, OLD)
    store.save(DataKey("a-run", "align", {"align": ("align", "1", {"precision": 7})}), NEW)
    store.save(two_steps("another"), NEW)
    wanted = two_steps(dark=2.0)
    with pytest.raises(DataNotAvailable, match="is not in"):
        store.load(wanted)
    for how in ({"fuzzy_for": ["od"]}, {"fuzzy_for_options": ["dark"]}):
        assert same(OLD, store.load(wanted, **how))
        assert store.open(wanted, **how).metadata.key == stored
        assert store.get_metadata(stored, **how).key == stored
    for how in ({"fuzzy_for": ["x"]}, {"fuzzy_for_options": ["precision"]}):
        with pytest.raises(DataNotAvailable, match=f"nothing like .*{wanted.hash[:16]}.* whatever"):
            store.load(wanted, **how)
    with pytest.raises(DataNotAvailable):
        store.load(two_steps(dark=2.0, precision=0.2), fuzzy_for=["od"])
    assert same(OLD, store.load(two_steps(version="9"), fuzzy_for=["od"]))
    with pytest.raises(DataNotAvailable):
        store.load(two_steps(version="9"), fuzzy_for_options=["dark"])
    assert same(NEW, store.load(two_steps(precision=7), fuzzy_for=["od"], fuzzy_for_options=["by"]))
    for name in ("fuzzy_for", "fuzzy_for_options"):
        with pytest.raises(OptionError, match=f"{name}='od' is a text"):
            store.load(wanted, **{name: "od"})


def test_exactly_these_come_before_those_that_are_like_them(tmp_path: Path) -> None:
    store = directory(tmp_path)
    for i, dark in enumerate((1.0, 2.0, 3.0)):
        store.save(two_steps(dark=dark), np.full(2, i))
    for i, dark in enumerate((1.0, 2.0, 3.0)):
        assert store.load(two_steps(dark=dark), fuzzy_for_options=["dark"]).tolist() == [i, i]


def test_several_that_are_alike_are_told(tmp_path: Path) -> None:
    store = directory(tmp_path)
    one, two = two_steps(dark=1.0), two_steps(dark=2.0)
    store.save(one, OLD)
    store.save(two, NEW)
    with pytest.raises(AmbiguousKeyError, match="2 stored data are like") as caught:
        store.load(two_steps(dark=3.0), fuzzy_for=["od"])
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)
    assert "fuzzy_for=['od'], fuzzy_for_options=[]" in str(caught.value)
    store.remove(one)
    assert same(NEW, store.load(two_steps(dark=3.0), fuzzy_for=["od"]))


def test_what_is_broken_or_damaged_is_not_found_loosely(tmp_path: Path) -> None:
    store = directory(tmp_path)
    for dark in (1.0, 2.0, 3.0):
        store.save(two_steps(dark=dark), np.full(2, dark))
    (folder(store, two_steps(dark=1.0)) / "metadata.json").write_bytes(b"{}")
    with pytest.raises(ZeroDivisionError):
        directory(tmp_path, overwrite="always").saver(two_steps(dark=4.0)).save_from(failing(OLD))
    store.remove(two_steps(dark=3.0))
    assert store.load(two_steps(), fuzzy_for_options=["dark"]).tolist() == [2.0, 2.0]
    with pytest.raises(AmbiguousKeyError):
        store.load(two_steps(), fuzzy_for_options=["dark"], allow_incomplete=True)
    broken = two_steps(dark=4.0)
    assert store.load(broken, fuzzy_for_options=["dark"]).tolist() == [2.0, 2.0]


def test_what_is_stored_can_be_listed(tmp_path: Path) -> None:
    store = directory(tmp_path)
    keys = [key(run, kind, n=n) for run in ("a", "b") for kind in ("od", "map") for n in (1, 2)]
    for each in keys:
        store.save(each, OLD, {"of": each.run_id})
    assert {each.key for each in store.list()} == set(keys)
    assert {each.key for each in store.list("a")} == set(keys[:4])
    assert {each.key for each in store.list(data_type="od")} == set(keys[:2] + keys[4:6])
    assert {each.key for each in store.list("b", "map")} == set(keys[6:])
    assert list(store.list("c")) == []
    assert all(each.extra == {"of": each.run_id} for each in store.list())
    found = store.find_several([keys[0], key("c"), keys[3]])
    assert [at is None for at in found] == [False, True, False]
    assert 3 not in store


def test_who_saved_is_told_when_the_data_are_there(tmp_path: Path) -> None:
    store = directory(tmp_path)
    told: list[bool] = []
    saver = store.saver(KEY)
    saver.on_finish.append(lambda: told.append(KEY in store))
    saver.save(OLD)
    saver.close()
    assert told == [True]
    failed = store.saver(key())
    failed.on_finish.append(lambda: told.append(False))
    failed.fail(ZeroDivisionError())
    assert told == [True]


def test_metadata_say_when_and_how_much(tmp_path: Path) -> None:
    store = directory(tmp_path)
    before = time.time()
    with store.saver(KEY, {"note": "é"}, compression="zstd") as saver:
        saver.save(np.zeros((3, 4)))
        saver.save(np.zeros((2, 4)))
    known = store.get_metadata(KEY)
    assert known.writing_started is not None
    assert known.writing_ended is not None
    assert before <= known.writing_started <= known.writing_ended <= time.time()
    assert (known.n_chunks, known.rows, known.nbytes) == (2, 5, 160)
    assert (known.compression, known.extra, known.key) == ("zstd", {"note": "é"}, KEY)
    assert known.lineage["od"].options == {"dark": 3.0}


# -- runs -----------------------------------------------------------------------------------------

RUN: dict[str, Any] = {
    "start": {"uid": "a-run", "sample": {"name": "é"}, "motors": ["x", "y"], "a.b": {"c": 1}},
    "stop": None,
    "numbers": np.arange(3),
    "odd": [{"$float": "x"}, float("nan"), b"\0", np.float32(1.5)],
}


def test_what_is_known_of_a_run_is_noted_and_read(tmp_path: Path) -> None:
    store = directory(tmp_path)
    for attempt in (None, "start", ["start"]):
        with pytest.raises(RunMetadataNotAvailable, match="nothing is known of run 'a-run' in"):
            store.run_metadata("a-run", attempt)
    assert list(store.runs()) == []
    store.write_run_metadata("a-run", RUN)
    found = store.run_metadata("a-run")
    assert found["start"] == RUN["start"]
    assert found["stop"] is None
    assert same(RUN["numbers"], found["numbers"])
    assert found["odd"][0] == {"$float": "x"}
    assert np.isnan(found["odd"][1])
    assert found["odd"][2:] == [b"\0", np.float32(1.5)]
    assert list(store.runs()) == ["a-run"]
    store.write_run_metadata("a-run", {"other": 1})
    assert store.run_metadata("a-run") == {"other": 1}
    assert isinstance(RunMetadataNotAvailable(""), KeyError)


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ("start.sample.name", "é"),
        ("start.sample", {"name": "é"}),
        ("start.motors.1", "y"),
        ("start.a.b.c", 1),
        ("start.a.b", {"c": 1}),
        ("stop", None),
        (["start.uid", "start.motors.0", "stop", "nothing", "start.nothing.at.all"],
         {"start.uid": "a-run", "start.motors.0": "x", "stop": None}),
        ([], {}),
        (("stop",), {"stop": None}),
    ],
)  # fmt: skip
def test_a_part_of_what_is_known_of_a_run(tmp_path: Path, projection: Any, expected: Any) -> None:
    store = directory(tmp_path)
    store.write_run_metadata("a-run", RUN)
    assert store.run_metadata("a-run", projection) == expected


@pytest.mark.parametrize("name", ["nothing", "start.nothing", "start.motors.7", "stop.reason", ""])
def test_a_part_that_is_not_known_is_named(tmp_path: Path, name: str) -> None:
    store = directory(tmp_path)
    store.write_run_metadata("a-run", RUN)
    with pytest.raises(RunMetadataNotAvailable, match=f"has no '{name}'; it has start, stop"):
        store.run_metadata("a-run", name)


def test_what_can_not_be_noted_of_a_run_is_named_and_spoils_nothing(tmp_path: Path) -> None:
    store = directory(tmp_path)
    store.write_run_metadata("a-run", {"a": 1})
    with pytest.raises(FormatError, match=r"known of run 'a-run'\['start'\]\['f'\] is <function"):
        store.write_run_metadata("a-run", {"start": {"f": no_room}})
    assert store.run_metadata("a-run") == {"a": 1}
    assert left(tmp_path) == set()


def test_several_threads_note_what_is_known_of_a_run(tmp_path: Path) -> None:
    store = directory(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.write_run_metadata("a-run", {"i": i}), range(40)))
    assert store.run_metadata("a-run", "i") in range(40)
    assert left(tmp_path) == set()


def test_a_saver_of_ones_own_needs_three_methods() -> None:
    class Unfinished(Saver):
        pass

    make: Callable[..., Any] = Unfinished
    with pytest.raises(TypeError, match="abstract"):
        make(None)
    assert issubclass(SaverError, RuntimeError)
    assert issubclass(DataNotAvailable, NXstxmKeyError)
