"""Without these tests what is on the disk when a process dies could be no archive."""

from __future__ import annotations

import errno
import gc
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.documents import (
    ArchiveWriter,
    Backlog,
    Batch,
    Block,
    Closed,
    Journal,
    LiveQueue,
    RunStreams,
    Segment,
    difference,
    read_archive,
)
from suitcase.nxstxm.sim import all_requests, scan_documents

REQUESTS = all_requests()
Documents = list[tuple[str, Any]]


def written(path: Path) -> Documents:
    with path.open("rb") as file:
        return list(read_archive(file, partial=True))


def packed(documents: Documents) -> bytes:
    """Pack documents into one block that is not compressed."""
    out = bytearray()
    writer = ArchiveWriter(out.extend, compression="none", block_bytes=2**40)
    for name, doc in documents:
        writer.append(name, doc)
    writer.flush()
    return bytes(out)


def event(data: dict[str, Any], name: str = "event") -> tuple[str, dict[str, Any]]:
    return name, {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 1.5, "data": data}


SHAPES = ((128, 128), (70_000,), (2, 3, 12_000))
ARRAYS = [
    np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for shape in SHAPES
    for dtype in ("<f8", ">f8", "<u2", "<c16", "?")
]


@settings(max_examples=60)
@given(data=st.data())
def test_the_bytes_are_those_of_an_archive(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Large arrays are written from where they are, and nobody can tell."""
    path = tmp_path_factory.mktemp("j") / "x.nxdocs"
    arrays = st.sampled_from(ARRAYS).flatmap(
        lambda a: st.sampled_from([a, a.T, a[::2], np.asfortranarray(a)])
    )
    values = st.one_of(st.floats(), st.text(max_size=3), arrays, st.lists(arrays, max_size=3))
    readings = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
    kinds = st.sampled_from(["event", "event_page", "start", "datum"])
    documents = [
        event(data.draw(readings), data.draw(kinds)) for _ in range(data.draw(st.integers(1, 5)))
    ]
    with closing(Journal(path)) as journal:
        for name, doc in documents:
            journal.add(name, doc)
        extent = journal.flush()
        assert path.read_bytes() == packed(documents)
        if all(name != "event_page" for name, _ in documents):  # these are no real ones
            assert difference(documents, [each[:2] for each in journal.read(extent)]) is None
            assert difference(documents, written(path)) is None


@pytest.mark.parametrize("name", REQUESTS)
def test_every_kind_of_scan_goes_through(name: str, tmp_path: Path) -> None:
    for number, run in enumerate(scan_documents(REQUESTS[name])):
        journal = Journal(tmp_path / f"{number}.nxdocs")
        extents = []
        for i, (kind, doc) in enumerate(run):
            journal.add(kind, doc)
            if i % 7 == 0:
                extents.append(journal.flush())
        extents.append(journal.flush())
        assert difference(run, written(journal.path)) is None
        pieces = [each[:2] for extent in extents for each in journal.read(extent)]
        assert difference(run, pieces) is None
        journal.close()


def test_what_can_not_be_written_is_taken_back_and_written_later(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])
    journal = Journal(tmp_path / "x.nxdocs")
    journal.add(*run[0])
    journal.flush()
    whole = journal.path.read_bytes()
    real, room = journal._file, [40]

    class Full:
        """A disk with room for some bytes more."""

        def write(self, view: memoryview) -> int:
            if room[0] <= 0:
                raise OSError(errno.ENOSPC, "no space")
            some = view[: room[0]]
            room[0] -= len(some)
            return int(real.write(some))

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    journal._file = Full()  # type: ignore[assignment]
    for document in run[1:]:
        journal.add(*document)
    with pytest.raises(OSError, match="no space"):
        journal.flush()
    assert journal.path.read_bytes() == whole
    room[0] = 2**40
    journal.flush()
    assert difference(run, written(journal.path)) is None
    journal.close()


def test_what_can_not_be_packed_is_named_and_spoils_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path / "x.nxdocs")
    frame = np.ones((128, 128))
    with pytest.raises(NXstxmError, match=r"start document 1: a is a builtins\.object"):
        journal.add("start", {"uid": "1", "a": object()})
    for data in ({"a": object()}, {"a": object(), "b": frame}):
        journal.add(*event(data))
    good = event({"a": frame})
    journal.add(*good)
    journal.flush()
    odd, both, last = written(journal.path)
    assert difference([good], [last]) is None
    assert "<builtins.object, which can not be stored" in odd[1]["data"]["a"]
    np.testing.assert_array_equal(both[1]["data"]["b"], frame)
    assert "data.a is a builtins.object" in caplog.text
    with pytest.raises(NXstxmError, match="can not be made"):
        Journal(tmp_path / "x.nxdocs")
    journal.close()


def test_a_removed_journal_is_made_anew_with_all_of_it(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])
    told: list[int] = []
    (tmp_path / "a").mkdir()
    journal = Journal(tmp_path / "a/x.nxdocs", lambda: told.append(1))
    for i, document in enumerate(run):
        journal.add(*document)
        journal.flush()
        if i == 3:
            journal.path.unlink()
            journal.path.parent.rmdir()
            assert journal.is_gone
            journal.remake()
            assert not journal.is_gone
    assert told == [1]
    assert difference(run, written(journal.path)) is None
    journal.close()


# -- events together ------------------------------------------------------------------------------


def taken(documents: Documents, together: bool) -> list[Block]:
    blocks: list[Block] = []
    streams = RunStreams(blocks.append)
    events: list[Any] = []
    for name, doc in documents:
        if name == "event" and together:
            if events and events[0]["descriptor"] != doc["descriptor"]:
                _take(streams, events)
                events = []
            events.append(doc)
            continue
        if events:
            _take(streams, events)
            events = []
        {
            "start": streams.take_start, "stop": streams.take_stop, "event": streams.take_event,
            "descriptor": streams.take_descriptor, "event_page": streams.take_event_page,
        }.get(name, lambda _doc: None)(doc)  # fmt: skip
    if events:
        _take(streams, events)
    streams.flush()
    return blocks


def _take(streams: RunStreams, events: list[Any]) -> None:
    if not streams.take_events(events):
        for doc in events:
            streams.take_event(doc)


@pytest.mark.parametrize("name", REQUESTS)
def test_events_taken_together_are_those_taken_one_by_one(name: str) -> None:
    for run in scan_documents(REQUESTS[name]):
        one, other = taken(run, False), taken(run, True)
        assert [(b.stream, b.row, b.seq_nums.tolist()) for b in one] == [
            (b.stream, b.row, b.seq_nums.tolist()) for b in other
        ]
        for a, b in zip(one, other, strict=True):
            assert a.columns.keys() == b.columns.keys()
            np.testing.assert_array_equal(a.times, b.times)
            for key, chunks in a.columns.items():
                for x, y in zip(chunks, b.columns[key], strict=True):
                    assert x.row == y.row
                    assert x.values.dtype == y.values.dtype
                    np.testing.assert_array_equal(np.asarray(x.values), np.asarray(y.values))


@pytest.mark.parametrize(
    "change",
    [
        {"seq_num": None}, {"seq_num": 2**50}, {"seq_num": True}, {"time": "x"}, {"data": None},
        {"data": {"a": 1.0, "b": 2}}, {"data": {}}, {"data": {"a": np.ones(3)}},
        {"data": {1: 2.0}}, {"descriptor": "?"}, {"time": 1},
    ],
)  # fmt: skip
def test_odd_events_are_not_taken_together(change: dict[str, Any]) -> None:
    streams = RunStreams(lambda _block: None)
    streams.take_descriptor({"uid": "d", "name": "primary", "data_keys": {"a": {}}})
    good = {"descriptor": "d", "seq_num": 1, "time": 1.0, "data": {"a": 1.0}}
    assert streams.take_events([good, {**good, "seq_num": 2}])
    before = streams.n_rows
    assert not streams.take_events([{**good, **change}, good] if "descriptor" in change else [
        good, {**good, **change},
    ])  # fmt: skip
    assert streams.n_rows == before


def pairs(batch: Batch) -> Documents:
    return [(segment.name, doc) for segment in batch for doc in segment.documents]


# -- the queue ------------------------------------------------------------------------------------


def test_a_queue_survives_what_makes_no_sense(tmp_path: Path) -> None:
    [run] = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])
    found: list[Any] = []
    told: list[tuple[str, Exception]] = []
    queue = LiveQueue(found.append, lambda *said: told.append(said))
    queue.begin(run[0][1]["uid"], Journal(tmp_path / "x.nxdocs"))
    nonsense: Documents = [
        ("event", {}), ("event", {"descriptor": [1], "data": 3}),
        ("event_page", {"data": {"a": 1}}),
        ("descriptor", {}), ("datum", {"resource": None}), ("nothing", {"uid": 3}),
    ]  # fmt: skip
    for i, (name, doc) in enumerate(run):
        queue.put(name, doc)
        queue.put(*nonsense[i % len(nonsense)])
    queue.close()
    assert told == []
    assert found[-1] == Closed(run[0][1]["uid"])
    taken_ = [pair for item in found if isinstance(item, Batch) for pair in pairs(item)]
    assert difference(run, taken_) is None
    assert difference(run, written(tmp_path / "x.nxdocs")) is None


def test_who_brings_more_than_can_wait_waits(tmp_path: Path) -> None:
    keys = {"a": {"dtype": "array", "shape": [2**20], "source": "s"}}
    most = [0]
    queue = LiveQueue(lambda _batch: None, lambda *_: None, limit=20 * 2**20)
    queue.begin("r", Journal(tmp_path / "x.nxdocs"))
    queue.put("start", {"uid": "r", "time": 0.0})
    queue.put("descriptor", {"uid": "d", "run_start": "r", "data_keys": keys})
    frame = np.zeros(2**20)
    for i in range(40):
        queue.put("event", {"descriptor": "d", "seq_num": i + 1, "time": 0.0, "data": {"a": frame}})
        most[0] = max(most[0], queue._bytes_in - queue._bytes_out)
    queue.close()
    assert 0 < most[0] <= 28 * 2**20
    assert len(written(tmp_path / "x.nxdocs")) == 42


def test_a_backlog_keeps_the_order_and_lets_go_what_the_journal_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.nxdocs")
    backlog = Backlog(limit=6000)
    documents = [event({"a": "x" * 1000, "b": i}) for i in range(20)]
    for i, document in enumerate(documents):
        journal.add(*document)
        extent = None if i % 5 == 4 else journal.flush()
        backlog.put(Batch("r", (Segment(document[0], [document[1]]),), journal, extent))
        if extent is None:
            journal.flush()
        if i == 10:
            backlog.put("something else")
    assert backlog.held_bytes < 15_000
    found: Documents = []
    kept = 0
    for _ in range(21):
        item = backlog.get()
        if isinstance(item, Batch):
            kept += item.segments is not None
            found += pairs(item)
        else:
            assert len(found) == 11
    assert difference(documents, found) is None
    assert kept < 20
    assert backlog.held_bytes == 0
    journal.close()


def test_who_brings_what_no_journal_has_waits() -> None:
    """Without a journal the memory would grow as long as the writer is slower than the scan."""
    backlog = Backlog(limit=10_000)
    most = [0]

    def bring() -> None:
        for i in range(100):
            name, doc = event({"a": np.zeros(500), "b": i})
            backlog.put(Batch("r", (Segment(name, [doc]),)))
            most[0] = max(most[0], backlog.held_bytes)
        backlog.put(None)

    thread = threading.Thread(target=bring)
    thread.start()
    n = 0
    while (batch := backlog.get()) is not None:
        n += len(list(batch))
        time.sleep(0.001)
    thread.join()
    assert n == 100
    assert 10_000 < most[0] < 50_000


def test_who_brings_more_numbers_than_can_wait_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suitcase.nxstxm.documents._live_queue.WAITING", 50)
    most = [0]
    queue = LiveQueue(lambda _batch: time.sleep(0.01), lambda *_: None)
    queue.begin("r", Journal(tmp_path / "x.nxdocs"))
    queue.put("start", {"uid": "r", "time": 0.0})
    queue.put("descriptor", {"uid": "d", "run_start": "r", "data_keys": {}})
    for i in range(1000):
        queue.put("event", {"descriptor": "d", "seq_num": i + 1, "time": 0.0, "data": {"a": i}})
        most[0] = max(most[0], len(queue._queue))
    queue.close()
    assert 0 < most[0] <= 51
    assert len(written(tmp_path / "x.nxdocs")) == 1002


def test_what_waits_is_journalled_before_python_stops_to_look_for_garbage(tmp_path: Path) -> None:
    """Nothing runs meanwhile: a process that is killed then would lose what waits."""
    found: list[Any] = []
    counted: list[tuple[int, int]] = []
    queue = LiveQueue(found.append, lambda *_: None)
    queue.begin("r", Journal(tmp_path / "x.nxdocs"))
    queue.put("start", {"uid": "r", "time": 0.0})
    queue.put("descriptor", {"uid": "d", "run_start": "r", "data_keys": {}})
    queue.hurry()
    while not found:
        time.sleep(0.001)

    def look(phase: str, _about: Any) -> None:
        if phase == "start":
            counted.append((len(written(tmp_path / "x.nxdocs")), sum(map(len, map(pairs, found)))))

    before = list(gc.callbacks)
    gc.callbacks.append(look)
    try:
        for i in range(5):
            queue.put("event", {"descriptor": "d", "seq_num": i + 1, "time": 0.0, "data": {}})
            gc.collect()
    finally:
        gc.callbacks.remove(look)
    assert counted == [(3 + i, 3 + i) for i in range(5)]
    gc.collect(0)  # that is quick, and nobody waits for it
    queue.close()
    assert [each for each in gc.callbacks if each in before] == before[:-1]


def test_a_search_for_garbage_does_not_wait_for_long(tmp_path: Path) -> None:
    """Whoever allocates may have what the journal's thread waits for."""
    lock = threading.Lock()

    def take(_batch: Any) -> None:
        with lock:
            pass

    queue = LiveQueue(take, lambda *_: None)
    with lock:
        queue.begin("r", Journal(tmp_path / "x.nxdocs"))
        queue.put("start", {"uid": "r", "time": 0.0})
        gc.collect()
        assert queue._is_busy
    queue.close()
    assert len(written(tmp_path / "x.nxdocs")) == 1
