"""Whether an event costs the same in a long run, and whether memory stays where it is.

Each run has a process of its own. Documents are made on the way and never held; what making them
costs is timed in the same process and taken off. Times are of the processor, not of the clock:
waiting for others is not what grows.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

from _documents import Document, frames, scalars
from _pairs import arguments, in_own_process, leave, machine, peak_bytes, table

#: Cost per event at most so much of that of the shortest run; memory at most so much above it.
GROWTH, MEMORY = 1.20, 64 * 2**20
SIZE = 256


def documents(kind: str, n: int) -> Any:
    return scalars(n) if kind == "events" else frames(n, SIZE)


def one(kind: str, n: int) -> dict[str, float]:
    """Export one run and say what it cost; in a process of its own."""
    from suitcase.nxstxm import export

    with tempfile.TemporaryDirectory() as folder:
        export(documents(kind, 10), folder, "first")  # imports are not counted
    with tempfile.TemporaryDirectory() as folder:
        begin, wall = time.process_time(), time.perf_counter()
        export(documents(kind, n), folder, "x")
        spent, passed = time.process_time() - begin, time.perf_counter() - wall
        size = next(Path(folder).iterdir()).stat().st_size
    peak = peak_bytes()
    begin = time.process_time()
    gone: deque[Document] = deque(documents(kind, n), maxlen=1)
    making = time.process_time() - begin
    del gone
    return {
        "cpu": spent - making,
        "wall": passed,
        "peak": peak,
        "size": size,
    }


def measured(kind: str, n: int) -> dict[str, float]:
    found: dict[str, float] = in_own_process(__file__, kind, n)
    return found


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help="one run, in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]))))
        return 0
    if sys.platform == "win32":
        print("skipped: Windows does not tell the peak memory of a process this way")
        return 0
    machine()
    lengths = (10_000, 30_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000)
    rounds = options.rounds or (1 if options.quick else 3)
    rows, missed = [], []
    found = [[measured("events", n) for n in lengths] for _ in range(rounds)]
    for i, n in enumerate(lengths):
        cost = median(each[i]["cpu"] / n for each in found)
        ratio = median(each[i]["cpu"] / n / (each[0]["cpu"] / lengths[0]) for each in found)
        wall = median(each[i]["wall"] for each in found)
        wanted = f"{GROWTH:g}" if i else ""
        met = "" if not i else "yes" if ratio <= GROWTH else "no"
        rows.append([f"{n:,}", f"{1e6 * cost:.1f}", f"{wall:.2f}", f"{ratio:.2f}", wanted, met])
        if i and ratio > GROWTH:
            missed.append(f"{n:,} events: {ratio:.2f} > {GROWTH:g}")
    headings = ("events", "us/event (CPU)", "wall s, making incl.", "ratio", "target", "met")
    table(headings, rows)
    print()
    rows = []
    long = (("events", 1000, 50_000 if options.quick else 200_000),
            ("frames", 10, 300 if options.quick else 2000))  # fmt: skip
    for kind, short, n in long:
        small, large = measured(kind, short), measured(kind, n)
        more = large["peak"] - small["peak"]
        rows.append(
            [f"{n:,} {kind}", f"{large['size'] / 2**20:.0f}", f"{small['peak'] / 2**20:.0f}",
             f"{large['peak'] / 2**20:.0f}", f"{more / 2**20:+.0f}", f"{MEMORY / 2**20:.0f}",
             "yes" if more <= MEMORY else "no"]
        )  # fmt: skip
        if more > MEMORY:
            missed.append(f"memory of {n:,} {kind}: {more / 2**20:+.0f} MiB")
    table(("run", "file MiB", "small run's peak MiB", "peak MiB", "more", "target", "met"), rows)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
