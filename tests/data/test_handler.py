"""Without these tests a processor or storage that fails could lose frames, hang a scan, or fail
without a word; and frames could be read as others.
"""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.data import (
    DataCoordinates,
    DataHandler,
    DataProcessor,
    DataStorage,
    DataTimeoutError,
    Frame,
    RAMStorage,
)

pytestmark = pytest.mark.timeout(60)
at = DataCoordinates


class Full(RAMStorage):
    """Has no room for some."""

    def put(self, coords: DataCoordinates, data: Any, metadata: Any) -> bool:
        if coords.get("i") in (3, 5):
            raise OSError(28, "No space left on device")
        return super().put(coords, data, metadata)


class Slow(RAMStorage):
    def put(self, coords: DataCoordinates, data: Any, metadata: Any) -> bool:
        time.sleep(0.01)
        return super().put(coords, data, metadata)


class Gated(RAMStorage):
    """Stores nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def put(self, coords: DataCoordinates, data: Any, metadata: Any) -> bool:
        assert self.gate.wait(30)
        return super().put(coords, data, metadata)


def frame(i: int) -> np.ndarray:
    return np.full((2, 3), i, np.uint16)


def fails_at_three(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
    if coords.i == 3:
        raise ZeroDivisionError("three")
    return coords, data + 1, metadata


# -- without processors ---------------------------------------------------------------------------


def test_frames_pass_untouched_and_uncopied() -> None:
    storage = RAMStorage()
    with DataHandler(storage) as handler:
        frames = [frame(i) for i in range(20)]
        for i, data in enumerate(frames):
            handler.put({"i": i}, data, {"n": i})
            found, metadata = handler.get(at(i=i))
            assert found is data
            assert metadata == {"n": i}
        handler.finish()
        assert [storage.get_data(at(i=i)) is data for i, data in enumerate(frames)] == [True] * 20
    assert (handler.failures, handler.replaced) == ([], 0)


def test_what_is_wanted_of_a_frame() -> None:
    with DataHandler(RAMStorage()) as handler:
        handler.put(at(i=1), [1, 2])
        for _ in range(2):  # in flight, and stored
            assert handler.get({"i": 1}, return_data=False) == (None, {})
            data, metadata = handler.get(at(i=1), return_metadata=False)
            assert metadata is None
            np.testing.assert_array_equal(data, [1, 2])
            handler.finish()
        with pytest.raises(KeyError, match=r"no data at DataCoordinates\(i=2\)"):
            handler.get(at(i=2))


def test_in_flight_frames_are_served_from_memory() -> None:
    storage = Gated()
    with DataHandler(storage) as handler:
        for i in range(5):
            handler.put(at(i=i), frame(i))
        assert len(storage) == 0
        for i in range(5):
            np.testing.assert_array_equal(handler.get(at(i=i))[0], frame(i))
        storage.gate.set()
        handler.finish()
        assert len(storage) == 5


def test_equal_coordinates_in_flight_replace_and_it_is_said() -> None:
    storage = Gated()
    with DataHandler(storage) as handler:
        for i in range(4):
            handler.put(at(y=1), frame(i))
            np.testing.assert_array_equal(handler.get(at(y=1))[0], frame(i))
        storage.gate.set()
        handler.finish()
        np.testing.assert_array_equal(storage.get_data(at(y=1)), frame(3))
    assert handler.replaced >= 3


def test_nothing_is_taken_after_finish() -> None:
    with DataHandler(RAMStorage()) as handler:
        handler.put(at(i=1), frame(1))
        handler.finish()
        handler.finish()
        with pytest.raises(NXstxmError, match=r"i=2.* came after the handler was finished"):
            handler.put(at(i=2), frame(2))
        np.testing.assert_array_equal(handler.get(at(i=1))[0], frame(1))
    handler.close()


def test_every_storage_gets_every_frame() -> None:
    storages = [RAMStorage(), Slow()]
    with DataHandler(storages) as handler:
        for i in range(10):
            handler.put(at(i=i), frame(i))
        handler.finish()
        assert [list(s) for s in storages] == [[at(i=i) for i in range(10)]] * 2


@pytest.mark.parametrize("storage", [None, [], RAMStorage, [RAMStorage(), 3]])
def test_what_is_no_storage_is_refused(storage: Any) -> None:
    with pytest.raises((NXstxmError, TypeError)):
        DataHandler(storage)
    with pytest.raises(NXstxmError, match="on_error 'ignore' is not one of"):
        DataHandler(RAMStorage(), on_error="ignore")  # type: ignore[arg-type]


# -- back-pressure --------------------------------------------------------------------------------


@pytest.mark.parametrize("bounds", [{"max_items": 4}, {"max_bytes": 4 * frame(0).nbytes}])
def test_put_waits_when_the_queue_is_full(bounds: dict[str, int]) -> None:
    storage = Gated()
    with DataHandler(storage, **bounds) as handler:
        done = threading.Event()

        def produce() -> None:
            for i in range(20):
                handler.put(at(i=i), frame(i))
            done.set()

        thread = threading.Thread(target=produce)
        thread.start()
        assert not done.wait(0.3)
        storage.gate.set()
        assert done.wait(20)
        thread.join()
        handler.finish()
        assert len(storage) == 20


def test_one_frame_larger_than_the_bound_is_taken() -> None:
    with DataHandler(RAMStorage(), max_bytes=1) as handler:
        for i in range(3):
            handler.put(at(i=i), frame(i))
        handler.finish()
        assert handler.failures == []


def test_a_callback_may_put_into_the_handler_that_called_it() -> None:
    storage = RAMStorage()
    handler: DataHandler

    def again(coords: DataCoordinates) -> None:
        if "copy" not in coords:
            handler.put(coords | {"copy": 1}, frame(0))

    handler = DataHandler(storage, max_items=1, on_arrival=again)
    for i in range(50):
        handler.put(at(i=i), frame(i))
    deadline = time.monotonic() + 20
    while len(storage) < 100 and time.monotonic() < deadline:
        time.sleep(0.01)
    handler.close()
    assert handler.failures == []


# -- processors -----------------------------------------------------------------------------------


def test_a_processor_gives_one_frame_for_one() -> None:
    """It writes into its array, as the documentation of others shows; ours is not touched."""

    def process(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
        data[:1, :2] = 0
        metadata["new_key"] = "new_value"
        return coords, data, metadata

    original, said = frame(7), {"exposure": 1}
    storage = RAMStorage()
    with DataHandler(storage, DataProcessor(process)) as handler:
        handler.put(at(i=1), original, said)
        handler.finish()
        np.testing.assert_array_equal(storage.get_data(at(i=1)), [[0, 0, 7], [7, 7, 7]])
        assert storage.get_metadata(at(i=1)) == {"exposure": 1, "new_key": "new_value"}
    np.testing.assert_array_equal(original, frame(7))
    assert said == {"exposure": 1}


def test_an_array_that_is_not_copied_can_not_be_written() -> None:
    def process(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
        data += 1
        return coords, data, metadata

    original = frame(7)
    with DataHandler(RAMStorage(), DataProcessor(process, copy=False)) as handler:
        handler.put(at(i=1), original)
        with pytest.raises(ValueError, match="read-only"):
            handler.finish()
        np.testing.assert_array_equal(handler.get(at(i=1))[0], frame(7))
    assert original.flags.writeable


def two_channels(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
    other = {**metadata, "Channel": "New_Channel"}
    return [(coords, data, metadata), (coords, data * 2, other)]


def test_a_processor_gives_several_frames() -> None:
    storage = RAMStorage()
    with DataHandler(storage, two_channels) as handler:
        handler.put(at(i=1), frame(1))
        handler.finish()
        assert set(storage) == {at(i=1), at(i=1, channel="New_Channel")}
        np.testing.assert_array_equal(storage.get_data(at(i=1)), frame(1))
        found = storage.get_data(at(i=1, channel="New_Channel"))
        np.testing.assert_array_equal(found, frame(2))


def test_a_processor_discards_frames() -> None:
    def even(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
        return (coords, data, metadata) if coords.i % 2 == 0 else None

    storage = RAMStorage()
    with DataHandler(storage, even) as handler:
        for i in range(10):
            handler.put(at(i=i), frame(i))
        handler.finish()
        assert list(storage) == [at(i=i) for i in range(0, 10, 2)]
        with pytest.raises(KeyError):
            handler.get(at(i=1))


class Sum:
    """Accumulates frames, three at a time."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.n = 0

    def __call__(self, _coords: DataCoordinates, data: Any, _metadata: Any) -> Any:
        self.frames.append(data)
        return self.finish() if len(self.frames) == 3 else None

    def finish(self) -> Any:
        if not self.frames:
            return None
        self.n += 1
        total, self.frames = np.sum(self.frames, axis=0), []
        return at(sum=self.n), total, {}


