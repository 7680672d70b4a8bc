"""Where the points were, at which energy, with how much current: measured where it was measured.

Lists take a device's readings when the stream has them, else its setpoints, else the baseline;
which of these it was is said in the attribute ``source``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._h5write import text
from ..scans import Axis, Device
from ._binning import mark_binned
from ._blocks import PointBlock
from ._canvas import ListWriter
from ._encoding import group
from ._monitored import Monitored, as_word, monitored
from ._points import Points
from ._record import TIME, AnyArray, RunRecord

if TYPE_CHECKING:
    from ._entry import EntryWriter

Floats = npt.NDArray[np.float64]


class Measured:
    """Readings of devices for the points of an entry.

    Parameters
    ----------
    points : Points
        The entry's points.
    messages : list of str
        Takes what was guessed.
    """

    def __init__(self, points: Points, messages: list[str]) -> None:
        self.points = points
        self.plan = points.job.plan
        self.records = points.job.records
        self.messages = messages
        self._sources: dict[str, str] = {}
        self._monitored: dict[tuple[int, str], Monitored | None] = {}
        self._setpoints = {
            axis.name: np.asarray(axis.setpoints, float)
            for axis in (*self.plan.axes, *self.plan.positions)
            if axis.setpoints
        }
        self._energies = np.asarray(self.plan.energies, float)
        self._dwells = np.asarray(self.plan.dwells, float)

    def source_of(self, role: str) -> str:
        """Say where the values of a role came from: measured, setpoint, baseline or none."""
        return self._sources.get(role, "none")

    def device(self, record: RunRecord, role: str) -> Device | None:
        """Give the device of a role."""
        return record.plan.devices.get(role)

    def units(self, role: str) -> str:
        """Give the unit in which a role's device is read."""
        for record in self.records:
            device = self.device(record, role)
            if device is not None and device.units:
                return device.units
        return ""

    def baseline_series(self, role: str) -> tuple[Floats, Floats] | None:
        """Give times and readings of a role in the baseline of the run that opened the entry."""
        for record in self.records:
            device = self.device(record, role)
            key = device.read_key if device is not None else None
            if key is None or ("baseline", key) not in record.columns:
                continue
            read = record.whole(self.points.h5, "baseline", key)
            if read.ndim == 1 and read.dtype.kind in "biuf" and len(read):
                times = record.whole(self.points.h5, "baseline", TIME)
                scale = 1.0 if device is None else device.scale
                return times.astype(float), scale * read.astype(float)
        return None

    def baseline(self, role: str) -> float | None:
        """Give the first finite reading of a role in the baseline."""
        series = self.baseline_series(role)
        if series is None:
            return None
        finite = series[1][np.isfinite(series[1])]
        return float(finite[0]) if len(finite) else None

    def monitored(self, record: RunRecord, role: str) -> Monitored | None:
        """Give what a role's device said in a stream of its own; None where it did not."""
        known = (id(record), role)
        if known not in self._monitored:
            device = self.device(record, role)
            said = None if device is None else monitored(record, self.points.h5, device)
            self._monitored[known] = said
        return self._monitored[known]

    def steady(self, role: str) -> float | None:
        """Give where a device stood that was not scanned: in the baseline, else at first."""
        known = self.baseline(role)
        if known is not None or not self.has_readings(role):
            return known
        for block in self.points.blocks():
            read = self.readings(block, role)
            if read is not None and np.isfinite(read).any():
                return float(read[np.isfinite(read)][0])
        return None

    def readings(self, block: PointBlock, role: str) -> Floats | None:
        """Give what a role's device reads at each point of a block, in the role's units.

        NaN where nothing came; None when it is not read with the points.
        """
        record = block.part.record
        key, device = self.measured_key(record, role), self.device(record, role)
        if key is None or device is None:
            return None
        read, present = self.points.read(block, key)
        if read.ndim != 1 or read.dtype.kind not in "biuf":
            return None
        read = device.scale * read.astype(float) if device.scale != 1.0 else read.astype(float)
        return read if present is None else np.where(present, read, np.nan)

    def native(self, block: PointBlock, role: str, name: str) -> Floats | None:
        """Give what a device reads as it came, where its samples are not the points of lines.

        `name` is that of the group with the list.
        """
        record = block.part.record
        key, device = self.measured_key(record, role), self.device(record, role)
        if key is None or device is None:
            return None
        samples = self.points.samples.native(block, key, name)
        return None if samples is None else device.scale * samples.astype(float)

    def measured_key(self, record: RunRecord, role: str) -> str | None:
        """Give the key under which the measurement stream reads a role's device."""
        device = self.device(record, role)
        if device is None or device.read_key is None or record.measurement is None:
            return None
        return device.read_key if (record.measurement, device.read_key) in record.columns else None

    def has_readings(self, role: str) -> bool:
        """Tell whether every run reads a role's device with its points."""
        return all(self.measured_key(r, role) is not None for r in self.records)

    def words(self, block: PointBlock, role: str) -> list[str] | None:
        """Give what a role's device says in words at each point; None where it does not."""
        record = block.part.record
        key = self.measured_key(record, role)
        if key is None:
            return None
        said = np.full(block.last - block.first, "", object)
        stream = record.measurement or ""
        for row, array in record.read(self.points.h5, stream, key, block.first, block.last):
            if array.dtype.kind != "O" or array.ndim != 1:
                return None
            said[row - block.first : row - block.first + len(array)] = array
        at_rows = np.repeat(said[block.rows - block.first], block.per_row)
        chosen = at_rows if block.select is None else at_rows[block.select]
        return [as_word(word) for word in chosen]

    # -- values for the points of a block -------------------------------------------------------

    def energy(self, block: PointBlock) -> Floats:
        """Give the photon energy at each point, eV."""
        read = self.readings(block, "energy")
        if read is not None and not np.isnan(read).any():
            self._sources["energy"] = "measured"
            return read
        if len(self._energies):
            self._sources.setdefault("energy", "setpoint")
            index = np.minimum(block.axes["energy"], len(self._energies) - 1)
            return self._energies[index]
        steady = self.baseline("energy")
        self._sources.setdefault("energy", "none" if steady is None else "baseline")
        return np.full(len(block), np.nan if steady is None else steady)

    def dwell(self, block: PointBlock) -> Floats:
        """Give the dwell at each point, seconds."""
        if not len(self._dwells):
            return np.full(len(block), np.nan)
        return self._dwells[np.minimum(block.axes["energy"], len(self._dwells) - 1)]

    def setpoints(self, block: PointBlock, name: str) -> Floats | None:
        """Give the setpoints of a position at each point; None when the plan has none."""
        known = self._setpoints.get(name)
        if known is None:
            return None
        index = block.axes.get(name)
        if index is None and len(known) > 1:
            index = block.axes.get("line_position")
        if index is None or len(known) == 1:
            return np.full(len(block), known[0])
        return known[np.minimum(index, len(known) - 1)]

    def has_ring_current(self) -> bool:
        """Tell whether the ring current is known at all."""
        return (
            any(self.measured_key(r, "ring_current") is not None for r in self.records)
            or any(self.monitored(r, "ring_current") is not None for r in self.records)
            or self.baseline_series("ring_current") is not None
        )

    def ring_current(self, block: PointBlock) -> Floats:
        """Give the ring current at each point, mA.

        Measured, else as it was when last monitored, else between the readings of the baseline.
        """
        read = self.readings(block, "ring_current")
        if read is not None:
            self._sources["ring_current"] = "measured"
            return read
        monitored = self.monitored(block.part.record, "ring_current")
        if monitored is not None:
            self._sources["ring_current"] = "monitored"
            return monitored.numbers_at(block.times)
        series = self.baseline_series("ring_current")
        if series is None:
            return np.full(len(block), np.nan)
        self._sources.setdefault("ring_current", "baseline")
        times, current = series
        order = np.argsort(times, kind="stable")
        return np.interp(block.times, times[order], current[order])


