"""A night at the microscope: scans come, the watcher is killed, somebody edits a variable.

All 60 scans are made by a RunEngine, and written by an `NXstxmWriter` that is subscribed to it. Of
55 the RunEngine moves and reads simulated devices: every scan type of the microscope, with what
goes differently in real life; plans of plain Bluesky; and scans that are flown, with a camera in
another process. The other five are of control programs that the simulated devices do not speak for
(the ``stxm`` block, and scalers with channels). Of these the RunEngine is told the metadata and the
readings, as `scan_documents` gives them; runs, uids and times are its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

pytest.importorskip("watchfiles")
pytest.importorskip("bluesky")

import bluesky.plan_stubs as bps
import bluesky.plans as bp
from bluesky import RunEngine

from suitcase.nxstxm import NXstxmWriter
from suitcase.nxstxm.sim import (
    FlyCamera,
    ShutterClosedError,
    SimulatedMicroscope,
    all_requests,
    fly_image_plan,
    scan_documents,
    scan_plan,
)
from suitcase.nxstxm.variables import Processor, RunTable, TableCell, found_scans

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2700),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows"),
]
SCANS, KILLS = 60, 10
#: Seconds for what takes a few on a machine with nothing else to do.
LONG = 600.0
CODE = """
from suitcase.nxstxm.variables.stxm import *
from suitcase.nxstxm.variables import Variable

@Variable(title="Contrast")
def contrast(run, mean: "var#mean_counts"):
    return float(run.picture().std()) / mean

@Variable(title="Twice the contrast")
def twice(run, contrast: "var#contrast"):
    return 2 * contrast

@Variable(title="Four times the contrast")
def four_times(run, twice: "var#twice"):
    return 2 * twice
