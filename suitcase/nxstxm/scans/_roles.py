"""What devices are for: role by name, unit by role, polarization by number.

Control programs name the same device differently; everything after the dialects speaks of roles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches

from .._errors import OptionError
from ._metadata import optional_number, short
from ._plan import Device, Polarization, Role

#: What people may say that a detector is for.
DETECTOR_ROLES: dict[str, Role] = {
    "signal": "signal", "i0": "i0", "reference": "reference", "camera": "camera",
}  # fmt: skip

#: Role -> names under which control programs know the device, best first.
ROLE_NAMES: dict[str, tuple[str, ...]] = {
    "energy": ("DNM_ENERGY", "ENERGY", "energy"),
    "ring_current": (
        "DNM_RING_CURRENT",
        "DNM_BASELINE_RING_CURRENT",
        "StorageRingCurrent",
        "ring_current",
    ),
    "sample_x": (
        "DNM_SAMPLE_X",
        "GoniX",
        "DNM_GONI_X",
        "SampleX",
        "sample_x",
        "SampleFineX",
        "sample_stage-x",
        "sample_stage_x",
    ),
    "sample_y": (
        "DNM_SAMPLE_Y",
        "GoniY",
        "DNM_GONI_Y",
        "SampleY",
        "sample_y",
        "SampleFineY",
        "sample_stage-y",
        "sample_stage_y",
    ),
    "sample_z": ("GoniZ", "DNM_GONI_Z", "SampleZ", "sample_z", "sample_stage-z", "sample_stage_z"),
    "theta": ("GoniTheta", "DNM_GONI_THETA", "theta", "rotation_angle"),
    "osa_x": ("OSA.X", "DNM_OSA_X", "OSAX", "osa_x"),
    "osa_y": ("OSA.Y", "DNM_OSA_Y", "OSAY", "osa_y"),
    "osa_z": ("OSA.Z", "DNM_OSA_Z", "OSAZ", "osa_z"),
    "detector_x": ("Detector.X", "DNM_DETECTOR_X", "detector_x"),
    "detector_y": ("Detector.Y", "DNM_DETECTOR_Y", "detector_y"),
    "detector_z": ("Detector.Z", "DNM_DETECTOR_Z", "detector_z"),
    "coarse_x": ("Coarse.X", "DNM_COARSE_X", "coarse_x"),
    "coarse_y": ("Coarse.Y", "DNM_COARSE_Y", "coarse_y"),
    "zoneplate_x": ("ZonePlate.X", "DNM_ZONEPLATE_X", "zoneplate_x"),
    "zoneplate_y": ("ZonePlate.Y", "DNM_ZONEPLATE_Y", "zoneplate_y"),
    "zoneplate_z": (
        "_ZonePlateZ_base",
        "DNM_ZONEPLATE_Z_BASE",
        "ZonePlate.Z",
        "DNM_ZONEPLATE_Z",
        "zoneplate_z",
    ),
    "polarization": ("DNM_EPU_POLARIZATION", "EPUPolarization", "polarization"),
    "polarization_angle": ("DNM_EPU_ANGLE", "EPUAngle", "polarization_angle"),
    "undulator_gap": ("DNM_EPU_GAP", "Epu_gap_fbk", "EPUGap", "undulator_gap"),
    "undulator_harmonic": ("DNM_EPU_HARMONIC", "Epu_harmonic", "EPUHarmonic"),
    "shutter": ("DNM_SHUTTER", "DNM_SHUTTER_STATE", "shutter"),
    "top_up": ("top_up", "topup", "TopUp"),
}

#: Role -> unit that is right whatever data_keys say; a positioner not here keeps its own.
ROLE_UNITS: dict[str, str] = {
    "energy": "eV",
    "ring_current": "mA",
    "theta": "deg",
    "polarization": "",
    "polarization_angle": "deg",
    "undulator_harmonic": "",
    "shutter": "",
    "top_up": "",
} | {
    f"{stage}_{axis}": "um"
    for stage in ("sample", "osa", "detector", "coarse", "zoneplate")
    for axis in "xyz"
}

_ROLE_OF = {name.lower(): role for role, names in ROLE_NAMES.items() for name in names}

#: Names that mean something else in NXdata or in a plan's loops.
_NOT_AXES = {"data", "count_time", "stxm_scan_type", "line_position", "entry", "visit", "point"}

#: What a data key adds to a device's stem; a setpoint ends otherwise.
READ_SUFFIXES = ("", "_val", "_user_readback", "_readback", "_rbv", "_RBV", "_value")
SET_SUFFIXES = ("_user_setpoint", "_setpoint")

#: The undulator's polarization numbers as pyStxm sends them (0..5), in words and as Stokes
#: vectors (I, Q, U, V): Q positive for horizontal, V positive for circular right.
_BY_CODE: dict[int, tuple[str, tuple[float, float, float, float] | None]] = {
    0: ("circular left", (1.0, 0.0, 0.0, -1.0)),
    1: ("circular right", (1.0, 0.0, 0.0, 1.0)),
    2: ("linear horizontal", (1.0, 1.0, 0.0, 0.0)),
    3: ("linear vertical (-)", (1.0, -1.0, 0.0, 0.0)),
    4: ("linear vertical (+)", (1.0, -1.0, 0.0, 0.0)),
    5: ("linear inclined", None),
}

_BY_WORD: dict[str, int] = {
    "cl": 0,
    "lcp": 0,
    "left": 0,
    "circleft": 0,
    "circularleft": 0,
    "leftcircular": 0,
    "cr": 1,
    "rcp": 1,
    "right": 1,
    "circright": 1,
    "circularright": 1,
    "rightcircular": 1,
    "lh": 2,
    "linhor": 2,
    "horizontal": 2,
    "linearhorizontal": 2,
    "lv": 3,
    "linver": 3,
    "vertical": 3,
    "linearvertical": 3,
}


def check_roles(devices: Mapping[str, str]) -> None:
    """Refuse roles that nothing looks for.

    Parameters
    ----------
    devices : Mapping of str to str
        Role to data key, as a user gives it.

    Raises
    ------
    OptionError
        A role is none of those that are known; the message lists them.
    """
    for role, key in devices.items():
        if role in DETECTOR_ROLES or role in ROLE_NAMES:
            continue
        near = get_close_matches(role, (*ROLE_NAMES, *DETECTOR_ROLES), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise OptionError(
            f"devices gives {key!r} the role {role!r}, which is not known{hint} Roles of detectors "
            f"are {', '.join(DETECTOR_ROLES)}; of other devices {', '.join(ROLE_NAMES)}"
        )


def role_of(name: str) -> str | None:
    """Give the role that a device's name tells, or None."""
    return _ROLE_OF.get(name.lower())


