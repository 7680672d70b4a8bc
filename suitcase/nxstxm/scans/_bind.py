"""Binding a plan to the data keys that an event descriptor declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

from ._arrange import as_list
from ._metadata import texts
from ._plan import Detector, Device, Role, ScanPlan
from ._roles import READ_SUFFIXES, ROLE_UNITS, SET_SUFFIXES
from ._streams import BASELINE
from ._units import factor
from ._with_roles import with_hinted_roles, with_scales

_NUMERIC = ("number", "integer", "array", "boolean")


def bind(plan: ScanPlan, descriptor: Mapping[str, Any]) -> ScanPlan:
    """Settle data keys, shapes and dtypes; see `ScanPlan.bind`."""
    keys = descriptor.get("data_keys")
    if not isinstance(keys, Mapping):
        return plan
    if plan.dialect == "plain":
        plan = with_hinted_roles(plan, descriptor.get("hints"))
    bind_one = _bind_converted if plan.dialect == "plain" else _bind_device
    devices = {role: bind_one(device, keys) for role, device in plan.devices.items()}
    if plan.dialect == "plain":
        plan = with_scales(plan, devices)
        if plan.told_shape and _reads_axes(plan, devices, descriptor):
            plan = as_list(plan)
    if descriptor.get("name") == BASELINE:
        return replace(plan, devices=devices)
    detectors = _bind_detectors(plan, devices, keys, descriptor.get("hints"))
    return replace(plan, devices=devices, detectors=detectors)


def _reads_axes(
    plan: ScanPlan, devices: Mapping[str, Device], descriptor: Mapping[str, Any]
) -> bool:
    """Tell whether each event of a stream is a point, and says where all axes of a grid are."""
    axes = plan.entries[0].axes
    keys = descriptor["data_keys"]
    ends = (plan.told_shape[0], plan.told_shape[-1])
    if any(_is_line(declared, ends) for declared in keys.values()):
        return False
    read = [keys.get(devices[axis.role].read_key) for axis in axes if axis.role in devices]
    return (
        len(axes) > 1
        and len(read) == len(axes)
        and descriptor.get("name") != BASELINE
        and all(isinstance(declared, Mapping) and _is_single(declared) for declared in read)
    )


def _is_line(declared: Any, lengths: Collection[int]) -> bool:
    """Tell whether a data key declares a list that is as long as a line."""
    sizes = [n for n in _shape(declared) if n != 1]
    return len(sizes) == 1 and sizes[0] in lengths


def _is_single(declared: Mapping[str, Any]) -> bool:
    """Tell whether a data key declares one number a reading."""
    is_one = all(size == 1 for size in _shape(declared))
    return is_one and _word(declared.get("dtype")) in ("number", "integer")


def _shape(declared: Any) -> list[int]:
    """Give the shape that a data key declares; of what is no number of elements -1."""
    shape = declared.get("shape") if isinstance(declared, Mapping) else None
    sizes = shape if isinstance(shape, (list, tuple)) else ()
    return [int(size) if isinstance(size, Integral) else -1 for size in sizes]


def _word(value: Any) -> str:
    """Give text; of anything else, which may not even be compared with it, none."""
    return value if isinstance(value, str) else ""


def _bind_device(device: Device, keys: Mapping[str, Any]) -> Device:
    """Find the keys of a device's reading and setpoint; what is bound already stays."""
    read_key, set_key = device.read_key, device.set_key
    for stem in device.stems:
        found = _first(keys, (stem + s for s in READ_SUFFIXES))
        if read_key is None and found is not None:
            read_key = found
        if found is not None and found == read_key:
            set_key = set_key or _first(keys, (stem + s for s in SET_SUFFIXES))
    declared = keys.get(read_key) if read_key is not None else None
    units = device.units
    if not units and device.role not in ROLE_UNITS and isinstance(declared, Mapping):
        given = declared.get("units")
        units = given if isinstance(given, str) else units
    if (read_key, set_key, units) == (device.read_key, device.set_key, device.units):
        return device
    return replace(device, read_key=read_key, set_key=set_key, units=units)


def _bind_converted(device: Device, keys: Mapping[str, Any]) -> Device:
    """Bind a device whose units nobody knows but the data key."""
    bound = _bind_device(device, keys)
    declared = keys.get(bound.read_key) if bound.read_key is not None else None
    given = declared.get("units") if isinstance(declared, Mapping) else None
    wanted = ROLE_UNITS.get(device.role)
    if wanted is None or not isinstance(given, str):
        return bound
    return replace(bound, scale=factor(given, wanted))


def _first(keys: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in keys), None)


