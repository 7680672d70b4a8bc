"""Runs processed: 100 runs x 20 numbers, against DAMNIT, with and without a process for each.

Both read the same context file, whose functions never touch the run, and make new tables of the
same EuXFEL runs; the values must be the same. Ours is a `Processor` with one worker process, whose
start counts where nothing else is said. DAMNIT is taken twice: as its users run it without Slurm,
with ``damnit reprocess --direct``, which begins three processes for each run; and at its cheapest,
in one process that has imported everything and reads the context file once, where nothing guards
against what functions do. Both with what its combiner does: the results become the file of a run
and rows of the database. There is no Kafka. Ours waits until the disk has the file of a run,
DAMNIT until it has the rows; ours also keeps how each value was made.

Opening the runs is not in the figures: it is measured by itself, and taken off. Of NXstxm files
nothing is taken off: ours opens none before a function asks for it. Finding the scans is not in
them either, for DAMNIT is told the numbers of the runs; reading when a run began is part of its
opening. What DAMNIT needs is in an environment of its own, ``.venv-damnit-backend``, which is made
when it is not there. Without it only ours is measured.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from _environments import in_environment

NEEDS = (
    "damnit[backend]==0.4.0", "event-model", "filelock", "fsspec", "hdf5plugin", "msgpack",
    "numcodecs", "suitcase-utils",
)  # fmt: skip
if __name__ == "__main__":
    in_environment(__file__, "damnit-backend", ("damnit", "extra_proposal"), NEEDS)

from _documents import Document, scalars  # noqa: E402 - of the right environment
from _pairs import HEADINGS, Pair, arguments, leave, machine, once, table  # noqa: E402

from suitcase.nxstxm import export_scan, open_nxstxm  # noqa: E402
from suitcase.nxstxm.euxfel import export  # noqa: E402
from suitcase.nxstxm.sim import all_requests, scan_documents  # noqa: E402
from suitcase.nxstxm.variables import FoundScan, Processor, RunTable, found_scans  # noqa: E402

try:
    from damnit import Damnit
    from damnit.backend.combine import gather_all_fragments
    from damnit.backend.db import DamnitDB, initialize_proposal
    from damnit.context import ContextFile
except ImportError:
    Damnit = None
try:
    from extra_data import RunDirectory, open_run
except ImportError:
    Damnit = RunDirectory = None

#: How much faster processing must be.
FASTER = 1.5
PROPOSAL, VALUES = 900001, 20
#: Processes the runs into a folder; gives the seconds that it took to be ready.
Side = Callable[[Path], float]
SCAN = "pystxm2019-sample_image-lines"

_HEAD = "import numpy as np\nfrom damnit_ctx import Variable\n"
_VARIABLE = """
@Variable(title="Value {n}")
def v{n}(run, number: "meta#run_number"):
    return {result}
