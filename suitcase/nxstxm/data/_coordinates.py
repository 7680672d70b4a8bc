"""Where data belong: names of axes, and a value along each."""

from __future__ import annotations

import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import NXstxmTypeError, NXstxmValueError

Value = int | float | str
_PLAIN = frozenset((int, str))


class CoordinatesError(NXstxmValueError, AttributeError):
    """An axis of coordinates that can not be set, or is not there."""


class DataCoordinates(Mapping[str, Value]):
    """Coordinates of a block of data.

    Values are integers, floats or text; numpy's numbers become Python's. Order does not matter.
    An axis may be added until the coordinates are hashed or given to somebody; a value that is
    there never changes.

    Parameters
    ----------
    coordinates : Mapping, optional
        Names and values.
    **axes
        The same, by keyword.

    Raises
    ------
    NXstxmTypeError, NXstxmValueError
        A name that is no text, a value of another kind, NaN, or an axis that is given twice.

    Examples
    --------
    >>> coords = DataCoordinates(energy=3, y=10, region="entry0")
    >>> coords.energy, coords["y"]
    (3, 10)
    >>> coords.replace(y=11) == {"energy": 3, "y": 11, "region": "entry0"}
    True
    """

    __slots__ = ("_axes", "_hash")
    _axes: dict[str, Value]
    _hash: int | None

    if TYPE_CHECKING:
        # Axes that microscopists have, for completion in editors; any other name is as good.
        energy: Value
        y: Value
        x: Value
        polarization: Value
        theta: Value
        region: Value
        time: Value
        channel: Value
        z: Value

    def __init__(self, coordinates: Mapping[str, Any] | None = None, /, **axes: Any) -> None:
        if coordinates is not None:
            if not isinstance(coordinates, Mapping):
                raise NXstxmTypeError(
                    f"coordinates are a mapping of names to values, not a "
                    f"{type(coordinates).__name__}; DataCoordinates(energy=3, y=10)"
                )
            twice = axes.keys() & coordinates.keys()
            if twice:
                raise NXstxmValueError(f"axis {', '.join(sorted(twice))} is given twice")
            axes = {**coordinates, **axes}
        for name, value in axes.items():
            if type(value) not in _PLAIN or name.__class__ is not str or name[:1] in ("_", ""):
                axes[name] = _checked(name, value)
        _set_axes(self, axes)
        _set_hash(self, None)

    # -- as a mapping -----------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Value:
        """Give the value along an axis."""
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of the axes."""
        return iter(self._axes)

    def __len__(self) -> int:
        """Count the axes."""
        return len(self._axes)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such an axis."""
        return name in self._axes

    def keys(self) -> KeysView[str]:
        """Give the names of the axes."""
        return self._axes.keys()

    def values(self) -> ValuesView[Value]:
        """Give the values."""
        return self._axes.values()

    def items(self) -> ItemsView[str, Value]:
        """Give names and values."""
        return self._axes.items()

    def __eq__(self, other: object) -> bool:
        """Compare with coordinates or any mapping."""
        if isinstance(other, DataCoordinates):
            return self._axes == other._axes
        return self._axes == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        """Give the hash; no axis can be added from now on."""
        if self._hash is None:
            _set_hash(self, hash(frozenset(self._axes.items())))
        return self._hash or 0

    # -- axes as attributes -----------------------------------------------------------------------

    def __getattr__(self, name: str) -> Value:
        """Give the value along an axis; methods come first."""
        try:
            return self._axes[name]
        except KeyError:
            raise CoordinatesError(
                f"{self} have no axis {name!r}; they have {', '.join(self._axes) or 'none'}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        """Add an axis."""
        self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        """Add an axis."""
        if name in self._axes:
            raise CoordinatesError(
                f"axis {name!r} of {self} can not be changed: they may be a key somewhere. "
                f"Make new ones with coords.replace({name}={value!r}) or "
                f"coords | {{{name!r}: {value!r}}}"
            )
        if self._hash is not None:
            raise CoordinatesError(
                f"no axis can be added to {self}: they are in use. Make new ones with "
                f"coords | {{{name!r}: {value!r}}}"
            )
        self._axes[name] = _checked(name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse."""
        raise CoordinatesError(f"axis {name!r} of {self} can not be removed; make new coordinates")

    def __dir__(self) -> list[str]:
        """List methods and axes."""
        return [*super().__dir__(), *self._axes]

    # -- what they are for ------------------------------------------------------------------------

    def replace(self, **axes: Any) -> DataCoordinates:
        """Make new coordinates with other values along some axes.

        Parameters
        ----------
        **axes
            Names and values; new ones may be among them.
        """
        return DataCoordinates({**self._axes, **axes})

    def __or__(self, other: Mapping[str, Any]) -> DataCoordinates:
        """Make new coordinates; where both have an axis the right one counts."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return DataCoordinates({**self._axes, **other})

    def __ror__(self, other: Mapping[str, Any]) -> DataCoordinates:
        """Make new coordinates; where both have an axis the right one counts."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return DataCoordinates({**other, **self._axes})

    def matches(self, partial: Mapping[str, Any]) -> bool:
        """Tell whether these have all axes and values of others, which may have fewer axes."""
        axes = self._axes
        return all(name in axes and axes[name] == value for name, value in partial.items())

    def isel(self) -> dict[str, int]:
        """Give the axes that are indices, for xarray: ``array.isel(coords.isel())``."""
        return {name: value for name, value in self._axes.items() if type(value) is int}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy them by their axes."""
        return DataCoordinates, (self._axes,)

    def __repr__(self) -> str:
        """Show how to make them."""
        axes = self._axes
        if all(name.isidentifier() for name in axes):
            return f"DataCoordinates({', '.join(f'{n}={v!r}' for n, v in axes.items())})"
        return f"DataCoordinates({axes!r})"


# `__setattr__` makes axes; these go past it
_set_axes = DataCoordinates.__dict__["_axes"].__set__
_set_hash = DataCoordinates.__dict__["_hash"].__set__


def _checked(name: Any, value: Any) -> Value:
    """Give the value of an axis as a number of Python or text."""
    if not isinstance(name, str) or not name or name.startswith("_"):
        raise NXstxmValueError(
            f"an axis is named by text that does not begin with '_', not by {name!r}"
        )
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NXstxmTypeError(
            f"axis {name!r} is {value!r:.80}, a {type(value).__name__}; a coordinate is an "
            f"integer, a float or text"
        )
    if isinstance(value, float):
        if math.isnan(value):
            raise NXstxmValueError(f"axis {name!r} is NaN, which equals nothing, not even itself")
        return float(value)
    return int(value)


def coordinates(thing: Any) -> DataCoordinates:
    """Give coordinates as they are, and make them of a mapping; they are in use from now on.

    Raises
    ------
    NXstxmTypeError
        It is neither.
    """
    found = thing if isinstance(thing, DataCoordinates) else DataCoordinates(thing)
    hash(found)
    return found
