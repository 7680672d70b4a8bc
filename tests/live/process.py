"""A process that measures until it is killed; run as a script, a line of JSON in and out a call.

``["measure", folder, ledger, seed, form]`` forks a child, which runs scans of the simulated
microscope on a RunEngine with an `NXstxmWriter` subscribed, or an `EuXFELWriter`, or one that
writes both, one after the other; the answer is the child's pid.
``["recover", folder]`` forks one that recovers the folder. The child writes into its ledger when
each event came, before the writer gets it: the parent knows what must not be lost.

Forking is quick: a RunEngine takes more than a second to import, and 200 children are killed.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bluesky import RunEngine
from bluesky.plans import grid_scan
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmWriter, recover
from suitcase.nxstxm.euxfel import EuXFELWriter
from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan, stack_plan


def plans(seed: int) -> Iterator[Any]:
    """Give plans without an end: points, lines, several runs, frames of a camera."""
    chance = random.Random(seed)
    scope = SimulatedMicroscope()
    y, x = SynAxis(name="y"), SynAxis(name="x")
    camera = SynSignal(name="camera", func=lambda: np.full((96, 96), x.readback.get(), float))
    while True:
        kind = chance.choice(["points", "lines", "stack", "camera"])
        if kind == "stack":
            energies = tuple(700.0 + i for i in range(chance.randint(1, 4)))
            yield stack_plan(scope, energies, (-1, 1, 5), (-1, 1, 4), motors=False)
        elif kind == "camera":
            n = chance.randint(2, 8)
            yield grid_scan([camera], y, 0, 1, n, x, 0, 2, 4, chance.random() < 0.5)
        else:
            n = chance.randint(3, 15)
            yield image_plan(scope, (-1, 1, n), (-1, 1, 6), style=kind, motors=False)


def measure(folder: str, ledger: str, seed: int, form: str = "nxstxm") -> None:
    book = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    runs: dict[str, str] = {}
    make: Any = partial(EuXFELWriter, trains_per_file=10) if form == "euxfel" else NXstxmWriter
    beside = {"euxfel": folder} if form == "both" else {}
    writer = make(folder, on_finish=lambda path: note("file", str(path)), **beside)

    def note(what: str, *said: Any) -> None:
        os.write(book, (json.dumps([time.monotonic(), what, *said]) + "\n").encode())

    def take(name: str, doc: Any) -> None:
        if name == "descriptor":
            runs[doc["uid"]] = doc["run_start"]
        elif name == "event":
            note("event", runs[doc["descriptor"]], doc["descriptor"], doc["seq_num"])
        writer(name, doc)

    engine.subscribe(take)
    note("begun")
    for plan in plans(seed):
        engine(plan)


def main() -> None:
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                log = os.open(
                    Path(arguments[0]) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND
                )
                os.dup2(log, 2)
                os.dup2(log, 1)
                {"measure": measure, "recover": recover}[what](*arguments)
                code = 0
            except BaseException:  # noqa: BLE001 - a child must never go on as its parent
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        # the child is ours to reap, or its pid would never be free
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
