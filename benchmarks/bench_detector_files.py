"""Frames in a detector's own HDF5 file: linked, mapped, copied, and summed for a picture.

Peers: reading and summing the same dataset once with h5py, in blocks of 8 MiB, which a picture
needs whatever becomes of the frames; ``cp`` of the file; and what an export of the same scan takes
without the camera. "Flushed" is with both on the disk, else neither waits for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from _documents import Document
from _pairs import (
    HEADINGS,
    Work,
    arguments,
    in_own_process,
    leave,
    machine,
    no_fsync,
    pair,
    peak_bytes,
    publish,
    table,
    without_fsync,
)

from suitcase.nxstxm import export_scan

#: Reading once, copying, memory above that of a small run.
SUM, COPY, MEMORY = 1.5, 1.3, 64 * 2**20
#: What linking costs a scan beside whose signal there is a stack: seconds.
LINK = 0.1
SIZE, BLOCK = 1024, 4  # pixels; frames of 2 MiB in 8 MiB


def detector(path: Path, n: int) -> None:
    """Write a file as a detector does: a frame is a chunk."""
    chance = np.random.default_rng(1)
    known = [chance.integers(0, 4000, (SIZE, SIZE), np.uint16) for _ in range(8)]
    with h5py.File(path, "w") as h5:
        data = h5.create_dataset("data", (n, SIZE, SIZE), "u2", chunks=(1, SIZE, SIZE))
        for i in range(n):
            data[i] = known[i % len(known)]


def camera(path: Path, n: int, descriptor: str) -> Iterator[Document]:
    """Give what tells of the frames of a stream that has no events."""
    yield (
        "stream_resource",
        {"uid": "r", "run_start": "run", "data_key": "camera", "mimetype": "application/x-hdf5",
         "uri": f"file://localhost{path}", "parameters": {"dataset": "data"}},
    )  # fmt: skip
    yield (
        "stream_datum",
        {"uid": "r/0", "stream_resource": "r", "descriptor": descriptor,
         "indices": {"start": 0, "stop": n}, "seq_nums": {"start": 1, "stop": n + 1}},
    )  # fmt: skip


def descriptor(uid: str, name: str, key: str, **said: Any) -> Document:
    """Give a descriptor of a stream with one data key."""
    return (
        "descriptor",
        {"uid": uid, "run_start": "run", "time": 2.0, "name": name, "configuration": {},
         "data_keys": {key: {"source": "x", **said}}, "object_keys": {},
         "hints": {key: {"fields": [key]}}},
    )  # fmt: skip


FRAMES = {"dtype": "array", "shape": [1, SIZE, SIZE], "external": "STREAM:"}
STOP: Document = ("stop", {"uid": "s", "run_start": "run", "time": 9.0, "exit_status": "success"})


def fly(path: Path, n: int) -> Iterator[Document]:
    """Give the documents of a fly scan whose picture is that of the camera."""
    yield "start", {"uid": "run", "time": 1.0, "scan_id": 1, "num_points": n}
    yield descriptor("d", "primary", "camera", **FRAMES)
    yield from camera(path, n, "d")
    yield STOP


def beside(path: Path | None, n: int) -> Iterator[Document]:
    """Give the documents of a scan with a counter, and a camera in a stream of its own, or none."""
    yield "start", {"uid": "run", "time": 1.0, "scan_id": 1, "num_points": 100}
    yield descriptor("d", "primary", "counter", dtype="number", shape=[])
    if path is not None:
        yield descriptor("c", "exposures", "camera", **FRAMES)
        yield from camera(path, n, "c")
    for i in range(100):
        yield (
            "event",
            {"uid": f"{i}", "descriptor": "d", "seq_num": i + 1, "time": 3.0 + i,
             "data": {"counter": float(i)}, "timestamps": {"counter": 3.0 + i}},
        )  # fmt: skip
    yield STOP


def exported(documents: Callable[[], Iterable[Document]], external: str) -> Work:
    return lambda folder: export_scan(documents(), folder, external=external)


def read_once(path: Path) -> Work:
    def work(_folder: Path) -> None:
        with h5py.File(path) as h5:
            data = h5["data"]
            for at in range(0, len(data), BLOCK):
                data[at : at + BLOCK].reshape(-1, SIZE * SIZE).sum(axis=1, dtype=float)

    return work


def copied(path: Path) -> Work:
    def work(folder: Path) -> None:
        subprocess.run(["cp", str(path), str(folder / "x.tmp")], check=True)
        publish(folder / "x.tmp", folder / "x.h5")

    return work


def one(path: str, n: int, external: str) -> int:
    """Export in a process of its own, and tell its peak of memory."""
    home = os.environ.get("NXSTXM_BENCH_DIR")
    with no_fsync(), tempfile.TemporaryDirectory(dir=home) as folder:
        export_scan(fly(Path(path), n), folder, external=external)
    return peak_bytes()


def cases(path: Path, n: int) -> Iterator[tuple[str, Work, str, Work, float | None]]:
    """Give what is timed: a name, ours, whose the peer is, the peer, the target."""
    for external in ("link", "vds"):
        yield f"picture, {external}", exported(lambda: fly(path, n), external), "read once", \
            read_once(path), SUM  # fmt: skip
    for what, documents, target in (("list", beside, COPY), ("list and picture", fly, None)):
        ours = exported(partial(documents, path, n), "copy")
        yield f"{what}, copy", without_fsync(ours), "cp", without_fsync(copied(path)), target
        yield f"{what}, copy, flushed", ours, "cp, flushed", copied(path), target


def linking(path: Path, n: int, size: str, rounds: int, missed: list[str]) -> None:
    """Time a scan beside whose signal there is a stack, and the same without it."""
    ours = exported(lambda: beside(path, n), "auto")
    found = pair(ours, exported(lambda: beside(None, 0), "auto"), rounds)
    more = median(a - b for a, b in zip(found.ours, found.peer, strict=True))
    print()
    table(
        ("linking", "scan with it ms", "without ms", "more ms", "target", "met"),
        [[size, f"{1e3 * median(found.ours):.0f}", f"{1e3 * median(found.peer):.0f}",
          f"{1e3 * more:.0f}", f"{1e3 * LINK:.0f}", "yes" if more <= LINK else "no"]],
    )  # fmt: skip
    if more > LINK:
        missed.append(f"linking: {1e3 * more:.0f} ms")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, help="how many frames of 2 MiB")
    parser.add_argument("--one", nargs=3, metavar=("PATH", "N", "EXTERNAL"), help="one run, here")
    options = parser.parse_args()
    if options.one:
        path, n, external = options.one
        print(json.dumps(one(path, int(n), external)))
        return 0
    machine()
    n = options.frames or (64 if options.quick else 1024)
    rounds = options.rounds or (1 if options.quick else 5)
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("NXSTXM_BENCH_DIR")))
    missed: list[str] = []
    try:
        path = folder / "raw.h5"
        detector(path, n)
        size = f"{path.stat().st_size / 2**30:.1f} GiB"
        rows: list[list[Any]] = []
        for what, mine, whose, peer, target in cases(path, n):
            if whose.startswith("cp") and shutil.which("cp") is None:
                continue
            found = pair(mine, peer, rounds)
            rows.append([what, whose, *found.cells(target)])
            if target is not None and found.ratio > target:
                missed.append(f"{what} over {whose}: {found.ratio:.2f} > {target:g}")
        table((size, "peer", *HEADINGS), rows)
        linking(path, n, size, max(rounds, 5), missed)
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
