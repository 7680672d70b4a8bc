"""Documents that the simulated microscope does not make: long, large, plain, or broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np

from suitcase.nxstxm.sim import ScanRequest, Span, all_requests, scan_documents

Document = tuple[str, dict[str, Any]]
REQUESTS = all_requests()
#: One run, a few runs, many runs: two regions times two polarizations times three energies.
ONE = "pystxm2019-sample_image-lines"
STACK = "pystxm2019-sample_image_stack-lines"
TOMOGRAPHY = "pystxm2019-tomography_scan-lines"
TWO_BY_TWO = "stack-two-regions-two-polarizations"


def scan(name: str, **changes: Any) -> list[list[Document]]:
    """Give the runs of one of the usual scans."""
    return scan_documents(replace(REQUESTS[name], **changes))


def lean(name: str) -> list[list[Document]]:
    """Give the same without the baseline, whose readings are most of a small file."""
    return scan(name, include_baseline=False)


def first_uid(runs: list[list[Document]]) -> str:
    """Give the identity of a scan."""
    return str(runs[0][0][1]["uid"])


def camera_stack(n_energies: int = 2, size: int = 4) -> list[list[Document]]:
    """Give a ptychography whose camera has frames of 256 x 256, which are stored once."""
    usual = REQUESTS["pystxm2019-ptychography_scan-points"]
    runs = scan_documents(
        ScanRequest(
            usual.scan_type,
            regions=(usual.regions[0]._replace(x=Span(-4, 4, size), y=Span(-3, 3, size)),),
            energies=tuple(700.0 + i for i in range(n_energies)),
            motors=False,
            include_baseline=False,
        )
    )
    chance = np.random.default_rng(3)
    for run in runs:
        for name, doc in run:
            if name == "event":
                for key, value in doc["data"].items():
                    if np.ndim(value) == 2:
                        frame = chance.integers(0, 2**16, (256, 256), np.uint16)
                        doc["data"][key] = frame
            if name == "descriptor":
                for declared in doc["data_keys"].values():
                    if len(declared.get("shape", ())) == 2:
                        declared["shape"] = [256, 256]
    return runs


def plain_run(
    n: int,
    keys: dict[str, tuple[int, ...]],
    value: Callable[[int, str], Any],
    *,
    number: int = 0,
    dtype: str = "<f8",
) -> Iterator[Document]:
    """Give a run of plain Bluesky with `n` readings of every key, one by one."""
    chance = np.random.default_rng([7, number])

    def uid() -> str:
        return str(UUID(bytes=chance.bytes(16), version=4))

    start, descriptor = uid(), uid()
    time = 1_700_000_000.0 + 1000 * number
    yield (
        "start",
        {
            "uid": start,
            "time": time,
            "scan_id": number + 1,
            "plan_name": "count",
            "num_points": n,
            "hints": {"dimensions": [[["time"], "primary"]]},
        },
    )
    declared = {
        key: {
            "dtype": "array" if shape else "number",
            "dtype_numpy": dtype,
            "shape": list(shape),
            "source": f"SIM:{key}",
        }
        for key, shape in keys.items()
    }
    yield (
        "descriptor",
        {
            "uid": descriptor,
            "run_start": start,
            "time": time,
            "name": "primary",
            "data_keys": declared,
            "object_keys": {key: [key] for key in keys},
            "configuration": {},
            "hints": {key: {"fields": [key]} for key in keys},
        },
    )
    for i in range(n):
        data = {key: value(i, key) for key in keys}
        yield (
            "event",
            {
                "uid": uid(),
                "descriptor": descriptor,
                "time": time + 0.1 * i,
                "seq_num": i + 1,
                "data": data,
                "timestamps": dict.fromkeys(data, time + 0.1 * i),
                "filled": {},
            },
        )
    yield (
        "stop",
        {
            "uid": uid(),
            "run_start": start,
            "time": time + 0.1 * n,
            "exit_status": "success",
            "reason": "",
            "num_events": {"primary": n},
        },
    )


def frames_run(n: int, size: int, cameras: int = 1, *, number: int = 0) -> Iterator[Document]:
    """Give a run with frames of uint16, made as they are asked for."""
    chance = np.random.default_rng([11, number])
    keys = {f"camera{i}": (size, size) for i in range(cameras)}
    return plain_run(
        n,
        keys,
        lambda _i, _key: chance.integers(0, 2**16, (size, size), np.uint16),
        number=number,
        dtype="<u2",
    )


def pages(run: list[Document]) -> list[Document]:
    """Give a run with each event as a page of its own."""
    found = []
    for name, doc in run:
        if name != "event":
            found.append((name, doc))
            continue
        page = {key: [doc[key]] for key in ("uid", "time", "seq_num")}
        page["descriptor"] = doc["descriptor"]
        for key in ("data", "timestamps", "filled"):
            page[key] = {k: [v] for k, v in doc[key].items()}
        found.append(("event_page", page))
    return found
