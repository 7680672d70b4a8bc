"""Without this test nobody would have tried it with what beamlines have: EPICS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.nexus import validate
from suitcase.nxstxm.sim import Sample

pytest.importorskip("caproto")
pytest.importorskip("epics")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PREFIX = "NXSTXM:"


def environment() -> dict[str, str]:
    """Give the settings of both: loopback, and ports that are free."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
    server, repeater = ports
    return {
        **os.environ,
        "EPICS_CA_ADDR_LIST": f"127.0.0.1:{server}",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": server,
        "EPICS_CA_REPEATER_PORT": repeater,
    }


@contextmanager
def ioc(settings: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "suitcase.nxstxm.sim._ioc", PREFIX]
    with subprocess.Popen(
        command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_a_scan_of_epics_motors_becomes_a_file(tmp_path: Path) -> None:
    from suitcase.nxstxm.sim._ioc import expected_counts

    settings = environment()
    client = Path(__file__).with_name("epics_client.py")
    with ioc(settings):
        done = subprocess.run(
            [sys.executable, str(client), PREFIX, str(tmp_path)],
            env=settings, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    image, stack = map(Path, json.loads(done.stdout.strip().splitlines()[-1]))
    for path in (image, stack):
        assert [p for p in validate(path) if p.level == "error"] == []
    sample = Sample()
    with h5py.File(image) as h5:
        data = h5["entry0/counter"]
        assert data["stxm_scan_type"][0] == b"sample image"
        y, x = data["sample_y"][()], data["sample_x"][()]
        np.testing.assert_allclose(x, np.linspace(-2, 2, 5))
        wanted = [[expected_counts(sample, 700.0, px, py) for px in x] for py in y]
        np.testing.assert_allclose(data["data"], wanted, atol=2)
        assert h5["entry0/control/data"].shape == (4, 5)
        np.testing.assert_allclose(h5["entry0/control/data"], 200.0)
        assert h5["entry0/instrument/counter"].attrs["role"] == "signal"
    with h5py.File(stack) as h5:
        data = h5["entry0/counter"]
        assert data["stxm_scan_type"][0] == b"sample image stack"
        energy, y, x = (data[name][()] for name in ("energy", "sample_y", "sample_x"))
        np.testing.assert_allclose(energy, [700, 705, 710])
        wanted = [[[expected_counts(sample, e, px, py) for px in x] for py in y] for e in energy]
        np.testing.assert_allclose(data["data"], wanted, atol=2)
