"""Which stream of a run is the measurement.

The dimensions in a plan's hints name it. A RunEngine calls it ``primary`` unless the plan says
otherwise, the readings around it ``baseline``, and those of a signal that it monitors
``<signal>_monitor``
(https://blueskyproject.io/bluesky/main/plans.html#supplemental-data).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

PRIMARY, BASELINE = "primary", "baseline"
_MONITOR = "_monitor"


def named_stream(start: Mapping[str, Any]) -> str | None:
    """Give the stream that all dimensions in the hints of a start document name.

    Returns
    -------
    str or None
        None where they name none, several, or the baseline, which never is the measurement.
    """
    hints = start.get("hints")
    dimensions = hints.get("dimensions") if isinstance(hints, Mapping) else None
    if not isinstance(dimensions, (list, tuple)):
        return None
    names = set()
    for dimension in dimensions:
        has_name = isinstance(dimension, (list, tuple)) and len(dimension) > 1
        name = dimension[1] if has_name else None
        names.add(name if isinstance(name, str) else "")
    return names.pop() if len(names) == 1 and names.isdisjoint({"", BASELINE}) else None


def chosen_stream(streams: Collection[str], named: str | None = None) -> str | None:
    """Give the stream that is the measurement whatever others there are.

    Parameters
    ----------
    streams : collection of str
        All that are declared so far.
    named : str, optional
        The one that the plan names, `ScanPlan.stream`.

    Returns
    -------
    str or None
        The named stream, else ``primary``; None where neither is there.
    """
    return next((each for each in (named, PRIMARY) if each in streams), None)


def may_measure(stream: str, streams: Collection[str], named: str | None = None) -> bool:
    """Tell whether a stream may be the measurement.

    Parameters
    ----------
    stream : str
        The stream.
    streams : collection of str
        All that are declared so far.
    named : str, optional
        The one that the plan names, `ScanPlan.stream`.

    Returns
    -------
    bool
        Of the named stream True, and of no other once it is there. Without it True of ``primary``;
        of another False once there is ``primary``, and always of the baseline and of monitors.
    """
    chosen = chosen_stream(streams, named)
    if chosen is not None:
        return stream == chosen
    return stream != BASELINE and not stream.endswith(_MONITOR)
