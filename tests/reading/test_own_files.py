"""Our own files open with every value in its place, and nothing about them is guessed."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim
from suitcase.nxstxm.nexus import read_contents

REQUESTS = sim.all_requests()
#: What our axes are called when they are dimensions; others have their own names.
DIMS = {
    "sample_y": "y", "sample_x": "x", "osa_y": "y", "osa_x": "x", "detector_y": "y",
    "detector_x": "x", "line_position": "line",
}  # fmt: skip
STACK = "pystxm2019-sample_image_stack-lines"
#: One request for each label, and what is odd; the others take their time.
SOME = (
    STACK,
    "pystxm2019-detector_image-points",
    "pystxm2019-osa_image-lines",
    "pystxm-osa_focus-points",
    "pystxm2019-sample_focus-lines",
    "pystxm-channels-point-spectra",
    "line-spectra-with-motors",
    "image-two-detectors",
    "image-motors-and-ring-current-by-line",
    "image-aborted-before-the-first-line",
    "stxm-stack-two-detectors",
    "stack-two-regions-aborted",
    "stack-repeated-energies",
    "pystxm2019-ptychography_scan-points",
    "generic-2d",
)


@pytest.fixture(scope="session")
def path_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("own")
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            runs = sim.scan_documents(REQUESTS[name])
            made[name] = export_scan(runs, folder, file_prefix=name)
        return made[name]

    return get


def name_of(entry: xr.DataTree, signal: str) -> str:
    """Name the list of a signal: pyStxm's scaler drops a prefix for point spectra."""
    names = (signal, signal.removeprefix("DNM_"), f"{signal}_waveform_rbv",
             f"{signal}_single_value_rbv")  # fmt: skip
    return next(name for name in names if name in entry["instrument"].data_vars)


@pytest.mark.parametrize(
    "request_name",
    [n if n in SOME else pytest.param(n, marks=pytest.mark.slow) for n in REQUESTS],
)
def test_every_value_is_in_its_place(path_of, request_name):
    tree = open_nxstxm(path_of(request_name))
    wanted = sim.expected(REQUESTS[request_name])
    assert set(tree.children) == set(wanted)
    for entry_name, expected in wanted.items():
        entry = tree[entry_name]
        assert entry.attrs["scan_type"] == expected.label
        assert "guessed" not in entry.attrs
        for signal, values in expected.channels.items():
            name = name_of(entry, signal)
            np.testing.assert_array_equal(entry["instrument"][name].values, expected.lists[signal])
            assert entry["instrument"][name].dims == ("point",)
            if entry["instrument"][name].attrs["role"] == "i0":
                continue  # has no picture
            picture = entry[name]
            assert "guessed" not in picture.attrs, picture.attrs["guessed"]
            dims = tuple(
                DIMS.get(axis, axis) if expected.label != "generic scan"
                else {"sample_x": "x", "sample_y": "y"}.get(axis, axis)
                for axis in expected.axes
            )  # fmt: skip
            assert picture["data"].dims == dims
            np.testing.assert_array_equal(picture["data"].values, values)
            for axis, dim in zip(expected.axes, dims, strict=True):
                np.testing.assert_allclose(picture[dim].values, expected.setpoints[axis])
                assert picture[dim].attrs["units"]
            np.testing.assert_allclose(np.ravel(picture["energy"].values), expected.energies)
            assert picture["energy"].attrs["units"] == "eV"
            np.testing.assert_allclose(picture["count_time"].values.ravel(), expected.count_time)
            assert float(picture["theta"]) == expected.rotation_angle
            if expected.ring_current is not None:
                np.testing.assert_allclose(picture["control"].values, expected.ring_current)
    tree.close()


@pytest.mark.parametrize("key", [
    np.s_[0], np.s_[-1, 1:3], np.s_[:, ::-1, 2], np.s_[..., 0], np.s_[[2, 0]], np.s_[:, [3, 1, 1]],
    np.s_[0, [0, 2], [4, 0]], np.s_[1:1], np.s_[::2, 1::2, -3:],
])  # fmt: skip
def test_reads_what_is_selected(path_of, key):
    tree = open_nxstxm(path_of(STACK))
    data = tree["entry0/counter0"]["data"]
    whole = data.copy().values
    parts = key if isinstance(key, tuple) else (key,)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *[slice(None)] * (4 - len(parts)), *parts[at + 1 :])
    orthogonal = whole
    for dim, part in reversed(list(enumerate(parts))):
        orthogonal = orthogonal[(slice(None),) * dim + (part,)]
    np.testing.assert_array_equal(data[key].values, orthogonal)
    tree.close()


def test_nothing_is_read_before_it_is_wanted(path_of, monkeypatch):
    from suitcase.nxstxm.nexus._reading._stored import Opened

    read = []
    original = Opened.read
    monkeypatch.setattr(
        Opened, "read", lambda self, *key: (read.append(self._stored.path), original(self, *key))[1]
    )
    tree = open_nxstxm(path_of(STACK))
    data = tree["entry0/counter0"]["data"]
    assert "/entry0/counter0/data" not in read
    assert "/entry0/control/data" not in read
    assert not any("instrument" in path for path in read)
    data.isel(energy=0).load()
    assert "/entry0/counter0/data" in read
    assert "/entry0/control/data" not in read
    tree.close()


