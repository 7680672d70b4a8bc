"""The file of a run: results in DAMNIT's layout, made whole and renamed.

::

    /<name>             group: ``data``, or a DataArray or Dataset as NetCDF has them
    /.reduced/<name>    the summary, with how it is shown
    /.preview/<name>    what to show when somebody looks closer
    /.errors/<name>     the text of an error; attribute ``type``
    /.keys/<name>       of results that have a key: what is known of them as stored data
    /.data/<key>        stored data that are no results of variables
    /.made              the lineages of results, by their names, as JSON
    /.run               what is known of the run, as storage has it

A file is never changed. A new one has what is new, and of the old one what stays.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmOSError
from .._h5write import text
from .._locks import lock_file
from .._publish import publish
from ..nexus import H5_ERRORS, why
from ..storage import (
    DataCorrupted,
    Kept,
    kept_elsewhere,
    read_kept,
    sealed_run,
    unsealed_run,
    write_kept,
)
from ._errors import CellError, MissingValueError, VariableError
from ._keyed import KEYS, Noted, mark, noted
from ._results import (
    LABELS,
    OBJECT,
    Result,
    attach_dimensions,
    read_labelled,
    read_plain,
    renamed,
    write_results,
)

_WRITING = ".writing.h5"
#: Data that are no results of variables.
DATA = ".data"
#: What is known of the run.
TOLD = ".run"
#: The lineages of results.
MADE = ".made"
#: What DAMNIT's files have beside results; and all that ours have.
_DAMNIT = (".reduced", ".preview", ".errors")
_INNER = (*_DAMNIT, KEYS, DATA)


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes
    ----------
    stamp : str
        What tells it from others that had its name.
    failed : Mapping of str to Result
        The errors that it has instead of results that could not be written.
    """

    stamp: str
    failed: Mapping[str, Result]


