"""The documents of a scan, without a RunEngine: as real control programs emit them, and repeatable.

What the RunEngine writes holds times and uids of the moment. Tests of a file writer want the same
documents every time, in dialects of programs that are not installed here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from ._devices import Names
from ._metadata import start_metadata
from ._program import Run, Step, program
from ._readings import (
    declare_baseline,
    declare_primary,
    read_baseline,
    read_step,
    scanned_motors,
)
from ._request import ScanRequest

Document: TypeAlias = tuple[str, dict[str, Any]]

#: Overheads of an event and between runs, seconds.
_EVENT_OVERHEAD, _RUN_OVERHEAD = 0.002, 0.5


def scan_documents(request: ScanRequest) -> list[list[Document]]:
    """Write the documents of a scan.

    Parameters
    ----------
    request : ScanRequest
        The scan. The same request gives the same documents, uids and times included.

    Returns
    -------
    list of list of (str, dict)
        The runs in the order in which they were made; in each, the documents in the order in which
        they were emitted. Arrays are numpy arrays, as in a live stream.
    """
    author = _Author(request)
    runs = program(request)
    found: list[list[Document]] = []
    for run in runs:
        if found and author.left() == 0:
            break
        found.append(author.write(run, runs))
    return found


class _Author:
    """Keeps clock, uids and the count of events while a scan is written."""

    def __init__(self, request: ScanRequest) -> None:
        self.request = request
        self.chance = np.random.default_rng(list(request.digest()))
        self.time = request.start_time
        self.scan_id = request.scan_id
        self.events = 0

    def left(self) -> int:
        """Give how many primary events are left until the scan is cut; -1 for no end."""
        return -1 if self.request.truncate is None else self.request.truncate - self.events

    def uid(self) -> str:
        return str(uuid.UUID(bytes=self.chance.bytes(16), version=4))

    def wait(self, seconds: float) -> float:
        self.time += seconds
        return self.time

    def write(self, run: Run, runs: list[Run]) -> list[Document]:
        """Write one run."""
        request, left = self.request, self.left()
        start = self.start(run, runs)
        steps = run.steps if left < 0 else run.steps[:left]
        cut = len(steps) < len(run.steps)
        with_baseline = request.include_baseline and run.first and request.dialect != "stxm"
        before, after = self.baseline(start, run) if with_baseline else ([], [])
        found = [("start", start), *before, *self.primary(start, run, steps)]
        if cut and request.truncated_status == "killed":
            return found
        counted = {"primary": len(steps), "baseline": 2 if with_baseline else 0}
        return [*found, *after, ("stop", self.stop(start, counted, cut))]

    def primary(
        self, start: dict[str, Any], run: Run, steps: tuple[Step, ...]
    ) -> Iterator[Document]:
        """Write descriptor and events of the measurement; without an event, neither."""
        stream: dict[str, Any] = {}
        for number, step in enumerate(steps, 1):
            if not stream:
                stream = self.descriptor(start, "primary", *declare_primary(self.request, run))
                yield "descriptor", stream
            self.wait(step.n_points * step.dwell_s + _EVENT_OVERHEAD)
            yield self.event(stream, number, read_step(self.request, step, self.events))
            self.events += 1

    def start(self, run: Run, runs: list[Run]) -> dict[str, Any]:
        """Write a start document: what bluesky's own plans tell, and the dialect's metadata."""
        request, names = self.request, Names(self.request.dialect)
        document: dict[str, Any] = {
            "uid": self.uid(),
            "time": self.wait(_RUN_OVERHEAD),
            "scan_id": self.scan_id,
            "plan_type": "generator",
            "plan_name": f"make_{request.kind.name.lower()}_plan",
        }
        self.scan_id += 1
        if request.user:
            document["user"] = request.user
        motors = scanned_motors(request, run.steps[0])
        if request.dialect != "stxm" and request.arrival == "points" and motors:
            document |= {"plan_name": "grid_scan" if len(motors) > 1 else "scan"}
            document |= {"motors": [names.read_key(stage) for stage in motors]}
            document |= {"detectors": list(request.detectors)}
            document |= {"num_points": len(run.steps), "num_intervals": len(run.steps) - 1}
        return document | start_metadata(request, run, runs)

    def descriptor(
        self,
        start: dict[str, Any],
        name: str,
        data_keys: dict[str, Any],
        object_keys: dict[str, list[str]],
    ) -> dict[str, Any]:
        return {
            "uid": self.uid(),
            "run_start": start["uid"],
            "time": self.wait(0.001),
            "name": name,
            "data_keys": data_keys,
            "object_keys": object_keys,
            "configuration": {},
            "hints": {device: {"fields": [keys[0]]} for device, keys in object_keys.items()},
        }

    def baseline(
        self, start: dict[str, Any], run: Run
    ) -> tuple[list[Document], Iterator[Document]]:
        """Write the baseline: what comes before the measurement, and what is read after it."""
        stream = self.descriptor(start, "baseline", *declare_baseline(self.request))

        def read(seq_num: int) -> Iterator[Document]:
            data = read_baseline(self.request, run, self.events)
            yield "event", self.plain_event(stream, seq_num, data)

        return [("descriptor", stream), *read(1)], read(2)

    def event(self, stream: dict[str, Any], seq_num: int, data: dict[str, Any]) -> Document:
        """Write a primary event; the ``stxm`` dialect emits pages of one."""
        event = self.plain_event(stream, seq_num, data)
        if self.request.dialect != "stxm":
            return "event", event
        page: dict[str, Any] = {key: [event[key]] for key in ("uid", "time", "seq_num")}
        page |= {
            "descriptor": event["descriptor"],
            "data": {key: [value] for key, value in event["data"].items()},
            "timestamps": {key: [value] for key, value in event["timestamps"].items()},
            "filled": {},
        }
        return "event_page", page

    def plain_event(
        self, stream: dict[str, Any], seq_num: int, data: dict[str, Any]
    ) -> dict[str, Any]:
        time = self.wait(0.0005)
        return {
            "uid": self.uid(),
            "descriptor": stream["uid"],
            "seq_num": seq_num,
            "time": time,
            "data": data,
            "timestamps": dict.fromkeys(data, time),
            "filled": {},
        }

    def stop(self, start: dict[str, Any], counted: dict[str, int], cut: bool) -> dict[str, Any]:
        status = self.request.truncated_status if cut else "success"
        return {
            "uid": self.uid(),
            "run_start": start["uid"],
            "time": self.wait(0.01),
            "exit_status": status,
            "reason": "the shutter closed" if status == "fail" else "",
            "num_events": {stream: number for stream, number in counted.items() if number},
        }
