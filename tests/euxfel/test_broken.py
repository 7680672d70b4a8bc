"""Without these tests a device that tells nonsense could leave a run that nobody can open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.euxfel import Serializer, documents, validate

from ..exchange.broken import Runs, all_originals, case, refused


@pytest.fixture(scope="module")
def originals() -> dict[str, Runs]:
    return all_originals()


def survives(number: int, originals: dict[str, Runs], folder: Path) -> bool:
    """Write a broken scan; tell whether all its runs were written."""
    told, runs = case(number, originals)
    well = True
    for run in runs:
        serializer = Serializer(folder)
        error = refused(_write, serializer, run)
        assert error is None or isinstance(error, NXstxmError), f"{told}: {error!r}"
        if error is not None:
            assert 10 < len(str(error)) < 4000, told
            well = False
            continue
        if serializer.folder is None:
            continue  # its start was what is missing
        errors = [p for p in validate(serializer.folder, extra_data=False) if p.level == "error"]
        assert errors == [], told
        assert [name for name, _ in documents(serializer.folder)], told
    left = list(folder.rglob("*.tmp"))
    assert not left, f"{told}: {left}"  # nothing is left of what failed
    return well


def _write(serializer: Serializer, run: Any) -> None:
    with serializer:
        for name, doc in run:
            serializer(name, doc)


@pytest.mark.parametrize("number", [*range(30), 48, 229, 289, 306, 395, 407, 804, 871])
def test_a_broken_document_makes_a_valid_run_or_an_error_of_ours(
    number: int, originals: dict[str, Runs], tmp_path: Path
) -> None:
    survives(number, originals, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(2))
def test_many_broken_documents(block: int, originals: dict[str, Runs], tmp_path: Path) -> None:
    numbers = range(1000 * (block + 2), 1000 * (block + 3))
    written = [survives(n, originals, tmp_path / str(n)) for n in numbers]
    assert sum(written) / len(written) > 0.2
