"""Line mapping with a spectrum at each point; without these tests its spectra would get lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmWriter, open_nxstxm
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import read_documents

from .flying import NX, ROLES, THERE, exported, flown, told

POINTS = np.arange(NX, dtype=float)


def blocks(*shape: int) -> Any:
    return [np.arange(np.prod(shape), dtype="u4").reshape(shape) + 100 * i for i in range(2)]


@pytest.mark.parametrize("with_counter", [False, True])
@pytest.mark.parametrize("read", [True, False], ids=["positions", "no positions"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 2, 3), (1, 5, 7), (5, 1)])
def test_the_spectra_of_a_line_become_those_of_its_points(
    shape: tuple[int, ...], read: bool, with_counter: bool, tmp_path: Path
) -> None:
    mca = blocks(*shape)
    rows = [{"mca": each} for each in mca]
    for row in rows:
        row |= {"encoder": POINTS} if read else {}
        row |= {"counter": POINTS} if with_counter else {}
    documents = flown(rows, 2)
    path = exported(documents, tmp_path)
    with h5py.File(path) as h5:
        each = np.concatenate([block.reshape(NX, *shape[shape.index(NX) + 1 :]) for block in mca])
        stored = h5["entry0/instrument/mca/data"]
        assert stored.dtype == np.uint32
        np.testing.assert_array_equal(stored[()].reshape(each.shape), each)
        np.testing.assert_array_equal(
            h5["entry0/mca/data"], each.reshape(2, NX, -1).sum(axis=2, dtype=float)
        )
        assert "NaN" not in told(h5)
        assert h5["entry0"].attrs["complete"]
    assert difference(read_documents(path), documents) is None


def test_a_list_of_spectra_of_one_channel_is_one_of_numbers(tmp_path: Path) -> None:
    """An image with one column comes the same way."""
    rows = [{"mca": each, "encoder": POINTS} for each in blocks(NX, 1)]
    with h5py.File(exported(flown(rows, 2), tmp_path)) as h5:
        assert h5["entry0/instrument/mca/data"].shape == (2 * NX,)


def test_spectra_of_samples_are_binned_as_counts_are(tmp_path: Path) -> None:
    spectra = np.repeat(THERE[:, np.newaxis] + 1, 7, axis=1)
    rows = [{"mca": spectra, "counter": 7 * (THERE + 1), "encoder": THERE} for _ in range(2)]
    with h5py.File(exported(flown(rows, 2), tmp_path)) as h5:
        entry = h5["entry0"]
        np.testing.assert_array_equal(entry["instrument/mca/data"], np.tile(spectra, (2, 1)))
        assert entry["binning/samples_mca"][()].tolist() == [100, 100]
        np.testing.assert_allclose(entry["mca/data"], entry["counter/data"])
        assert np.isfinite(entry["mca/data"]).all()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_line_of_spectra_may_break_off(n: int, tmp_path: Path) -> None:
    rows = [{"mca": np.full((NX, 7), 2.0), "encoder": POINTS} for _ in range(3)]
    rows[1] = {"mca": np.full((n, 7), 2.0), "encoder": POINTS[:n]}
    with h5py.File(exported(flown(rows), tmp_path)) as h5:
        wanted = np.full((3, NX), 14.0)
        wanted[1, n:] = np.nan
        np.testing.assert_array_equal(h5["entry0/mca/data"], wanted)
        assert h5["entry0/instrument/mca/data"].shape == (2 * NX + n, 7)


def test_a_block_that_nobody_can_part_is_kept_whole(tmp_path: Path) -> None:
    mca = blocks(7, 5)  # channels first
    path = exported(flown([{"mca": each, "encoder": POINTS} for each in mca], 2), tmp_path)
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(h5["entry0/instrument/mca/data"], mca)
        assert h5["entry0/binning/samples_mca"][()].tolist() == [1, 1]
        assert np.isnan(h5["entry0/mca/data"]).all()
        assert "10 of 10 points of mca are NaN: what came is about the whole line" in told(h5)
        assert "no reading came" not in told(h5)


def test_live_it_is_the_same_and_programs_can_open_it(tmp_path: Path) -> None:
    spectra = np.repeat(THERE[:, np.newaxis], 7, axis=1)
    rows = [{"mca": spectra, "frames": np.ones((NX, 4, 6)), "encoder": THERE} for _ in range(2)]
    documents = flown(rows, 2)
    path = exported(documents, tmp_path / "exported")
    with NXstxmWriter(tmp_path / "live", devices=ROLES) as writer:
        for name, doc in documents[:-1]:
            writer(name, doc)
        part = writer.storage()[{"sample_y": 1, "channel": "mca"}]
        writer(*documents[-1])
    with h5py.File(path) as h5, h5py.File(writer.paths[0]) as other:
        for name in ("mca/data", "frames/data", "instrument/mca/data", "instrument/frames/data"):
            np.testing.assert_array_equal(h5["entry0"][name], other["entry0"][name])
        np.testing.assert_array_equal(part, h5["entry0/mca/data"][1])
    with open_nxstxm(path) as tree:
        assert tree["entry0/mca/data"].shape == (2, NX)