def test_what_was_accumulated_is_flushed_at_the_end() -> None:
    storage = RAMStorage()
    with DataHandler(storage, Sum()) as handler:
        for i in range(7):
            handler.put(at(i=i), frame(i))
        handler.finish()
        assert [int(storage.get_data(c)[0, 0]) for c in storage] == [3, 12, 6]


def test_processors_in_a_row() -> None:
    """What the first accumulated goes through those behind it, also at the end."""
    storage = RAMStorage()
    row = [lambda c, d, m: (c, d * 10, m), Sum(), DataProcessor(two_channels), plus_one]
    with DataHandler(storage, row) as handler:
        for i in range(4):
            handler.put(at(i=i), frame(i))
        handler.finish()
        found = {(c.sum, c.get("channel")): int(storage.get_data(c)[0, 0]) for c in storage}
    assert found == {
        (1, None): 31, (1, "New_Channel"): 61, (2, None): 31, (2, "New_Channel"): 61,
    }  # fmt: skip


def plus_one(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
    return coords, data + 1, metadata


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_keeps_the_order(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # another process needs a module that it can import
    (tmp_path / "adding.py").write_text("def plus_one(c, d, m):\n    return c, d + 1, m\n")
    monkeypatch.syspath_prepend(tmp_path)
    fn = import_module("adding").plus_one
    pool: Any = (
        ThreadPoolExecutor(4)
        if kind == "threads"
        else ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    )
    storage = RAMStorage()
    with pool, DataHandler(storage, DataProcessor(fn, executor=pool)) as handler:
        for i in range(100):
            handler.put(at(i=i), frame(i))
        handler.finish()
        assert list(storage) == [at(i=i) for i in range(100)]
        assert [int(storage.get_data(at(i=i))[0, 0]) for i in range(100)] == list(range(1, 101))


def test_an_executor_that_is_shut_down_is_told() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    handler = DataHandler(RAMStorage(), DataProcessor(plus_one, executor=pool))
    handler.put(at(i=1), frame(1))
    with pytest.raises(RuntimeError, match="shutdown"):
        handler.finish()
    np.testing.assert_array_equal(handler.get(at(i=1))[0], frame(1))


def same_twice(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
    return [(coords, data, metadata)] * 2


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda _c, d, _m: d, "gave a ndarray; a processor gives"),
        (lambda c, d, _m: (c, d), "gave a tuple; a processor gives"),
        (lambda c, _d, _m: [c], "gave a DataCoordinates; a processor gives"),
        (lambda c, d, _m: (c, d, 3), "metadata that are a int"),
        (lambda _c, d, m: (3, d, m), "not a int"),
        (same_twice, r"gave two frames at DataCoordinates\(i=1\)"),
    ],
)
def test_what_a_processor_may_not_give(fn: Callable[..., Any], told: str) -> None:
    with DataHandler(RAMStorage(), fn) as handler:
        handler.put(at(i=1), frame(1))
        with pytest.raises(NXstxmError, match=told):
            handler.finish()
        np.testing.assert_array_equal(handler.get(at(i=1))[0], frame(1))


