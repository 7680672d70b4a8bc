"""The demonstration is the first thing a newcomer runs: without this it could show wrong files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("bluesky")
pytest.importorskip("typer")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from typer.testing import CliRunner

    from suitcase.nxstxm.cli._app import app

    folder = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(app, ["demo", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_every_scan_has_a_file_and_a_picture_and_nothing_else_is_left(shown):
    names = ["aborted", "image", "killed", "spectra", "stack", "steps"]
    expected = sorted(f"{name}.{ending}" for name in names for ending in ("hdf5", "png"))
    assert sorted(p.name for p in shown.iterdir()) == expected


@pytest.mark.parametrize("name", ["image", "steps", "stack", "spectra", "aborted", "killed"])
def test_the_files_are_valid(shown, name):
    from suitcase.nxstxm.nexus import nexusformat_problems, validate

    path = shown / f"{name}.hdf5"
    assert validate(path) == []
    assert [p for p in nexusformat_problems(path) or [] if p.level == "error"] == []


def test_a_stack_of_one_run_per_energy_is_one_entry(shown):
    with h5py.File(shown / "stack.hdf5") as h5:
        assert list(h5) == ["entry0"]
        assert h5["entry0/counter0/data"].shape == (15, 61, 61)
        assert len(h5["entry0/collection/bluesky"]) == 15


def test_the_iron_particle_absorbs_at_its_edge_and_the_empty_place_does_not(shown):
    with h5py.File(shown / "spectra.hdf5") as h5:
        energy = h5["entry0/counter0/energy"][()]
        iron, empty = (h5[f"entry{i}/counter0/data"][()] for i in (0, 2))
    assert 707 <= energy[np.argmin(iron)] <= 709
    assert iron.min() < 0.5 * iron.max()
    assert empty.min() > 0.9 * empty.max()


def test_the_aborted_image_is_nan_where_nothing_was_measured(shown):
    with h5py.File(shown / "aborted.hdf5") as h5:
        data = h5["entry0/counter0/data"][()]
        assert h5["entry0/collection/exit_status"].asstr()[()] == "abort"
        assert not h5["entry0"].attrs["complete"]
    assert np.isfinite(data[:64]).all()
    assert np.isnan(data[64:]).all()


def test_the_killed_image_has_all_lines_that_were_measured(shown):
    with h5py.File(shown / "killed.hdf5") as h5:
        data = h5["entry0/counter0/data"][()]
        assert not h5["entry0"].attrs["complete"]
    assert np.isfinite(data[:40]).all()
    assert np.isnan(data[40:]).all()
