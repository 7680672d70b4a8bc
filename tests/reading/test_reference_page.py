"""The page of reference must name all that a reader gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from styles import STYLES, build_style

from suitcase.nxstxm import export_scan, open_nxstxm, sim

PAGE = Path(__file__).parents[2] / "docs/reference/reading.md"
REQUESTS = sim.all_requests()
#: One of each kind of scan.
OWN = [
    "pystxm2019-detector_image-points",
    "pystxm2019-osa_image-points",
    "pystxm2019-osa_focus-points",
    "pystxm2019-sample_focus-lines",
    "pystxm2019-sample_point_spectra-points",
    "pystxm2019-sample_line_spectra-lines",
    "pystxm2019-sample_image_stack-lines",
    "pystxm2019-ptychography_scan-points",
    "generic-2d",
    "stxm-tomography",
]


def section(title):
    """Give the names in the first column of the table under a heading."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def check(tree):
    coordinates = section("Coordinates that are no dimension")
    variables = section("Variables of a picture")
    dims = section("Dimensions")
    seen = 0
    for node in tree.subtree:
        if "channel" not in node.attrs:
            continue
        seen += 1
        own = {str(each) for each in node.coords if each not in node.dims}
        assert own <= coordinates, f"{own - coordinates} of {node.path} is not on the page"
        if "generic" not in node.attrs["scan_type"] and "processed" not in node.path:
            assert {str(each) for each in node.dims} <= dims
        assert {str(each) for each in node.data_vars} <= variables
    assert seen


@pytest.mark.parametrize("name", STYLES)
def test_of_other_programs(tmp_path, name):
    path, _ = build_style(name, tmp_path)
    with open_nxstxm(path) as tree:
        check(tree)


@pytest.mark.parametrize("name", OWN)
def test_of_our_own(tmp_path, name):
    with open_nxstxm(export_scan(sim.scan_documents(REQUESTS[name]), tmp_path)) as tree:
        check(tree)


def test_of_several(tmp_path):
    path = export_scan(sim.scan_documents(REQUESTS["stack-two-polarizations"]), tmp_path)
    with open_nxstxm([path]) as tree:
        check(tree)


def test_the_page_is_read():
    assert {"energy", "count_time", "theta"} <= section("Coordinates that are no dimension")
    assert {"data", "control", "quality"} <= section("Variables of a picture")