"""
EDITED = CODE.replace(
    "float(run.picture().std()) / mean", "100 * float(run.picture().std()) / mean"
)
AGAIN = {"contrast", "twice", "four_times"}
ALL = {"scan_type", "mean_counts", "thumbnail", *AGAIN}
#: The cells of scans, by uid and variable.
Rows: TypeAlias = dict[str, dict[str, TableCell]]

#: Requests that the simulated devices would measure as another is: they have one counter, it works,
#: and nothing kills the RunEngine.
SAME = ("stuck-motors", "two-detectors", "aborted-points", "killed", "nested-strings")
#: What the RunEngine is told.
TOLD = (
    "stxm-image",
    "stxm-stack-group",
    "stxm-tomography",
    "pystxm-channels-lines",
    "pystxm-channels-point-spectra",
)


# -- what is measured -----------------------------------------------------------------------------


def of_devices() -> dict[str, Any]:
    """Give requests for the simulated devices: every scan type, and all that goes differently."""
    found = {}
    for name, request in all_requests().items():
        plain = name.startswith("pystxm2019-")
        usual = request.style == request.kind.style or request.scan_type in (6, 7)
        if request.dialect == "pystxm2019" and (usual if plain else not name.endswith(SAME)):
            found[name] = request
    return found


class Told:
    """A device that reads what it was told."""

    parent = None

    def __init__(self, name: str, keys: dict[str, Any]) -> None:
        self.name = name
        self._keys = keys
        self.data: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        return {name: dict(key) for name, key in self._keys.items()}

    def read(self) -> dict[str, Any]:
        now = time.time()
        return {name: {"value": self.data[name], "timestamp": now} for name in self._keys}

    def describe_configuration(self) -> dict[str, Any]:
        return {}

    read_configuration = describe_configuration


def told_plan(runs: list[list[tuple[str, dict[str, Any]]]]) -> Iterator[Any]:
    """Make runs with the metadata and the readings of documents."""
    for documents in runs:
        streams: dict[str, tuple[str, list[Told]]] = {}
        for name, doc in documents:
            if name == "start":
                own = ("uid", "time", "scan_id")
                yield from bps.open_run({k: v for k, v in doc.items() if k not in own})
            elif name == "descriptor":
                devices = [
                    Told(device, {key: doc["data_keys"][key] for key in keys})
                    for device, keys in doc["object_keys"].items()
                ]
                rest = set(doc["data_keys"]).difference(*doc["object_keys"].values())
                devices += [Told(key, {key: doc["data_keys"][key]}) for key in sorted(rest)]
                streams[doc["uid"]] = doc["name"], devices
            elif name in ("event", "event_page"):
                stream, devices = streams[doc["descriptor"]]
                data = doc["data"]
                if name == "event_page":
                    data = {key: column[0] for key, column in data.items()}
                yield from bps.create(stream)
                for device in devices:
                    device.data = data
                    yield from bps.read(device)
                yield from bps.save()
            else:
                yield from bps.close_run(doc["exit_status"], doc["reason"])


def plans(raw: Path) -> list[Callable[[], Any]]:
    """Give the plans of the night."""
    scope, camera = SimulatedMicroscope(), FlyCamera(raw, shape=(8, 8))
    still = SimulatedMicroscope(seed=1)  # no scan of the OSA leaves it without light
    read = [still.counter, still.ring_current]
    x, y = (still.sample_x, -2, 2, 5), (still.sample_y, -1, 1, 4)
    return [
        *(partial(scan_plan, scope, request) for request in of_devices().values()),
        partial(bp.grid_scan, read, *y, *x, snake_axes=True),
        partial(bp.grid_scan, read, still.energy, 700, 708, 3, *y, *x),
        partial(bp.scan, read, still.energy, 700, 710, 6),
        partial(bp.spiral, read, still.sample_x, still.sample_y, 0, 0, 4, 4, dr=0.5, nth=6),
        partial(fly_image_plan, camera, (-2, 2, 5), (-1, 1, 4), snake=False),
        partial(fly_image_plan, camera, (-2, 2, 5), (-1, 1, 4), 708.0),
        *(partial(told_plan, scan_documents(all_requests()[name])) for name in TOLD),
    ]


# -- the watcher ----------------------------------------------------------------------------------


class Watcher:
    """A process that watches, begun again each time it is killed.

    Parameters
    ----------
    table, scans : Path
        What it fills, and what it watches.
    log : Path
        Takes what it says.
    """

    def __init__(self, table: Path, scans: Path, log: Path) -> None:
        self._command = [sys.executable, "-m", "suitcase.nxstxm", "table", "watch", table, scans]
        self._log = log
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.begin()

    def begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, start_new_session=True)

    def kill(self, *, worker: bool) -> None:
        """Kill it; and its worker with it, or the worker is left to end by itself."""
        assert self._process is not None
        assert self._process.poll() is None, "the watcher has ended by itself"
        (os.killpg if worker else os.kill)(self._process.pid, signal.SIGKILL)
        self._process.wait(120)
        self.kills += 1

    def end(self) -> int:
        """Interrupt it; give how it ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(120)

    def told(self, word: str = "") -> list[tuple[str, int, str]]:
        """List of which scans something was computed: uid, how many variables, and why."""
        line = re.compile(r"run \d+  (\S+)  (\d+) computed in [\d.]+ s \((.*)\)")
        found = line.findall(self._log.read_text(errors="replace"))
        return [(uid, int(n), why) for uid, n, why in found if word in why]


def kill_often(watcher: Watcher, chance: random.Random, stop: threading.Event) -> list[int]:
    """Kill the watcher ten times; give how many scans it had told of each time."""
    told = []
    for number in range(KILLS):
        at_work = number % 2  # else whenever it may be, which is often while it begins
        before, deadline = len(watcher.told()), time.monotonic() + 30
        while at_work and len(watcher.told()) == before and time.monotonic() < deadline:
            if stop.wait(0.02):
                break
        stop.wait(chance.uniform(0.0, 1.0 if at_work else 4.0))
        if stop.is_set():
            break
        watcher.kill(worker=chance.random() < 0.5)
        told.append(len(watcher.told()))
        watcher.begin()
    return told


# -- the table ------------------------------------------------------------------------------------