def test_what_is_no_processor_is_refused() -> None:
    with pytest.raises(NXstxmError, match="a processor is a function, not a int"):
        DataHandler(RAMStorage(), 3)
    with pytest.raises(NXstxmError, match="not a str"):
        DataProcessor("text")  # type: ignore[arg-type]


def test_a_processor_says_what_it_is() -> None:
    made = DataProcessor(plus_one, version="2.1", options={"by": 1})
    assert (made.name, made.version, made.options) == ("plus_one", "2.1", {"by": 1})
    assert repr(made) == "<plus_one 2.1, by=1>"
    assert pickle.loads(pickle.dumps(made)).options == {"by": 1}


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["put", "get", "finish", "close", "await"])
def test_an_error_is_raised_by_the_next_call(where: str) -> None:
    handler = DataHandler(RAMStorage(), fails_at_three)
    handler.put(at(i=3), frame(3))
    while not handler.failures:
        time.sleep(0.001)
    calls: dict[str, Callable[[], Any]] = {
        "put": lambda: handler.put(at(i=4), frame(4)),
        "get": lambda: handler.get(at(i=3)),
        "finish": handler.finish,
        "close": handler.close,
        "await": lambda: handler.await_data(at(i=4), 30),
    }
    with pytest.raises(ZeroDivisionError, match="three") as caught:
        calls[where]()
    assert caught.value.coordinates == at(i=3)  # type: ignore[attr-defined]
    # said once; the frame is there, and the handler works
    np.testing.assert_array_equal(handler.get(at(i=3))[0], frame(3))
    if where not in ("finish", "close"):
        handler.put(at(i=5), frame(5))
        np.testing.assert_array_equal(handler.await_data(at(i=5), 30, processed=True)[0], frame(6))
    handler.close()
    assert [failure.coordinates for failure in handler.failures] == [at(i=3)]


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["processor", "finish", "storage", "callback"])
def test_a_program_that_exits_is_told_and_ends_no_thread(where: str, raised: BaseException) -> None:
    class Exits(RAMStorage):
        def put(self, *frame: Any) -> bool:
            exits("storage")
            return super().put(*frame)

    def exits(here: str) -> None:
        if here == where:
            raise raised

    def same(coords: Any, data: Any, metadata: Any) -> Any:
        exits("processor")
        return coords, data, metadata

    processor = DataProcessor(same, finish=lambda: exits("finish"))
    handler = DataHandler(
        Exits(), processor, on_error="keep", on_arrival=lambda _: exits("callback")
    )
    for i in range(3):
        handler.put({"x": i}, np.arange(4.0))
    name = type(raised).__name__
    with pytest.raises(NXstxmError, match=f"{name} was raised .* which can not end the program"):
        handler.finish()
    assert len(handler.failures) == (1 if where == "finish" else 3)
    assert all(failure.error.__cause__ is raised for failure in handler.failures)
    data, _ = handler.get({"x": 1})  # kept, where it could not be stored
    np.testing.assert_array_equal(data, np.arange(4.0))
    handler.close()


