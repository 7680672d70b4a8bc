"""The microscope as EPICS sees it: an IOC with motor records and a counter, for loopback only.

``EPICS_CA_SERVER_PORT=PORT python -m suitcase.nxstxm.sim._ioc PREFIX`` serves it until it is ended;
needs caproto. The names of the process variables are those of ophyd's ``EpicsMotor`` and
``EpicsSignalRO``: ``PREFIXsample_x`` and so on, and ``PREFIXcounter``.
"""

from __future__ import annotations

import sys
from typing import Any

from caproto.ioc_examples.fake_motor_record import FakeMotor
from caproto.server import PVGroup, SubGroup, pvproperty, run

from ._optics import Optics
from ._sample import Sample

#: Motors, and where they may go; fast, since nobody wants to wait for a simulation.
_MOTION = {"velocity": 1e5, "acceleration": 0.01, "tick_rate_hz": 500.0}
#: Seconds that the counter counts.
DWELL = 0.001


class Microscope(PVGroup):  # type: ignore[misc]
    """Three motors, a counter behind the sample, and the current of the ring."""

    sample_x = SubGroup(FakeMotor, prefix="sample_x", user_limits=(-100.0, 100.0), **_MOTION)
    sample_y = SubGroup(FakeMotor, prefix="sample_y", user_limits=(-100.0, 100.0), **_MOTION)
    energy = SubGroup(FakeMotor, prefix="energy", user_limits=(100.0, 2000.0), **_MOTION)
    counter = pvproperty(value=0, read_only=True, units="counts")
    ring_current = pvproperty(value=200.0, read_only=True, units="mA", precision=2)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sample = Sample()

    @counter.getter  # type: ignore[no-redef,untyped-decorator]
    async def counter(self, instance: Any) -> int:  # noqa: ARG002 - caproto calls it so
        """Count what comes through where the sample is now."""
        energy, x, y = (
            motor.motor.field_inst.user_readback_value.value
            for motor in (self.energy, self.sample_x, self.sample_y)
        )
        return expected_counts(self._sample, energy, x, y)


def expected_counts(sample: Sample, energy: float, x: float, y: float) -> int:
    """Give what the counter counts, without noise; nothing below 100 eV."""
    if energy < 100.0:
        return 0
    return round(Optics().flux * DWELL * float(sample.transmission(energy, x, y)))


def main() -> None:
    """Serve on loopback."""
    run(Microscope(prefix=sys.argv[1]).pvdb, interfaces=["127.0.0.1"], log_pv_names=False)


if __name__ == "__main__":
    main()
