"""Where the runs of a test are."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a folder as EXtra-data wants it: instrument and cycle above the proposals."""
    return tmp_path / "STXM" / "202601"
