"""The run table written and read: against DAMNIT, by the number of runs, and its last rows.

The peer is DAMNIT's own database code and API, in the same process; the values are the same. What
DAMNIT needs is in an environment of its own, ``.venv-damnit``, which is made when it is not there.
Without DAMNIT only ours is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from _environments import in_environment

#: How much faster writing and reading must be; growth of the cost of a write; milliseconds.
WRITE, READ, GROWTH, OPEN = 20.0, 3.0, 1.5, 200.0

if __name__ == "__main__":
    in_environment(__file__, "damnit", ["damnit"])

from _pairs import HEADINGS, arguments, leave, machine, once, pair, table, timed  # noqa: E402

from suitcase.nxstxm.variables._database import Database  # noqa: E402 - of the right environment
from suitcase.nxstxm.variables._stored_cell import StoredCell  # noqa: E402

try:
    from damnit import Damnit
    from damnit.backend.db import DamnitDB, ReducedData
except ImportError:
    Damnit = None

PROPOSAL = 900001
UNITS = {"units": "um"}


def value(run: int, number: int) -> Any:
    """Give a value: most are numbers, some text."""
    return f"sample {run % 7}" if number % 10 == 9 else run * 0.1 + number


# -- writing --------------------------------------------------------------------------------------


def write_ours(folder: Path, runs: int, values: int) -> None:
    made = Database(folder / "runs.sqlite", create=True)
    made.metameta["proposal"] = PROPOSAL
    for run in range(1, runs + 1):
        cells = [
            StoredCell(f"v{n}", value(run, n), provenance="context.py", attributes=UNITS)
            for n in range(values)
        ]
        made.set_cells(PROPOSAL, run, cells, start_time=1.7e9 + run)
    made.close()


def write_theirs(folder: Path, runs: int, values: int) -> None:
    with DamnitDB(folder / "runs.sqlite", create=True) as made:
        made.metameta["proposal"] = PROPOSAL
        for run in range(1, runs + 1):
            cells = {f"v{n}": ReducedData(value(run, n), attributes=UNITS) for n in range(values)}
            made.set_variables(PROPOSAL, run, cells, "context.py", start_time=1.7e9 + run)


def through(quick: bool, rounds: int, missed: list[str]) -> None:
    """Compare writing a table, run by run, and reading it whole."""
    runs, values = (100, 20) if quick else (2000, 50)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write_ours(home, runs, values)
        ours = Database(home / "runs.sqlite")
        cases: list[tuple[str, float, Callable[[Path], object], Callable[[Path], object]]] = [
            (
                "written",
                1 / WRITE,
                lambda to: write_ours(to, runs, values),
                lambda to: write_theirs(to, runs, values),
            ),
            (
                "read into pandas",
                1 / READ,
                lambda _: ours.to_pandas(),
                lambda _: Damnit(home).table(),
            ),
        ]
        rows = []
        for what, target, mine, theirs in cases:
            if Damnit is None:
                spent = median(timed(mine) for _ in range(rounds))
                rows.append([what, f"{1e3 * spent:.1f}", *[""] * 5])
                continue
            # the reading of pandas itself is quick: more rounds, for it is easily disturbed
            found = pair(mine, theirs, rounds if what == "written" else 3 * rounds)
            if quick and what == "written":
                rows.append([what, *found.cells(None)])  # DAMNIT's cost grows with the runs
                continue
            rows.append([what, *found.cells(round(target, 3))])
            if found.ratio > target:
                missed.append(f"{what}: {found.ratio:.3f} > {target:.3f}")
        if Damnit is not None:
            frame, other = ours.to_pandas(), Damnit(home).table()
            assert frame["v1"].tolist() == other["v1"].tolist()
            assert len(frame) == runs
        ours.close()
    table((f"{runs:,} runs x {values}", *HEADINGS), rows)


# -- very many ------------------------------------------------------------------------------------


def filled(path: Path, runs: int, values: int) -> Database:
    """Make a table of very many runs, in one go."""
    made = Database(path, create=True)
    made.set_cells(PROPOSAL, 1, [StoredCell(f"v{n}", value(1, n)) for n in range(values)])
    made.delete_run(PROPOSAL, 1)
    with made.writing() as db:
        db.executemany(
            "INSERT INTO run_info(proposal, run, start_time, added_at) VALUES(?, ?, ?, 0)",
            ((PROPOSAL, run, 1.7e9 + run) for run in range(1, runs + 1)),
        )
        db.executemany(
            "INSERT INTO run_variables(proposal, run, name, version, value) VALUES(?, ?, ?, 1, ?)",
            (
                (PROPOSAL, run, f"v{n}", value(run, n))
                for run in range(1, runs + 1)
                for n in range(values)
            ),
        )
    return made


def among_many(quick: bool, missed: list[str]) -> None:
    """Time the opening of a large table, its last rows, and a write to it."""
    few, many, values = (10, 2000, 10) if quick else (100, 100_000, 10)
    rows: list[list[str]] = []
    spent: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for runs in (few, many):
            path = Path(name, f"{runs}.sqlite")
            made = filled(path, runs, values)
            spent[runs] = _writing(made, runs, values)
            made.close()
        for what, readonly in (("opened, last 50 rows", False), ("the same, read-only", True)):
            times = sorted(1e3 * once(lambda r=readonly: _look(path, r)) for _ in range(50))
            late = quantiles(times, n=100)[94]
            met = late <= OPEN
            rows.append(
                [what, f"{median(times):.1f}", f"{late:.1f}", f"{OPEN:g}", "yes" if met else "no"]
            )
            if not met:
                missed.append(f"{what}: {late:.0f} ms > {OPEN:g} ms")
    print()
    table((f"{many:,} runs x {values}", "ms", "95 %", "target", "met"), rows)
    ratio = spent[many] / spent[few]
    met = ratio <= GROWTH
    print()
    table(
        ("a run written", f"ms among {few:,}", f"among {many:,}", "ratio", "target", "met"),
        [["", f"{1e3 * spent[few]:.2f}", f"{1e3 * spent[many]:.2f}", f"{ratio:.2f}", f"{GROWTH:g}",
          "yes" if met else "no"]],
    )  # fmt: skip
    if not met:
        missed.append(f"cost of a write: {ratio:.2f} > {GROWTH:g}")


def _writing(made: Database, runs: int, values: int) -> float:
    """Give the seconds that a run more takes."""

    def write(run: int) -> None:
        cells = [StoredCell(f"v{n}", value(run, n), provenance="context.py") for n in range(values)]
        made.set_cells(PROPOSAL, run, cells, start_time=1.7e9 + run)

    return median(once(lambda run=run: write(run)) for run in range(runs + 1, runs + 201))


def _look(path: Path, readonly: bool) -> None:
    opened = Database(path, readonly=readonly)
    assert len(opened.rows(50)) == 50
    opened.close()


def main() -> int:
    parser: argparse.ArgumentParser = arguments(__doc__)
    options = parser.parse_args()
    machine()
    if Damnit is None:
        print("DAMNIT is not available: only ours is measured\n")
    rounds = options.rounds or (1 if options.quick else 3)
    missed: list[str] = []
    through(options.quick, rounds, missed)
    among_many(options.quick, missed)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
