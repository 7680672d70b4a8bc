"""The file of a run: results in DAMNIT's layout, made whole and renamed; see `_run_layout`.

A file is never changed. A new one has what is new, and of the old one what stays.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from .._errors import NXstxmError, NXstxmOSError
from ..nexus import H5_ERRORS, why
from ..storage import DataCorrupted, Kept, kept_elsewhere, read_kept, unsealed_run
from ._errors import MissingValueError
from ._keyed import KEYS, Noted, noted
from ._results import LABELS, OBJECT, Result, read_labelled, read_plain, renamed
from ._run_layout import DATA, TOLD, lineages_in, opened_file, stamp_of, tokens_in
from ._run_writing import Written, write_file


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
            with opened_file(self.path) as file:
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
            return lineages_in(file)

    def tokens(self) -> dict[str, str]:
        """Give the tokens of the writings that put results there; by their names."""
        if not self.path.exists():
            return {}
        with self._opened() as file:
            return tokens_in(file)

    def stamp(self) -> str:
        """Give what tells this file from others that had its name; nothing where it is not."""
        try:
            return stamp_of(self.path)
        except OSError:
            return ""

    def read(self, name: str, lineage: str | None = None, token: str | None = None) -> Any:
        """Read the result of a variable.

        Parameters
        ----------
        name : str
            The variable.
        lineage : str, optional
            The hash of how it was made.
        token : str, optional
            Of the writing that put it there.

        Raises
        ------
        MissingValueError
            There is none, or another: made otherwise, or at another time.
        NXstxmOSError
            The file can not be read.
        """
        with self._opened() as file:
            if name.startswith(".") or name not in file:
                raise MissingValueError(f"variable {name!r} has no data in {self.path}")
            self._check(file, name, lineage, token)
            kind = file[name].attrs.get(OBJECT, "")
            if kind not in LABELS:
                return read_plain(file[name]["data"], kind)
        return read_labelled(self.path, name, kind)

    def _check(self, file: h5py.File, name: str, lineage: str | None, token: str | None) -> None:
        """See that a result is that of which the table tells: its writer may have died then."""
        if lineage is not None and lineages_in(file).get(name) != lineage:
            raise MissingValueError(
                f"{self.path} has another {name!r} than the table tells of: it was made otherwise; "
                f"process the run again"
            )
        if token is not None and tokens_in(file).get(name) != token:
            way = "submit it" if lineage is None else "process the run"
            raise MissingValueError(
                f"{self.path} has another {name!r} than the table tells of: it was written at "
                f"another time; {way} again"
            )

    def preview(self, name: str, lineage: str | None = None, token: str | None = None) -> Any:
        """Read the preview of a variable; None where it has none. See `read`."""
        with self._opened() as file:
            self._check(file, name, lineage, token)
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
                with opened_file(self.path) as file:
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
        then: Callable[[Written], object] | None = None,
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
        then : callable, optional
            Called with what is returned before another may write.

        Returns
        -------
        Written
            The stamp of the new file, and which results could not be written. An old file that is
            damaged is set aside, under another name.

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
        return write_file(
            self.path,
            results,
            keep=keep or {},
            drop=drop,
            told=told,
            strict=strict,
            then=then,
        )


def file_of(directory: Path, proposal: int, run: int) -> RunFile:
    """Give the file of a run of a table."""
    return RunFile(directory / "extracted_data" / f"p{proposal}_r{run}.h5")
