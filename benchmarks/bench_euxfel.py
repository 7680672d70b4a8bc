"""EuXFEL runs: frames against plain h5py and EXtra-data's write, opening them, cost per event.

Frames: 1000 of 256 x 256 uint16. One peer writes the same run with h5py: our finished files were
read once, and it writes each dataset and attribute of them from memory, as many frames at a time as
we do. Another writes the frames alone, in the same chunks, and an index. The third is EXtra-data's
``write`` of the run that we wrote. Opening:
a run of 20 files with 200 sources, each time in a new process, with our map of files and without
it; importing is not counted. Events: runs of numbers, each in a process of its own, making the
documents taken off.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import extra_data
import h5py
import numpy as np
from _documents import Document, run, scalars
from _documents import frames as made_frames
from _pairs import (
    HEADINGS,
    arguments,
    in_own_process,
    leave,
    machine,
    pair,
    peak_bytes,
    publish,
    table,
    without_fsync,
)
from _trees import Node, check_same, read_tree, write_tree

from suitcase.nxstxm.euxfel import export

#: 0.8 of the speed of h5py; faster than EXtra-data; milliseconds to open; growth of cost; memory.
H5PY, WRITE, OPEN, GROWTH, MEMORY = 1.25, 1.0, 15.0, 1.20, 64 * 2**20
SIZE, TOGETHER = 256, 64  # frames that are written together: 8 MiB
N_FILES, N_SOURCES = 20, 200

_OPEN = """
import json, sys, time
import extra_data
begin = time.perf_counter()
run = extra_data.RunDirectory(sys.argv[1])
spent = time.perf_counter() - begin
assert len(run.all_sources) >= {n}
print(json.dumps(1e3 * spent))
"""


def camera(n: int) -> list[Document]:
    """Give a run of frames, all in memory."""
    chance = np.random.default_rng(1)
    frames = chance.poisson(50, (n, SIZE, SIZE)).astype(np.uint16)
    documents = list(run(n, {"camera": (SIZE, SIZE)}, lambda i, _: frames[i]))
    documents[1][1]["data_keys"]["camera"]["dtype_numpy"] = "<u2"
    return documents


def plain(docs: list[Document], folder: Path) -> Path:
    """Write the same frames and the least that they need."""
    frames = [doc["data"]["camera"] for name, doc in docs if name == "event"]
    temporary, final = folder / "peer.tmp", folder / "peer.h5"
    with h5py.File(temporary, "w") as h5:
        dataset = h5.create_dataset(
            "camera", (0, SIZE, SIZE), "u2", chunks=(1, SIZE, SIZE), maxshape=(None, SIZE, SIZE)
        )
        for at in range(0, len(frames), TOGETHER):
            some = np.stack(frames[at : at + TOGETHER])
            dataset.resize(at + len(some), axis=0)
            dataset[at:] = some
        h5["INDEX/trainId"] = np.arange(1, len(frames) + 1, dtype=np.uint64)
    publish(temporary, final)
    return final


@dataclass(frozen=True, eq=False)
class Finished:
    """A run that was written: what is in its files, and where its frames are.

    Attributes
    ----------
    trees : dict of str to list of Node
        What is in each HDF5 file, by its name.
    others : dict of str to bytes
        The other files.
    """

    trees: dict[str, list[Node]]
    others: dict[str, bytes]


def read_run(folder: Path) -> Finished:
    """Read all files of a run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Finished(
        {path.name: read_tree(path) for path in files if path.suffix == ".h5"},
        {path.name: path.read_bytes() for path in files if path.suffix != ".h5"},
    )


def same(run: Finished, docs: list[Document], folder: Path) -> None:
    """Write the same files, the frames from the documents and the rest from memory."""
    frames = iter([doc["data"]["camera"] for name, doc in docs if name == "event"])
    for name, content in run.others.items():
        (folder / name).write_bytes(content)
    for name, nodes in run.trees.items():
        large = next((n for n in nodes if np.ndim(n.data) == 3), None)
        write_tree([n for n in nodes if n is not large], folder, name, partial(fill, large, frames))


def fill(node: Node | None, frames: Iterator[Any], h5: h5py.File) -> None:
    """Write the frames of a file."""
    if node is None:
        return
    how = {**node.how, "shape": (0, *node.data.shape[1:])}
    dataset = h5.create_dataset(node.path, **how)
    for key, value in node.attrs.items():
        dataset.attrs[key] = value
    for at in range(0, len(node.data), TOGETHER):
        some = np.stack([next(frames) for _ in range(min(TOGETHER, len(node.data) - at))])
        dataset.resize(at + len(some), axis=0)
        dataset[at:] = some


def check_run(finished: Finished, docs: list[Document], folder: Path) -> None:
    """Make sure that the peer wrote all of it."""
    same(finished, docs, folder)
    written = read_run(folder)
    if written.others != finished.others:
        raise AssertionError("the peer wrote other files beside those of HDF5")
    for name, nodes in finished.trees.items():
        # a dataset that was written at another time is at another place among those of its group
        check_same(*(sorted(each, key=lambda n: n.path) for each in (nodes, written.trees[name])))


