"""The dialect of pyStxm: a JSON string under ``metadata`` in every start document.

Facts of 2019 and of newer versions: keys that came later (``sequence_map``, ``default_det``,
``rotation_angle``, a list of ``primary_det``) are all optional, and so is whatever a file can do
without. Dwell times are milliseconds there and seconds here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ._energies import EnergyList, energy_list
from ._metadata import (
    MetadataError,
    as_json,
    count,
    decode,
    mapping,
    numbers,
    optional_number,
    short,
    stated,
    text_or_none,
    texts,
)
from ._plan import Axis, Detector, Device, EntryPlan, Loop, ScanPlan, ZonePlate
from ._rois import distances, equal_lengths, positioner_of, single_setpoint, spread
from ._roles import ROLE_UNITS, axis_name, device_roles
from ._start import common_fields, run_uid
from ._types import Route, ScanType, scan_type

#: Axis of NXdata -> where its roi is, when it is not the X or Y of the region.
_ROI_OF_AXIS = {"zoneplate_z": (("ZP", "Z"), ("Z",))}


def speaks(start: Mapping[str, Any]) -> bool:
    """Tell whether a start document is written in this dialect."""
    return "metadata" in start and isinstance(start["metadata"], (str, bytes, Mapping))


def read(start: Mapping[str, Any]) -> ScanPlan:
    """Read a start document of pyStxm.

    Parameters
    ----------
    start : Mapping
        A start document with the key ``metadata``.

    Returns
    -------
    ScanPlan
        The plan of this run.

    Raises
    ------
    MetadataError
        Something that is needed is missing or makes no sense.
    """
    return _Reader(start).plan()


@dataclass(frozen=True)
class _Where:
    """Where in the scan this run stands, as ``img_idx_map`` tells."""

    entry: str | None = None
    energy: int | None = None
    polarization: int = 0
    region: str | None = None
    rotation_angle: float | None = None


class _Reader:
    """Reads one start document; a class so that its parts share what was decoded."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self.start = start
        self.run = run_uid(start)
        self.md = mapping(start["metadata"], self._what("metadata"))
        if "scan_type" not in self.md:
            raise MetadataError(
                f"{self._what('metadata')} has no 'scan_type'; make it with "
                f"make_standard_metadata(entry_name, scan_type, primary_det, ...)"
            )
        self.type: ScanType = scan_type(self.md["scan_type"], self.run)
        self.layout = self.type.layout
        rois = mapping(self.md.get("rois"), self._what("metadata['rois']"))
        self.rois = {str(region): roi for region, roi in rois.items()}
        self.regions = self._regions()
        self.single = self._single_list()
        self.where = self._where()
        lookup = self.md.get("rev_lu_dct")
        self.lookup: Mapping[str, str] = lookup if isinstance(lookup, Mapping) else {}
        self.devices: dict[str, Device] = device_roles(self.lookup)
        self.messages: list[str] = []

    def _what(self, thing: str) -> str:
        return f"{thing} of run {self.run:.8}"

    def _regions(self) -> tuple[str, ...]:
        listed = self.md.get("sp_id_lst")
        ids = listed if isinstance(listed, (list, tuple)) and listed else list(self.rois)
        if not ids:
            raise MetadataError(
                f"{self._what('metadata')} names no region: sp_id_lst and rois are empty"
            )
        return tuple(str(i) for i in ids)

    def _single_list(self) -> Mapping[str, Any]:
        request = self.md.get("wdg_com")
        if request is None:
            return {}
        request = decode(request, self._what("metadata['wdg_com']"))
        single = request.get("SINGLE_LST") if isinstance(request, Mapping) else None
        if single is None:
            return {}
        return mapping(single, self._what("SINGLE_LST in metadata['wdg_com']"))

    def _where(self) -> _Where:
        given = self.md.get("img_idx_map")
        index = mapping(given, self._what("metadata['img_idx_map']")) if given is not None else {}
        if index and all(isinstance(v, Mapping) for v in index.values()):
            # the whole map instead of one line of it: this run covers all of it
            index = {k: v for k, v in next(iter(index.values())).items() if k != "e_idx"}
        energy, region = index.get("e_idx"), index.get("sp_id")
        return _Where(
            text_or_none(index.get("entry")),
            None if energy is None else count(energy, self._what("e_idx in img_idx_map")),
            count(stated(index, "pol_idx", 0), self._what("pol_idx in img_idx_map")),
            None if region is None else str(region),
            optional_number(index.get("rotation_angle")),
        )

    def plan(self) -> ScanPlan:
        """Put the plan together."""
        first = self._roi(self.where.region or self.regions[0])
        if self.layout.route is Route.POINT_SPECTRA:
            entries, loops, fixed = self._point_spectra()
        else:
            entries, loops, fixed = self._one_entry()
        return ScanPlan(
            run=self.run,
            dialect="pystxm",
            scan_type=self.type,
            entries=entries,
            loops=loops,
            fixed=fixed,
            detectors=self._detectors(),
            devices=self.devices,
            zone_plate=self._zone_plate(),
            request=self._request(),
            signature=self._signature(),
            expected_runs=self._expected_runs(first),
            messages=tuple(self.messages),
            **common_fields(self.start),
        )

    # -- regions, axes -----------------------------------------------------------------------

    def _roi(self, region: str) -> Mapping[str, Any]:
        roi = self.rois.get(region)
        if not isinstance(roi, Mapping):
            raise MetadataError(
                f"{self._what('metadata')} has no roi for region {short(region)}; rois has "
                f"{', '.join(self.rois) or 'none'}"
            )
        return roi

    def _axis(self, region: str, name: str, *path: str) -> Axis:
        """Read the axis that a roi describes, and the device that moves it."""
        roi: Any = self._roi(region)
        where = f"roi {region}.{'.'.join(path)}"
        for step in path:
            roi = roi.get(step) if isinstance(roi, Mapping) else None
        if not isinstance(roi, Mapping):
            raise MetadataError(f"{self._what('metadata')} has no {where}")
        where = self._what(where)
        given = roi.get("SETPOINTS")
        setpoints = numbers(given, f"SETPOINTS of {where}") if given is not None else ()
        if not setpoints:
            setpoints = spread(roi, where)
        positioner = positioner_of(roi)
        device = self._device(name, positioner, roi.get("SRC"))
        return Axis(name, setpoints, device.units, role=name)

    def _device(self, role: str, positioner: str | None, source: Any) -> Device:
        """Note which device moves an axis; the positioner of the roi beats the table of roles."""
        units = ROLE_UNITS.get(role, "um")
        if positioner is not None:
            stems = [source, self.lookup.get(positioner), positioner]
            names = tuple(dict.fromkeys(s for s in stems if isinstance(s, str) and s))
            self.devices[role] = Device(role, positioner, names, units=units)
        return self.devices.get(role, Device(role, role, (), units=units))

    def _spatial(self, region: str) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
        """Axes of a region but energy, slowest first, and the positions that are no axis."""
        layout = self.layout
        axes: list[Axis] = []
        positions: list[Axis] = []
        for name in layout.axes or self._scanned(region):
            if name == "energy" and layout.axes:
                continue
            if name == "line_position":
                line = [self._axis(region, n, n[-1].upper()) for n in layout.line]
                line = equal_lengths(line, self._what(f"line of region {region}"))
                axes.append(Axis(name, distances(line), "um"))
                positions.extend(line)
            elif name in _ROI_OF_AXIS:
                axes.append(self._first_axis(region, name))
            else:
                axes.append(self._axis(region, name, self._letter(region, name)))
        if self.layout.route is Route.POINT_SPECTRA:
            for name in ("sample_x", "sample_y"):
                point = self._axis(region, name, name[-1].upper())
                positions.append(replace(point, setpoints=(point.setpoints or (0.0,))[:1], size=1))
        return tuple(axes), tuple(positions)

    def _first_axis(self, region: str, name: str) -> Axis:
        """Read an axis from the first of several places that has it."""
        for path in _ROI_OF_AXIS[name]:
            roi: Any = self._roi(region)
            for step in path:
                roi = roi.get(step) if isinstance(roi, Mapping) else None
            if isinstance(roi, Mapping) and stated(roi, "SETPOINTS", roi.get("START")) is not None:
                return self._axis(region, name, *path)
        raise MetadataError(f"{self._what('metadata')} has no setpoints for {name}")

    def _scanned(self, region: str) -> tuple[str, ...]:
        """Name the scanned devices of a generic scan: Y then X, those that are enabled."""
        roi = self._roi(region)
        named = []
        for letter in ("Y", "X"):
            part = roi.get(letter)
            if isinstance(part, Mapping) and positioner_of(part) and part.get("ENABLED", True):
                named.append(axis_name(str(positioner_of(part))))
        if not named:
            raise MetadataError(
                f"{self._what('metadata')}: the generic scan of region {region} names no positioner"
            )
        return tuple(f"{n}_{i}" if named.index(n) != i else n for i, n in enumerate(named))

    def _letter(self, region: str, name: str) -> str:
        """Tell which part of the roi, X or Y, describes an axis."""
        if self.layout.axes:
            return name[-1].upper()
        scanned = self._scanned(region)
        roi = self._roi(region)
        enabled = [
            k for k in ("Y", "X") if isinstance(roi.get(k), Mapping) and positioner_of(roi[k])
        ]
        enabled = [k for k in enabled if roi[k].get("ENABLED", True)]
        return enabled[scanned.index(name)]

    # -- entries ------------------------------------------------------------------------------

    def _energies(self, region: str, polarization: int, at: int | None) -> EnergyList:
        return energy_list(
            self._roi(region),
            self.single,
            polarization,
            at,
            self.md.get("dwell"),
            self._what(f"region {region}"),
        )

    def _entry(self, name: str | None, region: str, polarization: int) -> EntryPlan:
        energies = self._energies(region, polarization, self.where.energy)
        axes, positions = self._spatial(region)
        scanned = next((axis for axis in axes if axis.name == "energy"), None)
        if scanned is not None:
            # a generic scan of the energy itself; its list is the axis
            energies = energies.along(scanned.setpoints or ())
        elif "energy" in self.layout.axes:
            axes = (Axis("energy", energies.energies, "eV", role="energy"), *axes)
        angle = self.where.rotation_angle
        if angle is None:
            angle = optional_number(self.md.get("rotation_angle"))
        if angle is None:
            angle = single_setpoint(self._roi(region), "GONI", "T")
        return EntryPlan(
            name,
            axes,
            energies.energies,
            energies.dwells,
            positions,
            region,
            energies.polarization,
            angle,
        )

    def _one_entry(self) -> tuple[tuple[EntryPlan, ...], tuple[Loop, ...], tuple[Any, ...]]:
        region = self.where.region or self.regions[0]
        name = self.where.entry or text_or_none(self.md.get("entry_name")) or "entry0"
        entry = self._entry(name, region, self.where.polarization)
        loops = tuple(Loop(axis.name, axis.size) for axis in entry.axes)
        fixed: tuple[tuple[str, int], ...] = ()
        if self.layout.route is Route.MULTI_ENTRY and self.where.energy is not None:
            if self.where.energy >= len(entry.energies):
                raise MetadataError(
                    f"{self._what('img_idx_map')} says e_idx {self.where.energy}, but region "
                    f"{region} has {len(entry.energies)} energies"
                )
            loops, fixed = loops[1:], (("energy", self.where.energy),)
        return (entry,), self._in_order(loops), fixed

    def _in_order(self, planned: tuple[Loop, ...]) -> tuple[Loop, ...]:
        """Order and snake the two spatial loops as the plan's own hints say, if they do."""
        loops: tuple[Loop, ...] = planned
        snaking = self.start.get("snaking")
        if isinstance(snaking, (list, tuple)) and len(snaking) == 2 and len(loops) >= 2:
            fastest = replace(loops[-1], snaked=bool(snaking[-1]))
            loops = (*loops[:-1], fastest)
        hints = self.start.get("hints")
        dimensions = hints.get("dimensions") if isinstance(hints, Mapping) else None
        if not isinstance(dimensions, (list, tuple)) or len(loops) != 2 or len(dimensions) != 2:
            return loops
        try:
            slow = set(texts(dimensions[0][0]))
        except (TypeError, IndexError, KeyError):
            return loops
        outer, inner = loops
        fast_device = self.devices.get(inner.axis)
        if fast_device is not None and slow & set(fast_device.stems):
            return (replace(inner, snaked=False), replace(outer, snaked=inner.snaked))
        return loops

    def _point_spectra(self) -> tuple[tuple[EntryPlan, ...], tuple[Loop, ...], tuple[Any, ...]]:
        n_polarizations = self._energies(self.regions[0], 0, None).n_polarizations
        ordinals = [int(r) if r.isdecimal() else i for i, r in enumerate(self.regions)]
        entries = [
            # one entry a point; a second polarization goes on counting
            self._entry(f"entry{p * (max(ordinals) + 1) + ordinal}", region, p)
            for p in range(n_polarizations)
            for ordinal, region in zip(ordinals, self.regions, strict=True)
        ]
        names = [e.name for e in entries]
        if len(set(names)) != len(names):
            entries = [replace(e, name=f"entry{i}") for i, e in enumerate(entries)]
        energy = Loop("energy", len(entries[0].energies))
        loops: tuple[Loop, ...] = (energy, Loop("entry", len(self.regions)))
        if n_polarizations > 1:
            loops = (Loop("entry", n_polarizations), *loops)
        return tuple(entries), loops, ()

    # -- the rest -----------------------------------------------------------------------------

    def _detectors(self) -> tuple[Detector, ...]:
        named = texts(self.md.get("primary_det")) or texts(self.md.get("default_det"))
        return tuple(Detector(name, "signal") for name in dict.fromkeys(named))

    def _zone_plate(self) -> ZonePlate | None:
        given = self.md.get("zp_def")
        if not isinstance(given, Mapping) or not given:
            return None
        index = optional_number(given.get("zp_idx"))
        return ZonePlate(
            optional_number(given.get("zpD")),
            optional_number(given.get("zpCStop")),
            optional_number(given.get("zpOZone")),
            optional_number(given.get("fl")),
            None if index is None else int(index),
        )

    def _request(self) -> str:
        request = self.md.get("wdg_com")
        if isinstance(request, str) and request:
            return request
        return as_json(request if isinstance(request, Mapping) and request else self.rois)

    def _signature(self) -> str:
        """Digest what all runs of a scan have in common."""
        common = [self.type, self.regions, self.rois, self.single.get("EV_ROIS")]
        text = as_json(common, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _expected_runs(self, roi: Mapping[str, Any]) -> int | None:
        if self.layout.route is not Route.MULTI_ENTRY or self.where.energy is None:
            return 1
        sequence = self.md.get("sequence_map")
        if sequence is not None:
            listed = decode(sequence, self._what("metadata['sequence_map']"))
            if isinstance(listed, Mapping) and listed:
                return len(listed)
        first = self.where.region or self.regions[0]
        pols = self._energies(first, 0, None).n_polarizations
        images = sum(len(self._energies(first, p, None).energies) for p in range(pols))
        if self.type is ScanType.TOMOGRAPHY_SCAN:
            goni = roi.get("GONI")
            theta = goni.get("T") if isinstance(goni, Mapping) else None
            angles = theta.get("SETPOINTS") if isinstance(theta, Mapping) else None
            return images * max(len(angles) if isinstance(angles, (list, tuple)) else 0, 1)
        return images * len(self.regions)