"""
_OPEN = """
import sys, time
import damnit.context, ctxrunner, extra_data
begin = time.perf_counter()
ctxrunner.get_start_time(extra_data.open_run({proposal}, int(sys.argv[1]), data="all"))
print(time.perf_counter() - begin)
"""


def context() -> str:
    """Give a context file: half of its numbers are those of arrays."""
    results = ("0.1 * number + {n}", "float(np.arange(number + {n}).mean())")
    parts = (_VARIABLE.format(n=n, result=results[n % 2].format(n=n)) for n in range(1, VALUES + 1))
    return _HEAD + "".join(parts)


# -- runs -----------------------------------------------------------------------------------------


def documents(number: int) -> Iterator[Document]:
    """Give a small run that no other is like."""
    uid = f"{number:08x}-cccc-4bbb-8ccc-123456789abc"
    for name, doc in scalars(10):
        mine = {"uid": uid, "scan_id": number} if name == "start" else {}
        yield name, {**doc, **mine, **({"run_start": uid} if "run_start" in doc else {})}


def euxfel_runs(home: Path, runs: int) -> Path:
    """Make runs where DAMNIT looks for them; give the folder of the proposal."""
    for number in range(1, runs + 1):
        export(documents(number), home, proposal=PROPOSAL, instrument="SCS", cycle="202601")
    os.environ["EXTRA_DATA_DATA_ROOT"] = str(home)
    return home / "SCS" / "202601" / f"p{PROPOSAL:06d}"


def nxstxm_files(home: Path, runs: int) -> Path:
    """Make files of a simulated image each."""
    for number in range(1, runs + 1):
        asked = replace(
            all_requests()[SCAN], seed=number, scan_id=number, start_time=1.7e9 + number
        )
        export_scan(scan_documents(asked), home)
    return home


# -- processing -----------------------------------------------------------------------------------


def ours(folder: Path, scans: list[FoundScan]) -> float:
    """Process scans; give the seconds until the worker has begun and read the context file."""
    made = RunTable.create(folder, proposal=PROPOSAL, context=context())
    with Processor(made, jobs=1) as processor:
        begun = once(processor.context)
        for done in processor.process(scans):
            assert len(done.computed) == VALUES
            assert not done.errors
            assert not done.failure
    made.close()
    return begun


def new_table(folder: Path) -> None:
    """Make a table as ``damnit new`` does, with this Python for its context file."""
    (folder / "context.py").write_text(context(), "utf-8")
    initialize_proposal(folder, PROPOSAL)
    with DamnitDB.from_dir(folder) as made:
        made.metameta["context_python"] = sys.executable


def as_users(folder: Path, runs: int) -> float:
    """Let DAMNIT process runs as its users do: in new processes."""
    new_table(folder)
    numbers = map(str, range(1, runs + 1))
    subprocess.run(
        [sys.executable, "-m", "damnit.cli", "reprocess", "--direct", *numbers],
        cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    gather_all_fragments(folder)
    return 0.0


def in_process(folder: Path, runs: int) -> float:
    """Let DAMNIT process runs at its cheapest; nothing watches over the functions."""
    new_table(folder)
    variables = ContextFile.from_py_file(folder / "context.py")
    with DamnitDB.from_dir(folder) as made:
        made.update_computed_variables(variables.vars_to_dict())
    for number in range(1, runs + 1):
        opened = open_run(PROPOSAL, number, data="all")
        variables.execute(opened, number, PROPOSAL, {}).save(folder, PROPOSAL, number)
    gather_all_fragments(folder)
    return 0.0


# -- opening --------------------------------------------------------------------------------------


def for_each(work: Callable[[int], object], runs: int) -> float:
    """Time something for each of some runs; give the seconds of one, the first not counted."""
    work(1)
    return median(once(lambda number=number: work(number)) for number in range(1, runs + 1))


def anew(number: int) -> float:
    """Give the seconds that DAMNIT's opening takes in a new process, imports not counted."""
    command = [sys.executable, "-c", _OPEN.format(proposal=PROPOSAL), str(number)]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def openings(
    runs: int, raw: Path, files: list[FoundScan], finding: list[float]
) -> dict[str, float]:
    """Show what opening takes; give the seconds of a EuXFEL run, by who opens it."""
    some = min(runs, 20)
    nexus = for_each(lambda number: open_nxstxm(files[number - 1].paths[0]).close(), some)
    rows = [["NXstxm file", f"{1e3 * nexus:.1f}", f"{1e3 * finding[1]:.1f}"]]
    spent: dict[str, float] = {}
    if RunDirectory is not None:
        spent["ours"] = for_each(lambda number: RunDirectory(str(raw / f"r{number:04d}")), some)
        rows.append(["EuXFEL run", f"{1e3 * spent['ours']:.1f}", f"{1e3 * finding[0]:.1f}"])
    if Damnit is not None:
        spent["in one process"] = for_each(open_as_damnit, some)
        spent["as its users run it"] = median(anew(number) for number in range(1, 6))
        for how in ("in one process", "as its users run it"):
            rows.append([f"EuXFEL run; DAMNIT {how}", f"{1e3 * spent[how]:.1f}", ""])
    table(("one run", "opened ms", "found ms"), rows)
    return spent


