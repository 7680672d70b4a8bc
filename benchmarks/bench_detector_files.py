"""Frames in a detector's own HDF5 file: linked, mapped and copied.

Peers: reading and summing the same dataset once with h5py, in blocks of 8 MiB, which the picture
needs whatever becomes of the frames; and ``cp`` of the file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _documents import Document
from _pairs import (
    HEADINGS,
    arguments,
    in_own_process,
    leave,
    machine,
    pair,
    peak_bytes,
    table,
)

from suitcase.nxstxm import export_scan

#: Reading once, copying, memory above that of a small run.
SUM, COPY, MEMORY = 1.5, 1.3, 64 * 2**20
SIZE, BLOCK = 1024, 4  # pixels; frames of 2 MiB in 8 MiB


def detector(path: Path, n: int) -> None:
    """Write a file as a detector does: a frame is a chunk."""
    chance = np.random.default_rng(1)
    known = [chance.integers(0, 4000, (SIZE, SIZE), np.uint16) for _ in range(8)]
    with h5py.File(path, "w") as h5:
        data = h5.create_dataset("data", (n, SIZE, SIZE), "u2", chunks=(1, SIZE, SIZE))
        for i in range(n):
            data[i] = known[i % len(known)]


def fly(path: Path, n: int) -> Iterator[Document]:
    """Give the documents of a fly scan, which has no events."""
    yield "start", {"uid": "run", "time": 1.0, "scan_id": 1, "num_points": n}
    yield (
        "descriptor",
        {"uid": "d", "run_start": "run", "time": 2.0, "name": "primary", "configuration": {},
         "data_keys": {"camera": {"dtype": "array", "shape": [1, SIZE, SIZE], "source": "x",
                                  "external": "STREAM:"}},
         "object_keys": {}, "hints": {"camera": {"fields": ["camera"]}}},
    )  # fmt: skip
    yield (
        "stream_resource",
        {"uid": "r", "run_start": "run", "data_key": "camera", "mimetype": "application/x-hdf5",
         "uri": f"file://localhost{path}", "parameters": {"dataset": "data"}},
    )  # fmt: skip
    span = {"start": 0, "stop": n}
    yield (
        "stream_datum",
        {"uid": "r/0", "stream_resource": "r", "descriptor": "d", "indices": span,
         "seq_nums": {"start": 1, "stop": n + 1}},
    )  # fmt: skip
    yield "stop", {"uid": "s", "run_start": "run", "time": 9.0, "exit_status": "success"}


def exported(path: Path, n: int, external: str) -> Callable[[Path], object]:
    return lambda folder: export_scan(fly(path, n), folder, external=external)


def read_once(path: Path) -> Callable[[Path], object]:
    def work(_folder: Path) -> None:
        with h5py.File(path) as h5:
            data = h5["data"]
            for at in range(0, len(data), BLOCK):
                data[at : at + BLOCK].reshape(-1, SIZE * SIZE).sum(axis=1, dtype=float)

    return work


def copied(path: Path) -> Callable[[Path], object]:
    return lambda folder: subprocess.run(["cp", str(path), str(folder / "x")], check=True)


def one(path: str, n: int, external: str) -> int:
    """Export in a process of its own, and tell its peak of memory."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as folder:
        export_scan(fly(Path(path), n), folder, external=external)
    return peak_bytes()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--one", nargs=3, metavar=("PATH", "N", "EXTERNAL"), help="one run, here")
    options = parser.parse_args()
    if options.one:
        path, n, external = options.one
        print(json.dumps(one(path, int(n), external)))
        return 0
    machine()
    n = 64 if options.quick else 1024
    rounds = options.rounds or (1 if options.quick else 5)
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("NXSTXM_BENCH_DIR")))
    missed: list[str] = []
    try:
        path = folder / "raw.h5"
        detector(path, n)
        rows: list[list[Any]] = []
        cases = [
            ("link", "read once", read_once(path), SUM), ("vds", "read once", read_once(path), SUM),
            ("copy", "cp", copied(path), COPY),
        ]  # fmt: skip
        for external, whose, peer, target in cases:
            if whose == "cp" and shutil.which("cp") is None:
                continue
            found = pair(exported(path, n, external), peer, rounds)
            rows.append([external, whose, *found.cells(target)])
            if found.ratio > target:
                missed.append(f"{external} over {whose}: {found.ratio:.2f} > {target:g}")
        size = path.stat().st_size / 2**30
        table((f"{size:.1f} GiB", "peer", *HEADINGS), rows)
        if sys.platform != "win32":
            print()
            rows = []
            for external in ("link", "copy"):
                small, large = (in_own_process(__file__, path, count, external) for count in (8, n))
                more = large - small
                rows.append(
                    [external, f"{small / 2**20:.0f}", f"{large / 2**20:.0f}",
                     f"{more / 2**20:+.0f}", f"{MEMORY / 2**20:.0f}",
                     "yes" if more <= MEMORY else "no"]
                )  # fmt: skip
                if more > MEMORY:
                    missed.append(f"memory of {external}: {more / 2**20:+.0f} MiB")
            table(("memory", "8 frames MiB", "all MiB", "more", "target", "met"), rows)
    finally:
        shutil.rmtree(folder)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
