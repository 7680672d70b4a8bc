"""A database that knows which data are stored where."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, OptionError
from .._log import logger
from ._backend import StorageBackend
from ._errors import AmbiguousKeyError, DataNotAvailable, KeyValueError
from ._frontend import Location, StorageFrontend
from ._key import DataKey
from ._metadata import sealed_run, unsealed_run
from ._places import check_overwrite, place_of
from ._sqlite_rows import Row, Rows, State
from ._sqlite_scan import Scanned, scanned, seen


class SQLiteFrontend(StorageFrontend):
    """Data of several backends, which a database finds.

    A row is written when data are whole; data that were written into the folder of `write_to` by
    others are taken up when somebody asks for them, those of other backends by `scan` and
    `register`. Many threads and processes may use one database, on a local disk.

    Parameters
    ----------
    path : path-like
        The database; it is made when it is not there.
    backends : Mapping of str to StorageBackend or StorageFrontend
        Names, under which the database remembers them, and backends; of a frontend, such as a
        `DataDirectory`, its backend is taken.
    write_to : str, optional
        The name of that which new data go to; by default the first.
    timeout : float
        Seconds to wait for another who writes to the database.
    **options
        As of `StorageFrontend`.

    Raises
    ------
    OptionError
        The database is that of something else, or an option is wrong.
    DataCorrupted
        The database is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataDirectory, DataKey, SQLiteFrontend
    >>> disks = {"fast": DataDirectory("fast"), "large": DataDirectory("large")}
    >>> store = SQLiteFrontend("store.sqlite", disks, overwrite="always")
    >>> key = DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {"dark": 0.0})})
    >>> store.save(key, np.arange(6.0).reshape(2, 3))
    >>> store.load(key).sum()
    15.0
    >>> store.scan("fast")
    Scanned(found=1, added=0, forgotten=0, broken=())
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        backends: Mapping[str, StorageBackend | StorageFrontend],
        *,
        write_to: str | None = None,
        timeout: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not backends:
            raise OptionError("no backends are given; give {'disk': DataDirectory('store')}")
        self.write_to = next(iter(backends)) if write_to is None else write_to
        if self.write_to not in backends:
            raise OptionError(
                f"write_to={write_to!r} is none of the backends {', '.join(backends)}"
            )
        self._given = dict(backends)
        self.backends = {name: _backend(name, each) for name, each in backends.items()}
        self._rows = Rows(path, readonly=self.readonly, timeout=timeout)
        self.path = self._rows.database.path

    # -- finding -----------------------------------------------------------------------------------

    def _locate(self, key: DataKey) -> Location | None:
        row = self._rows.get(key)
        if row is None:
            return self._unknown(key)
        at = self._at(row)
        if at is None:
            return None
        state, _ = seen(at)
        self._note(row, state)
        return at if state != "gone" else self._unknown(key)

    def _note(self, row: Row, state: State) -> None:
        """Note what was seen of data: who reads does not have to wait for who writes."""
        try:
            self._rows.see(row, state)
        except NXstxmOSError as error:
            logger.info("%s", error)

    def _at(self, row: Row) -> Location | None:
        backend = self.backends.get(row.backend)
        return None if backend is None else Location(backend, row.backend_key)

    def _unknown(self, key: DataKey) -> Location | None:
        """Look for data without a row where they would be written: of others, or of who died."""
        at = Location(self.backends[self.write_to], place_of(key))
        state, metadata = seen(at)
        if state == "whole" and metadata is not None and metadata.key == key and not self.readonly:
            try:
                self._rows.put([Row.of(key, self.write_to, at.backend_key)])
            except NXstxmOSError as error:
                logger.info("%s is not noted: %s", at, error)
        return at if state != "gone" else None

    def find(self, key: DataKey, **how: Any) -> Location:
        """Find data; see `StorageFrontend.find`."""
        try:
            return super().find(key, **how)
        except DataNotAvailable as error:
            row = self._rows.get(key) if self.takes(key.data_type) else None
            if row is None or (row.state == "whole" and row.backend in self.backends):
                raise
            raise DataNotAvailable(f"{error}. {self._told(row)}") from error

    def _told(self, row: Row) -> str:
        """Say what is wrong with data that have a row."""
        if row.backend not in self.backends:
            return (
                f"The database has them in backend {row.backend!r}, which is none of those given "
                f"({', '.join(self.backends)})"
            )
        where = self.backends[row.backend].describe(row.backend_key)
        return (
            f"The database has them in backend {row.backend!r}, where they are {row.state}: "
            f"{where}. scan({row.backend!r}) forgets what has gone"
        )

    def _find_loosely(
        self, key: DataKey, types: frozenset[str], options: frozenset[str], incomplete: bool
    ) -> Location:
        wanted = key.lineage.without(types, options)
        found: dict[str, Location] = {}
        for row in self._rows.like(key.run_id, key.data_type):
            at = self._at(row)
            if at is not None and row.made_by().without(types, options) == wanted:
                state, metadata = seen(at)
                self._note(row, state)
                if metadata is not None and not self._refused(metadata, incomplete):
                    found[str(metadata.key)] = at
        loosely = f"fuzzy_for={sorted(types)}, fuzzy_for_options={sorted(options)}"
        if not found:
            raise DataNotAvailable(f"nothing like {key} is in {self}, with {loosely}")
        if len(found) > 1:
            raise AmbiguousKeyError(
                f"{len(found)} stored data are like {key} in {self}: {', '.join(sorted(found))}. "
                f"Ask for one of them, or be less loose than {loosely}"
            )
        return next(iter(found.values()))

    def _stored(self, run_id: str | None, data_type: str | None) -> Iterator[Location]:
        for row in self._rows.like(run_id, data_type):
            at = self._at(row)
            if at is not None:
                yield at

    # -- saving and removing -----------------------------------------------------------------------

    def _place(self, key: DataKey) -> Location:
        given = self._given[self.write_to]
        if isinstance(given, StorageFrontend) and given.readonly:
            raise OptionError(f"{key} can not be saved: backend {self.write_to!r} is read-only")
        row = self._rows.get(key)
        at = None if row is None else self._at(row)
        if row is not None and row.backend == self.write_to and at is not None:
            return at
        if at is not None and seen(at)[0] != "gone":
            check_overwrite(at.backend, at.backend_key, self.overwrite)
        return Location(self.backends[self.write_to], place_of(key))

    def _saved(self, key: DataKey, at: Location) -> None:
        row = Row.of(key, self.write_to, at.backend_key)
        before = self._rows.get(key)
        self._rows.put([row])
        if before is not None and before.place != row.place:
            self._replaced(before)

    def _replaced(self, row: Row) -> None:
        """Remove data that others took the place of, in another backend."""
        at = self._at(row)
        try:
            if at is not None and seen(at)[0] != "gone":
                at.backend.remove(at.backend_key)
        except (NXstxmError, OSError) as error:
            logger.info("%s stays, though it was replaced: %s", at, error)

    def remove(self, key: DataKey) -> None:
        """Remove data, and their row; also where only the row is left."""
        row = self._rows.get(key)
        try:
            super().remove(key)
        except DataNotAvailable:
            if row is None or not self.takes(key.data_type):
                raise
            self._rows.forget([row])

    def _removed(self, key: DataKey, at: Location) -> None:  # noqa: ARG002
        row = self._rows.get(key)
        if row is not None:
            self._rows.forget([row])

    # -- what backends have ------------------------------------------------------------------------

    def register(self, key: DataKey, backend: str, backend_key: str) -> None:
        """Note where data are, in place of what was known of the key.

        Parameters
        ----------
        key : DataKey
            Their key.
        backend : str
            The name of the backend.
        backend_key : str
            What they are called there.

        Raises
        ------
        OptionError
            There is no such backend, or nothing can be noted.
        DataNotAvailable
            They are not there, or not whole.
        KeyValueError
            They are data of another key.
        """
        at = Location(self._named(backend), backend_key)
        self._check_writable()
        state, metadata = seen(at)
        if metadata is None or state != "whole":
            raise DataNotAvailable(f"{key} can not be registered: {at} is {state}")
        if metadata.key != key:
            raise KeyValueError(f"{at} is {metadata.key}, and not {key}")
        self._rows.put([Row.of(key, backend, backend_key)])

    def scan(self, backend: str) -> Scanned:
        """Take up what is in a backend, and forget what has gone from it.

        Data of a key that is known to be whole in another backend stay known there.

        Parameters
        ----------
        backend : str
            Its name; it was given as a frontend that can list its data: a `DataDirectory`.

        Raises
        ------
        OptionError
            There is no such backend, it can not list, or nothing can be noted.
        """
        there, given = self._named(backend), self._given[backend]
        self._check_writable()
        if not isinstance(given, StorageFrontend):
            raise OptionError(
                f"backend {backend!r} can not list what it has; give a frontend such as "
                f"DataDirectory, or register data one by one"
            )
        places = (at.backend_key for at in given.locations() if at.backend is there)
        return scanned(self._rows, backend, there, places, self.backends)

    def _named(self, backend: str) -> StorageBackend:
        if backend not in self.backends:
            raise OptionError(
                f"there is no backend {backend!r}; there are {', '.join(self.backends)}"
            )
        return self.backends[backend]

    def _check_writable(self) -> None:
        if self.readonly:
            raise OptionError(f"{self} is read-only: nothing can be noted")

    def clean(self, *, broken: bool = False, dry_run: bool = False) -> list[Any]:
        """Remove what dead writers left in all backends; see `StorageFrontend.clean`."""
        return [
            each
            for given in self._given.values()
            if isinstance(given, StorageFrontend) and not given.readonly
            for each in given.clean(broken=broken, dry_run=dry_run)
        ]

    def close(self) -> None:
        """Close the database; it is opened again when it is needed."""
        self._rows.database.close()

    # -- runs --------------------------------------------------------------------------------------

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:
        text = self._rows.run(run_id)
        if text is None:
            return None
        return unsealed_run(text.encode(), f"run {run_id!r} in {self}")

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        raw = sealed_run(run_id, metadata)
        self._rows.put_run(run_id, raw.decode())

    def _runs(self) -> Iterator[str]:
        yield from self._rows.runs()

    def __repr__(self) -> str:
        """Say where it is."""
        return f"SQLiteFrontend({str(self.path)!r})"


def _backend(name: str, given: Any) -> StorageBackend:
    """Give the backend of a frontend, or the one that was given."""
    found = getattr(given, "backend", given)
    if not isinstance(name, str) or not isinstance(found, StorageBackend):
        raise OptionError(
            f"backend {name!r} is {given!r:.60}; give names, and backends or frontends that have "
            f"one, such as DataDirectory"
        )
    return found
