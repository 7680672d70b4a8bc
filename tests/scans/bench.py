"""Motors, a detector that says where they stand, and a run of a plan as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
from bluesky import RunEngine
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import nexusformat_problems, read_documents, validate

from ..exchange.same import same_file

ROLES = {"sample_x": "sx", "sample_y": "sy", "energy": "mono"}


class Bench(NamedTuple):
    """Motors, and a detector whose reading says where they stand."""

    x: SynAxis
    y: SynAxis
    energy: SynAxis
    det: SynSignal


def make_bench() -> Bench:
    """Make one; the energy is 700 eV."""
    x, y, energy = (SynAxis(name=name) for name in ("sx", "sy", "mono"))
    energy.set(700.0)
    det = SynSignal(func=lambda: 1e4 * energy.position + 100 * y.position + x.position, name="det")
    return Bench(x, y, energy, det)


class Written(NamedTuple):
    """A file, and the documents that it was made of."""

    path: Path
    documents: list[tuple[str, Any]]


def runs_of(documents: list[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Give the documents of each run; the runs follow each other."""
    runs: list[list[tuple[str, Any]]] = []
    for name, doc in documents:
        if name == "start":
            runs.append([])
        runs[-1].append((name, doc))
    return runs


def written(plan: Any, folder: Path, *, asked: bool = False, **options: Any) -> list[Written]:
    """Run a plan with a writer subscribed; see that files, exports and validators agree.

    `asked` has the writer finish scans that lack runs.
    """
    documents: list[tuple[str, Any]] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    with NXstxmWriter(folder / "live", **options) as writer:
        engine.subscribe(writer)
        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        engine(plan)
        paths = list(writer.finish() if asked else writer.wait())
    options.pop("path_provider", None)
    by_uid = {run[0][1]["uid"]: run for run in runs_of(documents)}
    made = []
    for number, path in enumerate(paths):
        held = list(read_documents(path))
        own = [by_uid[doc["uid"]] for name, doc in held if name == "start"]
        flat = [doc for run in own for doc in run]
        assert difference(flat, held) is None
        same_file(path, export_scan(own, folder / f"again{number}", **options))
        assert validate(path) == []
        assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
        made.append(Written(path, flat))
    return made


def picture(path: Path, name: str = "det", entry: str = "entry0") -> tuple[str, Any, Any]:
    """Give scan type, array and what else is in an NXdata."""
    with h5py.File(path) as h5:
        data = h5[entry][name]
        axes = [axis.decode() for axis in data.attrs["axes"]]
        return (
            data["stxm_scan_type"][0].decode(),
            data["data"][()],
            {"axes": axes, **{key: data[key][()] for key in data if key != "data"}},
        )


def messages(path: Path, entry: str = "entry0") -> list[str]:
    """Give what an entry says of itself."""
    with h5py.File(path) as h5:
        found = h5[entry].get("collection/messages")
        return [] if found is None else list(found.asstr()[()])
