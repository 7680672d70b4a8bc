"""Pictures of everybody's files, and the numbers behind them, as whoever draws them would check."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from suitcase.nxstxm import NXstxmError, export_scan, sim
from suitcase.nxstxm.cli._pictures import load_pictures
from suitcase.nxstxm.cli._plot import plot_file

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
from styles import ENERGY, STACK, STYLES, X, Y, build_style

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", STYLES)
def test_files_of_others_are_drawn(name, tmp_path):
    path, expected = build_style(name, tmp_path)
    png = plot_file(path, tmp_path / "a.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    [picture], _ = load_pictures(path, entry=expected.entry)
    if expected.data.ndim < 3:
        np.testing.assert_array_equal(picture.data, expected.data)
    else:
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(picture.data, np.nanmean(expected.data, axis=0))


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_one_energy_of_a_stack(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    [picture], _ = load_pictures(path, energy=286.0)
    np.testing.assert_array_equal(picture.data, STACK[1])
    assert picture.note == "285.5 eV"
    plot_file(path, tmp_path / "a.png", energy=286.0, csv=tmp_path / "a.csv")
    head, *rows = table(tmp_path / "a.csv")
    assert head[0] == "counter0 285.5 eV: sample_y (um) down, sample_x (um) across"
    np.testing.assert_array_equal(np.array(head[1:], float), X)
    numbers = np.array(rows, float)
    np.testing.assert_array_equal(numbers[:, 0], Y)
    np.testing.assert_array_equal(numbers[:, 1:], STACK[1])


def test_one_energy_of_a_line_spectrum(tmp_path):
    path, expected = build_style("pixelator-line-spectrum", tmp_path)
    [picture], _ = load_pictures(path, energy=290.0)
    np.testing.assert_array_equal(picture.data, expected.data[2])
    assert [axis.name for axis in picture.axes] == ["line_position"]


def test_the_spectrum_of_a_stack_as_numbers(tmp_path):
    path, expected = build_style("cls-stack", tmp_path)
    plot_file(path, tmp_path / "a.png", csv=tmp_path / "a.csv")
    head, *rows = table(tmp_path / "a.csv")
    assert head[0] == "energy (eV)"
    np.testing.assert_array_equal([float(row[0]) for row in rows], ENERGY)
    assert rows[2][1] == "", "what was not measured is empty"
    np.testing.assert_allclose([float(row[1]) for row in rows[:2]], STACK[:2].mean(axis=(1, 2)))
    assert expected.channel in head[1]


def test_spectra_of_several_points_as_numbers(tmp_path):
    request = sim.all_requests()["pystxm2019-sample_point_spectra-points"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    plot_file(path, tmp_path / "a.png", csv=tmp_path / "a.csv")
    wanted = sim.expected(request)
    head, *rows = table(tmp_path / "a.csv")
    assert len(head) == 1 + len(wanted)
    columns = np.array(rows, float).T[1:]
    names = [title.split()[0] for title in head[1:]]
    for name, column in zip(names, columns, strict=True):
        np.testing.assert_array_equal(column, wanted[name].data)


def test_density_of_what_is_brightest(tmp_path):
    request = sim.all_requests()["pystxm2019-sample_image_stack-lines"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    data = sim.expected(request)["entry0"].data
    plot_file(path, tmp_path / "a.png", density=True, energy=708.0, csv=tmp_path / "a.csv")
    head, *rows = table(tmp_path / "a.csv")
    assert head[0].startswith("optical density of counter0 708 eV")
    mean = data.mean(axis=0)
    mask = mean >= np.quantile(mean, 0.95)
    plane = data[2]
    np.testing.assert_allclose(
        np.array(rows, float)[:, 1:], -np.log(plane / plane[mask].mean()), atol=1e-9
    )


def test_density_by_a_list_and_by_another_file(tmp_path):
    request = sim.all_requests()["image-two-detectors"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    wanted = sim.expected(request)["entry0"]
    i0 = wanted.channels["i0_counter"]
    plot_file(path, tmp_path / "a.png", i0="i0", csv=tmp_path / "a.csv")
    rows = np.array(table(tmp_path / "a.csv")[1:], float)
    np.testing.assert_allclose(rows[:, 1:], -np.log(wanted.data / i0))
    other, _ = build_style("image-in-upper-case", tmp_path)
    plot_file(path, tmp_path / "a.png", i0=str(other), csv=tmp_path / "a.csv")
    rows = np.array(table(tmp_path / "a.csv")[1:], float)
    np.testing.assert_allclose(rows[:, 1:], -np.log(wanted.data / STACK[0].mean()))


def test_density_of_curves(tmp_path):
    path, expected = build_style("pixelator-line-spectrum", tmp_path)
    [picture], _ = load_pictures(path)
    plot_file(path, tmp_path / "a.png", density=True, csv=tmp_path / "a.csv")
    rows = np.array(table(tmp_path / "a.csv")[1:], float)
    full = expected.data[:, -1]
    np.testing.assert_allclose(rows[:, 1:], -np.log(expected.data / full[:, None]), atol=1e-12)
    assert picture.data.shape == expected.data.shape


@pytest.mark.parametrize(
    ("style", "arguments", "told"),
    [
        ("cls-image", ["--energy", "285"], "has no energies to choose from; it is a sample image"),
        ("pixelator-point-spectrum", ["--od"], "no place without sample"),
        ("pixelator-stack", ["--channel", "gold"], "'gold' is no channel of entry1"),
        ("pixelator-stack", ["--i0", "gold"], "there is no list 'gold'"),
        ("pixelator-stack", ["--save-csv", "no folder/a.csv"], "can not be written"),
    ],
)
def test_what_can_not_be_chosen_is_told(style, arguments, told, tmp_path, nxstxm: Run):
    path, _ = build_style(style, tmp_path)
    status, out, err = nxstxm("plot", path, "-o", tmp_path / "a.png", *arguments)
    assert (status, out) == (1, "")
    assert told in err
    assert not (tmp_path / "a.png").exists()


def test_images_of_several_entries_are_no_table(build: ModuleType, tmp_path):
    path = build.build_file(tmp_path / "a.hdf5", "sample image", entries=2)
    with pytest.raises(NXstxmError, match="2 images do not fit into one table"):
        plot_file(path, tmp_path / "a.png", csv=tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
