"""The scans that go through every source: one or more of each kind of documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bluesky import RunEngine
from bluesky.plans import grid_scan
from ophyd.sim import SynAxis, SynGauss, SynSignalWithRegistry

from suitcase.nxstxm import euxfel
from suitcase.nxstxm.documents import stored_runs
from suitcase.nxstxm.sim import FlyCamera, all_requests, fly_image_plan, scan_documents

from ..euxfel.mock import mock_run
from ..exchange.broken import RECORDED
from ..live.area_detector import AreaDetector, TiffDetector

Document = tuple[str, dict[str, Any]]
Runs = list[list[Document]]


class Scan(NamedTuple):
    """The documents of a scan; the workers read it as a tuple."""

    kind: str
    name: str
    runs: Runs


FRAMES, PLAIN_FRAMES = "frames", "frames, no dtype"
FILES, RECORDINGS = "frames in files", "recorded"
AREA, TIFF, FLOWN = "area detector", "TIFF", "flown"
PTYCHOGRAPHY = "pystxm2019-ptychography_scan-points"
#: Kind -> the simulated scans of it, of which the last has the most runs. The order is that of the
#: columns of the table.
SIMULATED = {
    "points": ("pystxm2019-sample_image-points",),
    "lines": ("pystxm2019-sample_image-lines",),
    "channels": ("pystxm-channels-lines",),
    "stack": ("pystxm2019-sample_image_stack-lines", "stack-two-regions"),
    "tomography": ("pystxm2019-tomography_scan-lines",),
    "point spectra": ("pystxm2019-sample_point_spectra-points",),
    "stxm": ("stxm-image", "stxm-stack-group"),
    "aborted": ("image-aborted", "stack-aborted"),
    PLAIN_FRAMES: (PTYCHOGRAPHY,),
}
KINDS = (*SIMULATED, FRAMES, FILES, AREA, TIFF, FLOWN, RECORDINGS)
#: Kind of those that are not in the table: they come late, not at all, or woven into each other.
ASIDE = "aside"
AS_STORAGE = "as storage"
LATE, UNFINISHED, NEVER_STORED, WOVEN = "late", "unfinished", "never stored", ("woven-a", "woven-b")
#: A EuXFEL run of others.
FOREIGN = "foreign"
_ASIDE = {
    AS_STORAGE: "pystxm2019-osa_image-lines",
    LATE: "pystxm2019-coarse_image_scan-lines",
    UNFINISHED: "pystxm2019-osa_image-points",
    NEVER_STORED: "image-two-detectors",
    WOVEN[0]: "stack-uneven-dwells",
    WOVEN[1]: "pystxm2019-coarse_goni_scan-lines",
}
#: Seconds between the first runs of two scans.
APART = 10_000.0


def _simulated() -> Iterator[Scan]:
    """Give the simulated scans, one after the other in time."""
    requests = all_requests()
    wanted = [(kind, name, name) for kind, names in SIMULATED.items() for name in names]
    wanted += [(ASIDE, name, usual) for name, usual in _ASIDE.items()]
    wanted.append((FRAMES, "ptychography-uint16", PTYCHOGRAPHY))
    for number, (kind, name, usual) in enumerate(wanted):
        request = replace(
            requests[usual],
            start_time=requests[usual].start_time + APART * number,
            scan_id=1 + 100 * number,
            # what a baseline holds is most of a small scan
            include_baseline=kind == "lines",
        )
        runs = scan_documents(request)
        yield Scan(kind, name, _as_uint16(runs) if kind == FRAMES else runs)


def _as_uint16(runs: Runs) -> Runs:
    """Make frames of uint16, and declare them as such."""
    for run in runs:
        for name, doc in run:
            if name == "descriptor":
                for declared in doc["data_keys"].values():
                    if len(declared.get("shape", ())) == 2:
                        declared["dtype_numpy"] = "<u2"
            elif name == "event":
                for key, value in doc["data"].items():
                    if np.ndim(value) == 2:
                        doc["data"][key] = value.astype(np.uint16)
    return runs


def _with_files(folder: Path) -> Iterator[Scan]:
    """Measure with a real RunEngine and cameras that write their frames themselves."""
    for name in (FILES, AREA, TIFF, FLOWN):
        (folder / name).mkdir(parents=True)
    yield Scan(FILES, "run-engine", [_documents(_with_npy(folder / FILES))])
    for kind, device in ((AREA, AreaDetector), (TIFF, TiffDetector)):
        camera = device(folder / kind)
        yield Scan(kind, kind.replace(" ", "-"), [_documents(_raster([camera]))])
    plan = fly_image_plan(FlyCamera(folder / FLOWN, shape=(8, 6)), (-2, 2, 4), (-2, 2, 3))
    yield Scan(FLOWN, FLOWN, [_documents(plan)])


def _documents(plan: Any) -> list[Document]:
    found: list[Document] = []
    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(lambda name, doc: found.append((name, dict(doc))))
    engine(plan)
    return found


def _raster(detectors: list[Any]) -> Any:
    y, x = SynAxis(name="y", labels={"motors"}), SynAxis(name="x", labels={"motors"})
    counter = SynGauss("counter", x, "x", center=0, Imax=10)
    return grid_scan([*detectors, counter], y, -1, 1, 2, x, -1, 1, 3)


def _with_npy(folder: Path) -> Any:
    """Make a plan with a camera that writes each frame into a file of its own."""
    count = 6
    # the device reads once when it is made
    frames = iter([np.arange(12.0).reshape(3, 4) + 100 * i for i in range(count + 1)])
    camera = SynSignalWithRegistry(
        name="camera", func=lambda: next(frames), save_path=str(folder), save_spec="NPY_SEQ"
    )
    return _raster([camera])


def _foreign(folder: Path) -> Iterator[Scan]:
    """Give a run that others wrote, if there is what reads it."""
    if find_spec("extra_data") is not None:
        yield Scan(ASIDE, FOREIGN, [list(euxfel.documents(mock_run(folder / FOREIGN / "r0005")))])


def _recorded() -> Iterator[Scan]:
    """Give the recorded scans, if these are here."""
    for path in sorted(RECORDED.glob("*.json")) if RECORDED.is_dir() else ():
        yield Scan(RECORDINGS, path.stem, [list(run.documents()) for run in stored_runs(path)])


def all_scans(folder: Path) -> list[Scan]:
    """Give all of them; frames in files come into a folder, which is made."""
    return [*_simulated(), *_with_files(folder), *_foreign(folder), *_recorded()]
