"""Fly scans of which each event brings a whole line, as it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
from bluesky import RunEngine
from ophyd import Signal

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.nexus import nexusformat_problems, validate

NX = 5
ROLES = {"sample_x": "encoder", "sample_y": "y"}
#: More samples than points; the sample is 10 * y + x.
THERE = np.linspace(-0.5, 4.5, 100)


def flown(rows: Sequence[dict[str, Any]], n_lines: int = 3, snake: bool = False) -> list[Any]:
    """Measure lines of `NX` points; a row says what each device reads at the end of its line."""
    signals = {name: Signal(name=name, value=0.0, kind="hinted") for name in ("y", *rows[0])}

    @bpp.run_decorator(
        md={"motors": ["y", "encoder"], "shape": [n_lines, NX], "snaking": [False, snake],
            "extents": [[0, n_lines - 1], [0, NX - 1]], "num_points": n_lines * NX,
            "hints": {"dimensions": [[["y"], "primary"], [["encoder"], "primary"]]}}
    )  # fmt: skip
    def plan() -> Iterator[Any]:
        for line, row in enumerate(rows):
            for name, value in {"y": float(line), **row}.items():
                signals[name].put(value)  # which does not wait until NaN is NaN
            yield from bps.create("primary")
            for signal in signals.values():
                yield from bps.read(signal)
            yield from bps.save()

    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine(plan(), lambda name, doc: documents.append((name, doc)))
    return documents


def exported(documents: list[Any], folder: Path, **options: Any) -> Path:
    """Export a scan; the file has no errors."""
    path = export_scan(documents, folder, **{"devices": ROLES, **options})
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    return path


def told(h5: h5py.File) -> str:
    """Give the messages of the entry."""
    home = h5["entry0/collection"]
    return "\n".join(home["messages"].asstr()[()]) if "messages" in home else ""
