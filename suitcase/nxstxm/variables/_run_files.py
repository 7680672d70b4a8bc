"""The files of runs as a frontend of storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import OptionError
from ..storage import (
    DataExistsError,
    DataKey,
    Kept,
    Location,
    MemoryBackend,
    StorageFrontend,
)
from ._errors import MissingValueError
from ._run_file import RunFile, file_of
from ._run_layout import DATA

if TYPE_CHECKING:
    from ._table import RunTable


class RunFiles(StorageFrontend):
    """The files of a table's runs as stored data.

    Results of variables are found by their keys: those of variables that declare a data type, under
    that, and others of more than 64 kB, as ``"var#name"``. The file of a run has the newest result
    of a variable, and no other. They are changed by processing, not here.

    Whatever else is saved here is put into the files beside the results, with any lineage, and is
    no column of the table. A file is written anew as a whole each time: small data belong here, and
    large ones into a `DataDirectory`.

    Parameters
    ----------
    table : RunTable
        The table. A scan that it does not have gets a row when something of it is saved.
    **options
        As of `StorageFrontend`; read-only where the table is.

    Examples
    --------
    >>> from suitcase.nxstxm.storage import DataKey
    >>> from suitcase.nxstxm.variables import RunFiles, RunTable
    >>> table = RunTable.create("table", proposal=900001)
    >>> files = RunFiles(table)
    >>> key = DataKey("a1b2", "map", {"map": ("fit", "1.0", {"order": 2})})
    >>> files.save(key, [1.5, 2.5])
    >>> files.load(key).tolist(), table["a1b2"].info.run
    ([1.5, 2.5], 1)
    """

    def __init__(self, table: RunTable, **options: Any) -> None:
        options["readonly"] = options.get("readonly", False) or table.readonly
        super().__init__(**options)
        self.table = table
        self.backend = RunFileBackend(table.path)

    # -- finding -----------------------------------------------------------------------------------

    def _locate(self, key: DataKey) -> Location | None:
        info = self.table.database.run_of(key.run_id)
        if info is None:
            return None
        wanted = (key.run_id, key.data_type, key.hash)
        for each in file_of(self.table.path, info.proposal, info.run).keyed():
            if (each.run_id, each.data_type, each.hash) == wanted:
                return self._at(info.proposal, info.run, each.place)
        at = self._at(info.proposal, info.run, f"{DATA}/{key.name}")
        return at if at.backend_key in self.backend else None  # it is being written, or broke

    def _at(self, proposal: int, run: int, place: str) -> Location:
        return Location(self.backend, f"{proposal}/{run}/{place}")

    def _place(self, key: DataKey) -> Location:
        found = self._locate(key)
        if found is not None and not is_other(found.backend_key):
            raise DataExistsError(
                f"{found} is the result of a variable, which processing makes; to make it again, "
                f"process the run with force",
                str(found),
            )
        proposal, run = self.table.database.number_of(key.run_id, self.table.proposal)
        return self._at(proposal, run, f"{DATA}/{key.name}")

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        infos = self.table.runs() if run_id is None else [self.table.database.run_of(run_id)]
        seen = set()
        for info in infos:
            if info is None:
                continue
            for each in file_of(self.table.path, info.proposal, info.run).keyed():
                if run_id in (None, each.run_id) and data_type in (None, each.data_type):
                    at = self._at(info.proposal, info.run, each.place)
                    seen.add(at.backend_key)
                    yield at
        for backend_key in self.backend.unfinished():
            if backend_key not in seen:
                metadata = self.backend.get_metadata(backend_key)
                if run_id in (None, metadata.run_id) and data_type in (None, metadata.data_type):
                    yield Location(self.backend, backend_key)

    # -- runs --------------------------------------------------------------------------------------

    def _file_of(self, run_id: str) -> RunFile | None:
        info = self.table.database.run_of(run_id)
        return None if info is None else file_of(self.table.path, info.proposal, info.run)

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        file = self._file_of(run_id)
        return None if file is None else file.told()

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        proposal, run = self.table.database.number_of(run_id, self.table.proposal)
        file_of(self.table.path, proposal, run).write({}, told=metadata)

    def _runs(self) -> Iterator[str]:
        for info in self.table.runs():
            file = file_of(self.table.path, info.proposal, info.run)
            if info.first_uid is not None and file.told() is not None:
                yield info.first_uid

    def __repr__(self) -> str:
        """Say where they are."""
        return f"RunFiles({str(self.table.path)!r})"


class RunFileBackend(MemoryBackend):
    """Keeps data in the files of runs; what is being written, and what broke, in memory.

    A backend key is ``<proposal>/<run>/<place>``.
    """

    name = "run-files"

    def __init__(self, folder: Path) -> None:
        self._files = _Files(folder)
        super().__init__(self._files)

    def remove(self, backend_key: str) -> None:
        """Remove data; see `StorageBackend.remove`."""
        if not is_other(backend_key):
            raise OptionError(
                f"{self.describe(backend_key)} is the result of a variable; delete the run, or the "
                f"variable"
            )
        super().remove(backend_key)

    def describe(self, backend_key: str) -> str:
        """Say where data are."""
        file, place = self._files.split(backend_key)
        return f"{file.path}/{place}"


def is_other(backend_key: str) -> bool:
    """Tell whether data are no result of a variable."""
    return backend_key.split("/", 2)[2].startswith(f"{DATA}/")


class _Files(MutableMapping[str, Kept]):
    """Whole data in the files of runs, by their backend keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def split(self, backend_key: str) -> tuple[RunFile, str]:
        """Give the file of a backend key, and the place in it."""
        proposal, run, place = backend_key.split("/", 2)
        return file_of(self._folder, int(proposal), int(run)), place

    def __getitem__(self, backend_key: str) -> Kept:
        file, place = self.split(backend_key)
        try:
            return file.kept(place)
        except MissingValueError as error:
            raise KeyError(backend_key) from error

    def __contains__(self, backend_key: object) -> bool:
        file, place = self.split(str(backend_key))
        return file.has_kept(place)

    def __setitem__(self, backend_key: str, kept: Kept) -> None:
        file, place = self.split(backend_key)
        file.write({}, keep={place.removeprefix(f"{DATA}/"): kept})

    def __delitem__(self, backend_key: str) -> None:
        if backend_key not in self:
            raise KeyError(backend_key)
        file, place = self.split(backend_key)
        file.write({}, drop=[place])

    def __iter__(self) -> Iterator[str]:
        for path in sorted((self._folder / "extracted_data").glob("p*_r*.h5")):
            proposal, _, run = path.stem[1:].partition("_r")
            if proposal.isdecimal() and run.isdecimal():
                for each in RunFile(path).keyed():
                    yield f"{int(proposal)}/{int(run)}/{each.place}"

    def __len__(self) -> int:
        return sum(1 for _ in self)
