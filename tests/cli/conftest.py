"""The hand-written files of `tests/nexus/build.py`, for the tests of what shows them."""

from __future__ import annotations

import importlib.util
import sys
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
