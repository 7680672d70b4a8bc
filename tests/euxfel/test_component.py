"""Without these tests the pictures of a EuXFEL run could differ from those of the NXstxm file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan
from suitcase.nxstxm.euxfel import STXMScan, export
from suitcase.nxstxm.sim import all_requests, scan_documents

from .runs import folder_of, number, opened, run_of

pytest.importorskip("dask.array")
xarray = pytest.importorskip("xarray")
REQUESTS = all_requests()
STACK = "pystxm2019-sample_image_stack-points"
FEW = [name for i, name in enumerate(REQUESTS) if i % 5 == 0 or "stack" in name]


def folders_of(runs: Any, home: Path) -> list[Path]:
    return [folder_of(export(run, home)) for run in runs]


def pictures(path: Path) -> dict[str, dict[str, Any]]:
    """Read the pictures of an NXstxm file, by entry and channel."""
    found: dict[str, dict[str, Any]] = {}
    with h5py.File(path) as h5:
        for name, entry in h5.items():
            if entry.attrs.get("NX_class") == "NXentry":
                found[name] = {
                    channel: group[group.attrs["signal"]][()]
                    for channel, group in entry.items()
                    if group.attrs.get("NX_class") == "NXdata" and "signal" in group.attrs
                }
    return found


def compare(name: str, home: Path) -> int:
    runs = scan_documents(REQUESTS[name])
    folders = folders_of(runs, home / "runs")
    n = 0
    entries = pictures(export_scan(runs, home / "files"))
    assert STXMScan(folders).entries == tuple(entries)
    for entry, channels in entries.items():
        scan = STXMScan(folders, entry)
        for channel in {*channels} & {*scan.detectors}:
            ours = scan.xarray(channel)
            assert ours.dims[0] == "energy"
            np.testing.assert_array_equal(np.squeeze(ours.values), np.squeeze(channels[channel]))
            n += 1
    return n


@pytest.mark.parametrize("name", FEW)
def test_pictures_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    if name == "image-aborted-before-the-first-line":
        pytest.skip("nothing was measured")
    assert compare(name, tmp_path) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in FEW])
def test_all_pictures_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    if name == "image-aborted-before-the-first-line":
        with pytest.raises(NXstxmError, match="no stream that measures"):
            STXMScan(folders_of(scan_documents(REQUESTS[name]), tmp_path))
    else:
        assert compare(name, tmp_path) > 0


def test_a_stack_is_lazy_and_has_its_energies(tmp_path: Path) -> None:
    runs = scan_documents(REQUESTS[STACK])
    folders = folders_of(runs, tmp_path)
    scan = STXMScan([opened(folder) for folder in reversed(folders)])  # in any order
    [name] = [name for name in scan.detectors if "counter" in name][:1]
    ours = scan.xarray(name)
    assert ours.dims == ("energy", "y", "x")
    assert ours.chunks is not None
    assert ours.attrs["units"] == "counts"
    assert ours.energy.attrs["units"] == "eV"
    assert ours.x.attrs["units"] == "um"
    assert ours.shape == scan.shape
    np.testing.assert_array_equal(ours.energy, scan.energies)
    np.testing.assert_array_equal(ours.values, scan.ndarray(name))
    assert isinstance(scan.xarray(), xarray.Dataset)
    assert scan.xarray(name, lazy=False).chunks is None
    low, high = scan.energies[1], scan.energies[-1]
    few = scan.select_energies((low, high))
    np.testing.assert_array_equal(few.energies, scan.energies[1:])
    np.testing.assert_array_equal(few.xarray(name).values, ours.values[1:])
    np.testing.assert_array_equal(scan.select_energies([0]).ndarray(name), ours.values[:1])
    mask = scan.energies > low
    np.testing.assert_array_equal(scan.select_energies(mask).ndarray(name), ours.values[mask])
    assert "energies" in repr(scan)


@pytest.mark.parametrize("style", ["points", "lines"])
def test_trains_have_their_places(style: str, tmp_path: Path) -> None:
    runs = scan_documents(REQUESTS[f"pystxm2019-sample_image-{style}"])
    scan = STXMScan(folders_of(runs, tmp_path)[0])
    [name] = [name for name in scan.detectors if "counter" in name or "wave" in name][:1]
    image = scan.ndarray(name)[0]
    again = np.full(image.shape, np.nan)
    y, x = (scan.xarray(name)[dim].values for dim in "yx")
    n_trains = 0
    for train, data in scan.trains():
        assert train > 0
        n_trains += 1
        rows = np.searchsorted(y, data["y"])
        again[rows, np.searchsorted(x, data["x"])] = data[name]
        assert {*data["energy"]} <= {*scan.energies}
    np.testing.assert_array_equal(again, image)
    assert n_trains == (image.size if style == "points" else image.shape[0])


def test_what_is_no_scan_is_told(tmp_path: Path) -> None:
    folder = folder_of(export(run_of([{"a": 1.0}], {"a": number()}), tmp_path))
    (folder / "RAW-R0001-DA00-S00000.h5").unlink()
    with pytest.raises(NXstxmError, match="was not written by suitcase"):
        STXMScan(folder)
    with pytest.raises(NXstxmError, match="there is no run"):
        STXMScan([])
    runs = scan_documents(REQUESTS[STACK])
    folders = folders_of(runs, tmp_path / "stack")
    with pytest.raises(NXstxmError, match="there is no entry 'x'; there are"):
        STXMScan(folders, "x")
    scan = STXMScan(folders)
    with pytest.raises(NXstxmError, match="there is no detector 'x'; there are"):
        scan.xarray("x")
    with pytest.raises(NXstxmError, match="no energy is in"):
        scan.select_energies((1.0, 2.0))
