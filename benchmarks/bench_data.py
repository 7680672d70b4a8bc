"""Frames through the data layer: small ones by the number, large ones by the byte.

Small items are compared with ``queue.Queue`` and one thread that puts them into a dict, large ones
with copying them once. What is copied: nothing on the way to the memory, each frame once for a
processor that may write into it.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from _pairs import arguments, leave, machine, table

from suitcase.nxstxm.data import DataCoordinates, DataHandler, DataProcessor, RAMStorage

#: Small items a second, and the share of a copy's bandwidth for frames of 512 x 512.
ITEMS, BANDWIDTH = 100_000, 0.8


def seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


def through_a_queue(items: list[tuple[DataCoordinates, np.ndarray]]) -> None:
    waiting: queue.Queue[tuple[DataCoordinates, np.ndarray] | None] = queue.Queue()
    stored = {}

    def store() -> None:
        while (item := waiting.get()) is not None:
            stored[item[0]] = item[1]

    thread = threading.Thread(target=store)
    thread.start()
    for item in items:
        waiting.put(item)
    waiting.put(None)
    thread.join()


def through_the_handler(
    items: list[tuple[DataCoordinates, np.ndarray]], *processors: DataProcessor
) -> None:
    with DataHandler(RAMStorage(), processors) as handler:
        for coords, data in items:
            handler.put(coords, data)


def same(coords: DataCoordinates, data: np.ndarray, metadata: object) -> tuple[object, ...]:
    return coords, data, metadata


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (3 if options.quick else 7)
    n_small, n_large = (20_000, 40) if options.quick else (100_000, 200)
    rows, missed = [], []

    making = seconds(
        lambda: [DataCoordinates(energy=i, y=1, region="e") for i in range(n_small)], 3
    )
    rows.append(["making coordinates", f"{1e6 * making / n_small:.2f} us each", "2 us"])
    if making / n_small > 2e-6:
        missed.append("making coordinates")

    small = np.zeros(4)
    items = [(DataCoordinates(i=i), small) for i in range(n_small)]
    for name, work in (("queue.Queue to a dict", through_a_queue),
                       ("handler to memory", through_the_handler)):  # fmt: skip
        rate = n_small / seconds(lambda work=work: work(items), rounds)
        rows.append(
            [name, f"{rate:,.0f} items/s", f"{ITEMS:,}" if work is not through_a_queue else ""]
        )
    if rate < ITEMS:
        missed.append("handler to memory")

    frames = [np.random.default_rng(i).random((512, 512)) for i in range(n_large)]
    large = [(DataCoordinates(i=i), frame) for i, frame in enumerate(frames)]
    n_bytes = sum(frame.nbytes for frame in frames)
    target = np.empty_like(frames[0])
    copying = n_bytes / seconds(lambda: [np.copyto(target, frame) for frame in frames], rounds)
    rows.append(["copying frames", f"{copying / 2**30:.1f} GiB/s", ""])
    for name, processors in (
        ("handler, frames pass", ()),
        ("handler, a processor that does not write", (DataProcessor(same, copy=False),)),
        ("handler, a processor that may write", (DataProcessor(same),)),
    ):
        rate = n_bytes / seconds(lambda p=processors: through_the_handler(large, *p), rounds)
        wanted = f"{BANDWIDTH} of copying" if not processors else ""
        rows.append([name, f"{rate / 2**30:.1f} GiB/s, {rate / copying:.2f} of copying", wanted])
        if not processors and rate < BANDWIDTH * copying:
            missed.append(name)
    table(("what", "figure", "target"), rows)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
