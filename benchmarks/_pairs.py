"""One of ours and one of the peer in turn: on a machine that others use, only a ratio means much.

Each round times both, one right after the other, in an order that changes from round to round. The
figure is the median of the rounds' ratios; the least and the largest are shown beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np

#: Does something in an empty folder.
Work = Callable[[Path], object]


@dataclass(frozen=True)
class Pair:
    """Seconds of each round."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours over the peer, round by round."""
        return sorted(a / b for a, b in zip(self.ours, self.peer, strict=True))

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return median(self.ratios)

    def cells(self, target: float | None) -> list[str]:
        """Give both medians (ms), the ratio with its range, and what was wanted."""
        ratios = self.ratios
        wanted = "" if target is None else f"{target:g}"
        return [
            f"{1e3 * median(self.ours):.1f}",
            f"{1e3 * median(self.peer):.1f}",
            f"{self.ratio:.2f}",
            f"{ratios[0]:.2f}-{ratios[-1]:.2f}",
            wanted,
            "" if target is None else "yes" if self.ratio <= target else "no",
        ]


#: Headings for `Pair.cells`.
HEADINGS = ("ours ms", "peer ms", "ratio", "range", "target", "met")


def timed(work: Work) -> float:
    """Time one go in a new folder, without the garbage of others."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("NXSTXM_BENCH_DIR")))
    try:
        gc.collect()
        begin = time.perf_counter()
        work(folder)
        return time.perf_counter() - begin
    finally:
        shutil.rmtree(folder)


def once(work: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def pair(ours: Work, peer: Work, rounds: int) -> Pair:
    """Time both in turn; one go of each before is not counted."""
    timed(ours), timed(peer)
    found: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            theirs = timed(peer)
            found.append((timed(ours), theirs))
        else:
            mine = timed(ours)
            found.append((mine, timed(peer)))
    return Pair(*zip(*found, strict=True))


def in_own_process(script: str, *arguments: object) -> Any:
    """Run a benchmark's ``--one`` in a process of its own; give what it says, as JSON."""
    command = [sys.executable, script, "--one", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_bytes() -> int:
    """Give the most memory that this process had so far.

    Not by `getrusage` on Linux, which counts what whoever began this process had, too.
    """
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        [line] = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
        return 1024 * int(line.split()[1])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def no_fsync() -> Iterator[None]:
    """Leave the disk out: nothing in here waits for it."""
    with patch("os.fsync", lambda _handle: None):
        yield


def without_fsync(work: Work) -> Work:
    """Give the same work, not waiting for the disk."""

    def quick(folder: Path) -> object:
        with no_fsync():
            return work(folder)

    return quick


def publish(temporary: Path, final: Path) -> None:
    """Flush a file and its folder to disk and give it its name, as our exports do."""
    for path in (temporary, final.parent):
        if path == final.parent:
            os.link(temporary, final)
            temporary.unlink()
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(len(str(row[i])) for row in (headings, *rows)) for i in range(len(headings))]
    for row in (headings, ["-" * width for width in widths], *rows):
        cells = (f"{text:<{w}}" if i == 0 else f"{text:>{w}}"
                 for i, (text, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join(cells).rstrip())


def arguments(about: str | None) -> argparse.ArgumentParser:
    """Give the arguments that all benchmarks have."""
    lines = (about or "").splitlines()
    parser = argparse.ArgumentParser(description=lines[0] if lines else None)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    parser.add_argument("--rounds", type=int, help="how often each pair is timed")
    return parser


def machine() -> None:
    """Say where the figures come from."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{os.cpu_count()} cores, load {load:.1f}; Python {sys.version.split()[0]}, "
        f"h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version}), numpy {np.__version__}; "
        f"pairs in turn, median of the rounds' ratios\n"
    )


def leave(missed: Sequence[str], check: bool) -> int:
    """Say which targets were missed; the exit status counts only when it was asked for."""
    for name in missed:
        print(f"target missed: {name}")
    return 1 if missed and check else 0
