"""The ways in and out: suitcase serializers, whole scans, stored documents."""

from typing import TYPE_CHECKING

from ..documents import RecoverError
from ._catalog import Catalog, Run, opened, register_source
from ._export import export, finish_export
from ._formats import FORMATS, Converted, convert
from ._names import PrefixError, name_of_scan, resolve_prefix, safe_file_name
from ._paths import DayFolders, PathProvider
from ._recover import recover
from ._scan import ExportError, export_scan, export_scans
from ._scan_in import UnfinishedError
from ._sources import CatalogScan, StoredScan, scans_in
from ._writer import NXstxmWriter

if TYPE_CHECKING:
    from ._serializer import Serializer

__all__ = [
    "FORMATS",
    "Catalog",
    "CatalogScan",
    "Converted",
    "DayFolders",
    "ExportError",
    "NXstxmWriter",
    "PathProvider",
    "PrefixError",
    "RecoverError",
    "Run",
    "Serializer",
    "StoredScan",
    "UnfinishedError",
    "convert",
    "export",
    "export_scan",
    "export_scans",
    "finish_export",
    "name_of_scan",
    "opened",
    "recover",
    "register_source",
    "resolve_prefix",
    "safe_file_name",
    "scans_in",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Fetch the one name that needs ``event_model`` when somebody asks for it (PEP 562)."""
        if name == "Serializer":
            from ._serializer import Serializer

            return Serializer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
