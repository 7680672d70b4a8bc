"""The command ``nxstxm``: export, look at, check and draw NXstxm files.

The program itself needs the extra ``cli`` (typer and rich); without it `main` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from suitcase.nxstxm.cli._extras import missing

__all__ = ["main"]

_NEEDED = ("typer", "rich", "click")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``nxstxm``.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; by default those of the process.

    Returns
    -------
    int
        The exit status: 0 when all went well, 1 for any error that was told, 2 for wrong usage.
    """
    try:
        from suitcase.nxstxm.cli._app import run
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _NEEDED:
            raise
        sys.stderr.write(missing(module, "cli", "the command nxstxm") + "\n")
        return 1
    return run(None if argv is None else list(argv))
