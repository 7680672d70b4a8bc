"""Processes that measure or recover, and are killed; see process.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("process.py")
#: What may be lost: what came so many seconds before the end.
PROMISED = 0.1
#: What may be in the folder of a journal before it is made.
UNMADE = {"lock", "scan.json.tmp"}


class Killer:
    """Starts processes that measure or recover, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, *call: Any) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self, pid: int) -> tuple[float, int]:
        """Kill it; give the time, and how it ended."""
        now = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return now, self._answer()

    def end(self) -> int:
        """Wait for its end by itself."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Let another process write a file meanwhile."""
    code = f"import h5py; f = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.stdin.write("\n")
            process.stdin.close()
            process.wait(10)


def waited(seconds: float, probe: Path) -> float:
    """Wait; give for how long the machine let nothing run, or write, in the last half second.

    Nobody can flush every 50 ms where the system gives no time, or holds every write back.
    """
    end = time.monotonic() + seconds
    stalls: list[tuple[float, float]] = []
    with probe.open("wb", buffering=0) as file:
        while (begun := time.monotonic()) < end:
            time.sleep(min(0.005, end - begun))
            file.write(b"x" * 4096)
            stalls.append((begun, time.monotonic() - begun - 0.005))
    probe.unlink()
    return max((stall for begun, stall in stalls if begun > end - 0.5), default=0.0)


def entries_of(ledger: Path) -> list[list[Any]]:
    """Read what a killed process wrote down; its last line may be cut."""
    found = []
    for line in ledger.read_text().split("\n") if ledger.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def begun(ledger: Path, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not entries_of(ledger):
        assert time.monotonic() < deadline, "the process does not begin"
        time.sleep(0.002)