def test_what_a_processor_failed_at_is_stored_as_it_came() -> None:
    storage = RAMStorage()
    handler = DataHandler(storage, fails_at_three, on_error="store_raw")
    for i in range(6):
        handler.put(at(i=i), frame(i), {"n": i})  # none of them raises
    with pytest.raises(ZeroDivisionError):
        handler.finish()
    assert len(storage) == 6
    np.testing.assert_array_equal(storage.get_data(at(i=3)), frame(3))
    assert storage.get_metadata(at(i=3)) == {
        "n": 3, "processing_error": "ZeroDivisionError('three')",
    }  # fmt: skip
    np.testing.assert_array_equal(storage.get_data(at(i=4)), frame(5))
    handler.close()


def test_an_error_is_kept_for_the_end_if_asked() -> None:
    storage = RAMStorage()
    handler = DataHandler(storage, fails_at_three, on_error="keep")
    for i in range(6):
        handler.put(at(i=i), frame(i))
        handler.await_data(at(i=i), 30)  # neither of them raises
    with pytest.raises(ZeroDivisionError, match="three"):
        handler.finish()
    assert at(i=3) not in storage
    np.testing.assert_array_equal(handler.get(at(i=3))[0], frame(3))
    handler.close()
    with pytest.raises(ValueError, match="'raise', 'keep', 'store_raw'"):
        DataHandler(RAMStorage(), on_error="skip")  # type: ignore[arg-type]


