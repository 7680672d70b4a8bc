"""Runs in which somebody monitors what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Documents = list[tuple[str, dict[str, Any]]]


def with_monitor(run: Sequence[tuple[str, Any]], name: str, *, first: bool) -> Documents:
    """Add a stream that has the detectors' own keys, with readings that are all -1.

    Parameters
    ----------
    run : sequence of (str, Mapping)
        Documents of one run.
    name : str
        Name of the stream.
    first : bool
        It begins before ``primary`` does, as monitors do; else behind the first event.
    """
    primary = next(d for n, d in run if n == "descriptor" and d["name"] == "primary")
    descriptor = {**primary, "uid": f"monitor-of-{primary['uid']}", "name": name}
    out: Documents = []
    n_events = 0

    def event(like: dict[str, Any]) -> None:
        nonlocal n_events
        n_events += 1
        data = {key: np.full_like(value, -1) for key, value in like["data"].items()}
        out.append(
            (
                "event",
                {
                    **like,
                    "uid": f"{descriptor['uid']}-{n_events}",
                    "descriptor": descriptor["uid"],
                    "seq_num": n_events,
                    "data": {key: v.tolist() if v.ndim == 0 else v for key, v in data.items()},
                },
            )
        )

    events = [d for n, d in run if n == "event" and d["descriptor"] == primary["uid"]]
    for kind, doc in run:
        if first and doc is primary:
            out.append(("descriptor", descriptor))
            for like in events[:5]:
                event(like)
        out.append((kind, dict(doc)))
        if not first and doc is primary:
            out.append(("descriptor", descriptor))
        if kind == "event" and doc["descriptor"] == primary["uid"]:
            event(doc)
    return out
