"""Opening files, images and spectra out of a large stack, and a page of many files.

A file with a hundred baseline readings is opened as xarray does it by itself; one image is read as
plain h5py does; a spectrum as from the layout that is best for spectra, which no microscope writes
and nobody wants to read images from. All files lie in the memory of the system.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import xarray as xr
from _pairs import HEADINGS, Pair, arguments, leave, machine, table

from suitcase.nxstxm import export_scan, open_nxstxm
from suitcase.nxstxm.cli._browse import browse_folder
from suitcase.nxstxm.sim import all_requests, scan_documents

READINGS, OPENING_MS = 106, 50.0
PLANE, SPECTRUM, FILES_PER_SECOND = 1.2, 2.0, 30.0
SCAN = "pystxm2019-sample_image_stack-lines"


def with_baseline(runs: list, n: int) -> list:
    """Give the documents of a scan whose baseline has as many readings."""
    changed = []
    for run in runs:
        made = []
        baseline = None
        for name, doc in run:
            if name == "descriptor" and doc["name"] == "baseline":
                baseline = doc["uid"]
                keys = {f"motor_{i}": {"dtype": "number", "shape": [], "units": "mm",
                                       "source": f"PV:motor{i}"} for i in range(n)}  # fmt: skip
                doc = {**doc, "data_keys": keys, "hints": {}, "configuration": {},
                       "object_keys": {key: [key] for key in keys}}  # fmt: skip
            elif name == "event" and doc["descriptor"] == baseline:
                data = {f"motor_{i}": float(i) for i in range(n)}
                doc = {**doc, "data": data, "timestamps": dict.fromkeys(data, doc["time"])}
            made.append((name, doc))
        changed.append(made)
    return changed


def in_turn(ours: Callable[[int], object], peer: Callable[[int], object], rounds: int) -> Pair:
    """Time both in turn; one go of each before is not counted."""
    ours(0), peer(0)
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(1, rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            begin = time.perf_counter()
            (ours, peer)[which](number)
            found[which].append(time.perf_counter() - begin)
    return Pair(tuple(found[0]), tuple(found[1]))


def opening(folder: Path, rounds: int, rows: list, missed: list[str]) -> None:
    runs = with_baseline(scan_documents(all_requests()[SCAN]), READINGS)
    path = export_scan(runs, folder, file_prefix="baseline")
    with h5py.File(path) as file:
        assert len(file["entry0/collection/baseline"]) == READINGS

    def plain(_: int) -> None:
        xr.open_datatree(path, engine="h5netcdf", phony_dims="sort").close()

    found = in_turn(lambda _: open_nxstxm(path).close(), plain, rounds)
    rows.append([f"opening, {READINGS} baseline readings; xarray's own", *found.cells(None)])
    took = 1e3 * median(found.ours)
    rows[-1][-2:] = [f"{OPENING_MS:g} ms", "yes" if took <= OPENING_MS else "no"]
    if took > OPENING_MS:
        missed.append(f"opening: {took:.0f} ms")


def large_stack(path: Path, shape: tuple[int, int, int], chunks: tuple[int, ...] | None) -> Path:
    """Write a stack as our files have it, or in chunks; values are not repeated."""
    n, rows, columns = shape
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry0")
        entry.attrs["NX_class"] = "NXentry"
        data = entry.create_group("counter0")
        data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "data"
        data.attrs["axes"] = ["energy", "sample_y", "sample_x"]
        data["energy"] = 280 + 0.1 * np.arange(n)
        data["sample_y"], data["sample_x"] = np.arange(float(rows)), np.arange(float(columns))
        data["stxm_scan_type"] = "sample image stack"
        stored = data.create_dataset("data", shape, float, chunks=chunks)
        rng = np.random.default_rng(1)
        deep = 32
        for at in range(0, rows, deep):
            stored[:, at : at + deep] = rng.random((n, min(deep, rows - at), columns))
    return path


def images(folder: Path, quick: bool, rounds: int, rows: list, missed: list[str]) -> None:
    """Read images of two sizes; xarray takes a third of a millisecond to choose one."""
    shapes = ((64, 256, 256),) if quick else ((128, 1024, 1024), (32, 2048, 2048))
    for number, shape in enumerate(shapes):
        path = large_stack(folder / f"images-{number}.hdf5", shape, None)
        with open_nxstxm(path) as tree, h5py.File(path) as plain:
            data, stored = tree["entry0/counter0"]["data"], plain["entry0/counter0/data"]
            at = np.random.default_rng(3).integers(0, shape[0], 30 * rounds + 1)

            def ours(i: int, data: xr.DataArray = data, at: np.ndarray = at) -> object:
                return data.isel(energy=int(at[i])).values

            def peer(i: int, stored: h5py.Dataset = stored, at: np.ndarray = at) -> object:
                return stored[int(at[i])]

            found = in_turn(ours, peer, 30 * rounds)
        path.unlink()
        mib = shape[1] * shape[2] * 8 / 2**20
        target = PLANE if number == len(shapes) - 1 else None
        name = f"an image of {mib:.0f} MiB out of {shape[0] * mib:.0f}; h5py"
        rows.append([name, *found.cells(target)])
        if target is not None and found.ratio > target:
            missed.append(f"{name}: {found.ratio:.2f}")


def reading(folder: Path, quick: bool, rounds: int, rows: list, missed: list[str]) -> None:
    shape = (64, 256, 256) if quick else (128, 1024, 1024)
    n, height, width = shape
    best = (n, 8, 8)
    ours_path = large_stack(folder / "ours.hdf5", shape, None)
    best_path = large_stack(folder / "best.hdf5", shape, best)
    ours, other = open_nxstxm(ours_path), open_nxstxm(best_path)
    data, chunked = (tree["entry0/counter0"]["data"] for tree in (ours, other))
    rng = np.random.default_rng(2)
    at = rng.integers(0, (n, height - 64, width - 64), (10 * rounds + 1, 3))
    with h5py.File(ours_path) as plain, h5py.File(best_path) as plain_best:
        stored, stored_best = (f["entry0/counter0/data"] for f in (plain, plain_best))
        pairs: list[tuple[str, Pair, float | None]] = []
        for name, wide in (("a spectrum", None), ("64 x 64 spectra", 64)):

            def part(i: int, wide: int | None = wide) -> tuple:
                y, x = (int(v) for v in at[i, 1:])
                return (y, x) if wide is None else (slice(y, y + wide), slice(x, x + wide))

            def read(array: xr.DataArray, i: int, part: Callable = part) -> object:
                y, x = part(i)
                return array.isel(y=y, x=x).values

            pairs.append(
                (
                    f"{name}; the same from chunks of spectra",
                    in_turn(lambda i: read(data, i), lambda i: read(chunked, i), 10 * rounds),
                    SPECTRUM if wide is None else None,
                )
            )
            pairs.append(
                (
                    f"{name}; h5py, of our layout",
                    in_turn(
                        lambda i: read(data, i),
                        lambda i: stored[(slice(None), *part(i))],
                        10 * rounds,
                    ),
                    None,
                )
            )
            pairs.append(
                (
                    f"{name}; h5py, of chunks of spectra",
                    in_turn(
                        lambda i: read(data, i),
                        lambda i: stored_best[(slice(None), *part(i))],
                        10 * rounds,
                    ),
                    None,
                )
            )
        whole = in_turn(
            lambda i: data.isel(energy=int(at[i, 0])).values,
            lambda i: chunked.isel(energy=int(at[i, 0])).values,
            3,
        )
        pairs.append(("an image; the same from chunks of spectra", whole, None))
    for name, found, target in pairs:
        rows.append([name, *found.cells(target)])
        if target is not None and found.ratio > target:
            missed.append(f"{name}: {found.ratio:.2f}")
    ours.close()
    other.close()


def page(folder: Path, n: int, missed: list[str]) -> None:
    """Write a page of many files, twice."""
    home = folder / "many"
    home.mkdir()
    names = [SCAN, "pystxm2019-sample_image-lines", "pystxm2019-sample_line_spectra-lines"]
    made = [export_scan(scan_documents(all_requests()[name]), home, file_prefix=name)
            for name in names]  # fmt: skip
    for number in range(n - len(made)):
        shutil.copy(made[number % len(made)], home / f"{number:05d}.hdf5")
    begin = time.perf_counter()
    first = browse_folder(home)
    took = time.perf_counter() - begin
    begin = time.perf_counter()
    again = browse_folder(home)
    took_again = time.perf_counter() - begin
    assert (first.read, again.read) == (n, 0)
    rate = n / took
    met = "yes" if rate >= FILES_PER_SECOND else "no"
    rows = [
        [f"{n:,} files", f"{rate:.0f}", f"{FILES_PER_SECOND:g}", met],
        ["again, none changed", f"{n / took_again:.0f}", "", ""],
    ]
    table(("browse, one process", "files a second", "target", "met"), rows)
    if rate < FILES_PER_SECOND:
        missed.append(f"browse: {rate:.0f} files a second")


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (2 if options.quick else 9)
    missed: list[str] = []
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        opening(folder, rounds * 3, rows, missed)
        images(folder, options.quick, rounds, rows, missed)
        reading(folder, options.quick, rounds, rows, missed)
        table(("ours; peer", *HEADINGS), rows)
        print()
        page(folder, 60 if options.quick else 1000, missed)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
