"""What the demonstration kills: a process that measures an image, and stops in the middle."""

from __future__ import annotations

import sys
import time
from typing import Any

#: Lines of the image that are measured before it is killed.
_LINES = 40


def main(directory: str) -> None:
    """Measure until the middle of an image; say so, and wait for the end."""
    from bluesky import RunEngine

    from ..exchange import NXstxmWriter
    from ..sim import SimulatedMicroscope, image_plan
    from ._demo import FACILITY, KILLED

    engine: Any = RunEngine({}, context_managers=[])
    engine.subscribe(
        NXstxmWriter(directory, path_provider=KILLED.name, facility=FACILITY, overwrite=True)
    )

    def stop_in_the_middle(_name: str, doc: Any) -> None:
        if doc["seq_num"] == _LINES:
            time.sleep(0.2)  # what is promised needs a moment
            sys.stdout.write("it is in the journal\n")
            sys.stdout.flush()
            time.sleep(60.0)

    engine.subscribe(stop_in_the_middle, "event")
    wide = (-5.0, 5.0, 61)
    engine(image_plan(SimulatedMicroscope(seed=2019), wide, wide, include_baseline=False))


if __name__ == "__main__":
    main(sys.argv[1])
