"""Names that HDF5 and EXtra-data take, and units in the words of the format."""

from __future__ import annotations

import re
from typing import NamedTuple

#: What a part of a name may consist of: the format's ``[\w-]``. A dot parts a key into groups, a
#: colon a source from its channel, a slash a device's name.
_UNSAFE = re.compile(r"[^\w-]", re.ASCII)


def safe(name: str) -> str:
    """Make a part of a name of any text.

    Examples
    --------
    >>> safe("m1.RBV / x")
    'm1_RBV___x'
    """
    return _UNSAFE.sub("_", name) or "_"


class Names:
    """Safe names of things that must not share one.

    Parameters
    ----------
    *reserved : str
        Names that are taken.
    """

    def __init__(self, *reserved: str) -> None:
        self._known: dict[str, str] = {}
        self._reserved = frozenset(reserved)

    def __getitem__(self, name: str) -> str:
        """Give the safe name of something, the same each time."""
        return self.give(name, name)

    def give(self, thing: str, name: str) -> str:
        """Give something the safe name that it has, or else this one, if that is free."""
        found = self._known.get(thing)
        if found is None:
            taken = {*self._known.values(), *self._reserved}
            begin = found = safe(name)
            number = 2
            while found in taken:
                found, number = f"{begin}_{number}", number + 1
            self._known[thing] = found
        return found


class Unit(NamedTuple):
    """A unit as the format has it, what stands before it first: ``("u", "m")``."""

    prefix: str
    symbol: str


_SYMBOLS = ("m", "s", "A", "V", "eV", "Hz", "W", "Pa", "K", "g", "rad", "deg", "C")
_PREFIXES = {"": "", "n": "n", "u": "u", "µ": "u", "μ": "u", "m": "m", "k": "k", "M": "M", "p": "p"}
_UNITS = {
    f"{p}{symbol}": Unit(said, symbol) for p, said in _PREFIXES.items() for symbol in _SYMBOLS
}
#: How people write units, in the words above.
_USUAL = {
    "micron": "um", "microns": "um", "micrometer": "um", "micrometers": "um", "sec": "s",
    "second": "s", "seconds": "s", "degree": "deg", "degrees": "deg", "degC": "C",
}  # fmt: skip


def unit(text: str) -> Unit:
    """Part a unit into what stands before it and itself; one that is not known is left whole.

    Examples
    --------
    >>> unit("um"), unit("counts"), unit("mm")
    (Unit(prefix='u', symbol='m'), Unit(prefix='', symbol='counts'), Unit(prefix='m', symbol='m'))
    """
    return _UNITS.get(_USUAL.get(text, text), Unit("", text))