def _bind_detectors(
    plan: ScanPlan,
    devices: Mapping[str, Device],
    keys: Mapping[str, Any],
    hints: Any,
) -> tuple[Detector, ...]:
    """Give each named detector its key, then find what else was measured."""
    taken = {k for d in devices.values() for k in (d.read_key, d.set_key) if k is not None}
    bound: dict[str, Detector] = {}
    waiting: list[Detector] = []
    for detector in plan.detectors:
        matches = _matches(detector, keys, taken)
        for key in matches:
            name = detector.name if len(matches) == 1 else key
            bound.setdefault(key, _declare(replace(detector, name=name, data_key=key), keys[key]))
        if not matches:
            waiting.append(detector)
    hinted = _hinted(hints)
    motors = _motor_keys(keys, devices)
    others = {
        key: declared
        for key, declared in keys.items()
        if not (key in bound or key in taken or key in motors) and _is_numeric(declared)
    }
    if hinted is not None and not bound and hinted.isdisjoint(others):
        hinted = None  # only motors have hints: what was measured with them is the picture
    for key, declared in others.items():
        role = _guess_role(plan, key, declared, hinted)
        bound[key] = _declare(Detector(key, role, key), declared)
    return (*bound.values(), *waiting)


def _matches(detector: Detector, keys: Mapping[str, Any], taken: set[str]) -> list[str]:
    """Find the keys of a detector that is known by its key or by the beginning of it."""
    wanted = detector.data_key or detector.name
    if wanted in keys:
        return [wanted]
    if detector.shape is not None or detector.dtype is not None:
        return []  # bound already, to a key of another stream
    begins = (wanted + "_", wanted + "-", wanted + ".", wanted + "/")
    return [k for k in keys if k.startswith(begins) and k not in taken and _is_numeric(keys[k])]


def _is_numeric(declared: Any) -> bool:
    return isinstance(declared, Mapping) and _word(declared.get("dtype", "number")) in _NUMERIC


def _hinted(hints: Any) -> set[str] | None:
    """Give the fields that the devices hint at; None when there are no hints at all."""
    if not isinstance(hints, Mapping) or not hints:
        return None
    return {
        field
        for hint in hints.values()
        if isinstance(hint, Mapping)
        for field in texts(hint.get("fields"))
    }


def _motor_keys(keys: Mapping[str, Any], devices: Mapping[str, Device]) -> set[str]:
    """Find the readings of motors: those that come with a setpoint."""
    motors = set()
    for key in keys:
        for suffix in SET_SUFFIXES:
            if key.endswith(suffix):
                stem = key[: -len(suffix)]
                motors.add(key)
                motors.update(stem + s for s in READ_SUFFIXES if stem + s in keys)
    stems = {s for d in devices.values() for s in d.stems}
    return motors | {key for key in keys if key in stems}


def _guess_role(plan: ScanPlan, key: str, declared: Any, hinted: set[str] | None) -> Role:
    """Say what an unnamed detector is for: an array of rank 2 is a camera, "i0" is the i0."""
    words = key.lower().replace("-", "_").replace(":", "_").replace(".", "_").split("_")
    shape = declared.get("shape")
    if "i0" in words:
        return "i0"
    if plan.dialect == "plain" and hinted is not None and key not in hinted:
        return "other"
    per_line = plan.dialect != "plain" and "waveform" in words
    if not isinstance(shape, (list, tuple)) or len(shape) < 2 or per_line:
        return "signal"
    if any(n not in (1, None) for n in shape[:-1]):
        return "camera"
    return "signal"


def _declare(detector: Detector, declared: Any) -> Detector:
    """Take shape, dtype and units from the data key."""
    declared = declared if isinstance(declared, Mapping) else {}
    shape = declared.get("shape")
    units = declared.get("units")
    dtype = declared.get("dtype_numpy")
    per = detector.per
    if per is None and detector.role == "signal" and "waveform" in str(detector.data_key).lower():
        per = "line"  # what pyStxm calls the counts of one line
    return replace(
        detector,
        shape=tuple(shape) if isinstance(shape, (list, tuple)) else None,
        dtype=dtype if isinstance(dtype, str) else None,
        units=units if isinstance(units, str) and units else detector.units,
        per=per,
    )


def detector_columns(plan: ScanPlan, keys: Collection[str]) -> Iterator[tuple[str, str, Detector]]:
    """Find the columns of detectors among those of a stream.

    Parameters
    ----------
    plan : ScanPlan
        The bound plan.
    keys : collection of str
        Columns: data keys, or ``<data key>/<channel>`` where readings are of several channels.

    Yields
    ------
    key : str
        The column.
    label : str
        What the scientist calls it: the detector's name, or its channel's.
    detector : Detector
        Whose column it is; those of the role ``other`` are left out.
    """
    seen = set()
    for detector in plan.detectors:
        if detector.role == "other" or detector.data_key is None:
            continue
        for key in keys:
            mine = detector.data_key in (key, key.partition("/")[0])
            if mine and key not in seen:
                seen.add(key)
                own = key == detector.data_key
                yield key, detector.name if own else key.split("/", 1)[1], detector
