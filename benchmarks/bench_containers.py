"""What derived data could be kept in: this room's pieces, HDF5 with filters, zarr 3.

The same 200 MB are written whole and read whole, by one process, from and to memory, without
waiting for the disk; the files are in the memory of the system when they are read. Where a checksum
is named it is compared when the data are read. All are timed in turn; the figures are the median of
the rounds and the best. h5py lets one thread in at a time: how long another waits that wants a
number of another file is measured in one go more.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any, NamedTuple

import h5py
import hdf5plugin
import numpy as np
from _arrays import AnyArray, cut, events, stack
from _pairs import arguments, machine, table

from suitcase.nxstxm.storage import DataDirectory, DataKey

CHUNK = 4 << 20
SHARDED = "zarr 3, blosc lz4, shards of 20 MB"
KEY = DataKey("a1b2", "od", {"od": ("made", "1.0", {})})


class Container(NamedTuple):
    """A way to keep an array: where checksums are, how to write it and to read it."""

    checksum: str
    write: Callable[[Path, AnyArray], object]
    read: Callable[[Path], AnyArray]


# -- this room ------------------------------------------------------------------------------------


def pieces(compression: str) -> Container:
    """Save chunks of 20 MB as the room does."""

    def write(folder: Path, data: AnyArray) -> None:
        store = DataDirectory(folder, durable=False)
        store.saver(KEY, compression=compression).save_from(cut(data))

    return Container("CRC-32", write, lambda folder: DataDirectory(folder).load(KEY))


def pieces_read_by_h5py() -> Container:
    """Read the same files as other programs do, which do not know of the checksums."""

    def read(folder: Path) -> AnyArray:
        with ExitStack() as opened:
            files = [
                opened.enter_context(h5py.File(each)) for each in sorted(folder.rglob("0*.h5"))
            ]
            datasets = [file["data"] for file in files]
            rows = sum(len(each) for each in datasets)
            found = np.empty((rows, *datasets[0].shape[1:]), datasets[0].dtype)
            at = 0
            for each in datasets:
                each.read_direct(found, dest_sel=np.s_[at : at + len(each)])
                at += len(each)
        return found

    return pieces("lz4")._replace(checksum="none", read=read)


# -- HDF5 -----------------------------------------------------------------------------------------


def rows_of(data: AnyArray, size: int = CHUNK) -> int:
    return max(size // (data.nbytes // len(data)), 1)


def hdf5(filters: Mapping[str, Any]) -> Container:
    """Write with filters of the library, as a dataset in chunks of 4 MB."""

    def write(folder: Path, data: AnyArray) -> None:
        with h5py.File(folder / "data.h5", "w") as file:
            chunks = (rows_of(data), *data.shape[1:])
            file.create_dataset("data", data=data, chunks=chunks, fletcher32=True, **filters)

    def read(folder: Path) -> AnyArray:
        with h5py.File(folder / "data.h5") as file:
            found: AnyArray = file["data"][...]
        return found

    return Container("fletcher32", write, read)


# -- zarr -----------------------------------------------------------------------------------------


def zarr_containers() -> dict[str, Container]:
    """Give what zarr 3 has; nothing where another version is installed."""
    try:
        import zarr
        from zarr.codecs import BloscCodec, Crc32cCodec
    except ImportError:
        return {}

    def made(checksum: str, options: Callable[[AnyArray], Mapping[str, Any]]) -> Container:
        def write(folder: Path, data: AnyArray) -> None:
            array = zarr.create_array(
                folder / "data.zarr", shape=data.shape, dtype=data.dtype, **options(data)
            )
            array[...] = data

        def read(folder: Path) -> AnyArray:
            return np.asarray(zarr.open_array(folder / "data.zarr", mode="r")[...])

        return Container(checksum, write, read)

    def blosc(data: AnyArray, **more: Any) -> dict[str, Any]:
        codec = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=data.dtype.itemsize)
        return {
            "chunks": (rows_of(data), *data.shape[1:]),
            "compressors": [codec, Crc32cCodec()],
            **more,
        }

    def sharded(data: AnyArray) -> dict[str, Any]:
        return blosc(data, shards=(5 * rows_of(data), *data.shape[1:]))

    return {
        "zarr 3, blosc lz4": made("CRC-32C", blosc),
        SHARDED: made("CRC-32C", sharded),
        "zarr 3, as it comes": made("none", lambda _: {}),
    }


def containers() -> dict[str, Container]:
    shuffled = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
    return {
        "pieces, blosc lz4": pieces("lz4"),
        "pieces, blosc zstd": pieces("zstd"),
        "pieces, not compressed": pieces("none"),
        "the first, read by h5py": pieces_read_by_h5py(),
        "HDF5, blosc lz4": hdf5(dict(shuffled)),
        "HDF5, bitshuffle lz4": hdf5(dict(hdf5plugin.Bitshuffle(cname="lz4"))),
        "HDF5, gzip 1 and shuffle": hdf5({"compression": 1, "shuffle": True}),
        **zarr_containers(),
    }


# -- measuring ------------------------------------------------------------------------------------


def compared(what: str, data: AnyArray, rounds: int) -> None:
    """Print what each costs."""
    spent: dict[str, list[tuple[float, float]]] = {}
    about: dict[str, tuple[int, int]] = {}
    known = containers()
    if data.dtype.names:
        known.pop(SHARDED, None)  # zarr 3.1 can not put structured arrays into shards
    for number in range(rounds + 1):
        # in another order each time, for one may suffer from what the one before it left
        for name, each in rotated(known.items(), number):
            folder = Path(tempfile.mkdtemp(dir=os.environ.get("NXSTXM_BENCH_DIR")))
            try:
                begin = time.perf_counter()
                each.write(folder, data)
                written = time.perf_counter()
                found = each.read(folder)
                done = time.perf_counter()
                if number:  # the first goes do not count: they import
                    spent.setdefault(name, []).append((written - begin, done - written))
                else:
                    assert np.array_equal(found, data), name
                    files = [path for path in folder.rglob("*") if path.is_file()]
                    about[name] = sum(path.stat().st_size for path in files), len(files)
                del found
            finally:
                shutil.rmtree(folder)
    late = {name: longest_wait(each, data) for name, each in known.items()}
    rows = []
    for name, each in known.items():
        speeds = [
            " / ".join(f"{data.nbytes / 1e6 / of(each[i] for each in spent[name]):.0f}"
                       for of in (median, min))
            for i in (0, 1)
        ]  # fmt: skip
        size, files = about[name]
        rows.append(
            [name, each.checksum, *speeds,
             f"{data.nbytes / size:.2f}", f"{files}", f"{1e3 * late[name]:.0f}"]
        )  # fmt: skip
    headings = (f"{what}, {data.nbytes / 1e6:.0f} MB", "checksum", "write MB/s", "read MB/s",
                "times smaller", "files", "others wait ms")  # fmt: skip
    table(headings, rows)
    print()


def longest_wait(each: Container, data: AnyArray) -> float:
    """Give how long another thread had to wait for a number of another HDF5 file meanwhile."""
    waits: list[float] = []
    done = Event()
    home = Path(tempfile.mkdtemp(dir=os.environ.get("NXSTXM_BENCH_DIR")))
    with h5py.File(home / "other.h5", "w") as file:
        file["number"] = 1.0
        number = file["number"]

        def look() -> None:
            while not done.wait(0.0005):
                begin = time.perf_counter()
                number[()]
                waits.append(time.perf_counter() - begin)

        thread = Thread(target=look)
        thread.start()
        try:
            each.write(home, data)
            each.read(home)
        finally:
            done.set()
            thread.join()
    shutil.rmtree(home)
    return max(waits)


def rotated(items: Iterable[tuple[str, Container]], by: int) -> list[tuple[str, Container]]:
    known = list(items)
    by %= len(known)
    return known[by:] + known[:by]


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    # zarr warns that its structured arrays may not be read by others
    warnings.filterwarnings("ignore", module="zarr")
    rounds = options.rounds or (1 if options.quick else 7)
    compared("stack", stack(25 if options.quick else 250), rounds)
    compared("events", events(600_000 if options.quick else 6_250_000), rounds)
    if not zarr_containers():
        print("zarr 3 is not installed: left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
