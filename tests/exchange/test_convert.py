"""People's programs read old formats: what is written must be what they read, to the last digit.

Each file is read back by a few lines written from the description of its format, and by Mantis
where that is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError, export_scan, sim
from suitcase.nxstxm.exchange import FORMATS, convert

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
from styles import ENERGY, IMAGE, LINE, NE, NX, NY, STACK, X, Y, build_style, group, put

Run = Callable[..., tuple[int, str, str]]
REQUESTS = sim.all_requests()


def stack_file(path: Path, data=STACK, *, y=Y, x=X, energy=ENERGY) -> Path:
    with h5py.File(path, "w") as file:
        entry = group(file, "entry0", "NXentry")
        put(entry, start_time="2026-03-19T12:00:00+01:00")
        picture = group(entry, "counter0", "NXdata")
        picture.attrs["signal"] = "data"
        picture.attrs["axes"] = ["energy", "sample_y", "sample_x"]
        put(picture, data=data, energy=energy, sample_y=y, sample_x=x, count_time=[0.0025] * NE)
        put(picture, stxm_scan_type="sample image stack")
    return path


# -- ncb -------------------------------------------------------------------------------------------


def read_ncb(path: Path) -> tuple[np.ndarray, dict]:
    words = [line.split() for line in path.with_suffix(".dat").read_text("ascii").splitlines()]
    columns, rows, scale = int(words[0][0]), int(words[0][1]), float(words[0][2])
    n = int(words[3][0])
    data = np.fromfile(path, "<i2").reshape(n, rows, columns) / scale
    return data, {
        "x": tuple(map(float, words[1])),
        "y": tuple(map(float, words[2])),
        "energy": [float(line[0]) for line in words[4 : 4 + n]],
        "images": [(line[0], float(line[1]), float(line[2])) for line in words[4 + n :]],
    }


def test_a_stack_for_axis(tmp_path):
    made = convert(stack_file(tmp_path / "my stack 1.hdf5"), "ncb", tmp_path / "out")
    assert [p.name for p in made.paths] == ["my_stack_1.ncb", "my_stack_1.dat"]
    data, said = read_ncb(made.paths[0])
    np.testing.assert_allclose(data, STACK, atol=0.5 / 100)
    assert said["x"] == (X[0], X[-1])
    assert said["y"] == (Y[0], Y[-1])
    assert said["energy"] == ENERGY.tolist()
    assert said["images"] == [(f"image{n + 1}", e, 2.5) for n, e in enumerate(ENERGY)]
    assert made.notes == ("values are kept to 0.005",)


@pytest.mark.parametrize("largest", [0.0, 1e-7, 3.2, 32767.0, 40000.0, 1e9])
def test_numbers_of_every_size(tmp_path, largest):
    data = STACK / STACK.max() * largest
    data[0, 0, 0] = -largest / 2
    made = convert(stack_file(tmp_path / "a.hdf5", data), "ncb", tmp_path / "out")
    again, _ = read_ncb(made.paths[0])
    np.testing.assert_allclose(again, data, atol=largest * 0.5 / 3276 + 1e-30)


@pytest.mark.parametrize(("y", "x"), [(Y[::-1], X), (Y, X[::-1]), (Y[::-1], X[::-1])])
def test_axes_that_fall_are_turned(tmp_path, y, x):
    path = stack_file(tmp_path / "a.hdf5", y=y, x=x)
    data, said = read_ncb(convert(path, "ncb", tmp_path / "out").paths[0])
    assert said["x"] == (X[0], X[-1])
    assert said["y"] == (Y[0], Y[-1])
    turned = STACK[:, :: (-1 if y[0] > y[-1] else 1), :: (-1 if x[0] > x[-1] else 1)]
    np.testing.assert_allclose(data, turned, atol=0.005)


def test_an_image_is_a_stack_of_one(tmp_path):
    path, _ = build_style("cls-image", tmp_path)
    data, said = read_ncb(convert(path, "ncb", tmp_path / "out").paths[0])
    np.testing.assert_allclose(data[0], IMAGE, atol=0.005)
    assert said["energy"] == [285.0]


# -- xim -------------------------------------------------------------------------------------------


def read_header(path: Path) -> dict:
    """Read a header by its grammar: entries, structs, and tuples that begin with their length."""
    text = path.read_text("ascii")
    tokens = re.findall(r'"[^"]*"|[{}();=,]|[^\s{}();=,"]+', text)
    at = 0

    def value():
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "{":
            return struct("}")
        if token == "(":
            items = []
            while tokens[at] != ")":
                items.append(value())
                if tokens[at] == ",":
                    at += 1
            at += 1
            assert int(items[0]) == len(items) - 1
            return items[1:]
        if token.startswith('"'):
            return token[1:-1]
        words = [token]
        while tokens[at] not in ";,)":
            words.append(tokens[at])
            at += 1
        return " ".join(words)

    def struct(end):
        nonlocal at
        found = {}
        while at < len(tokens) and tokens[at] != end:
            key = tokens[at]
            assert tokens[at + 1] == "=", (key, tokens[at : at + 5])
            at += 2
            found[key] = value()
            assert tokens[at] == ";"
            at += 1
        at += 1
        return found

    return struct("")


def test_a_stack_for_stxm_control(tmp_path):
    made = convert(stack_file(tmp_path / "a.hdf5"), "xim", tmp_path / "out")
    names = ["a_a000.xim", "a_a001.xim", "a_a002.xim", "a.hdr"]
    assert [p.name for p in made.paths] == names
    for image, path in zip(STACK, made.paths, strict=False):
        np.testing.assert_array_equal(np.loadtxt(path), image)
        assert all(line.endswith("\t") for line in path.read_text().splitlines())
    header = read_header(made.paths[-1])
    scan = header["ScanDefinition"]
    assert (scan["Type"], scan["Flags"], float(scan["Dwell"])) == (
        "NEXAFS Image Scan", "Image Stack", 2.5,
    )  # fmt: skip
    [region] = scan["Regions"]
    assert region["PAxis"]["Name"] == "Sample X"
    np.testing.assert_allclose([float(v) for v in region["PAxis"]["Points"]], X)
    np.testing.assert_allclose([float(v) for v in region["QAxis"]["Points"]], Y, atol=1e-4)
    np.testing.assert_allclose([float(v) for v in scan["StackAxis"]["Points"]], ENERGY)
    assert header["Channels"][0]["Name"] == "counter0"
    assert header["Time"] == "2026 March 19 12:00:00"
    assert header["Image001_0"]["Energy"] == "285.50"
    place = header["ImageScan"]["SpatialRegions"][0]
    assert (place["XPoints"], place["YPoints"]) == (str(NX), str(NY))


def test_an_image_for_stxm_control(tmp_path):
    path, _ = build_style("cls-osa-image", tmp_path)
    made = convert(path, "xim", tmp_path / "out")
    np.testing.assert_array_equal(np.loadtxt(made.paths[0]), IMAGE)
    header = read_header(made.paths[1])
    assert header["ScanDefinition"]["Type"] == "Image Scan"
    assert "Image0" in header


def test_a_line_spectrum_for_stxm_control(tmp_path):
    path, _ = build_style("pixelator-line-spectrum", tmp_path)
    made = convert(path, "xim", tmp_path / "out")
    np.testing.assert_array_equal(np.loadtxt(made.paths[0]), LINE.T)
    [region] = read_header(made.paths[1])["ScanDefinition"]["Regions"]
    assert region["PAxis"]["Name"] == "Energy"
    np.testing.assert_allclose([float(v) for v in region["QAxis"]["Points"]], X - X[0])


# -- tiff and csv ----------------------------------------------------------------------------------


def test_pages_for_imagej(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    data = STACK.copy()
    data[1, 0, 0] = np.nan
    made = convert(stack_file(tmp_path / "a.hdf5", data), "tiff", tmp_path / "out")
    assert [p.name for p in made.paths] == ["a.tif", "a.txt"]
    with tifffile.TiffFile(made.paths[0]) as file:
        pages = file.asarray()
        np.testing.assert_array_equal(pages, data[:, ::-1].astype(np.float32))
        assert pages.dtype == np.float32
        assert file.imagej_metadata["unit"] == "um"
        assert file.imagej_metadata["Labels"] == ["280 eV", "285.5 eV", "290 eV"]
        across, per = file.pages[0].tags["XResolution"].value
        assert per / across == pytest.approx(X[1] - X[0], rel=1e-6)
    lines = made.paths[1].read_text().splitlines()
    assert [float(line) for line in lines if not line.startswith("*")] == ENERGY.tolist()


def read_spectrum(path: Path) -> np.ndarray:
    return np.loadtxt(path, comments="*", delimiter=",")


def test_spectra_as_text(tmp_path):
    path, _ = build_style("cls-point-spectrum", tmp_path)
    made = convert(path, "csv", tmp_path / "out")
    np.testing.assert_array_equal(read_spectrum(made.paths[0]), np.stack([ENERGY, LINE[:, 0]], 1))
    assert made.notes == ()
    made = convert(stack_file(tmp_path / "b.hdf5"), "csv", tmp_path / "out")
    np.testing.assert_allclose(read_spectrum(made.paths[0])[:, 1], STACK.mean(axis=(1, 2)))
    assert made.notes == ("the spectrum is the mean over y, x",)


def test_each_point_has_its_own_spectrum(tmp_path):
    request = REQUESTS["pystxm2019-sample_point_spectra-points"]
    path = export_scan(sim.scan_documents(request), tmp_path, file_prefix="points")
    made = convert(path, "csv", tmp_path / "out")
    for name, entry in sim.expected(request).items():
        file = tmp_path / "out" / f"points_{name}.csv"
        assert file in made.paths
        np.testing.assert_array_equal(read_spectrum(file)[:, 1], entry.data)
    assert len(convert(path, "csv", tmp_path / "one", entry="entry1").paths) == 1


# -- what has no place -----------------------------------------------------------------------------


def test_images_that_are_not_whole_are_left_out(tmp_path):
    data = STACK.copy()
    data[1, 0, 0] = np.nan
    path = stack_file(tmp_path / "a.hdf5", data)
    for to in ("ncb", "xim"):
        made = convert(path, to, tmp_path / to)
        assert "1 of 3 images are not whole: left out" in made.notes
    again, said = read_ncb(tmp_path / "ncb" / "a.ncb")
    np.testing.assert_allclose(again, STACK[[0, 2]], atol=0.005)
    assert said["energy"] == [280.0, 290.0]
    assert not (tmp_path / "xim" / "a_a002.xim").exists()


@pytest.mark.parametrize(
    ("style", "to", "told"),
    [
        ("pixelator-line-spectrum", "ncb", "is a sample line spectrum of energy, line"),
        ("cls-image", "csv", "is a sample image of y, x"),
        ("pixelator-stack", "docx", "'docx' is no format; there are: ncb, xim, tiff, csv"),
        ("als-focus", "xim", "is a sample focus of zoneplate_z, line"),
    ],
)
def test_what_has_no_place_is_told(tmp_path, style, to, told):
    path, _ = build_style(style, tmp_path)
    with pytest.raises(NXstxmError, match=told):
        convert(path, to, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


@pytest.mark.parametrize(
    ("data", "to", "told"),
    [
        (STACK + 0.5, "xim", "counter0 has others; `--to ncb`"),
        (STACK * 1e9, "xim", "whole numbers up to"),
        (STACK * np.nan, "ncb", "no image of counter0 of entry0 is whole"),
        (STACK[:, :1], "ncb", "needs two of each"),
    ],
)
def test_values_that_have_no_place(tmp_path, data, to, told):
    path = stack_file(tmp_path / "a.hdf5", data, y=Y[: data.shape[1]])
    with pytest.raises(NXstxmError, match=told):
        convert(path, to, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def changed(path: Path, **members) -> Path:
    """Change members of a picture; those that are None are taken away."""
    with h5py.File(path, "r+") as file:
        for name, value in members.items():
            del file["entry0/counter0"][name]
            if value is not None:
                put(file["entry0/counter0"], **{name: value})
    return path


NOTHING_KNOWN = {"energy": None, "sample_y": None, "sample_x": None, "count_time": None}
COUNTED_ENERGIES = ("its energies are not known: they are counted, from 0 eV in steps of 1 eV",)
COUNTED_PLACES = tuple(
    f"its positions along {dim} are not known: points are counted, 1 um each" for dim in "yx"
)
NO_DWELL = ("its dwell is not known: 1000 ms was written",)


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("ncb", COUNTED_PLACES + COUNTED_ENERGIES + NO_DWELL),
        ("xim", COUNTED_PLACES + COUNTED_ENERGIES + NO_DWELL),
        ("tiff", COUNTED_PLACES + COUNTED_ENERGIES),
        ("csv", COUNTED_ENERGIES),
    ],
)
def test_numbers_that_nobody_knows_are_told(tmp_path, to, told):
    path = changed(stack_file(tmp_path / "a.hdf5"), **NOTHING_KNOWN)
    made = convert(path, to, tmp_path / "out")
    assert set(told) <= set(made.notes)
    known = convert(stack_file(tmp_path / "b.hdf5"), to, tmp_path / "out")
    assert set(made.notes) - set(known.notes) == set(told)
    if to == "ncb":
        _, said = read_ncb(made.paths[0])
        assert said["x"] == (0, NX - 1)
        assert said["images"] == [(f"image{n + 1}", n, 1000.0) for n in range(NE)]


def test_numbers_of_an_image_and_a_line_that_nobody_knows(tmp_path):
    path, _ = build_style("image-in-upper-case", tmp_path)
    notes = convert(path, "ncb", tmp_path / "out").notes
    assert "its energy is not known: 0 eV was written" in notes
    path, _ = build_style("pixelator-line-spectrum", tmp_path)
    assert convert(path, "xim", tmp_path / "out").notes == ()
    with h5py.File(path, "r+") as file:
        for name in ("energy", "count_time", "line_position", "sample_x", "sample_y"):
            del file[f"entry1/counter0/{name}"]
        assert "count_time" not in file["entry1/counter0"]
    notes = convert(path, "xim", tmp_path / "out", overwrite=True).notes
    assert set(notes) >= set(COUNTED_ENERGIES + NO_DWELL)


@pytest.mark.parametrize("to", FORMATS)
def test_units_that_the_format_does_not_have_are_told(tmp_path, to):
    path = stack_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file["entry0/counter0/energy"].attrs["units"] = "turns"
        file["entry0/counter0/sample_x"].attrs["units"] = "deg"
    notes = convert(path, to, tmp_path / "out").notes
    assert "its energies are in turns, and the format calls them eV" in notes
    told = "its positions along x are in deg, and the format calls them um"
    assert (told in notes) == (to != "csv")


def test_a_dwell_that_is_known_of_some_images(tmp_path):
    path = changed(stack_file(tmp_path / "a.hdf5"), count_time=[0.002, np.nan, 0.004])
    made = convert(path, "ncb", tmp_path / "out")
    assert "its dwell of 1 image is not known: 1000 ms was written" in made.notes
    assert [dwell for *_, dwell in read_ncb(made.paths[0])[1]["images"]] == [2.0, 1000.0, 4.0]


def test_energies_of_images_that_are_left_out_need_not_be_known(tmp_path):
    data = STACK.copy()
    data[2:] = np.nan
    path = stack_file(tmp_path / "a.hdf5", data, energy=[280.0, 285.5, np.nan])
    made = convert(path, "ncb", tmp_path / "out")
    assert read_ncb(made.paths[0])[1]["energy"] == [280.0, 285.5]
    assert not any("known" in note for note in made.notes)
    made = convert(path, "csv", tmp_path / "out")
    np.testing.assert_array_equal(read_spectrum(made.paths[0])[:, 0], [280.0, 285.5])


def test_a_time_that_is_not_known_is_told(tmp_path):
    path = stack_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["entry0/start_time"]
    notes = convert(path, "xim", tmp_path / "out").notes
    assert "when it began is not known: 2000 January 01 00:00:00 was written" in notes


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (X * np.nan, "its positions along x are not known: points are counted, 1 um each"),
        (X * 0 + 3, "its positions along x are 0 um apart: pixels of 1 um were written"),
        (X * 1e-9, "its positions along x are 1e-09 um apart: pixels of 1 um were written"),
    ],
)
def test_pages_of_pixels_without_a_width(tmp_path, x, told):
    tifffile = pytest.importorskip("tifffile")
    made = convert(stack_file(tmp_path / "a.hdf5", x=x), "tiff", tmp_path / "out")
    assert told in made.notes
    with tifffile.TiffFile(made.paths[0]) as file:
        np.testing.assert_array_equal(file.asarray(), STACK[:, ::-1].astype(np.float32))
        assert file.pages[0].tags["XResolution"].value == (1, 1)


def test_what_is_behind_a_dot_belongs_to_the_name(tmp_path, nxstxm: Run):
    names = ("s.1.hdf5", "s.2.HDF5", "s.3", "2026.03.19.stxm")
    paths = [stack_file(tmp_path / name) for name in names]
    arguments = ("--to", "ncb", "-o", tmp_path / "out", "--overwrite")
    assert nxstxm("convert", *paths, *arguments)[0] == 0
    made = sorted(p.name for p in (tmp_path / "out").glob("*.ncb"))
    assert made == ["2026_03_19.ncb", "s_1.ncb", "s_2.ncb", "s_3.ncb"]


def test_what_does_not_fit_into_the_memory(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr("suitcase.nxstxm.exchange._formats._ncb._scale", full)
    path = stack_file(tmp_path / "a.hdf5")
    with pytest.raises(NXstxmError, match=r"a\.hdf5 does not fit into the memory \(Unable"):
        convert(path, "ncb", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("to", FORMATS)
def test_gigabytes_that_nobody_wrote_are_not_converted(tmp_path, to):
    if to == "tiff":
        pytest.importorskip("tifffile")
    path = stack_file(tmp_path / "a.hdf5", energy=np.arange(20_000.0))
    with h5py.File(path, "r+") as file:
        picture = file["entry0/counter0"]
        del picture["data"]
        picture.create_dataset("data", (20_000, NY, 10**6), float, chunks=(1, 1, 10**6))
    with pytest.raises(NXstxmError, match="next to nothing was written"):
        convert(path, to, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("to", FORMATS)
def test_nothing_is_replaced_unasked(tmp_path, to):
    path = stack_file(tmp_path / "a.hdf5")
    first = {p: p.read_bytes() for p in convert(path, to, tmp_path / "out").paths}
    stack_file(path, STACK * 2)
    with pytest.raises(NXstxmError, match="is there already"):
        convert(path, to, tmp_path / "out")
    assert {p: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first
    convert(path, to, tmp_path / "out", overwrite=True)
    assert {p: p.read_bytes() for p in (tmp_path / "out").iterdir()} != first


def test_the_command(tmp_path, nxstxm: Run):
    path = stack_file(tmp_path / "a.hdf5")
    status, out, err = nxstxm("convert", path, "--to", "ncb", "-o", tmp_path / "out")
    assert status == 0
    assert out.split() == [str(tmp_path / "out" / name) for name in ("a.ncb", "a.dat")]
    assert "values are kept to 0.005" in " ".join(err.split())
    assert nxstxm("convert", path, "--to", "ncb", "-o", tmp_path / "out")[0] == 1
    assert nxstxm("convert", path, "--to", "ncb", "-o", tmp_path / "out", "--overwrite")[0] == 0


# -- Mantis itself ---------------------------------------------------------------------------------

needs_mantis = pytest.mark.skipif(
    importlib.util.find_spec("mantis_xray") is None,
    reason="Mantis is not installed (pip install --no-deps mantis-xray)",
)


def opened_by_mantis(path: Path, selection=None):
    """Open a file as Mantis does, without its windows; what it prints may be an error."""
    from mantis_xray import file_plugins
    from mantis_xray.analysis import data_stack, data_struct

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        stack = data_stack.data(data_struct.h5())
        if selection is None:
            file_plugins.load(str(path), stack)
        else:
            file_plugins.load(str(path), stack, selection=selection)
    assert "Aborted" not in said.getvalue()
    return stack


@pytest.mark.slow
@needs_mantis
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("to", ["ncb", "xim"])
def test_mantis_reads_the_stack(tmp_path, to):
    made = convert(stack_file(tmp_path / f"{to}.hdf5"), to, tmp_path)
    path = made.paths[0] if to == "ncb" else made.paths[-1]
    stack = opened_by_mantis(path, None if to == "ncb" else [(0, 0)])
    # in memory Mantis has x, y, energy
    np.testing.assert_allclose(stack.absdata, STACK.T, atol=0.01)
    np.testing.assert_allclose(stack.ev, ENERGY)
    np.testing.assert_allclose(stack.x_dist[:NX], X, atol=1e-3)
    np.testing.assert_allclose(stack.y_dist[:NY], Y, atol=1e-3)


@pytest.mark.slow
@needs_mantis
@pytest.mark.filterwarnings("ignore")
def test_mantis_reads_the_line_spectrum(tmp_path):
    path, _ = build_style("pixelator-line-spectrum", tmp_path)
    stack = opened_by_mantis(convert(path, "xim", tmp_path).paths[-1], [(0, 0)])
    np.testing.assert_array_equal(stack.absdata[0], LINE.T)


@pytest.mark.slow
@needs_mantis
@pytest.mark.filterwarnings("ignore")
def test_mantis_reads_the_pages_and_the_spectrum(tmp_path):
    path = stack_file(tmp_path / "a.hdf5")
    stack = opened_by_mantis(convert(path, "tiff", tmp_path / "tiff").paths[0])
    np.testing.assert_allclose(stack.absdata, STACK[:, ::-1].transpose(1, 2, 0))
    np.testing.assert_allclose(stack.ev, ENERGY)
    spectrum = opened_by_mantis(convert(path, "csv", tmp_path / "csv").paths[0])
    np.testing.assert_allclose(spectrum.i0data, STACK.mean(axis=(1, 2)))
    np.testing.assert_allclose(spectrum.evi0, ENERGY)


@pytest.mark.slow
@needs_mantis
@pytest.mark.filterwarnings("ignore")
def test_mantis_reads_our_own_files(tmp_path):
    request = REQUESTS["pystxm2019-sample_image_stack-lines"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    stack = opened_by_mantis(path, [(0, 0, 0)])
    np.testing.assert_allclose(stack.absdata, sim.expected(request)["entry0"].data.T)


def test_what_a_xim_has_one_of(tmp_path):
    path = changed(stack_file(tmp_path / "a.hdf5"), count_time=[0.002, 0.003, 0.004])
    notes = convert(path, "xim", tmp_path / "out").notes
    assert "its dwells are 2 to 4 ms, and the format has one: 2 ms was written" in notes
    assert "the ring current is not looked for: 0 mA was written" in notes
    path = changed(stack_file(tmp_path / "b.hdf5"), count_time=[0.002, 0.002, 0.002])
    assert not any("dwells" in note for note in convert(path, "xim", tmp_path / "out").notes)


def test_entries_whose_names_differ_in_what_a_file_name_can_not_hold(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = stack_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        for number, name in enumerate(("s.1", "s_1", "S 1")):
            file.copy("entry0", name)
            file[f"{name}/counter0/data"][...] += number
        del file["entry0"]
    made = convert(path, "tiff", tmp_path / "out")
    images = {p.name: tifffile.imread(p) for p in made.paths if p.suffix == ".tif"}
    assert sorted(images) == ["a_S_1.tif", "a_s_1-2.tif", "a_s_1-3.tif"]
    found = {int(image.min() - STACK.min()) for image in images.values()}
    assert found == {0, 1, 2}
    one = convert(path, "tiff", tmp_path / "one", entry="s_1")
    assert one.paths[0].name in images, "an entry has the same name alone"
