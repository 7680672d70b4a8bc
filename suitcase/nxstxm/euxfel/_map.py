"""What stands beside the files of a run: their map, which makes opening quick, and aliases."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from ._place import RunPlace

MAP = "karabo_data_map.json"


def write_map(folder: Path) -> None:
    """Write what EXtra-data wants to know of the files of a run before it opens them."""
    found = [_facts(path) for path in sorted(folder.glob("*.h5"))]
    _replace(folder / MAP, json.dumps(found))


def _facts(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as h5:
        trains = h5["INDEX/trainId"][()].tolist()
        ids = h5["METADATA/dataSources/dataSourceId"].asstr()[()].tolist()
    control = sorted(name.split("/", 1)[1] for name in ids if name.startswith("CONTROL/"))
    instrument = sorted(
        {name.split("/", 1)[1].rsplit("/", 1)[0] for name in ids if name.startswith("INSTRUMENT/")}
    )
    stat = path.stat()
    return {
        "filename": path.name, "mtime": stat.st_mtime, "size": stat.st_size, "train_ids": trains,
        "control_sources": control, "instrument_sources": instrument, "legacy_sources": {},
        "suspect_train_indices": [],
    }  # fmt: skip


def write_aliases(place: RunPlace, streams: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
    """Write short names for readings, where EXtra-data finds them by itself.

    A data key is an alias of its own reading in the first stream that has it; runs of a proposal
    share the file, so what an earlier run said stays.
    """
    path = place.user_folder / "extra-data-aliases.yml"
    known: dict[str, Any] = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text("utf-8"))
        except ValueError:
            return  # somebody's own
    for aliases in streams.values():
        for key, where in aliases.items():
            known.setdefault(key, list(where))
    path.parent.mkdir(exist_ok=True)
    _replace(path, json.dumps(known, indent=1))  # which is YAML too


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
