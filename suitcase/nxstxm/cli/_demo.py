"""The demonstration: a simulated microscope measures, and its scans become files and pictures.

Everything but the microscope is real: the RunEngine, the plans, the documents, the files, and the
process that is killed while it measures.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmOSError
from ._extras import require

if TYPE_CHECKING:
    from rich.console import Console

    from ..sim import SimulatedMicroscope

FACILITY = {"name": "a simulated source", "beamline": "a simulated STXM"}


@dataclass(frozen=True)
class _Scan:
    """One scan of the demonstration: its file's name, and what it shows."""

    name: str
    about: str


_IMAGE = _Scan("image", "an image of iron particles at the edge, 708 eV, line by line")
_STEPS = _Scan("steps", "a part of it, point by point")
_STACK = _Scan("stack", "a stack: one run for each of 15 energies, one file")
_SPECTRA = _Scan("spectra", "spectra at three points, interleaved in one run")
_ABORTED = _Scan("aborted", "an image that was aborted: what is missing is NaN")
KILLED = _Scan("killed", "an image whose process was killed, recovered from its journal")

#: Energies through the iron L edges, eV: close where the structure is.
_ENERGIES = (700.0, 703.0, 705.0, 706.0, 707.0, 708.0, 709.0, 710.0, 711.0, 713.0, 716.0,
             719.0, 720.5, 722.0, 726.0)  # fmt: skip
#: On a particle of iron, on a bar without iron, and beside both, um.
_POINTS = ((-2.2, 1.8), (1.9, -1.4), (4.5, 4.5))


def run_demo(directory: Path, console: Console) -> list[Path]:
    """Measure scans, with a writer subscribed, and show their files.

    Parameters
    ----------
    directory : Path
        Where files and pictures are written; made when missing.
    console : rich.console.Console
        Where the tables are printed.

    Returns
    -------
    list of Path
        The files.
    """
    require("bluesky", "bluesky", "the demonstration")
    require("ophyd", "bluesky", "the demonstration")
    require("matplotlib", "plot", "the demonstration")
    from bluesky import RunEngine

    from ..exchange import NXstxmWriter, recover
    from ..sim import SimulatedMicroscope

    scope = SimulatedMicroscope(seed=2019)
    engine: Any = RunEngine({}, context_managers=[])  # no key presses are waited for
    names = iter(scan.name for scan, _ in _plans(scope))
    options: dict[str, Any] = {"facility": FACILITY, "overwrite": True, "recover": False}
    with NXstxmWriter(directory, path_provider=lambda _: next(names), **options) as writer:
        engine.subscribe(writer)
        for scan, plan in _plans(scope):
            console.print(f"\n[bold]{scan.name}[/bold]: {scan.about}")
            _measure(engine, plan)
            _show(writer.wait()[-1], console)
        files = list(writer.paths)
    console.print(f"\n[bold]{KILLED.name}[/bold]: {KILLED.about}")
    _kill_one(directory)
    for path in recover(directory, overwrite=True):
        _show(path, console)
        files.append(path)
    console.print("\nWritten:")
    for path in files:
        console.print(f"  {path}  and  {path.with_suffix('.png').name}", highlight=False)
    return files


def _show(path: Path, console: Console) -> None:
    from ._info import render
    from ._plot import plot_file
    from ._summary import describe

    console.print(render(describe(path)))
    plot_file(path, path.with_suffix(".png"))


def _kill_one(directory: Path) -> None:
    """Begin to measure an image in another process, and kill it in the middle."""
    command = [sys.executable, "-m", "suitcase.nxstxm.cli._killed", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = "" if process.stdout is None else process.stdout.readline()
        process.kill()
    if not told:
        raise NXstxmOSError(f"the process that was to be killed ended by itself: {command}")


def _plans(
    scope: SimulatedMicroscope,
) -> Generator[tuple[_Scan, Any], None, None]:
    """Give the scans one after the other, each planned when it is its turn."""
    from ..sim import image_plan, point_spectrum_plan, stack_plan

    wide, fine = (-5.0, 5.0, 101), (-5.0, 5.0, 61)
    yield _IMAGE, image_plan(scope, wide, wide, dwell_ms=2.0)
    yield _STEPS, image_plan(scope, (-4.0, 0.0, 31), (0.0, 4.0, 31), style="points", motors=False)
    yield _STACK, stack_plan(scope, _ENERGIES, fine, fine)
    dense = [700.0 + 0.5 * i for i in range(53)]
    yield _SPECTRA, point_spectrum_plan(scope, _POINTS, dense, dwell_ms=20.0)
    yield _ABORTED, image_plan(scope, wide, wide, truncate=64)


def _measure(engine: Any, plan: Any) -> None:
    """Run a plan on a RunEngine."""
    from bluesky.utils import RunEngineInterrupted

    log = logging.getLogger("bluesky")
    level = log.level
    log.setLevel(logging.CRITICAL)  # an abort that was asked for is no error to report
    try:
        engine(plan)
    except RunEngineInterrupted:
        pass  # how an aborted plan ends; its documents are complete
    finally:
        log.setLevel(level)