class RunFile:
    """The file of a run.

    Parameters
    ----------
    path : Path
        The file, which does not have to be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- reading -----------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        try:
            with _file(self.path) as file:
                yield file
        except NXstxmError:
            raise
        except FileNotFoundError as error:
            raise MissingValueError(f"there is no file {self.path}") from error
        except H5_ERRORS as error:
            raise NXstxmOSError(f"{self.path} can not be read: {why(error)}") from error

    def names(self) -> list[str]:
        """Name the variables that have data; none where there is no file."""
        if not self.path.exists():
            return []
        with self._opened() as file:
            return [name for name in file if not name.startswith(".")]

    def lineages(self) -> dict[str, str]:
        """Give the hashes of how results were made, errors among them; by their names."""
        if not self.path.exists():
            return {}
        with self._opened() as file:
            return _lineages(file)

    def stamp(self) -> str:
        """Give what tells this file from others that had its name; nothing where it is not."""
        try:
            return _stamp(self.path)
        except OSError:
            return ""

    def read(self, name: str, lineage: str | None = None) -> Any:
        """Read the result of a variable.

        Parameters
        ----------
        name : str
            The variable.
        lineage : str, optional
            The hash of how it was made.

        Raises
        ------
        MissingValueError
            There is none, or one that was made otherwise.
        NXstxmOSError
            The file can not be read.
        """
        with self._opened() as file:
            if name.startswith(".") or name not in file:
                raise MissingValueError(f"variable {name!r} has no data in {self.path}")
            self._check(file, name, lineage)
            kind = file[name].attrs.get(OBJECT, "")
            if kind not in LABELS:
                return read_plain(file[name]["data"], kind)
        return read_labelled(self.path, name, kind)

    def _check(self, file: h5py.File, name: str, lineage: str | None) -> None:
        """See that a result was made as the table says: whoever wrote it may have died then."""
        if lineage is not None and _lineages(file).get(name) != lineage:
            raise MissingValueError(
                f"{self.path} has another {name!r} than the table tells of: it was made otherwise; "
                f"process the run again"
            )

    def preview(self, name: str, lineage: str | None = None) -> Any:
        """Read the preview of a variable; None where it has none. See `read`."""
        with self._opened() as file:
            self._check(file, name, lineage)
            found = file.get(f".preview/{name}")
            if found is None:
                return None
            kind = found.attrs.get(OBJECT, "")
            if kind != "dataarray":
                return read_plain(found, kind)
        return read_labelled(self.path, f".preview/{name}", "dataarray")

    # -- stored data -------------------------------------------------------------------------------

    def keyed(self) -> list[Noted]:
        """Say which stored data there are: results that have a key, and others."""
        if not self.path.exists():
            return []
        with self._opened() as file:
            results = [noted(node, name) for name, node in file.get(KEYS, {}).items()]
            others = [noted(node, f"{DATA}/{name}") for name, node in file.get(DATA, {}).items()]
        return [*results, *others]

    def kept(self, place: str) -> Kept:
        """Open stored data.

        Parameters
        ----------
        place : str
            As `keyed` says it.

        Raises
        ------
        MissingValueError
            There are none.
        DataCorrupted
            They are not what was written.
        """
        what = f"{self.path}/{place}"
        if place.startswith(f"{DATA}/"):

            @contextmanager
            def opener() -> Iterator[h5py.Group]:
                with _file(self.path) as file:
                    yield file[place]

            with self._opened() as file:
                if place not in file:
                    raise MissingValueError(f"there are no data {what}")
            return read_kept(opener, what)
        with self._opened() as file:
            found = file.get(f"{KEYS}/{place}")
            if found is None:
                raise MissingValueError(f"there are no data {what}")
            raw = found[()].tobytes()
        return kept_elsewhere(raw, lambda: self._read_data(place), what, renamed=renamed)

    def has_kept(self, place: str) -> bool:
        """Tell whether there are stored data at a place."""
        if not self.path.exists():
            return False
        with self._opened() as file:
            return (place if place.startswith(f"{DATA}/") else f"{KEYS}/{place}") in file

    def told(self) -> Mapping[str, Any] | None:
        """Give what is known of the run; None where nothing was noted.

        Raises
        ------
        DataCorrupted
            It is not what was written.
        """
        if not self.path.exists():
            return None
        with self._opened() as file:
            if TOLD not in file:
                return None
            raw = file[TOLD][()].tobytes()
        return unsealed_run(raw, f"{self.path}/{TOLD}")

    def _read_data(self, name: str) -> Any:
        """Read a result as data: a table as one of Arrow."""
        try:
            with self._opened() as file:
                kind = file[name].attrs.get(OBJECT, "")
                if kind in ("series", "dataframe"):
                    import pyarrow.parquet as pq

                    return pq.read_table(io.BytesIO(file[name]["data"][()].tobytes()))
            return self.read(name)
        except (NXstxmOSError, *H5_ERRORS) as error:
            raise DataCorrupted(f"{self.path}/{name} can not be read: {error}") from error

    # -- writing -----------------------------------------------------------------------------------

    def write(
        self,
        results: Mapping[str, Result],
        *,
        keep: Mapping[str, Kept] | None = None,
        drop: Iterable[str] = (),
        told: Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> Written:
        """Put results into the file, in place of those of the same names.

        Parameters
        ----------
        results : Mapping of str to Result
            What is new.
        keep : Mapping of str to Kept, optional
            Stored data that are new, by their names in ``.data``.
        drop : iterable of str
            Names of results that are to go, and places of stored data.
        told : Mapping, optional
            What is known of the run, in place of what was.
        strict : bool
            Write nothing where a result can not be written.

        Returns
        -------
        Written
            The stamp of the new file, and which results could not be written.

        Raises
        ------
        CellError
            With `strict`, a result can not be written.
        VariableError
            A name is none that a result can have in a file.
        FormatError
            Something that is known of the run is no JSON.
        NXstxmOSError
            It can not be written; the old file is as it was.
        """
        for name in results:
            if "/" in name or name.startswith("."):
                raise VariableError(
                    f"{name!r:.60} can not be the name of a result: in HDF5 a '/' separates "
                    f"groups, and names that begin with '.' are taken; give it another one"
                )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NXstxmOSError(f"{self.path.parent} can not be made ({error})") from error
        temporary = self.path.with_name(f".{self.path.stem}.{uuid4().hex[:8]}{_WRITING}")
        known = None if told is None else sealed_run(self.path.stem, told)
        others = {f"{DATA}/{name}": each for name, each in (keep or {}).items()}
        with lock_file(self.path.parent, self.path.name):
            for left in self.path.parent.glob(f".{self.path.stem}.*{_WRITING}"):
                with contextlib.suppress(OSError):  # of who died
                    left.unlink()
            try:
                # in memory: HDF5 crashes, at once or later, where it can not write to a disk
                with h5py.File(
                    temporary.name,
                    "w",
                    driver="core",
                    backing_store=False,
                    libver=("earliest", "v110"),
                ) as file:
                    gone = {*results, *others, *drop, *([] if known is None else [TOLD])}
                    made = self._keep_old(file, gone)
                    made |= {name: each.lineage for name, each in results.items() if each.lineage}
                    text(file, MADE, json.dumps(made))
                    if known is not None:
                        file.create_dataset(TOLD, data=np.frombuffer(known, np.uint8))
                    failed = write_results(file, results)
                    for name, each in failed.items() if strict else ():
                        raise CellError(f"{name!r:.60}: {each.error}")
                    for place, kept in others.items():
                        group = file.create_group(place)
                        mark(group, kept.metadata.key)
                        write_kept(group, kept)
                    file.flush()
                    temporary.write_bytes(file.id.get_file_image())
                stamp = _stamp(temporary)
                publish(temporary, self.path, overwrite=True)
                return Written(stamp, failed)
            except NXstxmError:
                raise
            except H5_ERRORS as error:
                raise NXstxmOSError(f"{self.path} can not be written: {why(error)}") from error
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _keep_old(self, file: h5py.File, new: set[str]) -> dict[str, str]:
        """Copy what stays; give the lineages of that."""
        for inner in _DAMNIT:
            file.create_group(inner)
        if not self.path.exists():
            return {}
        with _file(self.path) as old:
            for place in _places(old, new):
                file.require_group(place.rpartition("/")[0] or "/")
                old.copy(old[place], file, place)
                if old[place].attrs.get(OBJECT, "") in LABELS:
                    attach_dimensions(old[place], file[place])
            return {name: made for name, made in _lineages(old).items() if name not in new}


def _lineages(file: h5py.File) -> dict[str, str]:
    if MADE not in file:
        return {}
    made: dict[str, str] = json.loads(file[MADE][()])
    return made


def _stamp(path: Path) -> str:
    about = path.stat()
    return f"{about.st_ino}:{about.st_size}:{about.st_mtime_ns}"


def _places(old: h5py.File, new: set[str]) -> Iterator[str]:
    """Say what stays of a file: results, and what is beside them under their names; and data."""
    for name in old:
        if name not in _INNER and name != MADE and name not in new:
            yield name
    for inner in _INNER:
        for name in old.get(inner, ()):
            if (f"{DATA}/{name}" if inner == DATA else name) not in new:
                yield f"{inner}/{name}"


def _file(path: Path) -> h5py.File:
    """Open a file to be read, whoever has it open."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")  # this process has it open, with locks


def file_of(directory: Path, proposal: int, run: int) -> RunFile:
    """Give the file of a run of a table."""
    return RunFile(directory / "extracted_data" / f"p{proposal}_r{run}.h5")
