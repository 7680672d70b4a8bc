"""The simulated microscope as ophyd devices: what a RunEngine moves and reads.

It has the physics of this room behind its counters and no sleeping in it, so a scan takes as long
as bluesky needs. Needs the extra ``bluesky``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ophyd import Component, Device, Signal
from ophyd.status import Status

from ._devices import DEVICES, Names
from ._optics import Optics, counts, spot
from ._sample import FloatArray, Sample

#: The ring loses 1/e of its current in this time, seconds.
_LIFETIME = 8 * 3600.0

#: Spread of a motor's reading about its setpoint.
_SPREAD = 1e-3

_ROW = {row.stage: row for row in DEVICES}

#: Attribute of the microscope -> the row of the device table it is.
_MOTORS = {
    "sample_x": "sample_x",
    "sample_y": "sample_y",
    "sample_z": "sample_z",
    "osa_x": "osa_x",
    "osa_y": "osa_y",
    "detector_x": "detector_x",
    "detector_y": "detector_y",
    "zoneplate_z": "zoneplate_z",
    "theta": "theta",
    "energy": "energy",
    "polarization": "polarization",
    "pol_angle": "pol_angle",
    "pol_offset": "pol_offset",
    "gap": "gap",
    "harmonic": "harmonic",
}
_READINGS = ("mono_energy", "a0", "focal_length", "pressure", "chamber", "temperature", "shutters")


class DescribedSignal(Signal):  # type: ignore[misc]
    """A signal that tells its units, and a process variable as its source.

    Parameters
    ----------
    units, source : str
        For `describe`.
    **kwargs
        As `ophyd.Signal`.
    """

    def __init__(self, *, units: str = "", source: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._units, self._source = units, source

    def describe(self) -> dict[str, Any]:
        """Describe the reading, with units."""
        described: dict[str, Any] = super().describe()
        described[self.name] |= {"units": self._units, "source": f"PV:{self._source}"}
        return described


class ComputedSignal(DescribedSignal):
    """A signal whose value is worked out when somebody reads it.

    Parameters
    ----------
    compute : callable
        Gives the value.
    **kwargs
        As `DescribedSignal`.
    """

    def __init__(self, *, compute: Callable[[], float], **kwargs: Any) -> None:
        self._compute = compute
        super().__init__(value=compute(), **kwargs)

    def get(self, **kwargs: Any) -> float:  # noqa: ARG002 - the signature is ophyd's
        """Give the value of this moment."""
        return self._compute()

    def read(self) -> dict[str, Any]:
        """Read the value of this moment."""
        return {self.name: {"value": self.get(), "timestamp": time.time()}}


class SimulatedMotor(Device):  # type: ignore[misc]
    """A motor that is there at once, with a reading that scatters a little.

    Parameters
    ----------
    stage : str
        Its row in the device table.
    chance : numpy.random.Generator
        Where the scatter comes from.
    name : str
        Its name, and the data key of its reading.
    """

    readback = Component(DescribedSignal, value=0.0, kind="hinted")
    user_setpoint = Component(DescribedSignal, value=0.0, kind="normal")

    def __init__(self, *, stage: str, chance: np.random.Generator, name: str) -> None:
        super().__init__(name=name)
        row = _ROW[stage]
        self._spread = _SPREAD if row.units in ("um", "eV") else 0.0
        self._chance = chance
        self.readback.name = name
        for signal, suffix in ((self.readback, "RBV"), (self.user_setpoint, "VAL")):
            signal._units, signal._source = row.units, f"{row.pv}.{suffix}"
        self.set(row.rest)

    @property
    def position(self) -> float:
        """Where it was sent."""
        return float(self.user_setpoint.get())

    def set(self, value: float) -> Status:
        """Send it somewhere; the status is done when this returns."""
        self.user_setpoint.put(float(value))
        self.readback.put(float(value) + self._spread * float(self._chance.uniform(-1, 1)))
        status = Status(obj=self, timeout=None)
        status.set_finished()
        return status

    def stop(self, *, success: bool = False) -> None:
        """Stop; it never moves when this can be called."""


class SimulatedReading(Device):  # type: ignore[misc]
    """A reading that nobody sets.

    Parameters
    ----------
    stage : str
        Its row in the device table.
    compute : callable
        Gives the value.
    name : str
        Its name; the data key is ``<name>_val``.
    """

    def __init__(self, *, stage: str, compute: Callable[[], float], name: str) -> None:
        super().__init__(name=name)
        row = _ROW[stage]
        self.val = ComputedSignal(
            compute=compute,
            name=f"{name}_val",
            units=row.units,
            source=f"{row.pv}.VAL",
            parent=self,
        )

    def read(self) -> dict[str, Any]:
        """Read the value."""
        return self.val.read()

    def describe(self) -> dict[str, Any]:
        """Describe the value."""
        return self.val.describe()


class _Counter(Device):  # type: ignore[misc]
    """What counters and camera share: the microscope that they count in, and their dwell."""

    def __init__(self, scope: SimulatedMicroscope, *, name: str) -> None:
        super().__init__(name=name)
        self._scope = scope
        self.dwell_ms = 1.0

    def _count(self, line: Mapping[str, FloatArray], seen: FloatArray | float = 1.0) -> Any:
        at = self._scope.positions() | dict(line)
        rate = self._scope.optics.rate(self._scope.sample, at) * self._scope.beam_left()
        return counts(rate * seen * self.dwell_ms / 1000.0, self._scope.chance)

    @staticmethod
    def _done(device: Device) -> Status:
        status = Status(obj=device, timeout=None)
        status.set_finished()
        return status


class PointCounter(_Counter):
    """Counts photons at the place where the motors stand: one integer a trigger."""

    single_value_rbv = Component(
        DescribedSignal,
        value=0,
        kind="hinted",
        units="counts",
        source="SIM:counter:SingleValue_RBV",
    )

    def trigger(self) -> Status:
        """Count for `dwell_ms`."""
        self.single_value_rbv.put(self._count({}))
        return self._done(self)


class LineCounter(_Counter):
    """Counts along a line: an array of integers a trigger."""

    waveform_rbv = Component(
        DescribedSignal,
        value=np.zeros(1, dtype=np.int64),
        kind="hinted",
        units="counts",
        source="SIM:counter:Waveform_RBV",
    )

    def __init__(self, scope: SimulatedMicroscope, *, name: str) -> None:
        super().__init__(scope, name=name)
        self._line: dict[str, FloatArray] = {}

    def set_line(self, line: Mapping[str, FloatArray]) -> None:
        """Say where the next triggers count.

        Parameters
        ----------
        line : Mapping of str to ndarray
            Positions by motor (``sample_x``, ...), arrays that broadcast; the other motors stand
            where they are.
        """
        self._line = dict(line)
        shape = np.broadcast_shapes(*(np.shape(values) for values in self._line.values()))
        self.waveform_rbv.put(np.zeros(shape, dtype=np.int64))

    def trigger(self) -> Status:
        """Count for `dwell_ms` at each point of the line."""
        self.waveform_rbv.put(np.asarray(self._count(self._line)))
        return self._done(self)


class PointCamera(_Counter):
    """Takes a picture of the beam behind the sample: an array of integers a trigger."""

    image = Component(
        DescribedSignal,
        value=np.zeros((1, 1), dtype=np.int64),
        kind="normal",
        units="counts",
        source="CCD:image:ArrayData",
    )

    def __init__(self, scope: SimulatedMicroscope, *, name: str) -> None:
        super().__init__(scope, name=name)
        self.set_shape((64, 64))

    def set_shape(self, shape: tuple[int, int]) -> None:
        """Say how large the next frames are.

        Parameters
        ----------
        shape : (int, int)
            Height and width.
        """
        self._spot = spot(shape)
        self.image.put(np.zeros(shape, dtype=np.int64))

    def trigger(self) -> Status:
        """Take a frame for `dwell_ms`."""
        self.image.put(np.asarray(self._count({}, self._spot)))
        return self._done(self)


class SimulatedMicroscope:
    """A STXM: motors, a counter, ring current, and a sample in the beam.

    Parameters
    ----------
    seed : int
        Where chance begins: noise of the photons and of the encoders.
    sample : Sample, optional
        What is in the beam.
    optics : Optics, optional
        The microscope's optics.

    Attributes
    ----------
    sample_x, sample_y, sample_z, osa_x, osa_y, detector_x, detector_y, zoneplate_z, theta, energy,
    polarization, pol_angle, pol_offset, gap, harmonic : SimulatedMotor
        Motors; um, degrees, eV, and pyStxm's number of the polarization.
    ring_current : SimulatedReading
        mA, decaying slowly.
    counter : PointCounter
        Counts at a point.
    counter_line : LineCounter
        Counts along a line.
    camera : PointCamera
        Takes a frame at a point.
    baseline : list
        The devices to read before and after.
    """

    sample_x: SimulatedMotor
    sample_y: SimulatedMotor
    sample_z: SimulatedMotor
    osa_x: SimulatedMotor
    osa_y: SimulatedMotor
    detector_x: SimulatedMotor
    detector_y: SimulatedMotor
    zoneplate_z: SimulatedMotor
    theta: SimulatedMotor
    energy: SimulatedMotor
    polarization: SimulatedMotor
    pol_angle: SimulatedMotor
    pol_offset: SimulatedMotor
    gap: SimulatedMotor
    harmonic: SimulatedMotor

    def __init__(
        self, seed: int = 0, sample: Sample | None = None, *, optics: Optics | None = None
    ) -> None:
        self.chance = np.random.default_rng(seed)
        self.sample = sample if sample is not None else Sample()
        self.optics = optics if optics is not None else Optics()
        self._begin = time.monotonic()
        names = Names("simulator")
        self.motors: dict[str, SimulatedMotor] = {}
        for attribute, stage in _MOTORS.items():
            motor = SimulatedMotor(stage=stage, chance=self.chance, name=names.stem(stage))
            self.motors[attribute] = motor
            setattr(self, attribute, motor)
        self.ring_current = SimulatedReading(
            stage="ring_current", compute=self._ring_current, name="ring_current"
        )
        readings = {
            stage: SimulatedReading(stage=stage, compute=self._at_rest(stage), name=stage)
            for stage in _READINGS
        }
        self.counter = PointCounter(self, name="counter0")
        self.counter_line = LineCounter(self, name="counter0")
        self.camera = PointCamera(self, name="ccd")
        self.baseline: list[Device] = [
            *self.motors.values(),
            self.ring_current,
            *readings.values(),
        ]

    def positions(self) -> dict[str, float]:
        """Tell where every motor was sent."""
        return {name: motor.position for name, motor in self.motors.items()}

    def beam_left(self) -> float:
        """Give the fraction of the ring current that is left."""
        return float(np.exp(-(time.monotonic() - self._begin) / _LIFETIME))

    def _ring_current(self) -> float:
        return _ROW["ring_current"].rest * self.beam_left()

    def _at_rest(self, stage: str) -> Callable[[], float]:
        if stage == "mono_energy":
            return lambda: self.energy.position
        return lambda: _ROW[stage].rest
