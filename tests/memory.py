"""The most memory that a process had of its own."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def most_memory() -> float:
    """Give the most memory that this process had, in MiB.

    Not `getrusage` where there is another way: on Linux it counts what the process that began this
    one had, too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
        return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
