"""Processes that store data until they are killed; run as a script, a line of JSON in and out a
call.

``["begin", what, ...]`` forks a child that does something, the answer is its pid; ``["kill", pid]``
kills it, ``["end", pid]`` waits for its end, and the answer is how it ended. A child that has ended
keeps its pid until then, so nobody else can be killed by mistake. Forking is quick: hundreds of
children are killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from suitcase.nxstxm.storage import (
    DataDirectory,
    DataExistsError,
    DataKey,
    DataLockedError,
)

#: What a process asks the system for, and can be killed before.
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


def key(number: int) -> DataKey:
    lineage = {"od": ("od", "1", {}), "map": ("map", "1", {"number": number})}
    return DataKey(f"run-{number % 5}", "map", lineage)


def chunks(number: int, generation: int = 0) -> list[np.ndarray]:
    """Make the data of a key, always the same."""
    chance = np.random.default_rng((number, generation))
    sizes = chance.integers(0, 200, chance.integers(1, 6))
    made = [chance.integers(0, 2**30, (int(n), int(chance.integers(20, 21)))) for n in sizes]
    return [np.full((1, 20), generation), *made]


def expected(number: int, generation: int = 0) -> np.ndarray:
    return np.concatenate(chunks(number, generation))


# -- what the children do -------------------------------------------------------------------------


def produce(path: str, ledger: str, n: int, seed: int) -> None:
    """Save what is not there yet, in any order, and report what was saved."""
    book = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chance = random.Random(seed)
    store = DataDirectory(path, durable=bool(seed % 2))
    numbers = list(range(n))
    chance.shuffle(numbers)
    for number in numbers:
        if key(number) in store:
            continue
        with suppress(DataExistsError, DataLockedError):
            with store.saver(key(number), wait=chance.choice([0, 60])) as saver:
                for chunk in chunks(number):
                    saver.save(chunk)
                    time.sleep(chance.uniform(0, 0.03))
            os.write(book, f"{number}\n".encode())


def replace(path: str, ledger: str, number: int, first: int) -> None:
    """Replace the data of a key again and again; report before and after."""
    book = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = DataDirectory(path, durable=False, overwrite="always")
    for generation in range(first, first + 10_000):
        os.write(book, f"begun {generation}\n".encode())
        with store.saver(key(number)) as saver:
            for chunk in chunks(number, generation):
                saver.save(chunk)
        os.write(book, f"saved {generation}\n".encode())


def step(path: str, what: str, before: int) -> None:
    """Do one thing, and be killed before a step of it."""
    store = DataDirectory(path, durable=False, overwrite="always")
    asked = [0]

    def watch(event: str, _: Any) -> None:
        if event in STEPS:
            asked[0] += 1
            if asked[0] == before:
                os.kill(os.getpid(), signal.SIGKILL)

    if what == "save":
        saved = chunks(1, 2)
        sys.addaudithook(watch)
        store.saver(key(1)).save_from(saved, threads=1)
    elif what == "fail":
        saved = chunks(1, 2)
        sys.addaudithook(watch)
        with suppress(ZeroDivisionError), store.saver(key(1)) as saver:
            saver.save(saved[0])
            raise ZeroDivisionError
    elif what == "remove":
        sys.addaudithook(watch)
        store.remove(key(1))
    elif what == "clean":
        sys.addaudithook(watch)
        store.clean(broken=True)
    else:
        sys.addaudithook(watch)
        store.write_run_metadata("run-1", {"generation": 2})


# -- the parent of them all -----------------------------------------------------------------------


def begun(what: str, *arguments: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        {"produce": produce, "replace": replace, "step": step}[what](*arguments)
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may come back from here
        with Path(arguments[0], "errors.txt").open("a") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        if what == "begin":
            answer = begun(*arguments)
        else:
            [pid] = arguments
            if what == "kill":
                os.kill(pid, signal.SIGKILL)
            answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


PATH = Path(__file__)

if __name__ == "__main__":
    main()
