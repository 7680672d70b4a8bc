"""A table that is empty, for the tests of its database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from suitcase.nxstxm.variables._database import Database


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Database]:
    """Make an empty table."""
    made = Database(tmp_path / "runs.sqlite", create=True)
    yield made
    made.close()
