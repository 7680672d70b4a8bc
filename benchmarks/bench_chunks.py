"""What the chunks of a stack cost who reads an image, a spectrum or all of it, and who writes it.

Every layout is written and read by plain h5py as other programs do it, file by file in turn; each
time is the median of several, of files that lie in the memory of the system.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import h5py
import numpy as np
from _pairs import arguments, machine, table

from suitcase.nxstxm.nexus._encoding import chunk_shape
from suitcase.nxstxm.nexus._filters import filters

#: Energies, rows, columns of float64: 31, 256 and 1000 MiB.
SHAPES = ((100, 200, 200), (128, 512, 512), (500, 512, 512))
COMPRESSIONS = ("none", "gzip", "bitshuffle-lz4")
Chunks = tuple[int, int, int] | None


def layouts(shape: tuple[int, int, int]) -> dict[str, Chunks]:
    """Give the layouts to be compared, by name."""
    n, rows, columns = shape
    kib = 1024 // 8
    return {
        "contiguous": None,
        "whole rows, 256 KiB": chunk_shape((1, rows, columns), 8),
        "whole images": (1, rows, columns),
        "whole spectra, 64 KiB": (n, *square(64 * kib // n)),
        "4 deep, 64 KiB": (4, *square(16 * kib)),
        "8 deep, 64 KiB": (8, *square(8 * kib)),
        "16 deep, 64 KiB": (16, *square(4 * kib)),
        "8 deep, 256 KiB": (8, *square(32 * kib)),
        "16 deep, 256 KiB": (16, *square(16 * kib)),
    }


def square(n: int) -> tuple[int, int]:
    """Give the sides of a square of about n points."""
    side = max(round(n**0.5), 1)
    return side, side


def write(path: Path, stack: np.ndarray, chunks: Chunks, compression: str) -> None:
    """Write a stack in slabs as deep as a chunk, or image by image."""
    keywords = {} if chunks is None else {"chunks": chunks, **filters(compression)}
    with h5py.File(path, "w") as h5:
        dataset = h5.create_dataset("data", stack.shape, stack.dtype, **keywords)
        step = min(chunks[0], 16) if chunks else 1
        for at in range(0, len(stack), step):
            dataset[at : at + step] = stack[at : at + step]


def image(dataset: h5py.Dataset) -> None:
    for number in np.linspace(0, len(dataset) - 1, 5).astype(int):
        dataset[number]


def spectrum(dataset: h5py.Dataset) -> None:
    _, rows, columns = dataset.shape
    for i in range(5):
        dataset[:, rows * (i + 1) // 7, columns * (i + 2) // 8]


def region(dataset: h5py.Dataset) -> None:
    _, rows, columns = dataset.shape
    for i in range(3):
        dataset[:, rows * i // 4 : rows * i // 4 + 16, columns // 3 : columns // 3 + 16]


def whole(dataset: h5py.Dataset) -> None:
    dataset[()]


#: What is read, and how often one call reads it.
READS: dict[str, tuple[Callable[[h5py.Dataset], None], int]] = {
    "image": (image, 5), "spectrum": (spectrum, 5), "16x16 spectra": (region, 3), "all": (whole, 1),
}  # fmt: skip


def milliseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)


def reading(path: Path, read: Callable[[h5py.Dataset], None]) -> float:
    with h5py.File(path) as h5:  # opened anew, so that nothing is in HDF5's cache
        return milliseconds(lambda: read(h5["data"]))


def compare(shape: tuple[int, int, int], compression: str, rounds: int) -> Iterable[list[str]]:
    chance = np.random.default_rng(1)
    stack = chance.poisson(500, shape).astype(float)
    with tempfile.TemporaryDirectory() as folder:
        paths, writing = {}, {}
        for name, chunks in layouts(shape).items():
            if chunks is None and compression != "none":
                continue
            path = paths[name] = Path(folder, f"{len(paths)}.h5")
            writing[name] = median(
                milliseconds(lambda p=path, c=chunks: write(p, stack, c, compression))
                for _ in range(min(rounds, 3))
            )
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for name, path in paths.items():
                for what, (read, n) in READS.items():
                    times.setdefault((name, what), []).append(reading(path, read) / n)
        for name in paths:
            cells = [f"{median(times[name, what]):.2f}" for what in READS]
            yield [
                name,
                *cells,
                f"{writing[name]:.0f}",
                f"{paths[name].stat().st_size / 2**20:.0f}",
            ]


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (1 if options.quick else 5)
    for shape in SHAPES[: 1 if options.quick else 3]:
        for compression in COMPRESSIONS[: 2 if shape[0] < 500 else 1]:
            print(f"{shape} float64, compression {compression}; milliseconds")
            headings = ("layout", *READS, "write", "MiB")
            table(headings, list(compare(shape, compression, rounds)))
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