class DeviceList:
    """The chronological list of one position."""

    def __init__(
        self, writer: EntryWriter, axis: Axis, home: str, nx_class: str, dataset: str
    ) -> None:
        self.axis = axis
        self.name = home
        self.measured = writer.measured
        self.points = writer.points
        made = group(writer.instrument, home, nx_class)
        units = axis.units or self.measured.units(axis.role) or "um"
        device = self.measured.records[0].plan.devices.get(axis.role)
        if device is not None:
            # the base classes name it differently
            label = "local_name" if nx_class == "NXdetector" else "controller_record"
            text(made, label, device.read_key or device.name)
        compression = writer.options.compression
        self._list = ListWriter(made, dataset, units, compression)
        self._targets = None
        if nx_class == "NXpositioner" and axis.setpoints:
            self._targets = ListWriter(made, "target_value", units, compression)
        self._sources: set[str] = set()
        self.messages: list[str] = []

    def add(self, block: PointBlock) -> None:
        """Add the positions of some points."""
        self._list.add(self._positions(block))
        if self._targets is not None:
            targets = self.measured.setpoints(block, self.axis.name)
            if targets is not None:
                self._targets.add(targets)

    def _positions(self, block: PointBlock) -> Floats:
        axis, record = self.axis, block.part.record
        key = self.measured.measured_key(record, axis.role)
        setpoints = self.measured.setpoints(block, axis.name)
        native = None if key is None else self.measured.native(block, axis.role, self.name)
        if native is not None:
            self._sources.add("measured")
            return native
        if key is not None and self._resolves(block, key):
            read = self.measured.readings(block, axis.role)
            if read is not None:
                self._sources.add("measured")
                return read
        if setpoints is not None:
            self._sources.add("setpoint")
            return setpoints
        steady = self.measured.baseline(axis.role)
        self._sources.add("none" if steady is None else "baseline")
        return np.full(len(block), np.nan if steady is None else steady)

    def _resolves(self, block: PointBlock, key: str) -> bool:
        """Tell whether a reading tells the points of a row apart, where the axis does."""
        moves_within_row = self.axis.name == self._fastest(block)
        if block.per_row == 1 or not moves_within_row:
            return True
        record = block.part.record
        return self.points.samples.form(record, key).kind in ("points", "samples")

    def _fastest(self, block: PointBlock) -> str:
        loops = block.part.record.plan.loops
        name = loops[-1].axis if loops else ""
        along = [a.name for a in self.measured.plan.positions if (a.size or 1) > 1]
        return self.axis.name if name == "line_position" and self.axis.name in along else name

    def close(self) -> None:
        """Write what is left, and where the values came from."""
        source = "+".join(sorted(self._sources)) or "none"
        dataset = self._list.close()
        dataset.attrs["source"] = source
        mark_binned(dataset, self.name, self.points)
        if self._targets is not None:
            self._targets.close()


