"""Finding stored data."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from .._errors import OptionError
from ._backend import StorageBackend
from ._errors import (
    AmbiguousKeyError,
    DataCorrupted,
    DataExistsError,
    DataNotAvailable,
    KeyValueError,
    RunMetadataNotAvailable,
)
from ._key import DataKey
from ._loading import Chunk, StoredData, Wanted
from ._metadata import StoredMetadata
from ._project import projected
from ._saver import Saver

Overwrite = Literal["never", "if_broken", "always"]


class Location(NamedTuple):
    """Where data are.

    Attributes
    ----------
    backend : StorageBackend
        Who loads them.
    backend_key : str
        What they are called there.
    """

    backend: StorageBackend
    backend_key: str

    def __str__(self) -> str:
        """Say where it is."""
        return self.backend.describe(self.backend_key)


class StorageFrontend(ABC):
    """Finds where data are, and talks to the backends that load and save them.

    Subclasses have to write `_locate`; to be written to, `_place`; to list and to match loosely,
    `_stored`; to know runs, `_read_run`, `_write_run` and `_runs`.

    Parameters
    ----------
    readonly : bool
        Save nothing.
    overwrite : "never", "if_broken" or "always"
        What saving does with data of the same key: refuse; replace them when they are not whole or
        a checksum is wrong; replace them.
    take_only, exclude : collection of str
        Data types that are stored here, all of them when empty; those that are not.
    provide_run_metadata : bool, optional
        Whether to be asked for what is known of runs. By default wherever it can be.
    priority : float, optional
        Those with low numbers are asked first: memory 0, a local disk 1, another machine 3.
    """

    #: Whether data can be saved at all.
    can_write: bool = True
    #: Whether anything is known of runs.
    knows_runs: bool = True
    #: Types that are here without anybody having made them: a scan.
    source_types: frozenset[str] = frozenset()
    #: The priority where none is given.
    usual_priority: float = 1.0

    def __init__(
        self,
        *,
        readonly: bool = False,
        overwrite: Overwrite = "if_broken",
        take_only: Collection[str] = (),
        exclude: Collection[str] = (),
        provide_run_metadata: bool | None = None,
        priority: float | None = None,
    ) -> None:
        if overwrite not in get_args(Overwrite):
            raise OptionError(
                f"overwrite is {overwrite!r}; it is one of {', '.join(get_args(Overwrite))}"
            )
        self.readonly = readonly or not self.can_write
        self.overwrite: Overwrite = overwrite
        self.take_only = types_of(take_only, "take_only")
        self.exclude = types_of(exclude, "exclude")
        self.provide_run_metadata = (
            self.knows_runs if provide_run_metadata is None else provide_run_metadata
        )
        self.priority = self.usual_priority if priority is None else float(priority)

    # -- to be written by subclasses ---------------------------------------------------------------

    @abstractmethod
    def _locate(self, key: DataKey) -> Location | None:
        """Say where data of exactly this key are, whole or not; None where there are none."""

    def _place(self, key: DataKey) -> Location:  # noqa: ARG002
        """Say where data of this key are to be saved."""
        raise OptionError(f"{self} can only be read")

    def _saved(self, key: DataKey, at: Location) -> None:  # noqa: B027
        """Note that data were saved."""

    def _removed(self, key: DataKey, at: Location) -> None:  # noqa: B027
        """Note that data were removed."""

    def _stored(
        self,
        run_id: str | None,  # noqa: ARG002
        data_type: str | None,  # noqa: ARG002
    ) -> Iterator[Location]:
        """Give all data, or those of a run and a type, whole or not."""
        yield from ()

    def _read_run(self, run_id: str) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Give what is known of a run; None for nothing."""
        return None

    def _write_run(self, run_id: str, metadata: Mapping[str, Any]) -> None:  # noqa: ARG002
        raise OptionError(f"{self} can not note anything of runs")

    def _runs(self) -> Iterator[str]:
        """Give the ids of the runs of which something is known."""
        yield from ()

    # -- finding -----------------------------------------------------------------------------------

    def takes(self, data_type: str) -> bool:
        """Tell whether data of a type are stored here."""
        return data_type not in self.exclude and (not self.take_only or data_type in self.take_only)

    def find(
        self,
        key: DataKey,
        *,
        check_broken: bool = True,
        allow_incomplete: bool = False,
        fuzzy_for: Iterable[str] = (),
        fuzzy_for_options: Iterable[str] = (),
    ) -> Location:
        """Find data.

        Parameters
        ----------
        key : DataKey
            What is wanted.
        check_broken : bool
            Data that are not whole do not count.
        allow_incomplete : bool
            Data that are being written, or never came to an end, count as well.
        fuzzy_for : iterable of str
            Data types for which it does not matter how they were made.
        fuzzy_for_options : iterable of str
            Options whose values do not matter.

        Returns
        -------
        Location
            Where they are. Data of exactly this key come before those that match loosely.

        Raises
        ------
        DataNotAvailable
            There are none.
        AmbiguousKeyError
            Several match, and none exactly.
        DataCorrupted
            What describes them can not be read.
        """
        self._check_type(key)
        at = self._locate(key)
        if at is not None and not check_broken:
            return at
        refused = ""
        if at is not None:
            metadata = at.backend.get_metadata(at.backend_key)
            self._check_found(key, metadata, at)
            refused = self._refused(metadata, allow_incomplete)
            if not refused:
                return at
        types, options = (
            types_of(fuzzy_for, "fuzzy_for"),
            types_of(fuzzy_for_options, "fuzzy_for_options"),
        )
        if types or options:
            return self._find_loosely(key, types, options, allow_incomplete)
        raise DataNotAvailable(f"{key} is not in {self}{': ' + refused if refused else ''}")

    @staticmethod
    def _check_found(key: DataKey, metadata: StoredMetadata, at: Location) -> None:
        """See that data are those that their place promises: names are shortened, and renamed."""
        told = (metadata.run_id, metadata.data_type, metadata.lineage.hash)
        if told != (key.run_id, key.data_type, key.hash):
            raise DataCorrupted(
                f"{at} has not the data of {key}: it has {metadata.data_type!r} of run "
                f"{metadata.run_id!r}, whose lineage has the hash {metadata.lineage.hash}"
            )

    @staticmethod
    def _refused(metadata: StoredMetadata, allow_incomplete: bool) -> str:
        """Say why data do not count; nothing where they do."""
        if allow_incomplete or metadata.is_whole:
            return ""
        if metadata.exception is not None:
            last = metadata.exception.strip().splitlines()[-1]
            return f"writing them was broken by {last}"
        return "they are being written, or their writer died"

    def _find_loosely(
        self, key: DataKey, types: frozenset[str], options: frozenset[str], incomplete: bool
    ) -> Location:
        wanted = key.lineage.without(types, options)
        found: dict[str, tuple[Location, StoredMetadata]] = {}
        for at in self._stored(key.run_id, key.data_type):
            try:
                metadata = at.backend.get_metadata(at.backend_key)
            except (DataCorrupted, DataNotAvailable):
                continue
            if self._refused(metadata, incomplete):
                continue
            if metadata.lineage.without(types, options) == wanted:
                found[metadata.lineage.hash] = (at, metadata)
        if not found:
            raise DataNotAvailable(
                f"nothing like {key} is in {self}, whatever "
                f"{', '.join(sorted(types | options))} may be"
            )
        if len(found) > 1:
            keys = sorted(str(metadata.key) for _, metadata in found.values())
            raise AmbiguousKeyError(
                f"{len(found)} stored data are like {key} in {self}: {', '.join(keys)}. Ask for "
                f"one of them, or be less loose than fuzzy_for={sorted(types)}, "
                f"fuzzy_for_options={sorted(options)}"
            )
        ((at, _),) = found.values()
        return at

    def find_several(self, keys: Iterable[DataKey], **how: Any) -> list[Location | None]:
        """Find several; None for each that is not there. See `find`."""
        found: list[Location | None] = []
        for key in keys:
            try:
                found.append(self.find(key, **how))
            except (DataNotAvailable, DataCorrupted):
                found.append(None)
        return found

    def __contains__(self, key: object) -> bool:
        """Tell whether data of exactly this key are there, and whole."""
        return isinstance(key, DataKey) and self.find_several([key])[0] is not None

    def get_metadata(self, key: DataKey, **how: Any) -> StoredMetadata:
        """Give what is known of data, of broken ones as well.

        Raises
        ------
        DataNotAvailable
            There are none.
        DataCorrupted
            It can not be read.
        """
        at = self.find(key, check_broken=False, **how)
        return at.backend.get_metadata(at.backend_key)

    def list(
        self, run_id: str | None = None, data_type: str | None = None
    ) -> Iterator[StoredMetadata]:
        """Give what is known of all data, or those of a run or a type, but for damaged ones."""
        for at in self._stored(run_id, data_type):
            try:
                yield at.backend.get_metadata(at.backend_key)
            except (DataCorrupted, DataNotAvailable):
                continue

    def locations(
        self, run_id: str | None = None, data_type: str | None = None
    ) -> Iterator[Location]:
        """Say where all data are, or those of a run or a type: whole, unfinished and damaged."""
        return self._stored(run_id, data_type)

    # -- loading and saving ------------------------------------------------------------------------

    def open(self, key: DataKey, **how: Any) -> StoredData:
        """Open data to be read; see `find`."""
        at = self.find(key, **how)
        return at.backend.open(at.backend_key)

    def loader(
        self,
        key: DataKey,
        *,
        rows: tuple[int, int] | None = None,
        between: Mapping[str, tuple[Any, Any]] | None = None,
        chunk_number: int | Collection[int] | None = None,
        rechunk: int | None = None,
        **how: Any,
    ) -> Iterator[Chunk]:
        """Load data chunk by chunk; only those are read of which something is wanted.

        Parameters
        ----------
        key : DataKey
            What is wanted.
        rows : (int, int), optional
            From this row up to, and without, that.
        between : Mapping of str to (low, high), optional
            Coordinates along the axis, and their bounds, both included.
        chunk_number : int or collection of int, optional
            These chunks.
        rechunk : int, optional
            Merge and cut chunks so that each has about so many bytes.
        **how
            As of `find`.

        Raises
        ------
        DataNotAvailable
            There are none.
        DataCorrupted
            They are not what was saved.
        """
        wanted = Wanted(rows, between, chunk_number)
        return self.open(key, **how).loader(wanted, rechunk=rechunk)

    def load(
        self,
        key: DataKey,
        *,
        rows: tuple[int, int] | None = None,
        between: Mapping[str, tuple[Any, Any]] | None = None,
        chunk_number: int | Collection[int] | None = None,
        **how: Any,
    ) -> Any:
        """Load data as one; see `loader`."""
        return self.open(key, **how).load(Wanted(rows, between, chunk_number))

    def saver(
        self,
        key: DataKey,
        metadata: Mapping[str, Any] | None = None,
        *,
        wait: float = 0.0,
        **options: Any,
    ) -> Saver:
        """Make a saver.

        Parameters
        ----------
        key : DataKey
            What will be saved.
        metadata : Mapping, optional
            What is to be known of it, besides.
        wait : float
            Seconds to wait for another writer of the same data.
        **options
            What the backend knows: ``compression``.

        Raises
        ------
        OptionError
            Nothing can be saved here, or an option is wrong.
        DataNotAvailable
            Data of this type are not stored here.
        DataExistsError
            They are there, and `overwrite` protects them.
        DataLockedError
            Another writer saves them.
        """
        if self.readonly:
            raise OptionError(f"{self} is read-only: {key} can not be saved")
        self._check_type(key)
        if isinstance(wait, bool) or not isinstance(wait, (int, float)):
            raise OptionError(f"wait={wait!r:.40} is no number of seconds")
        at = self._place(key)
        described = StoredMetadata(
            key.run_id, key.data_type, key.lineage, extra=copy.deepcopy(dict(metadata or {}))
        )
        saver = at.backend.make_saver(
            at.backend_key, described, overwrite=self.overwrite, wait=wait, **options
        )
        saver.on_finish.append(lambda: self._saved(key, at))
        return saver

    def save(
        self, key: DataKey, data: Any, metadata: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Save data that are there as a whole; see `saver`."""
        with self.saver(key, metadata, **options) as saver:
            saver.save(data)

    def remove(self, key: DataKey) -> None:
        """Remove data.

        Raises
        ------
        OptionError
            Nothing can be removed here.
        DataNotAvailable
            There are none.
        DataLockedError
            Another writer saves them.
        """
        if self.readonly:
            raise OptionError(f"{self} is read-only: {key} can not be removed")
        at = self.find(key, check_broken=False)
        at.backend.remove(at.backend_key)
        self._removed(key, at)

    def clean(self, *, broken: bool = False, dry_run: bool = False) -> Sequence[Any]:  # noqa: ARG002
        """Remove what dead writers left.

        Parameters
        ----------
        broken : bool
            Data that could not be finished as well, with the error that they tell.
        dry_run : bool
            Only look.

        Returns
        -------
        sequence
            What was, or would be, removed.
        """
        return ()

    def verify(self, key: DataKey) -> int:
        """Read data and compare every checksum; give the bytes that were read."""
        return self.open(key).verify()

    # -- runs --------------------------------------------------------------------------------------

    def run_metadata(self, run_id: str, projection: str | Iterable[str] | None = None) -> Any:
        """Give what is known of a run.

        Parameters
        ----------
        run_id : str
            The run.
        projection : str or iterable of str, optional
            What is wanted of it: ``"start.sample.name"`` gives that value, several names a mapping
            of those that are there.

        Raises
        ------
        RunMetadataNotAvailable
            Nothing is known of it, or not what was asked for by one name.
        """
        known = self._read_run(run_id)
        if known is None:
            raise RunMetadataNotAvailable(f"nothing is known of run {run_id!r} in {self}")
        return projected(known, projection, run_id)

    def write_run_metadata(self, run_id: str, metadata: Mapping[str, Any]) -> None:
        """Note what is known of a run, in place of what was.

        Parameters
        ----------
        run_id : str
            The run.
        metadata : Mapping
            ``start``, ``stop`` and whatever else, in the values that JSON has.

        Raises
        ------
        OptionError
            Nothing can be noted here.
        """
        if self.readonly:
            raise OptionError(f"{self} is read-only: nothing of run {run_id!r} can be noted")
        self._write_run(run_id, metadata)

    def runs(self) -> Iterator[str]:
        """Give the ids of the runs of which something is known."""
        return self._runs()

    # -- odds and ends -----------------------------------------------------------------------------

    def _check_type(self, key: DataKey) -> None:
        if not isinstance(key, DataKey):
            raise KeyValueError(f"{key!r:.60} is no key; make one: DataKey(run, type, lineage)")
        if not self.takes(key.data_type):
            raise DataNotAvailable(
                f"{self} does not take {key.data_type!r} (take_only={sorted(self.take_only)}, "
                f"exclude={sorted(self.exclude)})"
            )

    def __repr__(self) -> str:
        """Say what it is."""
        return type(self).__name__


def types_of(names: Iterable[str], what: str) -> frozenset[str]:
    """Give names that somebody listed.

    Raises
    ------
    OptionError
        A text was given instead.
    """
    if isinstance(names, str):
        raise OptionError(f"{what}={names!r} is a text; give a list: {what}=[{names!r}]")
    return frozenset(names)


__all__ = ["DataExistsError", "Location", "Overwrite", "StorageFrontend"]
