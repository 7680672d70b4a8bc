"""What is asked of the simulated microscope: one frozen request for one scan.

Everything that comes out (documents, plans, expected arrays) follows from the request alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from .._errors import NXstxmValueError
from ._kinds import GENERIC, KINDS, PTYCHOGRAPHY, TOMOGRAPHY, TWO_VARIABLE, ScanKind, Style
from ._optics import Optics
from ._sample import FloatArray, Sample

Dialect: TypeAlias = Literal["pystxm2019", "pystxm", "stxm", "simulator"]

_DIALECTS = ("pystxm2019", "pystxm", "stxm", "simulator")
_DEFAULT_DETECTORS: dict[str, tuple[str, ...]] = {
    "pystxm2019": ("counter0",),
    "pystxm": ("DNM_SIS3820",),
    "stxm": ("pmt",),
    "simulator": ("counter0",),
}


class RequestError(NXstxmValueError):
    """A scan that the simulated microscope can not make."""


class Span(NamedTuple):
    """A range of setpoints: first, last and how many. The last may be below the first."""

    start: float
    stop: float
    npoints: int

    def setpoints(self) -> FloatArray:
        """Give the setpoints, evenly spaced, ends included."""
        return np.linspace(self.start, self.stop, self.npoints)


class Region(NamedTuple):
    """A region of the sample: its number in the request (``sp_id``) and its extent.

    For a line, x and y have the same number of points; for a single point, one each.
    """

    sp_id: int
    x: Span
    y: Span


class Polarization(NamedTuple):
    """pyStxm's number of the polarization, the angle of linear light (deg) and the offset."""

    code: float
    angle: float = 0.0
    offset: float = 0.0


_THROUGH_FOCUS = Span(-3812.0, -3792.0, 5)
_SAMPLE, _OPTICS = Sample(), Optics()


@dataclass(frozen=True)
class ScanRequest:
    """A scan: what is scanned, and in which manner the control program tells of it.

    Attributes
    ----------
    scan_type : int
        pyStxm's number, 0..14.
    regions : tuple of Region
        In the order in which they are scanned, which is that of ``sp_id_lst``.
    energies : tuple of float
        eV, in scan order; may be uneven and may repeat.
    dwells_ms : tuple of float
        Dwell of a point: one for all energies, or one each.
    polarizations : tuple of Polarization
        One entry each.
    interleave_polarizations : bool
        All polarizations at one energy before the next energy.
    angles : tuple of float
        Of a tomography, degrees.
    zoneplate : Span
        Of a focus scan, um.
    style : {"", "points", "lines", "images"}
        A number, a line or an image per event; empty for what is usual.
    snake : bool
        Every second line runs backwards; the start document says so under ``snaking``.
    dets : tuple of str
        Detectors, the first is the signal; empty for the dialect's usual one. One with ``i0`` in
        its name sees the beam without the sample.
    channels : tuple of str
        Channels of a ``SIS3820`` scaler, whose readings are then dicts ``{channel: array}``.
    dialect : {"pystxm2019", "pystxm", "stxm", "simulator"}
        Who writes the documents: pyStxm as of 2019, a newer pyStxm, a program that writes the
        ``stxm`` block, or the simulated microscope of this room.
    seed : int
        Where the counts' chance begins.
    ring_current : {"event", "baseline", "none"}
        Where the ring current is read.
    motors : bool
        Scanned motors are read with every event.
    stuck_motors : bool
        The motors' readings stay where they were, whatever is asked of them.
    include_baseline : bool
        A ``baseline`` stream with each entry's first run.
    nested_strings : bool
        pyStxm's ``SINGLE_LST`` and its lists are JSON strings.
    optional_keys : bool
        Write the keys that a dialect may leave out.
    positioners : tuple of str
        Stages (x, y) of scan types 8 and 14: ``goni_x``, ``energy``, ...; y may be ``"none"``.
    truncate : int or None
        The scan ends after so many primary events.
    truncated_status : {"abort", "success", "fail", "killed"}
        The exit status with which a truncated run ends; a killed one has no stop document.
    sample, optics : Sample, Optics
        The physics.
    user : str
        Who measures; empty for not told.
    scan_id : int
        Of the first run.
    start_time : float
        Of the first run, seconds since the epoch.
    """

    scan_type: int
    regions: tuple[Region, ...] = (Region(0, Span(-4.0, 4.0, 5), Span(-3.0, 3.0, 4)),)
    energies: tuple[float, ...] = (708.0,)
    dwells_ms: tuple[float, ...] = (1.0,)
    polarizations: tuple[Polarization, ...] = (Polarization(2, 0.0, -0.2),)
    interleave_polarizations: bool = False
    angles: tuple[float, ...] = (0.0,)
    zoneplate: Span = _THROUGH_FOCUS
    style: Literal["", "points", "lines", "images"] = ""
    snake: bool = False
    dets: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    dialect: Dialect = "pystxm2019"
    seed: int = 0
    ring_current: Literal["event", "baseline", "none"] = "baseline"
    motors: bool = True
    stuck_motors: bool = False
    include_baseline: bool = True
    nested_strings: bool = False
    optional_keys: bool = True
    positioners: tuple[str, str] = ("", "")
    truncate: int | None = None
    truncated_status: Literal["abort", "success", "fail", "killed"] = "abort"
    sample: Sample = _SAMPLE
    optics: Optics = _OPTICS
    user: str = "visitor"
    scan_id: int = 1
    start_time: float = 1_700_000_000.0

    def __post_init__(self) -> None:
        """Refuse what no microscope would do."""
        for problem in _problems(self):
            raise RequestError(f"{problem} (scan type {self.scan_type}, dialect {self.dialect})")

    @property
    def kind(self) -> ScanKind:
        """What this scan type does."""
        return KINDS[self.scan_type]

    @property
    def arrival(self) -> Style:
        """How the data arrives: the style asked for, or the usual one."""
        if self.style:
            return self.style
        return "lines" if self.dialect == "stxm" else self.kind.style

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors, never empty."""
        return self.dets or _DEFAULT_DETECTORS[self.dialect]

    @property
    def signals(self) -> dict[str, str]:
        """Every signal that is counted, and the detector that counts it; the first is the main.

        A scaler with channels gives one a channel, any other detector one of its own name.
        """
        found = {}
        for name in self.detectors:
            for signal in self.channels if self.channels and "SIS3820" in name else (name,):
                found[signal] = name
        return found

    @property
    def dwells_s(self) -> tuple[float, ...]:
        """Dwell at each energy, seconds."""
        dwells = self.dwells_ms * (len(self.energies) if len(self.dwells_ms) == 1 else 1)
        return tuple(dwell / 1000.0 for dwell in dwells)

    @property
    def stages(self) -> tuple[str, str]:
        """The stages that are scanned in x and y."""
        return self.positioners[0] or self.kind.x, self.positioners[1] or self.kind.y

    @property
    def camera(self) -> tuple[int, int] | None:
        """Height and width of a camera's frames, None without a camera."""
        return (4, 6) if self.scan_type == PTYCHOGRAPHY else None

    def rng(self, *purpose: int) -> np.random.Generator:
        """Give a generator that depends on the seed and the purpose, nothing else."""
        return np.random.default_rng([self.seed, self.scan_type, *purpose])

    def digest(self) -> bytes:
        """Give 16 bytes that tell this request from others."""
        return hashlib.sha256(repr(self).encode()).digest()[:16]


