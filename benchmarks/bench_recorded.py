"""Recorded scans, exported, against plain h5py that writes the same tree from memory.

The peer knows what to write: all groups, attributes, arrays and links of our finished file are in
memory before it begins. So the ratio is what it costs to understand the documents, to keep them,
and to write in a way that survives a full disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from _pairs import HEADINGS, arguments, leave, machine, pair, table, without_fsync
from _trees import check_same, counts, read_tree, write_tree

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.exchange import scans_in

TARGET = 2.0
BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "recorded"
RECORDED = Path(os.environ.get("NXSTXM_RECORDED", BESIDE))


def documents(path: Path) -> list[list[tuple[str, Any]]]:
    """Read the runs of a recorded scan."""
    [scan] = scans_in(path)
    return [list(run.documents()) for run in scan.runs]


def main() -> int:
    options = arguments(__doc__).parse_args()
    found = sorted(RECORDED.glob("*.json"))
    if not found:
        print(f"skipped: no recorded scans in {RECORDED}; set NXSTXM_RECORDED")
        return 0
    machine()
    rounds = options.rounds or (3 if options.quick else 9)
    rows, missed, trees = [], [], []
    for path in found:
        runs = documents(path)
        with tempfile.TemporaryDirectory() as folder:
            nodes = read_tree(export_scan(runs, folder))
            check_same(nodes, read_tree(write_tree(nodes, Path(folder))))
        trees.append((path.stem, counts(nodes)))

        def ours(folder: Path, runs: Any = runs) -> object:
            return export_scan(runs, folder)

        def peer(folder: Path, nodes: Any = nodes) -> object:
            return write_tree(nodes, folder)

        both = pair(ours, peer, rounds)
        rows.append([path.stem, "both", *both.cells(TARGET)])
        neither = pair(without_fsync(ours), without_fsync(peer), rounds)
        rows.append([path.stem, "neither", *neither.cells(TARGET)])
        if both.ratio > TARGET:
            missed.append(f"{path.stem} {both.ratio:.2f} > {TARGET:g}")
    table(("scan", "fsync", *HEADINGS), rows)
    print()
    table(("scan", "what the file holds"), trees)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
