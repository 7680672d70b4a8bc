"""Processes of other environments: those that do what a test asks, and Tiled servers."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent
#: Seconds until a server must answer, and until a process must have ended.
BEGIN, END = 60.0, 30.0
_RUNNING = re.compile(r"running on \S*?(http://127\.0\.0\.1:\d+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Refused(Exception):
    """An export was refused with an error of ours."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Worker:
    """A script beside this file, run with another Python; see `calls`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Let it do something."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{name}: the worker ended:\n{self._log.read_text()[-3000:]}")
        kind, *told = json.loads(line)
        if kind == "refused":
            raise Refused(*told)
        assert kind == "done", f"{name}: {told[0]}"
        return told[0]


@contextmanager
def worker(
    python: Path, script: str, log: Path, *arguments: str, **environment: str
) -> Iterator[Worker]:
    """Start a worker, and end it."""
    with (
        log.open("w") as told,
        subprocess.Popen(
            [python, FOLDER / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            env=_environment(environment),
        ) as process,
    ):
        try:
            yield Worker(process, log)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            _ended(process)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Give this process's environment, without what would lead to this process's packages.

    Tiled's client asks a server that answers with an error ten times in 45 seconds; here it does so
    three times, for connections that the server closed.
    """
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    usual = {key: value for key, value in os.environ.items() if key not in left_out}
    return {**usual, "TILED_RETRY_ATTEMPTS": "3", "PYTHONWARNINGS": "ignore", **more}


def _ended(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server(NamedTuple):
    """A Tiled server: its address, with its key and without, and its process."""

    address: str
    place: str
    process: subprocess.Popen[Any]

    @property
    def key(self) -> str:
        """What opens it."""
        return self.address.rpartition("=")[2]


@contextmanager
def tiled_server(python: Path, folder: Path, *, readable: Path, exporter: bool) -> Iterator[Server]:
    """Start ``tiled serve config`` on a free port, with or without the exporter of documents."""
    (folder / "data").mkdir(parents=True)
    storage = [(folder / "data").as_uri(), f"duckdb:///{folder / 'tables.duckdb'}"]
    catalog = {
        "uri": f"sqlite:///{folder / 'catalog.db'}",
        "init_if_not_exists": True,
        "writable_storage": storage,
        "readable_storage": [readable.as_uri()],
    }
    config: dict[str, Any] = {"trees": [{"path": "/", "tree": "catalog", "args": catalog}]}
    if exporter:
        exporters = {"application/json-seq": "bluesky_tiled_plugins.exporters:json_seq_exporter"}
        config["media_types"] = {"BlueskyRun": exporters}
    # any JSON is YAML
    (folder / "config.yml").write_text(json.dumps(config), "utf-8")
    key, log = secrets.token_hex(16), folder / "log"
    command = [python, "-m", "tiled", "serve", "config", folder / "config.yml"]
    command += ["--host", "127.0.0.1", "--port", "0", "--api-key", key]
    with (
        log.open("w") as told,
        subprocess.Popen(command, stdout=told, stderr=told, env=_environment({})) as process,
    ):
        try:
            place = f"{_announced(process, log)}/api/v1"
            yield Server(f"{place}?api_key={key}", place, process)
        finally:
            process.terminate()
            _ended(process)


def _announced(process: subprocess.Popen[Any], log: Path) -> str:
    """Wait until a server says where it is."""
    end = time.monotonic() + BEGIN
    while time.monotonic() < end and process.poll() is None:
        found = _RUNNING.search(_COLOURS.sub("", log.read_text("utf-8")))
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no Tiled server after {BEGIN:g} s:\n{log.read_text('utf-8')[-3000:]}")
