"""What stands beside the files of a run: their map, which makes opening quick, and aliases."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py

from ._file import FileFacts
from ._place import RunPlace

MAP = "karabo_data_map.json"


def write_map(folder: Path, files: Iterable[FileFacts]) -> None:
    """Write what EXtra-data wants to know of the files of a run before it opens them.

    Train ids are read from the files: a run may have any number of them.
    """
    temporary = _beside(folder / MAP)
    with temporary.open("w", encoding="utf-8") as out:
        begin = "["
        for file in files:
            out.write(begin + json.dumps(_entry(file), separators=(",", ":")))
            begin = ", "
        out.write("]" if begin == ", " else "[]")
    temporary.replace(folder / MAP)


def _entry(file: FileFacts) -> dict[str, Any]:
    named = [source.split("/", 1) for source in file.sources]
    instrument = {name.rsplit("/", 1)[0] for root, name in named if root == "INSTRUMENT"}
    with h5py.File(file.path, "r") as h5:
        train_ids = h5["INDEX/trainId"][()].tolist()
    stat = file.path.stat()
    return {
        "filename": file.path.name, "mtime": stat.st_mtime, "size": stat.st_size,
        "train_ids": train_ids, "suspect_train_indices": [], "legacy_sources": dict(file.legacy),
        "control_sources": sorted(name for root, name in named if root == "CONTROL"),
        "instrument_sources": sorted(instrument),
    }  # fmt: skip


def write_aliases(place: RunPlace, streams: Iterable[Mapping[str, tuple[str, str]]]) -> None:
    """Write short names for readings, where EXtra-data finds them by itself.

    A data key is an alias of its own reading in the first stream that has it; runs of a proposal
    share the file, so what an earlier run said stays.
    """
    path = place.user_folder / "extra-data-aliases.yml"
    known: Any = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text("utf-8"))
        except ValueError:
            return  # somebody's own
    if not isinstance(known, dict):
        return
    n = len(known)
    for aliases in streams:
        for key, where in aliases.items():
            known.setdefault(key, list(where))
    if len(known) > n:
        path.parent.mkdir(exist_ok=True)
        temporary = _beside(path)
        temporary.write_text(json.dumps(known, indent=1), "utf-8")  # which is YAML too
        temporary.replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
