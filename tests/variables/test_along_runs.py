"""Results of many runs as one array: nothing is taken for what it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.variables import RunTable


@pytest.fixture
def table(tmp_path: Path) -> Iterator[RunTable]:
    with RunTable.create(tmp_path / "table", proposal=900001, context="") as made:
        yield made


def spectrum(*energies: float, **coords: object) -> xr.DataArray:
    at = {"energy": list(energies), **coords}
    return xr.DataArray(np.arange(float(len(energies))), dims="energy", coords=at)


def submit(table: RunTable, **results: object) -> None:
    for place, result in results.items():
        proposal, run = place[1:].split("_")
        table.submit((int(proposal), int(run)), {"s": result}, provenance="test")


def test_runs_of_two_proposals_with_one_number(table: RunTable) -> None:
    submit(table, p900001_1=1.0, p900002_1=2.0, p900002_2=3.0)
    made = table.to_xarray("s")
    assert made.values.tolist() == [1.0, 2.0, 3.0]
    assert made["run"].values.tolist() == [1, 1, 2]
    assert made["proposal"].dims == ("run",)
    assert made["proposal"].values.tolist() == [900001, 900002, 900002]
    assert table.to_xarray("s", 900002).sel(run=2).item() == 3.0


def test_spectra_over_other_energies_are_refused(table: RunTable) -> None:
    submit(table, p900001_1=spectrum(280, 281), p900001_2=spectrum(700, 705))
    with pytest.raises(NXstxmValueError, match=r"over different 'energy': those of run 1 .* run 2"):
        table.to_xarray("s")


def test_spectra_without_energies_are_refused_beside_others(table: RunTable) -> None:
    bare = xr.DataArray([1.0, 2.0], dims="energy")
    submit(table, p900001_1=spectrum(280, 281), p900001_2=bare)
    with pytest.raises(NXstxmValueError, match="different 'energy'"):
        table.to_xarray("s")


def test_other_dimensions_are_refused(table: RunTable) -> None:
    other = xr.DataArray([1.0, 2.0], dims="x")
    submit(table, p900001_1=spectrum(280, 281), p900001_2=other)
    with pytest.raises(NXstxmValueError, match="different dimensions"):
        table.to_xarray("s")


def test_what_else_differs_lies_along_the_runs(table: RunTable) -> None:
    submit(
        table,
        p900001_1=spectrum(280, 281, sample="a", angle=0.0),
        p900001_2=spectrum(280, 281, sample="b", angle=0.0, only=1),
    )
    made = table.to_xarray("s")
    assert made.dims == ("run", "energy")
    assert made["energy"].values.tolist() == [280, 281]
    assert made["sample"].values.tolist() == ["a", "b"]
    assert made["angle"].item() == 0.0
    assert "only" not in made.coords
