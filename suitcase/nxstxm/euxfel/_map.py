"""What stands beside the files of a run: their map, which makes opening quick, and aliases."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ._file import FileFacts
from ._place import RunPlace

MAP = "karabo_data_map.json"


def write_map(folder: Path, files: Iterable[FileFacts]) -> None:
    """Write what EXtra-data wants to know of the files of a run before it opens them."""
    _replace(folder / MAP, json.dumps([_entry(file) for file in files]))


def _entry(file: FileFacts) -> dict[str, Any]:
    named = [source.split("/", 1) for source in file.sources]
    instrument = {name.rsplit("/", 1)[0] for root, name in named if root == "INSTRUMENT"}
    stat = file.path.stat()
    return {
        "filename": file.path.name, "mtime": stat.st_mtime, "size": stat.st_size,
        "train_ids": file.train_ids, "suspect_train_indices": [], "legacy_sources": {},
        "control_sources": sorted(name for root, name in named if root == "CONTROL"),
        "instrument_sources": sorted(instrument),
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
