"""The dialect of a file: an entry as a file has it, for files that have no documents.

The block ``nxstxm`` of a start document describes one entry: ``scan_type``, ``entry``, ``axes`` and
``positions`` (each with ``name``, ``setpoints``, ``units``), ``energies`` (eV), ``dwells`` (s),
``detectors`` (each with ``name``, ``data_key``, ``role``, ``units``), ``devices`` (role to data
key), and, where they are known, ``polarization``, ``rotation_angle``, ``zone_plate`` and
``messages``. Events carry the rows of the picture: the values along its last axis, or single values
where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._metadata import (
    MetadataError,
    as_json,
    mapping,
    numbers,
    optional_number,
    short,
    stated,
    text_or_none,
    texts,
)
from ._plan import Axis, Detector, Device, EntryPlan, Loop, ScanPlan, ZonePlate
from ._roles import DETECTOR_ROLES, ROLE_UNITS, polarization_from_any
from ._start import common_fields, run_uid
from ._types import scan_type

_KEYS = ("scan_type", "axes", "energies")
_OF_ZONE_PLATE = (
    "outer_diameter",
    "central_stop_diameter",
    "outermost_zone_width",
    "focal_length",
)


def speaks(start: Mapping[str, Any]) -> bool:
    """Tell whether a start document is written in this dialect."""
    return isinstance(start.get("nxstxm"), (Mapping, str))


def read(start: Mapping[str, Any]) -> ScanPlan:
    """Read a start document that describes an entry.

    Raises
    ------
    MetadataError
        The block lacks a key, or a value makes no sense.
    """
    run = run_uid(start)
    what = f"the nxstxm block of run {run:.8}"
    block = mapping(start["nxstxm"], what)
    missing = [key for key in _KEYS if block.get(key) is None]
    if missing:
        raise MetadataError(f"{what} has no {', '.join(missing)}")
    axes = _axes(block["axes"], f"axes of {what}")
    energies = numbers(block["energies"], f"energies of {what}")
    dwells = numbers(stated(block, "dwells", 0.0), f"dwells of {what}")
    dwells = dwells * len(energies) if len(dwells) == 1 else dwells
    if len(dwells) != len(energies):
        raise MetadataError(f"{what}: {len(dwells)} dwells for {len(energies)} energies")
    try:
        polarization = polarization_from_any(block.get("polarization"))
    except ValueError:
        polarization = None  # a name that only its own file knows
    entry = EntryPlan(
        text_or_none(block.get("entry")),
        axes,
        energies,
        dwells,
        _axes(stated(block, "positions", ()), f"positions of {what}"),
        polarization=polarization,
        rotation_angle=optional_number(block.get("rotation_angle")),
    )
    common = common_fields(start)
    group = common["group"]
    return ScanPlan(
        run=run,
        dialect="nxstxm",
        scan_type=scan_type(block["scan_type"], run),
        entries=(entry,),
        loops=tuple(Loop(axis.name, axis.size) for axis in axes),
        detectors=_detectors(block, per_line=len(axes) > 1),
        devices=_devices(block, axes),
        zone_plate=_zone_plate(block.get("zone_plate")),
        request=as_json({k: v for k, v in block.items() if k != "messages"}),
        expected_runs=group.total if group is not None else 1,
        messages=texts(block.get("messages")),
        **common,
    )


def _axes(given: Any, what: str) -> tuple[Axis, ...]:
    if not isinstance(given, (list, tuple)):
        raise MetadataError(f"{what} is {short(given)}, not a list of axes")
    made = []
    for item in given:
        said = mapping(item, what)
        name = text_or_none(said.get("name"))
        if name is None:
            raise MetadataError(f"{what}: an axis has no name: {short(item)}")
        setpoints = numbers(said.get("setpoints"), f"setpoints of {name} of {what}")
        units = text_or_none(said.get("units")) or ROLE_UNITS.get(name, "")
        made.append(Axis(name, setpoints, units, role=name))
    return tuple(made)


def _detectors(block: Mapping[str, Any], *, per_line: bool) -> tuple[Detector, ...]:
    found = []
    for item in stated(block, "detectors", ()):
        said = mapping(item, "a detector of the nxstxm block")
        key = text_or_none(said.get("data_key")) or text_or_none(said.get("name"))
        if key is None:
            raise MetadataError(f"a detector of the nxstxm block has no name: {short(item)}")
        role = DETECTOR_ROLES.get(text_or_none(said.get("role")) or "", "signal")
        units = text_or_none(said.get("units")) or "counts"
        label = text_or_none(said.get("name")) or key
        found.append(Detector(label, role, key, units, "line" if per_line else "point"))
    return tuple(found)


def _devices(block: Mapping[str, Any], axes: tuple[Axis, ...]) -> dict[str, Device]:
    devices = {axis.role: Device(axis.role, axis.name, (), units=axis.units) for axis in axes}
    for role, key in mapping(stated(block, "devices", {}), "devices").items():
        if isinstance(key, str) and key:
            devices[role] = Device(role, key, (key,), units=ROLE_UNITS.get(role, ""))
    return devices


def _zone_plate(given: Any) -> ZonePlate | None:
    if not isinstance(given, Mapping):
        return None
    lengths = {name: optional_number(given.get(name)) for name in _OF_ZONE_PLATE}
    return ZonePlate(**lengths, index=None)
