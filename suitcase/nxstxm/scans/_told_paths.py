"""Paths that plans tell in words of their own, put into those of Bluesky's ``grid_scan``.

Two are common: the ScanSpec of a plan as Diamond's ``spec_scan`` puts it under ``spec``
(https://bluesky.github.io/scanspec: the JSON of ``Spec.serialize``), and the block ``scan`` of
the fly scans at NSLS-II's microscopes (``fast_axis``, ``slow_axis``, ``shape``, ``snake``,
``scan_input``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ._metadata import optional_number, texts
from ._streams import PRIMARY, named_stream

#: With one of these a plan of Bluesky tells its path itself.
SURE = ("extents", "snaking", "snake_axes")
#: Parts of a ScanSpec that change when its points are measured, not where.
_TIMES = frozenset(("Fly", "ConstantDuration", "Acquire"))
_DEEPEST = 32


@dataclass(frozen=True)
class Leg:
    """One loop of a path: a motor, where it goes, in how many steps, and whether back and forth."""

    motor: str
    first: float | None
    last: float | None
    size: int
    snaked: bool = False


def in_plain_words(start: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a start document in which the path stands as ``grid_scan`` tells it.

    Parameters
    ----------
    start : Mapping
        Any start document.

    Returns
    -------
    Mapping
        The same where it tells its path itself, or where nothing else does.
    """
    if any(key in start for key in SURE):
        return start
    legs = _legs_of_spec(start) or _legs_of_map(start.get("scan"))
    if not legs:
        return start
    stream = named_stream(start) or PRIMARY
    hints = start.get("hints")
    told: dict[str, Any] = {
        "motors": [leg.motor for leg in legs],
        "shape": [leg.size for leg in legs],
        "snaking": [leg.snaked for leg in legs],
        "hints": {
            **(hints if isinstance(hints, Mapping) else {}),
            "dimensions": [[[leg.motor], stream] for leg in legs],
        },
    }
    if all(leg.first is not None and leg.last is not None for leg in legs):
        told["extents"] = [[leg.first, leg.last] for leg in legs]
    return {**start, **told}


def told_dwell(start: Mapping[str, Any]) -> float | None:
    """Give the time of a point, seconds, where these blocks tell it."""
    scan, spec = start.get("scan"), start.get("spec")
    if isinstance(scan, Mapping) and "fast_axis" in scan:
        return optional_number(scan.get("dwell"))
    for _ in range(_DEEPEST):
        if not isinstance(spec, Mapping):
            break
        for key in ("constant_duration", "duration"):
            if optional_number(spec.get(key)) is not None:
                return optional_number(spec.get(key))
        spec = spec.get("spec")
    return None


# -- ScanSpec -------------------------------------------------------------------------------------


def _legs_of_spec(start: Mapping[str, Any]) -> tuple[Leg, ...]:
    """Read a ScanSpec whose axes have the names of motors.

    An axis may stand there as Python shows the object, which names nothing; of a single one it is
    known all the same.
    """
    legs = _legs(start.get("spec"), False, 0)
    motors = texts(start.get("motors"))
    if legs and len(legs) == len(motors) == 1:
        return (replace(legs[0], motor=motors[0]),)
    names = [leg.motor for leg in legs or ()]
    are_motors = set(names) <= set(motors) if motors else not any(n[:1] == "<" for n in names)
    return legs if legs and are_motors and len(set(names)) == len(names) else ()


def _legs(spec: Any, snaked: bool, depth: int) -> tuple[Leg, ...] | None:
    """Read a part of a ScanSpec, slowest loop first; None of what is no grid."""
    if not isinstance(spec, Mapping) or depth > _DEEPEST:
        return None
    kind = spec.get("type")
    if kind == "Product":
        outer = _legs(spec.get("outer"), snaked, depth + 1)
        inner = _legs(spec.get("inner"), snaked, depth + 1)
        return None if outer is None or inner is None else (*outer, *inner)
    if kind == "Snake":
        return _legs(spec.get("spec"), True, depth + 1)
    if isinstance(kind, str) and kind in _TIMES:
        return _legs(spec.get("spec"), snaked, depth + 1)
    if kind in ("Linspace", "Line"):
        leg = _leg(spec.get("axis"), spec.get("start"), spec.get("stop"), spec.get("num"), snaked)
        return None if leg is None or leg.first is None or leg.last is None else (leg,)
    return None


# -- NSLS-II --------------------------------------------------------------------------------------


def _legs_of_map(scan: Any) -> tuple[Leg, ...]:
    """Read the block of a map, which has the fast axis first."""
    if not isinstance(scan, Mapping):
        return ()
    shape = scan.get("shape")
    if not isinstance(shape, (list, tuple)) or len(shape) != 2:
        return ()
    given = scan.get("scan_input")
    given = list(given) if isinstance(given, (list, tuple)) else []
    legs: list[Leg] = []
    for i, key in ((1, "slow_axis"), (0, "fast_axis")):
        axis = scan.get(key)
        motor = axis.get("motor_name") if isinstance(axis, Mapping) else None
        ends = given[3 * i : 3 * i + 3]
        # a step scan has the step there, not the number
        known = len(ends) == 3 and optional_number(ends[2]) == optional_number(shape[i])
        first, last = ends[:2] if known else (None, None)
        leg = _leg(motor, first, last, shape[i], i == 0 and scan.get("snake") is True)
        if leg is None:
            return ()
        legs.append(leg)
    return () if legs[0].motor == legs[1].motor else tuple(legs)


def _leg(motor: Any, first: Any, last: Any, size: Any, snaked: bool) -> Leg | None:
    n = optional_number(size)
    if not isinstance(motor, str) or not motor or n is None or n < 1 or n != int(n):
        return None
    return Leg(motor, optional_number(first), optional_number(last), int(n), snaked)
