"""Without these tests a script could take a broken file for a good one: the status must tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import h5py
import pytest

Run = Callable[..., tuple[int, str, str]]


def test_a_good_file_gives_status_0(build: ModuleType, tmp_path: Path, nxstxm: Run) -> None:
    path = build.build_file(tmp_path / "good.hdf5")
    status, out, err = nxstxm("validate", path)
    assert (status, err) == (0, "")
    assert out == f"good  {path}  0 errors, 0 warnings\n"


def test_an_error_gives_status_1_and_is_told_with_its_path(
    build: ModuleType, tmp_path: Path, nxstxm: Run
) -> None:
    good = build.build_file(tmp_path / "good.hdf5")
    bad = build.build_file(tmp_path / "bad.hdf5")
    with h5py.File(bad, "r+") as file:
        del file["entry0/title"]
    status, out, _ = nxstxm("validate", "--no-nexusformat", bad, good)
    assert status == 1
    assert f"bad  {bad}  1 error, 0 warnings" in out
    assert "/entry0/title  the dataset is missing" in out
    assert f"good  {good}" in out


def test_a_warning_alone_gives_status_0(build: ModuleType, tmp_path: Path, nxstxm: Run) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["entry0"].attrs["complete"]
    status, out, _ = nxstxm("validate", path)
    assert status == 0
    assert "0 errors, 1 warning" in out
    assert "/entry0@complete" in out


def test_a_file_that_can_not_be_opened_is_one_line_on_stderr(
    build: ModuleType, tmp_path: Path, nxstxm: Run
) -> None:
    cut = tmp_path / "cut.hdf5"
    cut.write_bytes(build.build_file(tmp_path / "whole.hdf5").read_bytes()[:2000])
    status, out, err = nxstxm("validate", cut)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {cut} can not be opened as HDF5")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.skipif(find_spec("nexusformat") is None, reason="nexusformat is not installed")
def test_nexusformat_is_asked_when_wanted(build: ModuleType, tmp_path: Path, nxstxm: Run) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    status, out, _ = nxstxm("validate", "--nexusformat", path)
    assert status == 0
    assert "nexusformat:" in out
    with h5py.File(path, "r+") as file:
        file["entry0/instrument/source/probe"][()] = "sound"
    status, out, _ = nxstxm("validate", "--nexusformat", path)
    assert status == 1
    assert "nexusformat: The field value is not a member of the enumerated list" in out


@pytest.mark.skipif(find_spec("nexusformat") is None, reason="nexusformat is not installed")
def test_errors_of_nexusformat_count_when_it_is_installed(
    build: ModuleType, tmp_path: Path, nxstxm: Run
) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        # an error that only nexusformat knows
        file["entry0/instrument"].create_group("odd").attrs["NX_class"] = "NXfresnel_zone_plate"
    status, out, _ = nxstxm("validate", path)
    assert status == 1
    assert "NXfresnel_zone_plate is an invalid class" in out
    status, out, _ = nxstxm("validate", "--no-nexusformat", path)
    assert status == 0


def test_wrong_usage_gives_status_2(nxstxm: Run) -> None:
    assert nxstxm("validate")[0] == 2
    assert nxstxm("no-such-command")[0] == 2


def test_the_command_is_a_module_too(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    command = [sys.executable, "-m", "suitcase.nxstxm", "validate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("good  ")


@pytest.mark.parametrize(
    ("package", "argv", "line"),
    [
        ("typer", ["info", "a.hdf5"], "needs typer: pip install suitcase-nxstxm[cli]"),
        ("rich", ["info", "a.hdf5"], "needs rich: pip install suitcase-nxstxm[cli]"),
        (
            "matplotlib",
            ["plot", "a.hdf5", "-o", "a.png"],
            "plotting needs matplotlib: pip install suitcase-nxstxm[plot]",
        ),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    package: str, argv: list[str], line: str
) -> None:
    # None in sys.modules makes the import fail as if the package were not installed.
    program = (
        f"import sys; sys.modules[{package!r}] = None; from suitcase.nxstxm.cli import main; "
        f"sys.exit(main({argv!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
