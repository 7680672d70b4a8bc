"""Without these tests scans with area detectors of EPICS would need handlers, or lose frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import grid_scan, scan
from ophyd.sim import SynAxis, SynSignal, SynSignalWithRegistry

from suitcase.nxstxm import NXstxmError, NXstxmWriter, export_scan
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import read_documents, validate

from .area_detector import AreaDetector, TiffDetector
from .looking import Documents, looked_at, raw, told

KINDS = {"HDF5": AreaDetector, "TIFF": TiffDetector}


def area_scan(folder: Path, frames: int = 1, kind: str = "HDF5") -> tuple[AreaDetector, Any]:
    (folder / "ad").mkdir(exist_ok=True)
    camera = KINDS[kind](folder / "ad", frames=frames)
    x, y = SynAxis(name="sx"), SynAxis(name="sy")
    return camera, grid_scan([camera], y, 0, 1, 2, x, 0, 2, 3, True)


def image_of(frames: Any) -> Any:
    """Give the picture of a snaked scan of 2 x 3 points."""
    sums = frames.reshape(6, -1).sum(axis=1, dtype=float).reshape(2, 3)
    sums[1] = sums[1, ::-1]
    return sums


AREA = {"sample_x": "sx", "sample_y": "sy", "camera": "camera_image"}


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize(
    ("kind", "external"), [("HDF5", "auto"), ("HDF5", "vds"), ("HDF5", "copy"), ("TIFF", "auto")]
)
def test_an_area_detector_needs_no_handler(
    kind: str, external: str, frames: int, tmp_path: Path
) -> None:
    camera, plan = area_scan(tmp_path, frames, kind)
    documents: Documents = []
    with NXstxmWriter(tmp_path / "live", devices=AREA, external=external) as writer:
        engine = RunEngine({}, context_managers=[], call_returns_result=False)
        engine.subscribe(writer)
        engine(plan, lambda name, doc: documents.append((name, doc)))
        [live] = writer.wait(20)
    taken = np.stack(camera.taken)
    assert len(taken) == 6 * frames
    wanted = taken if frames == 1 else taken.reshape(6, frames, *taken.shape[1:])
    for path in (live, export_scan(documents, tmp_path / "out", devices=AREA, external=external)):
        looked_at(path, documents)
        with h5py.File(path) as h5:
            np.testing.assert_array_equal(h5["entry0/camera_image/data"], image_of(taken))
            home = h5["entry0/instrument/camera_image"]
            np.testing.assert_array_equal(home["data"], wanted)
            assert home["data"].dtype == np.uint16
            told = {
                "HDF5": ("../ad/camera_000.h5", "/entry/data/data"), "TIFF": ("../ad", "")
            }[kind]  # fmt: skip
            assert (home.attrs["source_file"][0], home.attrs["source_dataset"][0]) == told
            assert home.attrs["source_rows"].tolist() == [[0, 6 * frames]]
            is_link = isinstance(home.get("data", getlink=True), h5py.ExternalLink)
            assert is_link == (kind == "HDF5" and external == "auto" and frames == 1)
            assert h5["entry0"].attrs["complete"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_scan_has_the_frames_of_its_own_files(kind: str, tmp_path: Path) -> None:
    camera, plan = area_scan(tmp_path, kind=kind)
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine(plan)
    camera.taken.clear()
    documents: Documents = []
    x = SynAxis(name="sx")
    engine(scan([camera], x, 0, 1, 4), lambda name, doc: documents.append((name, doc)))
    with h5py.File(export_scan(documents, tmp_path / "out", devices=AREA)) as h5:
        home = h5["entry0/instrument/camera_image"]
        np.testing.assert_array_equal(home["data"], np.stack(camera.taken))
        assert len(home["data"]) == 4


def test_series_in_another_place_are_found_and_lost_files_are_told(tmp_path: Path) -> None:
    camera, plan = area_scan(tmp_path, kind="TIFF")
    documents: Documents = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        plan, lambda name, doc: documents.append((name, doc))
    )
    (tmp_path / "moved").mkdir()
    (tmp_path / "ad").rename(tmp_path / "moved" / "ad")
    options: dict[str, Any] = {"devices": AREA, "root_map": {str(tmp_path): tmp_path / "moved"}}
    taken = np.stack(camera.taken)
    with h5py.File(export_scan(documents, tmp_path / "all", **options)) as h5:
        np.testing.assert_array_equal(h5["entry0/camera_image/data"], image_of(taken))
    (tmp_path / "moved" / "ad" / "camera_000_000004.tiff").unlink()
    with h5py.File(export_scan(documents, tmp_path / "some", **options)) as h5:
        picture = h5["entry0/camera_image/data"][()]
        here = np.isfinite(picture)
        np.testing.assert_array_equal(here, [[True, True, True], [False, False, True]])
        np.testing.assert_array_equal(picture[here], image_of(taken)[here])
        assert "camera_image" in told(h5)
    with pytest.raises(NXstxmError, match="camera_image"):
        export_scan(documents, tmp_path / "none", fill_or_fail=True, **options)
    assert not list((tmp_path / "none").glob("*.hdf5"))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_the_usual_handlers_read(
    kind: str, frames: int, tmp_path: Path
) -> None:
    """Those of area-detector-handlers, which every facility with area detectors has."""
    from area_detector_handlers.handlers import AreaDetectorHDF5Handler, AreaDetectorTiffHandler

    camera, plan = area_scan(tmp_path, frames, kind)
    documents: Documents = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        plan, lambda name, doc: documents.append((name, doc))
    )
    usual = {"AD_HDF5": AreaDetectorHDF5Handler, "AD_TIFF": AreaDetectorTiffHandler}
    found = []
    for number, handlers in enumerate(({}, usual)):
        path = export_scan(
            documents, tmp_path / str(number), devices=AREA, handler_registry=handlers
        )
        with h5py.File(path) as h5:
            names = ("camera_image/data", "instrument/camera_image/data")
            found.append([np.squeeze(h5["entry0"][name]) for name in names])
            assert ("source_file" in h5["entry0/instrument/camera_image"].attrs) != bool(handlers)
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert len(camera.taken) == 6 * frames


def test_a_camera_with_a_handler_of_its_own_has_its_frames_copied(tmp_path: Path) -> None:
    """NPY_SEQ, of which ophyd brings the handler; beside it one whose frames are in the events."""
    frames = [np.arange(12.0).reshape(3, 4) + 100 * i for i in range(7)]
    source = iter(frames)
    (tmp_path / "raw").mkdir()
    camera = SynSignalWithRegistry(
        name="camera", func=lambda: next(source), save_path=str(tmp_path / "raw")
    )
    inside = iter([np.full((128, 128), float(i)) for i in range(9)])
    other = SynSignal(name="other", func=lambda: next(inside))
    x, y = SynAxis(name="sx"), SynAxis(name="sy")
    documents: Documents = []
    roles = {**AREA, "camera": "camera"}
    with NXstxmWriter(tmp_path / "live", devices=roles) as writer:
        engine = RunEngine({}, context_managers=[], call_returns_result=False)
        engine.subscribe(writer)
        engine(
            grid_scan([camera, other], y, 0, 1, 2, x, 0, 2, 3, True),
            lambda name, doc: documents.append((name, doc)),
        )
        [live] = writer.wait(20)
    for path in (live, export_scan(documents, tmp_path / "out", devices=roles)):
        assert [p for p in validate(path) if p.level == "error"] == []
        with h5py.File(path) as h5:
            taken = np.stack(frames[1:])  # the device reads once when it is made
            np.testing.assert_array_equal(h5["entry0/instrument/camera/data"], taken)
            np.testing.assert_array_equal(h5["entry0/camera/data"], image_of(taken))
            seen = [doc["data"]["other"] for name, doc in documents if name == "event"]
            held = h5["entry0/collection/primary/other/value"]  # no hint makes it a picture
            np.testing.assert_array_equal(held, np.stack(seen))
    assert difference(read_documents(path), read_documents(live)) is None


def test_pages_of_an_area_detector_are_read_as_well(tmp_path: Path) -> None:
    import event_model

    camera, plan = area_scan(tmp_path)
    documents: Documents = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        plan, lambda name, doc: documents.append((name, doc))
    )
    events = [doc for name, doc in documents if name == "event"]
    datums = [doc for name, doc in documents if name == "datum"]
    paged = [(name, doc) for name, doc in documents if name not in ("event", "datum")]
    paged[-1:-1] = [
        ("datum_page", dict(event_model.pack_datum_page(*datums))),
        ("event_page", dict(event_model.pack_event_page(*events))),
    ]
    with h5py.File(export_scan(paged, tmp_path, devices=AREA)) as h5:
        np.testing.assert_array_equal(
            h5["entry0/camera_image/data"], image_of(np.stack(camera.taken))
        )


@pytest.mark.parametrize("with_handler", [False, True])
def test_frames_of_an_area_detector_go_through_processors(
    with_handler: bool, tmp_path: Path
) -> None:
    camera, plan = area_scan(tmp_path)
    documents: Documents = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        plan, lambda name, doc: documents.append((name, doc))
    )

    class Handler:
        def __init__(self, path: Any, **_: Any) -> None:
            self.path = path

        def __call__(self, point_number: int) -> Any:
            return raw(Path(self.path))[point_number]

    path = export_scan(
        documents, tmp_path, devices=AREA,
        handler_registry={"AD_HDF5": Handler} if with_handler else {},
        processors=[lambda coords, data, about: (coords, data + 1, about)],
    )  # fmt: skip
    with h5py.File(path) as h5:
        wanted = image_of(np.stack(camera.taken).astype(int) + 1)
        np.testing.assert_array_equal(h5["entry0/camera_image/data"], wanted)
        home = h5["entry0/instrument/camera_image"]
        is_link = isinstance(home.get("data", getlink=True), h5py.ExternalLink)
        assert is_link != with_handler
