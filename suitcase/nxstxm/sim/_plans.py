"""Scans that people ask for in a few numbers: each makes a request for `scan_plan`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._microscope import SimulatedMicroscope
from ._request import Polarization, Region, ScanRequest, Span
from ._scan_plan import Plan, scan_plan


def image_plan(
    scope: SimulatedMicroscope,
    x: Sequence[float] = (-5.0, 5.0, 21),
    y: Sequence[float] = (-5.0, 5.0, 21),
    *,
    energy: float = 708.0,
    dwell_ms: float = 1.0,
    scan_type: int = 6,
    **options: Any,
) -> Plan:
    """Scan an image, line by line unless ``style`` says otherwise.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    x, y : (start, stop, npoints)
        Extent, um.
    energy : float
        eV.
    dwell_ms : float
        Dwell of a point.
    scan_type : int
        Any of the image types: sample (6), detector (0), OSA (1), coarse (9), ...
    **options
        As `ScanRequest`.
    """
    request = ScanRequest(
        scan_type, (_region(0, x, y),), (energy,), (dwell_ms,), **_defaults(options)
    )
    return scan_plan(scope, request)


def stack_plan(
    scope: SimulatedMicroscope,
    energies: Iterable[float],
    x: Sequence[float] = (-5.0, 5.0, 21),
    y: Sequence[float] = (-5.0, 5.0, 21),
    *,
    dwell_ms: float | Sequence[float] = 1.0,
    polarizations: Sequence[float] = (2,),
    **options: Any,
) -> Plan:
    """Scan an image at each energy: one run per energy, only the first with a baseline.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    energies : iterable of float
        eV, in scan order.
    x, y : (start, stop, npoints)
        Extent, um.
    dwell_ms : float or sequence of float
        Dwell of a point, one for all energies or one each.
    polarizations : sequence of float
        pyStxm's numbers (0 circular left, 1 circular right, 2 linear horizontal); an entry each.
    **options
        As `ScanRequest`.
    """
    request = ScanRequest(
        7,
        (_region(0, x, y),),
        tuple(energies),
        _dwells(dwell_ms),
        tuple(Polarization(code) for code in polarizations),
        **_defaults(options),
    )
    return scan_plan(scope, request)


def tomography_plan(
    scope: SimulatedMicroscope,
    angles: Iterable[float],
    energies: Iterable[float] = (708.0,),
    x: Sequence[float] = (-5.0, 5.0, 21),
    y: Sequence[float] = (-5.0, 5.0, 21),
    **options: Any,
) -> Plan:
    """Scan a stack at each angle; each angle is an entry with its own baseline.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    angles : iterable of float
        Degrees.
    energies : iterable of float
        eV, in scan order.
    x, y : (start, stop, npoints)
        Extent, um.
    **options
        As `ScanRequest`.
    """
    request = ScanRequest(
        11, (_region(0, x, y),), tuple(energies), angles=tuple(angles), **_defaults(options)
    )
    return scan_plan(scope, request)


def point_spectrum_plan(
    scope: SimulatedMicroscope,
    points: Sequence[tuple[float, float]],
    energies: Iterable[float],
    *,
    dwell_ms: float | Sequence[float] = 1.0,
    **options: Any,
) -> Plan:
    """Measure spectra at several points in one run: at each energy, all points in turn.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    points : sequence of (x, y)
        um.
    energies : iterable of float
        eV, in scan order.
    dwell_ms : float or sequence of float
        Dwell, one for all energies or one each.
    **options
        As `ScanRequest`.
    """
    regions = tuple(_region(k, (x, x, 1), (y, y, 1)) for k, (x, y) in enumerate(points))
    request = ScanRequest(4, regions, tuple(energies), _dwells(dwell_ms), **_defaults(options))
    return scan_plan(scope, request)


def line_spectrum_plan(
    scope: SimulatedMicroscope,
    start: tuple[float, float],
    stop: tuple[float, float],
    npoints: int,
    energies: Iterable[float],
    *,
    dwell_ms: float | Sequence[float] = 1.0,
    **options: Any,
) -> Plan:
    """Scan a line at each energy, in one run.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    start, stop : (x, y)
        Ends of the line, um.
    npoints : int
        Points of the line.
    energies : iterable of float
        eV, in scan order.
    dwell_ms : float or sequence of float
        Dwell of a point, one for all energies or one each.
    **options
        As `ScanRequest`.
    """
    request = ScanRequest(
        5, (_line(start, stop, npoints),), tuple(energies), _dwells(dwell_ms), **_defaults(options)
    )
    return scan_plan(scope, request)


def focus_plan(
    scope: SimulatedMicroscope,
    start: tuple[float, float] = (-4.5, 1.8),
    stop: tuple[float, float] = (0.0, 1.8),
    npoints: int = 31,
    zoneplate: Sequence[float] = (-3822.0, -3782.0, 21),
    *,
    energy: float = 708.0,
    dwell_ms: float = 1.0,
    scan_type: int = 3,
    **options: Any,
) -> Plan:
    """Scan a line at each position of the zone plate: of the sample (3) or of the OSA (2).

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope.
    start, stop : (x, y)
        Ends of the line, um.
    npoints : int
        Points of the line.
    zoneplate : (start, stop, npoints)
        Positions of the zone plate, um.
    energy, dwell_ms, scan_type
        As `image_plan`.
    **options
        As `ScanRequest`.
    """
    options = _defaults(options) | {"zoneplate": _span(zoneplate)}
    region = _line(start, stop, npoints)
    return scan_plan(scope, ScanRequest(scan_type, (region,), (energy,), (dwell_ms,), **options))


def _region(sp_id: int, x: Sequence[float], y: Sequence[float]) -> Region:
    return Region(sp_id, _span(x), _span(y))


def _line(start: tuple[float, float], stop: tuple[float, float], npoints: int) -> Region:
    return _region(0, (start[0], stop[0], npoints), (start[1], stop[1], npoints))


def _span(values: Sequence[float]) -> Span:
    start, stop, npoints = values
    return Span(float(start), float(stop), int(npoints))


def _dwells(dwell_ms: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(dwell_ms) if isinstance(dwell_ms, Sequence) else (float(dwell_ms),)


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    """Read the ring current with every event, unless the caller wants it otherwise."""
    return {"dialect": "simulator", "ring_current": "event"} | options
