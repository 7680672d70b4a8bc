"""What is asked for is what is got, made once and no more often: or nobody could trust a store."""

from __future__ import annotations

import logging
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm._errors import OptionError
from suitcase.nxstxm.storage import (
    AmbiguousKeyError,
    DataCorrupted,
    DataDirectory,
    DataExistsError,
    DataKey,
    DataLockedError,
    DataNotAvailable,
    FormatError,
    FromRun,
    KeyValueError,
    MemoryFrontend,
    Producer,
    RunMetadataNotAvailable,
    Store,
    compared,
    derived,
    differences,
)

RUN = "5b3c-1"


class Kitchen:
    """Producers that count how often they are called: raw -> mean -> scaled, raw -> top."""

    def __init__(self, version: str = "1.0") -> None:
        self.calls: list[str] = []

        @derived(provides="raw", version="1.0", axis="energy")
        def raw(*, n: int = 6, offset: float = 0.0) -> xr.DataArray:
            self.calls.append("raw")
            values = np.arange(n * 4, dtype=float).reshape(n, 4) + offset
            return xr.DataArray(
                values, {"energy": 280.0 + np.arange(n), "x": np.arange(4.0)}, ("energy", "x")
            )

        @derived(provides="mean", depends_on="raw", version=version)
        def mean(raw: Any, *, dim: str = "x") -> Any:
            self.calls.append("mean")
            return raw.mean(dim)

        @derived(provides="scaled", depends_on=("mean", "raw"), version="1.0")
        def scaled(mean: Any, raw: Any, *, by: float = 1.0) -> Any:
            self.calls.append("scaled")
            return mean * by + raw.max()

        @derived(provides="rows", depends_on="raw", version="1.0", by_chunk=True)
        def rows(raw: Any, *, power: int = 2) -> Any:
            self.calls.append(f"rows {raw.sizes['energy']}")
            return raw**power

        self.producers = [raw, mean, scaled, rows]

    def took(self) -> list[str]:
        taken, self.calls = self.calls, []
        return taken


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


@pytest.fixture
def store(tmp_path: Path, kitchen: Kitchen) -> Store:
    return Store(DataDirectory(tmp_path / "store"), kitchen.producers, ready=False)


# -- made once -------------------------------------------------------------------------------------


def test_data_are_made_once_and_loaded_from_then_on(
    store: Store, kitchen: Kitchen, tmp_path: Path
) -> None:
    first = store.get(RUN, "scaled", by=2.0)
    assert kitchen.took() == ["raw", "mean", "scaled"]  # raw, which two need, was made once
    again = store.get(RUN, "scaled", by=2.0)
    other = Store(DataDirectory(tmp_path / "store"), Kitchen().producers, ready=False)
    assert kitchen.took() == []
    xr.testing.assert_identical(first, again)
    xr.testing.assert_identical(first, other.get(RUN, "scaled", by=2.0))


def test_only_what_a_change_concerns_is_made_again(store: Store, kitchen: Kitchen) -> None:
    store.get(RUN, "scaled")
    kitchen.took()
    store.get(RUN, "scaled", by=3.0)
    assert kitchen.took() == ["scaled"]
    store.get(RUN, "scaled", dim="energy")  # an option of mean
    assert kitchen.took() == ["mean", "scaled"]
    store.get(RUN, "scaled", n=3)  # of raw
    assert kitchen.took() == ["raw", "mean", "scaled"]
    store.get("another run", "mean")
    assert kitchen.took() == ["raw", "mean"]


def test_another_version_is_other_data(tmp_path: Path) -> None:
    old, new = Kitchen("1.0"), Kitchen("1.1")
    folder = tmp_path / "store"
    one = Store(DataDirectory(folder), old.producers, ready=False)
    two = Store(DataDirectory(folder), new.producers, ready=False)
    one.get(RUN, "scaled")
    assert not two.is_stored(RUN, "scaled")
    assert two.is_stored(RUN, "raw")
    two.get(RUN, "scaled")
    assert new.took() == ["mean", "scaled"]
    assert one.is_stored(RUN, "scaled")
    assert two.is_stored(RUN, "scaled")
    assert two.why_not(RUN, "scaled", by=2.0)[0].count("scaled.by 1.0 -> 2.0") == 1
    assert any("mean.version 1.0 -> 1.1" in line for line in two.why_not(RUN, "scaled", by=2.0))
    assert (
        one.compare(one.key(RUN, "scaled"), two.key(RUN, "scaled"))
        == "differs: mean.version 1.0 -> 1.1"
    )