def _problems(request: ScanRequest) -> list[str]:
    """List what is wrong with a request, in the order in which it should be told."""
    if request.scan_type not in KINDS:
        return [f"the scan type is not one of {min(KINDS)}..{max(KINDS)}"]
    if request.dialect not in _DIALECTS:
        return [f"the dialect is not one of {', '.join(_DIALECTS)}"]
    kind, found = request.kind, []
    several_regions = kind.sweep == "point" or (kind.by_run and request.scan_type != TOMOGRAPHY)
    if not request.regions or not request.energies or not request.polarizations:
        found.append("a scan needs a region, an energy and a polarization at least")
    if len(request.dwells_ms) not in (1, len(request.energies)):
        found.append(
            f"{len(request.dwells_ms)} dwells for {len(request.energies)} energies: give one, or "
            f"one each"
        )
    if len(request.regions) > 1 and not several_regions:
        found.append("only stacks and point spectra have several regions")
    if len({region.sp_id for region in request.regions}) < len(request.regions):
        found.append("two regions have the same sp_id")
    if len(request.energies) > 1 and kind.outer != "energy":
        found.append("only stacks, tomographies and spectra have several energies")
    if len(request.polarizations) > 1 and (not kind.by_run or request.scan_type == TOMOGRAPHY):
        found.append("only stacks have several polarizations")
    if len(request.angles) > 1 and request.scan_type != TOMOGRAPHY:
        found.append("only a tomography has several angles")
    if request.truncate is not None and request.truncate < 0:
        found.append(f"truncate is {request.truncate}: give the number of events, 0 or more")
    if any(request.positioners) and request.scan_type not in (GENERIC, TWO_VARIABLE):
        found.append("only generic scans (8) and two-variable images (14) name their positioners")
    found += _shape_problems(request)
    return found


def _shape_problems(request: ScanRequest) -> list[str]:
    """List what is wrong with the points of a request and the way they arrive."""
    kind, found = request.kind, []
    if kind.sweep == "line" and any(r.x.npoints != r.y.npoints for r in request.regions):
        found.append("a line has as many points in x as in y")
    if kind.sweep == "point" and any(r.x.npoints * r.y.npoints != 1 for r in request.regions):
        found.append("a point spectrum has one point a region")
    if kind.sweep == "point" and request.arrival != "points":
        found.append("a point spectrum arrives as points")
    if request.snake and request.arrival == "images":
        found.append("an image that arrives whole is not snaked")
    if request.snake and kind.sweep == "point":
        found.append("points are not snaked")
    if request.camera and request.arrival != "points":
        found.append("a camera gives a frame a point")
    if request.dialect == "stxm":
        if kind.sweep != "raster" or kind.axes not in (
            ("sample_y", "sample_x"),
            ("energy", "sample_y", "sample_x"),
        ):
            found.append("the stxm block knows images and stacks of the sample only")
        if request.arrival != "lines" or request.snake:
            found.append("the stxm block comes in lines, all in one direction")
        if len(request.dwells_ms) > 1:
            found.append("the stxm block has one dwell for all energies")
    return found
