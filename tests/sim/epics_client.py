"""Run beside the IOC: a scan of EPICS motors, as a control program does it; see `test_epics`.

Arguments: the prefix of the process variables, and the folder of the files.
"""

from __future__ import annotations

import json
import sys

from bluesky import RunEngine
from bluesky.plans import grid_scan
from ophyd import EpicsMotor, EpicsSignalRO


def main() -> None:
    from suitcase.nxstxm import NXstxmWriter

    prefix, folder = sys.argv[1:]
    x, y, energy = (
        EpicsMotor(f"{prefix}{name}", name=name) for name in ("sample_x", "sample_y", "energy")
    )
    counter = EpicsSignalRO(f"{prefix}counter", name="counter", kind="hinted")
    current = EpicsSignalRO(f"{prefix}ring_current", name="ring_current")
    devices = [x, y, energy, counter, current]
    for device in devices:
        device.wait_for_connection(timeout=20)
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    energy.move(700.0, timeout=20)
    with NXstxmWriter(folder) as writer:
        engine.subscribe(writer)
        image = grid_scan([counter, current], y, -2, 2, 4, x, -2, 2, 5, True)
        engine(image)
        engine(grid_scan([counter], energy, 700, 710, 3, y, -1, 1, 2, x, -1, 1, 3))
    sys.stdout.write(json.dumps([str(path) for path in writer.paths]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
