"""Environments with programs that exclude each other, each made once from its requirements."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAMP = "made-from"
#: What pip says when it reaches no index of packages, or one that has nothing.
_NO_NETWORK = re.compile(
    r"after connection broken|Could not connect|Failed to establish a new connection"
    r"|Temporary failure in name resolution|from versions: none",
    re.IGNORECASE,
)


def python_with(name: str) -> Path:
    """Give the Python of an environment, which is made when it is not there or is another one.

    It stays in the project's root, as ``.venv-<name>``. A test that needs it is skipped where pip
    reaches no packages, and fails when it can not be made for any other reason.
    """
    home = ROOT / f".venv-{name}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = ROOT / "tests" / "environments" / f"{name}.txt"
    wanted = _made_from(requirements)
    stamp = home / STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    if home.is_symlink():
        pytest.fail(f"{home} is a link, and not made from {requirements}; remove the link")
    _run(name, sys.executable, "-m", "venv", "--clear", str(home))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    _run(name, *pip, "--requirement", str(requirements))
    stamp.write_text(wanted, "utf-8")
    return python


def _made_from(requirements: Path) -> str:
    """Name all that decides what is in an environment, but for the day on which it was made."""
    parts = (requirements.read_bytes(), (ROOT / "setup.cfg").read_bytes(), sys.version.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(name: str, *command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode == 0:
        return
    told = f"{done.stdout}\n{done.stderr}".strip()
    if _NO_NETWORK.search(told):
        pytest.skip(f"no network: pip can not install the environment {name} ({told[-300:]})")
    pytest.fail(f"the environment {name} can not be made:\n{told[-3000:]}")