def device_lists(writer: EntryWriter) -> list[DeviceList]:
    """Make the lists of the positions of an entry.

    ``sample_x``, ``sample_y`` and ``sample_z`` are NXdetectors, as NXstxm asks; other positions
    that were scanned are NXpositioners.
    """
    plan = writer.plan
    lists = []
    named = {axis.name: axis for axis in (*plan.positions, *plan.axes)}
    for name in ("sample_x", "sample_y", "sample_z"):
        axis = named.get(name) or Axis(name, None, "um", role=name)
        known = name in named or (
            writer.measured.has_readings(name) or writer.measured.baseline(name) is not None
        )
        if known and (name != "sample_z" or writer.measured.has_readings(name)):
            lists.append(DeviceList(writer, axis, name, "NXdetector", "data"))
    skip = {"sample_x", "sample_y", "sample_z", "energy", "line_position", "time", "point"}
    taken = set(writer.instrument)
    for name, axis in named.items():
        if name not in skip and name not in taken:
            lists.append(DeviceList(writer, axis, name, "NXpositioner", "value"))
    return lists


def axis_values(writer: EntryWriter, axis: Axis, size: int, along: Axis | None = None) -> AnyArray:
    """Give the values along an axis of the array: setpoints, else what was measured there.

    Parameters
    ----------
    writer : EntryWriter
        The entry.
    axis : Axis
        The axis.
    size : int
        Its length in the array.
    along : Axis, optional
        The axis of the array, where `axis` is a position that goes along with it.

    Returns
    -------
    ndarray of float64, shape (size,)
        Positions; the ordinal of the point where nothing is known.
    """
    if axis.setpoints is not None and len(axis.setpoints) == size:
        return np.asarray(axis.setpoints, float)
    out = np.full(size, np.nan)
    start = None
    for block in writer.points.blocks():
        index = block.axes.get(axis.name if along is None else along.name)
        if index is None:
            continue
        inside = (index < size) & (block.position >= 0)
        if axis.name == "time":
            start = float(block.times[0]) if start is None else start
            out[index[inside]] = block.times[inside] - start
            continue
        read = writer.measured.readings(block, axis.role)
        if read is not None:
            inside &= ~np.isnan(read)
            out[index[inside]] = read[inside]
    if not np.isfinite(out).any():
        return np.arange(size, dtype=float)
    return out
