"""The demonstration: a simulated microscope measures, and its scans become files and pictures.

Everything but the microscope is real: the RunEngine, the plans, the documents, the files.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._extras import require

if TYPE_CHECKING:
    from rich.console import Console

    from ..sim import SimulatedMicroscope

Document = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class _Scan:
    """One scan of the demonstration: its file's name, and what it shows."""

    name: str
    about: str


_IMAGE = _Scan("image", "an image of iron particles at the edge, 708 eV")
_STACK = _Scan("stack", "a stack: one run for each of 15 energies, one file")
_SPECTRA = _Scan("spectra", "spectra at three points, interleaved in one run")
_ABORTED = _Scan("aborted", "an image that was aborted: what is missing is NaN")

#: Energies through the iron L edges, eV: close where the structure is.
_ENERGIES = (700.0, 703.0, 705.0, 706.0, 707.0, 708.0, 709.0, 710.0, 711.0, 713.0, 716.0,
             719.0, 720.5, 722.0, 726.0)  # fmt: skip
#: On a particle of iron, on a bar without iron, and beside both, um.
_POINTS = ((-2.2, 1.8), (1.9, -1.4), (4.5, 4.5))


def run_demo(directory: Path, console: Console) -> list[Path]:
    """Measure four scans, export them, show them.

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

    from ..exchange import export_scan
    from ..sim import SimulatedMicroscope
    from ._info import render
    from ._plot import plot_file
    from ._summary import describe

    scope = SimulatedMicroscope(seed=2019)
    engine = RunEngine({}, context_managers=[])  # no key presses are waited for
    files = []
    for scan, plan in _plans(scope):
        console.print(f"\n[bold]{scan.name}[/bold]: {scan.about}")
        documents = _measure(engine, plan)
        path = export_scan(
            documents,
            directory,
            file_prefix=scan.name,
            facility={"name": "a simulated source", "beamline": "a simulated STXM"},
            overwrite=True,
        )
        console.print(render(describe(path)))
        plot_file(path, path.with_suffix(".png"))
        files.append(path)
    console.print("\nWritten:")
    for path in files:
        console.print(f"  {path}  and  {path.with_suffix('.png').name}", highlight=False)
    return files


def _plans(
    scope: SimulatedMicroscope,
) -> Generator[tuple[_Scan, Any], None, None]:
    """Give the scans one after the other, each planned when it is its turn."""
    from ..sim import image_plan, point_spectrum_plan, stack_plan

    wide, fine = (-5.0, 5.0, 101), (-5.0, 5.0, 61)
    yield _IMAGE, image_plan(scope, wide, wide, dwell_ms=2.0)
    yield _STACK, stack_plan(scope, _ENERGIES, fine, fine)
    dense = [700.0 + 0.5 * i for i in range(53)]
    yield _SPECTRA, point_spectrum_plan(scope, _POINTS, dense, dwell_ms=20.0)
    yield _ABORTED, image_plan(scope, wide, wide, truncate=64)


def _measure(engine: Any, plan: Any) -> list[Document]:
    """Run a plan on a RunEngine and collect its documents."""
    from bluesky.utils import RunEngineInterrupted

    documents: list[Document] = []
    token = engine.subscribe(lambda name, doc: documents.append((name, doc)))
    log = logging.getLogger("bluesky")
    level = log.level
    log.setLevel(logging.CRITICAL)  # an abort that was asked for is no error to report
    try:
        engine(plan)
    except RunEngineInterrupted:
        pass  # how an aborted plan ends; its documents are complete
    finally:
        engine.unsubscribe(token)
        log.setLevel(level)
    return documents
