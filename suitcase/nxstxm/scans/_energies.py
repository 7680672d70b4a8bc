"""Which energies a region is measured at, for how long, and with which polarization.

pyStxm writes them twice: flat (``SINGLE_LST``) and by energy region (``EV_ROIS``), where each
energy region may have polarizations of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ._metadata import MetadataError, decode, number, numbers, optional_number, stated
from ._plan import Polarization
from ._roles import polarization_from_code


@dataclass(frozen=True)
class EnergyList:
    """Energies (eV) in the requested order, a dwell (s) for each, and the polarization."""

    energies: tuple[float, ...]
    dwells: tuple[float, ...]
    polarization: Polarization | None
    n_polarizations: int

    def along(self, energies: tuple[float, ...]) -> EnergyList:
        """Give the list of a scan that steps through `energies`, each with the first dwell."""
        return replace(self, energies=energies, dwells=self.dwells[:1] * len(energies))


@dataclass(frozen=True)
class _Region:
    """One energy region: its energies, its dwell, the polarizations measured in it."""

    energies: tuple[float, ...]
    dwell: float | None
    polarizations: tuple[tuple[float | None, float | None, float | None], ...]


def energy_list(
    roi: Mapping[str, Any],
    single: Mapping[str, Any],
    polarization: int,
    at: int | None,
    dwell: Any,
    where: str,
) -> EnergyList:
    """Find the energies of one polarization of a region.

    Parameters
    ----------
    roi : Mapping
        The region, with ``EV_ROIS``.
    single : Mapping
        ``SINGLE_LST``: ``EV_ROIS``, ``DWELL`` (ms), ``POL_ROIS``; may be empty.
    polarization : int
        Index of the polarization.
    at : int or None
        Index of the energy that the run says it is at; it must exist in the list.
    dwell : object
        The scan's dwell in milliseconds, where neither list tells.
    where : str
        What it is, for messages.

    Returns
    -------
    EnergyList
        At least one energy.

    Raises
    ------
    MetadataError
        No energies, or values that are no numbers.
    """
    regions = _energy_regions(roi, where)
    pols = list(dict.fromkeys(p for region in regions for p in region.polarizations))
    given = single.get("EV_ROIS")
    flat = numbers(given, f"SINGLE_LST.EV_ROIS of {where}") if given is not None else ()
    flat_dwells = _flat_dwells(single, len(flat), where)

    own = [r for r in regions if not pols or (_pick(pols, polarization) in r.polarizations)]
    energies = tuple(e for region in own for e in region.energies)
    dwells = tuple(region.dwell for region in own for _ in region.energies)
    every = tuple(e for region in regions for e in region.energies)
    if flat and (not energies or (len(pols) <= 1 and len(own) == len(regions))):
        # one polarization: the flat list is what was run, even when edited after the regions
        energies, dwells = flat, flat_dwells or _matching(dwells, len(flat))
    elif at is not None and at >= len(energies):
        # the run counts in the list of all energies, not in that of its polarization
        longest = flat if len(flat) > len(every) else every
        all_dwells = tuple(region.dwell for region in regions for _ in region.energies)
        energies, dwells = longest, _matching(all_dwells, len(longest))
    if not energies:
        raise MetadataError(f"{where} has no energies: neither SINGLE_LST nor EV_ROIS lists one")
    fallback = 0.0 if dwell is None else number(dwell, f"dwell of {where}")
    seconds = tuple((fallback if d is None else d) / 1000 for d in dwells)
    code, angle, _ = _pick(pols, polarization) if pols else (None, None, None)
    return EnergyList(energies, seconds, polarization_from_code(code, angle), max(len(pols), 1))


def _pick(items: list[Any], index: int) -> Any:
    return items[min(index, len(items) - 1)]


def _matching(dwells: tuple[float | None, ...], n: int) -> tuple[float | None, ...]:
    """Use dwells only when there is one for each energy or the same for all."""
    if len(dwells) == n:
        return dwells
    return (dwells[0],) * n if len(set(dwells)) == 1 else (None,) * n


def _flat_dwells(single: Mapping[str, Any], n: int, where: str) -> tuple[float | None, ...]:
    given = single.get("DWELL")
    if given is None:
        return ()
    dwells = numbers(given, f"SINGLE_LST.DWELL of {where}")
    return dwells if len(dwells) == n else ()


def _energy_regions(roi: Mapping[str, Any], where: str) -> list[_Region]:
    given = decode(stated(roi, "EV_ROIS", ()), f"EV_ROIS of {where}")
    if not isinstance(given, (list, tuple)):
        raise MetadataError(f"EV_ROIS of {where} is a {type(given).__name__}, not a list")
    regions = []
    for i, item in enumerate(given):
        item = decode(item, f"EV_ROIS[{i}] of {where}") if isinstance(item, str) else item
        if isinstance(item, (int, float)):
            regions.append(_Region((number(item, f"EV_ROIS[{i}] of {where}"),), None, ()))
            continue
        if not isinstance(item, Mapping):
            raise MetadataError(f"EV_ROIS[{i}] of {where} is a {type(item).__name__}")
        points = stated(item, "SETPOINTS", ())
        energies = numbers(points, f"EV_ROIS[{i}].SETPOINTS of {where}")
        if not energies and optional_number(item.get("START")) is not None:
            energies = (number(item.get("START"), f"EV_ROIS[{i}].START of {where}"),)
        regions.append(_Region(energies, optional_number(item.get("DWELL")), _polarizations(item)))
    return regions


_PolarizationCode = tuple[float | None, float | None, float | None]


def _polarizations(item: Mapping[str, Any]) -> tuple[_PolarizationCode, ...]:
    """Read code, angle and offset of each polarization of an energy region."""
    listed = item.get("POL_ROIS")
    if not isinstance(listed, (list, tuple)):
        return ()
    return tuple(
        (
            optional_number(p.get("POL")),
            optional_number(p.get("ANGLE")),
            optional_number(p.get("OFF")),
        )
        for p in listed
        if isinstance(p, Mapping)
    )
