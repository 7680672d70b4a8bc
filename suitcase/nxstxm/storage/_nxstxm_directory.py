"""Finished NXstxm files as stored scans."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmError
from .._log import logger
from ..nexus import H5_ERRORS, described_runs, open_file, open_nxstxm, runs_in_file
from ._scans import ScanBackend, ScanFrontend, told_by

if TYPE_CHECKING:
    import xarray as xr

#: How names of files end that may be scans.
SUFFIXES = (".hdf5", ".h5", ".nxs", ".hdf", ".stxm")


class FileBackend(ScanBackend):
    """Opens files."""

    name = "nxstxm"

    def tree(self, backend_key: str) -> xr.DataTree:
        """Open a file."""
        return open_nxstxm(backend_key)


class NXstxmDirectory(ScanFrontend):
    """The finished files in a folder, each the data ``scan`` of its ``first_uid``.

    A file of another program has no documents; its uid is made of what is in it, the same for the
    same file wherever it is, and `run_ids` tells it.

    Parameters
    ----------
    path : path-like
        The folder.
    recursive : bool
        Look into its folders as well.
    **options
        As of `StorageFrontend`.

    Examples
    --------
    >>> from suitcase.nxstxm import export_scan
    >>> from suitcase.nxstxm.sim import all_requests, scan_documents
    >>> from suitcase.nxstxm.storage import DataDirectory, NXstxmDirectory, Store
    >>> runs = scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"])
    >>> file = export_scan(runs, "scans", overwrite=True)
    >>> store = Store([NXstxmDirectory("scans"), DataDirectory("store")])
    >>> run = store.frontends[0].run_ids()[file]
    >>> store.get(run, "od", i0_region={"x": -4.0}).sizes["energy"]
    3
    """

    def __init__(
        self, path: str | os.PathLike[str], *, recursive: bool = True, **options: Any
    ) -> None:
        super().__init__(**options)
        self.path = Path(path)
        self.recursive = recursive
        self.backend = FileBackend()
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def run_ids(self) -> dict[Path, str]:
        """Give the run of each file; what is no file of scans is left out."""
        found: dict[Path, str] = {}
        pattern = "**/*" if self.recursive else "*"
        for path in sorted(self.path.glob(pattern)):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                uid = self._uid(path)
                if uid:
                    found[path] = uid
        self._known = {path: each for path, each in self._known.items() if path in found}
        return found

    def _uid(self, path: Path) -> str:
        try:
            about = path.stat()
        except OSError:
            return ""
        seen = (about.st_mtime_ns, about.st_size)
        known = self._known.get(path)
        if known is None or known[0] != seen:
            known = (seen, uid_of(path))
            self._known[path] = known
        return known[1]

    def _place_of(self, run_id: str) -> str | None:
        for path, (seen, uid) in list(self._known.items()):  # most often nothing has changed
            if uid == run_id and self._uid(path) == run_id and seen:
                return str(path)
        found = [path for path, uid in self.run_ids().items() if uid == run_id]
        if len(found) > 1:
            logger.info("run %s is in %d files; %s is taken", run_id, len(found), found[-1])
        return str(found[-1]) if found else None

    def _all(self) -> Iterator[str]:
        yield from dict.fromkeys(self.run_ids().values())

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        place = self._place_of(run_id)
        if place is None:
            return None
        return told_by(runs_in_file(place), run_id)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"NXstxmDirectory({str(self.path)!r})"


def uid_of(path: Path) -> str:
    """Give the run's id of a file; nothing for what is no file of scans."""
    try:
        with open_file(path) as file:
            first = file.attrs.get("first_uid")
        if isinstance(first, bytes):
            first = first.decode("utf-8", "replace")
        if first:
            return str(first)
        runs = described_runs(path)
        return runs[0].uid if runs else ""
    except (NXstxmError, *H5_ERRORS) as error:
        logger.debug("%s is no file of scans: %s", path, error)
        return ""
