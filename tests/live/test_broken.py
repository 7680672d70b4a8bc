"""Without these tests a device that tells nonsense could fail a scan, or stop the writer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from suitcase.nxstxm import NXstxmError, NXstxmWriter, recover
from suitcase.nxstxm.nexus import read_documents, validate

from ..exchange.broken import Runs, all_originals, case, refused
from ..exchange.documents import ONE, scan

#: Seconds of computing that one case may take.
PATIENCE = 10.0


@pytest.fixture(scope="module")
def originals() -> dict[str, Runs]:
    return all_originals()


def survives(number: int, originals: dict[str, Runs], folder: Path, *, alone: bool) -> bool:
    """Bring a broken scan, unless alone a good one behind it; tell whether it became a file."""
    told, runs = case(number, originals)
    begun = time.process_time()
    with NXstxmWriter(folder, journal=number % 4 != 0, finish_timeout=60) as writer:
        for run in runs:
            for name, doc in run:
                error = refused(writer, name, doc)
                # only what can be told before anything moves may be told by raising
                known = error is None or (name == "start" and isinstance(error, NXstxmError))
                assert known, f"{told}: {name} raised {error!r}"
        writer.finish()
        written = list(writer.paths)
        if not alone:
            for name, doc in scan(ONE, scan_id=999, seed=999)[0]:
                writer(name, doc)
            [good] = set(writer.paths) - set(written)
            assert [p for p in validate(good) if p.level == "error"] == [], told
    error = refused(lambda: written.extend(recover(folder)))
    assert error is None or isinstance(error, NXstxmError), f"{told}: {error!r}"
    assert error is None or 10 < len(str(error)) < 4000, f"{told}: {error}"
    for path in written:
        errors = [p for p in validate(path) if p.level == "error"]
        assert not errors, f"{told}: {errors[:3]}"
        list(read_documents(path))
    took = time.process_time() - begun
    assert took < PATIENCE, f"{told}: took {took:.1f} s"
    return bool(written)


def try_all(numbers: range, originals: dict[str, Runs], folder: Path) -> None:
    written = [survives(n, originals, folder / str(n), alone=n % 5 != 0) for n in numbers]
    assert sum(written) / len(written) > 0.3


def test_a_broken_document_never_fails_a_scan(originals: dict[str, Runs], tmp_path: Path) -> None:
    try_all(range(20), originals, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(2))
def test_many_broken_documents_never_fail_a_scan(
    block: int, originals: dict[str, Runs], tmp_path: Path
) -> None:
    try_all(range(1000 * (block + 1), 1000 * (block + 2)), originals, tmp_path)


def deep(n: int = 100_000) -> object:
    found: object = "x"
    for _ in range(n):
        found = [found]
    return found


@pytest.mark.parametrize("key", ["name", "uid", "run_start", "data_keys", "hints"])
@pytest.mark.parametrize("journal", [True, False])
def test_what_nothing_can_be_done_with_holds_nobody_up(
    key: str, journal: bool, tmp_path: Path
) -> None:
    """A value without an end was: the scan's last document waited for ever."""
    [run] = scan(ONE, scan_id=1, seed=1)
    first = next(i for i, (name, _) in enumerate(run) if name == "descriptor")
    broken = {**run[first][1], key: deep()}
    with NXstxmWriter(tmp_path, journal=journal) as writer:
        for name, doc in [*run[:first], ("descriptor", broken), *run[first + 1 :]]:
            refused(writer, name, doc)
        for name, doc in scan(ONE, scan_id=999, seed=999)[0]:
            writer(name, doc)
    assert any("00999" in path.name for path in writer.paths)
    del broken, doc
