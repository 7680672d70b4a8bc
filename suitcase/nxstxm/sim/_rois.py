"""pyStxm's description of a region (``rois``), with all that looks scanned and is not.

Extents of stages that stand still, a count of 50 where nothing moves, goniometer setpoints in
another frame, steps that do not divide the range: real requests have them, so readers meet them.
"""

from __future__ import annotations

from typing import Any

from ._devices import Names
from ._kinds import OSA_FOCUS, TOMOGRAPHY
from ._request import Region, ScanRequest, Span

#: How far the goniometer's frame lies from the image's, um.
_FRAME_OFFSET = 3.0


def _roi(name: str, positioner: str, **given: Any) -> dict[str, Any]:
    """Make one of pyStxm's axis descriptions, with nothing in it unless given."""
    blank: dict[str, Any] = {
        "CENTER": None,
        "DATA_LEVEL": False,
        "ENABLED": False,
        "ID": "BASE_ROI",
        "ID_VAL": -1,
        "IS_POINT": False,
        "NAME": name,
        "NPOINTS": 0,
        "OFFSET": 0.0,
        "POSITIONER": positioner,
        "RANGE": None,
        "SCAN_RES": None,
        "SRC": None,
        "START": None,
        "STEP": None,
        "STOP": None,
        "TOP_LEVEL": False,
    }
    return blank | given


def _scanned(name: str, positioner: str, span: Span, source: str | None = None) -> dict[str, Any]:
    width = span.stop - span.start
    return _roi(
        name,
        positioner,
        CENTER=0.5 * (span.start + span.stop),
        ENABLED=True,
        NPOINTS=span.npoints,
        RANGE=width,
        SCAN_RES="FINE",
        SETPOINTS=span.setpoints().tolist(),
        SRC=source,
        START=span.start,
        STEP=width / span.npoints,  # as pyStxm has it: it does not lead from START to STOP
        STOP=span.stop,
    )


def _shifted(span: Span, by: float) -> Span:
    return Span(span.start + by, span.stop + by, span.npoints)


def region_rois(request: ScanRequest, region: Region) -> dict[str, Any]:
    """Describe one region: what is scanned, and all that is not."""
    names, (stage_x, stage_y) = Names(request.dialect), request.stages
    x = _scanned("X", names.device(stage_x), region.x, names.stem(stage_x))
    if stage_y == "none":
        y = _roi("Y", "None", CENTER=0, NPOINTS=1, RANGE=0, SETPOINTS=[], START=0, STEP=0, STOP=0)
    else:
        y = _scanned("Y", names.device(stage_y), region.y, names.stem(stage_y))
    plate = names.virtual_zone_plate()
    if request.scan_type == OSA_FOCUS:
        z = _roi("Z", plate, ENABLED=True, NPOINTS=50)
    else:
        z = _roi("Z", plate)
    return {
        "X": x,
        "Y": y,
        "Z": z,
        "EV_ROIS": _energy_rois(request),
        **_other_stages(request, region, names),
    }


def _other_stages(request: ScanRequest, region: Region, names: Names) -> dict[str, Any]:
    """Describe goniometer, OSA and zone plate beside a scan: none of it is scanned but focus."""
    on_sample = request.stages[0] in ("goni_x", "sample_x", "fine_x")
    plate = names.virtual_zone_plate()
    stage = {axis: names.device(f"goni_{axis}") for axis in "xy"}
    if on_sample and request.kind.energy_list:
        goni = {
            "X": _scanned("GONI.X", stage["x"], _shifted(region.x, _FRAME_OFFSET)),
            "Y": _scanned("GONI.Y", stage["y"], _shifted(region.y, _FRAME_OFFSET)),
        }
        osa = {a.upper(): _scanned(f"OSA.{a}", names.device(f"osa_{a}"), Span(0.0, 0.0, 1))
               for a in "xy"}  # fmt: skip
        zone = {
            "X": _scanned("ZP.X", "ZonePlate.X", _shifted(region.x, -_FRAME_OFFSET)),
            "Y": _scanned("ZP.Y", "ZonePlate.Y", _shifted(region.y, -_FRAME_OFFSET)),
        }
    else:
        goni = {a.upper(): _roi(f"GONI.{a}", stage[a], NPOINTS=50) for a in "xy"}
        osa = {a.upper(): _roi(f"OSA.{a}", names.device(f"osa_{a}"), NPOINTS=50) for a in "xy"}
        zone = {a: _roi(f"ZP.{a}", f"ZonePlate.{a}") for a in "XY"}
    goni["T"] = _theta_roi(request, names)
    zone["Z"] = _roi("ZP.Z", plate)
    if request.kind.outer == "zoneplate_z":
        zone["Z"] = _scanned(
            "ZP.Z", names.device("zoneplate_z"), request.zoneplate, names.stem("zoneplate_z")
        )
    return {"GONI": goni, "OSA": osa, "ZP": zone}


def _theta_roi(request: ScanRequest, names: Names) -> dict[str, Any]:
    if request.scan_type != TOMOGRAPHY and request.angles == (0.0,):
        return _roi("GONI.T", names.device("theta"))
    first, last = request.angles[0], request.angles[-1]
    roi = _scanned("GONI.T", names.device("theta"), Span(first, last, len(request.angles)))
    return roi | {"SETPOINTS": list(request.angles)}


def _energy_rois(request: ScanRequest) -> list[dict[str, Any]]:
    """Split the energies into regions of equal steps and dwells, which concatenate to the list."""
    parts: list[list[int]] = []
    energies, dwells = request.energies, request.dwells_s
    for k, energy in enumerate(energies):
        last = parts[-1] if parts else []
        steady = len(last) < 2 or abs(
            (energy - energies[last[-1]]) - (energies[last[-1]] - energies[last[-2]])
        ) < 1e-9  # fmt: skip
        if last and steady and dwells[k] == dwells[last[-1]]:
            last.append(k)
        else:
            parts.append([k])
    codes = request.polarizations
    positioner = Names(request.dialect).device("energy")
    return [
        _scanned("EV", positioner, Span(energies[part[0]], energies[part[-1]], len(part)))
        | {
            "ID": "EV_ROI",
            "SETPOINTS": [energies[k] for k in part],
            "DWELL": dwells[part[0]] * 1000.0,
            "EPU_POL_PNTS": [p.code for p in codes],
            "EPU_ANG_PNTS": [p.angle for p in codes],
            "EPU_OFF_PNTS": [p.offset for p in codes],
            "POL_ROIS": polarization_rois(request),
        }
        for part in parts
    ]


def polarization_rois(request: ScanRequest) -> list[dict[str, Any]]:
    return [
        {"ID": "EPU_POL", "ID_VAL": k, "POL": p.code, "ANGLE": p.angle, "OFF": p.offset}
        | {"NAME": "", "POL_POSITIONER": "EPUPolarization", "OFF_POSITIONER": "EPUOffset"}
        for k, p in enumerate(request.polarizations)
    ]
