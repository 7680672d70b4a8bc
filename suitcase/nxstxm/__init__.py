"""Bluesky documents of scanning X-ray microscopes in, NXstxm files out.

This is the face of the package: the names that most users need, gathered from its rooms and
imported only when somebody asks for one. So ``import suitcase.nxstxm`` is quick, and needs
nothing that the caller does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suitcase.nxstxm._errors import NXstxmError
    from suitcase.nxstxm.exchange import (
        NXstxmWriter,
        Serializer,
        export,
        export_scan,
        export_scans,
        finish_export,
        recover,
    )
    from suitcase.nxstxm.nexus import open_nxstxm
    from suitcase.nxstxm.scans import (
        ScanType,
        focus_scans,
        line_spec_scans,
        make_standard_metadata,
        multi_entry_scans,
        scan_types,
        single_2d_scans,
        single_entry_scans,
        single_image_scans,
        spectra_type_scans,
        stack_type_scans,
        two_posner_scans,
    )

    __version__: str

_NAMES_BY_ROOM = {
    "_errors": ("NXstxmError",),
    "exchange": (
        "NXstxmWriter",
        "Serializer",
        "export",
        "export_scan",
        "export_scans",
        "finish_export",
        "recover",
    ),
    "nexus": ("open_nxstxm",),
    "scans": (
        "ScanType",
        "focus_scans",
        "line_spec_scans",
        "make_standard_metadata",
        "multi_entry_scans",
        "scan_types",
        "single_2d_scans",
        "single_entry_scans",
        "single_image_scans",
        "spectra_type_scans",
        "stack_type_scans",
        "two_posner_scans",
    ),
}
_ROOM_BY_NAME = {name: room for room, names in _NAMES_BY_ROOM.items() for name in names}

# Written out, because type checkers and linters read it without running it.
__all__ = [
    "NXstxmError",
    "NXstxmWriter",
    "ScanType",
    "Serializer",
    "__version__",
    "export",
    "export_scan",
    "export_scans",
    "finish_export",
    "focus_scans",
    "line_spec_scans",
    "make_standard_metadata",
    "multi_entry_scans",
    "open_nxstxm",
    "recover",
    "scan_types",
    "single_2d_scans",
    "single_entry_scans",
    "single_image_scans",
    "spectra_type_scans",
    "stack_type_scans",
    "two_posner_scans",
]


if not TYPE_CHECKING:  # a checker that saw this would take any misspelt name for a good one

    def __getattr__(name: str) -> object:
        """Fetch a public name from its room (PEP 562)."""
        if name == "__version__":
            return _installed_version()
        room = _ROOM_BY_NAME.get(name)
        if room is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{room}"), name)


def __dir__() -> list[str]:
    """List the names of `__all__` beside those that exist already."""
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("suitcase-nxstxm")
    except PackageNotFoundError:
        # Run from a source tree that nobody installed: there is no version to tell.
        return "0+unknown"
