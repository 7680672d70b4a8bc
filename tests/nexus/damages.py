"""Every single thing that can be wrong with a file and that the checks must name."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np

Damage = Callable[[h5py.File], None]


def delete(*paths: str) -> Damage:
    def damage(file: h5py.File) -> None:
        for path in paths:
            del file[path]

    return damage


def delete_attr(path: str, name: str) -> Damage:
    def damage(file: h5py.File) -> None:
        del file[path].attrs[name]

    return damage


def set_attr(path: str, name: str, value: object) -> Damage:
    def damage(file: h5py.File) -> None:
        file[path].attrs[name] = value

    return damage


def replace(path: str, value: object) -> Damage:
    """Write another value in the place of a dataset, which keeps its attributes."""

    def damage(file: h5py.File) -> None:
        kept = dict(file[path].attrs)
        del file[path]
        file[path] = value
        for name, attr in kept.items():
            file[path].attrs[name] = attr

    return damage


def new_group(path: str, nx_class: str) -> Damage:
    def damage(file: h5py.File) -> None:
        file.create_group(path).attrs["NX_class"] = nx_class

    return damage


def cut(path: str) -> Damage:
    """Take the last element of the first dimension away."""

    def damage(file: h5py.File) -> None:
        replace(path, file[path][:-1])(file)

    return damage


def without_the_archives_end(file: h5py.File) -> None:
    replace(ARCHIVE, file[ARCHIVE][:-20])(file)


def with_a_wrong_byte_in_the_archive(file: h5py.File) -> None:
    data = file[ARCHIVE][()]
    data[70] ^= 0xFF
    replace(ARCHIVE, data)(file)


def with_a_broken_link(file: h5py.File) -> None:
    file["entry0/instrument/counter1"] = h5py.ExternalLink("gone.h5", "/data")


def with_an_endless_tree(file: h5py.File) -> None:
    file["entry0/collection/again"] = file["entry0"]


ENTRY = "entry0"
MONO = "entry0/instrument/monochromator"
DETECTOR = "entry0/instrument/counter0"
DATA = "entry0/counter0"
ARCHIVE = "entry0/collection/bluesky/8b8a62f3"

STACK = "sample image stack"

# fmt: off
#: name of the case: label, what is done to the file, where the problem is, what it says
DAMAGES: dict[str, tuple[str, Damage, str, str]] = {
    "no root default": (STACK, delete_attr("/", "default"), "/@default", "is missing"),
    "root default leads nowhere": (
        STACK, set_attr("/", "default", "entry7"), "/@default", "'entry7' does not exist",
    ),
    "root default is no entry": (
        STACK, set_attr(ENTRY, "NX_class", "NXcollection"), "/@default",
        "'entry0' is an NXcollection, not an NXentry",
    ),
    "no entry default": (STACK, delete_attr(ENTRY, "default"), "/entry0@default", "is missing"),
    "entry default leads nowhere": (
        STACK, set_attr(ENTRY, "default", "gone"), "/entry0@default", "'gone' does not exist",
    ),
    "entry default is no NXdata": (
        STACK, set_attr(ENTRY, "default", "sample"), "/entry0@default", "is an NXsample, not an",
    ),
    "no entry": (
        STACK, delete("entry0"), "/", "the file has no NXentry",
    ),
    "class is not plain text": (
        STACK, set_attr(ENTRY + "/sample", "NX_class", np.bytes_(b"NXsample")),
        "/entry0/sample@NX_class", "is not a plain string",
    ),
    "class is missing": (
        STACK, delete_attr("entry0/collection/baseline", "NX_class"),
        "/entry0/collection/baseline@NX_class", "is missing",
    ),
    "complete is no boolean": (
        STACK, set_attr(ENTRY, "complete", "yes"), "/entry0@complete", "'yes', not a boolean",
    ),
    "no title": (STACK, delete("entry0/title"), "/entry0/title", "the dataset is missing"),
    "title is a list": (
        STACK, replace("entry0/title", ["a", "b"]), "/entry0/title", "the shape (2,), not ()",
    ),
    "definition is scalar": (
        STACK, replace("entry0/definition", np.bytes_(b"NXstxm")), "/entry0/definition",
        "has the shape (), not (1,)",
    ),
    "definition is of variable length": (
        STACK, replace("entry0/definition", ["NXstxm"]), "/entry0/definition",
        "must hold bytes of fixed length",
    ),
    "definition is another": (
        STACK, replace("entry0/definition", np.array([b"NXarpes"])), "/entry0/definition",
        "'NXarpes' is not one of: NXstxm",
    ),
    "time without offset": (
        STACK, replace("entry0/start_time", "2019-07-12T15:04:05"), "/entry0/start_time",
        "not an ISO 8601 time with its UTC offset",
    ),
    "time with a space": (
        STACK, replace("entry0/end_time", "2019-07-12 15:04:05+00:00"), "/entry0/end_time",
        "not an ISO 8601 time with its UTC offset",
    ),
    "time that never was": (
        STACK, replace("entry0/end_time", "2019-13-12T15:04:05Z"), "/entry0/end_time",
        "not an ISO 8601 time",
    ),
    "end before start": (
        STACK, replace("entry0/end_time", "2019-07-12T16:04:05.5+02:00"), "/entry0/end_time",
        "is before start_time",
    ),
    "two instruments": (
        STACK, new_group("entry0/second", "NXinstrument"), "/entry0",
        "has 2 NXinstrument instead of exactly one",
    ),
    "no source": (
        STACK, delete("entry0/instrument/source"), "/entry0/instrument",
        "has 0 NXsource instead of exactly one",
    ),
    "source of an unknown type": (
        STACK, replace("entry0/instrument/source/type", "Synchrotron"),
        "/entry0/instrument/source/type", "'Synchrotron' is not one of: Spallation",
    ),
    "source without a name": (
        STACK, delete("entry0/instrument/source/name"), "/entry0/instrument/source/name",
        "the dataset is missing",
    ),
    "unknown probe": (
        STACK, replace("entry0/instrument/source/probe", "X-ray"),
        "/entry0/instrument/source/probe", "'X-ray' is not one of: neutron",
    ),
    "no monochromator": (
        STACK, delete(MONO), "/entry0/instrument/monochromator", "is missing",
    ),
    "one energy too few": (
        STACK, cut(f"{MONO}/energy"), "/entry0/instrument/counter0/data",
        "has the length 54, not nP = 53, the length of monochromator/energy",
    ),
    "energy is one number": (
        STACK, replace(f"{MONO}/energy", 280.0), f"/{MONO}/energy", "has the shape (), not (nP,)",
    ),
    "energies are integers": (
        STACK, replace(f"{MONO}/energy", np.full(54, 280)), f"/{MONO}/energy",
        "is of type int64, not floating point",
    ),
    "energy in micrometres": (
        STACK, set_attr(f"{MONO}/energy", "units", "um"), f"/{MONO}/energy@units",
        "'um' is not eV",
    ),
    "only positions": (
        STACK, delete(DETECTOR, "entry0/instrument/ccd"), "/entry0/instrument",
        "has no NXdetector that counts anything",
    ),
    "detector list too short": (
        STACK, cut(f"{DETECTOR}/data"), f"/{DETECTOR}/data", "has the length 53, not nP = 54",
    ),
    "camera list too short": (
        STACK, cut("entry0/instrument/ccd/data"), "/entry0/instrument/ccd/data",
        "has the length 53, not nP = 54",
    ),
    "dwell list too short": (
        STACK, cut(f"{DETECTOR}/count_time"), f"/{DETECTOR}/count_time",
        "has the length 53, not nP = 54",
    ),
    "position list too short": (
        STACK, cut("entry0/instrument/sample_x/data"), "/entry0/instrument/sample_x/data",
        "has the length 53, not nP = 54",
    ),
    "positioner list too short": (
        "osa image", cut("entry0/instrument/osa_x/value"), "/entry0/instrument/osa_x/value",
        "has the length 17, not nP = 18",
    ),
    "detector counts are words": (
        STACK, replace(f"{DETECTOR}/data", ["a"] * 54), f"/{DETECTOR}/data", "not a number",
    ),
    "no sample": (STACK, delete("entry0/sample"), "/entry0", "has no NXsample"),
    "no angle": (
        STACK, delete("entry0/sample/rotation_angle"), "/entry0/sample/rotation_angle",
        "the dataset is missing",
    ),
    "angle is an integer": (
        STACK, replace("entry0/sample/rotation_angle", 0), "/entry0/sample/rotation_angle",
        "not floating point",
    ),
    "angle without units": (
        STACK, delete_attr("entry0/sample/rotation_angle", "units"),
        "/entry0/sample/rotation_angle@units", "the attribute is missing",
    ),
    "no picture": (
        "sample image", delete(DATA, "entry0/ccd"), "/entry0", "has no NXdata",
    ),
    "no signal": (STACK, delete_attr(DATA, "signal"), f"/{DATA}@signal", "is missing"),
    "signal leads nowhere": (
        STACK, set_attr(DATA, "signal", "counts"), f"/{DATA}@signal", "'counts' does not exist",
    ),
    "no axes": (STACK, delete_attr(DATA, "axes"), f"/{DATA}@axes", "the attribute is missing"),
    "axes of variable length": (
        STACK, set_attr(DATA, "axes", ["energy", "sample_y", "sample_x"]), f"/{DATA}@axes",
        "is not a list of bytes of fixed length",
    ),
    "two axes for three dimensions": (
        STACK, set_attr(DATA, "axes", np.array([b"sample_y", b"sample_x"])), f"/{DATA}@axes",
        "names 2 axes (sample_y, sample_x) for data of rank 3",
    ),
    "an axis that is not there": (
        "sample image", set_attr(DATA, "axes", np.array([b"goniy", b"sample_x"])),
        f"/{DATA}@axes", "the axis 'goniy' does not exist",
    ),
    "axes of another scan type": (
        "sample image", set_attr(DATA, "axes", np.array([b"sample_x", b"sample_y"])),
        f"/{DATA}@axes", "a sample image has the axes sample_y, sample_x, not sample_x, sample_y",
    ),
    "axis too long": (
        STACK, replace(f"{DATA}/sample_x", np.arange(6.0)), f"/{DATA}/sample_x",
        "has the length 6, but dimension 2 of the data has 5",
    ),
    "image with a third dimension": (
        "sample image", replace(f"{DATA}/data", np.zeros((1, 4, 5))), f"/{DATA}@axes",
        "names 2 axes (sample_y, sample_x) for data of rank 3",
    ),
    "index of another dimension": (
        STACK, set_attr(DATA, "sample_x_indices", 1), f"/{DATA}@sample_x_indices",
        "points to dimension 1 of length 4, but the dataset has the shape (5,)",
    ),
    "index of no dimension": (
        STACK, set_attr(DATA, "sample_x_indices", 3), f"/{DATA}@sample_x_indices",
        "3 is no dimension of data of rank 3",
    ),
    "index of nothing": (
        STACK, set_attr(DATA, "osa_x_indices", 0), f"/{DATA}@osa_x_indices",
        "does not exist",
    ),
    "data of single precision": (
        STACK, replace(f"{DATA}/data", np.zeros((3, 4, 5), np.float32)), f"/{DATA}/data",
        "is of type float32, not float64",
    ),
    "scan type of capital letters": (
        STACK, replace(f"{DATA}/stxm_scan_type", np.array([b"Sample Image Stack"])),
        f"/{DATA}/stxm_scan_type", "'Sample Image Stack' is not one of: sample point spectrum",
    ),
    "scan type is scalar": (
        STACK, replace(f"{DATA}/stxm_scan_type", np.bytes_(STACK)), f"/{DATA}/stxm_scan_type",
        "has the shape (), not (1,)",
    ),
    "scan type of variable length": (
        STACK, replace(f"{DATA}/stxm_scan_type", [STACK]), f"/{DATA}/stxm_scan_type",
        "must hold bytes of fixed length",
    ),
    "scan type of another rank": (
        "sample image", replace(f"{DATA}/stxm_scan_type", np.array([b"sample focus"])),
        f"/{DATA}@axes", "a sample focus has the axes zoneplate_z, line_position, not sample_y",
    ),
    "no sample_x in a point spectrum": (
        "sample point spectrum", delete(f"{DATA}/sample_x"), f"/{DATA}/sample_x",
        "the dataset is missing",
    ),
    "scalar sample_y": (
        "sample point spectrum", replace(f"{DATA}/sample_y", 1.0), f"/{DATA}/sample_y",
        "has the shape (), not (n,)",
    ),
    "empty sample_y": (
        "generic scan", replace(f"{DATA}/sample_y", np.zeros(0)), f"/{DATA}/sample_y", "is empty",
    ),
    "count_time of another length": (
        STACK, cut(f"{DATA}/count_time"), f"/{DATA}/count_time",
        "has the length 2, not nE = 3, the length of energy beside it",
    ),
    "positions along a line missing": (
        "sample line spectrum", replace(f"{DATA}/sample_x", np.zeros(1)), f"/{DATA}/sample_x",
        "has the shape (1,), not that of line_position, (6,)",
    ),
    "osa positions along a line missing": (
        "osa focus", delete(f"{DATA}/osa_y"), f"/{DATA}/osa_y",
        "the dataset is missing from a osa focus",
    ),
    "many energies in an image": (
        "sample image", replace(f"{DATA}/energy", np.ones(3)), f"/{DATA}/energy",
        "has the length 3, but is 1 in a sample image",
    ),
    "control of another shape": (
        STACK, cut("entry0/control/data"), "/entry0/control/data",
        "has the shape (2, 4, 5), but /entry0/counter0/data has (3, 4, 5)",
    ),
    "control axes lead nowhere": (
        STACK, set_attr("entry0/control", "axes", np.array([b"energy"])), "/entry0/control@axes",
        "the axis 'energy' does not exist",
    ),
    "no unit": (
        STACK, delete_attr(f"{DETECTOR}/data", "units"), f"/{DETECTOR}/data@units", "is missing",
    ),
    "empty unit": (
        STACK, set_attr(f"{DATA}/sample_x", "units", ""), f"/{DATA}/sample_x@units",
        "the attribute names no unit",
    ),
    "category of units": (
        STACK, set_attr(f"{DATA}/sample_x", "units", "NX_LENGTH"), f"/{DATA}/sample_x@units",
        "'NX_LENGTH' is a category of units",
    ),
    "category of units among the readings": (
        STACK, set_attr("entry0/collection/baseline/ring_current/value", "units", "NX_CURRENT"),
        "/entry0/collection/baseline/ring_current/value@units", "is a category of units",
    ),
    "unit in the wrong attribute": (
        STACK, set_attr(f"{DATA}/data", "NX_units", "counts"), f"/{DATA}/data@NX_units",
        "readers look for units in @units only",
    ),
    "archive cut short": (
        STACK, without_the_archives_end, f"/{ARCHIVE}", "the archive is damaged: ",
    ),
    "archive with a wrong byte": (
        STACK, with_a_wrong_byte_in_the_archive, f"/{ARCHIVE}", "the archive is damaged: ",
    ),
    "archive of another run": (
        STACK, set_attr(ARCHIVE, "uid", "00000000"), f"/{ARCHIVE}",
        "holds 8b8a62f3, not the run 00000000",
    ),
    "archive of another type": (
        STACK, replace(ARCHIVE, np.zeros(3)), f"/{ARCHIVE}", "is float64 of shape (3,), not 1-D",
    ),
    "link that leads nowhere": (
        STACK, with_a_broken_link, "/entry0/instrument/counter1", "the member can not be read",
    ),
    "group that contains itself": (
        STACK, with_an_endless_tree, "/entry0/collection/again", "the group contains itself",
    ),
}
# fmt: on
