"""The environments of benchmarks whose peers need what others must not have."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def in_environment(
    script: str, name: str, wanted: Sequence[str], needs: Sequence[str] = ()
) -> None:
    """Go on in the environment that has the peer, which is made first; stay here if that fails.

    Parameters
    ----------
    script : str
        The benchmark's file.
    name : str
        The environment: ``.venv-<name>``.
    wanted : sequence of str
        Modules by which it is known that this is the environment already.
    needs : sequence of str
        What is installed there; the package itself is taken from where this file is. Without any
        the environment is that of the tests, which have one of this name.
    """
    sys.path.append(str(ROOT))
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # for the processes that it begins
    if all(importlib.util.find_spec(each) is not None for each in wanted):
        return
    python = _made(name, needs) if needs else _of_tests(name)
    if python is None:
        return
    command = [str(python), str(Path(script).resolve()), *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)


def _made(name: str, needs: Sequence[str]) -> Path | None:
    home = ROOT / f".venv-{name}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, wanted = home / "made-from", "\n".join(needs)
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    print(f"making {home.name} ...", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", *needs],
    ):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            print(f"it can not be made: {made.stderr.strip()[-300:]}")
            return None
    stamp.write_text(wanted, "utf-8")
    return python


def _of_tests(name: str) -> Path | None:
    place = ROOT / "tests" / "catalogs" / "environments.py"
    spec = importlib.util.spec_from_file_location("environments", place)
    if spec is None or spec.loader is None or importlib.util.find_spec("pytest") is None:
        return None
    environments = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(environments)
    import pytest

    print(f"looking for .venv-{name}, which is made when it is not there ...", flush=True)
    try:
        python: Path = environments.python_with(name)
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        print(f"it can not be made: {str(error)[-300:]}")
        return None
    return python
