"""A beamtime is thousands of files: a table of them must be right, safe, and quick again."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.cli._browse import browse_folder
from suitcase.nxstxm.cli._page import PAGE

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
from styles import STYLES, build_style

Run = Callable[..., tuple[int, str, str]]


def rows_of(page: Path) -> dict[str, dict]:
    text = page.read_text(encoding="utf-8")
    data = text.partition('id="scans">')[2].partition("</script>")[0]
    return {row["file"]: row for row in json.loads(data)}


def picture(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(row["picture"]))).convert("RGB"))


def test_every_file_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "day one").mkdir()
    for name in STYLES:
        build_style(name, tmp_path / "day one")
    made = browse_folder(tmp_path)
    assert made.page == tmp_path / "scans.html"
    assert (made.files, made.read, made.failed) == (len(STYLES), len(STYLES), 0)
    rows = rows_of(made.page)
    for name in STYLES:
        row = rows[f"day one/{name}.hdf5"]
        assert "error" not in row
        assert picture(row).size
    row = rows["day one/pixelator-stack.hdf5"]
    assert row["type"] == "sample image stack"
    assert row["energies"] == [280.0, 290.0]
    assert row["shape"] == "3 x 4 x 5"
    assert row["width"] == 4.0
    assert row["start"] == "2026-03-19T12:00:00+01:00"
    assert row["sample"] == "a sample"
    assert row["dwell"] == 0.002
    assert row["polarization"] == "3.0"


def test_pictures_are_upright(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", "sample image", sizes=build.Sizes(y=40, x=50))
    data = np.zeros((40, 50))
    data[-10:, -20:] = 100.0  # the largest y and x
    data[:10, :20] = np.nan  # the smallest
    with h5py.File(path, "r+") as file:
        file["entry0/counter0/data"][...] = data
    shown = picture(rows_of(browse_folder(tmp_path).page)["a.hdf5"])
    assert (shown[2, -3] == 255).all()
    assert (shown[-3, 2] == (0xE8, 0xB3, 0x6B)).all()
    assert (shown[2, 2] == 0).all()
    assert max(shown.shape) == 96
    # 39 steps of y over 8 um, 49 of x over 10 um, and half a step around
    assert shown.shape[0] / shown.shape[1] == pytest.approx(
        (8 * 40 / 39) / (10 * 50 / 49), rel=0.02
    )


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    for name in ("pixelator-stack", "mantis"):
        build_style(name, tmp_path)
    browse_folder(tmp_path)
    assert browse_folder(tmp_path).read == 0
    build_style("cls-image", tmp_path)
    with h5py.File(tmp_path / "mantis.hdf5", "r+") as file:
        file["entry1/title"] = "changed"
    made = browse_folder(tmp_path)
    assert (made.files, made.read) == (3, 2)
    assert rows_of(made.page)["mantis.hdf5"]["sample"] == "changed"
    (tmp_path / "cls-image.hdf5").unlink()
    assert set(rows_of(browse_folder(tmp_path).page)) == {"mantis.hdf5", "pixelator-stack.hdf5"}


def test_a_page_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    build_style("mantis", tmp_path)
    page = browse_folder(tmp_path).page
    os.truncate(page, page.stat().st_size // 4)
    assert browse_folder(tmp_path).read == 1


def test_several_processes_give_the_same_table(tmp_path: Path) -> None:
    for name in list(STYLES)[:12]:
        build_style(name, tmp_path)
    alone = rows_of(browse_folder(tmp_path).page)
    together = rows_of(browse_folder(tmp_path, tmp_path / "other.html", jobs=2).page)
    assert alone == together


def test_files_that_can_not_be_read_are_rows_too(tmp_path: Path) -> None:
    (tmp_path / "broken.hdf5").write_bytes(b"no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = 1
    made = browse_folder(tmp_path)
    assert made.failed == 2
    rows = rows_of(made.page)
    assert "can not be opened as HDF5" in rows["broken.hdf5"]["error"]
    assert "holds no scan" in rows["other.h5"]["error"]


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_numbers_that_are_none_do_not_break_the_page(tmp_path: Path, wrong: float) -> None:
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        for name, number in (("energy", 2), ("sample_x", 4), ("count_time", 0)):
            file[f"entry1/counter0/{name}"][number] = wrong
    page = browse_folder(tmp_path).page

    def refuse(constant: str) -> None:
        raise AssertionError(f"a browser does not take {constant}")

    text = page.read_text(encoding="utf-8").partition('id="scans">')[2].partition("</script>")[0]
    [row] = json.loads(text, parse_constant=refuse)
    assert row["energies"] == [280.0, 285.5]
    assert row["width"] == 3.0
    # a page that has such numbers is not kept
    page.write_text(page.read_text("utf-8").replace('"width":3.0', '"width":Infinity'), "utf-8")
    assert browse_folder(tmp_path).read == 1
    assert rows_of(page)[path.name]["width"] == 3.0
    assert browse_folder(tmp_path).read == 0


def test_the_largest_numbers_have_no_difference(tmp_path: Path) -> None:
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        file["entry1/counter0/sample_x"][...] = [-1.7e308, 1, 2, 3, 1.7e308]
    assert rows_of(browse_folder(tmp_path).page)[path.name]["width"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"T\xfcr")
    folder.mkdir()
    path, _ = build_style("mantis", folder)
    with h5py.File(path, "r+") as file:
        file["entry1/title"] = np.bytes_(b"Pr\xf6be")
    path.rename(folder / os.fsdecode(b"Pr\xf6be.hdf5"))
    (folder / os.fsdecode(b"\xf6.h5")).write_bytes(b"")
    made = browse_folder(folder)
    rows = rows_of(made.page)
    assert sorted(rows) == ["Pr\\udcf6be.hdf5", "\\udcf6.h5"]
    assert [rows[name]["link"] for name in sorted(rows)] == ["Pr%F6be.hdf5", "%F6.h5"]
    assert (made.files, made.read, made.failed) == (2, 2, 1)
    assert browse_folder(folder).read == 0
    assert browse_folder(tmp_path).read == 2, "the folder in the name of a file"


def test_nothing_unfinished_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_style("mantis", tmp_path)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suitcase.nxstxm.cli._browse.publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        browse_folder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mantis.hdf5"]


def test_a_picture_that_does_not_fit_into_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_style("mantis", tmp_path)

    def full(*_: object) -> bytes:
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("suitcase.nxstxm.cli._rows.thumbnail", full)
    [row] = rows_of(browse_folder(tmp_path).page).values()
    assert row["error"] == "its picture does not fit into the memory (Unable to allocate 7.28 TiB)"


def test_what_is_no_scan_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.uid.journal").mkdir()
    for name in (
        ".hidden/a.hdf5",
        "a.uid.journal/b.hdf5",
        "a_ccdframes_0_0.stxm",
        "a.own.tmp",
        "x.txt",
    ):
        (tmp_path / name).write_bytes(b"")
    assert browse_folder(tmp_path).files == 0


HOSTILE = '</script><script>document.title="hacked"</script><img src=x onerror=alert(1)>'


def hostile(folder: Path) -> Path:
    path, _ = build_style("pixelator-stack", folder)
    with h5py.File(path, "r+") as file:
        del file["entry1/title"]
        file["entry1/title"] = HOSTILE
    return path.rename(folder / 'it\'s a "name" & more #1%20.hdf5')


def test_nothing_of_a_file_becomes_part_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "<b>bold<b>"
    folder.mkdir()
    path = hostile(folder)
    page = browse_folder(folder).page
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text
    assert "<b>" not in text
    assert rows_of(page)[path.name]["sample"] == HOSTILE
    assert "src=" not in PAGE, "nothing is loaded from elsewhere"
    assert "http" not in PAGE


def test_other_files_are_not_replaced(tmp_path: Path, nxstxm: Run) -> None:
    (tmp_path / "scans.html").write_text("mine")
    status, out, err = nxstxm("browse", tmp_path)
    assert (status, out) == (1, "")
    assert "no page of nxstxm browse; give another name with -o" in err
    assert (tmp_path / "scans.html").read_text() == "mine"
    with pytest.raises(NXstxmError, match="is not a folder"):
        browse_folder(tmp_path / "none")
    with pytest.raises(NXstxmError, match="can not be written"):
        browse_folder(tmp_path, tmp_path / "none" / "a.html")
    assert [p.name for p in tmp_path.iterdir()] == ["scans.html"]


def test_the_command(tmp_path: Path, nxstxm: Run) -> None:
    build_style("mantis", tmp_path)
    (tmp_path / "broken.h5").write_bytes(b"")
    status, out, _ = nxstxm("browse", tmp_path, "-o", tmp_path / "a.html", "--jobs", "2")
    assert status == 0
    assert out == (f"{tmp_path / 'a.html'}\n2 files, 2 of them new or changed, 1 can not be read\n")


# -- in a browser ----------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def opened(page: Path, profile: Path, hash_: str = "") -> str:
    """Open a page as a browser does, and give what is in it when its scripts have run."""
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={profile}", "--virtual-time-budget=5000",
            "--dump-dom", page.as_uri() + hash_,
        ],
        capture_output=True, check=True, text=True, timeout=100,
    )  # fmt: skip
    return done.stdout


def shown_files(dom: str) -> list[str]:
    body = dom.partition("<tbody>")[2].partition("</tbody>")[0]
    return [unescape(cell.partition(">")[2].partition("</a>")[0]) for cell in body.split("<a ")[1:]]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_table_in_a_browser(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = hostile(folder)
    for name in ("cls-image", "als-line-spectrum", "early-camera"):
        build_style(name, folder)
    (folder / "broken.hdf5").write_bytes(b"")
    page = browse_folder(folder).page
    dom = opened(page, tmp_path / "profile")
    assert "<title>data: scans</title>" in dom, "nothing of a file was run"
    names = [
        "als-line-spectrum.hdf5",
        "broken.hdf5",
        "cls-image.hdf5",
        "early-camera.hdf5",
        path.name,
    ]
    assert shown_files(dom) == names
    assert "5 files" in dom
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in dom
    assert dom.count("<img") == 4
    by_energy = shown_files(opened(page, tmp_path / "profile", "#sort=energies"))
    assert by_energy == [
        "early-camera.hdf5", "als-line-spectrum.hdf5", path.name, "cls-image.hdf5", "broken.hdf5",
    ]  # fmt: skip
    down = shown_files(opened(page, tmp_path / "profile", "#sort=-energies"))
    assert down[0] == "cls-image.hdf5"
    assert down[-1] == "broken.hdf5", "what has no value is last, whichever way"
    found = opened(page, tmp_path / "profile", "#filter=line%20spectrum")
    assert shown_files(found) == ["als-line-spectrum.hdf5"]
    assert "1 of 5 files" in found
