"""What each scan type does, as the simulation understands it: one row a type.

The numbers and names are pyStxm's. The labels and axes are written down here a second time, and
not taken from `suitcase.nxstxm.scans`, because what the simulation expects is to be an independent
check of what the package writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: How the points of a run lie: a raster, a line (in x and y at once), single points, or a raster
#: whose devices the request names.
Sweep: TypeAlias = Literal["raster", "line", "point", "named"]

Style: TypeAlias = Literal["points", "lines", "images"]


@dataclass(frozen=True)
class ScanKind:
    """A scan type.

    Attributes
    ----------
    name : str
        pyStxm's name.
    label : str
        What NXstxm calls it (``stxm_scan_type``).
    sweep : Sweep
        How the points of a run lie.
    outer : str
        Axis over the sweep: ``"energy"``, ``"zoneplate_z"`` or none.
    axes : tuple of str
        Axes of the array, slowest first; empty where the named devices decide.
    x, y : str
        The stages that are scanned, keys of the device table.
    style : Style
        How the data usually arrives: a number, a line or an image per event.
    by_run : bool
        The outer axis is stepped from run to run, and each polarization, region or angle is an
        entry of its own.
    energy_list : bool
        The request carries pyStxm's ``SINGLE_LST``.
    section : str
        pyStxm's ``SECTION_ID``.
    """

    name: str
    label: str
    sweep: Sweep
    outer: str
    axes: tuple[str, ...]
    x: str
    y: str
    style: Style
    by_run: bool
    energy_list: bool
    section: str


_IMAGE = ("sample_y", "sample_x")
_STACK = ("energy", "sample_y", "sample_x")
_FOCUS = ("zoneplate_z", "line_position")


def _image(
    name: str, label: str, stage: str, section: str, *, axes: tuple[str, ...] = _IMAGE,
    style: Style = "lines", energy_list: bool = False,
) -> ScanKind:  # fmt: skip
    x, y = f"{stage}_x", f"{stage}_y"
    return ScanKind(name, label, "raster", "", axes, x, y, style, False, energy_list, section)


def _stack(name: str, stage: str, section: str, style: Style = "lines") -> ScanKind:
    label, x, y = "sample image stack", f"{stage}_x", f"{stage}_y"
    return ScanKind(name, label, "raster", "energy", _STACK, x, y, style, True, True, section)


def _single(
    name: str, label: str, sweep: Sweep, outer: str, axes: tuple[str, ...], stage: str,
    style: Style, energy_list: bool, section: str,
) -> ScanKind:  # fmt: skip
    x, y = f"{stage}_x", f"{stage}_y"
    return ScanKind(name, label, sweep, outer, axes, x, y, style, False, energy_list, section)


#: Scan type -> what it does.
KINDS: dict[int, ScanKind] = {
    0: _image(
        "DETECTOR_IMAGE", "detector image", "detector", "DETECTOR",
        axes=("detector_y", "detector_x"), style="points",
    ),
    1: _image(
        "OSA_IMAGE", "osa image", "osa", "OSA", axes=("osa_y", "osa_x"), style="points"
    ),
    2: _single(
        "OSA_FOCUS", "osa focus", "line", "zoneplate_z", _FOCUS, "osa", "points", False,
        "OSA_FOCUS",
    ),
    3: _single(
        "SAMPLE_FOCUS", "sample focus", "line", "zoneplate_z", _FOCUS, "sample", "lines", False,
        "FOCUS",
    ),
    4: _single(
        "SAMPLE_POINT_SPECTRA", "sample point spectrum", "point", "energy", ("energy",), "sample",
        "points", True, "POINT",
    ),
    5: _single(
        "SAMPLE_LINE_SPECTRA", "sample line spectrum", "line", "energy",
        ("energy", "line_position"), "goni", "lines", True, "LINE",
    ),
    6: _image("SAMPLE_IMAGE", "sample image", "goni", "SAMPLE_LXL", energy_list=True),
    7: _stack("SAMPLE_IMAGE_STACK", "goni", "SAMPLE_LXL"),
    8: _single(
        "GENERIC_SCAN", "generic scan", "named", "", (), "goni", "points", False, "POSITIONER"
    ),
    9: _image("COARSE_IMAGE_SCAN", "sample image", "coarse", "COARSE_SAMPLE", style="points"),
    10: _image("COARSE_GONI_SCAN", "sample image", "goni", "COARSE_GONI", style="points"),
    11: _stack("TOMOGRAPHY_SCAN", "goni", "TOMO"),
    12: _image("PATTERN_GEN_SCAN", "sample image", "fine", "PATTERN_GEN", style="points"),
    13: _stack("PTYCHOGRAPHY_SCAN", "fine", "PTYCHOGRAPHY", style="points"),
    14: _single(
        "TWO_VARIABLE_IMAGE", "generic scan", "named", "", (), "sample", "points", False,
        "TWO_VARIABLE",
    ),
}  # fmt: skip

TOMOGRAPHY, PTYCHOGRAPHY, OSA_FOCUS, GENERIC, TWO_VARIABLE = 11, 13, 2, 8, 14
