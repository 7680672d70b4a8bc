"""What an NXstxm file of this project must hold, as tables: a new rule is a new row.

Sources: the application definition NXstxm and the base classes NXsource and NXdata of the NeXus
definitions v2026.01 (https://manual.nexusformat.org/classes/applications/NXstxm.html), and what
the programs that open these files were found to need. The tables state the definition a second
time, apart from the layouts the writer works with, so that a slip in those is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SOURCE_TYPES = (
    "Spallation Neutron Source",
    "Pulsed Reactor Neutron Source",
    "Reactor Neutron Source",
    "Synchrotron X-ray Source",
    "Pulsed Muon Source",
    "Rotating Anode X-ray",
    "Fixed Tube X-ray",
    "UV Laser",
    "Free-Electron Laser",
    "Optical Laser",
    "Ion Source",
    "UV Plasma Source",
    "Metal Jet X-ray",
    "Laser",
    "Dye Laser",
    "Broadband Tunable Light Source",
    "Halogen Lamp",
    "LED",
    "Mercury Cadmium Telluride Lamp",
    "Deuterium Lamp",
    "Xenon Lamp",
    "Globar",
)

PROBES = (
    "neutron",
    "photon",
    "x-ray",
    "muon",
    "electron",
    "ultraviolet",
    "visible light",
    "positron",
    "proton",
)


@dataclass(frozen=True)
class FieldRule:
    """What one dataset of a group must look like.

    Attributes
    ----------
    kind : {"text", "number", "float", "float64"}
        ``number`` takes integers as well.
    shape : tuple of (int or str), optional
        A length is a number, ``"nP"`` or ``"nE"`` (`SYMBOLS`), or ``"n"``: any, but not 0.
    trailing : bool
        Whether dimensions may follow those of `shape`.
    units : tuple of str
        The values @units may have; that it must be there at all is a rule of its own.
    fixed_bytes : bool
        Whether readers need strings of fixed length here.
    """

    name: str
    kind: Literal["text", "number", "float", "float64"]
    shape: tuple[int | str, ...] | None = None
    required: bool = True
    trailing: bool = False
    units: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    fixed_bytes: bool = False


#: The lengths that several datasets share, and where they come from.
SYMBOLS: Mapping[str, str] = {
    "nP": "the length of monochromator/energy",
    "nE": "the length of energy beside it",
}


@dataclass(frozen=True)
class ScanLabel:
    """The layout that one value of stxm_scan_type stands for.

    Attributes
    ----------
    axes : tuple of str, optional
        @axes of NXdata; None where any will do.
    along_line : tuple of str
        Fields that hold one position for each point of ``line_position``.
    single : tuple of str
        Fields of length 1: where something stood while another thing was scanned.
    """

    axes: tuple[str, ...] | None
    along_line: tuple[str, ...] = ()
    single: tuple[str, ...] = ()


_STAGE = ("sample_x", "sample_y")

#: The enumeration of stxm_scan_type.
SCAN_LABELS: Mapping[str, ScanLabel] = {
    "sample point spectrum": ScanLabel(("energy",), single=_STAGE),
    "sample line spectrum": ScanLabel(("energy", "line_position"), along_line=_STAGE),
    "sample image": ScanLabel(("sample_y", "sample_x"), single=("energy",)),
    "sample image stack": ScanLabel(("energy", "sample_y", "sample_x")),
    "sample focus": ScanLabel(
        ("zoneplate_z", "line_position"), along_line=_STAGE, single=("energy",)
    ),
    "osa image": ScanLabel(("osa_y", "osa_x"), single=("energy", *_STAGE)),
    "osa focus": ScanLabel(
        ("zoneplate_z", "line_position"), along_line=("osa_x", "osa_y"), single=("energy",)
    ),
    "detector image": ScanLabel(("detector_y", "detector_x"), single=("energy", *_STAGE)),
    "generic scan": ScanLabel(None),
}

ENTRY_FIELDS = (
    FieldRule("title", "text", ()),
    FieldRule("start_time", "text", ()),
    FieldRule("end_time", "text", ()),
    FieldRule("definition", "text", (1,), one_of=("NXstxm",), fixed_bytes=True),
    FieldRule("entry_identifier_uuid", "text", (), required=False),
    FieldRule("entry_identifier", "text", (), required=False),
)

SAMPLE_FIELDS = (
    FieldRule("name", "text", (), required=False),
    FieldRule("rotation_angle", "float", ()),
)

SOURCE_FIELDS = (
    FieldRule("type", "text", (), one_of=SOURCE_TYPES),
    FieldRule("name", "text", ()),
    FieldRule("probe", "text", (), one_of=PROBES),
    FieldRule("current", "float", required=False),
)

#: The length of this list is nP; a scan that was aborted before its first point has none.
MONOCHROMATOR_FIELDS = (FieldRule("energy", "float", ("nP",), units=("eV",)),)

DETECTOR_FIELDS = (
    FieldRule("data", "number", ("nP",), trailing=True),
    FieldRule("count_time", "float", ("nP",), required=False, units=("s",)),
)

#: sample_x, sample_y, sample_z: measured positions, which NXstxm calls detectors too.
POSITION_FIELDS = (FieldRule("data", "float", ("nP",)),)
POSITION_NAMES = ("sample_x", "sample_y", "sample_z")

POSITIONER_FIELDS = (
    FieldRule("value", "number", ("nP",), required=False),
    FieldRule("target_value", "number", ("nP",), required=False),
)

DATA_FIELDS = (
    FieldRule("data", "float64"),
    FieldRule("stxm_scan_type", "text", (1,), one_of=tuple(SCAN_LABELS), fixed_bytes=True),
    FieldRule("energy", "float", ("n",), units=("eV",)),
    FieldRule("sample_x", "float", ("n",)),
    FieldRule("sample_y", "float", ("n",)),
    FieldRule("count_time", "float", ("nE",), units=("s",)),
)

CONTROL_FIELDS = (FieldRule("data", "float"),)

#: The rules for the members of NXinstrument that may be there any number of times.
INSTRUMENT_FIELDS: Mapping[str, tuple[FieldRule, ...]] = {
    "NXdetector": DETECTOR_FIELDS,
    "NXpositioner": POSITIONER_FIELDS,
}

#: Attribute of a list that has samples of lines instead of points: where in the entry it stands
#: how many each line has.
BINNED_BY = "binned_by"

#: Attribute of a group whose data are in a file of the detector, where no unit can be written.
DATA_UNITS = "data_units"

#: Numbers that have no unit: counts of things, ratios, and the vectors of a convention.
UNITLESS = frozenset(
    {
        "focus_parameters",
        "harmonic",
        "incident_polarization_stokes",
        "k",
        "number_of_bunches",
        "polarization_code",
        "poles",
        "sequence_index",
        "transmission",
    }
)

#: Attributes that older writers put where @units belongs; no reader looks at them.
WRONG_UNIT_ATTRIBUTES = ("NX_units", "unit")

#: Attributes that readers compare with a str: a bytes or an array value would not match.
PLAIN_TEXT_ATTRIBUTES = ("NX_class", "signal", "default")
