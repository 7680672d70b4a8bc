"""Derived data saved, loaded and found: against strax, by the number of chunks, of many keys.

The peer is strax's own `DataDirectory` with its default compressor, which has no checksums, in the
same process and in chunks of the same size. What strax needs excludes what others need: this runs
in an environment of its own, ``.venv-strax``, which is made when it is not there. Without strax
only ours is measured. All files are in the memory of the system when they are read.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from _environments import in_environment

#: The peer, and what the room needs; the package itself is taken from where this file is.
NEEDS = ("strax==2.2.3", "filelock", "fsspec", "h5py", "numcodecs", "suitcase-utils", "xarray")
#: How much faster saving and loading must be; growth of the cost of a chunk; milliseconds.
SAVE, LOAD, GROWTH, FIND = 1.5, 1.0, 1.5, 5.0

if __name__ == "__main__":
    in_environment(__file__, "strax", ["strax"], NEEDS)

import numpy as np  # noqa: E402 - of the right environment
from _arrays import AnyArray, cut, events, stack  # noqa: E402
from _pairs import HEADINGS, Work, arguments, leave, machine, once, pair, table, timed  # noqa: E402

from suitcase.nxstxm.storage import (  # noqa: E402
    DataDirectory,
    DataKey,
    FsspecDirectory,
    SQLiteFrontend,
    StorageFrontend,
    StoredMetadata,
)
from suitcase.nxstxm.storage._metadata import sealed  # noqa: E402

try:
    import strax
except ImportError:
    strax = None


def key(run: str = "a1b2", data_type: str = "od", n: int = 0) -> DataKey:
    steps = {"scan": ("scan", "1", {}), data_type: ("made", "1.0", {"dark": 0.0, "n": n})}
    return DataKey(run, data_type, steps)


# -- ours -----------------------------------------------------------------------------------------


class Ours:
    """The room's usual frontend."""

    def __init__(self, durable: bool = True) -> None:
        self.durable = durable

    def prepared(self, chunks: list[AnyArray]) -> list[Any]:
        return chunks

    def save(self, folder: Path, chunks: list[Any]) -> None:
        DataDirectory(folder, durable=self.durable).saver(key()).save_from(chunks)

    def save_one_by_one(self, folder: Path, chunks: list[Any]) -> None:
        with DataDirectory(folder, durable=self.durable).saver(key()) as saver:
            for chunk in chunks:
                saver.save(chunk)

    def load(self, folder: Path) -> AnyArray:
        loaded: AnyArray = DataDirectory(folder).load(key())
        return loaded

    def loader(self, folder: Path) -> list[AnyArray]:
        return [chunk.data for chunk in DataDirectory(folder).loader(key())]


# -- the peer -------------------------------------------------------------------------------------


class Strax:
    """strax's usual frontend; `threads` compress and write where there are any."""

    #: What has no times of its own gets them: rows of strax have.
    ROW = (("time", "i8"), ("endtime", "i8"))

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads
        self.key = strax.DataKey("0", "od", {"od": ("Made", "1.0", {"dark": 0.0})})

    def prepared(self, chunks: list[AnyArray]) -> list[Any]:
        """Give chunks as strax has them; what that takes does not count."""
        made, at = [], 0
        for chunk in chunks:
            if chunk.dtype.names is None:
                rows = np.zeros(len(chunk), [*self.ROW, ("data", chunk.dtype, chunk.shape[1:])])
                rows["time"] = 1000 * np.arange(at, at + len(chunk))
                rows["endtime"] = rows["time"] + 1000
                rows["data"] = chunk
            else:
                rows = chunk
            at += len(chunk)
            made.append(
                strax.Chunk(
                    data_type="od", data_kind="od", dtype=rows.dtype, run_id="0", data=rows,
                    start=int(rows["time"][0]), end=int(rows["endtime"][-1]), target_size_mb=20,
                )
            )  # fmt: skip
        return made

    def save(self, folder: Path, chunks: list[Any]) -> None:
        metadata = {
            "run_id": "0", "data_type": "od", "data_kind": "od", "dtype": chunks[0].dtype,
            "lineage": self.key.lineage, "lineage_hash": self.key.lineage_hash,
        }  # fmt: skip
        saver = strax.DataDirectory(str(folder)).saver(self.key, metadata)
        if not self.threads:
            saver.save_from(iter(chunks), rechunk=False)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            saver.save_from(iter(chunks), rechunk=False, executor=pool)

    def load(self, folder: Path) -> AnyArray:
        return np.concatenate(self.loader(folder))

    def loader(self, folder: Path) -> list[AnyArray]:
        if not self.threads:
            loaded = strax.DataDirectory(str(folder)).loader(self.key)
            return [chunk.data for chunk in loaded]
        with ThreadPoolExecutor(self.threads) as pool:
            loaded = strax.DataDirectory(str(folder)).loader(self.key, executor=pool)
            return [each.result().data for each in loaded]


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# -- saving and loading ---------------------------------------------------------------------------


