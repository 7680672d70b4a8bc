"""The typed description of a scan, as it travels between the rooms.

A dialect reads it from a start document; after that nothing looks into raw metadata again. All of
it is frozen: `ScanPlan.bind` gives a new plan that knows more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from ._types import ScanType

Role = Literal["signal", "i0", "reference", "camera", "other"]


@dataclass(frozen=True)
class Axis:
    """One axis of an entry's array, or a position that belongs to it.

    Attributes
    ----------
    name : str
        Its name in NXdata: ``energy``, ``sample_y``, ``line_position``, ...
    setpoints : tuple of float or None
        Where the plan sends it; None when only the data can tell.
    units : str
        Units of the setpoints.
    size : int or None
        Number of positions; None when only the data can tell.
    role : str
        The role of the device that moves it, a key of `ScanPlan.devices`.
    """

    name: str
    setpoints: tuple[float, ...] | None
    units: str
    size: int | None = None
    role: str = ""

    def __post_init__(self) -> None:
        """Take the size from the setpoints when it was not given."""
        if self.size is None and self.setpoints is not None:
            object.__setattr__(self, "size", len(self.setpoints))


@dataclass(frozen=True)
class Loop:
    """One loop of a run, for the order in which its points come.

    Attributes
    ----------
    axis : str
        The axis that it steps; ``"entry"`` when it steps from entry to entry; ``"visit"`` when
        its steps are listed in `ScanPlan.visits`.
    size : int or None
        Number of steps; None for the slowest when only the data can tell.
    snaked : bool
        Every second pass runs backwards.
    restarts : bool
        The first pass of each step of the loop around the loop around it runs forwards again.
    """

    axis: str
    size: int | None
    snaked: bool = False
    restarts: bool = False


@dataclass(frozen=True)
class Polarization:
    """The polarization of an entry.

    Attributes
    ----------
    name : str
        In words: ``"circular left"``, ``"linear horizontal"``, ...
    stokes : tuple of float or None
        Stokes vector (I, Q, U, V), normalised to I = 1; V is positive for circular right.
    code : float or None
        The number by which the control system knows it.
    angle : float or None
        Angle of linear polarization from the horizontal, degrees.
    """

    name: str
    stokes: tuple[float, float, float, float] | None = None
    code: float | None = None
    angle: float | None = None


@dataclass(frozen=True)
class ZonePlate:
    """The zone plate: diameters and focal length in micrometres, the zone width in nanometres."""

    outer_diameter: float | None = None
    central_stop_diameter: float | None = None
    outermost_zone_width: float | None = None
    focal_length: float | None = None
    index: int | None = None


@dataclass(frozen=True)
class Detector:
    """A detector of the scan.

    Attributes
    ----------
    name : str
        What the scientist calls it; names its groups in the file.
    role : str
        ``signal`` (becomes an NXdata), ``i0``, ``reference``, ``camera`` (its frames are kept,
        their sum becomes an NXdata), or ``other``.
    data_key : str or None
        Where its readings are in the events; None until bound.
    units : str
        Units of its readings.
    per : str or None
        What one reading covers, when the plan knows: ``point`` or ``line``.
    shape : tuple or None
        Declared shape of one reading.
    dtype : str or None
        Declared dtype, numpy style where the descriptor has it.
    """

    name: str
    role: Role
    data_key: str | None = None
    units: str = "counts"
    per: Literal["point", "line"] | None = None
    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None

    @property
    def is_picture(self) -> bool:
        """Whether its readings become a picture, an NXdata."""
        return self.role in ("signal", "camera")

    @property
    def covers(self) -> Literal["point", "line"] | None:
        """What one reading covers: of a camera always a point."""
        return "point" if self.role == "camera" else self.per


@dataclass(frozen=True)
class Device:
    """A device that is no detector: a motor, the ring current, the undulator.

    Attributes
    ----------
    role : str
        What it is for: ``sample_x``, ``energy``, ``ring_current``, ...
    name : str
        What the control program calls it.
    stems : tuple of str
        Beginnings of the data keys under which it may be read, best first.
    read_key, set_key : str or None
        Data keys of its reading and its setpoint; None until bound.
    units : str
        Units of its readings, as far as known; after `scale`.
    scale : float
        Factor from its readings to `units`, where the data key says that they are others.
    """

    role: str
    name: str
    stems: tuple[str, ...] = ()
    read_key: str | None = None
    set_key: str | None = None
    units: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class EntryPlan:
    """One NXentry: a region, polarization, angle or point.

    Attributes
    ----------
    name : str or None
        The entry's name when the plan gives one; else it is numbered when the runs are together.
    axes : tuple of Axis
        Axes of its array, slowest first.
    energies : tuple of float
        Photon energies in eV, in the requested order, repeats kept; length nE.
    dwells : tuple of float
        Dwell time of a point at each energy, seconds; length nE.
    positions : tuple of Axis
        Positions that are no axis: along a line, or fixed.
    region : str
        The region of the sample.
    polarization : Polarization or None
        None when the plan does not set it.
    rotation_angle : float or None
        Degrees; None when the plan does not set it.
    """

    name: str | None
    axes: tuple[Axis, ...]
    energies: tuple[float, ...]
    dwells: tuple[float, ...]
    positions: tuple[Axis, ...] = ()
    region: str = ""
    polarization: Polarization | None = None
    rotation_angle: float | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells entries of one scan apart: the name, else region, polarization and angle."""
        if self.name is not None:
            return (self.name,)
        spatial = tuple((a.name, a.size, a.setpoints) for a in self.axes if a.name != "energy")
        return (self.region, spatial, self.polarization, self.rotation_angle)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes of the axes; None where only the data can tell."""
        return tuple(axis.size for axis in self.axes)


@dataclass(frozen=True)
class ScanGroup:
    """Which scan a run belongs to, as the plan says it (``scan_group``)."""

    id: str
    index: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class ScanPlan:
    """What one run of a scan was asked to do.

    Attributes
    ----------
    run : str
        The run's uid.
    time : float
        When it started, seconds since the epoch.
    dialect : str
        Which dialect read it: ``pystxm``, ``stxm``, ``nxstxm`` (a file) or ``plain``.
    scan_type : ScanType
        What is scanned.
    entries : tuple of EntryPlan
        The entries that this run fills, in the order of its ``entry`` loop.
    loops : tuple of Loop
        The order in which its points come, slowest first.
    fixed : tuple of (str, int)
        Axes that this run does not step, and the index at which it stands.
    visits : tuple of (int, int)
        For a loop named ``"visit"``: entry and energy index of each of its steps, for plans that
        interleave polarizations.
    detectors : tuple of Detector
        Detectors; after `bind` all of the measurement stream's.
    devices : Mapping of str to Device
        Devices by role.
    request : str
        The scan request as JSON, for people; the program does not read it again.
    signature : str
        Equal for runs of one scan, different for another scan's.
    expected_runs : int or None
        How many runs the scan has, when the plan tells.
    stream : str or None
        The stream that holds the measurement, when the plan names it.
    told_shape : tuple of int
        Sizes of the loops where the plan tells no more of its path: not which axis is which, nor
        whether it runs back and forth. The slowest is first, or last.
    messages : tuple of str
        What had to be guessed.
    """

    run: str
    time: float
    dialect: str
    scan_type: ScanType
    entries: tuple[EntryPlan, ...]
    loops: tuple[Loop, ...]
    fixed: tuple[tuple[str, int], ...] = ()
    visits: tuple[tuple[int, int], ...] = ()
    detectors: tuple[Detector, ...] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)
    scan_id: int | None = None
    title: str | None = None
    sample: str | None = None
    user: str | None = None
    proposal: str | None = None
    zone_plate: ZonePlate | None = None
    group: ScanGroup | None = None
    request: str | None = None
    signature: str = ""
    expected_runs: int | None = None
    stream: str | None = None
    told_shape: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def n_points(self) -> int | None:
        """Planned points of this run; None when only the data can tell."""
        sizes = [loop.size for loop in self.loops]
        return None if None in sizes else prod(size for size in sizes if size is not None)

    @property
    def entry_names(self) -> tuple[str, ...]:
        """What data are labelled with to tell the entries apart: each has a name of its own."""
        names = [entry.name or entry.region or str(i) for i, entry in enumerate(self.entries)]
        return tuple(n if names.count(n) == 1 else f"{n}-{i}" for i, n in enumerate(names))

    def bind(self, descriptor: Mapping[str, Any]) -> ScanPlan:
        """Settle data keys, shapes and dtypes from an event descriptor.

        Parameters
        ----------
        descriptor : Mapping
            An event descriptor of the run. Devices are looked for in every stream, detectors in
            the measurement stream (any but the baseline).

        Returns
        -------
        ScanPlan
            The same plan, knowing more. Binding to the same descriptor again changes nothing.
        """
        from ._bind import bind

        return bind(self, descriptor)

    def coordinates(
        self,
        entry: int | str | None = None,
        *,
        tolerance: float | Mapping[str, float] | None = None,
        **values: float,
    ) -> dict[str, int | str]:
        """Turn values along axes into the indices that data are labelled with.

        Parameters
        ----------
        entry : int or str, optional
            Number or name of the entry; a plan of one entry needs none.
        tolerance : float or Mapping of str to float, optional
            How far away the nearest setpoint may be, for all axes or by axis, in the axis' unit;
            half of the smallest step unless given.
        **values
            Axis and value, such as ``energy=280.5``.

        Returns
        -------
        dict
            Axis and index; of equal setpoints the first. With `entry` its name as ``region``.

        Raises
        ------
        NXstxmKeyError
            There is no such axis or entry, or its setpoints are not in the plan.
        NXstxmValueError
            No setpoint is near enough.
        """
        from ._nearest import nearest

        return nearest(self, entry, tolerance, values)

    def with_devices(self, devices: Mapping[str, str]) -> ScanPlan:
        """Give the data keys of some roles, over what the dialect found.

        Parameters
        ----------
        devices : Mapping of str to str
            Role to data key. The roles ``signal``, ``i0``, ``reference`` and ``camera`` name
            detectors, all others devices. The axes of plain Bluesky get the names of the roles,
            and what is scanned follows from them.

        Returns
        -------
        ScanPlan
            The plan with these.
        """
        from ._with_roles import with_devices

        return with_devices(self, devices)
