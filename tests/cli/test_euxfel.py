"""Without these tests people without a line of Python could not have their EuXFEL runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from suitcase.nxstxm import export_scan, nexus
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import documents, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from .shelf import Documents
from .test_export import write_lines

Run = Callable[..., tuple[int, str, str]]
REQUESTS = all_requests()
IMAGE, STACK = (f"pystxm2019-sample_image{kind}-lines" for kind in ("", "_stack"))


def stored(tmp_path: Path) -> tuple[Path, list[Documents]]:
    runs = [run for name in (IMAGE, STACK) for run in scan_documents(REQUESTS[name])]
    return write_lines(tmp_path / "scans.jsonl", *runs), runs


def test_each_run_of_stored_scans_becomes_one(tmp_path: Path, nxstxm: Run) -> None:
    path, runs = stored(tmp_path)
    status, out, err = nxstxm("euxfel", path, "-o", tmp_path / "data", "--proposal", "900001")
    assert (status, err) == (0, "")
    folders = sorted((tmp_path / "data" / "p900001" / "raw").glob("r*"))
    assert len(folders) == len(runs)
    found = {next(documents(folder))[1]["uid"]: folder for folder in folders}
    for run in runs:
        folder = found[run[0][1]["uid"]]
        assert str(folder) in out
        assert validate(folder) == []
        assert difference(run, list(documents(folder))) is None


def test_options_are_passed_on(tmp_path: Path, nxstxm: Run) -> None:
    [run] = scan_documents(REQUESTS[IMAGE])
    path = write_lines(tmp_path / "scan.jsonl", run)
    status, out, _ = nxstxm(
        "euxfel", path, "-o", tmp_path, "--instrument", "SM", "--cycle", "202601", "--domain", "B1",
        "--version", "1.2",
    )  # fmt: skip
    assert status == 0
    [folder] = tmp_path.glob("SM/202601/p*/raw/r*")
    assert str(folder) in out
    assert validate(folder) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--version", "2"], "version='2' is not one of '1.2', '1.3'"),
        (["--proposal", "none"], "is no number of a proposal"),
        (["--instrument", "SM"], "give both or none"),
        (["--external", "link"], "is not one of 'copy', 'vds'"),
    ],
)
def test_options_that_make_no_sense_are_told(
    options: list[str], told: str, tmp_path: Path, nxstxm: Run
) -> None:
    [run] = scan_documents(REQUESTS[IMAGE])
    path = write_lines(tmp_path / "scan.jsonl", run)
    status, _, err = nxstxm("euxfel", path, "-o", tmp_path / "data", *options)
    assert status == 1
    assert told in err
    assert not (tmp_path / "data").exists()


def test_what_can_not_be_written_stops_no_others(tmp_path: Path, nxstxm: Run) -> None:
    [run] = scan_documents(REQUESTS[IMAGE])
    good, bad = write_lines(tmp_path / "a.jsonl", run), tmp_path / "b.jsonl"
    bad.write_text("nonsense")
    status, out, err = nxstxm("euxfel", bad, good, "-o", tmp_path / "data")
    assert status == 1
    assert "b.jsonl" in err
    assert "r0" in out


def test_runs_are_exported_to_files_again(tmp_path: Path, nxstxm: Run) -> None:
    path, runs = stored(tmp_path)
    nxstxm("euxfel", path, "-o", tmp_path / "data", "--proposal", "5")
    status, out, err = nxstxm("export", tmp_path / "data" / "p000005", "-o", tmp_path / "files")
    assert (status, err) == (0, "")
    files = sorted((tmp_path / "files").glob("*.hdf5"))
    assert len(files) == 2  # the stack is one scan
    direct = export_scan(runs[:1], tmp_path / "direct")
    again = next(file for file in files if file.name == direct.name)
    uid = runs[0][0][1]["uid"]
    told = [list(nexus.read_documents(each, uid)) for each in (direct, again)]
    assert difference(*told) is None
    status, out, _ = nxstxm("info", *files)
    assert status == 0
    assert "sample image stack" in out


def test_a_folder_without_a_run_is_told(tmp_path: Path, nxstxm: Run) -> None:
    status, _, err = nxstxm("validate", tmp_path)
    assert status == 1 or "has no files" in err
    status, _, err = nxstxm("export", tmp_path, "-o", tmp_path / "files")
    assert status == 1
    assert str(tmp_path) in err
