"""Three hundred frames of 256 x 256 float64, against plain h5py that appends them one by one.

The peer writes the frames and nothing else, with the chunks that our file has.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from _documents import Document, frames
from _pairs import HEADINGS, arguments, leave, machine, pair, publish, table, without_fsync

from suitcase.nxstxm import export_scan

TARGET = 1.3
SIZE = 256


def plain(docs: list[Document], chunks: tuple[int, ...], folder: Path) -> Path:
    temporary, final = folder / "peer.tmp", folder / "peer.hdf5"
    with h5py.File(temporary, "w") as h5:
        dataset = h5.create_dataset(
            "data", (0, SIZE, SIZE), np.float64, chunks=chunks, maxshape=(None, SIZE, SIZE)
        )
        for name, doc in docs:
            if name == "event":
                n = len(dataset)
                dataset.resize(n + 1, axis=0)
                dataset[n] = doc["data"]["camera"]
    publish(temporary, final)
    return final


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (3 if options.quick else 7)
    docs = list(frames(100 if options.quick else 300, SIZE))
    with tempfile.TemporaryDirectory() as folder:
        path = export_scan([docs], folder)
        with h5py.File(path) as h5:
            dataset = h5[h5.attrs["default"]]["instrument/camera/data"]
            chunks, shape = dataset.chunks, dataset.shape
        size = path.stat().st_size / 2**20

    def ours(folder: Path) -> object:
        return export_scan([docs], folder)

    def peer(folder: Path) -> object:
        return plain(docs, chunks, folder)

    print(f"{shape} float64 in chunks {chunks}; our file has {size:.1f} MiB\n")
    both = pair(ours, peer, rounds)
    neither = pair(without_fsync(ours), without_fsync(peer), rounds)
    rows = [["frames", "both", *both.cells(TARGET)], ["frames", "neither", *neither.cells(TARGET)]]
    table(("what", "fsync", *HEADINGS), rows)
    missed = [f"frames {both.ratio:.2f} > {TARGET:g}"] if both.ratio > TARGET else []
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
