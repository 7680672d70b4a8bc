"""What tests of detectors' files look for in a file of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import nexusformat_problems, read_documents, validate

Documents = list[tuple[str, Any]]


def looked_at(path: Path, documents: Documents) -> None:
    assert [p for p in validate(path) if p.level == "error"] == []
    assert [p for p in nexusformat_problems(path) or () if p.level == "error"] == []
    assert difference(documents, list(read_documents(path))) is None


def raw(path: Path) -> Any:
    with h5py.File(path) as h5:
        return h5["entry/data/data"][()]


def told(h5: h5py.File) -> str:
    return "\n".join(h5["entry0/collection/messages"].asstr()[()])