@pytest.mark.parametrize("on_error", ["raise", "keep", "store_raw"])
@pytest.mark.parametrize("fn", [None, plus_one])
def test_what_a_storage_failed_at_can_be_fetched(on_error: Any, fn: Any) -> None:
    handler = DataHandler(Full(), fn, on_error=on_error)
    given, raised = 0, 0
    for i in range(8):
        try:
            handler.put(at(i=i), frame(i))
            given += 1
        except OSError as error:
            assert "No space left" in str(error)  # noqa: PT017
            raised += 1
            handler.put(at(i=i), frame(i))
    try:
        handler.finish()
    except OSError:
        raised += 1
    assert raised >= 1
    assert sorted(failure.coordinates.i for failure in handler.failures) == [3, 5]
    shift = 0 if fn is None else 1
    for i in range(8):
        np.testing.assert_array_equal(handler.get(at(i=i))[0], frame(i + shift))
    handler.close()


def test_an_error_at_the_end_is_raised_and_all_else_is_done() -> None:
    class Broken(Sum):
        def finish(self) -> Any:
            raise RuntimeError("at the end")

    class NoEnd(RAMStorage):
        def finish(self) -> None:
            first, self._finished = not self._finished, True
            if first:
                raise OSError("the storage too")

    storage = NoEnd()
    handler = DataHandler(storage, Broken())
    handler.put(at(i=1), frame(1))
    with pytest.raises(RuntimeError, match="at the end"):
        handler.finish()
    assert [repr(f.error) for f in handler.failures] == [
        "RuntimeError('at the end')", "OSError('the storage too')",
    ]  # fmt: skip
    handler.finish()
    handler.close()


def test_an_error_in_the_block_is_not_replaced() -> None:
    handler = DataHandler(Full())

    def work() -> None:
        with handler:
            handler.put(at(i=3), frame(3))
            raise LookupError("of the user")

    with pytest.raises(LookupError, match="of the user"):
        work()
    assert len(handler.failures) == 1


def test_a_callback_that_fails_is_told() -> None:
    def fails(_: DataCoordinates) -> None:
        raise ValueError("nobody listens")

    handler = DataHandler(RAMStorage(), on_arrival=fails)
    handler.put(at(i=1), frame(1))
    with pytest.raises(ValueError, match="nobody listens"):
        handler.close()


def test_a_processor_can_not_finish_its_own_handler() -> None:
    handler: DataHandler

    def finishes(*_: Any) -> Any:
        handler.finish()

    handler = DataHandler(RAMStorage(), finishes)
    handler.put(at(i=1), frame(1))
    with pytest.raises(NXstxmError, match="can not finish its own handler"):
        handler.close()


# -- waiting --------------------------------------------------------------------------------------


def test_what_has_come_and_what_will_come_is_awaited() -> None:
    with DataHandler(Slow(), plus_one) as handler:
        handler.put(at(i=0), frame(0))
        timer = threading.Timer(0.2, lambda: [handler.put(at(i=i), frame(i)) for i in (1, 2)])
        timer.start()
        data, _ = handler.await_data({"i": 0}, 30, processed=True)
        np.testing.assert_array_equal(data, frame(1))
        found = handler.await_data([at(i=2), {"i": 0}, at(i=1)], 30, processed=True)
        assert [int(data[0, 0]) for data, _ in found] == [3, 1, 2]
        timer.join()


