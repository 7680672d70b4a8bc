"""Units in which people give positions and energies, and how many of the house's units they are."""

from __future__ import annotations

#: How many of the base unit one is; by base unit, then by name. Names that differ in case only in
#: what they mean (mA, MA) do not occur here.
_FACTORS: dict[str, dict[str, float]] = {
    "um": {
        "m": 1e6, "mm": 1e3, "um": 1.0, "\N{MICRO SIGN}m": 1.0, "\N{GREEK SMALL LETTER MU}m": 1.0,
        "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0, "nm": 1e-3,
        "millimeter": 1e3, "millimeters": 1e3, "nanometer": 1e-3, "nanometers": 1e-3,
    },
    "eV": {"ev": 1.0, "kev": 1e3, "mev": 1e-3},
    "mA": {"a": 1e3, "ma": 1.0, "ua": 1e-3, "amp": 1e3, "amps": 1e3, "ampere": 1e3},
    "deg": {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 57.29577951308232, "mrad":
            0.05729577951308232, "radian": 57.29577951308232, "radians": 57.29577951308232},
    "s": {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6,
          "min": 60.0},
}  # fmt: skip


def factor(units: str, wanted: str) -> float:
    """Tell how many of a unit one of another is; 1 where that is not known.

    Parameters
    ----------
    units : str
        The unit of what was read.
    wanted : str
        ``um``, ``eV``, ``mA``, ``deg`` or ``s``.
    """
    return _FACTORS.get(wanted, {}).get(units.strip().lower(), 1.0)


def canonical(units: str) -> str:
    """Give the spelling of the house for a unit that only has another name: ``um`` for micron."""
    name = units.strip("() ")
    for wanted, known in _FACTORS.items():
        if known.get(name.lower()) == 1.0:
            return wanted
    return name
