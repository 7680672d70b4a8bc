"""What other processes do with a store while a test watches; run as a script.

``process.py COMMAND JSON`` does one thing and writes ``["done", ...]`` or ``["failed", error,
message]``; see the functions for what there is.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.storage import DataDirectory, DataKey, Saver


def key(run: str = "a-run", data_type: str = "od", **options: Any) -> DataKey:
    return DataKey(run, data_type, {data_type: ("f", "1", options)})


def chunk(i: int, how: str = "") -> Any:
    """Make a chunk of two rows, which knows its number."""
    if "array" in how:
        return np.full((2, 3), i)
    import xarray as xr

    x = np.arange(4.0) + (i == 3 if "constants" in how else 0)
    dtype = "f4" if "schema" in how and i == 3 else "f8"
    return xr.Dataset(
        {"od": (("energy", "x"), np.full((2, 4), i, dtype))},
        coords={"energy": [2.0 * i, 2.0 * i + 1], "x": x},
        attrs={"title": "a stack"},
    )


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def add(saver: Saver, numbers: list[int], how: str) -> None:
    """Add chunks to what another process began."""
    with saver:
        for i in numbers:
            if "error" in how and i == 3:
                raise ValueError("the third could not be made")
            if "writing" in how and i == 3:
                saver._append = die  # type: ignore[attr-defined]
            elif "killed" in how and i == 3:
                die()
            saver.save(chunk(i, how), np.int64(i), label=f"number {i}")


def several(path: str, method: str, how: str = "", before: int = 0, durable: bool = False) -> Any:
    """Save six chunks with three processes, and `before` of them in this one."""
    store = DataDirectory(path, durable=durable, overwrite="always")
    saver = store.saver(key())
    for i in range(before):
        saver.save(chunk(i, how), i)
    context: Any = multiprocessing.get_context(method)
    left = list(range(before, 6))
    shares = [[0, 1, 3], [3, 2], [4, 5]] if "twice" in how else [left[i::3] for i in range(3)]
    workers = [context.Process(target=add, args=(saver, share, how)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    saver.close()
    return [worker.exitcode for worker in workers]


def pool(path: str, method: str) -> Any:
    """Save six chunks with a pool, to which the saver goes with each chunk."""
    store = DataDirectory(path, durable=False)
    saver = store.saver(key())
    with saver, multiprocessing.get_context(method).Pool(2) as workers:
        workers.starmap(add, [(saver, [i], "array") for i in range(6)])
    return store.open(key()).metadata.n_chunks


def forget(path: str) -> Any:
    """Let a forked process forget the saver: the lock stays with this one."""
    import gc

    store = DataDirectory(path, durable=True)
    saver = store.saver(key())
    saver.save(chunk(0, "array"))
    pid = os.fork()
    if not pid:
        del saver
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    try:
        store.saver(key())
    except NXstxmError as error:
        saver.close()
        return type(error).__name__
    return "the lock was lost"


def hold(path: str, run: str = "a-run", chunks: int = 1) -> None:
    """Write, and wait for a line before closing, or for the end of this process."""
    store = DataDirectory(path, durable=False)
    with store.saver(key(run)) as saver:
        for i in range(chunks):
            saver.save(chunk(i, "array"))
        sys.stdout.write(json.dumps(["holds", os.getpid()]) + "\n")
        sys.stdout.flush()
        sys.stdin.readline()


def full(path: str, limits: list[int]) -> Any:
    """Save with files that can not become larger than limits, as on a full disk."""
    import resource

    store = DataDirectory(path, durable=False)
    outcomes = []
    for i, limit in enumerate(limits):
        saved, error = 0, ""
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            with store.saver(key(n=i), compression=("lz4", "none")[i % 2]) as saver:
                for j in range(60):
                    saver.save(np.full(500, j, "f8") + np.random.default_rng(j).random(500))
                    saved += 1
        except NXstxmError as told:
            error = f"{type(told).__name__}: {told}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        found = list(store.loader(key(n=i), allow_incomplete=True)) if saved else []
        outcomes.append((error, saved, len(found)))
    return outcomes


def main() -> None:
    command, arguments = sys.argv[1], json.loads(sys.argv[2])
    known: dict[str, Any] = {each.__name__: each for each in (several, pool, forget, hold, full)}
    try:
        answer = ["done", known[command](**arguments)]
    except NXstxmError as error:
        answer = ["failed", type(error).__name__, str(error)]
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


PATH = Path(__file__)

if __name__ == "__main__":
    main()
