"""Without these tests one odd value in a start document could raise an error that nobody expects.

Every value of a start document of each dialect is replaced by odd ones, one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.scans import ScanPlan, as_json, read_plan
from suitcase.nxstxm.sim import all_requests, scan_documents


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


ODD: dict[str, Any] = {
    "none": None,
    "array": np.arange(3.0),
    "array of objects": np.array(["a", None], object),
    "empty array": np.array([]),
    "0-d array": np.array(3),
    "nested deeply": nested(5000),
    "empty list": [],
    "empty mapping": {},
    "mixed keys": {1: 2, "a": 3, None: 4},
    "text": "\0 \ud800",
    "huge": 10**400,
    "not a number": float("nan"),
    "complex": 3 + 4j,
    "object": object(),
    "bytes": b"\xff",
}
NAMES = (
    "pystxm2019-sample_image-lines",
    "pystxm2019-sample_image_stack-lines",
    "pystxm2019-sample_point_spectra-points",
    "stxm-image",
    "stxm-stack-group",
)
STARTS = {name: scan_documents(all_requests()[name])[0][0][1] for name in NAMES}
STARTS["plain"] = {
    "uid": "8b8a62f3-1111-4222-8333-444444444444",
    "time": 1_700_000_000.0,
    "scan_id": 3,
    "plan_name": "grid_scan",
    "plan_pattern": "outer_product",
    "plan_args": {"args": ["y", 0, 1, 2, "x", 0, 1, 3]},
    "plan_pattern_args": {"args": ["y", 0, 1, 2, "x", 0, 1, 3]},
    "motors": ["y", "x"],
    "shape": [2, 3],
    "extents": [[0, 1], [0, 1]],
    "snaking": [False, True],
    "num_points": 6,
    "hints": {"gridding": "rectilinear", "dimensions": [[["y"], "primary"], [["x"], "primary"]]},
    "sample": {"name": "a"},
}


def opened(start: dict[str, Any]) -> dict[str, Any]:
    """Give a start document whose JSON texts are what they say, as some programs write it."""
    start = deepcopy(start)
    for key, value in start.items():
        if isinstance(value, str) and value.startswith("{"):
            start[key] = json.loads(value)
            for inner, text in start[key].items():
                if isinstance(text, str) and text[:1] in ("{", "["):
                    start[key][inner] = json.loads(text)
    return start


def places(holder: Any, depth: int = 5) -> Iterator[tuple[Any, Any]]:
    """Walk through the values of a start document, one of each list."""
    keys = list(holder) if isinstance(holder, dict) else range(min(len(holder), 1))
    for key in keys:
        yield holder, key
        if depth and isinstance(holder[key], (dict, list)):
            yield from places(holder[key], depth - 1)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", STARTS)
def test_an_odd_value_makes_a_plan_or_one_clear_error(name: str, odd: str) -> None:
    start = opened(STARTS[name])
    assert isinstance(read_plan(start), ScanPlan)
    tried = 0
    for holder, key in list(places(start)):
        before, holder[key] = holder[key], ODD[odd]
        told = ""
        try:
            assert isinstance(read_plan(start), ScanPlan)
        except NXstxmError as error:
            told = str(error)
        assert told == "" or 20 < len(told) < 1000, (key, told)
        holder[key] = before
        tried += 1
    assert tried > 5


def test_json_of_anything() -> None:
    assert as_json({"b": 1, "a": np.int8(2)}, sort_keys=True) == '{"a": "2", "b": 1}'
    assert as_json({1: 0, "a": 0}, sort_keys=True) == "{1: 0, 'a': 0}"
    endless: list[Any] = []
    endless.append(endless)
    assert len(as_json(endless)) < 100
    assert isinstance(as_json(nested(5000)), str)