def frames(n: int, rounds: int, missed: list[str]) -> None:
    """Compare how frames are written."""
    docs = camera(n)
    home = Path(tempfile.mkdtemp())
    try:
        folder = export(docs, home)["stream_data"][0].parent
        finished = read_run(folder)
        with tempfile.TemporaryDirectory() as other:
            check_run(finished, docs, Path(other))

        def ours(target: Path) -> object:
            return export(docs, target)

        def whole(target: Path) -> object:
            return same(finished, docs, target)

        def peer(target: Path) -> object:
            return plain(docs, target)

        def copied(target: Path) -> object:
            data = extra_data.RunDirectory(str(folder))
            return data.write(str(target / "copy.h5"))

        rows = []
        for what, mine, other, target in (
            ("h5py, the same run", without_fsync(ours), without_fsync(whole), H5PY),
            ("h5py, the same run, both flushed", ours, whole, H5PY),
            ("h5py, frames alone", without_fsync(ours), without_fsync(peer), H5PY),
            ("h5py, frames alone, both flushed", ours, peer, H5PY),
            ("EXtra-data's write", without_fsync(ours), copied, WRITE),
        ):
            found = pair(mine, other, rounds)
            rows.append([f"{n} frames", what, *found.cells(target)])
            if target is not None and found.ratio > target:
                missed.append(f"frames over {what}: {found.ratio:.2f} > {target:g}")
        table(("what", "peer", *HEADINGS), rows)
    finally:
        shutil.rmtree(home)


def wide(n_events: int, n_keys: int) -> Iterator[Document]:
    """Give a run with a device for each of many data keys."""
    return scalars(n_events, n_keys)


def opening(rounds: int, missed: list[str]) -> None:
    """Time how long a run takes to open."""
    with tempfile.TemporaryDirectory() as home:
        per_file = 25
        documents = wide(per_file * (N_FILES - 1), N_SOURCES)
        files = export(documents, home, trains_per_file=per_file)["stream_data"]
        assert len(files) == N_FILES
        folder = files[0].parent
        theirs = Path(home) / "without" / "r0001"
        shutil.copytree(folder, theirs)
        code = _OPEN.format(n=N_SOURCES)

        def once(path: Path) -> float:
            (theirs / "karabo_data_map.json").unlink(missing_ok=True)
            command = [sys.executable, "-c", code, str(path)]
            return float(subprocess.run(command, check=True, capture_output=True).stdout)

        found = [(once(folder), once(theirs)) for _ in range(rounds)]
    ours, without = (median(each[i] for each in found) for i in (0, 1))
    print()
    table(
        ("opening", "with our map ms", "without a map ms", "target", "met"),
        [[f"{N_FILES} files, {N_SOURCES} sources", f"{ours:.1f}", f"{without:.1f}", f"{OPEN:g}",
          "yes" if ours <= OPEN else "no"]],
    )  # fmt: skip
    if ours > OPEN:
        missed.append(f"opening: {ours:.1f} ms > {OPEN:g} ms")


def documents(kind: str, n: int) -> Iterator[Document]:
    """Give a run of numbers, or of frames, that are made on the way."""
    return scalars(n) if kind == "events" else made_frames(n, SIZE)


def one(kind: str, n: int) -> dict[str, float]:
    """Export one run and say what it cost; in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        export(documents(kind, 10), folder)  # imports are not counted
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        export(documents(kind, n), folder)
        spent = time.process_time() - begin
    peak = peak_bytes()
    begin = time.process_time()
    gone: deque[Document] = deque(documents(kind, n), maxlen=1)
    del gone
    return {"cpu": spent - (time.process_time() - begin), "peak": peak}


def growth(lengths: tuple[int, ...], rounds: int, missed: list[str]) -> None:
    """Compare the cost of an event in short and long runs."""
    found: list[list[dict[str, Any]]] = [
        [in_own_process(__file__, "events", n) for n in lengths] for _ in range(rounds)
    ]
    rows = []
    for i, n in enumerate(lengths):
        cost = median(each[i]["cpu"] / n for each in found)
        ratio = median(each[i]["cpu"] / n / (each[0]["cpu"] / lengths[0]) for each in found)
        more = median(each[i]["peak"] - each[0]["peak"] for each in found)
        met = ratio <= GROWTH and more <= MEMORY
        rows.append(
            [f"{n:,}", f"{1e6 * cost:.1f}", f"{ratio:.2f}", f"{GROWTH:g}", f"{more / 2**20:+.0f}",
             f"{MEMORY / 2**20:.0f}", "yes" if met else "no"]
        )  # fmt: skip
        if not met:
            missed.append(f"{n:,} events: {ratio:.2f}, {more / 2**20:+.0f} MiB")
    print()
    headings = ("events", "us/event (CPU)", "ratio", "target", "memory MiB", "target", "met")
    table(headings, rows)
    few, many = 400, max(lengths[0] // 5, 800)
    peaks = [in_own_process(__file__, "frames", n)["peak"] for n in (few, many)]
    more = peaks[1] - peaks[0]
    size = (many - few) * SIZE * SIZE * 8 / 2**20
    print()
    table(
        ("memory", "frames MiB more", "memory MiB more", "target", "met"),
        [[f"{many:,} frames over {few}", f"{size:.0f}", f"{more / 2**20:+.0f}",
          f"{MEMORY / 2**20:.0f}", "yes" if more <= MEMORY else "no"]],
    )  # fmt: skip
    if more > MEMORY:
        missed.append(f"memory of {many:,} frames: {more / 2**20:+.0f} MiB")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help="one run, in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]))))
        return 0
    machine()
    rounds = options.rounds or (1 if options.quick else 5)
    missed: list[str] = []
    frames(200 if options.quick else 1000, rounds, missed)
    opening(rounds, missed)
    lengths = (2_000, 10_000) if options.quick else (10_000, 100_000, 300_000)
    growth(lengths, min(rounds, 3), missed)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
