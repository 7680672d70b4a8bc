"""How the samples of lines became points, in an NXprocess of the entry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .._h5write import mark, text
from ..scans import BY_ORDER, BY_POSITION
from ._check_rules import BINNED_BY
from ._encoding import group, values
from ._version import PROGRAM, version

if TYPE_CHECKING:
    from ._entry import EntryWriter
    from ._points import Points

#: Group of the process.
HOME = "binning"


def mark_binned(dataset: h5py.Dataset, name: str, points: Points) -> None:
    """Mark the list of a group as one of samples, where it is."""
    if name in points.samples.lengths:
        mark(dataset, BINNED_BY, f"{HOME}/samples_{name}")


def write_binning(writer: EntryWriter) -> None:
    """Say what was binned and how, where lists have samples that are not the points.

    Beside the fields of NXprocess (https://manual.nexusformat.org/classes/base_classes/
    NXprocess.html) stands how many samples each line of a list has: with it the list can be parted
    into lines again.
    """
    samples = writer.points.samples.lengths
    if not samples:
        return
    made = group(writer.entry, HOME, "NXprocess")
    text(made, "program", PROGRAM)
    text(made, "version", version())
    values(made, "sequence_index", 1 + max(len(r.processing) for r in writer.job.records))
    lines = next(
        (found for found in writer.points.samples.lines.values() if found is not None), None
    )
    by_position = lines is not None and lines.line.setpoints is not None
    about: dict[str, Any] = {"method": BY_POSITION if by_position else BY_ORDER}
    if lines is not None:
        about |= {"axis": lines.line.axis, "positions": lines.line.key}
    if blocks := sorted(writer.points.samples.blocks):
        about["of_whole_lines"] = blocks
    for name, parts in samples.items():
        values(made, f"samples_{name}", np.concatenate(parts), "1")
    note = group(made, "options", "NXnote")
    text(note, "type", "application/json")
    text(note, "data", json.dumps(about))
    parted = [name for name in samples if name not in writer.points.samples.blocks]
    if not parted:
        return
    writer.messages.append(
        f"the samples of {', '.join(parted)} are not the points of the lines: their lists have "
        f"all of them, the pictures have the {about['method']}"
    )
