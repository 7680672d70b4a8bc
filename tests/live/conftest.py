"""What the tests of live writers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from suitcase.nxstxm import NXstxmWriter


@pytest.fixture
def writers() -> Iterator[Any]:
    """Make writers, and close them."""
    made: list[NXstxmWriter] = []

    def make(*arguments: Any, **options: Any) -> NXstxmWriter:
        made.append(NXstxmWriter(*arguments, **options))
        return made[-1]

    yield make
    for writer in made:
        writer.close()
