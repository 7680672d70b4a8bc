"""Runs made by hand, and what EXtra-data says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

extra_data = pytest.importorskip("extra_data")
validation = pytest.importorskip("extra_data.validation")

Documents = list[tuple[str, Any]]


def run_of(events: list[dict[str, Any]], keys: dict[str, Any], **start: Any) -> Documents:
    """Give a run with one stream; an event is its readings."""
    found: Documents = [
        ("start", {"uid": "run-1", "time": 1.7e9, "scan_id": 1, "plan_name": "by hand", **start}),
        ("descriptor", {"uid": "d", "run_start": "run-1", "time": 1.7e9, "name": "primary",
                        "data_keys": keys, "object_keys": {key: [key] for key in keys},
                        "configuration": {}, "hints": {}}),
    ]  # fmt: skip
    for i, data in enumerate(events):
        time = 1.7e9 + i / 4
        found.append(
            ("event", {"uid": f"e{i}", "descriptor": "d", "seq_num": i + 1, "time": time,
                       "data": data, "timestamps": dict.fromkeys(data, time - 0.01)})
        )  # fmt: skip
    found.append(
        (
            "stop",
            {
                "uid": "s",
                "run_start": "run-1",
                "time": 1.7e9 + 99,
                "exit_status": "success",
                "num_events": {"primary": len(events)},
            },
        )
    )
    return found


def number(**more: Any) -> dict[str, Any]:
    return {"dtype": "number", "shape": [], "source": "x", **more}


def folder_of(artifacts: dict[str, list[Path]]) -> Path:
    [folder] = {path.parent for path in artifacts["stream_data"]}
    return folder


def problems(folder: Path) -> list[str]:
    validator = validation.RunValidator(str(folder))
    validator.run_checks()
    return [str(problem) for problem in validator.problems]


def stream_of(
    run: Documents, name: str, events: list[dict[str, Any]], times: list[float], **keys: Any
) -> Documents:
    """Add a stream to a run, its events among the others by their times."""
    uid = f"d-{name}"
    descriptor = {"uid": uid, "run_start": run[0][1]["uid"], "time": 1.7e9, "name": name,
                  "data_keys": keys, "object_keys": {key: [key] for key in keys},
                  "configuration": {}, "hints": {}}  # fmt: skip
    own: Documents = [
        ("event", {"uid": f"{uid}-{i}", "descriptor": uid, "seq_num": i + 1, "time": time,
                   "data": data, "timestamps": dict.fromkeys(data, time)})
        for i, (data, time) in enumerate(zip(events, times, strict=True))
    ]  # fmt: skip
    rest = [*run[1:-1], *own]
    heads = [each for each in rest if each[0] != "event"]
    timed = sorted((each for each in rest if each[0] == "event"), key=lambda e: e[1]["time"])
    return [run[0], *heads, ("descriptor", descriptor), *timed, run[-1]]


def opened(folder: Path) -> Any:
    return extra_data.RunDirectory(str(folder), parallelize=False)


def array(*shape: int, **more: Any) -> dict[str, Any]:
    return {"dtype": "array", "shape": list(shape), "source": "x", **more}


def arange(*shape: int) -> np.ndarray[Any, Any]:
    return np.arange(np.prod(shape), dtype=float).reshape(shape)
