"""Which of a plan's devices is the sample's x, which the energy: told by the user or by hints.

A plan of plain Bluesky calls its axes as the motors are called. Once the roles are known the axes
get their names, and the run may turn out to be an image or a stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._plan import Axis, Detector, Device, ScanPlan
from ._roles import DETECTOR_ROLES
from ._types import LAYOUTS, ScanType

#: What the axes of a plain plan may make of it; the first whose axes are the same.
_KINDS = (
    ScanType.SAMPLE_IMAGE,
    ScanType.SAMPLE_IMAGE_STACK,
    ScanType.SAMPLE_POINT_SPECTRA,
    ScanType.OSA_IMAGE,
    ScanType.DETECTOR_IMAGE,
)
#: What the class of a device in an event descriptor's hints (event-model's schema of descriptors)
#: says of its role, where the user and its name do not.
NX_CLASSES = {"NXmonochromator": "energy", "NXdetector": "signal", "NXmonitor": "i0"}


def with_devices(plan: ScanPlan, devices: Mapping[str, str]) -> ScanPlan:
    """Give the data keys of some roles; see `ScanPlan.with_devices`."""
    known = dict(plan.devices)
    detectors = list(plan.detectors)
    names: dict[str, str] = {}
    for role, key in devices.items():
        kind = DETECTOR_ROLES.get(role)
        if kind is not None:
            detectors = [d for d in detectors if d.name != key and d.data_key != key]
            detectors.append(Detector(key, kind))
            continue
        own = next((d for d in known.values() if d.role != role and d.stems == (key,)), None)
        if own is not None:
            names[own.role] = role
            del known[own.role]
        units = own.units if own is not None else known[role].units if role in known else ""
        read_key = None if own is None else own.read_key
        known[role] = Device(role, key, (key,), read_key, units=units)
    named = replace(plan, devices=known, detectors=tuple(detectors))
    return typed(_renamed(named, names)) if plan.dialect == "plain" else named


def with_hinted_roles(plan: ScanPlan, hints: Any) -> ScanPlan:
    """Give roles to devices whose class a descriptor's hints tell, as far as nobody has them."""
    found: dict[str, str] = {}
    for hint in hints.values() if isinstance(hints, Mapping) else ():
        if not isinstance(hint, Mapping):
            continue
        role = NX_CLASSES.get(str(hint.get("NX_class")))
        fields = hint.get("fields")
        if role is None or not isinstance(fields, (list, tuple)) or not fields:
            continue
        told = {d.data_key or d.name for d in plan.detectors} if role in DETECTOR_ROLES else set()
        if not (_is_told(plan, role) or role in found or fields[0] in told):
            found[role] = str(fields[0])
    return with_devices(plan, found) if found else plan


def _is_told(plan: ScanPlan, role: str) -> bool:
    """Tell whether a device has a role already: not only names under which it may be found."""
    device = plan.devices.get(role)
    return device is not None and (device.read_key is not None or len(device.stems) == 1)


def _renamed(plan: ScanPlan, names: Mapping[str, str]) -> ScanPlan:
    """Give the axes of a plan the names of their devices' roles."""
    if not names:
        return plan

    def axis(each: Axis) -> Axis:
        name = names.get(each.name, each.name)
        return replace(each, name=name, role=names.get(each.role, each.role))

    entries = tuple(
        replace(
            entry,
            axes=tuple(map(axis, entry.axes)),
            positions=tuple(map(axis, entry.positions)),
        )
        for entry in plan.entries
    )
    loops = tuple(replace(loop, axis=names.get(loop.axis, loop.axis)) for loop in plan.loops)
    return replace(plan, entries=entries, loops=loops)


def with_scales(plan: ScanPlan, devices: Mapping[str, Device]) -> ScanPlan:
    """Convert the setpoints of axes whose devices were found to be in other units."""
    scales = {
        role: device.scale / plan.devices[role].scale
        for role, device in devices.items()
        if role in plan.devices and device.scale != plan.devices[role].scale
    }
    if not scales:
        return plan

    def axis(each: Axis) -> Axis:
        scale = scales.get(each.role, 1.0)
        if scale == 1.0 or each.setpoints is None:
            return each
        return replace(each, setpoints=tuple(scale * value for value in each.setpoints))

    entries = tuple(
        replace(
            entry,
            axes=tuple(map(axis, entry.axes)),
            positions=tuple(map(axis, entry.positions)),
            energies=tuple(scales.get("energy", 1.0) * energy for energy in entry.energies),
        )
        for entry in plan.entries
    )
    return replace(plan, entries=entries)


def typed(plan: ScanPlan) -> ScanPlan:
    """Say what a plain plan scans, by the names of its axes; their order becomes the layout's."""
    [entry] = plan.entries
    by_name = {axis.name: axis for axis in entry.axes}
    for kind in _KINDS:
        wanted = LAYOUTS[kind].axes
        if sorted(wanted) == sorted(by_name):
            axes = tuple(by_name[name] for name in wanted)
            # none where only the data tell them, as of plans that are relative to where it stood
            energies = by_name["energy"].setpoints or () if "energy" in by_name else ()
            entry = replace(entry, axes=axes, energies=energies)
            return replace(plan, scan_type=kind, entries=(entry,))
    return plan
