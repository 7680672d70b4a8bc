"""Without these tests the first look at a file could tell a scientist something untrue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

pytest.importorskip("rich")

from rich.console import Console

from suitcase.nxstxm._errors import NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.cli._info import describe, render

Run = Callable[..., tuple[int, str, str]]


def shown(path: Path, width: int = 100) -> str:
    console = Console(width=width, record=True, file=sys.stdout)
    with console.capture() as capture:
        console.print(render(describe(path)))
    return capture.get()


def test_the_summary_of_a_stack_is_what_was_written(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "stack.hdf5", camera=(2, 3), missing=0.25, complete=False)
    summary = describe(path)
    (entry,) = summary.entries
    assert (entry.name, entry.scan_type, entry.shape) == ("entry0", "sample image stack", (3, 4, 5))
    assert [(axis.name, axis.size, axis.units) for axis in entry.axes] == [
        ("energy", 3, "eV"),
        ("sample_y", 4, "um"),
        ("sample_x", 5, "um"),
    ]
    assert entry.energies is not None
    assert (entry.energies.first, entry.energies.last, entry.energies.step) == (280.0, 290.0, 5.0)
    assert entry.duration == 151.25
    assert entry.complete is False
    assert entry.rotation_angle == 0.0
    assert entry.polarization == "circular, V = -1"
    counter = next(d for d in entry.detectors if d.name == "counter0")
    camera = next(d for d in entry.detectors if d.name == "ccd")
    assert (counter.points, counter.frame, counter.dtype) == (45, (), "uint32")
    assert (camera.points, camera.frame, camera.role) == (45, (2, 3), "camera")
    assert {d.name for d in entry.detectors} == {"counter0", "ccd"}


@pytest.mark.parametrize(
    ("stokes", "name"),
    [
        ((1, 1, 0, 0), "linear horizontal"),
        ((2, -2, 0, 0), "linear vertical"),
        ((1, 0, 1, 0), "linear 45°"),
        ((1, 0, 0, 1), "circular, V = +1"),
        ((1, 0.6, 0, 0.8), "Stokes (1, 0.6, 0, 0.8)"),
    ],
)
def test_polarization_is_named_by_its_stokes_vector(
    stokes: tuple[float, ...], name: str, build: ModuleType, tmp_path: Path
) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file["entry0/instrument/beam/incident_polarization_stokes"][0] = stokes
    assert describe(path).entries[0].polarization == name


def test_an_uneven_axis_has_no_step(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", energies=np.array([280.0, 281.0, 290.0]))
    energies = describe(path).entries[0].energies
    assert energies is not None
    assert energies.step is None
    assert "uneven" in shown(path)


def test_the_tables_tell_what_a_scientist_asks_for(build: ModuleType, tmp_path: Path) -> None:
    told = shown(build.build_file(tmp_path / "stack.hdf5", missing=0.25, complete=False))
    for line in (
        "stack.hdf5",
        "sample image stack",
        "3 × 4 × 5 (energy × sample_y × sample_x)",  # noqa: RUF001
        "45 of 60",
        "280 to 290 eV, 3 energies",
        "1 ms a point",
        "2019-07-12 15:04:05 UTC",
        "2 min 31 s",
        "one number",
        "uint32",
    ):
        assert line in told, told


def test_what_entries_share_is_told_once(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", entries=12, angles=[float(a) for a in range(12)])
    told = shown(path)
    assert told.count("2 min 31 s") == 1
    assert "11°" in told
    # entry10 comes after entry9, as people count
    names = [line.split()[0] for line in told.splitlines() if "°" in line]
    assert names == [f"entry{n}" for n in range(12)]


def test_names_in_a_file_are_no_markup(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["entry0/sample/name"]
        file["entry0/sample/name"] = "[bold]grains[/] of $x$"
    assert "[bold]grains[/] of $x$" in shown(path)


def test_the_tables_fit_a_terminal_of_80_columns(build: ModuleType, tmp_path: Path) -> None:
    for label in ("sample image stack", "sample point spectrum", "osa focus"):
        told = shown(build.build_file(tmp_path / "a.hdf5", label, entries=3), width=80)
        assert max(map(len, told.splitlines())) <= 80


def test_a_file_of_another_writer_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.hdf5"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry1")
        entry.attrs["NX_class"] = np.bytes_(b"NXentry")
        entry["start_time"] = np.array([b"2019-07-12T15:04:05"])
        entry["end_time"] = "2019-07-12T15:04:06+00:00"
        data = entry.create_group("counter0")
        data.attrs["NX_class"] = np.bytes_(b"NXdata")
        data["data"] = np.zeros((1, 3, 4))
        data["stxm_scan_type"] = np.array([b"sample image"])
        entry.create_group("empty").attrs["NX_class"] = "NXdata"
    (found,) = describe(path).entries
    assert (found.name, found.scan_type, found.shape) == ("entry1", "sample image", (3, 4))
    assert found.duration is None  # one time has no offset
    assert "sample image" in shown(path)
    assert "guessed: sample_x, the axis of dimension 2 (of 4), is missing" in shown(path)


def test_files_that_hold_no_scan_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.hdf5"
    h5py.File(empty, "w").close()
    with pytest.raises(NXstxmValueError, match=r"empty\.hdf5 is empty"):
        describe(empty)
    with pytest.raises(NXstxmOSError, match=r"missing\.hdf5 is not a file"):
        describe(tmp_path / "missing.hdf5")


def test_info_tells_about_all_files_and_fails_for_the_bad_one(
    build: ModuleType, tmp_path: Path, nxstxm: Run
) -> None:
    good = build.build_file(tmp_path / "good.hdf5")
    status, out, err = nxstxm("info", tmp_path / "missing.hdf5", good)
    assert status == 1
    assert "good.hdf5" in out
    assert err.count("\n") == 1
    assert "missing.hdf5 is not a file" in err


def test_info_imports_neither_the_exporter_nor_matplotlib(
    build: ModuleType, tmp_path: Path
) -> None:
    path = build.build_file(tmp_path / "a.hdf5")
    program = (
        "import sys; from suitcase.nxstxm.cli import main; "
        f"assert main(['info', {str(path)!r}]) == 0; "
        "print(sorted({'matplotlib', 'bluesky', 'suitcase.nxstxm.exchange', "
        "'suitcase.nxstxm.sim'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
