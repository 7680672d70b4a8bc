"""The ready variables are what a new table shows: they must work for every type of scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import ContextFile, stxm
from suitcase.nxstxm.variables._execute import Inputs, execute
from suitcase.nxstxm.variables._run import RunRef, open_ref
from suitcase.nxstxm.variables._summary import summarised

CODE = "from suitcase.nxstxm.variables.stxm import *\n"
NAMES = [each.name for each in stxm.ALL]
#: Of each facility's way to tell, one of each type of scan; and those that were aborted.
SCANS = [n for n in all_requests() if n.startswith("pystxm2019") or "aborted" in n]


def computed(name: str, folder: Path, **params: Any) -> dict[str, Any]:
    return computed_of(
        [list(run) for run in scan_documents(all_requests()[name])], folder, **params
    )


def computed_of(runs: list[Any], folder: Path, **params: Any) -> dict[str, Any]:
    path = export_scan(runs, folder)
    ref = RunRef(runs[0][0][1]["uid"], "nxstxm", (str(path),), 1, 1)
    run = open_ref(ref)
    outcomes = list(execute(ContextFile.from_str(CODE), run, Inputs(ref, params)))
    run.close()
    return {outcome.name: outcome for outcome in outcomes}


@pytest.mark.parametrize("scan", SCANS)
def test_every_scan_has_what_it_can_have(scan: str, tmp_path: Path) -> None:
    found = computed(scan, tmp_path)
    assert set(found) == set(NAMES)
    for name, outcome in found.items():
        assert outcome.error_type in ("", "Skip") or _no_focus(name, outcome), outcome
    for name in ("scan_type", "points", "energy_range", "dwell"):
        assert not found[name].is_error, found[name]
    picture = summarised(found["thumbnail"].cell)
    assert picture.value is None or isinstance(picture.value, (bytes, np.ndarray, float, int))


def _no_focus(name: str, outcome: Any) -> bool:
    """Tell whether a simulated line has no focus in the range that was scanned."""
    few = ("not sharper", "above chance", "five positions", "five lines")
    return name == "focus" and any(each in outcome.error for each in few)


def test_what_a_scan_does_not_say_is_skipped(tmp_path: Path) -> None:
    """A plan of plain Bluesky tells no count time, and has no energy."""
    pytest.importorskip("bluesky")
    from bluesky import RunEngine
    from bluesky.plans import grid_scan
    from ophyd.sim import det, motor1, motor2

    documents: list[Any] = []
    RunEngine({})(
        grid_scan([det], motor1, 0, 1, 3, motor2, 0, 1, 4),
        lambda name, document: documents.append((name, document)),
    )
    path = export_scan(iter([documents]), tmp_path)
    ref = RunRef(documents[0][1]["uid"], "nxstxm", (str(path),), 1, 1)
    run = open_ref(ref)
    found = {o.name: o for o in execute(ContextFile.from_str(CODE), run, Inputs(ref))}
    run.close()
    for name in ("dwell", "overhead", "energy_range"):
        assert found[name].error_type == "Skip", found[name]
    assert not found["mean_counts"].is_error


def test_what_they_say_of_a_stack_is_true(tmp_path: Path) -> None:
    found = computed("pystxm2019-sample_image_stack-lines", tmp_path, saturation=0)
    told = {name: summarised(o.cell) for name, o in found.items() if o.cell is not None}
    assert told["scan_type"].value == "sample image stack"
    assert told["points"].value == "3 x 4 x 5"
    assert told["energy_range"].value == "700 to 708 eV (3)"
    assert (told["dwell"].value, told["dwell"].attributes["units"]) == (pytest.approx(1.0), "ms")
    assert told["duration"].value > 0
    assert 0 <= told["overhead"].value <= 100
    assert told["max_counts"].value >= told["mean_counts"].value > 0
    assert told["mean_counts"].attributes["units"] == "counts"
    assert told["saturated"].value == 100.0
    assert told["saturated"].attributes["background"] == [255, 153, 153]
    assert told["od_spectrum"].type == "trendline"
    assert told["od_spectrum"].value.shape == (2, 3)
    assert told["thumbnail"].value.startswith(b"\x89PNG")
    assert found["focus"].error == "it is no focus scan"
    assert told["drift"].value >= 0


def primary_events(runs: list[Any]) -> int:
    streams = {doc["uid"]: doc["name"] for r in runs for name, doc in r if name == "descriptor"}
    return sum(
        streams[doc["descriptor"]] == "primary" for r in runs for name, doc in r if name == "event"
    )


@pytest.mark.parametrize(
    ("scan", "counted"),
    [
        ("pystxm2019-sample_image-points", 20 * 0.001),
        ("pystxm2019-sample_image_stack-lines", 3 * 20 * 0.001),
        ("stack-two-regions", 3 * (20 + 18) * 0.001),
        ("stack-uneven-dwells", 20 * (0.001 + 0.0025 + 0.0005)),
        ("line-spectra-uneven-dwells", None),
        ("pystxm2019-tomography_scan-lines", 3 * 2 * 20 * 0.001),
        ("pystxm2019-sample_point_spectra-points", 12 * 0.001),
        ("stack-aborted", None),
        ("image-aborted", None),
    ],
)
def test_the_time_a_scan_took_and_counted_is_that_of_its_documents(
    scan: str, counted: float | None, tmp_path: Path
) -> None:
    runs = [list(run) for run in scan_documents(all_requests()[scan])]
    took = runs[-1][-1][1]["time"] - runs[0][0][1]["time"]
    if "aborted" in scan:  # lines of five points
        counted = primary_events(runs) * 5 * 0.001
    elif counted is None:
        counted = 6 * sum((0.001, 0.001, 0.003, 0.003))
    found = computed(scan, tmp_path)
    assert found["duration"].cell.data == pytest.approx(took, rel=1e-12)
    expected = 100 * (1 - min(counted / took, 1))
    assert float(found["overhead"].cell.data) == pytest.approx(expected, rel=1e-9)


def test_a_scan_whose_last_run_has_no_end_has_no_duration(tmp_path: Path) -> None:
    """Its first runs have ended, and say nothing of how long it took."""
    runs = [list(r) for r in scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"])]
    last = [(name, doc) for name, doc in runs[-1] if name != "stop"]
    found = computed_of([*runs[:-1], last], tmp_path)
    assert found["duration"].error == "the last run of the scan has no stop document"
    assert found["overhead"].error_type == "Skip"


def test_a_focus_has_its_fit_and_how_sure_it_is() -> None:
    xr = pytest.importorskip("xarray")
    z = np.linspace(-900.0, -700.0, 21)
    chance = np.random.default_rng(1)
    line = np.where(np.arange(60) % 12 < 6, 1.5, 0.5)
    contrast = np.exp(-(((z - -812.0) / 40) ** 2) / 2)
    rows = chance.poisson(1000 * (1 + contrast[:, None] * (line - 1)))
    picture = xr.DataArray(
        rows.astype(float),
        {"zoneplate_z": ("zoneplate_z", z, {"units": "um"}), "line": np.arange(60.0)},
        ("zoneplate_z", "line"),
    )

    class Run:
        def picture(self) -> Any:
            return picture

    cell = stxm.focus(Run())
    assert float(cell.summary_value) == pytest.approx(-812, abs=3)
    assert set(cell.data.data_vars) >= {"sharpness", "fit", "position", "uncertainty"}
    assert cell.units == "um"
    (axes,) = cell.preview.axes
    measured, fit, _ = axes.lines
    np.testing.assert_array_equal(measured.get_ydata(), cell.data["sharpness"])
    np.testing.assert_array_equal(fit.get_ydata(), cell.data["fit"])
    uncertainty = float(cell.data["uncertainty"])
    assert axes.get_title() == f"{float(cell.data['position']):.6g} ± {uncertainty:.2g} um"
    shown = summarised(cell)
    assert float(shown.value) == float(cell.summary_value)


def test_their_code_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new version of this package that changes one must have it computed again."""
    prints = {i.name: i.fingerprint for i in ContextFile.from_str(CODE).infos()}
    assert len(set(prints.values())) == len(prints)
    changed = Path(stxm.__file__).read_text("utf-8").replace("part > 75", "part > 76")
    (tmp_path / "stxm.py").write_text(changed, "utf-8")
    monkeypatch.setattr(stxm, "__file__", str(tmp_path / "stxm.py"))
    after = {i.name: i.fingerprint for i in ContextFile.from_str(CODE).infos()}
    assert {name for name in prints if prints[name] != after[name]} == {"overhead"}
