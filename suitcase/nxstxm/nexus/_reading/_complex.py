"""Arrays of complex numbers, as what a picture and a list of numbers can hold of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import h5py
import numpy as np

from ._contents import Variable
from ._stored import AnyArray, Held, Key, Stored


@dataclass(frozen=True, eq=False)
class _Part(Stored):
    """A part of a stored array of complex numbers, made when it is read.

    Attributes
    ----------
    part : callable
        Makes it of the values.
    """

    part: Callable[[AnyArray], AnyArray]

    def read_from(self, h5: h5py.File, key: Key = ...) -> AnyArray:
        """Read values from its file, which is open."""
        return np.asarray(self.part(super().read_from(h5, key)))

    def planes(self) -> Iterator[tuple[tuple[int, ...], AnyArray]]:
        """Read it image by image."""
        for index, plane in super().planes():
            yield index, np.asarray(self.part(plane))


def is_complex(variable: Variable) -> bool:
    """Whether an array holds complex numbers."""
    return variable.stored.dtype.kind == "c"


def magnitude(variable: Variable) -> Variable:
    """Give the magnitude of an array of complex numbers."""
    return replace(variable, stored=_part(variable.stored, np.abs))


def parts(name: str, variable: Variable) -> Mapping[str, Variable]:
    """Give an array under its name; of complex numbers the real and the imaginary part."""
    if not is_complex(variable):
        return {name: variable}
    stored = variable.stored
    return {
        f"{name}_real": replace(variable, stored=_part(stored, np.real)),
        f"{name}_imaginary": replace(variable, stored=_part(stored, np.imag)),
    }


def _part(stored: Stored, part: Callable[[AnyArray], Any]) -> Stored:
    if isinstance(stored, Held):
        values = np.asarray(part(stored.values))
        return replace(stored, values=values, dtype=values.dtype)
    own = {each.name: getattr(stored, each.name) for each in fields(Stored)}
    own["dtype"] = np.zeros(0, stored.dtype).real.dtype
    return _Part(**own, part=part)
