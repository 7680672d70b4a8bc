"""Whether an event costs the live writer the same in a long run, and whether its memory stays.

Each run has a process of its own, in which documents are made on the way and never held. Events
come as fast as they are taken, frames at a rate: what waits in memory when somebody brings more
than a disk takes is bounded, and said beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _documents import Document, run, scalars
from _pairs import arguments, in_own_process, leave, machine, peak_bytes, table

#: Cost per event at most so much of that of the shortest run; memory at most so much above it.
GROWTH, MEMORY = 1.20, 64 * 2**20
#: Frames of a camera: 2048 x 2048, uint16, 8 MiB each; so many a second.
SIZE, RATE = 2048, 25.0


def frames(n: int, rate: float | None) -> Any:
    """Give frames at a rate; each is one of eight, which differ."""
    chance = np.random.default_rng(1)
    known = [chance.integers(0, 4000, (SIZE, SIZE), np.uint16) for _ in range(8)]
    begin = time.perf_counter()

    def frame(i: int, _key: str) -> Any:
        if rate is not None:
            time.sleep(max(begin + i / rate - time.perf_counter(), 0.0))
        return known[i % len(known)].copy()

    return run(n, {"camera": (SIZE, SIZE)}, frame)


def one(kind: str, n: int, rate: float | None) -> dict[str, float]:
    """Write one run and say what it cost; in a process of its own."""
    from suitcase.nxstxm import NXstxmWriter

    def documents(n: int) -> Any:
        if kind == "stack":
            frame = np.zeros((64, 128))  # one for all: only the writer's memory counts
            return run(n, {"camera": frame.shape}, lambda _i, _key: frame)
        return scalars(n) if kind == "events" else frames(n, rate)

    def write(n: int, folder: str) -> None:
        with NXstxmWriter(folder, recover=False, finish_timeout=600.0) as writer:
            for name, doc in documents(n):
                writer(name, doc)

    home = os.environ.get("NXSTXM_BENCH_DIR")
    with tempfile.TemporaryDirectory(dir=home) as folder:
        write(10, folder)  # imports are not counted
    with tempfile.TemporaryDirectory(dir=home) as folder:
        begin, wall = time.process_time(), time.perf_counter()
        write(n, folder)
        spent, passed = time.process_time() - begin, time.perf_counter() - wall
        size = next(Path(folder).iterdir()).stat().st_size
    peak = peak_bytes()
    making = 0.0
    if kind != "frames":
        begin = time.process_time()
        deque[Document](documents(n), maxlen=1)
        making = time.process_time() - begin
    return {
        "cpu": spent - making,
        "wall": passed,
        "peak": peak,
        "size": size,
    }


def measured(kind: str, n: int, rate: float | None = None) -> dict[str, float]:
    found: dict[str, float] = in_own_process(__file__, kind, n, rate or 0)
    return found


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "N", "RATE"), help="one run, here")
    options = parser.parse_args()
    if options.one:
        kind, n, rate = options.one
        print(json.dumps(one(kind, int(n), float(rate) or None)))
        return 0
    if sys.platform == "win32":
        print("skipped: Windows does not tell the peak memory of a process this way")
        return 0
    machine()
    rounds = options.rounds or (1 if options.quick else 3)
    missed: list[str] = []
    few = (10_000, 30_000, 100_000)
    growth("events", few if options.quick else (10_000, 100_000, 1_000_000), rounds, missed)
    growth("stack", (500, 1000, 2000) if options.quick else (1000, 8000, 32_000), rounds, missed)
    large_frames(125 if options.quick else 2500, missed)
    return leave(missed, options.check)


def growth(kind: str, lengths: tuple[int, ...], rounds: int, missed: list[str]) -> None:
    """Compare the cost of an event, and the memory, in short and long runs."""
    rows = []
    found = [[measured(kind, n) for n in lengths] for _ in range(rounds)]
    # the buffers of a long run are full by then
    full = max(each[1]["peak"] for each in found)
    what = {"events": "events", "stack": "frames of 64 KiB"}[kind]
    for i, n in enumerate(lengths):
        cost = median(each[i]["cpu"] / n for each in found)
        ratio = median(each[i]["cpu"] / n / (each[0]["cpu"] / lengths[0]) for each in found)
        wall = median(each[i]["wall"] for each in found)
        peak = max(each[i]["peak"] for each in found)
        more = peak - full
        met = "" if not i else "yes" if ratio <= GROWTH and more <= MEMORY else "no"
        rows.append(
            [f"{n:,}", f"{1e6 * cost:.1f}", f"{wall:.2f}", f"{ratio:.2f}",
             f"{GROWTH:g}" if i else "", f"{peak / 2**20:.0f}",
             f"{more / 2**20:+.0f}" if i > 1 else "", f"{MEMORY / 2**20:.0f}" if i > 1 else "", met]
        )  # fmt: skip
        if i and ratio > GROWTH:
            missed.append(f"{n:,} {what}: {ratio:.2f} > {GROWTH:g}")
        if i and more > MEMORY:
            missed.append(f"memory of {n:,} {what}: {more / 2**20:+.0f} MiB")
    headings = (what, "us each (CPU)", "wall s", "ratio", "target", "peak MiB", "more", "target",
                "met")  # fmt: skip
    table(headings, rows)
    print()


def large_frames(long: int, missed: list[str]) -> None:
    """Tell the memory that frames of a camera take."""
    rows = []
    small = measured("frames", 10, RATE)
    for what, rate in ((f"{RATE:g} a second", RATE), ("as fast as they are taken", None)):
        large = measured("frames", long, rate)
        more = large["peak"] - small["peak"]
        wanted = MEMORY if rate else None
        met = "" if wanted is None else "yes" if more <= wanted else "no"
        rows.append(
            [f"{large['size'] / 2**30:.1f} GiB, {what}", f"{large['wall']:.0f}",
             f"{small['peak'] / 2**20:.0f}", f"{large['peak'] / 2**20:.0f}",
             f"{more / 2**20:+.0f}", f"{MEMORY / 2**20:.0f}" if wanted else "", met]
        )  # fmt: skip
        if wanted is not None and more > wanted:
            missed.append(f"memory of {long} frames: {more / 2**20:+.0f} MiB")
    headings = ("frames", "wall s", "small run's peak MiB", "peak MiB", "more", "target", "met")
    table(headings, rows)


if __name__ == "__main__":
    sys.exit(main())
