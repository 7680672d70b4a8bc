"""What stands beside the files of a run: their map, which makes opening quick, and aliases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from .._locks import lock_file
from .._log import logger
from ._file import FileFacts
from ._place import RunPlace

MAP = "karabo_data_map.json"
#: Where the readings of data keys are, as EXtra-data names it: source and key.
Aliases = Mapping[str, tuple[str, str]]


def write_beside(
    place: RunPlace,
    files: Sequence[FileFacts],
    streams: Sequence[tuple[str, Aliases]],
    close_trains: Callable[[], None],
) -> None:
    """Write what stands beside the files of a run, which is complete without.

    Parameters
    ----------
    place : RunPlace
        The run.
    files : sequence of FileFacts
        Its files.
    streams : sequence of (str, Mapping)
        Name of each stream, and where its data keys are.
    close_trains : callable
        Gives back the train ids that it has not used.
    """
    works: tuple[tuple[str, Callable[[], None]], ...] = (
        ("the map of its files", lambda: write_map(place.folder, files)),
        ("its last train id", close_trains),
        ("its aliases", lambda: write_aliases(place, streams)),
    )
    for what, work in works:
        try:
            work()
        except OSError as error:
            logger.warning("%s: %s could not be written (%s)", place.folder, what, error)


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


def write_aliases(place: RunPlace, streams: Sequence[tuple[str, Aliases]]) -> None:
    """Write short names for readings, where EXtra-data finds them by itself.

    A data key is an alias of its own reading, in the first stream that has it; where the alias
    names another reading already, since runs of a proposal share the file, it is
    ``<data key>-<stream>``. What an alias means never changes.

    Parameters
    ----------
    place : RunPlace
        The run.
    streams : sequence of (str, Mapping)
        Name of each stream, and where its data keys are.

    Raises
    ------
    OSError
        The file can not be written, or another process keeps it for too long.
    """
    path = place.user_folder / "extra-data-aliases.yml"
    if _extended(path, streams) is None:
        return
    path.parent.mkdir(exist_ok=True)
    with lock_file(path.parent, path.name):
        known = _extended(path, streams)  # others may have written meanwhile
        if known is not None:
            temporary = _beside(path)
            temporary.write_text(json.dumps(known, indent=1), "utf-8")  # which is YAML too
            temporary.replace(path)


def _extended(path: Path, streams: Iterable[tuple[str, Aliases]]) -> dict[str, Any] | None:
    """Give what a file of aliases is to have; None where it has all, or is somebody's own."""
    known: Any = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text("utf-8"))
        except ValueError:
            return None
    if not isinstance(known, dict):
        return None
    meant = {_as_compared(alias): where for alias, where in _flat(known)}
    n = len(known)
    for stream, aliases in streams:
        for key, (source, its) in aliases.items():
            for alias in (key, f"{key}-{stream}"):
                name = _as_compared(alias)
                if name not in meant:
                    meant[name] = known[alias] = [source, its]
                if meant[name] == [source, its]:
                    break
    return known if len(known) > n else None


def _flat(known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each alias of a file, those under the name of a source too, and what it means."""
    for alias, where in known.items():
        if isinstance(where, dict):
            yield from ((each, [alias, key]) for each, key in where.items())
        else:
            yield alias, where


def _as_compared(alias: str) -> str:
    """Give an alias as EXtra-data compares it: it refuses files with two that are the same."""
    return alias.lower().replace("_", "-")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
