"""Without these tests nobody would know that a detector in another process can be followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import nexusformat_problems, read_documents, validate
from suitcase.nxstxm.sim import FlyCamera, Sample, fly_image_plan
from suitcase.nxstxm.sim._camera_process import DATASET, PHOTONS

X, Y = (-2.0, 2.0, 8), (-2.0, 2.0, 5)
ROLES = {"camera": "camera"}


def engine() -> RunEngine:
    return RunEngine({}, context_managers=[], call_returns_result=False)


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("external", ["auto", "copy"])
def test_what_the_camera_saw_is_in_the_picture(snake: bool, external: str, tmp_path: Path) -> None:
    camera = FlyCamera(tmp_path / "raw", shape=(20, 24))
    documents: list[Any] = []
    run_engine = engine()
    with NXstxmWriter(tmp_path / "live", devices=ROLES, external=external) as writer:
        run_engine.subscribe(writer)
        run_engine(
            fly_image_plan(camera, X, Y, 708.0, snake=snake),
            lambda name, doc: documents.append((name, doc)),
        )
        [live] = writer.wait(30)
    assert {name for name, _ in documents} == {
        "start", "descriptor", "stream_resource", "stream_datum", "stop"
    }  # fmt: skip
    with h5py.File(camera.files[0]) as h5:
        frames = h5[DATASET][()]
    assert len(frames) == X[2] * Y[2]
    for path in (live, export_scan(documents, tmp_path / "out", devices=ROLES)):
        assert [p for p in validate(path) if p.level == "error"] == []
        assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
        assert difference(documents, list(read_documents(path))) is None
        with h5py.File(path) as h5:
            np.testing.assert_array_equal(h5["entry0/instrument/camera/data"], frames)
            picture = h5["entry0/camera/data"][()]
            assert h5["entry0/camera/stxm_scan_type"][0] == b"sample image"
        x, y = np.meshgrid(np.linspace(*X), np.linspace(*Y))
        wanted = PHOTONS * Sample().transmission(708.0, x, y)
        np.testing.assert_allclose(picture, wanted, atol=6 * np.sqrt(PHOTONS))
        assert picture.min() < 0.9 * picture.max()  # there is something to see


def test_several_scans_have_a_file_each(tmp_path: Path) -> None:
    camera = FlyCamera(tmp_path / "raw", shape=(8, 8), rate=2000)
    run_engine = engine()
    with NXstxmWriter(tmp_path / "live", devices=ROLES) as writer:
        run_engine.subscribe(writer)
        for energy in (700.0, 708.0):
            run_engine(fly_image_plan(camera, X, Y, energy))
        first, second = writer.wait(30)
    assert len(camera.files) == 2
    pictures = []
    for path in (first, second):
        with h5py.File(path) as h5:
            pictures.append(h5["entry0/camera/data"][()].sum())
            assert h5["entry0"].attrs["complete"]
    assert pictures[1] < pictures[0]  # it absorbs more at the edge


def test_it_is_told_that_it_must_be_staged(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stage camera"):
        FlyCamera(tmp_path).kickoff()
    camera = FlyCamera(tmp_path / "raw", shape=(0, 8))
    with pytest.raises(RuntimeError, match="can not write"):
        camera.stage()
    camera.unstage()
