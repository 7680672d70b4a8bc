"""Scans that are there already, as data of the type ``scan``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmError, OptionError
from .._log import logger
from ..scans import ScanPlan, read_plan
from ._backend import StorageBackend
from ._errors import DataCorrupted, DataNotAvailable
from ._frontend import Location, StorageFrontend
from ._key import DataKey, Lineage, Step
from ._loading import Progress, StoredData, Wanted
from ._metadata import ChunkInfo, StoredMetadata
from ._recipes import SOURCE_VERSION

if TYPE_CHECKING:
    import xarray as xr

SCAN = "scan"
#: How every scan came into being: nobody made it.
SCAN_LINEAGE = Lineage({SCAN: Step(SCAN, SOURCE_VERSION)})


def readable(runs: Iterable[Any], where: str) -> Iterator[ScanPlan]:
    """Give the plans of runs; those whose start documents can not be read are passed over."""
    for run in runs:
        try:
            plan = read_plan(run.start)
        except (NXstxmError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            logger.warning("a run in %s can not be read: %s", where, error)
            continue
        yield plan


class ScanData(StoredData):
    """A scan, which is one tree and not made of chunks."""

    def load(self, wanted: Wanted | None = None) -> Any:
        """Give the tree.

        Raises
        ------
        OptionError
            Only a part was wanted.
        """
        if wanted is not None and wanted != Wanted():
            raise OptionError(
                f"{self} is a tree of several pictures, of which no rows can be taken; ask for "
                f"the data type 'picture'"
            )
        return self.read(self.chunks[0])

    def verify(self, progress: Progress | None = None) -> int:
        """Read all pictures and lists; give the bytes that they have in memory.

        Raises
        ------
        DataCorrupted
            Something can not be read.
        """
        done = 0
        for node in self.load().subtree:
            for variable in node.to_dataset(inherit=False).variables.values():
                try:
                    done += int(variable.values.nbytes)
                except (NXstxmError, OSError, RuntimeError, ValueError) as error:
                    raise DataCorrupted(f"{self} can not be read: {error}") from error
        if progress is not None:
            progress(done, done)
        return done


class ScanBackend(StorageBackend):
    """Opens scans; subclasses know how."""

    @abstractmethod
    def tree(self, backend_key: str) -> xr.DataTree:
        """Open a scan as `open_nxstxm` does."""

    def written(self, backend_key: str) -> float:
        """Give when it was written, seconds since the epoch."""
        return Path(backend_key).stat().st_mtime

    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of a scan."""
        run, _, place = backend_key.partition("\n")
        try:
            when = self.written(place)
        except OSError as error:
            raise DataNotAvailable(f"{place} can not be found ({error})") from error
        return StoredMetadata(run, SCAN, SCAN_LINEAGE, None, "none", when, when, n_chunks=1, rows=1)

    def get_chunks(self, backend_key: str, metadata: StoredMetadata) -> Sequence[ChunkInfo]:  # noqa: ARG002
        """Give the one chunk."""
        return [ChunkInfo(0, 1)]

    def read_chunk(
        self,
        backend_key: str,
        metadata: StoredMetadata,  # noqa: ARG002
        info: ChunkInfo,  # noqa: ARG002
        *,
        rows: tuple[int, int] | None = None,  # noqa: ARG002 - a tree has no rows
        only: Collection[str] | None = None,  # noqa: ARG002
    ) -> Any:
        """Open the scan."""
        place = backend_key.partition("\n")[2]
        try:
            return self.tree(place)
        except (NXstxmError, OSError) as error:
            raise DataCorrupted(f"{place} can not be read: {error}") from error

    def open(self, backend_key: str) -> StoredData:
        """Open a scan."""
        return ScanData(self, backend_key)

    def describe(self, backend_key: str) -> str:
        """Say where it is."""
        return backend_key.partition("\n")[2]


class ScanFrontend(StorageFrontend):
    """Gives scans, and what their documents tell of them; nothing can be saved.

    Subclasses say in `_place_of` and `_all` which scans there are.
    """

    can_write = False
    source_types = frozenset((SCAN,))
    backend: ScanBackend

    @abstractmethod
    def _place_of(self, run_id: str) -> str | None:
        """Say where a scan is; None where it is not."""

    @abstractmethod
    def _all(self) -> Iterator[str]:
        """Give the ids of all scans."""

    def _locate(self, key: DataKey) -> Location | None:
        if key.lineage != SCAN_LINEAGE:
            return None
        place = self._place_of(key.run_id)
        return None if place is None else Location(self.backend, f"{key.run_id}\n{place}")

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        if data_type not in (None, SCAN):
            return
        for each in self._all():
            place = self._place_of(each) if run_id in (None, each) else None
            if place is not None:
                yield Location(self.backend, f"{each}\n{place}")

    def _runs(self) -> Iterator[str]:
        return self._all()


def chosen_run(runs: Sequence[Any], run_id: str) -> Any:
    """Give the run of a scan that was asked for, or the first."""
    return next((run for run in runs if run.start.get("uid") == run_id), runs[0])


def told_by(runs: Sequence[Any], run_id: str) -> Mapping[str, Any] | None:
    """Give the start and stop documents of the first run of a scan, or of the one asked for."""
    if not runs:
        return None
    chosen = chosen_run(runs, run_id)
    told: dict[str, Any] = {"start": dict(chosen.start)}
    stop = getattr(chosen, "stop", None)
    if not isinstance(stop, Mapping):
        stop = next((doc for name, doc in chosen.documents() if name == "stop"), None)
    if stop is not None:
        told["stop"] = dict(stop)
    return told