def through(quick: bool, rounds: int, missed: list[str]) -> None:
    """Compare saving and loading 200 MB."""
    rows = []
    sizes = (25, 600_000) if quick else (250, 6_250_000)
    for what, data in (("stack", stack(sizes[0])), ("events", events(sizes[1]))):
        rows += _through(what, data, rounds, missed)
    table(("what", "peer", "ours MB/s", "peer MB/s", *HEADINGS), rows)


class Case(NamedTuple):
    """A frontend, what is saved by it, and where it has saved that already."""

    frontend: Any
    chunks: list[Any]
    at: Path

    def works(self) -> dict[str, Work]:
        return {
            "saved": lambda to: self.frontend.save(to, self.chunks),
            "loaded as one": lambda _: self.frontend.load(self.at),
            "loaded chunk by chunk": lambda _: self.frontend.loader(self.at),
        }


def _through(what: str, data: AnyArray, rounds: int, missed: list[str]) -> list[list[str]]:
    chunks, rows = cut(data), []
    with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as home:
        ours = Case(Ours(), chunks, Path(home, "ours"))
        ours.frontend.save(ours.at, chunks)
        assert np.array_equal(ours.frontend.load(ours.at), data)
        ratio = f"{data.nbytes / disk_bytes(ours.at):.2f} times smaller than in memory"
        if strax is None:
            for name, work in ours.works().items():
                spent = median(timed(work) for _ in range(max(rounds, 3)))
                speed = f"{data.nbytes / 1e6 / spent:.0f}"
                rows.append([f"{what}, {name}", "none", speed, "", f"{1e3 * spent:.1f}", *[""] * 5])
        else:
            theirs = Case(Strax(), Strax().prepared(chunks), Path(home, "strax"))
            theirs.frontend.save(theirs.at, theirs.chunks)
            loaded = theirs.frontend.load(theirs.at)
            assert np.array_equal(loaded if data.dtype.names else loaded["data"], data)
            ratio += f", strax's {data.nbytes / disk_bytes(theirs.at):.2f} times"
            rows = _pairs_of(what, ours, theirs, rounds, missed)
    print(f"{what}: {data.nbytes / 1e6:.0f} MB in {len(chunks)} chunks, {ratio}")
    return rows


def _pairs_of(
    what: str, ours: Case, theirs: Case, rounds: int, missed: list[str]
) -> list[list[str]]:
    rows = []
    unflushed = ours._replace(frontend=Ours(durable=False))
    threaded = theirs._replace(frontend=Strax(threads=2))
    size = sum(chunk.nbytes for chunk in ours.chunks) / 1e6
    for name, target in (
        ("saved", 1 / SAVE), ("loaded as one", 1 / LOAD), ("loaded chunk by chunk", 1 / LOAD)
    ):  # fmt: skip
        pairs = [("strax", ours, theirs, target), ("strax, 2 threads", ours, threaded, None)]
        if name == "saved":
            pairs.insert(1, ("strax, ours not flushed", unflushed, theirs, target))
        for against, one, two, wanted in pairs:
            found = pair(one.works()[name], two.works()[name], rounds)
            speed = [f"{size / median(each):.0f}" for each in (found.ours, found.peer)]
            cells = found.cells(None if wanted is None else round(wanted, 2))
            rows.append([f"{what}, {name}", against, *speed, *cells])
            if wanted is not None and found.ratio > wanted:
                missed.append(f"{what}, {name} over {against}: {found.ratio:.2f} > {wanted:.2f}")
    return rows


# -- by the number of chunks ----------------------------------------------------------------------


def growth(quick: bool, rounds: int, missed: list[str]) -> None:
    """Compare the cost of a chunk among many with that among few."""
    few, many = (20, 200) if quick else (100, 4000)
    all_events = events(1000 * many)
    rows = []
    kinds: list[tuple[str, Any, int]] = [
        ("ours", Ours(), rounds), ("ours, not flushed", Ours(durable=False), rounds),
    ]  # fmt: skip
    if strax is not None:
        kinds.append(("strax", Strax(), 1))
    for name, each, goes in kinds:
        made = each.prepared(cut(all_events, 32_000))
        with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as home:
            cost_of(each, made[:few], Path(home, "before"))  # is not counted: it imports
            found = [
                {n: cost_of(each, made[:n], Path(home, f"{number}-{n}")) for n in (few, many)}
                for number in range(goes)
            ]
        for index, what in enumerate(("saved", "loaded")):
            one, two = (median(cost[n][index] for cost in found) for n in (few, many))
            ratio = median(cost[many][index] / cost[few][index] for cost in found)
            is_ours = name.startswith("ours")
            rows.append(
                [f"{what}, {name}", f"{1e3 * one:.2f}", f"{1e3 * two:.2f}", f"{ratio:.2f}",
                 f"{GROWTH:g}" if is_ours else "",
                 ("yes" if ratio <= GROWTH else "no") if is_ours else ""]
            )  # fmt: skip
            if is_ours and ratio > GROWTH:
                missed.append(f"cost of a chunk, {what}, {name}: {ratio:.2f} > {GROWTH:g}")
    print()
    headings = ("chunks of 32 kB", f"ms each of {few}", f"of {many}", "ratio", "target", "met")
    table(headings, rows)


