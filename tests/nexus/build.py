"""Correct NXstxm files of every scan type, written by hand with h5py alone.

They share no line with the writer of the package, so a mistake that the writer and the checks
have in common can not hide behind both of them agreeing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

START = "2019-07-12T15:04:05.250000+00:00"
END = "2019-07-12T15:06:36.500000+00:00"

#: The axes of NXdata/data for every label of the definition.
LABELS: Mapping[str, tuple[str, ...]] = {
    "sample point spectrum": ("energy",),
    "sample line spectrum": ("energy", "line_position"),
    "sample image": ("sample_y", "sample_x"),
    "sample image stack": ("energy", "sample_y", "sample_x"),
    "sample focus": ("zoneplate_z", "line_position"),
    "osa image": ("osa_y", "osa_x"),
    "osa focus": ("zoneplate_z", "line_position"),
    "detector image": ("detector_y", "detector_x"),
    "generic scan": ("goni_x",),
}


@dataclass(frozen=True)
class Sizes:
    """How many points each kind of axis gets."""

    energy: int = 3
    y: int = 4
    x: int = 5
    line: int = 6
    zoneplate: int = 4
    generic: int = 7


def build_file(
    path: Path,
    label: str = "sample image stack",
    *,
    entries: int = 1,
    sizes: Sizes | None = None,
    detectors: Sequence[str] = ("counter0",),
    camera: tuple[int, int] | None = None,
    missing: float = 0.0,
    angles: Sequence[float] | None = None,
    positions: Sequence[tuple[float, float]] | None = None,
    complete: bool = True,
    monitor: bool = True,
    archives: Mapping[str, bytes] | None = None,
    energies: np.ndarray | None = None,
    zone_plate: str | None = "instrument/optics",
) -> Path:
    """Write one file and give its path back.

    Parameters
    ----------
    label : str
        One of `LABELS`.
    entries : int
        How many NXentry, named entry0, entry1, ...
    camera : (int, int), optional
        Adds an area detector ``ccd`` with frames of this shape.
    missing : float
        The part of the scan, from its end, that never arrived: NaN in NXdata, absent from the
        chronological lists.
    angles : sequence of float, optional
        ``sample/rotation_angle`` of each entry, in degrees.
    positions : sequence of (float, float), optional
        Where each entry's region has its middle, x and y in um.
    archives : mapping of str to bytes, optional
        Run uid to the archive of its documents.
    zone_plate : {"instrument/optics", "instrument", None}
        Where the NXfresnel_zone_plate goes. Definitions v2026.01 allow this class in no group but
        an NXcollection, so nxcheck accepts the first place and objects to the second.
    """
    sizes = sizes or Sizes()
    with h5py.File(path, "w") as file:
        _attrs(
            file,
            NX_class="NXroot",
            default="entry0",
            file_name=path.name,
            file_time=END,
            creator="suitcase.nxstxm",
            creator_version="0.0",
            HDF5_Version=h5py.version.hdf5_version,
            h5py_version=h5py.version.version,
        )
        for number in range(entries):
            angle = angles[number] if angles else 0.0
            middle = positions[number] if positions else (10.0 * number, -5.0 * number)
            _entry(
                file,
                f"entry{number}",
                _Scene(label, sizes, middle, energies),
                detectors=tuple(detectors),
                camera=camera,
                missing=missing,
                angle=angle,
                complete=complete,
                monitor=monitor,
                archives=archives or {},
                zone_plate=zone_plate,
            )
    return path


class _Scene:
    """Axes and intensities of one entry: a few absorbing grains in an even beam."""

    def __init__(
        self,
        label: str,
        sizes: Sizes,
        middle: tuple[float, float],
        energies: np.ndarray | None,
    ) -> None:
        self.label = label
        self.axes = LABELS[label]
        self.middle = x0, y0 = middle
        energy = np.linspace(280.0, 290.0, sizes.energy) if energies is None else energies
        self.coordinates: dict[str, tuple[np.ndarray, str]] = {
            "energy": (energy if "energy" in self.axes else energy[:1], "eV"),
            "sample_y": (np.linspace(y0 - 4, y0 + 4, sizes.y), "um"),
            "sample_x": (np.linspace(x0 - 5, x0 + 5, sizes.x), "um"),
        }
        if "line_position" in self.axes:
            along = np.linspace(-5.0, 5.0, sizes.line)
            self.coordinates["line_position"] = (along - along[0], "um")
            stem = "osa" if label.startswith("osa") else "sample"
            self.coordinates[f"{stem}_x"] = (x0 + along, "um")
            self.coordinates[f"{stem}_y"] = (y0 + along / 2, "um")
        if "zoneplate_z" in self.axes:
            self.coordinates["zoneplate_z"] = (np.linspace(-900.0, -700.0, sizes.zoneplate), "um")
        for stem in ("osa", "detector"):
            if f"{stem}_x" in self.axes:
                self.coordinates[f"{stem}_y"] = (np.linspace(-40.0, 40.0, sizes.y), "um")
                self.coordinates[f"{stem}_x"] = (np.linspace(-50.0, 50.0, sizes.x), "um")
        if "goni_x" in self.axes:
            self.coordinates["goni_x"] = (np.linspace(0.0, 3.0, sizes.generic), "mm")
        for name, value in (("sample_x", x0), ("sample_y", y0)):
            along_the_line = "line_position" in self.axes and not label.startswith("osa")
            if name not in self.axes and not along_the_line:
                self.coordinates[name] = (np.full(1, value, dtype=float), "um")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.coordinates[name][0].size for name in self.axes)

    def intensities(self) -> np.ndarray:
        """Photon counts on the scan's grid."""
        grids = dict(
            zip(
                self.axes,
                np.meshgrid(*(self.coordinates[n][0] for n in self.axes), indexing="ij"),
                strict=True,
            )
        )
        grid_energy = grids.get("energy", np.full(self.shape, self.coordinates["energy"][0][0]))
        edge = 1 / (1 + np.exp(-(grid_energy - 284.5) / 0.3))
        peak = np.exp(-(((grid_energy - 285.3) / 0.4) ** 2))
        thickness = np.full(self.shape, 0.6 / (1.0 + abs(self.middle[0]) / 20.0))
        for name, grid in grids.items():
            if name in ("energy", "zoneplate_z"):
                continue
            spread = (grid - grid.min()) / max(float(np.ptp(grid)), 1e-9)
            phase = 2.0 * name.endswith("y")
            thickness = thickness * (0.55 + 0.45 * np.cos(9 * spread + 3 * spread**2 + phase))
        if "zoneplate_z" in grids:
            away = (grids["zoneplate_z"] + 800.0) / 100.0
            thickness = thickness * np.exp(-(away**2))
        transmission = np.exp(-(0.2 + edge + 1.2 * peak) * thickness)
        return np.round(2000.0 * transmission)


