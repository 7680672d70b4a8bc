"""One picture: an NXdata, or the group that stands for one in the files of other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import h5py
import numpy as np

from ..._errors import NXstxmValueError
from ..._h5tree import H5_ERRORS, why
from ...scans import canonical, factor
from ._along import as_line
from ._attributes import MOST_VALUES, attributes, plain, units_of
from ._axes import Axes, find_axes
from ._contents import Channel, Coordinate, Variable
from ._reach import Reach
from ._stored import AnyArray, Stored
from ._words import COUNTED, dim_of, expected_axes, natural_unit

#: Attributes that tell a unit.
UNIT_NAMES = ("units", "unit", "NX_units")
#: Attributes of a signal or axis that only place it, and say nothing of its values.
_PLACING = frozenset({"signal", "axes", "axis", "primary", "target", *UNIT_NAMES})


class ChannelReader:
    """Reads one group as a picture.

    Parameters
    ----------
    reach : Reach
        The file.
    group : h5py.Group
        The group.
    label : str or None
        The scan type of its entry, where that is known.
    named : sequence of str, optional
        Names of axes that are better than those of the group.
    more : mapping of str to Stored, optional
        Members that the group ought to have and that are elsewhere; they come before its own.
    units : mapping of str to str, optional
        Units of members, where it is known that those in the file are wrong or missing.
    """

    def __init__(
        self,
        reach: Reach,
        group: h5py.Group,
        label: str | None,
        *,
        named: Sequence[str] | None = None,
        more: Mapping[str, Stored] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self._reach = reach
        self.group = group
        self.attrs = attributes(group)
        own = members_of(reach, group)
        self.members = {**own, **(more or {})}
        self._label = label
        self._given = named
        self._units = units or {}
        self._without_unit: dict[str, str] = {}
        self._odd_units: dict[str, str] = {}
        self.guessed: list[str] = []

    def channel(self, name: str, beside: Mapping[str, Stored] | None = None) -> Channel | None:
        """Give what the group shows; None when there is nothing.

        Parameters
        ----------
        name : str
            What it is called.
        beside : mapping of str to Stored
            Arrays outside of the group that may have the shape of its signal.
        """
        signal = self._find_signal()
        if signal is None:
            return None
        lines = {n: m for n, m in self.members.items() if m is not signal and _is_line(m)}
        axes = as_line(self._axes(signal, lines), self._label, signal.stored_shape)
        self.guessed += axes.guessed
        variables = [
            Variable("data", axes.dims, signal.turned(axes.kept), _said(signal.attrs)),
            *self._others(signal, axes, beside or {}),
        ]
        coordinates = self._coordinates(axes, variables[0].stored.shape, lines)
        if self._without_unit:
            told = ", ".join(f"{name} in {unit}" for name, unit in self._without_unit.items())
            self.guessed.append(f"units are not said; these were taken: {told}")
        if self._odd_units:
            told = ", ".join(f"{name} in {unit}" for name, unit in self._odd_units.items())
            self.guessed.append(f"units that nobody knows here stay as they are: {told}")
        return Channel(
            name=name,
            variables=tuple(variables),
            coordinates=tuple(coordinates),
            attrs={k: v for k, v in self.attrs.items() if k in ("label", "title")},
            guessed=tuple(self.guessed),
        )

    # -- the signal --------------------------------------------------------------------------------

    def _find_signal(self) -> Stored | None:
        numbers = {n: m for n, m in self.members.items() if m.is_number and 0 not in m.stored_shape}
        wanted = self.attrs.get("signal")
        if isinstance(wanted, str) and wanted in numbers:
            return numbers[wanted]
        marked = [m for m in numbers.values() if str(m.attrs.get("signal", "")).strip() == "1"]
        if len(marked) == 1:
            return marked[0]
        if "data" in numbers:
            return numbers["data"]
        arrays = [m for m in numbers.values() if len(m.stored_shape) > 1]
        if not arrays:
            return None
        largest = max(arrays, key=lambda m: (prod(m.stored_shape), m.name))
        self.guessed.append(f"{self.group.name} names no signal; {largest.name} was taken for it")
        return largest

    # -- its axes ----------------------------------------------------------------------------------

    def _axes(self, signal: Stored, lines: Mapping[str, Stored]) -> Axes:
        named = tuple(n for n in self._named(signal, lines) if n != signal.name)
        # dwells are as many as energies, and must not be taken for them
        axes = {n: m for n, m in lines.items() if n != "count_time" or n in named}
        lengths = {n: prod(m.stored_shape) for n, m in axes.items()}
        rank = sum(1 for size in signal.stored_shape if size != 1)
        expected = expected_axes(self._label, rank, len(signal.stored_shape))
        return find_axes(
            signal.stored_shape, named, lengths, expected, lambda name: dim_of(name, self._label)
        )

    def _named(self, signal: Stored, lines: Mapping[str, Stored]) -> list[str]:
        """Give the names of axes as the file has them: of the group, the signal, or the members."""
        for given in (self._given, self.attrs.get("axes"), signal.attrs.get("axes")):
            if given is not None and not _numbers(given):
                return [_like(name, lines) for name in _split(given)]
        placed: dict[int, str] = {}
        for name, line in lines.items():
            # one early writer gave the number of the dimension as "axes"
            for number in _numbers(line.attrs.get("axis", line.attrs.get("axes"))):
                if number not in placed or _numbers(line.attrs.get("primary")) == [1]:
                    placed[number] = name
        if sorted(placed) == list(range(1, len(placed) + 1)):
            return [placed[number] for number in sorted(placed)]
        return []

    def _coordinates(
        self, axes: Axes, shape: tuple[int, ...], lines: Mapping[str, Stored]
    ) -> list[Coordinate]:
        found: list[Coordinate] = []
        for dim, source, size in zip(axes.dims, axes.sources, shape, strict=True):
            values = self._values(lines[source]) if source is not None else None
            if source is None or values is None or values.dtype.kind not in "iuf":
                found.append(counted(dim, size))
                continue
            moved = self._moved(source)
            attrs = {**_said(lines[source].attrs), "long_name": moved}
            values, unit = self._in_unit(lines[source], values, dim if moved == source else "")
            found.append(Coordinate(dim, (dim,), values, {**attrs, "units": unit}))
        columns = _split(self.attrs.get("columns", ()))
        along = dict(zip(axes.dims, axes.sources, strict=True)).get("line")
        for name, line in lines.items():
            if name in axes.dims or (name in axes.sources and name != along):
                continue
            if name != "line_position":
                found += self._beside(name, line, axes.dims, shape, name in columns)
        return found

    def _in_unit(self, line: Stored, values: AnyArray, name: str) -> tuple[AnyArray, str]:
        """Give a list in the unit in which it is always given, and that unit.

        Where no unit is said, it is the one that all these programs use.
        """
        unit = natural_unit(name) or ("um" if name in _APERTURE else "")
        said = self._units.get(line.name, line.units)
        if not unit or not line.is_number:
            return values, unit or said
        if not said:
            self._without_unit[line.name] = unit
            return values, unit
        made = in_natural_unit(values, said, unit)
        if made is not None:
            return made, unit
        if said not in _COUNTS:
            self._odd_units[line.name] = said
        return values, said

    def _moved(self, source: str) -> str:
        """Name what moved along an axis: some writers call it sample_x whatever it was."""
        motor = self.members.get(f"motor_name_{source[-1]}")
        if not source.startswith("sample_") or motor is None or motor.is_number:
            return source
        name = str(plain(motor.read()))
        return name if name and name.lower() != "none" else source

    def _beside(
        self, name: str, line: Stored, dims: Sequence[str], shape: Sequence[int], is_column: bool
    ) -> list[Coordinate]:
        """Give a list that is no axis: one value for all, or one for each point of an axis."""
        size = prod(line.stored_shape)
        if not size or not (line.is_number or is_column):
            return []
        fitting = [dim for dim, length in zip(dims, shape, strict=True) if length == size]
        told = _numbers(self.attrs.get(f"{name}_indices"))
        if len(told) == 1 and told[0] < len(dims) and dims[told[0]] in fitting:
            fitting = [dims[told[0]]]
        if "line" in dims and "line" in _RUNS_ALONG.get(name, ()):
            fitting = [dim for dim in fitting if dim == "line"]
        like = [dim for dim in fitting if dim in _RUNS_ALONG.get(name, ())]
        values = self._values(line)
        if values is None:
            return []
        values, unit = self._in_unit(line, values, name)
        attrs = {**_said(line.attrs), "units": unit}
        if size == 1 and not like:
            return [Coordinate(name, (), values.reshape(()), attrs)]
        if like or len(fitting) == 1:
            return [Coordinate(name, ((like or fitting)[0],), values, attrs)]
        if bool((values == values[0]).all()):
            return [Coordinate(name, (), values[:1].reshape(()), attrs)]
        self.guessed.append(f"{name} has {size} values, which fit no dimension; it was left out")
        return []

    def _values(self, line: Stored) -> AnyArray | None:
        try:
            values = line.read_from(self.group.file) if line.file == self._file else line.read()
        except (*H5_ERRORS, NXstxmValueError) as error:
            self.guessed.append(f"{line.path} can not be read ({why(error)}); it was left out")
            return None
        flat = values.reshape(-1)
        if line.is_number:
            return flat
        return np.array([str(plain(value)) for value in flat])

    @property
    def _file(self) -> str:
        return str(self.group.file.filename)

    # -- what else has its shape -------------------------------------------------------------------

    def _others(self, signal: Stored, axes: Axes, beside: Mapping[str, Stored]) -> list[Variable]:
        """Give the arrays of the same shape: errors, further signals, the monitor, the mask."""
        others = [
            Variable(name, axes.dims, member.turned(axes.kept), _said(member.attrs))
            for name, member in self.members.items()
            if member is not signal
            and member.is_number
            and name not in axes.sources
            and member.stored_shape == signal.stored_shape
            and (len(signal.stored_shape) > 1 or name == "errors")
        ]
        shape = signal.turned(axes.kept).shape
        for name, member in beside.items():
            if member.stored_shape == signal.stored_shape:
                others.append(
                    Variable(name, axes.dims, member.turned(axes.kept), _said(member.attrs))
                )
                continue
            # other writers give the monitor with or without dimensions of length 1
            kept = tuple(n for n, size in enumerate(member.stored_shape) if size != 1)
            if member.turned(kept).shape == shape == tuple(n for n in shape if n != 1):
                others.append(Variable(name, axes.dims, member.turned(kept), _said(member.attrs)))
        return others


#: Lists that are no axis, and along what they run where several dimensions are as long.
_RUNS_ALONG: Mapping[str, tuple[str, ...]] = {
    "count_time": ("energy",),
    "sample_x": ("line", "x"),
    "sample_y": ("line", "y"),
    "osa_x": ("line",),
    "osa_y": ("line",),
}


#: Positions of the order-sorting aperture.
_APERTURE = ("osa_x", "osa_y")
#: Units of what is only counted.
_COUNTS = ("1", COUNTED)
#: h c in eV um: an energy times its wavelength.
_EV_UM = 1.239841984332
#: Other names of units of energy, in eV.
_ENERGIES = {
    **dict.fromkeys(("electronvolt", "electronvolts", "electron volt", "electron volts"), 1.0),
    **dict.fromkeys(("j", "joule", "joules"), 1 / 1.602176634e-19),
}
#: Units of wavelengths, in um. Not um itself: some programs write it at all that they have.
_WAVELENGTHS = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
    **dict.fromkeys(
        ("a", "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}".lower(), "ang", "angstrom", "angstroms"),
        1e-4,
    ),
    **dict.fromkeys(("pm", "picometer", "picometers"), 1e-6),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e6),
}


def in_natural_unit(values: AnyArray, said: str, unit: str) -> AnyArray | None:
    """Give values in the unit in which they are always given; None where theirs is not known.

    Parameters
    ----------
    values : ndarray
        Numbers.
    said : str
        Their unit.
    unit : str
        The one that is wanted: of energies wavelengths are understood, too.
    """
    if canonical(said) == unit:
        return values
    times = factor(said, unit)
    name = said.strip().lower()
    if unit == "eV":
        times = _ENERGIES.get(name, times)
        if name in _WAVELENGTHS:
            with np.errstate(divide="ignore"):
                found: AnyArray = _EV_UM / (values * _WAVELENGTHS[name])
            return found
    if times == 1 and name not in _ENERGIES:
        return None
    return values * times if times != 1 else values


def members_of(reach: Reach, group: h5py.Group) -> dict[str, Stored]:
    """Describe the datasets of a group."""
    return {
        name: Stored.of(found, reach.roots)
        for name, found in reach.members(group)
        if isinstance(found, h5py.Dataset)
    }


def counted(dim: str, size: int) -> Coordinate:
    """Give the coordinate of a dimension whose points are only counted."""
    return Coordinate(dim, (dim,), np.arange(size), {"units": COUNTED})


def _like(name: str, members: Iterable[str]) -> str:
    """Give the member that an axis names, also where case or dots differ."""
    wanted = name.lower().replace(".", "_")
    return next((m for m in members if m.lower().replace(".", "_") == wanted), name)


def _is_line(member: Stored) -> bool:
    """Whether a dataset can be a list beside a signal; (n, 1) and (1, n) are lists, too."""
    size = prod(member.stored_shape)
    long = [n for n in member.stored_shape if n != 1]
    return len(long) <= 1 and size <= MOST_VALUES and (member.is_number or bool(long))


def _split(given: Any) -> list[str]:
    """Give the names in ``axes``: a list, or one text with colons, commas or brackets."""
    if isinstance(given, str):
        given = given.strip("[] ").replace(":", ",").split(",") if given else []
    return [str(name).strip().strip("'\"") for name in given if str(name).strip()]


def _numbers(given: Any) -> list[int]:
    """Give whole numbers out of an attribute: a number, text with commas, an array of them."""
    if given is None:
        return []
    items = given.split(",") if isinstance(given, str) else np.asarray(given).ravel()
    try:
        return [int(item) for item in items]
    except (TypeError, ValueError):
        return []


def _said(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give what attributes say of the values themselves."""
    said = {name: value for name, value in attrs.items() if name not in _PLACING}
    if units := units_of(attrs):
        said["units"] = units
    return said