def cost_of(each: Any, chunks: list[Any], to: Path) -> tuple[float, float]:
    """Save chunks one by one and load them; give the seconds that a chunk takes."""
    save = getattr(each, "save_one_by_one", each.save)
    begin = time.perf_counter()
    save(to, chunks)
    saved = time.perf_counter() - begin
    loaded = min(timed(lambda _: each.load(to)) for _ in range(3))
    return saved / len(chunks), loaded / len(chunks)


# -- among many keys ------------------------------------------------------------------------------


def finding(quick: bool, missed: list[str]) -> None:
    """Time finding one key of many: of runs with ten keys, and of ten times as many runs."""
    for n_runs, per_run in ((200, 10), (2000, 1)) if quick else ((10_000, 10), (100_000, 1)):
        with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as home:
            store = filled(Path(home, "store"), n_runs, per_run)
            tracked = SQLiteFrontend(Path(home, "store.sqlite"), {"disk": store})
            tracked.scan("disk")
            rows = []
            chance = np.random.default_rng(1)
            chosen = [keys_of(int(run), per_run)[int(chance.integers(per_run))]
                      for run in chance.integers(0, n_runs, 1000)]  # fmt: skip
            others = [key(each.run_id, each.data_type, 77) for each in chosen]
            for frontend in (store, FsspecDirectory(str(store.path)), tracked):
                name = type(frontend).__name__
                for what, work, wanted, target in questions(frontend, chosen, others):
                    rows.append(asked(f"{name}: {what}", work, wanted, target, missed))
            tracked.close()
        print()
        headings = (f"one of {n_runs * per_run:,} keys of {n_runs:,} runs",
                    "ms", "99 %", "most", "target", "met")  # fmt: skip
        table(headings, rows)


def filled(folder: Path, n_runs: int, per_run: int) -> DataDirectory:
    """Make a folder with many keys."""
    store = DataDirectory(folder, durable=False)
    first = keys_of(0, 1)[0]
    store.save(first, np.arange(6.0).reshape(2, 3))
    whole = store.get_metadata(first)
    for run in range(n_runs):
        for each in keys_of(run, per_run):
            place(store, each, whole)
    return store


def questions(frontend: StorageFrontend, chosen: list[DataKey], others: list[DataKey]) -> Any:
    """Give what is asked of a frontend, of which keys, and in how many ms it has to answer."""
    return (
        ("found", frontend.find, chosen, FIND),
        ("told that it is not there", lambda each: each in frontend, others, FIND),
        ("found loosely", lambda each: frontend.find(each, fuzzy_for_options=["n"]), others, None),
        ("list of one run", lambda each: list(frontend.list(each.run_id)), chosen[:200], None),
    )


def asked(
    what: str,
    work: Callable[[DataKey], object],
    wanted: list[DataKey],
    target: float | None,
    missed: list[str],
) -> list[str]:
    """Ask for keys one by one; give the row that tells how long it took."""
    spent = sorted(1e3 * once(partial(work, each)) for each in wanted)
    late = quantiles(spent, n=100)[98]
    if target is not None and median(spent) > target:
        missed.append(f"{what}: {median(spent):.2f} ms > {target:g} ms")
    return [what, f"{median(spent):.3f}", f"{late:.3f}", f"{spent[-1]:.3f}",
            "" if target is None else f"{target:g}",
            "" if target is None else "yes" if median(spent) <= target else "no"]  # fmt: skip


def keys_of(run: int, n: int) -> list[DataKey]:
    """Give the keys of a run: of as many types."""
    return [key(f"{run:08x}-1111-4222-8333-123456789abc", f"map{i}", i) for i in range(n)]


def place(store: DataDirectory, each: DataKey, like: StoredMetadata) -> None:
    """Make the folder of a key as saving leaves it, but for the chunks, for which nobody asks."""
    folder = store.backend.folder(store._place(each).backend_key)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        made = like.with_(run_id=each.run_id, data_type=each.data_type, lineage=each.lineage)
        (folder / "metadata.json").write_bytes(sealed(made.as_json()))


def main() -> int:
    parser: argparse.ArgumentParser = arguments(__doc__)
    options = parser.parse_args()
    machine()
    if strax is None:
        print("strax is not available: only ours is measured\n")
    else:
        print(f"strax {strax.__version__}, in the same process\n")
    rounds = options.rounds or (1 if options.quick else 9)
    missed: list[str] = []
    through(options.quick, rounds, missed)
    growth(options.quick, min(rounds, 3), missed)
    finding(options.quick, missed)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
