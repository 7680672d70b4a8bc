"""Without these tests the same scan could become one file from Tiled and another from databroker,
and the reference could promise what no source does.

Every source here is a real one, in an environment of its own. To write the table of the reference
anew from what was seen, run with ``NXSTXM_WRITE_TABLE=1``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from .environments import ROOT
from .outcomes import GROUPS, Outcomes
from .scans import KINDS, RECORDED, RECORDINGS
from .stored import Stored
from .table import lines, notes_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
PAGE = ROOT / "docs" / "reference" / "sources.md"
BEGIN, END = "<!-- the table: written by tests/catalogs -->", "<!-- end of the table -->"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", GROUPS)
def test_a_scan_becomes_the_same_file_from_every_source(
    group: str, kind: str, outcomes: Callable[[str], Outcomes], stored: Stored
) -> None:
    names = [scan.name for scan in stored.scans.values() if scan.kind == kind]
    if not names and kind == RECORDINGS:
        pytest.skip(f"no recorded scans in {RECORDED}; set NXSTXM_RECORDED")
    found = outcomes(group)
    assert names
    assert found
    for source, seen in found.items():
        tried = [name for name in names if name in seen]
        assert tried, f"{source} was not tried with {kind}"
        for name in tried:
            notes_of(source, kind, seen[name])


def test_the_reference_says_what_was_seen(
    outcomes: Callable[[str], Outcomes], stored: Stored
) -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded scans in {RECORDED}; set NXSTXM_RECORDED")
    seen = lines({group: outcomes(group) for group in GROUPS}, stored.scans.values())
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    told, _, after = rest.partition(END)
    if os.environ.get("NXSTXM_WRITE_TABLE"):
        told = "\n".join(["", *seen, ""])
        PAGE.write_text(before + BEGIN + told + END + after, "utf-8")
    assert told.strip().splitlines() == seen
