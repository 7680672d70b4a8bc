"""Writing one NXentry: a small method for each part, so that a facility can override one.

A subclass given as ``entry_writer=`` replaces what differs at a facility and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import h5py
import numpy as np

from .._h5write import mark, text
from ..scans import Polarization, polarization_from_code
from ._binning import mark_binned, write_binning
from ._canvas import Canvas, ListWriter
from ._channels import find_channels
from ._collection import write_collection
from ._data import write_data
from ._encoding import group, values, word
from ._jobs import EntryJob
from ._options import WriterOptions
from ._points import Points
from ._positions import Measured, device_lists
from ._processed import ProcessedFrames
from ._quality import write_quality
from ._shared import SharedObjects


class EntryWriter:
    """Writes the entry of one job.

    Parameters
    ----------
    h5 : h5py.File
        The file that is written.
    source : h5py.File
        The file that holds the columns; often the same.
    job : EntryJob
        What is written.
    options : WriterOptions
        The writer's options.
    scan : str
        Identity of the scan, its first uid.
    shared : SharedObjects
        What entries have in common.

    Attributes
    ----------
    entry : h5py.Group
        The NXentry, once `write` has made it.
    points : Points
        Its points.
    processed : ProcessedFrames
        What processors gave; `write_points` looks for it.
    messages : list of str
        What was padded, cut or guessed.
    """

    def __init__(
        self,
        h5: h5py.File,
        source: h5py.File,
        job: EntryJob,
        options: WriterOptions,
        scan: str,
        shared: SharedObjects,
    ) -> None:
        self.h5 = h5
        self.source = source
        self.job = job
        self.plan = job.plan
        self.options = options
        self.scan = scan
        self.shared = shared
        self.points = Points(job, source)
        self.messages: list[str] = list(
            dict.fromkeys(m for r in job.records for m in (*r.plan.messages, *r.notes))
        )
        self.channels = find_channels(self.points, self.messages)
        self.measured = Measured(self.points, self.messages)
        self.entry: h5py.Group
        self.instrument: h5py.Group
        self.processed: ProcessedFrames

    # -- the entry ------------------------------------------------------------------------------

    def write(self) -> h5py.Group:
        """Write all of the entry."""
        self.entry = group(self.h5, self.job.name, "NXentry")
        part = self.job.parts[0]
        mark(self.entry, "region", part.record.plan.entry_names[part.entry])
        self.write_header()
        self.write_user()
        self.write_sample()
        self.instrument = group(self.entry, "instrument", "NXinstrument")
        self.write_source()
        self.write_zone_plate()
        self.write_polarization()
        self.write_points()
        self.write_control()
        self.write_quality()
        self.messages.extend(self.points.messages)
        self.write_collection()
        return self.entry

    def write_header(self) -> None:
        """Write title, times, definition and identity."""
        first = self.job.records[0]
        plan = first.plan
        number = "" if plan.scan_id is None else f" {plan.scan_id}"
        about = f" of {plan.sample}" if plan.sample else ""
        text(self.entry, "title", plan.title or f"{self.job.scan_type.label}{number}{about}")
        text(self.entry, "start_time", self.options.time(plan.time))
        text(self.entry, "end_time", self.options.time(max(self.end_time(), plan.time)))
        word(self.entry, "definition", "NXstxm")
        text(self.entry, "entry_identifier_uuid", self.scan)
        if plan.scan_id is not None:
            text(self.entry, "entry_identifier", str(plan.scan_id))
        if plan.proposal is not None:
            text(self.entry, "experiment_identifier", plan.proposal)

    def write_completeness(self) -> None:
        """Say whether every run came and stopped, and every planned point has a reading."""
        stopped = all(r.stop is not None for r in self.job.records)
        planned = int(np.prod(self.points.shape, dtype=np.int64))
        missing = {c.name: c.canvas.missing for c in self.channels if c.canvas is not None}
        lacks = any(r.lacks_others for r in self.job.records)  # which the messages tell
        self.entry.attrs["complete"] = stopped and not lacks and not any(missing.values())
        if not stopped:
            self.messages.append(
                "a run of this entry has no stop document: it is written as far as it came"
            )
        for channel in self.channels:
            self.messages.extend(
                f"{n} of {planned} points of {channel.name} are NaN: {reason}"
                for n, reason in channel.gaps()
            )

    def end_time(self) -> float:
        """Give the time of the last run's end, of its last document where it did not stop."""
        return max(
            float(r.stop.get("time") or 0.0) if r.stop is not None else r.last_time
            for r in self.job.records
        )

    def write_user(self) -> None:
        """Write who measured, where the start document says it."""
        user = self.job.records[0].plan.user
        if user:
            text(group(self.entry, "user", "NXuser"), "name", user)

    def write_sample(self) -> None:
        """Write the sample's name and its rotation."""
        sample = group(self.entry, "sample", "NXsample")
        name = self.job.records[0].plan.sample
        if name:
            text(sample, "name", name)
        angle, source = self.plan.rotation_angle, "setpoint"
        if angle is None:
            angle, source = self.measured.baseline("theta"), "baseline"
        if angle is None:
            angle, source = 0.0, "default"
        values(sample, "rotation_angle", float(angle), "deg", source=source)

    # -- instrument -----------------------------------------------------------------------------

    def write_source(self) -> None:
        """Write the source, with the ring current at the start."""
        facility = self.options.facility
        if facility.beamline:
            text(self.instrument, "name", facility.beamline)
        source = group(self.instrument, "source", "NXsource")
        text(source, "type", facility.type)
        text(source, "name", facility.name)
        text(source, "probe", facility.probe)
        current = self.measured.baseline("ring_current")
        if current is not None:
            values(source, "current", current, "mA")

    def write_zone_plate(self) -> None:
        """Write the zone plate that the plan describes."""
        plate = next((r.plan.zone_plate for r in self.job.records if r.plan.zone_plate), None)
        if plate is None:
            return
        # NXinstrument has no place for a zone plate; a collection in it may hold one
        optics = group(self.instrument, "optics", "NXcollection")
        made = group(optics, "zone_plate", "NXfresnel_zone_plate")
        if plate.index is not None:
            text(made, "name", f"zone plate {plate.index}")
        for name, value, units in (
            ("outer_diameter", plate.outer_diameter, "um"),
            ("central_stop_diameter", plate.central_stop_diameter, "um"),
            ("outermost_zone_width", plate.outermost_zone_width, "nm"),
            ("focal_length", plate.focal_length, "um"),
        ):
            if value is not None:
                values(made, name, value, units)

    def write_polarization(self) -> None:
        """Write the insertion device and the polarization that it really had."""
        polarization = self.plan.polarization
        read = polarization_from_code(
            self.measured.baseline("polarization"), self.measured.baseline("polarization_angle")
        )
        if polarization is None:
            polarization = read
        elif _contradicts(read, polarization):
            self.messages.append(
                f"the plan asked for {polarization.name} polarization, the undulator was at "
                f"{read.name}; that is written"
            )
            polarization = read
        gap = self.measured.baseline("undulator_gap")
        if polarization is None and gap is None:
            return
        device = group(self.instrument, "insertion_device", "NXinsertion_device")
        text(device, "type", "undulator")
        harmonic = self.measured.baseline("undulator_harmonic")
        if gap is not None:
            values(device, "gap", gap, self.measured.units("undulator_gap") or "mm")
        if harmonic is not None:
            values(device, "harmonic", int(harmonic), "")
        if polarization is None:
            return
        text(device, "polarization", polarization.name)
        if polarization.code is not None:
            values(device, "polarization_code", polarization.code)
        if polarization.angle is not None:
            values(device, "polarization_angle", polarization.angle, "deg")
        if polarization.stokes is not None:
            beam = group(self.instrument, "beam", "NXbeam")
            values(beam, "incident_polarization_stokes", np.array([polarization.stokes]), "")

    # -- points ---------------------------------------------------------------------------------

    def write_points(self) -> None:
        """Write the chronological lists and, from the same walk, the pictures."""
        self.processed = ProcessedFrames(self)
        for channel in self.channels:
            channel.open(self)
        lists = device_lists(self)
        energy = ListWriter(
            group(self.instrument, "monochromator", "NXmonochromator"),
            "energy", "eV", self.options.compression,
        )  # fmt: skip
        dwells = [
            ListWriter(self.instrument[c.name], "count_time", "s", self.options.compression)
            for c in self.channels
        ]
        n_points = 0
        for block in self.points.blocks():
            n_points += len(block)
            native = self.measured.native(block, "energy", "monochromator")
            energy.add(self.measured.energy(block) if native is None else native)
            dwell = self.measured.dwell(block)
            for writer in dwells:
                writer.add(dwell)
            for each in lists:
                each.add(block)
            for channel in self.channels:
                channel.add(block)
        energies = energy.close()
        energies.attrs["source"] = self.measured.source_of("energy")
        mark_binned(energies, "monochromator", self.points)
        for writer in dwells:
            writer.close()
        for each in lists:
            each.close()
        self.messages.extend(m for each in lists for m in each.messages)
        self.processed.write()
        for channel in self.channels:
            channel.close()
            if channel.is_picture:
                write_data(self, channel.name, channel.detector.units)
                if not n_points:
                    self.messages.append(f"{channel.name} has no points")
        self.processed.close()
        write_binning(self)
        self.write_completeness()
        self.entry.attrs["default"] = next(c.name for c in self.channels if c.is_picture)

    # -- control, collection --------------------------------------------------------------------

    def write_control(self) -> None:
        """Write the ring current with the shape of the pictures, where it is known."""
        if not self.measured.has_ring_current():
            return
        control = group(self.entry, "control", "NXmonitor")
        points, compression = self.points, self.options.compression
        canvas = Canvas(control, "data", points.shape, "mA", compression, sparse=points.are_sparse)
        for block in self.points.blocks():
            canvas.put(block.position, self.measured.ring_current(block))
        canvas.close().attrs["source"] = self.measured.source_of("ring_current")

    def write_quality(self) -> None:
        """Write which points can be trusted, where something was read that tells."""
        write_quality(self)

    @property
    def path(self) -> Path | None:
        """Where the file will be: in this folder; None for a file in memory."""
        name = Path(self.h5.filename)
        return name if name.is_absolute() and name.exists() else None

    def bring(self, path: str, home: h5py.Group, name: str) -> None:
        """Bring a dataset of the staging area into the file: a link where it is the same file."""
        if self.source == self.h5:
            home[name] = self.h5[path]
        else:
            self.source.copy(path, home, name)

    def write_collection(self) -> None:
        """Write the request, the baseline, other readings and the archive."""
        write_collection(self)


def _contradicts(read: Polarization | None, planned: Polarization) -> TypeGuard[Polarization]:
    """Tell whether the undulator was certainly somewhere else than planned."""
    return (
        read is not None
        and read.stokes is not None
        and planned.code is not None
        and read.code != planned.code
    )
