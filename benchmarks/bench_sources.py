"""Scans from where they are stored: by two processes instead of one, and from databroker.

The peers: the same files exported by one process; the loop over a run's documents in which
databroker gives them, and nothing is done with them; and the export of these. The last two need
databroker: run it with the Python of an environment that has it (``.venv-databroker1``, which the
slow tests make).
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from _pairs import HEADINGS, Pair, arguments, leave, machine, pair, table

from suitcase.nxstxm import export_scan, export_scans
from suitcase.nxstxm.documents import write_archive
from suitcase.nxstxm.sim import ScanRequest, Span, all_requests, scan_documents

#: Two processes must be faster by this factor: the ratio of their time to that of one.
FASTER = 1.7
TARGET_JOBS, TARGET_DATABROKER = 1 / FASTER, 1.3
Runs = list[list[tuple[str, dict[str, Any]]]]


# -- processes ------------------------------------------------------------------------------------


def store(folder: Path, count: int) -> list[Path]:
    """Write stacks, each in a file of its own."""
    usual = all_requests()["pystxm2019-sample_image_stack-lines"]
    [region] = usual.regions
    # as recorded ones are: some dozens of energies, some thousand points each
    square = region._replace(x=Span(-4, 4, 50), y=Span(-3, 3, 50))
    energies = tuple(700.0 + 0.5 * i for i in range(20))
    usual = replace(usual, regions=(square,), energies=energies)
    paths = []
    for number in range(count):
        start = usual.start_time + 10_000.0 * number
        runs = scan_documents(replace(usual, start_time=start, scan_id=1 + 100 * number))
        paths.append(folder / f"{number}.nxdocs")
        write_archive([document for run in runs for document in run], paths[-1])
    return paths


def two_against_one(count: int, rounds: int) -> Pair:
    """Export by two processes and by one."""
    with tempfile.TemporaryDirectory() as folder:
        paths = store(Path(folder), count)

        def exported(jobs: int) -> Callable[[Path], object]:
            return lambda target: export_scans(paths, target, jobs=jobs)

        return pair(exported(2), exported(1), rounds)


# -- databroker -----------------------------------------------------------------------------------


def image(n: int) -> Runs:
    """Give an image of n x n points, each an event."""
    usual = all_requests()["pystxm2019-sample_image-points"]
    return scan_documents(replace(usual, regions=(_square(usual, n),)))


def stack(n: int) -> Runs:
    """Give a stack of three images of n x n points, each line an event."""
    usual = all_requests()["pystxm2019-sample_image_stack-lines"]
    return scan_documents(replace(usual, regions=(_square(usual, n),)))


def _square(request: ScanRequest, n: int) -> Any:
    [region] = request.regions
    return region._replace(x=Span(-4, 4, n), y=Span(-3, 3, n))


@contextmanager
def quiet() -> Iterator[None]:
    """Let databroker and Tiled say nothing: their words are not about what is measured."""
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere:
        warnings.simplefilter("ignore")
        kept, sys.stderr = sys.stderr, nowhere
        try:
            yield
        finally:
            sys.stderr = kept


def from_databroker(quick: bool, rounds: int) -> dict[str, tuple[Pair, float | None]]:
    """Measure with the databroker that is here; nothing where there is none.

    A short scan costs its file, which a loop that writes nothing does not pay: for the stack the
    peer of the target is the export of what databroker's `documents()` gives.
    """
    try:
        with quiet():
            import databroker.v2
    except ImportError:
        return {}
    n = 10 if quick else 100
    found: dict[str, tuple[Pair, float | None]] = {}
    with quiet():
        catalog = databroker.v2.temp()
        name = f"databroker {databroker.__version__}"
        for what, runs in ((f"{n} x {n} points", image(n)), (f"3 x {n} lines", stack(n))):
            for run in runs:
                for document in run:
                    catalog.v1.insert(*document)
            uids = [run[0][1]["uid"] for run in runs]
            targets = (TARGET_DATABROKER, None) if "points" in what else (None, TARGET_DATABROKER)
            for (against, peer), target in zip(peers(catalog, uids), targets, strict=True):
                ours = partial(export_scan, catalog, uids=uids)
                found[f"{name}, {what}, {against}"] = (pair(ours, peer, rounds), target)
    return found


def peers(catalog: Any, uids: list[str]) -> list[tuple[str, Callable[[Path], object]]]:
    """Give what an export is compared with."""

    def documents() -> list[Any]:
        return [catalog.v1[uid].documents() for uid in uids]

    def loop(_folder: Path) -> object:
        return [sum(1 for _ in each) for each in documents()]

    return [
        ("documents()", loop),
        ("documents() exported", lambda folder: export_scan(documents(), folder)),
    ]


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    count = 6 if options.quick else 100
    both = two_against_one(count, options.rounds or (1 if options.quick else 3))
    name = f"{count} stacks, 2 processes against 1"
    rows, missed = [[name, *both.cells(round(TARGET_JOBS, 2))]], []
    if both.ratio > TARGET_JOBS:
        missed.append(f"{name}: {1 / both.ratio:.2f} times faster, not {FASTER:g}")
    found = from_databroker(options.quick, options.rounds or (2 if options.quick else 7))
    for name, (both, target) in found.items():
        rows.append([name, *both.cells(target)])
        if target is not None and both.ratio > target:
            missed.append(f"{name}: {both.ratio:.2f} > {target:g}")
    table(("what", *HEADINGS), rows)
    if not found:
        print("\nskipped: databroker is not installed here; run with an environment that has it")
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
