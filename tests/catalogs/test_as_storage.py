"""A catalog is where most scans are: a store has to find them there, and what they tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from suitcase.nxstxm.storage import NXstxmDirectory

from .processes import Worker
from .scans import AS_STORAGE
from .stored import Stored
from .test_late_and_wrong import CATALOGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("catalog", CATALOGS)
def test_a_catalog_is_a_frontend(
    catalog: str, request: pytest.FixtureRequest, stored: Stored, tmp_path: Path
) -> None:
    fixture, name, _ = CATALOGS[catalog]
    process: Worker = request.getfixturevalue(fixture)
    assert process("fill", name, [AS_STORAGE]) == {}
    uid = stored.uids(AS_STORAGE)[0]
    told = process("as_storage", name, AS_STORAGE, str(tmp_path))
    file = Path(told.pop("file"))
    assert told == {"knows it": True, "start": uid, "exit status": "success", "none": [None]}
    assert NXstxmDirectory(tmp_path).run_ids() == {file: uid}
