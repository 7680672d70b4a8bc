"""The pictures of a scan out of its EuXFEL runs, in the manner of EXtra-data's components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmKeyError, NXstxmValueError
from ..scans import Part, ScanType, group_runs, jobs
from ._columns import AnyArray
from ._scan_run import ScanRun

#: Names of axes in a picture.
_DIMS = {"sample_x": "x", "sample_y": "y"}
#: Trains that are read at a time.
_BLOCK = 128


class STXMScan:
    """The pictures of a scan.

    Parameters
    ----------
    runs : str, Path, DataCollection, or a sequence of these
        The runs of one scan: their folders, or what EXtra-data opened.
    entry : int or str
        Number or name of the entry, where the scan has several: regions, polarizations. Names are
        those of the entries of an NXstxm file.

    Attributes
    ----------
    energies : ndarray of float64, shape (nE,)
        Photon energies, eV.
    scan_type : ScanType
        What was scanned.
    detectors : tuple of str
        The detectors.
    entries : tuple of str
        Names of the entries.

    Raises
    ------
    NXstxmValueError
        A run was not written here, the runs are of several scans, or only the data can tell the
        shape of the picture.
    NXstxmKeyError
        There is no such entry.

    Examples
    --------
    >>> from suitcase.nxstxm.euxfel import STXMScan, export
    >>> from suitcase.nxstxm.sim import all_requests, scan_documents
    >>> [run] = scan_documents(all_requests()["pystxm2019-sample_image-points"])
    >>> folder = export(run, "proposals")["stream_data"][0].parent
    >>> STXMScan(folder).xarray("counter0").dims
    ('energy', 'y', 'x')
    """

    def __init__(self, runs: Any, entry: int | str = 0) -> None:
        several = isinstance(runs, Sequence) and not isinstance(runs, (str, Path))
        opened = [ScanRun(run) for run in (runs if several else [runs])]
        if not opened:
            raise NXstxmValueError("there is no run; give the runs of a scan")
        opened.sort(key=lambda run: (run.plan.time, run.plan.run))
        if len(group_runs(run.plan for run in opened)) > 1:
            raise NXstxmValueError("the runs are of several scans; give those of one")
        found = jobs(opened)
        self.scan_type: ScanType = opened[0].plan.scan_type
        self.entries: tuple[str, ...] = tuple(job.name for job in found)
        job = found[self._number(entry)]
        self._parts: list[Part[ScanRun]] = list(job.parts)
        self._plan = job.plan
        self._axes = [axis for axis in self._plan.axes if axis.name != "energy"]
        if any(axis.size is None for axis in self._axes):
            raise NXstxmValueError(
                "only the data can tell the shape of the picture; export the scan as an NXstxm file"
            )
        self.energies: AnyArray = np.asarray(self._plan.energies or (np.nan,), float)
        names = [name for run in opened for name in run.detectors]
        self.detectors: tuple[str, ...] = tuple(dict.fromkeys(names))
        self._keep: AnyArray = np.arange(len(self.energies))
        #: Where the points of a part and a detector are: each energy asks for them.
        self._known: dict[tuple[int, str], tuple[AnyArray, AnyArray, AnyArray]] = {}

    def _number(self, entry: int | str) -> int:
        if isinstance(entry, str) and entry in self.entries:
            return self.entries.index(entry)
        if isinstance(entry, int) and 0 <= entry < len(self.entries):
            return entry
        raise NXstxmKeyError(f"there is no entry {entry!r}; there are {', '.join(self.entries)}")

    def __repr__(self) -> str:
        """Tell what is measured."""
        return (
            f"<STXMScan of {len(self._parts)} runs: {len(self.energies)} energies, "
            f"{' x '.join(str(n) for n in self.shape[1:])} points, {', '.join(self.detectors)}>"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a picture: energies, then the axes."""
        return (len(self.energies), *(axis.size or 1 for axis in self._axes))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of its axes."""
        return ("energy", *(_DIMS.get(axis.name, axis.name) for axis in self._axes))

    def select_energies(self, which: Any) -> STXMScan:
        """Keep some energies.

        Parameters
        ----------
        which : slice, tuple of two floats, sequence of int, or ndarray of bool
            Indices; or the lowest and the highest energy in eV, as a tuple.

        Returns
        -------
        STXMScan
            The same scan with these.
        """
        if isinstance(which, tuple) and len(which) == 2:
            index = np.flatnonzero((self.energies >= which[0]) & (self.energies <= which[1]))
        else:
            index = np.arange(len(self.energies))[which]
        if not len(index):
            raise NXstxmKeyError(
                f"no energy is in {which!r}; they go from {self.energies.min():g} to "
                f"{self.energies.max():g} eV"
            )
        other = object.__new__(STXMScan)
        other.__dict__.update(self.__dict__)
        other._keep = self._keep[index]
        other.energies = self.energies[index]
        return other

    # -- pictures -------------------------------------------------------------------------------

    def ndarray(self, detector: str) -> AnyArray:
        """Read the picture of a detector, shape `shape`, NaN where nothing came."""
        return np.stack([self._plane(detector, int(at)) for at in self._keep])

    def dask_array(self, detector: str) -> Any:
        """Give the picture of a detector without reading it: a chunk an energy."""
        dask: Any = import_module("dask")
        da: Any = import_module("dask.array")
        self._check(detector)
        read = dask.delayed(self._plane, pure=False)
        rest = self.shape[1:]
        planes = [
            da.from_delayed(read(detector, int(at)), rest, float)[np.newaxis] for at in self._keep
        ]
        return da.concatenate(planes)

    def xarray(self, detector: str | None = None, *, lazy: bool = True) -> Any:
        """Give the picture of a detector, or of all.

        Parameters
        ----------
        detector : str, optional
            Its name; unless given, all of them.
        lazy : bool
            Read it when it is looked at.

        Returns
        -------
        xarray.DataArray or xarray.Dataset
            With energies and positions as coordinates, and their units.
        """
        import xarray

        if detector is not None:
            return self._labelled(detector, lazy)
        return xarray.Dataset({name: self._labelled(name, lazy) for name in self.detectors})

    def _labelled(self, detector: str, lazy: bool) -> Any:
        import xarray

        self._check(detector)
        found = self.dask_array(detector) if lazy else self.ndarray(detector)
        coords: dict[str, Any] = {"energy": ("energy", self.energies, {"units": "eV"})}
        for dim, axis in zip(self.dims[1:], self._axes, strict=True):
            if axis.setpoints is not None:
                coords[dim] = (dim, np.asarray(axis.setpoints), {"units": axis.units})
        units = next(p.record.detectors[detector].units for p in self._with(detector))
        return xarray.DataArray(found, coords, self.dims, detector, {"units": units})

    def _with(self, detector: str) -> list[Part[ScanRun]]:
        return [part for part in self._parts if detector in part.record.detectors]

    def _check(self, detector: str) -> None:
        if detector not in self.detectors:
            raise NXstxmKeyError(
                f"there is no detector {detector!r}; there are {', '.join(self.detectors)}"
            )

    def _plane(self, detector: str, energy: int) -> AnyArray:
        """Read what a detector measured at one energy."""
        self._check(detector)
        shape = self.shape[1:]
        plane = np.full(prod(shape), np.nan)
        for part in self._with(detector):
            belongs, position, at = self._placed(part, detector)
            wanted = belongs & (at == energy)
            events = np.flatnonzero(wanted.any(axis=1))
            for first in range(0, len(events), _BLOCK):
                some = events[first : first + _BLOCK]
                values = part.record.values(detector, part.record.events.train_ids[some])
                keep = wanted[some]
                plane[position[some][keep]] = values[keep]
        return plane.reshape(shape)

    def _placed(self, part: Part[ScanRun], detector: str) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Place the points of a run: which belong, where in a picture, at which energy."""
        key = self._parts.index(part), detector
        if key not in self._known:
            self._known[key] = self._place(part, detector)
        return self._known[key]

    def _place(self, part: Part[ScanRun], detector: str) -> tuple[AnyArray, AnyArray, AnyArray]:
        belongs, axes = part.record.points(detector, part.entry)
        position = np.zeros(belongs.shape, np.int64)
        for axis in self._axes:
            size = axis.size or 1
            index = axes.get(axis.name, np.zeros(belongs.shape, np.int64))
            belongs = belongs & (index < size)
            position = position * size + np.minimum(index, size - 1)
        energy = axes.get("energy", np.zeros(belongs.shape, np.int64)) + part.energy_offset
        return belongs, position, energy

    # -- trains -----------------------------------------------------------------------------------

    def trains(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Go through the events.

        Yields
        ------
        train_id : int
            The train.
        data : dict
            Of each detector what it measured, shape (points of the event,); of each axis the
            position of each of these points, or their numbers where no setpoint is known.
        """
        for part in self._parts:
            names = list(part.record.detectors)
            if not names:
                continue
            most = max(names, key=part.record.covered)
            belongs, axes = part.record.points(most, part.entry)
            energy = axes.get("energy", np.zeros(belongs.shape, np.int64)) + part.energy_offset
            belongs = belongs & np.isin(energy, self._keep)
            events = np.flatnonzero(belongs.any(axis=1))
            for first in range(0, len(events), _BLOCK):
                some = events[first : first + _BLOCK]
                ids = part.record.events.train_ids[some]
                read = {name: part.record.values(name, ids) for name in names}
                for i, (event, train) in enumerate(zip(some, ids.tolist(), strict=True)):
                    data = {name: values[i] for name, values in read.items()}
                    data["energy"] = _at(self._plan.energies, energy[event])
                    for dim, axis in zip(self.dims[1:], self._axes, strict=True):
                        if axis.name in axes:
                            data[dim] = _at(axis.setpoints, axes[axis.name][event])
                    yield train, data


def _at(setpoints: Sequence[float] | None, index: AnyArray) -> AnyArray:
    if not setpoints:
        return index
    return np.asarray(setpoints, float)[np.minimum(index, len(setpoints) - 1)]
