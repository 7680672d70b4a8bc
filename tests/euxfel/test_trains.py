"""Without these tests a clock that is wrong, or a device, could spoil the runs that come after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import documents, export, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from .runs import Documents, folder_of, number, opened, problems, run_of, stream_of

#: In the year 2100.
WILD = 4.1e9
NOW = float(int(time.time()))


def run_at(begin: float, n: int = 3, every: float = 1.0, uid: str = "run-1") -> Documents:
    """Give a run whose events come at these times."""
    run = run_of([{"a": float(i)} for i in range(n)], {"a": number()})
    at = iter(begin + every * i for i in range(n))
    for name, doc in run:
        doc["time"] = next(at) if name == "event" else begin
        if name == "event":
            doc["timestamps"] = {"a": doc["time"]}
        doc["run_start" if "run_start" in doc else "uid"] = uid
    return run


def ids_of(run: Documents, home: Path, **options: Any) -> list[int]:
    folder = folder_of(export(run, home, **options))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    return [int(train) for train in opened(folder).train_ids]


def ticks(begin: float, n: int = 3) -> list[int]:
    return [int(10 * (begin + i)) for i in range(n)]


# -- clocks that are wrong ------------------------------------------------------------------------


def test_a_run_from_the_future_does_not_shift_those_after_it(tmp_path: Path) -> None:
    assert ids_of(run_at(NOW), tmp_path) == ticks(NOW)
    assert ids_of(run_at(WILD), tmp_path) == ticks(WILD)
    assert ids_of(run_at(NOW + 60), tmp_path) == ticks(NOW + 60)
    # it has its own time until then, and afterwards follows
    assert ids_of(run_at(WILD + 60), tmp_path) == ticks(WILD + 60)
    again = ids_of(run_at(WILD), tmp_path)
    assert len({*again} & {*ticks(WILD), *ticks(WILD + 60)}) == 0
    assert ids_of(run_at(NOW + 120), tmp_path) == ticks(NOW + 120)


def test_ids_of_the_future_belong_to_one_run(tmp_path: Path) -> None:
    """Long ones, whose blocks of ids are not one behind the other, and several at once."""
    known: set[int] = set()
    for i in range(4):
        for begin, every in ((WILD + 700 * i, 90.0), (WILD + 30, 0.25), (NOW, 0.01)):
            ids = ids_of(run_at(begin, n=40, every=every), tmp_path)
            assert ids == sorted({*ids} - known)
            known.update(ids)
    assert len(known) == 4 * 3 * 40
    # the book of them does not grow with the events
    assert len((tmp_path / "p000000" / ".last-train").read_text().split()) < 15


def test_the_future_may_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids_of(run_at(WILD, n=30), tmp_path)
    monkeypatch.setattr("time.time", lambda: WILD)
    later = ids_of(run_at(WILD - 10, n=30), tmp_path)
    assert not {*first} & {*later}
    assert later[0] > first[-1]  # a run's ids are not parted by those of another
    assert ids_of(run_at(WILD + 90), tmp_path) == ticks(WILD + 90)


def test_a_clock_that_jumps_within_a_run_spoils_that_run_alone(tmp_path: Path) -> None:
    run = run_at(NOW, n=6)
    for i, (_, doc) in enumerate(run[5:7]):
        doc["time"] = WILD + i
    ids = ids_of(run, tmp_path)
    assert ids[:3] == ticks(NOW)
    assert ids[3:5] == ticks(WILD, 2)
    assert ids[5] == ids[4] + 1
    assert ids_of(run_at(NOW + 60), tmp_path) == ticks(NOW + 60)


def test_a_machine_without_a_clock_uses_no_id_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began in 1970, and writes what others measured."""
    known = {*ids_of(run_at(NOW), tmp_path)}
    monkeypatch.setattr("time.time", lambda: 100.0)
    for begin in (NOW, NOW + 60, 100.0, NOW + 30):
        ids = ids_of(run_at(begin), tmp_path)
        assert not known & {*ids}
        known.update(ids)
    monkeypatch.undo()
    assert not known & {*ids_of(run_at(NOW), tmp_path)}


def test_a_book_of_train_ids_that_makes_no_sense_is_begun_again(tmp_path: Path) -> None:
    book = tmp_path / "p000000" / ".last-train"
    book.parent.mkdir()
    for text in ("", "x", "12 7", "12 7-", "-"):
        book.write_text(text)
        export(run_at(NOW), tmp_path)
    assert book.read_text().split()[0].isdigit()


# -- times that go back ---------------------------------------------------------------------------


@pytest.mark.parametrize("trains_per_file", [2, 500])
def test_times_of_events_that_go_back_are_kept_beside(trains_per_file: int, tmp_path: Path) -> None:
    run = run_at(NOW, n=6)
    for at, back in ((4, 40.0), (5, 0.5)):  # the third, and the fourth
        run[at][1]["time"] -= back
    folder = folder_of(export(run, tmp_path, trains_per_file=trains_per_file))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    events = opened(folder)["BLUESKY/primary/EVENTS"]
    told = [doc["time"] for name, doc in run if name == "event"]
    assert events["time.value"].ndarray().tolist() == told
    stamps = opened(folder).select("BLUESKY/primary/EVENTS").train_timestamps()
    found = stamps.astype(np.int64) / 1e9
    np.testing.assert_allclose(found, np.maximum.accumulate(told), atol=1e-6)


def test_a_train_has_one_time_in_all_files(tmp_path: Path) -> None:
    """Also where a monitor begins after the clock went back."""
    run = stream_of(run_at(NOW, n=6), "ring_monitor", [{"ring": 1.0}] * 2, [NOW + 2.5, NOW + 4.5],
                    ring=number())  # fmt: skip
    for name, doc in run:
        if name == "event" and doc["time"] > NOW + 1.5:
            doc["time"] -= 30.0
    folder = folder_of(export(run, tmp_path))
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    times: dict[int, set[int]] = {}
    for file in opened(folder).files:
        index = file.file["INDEX"]
        if "DA00" not in file.filename:
            for train, at in zip(index["trainId"], index["timestamp"], strict=True):
                times.setdefault(int(train), set()).add(int(at))
    assert len(times) >= 6
    assert all(len(each) == 1 for each in times.values())


def test_scans_whose_clock_goes_back_are_valid(tmp_path: Path) -> None:
    (run,) = scan_documents(all_requests()["pystxm2019-sample_image-points"])
    moved = [
        (name, {**doc, "time": doc["time"] - 3600.0 * (i % 3)} if name == "event" else doc)
        for i, (name, doc) in enumerate(run)
    ]
    folder = folder_of(export(moved, tmp_path))
    assert validate(folder) == []
    assert difference(moved, list(documents(folder))) is None
