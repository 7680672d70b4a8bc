"""EuXFEL runs as stored scans."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmError
from .._log import logger
from ..euxfel import StoredRun, STXMScan, runs_in
from ..scans import (
    group_runs,
    line_spec_scans,
    spectra_type_scans,
    stack_type_scans,
)
from ._scans import ScanBackend, ScanFrontend, readable, told_by

if TYPE_CHECKING:
    import xarray as xr

_WITH_ENERGIES = frozenset((*stack_type_scans, *spectra_type_scans, *line_spec_scans))


class _EuXFELBackend(ScanBackend):
    name = "euxfel"

    def tree(self, backend_key: str) -> xr.DataTree:
        return scan_tree(backend_key.split("\0"))

    def written(self, backend_key: str) -> float:
        return max(Path(each).stat().st_mtime for each in backend_key.split("\0"))

    def describe(self, backend_key: str) -> str:
        return super().describe(backend_key).replace("\0", ", ")


class EuXFELDirectory(ScanFrontend):
    """The EuXFEL runs in a folder, those of a scan together its data ``scan``.

    Parameters
    ----------
    path : path-like
        The folder of a proposal (``p000123``), of its runs (``raw``), or of several proposals.
    **options
        As of `StorageFrontend`.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(**options)
        self.path = Path(path)
        self.backend = _EuXFELBackend()
        self._known: dict[str, tuple[int, StoredRun]] = {}

    def _scans(self) -> dict[str, list[StoredRun]]:
        folders = [self.path, *sorted(self.path.glob("p[0-9]*"))]
        by_uid: dict[str, StoredRun] = {}
        for run in (run for folder in folders for run in runs_in(folder)):
            place = str(run.path)
            changed = Path(place).stat().st_mtime_ns
            if place not in self._known or self._known[place][0] != changed:
                self._known[place] = (changed, run)
            try:
                by_uid[self._known[place][1].uid] = self._known[place][1]
            except (NXstxmError, OSError, ValueError) as error:
                logger.debug("%s is no run of Bluesky: %s", place, error)
        groups = group_runs(readable(by_uid.values(), str(self)))
        return {plans[0].run: [by_uid[plan.run] for plan in plans] for plans in groups}

    def _place_of(self, run_id: str) -> str | None:
        runs = self._scans().get(run_id)
        return None if runs is None else "\0".join(str(run.path) for run in runs)

    def _all(self) -> Iterator[str]:
        yield from self._scans()

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        return told_by(self._scans().get(run_id, []), run_id)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"EuXFELDirectory({str(self.path)!r})"


def scan_tree(runs: Sequence[str]) -> xr.DataTree:
    """Give a scan in EuXFEL runs as `open_nxstxm` gives a file: entries, and channels in them."""
    import xarray as xr

    first = STXMScan(list(runs))
    nodes: dict[str, Any] = {"/": xr.Dataset(attrs={"default": first.entries[0]})}
    for number, entry in enumerate(first.entries):
        scan = first if not number else STXMScan(list(runs), number)
        nodes[f"/{entry}"] = xr.Dataset(attrs={"default": scan.detectors[0]})
        for detector in scan.detectors:
            data = scan.xarray(detector)
            if data.sizes["energy"] == 1 and scan.scan_type not in _WITH_ENERGIES:
                data = data.isel(energy=0)  # an image has no such dimension, as in a file
            nodes[f"/{entry}/{detector}"] = data.rename("data").to_dataset()
    tree: xr.DataTree = xr.DataTree.from_dict(nodes)
    return tree
