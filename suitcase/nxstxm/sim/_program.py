"""What the microscope does, step by step, for a request: runs, and in them one step an event.

The document generator and the live plans both follow this program; only the one writes what it
says, the other moves motors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from ._kinds import TOMOGRAPHY
from ._request import Polarization, Region, ScanRequest
from ._sample import FloatArray

Index: TypeAlias = tuple["int | slice", ...]

#: Stage -> the axis of NXdata that it moves, where the two are not named alike.
AXIS_OF_STAGE = {"goni_x": "sample_x", "goni_y": "sample_y", "fine_x": "sample_x"} | {
    "fine_y": "sample_y"
}


@dataclass(frozen=True, eq=False)
class Entry:
    """One NXentry of the scan.

    Attributes
    ----------
    index : int
        Its number within the scan.
    name : str
        Its name in the file.
    region : Region
        Where it was measured.
    polarization : Polarization
        With which light.
    angle : float
        At which rotation, degrees.
    axes : tuple of str
        Names of the array's axes, slowest first.
    along : tuple of dict
        For each axis, the stages that move along it and their setpoints.
    fixed : dict
        Stages that stand still, and where.
    sp_idx, pol_idx : int
        Number of the region and of the polarization.
    """

    index: int
    name: str
    region: Region
    polarization: Polarization
    angle: float
    axes: tuple[str, ...]
    along: tuple[dict[str, FloatArray], ...]
    fixed: dict[str, float]
    sp_idx: int
    pol_idx: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(len(next(iter(stages.values()))) for stages in self.along)


@dataclass(frozen=True, eq=False)
class Step:
    """One primary event.

    Attributes
    ----------
    entry : Entry
        The entry whose array gets the data.
    index : tuple of int or slice
        The part of the array.
    backwards : bool
        The line runs from its end to its start.
    dwell_s : float
        Dwell of a point, seconds.
    """

    entry: Entry
    index: Index
    backwards: bool
    dwell_s: float

    @property
    def n_points(self) -> int:
        """Points that come with the event."""
        sizes = zip(self.index, self.entry.shape, strict=True)
        return prod(size for part, size in sizes if isinstance(part, slice))

    def positions(self) -> dict[str, float | FloatArray]:
        """Give the setpoints of all scanned stages.

        Numbers where a stage stands still during the event; arrays where it moves, which broadcast
        to the shape of the event's data, in the order of time.
        """
        found: dict[str, float | FloatArray] = {}
        moving = sum(isinstance(part, slice) for part in self.index)
        for part, stages in zip(self.index, self.entry.along, strict=True):
            if isinstance(part, slice):
                moving -= 1
            for stage, setpoints in stages.items():
                if isinstance(part, slice):
                    values = setpoints[::-1] if self.backwards else setpoints
                    found[stage] = values.reshape(-1, *(1,) * moving)
                else:
                    found[stage] = float(setpoints[part])
        return found


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the RunEngine.

    Attributes
    ----------
    entries : tuple of Entry
        The entries it fills: several for point spectra only.
    e_idx : int
        The energy at which it stands, 0 when it scans them.
    first : bool
        It is the first of its entry, the one with a baseline.
    steps : tuple of Step
        Its primary events.
    """

    entries: tuple[Entry, ...]
    e_idx: int
    first: bool
    steps: tuple[Step, ...]


def entries(request: ScanRequest) -> list[Entry]:
    """List the entries of a scan in the order of their names."""
    kind = request.kind
    if request.scan_type == TOMOGRAPHY:
        angles, order = request.angles, [(0, 0, k) for k in range(len(request.angles))]
    else:
        angles = request.angles
        order = [
            (p, s, 0)
            for p in range(len(request.polarizations))
            for s in range(len(request.regions))
        ]
    found = []
    for index, (pol_idx, sp_idx, angle_idx) in enumerate(order):
        region = request.regions[sp_idx]
        number = region.sp_id if kind.sweep == "point" else index
        axes, along, fixed = _axes(request, region)
        fixed |= {"theta": angles[angle_idx], "polarization": request.polarizations[pol_idx].code}
        found.append(
            Entry(
                index, f"entry{number}", region, request.polarizations[pol_idx], angles[angle_idx],
                axes, along, fixed, sp_idx, pol_idx,
            )
        )  # fmt: skip
    return found


