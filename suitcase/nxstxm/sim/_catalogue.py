"""Small requests of every kind, for tests that must hold for all of them.

One for each scan type and way of arriving, one for each thing that goes differently in real life.
"""

from __future__ import annotations

from dataclasses import replace

from ._kinds import KINDS, OSA_FOCUS
from ._request import Polarization, Region, ScanRequest, Span

_LEFT, _RIGHT = Polarization(0, 0.0, -0.2), Polarization(1, 0.0, 0.2)

_POINTS = tuple(
    Region(sp_id, Span(x, x, 1), Span(y, y, 1))
    for sp_id, x, y in ((2, -2.2, 1.8), (1, 2.4, 2.1), (0, 4.5, 4.5))
)
_LINE = (Region(0, Span(-4.0, 4.0, 6), Span(1.0, 2.5, 6)),)
_OSA_LINE = (Region(3, Span(5.0, 30.0, 5), Span(1.67, 10.0, 5)),)
_WIDE = (Region(1, Span(-250.0, 250.0, 6), Span(-200.0, 200.0, 5)),)
_OSA = (Region(1, Span(-30.0, 30.0, 6), Span(-25.0, 25.0, 5)),)
_TWO_REGIONS = (
    Region(4, Span(-4.0, 0.0, 5), Span(0.0, 3.0, 4)),
    Region(7, Span(0.5, 4.0, 3), Span(3.0, 0.5, 6)),
)
_DOWN = (Region(0, Span(4.0, -4.0, 5), Span(3.0, -3.0, 4)),)
_EDGE = (700.0, 705.0, 708.0, 709.0)

#: Scan type -> what its request needs beyond the defaults.
_USUAL: dict[int, ScanRequest] = {
    0: ScanRequest(0, _WIDE, ring_current="event"),
    1: ScanRequest(1, _OSA, ring_current="event"),
    2: ScanRequest(2, _OSA_LINE, zoneplate=Span(-3819.0, -3789.0, 6), ring_current="event"),
    3: ScanRequest(3, _LINE),
    4: ScanRequest(4, _POINTS, _EDGE, motors=False, ring_current="event"),
    5: ScanRequest(5, _LINE, _EDGE, motors=False),
    6: ScanRequest(6, motors=False),
    7: ScanRequest(7, energies=_EDGE[:3], motors=False),
    8: ScanRequest(8, positioners=("goni_x", "none"), ring_current="event"),
    9: ScanRequest(9),
    10: ScanRequest(10),
    11: ScanRequest(11, energies=_EDGE[1:3], angles=(-20.0, 0.0, 20.0), motors=False),
    12: ScanRequest(12),
    13: ScanRequest(13, energies=_EDGE[1:3], motors=False),
    14: ScanRequest(
        14, (Region(0, Span(-4.0, 4.0, 5), Span(700.0, 712.0, 4)),), positioners=("", "energy")
    ),
}


def all_requests() -> dict[str, ScanRequest]:
    """Give small requests by name: every scan type and style, and what goes differently.

    Returns
    -------
    dict of str to ScanRequest
        Names are ``"<dialect>-<scan type>-<style>"`` for the plain ones, and say what is special
        for the others. Every request is different, and small (some hundred points).
    """
    return {**_plain(), **_special(), **_stxm()}


def _plain() -> dict[str, ScanRequest]:
    found = {}
    for number, usual in _USUAL.items():
        for style in ("points", "lines", "images"):
            sweep = KINDS[number].sweep
            if sweep == "point" and style != "points":
                continue
            if style == "images" and (sweep != "raster" or number in (0, 1)):
                continue
            if number in (8, 13) and style != "points":
                continue
            request = replace(usual, style=style)
            found[f"pystxm2019-{KINDS[number].name.lower()}-{style}"] = request
        newer = replace(usual, dialect="pystxm")
        found[f"pystxm-{KINDS[number].name.lower()}-{newer.arrival}"] = newer
    return found