def test_dask_reads_blocks(path_of):
    tree = open_nxstxm(path_of(STACK), chunks={"energy": 1})
    data = tree["entry0/counter0"]["data"]
    assert data.chunks[0] == (1, 1, 1)
    with open_nxstxm(path_of(STACK)) as plain:
        np.testing.assert_array_equal(data.values, plain["entry0/counter0"]["data"].values)
    again = open_nxstxm(path_of(STACK), chunks={"energy": 1})["entry0/counter0"]["data"]
    assert again.data.name == data.data.name, "the same file has the same name, for dask's cache"
    tree.close()


def test_it_can_be_sent_to_another_process(path_of):
    tree = open_nxstxm(path_of(STACK))
    sent = pickle.loads(pickle.dumps(tree["entry0/counter0"]["data"]))
    xr.testing.assert_identical(sent, tree["entry0/counter0"]["data"])
    copied = copy.deepcopy(tree)
    tree.close()
    assert copied["entry0/counter0"]["data"].sum() > 0


def test_a_closed_tree_holds_no_file(path_of, tmp_path):
    path = Path(shutil.copy(path_of(STACK), tmp_path))
    tree = open_nxstxm(path)
    tree["entry0/counter0"]["data"].load()
    tree.close()
    h5py.File(path, "r+").close()  # would fail while somebody has it open for reading


def test_the_xarray_engine(path_of):
    assert "nxstxm" in xr.backends.list_engines()
    path = path_of("stxm-stack-two-detectors")
    tree = xr.open_datatree(path, engine="nxstxm")
    ours = open_nxstxm(path)
    for node in ours.subtree:
        xr.testing.assert_identical(node.to_dataset(), tree[node.path].to_dataset())
    first = next(iter(ours["entry0"].children))
    with xr.open_dataset(path, engine="nxstxm", entry="entry0", channel=first) as dataset:
        xr.testing.assert_identical(dataset, ours[f"entry0/{first}"].to_dataset(inherit=False))
    with xr.open_dataset(path, engine="nxstxm", drop_variables=["control"]) as dataset:
        assert set(dataset.data_vars) == {"data"}
    with xr.open_dataset(path, engine="nxstxm", chunks={}) as dataset:
        assert dataset["data"].chunks is not None
    groups = xr.open_groups(path, engine="nxstxm")
    assert f"/entry0/{first}" in groups
    with pytest.raises(NXstxmError, match="'nothing' is no channel of entry0; there are: "):
        xr.open_dataset(path, engine="nxstxm", channel="nothing")
    with pytest.raises(NXstxmError, match="'nothing' is no entry of"):
        xr.open_dataset(path, engine="nxstxm", entry="nothing")
    tree.close()
    ours.close()


def test_the_engine_leaves_files_of_others_alone(path_of):
    from suitcase.nxstxm.nexus._reading._engine import NXstxmBackend

    assert NXstxmBackend().guess_can_open("a.stxm")
    assert not NXstxmBackend().guess_can_open(path_of(STACK))
    assert not NXstxmBackend().guess_can_open(b"bytes")
    with pytest.raises(NXstxmError, match="by their path, not bytes"):
        NXstxmBackend().open_dataset(b"bytes")


def test_readings_of_the_beamline_when_they_are_asked_for(path_of):
    path = path_of(STACK)
    with open_nxstxm(path) as tree:
        assert "baseline" not in tree["entry0"].children
    with open_nxstxm(path, baseline=True) as tree, h5py.File(path) as file:
        stored = file["entry0/collection/baseline"]
        node = tree["entry0/baseline"]
        assert set(node.data_vars) == {k for k in stored if "value" in stored[k]}
        for name, variable in node.data_vars.items():
            value = stored[name]["value"]
            if value.dtype.kind in "iuf":
                np.testing.assert_array_equal(variable.values, value[()])
            assert variable.attrs.get("units", "") == value.attrs.get("units", "")
            assert variable.attrs["time"] == stored[name]["value_time"][()].tolist()


def test_a_tree_can_be_saved_by_xarray(path_of, tmp_path):
    """What xarray can not write, nobody can hand on."""
    with open_nxstxm(path_of(STACK), baseline=True) as tree:
        tree.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        with xr.open_datatree(tmp_path / "a.nc", engine="h5netcdf") as saved:
            xr.testing.assert_equal(saved["entry0/counter0"], tree["entry0/counter0"])


def test_units_and_facts(path_of):
    with open_nxstxm(path_of(STACK)) as tree:
        entry = tree["entry0"]
        assert entry.attrs["insertion_device_gap_units"] == "um"
        assert entry.attrs["zone_plate_outermost_zone_width"] > 0
        assert entry.attrs["complete"] == 1
        picture = entry["counter0"]
        assert picture["data"].attrs["units"] == "counts"
        assert picture["x"].attrs == {"units": "um", "long_name": "sample_x"}
        assert picture.attrs["file"] == path_of(STACK).name
        assert picture.attrs["entry_identifier_uuid"] == entry.attrs["entry_identifier_uuid"]


def test_contents_need_no_xarray(path_of):
    contents = read_contents(path_of(STACK))
    data = contents.entry().channel().data
    assert data.stored.read((0, slice(None), slice(1, 3))).shape == (data.stored.shape[1], 2)
