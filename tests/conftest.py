"""What all tests have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings

# a busy machine is no defect: how long something may take is said by benchmarks and timeouts
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
def nxstxm(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; give its exit status and what it wrote."""
    pytest.importorskip("typer")
    from suitcase.nxstxm.cli import main

    def run(*argv: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(arg) for arg in argv])
        out, err = capfd.readouterr()
        return status, out, err

    return run
