"""Pictures of everybody's files, and the numbers behind them, as whoever draws them would check."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("bluesky")

import matplotlib
from bluesky import RunEngine
from bluesky.plans import scan_nd, spiral_fermat
from cycler import cycler
from matplotlib import image
from matplotlib.figure import Figure
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, export_scan, sim
from suitcase.nxstxm.cli._density import density_of
from suitcase.nxstxm.cli._drawing import cloud_of, draw_cloud
from suitcase.nxstxm.cli._pictures import load_pictures
from suitcase.nxstxm.cli._plot import plot_file

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
from styles import ENERGY, STACK, STYLES, X, Y, build_style, group, put

Run = Callable[..., tuple[int, str, str]]
NOT_MEASURED = (0xE8, 0xB3, 0x6B)
FIRST_CURVE = (0x1F, 0x77, 0xB4)


def pixels(png):
    """Red, green and blue as 0 to 255."""
    return np.round(image.imread(png)[..., :3] * 255).astype(int)


def words(path, folder):
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        return plot_file(path, folder / "words.svg").read_text(encoding="utf-8")


def share(picture, colour):
    return float((np.abs(picture - colour).max(axis=-1) <= 2).mean())


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


# -- what is drawn of arrays of every rank ---------------------------------------------------------

POLARIZED = np.stack([STACK, STACK * 2 + 1])


def made(path: Path, label: str, axes: dict[str, object], data: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        channel = group(group(file, "entry0", "NXentry"), "counter0", "NXdata")
        channel.attrs["signal"] = "data"
        channel.attrs["axes"] = list(axes)
        put(channel, data=data, **axes)
        put(channel, stxm_scan_type=label)
    return path


@pytest.fixture
def polarized(tmp_path: Path) -> Path:
    axes = {"polarization": [1.0, -1.0], "energy": ENERGY, "sample_y": Y, "sample_x": X}
    return made(tmp_path / "a.hdf5", "sample image stack", axes, POLARIZED)


def numbers(path: Path) -> np.ndarray:
    return np.array(table(path)[1:], float)


def test_one_energy_of_a_stack_of_stacks(polarized, tmp_path):
    plot_file(polarized, tmp_path / "a.png", energy=285.5, csv=tmp_path / "a.csv")
    [picture], _ = load_pictures(polarized, energy=285.5)
    assert picture.data.shape == STACK.shape[1:]
    np.testing.assert_allclose(picture.data, POLARIZED[:, 1].mean(axis=0))
    assert (picture.note, picture.along.n_images) == ("285.5 eV", 2)
    rows = numbers(tmp_path / "a.csv")
    np.testing.assert_allclose(rows, np.stack([[1, -1], POLARIZED[:, 1].mean(axis=(1, 2))], 1))


def brightest_of(planes: np.ndarray) -> np.ndarray:
    mean = planes.reshape(-1, *planes.shape[-2:]).mean(axis=0)
    return mean >= np.quantile(mean, 0.95)


def test_density_of_a_stack_of_stacks(polarized, tmp_path):
    full = POLARIZED[..., brightest_of(POLARIZED)].mean(axis=-1)
    wanted = -np.log(POLARIZED / full[..., None, None])
    [picture], _ = load_pictures(polarized, change=density_of(None))
    np.testing.assert_allclose(picture.data, wanted.mean(axis=(0, 1)))
    [picture], _ = load_pictures(polarized, change=density_of(None), energy=290.0)
    np.testing.assert_allclose(picture.data, wanted[:, 2].mean(axis=0))
    plot_file(polarized, tmp_path / "a.png", density=True, energy=290.0)
    other, _ = build_style("pixelator-stack", tmp_path)
    [picture], _ = load_pictures(polarized, change=density_of(str(other)), energy=290.0)
    np.testing.assert_allclose(
        picture.data, -np.log(POLARIZED[:, 2] / STACK[2]).mean(axis=0), atol=1e-12
    )


def test_density_of_what_a_generic_scan_moved(tmp_path):
    axes = {"a": np.arange(3.0), "b": np.arange(4.0), "c": np.arange(5.0)}
    path = made(tmp_path / "a.hdf5", "generic scan", axes, STACK)
    full = STACK[:, brightest_of(STACK)].mean(axis=1)
    [picture], _ = load_pictures(path, change=density_of(None))
    np.testing.assert_allclose(picture.data, -np.log(STACK / full[:, None, None]).mean(axis=0))
    plot_file(path, tmp_path / "a.png", density=True)


def test_an_intensity_that_does_not_fit(tmp_path):
    axes = {"polarization": [1.0, -1.0], "sample_y": Y, "sample_x": X}
    other = made(tmp_path / "b.hdf5", "generic scan", axes, POLARIZED[:, 0])
    path, _ = build_style("pixelator-stack", tmp_path)
    with pytest.raises(NXstxmError, match="polarization"):
        plot_file(path, tmp_path / "a.png", i0=str(other))


@pytest.mark.parametrize(
    ("energies", "energy", "told"),
    [
        (ENERGY, "nan", "nan is no photon energy"),
        (ENERGY, "inf", "inf is no photon energy"),
        (ENERGY * np.nan, "285", "the energies of counter0 of entry1 are not known"),
    ],
)
def test_energies_that_can_not_be_chosen(energies, energy, told, tmp_path, nxstxm: Run):
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        file["entry1/counter0/energy"][...] = energies
    status, out, err = nxstxm("plot", path, "-o", tmp_path / "a.png", "--energy", energy)
    assert (status, out) == (1, "")
    assert told in err
    assert "Traceback" not in err


def test_an_energy_that_is_not_known_is_not_chosen(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        file["entry1/counter0/energy"][1] = np.nan
    [picture], _ = load_pictures(path, energy=286.0)
    assert picture.note == "290 eV"


def test_one_energy_of_a_spectrum_is_no_picture(tmp_path, nxstxm: Run):
    path, _ = build_style("pixelator-point-spectrum", tmp_path)
    status, out, err = nxstxm("plot", path, "-o", tmp_path / "a.png", "--energy", "285")
    assert (status, out) == (1, "")
    assert "at one energy it is one number (" in err
    assert "at 285.5 eV), and no picture. Leave --energy out" in err


def test_what_does_not_fit_into_the_memory(tmp_path, monkeypatch):
    path, _ = build_style("pixelator-stack", tmp_path)

    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("suitcase.nxstxm.cli._pictures._means", full)
    with pytest.raises(NXstxmError, match=r"3 x 4 x 5 points, .* not fit into the memory \(Unable"):
        load_pictures(path)


@pytest.mark.parametrize("option", [[], ["--od"], ["--save-csv", "a.csv"]])
@pytest.mark.parametrize("how", ["chunks", "virtual"])
def test_gigabytes_that_nobody_wrote_are_not_drawn(how, option, tmp_path, nxstxm: Run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    axes = {"energy": np.arange(20_000.0), "sample_y": Y, "sample_x": X}
    path = made(tmp_path / "a.hdf5", "sample image stack", axes, STACK)
    with h5py.File(path, "r+") as file:
        channel = file["entry0/counter0"]
        del channel["data"]
        if how == "chunks":
            channel.create_dataset("data", (20_000, 10_000, 1000), float, chunks=(1, 1000, 1000))
        else:
            layout = h5py.VirtualLayout((20_000, 10**6, 10**6), float)
            channel.create_virtual_dataset("data", layout)
    status, out, err = nxstxm("plot", path, "-o", tmp_path / "a.png", *option)
    assert (status, out) == (1, "")
    assert "next to nothing was written" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.hdf5"]


# -- what is not written over ----------------------------------------------------------------------


def test_measurements_are_not_written_over(tmp_path, nxstxm: Run):
    path, _ = build_style("pixelator-stack", tmp_path)
    other = path.with_name("other.csv")
    other.write_bytes(path.read_bytes())
    (tmp_path / "link.csv").symlink_to(path)
    png = tmp_path / "scan.png"
    png.write_bytes(path.read_bytes())
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    for name in (path, other, tmp_path / "link.csv"):
        status, out, err = nxstxm("plot", path, "-o", tmp_path / "a.png", "--save-csv", name)
        assert (status, out) == (1, "")
        assert f"{name} is a file of HDF5, and the table would replace it" in err
    with pytest.raises(NXstxmError, match="the picture would replace it"):
        plot_file(path, png)
    with pytest.raises(NXstxmError, match="can not be picture and table"):
        plot_file(path, tmp_path / "a.png", csv=tmp_path / "a.png")
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("png", "told"),
    [("a.docx", "does not end in the name of a picture"), ("none/a.png", "there is no folder")],
)
def test_no_table_is_written_without_its_picture(png, told, tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    with pytest.raises(NXstxmError, match=told):
        plot_file(path, tmp_path / png, csv=tmp_path / "a.csv")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def spiral(folder):
    """Measure points on a spiral; with a hole where nothing arrived."""
    sx, sy = SynAxis(name="sx"), SynAxis(name="sy")
    det = SynSignal(
        name="det", func=lambda: sx.position if abs(sy.position) > 1 else np.nan, kind="hinted"
    )
    documents = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    plan = spiral_fermat([det], sx, sy, 0, 0, 8, 4, 0.5, 1)
    engine(plan, lambda name, doc: documents.append((name, doc)))
    return export_scan(documents, folder, devices={"sample_x": "sx", "sample_y": "sy"})


def test_points_that_lie_anywhere_are_drawn_where_they_lie(tmp_path):
    path = spiral(tmp_path)
    told = words(path, tmp_path)
    assert "Sample x (µm)" in told
    assert "Sample y (µm)" in told
    assert "not measured" in told
    drawn = pixels(plot_file(path, tmp_path / "spiral.png"))
    assert share(drawn, NOT_MEASURED) > 0.01
    [picture], _ = load_pictures(path)
    across, up = cloud_of(picture)
    axes = Figure().add_subplot()
    draw_cloud(axes, picture, across, up)
    missing, dots = axes.collections
    is_there = np.isfinite(picture.data)
    assert 0 < is_there.sum() < len(is_there)
    where = np.stack([across.values, up.values], axis=1)
    np.testing.assert_allclose(dots.get_offsets(), where[is_there])
    np.testing.assert_allclose(missing.get_offsets(), where[~is_there])
    np.testing.assert_allclose(dots.get_array(), across.values[is_there])


def test_points_on_a_straight_line_are_a_curve(tmp_path):
    sx, sy = SynAxis(name="sx"), SynAxis(name="sy")
    det = SynSignal(name="det", func=lambda: sx.position, kind="hinted")
    documents = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    walk = cycler(sx, [0, 3, 1]) + cycler(sy, [0, 6, 2])
    engine(scan_nd([det], walk), lambda name, doc: documents.append((name, doc)))
    path = export_scan(documents, tmp_path, devices={"sample_x": "sx", "sample_y": "sy"})
    assert share(pixels(plot_file(path, tmp_path / "line.png")), FIRST_CURVE) > 0.0005
