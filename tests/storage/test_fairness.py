"""What is made, asked for and replaced side by side: one must not spoil the other."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm._errors import NXstxmOSError, OptionError
from suitcase.nxstxm.data import DataCoordinates
from suitcase.nxstxm.storage import (
    AmbiguousKeyError,
    DataCorrupted,
    DataDirectory,
    DataExistsError,
    DataKey,
    DataLockedError,
    FormatError,
    FsspecDirectory,
    KeyedStorage,
    KeyValueError,
    Lineage,
    MemoryFrontend,
    RunMetadataNotAvailable,
    Step,
    StorageFrontend,
    Store,
    compared,
    derived,
)

RUN = "a1b2"


def key(data_type: str = "od", version: str = "1", **options: Any) -> DataKey:
    return DataKey(RUN, data_type, {data_type: ("f", version, options)})


# -- producers ------------------------------------------------------------------------------------


@derived(provides="a", version="1")
def a(*, n: int = 4) -> xr.DataArray:
    return xr.DataArray(np.arange(float(n)), {"x": np.arange(n)}, ("x",))


@derived(provides="b", depends_on="a", version="1")
def b(a: Any) -> Any:
    a -= a.max()
    a.coords["x"] = a["x"] + 100
    return a


@derived(provides="c", depends_on=("b", "a"), version="1")
def c(b: Any, a: Any) -> Any:
    return float(a.sum() - b.sum())


@derived(provides="d", depends_on=("a", "b"), version="1", by_chunk=True)
def d(chunk: Any, rest: Any) -> Any:
    rest += 1.0
    return chunk + float(rest.max())


@pytest.mark.parametrize("before", [(), ("a",), ("b",), ("a", "b")])
def test_a_function_that_changes_what_it_takes_changes_nothing_else(
    before: tuple[str, ...], tmp_path: Path
) -> None:
    store = Store(DataDirectory(tmp_path), [a, b, c, d], ready=False, chunk_bytes=16)
    for each in before:
        store.get(RUN, each)
    assert float(store.get(RUN, "c")) == 6.0 - (6.0 - 4 * 3.0)
    assert store.get(RUN, "d").values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert store.get(RUN, "a").values.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_an_option_that_is_changed_is_not_changed_for_the_next(tmp_path: Path) -> None:
    @derived(provides="peaks", version="1")
    def peaks(*, at: list[float] = [1.0]) -> Any:  # noqa: B006 - what users write
        at.append(2.0)
        return np.array(at)

    store = Store(DataDirectory(tmp_path), [peaks], ready=False)
    before = store.key(RUN, "peaks")
    store.get(RUN, "peaks")
    assert store.key(RUN, "peaks") == before


@pytest.mark.parametrize(
    "made",
    [
        lambda: [1.0, 2.0],
        lambda: 3,
        lambda: xr.DataArray([1.0], dims="x", attrs={"range": (1, 2)}),
        lambda: pytest.importorskip("pandas").DataFrame({"x": [1, 2]}),
        lambda: xr.DataArray([1.0, 2.0], dims="x").chunk(1),
    ],
    ids=["list", "int", "attributes", "pandas", "dask"],
)
def test_what_is_made_is_given_as_it_will_be_loaded(
    made: Callable[[], Any], tmp_path: Path
) -> None:
    @derived(provides="it", version="1")
    def it() -> Any:
        return made()

    store = Store(DataDirectory(tmp_path), [it], ready=False)
    first, second = store.get(RUN, "it"), store.get(RUN, "it")
    assert type(first) is type(second)
    if isinstance(first, xr.DataArray):
        xr.testing.assert_identical(first, second)
        assert first.chunks is None
    elif isinstance(first, np.ndarray):
        assert (first.dtype, first.tolist()) == (second.dtype, second.tolist())
    else:
        assert first.equals(second)


def test_what_is_made_chunk_by_chunk_of_loose_matches_is_not_stored(tmp_path: Path) -> None:
    @derived(provides="twice", depends_on="raw", version="1", by_chunk=True)
    def twice(raw: Any) -> Any:
        return 2 * raw

    @derived(provides="raw", version="1")
    def raw(*, offset: int = 0) -> Any:
        return np.arange(3) + offset

    disk = DataDirectory(tmp_path)
    Store(disk, [raw], ready=False).get(RUN, "raw", offset=100)
    loose = Store(disk, [raw, twice], ready=False, fuzzy_for_options=["offset"])
    assert loose.get(RUN, "twice").tolist() == [200, 202, 204]
    assert Store(disk, [raw, twice], ready=False).get(RUN, "twice").tolist() == [0, 2, 4]


def test_options_that_nobody_has_are_refused(tmp_path: Path) -> None:
    disk = DataDirectory(tmp_path)
    for wrong in ("a.m", "m", "z.n"):
        with pytest.raises(OptionError, match=f"'{wrong}', an option of this store"):
            Store(disk, [a], ready=False, options={wrong: 3}).get(RUN, "a")
    with pytest.raises(OptionError, match="name the option alone: 'n'"):
        Store(disk, [a], ready=False, fuzzy_for_options=["a.n"])
    assert Store(disk, [a, b], ready=False, options={"a.n": 2}).get(RUN, "a").size == 2


# -- several frontends ----------------------------------------------------------------------------


def test_a_loose_match_that_could_be_several_is_not_guessed(tmp_path: Path) -> None:
    one, two = DataDirectory(tmp_path / "1"), DataDirectory(tmp_path / "2")
    one.save(key(version="1"), np.zeros(1))
    two.save(key(version="2"), np.ones(1))
    store = Store([one, two], ready=False, fuzzy_for=["od"])
    with pytest.raises(AmbiguousKeyError, match="2 stored data are like"):
        list(store.found(key(version="3")))
    one.save(key(version="4"), np.zeros(1))
    found, is_exact = next(store.found(key(version="2")))
    assert (found.load().tolist(), is_exact) == ([1.0], True)


def test_data_that_another_makes_are_waited_for_and_loaded(tmp_path: Path) -> None:
    calls = []

    @derived(provides="it", version="1")
    def it() -> Any:
        calls.append(1)
        return np.zeros(3)

    store = Store([MemoryFrontend(), DataDirectory(tmp_path)], [it], ready=False, wait=30.0)
    saver = DataDirectory(tmp_path).saver(store.key(RUN, "it"))
    saver.save(np.ones(3))
    threading.Timer(0.5, saver.close).start()
    assert store.get(RUN, "it").tolist() == [1.0, 1.0, 1.0]
    assert not calls


def test_what_can_not_be_saved_everywhere_is_saved_elsewhere_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory, disk = MemoryFrontend(), DataDirectory(tmp_path)
    store = Store([memory, disk], [a], ready=False)
    with disk.saver(store.key(RUN, "a")) as other, caplog.at_level(logging.ERROR):
        store.make(RUN, "a")
        assert store.key(RUN, "a") in memory
        assert "is being written by" in caplog.text
        other.save(np.zeros(1))


def test_damaged_data_that_are_protected_do_not_stop_the_others(tmp_path: Path) -> None:
    protected = DataDirectory(tmp_path / "1", overwrite="never", priority=0)
    other = DataDirectory(tmp_path / "2")
    store = Store([protected, other], [a], ready=False)
    store.frontends[0].save(store.key(RUN, "a"), np.ones(4))
    (chunk,) = (tmp_path / "1").rglob("000000.h5")
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    assert store.get(RUN, "a").values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert store.key(RUN, "a") in other


# -- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", [Path("a/b"), slice(1, 3), {1, 2}, float("nan"), {"$x": 1}, 1 + 2j, (1, [2.0])]
)
def test_a_lineage_can_be_made_of_another(option: Any) -> None:
    made = key(place=option)
    assert DataKey(RUN, "od", dict(made.lineage)) == made
    longer = DataKey(RUN, "fit", {**made.lineage, "fit": ("fit", "1", {"at": option})})
    assert longer.lineage["od"] == made.lineage["od"]
    assert Lineage.of_json(made.lineage.as_json()) == made.lineage
    assert DataKey(RUN, "od", {"od": Step("f", "1", {"place": option})}) == made or "$x" in str(
        option
    )
    assert compared(made, DataKey(RUN, "od", dict(made.lineage))) == compared(made, made)


def test_what_is_no_lineage_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for lineage in (None, [("od", "1")], {"od": ("f", "1", {"x": endless})}):
        with pytest.raises(KeyValueError):
            DataKey(RUN, "od", lineage)  # type: ignore[arg-type]


# -- savers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frontend", [DataDirectory, None], ids=["disk", "memory"])
def test_a_frame_that_is_refused_does_not_take_the_others_with_it(
    frontend: Any, tmp_path: Path
) -> None:
    store: StorageFrontend = MemoryFrontend() if frontend is None else frontend(tmp_path)
    frames = KeyedStorage(store, key("frames"))
    frames.put(DataCoordinates(time=0), np.zeros((2, 2)), {})
    with pytest.raises(FormatError):
        frames.put(DataCoordinates(time=1), np.ones((2, 2)), {"when": object()})
    frames.put(DataCoordinates(time=2), np.full((2, 2), 2.0), {})
    frames.finish()
    assert [int(chunk.data.data[0, 0]) for chunk in store.loader(key("frames"))] == [0, 2]


def test_chunks_in_other_units_are_no_chunks_of_the_same(tmp_path: Path) -> None:
    parts = [xr.DataArray([1.0], dims="x", attrs={"units": unit}) for unit in ("eV", "keV")]
    saver = DataDirectory(tmp_path).saver(key())
    saver.save(parts[0])
    with pytest.raises(FormatError, match="is in 'keV' instead of 'eV'"):
        saver.save(parts[1])
    saver.discard()


def test_copies_know_what_is_between(tmp_path: Path) -> None:
    one, two = DataDirectory(tmp_path / "1"), DataDirectory(tmp_path / "2")
    data = np.zeros(4, [("pix", int), ("value", float)])
    data["pix"] = [1, 2, 3, 4]
    with one.saver(key(), index_by=["pix"]) as saver:
        saver.save(data[:2])
        saver.save(data[2:])
    Store([one], ready=False).copy(key(), two)
    assert two.load(key(), between={"pix": (2, 3)})["pix"].tolist() == [2, 3]


def test_frames_are_copied_as_they_are(tmp_path: Path) -> None:
    one, two = DataDirectory(tmp_path / "1"), DataDirectory(tmp_path / "2")
    frames = KeyedStorage(one, key("frames"))
    for i in range(3):
        frames.put(DataCoordinates(time=i), np.full((2, 2 + i), i), {"n": i})
    frames.finish()
    Store([one], ready=False).copy(key("frames"), two, rechunk=1)
    assert [chunk.data.data.shape for chunk in two.loader(key("frames"))] == [
        (2, 2), (2, 3), (2, 4),
    ]  # fmt: skip


# -- reading and replacing ------------------------------------------------------------------------


def test_who_reads_while_data_are_replaced_gets_the_old_or_the_new(tmp_path: Path) -> None:
    store = DataDirectory(tmp_path, overwrite="always", durable=False)

    def save(value: int) -> None:
        with store.saver(key()) as saver:
            for _ in range(4):
                saver.save(np.full(1000, value))

    save(0)
    stop = threading.Event()

    def replace() -> None:
        value = 0
        while not stop.is_set():
            value += 1
            save(value)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(300):
            assert key() in store
            assert len(set(store.load(key()).tolist())) == 1
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_data_that_only_somebody_else_can_read_are_not_broken(tmp_path: Path) -> None:
    DataDirectory(tmp_path).save(key(), np.zeros(3))
    for path in tmp_path.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o600)
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and path != Path("/") and not path.stat().st_mode & 0o005:
            path.chmod(0o755)
    tmp_path.chmod(0o777)
    told, write = os.pipe()
    if not os.fork():
        try:
            os.setuid(65534)
            DataDirectory(tmp_path).save(key(), np.ones(3))
            os.write(write, b"replaced")
        except DataCorrupted as error:
            os.write(write, f"damaged: {error}".encode())
        except NXstxmOSError as error:
            os.write(write, f"good: {error}".encode())
        except BaseException as error:  # noqa: BLE001 - told to the other process
            os.write(write, repr(error).encode())
        os._exit(0)
    os.wait()
    said = os.read(told, 1000).decode()
    assert said.startswith("good: "), said
    assert "Permission denied" in said
    assert DataDirectory(tmp_path).load(key()).tolist() == [0.0, 0.0, 0.0]


def test_what_is_seen_of_a_dead_writer_stays(tmp_path: Path) -> None:
    """Killed between the last note and its name: nobody was told that the data are saved."""
    store = DataDirectory(tmp_path)
    store.save(key(), np.zeros(3))
    (metadata,) = tmp_path.rglob("metadata.json")
    folder = metadata.parent
    folder.rename(folder.with_name(f"{folder.name}_temp"))
    for frontend in (store, FsspecDirectory(str(tmp_path))):
        assert key() not in frontend
        assert not frontend.get_metadata(key()).is_whole
    assert store.clean()
    assert key() not in store


def test_two_kinds_of_frontends_do_not_write_the_same_at_once(tmp_path: Path) -> None:
    local, other = DataDirectory(tmp_path), FsspecDirectory(str(tmp_path))
    with other.saver(key()) as saver:
        saver.save(np.zeros(3))
        with pytest.raises(DataLockedError, match="through a FsspecDirectory"):
            local.save(key(), np.ones(3))
    with local.saver(key(version="2")) as saver:
        saver.save(np.zeros(3))
        with pytest.raises(DataLockedError, match="what a DataDirectory writes"):
            other.save(key(version="2"), np.ones(3))
    assert local.load(key()).tolist() == other.load(key(version="2")).tolist() == [0.0] * 3


def test_data_that_came_in_between_are_not_replaced(tmp_path: Path) -> None:
    store = DataDirectory(tmp_path, overwrite="never")
    elsewhere = DataDirectory(tmp_path / "elsewhere")
    elsewhere.save(key(), np.ones(3))
    (made,) = (path.parent for path in (tmp_path / "elsewhere").rglob("metadata.json"))
    saver = store.saver(key())
    saver.save(np.zeros(3))
    made.rename(Path(str(saver._folder).removesuffix("_temp")))  # not through this class
    with pytest.raises(DataExistsError):
        saver.close()
    assert store.load(key()).tolist() == [1.0, 1.0, 1.0]


# -- what makes no sense --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        {"rows": slice(0, 5)},
        {"rows": (2, None)},
        {"rows": 3},
        {"rows": (0.5, 2.0)},
        {"between": {"x": (282, None)}},
        {"between": {"x": slice(1, 2)}},
        {"between": {"x": 3}},
        {"between": "x"},
        {"chunk_number": "first"},
        {"chunk_number": [0.5]},
    ],
)
def test_parts_that_make_no_sense_are_refused(part: dict[str, Any], tmp_path: Path) -> None:
    store = DataDirectory(tmp_path)
    store.save(key(), xr.DataArray(np.arange(4.0), {"x": np.arange(4)}, ("x",)))
    with pytest.raises(OptionError, match=next(iter(part))):
        store.load(key(), **part)
    assert store.load(key(), chunk_number=np.int64(0), rows=(np.int64(1), 3)).size == 2


def test_what_can_not_be_stored_or_found_is_told(tmp_path: Path) -> None:
    store = DataDirectory(tmp_path)
    with pytest.raises(FormatError, match="to_frame"):
        store.save(key(), pytest.importorskip("pandas").Series([1.0]))
    with pytest.raises(FormatError, match="is no array"):
        store.save(key(version="2"), ([1.0], [1.0, 2.0]))
    with pytest.raises(KeyValueError, match="is no key"):
        store.find("a1b2-od-abc")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="wait=None"):
        store.saver(key(), wait=None)  # type: ignore[arg-type]


def test_who_is_not_to_tell_of_runs_is_not_asked(tmp_path: Path) -> None:
    silent = DataDirectory(tmp_path / "1", provide_run_metadata=False)
    telling = DataDirectory(tmp_path / "2")
    silent.write_run_metadata(RUN, {"start": {"scan_id": 1}})
    store = Store([silent, telling], ready=False)
    with pytest.raises(RunMetadataNotAvailable):
        store.run_metadata(RUN)
    store.write_run_metadata(RUN, {"start": {"scan_id": 2}})
    assert store.run_metadata(RUN, "start.scan_id") == 2
    assert silent.run_metadata(RUN, "start.scan_id") == 1
    with pytest.raises(OptionError, match="can note anything of runs"):
        Store([silent], ready=False).write_run_metadata(RUN, {})
