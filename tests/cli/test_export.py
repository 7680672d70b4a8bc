"""Without these tests one bad file among many could stop an export, or go unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from suitcase.nxstxm.nexus import validate
from suitcase.nxstxm.sim import ScanRequest, scan_documents

Run = Callable[..., tuple[int, str, str]]


def write_lines(path: Path, request: ScanRequest) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for run in scan_documents(request):
            for name, doc in run:
                file.write(json.dumps([name, doc], default=_plain) + "\n")
    return path


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def test_stored_scans_become_files_and_a_bad_one_is_told(tmp_path: Path, nxstxm: Run) -> None:
    image = write_lines(tmp_path / "image.jsonl", ScanRequest(scan_type=6))
    stack = write_lines(tmp_path / "stack.jsonl", ScanRequest(scan_type=7, energies=(700.0, 708.0)))
    broken = tmp_path / "broken.jsonl"
    broken.write_text("not a document\n")
    out_dir = tmp_path / "files"

    status, out, err = nxstxm("export", image, broken, stack, "-o", out_dir)
    assert status == 1
    assert "broken.jsonl" in err
    assert err.count("\n") == 1
    files = [Path(line.split("  from ")[0]) for line in out.splitlines()]
    assert sorted(files) == sorted(out_dir.glob("*.hdf5"))
    assert len(files) == 2
    for file in files:
        assert [p for p in validate(file) if p.level == "error"] == []


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, nxstxm: Run) -> None:
    image = write_lines(tmp_path / "image.jsonl", ScanRequest(scan_type=6))
    command = ("export", image, "-o", tmp_path / "files", "--prefix", "scan")
    assert nxstxm(*command)[0] == 0
    status, out, err = nxstxm(*command)
    assert (status, out) == (1, "")
    assert "scan.hdf5" in err
    assert nxstxm(*command, "--overwrite")[0] == 0
