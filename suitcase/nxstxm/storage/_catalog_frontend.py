"""Catalogs of documents as stored scans."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import NXstxmKeyError, OptionError
from .._locks import lock_file
from ..exchange import Catalog, export_scan, opened
from ..scans import group_runs
from ._frontend import Location
from ._nxstxm_directory import FileBackend, NXstxmDirectory, uid_of
from ._scans import ScanFrontend, readable, told_by


class CatalogFrontend(ScanFrontend):
    """A catalog of databroker or Tiled: what start documents tell, and scans as files of them.

    Parameters
    ----------
    catalog : catalog
        Of databroker 1 or 2, or a client of Tiled; whatever `export_scan` takes.
    directory : path-like, optional
        Where scans are exported to when their data are asked for, as NXstxm files; without it the
        catalog only tells of runs.
    export_options : Mapping, optional
        Options of `export_scan`.
    **options
        As of `StorageFrontend`.

    Raises
    ------
    OptionError
        It is no catalog.
    """

    usual_priority = 3.0

    def __init__(
        self,
        catalog: Any,
        *,
        directory: str | os.PathLike[str] | None = None,
        export_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        found = opened(catalog)
        if not isinstance(found, Catalog):
            raise OptionError(f"{catalog!r:.60} is no catalog; give one of databroker or Tiled")
        self.catalog = found
        self._given = catalog
        self._export_options = dict(export_options or {})
        self._files = None if directory is None else NXstxmDirectory(directory)
        self.backend = FileBackend()
        if self._files is None:
            self.source_types = frozenset()

    def _place_of(self, run_id: str) -> str | None:
        if self._files is None:
            return None
        place = self._files._place_of(run_id)
        run = self._start(run_id) if place is None else None
        if run is None or not self._is_first(run):
            return place
        folder = self._files.path
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(run_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        with lock_file(folder, f"scan-{name}"):  # others may want the same scan
            place = self._files._place_of(run_id)
            if place is None:
                made = export_scan(self._given, folder, uids=[run_id], **self._export_options)
                place = str(made) if uid_of(made) == run_id else None
        return place

    def _is_first(self, run: Any) -> bool:
        """Tell whether a run is the first of its scan, under whose uid the scan is."""
        plan = next(readable([run], str(self)), None)
        if plan is None:
            return False
        is_alone = plan.group is None and not plan.fixed
        return is_alone or plan.run in self._all()

    def _start(self, run_id: str) -> Any:
        try:
            return self.catalog.run(run_id)
        except NXstxmKeyError:
            return None

    def _all(self) -> Iterator[str]:
        groups = group_runs(readable(self.catalog.runs(), str(self)))
        yield from (plans[0].run for plans in groups)

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        """Give the scans that were exported already: to list must not export everything."""
        if self._files is not None:
            yield from self._files._stored(run_id, data_type)

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        run = self._start(run_id)
        return None if run is None else told_by([run], run_id)

    def __repr__(self) -> str:
        """Say which catalog it is."""
        return f"CatalogFrontend({self.catalog.name})"
