"""Which stream of a run is the measurement.

A RunEngine calls it ``primary`` unless the plan says otherwise, the readings around it
``baseline``, and those of a signal that it monitors ``<signal>_monitor``
(https://blueskyproject.io/bluesky/main/plans.html#supplemental-data).
"""

from __future__ import annotations

from collections.abc import Collection

PRIMARY, BASELINE = "primary", "baseline"
_MONITOR = "_monitor"


def may_measure(stream: str, streams: Collection[str]) -> bool:
    """Tell whether a stream may be the measurement.

    Parameters
    ----------
    stream : str
        The stream.
    streams : collection of str
        All that are declared so far.

    Returns
    -------
    bool
        Of ``primary`` True; of another False once there is ``primary``, and always of the baseline
        and of monitors.
    """
    if PRIMARY in streams:
        return stream == PRIMARY
    return stream != BASELINE and not stream.endswith(_MONITOR)