def test_save_false_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.get(RUN, "mean", save=False)
    assert not list((tmp_path / "store").rglob("*.h5"))


def test_a_producer_may_say_that_its_results_are_not_stored(tmp_path: Path) -> None:
    calls = []

    @derived(provides="quick", version="1", save=False)
    def quick() -> Any:
        calls.append(1)
        return np.arange(3)

    store = Store(DataDirectory(tmp_path), [quick], ready=False)
    store.get(RUN, "quick")
    store.get(RUN, "quick")
    assert len(calls) == 2
    with pytest.raises(OptionError, match="can not be saved"):
        store.make(RUN, "quick")


# -- parts -----------------------------------------------------------------------------------------


def test_a_part_is_that_of_the_whole_stored_or_not(store: Store) -> None:
    whole = store.get(RUN, "raw", save=False)
    for stored in (False, True):
        if stored:
            store.make(RUN, "raw")
        assert store.is_stored(RUN, "raw") is stored
        xr.testing.assert_identical(
            store.get(RUN, "raw", rows=(1, 3), save=False), whole.isel(energy=slice(1, 3))
        )
        xr.testing.assert_identical(
            store.get(RUN, "raw", between={"energy": (281.5, 284.0)}, save=False),
            whole.sel(energy=slice(281.5, 284.0)),
        )
        xr.testing.assert_identical(
            store.get(RUN, "raw", between={"energy": (1.0, 2.0)}, save=False),
            whole.isel(energy=slice(0, 0)),
        )


def test_large_results_are_saved_in_chunks_and_come_lazily(
    tmp_path: Path, kitchen: Kitchen
) -> None:
    store = Store(DataDirectory(tmp_path), kitchen.producers, ready=False, chunk_bytes=80)
    chunks = list(store.loader(RUN, "raw"))
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 2), (2, 4), (4, 6)]
    lazy = store.lazy(RUN, "raw")
    assert lazy.chunks[0] == (2, 2, 2)
    assert kitchen.took() == ["raw"]
    xr.testing.assert_identical(lazy.compute(), store.get(RUN, "raw"))
    # only what is computed is read
    (
        tmp_path / store.frontends[0]._locate(store.key(RUN, "raw")).backend_key / "000002.h5"
    ).unlink()
    lazy[:4].compute()
    with pytest.raises(DataCorrupted, match=r"000002\.h5"):
        lazy.compute()


def test_a_function_can_be_called_chunk_by_chunk(tmp_path: Path, kitchen: Kitchen) -> None:
    store = Store(DataDirectory(tmp_path), kitchen.producers, ready=False, chunk_bytes=80)
    expected = store.get(RUN, "raw", save=False) ** 2
    kitchen.took()
    xr.testing.assert_identical(store.get(RUN, "rows"), expected)
    assert kitchen.took() == ["raw", "rows 2", "rows 2", "rows 2"]
    xr.testing.assert_identical(store.get(RUN, "rows"), expected)
    assert store.frontends[0].get_metadata(store.key(RUN, "rows")).n_chunks == 3
    assert kitchen.took() == []
    store.get(RUN, "rows", power=3, save=False)
    assert kitchen.took() == ["rows 2", "rows 2", "rows 2"]


# -- options ---------------------------------------------------------------------------------------


def test_an_option_goes_to_the_type_or_the_only_one_that_has_it(store: Store) -> None:
    key = store.key(RUN, "scaled", by=2.0, **{"raw.n": 3, "dim": "energy"})
    assert key.lineage["scaled"].options == {"by": 2.0}
    assert key.lineage["mean"].options == {"dim": "energy"}
    assert key.lineage["raw"].options == {"n": 3, "offset": 0.0}


def test_options_that_fit_nobody_or_several_are_refused(store: Store) -> None:
    @derived(provides="a", version="1")
    def a(*, n: int = 1) -> Any:
        return np.arange(n)

    @derived(provides="b", depends_on=("a", "raw"), version="1")
    def b(a: Any, raw: Any, *, k: int) -> Any:
        return a + raw + k

    store.register(a, b)
    with pytest.raises(OptionError, match=r"'n' is an option of a and of raw.*a\.n, raw\.n"):
        store.key(RUN, "b", n=2, k=1)
    assert store.key(RUN, "b", k=1, **{"a.n": 2}).lineage["a"].options == {"n": 2}
    with pytest.raises(OptionError, match=r"'m' is no option of 'b'.*raw\.offset"):
        store.key(RUN, "b", m=2, k=1)
    with pytest.raises(OptionError, match=r"'a\.m' is no option"):
        store.key(RUN, "b", k=1, **{"a.m": 2})
    with pytest.raises(OptionError, match=r"option 'k' of 'b' has no default"):
        store.key(RUN, "b")
    with pytest.raises(KeyValueError, match=r"option 'k' of b"):
        store.key(RUN, "b", k=len)