def _entry(
    file: h5py.File,
    name: str,
    scene: _Scene,
    *,
    detectors: tuple[str, ...],
    camera: tuple[int, int] | None,
    missing: float,
    angle: float,
    complete: bool,
    monitor: bool,
    archives: Mapping[str, bytes],
    zone_plate: str | None,
) -> None:
    counts = scene.intensities()
    n_all = counts.size
    n_points = n_all - round(missing * n_all)
    names = (*detectors, "ccd") if camera else detectors

    entry = _group(file, name, "NXentry", default=names[0], complete=complete)
    _text(entry, "title", f"{scene.label} of a test sample")
    _text(entry, "start_time", START)
    _text(entry, "end_time", END)
    entry.create_dataset("definition", data=np.array([b"NXstxm"]))
    _text(entry, "entry_identifier_uuid", "8b8a62f3-e8b0-4bd6-8cb9-0c3f7d5e1111")
    _text(entry, "entry_identifier", "17")
    _text(_group(entry, "user", "NXuser"), "name", "A. Microscopist")
    sample = _group(entry, "sample", "NXsample")
    _text(sample, "name", "grains")
    _number(sample, "rotation_angle", np.float64(angle), "deg")

    _instrument(entry, scene, counts.ravel()[:n_points], detectors, camera, n_points)
    if zone_plate:
        _zone_plate(entry, zone_plate)
    for detector in names:
        _data(entry, detector, scene, counts, n_points)
    if monitor:
        control = _group(entry, "control", "NXmonitor")
        ring = np.full(counts.shape, 220.0)
        ring.ravel()[n_points:] = np.nan
        _number(control, "data", ring, "mA")
    _collection(entry, n_points, archives)


def _instrument(
    entry: h5py.Group,
    scene: _Scene,
    arrived: np.ndarray,
    detectors: tuple[str, ...],
    camera: tuple[int, int] | None,
    n_points: int,
) -> None:
    instrument = _group(entry, "instrument", "NXinstrument")
    source = _group(instrument, "source", "NXsource")
    _text(source, "type", "Synchrotron X-ray Source")
    _text(source, "name", "Test Ring")
    _text(source, "probe", "x-ray")
    _number(source, "current", np.float64(220.0), "mA")
    listed = _listed(scene, n_points)

    mono = _group(instrument, "monochromator", "NXmonochromator")
    _number(mono, "energy", listed["energy"], "eV", source="setpoint")
    for detector in detectors:
        group = _group(instrument, detector, "NXdetector", role="signal", data_key=detector)
        _number(group, "data", arrived.astype(np.uint32), "counts")
        _number(group, "count_time", np.full(n_points, 0.001), "s")
    if camera:
        group = _group(instrument, "ccd", "NXdetector", role="camera", data_key="ccd_image")
        frames = np.ones((n_points, *camera), dtype=np.uint16) * arrived[:, None, None]
        _number(group, "data", frames.astype(np.uint16), "counts")
        _number(group, "count_time", np.full(n_points, 0.001), "s")
    for axis in ("sample_x", "sample_y"):
        group = _group(instrument, axis, "NXdetector")
        source_kind = "measured" if axis in scene.axes else "baseline"
        _number(group, "data", listed[axis], "um", source=source_kind)
    for axis in scene.axes:
        if axis in ("energy", "sample_x", "sample_y", "line_position"):
            continue
        group = _group(instrument, axis, "NXpositioner")
        unit = scene.coordinates[axis][1]
        _number(group, "value", listed[axis] + 1e-3, unit)
        _number(group, "target_value", listed[axis], unit)
    device = _group(instrument, "insertion_device", "NXinsertion_device")
    _text(device, "type", "undulator")
    _number(device, "gap", np.float64(28.5), "mm")
    device.create_dataset("harmonic", data=np.int64(1))
    beam = _group(instrument, "beam", "NXbeam")
    stokes = np.array([[1.0, 0.0, 0.0, -1.0]])
    beam.create_dataset("incident_polarization_stokes", data=stokes)


