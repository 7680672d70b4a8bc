"""What the tests of plain plans share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .bench import Bench, Written, make_bench, written


@pytest.fixture
def bench() -> Bench:
    """Give motors and a detector."""
    return make_bench()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Written]:
    """Run a plan of one scan; see `written`."""

    def go(plan: Any, **options: Any) -> Written:
        [made] = written(plan, tmp_path, **options)
        return made

    return go
