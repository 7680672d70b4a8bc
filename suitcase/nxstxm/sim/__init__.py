"""A simulated STXM: requests, the documents they make, and the files they must become.

Three things, one physics. `scan_documents` writes the documents of a `ScanRequest` as real control
programs do, `expected` tells what a file must hold for it, and `SimulatedMicroscope` is the same
instrument as ophyd devices, for plans that a RunEngine runs. Only the last needs bluesky and ophyd.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._catalogue import all_requests
from ._documents import scan_documents
from ._expected import ExpectedEntry, expected
from ._metadata import pystxm_metadata
from ._optics import Optics, counts
from ._request import Polarization, Region, RequestError, ScanRequest, Span
from ._sample import Material, Sample, Shape

if TYPE_CHECKING:
    from ._fly_camera import FlyCamera, fly_image_plan
    from ._microscope import SimulatedMicroscope
    from ._plans import (
        focus_plan,
        image_plan,
        line_spectrum_plan,
        point_spectrum_plan,
        stack_plan,
        tomography_plan,
    )
    from ._scan_plan import ShutterClosedError, scan_plan

__all__ = [
    "ExpectedEntry",
    "FlyCamera",
    "Material",
    "Optics",
    "Polarization",
    "Region",
    "RequestError",
    "Sample",
    "ScanRequest",
    "Shape",
    "ShutterClosedError",
    "SimulatedMicroscope",
    "Span",
    "all_requests",
    "counts",
    "expected",
    "fly_image_plan",
    "focus_plan",
    "image_plan",
    "line_spectrum_plan",
    "point_spectrum_plan",
    "pystxm_metadata",
    "scan_documents",
    "scan_plan",
    "stack_plan",
    "tomography_plan",
]

#: Where the live names are that are not in `_plans`.
_LIVE = {
    "FlyCamera": "_fly_camera",
    "fly_image_plan": "_fly_camera",
    "ShutterClosedError": "_scan_plan",
    "SimulatedMicroscope": "_microscope",
    "scan_plan": "_scan_plan",
}

if not TYPE_CHECKING:  # a checker that saw this would take any misspelt name for a good one

    def __getattr__(name: str) -> object:
        """Fetch what needs bluesky and ophyd when it is asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _LIVE.get(name, "_plans")
        return getattr(import_module(f"{__name__}.{module}"), name)
