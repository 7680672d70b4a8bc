"""An entry of a file as the block of a start document, and its facts as readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...scans import scan_type
from ._contents import Channel, Coordinate, Entry, Variable
from ._words import COUNTED

Document = dict[str, Any]
#: How axes are called in NXstxm whose dimensions have other names here.
_AXES = {"x": "sample_x", "y": "sample_y", "line": "line_position"}
#: Facts that are said elsewhere in the documents, or are about the file and not the beamline.
_SAID = ("title", "start_time", "end_time", "scan_type", "complete", "region", "scan_request",
         "messages", "exit_status", "reason")  # fmt: skip
#: Roles that some facts have.
_ROLES = {
    "sample_rotation_angle": "theta",
    "insertion_device_gap": "undulator_gap",
    "source_current": "ring_current",
}
#: Keys of a start document, and the facts that they are.
_NAMES = {"sample": "sample_name", "user": "user_name", "proposal": "proposal"}
#: Coordinates that a scan plan has a place for, and what is made of other facts.
_PLACED = ("energy", "count_time", "theta", "polarization", "sample_x", "sample_y")
_ZONE_PLATE = ("outer_diameter", "central_stop_diameter", "outermost_zone_width", "focal_length")


class Description:
    """Describes one entry.

    Parameters
    ----------
    entry : Entry
        The entry.
    channel : Channel
        Its main picture.
    shown : mapping of str to Variable
        The pictures that become detectors.
    has_monitor : bool
        Its monitor comes with them.
    """

    def __init__(
        self, entry: Entry, channel: Channel, shown: Mapping[str, Variable], *, has_monitor: bool
    ) -> None:
        self._entry, self._channel, self._shown = entry, channel, shown
        self._has_monitor = has_monitor
        self._messages: list[str] = []

    def block(self, file: str, messages: list[str]) -> Document:
        """Give the block ``nxstxm`` of a start document.

        Parameters
        ----------
        file : str
            Name of the file.
        messages : list of str
            What was guessed; what is guessed here is added.
        """
        self._messages = messages
        data, channel = self._channel.data, self._channel
        kind = scan_type(self._entry.scan_type)
        expected = kind.layout.axes
        names = [_AXES.get(dim, dim) for dim in data.dims]
        if len(expected) == len(names) and kind.layout.axes:
            names = list(expected)
        elif expected:
            self._messages.append(
                f"a {kind.label} has the axes {', '.join(expected)}; this has "
                f"{', '.join(names) or 'none'}, so that it is written as a generic scan"
            )
            kind = scan_type("generic scan")
        axes = [
            self._axis(name, channel.coordinate(dim), size)
            for name, dim, size in zip(names, data.dims, data.stored.shape, strict=True)
        ]
        if not axes:
            axes = [{"name": "point", "setpoints": [0.0], "units": "1"}]
        energy = channel.coordinate("energy")
        energies = _finite(energy) if energy is not None else []
        self._tell_odd_units(energy, "eV")
        self._tell_odd_units(channel.coordinate("theta"), "deg")
        if not energies:
            self._messages.append("the energy is not in the file")
        dwell = channel.coordinate("count_time")
        dwells = _finite(dwell) if dwell is not None else []
        if not dwells:
            self._messages.append("the dwell is not in the file; 0 was written")
        n_energies = len(energies) or 1
        block: Document = {
            "scan_type": int(kind),
            "entry": self._entry.name,
            "axes": axes,
            "positions": self._positions(kind.layout.line, names),
            "energies": energies or [0.0],
            "dwells": dwells if len(dwells) in (1, n_energies) else dwells[:1] or [0.0],
            "detectors": [
                {"name": name, "data_key": name, "units": str(v.attrs.get("units", "") or "counts")}
                for name, v in self._shown.items()
            ],
            "devices": self._devices(),
            "rotation_angle": _one(channel, "theta"),
            "zone_plate": self._zone_plate(),
        }
        polarization = channel.coordinate("polarization")
        if polarization is not None and polarization.values.dtype.kind == "U":
            name = str(polarization.values)
            if not name.replace(".", "").lstrip("-").isdecimal():  # a number of its own program
                block["polarization"] = name
        block["messages"] = [
            f"made of {file}, which has no documents: times of points are not "
            f"known, and lists are in the order of the picture",
            *self._messages,
        ]
        return {key: value for key, value in block.items() if value is not None}

    def _tell_odd_units(self, coordinate: Coordinate | None, unit: str) -> None:
        """Tell what will stand in a unit that it is not in."""
        said = "" if coordinate is None else str(coordinate.attrs.get("units", ""))
        if coordinate is not None and said not in ("", unit, COUNTED):
            self._messages.append(
                f"{coordinate.name} is in {said}, which nobody knows here; its values were written "
                f"as if they were in {unit}"
            )

    def _axis(self, name: str, coordinate: Coordinate | None, size: int) -> Document:
        if coordinate is None or not np.isfinite(coordinate.values.astype(float)).all():
            return {"name": name, "setpoints": list(map(float, range(size))), "units": "1"}
        units = str(coordinate.attrs.get("units", ""))
        return {
            "name": name,
            "setpoints": coordinate.values.astype(float).tolist(),
            "units": "1" if units == COUNTED else units,
        }

    def _positions(self, line: tuple[str, ...], axes: list[str]) -> list[Document]:
        """Give the positions that are no axes: along a line, or of one point."""
        size = self._channel.data.stored.shape[-1] if line else 1
        found = []
        for name in line or ("sample_x", "sample_y"):
            if name in axes:
                continue
            coordinate = self._channel.coordinate(name)
            known = coordinate is not None and coordinate.dims in ((), ("line",))
            values = np.zeros(0)
            units = "um"
            if coordinate is not None and known and coordinate.values.dtype.kind in "iuf":
                values = np.atleast_1d(coordinate.values).astype(float)
                units = str(coordinate.attrs.get("units", ""))
                # on a line along one position, the other stands
                values = np.repeat(values, size) if values.size == 1 else values
            if values.size != size or not np.isfinite(values).all():
                if not line:
                    continue
                self._messages.append(f"{name} along the line is not in the file; 0 was taken")
                values = np.zeros(size)
            found.append({"name": name, "setpoints": values.tolist(), "units": units})
        return found

    def _devices(self) -> Mapping[str, str]:
        facts = self.facts()
        found = {role: fact for fact, role in _ROLES.items() if fact in facts}
        return {**found, "ring_current": "control"} if self._has_monitor else found

    def _zone_plate(self) -> Document | None:
        attrs = self._entry.attrs
        found = {n: attrs[f"zone_plate_{n}"] for n in _ZONE_PLATE if f"zone_plate_{n}" in attrs}
        return {n: float(v) for n, v in found.items() if isinstance(v, (int, float))} or None

    def facts(self) -> Mapping[str, tuple[Any, str | None]]:
        """Give the facts that are numbers, with their units."""
        attrs = self._entry.attrs
        return {
            name: (value, str(attrs.get(f"{name}_units", "")) or None)
            for name, value in attrs.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in _SAID
        }

    def all_facts(self) -> Mapping[str, tuple[Any, str | None]]:
        """Give the facts, those that are texts or several numbers, too.

        Coordinates that have no place in a scan plan, as a number of the polarization, are among
        them.
        """
        found = dict(self.facts())
        attrs = self._entry.attrs
        for name, value in attrs.items():
            if name in (*found, *_SAID, *_NAMES.values(), "polarization"):
                continue
            if name.endswith("_units"):
                continue
            fact = _fact(value)
            if fact is not None:
                found[name] = (fact, str(attrs.get(f"{name}_units", "")) or None)
        placed = {*self._channel.data.dims, *_PLACED}
        layout = scan_type(self._entry.scan_type).layout
        if len(layout.axes) == len(self._channel.data.dims):
            placed |= set(layout.line)
        for each in self._channel.coordinates:
            fact = _fact(each.values if each.values.ndim else each.values[()])
            if each.name not in placed and fact is not None:
                found.setdefault(each.name, (fact, str(each.attrs.get("units", "")) or None))
        return found


def _fact(value: Any) -> Any:
    """Give a fact as a number, a text that is not empty, or numbers; None where it is neither."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value or None
    if isinstance(value, (list, np.ndarray)):
        array = np.asarray(value)
        if array.dtype.kind in "US":
            return "\n".join(map(str, array.ravel()))
        return array if array.dtype.kind in "iuf" and array.size else None
    return value if isinstance(value, (int, float)) else None


def _finite(coordinate: Coordinate) -> list[float]:
    """Give the values of a coordinate; none when it is only a count, or not all are numbers."""
    if coordinate.attrs.get("units") == COUNTED or coordinate.values.dtype.kind not in "iuf":
        return []
    values = np.atleast_1d(coordinate.values).astype(float)
    return values.tolist() if np.isfinite(values).all() else []


def _one(channel: Channel, name: str) -> float | None:
    found = channel.coordinate(name)
    return float(found.values) if found is not None and found.values.ndim == 0 else None
