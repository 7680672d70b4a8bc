"""Without these tests a process that dies could leave half of the data behind as whole ones, take
good ones with it, or stand in the way of those that come after it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm.storage import (
    DataDirectory,
    DataNotAvailable,
    RunMetadataNotAvailable,
)

from .producer import PATH, chunks, expected, key
from .samples import directory, folder, names

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

#: How a process ends that was killed.
KILLED = -9
WORKERS = 8


class Parent:
    """Starts processes that store data, and kills them; see producer.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PATH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *what: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    parent = Parent()
    yield parent
    parent.close()


def lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


def errors(path: Path) -> str:
    told = path / "errors.txt"
    return told.read_text() if told.exists() else ""


def is_whole(store: DataDirectory, number: int, generation: int = 0) -> bool:
    """Tell whether data are there; see that they are exact then."""
    try:
        found = store.load(key(number))
    except DataNotAvailable:
        return False
    assert np.array_equal(found, expected(number, generation)), f"{number} is wrong"
    store.verify(key(number))
    return True


def leftovers(path: Path) -> list[str]:
    marks = ("_temp", "_broken", "_old", "_removed", ".json-")
    return [each.name for each in path.rglob("*") if any(mark in each.name for mark in marks)]


@pytest.mark.parametrize("n", [16, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_what_was_said_to_be_saved_is_there_whoever_was_killed(
    n: int, parent: Parent, tmp_path: Path
) -> None:
    path, ledger, chance = tmp_path / "store", tmp_path / "ledger.txt", random.Random(n)
    path.mkdir()
    store = directory(path)
    total = n + n // 4  # some are under way when the last one is killed
    seeds = iter(range(10**6))

    def begin() -> int:
        return parent.ask("begin", "produce", str(path), str(ledger), total, next(seeds))

    pids = [begin() for _ in range(WORKERS)]
    n_killed = n_looked = 0
    while len(set(lines(ledger))) < n:
        time.sleep(chance.uniform(0, 0.01))
        i = chance.randrange(WORKERS)
        status = parent.ask("kill", pids[i])
        assert status in (0, KILLED), errors(path)
        n_killed += status == KILLED
        pids[i] = begin()
        # whoever looks meanwhile sees all or nothing
        n_looked += is_whole(store, chance.randrange(total))
    for pid in pids:
        assert parent.ask("kill", pid) in (0, KILLED), errors(path)
    assert errors(path) == ""
    reported = {int(line) for line in lines(ledger)}
    assert len(reported) >= n
    for number in range(total):
        assert is_whole(store, number) or number not in reported
    known = {each.key for each in store.list() if each.is_whole}
    assert {key(number) for number in reported} <= known
    store.clean()
    assert leftovers(path) == []
    for number in range(total):
        assert is_whole(store, number) or number not in reported
        if key(number) not in store:
            store.saver(key(number)).save_from(chunks(number))
            assert is_whole(store, number)
    assert n_killed > 2
    report = f"{n_killed} processes killed, {len(reported)} of {total} keys saved, {n_looked} seen"
    sys.stderr.write(f"\n{report}\n")


@pytest.mark.parametrize("n", [16, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_who_is_killed_while_replacing_leaves_the_old_or_the_new_data(
    n: int, parent: Parent, tmp_path: Path
) -> None:
    chance = random.Random(n)
    path = tmp_path / "store"
    path.mkdir()
    store = directory(path)
    for number in range(4):
        store.saver(key(number)).save_from(chunks(number, 0))
    last = dict.fromkeys(range(4), 0)
    for trial in range(n):
        number = trial % 4
        ledger = tmp_path / f"{trial}.txt"
        first = last[number] + 1
        pid = parent.ask("begin", "replace", str(path), str(ledger), number, first)
        time.sleep(chance.uniform(0.005, 0.1))
        assert parent.ask("kill", pid) == KILLED, errors(path)
        saved = [int(line.split()[1]) for line in lines(ledger) if line.startswith("saved")]
        begun = [int(line.split()[1]) for line in lines(ledger) if line.startswith("begun")]
        old, new = max([last[number], *saved]), max([last[number], *begun])
        found = int(store.load(key(number))[0, 0])
        assert found in (old, new)
        assert is_whole(store, number, found)
        if trial % 2:
            store.clean()
            assert leftovers(path) == []
            found = int(store.load(key(number))[0, 0])
            assert found in (old, new)
            assert is_whole(store, number, found)
        last[number] = found
    store.clean()
    assert leftovers(path) == []


# -- before each single step ----------------------------------------------------------------------


def killed_at_each_step(parent: Parent, tmp_path: Path, what: str, before: Any) -> Iterator[Path]:
    """Have something done and killed before its first step, its second, and so on to its end."""
    for step in range(1, 400):
        path = tmp_path / str(step)
        path.mkdir()
        before(directory(path))
        status = parent.ask("end", parent.ask("begin", "step", str(path), what, step))
        assert status in (0, KILLED), errors(path)
        yield path
        if not status:
            assert step > 3
            return
    raise AssertionError("it never comes to its end")


def nothing(store: DataDirectory) -> None:
    pass


def old_data(store: DataDirectory) -> None:
    store.saver(key(1)).save_from(chunks(1, 1))


def old_and_left_data(store: DataDirectory) -> None:
    """Old data, what a dead writer left beside them, and what broke."""
    old_data(store)
    for state in ("_temp", "_broken"):
        folder(store, key(1), state).mkdir()
        (folder(store, key(1), state) / "000000.h5").write_bytes(b"half")


def data_without_their_name(store: DataDirectory) -> None:
    """Old and new data as one leaves them who is killed between the two renamings."""
    store.saver(key(1)).save_from(chunks(1, 2))
    at = folder(store, key(1))
    new = at.rename(at.with_name("new"))
    old_data(store)
    at.rename(folder(store, key(1), "_old-0123abcd"))
    new.rename(folder(store, key(1), "_temp"))


def generation(path: Path) -> int:
    """Give which data there are, which must be whole; 0 for none."""
    store = directory(path)
    try:
        found = int(store.load(key(1))[0, 0])
    except DataNotAvailable:
        return 0
    assert is_whole(store, 1, found)
    return found


def works_again(path: Path, *allowed: int) -> None:
    """See that what is there is clean, that it is what it may be, and that more can be saved."""
    seen = generation(path)
    assert seen in allowed
    store = directory(path, overwrite="always")
    store.clean(broken=True)
    assert leftovers(path) == []
    assert generation(path) == seen  # what was seen stays
    store.saver(key(1)).save_from(chunks(1, 3))
    assert generation(path) == 3
    assert leftovers(path) == []


@pytest.mark.parametrize(
    "before",
    [
        nothing,
        old_data,
        pytest.param(data_without_their_name, marks=pytest.mark.slow),
        pytest.param(old_and_left_data, marks=pytest.mark.slow),
    ],
)
def test_saving_can_be_killed_before_each_step(parent: Parent, tmp_path: Path, before: Any) -> None:
    old = 0 if before is nothing else 1
    found = []
    for path in killed_at_each_step(parent, tmp_path, "save", before):
        found.append(generation(path))
        assert found[-1] in (old, 2), "neither the old nor the new data are there"
        works_again(path, old, 2)
    assert found[-1] == 2
    assert found.count(old) > 3
    assert found == sorted(found) or before is data_without_their_name


def test_failing_can_be_killed_before_each_step(parent: Parent, tmp_path: Path) -> None:
    for path in killed_at_each_step(parent, tmp_path, "fail", old_data):
        works_again(path, 1)


def test_removing_can_be_killed_before_each_step(parent: Parent, tmp_path: Path) -> None:
    found = []
    for path in killed_at_each_step(parent, tmp_path, "remove", old_data):
        found.append(generation(path))
        works_again(path, found[-1])
    assert found == sorted(found, reverse=True)
    assert set(found) == {0, 1}


@pytest.mark.parametrize("before", [old_and_left_data, data_without_their_name])
def test_cleaning_can_be_killed_before_each_step(
    parent: Parent, tmp_path: Path, before: Any
) -> None:
    for path in killed_at_each_step(parent, tmp_path, "clean", before):
        store = directory(path)
        store.clean(broken=True)
        assert generation(path) == 1
        works_again(path, 1)


def test_noting_what_is_known_of_a_run_can_be_killed_before_each_step(
    parent: Parent, tmp_path: Path
) -> None:
    found = []

    def before(store: DataDirectory) -> None:
        if len(found) % 2:
            store.write_run_metadata("run-1", {"generation": 1})

    for path in killed_at_each_step(parent, tmp_path, "note", before):
        store = directory(path)
        try:
            known = store.run_metadata("run-1", "generation")
        except RunMetadataNotAvailable:
            known = 0
        assert known in (len(found) % 2, 2)
        found.append(known)
        store.clean()
        assert leftovers(path) == []
        store.write_run_metadata("run-1", {"generation": 3})
        assert store.run_metadata("run-1") == {"generation": 3}
        assert names(folder(store, key(1)).parent) == ["run.json"]
    assert found[-1] == 2
