"""Which dialect a start document speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._errors import NXstxmError
from . import _described, _plain, _pystxm, _stxm
from ._metadata import MetadataError, short
from ._plan import ScanPlan

#: (does it speak this dialect, read it), the first that does wins; plain Bluesky is the last.
DIALECTS: tuple[
    tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], ScanPlan]], ...
] = (
    (_stxm.speaks, _stxm.read),
    (_described.speaks, _described.read),
    (_pystxm.speaks, _pystxm.read),
    (_plain.speaks, _plain.read),
)


def read_plan(start: Mapping[str, Any]) -> ScanPlan:
    """Read what a run was asked to do from its start document.

    Parameters
    ----------
    start : Mapping
        A Bluesky start document. An ``stxm`` block is read first, then the description of a
        file, then pyStxm's ``metadata``; a run with none of them becomes a generic scan.

    Returns
    -------
    ScanPlan
        The plan, not yet bound to data keys.

    Raises
    ------
    MetadataError
        The document lacks what its dialect needs; the message names the key and the run.
    """
    if not isinstance(start, Mapping):
        raise MetadataError(f"a start document is a mapping, not a {type(start).__name__}")
    for speaks, read in DIALECTS:
        if speaks(start):
            try:
                return read(start)
            except NXstxmError:
                raise
            except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
                # nothing that a dialect asked for: arrays where text belongs, lists in themselves
                raise MetadataError(
                    f"the start document of run {short(start.get('uid'))} can not be read "
                    f"({type(error).__name__}: {short(str(error))}); mend what is odd in it"
                ) from error
    raise AssertionError("the plain dialect reads everything")  # pragma: no cover
