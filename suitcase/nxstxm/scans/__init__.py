"""What a scan is: its type, its layout, its plan, and the dialects that write plans down."""

from ._bind import detector_columns
from ._grouping import Grouping, RunsOfScan, group_runs, is_part
from ._jobs import EntryJob, Part, jobs
from ._make import make_standard_metadata, stxm_metadata
from ._metadata import MetadataError, as_json
from ._place import Placement, by_region, fastest_loop, place, points_per_event
from ._plan import (
    Axis,
    Detector,
    Device,
    EntryPlan,
    Loop,
    Polarization,
    ScanGroup,
    ScanPlan,
    ZonePlate,
)
from ._raster import as_raster, may_be_raster, moving_keys
from ._read import read_plan
from ._roles import ROLE_UNITS, polarization_from_code, role_of
from ._sampling import (
    BY_ORDER,
    BY_POSITION,
    LineAxis,
    binned,
    by_order,
    is_line,
    line_axes,
    means_near,
)
from ._start import run_uid
from ._streams import BASELINE, PRIMARY, may_measure
from ._types import (
    LAYOUTS,
    Layout,
    Route,
    ScanType,
    UnknownScanTypeError,
    focus_scans,
    line_spec_scans,
    multi_entry_scans,
    scan_type,
    scan_types,
    single_2d_scans,
    single_entry_scans,
    single_image_scans,
    spectra_type_scans,
    stack_type_scans,
    two_posner_scans,
)
from ._units import canonical, factor

__all__ = [
    "BASELINE",
    "BY_ORDER",
    "BY_POSITION",
    "LAYOUTS",
    "PRIMARY",
    "ROLE_UNITS",
    "Axis",
    "Detector",
    "Device",
    "EntryJob",
    "EntryPlan",
    "Grouping",
    "Layout",
    "LineAxis",
    "Loop",
    "MetadataError",
    "Part",
    "Placement",
    "Polarization",
    "Route",
    "RunsOfScan",
    "ScanGroup",
    "ScanPlan",
    "ScanType",
    "UnknownScanTypeError",
    "ZonePlate",
    "as_json",
    "as_raster",
    "binned",
    "by_order",
    "by_region",
    "canonical",
    "detector_columns",
    "factor",
    "fastest_loop",
    "focus_scans",
    "group_runs",
    "is_line",
    "is_part",
    "jobs",
    "line_axes",
    "line_spec_scans",
    "make_standard_metadata",
    "may_be_raster",
    "may_measure",
    "means_near",
    "moving_keys",
    "multi_entry_scans",
    "place",
    "points_per_event",
    "polarization_from_code",
    "read_plan",
    "role_of",
    "run_uid",
    "scan_type",
    "scan_types",
    "single_2d_scans",
    "single_entry_scans",
    "single_image_scans",
    "spectra_type_scans",
    "stack_type_scans",
    "stxm_metadata",
    "two_posner_scans",
]
