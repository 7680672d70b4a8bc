"""Without these tests the file of a scan could depend on the order in which its runs are exported,
and on who exports them: threads, processes, one call or many.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from suitcase.nxstxm.exchange import export, export_scan, finish_export

from .documents import STACK, TOMOGRAPHY, TWO_BY_TWO, Document, camera_stack, first_uid, lean, scan
from .same import holds, same_file

Runs = list[list[Document]]
SCANS: dict[str, Callable[[], Runs]] = {
    "stack of 3 energies": lambda: scan(STACK),
    "tomography of 3 angles and 2 energies": lambda: lean(TOMOGRAPHY),
    "2 regions and 2 polarizations": lambda: lean(TWO_BY_TWO),
    "interleaved polarizations": lambda: lean("stack-interleaved-polarizations"),
    "aborted": lambda: lean("stack-two-regions-aborted"),
    "group of the stxm block": lambda: scan("stxm-stack-group"),
    "repeated energies": lambda: lean("stack-repeated-energies"),
    "frames": lambda: camera_stack(3),
}
RARER = {
    "interleaved polarizations",
    "aborted",
    "group of the stxm block",
    "repeated energies",
}
every_scan = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.slow] if name in RARER else [])
        for name, make in SCANS.items()
    ],
)


def one_by_one(runs: Runs, folder: Path) -> Path:
    u = min(run[0][1]["time"] for run in runs)
    [first] = [run[0][1]["uid"] for run in runs if run[0][1]["time"] == u]
    for run in runs:
        export(run, folder, "x", first_uid=first)
    return finish_export(folder, "x", first)


@every_scan
def test_the_order_of_the_runs_does_not_matter(make: Callable[[], Runs], tmp_path: Path) -> None:
    runs = make()
    reference = one_by_one(runs, tmp_path / "in order")
    holds(reference, runs)
    for number, order in enumerate((runs[::-1], random.Random(4).sample(runs, len(runs)))):
        same_file(reference, one_by_one(order, tmp_path / str(number)))


@every_scan
def test_a_scan_exported_at_once_is_the_same_file(make: Callable[[], Runs], tmp_path: Path) -> None:
    runs = make()
    reference = one_by_one(runs, tmp_path / "one by one")
    at_once = export_scan(runs, tmp_path / "at once")
    same_file(reference, at_once)
    shuffled = random.Random(1).sample(runs, len(runs))
    same_file(reference, export_scan(shuffled, tmp_path / "shuffled"))
    same_file(reference, export_scan(reference, tmp_path / "from the file itself"))


def in_threads(runs: Runs, folder: Path) -> Path:
    u = first_uid(sorted(runs, key=lambda run: run[0][1]["time"]))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(export, run, folder, "x", first_uid=u) for run in runs]
    for call in done:
        [path] = call.result()["stream_data"]
        assert path.name == f"x.{u}.tmp"
    assert [path.name for path in folder.iterdir()] == [f"x.{u}.tmp"]
    return finish_export(folder, "x", u)


@every_scan
def test_a_thread_pool_makes_the_same_file(make: Callable[[], Runs], tmp_path: Path) -> None:
    runs = make()
    reference = one_by_one(runs, tmp_path / "one by one")
    shuffled = random.Random(2).sample(runs, len(runs))
    same_file(reference, in_threads(shuffled, tmp_path / "threads"))


def test_scans_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    scans = [lean(name) for name in (STACK, TOMOGRAPHY, TWO_BY_TWO)]
    calls = [(run, first_uid(runs)) for runs in scans for run in runs]
    random.Random(3).shuffle(calls)
    with ThreadPoolExecutor(4) as pool:
        for call in [pool.submit(export, run, tmp_path, "x", first_uid=u) for run, u in calls]:
            call.result()
    for number, runs in enumerate(scans):
        final = finish_export(tmp_path, f"x{number}", first_uid(runs))
        same_file(one_by_one(runs, tmp_path / f"alone{number}"), final)
    assert sorted(p.name for p in tmp_path.glob("*.*")) == ["x0.hdf5", "x1.hdf5", "x2.hdf5"]


def test_two_processes_make_the_same_file(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for number, name in enumerate(["2 regions and 2 polarizations", "frames"]):
            runs = SCANS[name]()
            folder = tmp_path / str(number)
            u = first_uid(runs)
            shuffled = random.Random(name).sample(runs, len(runs))
            for call in [pool.submit(export, r, folder, "x", first_uid=u) for r in shuffled]:
                call.result()
            assert [path.name for path in folder.iterdir()] == [f"x.{u}.tmp"]
            final = pool.submit(finish_export, folder, "x", u).result()
            same_file(one_by_one(runs, tmp_path / f"alone{number}"), final)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_threads_and_processes_make_the_same_file_every_time(tmp_path: Path) -> None:
    references = {
        name: one_by_one(make(), tmp_path / f"{number}")
        for number, (name, make) in enumerate(SCANS.items())
    }
    for turn in range(300):
        name = list(SCANS)[turn % len(SCANS)]
        runs = random.Random(turn).sample(SCANS[name](), len(SCANS[name]()))
        final = in_threads(runs, tmp_path / f"turn{turn}")
        same_file(references[name], final)
        final.unlink()
