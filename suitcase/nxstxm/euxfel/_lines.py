"""Whether an array is of the pixels of a line: a scan that is known to be one says so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .._errors import NXstxmError
from ..scans import ScanPlan, points_per_event, read_plan
from ._columns import AnyArray


class Lines:
    """Knows how long the lines of a run are, if it is a scan with lines.

    Parameters
    ----------
    start : Mapping
        The start document.
    """

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._plan: ScanPlan | None = None
        with suppress(NXstxmError):  # any run of Bluesky is welcome
            self._plan = read_plan(start)

    def declare(self, descriptor: Mapping[str, Any]) -> None:
        """Note what a descriptor says of the detectors."""
        if self._plan is not None:
            try:
                self._plan = self._plan.bind(descriptor)
            except (NXstxmError, TypeError, ValueError, AttributeError):
                self._plan = None

    def __call__(self, key: str, array: AnyArray) -> bool:
        """Tell whether the values of an array, shape (n,), are those of the pixels of a line."""
        if self._plan is None:
            return False
        of = {each.data_key: each.covers for each in self._plan.detectors}
        return points_per_event(self._plan, array.size, 1, of.get(key)) > 1
