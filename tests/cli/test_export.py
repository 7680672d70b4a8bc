"""Without these tests one bad scan among many could stop an export, or go unnoticed; and what was
chosen from a catalog could be too much, too little, or half a scan.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from threading import Timer
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.nexus import read_documents, validate
from suitcase.nxstxm.sim import ScanRequest, scan_documents

from ..exchange.same import holds, same_file
from .shelf import SHELVES, Documents, Shelf, simulated

Run = Callable[..., tuple[int, str, str]]
NOON = 1_714_564_800.0  # 2024-05-01T12:00Z
WITH_SHELVES = (sys.executable, str(Path(__file__).with_name("shelf.py")))


def write_lines(path: Path, *runs: Documents) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for run in runs:
            for name, doc in run:
                file.write(json.dumps([name, doc], default=_plain) + "\n")
    return path


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def image(start_time: float = NOON, scan_id: int = 1) -> Documents:
    request = ScanRequest(
        scan_type=6, start_time=start_time, scan_id=scan_id, include_baseline=False
    )
    return scan_documents(request)[0]


def stack(start_time: float = NOON, scan_id: int = 1) -> list[Documents]:
    request = ScanRequest(
        scan_type=7,
        energies=(700.0, 708.0, 710.0),
        start_time=start_time,
        scan_id=scan_id,
        include_baseline=False,
    )
    return scan_documents(request)


def uid(run: Documents) -> str:
    return str(run[0][1]["uid"])


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    yield SHELVES.setdefault("ours", Shelf("shelf ours"))
    del SHELVES["ours"]


def scans_in(folder: Path) -> list[set[str]]:
    """Give the runs of each file, in the order of time."""
    found = []
    for path in folder.glob("*"):
        assert path.suffix == ".hdf5"
        starts = [doc for name, doc in read_documents(path) if name == "start"]
        found.append((min(doc["time"] for doc in starts), {doc["uid"] for doc in starts}))
    return [uids for _, uids in sorted(found, key=lambda pair: pair[0])]


# -- files ----------------------------------------------------------------------------------------


def test_stored_scans_become_files_and_a_bad_one_is_told(tmp_path: Path, nxstxm: Run) -> None:
    one = write_lines(tmp_path / "image.jsonl", image())
    many = write_lines(tmp_path / "stack.jsonl", *stack())
    broken = tmp_path / "broken.jsonl"
    broken.write_text("not a document\n")
    out_dir = tmp_path / "files"

    status, out, err = nxstxm("export", one, broken, many, "-o", out_dir)
    assert status == 1
    assert "broken.jsonl" in err
    assert err.count("\n") == 1
    files = [Path(line.split("  from ")[0]) for line in out.splitlines()]
    assert sorted(files) == sorted(out_dir.glob("*.hdf5"))
    assert len(files) == 2
    for file in files:
        assert [p for p in validate(file) if p.level == "error"] == []


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, nxstxm: Run) -> None:
    path = write_lines(tmp_path / "image.jsonl", image())
    command = ("export", path, "-o", tmp_path / "files", "--prefix", "scan")
    assert nxstxm(*command)[0] == 0
    status, out, err = nxstxm(*command)
    assert (status, out) == (1, "")
    assert "scan.hdf5" in err
    assert "--overwrite" in err  # as it is called here
    assert nxstxm(*command, "--overwrite")[0] == 0


# -- what is chosen from a catalog ----------------------------------------------------------------


@pytest.mark.parametrize("given", ["the first", "the last", "short", "all"])
def test_one_run_brings_its_whole_scan(
    given: str, shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    runs, others = stack(), [image(NOON - 5000, 8), *stack(NOON + 5000, 9)]
    shelf.put(*runs, *others)
    uids = {
        "the first": [uid(runs[0])],
        "the last": [uid(runs[-1])],
        "short": [uid(runs[1])[:8]],
        "all": [uid(run) for run in reversed(runs)],
    }[given]
    options = [word for each in uids for word in ("--uid", each)]
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path / "files", *options)
    assert (status, err) == (0, "")
    path = tmp_path / "files" / f"00001-{uid(runs[0]):.8}.hdf5"
    assert out.startswith(f"{path}  from shelf:ours, run ")
    assert scans_in(tmp_path / "files") == [{uid(run) for run in runs}]
    same_file(path, export_scan(runs, tmp_path, file_prefix="reference"))


def test_numbers_bring_whole_scans_once_each(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    runs, again, other = stack(scan_id=5), image(NOON + 9e5, 6), image(NOON + 5000, 20)
    shelf.put(*runs, again, other)
    assert [run[0][1]["scan_id"] for run in runs] == [5, 6, 7]
    status, out, err = nxstxm(
        "export", "shelf:ours", "-o", tmp_path, "--scan-id", 6, "--scan-id", 7, "--scan-id", 6
    )
    assert (status, err) == (0, "")
    assert scans_in(tmp_path) == [{uid(run) for run in runs}, {uid(again)}]
    assert len(out.splitlines()) == 2


def test_a_number_that_is_not_there_is_told_and_the_others_are_exported(
    shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    shelf.put(image(scan_id=3))
    numbers = ("--scan-id", 4, "--scan-id", 3)
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path, *numbers)
    assert status == 1
    assert err == "error: shelf ours has no run of scan number 4\n"
    assert len(out.splitlines()) == 1
    assert len(scans_in(tmp_path)) == 1
    bounds = ("--since", "2024-05-02", "--until", "2024-05-03T06:00+02:00")
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path, "--scan-id", 3, *bounds)
    assert (status, out) == (1, "")
    assert err == (
        "error: shelf ours has no run of scan number 3 since 2024-05-02 00:00:00 UTC before "
        "2024-05-03 04:00:00 UTC\n"
    )


@pytest.mark.parametrize(
    ("bounds", "hours"),
    [
        (("--since", "2024-05-01"), [0, 12, 24]),
        (("--since", "2024-05-01T12:00"), [12, 24]),
        (("--since", "2024-05-01T12:00:01Z"), [24]),
        (("--since", "2024-05-01 13:30+02:00", "--until", "2024-05-02"), [12]),
        (("--since", "2024-04-30T00:00-06:00", "--until", "2024-05-01T12:00:00Z"), [0]),
        (("--scan-id", "12", "--until", "2024-05-02"), [12]),
        (("--scan-id", "12", "--scan-id", "0", "--since", "2024-05-01T06:00"), [12]),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(
    bounds: tuple[str, ...],
    hours: list[int],
    shelf: Shelf,
    tmp_path: Path,
    nxstxm: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "America/Regina")
    if hasattr(time, "tzset"):
        time.tzset()
    images = {hour: image(NOON + 3600 * (hour - 12), hour) for hour in (0, 12, 24)}
    shelf.put(*images.values())
    nxstxm("export", "shelf:ours", "-o", tmp_path, *bounds)
    assert scans_in(tmp_path) == [{uid(images[hour])} for hour in hours]


@pytest.fixture(autouse=True)
def _zone_of_the_machine() -> Iterator[None]:
    yield
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        (("--since", "2h"), [1]),
        (("--since", "90m"), [1]),
        (("--since", "3600s"), []),
        (("--since", "1d12h"), [20, 1]),
        (("--since", "1.5d"), [20, 1]),
        (("--since", "1w", "--until", "2h"), [100, 20]),
    ],
)
def test_spans_count_from_now(
    bounds: tuple[str, ...], kept: list[int], shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    now = time.time()
    images = {hours: image(now - 3600 * hours - 60, hours) for hours in (1, 20, 100)}
    shelf.put(*images.values())
    status, _, err = nxstxm("export", "shelf:ours", "-o", tmp_path, *bounds)
    assert scans_in(tmp_path) == [{uid(images[hours])} for hours in kept]
    assert (status, "has no run since" in err) == ((0, False) if kept else (1, True))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat()


def test_no_scan_is_cut_where_the_chosen_time_begins_or_ends(
    shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    """The same stack three times: a run alone does not tell which of them it belongs to."""
    stacks = [stack(NOON + 600 * n, 1 + 3 * n) for n in range(3)]
    odd = ("start", {"uid": "odd", "time": NOON + 1, "metadata": "{broken"})
    shelf.put(*(run for runs in stacks for run in runs), [odd])
    # the last run of the first stack, and the first of the second
    since, until = stacks[0][-1][0][1]["time"], stacks[1][0][0][1]["time"] + 0.01
    bounds = ("--since", _iso(since), "--until", _iso(until))
    _, _, err = nxstxm("export", "shelf:ours", "-o", tmp_path, *bounds)
    assert err == ""
    assert scans_in(tmp_path) == [{uid(run) for run in runs} for runs in stacks[:2]]


def test_a_run_that_makes_no_sense_is_told_when_it_is_asked_for(
    shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    odd = ("start", {"uid": "odd", "time": NOON + 1, "metadata": "{broken"})
    shelf.put(image(), [odd])
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path, "--since", "2024-05-01")
    assert status == 1
    assert err.startswith("error: shelf:ours, run odd: ")
    assert err.count("\n") == 1
    assert len(out.splitlines()) == 1


# -- runs that are not complete -------------------------------------------------------------------


def test_a_run_without_an_end_is_told_and_the_others_are_exported(
    shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    cut, whole = image()[:-1], image(NOON + 100, 2)
    shelf.put(cut, whole)
    command = ("export", "shelf:ours", "--since", "2024-05-01", "--timeout", 0.1)
    status, out, err = nxstxm(*command, "-o", tmp_path)
    assert status == 1
    assert scans_in(tmp_path) == [{uid(whole)}]
    assert len(out.splitlines()) == 1
    note, error = err.splitlines()
    assert note == f"note: waiting for the stop document of run {uid(cut)} (0 s left)"
    assert error.startswith(f"error: shelf:ours, run {uid(cut):.8}: run {uid(cut)} in shelf ours")
    assert "has no stop document after 0.1 s" in error
    assert "--timeout" in error
    assert "--incomplete" in error
    assert "=" not in error  # options as they are called here
    status, _, err = nxstxm(*command, "-o", tmp_path / "incomplete", "--incomplete")
    assert status == 0
    assert scans_in(tmp_path / "incomplete") == [{uid(cut)}, {uid(whole)}]
    [path] = (tmp_path / "incomplete").glob("00001-*")
    with h5py.File(path) as h5:
        assert not h5[h5.attrs["default"]].attrs["complete"]


def test_a_run_that_ends_in_time_is_awaited(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    runs = stack()
    shelf.put(*runs[:-1], runs[-1][:-1])
    timer = Timer(0.4, lambda: shelf.put(runs[-1]))
    timer.start()
    options = ("--uid", uid(runs[0]), "--timeout", 60)
    status, _, err = nxstxm("export", "shelf:ours", "-o", tmp_path, *options)
    timer.join()
    assert status == 0
    assert err.startswith("note: waiting for the stop document of run")
    [path] = tmp_path.iterdir()
    holds(path, runs)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shelf:ours"], "shelf:ours is a catalog; say .* with --uid, --scan-id or --since"),
        (["shelf:ours", "--until", "1h"], "shelf:ours is a catalog; say .* with --uid"),
        (["FILE", "--uid", "x"], "only files were given; leave them out, or name a catalog"),
        (["FILE", "--since", "1h"], "only files were given"),
        (["shelf:ours", "--uid", "x", "--scan-id", "1"], "--uid names one scan; leave out"),
        (["shelf:ours", "--uid", "x", "--until", "1h"], "--uid names one scan; leave out"),
        (["shelf:ours", "--uid", " "], "--uid is empty"),
        (["shelf:ours", "--since", "yesterday"], "--since 'yesterday' is no time; give .* 3d"),
        (["shelf:ours", "--since", ""], "--since '' is no time"),
        (["shelf:ours", "--since", "2h later"], "--since '2h later' is no time"),
        (["shelf:ours", "--since", "2024-13-01"], "--since '2024-13-01' is no time"),
        (["shelf:ours", "--since", "9" * 30 + "w"], "--since '9+w' is no time"),
        (["shelf:ours", "--since", "3d", "--until", "-1h"], "--until '-1h' is no time"),
        (["shelf:ours", "--since", "1h", "--until", "2h"], "--until 2h is not after --since 1h"),
        (["shelf:ours", "--since", "1h", "--timeout", "-1"], "--timeout -1 is no time to wait"),
        (["shelf:ours", "--since", "1h", "--timeout", "nan"], "--timeout nan is no time to wait"),
        (["shelf:ours", "--since", "1h", "--jobs", "0"], "Invalid value for .--jobs"),
        (["shelf:ours", "--scan-id", "x"], "Invalid value for .--scan-id"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    arguments: list[str], told: str, shelf: Shelf, tmp_path: Path, nxstxm: Run
) -> None:
    shelf.put(image())
    file = write_lines(tmp_path / "image.jsonl", image())
    given = [str(file) if word == "FILE" else word for word in arguments]
    status, out, err = nxstxm("export", *given, "-o", tmp_path / "files")
    assert (status, out) == (2, "")
    said = " ".join(err.replace("\u2502", " ").split())  # what typer tells is in a box
    assert re.search(told, said)
    assert not (tmp_path / "files").exists()


def test_runs_of_two_scans_are_not_made_one(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    one, other = image(), image(NOON + 100, 2)
    shelf.put(one, other)
    options = ("--uid", uid(one), "--uid", uid(other))
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path, *options)
    assert (status, out) == (1, "")
    assert f"names runs of 2 scans of shelf ours: {uid(one):.8}; {uid(other):.8}. Give" in err
    assert list(tmp_path.iterdir()) == []


def test_sources_that_fail_leave_the_others(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    shelf.put(image())
    gone = "shelf:gone://x?api_key=secret"
    one_run = f"shelf:ours/{uid(image())}"
    file = write_lines(tmp_path / "image.jsonl", image(NOON + 50, 2))
    sources = (gone, one_run, "shelf:ours", file, tmp_path / "none.json")
    status, out, err = nxstxm("export", *sources, "-o", tmp_path / "files", "--uid", uid(image()))
    assert status == 1
    assert len(out.splitlines()) == len(scans_in(tmp_path / "files")) == 2
    first, second, third = err.splitlines()
    assert first == "error: shelf:gone://x: there is no shelf 'gone:'"
    assert second == f"error: {one_run} is one run; give its catalog, and --uid {uid(image())}"
    assert "none.json does not exist" in third
    assert "secret" not in out + err


def test_a_scan_that_breaks_leaves_the_others(shelf: Shelf, tmp_path: Path, nxstxm: Run) -> None:
    """Also by an error that nobody foresaw, which keeps its traceback."""
    first, second, last = (image(NOON + 100 * n, n) for n in range(3))
    shelf.put(first, breaks=ZeroDivisionError("of a driver")).put(second)
    shelf.put(last, breaks=OSError("cable"))
    status, out, err = nxstxm("export", "shelf:ours", "-o", tmp_path, "--since", "2024-05-01")
    assert status == 1
    assert len(out.splitlines()) == 1
    assert len(list(tmp_path.glob("*.hdf5"))) == 1
    told = [line for line in err.splitlines() if line.startswith("error: ")]
    assert told == [
        f"error: shelf:ours, run {uid(first):.8}: ZeroDivisionError: of a driver",
        f"error: shelf:ours, run {uid(last):.8}: OSError: cable",
    ]
    assert err.count("Traceback") == 2


# -- many -----------------------------------------------------------------------------------------


def test_several_processes_write_the_same_and_know_whose_file_it_is(tmp_path: Path) -> None:
    """In processes of their own, from a catalog, with a scan in the middle that fails."""
    runs = [run.own for run in simulated().by_uid.values()]
    image_run, stack_runs, spectrum = runs[0], runs[1:3], runs[3]
    out_dir = tmp_path / "files"
    out_dir.mkdir()
    taken = out_dir / f"{uid(stack_runs[0])}.hdf5"
    taken.write_text("mine")
    command = ["export", "shelf:simulated", "--since", "2023-11-01", "--prefix", "{uid}"]
    done = subprocess.run(
        [*WITH_SHELVES, *command, "-o", str(out_dir), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    names = {uid(run): out_dir / f"{uid(run)}.hdf5" for run in (image_run, spectrum)}
    *written, failed = done.stdout.splitlines()
    assert written == [f"{path}  from shelf:simulated, run {u:.8}" for u, path in names.items()]
    assert failed.startswith(f"error: shelf:simulated, run {uid(stack_runs[0]):.8}: {taken} exists")
    assert taken.read_text() == "mine"
    for run in (image_run, spectrum):
        reference = export_scan([run], tmp_path, file_prefix="{uid}")
        same_file(names[uid(run)], reference)


def test_files_in_several_processes(tmp_path: Path, nxstxm: Run) -> None:
    """The same scan from two files of one number: only one can have the name."""
    first = write_lines(tmp_path / "a.jsonl", image(), *stack(NOON + 100, 2))
    second = write_lines(tmp_path / "b.jsonl", image(NOON + 700, 1), image(NOON + 800, 1))
    status, out, err = nxstxm("export", first, second, "-o", tmp_path / "files", "--jobs", 2)
    assert (status, err) == (0, "")
    found = [line.split("  from ") for line in out.splitlines()]
    assert [source for _, source in found] == [str(first)] * 2 + [str(second)] * 2
    expected = [[image()], stack(NOON + 100, 2), [image(NOON + 700)], [image(NOON + 800)]]
    for (path, _), runs in zip(found, expected, strict=True):
        assert {uid(run) for run in runs} == {
            doc["uid"] for name, doc in read_documents(path) if name == "start"
        }


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("option", "count"), [(("--since", "2023-11-01"), 3), (("--scan-id", "1"), 1)]
)
def test_a_terminal_has_a_bar_for_several_scans(
    option: tuple[str, str], count: int, tmp_path: Path
) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    command = [*WITH_SHELVES, "export", "shelf:simulated", "-o", str(tmp_path), *option]
    running = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while piece := _read(ours):
        shown += piece
    os.close(ours)
    assert running.wait(60) == 0
    assert (b"exporting" in shown) == (count > 1)
    assert (f"{count}/{count}".encode() in shown) == (count > 1)
    assert shown.count(b".hdf5") == count


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def test_help_names_all_that_can_be_chosen(nxstxm: Run) -> None:
    for command in ("export", "archive"):
        status, out, _ = nxstxm(command, "--help")
        assert status == 0
        told: Any = set(re.findall(r"--[a-z-]+", out))
        assert {"--uid", "--scan-id", "--since", "--until", "--timeout", "--incomplete"} <= told
        assert {"--jobs", "--overwrite", "--output"} <= told