def _axes(
    request: ScanRequest, region: Region
) -> tuple[tuple[str, ...], tuple[dict[str, FloatArray], ...], dict[str, float]]:
    """Lay out the axes over one region: names, what moves along each, what stands still."""
    kind, (stage_x, stage_y) = request.kind, request.stages
    x, y = region.x.setpoints(), region.y.setpoints()
    energies = np.asarray(request.energies, dtype=np.float64)
    outer = {"energy": energies, "zoneplate_z": request.zoneplate.setpoints()}
    fixed = {} if kind.outer == "energy" else {"energy": request.energies[0]}
    over: list[dict[str, FloatArray]] = [{kind.outer: outer[kind.outer]}] if kind.outer else []
    if kind.sweep == "point":
        return kind.axes, tuple(over), fixed | {stage_x: float(x[0]), stage_y: float(y[0])}
    if kind.sweep == "line":
        return kind.axes, (*over, {stage_x: x, stage_y: y}), fixed
    if kind.sweep == "named":
        inner = [{stage_x: x}] if stage_y == "none" else [{stage_y: y}, {stage_x: x}]
        names = tuple(AXIS_OF_STAGE.get(stage, stage) for part in inner for stage in part)
        return names, tuple(inner), {k: v for k, v in fixed.items() if k not in names}
    return kind.axes, (*over, {stage_y: y}, {stage_x: x}), fixed


def program(request: ScanRequest) -> list[Run]:
    """List the runs of a scan in the order in which they are made, none left out."""
    scan = entries(request)
    if request.kind.sweep == "point":
        steps = tuple(
            Step(entry, (e,), False, dwell)
            for e, dwell in enumerate(request.dwells_s)
            for entry in scan
        )
        return [Run(tuple(scan), 0, True, steps)]
    if not request.kind.by_run or request.dialect == "stxm":
        return [Run((entry,), 0, True, tuple(_sweep(request, entry, ()))) for entry in scan]
    return [
        Run((entry,), e, e == 0, tuple(_sweep(request, entry, (e,))))
        for entry, e in _run_order(request, scan)
    ]


def _run_order(request: ScanRequest, scan: list[Entry]) -> list[tuple[Entry, int]]:
    """Order entries and energies: angle or polarization, then energy, then region."""
    n_energies = range(len(request.energies))
    if request.scan_type == TOMOGRAPHY:
        return [(entry, e) for entry in scan for e in n_energies]
    by_polarization = [
        [entry for entry in scan if entry.pol_idx == p] for p in range(len(request.polarizations))
    ]
    if request.interleave_polarizations:
        pairs = [(group, e) for e in n_energies for group in by_polarization]
    else:
        pairs = [(group, e) for group in by_polarization for e in n_energies]
    return [(entry, e) for group, e in pairs for entry in group]


def _sweep(request: ScanRequest, entry: Entry, lead: tuple[int, ...]) -> Iterator[Step]:
    """Step through the axes of one run, those after `lead`."""
    shape = entry.shape[len(lead) :]
    inner = {"points": 0, "lines": 1, "images": len(shape)}[request.arrival]
    stepped, whole = shape[: len(shape) - inner], shape[len(shape) - inner :]
    for at in itertools.product(*(range(size) for size in stepped)):
        place = list(at)
        if request.snake and not inner and len(at) > 1 and at[-2] % 2:
            place[-1] = stepped[-1] - 1 - at[-1]
        backwards = request.snake and inner == 1 and bool(at) and at[-1] % 2 == 1
        index: Index = (*lead, *place, *(slice(None) for _ in whole))
        yield Step(entry, index, backwards, _dwell(request, entry, index))


def _dwell(request: ScanRequest, entry: Entry, index: Index) -> float:
    if "energy" in entry.axes and len(request.dwells_s) > 1:
        part = index[entry.axes.index("energy")]
        if isinstance(part, int):
            return request.dwells_s[part]
    return request.dwells_s[0]
