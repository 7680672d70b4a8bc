"""What to say when an optional package is missing: which one, and how to get it."""

from __future__ import annotations

from importlib import import_module

from suitcase.nxstxm._errors import NXstxmError


class MissingExtraError(NXstxmError, ImportError):
    """Something needs a package that was not installed with this one."""


def require(module: str, extra: str, purpose: str) -> None:
    """Import an optional package, or say which extra brings it.

    Parameters
    ----------
    module : str
        The module to import.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What it is needed for, the beginning of the message.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    try:
        import_module(module)
    except ImportError as error:
        raise MissingExtraError(missing(module, extra, purpose)) from error


def missing(module: str, extra: str, purpose: str) -> str:
    """Give the one line that tells a user what to install."""
    return f"{purpose} needs {module}: pip install suitcase-nxstxm[{extra}]"
