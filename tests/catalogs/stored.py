"""The scans of these tests where they are stored, and what a direct export makes of them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import event_model
import h5py
from suitcase.jsonl import export as export_jsonl
from suitcase.msgpack import export as export_msgpack

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.documents import difference, stored_runs, write_archive
from suitcase.nxstxm.nexus import read_documents

from ..exchange import same
from .scans import ASIDE, Runs, Scan, all_scans


@dataclass(frozen=True)
class Stored:
    """All scans by name, and the folder that they and everything else of a session is in."""

    folder: Path
    scans: dict[str, Scan]

    @classmethod
    def made_in(cls, folder: Path) -> Stored:
        """Make them."""
        found = cls(folder, {scan.name: scan for scan in all_scans(folder / "files")})
        with found.pickle.open("wb") as file:
            pickle.dump([tuple(scan) for scan in found.scans.values()], file)
        for scan in found.scans.values():
            export_scan(scan.runs, folder / "direct", file_prefix=scan.name)
        return found

    @property
    def pickle(self) -> Path:
        """All documents, as the workers read them."""
        return self.folder / "scans.pickle"

    @property
    def files(self) -> Path:
        """The folder with the files of the simulated camera."""
        return self.folder / "files"

    @property
    def of_the_table(self) -> list[str]:
        """The names of the scans that have a place in the table."""
        return [scan.name for scan in self.scans.values() if scan.kind != ASIDE]

    @property
    def one_of_each(self) -> list[str]:
        """The name of one scan of each kind, that with the most runs."""
        last = {self.scans[name].kind: name for name in self.of_the_table}
        return list(last.values())

    def uids(self, name: str) -> list[str]:
        """Give what a RunEngine would have returned."""
        return [run[0][1]["uid"] for run in self.scans[name].runs]

    def direct(self, name: str) -> Path:
        """Give the file of a direct export."""
        return self.folder / "direct" / f"{name}.hdf5"

    def differences(self, name: str, path: Path, *, documents: bool = False) -> list[str]:
        """Name where a file differs from that of a direct export, and if asked, its documents."""
        direct = self.direct(name)
        with h5py.File(direct) as one, h5py.File(path) as other:
            found = [told for told in same.differences(one, other) if not _may_differ(told)]
        told = difference(read_documents(direct), read_documents(path)) if documents else None
        return found if told is None else [*found, f"documents: {told}"]


def _may_differ(told: str) -> bool:
    """Tell of what is no loss: who wrote a file, and how many documents its archive has.

    A source may pack events into pages; environments may have other versions of HDF5.
    """
    where = told.partition(":")[0]
    return where in ("/@HDF5_Version", "/@h5py_version") or (
        "/collection/bluesky/" in where and where.endswith("@documents")
    )


# -- files ----------------------------------------------------------------------------------------


def as_msgpack(runs: Runs, folder: Path) -> Any:
    return _each(runs, folder, export_msgpack)


def as_lines(runs: Runs, folder: Path) -> Any:
    return _each(runs, folder, export_jsonl)


def _each(runs: Runs, folder: Path, export: Callable[..., dict[str, list[Path]]]) -> Any:
    """Store each run in a file of its own, as these suitcases do."""
    return [run for docs in runs for run in _run_in(export(iter(docs), folder, "{start[uid]}"))]


def _run_in(artifacts: dict[str, list[Path]]) -> Iterable[Any]:
    [path] = artifacts["all"]
    return stored_runs(path)


def as_archive(runs: Runs, folder: Path) -> Any:
    write_archive([document for run in runs for document in run], folder / "scan.nxdocs")
    return folder / "scan.nxdocs"


def as_recorded(runs: Runs, folder: Path) -> Any:
    groups = {run[0][1]["uid"]: event_model.sanitize_doc(run) for run in runs}
    (folder / "scan.json").write_text(json.dumps(groups), "utf-8")
    return folder / "scan.json"


def as_own_file(runs: Runs, folder: Path) -> Any:
    return export_scan(runs, folder, file_prefix="first")


#: What a file is called in the table, and how a scan comes into it.
FILES: dict[str, Callable[[Runs, Path], Any]] = {
    "suitcase-msgpack": as_msgpack,
    "suitcase-jsonl": as_lines,
    "archive": as_archive,
    "recorded JSON": as_recorded,
    "NXstxm file of ours": as_own_file,
}


def write_lines(stored: Stored, folder: Path) -> Path:
    """Write a folder of JSON lines and the file by which databroker 1 finds it as ``lines``."""
    lines = folder / "lines"
    for name in stored.of_the_table:
        for run in stored.scans[name].runs:
            export_jsonl(iter(run), lines, "{start[uid]}")
    source = {"driver": "bluesky-jsonl-catalog", "args": {"paths": [f"{lines}/*.jsonl"]}}
    # any JSON is YAML
    (folder / "lines.yml").write_text(json.dumps({"sources": {"lines": source}}), "utf-8")
    return folder
