"""NeXpy is where NeXus files are looked at: a file that is loaded and plotted must show the scan.

The program itself runs, in a window of Qt that nobody sees: a file is loaded, chosen in the tree
and plotted, and what is then drawn is compared with what was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from suitcase.nxstxm import export_scan, sim

from ..catalogs.environments import python_with

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="Qt draws off the screen on Linux"),
]

WINDOW = Path(__file__).with_name("nexpy_window.py")
Y, X, ENERGY = "sample_y (um)", "sample_x (um)", "energy (eV)"
#: Of each scan: the signal, and what stands below and beside the plot.
EXPECTED = {
    "pystxm2019-sample_point_spectra-points": ("counter0", ENERGY, "counter0 (counts)"),
    "line-spectra-with-motors": ("counter0", "line_position (um)", ENERGY),
    "image-two-detectors": ("counter0", X, Y),
    "stxm-stack": ("pmt", X, Y),
    "pystxm2019-sample_focus-lines": ("counter0", "line_position (um)", "zoneplate_z (um)"),
    "pystxm2019-osa_image-points": ("counter0", "osa_x (um)", "osa_y (um)"),
    "pystxm2019-detector_image-points": ("counter0", "detector_x (um)", "detector_y (um)"),
    "generic-2d": ("counter0", "osa_x (um)", "osa_y (um)"),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Give what NeXpy draws of each scan; its window is started once."""
    python = python_with("nexpy")
    folder, home = (tmp_path_factory.mktemp(name) for name in ("files", "home"))
    requests = sim.all_requests()
    paths = [
        export_scan(sim.scan_documents(requests[name]), folder, file_prefix=name)
        for name in EXPECTED
    ]
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment |= {"QT_QPA_PLATFORM": "offscreen", "HOME": str(home)}
    done = subprocess.run(
        [str(python), str(WINDOW), str(home / "notes.json"), str(home), *map(str, paths)],
        cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if "cannot open shared object file" in done.stderr:
        pytest.skip(f"Qt lacks libraries of the system ({done.stderr[-200:].strip()})")
    assert done.returncode == 0, done.stderr
    notes = json.loads((home / "notes.json").read_text("utf-8"))
    return {Path(name).stem: told for name, told in notes.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_nexpy_plots_the_scan_without_being_told_where_it_is(
    shown: dict[str, dict], name: str
) -> None:
    signal, x, y = EXPECTED[name]
    entries = sim.expected(sim.all_requests()[name])
    wanted = entries[min(entries)]
    told = shown[name]
    assert told["group"] == f"/{wanted.name}/{signal}"
    assert (told["x"], told["y"]) == (x, y)
    assert told["axes"] == list(wanted.axes)
    assert told["is_image"] == (wanted.data.ndim > 1)
    drawn = wanted.data[0] if wanted.data.ndim == 3 else wanted.data
    np.testing.assert_array_equal(told["drawn"], drawn.ravel())
