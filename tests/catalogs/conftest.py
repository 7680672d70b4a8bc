"""What the tests of catalogs share, made once: environments, workers in them, and Tiled servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .environments import python_with
from .outcomes import GROUPS, Outcomes, of_catalogs, of_files
from .processes import Server, Worker, tiled_server, worker
from .stored import Stored, write_lines


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Give all scans, where they are stored, and the files that a direct export makes of them."""
    return Stored.made_in(tmp_path_factory.mktemp("catalogs"))


@pytest.fixture(scope="session")
def python1() -> Path:
    """Give a Python that has databroker 1."""
    return python_with("databroker1")


@pytest.fixture(scope="session")
def python2() -> Path:
    """Give a Python that has databroker 2 and Tiled."""
    return python_with("databroker2")


@pytest.fixture(scope="session")
def databroker1(python1: Path, stored: Stored) -> Iterator[Worker]:
    """Give a process with a catalog of databroker 1."""
    home = stored.folder / "databroker1"
    home.mkdir()
    found = write_lines(stored, home)
    arguments = ("in_databroker1.py", home / "log", str(stored.pickle))
    with worker(python1, *arguments, INTAKE_PATH=str(found)) as process:
        yield process


@pytest.fixture(scope="session")
def databroker2(python2: Path, stored: Stored) -> Iterator[Worker]:
    """Give a process with a catalog of databroker 2."""
    log = stored.folder / "databroker2.log"
    with worker(python2, "in_databroker2.py", log, str(stored.pickle)) as process:
        yield process


@pytest.fixture(scope="session")
def exporting_server(python2: Path, stored: Stored) -> Iterator[Server]:
    """Give a Tiled server that has the exporter of documents."""
    folder = stored.folder / "exporting"
    with tiled_server(python2, folder, readable=stored.files, exporter=True) as server:
        yield server


@pytest.fixture(scope="session")
def plain_server(python2: Path, stored: Stored) -> Iterator[Server]:
    """Give a Tiled server that has not."""
    folder = stored.folder / "plain"
    with tiled_server(python2, folder, readable=stored.files, exporter=False) as server:
        yield server


@pytest.fixture(scope="session")
def tiled_exporting(python2: Path, exporting_server: Server, stored: Stored) -> Iterator[Worker]:
    """Give a process with catalogs on the server with the exporter."""
    # what is found is the same on both servers; what a run gives is not
    ways = ("`client`", "`client`, the first uid", "`client[uid].documents()`")
    yield from _tiled(python2, exporting_server, stored, "exporting", ways)


@pytest.fixture(scope="session")
def tiled_plain(python2: Path, plain_server: Server, stored: Stored) -> Iterator[Worker]:
    """Give a process with catalogs on the server without it."""
    yield from _tiled(python2, plain_server, stored, "plain")


def _tiled(
    python: Path, server: Server, stored: Stored, name: str, ways: tuple[str, ...] = ()
) -> Iterator[Worker]:
    profiles = stored.folder / name / "profiles"
    profiles.mkdir()
    profile = {"uri": f"{server.place}/metadata/stored?api_key={server.key}"}
    (profiles / "profile.yml").write_text(json.dumps({"microscope": profile}), "utf-8")
    arguments = ("in_tiled.py", stored.folder / name / "client.log", str(stored.pickle))
    environment = {"TILED_PROFILES": str(profiles)}
    with worker(python, *arguments, server.address, *ways, **environment) as process:
        yield process


@pytest.fixture(scope="session")
def tiled_simple(python2: Path, stored: Stored) -> Iterator[Worker]:
    """Give a process with catalogs on a server of its own, in a thread."""
    log = stored.folder / "simple.log"
    with worker(python2, "in_tiled.py", log, str(stored.pickle), "", "`client`") as process:
        yield process


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, stored: Stored) -> Callable[[str], Outcomes]:
    """Give what came of exporting all scans from a group of sources, each exported from once."""
    known: dict[str, Outcomes] = {}

    def of(group: str) -> Outcomes:
        if group not in known:
            fixture = GROUPS[group].fixture
            known[group] = (
                of_catalogs(request.getfixturevalue(fixture), stored, group)
                if fixture
                else of_files(stored, group)
            )
        return known[group]

    return of
