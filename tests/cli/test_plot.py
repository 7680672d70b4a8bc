"""Without these tests a picture could be blank, mirrored, or show missing points as data.

Pictures are read back as pixels, and their words from an SVG that keeps text as text.
"""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib
from matplotlib import image

from suitcase.nxstxm._errors import NXstxmKeyError, NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.cli._plot import plot_file

Run = Callable[..., tuple[int, str, str]]
NOT_MEASURED = (0xE8, 0xB3, 0x6B)
FIRST_CURVE = (0x1F, 0x77, 0xB4)


def pixels(png: Path) -> np.ndarray:
    """Red, green and blue as 0 to 255."""
    return np.round(image.imread(png)[..., :3] * 255).astype(int)


def words(path: Path, folder: Path, **options: str) -> str:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        svg = plot_file(path, folder / "words.svg", **options)
    return unescape(svg.read_text(encoding="utf-8"))


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture - colour).max(axis=-1) <= 2).mean())


def test_every_scan_type_gives_a_picture(build: ModuleType, tmp_path: Path) -> None:
    for label, axes in build.LABELS.items():
        path = build.build_file(tmp_path / f"{label}.hdf5", label)
        png = plot_file(path, tmp_path / f"{label}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
        picture = pixels(png)
        assert min(picture.shape[:2]) > 300
        assert share(picture, NOT_MEASURED) < 0.001
        if len(axes) == 1:
            # three points and the lines between them; an empty diagram has no such pixel
            assert share(picture, FIRST_CURVE) > 0.001, label
        else:
            grey = np.ptp(picture, axis=-1) == 0
            assert (grey & (picture.max(axis=-1) < 250)).mean() > 0.1, label


def test_an_image_is_upright_and_has_a_scale_bar(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", "sample image", sizes=build.Sizes(y=40, x=50))
    data = np.full((40, 50), 100.0)
    data[:2] = 0.0
    data[-8:, -10:] = 50.0  # the largest y and x: half grey at the top right
    with h5py.File(path, "r+") as file:
        file["entry0/counter0/data"][...] = data
    picture = pixels(plot_file(path, tmp_path / "a.png"))
    half_grey = np.abs(picture - 128).max(axis=-1) <= 2
    height, width = half_grey.shape
    row, column = (np.median(found) for found in np.nonzero(half_grey))
    assert half_grey.sum() > 0.01 * height * width
    assert row < 0.3 * height
    assert 0.5 * width < column < 0.85 * width
    told = words(path, tmp_path)
    for word in ("2 µm", "Sample x (µm)", "Sample y (µm)", "counter0 (counts)"):
        assert word in told
    assert "sample image  ·  a.hdf5" in told


def test_an_image_has_square_pixels(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", "sample image", missing=1.0)
    ochre = np.abs(pixels(plot_file(path, tmp_path / "a.png")) - NOT_MEASURED).max(axis=-1) <= 2
    rows, columns = np.nonzero(ochre)
    # 5 columns 2.5 um apart, 4 rows 8/3 um apart, half a step around them
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(5 * 2.5 / (4 * 8 / 3), rel=0.02)


def test_what_was_not_measured_has_a_colour_of_its_own(build: ModuleType, tmp_path: Path) -> None:
    sizes = build.Sizes(y=40, x=50)
    whole = build.build_file(tmp_path / "whole.hdf5", "sample image", sizes=sizes)
    half = build.build_file(tmp_path / "half.hdf5", "sample image", sizes=sizes, missing=0.5)
    none = build.build_file(tmp_path / "none.hdf5", "sample image", sizes=sizes, missing=1.0)
    shares = [
        share(pixels(plot_file(path, path.with_suffix(".png"))), NOT_MEASURED)
        for path in (whole, half, none)
    ]
    assert shares[0] == 0
    assert shares[1] == pytest.approx(shares[2] / 2, rel=0.1)
    assert shares[2] > 0.4
    assert "not measured" in words(half, tmp_path)
    assert "nothing was measured" in words(none, tmp_path)


def test_a_stack_is_mean_image_and_mean_spectrum(build: ModuleType, tmp_path: Path) -> None:
    told = words(build.build_file(tmp_path / "a.hdf5", missing=0.4), tmp_path)
    # 36 of 60 points: one image of 20, most of the next
    for word in (
        "mean of 2 of 3 images",
        "mean over the image",
        "image partly measured",
        "Photon energy (eV)",
        "mean counter0 (counts)",
    ):
        assert word in told


def test_point_spectra_share_one_diagram_with_a_legend(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(
        tmp_path / "a.hdf5", "sample point spectrum", entries=2, positions=[(0, 0), (1.5, -2)]
    )
    told = words(path, tmp_path)
    assert "entry0  (0.00, 0.00) µm" in told
    assert "entry1  (1.50, -2.00) µm" in told


def test_line_spectra_and_focus_are_maps_of_their_axes(build: ModuleType, tmp_path: Path) -> None:
    line = words(build.build_file(tmp_path / "a.hdf5", "sample line spectrum"), tmp_path)
    assert "Photon energy (eV)" in line
    assert "Position along the line (µm)" in line
    focus = words(build.build_file(tmp_path / "b.hdf5", "osa focus"), tmp_path)
    assert "Zone plate z (µm)" in focus
    assert "Position along the line (µm)" in focus
    assert "2 µm" not in focus  # unlike axes have no common scale


def test_many_entries_are_nine_panels_and_a_note(build: ModuleType, tmp_path: Path) -> None:
    angles = [float(10 * n) for n in range(12)]
    path = build.build_file(tmp_path / "a.hdf5", entries=12, angles=angles)
    told = words(path, tmp_path)
    assert "and 3 more entries, not shown" in told
    assert "entry8,  80°" in told
    assert "entry9," not in told
    assert "entry11,  110°" not in words(path, tmp_path, entry="entry11")  # one entry: no grid


def test_entry_and_data_choose_what_is_drawn(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / "a.hdf5", detectors=("pmt", "diode"), entries=2)
    assert "pmt (counts)" in words(path, tmp_path)
    assert "diode (counts)" in words(path, tmp_path, entry="entry1", channel="diode")
    with pytest.raises(NXstxmKeyError, match=r"'entry7' is no entry of .*: entry0, entry1"):
        plot_file(path, tmp_path / "a.png", entry="entry7")
    with pytest.raises(NXstxmKeyError, match=r"'gold' is no channel of entry0; .*: diode, pmt"):
        plot_file(path, tmp_path / "a.png", channel="gold")


def test_axes_that_are_uneven_repeated_or_unknown_are_drawn(
    build: ModuleType, tmp_path: Path
) -> None:
    uneven = np.array([280.0, 284.0, 284.0, 290.0])
    sizes = build.Sizes(energy=4)
    line = build.build_file(
        tmp_path / "a.hdf5", "sample line spectrum", sizes=sizes, energies=uneven
    )
    stack = build.build_file(tmp_path / "b.hdf5", energies=uneven[::-1], sizes=sizes)
    with h5py.File(stack, "r+") as file:
        file["entry0/counter0/sample_x"][...] = np.nan
    for path in (line, stack):
        picture = pixels(plot_file(path, tmp_path / "a.png"))
        assert share(picture, (255, 255, 255)) < 0.8
        assert share(picture, NOT_MEASURED) == 0


def test_names_with_dollar_signs_are_no_mathematics(build: ModuleType, tmp_path: Path) -> None:
    path = build.build_file(tmp_path / r"$\frac$.hdf5", "sample image", detectors=("a$b$",))
    told = words(path, tmp_path)
    assert r"$\frac$.hdf5" in told
    assert "a$b$ (counts)" in told


def test_what_can_not_be_drawn_or_written_is_told(
    build: ModuleType, tmp_path: Path, nxstxm: Run
) -> None:
    path = build.build_file(tmp_path / "a.hdf5", "sample image")
    before = path.read_bytes()
    with pytest.raises(NXstxmValueError, match="does not end in the name of a picture format"):
        plot_file(path, path)
    assert path.read_bytes() == before
    with pytest.raises(NXstxmOSError, match="can not be written"):
        plot_file(path, tmp_path / "no folder" / "a.png")
    status, out, err = nxstxm("plot", tmp_path / "missing.hdf5", "-o", tmp_path / "a.png")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert nxstxm("plot", path, "-o", tmp_path / "a.png")[:2] == (0, f"{tmp_path / 'a.png'}\n")


def test_drawing_leaves_pyplot_alone(build: ModuleType, tmp_path: Path) -> None:
    import sys

    before = "matplotlib.pyplot" in sys.modules
    plot_file(build.build_file(tmp_path / "a.hdf5"), tmp_path / "a.png")
    assert ("matplotlib.pyplot" in sys.modules) == before
