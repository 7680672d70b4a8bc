"""Whether two files hold the same: every group, dataset and attribute, value by value.

What may differ is left out by name: the time at which a file was written, and how the bytes of an
archive are cut into blocks (the documents in it may not differ).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import read_documents


def same_file(a: Path, b: Path) -> None:
    """Assert that two files hold the same."""
    with h5py.File(a) as one, h5py.File(b) as other:
        found = list(differences(one, other))
    assert not found, "\n".join(found[:20])
    assert difference(read_documents(a), read_documents(b)) is None


def differences(a: h5py.Group, b: h5py.Group) -> Iterator[str]:
    """Name the places where two groups differ."""
    yield from _attributes(a, b)
    one, other = dict(a.items()), dict(b.items())
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield f"{a.name}: {name} is only in the {'first' if name in one else 'second'}"
        elif type(one[name]) is not type(other[name]):
            yield f"{a.name}: {name} is a group in one and a dataset in the other"
        elif isinstance(one[name], h5py.Group):
            yield from differences(one[name], other[name])
        else:
            yield from _datasets(one[name], other[name])


def _datasets(a: h5py.Dataset, b: h5py.Dataset) -> Iterator[str]:
    yield from _attributes(a, b)
    if a.dtype == np.uint8 and a.ndim == 1 and "/collection/bluesky/" in a.name:
        return  # the archive of a run
    one, other = a[()], b[()]
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        yield f"{a.name}: {a.shape} {a.dtype} is not {b.shape} {b.dtype}"
    elif not _equal(one, other):
        yield f"{a.name}: {one!r:.200} is not {other!r:.200}"


def _attributes(a: Any, b: Any) -> Iterator[str]:
    one, other = dict(a.attrs), dict(b.attrs)
    leave_out = {"file_time"} if a.name == "/" else set()
    for attributes, home in ((one, a), (other, b)):
        if "source_file" in attributes:  # named as it is seen from the file
            folder = Path(home.file.filename).parent
            places = [str((folder / place).resolve()) for place in attributes["source_file"]]
            attributes["source_file"] = places
    for name in sorted({*one, *other} - leave_out):
        if not _equal(one.get(name), other.get(name)):
            yield f"{a.name}@{name}: {one.get(name)!r} is not {other.get(name)!r}"


def _equal(a: Any, b: Any) -> bool:
    one, other = np.asarray(a), np.asarray(b)
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def holds(path: Path, runs: list[list[tuple[str, Any]]]) -> None:
    """Assert that the archive of a file equals the documents of some runs."""
    ordered = sorted(runs, key=lambda run: (run[0][1]["time"], run[0][1]["uid"]))
    found = list(read_documents(path))
    expected = [document for run in ordered for document in run]
    assert difference(expected, found) is None
    for pair in zip_longest(expected, found):
        assert None not in pair
