"""Without these, plans whose energies only the readings tell would be "generic scans"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.nexus import validate

from .bench import ROLES, Bench, picture, written

SPECTRA: dict[str, Callable[[Bench], Any]] = {
    "rel_scan": lambda b: bp.rel_scan([b.det], b.energy, 0, 10, 5),
    "rel_list_scan": lambda b: bp.rel_list_scan([b.det], b.energy, [0, 9, 3]),
    "log_scan": lambda b: bp.log_scan([b.det], b.energy, 2.845, 2.85, 4),
    "adaptive_scan": lambda b: bp.adaptive_scan(
        [b.det], "det", b.energy, 700, 703, 0.2, 1, 1e4, True
    ),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_energies_that_only_the_readings_tell_are_a_spectrum(
    name: str, bench: Bench, run: Any
) -> None:
    path, documents = run(SPECTRA[name](bench), devices=ROLES)
    kind, data, about = picture(path)
    read = [doc["data"] for what, doc in documents if what == "event"]
    assert (kind, about["axes"]) == ("sample point spectrum", ["energy"])
    assert len(read) > 2
    np.testing.assert_array_equal(about["energy"], [each["mono"] for each in read])
    np.testing.assert_array_equal(data, [each["det"] for each in read])


@pytest.mark.parametrize("lists", [False, True])
def test_a_relative_grid_with_energies_is_a_stack(lists: bool, bench: Bench, run: Any) -> None:
    b = bench
    if lists:
        plan = bp.rel_list_grid_scan(
            [b.det], b.energy, [0, 8, 5], b.y, [0, 1], b.x, [0, 1, 2], snake_axes=[b.x]
        )
    else:
        plan = bp.rel_grid_scan([b.det], b.energy, 0, 10, 3, b.y, 0, 1, 2, b.x, 0, 2, 3)
    kind, data, about = picture(run(plan, devices=ROLES).path)
    assert (kind, about["axes"]) == ("sample image stack", ["energy", "sample_y", "sample_x"])
    np.testing.assert_allclose(about["energy"], [700, 708, 705] if lists else [700, 705, 710])
    wanted = 1e4 * about["energy"][:, None, None] + 100 * about["sample_y"][:, None]
    np.testing.assert_allclose(data, wanted + about["sample_x"])


def test_a_relative_stack_that_was_broken_off_has_the_energies_that_came(
    bench: Bench, tmp_path: Path
) -> None:
    b, documents = bench, []
    plan = bp.rel_grid_scan([b.det], b.energy, 0, 10, 3, b.y, 0, 1, 2, b.x, 0, 2, 3)
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine(plan, lambda name, doc: documents.append((name, doc)))
    events = [i for i, (name, _) in enumerate(documents) if name == "event"]
    path = export_scan([*documents[: events[8]], documents[-1]], tmp_path, devices=ROLES)
    kind, data, about = picture(path)
    assert kind == "sample image stack"
    np.testing.assert_array_equal(about["energy"], [700, 705, np.nan])
    assert np.isfinite(data).sum() == 8
    assert [problem for problem in validate(path) if problem.level == "error"] == []


def test_relative_spectra_of_a_group_are_an_entry_each(bench: Bench, tmp_path: Path) -> None:
    """Nobody knows before which of their energies follow each other."""

    def spectra() -> Any:
        for index, first in enumerate((700.0, 720.0)):
            yield from bps.mv(bench.energy, first)
            md = {"scan_group": {"id": "two", "index": index, "total": 2}}
            yield from bpp.inject_md_wrapper(bp.rel_scan([bench.det], bench.energy, 0, 2, 3), md)

    [(path, _)] = written(spectra(), tmp_path, devices=ROLES)
    for entry, first in (("entry0", 700.0), ("entry1", 720.0)):
        kind, data, about = picture(path, entry=entry)
        assert kind == "sample point spectrum"
        np.testing.assert_allclose(about["energy"], first + np.arange(3))
        np.testing.assert_allclose(data, 1e4 * about["energy"])
