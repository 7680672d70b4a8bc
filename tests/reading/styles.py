"""Files as other programs write them, built by hand: what is odd about each is odd on purpose.

The layouts are those of the programs' writers and readers; no byte is from a real file. Values are
different at every point, so that a turned or shifted array can not pass for the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

NE, NY, NX = 3, 4, 5
ENERGY = np.array([280.0, 285.5, 290.0])
Y = np.linspace(-2.0, 2.0, NY)
X = np.linspace(10.0, 14.0, NX)
STACK = np.arange(NE * NY * NX, dtype=float).reshape(NE, NY, NX) + 1
IMAGE = STACK[0]
LINE = np.arange(NE * NX, dtype=float).reshape(NE, NX) + 1


@dataclass(frozen=True)
class Expected:
    """What a reader has to find.

    Attributes
    ----------
    guessed : tuple of str
        Words that the guesses of the channel or of the entry must contain.
    nothing_guessed : bool
        There is nothing to guess.
    """

    label: str
    dims: tuple[str, ...]
    data: np.ndarray
    coords: Mapping[str, object] = field(default_factory=dict)
    entry: str = "entry1"
    channel: str = "counter0"
    guessed: tuple[str, ...] = ()
    nothing_guessed: bool = False
    attrs: Mapping[str, object] = field(default_factory=dict)


_STACK_COORDS = {"energy": ENERGY, "y": Y, "x": X}
_IMAGE_COORDS = {"y": Y, "x": X}
Build = Callable[[h5py.File], Expected]
STYLES: dict[str, Build] = {}


def style(build: Build) -> Build:
    STYLES[build.__name__.strip("_").replace("_", "-")] = build
    return build


def build_style(name: str, folder: Path) -> tuple[Path, Expected]:
    path = folder / f"{name}.hdf5"
    with h5py.File(path, "w") as file:
        expected = STYLES[name](file)
    return path, expected


def group(home: h5py.Group, name: str, nx_class: str | bytes | None = None) -> h5py.Group:
    made = home.create_group(name)
    if nx_class is not None:
        made.attrs["NX_class"] = nx_class
    return made


def put(home: h5py.Group, /, **values: object) -> None:
    for name, value in values.items():
        home[name] = value


def fixed(*texts: str) -> np.ndarray:
    return np.array([text.encode() for text in texts])


# -- Pixelator: PolLux, SoftiMAX, MAXYMUS ----------------------------------------------------------


def _pixelator(file: h5py.File, label: str) -> tuple[h5py.Group, h5py.Group]:
    file.attrs["default"] = np.bytes_("entry1")
    entry = group(file, "entry1", np.bytes_("NXentry"))
    entry.attrs["default"] = np.bytes_("counter0")
    put(
        entry,
        definition=fixed("NXstxm"),
        title=fixed("a sample"),
        start_time=fixed("2026-03-19T12:00:00+01:00"),
        end_time=fixed("2026-03-19T12:10:00+01:00"),
    )
    data = group(entry, "counter0", np.bytes_("NXdata"))
    data.attrs["signal"] = np.bytes_("data")
    put(data, stxm_scan_type=fixed(label), count_time=np.full(NE, 0.002))
    return entry, data


@style
def pixelator_stack(file: h5py.File) -> Expected:
    entry, data = _pixelator(file, "sample image stack")
    data.attrs["axes"] = fixed("energy", "sample_y", "sample_x")
    put(data, data=STACK, energy=ENERGY, sample_y=Y, sample_x=X)
    for name, unit in (
        ("energy", "eV"),
        ("sample_y", "um"),
        ("sample_x", "um"),
        ("count_time", "s"),
    ):
        data[name].attrs["units"] = unit
    control = group(entry, "control", "NXmonitor")
    put(control, data=np.full(STACK.shape, 400.0))
    device = group(group(entry, "instrument", "NXinstrument"), "epu", "NXinsertion_device")
    device["linear_inclined_angle"] = [0.0]
    data["epu_polarization"] = [3.0]
    coords = {**_STACK_COORDS, "count_time": np.full(NE, 0.002), "polarization": 3.0}
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        coords,
        nothing_guessed=True,
        attrs={"title": "a sample", "start_time": "2026-03-19T12:00:00+01:00"},
    )


@style
def pixelator_before_axes(file: h5py.File) -> Expected:
    """The oldest files say of each axis which dimension it is."""
    _, data = _pixelator(file, "sample image stack")
    put(data, data=STACK, energy=ENERGY, sample_y=Y, sample_x=X)
    for number, name in enumerate(("energy", "sample_y", "sample_x"), 1):
        data[name].attrs["axis"] = number
    return Expected("sample image stack", ("energy", "y", "x"), STACK, _STACK_COORDS)


@style
def pixelator_xyz(file: h5py.File) -> Expected:
    _, data = _pixelator(file, "sample image stack")
    put(data, data=STACK.T, energy=ENERGY, sample_y=Y, sample_x=X)
    for number, name in enumerate(("sample_x", "sample_y", "energy"), 1):
        data[name].attrs["axis"] = str(number)
    return Expected("sample image stack", ("energy", "y", "x"), STACK, _STACK_COORDS)


@style
def pixelator_line_spectrum(file: h5py.File) -> Expected:
    _, data = _pixelator(file, "sample line spectrum")
    data.attrs["axes"] = fixed("energy", "line_position")
    y = np.linspace(0, 1, NX)
    put(data, data=LINE, energy=ENERGY, sample_y=y, sample_x=X, line_position=X - X[0])
    coords = {"energy": ENERGY, "line": X - X[0], "sample_x": X, "sample_y": y}
    return Expected("sample line spectrum", ("energy", "line"), LINE, coords)


@style
def pixelator_point_spectrum(file: h5py.File) -> Expected:
    _, data = _pixelator(file, "sample point spectrum")
    data.attrs["axes"] = fixed("energy")
    put(data, data=LINE[:, 0], energy=ENERGY, sample_y=[1.0], sample_x=[2.0])
    coords = {"energy": ENERGY, "sample_x": 2.0, "sample_y": 1.0}
    return Expected("sample point spectrum", ("energy",), LINE[:, 0], coords)


@style
def early_camera(file: h5py.File) -> Expected:
    """Texts padded with blanks, and the number of the dimension under the name "axes"."""
    entry = group(file, "entry1", np.array([b"NXentry"]))
    put(entry, definition=fixed("NXstxm "), title=fixed("Sample "))
    data = group(entry, "Camera", np.array([b"NXdata"]))
    put(data, data=IMAGE.astype(np.float32), sample_x=X, sample_y=Y, energy=[0.1])
    put(data, stxm_scan_type=fixed("sample image "), count_time=[1.0])
    data["sample_x"].attrs["axes"] = 2
    data["sample_y"].attrs["axes"] = 1
    return Expected(
        "sample image",
        ("y", "x"),
        IMAGE,
        {**_IMAGE_COORDS, "energy": 0.1},
        channel="Camera",
        attrs={"title": "Sample"},
    )


# -- CLS: pyStxm -----------------------------------------------------------------------------------


def _cls(file: h5py.File, label: str, name: str = "entry0") -> tuple[h5py.Group, h5py.Group]:
    file.attrs["default"] = name
    entry = group(file, name, "NXentry")
    entry.attrs["default"] = "counter0"
    put(entry, definition="NXstxm", title="NeXus sample", version="1.0")
    put(entry, start_time="2019-07-12T09:04:05", end_time="2019-07-12T09:05:05")
    data = group(entry, "counter0", "NXdata")
    data.attrs["signal"] = "data"
    put(data, stxm_scan_type=label, count_time=np.full(1, 0.001))
    return entry, data


def _like_2019(home: h5py.Group, /, **values: object) -> None:
    put(home, **values)
    for name in values:
        home[name].attrs["NX_class"] = "NX_FLOAT"
        home[name].attrs["NX_units"] = "NX_ANY"
    home["data"].attrs["signal"] = "1"


@style
def cls_image(file: h5py.File) -> Expected:
    """Axes are the devices, and lists of the sample are there as well."""
    _, data = _cls(file, "sample image")
    data.attrs["axes"] = ["dnm_sample_y", "dnm_sample_x"]
    _like_2019(data, data=IMAGE.astype(np.float32), energy=[285.0], sample_y=Y, sample_x=X)
    put(data, dnm_sample_y=Y, dnm_sample_x=X)
    coords = {**_IMAGE_COORDS, "energy": 285.0}
    return Expected("sample image", ("y", "x"), IMAGE, coords, entry="entry0")


@style
def cls_coarse_image(file: h5py.File) -> Expected:
    """Rank 3 against two axes."""
    _, data = _cls(file, "coarse image")
    data.attrs["axes"] = ["goniy", "gonix"]
    _like_2019(data, data=IMAGE[np.newaxis], energy=[285.0], goniy=Y, gonix=X)
    return Expected("sample image", ("y", "x"), IMAGE, _IMAGE_COORDS, entry="entry0")


@style
def cls_osa_image(file: h5py.File) -> Expected:
    _, data = _cls(file, "osa image")
    data.attrs["axes"] = ["osa_y", "osa_x"]
    _like_2019(data, data=IMAGE[np.newaxis], energy=[285.0], osa_y=Y, osa_x=X)
    put(data, sample_x=[1.0], sample_y=2.0)
    coords = {**_IMAGE_COORDS, "sample_x": 1.0, "sample_y": 2.0}
    return Expected("osa image", ("y", "x"), IMAGE, coords, entry="entry0")


@style
def cls_stack(file: h5py.File) -> Expected:
    """What is not there yet is NaN; the ring current is a picture, too, and comes first."""
    entry, data = _cls(file, "sample image stack")
    entry.attrs["default"] = "gone"
    data.attrs["axes"] = ["energy", "sample_y", "sample_x"]
    partly = np.where(np.arange(NE)[:, None, None] < 2, STACK, np.nan)
    _like_2019(data, data=partly.astype(np.float32), energy=ENERGY, sample_y=Y, sample_x=X)
    current = group(entry, "DNM_RING_CURRENT", "NXdata")
    current.attrs["signal"] = "data"
    put(current, data=np.full(STACK.shape, 220.0), energy=ENERGY, sample_y=Y, sample_x=X)
    entry.move("counter0", "sis3820")
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        partly,
        _STACK_COORDS,
        entry="entry0",
        channel="sis3820",
    )


@style
def cls_line_spectrum(file: h5py.File) -> Expected:
    """Named energy, line; stored line, energy."""
    _, data = _cls(file, "sample line spectra")
    data.attrs["axes"] = ["energy", "line_position"]
    _like_2019(data, data=LINE.T, energy=ENERGY, sample_y=X + 1, sample_x=X)
    put(data, line_position=np.arange(NX, dtype=float))
    coords = {"energy": ENERGY, "line": np.arange(NX), "sample_x": X, "sample_y": X + 1}
    return Expected(
        "sample line spectrum",
        ("energy", "line"),
        LINE,
        coords,
        entry="entry0",
        guessed=("by their lengths they are line_position, energy",),
    )


@style
def cls_square_line_spectrum(file: h5py.File) -> Expected:
    """As many energies as points: only the monitor tells that it is turned."""
    entry, data = _cls(file, "sample line spectrum")
    square = np.arange(NX * NX, dtype=float).reshape(NX, NX)
    energy = np.linspace(280, 290, NX)
    data.attrs["axes"] = ["energy", "line_position"]
    _like_2019(data, data=square.T, energy=energy, sample_y=X, sample_x=X)
    put(data, line_position=np.arange(NX, dtype=float))
    control = group(entry, "control", "NXmonitor")
    control.attrs["axes"] = ["line_position", "energy"]
    put(control, data=np.ones((NX, NX)))
    coords = {"energy": energy, "line": np.arange(NX)}
    return Expected("sample line spectrum", ("energy", "line"), square, coords, entry="entry0")


@style
def cls_point_spectrum(file: h5py.File) -> Expected:
    """One dimension under three names; the position is repeated."""
    _, data = _cls(file, "sample point spectra")
    data.attrs["axes"] = ["energy", "sample_y", "sample_x"]
    _like_2019(data, data=LINE[:, 0], energy=ENERGY, sample_y=[1.0] * NE, sample_x=[2.0] * NE)
    coords = {"energy": ENERGY, "sample_x": 2.0, "sample_y": 1.0}
    return Expected(
        "sample point spectrum",
        ("energy",),
        LINE[:, 0],
        coords,
        entry="entry0",
        guessed=("do not fit an array of shape (3,)",),
    )


@style
def cls_legacy_line_spectrum(file: h5py.File) -> Expected:
    """Huge numbers for names, one dimension more than axes, indices that are text."""
    _, data = _cls(file, "sample line spectra", "entry1458838195411")
    data.attrs["axes"] = ["energy", "line_position"]
    data.attrs["energy_indices"] = "0"
    data.attrs["line_position_indices"] = "1"
    _like_2019(data, data=LINE[np.newaxis], energy=ENERGY, sample_y=X * 0, sample_x=X)
    put(data, line_position=X - X[0])
    coords = {"energy": ENERGY, "line": X - X[0]}
    return Expected(
        "sample line spectrum", ("energy", "line"), LINE, coords, entry="entry1458838195411"
    )


@style
def cls_legacy_focus(file: h5py.File) -> Expected:
    """Three names for two dimensions."""
    _, data = _cls(file, "osa focus")
    z = np.linspace(-900, -700, NE)
    data.attrs["axes"] = ["zoneplate_z", "osa_y", "osa_x"]
    _like_2019(data, data=LINE[np.newaxis], energy=[285.0], zoneplate_z=z, osa_y=X * 2, osa_x=X)
    coords = {"zoneplate_z": z, "osa_x": X, "osa_y": X * 2}
    return Expected("osa focus", ("zoneplate_z", "line"), LINE, coords, entry="entry0")


@style
def cls_polarizations_between(file: h5py.File) -> Expected:
    """Planes of two polarizations, one after the other, and energies told once."""
    _, data = _cls(file, "sample image stack")
    data.attrs["axes"] = ["energy", "sample_y", "sample_x"]
    both = np.repeat(STACK, 2, axis=0)
    _like_2019(data, data=both, energy=ENERGY, sample_y=Y, sample_x=X)
    coords = {**_STACK_COORDS, "energy": np.repeat(ENERGY, 2)}
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        both,
        coords,
        entry="entry0",
        guessed=("2 planes have the same",),
    )


@style
def cls_generic(file: h5py.File) -> Expected:
    """The axis is named in another case than its member."""
    _, data = _cls(file, "generic scan")
    data.attrs["axes"] = ["m.osa_x"]
    _like_2019(data, data=LINE[0], energy=[285.0], M_OSA_X=X)
    return Expected("generic scan", ("M_OSA_X",), LINE[0], {"M_OSA_X": X}, entry="entry0")


# -- ALS: pystxmcontrol ----------------------------------------------------------------------------


def _als(file: h5py.File, *, one: bool = True) -> h5py.Group:
    entry = group(file, "entry0", np.bytes_("NXentry"))
    text = (lambda t: fixed(t)) if one else (lambda t: t)
    put(
        entry,
        start_time=text("2024-05-06T07:08:09.123456"),
        end_time=text("2024-05-06 07:10:00.000000"),
        experimenters=text("somebody"),
        sample_description=text("carbon"),
        proposal=text("ALS-1"),
    )
    return entry


def _als_picture(entry: h5py.Group, name: str, kind: str, **values: object) -> h5py.Group:
    data = group(entry, name, np.bytes_("NXdata"))
    data.attrs["axes"] = fixed("energy", "sample_y", "sample_x")
    data.attrs["signal"] = np.array(["data"], h5py.string_dtype())
    data.attrs["target"] = "/entry1/counter0/data"
    put(data, stxm_scan_type=fixed(kind), count_time=np.full(NE, 2.0), energy=ENERGY, **values)
    data["count_time"].attrs["units"] = "s"
    return data


_ALS_COORDS = {**_STACK_COORDS, "count_time": np.full(NE, 0.002)}


@style
def als_version_0(file: h5py.File) -> Expected:
    entry = _als(file)
    motors = group(entry, "motors", np.bytes_("NXmonitor"))
    put(motors, polarization=45.0, **{"EPU Gap": 30.1})
    data = group(entry, "counter0")
    put(data, data=STACK, energy=ENERGY, sample_y=Y, sample_x=X, count_time=np.full(NE, 2.0))
    put(data, stxm_scan_type=fixed("Image"))
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        {**_ALS_COORDS, "polarization": "45"},
        entry="entry0",
        guessed=("milliseconds", "by its axes it is a stack", "units are not said"),
    )


@style
def als_version_1(file: h5py.File) -> Expected:
    """As version 0, but for saying its version: the program reads everything before 2 alike."""
    expected = als_version_0(file)
    entry = file["entry0"]
    entry["definition"] = "NXstxm"
    entry["definition"].attrs["version"] = np.bytes_("1")
    return expected


def _samples() -> tuple[np.ndarray, np.ndarray]:
    """Two samples on each side of every point, whose mean is the picture."""
    step = X[1] - X[0]
    places = (X[:, None] + np.array([-0.3, -0.1, 0.1, 0.3]) * step).reshape(-1)
    counts = (STACK[..., None] + np.array([-1.5, -0.5, 0.5, 1.5])).reshape(NE, NY, -1)
    return counts, np.broadcast_to(places, counts.shape)


@style
def als_version_2(file: h5py.File) -> Expected:
    """Raw samples, and the points that were wanted."""
    entry = _als(file)
    entry["definition"] = "NXstxm"
    entry["definition"].attrs["version"] = np.bytes_("2")
    counts, places = _samples()
    _als_picture(entry, "counter0", "Image", data=counts, sample_x=places, sample_y=places * 0)
    wanted = group(entry, "requested_values", np.bytes_("NXdetector"))
    put(wanted, sample_x=X, sample_y=Y)
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _ALS_COORDS,
        entry="entry0",
        guessed=("mean of those nearest",),
    )


@style
def als_version_2_1(file: h5py.File) -> Expected:
    """Raw samples, and the picture that the program made of them, all of it in "um"."""
    entry = _als(file)
    entry["definition"] = "NXstxm"
    entry["definition"].attrs["version"] = np.bytes_("2.1")
    counts, places = _samples()
    _als_picture(entry, "counter0", "Image", data=counts, sample_x=places, sample_y=places * 0)
    binned = group(entry, "binned_values", np.bytes_("NXdetector"))
    put(binned, data=STACK, sample_x=X, sample_y=Y, sample_z=[0.0])
    for member in binned.values():
        member.attrs["units"] = "um"
    control = group(entry, "control", np.bytes_("NXmonitor"))
    put(control, data=np.zeros(counts.shape))
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _ALS_COORDS,
        entry="entry0",
        guessed=("what the program made of them",),
    )


@style
def als_version_3_first(file: h5py.File) -> Expected:
    """Four dimensions, and neither axes nor a signal nor classes."""
    entry = _als(file, one=False)
    entry["definition"] = 3.0
    data = group(entry, "data")
    put(data, data=STACK[:, np.newaxis], energy=ENERGY, sample_y=Y, sample_x=X, sample_z=[0.0])
    put(data, stxm_scan_type="Image", count_time=np.full(NE, 2.0))
    put(data, motor_name_x="None", motor_name_y="None")
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _ALS_COORDS,
        entry="entry0",
        channel="data",
        guessed=("no group is an NXdata", "names no axes"),
    )


@style
def als_version_3(file: h5py.File) -> Expected:
    """A picture for each detector; lists of detectors and motors of different lengths."""
    entry = _als(file, one=False)
    put(entry, definition=fixed("NXstxm"), version=3.0, title="ALS-1")
    sample = group(entry, "sample", np.bytes_("NXsample"))
    put(sample, rotation_angle="", description="carbon")
    instrument = group(entry, "instrument", np.bytes_("NXinstrument"))
    put(group(instrument, "monochromator", np.bytes_("NXmonochromator")), energy=ENERGY)
    counts, _ = _samples()
    for name in ("default", "xrf"):
        detector = group(instrument, name, np.bytes_("NXdetector"))
        detector.attrs["type"] = np.bytes_("photon")
        put(detector, data=counts.reshape(NE, -1))
    for name in ("sample_x", "sample_y", "sample_z"):
        put(group(instrument, name, np.bytes_("NXdetector")), data=np.zeros((NE, 7)))
    motors = group(instrument, "motors", np.bytes_("NXdetector"))
    put(motors, epu_gap=30.0, polarization=0.0)
    _als_picture(entry, "default", "Image", data=STACK, sample_y=Y, sample_x=X)
    xrf = _als_picture(entry, "xrf", "Image", data=STACK + 100, sample_y=Y, sample_x=X)
    del xrf["energy"]
    xrf["energy"] = np.empty(0)
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _ALS_COORDS,
        entry="entry0",
        channel="default",
    )


@style
def als_line_spectrum(file: h5py.File) -> Expected:
    entry = _als(file, one=False)
    put(entry, definition=fixed("NXstxm"), version=3.0)
    _als_picture(
        entry, "default", "Line Spectrum", data=LINE[:, np.newaxis], sample_y=[1.5], sample_x=X
    )
    coords = {"energy": ENERGY, "line": X, "sample_x": X, "sample_y": 1.5}
    return Expected(
        "sample line spectrum",
        ("energy", "line"),
        LINE,
        coords,
        entry="entry0",
        channel="default",
        guessed=("the line is along sample_x",),
    )


@style
def als_focus(file: h5py.File) -> Expected:
    """Rows are positions of the zone plate, which are not in the file."""
    entry = _als(file, one=False)
    put(entry, definition=fixed("NXstxm"), version=3.0)
    data = _als_picture(
        entry, "default", "Focus", data=LINE[np.newaxis], sample_y=np.arange(3.0), sample_x=X
    )
    del data["energy"], data["count_time"]
    put(data, energy=[285.0], count_time=[2.0])
    coords = {"line": X, "energy": 285.0, "zoneplate_z": np.arange(NE)}
    return Expected(
        "sample focus",
        ("zoneplate_z", "line"),
        LINE,
        coords,
        entry="entry0",
        channel="default",
        guessed=("where the zone plate was is not in the file",),
    )


@style
def als_motor(file: h5py.File) -> Expected:
    entry = _als(file, one=False)
    put(entry, definition=fixed("NXstxm"), version=3.0)
    data = _als_picture(
        entry, "default", "Single Motor", data=LINE[:1, np.newaxis], sample_y=[0.0], sample_x=X
    )
    del data["energy"], data["count_time"]
    put(data, energy=[285.0], count_time=[2.0], motor_name_x="OSA_X", motor_name_y="None")
    return Expected(
        "generic scan",
        ("energy", "y", "x"),
        LINE[:1, np.newaxis],
        {"x": X},
        entry="entry0",
        channel="default",
    )


# -- others ----------------------------------------------------------------------------------------


@style
def mantis(file: h5py.File) -> Expected:
    """x, y, energy; no units, no title, no times."""
    entry = group(file, "entry1", np.bytes_("NXentry"))
    put(entry, definition=fixed("NXstxm"))
    data = group(entry, "counter0", np.bytes_("NXdata"))
    data.attrs["signal"] = b"data"
    data.attrs["axes"] = fixed("sample_x", "sample_y", "energy")
    put(data, data=STACK.T, sample_x=X, sample_y=Y, energy=ENERGY, count_time=np.ones(NE))
    put(data, stxm_scan_type=fixed("sample image stack"))
    return Expected("sample image stack", ("energy", "y", "x"), STACK, _STACK_COORDS)


@style
def mantis_exchange(file: h5py.File) -> Expected:
    put(file, implements="information:exchange:spectromicroscopy:Mantis", version="1.0")
    home = group(file, "exchange")
    put(home, data=STACK.T, x=X, y=Y, energy=ENERGY)
    home["data"].attrs["axes"] = "x:y:energy"
    home["data"].attrs["signal"] = 1
    home["energy"].attrs["units"] = "ev"
    put(group(file, "information"), title="a stack")
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _STACK_COORDS,
        entry="exchange",
        channel="data",
        attrs={"title": "a stack"},
    )


@style
def mantis_exchange_oldest(file: h5py.File) -> Expected:
    put(file, implements="base, exchange, spectromicroscopy", version="0.9")
    home = group(group(file, "exchange"), "detector")
    put(home, data=STACK.T, x=X, y=Y, energy=ENERGY)
    home["data"].attrs["axes"] = "x:y"
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _STACK_COORDS,
        entry="exchange",
        channel="data",
    )


@style
def axis_export(file: h5py.File) -> Expected:
    """Axes, indices and numbers that contradict each other; only lengths are true."""
    entry = group(file, "entry1", "NXentry")
    put(entry, definition=fixed("NXstxm"))
    data = group(entry, "Ptychorecon", b"NXdata")
    data.attrs["signal"] = "data"
    data.attrs["axes"] = ["energy", "sample_x", "sample_y"]
    data.attrs["sample_y_indices"] = [0]
    data.attrs["sample_x_indices"] = [1]
    put(data, data=STACK, energy=ENERGY, sample_x=X, sample_y=Y, count_time=[0.1])
    put(data, stxm_scan_type=fixed("sample image"))
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _STACK_COORDS,
        channel="Ptychorecon",
        guessed=("by their lengths", "by its axes it is a stack"),
    )


@style
def converted_from_hdr(file: h5py.File) -> Expected:
    """Nothing but arrays."""
    entry = group(file, "entry1", "NXentry")
    data = group(entry, "counter0", "NXdata")
    put(data, data=STACK, energy=ENERGY, sample_y=Y, sample_x=X)
    return Expected(
        "sample image stack",
        ("energy", "y", "x"),
        STACK,
        _STACK_COORDS,
        guessed=("names no axes", "no scan type is said"),
    )


@style
def hermes(file: h5py.File) -> Expected:
    entry = group(file, "entry1", "NXentry")
    put(group(entry, "collection", "NXcollection"), beamline="Hermes")
    data = group(entry, "Counter0", "NXdata")
    put(data, data=STACK, energy=ENERGY, sample_y=Y, sample_x=X)
    put(data, stxm_scan_type="sample_image_stack")
    return Expected(
        "sample image stack", ("energy", "y", "x"), STACK, _STACK_COORDS, channel="Counter0"
    )


@style
def petra(file: h5py.File) -> Expected:
    """Another name for the entry, one number where an axis should be, no energy."""
    file.attrs["default"] = "measurement"
    entry = group(file, "measurement", "NXentry")
    put(entry, definition="NXstxm")
    data = group(entry, "transmission", "NXdata")
    put(data, data=IMAGE.astype(np.int64), sample_x=1.0, sample_y=2.0)
    put(data, stxm_scan_type="sample image")
    data["data"].attrs["signal"] = "1"
    coords = {"y": np.arange(NY), "x": np.arange(NX)}
    return Expected(
        "sample image",
        ("y", "x"),
        IMAGE,
        coords,
        entry="measurement",
        channel="transmission",
        guessed=("its points are counted",),
    )


@style
def image_in_upper_case(file: h5py.File) -> Expected:
    """The type as "IMAGE", (1, Y, X), axes as one text, no energy at all."""
    entry = group(file, "entry1", "NXentry")
    data = group(entry, "counter0", "NXdata")
    data.attrs["axes"] = "sample_y:sample_x"
    put(data, data=IMAGE[np.newaxis], sample_y=Y[:, np.newaxis], sample_x=X)
    put(data, stxm_scan_type=np.array([b"IMAGE\0\0"], "S8"))
    return Expected("sample image", ("y", "x"), IMAGE, _IMAGE_COORDS)


@style
def axes_missing_and_wrong(file: h5py.File) -> Expected:
    """One axis is missing, the other is too long."""
    entry = group(file, "entry1", "NXentry")
    data = group(entry, "counter0", "NXdata")
    data.attrs["axes"] = ["sample_y", "sample_x"]
    put(data, data=IMAGE, sample_x=np.arange(NX + 2.0), stxm_scan_type="sample image")
    coords = {"y": np.arange(NY), "x": np.arange(NX)}
    return Expected(
        "sample image",
        ("y", "x"),
        IMAGE,
        coords,
        guessed=("sample_y, the axis of dimension 0 (of 4), is missing", "sample_x"),
    )


@style
def other_units(file: h5py.File) -> Expected:
    """Energies in keV, positions in mm and nm, dwells in ms."""
    _, data = _pixelator(file, "sample image stack")
    data.attrs["axes"] = fixed("energy", "sample_y", "sample_x")
    put(data, data=STACK, energy=ENERGY / 1000, sample_y=Y / 1000, sample_x=X * 1000)
    del data["count_time"]
    data["count_time"] = np.full(NE, 2.0)
    for name, unit in (("energy", "keV"), ("sample_y", "mm"), ("sample_x", "nm")):
        data[name].attrs["units"] = unit
    data["count_time"].attrs["units"] = "ms"
    coords = {**_STACK_COORDS, "count_time": np.full(NE, 0.002)}
    return Expected("sample image stack", ("energy", "y", "x"), STACK, coords, nothing_guessed=True)
