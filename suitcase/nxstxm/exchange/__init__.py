"""The ways in and out: suitcase serializers, whole scans, stored documents."""

from ._names import PrefixError, resolve_prefix, safe_file_name
from ._scan import ExportError, StoredScan, export_scan, export_scans, scans_in
from ._serializer import Serializer, export, finish_export

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
