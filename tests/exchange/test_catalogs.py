"""Without these tests a scan in a catalog could be exported without some of its runs, before its
end, or not at all because its data base was slow.

The catalog here is one that a user registers: it keeps documents in memory. Those of databroker and
Tiled are in tests/catalogs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import h5py
import pytest

from suitcase.nxstxm import NXstxmError, export_scan, export_scans
from suitcase.nxstxm._errors import NXstxmKeyError
from suitcase.nxstxm.exchange import (
    Catalog,
    CatalogScan,
    ExportError,
    Run,
    UnfinishedError,
    register_source,
)
from suitcase.nxstxm.exchange._catalog import opened, plain

from .documents import ONE, STACK, TWO_BY_TWO, Document, lean, scan
from .same import holds, same_file


class MemoryRun:
    def __init__(self, documents: list[Document]) -> None:
        self._documents = list(documents)
        self.start = documents[0][1]
        self.stop = next((doc for name, doc in documents if name == "stop"), None)

    def documents(self) -> Iterator[Document]:
        return iter(self._documents)


class Shelf:
    """What a user gives: nothing of ours."""

    def __init__(self, *runs: list[Document]) -> None:
        self.runs = {run[0][1]["uid"]: run for run in runs}
        self.asked = 0


class MemoryCatalog:
    name = "shelf"

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def run(self, uid: str) -> Run:
        self._shelf.asked += 1
        uid = next((whole for whole in self._shelf.runs if whole.startswith(uid or "-")), uid)
        if uid not in self._shelf.runs:
            raise NXstxmKeyError(f"{self.name} has no run {uid}")
        return MemoryRun(self._shelf.runs[uid])

    def runs(
        self, *, since: float | None = None, until: float | None = None, scan_id: int | None = None
    ) -> Iterator[Run]:
        for documents in list(self._shelf.runs.values()):
            start = documents[0][1]
            if since is not None and start["time"] < since:
                continue
            if until is not None and start["time"] >= until:
                continue
            if scan_id is None or start.get("scan_id") == scan_id:
                yield MemoryRun(documents)


def open_shelf(thing: Any) -> Catalog | Run | None:
    return MemoryCatalog(thing) if isinstance(thing, Shelf) else None


register_source("shelf of the tests", open_shelf)


def uids_of(runs: list[list[Document]]) -> list[str]:
    return [run[0][1]["uid"] for run in runs]


def test_what_is_registered_fits_the_protocols() -> None:
    [docs] = scan(ONE)
    catalog = opened(Shelf(docs))
    assert isinstance(catalog, Catalog)
    assert isinstance(catalog.run(docs[0][1]["uid"]), Run)
    assert opened("some/path.json") is None
    assert opened([docs]) is None
    assert opened(None) is None


def test_a_kind_that_is_registered_again_is_replaced() -> None:
    first: list[Any] = []
    second: list[Any] = []
    register_source("once", first.append)
    register_source("once", second.append)
    opened("something")
    register_source("once", lambda *_: None)
    assert (first, second) == ([], ["something"])


@pytest.mark.parametrize("name", [STACK, TWO_BY_TWO])
@pytest.mark.parametrize(
    "given", ["all", "the first", "the last", "as text", "in short", "nested", "result"]
)
def test_all_runs_of_a_scan_are_found(name: str, given: str, tmp_path: Path) -> None:
    runs, before, after = lean(name), lean(name), lean(name)
    for other, shift, mark in ((before, -5000.0, "b"), (after, 5000.0, "a")):
        for run in other:  # the same scan, measured again
            for _, doc in run:
                for key in ("uid", "run_start", "descriptor"):
                    if key in doc:
                        doc[key] = mark + doc[key][1:]
                if isinstance(doc.get("time"), float):
                    doc["time"] += shift
    shelf = Shelf(*before, *runs, *after)
    uids = uids_of(runs)
    asked: Any = {
        "all": uids,
        "the first": [uids[0]],
        "the last": (uids[-1],),
        "as text": uids[0],
        "in short": [uids[0][:8], uids[0], uids[1][:8]],
        "nested": ((uids[0],), [uids[1]]),
        "result": SimpleNamespace(run_start_uids=tuple(uids)),
    }[given]
    path = export_scan(shelf, tmp_path, uids=asked, file_prefix="x")
    same_file(path, export_scan(runs, tmp_path, file_prefix="reference"))


def test_a_run_of_another_program_is_in_nobodys_way(tmp_path: Path) -> None:
    runs = lean(STACK)
    odd = {"uid": "odd", "time": runs[0][0][1]["time"] + 0.1, "metadata": "{broken"}
    shelf = Shelf(runs[0], [("start", odd), ("stop", {"run_start": "odd"})], *runs[1:])
    holds(export_scan(shelf, tmp_path, uids=uids_of(runs)[0]), runs)


def test_one_scan_needs_no_uids_and_several_do(tmp_path: Path) -> None:
    runs = lean(STACK)
    holds(export_scan(Shelf(*runs), tmp_path), runs)
    with pytest.raises(NXstxmError, match=r"shelf holds 2 scans, not one; name .*uids="):
        export_scan(Shelf(*runs, *scan(ONE)), tmp_path)


# -- waiting --------------------------------------------------------------------------------------


def test_a_run_that_comes_late_is_awaited(tmp_path: Path) -> None:
    runs = lean(STACK)
    uids = uids_of(runs)
    shelf = Shelf(*runs[:-1], runs[-1][:-1])
    del shelf.runs[uids[0]]
    told: list[str] = []
    timers = [
        Timer(0.3, lambda: shelf.runs.__setitem__(uids[0], runs[0])),
        Timer(0.6, lambda: shelf.runs.__setitem__(uids[-1], runs[-1])),
    ]
    for timer in timers:
        timer.start()
    begun = time.monotonic()
    path = export_scan(shelf, tmp_path, uids=uids, timeout=60, progress=told.append)
    assert 0.5 < time.monotonic() - begun < 30
    holds(path, runs)
    assert told[0].startswith(f"waiting for run {uids[0]} (")
    assert shelf.asked < 40  # a data base is not asked all the time


def test_what_does_not_come_in_time_is_told(tmp_path: Path) -> None:
    runs = lean(STACK)
    uids = uids_of(runs)
    shelf = Shelf(*runs[:-1], runs[-1][:-1])
    with pytest.raises(UnfinishedError, match=r"has no stop document after 0.2 s.*incomplete=True"):
        export_scan(shelf, tmp_path, uids=uids, timeout=0.2)
    with pytest.raises(NXstxmKeyError, match=r"shelf has no run nobody after 0.1 s"):
        export_scan(shelf, tmp_path, uids="nobody", timeout=0.1)
    assert isinstance(UnfinishedError("x"), TimeoutError)
    assert list(tmp_path.iterdir()) == []
    path = export_scan(shelf, tmp_path, uids=uids, timeout=0, incomplete=True, file_prefix="x")
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        assert not entry.attrs["complete"]
        assert entry["collection/exit_status"][()].decode() == "incomplete"


@pytest.mark.parametrize("uids", [[], (), ""])
def test_no_uids_are_told(uids: Any, tmp_path: Path) -> None:
    with pytest.raises(NXstxmError, match=r"uids is empty|has no run"):
        export_scan(Shelf(*scan(ONE)), tmp_path, uids=uids, timeout=0)


def test_uids_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NXstxmError, match="uids is a int"):
        export_scan(Shelf(*scan(ONE)), tmp_path, uids=3)


# -- many -----------------------------------------------------------------------------------------


def test_many_scans_of_a_catalog(tmp_path: Path) -> None:
    stack, [image] = lean(STACK), scan(ONE)
    shelf = Shelf(*stack, image)
    told: list[tuple[int, int]] = []
    wanted = [
        CatalogScan(shelf, (uids_of(stack)[0],)),
        CatalogScan(shelf, ("nobody",)),
        CatalogScan(shelf, (image[0][1]["uid"],)),
    ]
    with pytest.raises(ExportError, match=r"1 of 3 scans failed: .*nobody") as caught:
        export_scans(
            wanted, tmp_path, timeout=0, file_prefix="{uid}", progress=lambda *n: told.append(n)
        )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(caught.value.paths) == 2
    holds(tmp_path / f"{uids_of(stack)[0]}.hdf5", stack)
    holds(tmp_path / f"{image[0][1]['uid']}.hdf5", [image])


def test_progress_of_several_processes(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    sources = [scan(ONE), [[("start", {})]], lean(STACK)]
    with pytest.raises(ExportError, match="1 of 3"):
        export_scans(sources, tmp_path, jobs=2, progress=lambda *n: told.append(n))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_documents_of_a_catalog_become_plain() -> None:
    class Odd(dict[str, Any]):
        def keys(self) -> Any:  # as databroker's documents have it
            return iter(super().keys())

    found = plain(Odd(a=(1, Odd(b=[2])), c="d"))
    assert found == {"a": [1, {"b": [2]}], "c": "d"}
    assert type(found) is dict
    assert type(found["a"][1]) is dict