def axis_name(positioner: str) -> str:
    """Give the axis a name in NXdata: its role, else its own name made valid."""
    role = role_of(positioner)
    if role is not None:
        return role
    text = re.sub(r"[^A-Za-z0-9_]+", "_", positioner).strip("_").lower() or "position"
    text = f"axis_{text}" if text[0].isdigit() else text
    return f"{text}_position" if text in _NOT_AXES else text


def device_roles(lookup: Mapping[str, str]) -> dict[str, Device]:
    """Find the devices of all known roles in a table of names and control-system names.

    Parameters
    ----------
    lookup : Mapping of str to str
        Device name to control-system name, as pyStxm's ``rev_lu_dct``.

    Returns
    -------
    dict of str to Device
        By role; the best name of each role wins.
    """
    found: dict[str, Device] = {}
    for role, names in ROLE_NAMES.items():
        stems = [(n, lookup[n]) for n in names if isinstance(lookup.get(n), str)]
        if stems:
            every = tuple(dict.fromkeys(s for name, stem in stems for s in (stem, name)))
            found[role] = Device(role, stems[0][0], every, units=ROLE_UNITS.get(role, ""))
    return found


def polarization_from_code(code: float | None, angle: float | None = None) -> Polarization | None:
    """Translate an undulator's polarization number.

    Parameters
    ----------
    code : float or None
        0 circular left, 1 circular right, 2 linear horizontal, 3 and 4 linear vertical, 5 linear
        at `angle`; negative numbers mean "as it was".
    angle : float or None
        Degrees from the horizontal.

    Returns
    -------
    Polarization or None
        None for negative and missing numbers.
    """
    if code is None or not math.isfinite(code) or code < 0:
        return None
    known = _BY_CODE.get(int(code)) if code == int(code) else None
    if known is None:
        return Polarization(f"code {code:g}", None, code, angle)
    name, stokes = known
    if stokes is None:
        return linear_polarization(angle or 0.0, name=name, code=code)
    return Polarization(name, stokes, code, angle)


def linear_polarization(
    angle: float, *, name: str = "linear", code: float | None = None
) -> Polarization:
    """Linear polarization at an angle from the horizontal, degrees."""
    twice = math.radians(2 * angle)
    return Polarization(name, (1.0, math.cos(twice), math.sin(twice), 0.0), code, angle)


def polarization_from_any(value: object) -> Polarization | None:
    """Read a polarization as people write it.

    Parameters
    ----------
    value : str, float, sequence or None
        A name (``"LH"``, ``"circular left"``), an angle of linear polarization in degrees, or a
        Stokes vector of four.

    Returns
    -------
    Polarization or None
        None for None; a name that is not known is kept as a name, without a Stokes vector.

    Raises
    ------
    ValueError
        It is none of these.
    """
    if value is None:
        return None
    if isinstance(value, str):
        code = _BY_WORD.get(re.sub(r"[^a-z]", "", value.lower()))
        if code is None:
            return Polarization(value)
        stokes = _BY_CODE[code][1]
        return Polarization(value, stokes)
    if hasattr(value, "tolist"):
        value = value.tolist()  # numpy's, as live documents have them
    angle = optional_number(value)
    if angle is not None:
        return linear_polarization(angle, name=f"linear {angle:g} deg")
    if isinstance(value, (list, tuple)) and len(value) == 4:
        parts = [p for p in map(optional_number, value) if p is not None]
        if len(parts) == 4 and parts[0] > 0:
            i, q, u, v = (p / parts[0] for p in parts)
            return Polarization("Stokes vector", (i, q, u, v))
    raise ValueError(f"{short(value)} is no polarization")
