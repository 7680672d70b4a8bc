"""Without these tests a fly scan that samples faster than its points would lose what it sampled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from ophyd import Signal

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import NXstxmStorage, nexusformat_problems, read_documents, validate
from suitcase.nxstxm.scans import by_order
from suitcase.nxstxm.sim import all_requests, scan_documents

NY, NX = 4, 6
ROLES = {"sample_x": "sx", "sample_y": "sy", "ring_current": "ring"}
#: Where the middle of a line is, by its number; what the sample looks like.
Sample = Callable[[Any, int], Any]


def sample(x: Any, line: int) -> Any:
    return 100.0 * line + 10.0 * np.asarray(x)


def fly(
    n_counts: Any,
    n_positions: Any,
    *,
    snake: bool = False,
    overscan: float = 0.0,
    extent: tuple[float, float] = (0.0, 5.0),
    ring: int = 0,
    n_lines: int = NY,
) -> tuple[list[Any], dict[int, Any]]:
    """Measure an image line by line; give the documents, and the positions of each line."""
    det, sx, sy = (Signal(name=name, value=0.0, kind="hinted") for name in ("det", "sx", "sy"))
    ring_current = Signal(name="ring", value=np.zeros(2))
    devices = [det, sx, sy, ring_current] if ring else [det, sx, sy]
    lines: dict[int, Any] = {}

    def of_line(number: Any, line: int) -> int:
        return number(line) if callable(number) else number

    @bpp.run_decorator(
        md={"plan_name": "fly_lines", "motors": ["sy", "sx"], "shape": [NY, NX],
            "extents": [[0, NY - 1], list(extent)], "snaking": [False, snake],
            "num_points": NY * NX,
            "hints": {"dimensions": [[["sy"], "primary"], [["sx"], "primary"]]}}
    )  # fmt: skip
    def plan() -> Any:
        for line in range(n_lines):
            first, last = extent
            step = (last - first) / (NX - 1) / 2 + overscan * np.sign(last - first)
            m = max(of_line(n_counts, line), of_line(n_positions, line))
            there = np.linspace(first - step, last + step, m + 2)[1:-1]
            if snake and line % 2:
                there = there[::-1]
            at = np.linspace(0, m - 1, of_line(n_positions, line))
            lines[line] = np.interp(at, np.arange(m), there)
            seen = np.interp(np.linspace(0, m - 1, of_line(n_counts, line)), np.arange(m), there)
            yield from bps.mv(sy, float(line))
            yield from bps.mv(sx, lines[line])
            yield from bps.mv(det, sample(seen, line))
            if ring:
                yield from bps.mv(ring_current, np.full(ring, 200.0 - line))
            yield from bps.create("primary")
            for device in devices:
                yield from bps.read(device)
            yield from bps.save()

    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine(plan(), lambda name, doc: documents.append((name, doc)))
    return documents, lines


def exported(documents: list[Any], folder: Path, **options: Any) -> Path:
    path = export_scan(documents, folder, devices=ROLES, **options)
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    return path


def expected(setpoints: Any) -> Any:
    return sample(np.asarray(setpoints)[np.newaxis, :], np.arange(NY)[:, np.newaxis])


def how(h5: h5py.File) -> Any:
    return json.loads(h5["entry0/binning/options/data"].asstr()[()])


@pytest.mark.parametrize("extent", [(0.0, 5.0), (5.0, 0.0)], ids=["up", "down"])
@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize(("counts", "positions"), [(60, 60), (60, 600), (240, 60)])
def test_samples_stay_in_the_lists_and_are_binned_in_the_picture(
    counts: int, positions: int, snake: bool, extent: tuple[float, float], tmp_path: Path
) -> None:
    documents, lines = fly(counts, positions, snake=snake, extent=extent)
    path = exported(documents, tmp_path)
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        setpoints = np.linspace(*extent, NX)
        assert entry["det/data"].shape == (NY, NX)
        np.testing.assert_allclose(entry["det/data"], expected(setpoints), atol=0.5)
        np.testing.assert_allclose(entry["det/sample_x"], setpoints)
        np.testing.assert_array_equal(
            entry["instrument/sample_x/data"], np.concatenate([lines[i] for i in range(NY)])
        )
        came = [doc["data"]["det"] for name, doc in documents if name == "event"]
        np.testing.assert_array_equal(entry["instrument/det/data"], np.concatenate(came))
        assert entry["instrument/sample_y/data"].shape == (NY * NX,)
        process = entry["binning"]
        assert process.attrs["NX_class"] == "NXprocess"
        assert process["samples_det"][()].tolist() == [counts] * NY
        assert process["samples_sample_x"][()].tolist() == [positions] * NY
        said = how(h5)
        assert said["positions"] == "sx"
        assert "nearest" in said["method"]
        assert entry.attrs["complete"]
        told = "\n".join(entry["collection/messages"].asstr()[()])
        assert "are not the points of the lines" in told
    assert difference(read_documents(path), documents) is None


def test_positions_alone_may_be_sampled_more_often(tmp_path: Path) -> None:
    """The counts are points: they stay where the trigger put them."""
    documents, lines = fly(NX, 50)
    with h5py.File(exported(documents, tmp_path)) as h5:
        entry = h5["entry0"]
        came = np.stack([doc["data"]["det"] for name, doc in documents if name == "event"])
        np.testing.assert_array_equal(entry["det/data"], came)
        np.testing.assert_array_equal(entry["instrument/det/data"], came.ravel())
        assert entry["instrument/sample_x/data"].shape == (NY * 50,)
        assert "samples_det" not in entry["binning"]
        assert lines[0].shape == (50,)


def test_counts_alone_may_be_sampled_more_often(tmp_path: Path) -> None:
    documents, _ = fly(5 * NX, NX)
    with h5py.File(exported(documents, tmp_path)) as h5:
        entry = h5["entry0"]
        # whether a position is that of a point's begin or middle nobody knows: half a sample
        np.testing.assert_allclose(entry["det/data"], expected(np.linspace(0, 5, NX)), atol=3)
        assert entry["instrument/det/data"].shape == (NY * 5 * NX,)
        assert entry["instrument/sample_x/data"].shape == (NY * NX,)


def test_samples_beside_the_line_are_kept_and_not_binned(tmp_path: Path) -> None:
    documents, _ = fly(80, 80, overscan=3.0)
    with h5py.File(exported(documents, tmp_path)) as h5:
        entry = h5["entry0"]
        np.testing.assert_allclose(entry["det/data"], expected(np.linspace(0, 5, NX)), atol=1)
        assert entry["instrument/det/data"].shape == (NY * 80,)


def test_lines_may_have_different_lengths(tmp_path: Path) -> None:
    documents, lines = fly(lambda i: 60 + i, lambda i: 60 + i)
    with h5py.File(exported(documents, tmp_path)) as h5:
        entry = h5["entry0"]
        np.testing.assert_allclose(entry["det/data"], expected(np.linspace(0, 5, NX)), atol=0.5)
        assert entry["binning/samples_det"][()].tolist() == [60, 61, 62, 63]
        cut = np.split(entry["instrument/sample_x/data"][()], np.cumsum([60, 61, 62]))
        for i, line in enumerate(cut):
            np.testing.assert_array_equal(line, lines[i])


def test_points_without_a_sample_are_nan_and_told(tmp_path: Path) -> None:
    documents, _ = fly(3, 3)
    with h5py.File(exported(documents, tmp_path)) as h5:
        picture = h5["entry0/det/data"][()]
        assert np.isnan(picture).sum(axis=1).tolist() == [3] * NY
        assert not h5["entry0"].attrs["complete"]


def test_lines_that_did_not_come_are_missing(tmp_path: Path) -> None:
    documents, _ = fly(60, 60, n_lines=2)
    with h5py.File(exported(documents, tmp_path)) as h5:
        picture = h5["entry0/det/data"][()]
        np.testing.assert_allclose(picture[:2], expected(np.linspace(0, 5, NX))[:2], atol=0.5)
        assert np.isnan(picture[2:]).all()
        assert h5["entry0/instrument/det/data"].shape == (120,)


def test_other_readings_of_the_line_are_binned_too(tmp_path: Path) -> None:
    documents, _ = fly(60, 60, ring=30)
    with h5py.File(exported(documents, tmp_path)) as h5:
        control = h5["entry0/control/data"][()]
        np.testing.assert_allclose(control, np.repeat(200.0 - np.arange(NY), NX).reshape(NY, NX))
        assert (h5["entry0/quality/mask"][()] == 0).all()


def test_live_and_read_back_it_is_the_same(tmp_path: Path) -> None:
    documents, _ = fly(60, 40)
    path = exported(documents, tmp_path / "exported")
    with NXstxmWriter(tmp_path / "live", devices=ROLES) as writer:
        for name, doc in documents[:-2]:
            writer(name, doc)
        part = writer.storage()[{"sample_y": 1}]
        for name, doc in documents[-2:]:
            writer(name, doc)
    with h5py.File(path) as h5, h5py.File(writer.paths[0]) as other:
        for name in ("det/data", "instrument/det/data", "instrument/sample_x/data"):
            np.testing.assert_array_equal(h5["entry0"][name], other["entry0"][name])
        np.testing.assert_array_equal(part, h5["entry0/det/data"][1])
    with NXstxmStorage(path) as storage:
        np.testing.assert_array_equal(storage[{"sample_y": 1}], part)


def test_a_spectrum_at_each_point_is_no_line(tmp_path: Path) -> None:
    """A step scan that was aborted has as few events as a fly scan has lines."""
    det, sx, sy = (Signal(name=name, value=0.0, kind="hinted") for name in ("det", "sx", "sy"))

    @bpp.run_decorator(
        md={"motors": ["sy", "sx"], "shape": [NY, NX], "num_points": NY * NX,
            "extents": [[0, 3], [0, 5]], "snaking": [False, False],
            "hints": {"dimensions": [[["sy"], "primary"], [["sx"], "primary"]]}}
    )  # fmt: skip
    def plan() -> Any:
        for point in range(NY):
            yield from bps.mv(sx, float(point))
            yield from bps.mv(det, np.full(60, float(point)))
            yield from bps.create("primary")
            for device in (det, sx, sy):
                yield from bps.read(device)
            yield from bps.save()

    documents: list[Any] = []
    RunEngine({}, context_managers=[], call_returns_result=False)(
        plan(), lambda name, doc: documents.append((name, doc))
    )
    with h5py.File(exported(documents, tmp_path)) as h5:
        assert h5["entry0/instrument/det/data"].shape == (NY, 60)
        assert "binning" not in h5["entry0"]


@pytest.mark.parametrize("share", [2, 5])
def test_lines_without_positions_are_shared_equally(share: int, tmp_path: Path) -> None:
    """A scaler that counts several times at each point, on a line whose positions nobody read."""
    [run] = scan_documents(all_requests()["pystxm2019-sample_image-lines"])
    often = [
        (name, {**doc, "data": {
            key: np.repeat(value, share) if np.ndim(value) == 1 else value
            for key, value in doc["data"].items()
        }}) if name == "event" else (name, doc)
        for name, doc in run
    ]  # fmt: skip
    one, other = export_scan(run, tmp_path / "one"), export_scan(often, tmp_path / "other")
    assert [p for p in validate(other) if p.level == "error"] == []
    with h5py.File(one) as a, h5py.File(other) as b:
        np.testing.assert_array_equal(a["entry0/counter0/data"], b["entry0/counter0/data"])
        wanted = np.repeat(a["entry0/instrument/counter0/data"][()], share)
        np.testing.assert_array_equal(b["entry0/instrument/counter0/data"], wanted)
        assert "equal shares" in how(b)["method"]


@pytest.mark.parametrize("damage", ["number", "gone"])
def test_a_list_that_does_not_fit_its_lines_is_an_error(damage: str, tmp_path: Path) -> None:
    path = exported(fly(60, 60)[0], tmp_path)
    with h5py.File(path, "r+") as h5:
        if damage == "gone":
            del h5["entry0/binning/samples_det"]
        else:
            h5["entry0/binning/samples_det"][0] = 59
    [problem] = [p for p in validate(path) if p.level == "error"]
    assert problem.path.startswith("/entry0/instrument/det/data")
    assert ("239" if damage == "number" else "does not exist") in problem.message


@settings(max_examples=100)
@given(width=st.integers(1, 30), share=st.integers(1, 9), n=st.integers(1, 4))
def test_equal_shares_are_means_of_neighbours(width: int, share: int, n: int) -> None:
    values = np.arange(n * width * share, dtype=float).reshape(n, width * share) ** 1.5
    wanted = values.reshape(n, width, share).mean(axis=2)
    np.testing.assert_allclose(by_order(values, width), wanted)


@pytest.mark.parametrize("snake", [False, True])
def test_processors_see_lines_of_points(snake: bool, tmp_path: Path) -> None:
    """Of each line they get what the picture would have, in the order of its axis."""
    documents, _ = fly(60, 40, snake=snake)
    plain = exported(documents, tmp_path / "plain")
    seen: list[dict[str, Any]] = []

    def doubled(coordinates: Any, data: Any, metadata: Any) -> Any:
        seen.append(dict(coordinates))
        return coordinates, 2 * data, metadata

    path = exported(documents, tmp_path / "doubled", processors=[doubled])
    assert seen == [{"sample_y": i} for i in range(NY)]
    with h5py.File(plain) as h5, h5py.File(path) as other:
        np.testing.assert_allclose(other["entry0/det/data"], 2 * h5["entry0/det/data"][()])
        assert other["entry0/instrument/det/data"].shape == (NY * 60,)