def _special() -> dict[str, ScanRequest]:
    stack, image, points = _USUAL[7], _USUAL[6], _USUAL[4]
    two = replace(stack, regions=_TWO_REGIONS, polarizations=(_LEFT, _RIGHT))
    channels = ("DNM_SIS3820_CHAN_00", "DNM_SIS3820_CHAN_15")
    return {
        "image-snake-points": replace(_USUAL[10], snake=True),
        "image-snake-lines": replace(image, snake=True),
        "image-descending": replace(image, regions=_DOWN),
        "image-motors-and-ring-current-by-line": replace(image, motors=True, ring_current="event"),
        "image-stuck-motors": replace(_USUAL[10], stuck_motors=True),
        "image-without-baseline": replace(image, include_baseline=False),
        "image-without-ring-current": replace(image, ring_current="none"),
        "image-two-detectors": replace(image, dets=("counter0", "i0_counter")),
        "image-aborted": replace(image, truncate=2),
        "image-aborted-points": replace(_USUAL[10], truncate=7),
        "image-aborted-snake": replace(_USUAL[10], truncate=8, snake=True),
        "image-aborted-quietly": replace(image, truncate=3, truncated_status="success"),
        "image-killed": replace(image, truncate=2, truncated_status="killed"),
        "image-failed": replace(image, truncate=2, truncated_status="fail"),
        "image-aborted-before-the-first-line": replace(image, truncate=0),
        "generic-2d": replace(_USUAL[8], positioners=("osa_x", "osa_y"), regions=_OSA),
        "stack-two-regions": replace(stack, regions=_TWO_REGIONS),
        "stack-two-polarizations": replace(stack, polarizations=(_LEFT, _RIGHT)),
        "stack-two-regions-two-polarizations": two,
        "stack-interleaved-polarizations": replace(two, interleave_polarizations=True),
        "stack-uneven-energies": replace(
            stack, energies=(690.0, 700.0, 705.0, 706.0, 707.0, 707.5), dwells_ms=(1.0,)
        ),
        "stack-repeated-energies": replace(stack, energies=(705.0, 708.0, 708.0, 705.0)),
        "stack-uneven-dwells": replace(stack, dwells_ms=(1.0, 2.5, 0.5)),
        "stack-one-energy": replace(stack, energies=(708.0,)),
        "stack-nested-strings": replace(stack, nested_strings=True),
        "stack-aborted": replace(stack, truncate=6),
        "stack-aborted-between-energies": replace(stack, truncate=8),
        "stack-two-regions-aborted": replace(two, truncate=17),
        "tomography-aborted": replace(_USUAL[11], truncate=10),
        "point-spectra-aborted": replace(points, truncate=7),
        "point-spectra-repeated-energies": replace(points, energies=(700.0, 708.0, 708.0, 700.0)),
        "line-spectra-uneven-dwells": replace(_USUAL[5], dwells_ms=(1.0, 1.0, 3.0, 3.0)),
        "line-spectra-with-motors": replace(_USUAL[5], motors=True),
        "osa-focus-aborted": replace(_USUAL[OSA_FOCUS], truncate=13),
        "ptychography-aborted": replace(_USUAL[13], truncate=25),
        "pystxm-without-optional-keys": replace(stack, dialect="pystxm", optional_keys=False),
        "pystxm-channels-lines": replace(stack, dialect="pystxm", channels=channels),
        "pystxm-channels-points": replace(_USUAL[10], dialect="pystxm", channels=channels),
        "pystxm-channels-images": replace(
            stack, style="images", dialect="pystxm", channels=channels
        ),
        "pystxm-channels-point-spectra": replace(points, dialect="pystxm", channels=channels),
        "pystxm-scaler-and-counter": replace(
            image, dialect="pystxm", dets=("DNM_SIS3820", "DNM_PMT")
        ),
        "simulator-stack": replace(stack, dialect="simulator"),
    }


def _stxm() -> dict[str, ScanRequest]:
    image = ScanRequest(6, dialect="stxm")
    stack = ScanRequest(7, energies=_EDGE[:3], dialect="stxm")
    tomography = replace(stack, scan_type=11, angles=(-20.0, 0.0, 20.0))
    return {
        "stxm-image": image,
        "stxm-image-bare": replace(image, optional_keys=False),
        "stxm-image-descending": replace(image, regions=_DOWN),
        "stxm-image-ring-current": replace(image, ring_current="event"),
        "stxm-stack": stack,
        "stxm-stack-bare": replace(stack, optional_keys=False),
        "stxm-stack-repeated-energies": replace(stack, energies=(705.0, 708.0, 708.0)),
        "stxm-stack-two-detectors": replace(stack, dets=("pmt", "i0_diode")),
        "stxm-stack-aborted": replace(stack, truncate=6),
        "stxm-stack-group": replace(
            stack, regions=_TWO_REGIONS, polarizations=(_LEFT, _RIGHT), seed=1
        ),
        "stxm-tomography": tomography,
    }
