"""Ten thousand events of four numbers, exported, against plain h5py that writes the same tree.

Two peers: one has all arrays ready in memory (the targets are about this one), the other gathers
them from the same documents, as a program of a few lines would. Exports always keep the archive;
``RunStage(archive=False)`` is the part of them that can leave it out.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _documents import Document, pages, scalars
from _pairs import HEADINGS, Work, arguments, leave, machine, pair, table, without_fsync
from _trees import Node, check_same, read_tree, with_data, write_tree

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.documents import segments
from suitcase.nxstxm.nexus import RunStage, WriterOptions, finish_file, new_temporary_file

#: What is exported, with the archive or without, and the ratio that is wanted.
CASES = (
    ("events", True, 5.0),
    ("events", False, 3.0),
    ("pages", True, 3.0),
    ("pages", False, 2.0),
)


def with_archive(docs: list[Document], folder: Path) -> Path:
    return export_scan([docs], folder)


def without_archive(docs: list[Document], folder: Path) -> Path:
    start, options = docs[0][1], WriterOptions.of()
    stage = RunStage(start, options, archive=False)
    stage.file = file = new_temporary_file(folder, "ours", start["uid"])
    for name, some, _ in segments(docs[1:]):
        if name == "event":
            stage.take_events(some)
        else:
            stage.take(name, some[0])
    return finish_file(file, [stage.finish()], "ours", options)


def gathered(docs: list[Document]) -> dict[str, np.ndarray[Any, Any]]:
    """Gather the columns of a run, in a few lines."""
    columns: dict[str, list[Any]] = {}
    for name, doc in docs:
        if name == "event":
            for key, value in doc["data"].items():
                columns.setdefault(key, []).append(value)
        elif name == "event_page":
            for key, values in doc["data"].items():
                columns.setdefault(key, []).extend(values)
    return {key: np.asarray(values) for key, values in columns.items()}


def gather_and_write(docs: list[Document], nodes: list[Node], folder: Path) -> Path:
    columns = gathered(docs)
    [entry] = {node.path.split("/")[1] for node in nodes if node.path != "/"}
    places = {}
    for key, array in columns.items():
        places[f"/{entry}/instrument/{key}/data"] = array
        places[f"/{entry}/{key}/data"] = array
    return write_tree(with_data(nodes, places), folder)


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (3 if options.quick else 11)
    events = list(scalars(2000 if options.quick else 10_000))
    forms = {"events": events, "pages": list(pages(events))}
    rows, missed = [], []
    for form, archive, target in CASES:
        docs, export = forms[form], with_archive if archive else without_archive
        with tempfile.TemporaryDirectory() as folder:
            nodes = read_tree(export(docs, Path(folder)))
            check_same(nodes, read_tree(gather_and_write(docs, nodes, Path(folder))))

        def ours(folder: Path, docs: Any = docs, export: Any = export) -> object:
            return export(docs, folder)

        def peer(folder: Path, nodes: Any = nodes) -> object:
            return write_tree(nodes, folder)

        def gather(folder: Path, docs: Any = docs, nodes: Any = nodes) -> object:
            return gather_and_write(docs, nodes, folder)

        kept = "with archive" if archive else "no archive"
        name = f"{form}, {kept}"
        cases: tuple[tuple[str, str, Work, Work, float | None], ...] = (
            ("arrays", "both", ours, peer, target),
            ("arrays", "neither", without_fsync(ours), without_fsync(peer), target),
            ("gathers", "neither", without_fsync(ours), without_fsync(gather), None),
        )
        for whose, fsync, mine, theirs, wanted in cases:
            found = pair(mine, theirs, rounds)
            rows.append([name, whose, fsync, *found.cells(wanted)])
            if fsync == "both" and wanted is not None and found.ratio > wanted:
                missed.append(f"{name} {found.ratio:.2f} > {wanted:g}")
    table(("what", "peer", "fsync", *HEADINGS), rows)
    return leave(missed, options.check)


if __name__ == "__main__":
    sys.exit(main())
