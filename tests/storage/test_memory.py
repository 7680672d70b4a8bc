"""Data in memory can not be changed by anybody, and lock nobody out.

Without these tests a fit that works in place would change the optical density for everybody after
it, and a saver that was forgotten would keep its key from being saved for ever.
"""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from suitcase.nxstxm.storage import (
    DataExistsError,
    DataKey,
    DataLockedError,
    FormatError,
    MemoryFrontend,
    SaverError,
    Store,
    derived,
)

KEY = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {})})


def test_what_is_loaded_can_not_be_written_to():
    xr = pytest.importorskip("xarray")
    store, data = MemoryFrontend(), xr.DataArray(np.ones((3, 2)), dims=("y", "x"))
    store.save(KEY, data)
    data[:] = 2
    found = store.load(KEY)
    with pytest.raises(ValueError, match="copy"):
        found[0, 0] = 5
    with pytest.raises(ValueError, match="read-only"):
        store.load(KEY, rows=(1, 2)).values[:] = 5
    assert store.load(KEY).sum() == 6
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.values.flags.writeable = True
    assert np.shares_memory(store.load(KEY).values, found.values)


def test_what_was_given_back_can_not_be_written_to_either():
    store = MemoryFrontend()
    with store.saver(KEY) as saver:
        saver.save(np.ones(3))
        with pytest.raises(ValueError, match="read-only"):
            saver.read_back(0)[0] = 5


def test_text_in_objects_is_copied_and_other_objects_are_refused():
    store, text = MemoryFrontend(), np.array(["a", "b"], object)
    store.save(KEY, text)
    text[0] = "changed"
    assert store.load(KEY).tolist() == ["a", "b"]
    store.overwrite = "always"
    with pytest.raises(FormatError, match="NoneType"):
        store.save(KEY, np.array(["a", None], object))
    assert store.load(KEY).tolist() == ["a", "b"]


def test_a_saver_that_nobody_holds_any_more_locks_nothing():
    store = MemoryFrontend()
    saver = store.saver(KEY)
    with pytest.raises(DataLockedError, match="being written by thread"):
        store.saver(KEY)
    del saver
    store.save(KEY, np.arange(3))
    assert KEY in store


def test_who_waits_for_another_finds_what_it_made():
    store, begun = MemoryFrontend(), threading.Event()

    def work() -> None:
        with store.saver(KEY) as saver:
            begun.set()
            saver.save(np.arange(3))

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    with pytest.raises(DataExistsError):
        store.saver(KEY, wait=30)
    thread.join()


def test_opened_data_stay_when_they_are_replaced_or_removed():
    store = MemoryFrontend(overwrite="always")
    store.save(KEY, np.zeros(3))
    opened = store.open(KEY)
    store.save(KEY, np.ones(5))
    assert opened.load().tolist() == [0, 0, 0]
    store.remove(KEY)
    assert opened.arrays(opened.chunks[0], ["data"])["data"].tolist() == [0, 0, 0]
    assert opened.verify() == 24


def test_only_the_variables_that_are_wanted_are_put_together():
    xr = pytest.importorskip("xarray")
    store = MemoryFrontend()
    store.save(KEY, xr.Dataset({"a": ("x", [1, 2]), "b": ("x", [3, 4]), "c": 5}))
    opened = store.open(KEY)
    found = opened.read(opened.chunks[0], rows=(1, 2), only=["a", "c"])
    assert found.identical(xr.Dataset({"a": ("x", [2]), "c": 5}))


def test_tables_come_back():
    pa = pytest.importorskip("pyarrow")
    store, table = MemoryFrontend(), pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    with store.saver(KEY) as saver:
        saver.save(table.slice(0, 2))
        saver.save(table.slice(2))
    assert store.load(KEY).equals(table)
    assert store.load(KEY, rows=(1, 3)).equals(table.slice(1))


def test_a_saver_is_not_given_to_another_process():
    with pytest.raises(SaverError, match="no other process"):
        pickle.dumps(MemoryFrontend().saver(KEY))


def test_it_is_asked_before_a_disk():
    calls = []

    @derived(provides="squares", version="1")
    def squares(*, n=3):
        calls.append(n)
        return np.arange(n) ** 2

    memory = MemoryFrontend()
    store = Store(memory, producers=[squares], ready=False)
    assert memory.priority == 0
    assert store.get("a1b2", "squares").tolist() == store.get("a1b2", "squares").tolist()
    assert calls == [3]
