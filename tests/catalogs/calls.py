"""A process that does what a test asks of it: one line of JSON in, one out, for each call.

The scripts beside it run in environments that exclude each other and that of the tests; they
import this as a neighbour. An answer is ``["done", value]``; ``["refused", kind, message]`` for an
error of ours; or ``["broken", traceback]``.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Timer
from typing import Any

from suitcase.nxstxm import NXstxmError, export_scan

Document = tuple[str, dict[str, Any]]
Runs = list[list[Document]]
Insert = Callable[[str, dict[str, Any]], object]
#: Makes a source of the uids of a scan, and the options of `export_scan`.
Way = Callable[[list[str]], tuple[Any, dict[str, Any]]]


class Calls:
    """What a worker can do, for each of its catalogs.

    Parameters
    ----------
    inserts : Mapping of str to callable
        Takes a document, by the name of the catalog.
    ways : Mapping of str to Mapping of str to Way
        How scans are exported from it; the first is used where one is enough.
    """

    def __init__(
        self, inserts: Mapping[str, Insert], ways: Mapping[str, Mapping[str, Way]]
    ) -> None:
        with Path(sys.argv[1]).open("rb") as file:
            stored = pickle.load(file)
        self.scans: dict[str, Runs] = {name: runs for _, name, runs in stored}
        self.inserts = inserts
        self.ways = dict(ways)

    def fill(self, catalog: str, scans: list[str]) -> dict[str, str]:
        """Insert scans, where they are not already; give what went wrong."""
        failed: dict[str, str] = {}
        for scan in scans if catalog in self.inserts else ():
            try:
                for run in self.scans[scan]:
                    for document in run:
                        self.inserts[catalog](*document)
            except Exception as error:  # noqa: BLE001 - the table tells of all
                failed[scan] = f"{type(error).__name__}: {error}"[:1000]
        return failed

    def insert(self, catalog: str, scan: str, run: int, first: int, last: int | None) -> None:
        """Insert some documents of a run."""
        for document in self.scans[scan][run][first:last]:
            self.inserts[catalog](*document)

    def insert_later(self, seconds: float, *what: Any) -> None:
        """Insert them from a thread, after some time."""
        Timer(seconds, self.insert, what).start()

    def names(self, catalog: str) -> list[str]:
        """Give the names of the ways."""
        return list(self.ways[catalog])

    def export(self, catalog: str, way: str, scans: list[str], folder: str) -> dict[str, str]:
        """Export scans in a way, into a folder; give what went wrong."""
        failed: dict[str, str] = {}
        for scan in scans:
            try:
                self._export(catalog, way, uids_of(self.scans[scan]), Path(folder, f"{scan}.hdf5"))
            except Exception as error:  # noqa: BLE001 - the table tells of all
                failed[scan] = f"{type(error).__name__}: {error}"[:1000]
        return failed

    def export_one(self, catalog: str, uids: Any, target: str, options: dict[str, Any]) -> None:
        """Export one scan in the first way, and let its errors be told."""
        self._export(catalog, next(iter(self.ways[catalog])), uids, Path(target), **options)

    def as_storage(self, catalog: str, scan: str, folder: str) -> dict[str, Any]:
        """Look at the first way's catalog as a frontend of storage; have a scan exported by it."""
        from suitcase.nxstxm.storage import CatalogFrontend, DataKey

        uids = uids_of(self.scans[scan])
        source, _ = self.ways[catalog][next(iter(self.ways[catalog]))](uids)
        frontend = CatalogFrontend(source, directory=folder)
        at = frontend.find(DataKey(uids[0], "scan", {"scan": ("scan", "1", {})}))
        return {
            "knows it": uids[0] in set(frontend.runs()),
            "start": frontend.run_metadata(uids[0], "start.uid"),
            "exit status": frontend.run_metadata(uids[0], "stop.exit_status"),
            "file": str(at),
            "none": frontend.find_several([DataKey("nobody", "scan", {"scan": ("scan", "1", {})})]),
        }

    def _export(self, catalog: str, way: str, uids: Any, target: Path, **options: Any) -> None:
        source, more = self.ways[catalog][way](uids)
        path = export_scan(source, target.parent, file_prefix=target.stem, **more, **options)
        if path != target:
            raise AssertionError(f"{path} is not {target}")


def uids_of(runs: Runs) -> list[str]:
    """Give what a RunEngine would have returned."""
    return [run[0][1]["uid"] for run in runs]


def serve(calls: Calls) -> None:
    """Do what the lines on standard input ask for, until they end."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = ["done", getattr(calls, name)(*arguments)]
        except NXstxmError as error:
            answer = ["refused", type(error).__name__, str(error)]
        except Exception:  # noqa: BLE001 - the test tells it
            answer = ["broken", traceback.format_exc()]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
