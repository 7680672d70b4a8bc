"""Without these tests a scan that only the journal has could stay there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suitcase.nxstxm.cli._app import app, run
from suitcase.nxstxm.nexus import read_documents
from suitcase.nxstxm.sim import all_requests, scan_documents

from ..live.left import left_behind

LINES = "pystxm2019-sample_image-lines"


def test_it_makes_the_files_and_says_their_names(tmp_path: Path) -> None:
    [run_] = scan_documents(all_requests()[LINES])
    left_behind(tmp_path / "left", [run_])
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["recover", str(tmp_path / "empty"), str(tmp_path / "left")])
    assert result.exit_code == 0, result.output
    [path] = (tmp_path / "left").iterdir()
    assert str(path) in result.output
    assert f"nothing is left in {tmp_path / 'empty'}" in result.output
    assert len(list(read_documents(path))) == len(run_) - 1


def test_what_can_not_be_made_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run_] = scan_documents(all_requests()[LINES])
    left_behind(tmp_path / "left", [run_], path_provider="x")
    shutil.copytree(tmp_path / "left", tmp_path / "other")
    (tmp_path / "left/x.hdf5").write_text("mine")
    nowhere = str(tmp_path / "nowhere")
    assert run(["recover", str(tmp_path / "left"), nowhere, str(tmp_path / "other")]) == 1
    out, err = capsys.readouterr()
    assert f"{nowhere} is no folder" in err
    assert "is another scan's" in err
    assert "--overwrite" in err
    assert str(tmp_path / "other/x.hdf5") in out
    assert run(["recover", str(tmp_path / "left"), "--overwrite"]) == 0