def test_the_stores_own_options_count_until_others_are_given(
    tmp_path: Path, kitchen: Kitchen
) -> None:
    store = Store(
        DataDirectory(tmp_path), kitchen.producers, ready=False, options={"by": 5.0, "raw.n": 2}
    )
    assert store.key(RUN, "scaled").lineage["scaled"].options == {"by": 5.0}
    assert store.key(RUN, "mean").lineage["raw"].options["n"] == 2
    assert store.key(RUN, "scaled", by=6.0).lineage["scaled"].options == {"by": 6.0}


def test_what_the_run_tells_is_a_default_and_part_of_the_lineage(tmp_path: Path) -> None:
    @derived(provides="thick", version="1")
    def thick(*, mu: float = FromRun("start.sample.mu", 1.0), name: str = FromRun("start.name")):
        return np.array([mu, len(name)])

    store = Store(DataDirectory(tmp_path), [thick], ready=False)
    with pytest.raises(OptionError, match=r"'name' of 'thick'.*thick\.name="):
        store.get(RUN, "thick")
    assert store.get(RUN, "thick", name="a")[0] == 1.0
    store.write_run_metadata(RUN, {"start": {"sample": {"mu": 2.5}, "name": "b"}})
    assert store.get(RUN, "thick")[0] == 2.5
    options = store.key(RUN, "thick").lineage["thick"].options
    assert options == {"mu": 2.5, "name": "b"}
    assert store.key(RUN, "thick", mu=2.5, name="b") == store.key(RUN, "thick")
    assert store.run_metadata(RUN, "start.sample.mu") == 2.5
    with pytest.raises(RunMetadataNotAvailable, match="nothing is known of run 'other'"):
        store.run_metadata("other")


# -- the graph -------------------------------------------------------------------------------------


def test_circles_and_gaps_are_named(tmp_path: Path) -> None:
    @derived(provides="a", depends_on="b", version="1")
    def a(b: Any) -> Any:
        return b

    @derived(provides="b", depends_on="a", version="1")
    def b(a: Any) -> Any:
        return a

    @derived(provides="c", depends_on="nothing", version="1")
    def c(nothing: Any) -> Any:
        return nothing

    store = Store(DataDirectory(tmp_path), [a, b, c], ready=False)
    with pytest.raises(OptionError, match=r"circle: (a <- b <- a|b <- a <- b)"):
        store.get(RUN, "a")
    with pytest.raises(DataNotAvailable, match=r"nobody makes 'nothing', which 'c' is made from"):
        store.get(RUN, "c")
    with pytest.raises(DataNotAvailable, match=r"nobody makes 'd'; known are a, b, c"):
        store.get(RUN, "d")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: derived(provides="x", version="1")(lambda *a: a), "takes \\*a"),
        (lambda: derived(provides="x", version="1")(lambda **k: k), "takes \\*k"),
        (lambda: derived(provides="x", depends_on="y", version="1")(lambda: 1), "0 parameters"),
        (
            lambda: derived(provides="x", version="1")(lambda rows=1: rows),
            "'rows', which is a word",
        ),
        (lambda: derived(provides="x", version="1", by_chunk=True)(lambda: 1), "no chunks"),
        (lambda: derived(provides="", version="1")(lambda: 1), "data type ''"),
        (lambda: derived(provides="x", version=1)(lambda: 1), "has version 1"),
        (lambda: Store([]), "at least one frontend"),
        (lambda: Store(MemoryFrontend(), [len]), "is no producer"),
    ],
)
def test_what_can_not_work_is_refused_at_once(make: Any, message: str) -> None:
    with pytest.raises((OptionError, KeyValueError), match=message):
        make()


def test_a_producer_is_still_a_function() -> None:
    @derived(provides="twice", depends_on="once", version="1")
    def twice(once: int, *, plus: int = FromRun("start.plus", 5), minus: int = FromRun("m")) -> int:
        return 2 * once + plus - minus

    assert twice(4, minus=0) == 13
    with pytest.raises(OptionError, match="twice needs minus, which a store takes from the run"):
        twice(4)
    other = twice.but(provides="twice of two", depends_on="two", version="2")
    assert isinstance(other, Producer)
    assert (other.provides, other.depends_on, other.version) == ("twice of two", ("two",), "2")
    with pytest.raises(KeyValueError):
        twice.but(version=3)