def test_what_does_not_come_is_told() -> None:
    handler = DataHandler(RAMStorage())
    told = r"no data at DataCoordinates\(i=9\) came within 0.1 s"
    with pytest.raises(DataTimeoutError, match=told):
        handler.await_data(at(i=9), 0.1)
    timer = threading.Timer(0.2, handler.finish)
    timer.start()
    with pytest.raises(KeyError, match="i=9"):
        handler.await_data(at(i=9), 30)
    timer.join()
    handler.close()


def test_frames_as_they_came_and_as_they_became() -> None:
    gate = threading.Event()

    def waits(coords: DataCoordinates, data: Any, metadata: Any) -> Any:
        assert gate.wait(30)
        return coords, data + 1, metadata

    with DataHandler(RAMStorage(), waits) as handler:
        handler.put(at(i=1), frame(1))
        np.testing.assert_array_equal(handler.get(at(i=1))[0], frame(1))
        np.testing.assert_array_equal(handler.get(at(i=1), processed=False)[0], frame(1))
        with pytest.raises(KeyError):
            handler.get(at(i=1), processed=True)
        gate.set()
        handler.finish()
        np.testing.assert_array_equal(handler.get(at(i=1), processed=True)[0], frame(2))
        with pytest.raises(KeyError):
            handler.get(at(i=1), processed=False)


# -- all at once ----------------------------------------------------------------------------------


def storages() -> Iterator[Callable[[], DataStorage]]:
    yield from itertools.cycle((RAMStorage, Slow, Full))


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    "times", [6, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_many_writers_and_readers_never_hang(processed: bool, times: int) -> None:
    """Slow storages and such as fail among them; every frame is found, by everybody."""
    for number, make in zip(range(times), storages(), strict=False):
        chosen = [None, plus_one, fails_at_three][number % 3] if processed else None
        handler = DataHandler(
            make(), chosen, max_items=8, on_error="store_raw" if number % 2 else "raise"
        )

        def write(thread: int, handler: DataHandler = handler) -> None:
            for i in range(20):
                while True:
                    try:
                        handler.put(at(thread=thread, i=i), frame(i))
                        break
                    except (ZeroDivisionError, OSError):
                        pass  # of another frame; this one was not taken

        def read(thread: int, handler: DataHandler = handler) -> int:
            n = 0
            while n < 20:
                try:
                    data, _ = handler.await_data(at(thread=thread, i=n), 30)
                except (ZeroDivisionError, OSError):
                    continue
                assert int(data[0, 0]) in (n, n + 1)
                n += 1
            return n

        with ThreadPoolExecutor(6) as pool:
            writing = [pool.submit(write, thread) for thread in range(3)]
            reading = [pool.submit(read, thread) for thread in range(3)]
            for call in writing:
                call.result(60)
            assert [call.result(60) for call in reading] == [20] * 3
        for end in (handler.finish, handler.close):
            try:
                end()
            except (ZeroDivisionError, OSError):
                end()


def test_a_program_that_ends_without_a_word_has_stored_all() -> None:
    script = (
        "import numpy as np, time\n"
        "from suitcase.nxstxm.data import DataHandler, RAMStorage\n"
        "class Tells(RAMStorage):\n"
        "    def put(self, coords, data, metadata):\n"
        "        time.sleep(0.002)\n"
        "        return super().put(coords, data, metadata)\n"
        "    def finish(self):\n"
        "        super().finish()\n"
        "        print(len(self), flush=True)\n"
        "handler = DataHandler(Tells())\n"
        "for i in range(100):\n"
        "    handler.put({'i': i}, np.zeros(3))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["100"]
    assert done.stderr == ""


def test_a_frame_is_a_triple() -> None:
    coords, data, metadata = Frame(at(i=1), frame(1), {})
    assert (coords, metadata) == (at(i=1), {})
    assert data.shape == (2, 3)
