"""Who wrote a file."""

from __future__ import annotations

from functools import cache

PROGRAM = "suitcase.nxstxm"


@cache
def version() -> str:
    """Give the version of this package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("suitcase-nxstxm")
    except PackageNotFoundError:
        return "unknown"