# -- several frontends -----------------------------------------------------------------------------


def test_the_fastest_is_asked_first_and_every_writable_one_is_filled(
    tmp_path: Path, kitchen: Kitchen
) -> None:
    memory, disk = MemoryFrontend(), DataDirectory(tmp_path / "disk")
    archive = DataDirectory(tmp_path / "archive", priority=5, exclude=["raw"])
    frozen = DataDirectory(tmp_path / "frozen", readonly=True)
    store = Store([archive, frozen, disk, memory], kitchen.producers, ready=False)
    assert store.frontends[0] is memory
    assert store.frontends[-1] is archive
    store.get(RUN, "mean")
    mean, raw = store.key(RUN, "mean"), store.key(RUN, "raw")
    assert [mean in each for each in (memory, disk, archive, frozen)] == [True, True, True, False]
    assert [raw in each for each in (memory, disk, archive)] == [True, True, False]
    for name in ("disk", "archive"):
        (tmp_path / name).rename(tmp_path / f"{name} away")
    kitchen.took()
    store.get(RUN, "mean")
    assert kitchen.took() == []  # from memory


def test_damage_in_one_is_made_good_by_another_or_made_again(
    tmp_path: Path, kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = DataDirectory(tmp_path / "1"), DataDirectory(tmp_path / "2", priority=2)
    store = Store([first, second], kitchen.producers, ready=False)
    good = store.get(RUN, "raw")
    kitchen.took()
    key = store.key(RUN, "raw")

    def spoil(frontend: DataDirectory) -> None:
        path = next(frontend.path.rglob("000000.h5"))
        raw = bytearray(path.read_bytes())
        at = frontend.open(key).chunks[0].place["arrays"]["data"]["b"][0][0]
        raw[at + 20] ^= 1
        path.write_bytes(raw)

    spoil(first)
    with caplog.at_level(logging.WARNING, "suitcase.nxstxm"):
        xr.testing.assert_identical(store.get(RUN, "raw"), good)
    assert kitchen.took() == []
    assert "is damaged" in caplog.text
    spoil(second)
    xr.testing.assert_identical(store.get(RUN, "raw"), good)
    assert kitchen.took() == ["raw"]
    assert first.verify(key)
    assert second.verify(key)


def test_a_frontend_that_fails_does_not_spoil_the_others(
    tmp_path: Path, kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    wrong, right = DataDirectory(tmp_path / "file" / "x"), DataDirectory(tmp_path / "right")
    store = Store([wrong, right], kitchen.producers, ready=False)
    assert store.get(RUN, "raw").shape == (6, 4)
    assert store.key(RUN, "raw") in right
    assert "can not be saved to" in caplog.text
    alone = Store(wrong, kitchen.producers, ready=False)
    assert alone.get(RUN, "raw").shape == (6, 4)  # what was computed is not thrown away
    with pytest.raises(OSError, match="can not be made"):
        alone.make(RUN, "raw")


def test_an_error_of_a_producer_is_raised_and_kept_with_the_data(tmp_path: Path) -> None:
    @derived(provides="bad", version="1")
    def bad(*, when: int = 0) -> Any:
        raise ZeroDivisionError(f"at {when}")

    disk = DataDirectory(tmp_path)
    store = Store([MemoryFrontend(), disk], [bad], ready=False)
    with pytest.raises(ZeroDivisionError, match="at 3"):
        store.get(RUN, "bad", when=3)
    assert not store.is_stored(RUN, "bad", when=3)
    told = disk.get_metadata(store.key(RUN, "bad", when=3)).exception
    assert told is not None
    assert "ZeroDivisionError: at 3" in told
    assert "def bad" not in told
    assert "raise ZeroDivisionError" in told


def test_results_that_can_not_be_stored_say_so(tmp_path: Path) -> None:
    @derived(provides="odd", version="1")
    def odd() -> Any:
        return object()

    with pytest.raises(FormatError, match="a object can not be stored"):
        Store(DataDirectory(tmp_path), [odd], ready=False).get(RUN, "odd")


# -- loose matches ---------------------------------------------------------------------------------


def test_what_is_made_of_loose_matches_is_not_stored(tmp_path: Path) -> None:
    kitchen = Kitchen()
    disk = DataDirectory(tmp_path)
    Store(disk, kitchen.producers, ready=False).get(RUN, "raw", offset=7.0)
    kitchen.took()
    loose = Store(disk, kitchen.producers, ready=False, fuzzy_for_options=["offset"])
    mean = loose.get(RUN, "mean")
    assert kitchen.took() == ["mean"]
    assert float(mean[0]) == 8.5
    assert loose.key(RUN, "mean") not in disk
    Store(disk, kitchen.producers, ready=False).get(RUN, "raw", offset=8.0)
    with pytest.raises(AmbiguousKeyError, match="2 stored data are like"):
        loose.get(RUN, "mean")


# -- copies ----------------------------------------------------------------------------------------


def test_copies_are_equal_and_may_be_cut_and_compressed_otherwise(
    tmp_path: Path, kitchen: Kitchen
) -> None:
    disk, other = DataDirectory(tmp_path / "a"), DataDirectory(tmp_path / "b", readonly=False)
    store = Store([disk], kitchen.producers, ready=False)
    good = store.get(RUN, "raw")
    key = store.key(RUN, "raw")
    store.copy(key, other, rechunk=80, compression="zstd")
    about = other.get_metadata(key)
    assert (about.n_chunks, about.compression) == (3, "zstd")
    xr.testing.assert_identical(other.load(key), good)
    with pytest.raises(DataExistsError):
        store.copy(key, other)
    with pytest.raises(DataNotAvailable, match="is not in"):
        store.copy(store.key(RUN, "mean"), other)
    with pytest.raises(OptionError, match="compression is 'lz5'"):
        store.copy(key, DataDirectory(tmp_path / "c"), compression="lz5")
    assert not (tmp_path / "c").exists()


def test_what_is_stored_is_listed(store: Store) -> None:
    store.get(RUN, "mean")
    store.get("other", "raw")
    found = sorted((m.run_id, m.data_type) for _, m in store.list())
    assert found == [(RUN, "mean"), (RUN, "raw"), ("other", "raw")]
    assert [m.data_type for _, m in store.list("other")] == ["raw"]
    assert [m.run_id for _, m in store.list(data_type="mean")] == [RUN]


# -- several processes -----------------------------------------------------------------------------


def _slow_store(folder: Path, wait: float) -> Store:
    @derived(provides="slow", version="1")
    def slow() -> Any:
        (folder / "begun").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        with (folder / "calls").open("a") as file:
            file.write("x")
        return np.arange(5)

    return Store(DataDirectory(folder / "store"), [slow], ready=False, wait=wait)


def _get_slow(folder: Path) -> None:
    _slow_store(folder, 0.0).get(RUN, "slow")


def test_two_processes_that_want_the_same_make_it_once(tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=_get_slow, args=(tmp_path,))
    other.start()
    try:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        key = _slow_store(tmp_path, 0.0).key(RUN, "slow")
        with pytest.raises(DataLockedError, match=f"process {other.pid}"):
            DataDirectory(tmp_path / "store").saver(key)
        (tmp_path / "go").touch()
        assert _slow_store(tmp_path, 60.0).get(RUN, "slow").tolist() == [0, 1, 2, 3, 4]
    finally:
        other.join(60)
    assert other.exitcode == 0
    assert (tmp_path / "calls").read_text() == "x"


# -- comparing -------------------------------------------------------------------------------------


def test_differences_are_said_in_words() -> None:
    one = {"a": ("f", "1", {"x": 1, "deep": {"y": [1, 2]}}), "b": ("g", "1", {})}
    two = {"a": ("h", "2", {"x": 1.0, "deep": {"y": [1, 3]}, "z": None}), "c": ("g", "1", {})}
    assert differences(one, two) == [
        "a made by f -> h",
        "a.version 1 -> 2",
        "a.deep.y [1,2] -> [1,3]",
        "a.x 1 -> 1.0",
        "a.z nothing -> null",
        "b removed",
        "c added",
    ]
    assert compared(one, dict(reversed(one.items()))) == "same"
    key = DataKey(RUN, "a", one)
    assert compared(key, one) == "same"


def test_data_of_a_newer_format_are_not_taken_for_broken(tmp_path: Path) -> None:
    from suitcase.nxstxm.storage._metadata import sealed

    disk = DataDirectory(tmp_path)
    key = DataKey(RUN, "a", {"a": ("f", "1", {})})
    disk.save(key, np.arange(3))
    path = next(tmp_path.rglob("metadata.json"))
    about = {**disk.get_metadata(key).as_json(), "format_version": 99}
    path.write_bytes(sealed(about))
    with pytest.raises(DataCorrupted, match="version 99; this version of the package reads"):
        disk.load(key)
    with pytest.raises(DataCorrupted, match="version 99"):
        disk.save(key, np.arange(4))
    assert "99" in path.read_text()
