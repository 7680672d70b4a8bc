"""The kinds of scan a STXM makes: their names, numbers, routes, axes and NXstxm labels.

One table stands behind everything that depends on the scan type; a new type is a new row. Names
and values are those that pyStxm's control system sends, with the later spellings as aliases.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from .._errors import NXstxmValueError
from ._metadata import short


class UnknownScanTypeError(NXstxmValueError):
    """A scan type that is none of `ScanType`."""


class ScanType(IntEnum):
    """What a scan scans; the values are those of the control system's start documents.

    Look one up by value, by name in any case, or by its NXstxm label:
    ``ScanType(6)``, ``ScanType("sample_image")`` and ``ScanType("sample image")`` are the same.

    Raises
    ------
    UnknownScanTypeError
        The value is none of these.
    """

    DETECTOR_IMAGE = 0
    OSA_IMAGE = 1
    OSA_FOCUS = 2
    SAMPLE_FOCUS = 3
    SAMPLE_POINT_SPECTRA = 4
    SAMPLE_LINE_SPECTRA = 5
    SAMPLE_IMAGE = 6
    SAMPLE_IMAGE_STACK = 7
    GENERIC_SCAN = 8
    COARSE_IMAGE_SCAN = 9
    COARSE_GONI_SCAN = 10
    TOMOGRAPHY_SCAN = 11
    PATTERN_GEN_SCAN = 12
    PTYCHOGRAPHY_SCAN = 13
    TWO_VARIABLE_IMAGE = 14
    # later spellings of the same types
    SAMPLE_POINT_SPECTRUM = 4
    SAMPLE_LINE_SPECTRUM = 5
    COARSE_IMAGE = 9
    COARSE_GONI = 10
    TOMOGRAPHY = 11
    PATTERN_GEN = 12
    PTYCHOGRAPHY = 13

    @classmethod
    def _missing_(cls, value: object) -> ScanType:
        if isinstance(value, str):
            text = value.strip()
            if text.isdecimal() and int(text) in cls._value2member_map_:
                return cls(int(text))
            name = "_".join(text.upper().replace("-", " ").replace("_", " ").split())
            if name in cls.__members__:
                return cls.__members__[name]
            by_label = _BY_LABEL.get(_plain_label(text))
            if by_label is not None:
                return by_label
        raise UnknownScanTypeError(
            f"scan type {value!r} is not one of ScanType ({min(cls)}..{max(cls)}): "
            f"give one of these numbers, a name such as 'SAMPLE_IMAGE' or a label such as "
            f"'sample image'"
        )

    @property
    def layout(self) -> Layout:
        """The row of the table that belongs to this type."""
        return LAYOUTS[self]

    @property
    def label(self) -> str:
        """The label that NXstxm gives this type (``stxm_scan_type``)."""
        return LAYOUTS[self].label

    @property
    def route(self) -> Route:
        """How runs of this type become entries."""
        return LAYOUTS[self].route


class Route(Enum):
    """How the runs of a scan become entries of its file."""

    SINGLE_ENTRY = "single-entry"  # one run, one entry
    POINT_SPECTRA = "point-spectra"  # one run, one entry for each point on the sample
    MULTI_ENTRY = "multi-entry"  # many runs; an entry for each region, polarization or angle


@dataclass(frozen=True)
class Layout:
    """How a scan of one type is laid out.

    Attributes
    ----------
    label : str
        ``stxm_scan_type``, one of NXstxm's enumeration.
    route : Route
        How runs become entries.
    axes : tuple of str
        The axes of NXdata, slowest first; empty where the scanned devices name them.
    line : tuple of str
        The two positions that run along ``line_position``, when that is an axis.
    """

    label: str
    route: Route
    axes: tuple[str, ...]
    line: tuple[str, ...] = ()


_SAMPLE_LINE = ("sample_x", "sample_y")
_IMAGE = ("sample_y", "sample_x")
_STACK = ("energy", "sample_y", "sample_x")
_FOCUS = ("zoneplate_z", "line_position")

#: The table. Labels: NXstxm (NeXus definitions v2026.01); where it is silent (coarse images,
#: pattern generator, tomography, ptychography) see docs/explanations/scan-types.md.
LAYOUTS: dict[ScanType, Layout] = {
    ScanType.DETECTOR_IMAGE: Layout(
        "detector image", Route.SINGLE_ENTRY, ("detector_y", "detector_x")
    ),
    ScanType.OSA_IMAGE: Layout("osa image", Route.SINGLE_ENTRY, ("osa_y", "osa_x")),
    ScanType.OSA_FOCUS: Layout("osa focus", Route.SINGLE_ENTRY, _FOCUS, ("osa_x", "osa_y")),
    ScanType.SAMPLE_FOCUS: Layout("sample focus", Route.SINGLE_ENTRY, _FOCUS, _SAMPLE_LINE),
    ScanType.SAMPLE_POINT_SPECTRA: Layout(
        "sample point spectrum", Route.POINT_SPECTRA, ("energy",)
    ),
    ScanType.SAMPLE_LINE_SPECTRA: Layout(
        "sample line spectrum", Route.SINGLE_ENTRY, ("energy", "line_position"), _SAMPLE_LINE
    ),
    ScanType.SAMPLE_IMAGE: Layout("sample image", Route.SINGLE_ENTRY, _IMAGE),
    ScanType.SAMPLE_IMAGE_STACK: Layout("sample image stack", Route.MULTI_ENTRY, _STACK),
    ScanType.GENERIC_SCAN: Layout("generic scan", Route.SINGLE_ENTRY, ()),
    ScanType.COARSE_IMAGE_SCAN: Layout("sample image", Route.SINGLE_ENTRY, _IMAGE),
    ScanType.COARSE_GONI_SCAN: Layout("sample image", Route.SINGLE_ENTRY, _IMAGE),
    ScanType.TOMOGRAPHY_SCAN: Layout("sample image stack", Route.MULTI_ENTRY, _STACK),
    ScanType.PATTERN_GEN_SCAN: Layout("sample image", Route.SINGLE_ENTRY, _IMAGE),
    ScanType.PTYCHOGRAPHY_SCAN: Layout("sample image stack", Route.MULTI_ENTRY, _STACK),
    ScanType.TWO_VARIABLE_IMAGE: Layout("generic scan", Route.SINGLE_ENTRY, ()),
}


def _plain_label(text: str) -> str:
    """Fold a label as files of several facilities spell it: case, ``_``, ``-``, SPECTRA."""
    words = text.lower().replace("_", " ").replace("-", " ").replace("spectra", "spectrum").split()
    return " ".join(words)


#: the first type of the table that has a label is the one the label names
_BY_LABEL: dict[str, ScanType] = {
    layout.label: kind for kind, layout in reversed(list(LAYOUTS.items()))
}
# the stack, the image and the generic scan are what their label says, not a later relative
_BY_LABEL |= {
    "sample image": ScanType.SAMPLE_IMAGE,
    "sample image stack": ScanType.SAMPLE_IMAGE_STACK,
    "generic scan": ScanType.GENERIC_SCAN,
}

#: `ScanType` under the name that the documentation of 2019 used.
scan_types = ScanType

#: The lists of 2019, element by element in their documented order; the values 13 and 14 came later
#: and are in none. They hold the members, which equal their numbers.
two_posner_scans: list[ScanType] = [ScanType(v) for v in (0, 1, 9, 10, 6, 8)]
single_entry_scans: list[ScanType] = [ScanType(v) for v in (0, 1, 2, 3, 5, 6, 9, 10, 8)]
multi_entry_scans: list[ScanType] = [ScanType(v) for v in (7, 4, 11)]
single_2d_scans: list[ScanType] = [ScanType(v) for v in (0, 1, 9, 10)]
focus_scans: list[ScanType] = [ScanType(v) for v in (3, 2)]
single_image_scans: list[ScanType] = [ScanType(v) for v in (6,)]
stack_type_scans: list[ScanType] = [ScanType(v) for v in (7, 11)]
spectra_type_scans: list[ScanType] = [ScanType(v) for v in (4, 8)]
line_spec_scans: list[ScanType] = [ScanType(v) for v in (5,)]


def scan_type(value: Any, run: str = "") -> ScanType:
    """Look up a scan type for a run, naming the run when there is none.

    Parameters
    ----------
    value : int, str or ScanType
        As `ScanType` takes it.
    run : str, optional
        The run's uid, for the message.

    Returns
    -------
    ScanType
        The type.

    Raises
    ------
    UnknownScanTypeError
        The value is no scan type.
    """
    try:
        if isinstance(value, bool) or getattr(value, "ndim", None):
            # Python would take it for 0 or 1; and arrays have no truth
            raise UnknownScanTypeError(f"{value!r} is no number")
        return ScanType(value)
    except (ValueError, TypeError) as error:
        where = f" in run {run:.8}" if run else ""
        raise UnknownScanTypeError(
            f"scan type {short(value)}{where} is not one of ScanType ({min(ScanType)}.."
            f"{max(ScanType)}): give one of these numbers, a name or an NXstxm label"
        ) from error
