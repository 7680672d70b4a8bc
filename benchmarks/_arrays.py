"""What is stored by benchmarks of storage: a stack of images, and a list of events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[np.generic]
EVENT = [("time", "i8"), ("endtime", "i8"), ("energy", "f4"), ("y", "f4"), ("x", "f4"),
         ("counts", "i4")]  # fmt: skip


def stack(n: int) -> AnyArray:
    """Give images of 400 x 500 as a counting detector has them: 0.8 MB each."""
    return np.random.default_rng(1).poisson(60, (n, 400, 500)).astype(np.uint32)


def events(n: int) -> AnyArray:
    """Give points of a scan as a list, 32 bytes each, with times and places that were measured."""
    chance = np.random.default_rng(2)
    made = np.zeros(n, EVENT)
    point = np.arange(n)
    made["time"] = np.cumsum(1_000_000 + chance.integers(0, 5_000, n))  # ns
    made["endtime"] = made["time"] + 990_000 + chance.integers(0, 5_000, n)
    made["energy"] = 280 + 0.1 * (point // 40_000)
    made["y"] = 0.05 * (point // 200 % 200) + chance.normal(0, 0.002, n)
    made["x"] = 0.05 * (point % 200) + chance.normal(0, 0.002, n)
    made["counts"] = chance.poisson(60, n)
    return made


def cut(array: AnyArray, size: float = 20e6) -> list[AnyArray]:
    """Cut an array into chunks of about so many bytes."""
    rows = max(round(size / (array.nbytes / len(array))), 1)
    return [array[at : at + rows] for at in range(0, len(array), rows)]
