"""The ways in and out: suitcase serializers, whole scans, stored documents."""

from ._names import PrefixError, resolve_prefix, safe_file_name
from ._scan import ExportError, export_scan, export_scans
from ._serializer import Serializer, export, finish_export
from ._sources import StoredScan, scans_in

__all__ = [
    "ExportError",
    "PrefixError",
    "Serializer",
    "StoredScan",
    "export",
    "export_scan",
    "export_scans",
    "finish_export",
    "resolve_prefix",
    "safe_file_name",
    "scans_in",
]
