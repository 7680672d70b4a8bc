"""Without these tests a long run could fill the memory of the machine that measures it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("extra_data")  # the processes make runs as its tests do

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the peak of a process, as POSIX has it")

BEGIN = """
    import sys
    from pathlib import Path
    import numpy as np
    from suitcase.nxstxm.euxfel import documents, export, validate
    from tests.euxfel.runs import array, number, run_of
    from tests.memory import most_memory

    home, n = Path(sys.argv[1]), int(sys.argv[2])

    def frames(shape, n):
        '''Give the documents of a run, each frame when somebody asks for it.'''
        start, descriptor, stop = run_of([], {"camera": array(*shape, dtype_numpy="<u2")})
        yield from (start, descriptor)
        for i in range(n):
            [event] = run_of([{"camera": np.full(shape, i % 1000, np.uint16)}], {})[2:-1]
            event[1].update(seq_num=i + 1, uid=f"e{i}", time=1.7e9 + i / 4)
            yield event
        yield stop
"""
END = """
    print(most_memory())
"""
#: Frames of 128 KiB and of 8 KiB, so many that they are n MiB.
WRITING = """
    export(frames((256, 256), 8 * n), home)
"""
COPYING = """
    export(frames((256, 256), 8 * n), home, copy_arrays=True)
"""
SMALL = """
    export(frames((64, 64), 128 * n), home, trains_per_file=1000)
"""
READING = """
    export(frames((256, 256), 8 * n), home)
    [folder] = home.glob("p*/raw/r*")
    assert sum(name == "event" for name, _ in documents(folder)) == 8 * n
"""


def peak(script: str, folder: Path, n: int) -> float:
    """Write so many MiB of frames in another process; give the most memory that it had, in MiB."""
    text = "".join(textwrap.dedent(part) for part in (BEGIN, script, END))
    done = subprocess.run(
        [sys.executable, "-c", text, str(folder), str(n)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("script", [WRITING, COPYING, SMALL, READING],
                         ids=["frames", "copied", "small", "read"])  # fmt: skip
def test_memory_does_not_grow_with_a_run(script: str, tmp_path: Path) -> None:
    small, large = (peak(script, tmp_path / str(n), n) for n in (20, 200))
    assert large - small < 60, f"{small:.0f} MiB for 20, {large:.0f} MiB for 200"
