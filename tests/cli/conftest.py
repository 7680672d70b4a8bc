"""The hand-written files of `tests/nexus/build.py`, for the tests of what shows them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def build() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "nexus" / "build.py"
    spec = importlib.util.spec_from_file_location("nxstxm_sample_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


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
