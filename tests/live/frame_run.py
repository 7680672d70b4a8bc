"""A run of frames, each another, none of which compresses or repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

TIME = 1_700_000_000.0
Documents = list[tuple[str, dict[str, Any]]]


def frame(i: int, dtype: str, key: str = "camera", size: int = 128) -> np.ndarray[Any, Any]:
    """Give a frame; from another number or key comes another one."""
    chance = np.random.default_rng([i, *key.encode()])
    return chance.integers(0, 200, (size, size)).astype(dtype)


def frame_run(
    n: int,
    *,
    dtype: str = "<f8",
    pages: bool = False,
    num_points: int | None = -1,
    size: int = 128,
    uid: int = 0,
    keys: Sequence[str] = ("camera",),
    change: Callable[[int, Any], Any] = lambda _, array: array,
) -> Documents:
    """Give a scan of one motor, with a frame of each key at each point."""
    start, descriptor = f"run{uid}", f"descriptor{uid}"
    about: dict[str, Any] = {"motors": ["x"], "plan_name": "scan", "num_points": n}
    if num_points is None:
        del about["num_points"]
    declared = {
        key: {"dtype": "array", "shape": [size, size], "source": f"SIM:{key}"} for key in keys
    }
    docs: Documents = [
        ("start", {"uid": start, "time": TIME, "scan_id": uid + 1, **about,
                   "hints": {"dimensions": [[["x"], "primary"]]}}),
        ("descriptor", {"uid": descriptor, "run_start": start, "time": TIME, "name": "primary",
                        "data_keys": {"x": {"dtype": "number", "shape": [], "source": "SIM:x"},
                                      **declared},
                        "object_keys": {key: [key] for key in ("x", *keys)}, "configuration": {},
                        "hints": {key: {"fields": [key]} for key in ("x", *keys)}}),
    ]  # fmt: skip
    for i in range(n):
        data = {"x": float(i)}
        for key in keys:
            array = change(i, frame(i, dtype, key, size))
            if array is not None:
                data[key] = array
        docs.append(
            ("event", {"uid": f"event{uid}-{i}", "descriptor": descriptor, "time": TIME + i,
                       "seq_num": i + 1, "data": data, "filled": {},
                       "timestamps": dict.fromkeys(data, TIME + i)})
        )  # fmt: skip
    if pages:
        docs = _paged(docs, 4)
    docs.append(
        ("stop", {"uid": f"stop{uid}", "run_start": start, "time": TIME + n,
                  "exit_status": "success", "reason": "", "num_events": {"primary": n}})
    )  # fmt: skip
    return docs


def _paged(docs: Documents, size: int) -> Documents:
    events = [doc for name, doc in docs if name == "event"]
    out = [pair for pair in docs if pair[0] != "event"]
    for at in range(0, len(events), size):
        some = events[at : at + size]
        page = {key: [event[key] for event in some] for key in ("uid", "time", "seq_num")} | {
            "descriptor": some[0]["descriptor"],
            "filled": {},
        }
        for part in ("data", "timestamps"):
            page[part] = {key: [event[part][key] for event in some] for key in some[0][part]}
        out.append(("event_page", page))
    return out
