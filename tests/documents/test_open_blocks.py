"""Without these tests readings that are looked at before their block is full could be others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suitcase.nxstxm.documents import Block, RunStreams

KEYS = {"number": {}, "line": {}, "scaler": {}, "text": {}}


def reading(i: int) -> dict[str, Any]:
    found = {
        "number": i,
        "line": np.arange(i, i + 3),
        "scaler": {"a": i, "b-spid-2": -i},
        "text": f"t{i}",
    }
    # some events lack something, as those of two descriptors of a stream do
    return {key: value for n, (key, value) in enumerate(found.items()) if (i + n) % 5}


def rows(block: Block) -> dict[str, dict[int, Any]]:
    """Give the readings of a block by key and row."""
    return {
        key: {
            chunk.row + i: np.asarray(v).tolist()
            for chunk in found
            for i, v in enumerate(chunk.values)
        }
        for key, found in block.columns.items()
    }


@given(n=st.integers(1, 30), full=st.integers(1, 12), cuts=st.sets(st.integers(0, 29)))
def test_parts_that_were_looked_at_are_the_whole(n: int, full: int, cuts: set[int]) -> None:
    handed: list[Block] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("suitcase.nxstxm.documents._stream.BLOCK_ROWS", full)
        streams = RunStreams(handed.append)
        streams.take_descriptor({"uid": "d", "name": "primary", "data_keys": KEYS})
        seen: dict[str, dict[int, Any]] = {}
        fed = 0

        def look(block: Block) -> None:
            nonlocal fed
            assert block.row == fed
            assert block.seq_nums.tolist() == [
                row + 1 for row in range(fed, fed + len(block.times))
            ]
            fed += len(block.seq_nums)
            for key, found in rows(block).items():
                assert not found.keys() & seen.get(key, {}).keys()
                seen.setdefault(key, {}).update(found)

        n_handed = 0
        for i in range(n):
            streams.take_event(
                {"descriptor": "d", "seq_num": i + 1, "time": float(i), "data": reading(i)}
            )
            for block in handed[n_handed:]:
                later = block.since(fed)
                if later is not None:
                    look(later)
            n_handed = len(handed)
            if i in cuts:
                for block in streams.open_blocks({"primary": fed}):
                    look(block)
        streams.flush()
        for block in handed[n_handed:]:
            later = block.since(fed)
            if later is not None:
                look(later)
    wanted: dict[str, dict[int, Any]] = {}
    for block in handed:
        for key, found in rows(block).items():
            wanted.setdefault(key, {}).update(found)
    assert fed == n
    assert seen == wanted


def test_looking_changes_nothing() -> None:
    handed: list[Block] = []
    streams = RunStreams(handed.append)
    streams.take_descriptor({"uid": "d", "name": "primary", "data_keys": KEYS})
    assert streams.open_blocks() == []
    for i in range(3):
        streams.take_event({"descriptor": "d", "seq_num": i + 1, "time": 0.0, "data": reading(i)})
        [open_block] = streams.open_blocks()
        assert len(open_block.seq_nums) == i + 1
    assert handed == []
    assert streams.open_blocks({"primary": 3}) == []
    streams.flush()
    [block] = handed
    assert rows(block) == rows(open_block)
