"""The core must run where there is no POSIX; without this a facility on Windows finds out first."""

from __future__ import annotations

import ast
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted(p for p in (ROOT / "suitcase").rglob("*.py") if p.relative_to(ROOT).parts[2] != "sim")
#: Modules and functions of `os` that Windows does not have.
POSIX_MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "termios", "tty", "pty", "syslog"}
POSIX_CALLS = {
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "chown", "mkfifo", "killpg", "setsid"),
    *("nice", "posix_fadvise", "posix_fallocate", "pread", "pwrite", "sync", "uname", "wait"),
}


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_uses_nothing_that_only_posix_has(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in POSIX_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in POSIX_MODULES:
            found.append(node.module)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and node.attr in POSIX_CALLS
        ):
            found.append(f"os.{node.attr}")
    assert found == []


def test_the_least_versions_that_are_tested_are_those_that_are_promised() -> None:
    """`.ci/full` installs tests/least-versions.txt; setup.cfg is what users are told."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    told = "\n".join(
        [
            setup["options"]["install_requires"],
            *(extras[k] for k in ("cli", "plot", "bluesky", "images", "xarray", "analysis")),
        ]
    )
    promised = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\w.]+)(?:;.*)?$", told, re.MULTILINE))
    text = (ROOT / "tests" / "least-versions.txt").read_text("utf-8")
    tested = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
    assert {name: tested.get(name) for name in promised} == promised
