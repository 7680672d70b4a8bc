"""Events that are brought together on their way into a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suitcase.nxstxm.documents import segments

NUMBERS = {"uid": "numbers", "data_keys": {"x": {"dtype": "number"}}}
ARRAYS = {"uid": "arrays", "data_keys": {"x": {"dtype": "array", "shape": [2]}}}


def event(descriptor: Any) -> tuple[str, dict[str, Any]]:
    return "event", {"descriptor": descriptor, "data": {"x": 1.0}}


ANY = st.sampled_from(
    [
        ("descriptor", NUMBERS),
        ("descriptor", ARRAYS),
        ("descriptor", {"uid": [1], "data_keys": {}}),
        ("descriptor", {"uid": "odd", "data_keys": {"x": {"dtype": np.zeros(0)}}}),
        ("stop", {"uid": "s"}),
        ("event_page", {"descriptor": "numbers"}),
        *(event(each) for each in ("numbers", "arrays", "unknown", None, 3, ["x"])),
        *(event(np.zeros(2, dtype)) for dtype in ("f8", [("a", "u1")])),
        ("event", {}),
    ]
)


@given(st.lists(ANY, max_size=60))
def test_nothing_is_lost_and_the_order_stays(documents: list[Any]) -> None:
    found = list(segments(documents))
    assert [(name, id(doc)) for name, docs, _ in found for doc in docs] == [
        (name, id(doc)) for name, doc in documents
    ]
    for name, docs, _ in found:
        assert len(docs) == 1 or name == "event"
        assert len(docs) == 1 or {doc["descriptor"] for doc in docs} == {"numbers"}


def test_events_without_arrays_come_together_and_not_too_many() -> None:
    documents = [("descriptor", NUMBERS), *(event("numbers") for _ in range(2500)), ("stop", {})]
    sizes = [len(docs) for _, docs, _ in segments(documents)]
    assert sizes == [1, 1000, 1000, 500, 1]


def test_events_with_arrays_are_not_held() -> None:
    alive: list[int] = []

    def source() -> Iterator[Any]:
        yield "descriptor", ARRAYS
        for i in range(10):
            alive.append(i)
            yield "event", {"descriptor": "arrays", "data": {"x": np.zeros(2)}}

    for n, _ in enumerate(segments(source())):
        assert len(alive) <= n


@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt()])
def test_what_came_before_an_error_is_given_first(error: BaseException) -> None:
    def source() -> Iterator[Any]:
        yield "descriptor", NUMBERS
        for _ in range(3):
            yield event("numbers")
        raise error

    found: list[int] = []
    with pytest.raises(type(error)):
        found.extend(len(docs) for _, docs, _ in segments(source()))
    assert found == [1, 3]