def open_as_damnit(number: int) -> None:
    """Open a run as DAMNIT does, and read its start, which ours knows from finding it."""
    import ctxrunner  # which is found since `damnit.context` was imported

    ctxrunner.get_start_time(open_run(PROPOSAL, number, data="all"))


# -- comparing ------------------------------------------------------------------------------------


def compared(quick: bool, rounds: int, missed: list[str]) -> None:
    """Process the same runs with both, in turn."""
    runs = 8 if quick else 100
    with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as name:
        home = Path(name)
        proposal = euxfel_runs(home / "exp", runs)
        found: list[list[FoundScan]] = []
        finding = []
        for place in (proposal, nxstxm_files(home / "files", runs)):
            finding.append(once(lambda place=place: found.append(found_scans([place]))) / runs)
            assert len(found[-1]) == runs
        opening = openings(runs, proposal / "raw", found[1], finding)
        sides: dict[str, Side] = {"NXstxm files": lambda to: ours(to, found[1])}
        if RunDirectory is not None:
            sides["EuXFEL runs"] = lambda to: ours(to, found[0])
        if Damnit is not None:
            sides["as its users run it"] = lambda to: as_users(to, runs)
            sides["in one process"] = lambda to: in_process(to, runs)
        times, starts = in_turn(sides, rounds, runs)
    print()
    begun = "worker begun before"
    rows = []
    for what, mine in (("EuXFEL runs", opening.get("ours", 0.0)), ("NXstxm files", 0.0)):
        if what not in times:
            continue
        taken = [each - runs * mine for each in times[what]]
        later = [each - start for each, start in zip(taken, starts[what], strict=True)]
        if Damnit is None:
            rows.append([what, f"{1e3 * median(taken):.1f}", *[""] * 5])
            rows.append([f"{what}, {begun}", f"{1e3 * median(later):.1f}", *[""] * 5])
            continue
        for how, less, used, target in (
            ("as its users run it", taken, what, round(1 / FASTER, 3)),
            ("in one process", taken, what, None),
            ("in one process", later, f"{what}, {begun}", None),
        ):
            theirs = [each - runs * opening[how] for each in times[how]]
            found_pair = Pair(tuple(less), tuple(theirs))
            rows.append([f"{used}; DAMNIT {how}", *found_pair.cells(target)])
            if target is not None and found_pair.ratio > target:
                missed.append(f"{what}: {found_pair.ratio:.3f} > {target:.3f}")
    table((f"{runs} runs x {VALUES}", *HEADINGS), rows)


def in_turn(
    sides: dict[str, Side], rounds: int, runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Time all in turn, each round from another one on; give what they say, too.

    All have to make the same table.
    """
    times: dict[str, list[float]] = {what: [] for what in sides}
    said: dict[str, list[float]] = {what: [] for what in sides}
    order = list(sides)
    for number in range(rounds):
        frames: list[Any] = []
        first = number % len(order)
        for what in order[first:] + order[:first]:
            with tempfile.TemporaryDirectory(dir=os.environ.get("NXSTXM_BENCH_DIR")) as folder:
                gc.collect()
                begin = time.perf_counter()
                said[what].append(sides[what](Path(folder)))
                times[what].append(time.perf_counter() - begin)
                frames.append(values(Path(folder), runs))
        assert all(frame == frames[0] for frame in frames)
    return times, said


def values(folder: Path, runs: int) -> list[list[float]]:
    """Read the numbers of a table, whoever has made it."""
    with RunTable(folder, readonly=True) as made:
        frame = made.database.to_pandas()
    found = [frame[f"v{n}"].tolist() for n in range(1, VALUES + 1)]
    assert [len(column) for column in found] == [runs] * VALUES
    return found


def main() -> int:
    parser: argparse.ArgumentParser = arguments(__doc__)
    options = parser.parse_args()
    machine()
    os.environ["AMORE_BROKER"] = "none"  # DAMNIT without Kafka
    warnings.filterwarnings("ignore", "No data available for this run")  # processed data
    if Damnit is None:
        print("DAMNIT is not available: only ours is measured\n")
    missed: list[str] = []
    compared(options.quick, options.rounds or (1 if options.quick else 3), missed)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