def _zone_plate(entry: h5py.Group, place: str) -> None:
    parent = entry["instrument"]
    if place != "instrument":
        parent = _group(parent, place.rpartition("/")[2], "NXcollection")
    plate = _group(parent, "zone_plate", "NXfresnel_zone_plate")
    _number(plate, "outer_diameter", np.float64(240.0), "um")
    _number(plate, "central_stop_diameter", np.float64(90.0), "um")
    _number(plate, "outermost_zone_width", np.float64(25.0), "nm")


def _listed(scene: _Scene, n_points: int) -> dict[str, np.ndarray]:
    """Every coordinate point by point, in the order in which the points were measured."""
    listed: dict[str, np.ndarray] = {}
    for name, (values, _) in scene.coordinates.items():
        if name in scene.axes:
            dimension = scene.axes.index(name)
        elif values.size > 1:
            dimension = scene.axes.index("line_position")
        else:
            listed[name] = np.full(n_points, values[0])
            continue
        view = [1] * len(scene.axes)
        view[dimension] = values.size
        full = np.broadcast_to(values.reshape(view), scene.shape)
        listed[name] = np.ascontiguousarray(full).ravel()[:n_points]
    return listed


def _data(entry: h5py.Group, name: str, scene: _Scene, counts: np.ndarray, n_points: int) -> None:
    data = _group(entry, name, "NXdata", signal="data")
    data.attrs["axes"] = np.array([axis.encode() for axis in scene.axes])
    values = counts.astype(np.float64)
    values.ravel()[n_points:] = np.nan
    _number(data, "data", values, "counts")
    data.create_dataset("stxm_scan_type", data=np.array([scene.label.encode()]))
    for axis, (positions, unit) in scene.coordinates.items():
        _number(data, axis, positions.astype(np.float64), unit)
        if axis in scene.axes:
            data.attrs[f"{axis}_indices"] = np.int64(scene.axes.index(axis))
        elif positions.size > 1:
            data.attrs[f"{axis}_indices"] = np.int64(scene.axes.index("line_position"))
    n_energies = scene.coordinates["energy"][0].size
    _number(data, "count_time", np.full(n_energies, 0.001), "s")


def _collection(entry: h5py.Group, n_points: int, archives: Mapping[str, bytes]) -> None:
    collection = _group(entry, "collection", "NXcollection")
    _text(collection, "scan_request", "{}")
    _text(collection, "exit_status", "success")
    _text(collection, "reason", "")
    collection.create_dataset("messages", data=["one note"], dtype=h5py.string_dtype())
    baseline = _group(collection, "baseline", "NXcollection")
    sensor = _group(baseline, "ring_current", "NXsensor")
    _text(sensor, "name", "RING:mA:fbk")
    _text(sensor, "short_name", "ring current_val")
    _number(sensor, "value", np.array([220.0, 219.5]), "mA")
    _number(sensor, "value_time", np.array([1.562e9, 1.562e9 + 150]), "s")
    stream = _group(collection, "primary", "NXcollection")
    log = _group(stream, "shutter", "NXlog")
    _number(log, "value", np.ones(n_points), "V")
    _number(log, "time", np.arange(n_points, dtype=float), "s")
    if archives:
        bluesky = _group(collection, "bluesky", "NXcollection")
        for order, (uid, data) in enumerate(archives.items()):
            stored = bluesky.create_dataset(uid, data=np.frombuffer(data, dtype=np.uint8))
            _attrs(stored, uid=uid, order=order)


def _group(parent: h5py.Group, name: str, nx_class: str, **attrs: object) -> h5py.Group:
    group = parent.create_group(name)
    _attrs(group, NX_class=nx_class, **attrs)
    return group


def _number(
    group: h5py.Group, name: str, value: object, units: str, **attrs: object
) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=value)
    _attrs(dataset, units=units, **attrs)
    return dataset


def _text(group: h5py.Group, name: str, value: str) -> None:
    group.create_dataset(name, data=value, dtype=h5py.string_dtype())


def _attrs(target: h5py.HLObject, **attrs: object) -> None:
    for name, value in attrs.items():
        target.attrs[name] = value
