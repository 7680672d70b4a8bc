"""Words of other programs: how they spell scan types and axes, and what they mean here.

The spellings are those of files of the CLS (pyStxm, 2019 and later), the ALS (pystxmcontrol), PSI
and MAX IV (Pixelator), and Mantis.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..._errors import NXstxmValueError
from ...scans import scan_type

#: The unit of a coordinate that is only a count.
COUNTED = "point"
#: What is taken for a scan of which nobody says what it is.
UNKNOWN = "generic scan"

#: Spellings that are neither names nor labels of `ScanType`.
_LABELS = {
    "image": "sample image",
    "image scan": "sample image",
    "sample": "sample image",
    "stack": "sample image stack",
    "image stack": "sample image stack",
    "nexafs image scan": "sample image stack",
    "spectrum": "sample point spectrum",
    "point spectrum": "sample point spectrum",
    "single spectrum": "sample point spectrum",
    "line spectrum": "sample line spectrum",
    "line scan": "sample line spectrum",
    "linescan": "sample line spectrum",
    "focus": "sample focus",
    "spiral image": "sample image",
    "single motor": "generic scan",
    "double motor": "generic scan",
    "osa scan": "osa image",
    "detector scan": "detector image",
    "ptychography image": "sample image",
}

#: Words that tell a scan type where its whole name is unknown, the most telling first.
_KEYWORDS = (
    ("osa focus", "osa focus"),
    ("focus", "sample focus"),
    ("osa", "osa image"),
    ("detector", "detector image"),
    ("line", "sample line spectrum"),
    ("stack", "sample image stack"),
    ("spectrum", "sample point spectrum"),
    ("image", "sample image"),
)
#: Names of axes to names of dimensions.
_DIMS: Mapping[str, str] = MappingProxyType(
    {
        "energy": "energy",
        "energies": "energy",
        "photon_energy": "energy",
        "sample_x": "x",
        "sample_y": "y",
        "x": "x",
        "y": "y",
        "line_position": "line",
        "zoneplate_z": "zoneplate_z",
        "zone_plate_z": "zoneplate_z",
        "zoneplate": "zoneplate_z",
        "theta": "theta",
        "rotation_angle": "theta",
        "polarization": "polarization",
    }
)
#: What else is an image's, by its scan type.
_ROWS_AND_COLUMNS = {
    "osa image": {"osa_x": "x", "osa_y": "y"},
    "detector image": {"detector_x": "x", "detector_y": "y"},
}
#: What names of axes contain, for those that have a facility's own words before and behind.
_PARTS = (("energy", "energy"), ("line_position", "line"), ("zoneplate", "zoneplate_z"))
#: Scans along a line on the sample, or of the OSA.
ALONG_A_LINE = ("sample line spectrum", "sample focus", "osa focus")
_OF_SAMPLE = ("sample image", "sample image stack", *ALONG_A_LINE)
_IMAGE, _STACK = ("sample_y", "sample_x"), ("energy", "sample_y", "sample_x")


def label_of(said: str | None) -> str | None:
    """Give the label that NXstxm has for what a file says; None when nobody knows it."""
    if not said:
        return None
    words = " ".join(said.lower().replace("_", " ").replace("-", " ").split())
    words = words.replace("spectra", "spectrum")
    if words in _LABELS:
        return _LABELS[words]
    try:
        return scan_type(said).label
    except NXstxmValueError:
        return next((label for word, label in _KEYWORDS if word in words), None)


def expected_axes(label: str | None, rank: int, full_rank: int) -> tuple[str, ...]:
    """Give the axes that an array of its kind has.

    Parameters
    ----------
    label : str or None
        Its scan type.
    rank, full_rank : int
        How many dimensions it has, without and with those of length 1.
    """
    axes = scan_type(label).layout.axes if label is not None else ()
    if rank <= len(axes) <= max(full_rank, 1):
        return axes
    if label in ("sample image", "sample image stack", None) and full_rank > 1:
        return _STACK if max(rank, 2) > 2 else _IMAGE
    return axes


def dim_of(name: str, label: str | None) -> str | None:
    """Give how an axis is called here; None when its own name is as good.

    Parameters
    ----------
    name : str
        Its name in the file.
    label : str or None
        The scan type.
    """
    plain = name.lower()
    if plain in _DIMS:
        return _DIMS[plain]
    special = _ROWS_AND_COLUMNS.get(label or "", {})
    if plain in special:
        return special[plain]
    if label in _OF_SAMPLE and "sample" in plain and plain[-1] in "xy":
        return plain[-1]
    return next((dim for part, dim in _PARTS if part in plain), None)


def natural_unit(name: str) -> str:
    """Give the unit that an axis has where the file says none: what all these programs use."""
    return _UNITS.get(name, "")


_UNITS = {
    **dict.fromkeys(("x", "y", "line", "zoneplate_z", "sample_x", "sample_y", "sample_z"), "um"),
    "energy": "eV",
    "count_time": "s",
    "theta": "deg",
}


def label_by_dims(dims: tuple[str, ...]) -> str:
    """Give the scan type of a picture whose file says none."""
    return _BY_DIMS.get(dims, UNKNOWN)


_BY_DIMS = {
    ("energy",): "sample point spectrum",
    ("energy", "line"): "sample line spectrum",
    ("energy", "y"): "sample line spectrum",
    ("energy", "x"): "sample line spectrum",
    ("y", "x"): "sample image",
    ("energy", "y", "x"): "sample image stack",
    ("zoneplate_z", "line"): "sample focus",
}
