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
    runs = [list(run) for run in scan_documents(all_requests()[name])]
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
    few = ("not sharper", "five positions", "five lines")
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


def test_their_code_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new version of this package that changes one must have it computed again."""
    prints = {i.name: i.fingerprint for i in ContextFile.from_str(CODE).infos()}
    assert len(set(prints.values())) == len(prints)
    changed = Path(stxm.__file__).read_text("utf-8").replace("part > 75", "part > 76")
    (tmp_path / "stxm.py").write_text(changed, "utf-8")
    monkeypatch.setattr(stxm, "__file__", str(tmp_path / "stxm.py"))
    after = {i.name: i.fingerprint for i in ContextFile.from_str(CODE).infos()}
    assert {name for name in prints if prints[name] != after[name]} == {"overhead"}
