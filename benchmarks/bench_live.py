"""What a writer costs the RunEngine that it is subscribed to, and when the file is there.

Peers: ``suitcase.msgpack``, and apstools' ``NXWriter`` where it is installed: as it is, and with
the half second that it waits for files of others cut to half a millisecond. Callbacks are timed
inside a real RunEngine that counts a detector with four numbers; whole runs are fed back to back.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _documents import Document, frames, scalars
from _pairs import HEADINGS, arguments, leave, machine, pair, publish, table, without_fsync

from suitcase.nxstxm import NXstxmWriter

#: Microseconds of a callback: median, and 99th percentile.
MEDIAN, LATE = 5.0, 50.0
#: The peer without the half second that it waits before it writes.
QUICK = "NXWriter, not waiting"
Callback = Callable[[str, Any], object]


def ours(folder: Path, **options: Any) -> tuple[Callback, Callable[[], object]]:
    writer = NXstxmWriter(folder, recover=False, finish_timeout=120.0, **options)
    return writer, writer.close


def without_journal(folder: Path) -> tuple[Callback, Callable[[], object]]:
    return ours(folder, journal=False)


def msgpack(folder: Path) -> tuple[Callback, Callable[[], object]]:
    from suitcase.msgpack import Serializer

    serializer = Serializer(folder)
    return serializer, serializer.close


def nxwriter(folder: Path, delay: float | None = 0.0005) -> tuple[Callback, Callable[[], object]]:
    """Give apstools' writer; by itself it looks twice a second whether it is ready."""
    from apstools.callbacks import NXWriter

    writer = NXWriter()
    writer.file_name = folder / "x.hdf5"
    writer.warn_on_missing_content = False
    if delay is not None:
        writer._external_file_read_retry_delay = delay
    return writer.receiver, lambda: writer.wait_writer() if hasattr(writer, "wait_writer") else None


def nxwriter_as_it_is(folder: Path) -> tuple[Callback, Callable[[], object]]:
    return nxwriter(folder, delay=None)


def has_apstools() -> bool:
    try:
        import apstools.callbacks  # noqa: F401
    except Exception:  # noqa: BLE001 - it is not there, or it can not be used here
        return False
    return True


PEERS = {"ours": ours, "ours, no journal": without_journal, "suitcase.msgpack": msgpack}


def in_engine(make: Any, n: int) -> np.ndarray[Any, Any]:
    """Time the callback of each event in a RunEngine, microseconds."""
    from bluesky import RunEngine
    from bluesky.plans import count
    from ophyd import Component, Device, Signal

    class Four(Device):
        a, b, c, d = (Component(Signal, value=float(i), kind="hinted") for i in range(4))

    spent: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        callback, close = make(Path(folder))

        def timed(name: str, doc: Any) -> None:
            begin = time.perf_counter_ns()
            callback(name, doc)
            if name == "event":
                spent.append(time.perf_counter_ns() - begin)

        engine = RunEngine({}, context_managers=[], call_returns_result=False)
        engine.subscribe(timed)
        engine(count([Four(name="four")], n))
        close()
    return np.array(spent) / 1e3


def fed(make: Any, docs: list[Document]) -> Callable[[Path], object]:
    """Feed a whole run, and wait for its file."""

    def work(folder: Path) -> None:
        callback, close = make(folder)
        for name, doc in docs:
            callback(name, doc)
        close()

    return work


def plain_frames(docs: list[Document]) -> Callable[[Path], object]:
    """Write the frames with h5py, one by one, in chunks of one; then to the disk, and its name."""
    arrays = [doc["data"]["camera"] for name, doc in docs if name == "event"]

    def work(folder: Path) -> None:
        with h5py.File(folder / "x.tmp", "w") as h5:
            shape = (len(arrays), *arrays[0].shape)
            data = h5.create_dataset("data", shape, "f8", chunks=(1, *arrays[0].shape))
            for i, array in enumerate(arrays):
                data[i] = array
        publish(folder / "x.tmp", folder / "x.hdf5")

    return work


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (3 if options.quick else 11)
    missed: list[str] = []
    peers = dict(PEERS)
    if has_apstools():
        peers["NXWriter"] = nxwriter
    rows = []
    for name, make in peers.items():
        spent = in_engine(make, 500 if options.quick else 10_000)
        median, late = float(np.median(spent)), float(np.percentile(spent, 99))
        mine = name.startswith("ours")
        met = median <= MEDIAN and late <= LATE
        cells = [f"{MEDIAN:g}, {LATE:g}", "yes" if met else "no"] if mine else ["", ""]
        rows.append([name, f"{median:.1f}", f"{late:.1f}", f"{spent.max():.0f}", *cells])
        if mine and not met:
            missed.append(f"callback of {name}: {median:.1f}, {late:.1f} us")
    table(("callback of an event, us", "median", "99 %", "most", "target", "met"), rows)
    events = list(scalars(2000 if options.quick else 10_000))
    some = list(frames(30 if options.quick else 300, 256))
    cases = [
        ("events, journal", "suitcase.msgpack", fed(ours, events), fed(msgpack, events), 0.5),
        ("events, no journal", "suitcase.msgpack", fed(without_journal, events),
         fed(msgpack, events), None),
        ("frames, journal", "h5py", fed(ours, some), plain_frames(some), 1.5),
        ("frames, no journal", "h5py", fed(without_journal, some), plain_frames(some), 1.5),
    ]  # fmt: skip
    if has_apstools():
        cases[2:2] = [
            ("events, journal", "NXWriter", fed(ours, events), fed(nxwriter_as_it_is, events), 1.7),
            ("events, no journal", "NXWriter", fed(without_journal, events),
             fed(nxwriter_as_it_is, events), 1.0),
            ("events, journal", QUICK, fed(ours, events), fed(nxwriter, events), 1.7),
            ("events, no journal", QUICK, fed(without_journal, events),
             fed(nxwriter, events), 1.0),
            ("events, journal, not flushed", QUICK, without_fsync(fed(ours, events)),
             fed(nxwriter, events), None),
            ("events, no journal, not flushed", QUICK,
             without_fsync(fed(without_journal, events)), fed(nxwriter, events), None),
        ]  # fmt: skip
    rows = []
    for name, whose, mine_does, peer_does, target in cases:
        found = pair(mine_does, peer_does, rounds)
        rows.append([name, whose, *found.cells(target)])
        if target is not None and found.ratio > target:
            missed.append(f"{name} over {whose}: {found.ratio:.2f} > {target:g}")
    print()
    table(("whole run", "peer", *HEADINGS), rows)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
