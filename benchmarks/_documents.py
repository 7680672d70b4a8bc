"""Documents of one plain run, as a RunEngine makes them: scalars or frames, in any number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

Document = tuple[str, dict[str, Any]]
TIME = 1_700_000_000.0
START, DESCRIPTOR, STOP = (f"{i:08x}-aaaa-4bbb-8ccc-123456789abc" for i in range(3))


def run(n: int, keys: dict[str, tuple[int, ...]], value: Callable[[int, str], Any]) -> Iterator[
    Document
]:  # fmt: skip
    """Give a run of `n` events with a float64 reading of each key, one by one."""
    hints = {"dimensions": [[["time"], "primary"]]}
    yield (
        "start",
        {"uid": START, "time": TIME, "scan_id": 1, "plan_name": "count", "num_points": n,
         "hints": hints},
    )  # fmt: skip
    declared = {
        key: {"dtype": "array" if shape else "number", "dtype_numpy": "<f8", "shape": list(shape),
              "source": f"SIM:{key}"}
        for key, shape in keys.items()
    }  # fmt: skip
    yield (
        "descriptor",
        {"uid": DESCRIPTOR, "run_start": START, "time": TIME, "name": "primary",
         "data_keys": declared, "object_keys": {key: [key] for key in keys}, "configuration": {},
         "hints": {key: {"fields": [key]} for key in keys}},
    )  # fmt: skip
    for i in range(n):
        time = TIME + 0.01 * i
        yield (
            "event",
            {"uid": f"{i:08x}-1111-4222-8333-123456789abc", "descriptor": DESCRIPTOR,
             "time": time, "seq_num": i + 1, "data": {key: value(i, key) for key in keys},
             "timestamps": dict.fromkeys(keys, time), "filled": {}},
        )  # fmt: skip
    yield (
        "stop",
        {"uid": STOP, "run_start": START, "time": TIME + 0.01 * n, "exit_status": "success",
         "reason": "", "num_events": {"primary": n}},
    )  # fmt: skip


def scalars(n: int, n_keys: int = 4) -> Iterator[Document]:
    """Give a run of numbers that differ."""
    keys: dict[str, tuple[int, ...]] = {f"signal{i}": () for i in range(n_keys)}
    step = {key: 0.1 + 0.37 * i for i, key in enumerate(keys)}
    return run(n, keys, lambda i, key: i * step[key])


def frames(n: int, size: int) -> Iterator[Document]:
    """Give a run of frames, each made when it is asked for."""
    import numpy as np

    first = np.random.default_rng(1).random((size, size))
    return run(n, {"camera": (size, size)}, lambda i, _key: first + i)


def pages(documents: Iterable[Document], size: int = 1000) -> Iterator[Document]:
    """Pack events as pages."""
    import event_model  # not above: `bench_import` looks at what an export loads by itself

    held = list(documents)
    events: Iterator[Any] = iter([doc for name, doc in held if name == "event"])
    yield from (pair for pair in held if pair[0] not in ("event", "stop"))
    while some := list(islice(events, size)):
        yield "event_page", dict(event_model.pack_event_page(*some))
    yield from (pair for pair in held if pair[0] == "stop")