def check(table: RunTable, n: int) -> Rows:
    """Assert that every scan is a row, and that each row is of one piece; give the cells."""
    infos = table.runs()
    assert len(infos) == len({info.first_uid for info in infos}) == n
    found: Rows = {}
    for info in infos:
        uid = info.first_uid or ""
        row = table[uid]
        assert set(row) >= ALL
        for name, cell in row.items():
            # made from what is beside it
            inputs = cell.stored.attributes["made"]["inputs"]
            assert inputs == {each: row[each].lineage for each in inputs}, (uid, name)
            value = cell.stored.value
            if cell.error is None and value is not None:
                cell.preview()
                if isinstance(value, float) and np.ndim(data := cell.read()) == 0:
                    assert float(data) == pytest.approx(value, nan_ok=True), (uid, name)
        if row["contrast"].error is None:
            assert row["twice"].read() == 2 * row["contrast"].read()
            assert row["four_times"].read() == 2 * row["twice"].read()
        else:
            assert row["twice"].error is not None
            assert row["four_times"].error is not None
        found[uid] = dict(row)
    return found


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def all_have(table: Path, n: int, *, later: float = 0.0) -> bool:
    """Tell whether all rows are there, and complete; and not older than a moment."""
    with RunTable(table, readonly=True) as opened:
        rows = [opened[info.first_uid or ""] for info in opened.runs()]
        last = [row["four_times"].stored.timestamp or 0.0 for row in rows if "four_times" in row]
        return len(last) == n and all(each > later for each in last)


def measure(night: list[Callable[[], Any]], scans: Path) -> None:
    """Run the plans; the files get their final names when they are whole."""
    engine = RunEngine({}, call_returns_result=False)
    with NXstxmWriter(scans, devices={"camera": "camera"}, strict=True) as writer:
        engine.subscribe(writer)
        for plan in night:
            with contextlib.suppress(ShutterClosedError):
                engine(plan())


def only_again(before: Rows, after: Rows, edited: float) -> None:
    """Assert that the edited variable was computed again, what depends on it, and nothing else."""
    assert after.keys() == before.keys()
    for uid, row in after.items():
        old = before[uid]
        assert row.keys() == old.keys()
        other = {name for name in row if row[name].lineage != old[name].lineage}
        later = {name for name in row if (row[name].stored.timestamp or 0.0) > edited}
        assert other == later == AGAIN, uid
        if row["contrast"].error is None:
            assert row["contrast"].read() == pytest.approx(100 * old["contrast"].summary())


def test_a_night(tmp_path: Path) -> None:
    home, scans = tmp_path / "table", tmp_path / "scans"
    scans.mkdir()
    RunTable.create(home, proposal=900001, context=CODE).close()
    assert {request.scan_type for request in of_devices().values()} == set(range(15))
    night = plans(tmp_path / "raw")
    assert len(night) == SCANS
    chance = random.Random(1)
    chance.shuffle(night)

    watcher = Watcher(home, scans, tmp_path / "log")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            killing = pool.submit(kill_often, watcher, chance, stop)
            measure(night, scans)
            assert len(found_scans([scans])) == SCANS
            told = killing.result(LONG)
            assert watcher.kills == KILLS
            assert len({n for n in told if 0 < n < SCANS}) >= 3, "it was hardly ever at work"
            wait_until(lambda: all_have(home, SCANS), "the watcher does not catch up")
            with RunTable(home, readonly=True) as table:
                before = check(table, SCANS)

            edited = time.time()
            (home / "context.py").write_text(EDITED)
            wait_until(lambda: all_have(home, SCANS, later=edited), "the edit is not noticed")
            wait_until(lambda: len(watcher.told("changed")) >= SCANS, "it does not tell of all")
        finally:
            stop.set()
            pool.shutdown()  # nobody begins it again
            ended = watcher.end()
    assert ended == 0

    with RunTable(home) as table:
        after = check(table, SCANS)
        only_again(before, after, edited)
        # and so the watcher told: each scan once, and before the edit nothing had changed
        why = "1 its code has changed, 1 contrast has changed, 1 twice has changed"
        assert sorted(watcher.told("changed")) == sorted((uid, 3, why) for uid in after)
        with Processor(table, timeout=LONG) as processor:
            for done in processor.process(found_scans([scans])):
                assert not done.computed
                assert not done.failure
        check(table, SCANS)

    # the table is that of somebody whom nothing disturbed
    fresh = RunTable.create(tmp_path / "fresh", proposal=900001, context=EDITED)
    with fresh, Processor(fresh, timeout=LONG) as processor:
        assert all(done.computed for done in processor.process(found_scans([scans])))
        for uid, row in check(fresh, SCANS).items():
            assert row.keys() == after[uid].keys()
            for name, cell in row.items():
                assert cell.error == after[uid][name].error
                np.testing.assert_equal(after[uid][name].summary(), cell.summary())
