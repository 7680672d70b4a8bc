"""Several frontends as one store, and producers that fill it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, OptionError
from .._log import logger
from ._compare import compared
from ._computing import Computation
from ._errors import (
    AmbiguousKeyError,
    DataExistsError,
    DataLockedError,
    DataNotAvailable,
    RunMetadataNotAvailable,
)
from ._fan import Fan
from ._frontend import StorageFrontend, types_of
from ._key import DataKey
from ._loading import Chunk, StoredData, Wanted
from ._metadata import StoredMetadata
from ._producer import Producer
from ._project import merged, projected
from ._recipes import Recipe, Recipes
from ._saver import Saver

#: Results are saved in chunks of about so many bytes.
CHUNK_BYTES = 32 << 20


class Store:
    """Gives data of runs: loads them where they are stored, or makes and saves them.

    Parameters
    ----------
    frontends : StorageFrontend or sequence of these
        Where data are; those with the lowest priority number are asked first. What is made is
        saved to every one that can be written to.
    producers : iterable of Producer
        Functions that make data; see `derived`.
    ready : bool
        Know the producers of this package as well: ``od``, ``aligned``, ``spectrum``, ``svd``, ...
    options : Mapping, optional
        Options that count where others are not given: ``{"od.dark": 3.0}``.
    fuzzy_for, fuzzy_for_options : iterable of str
        Match keys loosely; see `StorageFrontend.find`. Nothing is saved that was made of data that
        only matched loosely.
    wait : float
        Seconds to wait for another process that makes the same data.
    chunk_bytes : int
        Results are saved in chunks of about this size.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.storage import DataDirectory, Store, derived
    >>> @derived(provides="squares", version="1.0")
    ... def squares(*, n=3):
    ...     return np.arange(n) ** 2
    >>> store = Store(DataDirectory("store"), producers=[squares])
    >>> store.get("a1b2", "squares", n=4).tolist()
    [0, 1, 4, 9]
    >>> store.is_stored("a1b2", "squares", n=4), store.is_stored("a1b2", "squares", n=5)
    (True, False)
    """

    def __init__(
        self,
        frontends: StorageFrontend | Sequence[StorageFrontend],
        producers: Iterable[Producer] = (),
        *,
        ready: bool = True,
        options: Mapping[str, Any] | None = None,
        fuzzy_for: Iterable[str] = (),
        fuzzy_for_options: Iterable[str] = (),
        wait: float = 0.0,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        given = [frontends] if isinstance(frontends, StorageFrontend) else list(frontends)
        if not given:
            raise OptionError("a store needs at least one frontend, such as DataDirectory('store')")
        self.frontends: tuple[StorageFrontend, ...] = tuple(
            sorted(given, key=lambda each: each.priority)
        )
        self.options = dict(options or {})
        self.wait = wait
        self.chunk_bytes = chunk_bytes
        self._loosely = {
            "fuzzy_for": types_of(fuzzy_for, "fuzzy_for"),
            "fuzzy_for_options": types_of(fuzzy_for_options, "fuzzy_for_options"),
        }
        for name in self._loosely["fuzzy_for_options"]:
            if "." in name:
                raise OptionError(
                    f"fuzzy_for_options has {name!r}; name the option alone: "
                    f"{name.rpartition('.')[2]!r}"
                )
        self._producers: list[Producer] = []
        if ready:
            from ._ready import READY

            self._producers += READY
        self.register(*producers)

    def register(self, *producers: Producer) -> None:
        """Make functions known; one that makes a type that is known takes its place."""
        for each in producers:
            if not isinstance(each, Producer):
                raise OptionError(
                    f"{each!r:.60} is no producer; decorate it with @derived(provides=...)"
                )
        self._producers += producers
        sources = {name for each in self.frontends for name in each.source_types}
        self._recipes = Recipes(self._producers, sources)

    @property
    def data_types(self) -> tuple[str, ...]:
        """The types that can be got."""
        return tuple(sorted({*self._recipes.producers, *self._recipes.sources}))

    # -- keys --------------------------------------------------------------------------------------

    def key(self, run: str, data_type: str, **options: Any) -> DataKey:
        """Give the key of data.

        Parameters
        ----------
        run : str
            A scan's ``first_uid``, or the uid of a run.
        data_type : str
            What is wanted.
        **options
            By their names, or as ``**{"od.dark": 3.0}``. Others have the store's, the run's, or
            their defaults.

        Raises
        ------
        DataNotAvailable
            Nobody makes such data.
        OptionError
            An option is unknown, missing, or several functions have it.
        """
        return self._recipe(run, data_type, options).key

    def _recipe(self, run: str, data_type: str, options: Mapping[str, Any]) -> Recipe:
        def told(name: str) -> Any:
            return self.run_metadata(run, name)

        return self._recipes.recipe(run, data_type, options, self.options, told)

    def is_stored(self, run: str, data_type: str, **options: Any) -> bool:
        """Tell whether data are stored, and whole."""
        key = self.key(run, data_type, **options)
        return any(key in each for each in self._taking(data_type))

    # -- getting -----------------------------------------------------------------------------------

    def get(
        self,
        run: str,
        data_type: str,
        *,
        rows: tuple[int, int] | None = None,
        between: Mapping[str, tuple[Any, Any]] | None = None,
        chunk_number: int | Collection[int] | None = None,
        save: bool = True,
        **options: Any,
    ) -> Any:
        """Give data: load them, or make and save them.

        Parameters
        ----------
        run, data_type : str
            What is wanted.
        rows, between, chunk_number
            Which part; see `StorageFrontend.loader`. Of data that have to be made all are made.
        save : bool
            Whether to save what has to be made.
        **options
            See `key`.

        Returns
        -------
        ndarray, DataArray, Dataset, DataTree or table
            The data.

        Raises
        ------
        DataNotAvailable
            They are not stored, and nobody makes them, or they are made of what is not there.
        OptionError
            An option is wrong.
        Exception
            What a producer raised; the traceback is kept with the broken data.
        """
        recipe = self._recipe(run, data_type, options)
        wanted = Wanted(rows, between, chunk_number)
        return Computation(self, save).get(recipe, wanted)

    def loader(
        self,
        run: str,
        data_type: str,
        *,
        rows: tuple[int, int] | None = None,
        between: Mapping[str, tuple[Any, Any]] | None = None,
        chunk_number: int | Collection[int] | None = None,
        rechunk: int | None = None,
        **options: Any,
    ) -> Iterator[Chunk]:
        """Give data chunk by chunk; they are made first, and saved, where they are not there."""
        recipe = self._recipe(run, data_type, options)
        wanted = Wanted(rows, between, chunk_number)
        stored = Computation(self, True).stored(recipe)
        return stored.loader(wanted, rechunk=rechunk)

    def lazy(self, run: str, data_type: str, **options: Any) -> Any:
        """Give data as arrays of dask, whose chunks are read when they are computed.

        They are made first, and saved, where they are not there.
        """
        from ._lazy import as_dask

        return as_dask(Computation(self, True).stored(self._recipe(run, data_type, options)))

    def make(self, run: str, data_type: str, **options: Any) -> DataKey:
        """See that data are stored; give their key.

        Raises
        ------
        OptionError
            No frontend can be written to.
        """
        recipe = self._recipe(run, data_type, options)
        Computation(self, True).stored(recipe)
        return recipe.key

    # -- where things are --------------------------------------------------------------------------

    def _taking(self, data_type: str) -> list[StorageFrontend]:
        return [each for each in self.frontends if each.takes(data_type)]

    def found(self, key: DataKey) -> Iterator[tuple[StoredData, bool]]:
        """Open data wherever they are, of the fastest frontend first.

        Damaged ones are passed over with a warning. Those of exactly this key come first, wherever
        they are.

        Yields
        ------
        data : StoredData
            The data.
        exact : bool
            Whether they have exactly this key, and do not only match loosely.

        Raises
        ------
        AmbiguousKeyError
            Several match loosely, and none exactly.
        """
        for stored in self._opened(key):
            yield stored, True
        if not any(self._loosely.values()):
            return
        alike = [s for s in self._opened(key, **self._loosely) if s.metadata.key != key]
        keys = sorted({str(each.metadata.key) for each in alike})
        if len(keys) > 1:
            raise AmbiguousKeyError(
                f"{len(keys)} stored data are like {key}: {', '.join(keys)}. Ask for one of them, "
                f"or be less loose"
            )
        for stored in alike:
            yield stored, False

    def _opened(self, key: DataKey, **loosely: Any) -> Iterator[StoredData]:
        for frontend in self._taking(key.data_type):
            try:
                yield frontend.open(key, **loosely)
            except AmbiguousKeyError:
                raise
            except DataNotAvailable:
                continue
            except NXstxmOSError as error:  # damaged, or on a machine that does not answer
                logger.warning("%s can not be had from %s: %s", key, frontend, error)

    def saver(
        self,
        key: DataKey,
        metadata: Mapping[str, Any] | None = None,
        *,
        past_protected: bool = False,
        **options: Any,
    ) -> Fan:
        """Make a saver for every frontend that can be written to.

        Parameters
        ----------
        key : DataKey
            What will be saved.
        metadata : Mapping, optional
            What is to be known of it, besides.
        past_protected : bool
            Do without frontends that have data of this key which they protect.
        **options
            As of `StorageFrontend.saver`.

        Raises
        ------
        DataExistsError
            Another process has made the data just now.
        DataLockedError
            Another process makes them, wherever they could be saved.
        """
        made: list[Saver] = []
        errors: list[Exception] = []
        try:
            for frontend in self._taking(key.data_type):
                if frontend.readonly:
                    continue
                try:
                    made.append(frontend.saver(key, metadata, wait=self.wait, **options))
                except OptionError:
                    raise
                except (NXstxmError, OSError) as error:
                    if isinstance(error, DataExistsError) and not past_protected:
                        raise
                    logger.error("%s can not be saved to %s: %s", key, frontend, error)
                    errors.append(error)
            if not made:
                for each in errors:
                    if isinstance(each, DataLockedError):
                        raise each
        except BaseException:
            for saver in made:
                saver.discard()
            raise
        return Fan(made, errors)

    def list(
        self, run: str | None = None, data_type: str | None = None
    ) -> Iterator[tuple[StorageFrontend, StoredMetadata]]:
        """Go through what is stored."""
        for frontend in self.frontends:
            for metadata in frontend.list(run, data_type):
                yield frontend, metadata

    def compare(self, one: DataKey | Mapping[str, Any], other: DataKey | Mapping[str, Any]) -> str:
        """Say in words how two keys differ: ``"differs: align.version 1 -> 2"``."""
        return compared(one, other)

    def why_not(self, run: str, data_type: str, **options: Any) -> tuple[str, ...]:
        """Say how what is wanted differs from each of the same run and type that is stored."""
        key = self.key(run, data_type, **options)
        return tuple(
            f"{metadata.key} in {frontend}: {compared(metadata.lineage, key.lineage)}"
            for frontend, metadata in self.list(run, data_type)
        )

    def copy(
        self,
        key: DataKey,
        to: StorageFrontend,
        *,
        source: StorageFrontend | None = None,
        rechunk: int | None = None,
        **options: Any,
    ) -> None:
        """Copy data to another frontend.

        Parameters
        ----------
        key : DataKey
            Which.
        to : StorageFrontend
            Where to.
        source : StorageFrontend, optional
            Where from; by default the fastest that has them.
        rechunk : int, optional
            Merge and cut chunks so that each has about so many bytes.
        **options
            Of the saver: ``compression``.

        Raises
        ------
        DataNotAvailable
            They are nowhere else.
        DataExistsError
            They are there.
        """
        others = [each for each in self.frontends if each is not to]
        sources = others if source is None else [source]
        for frontend in sources:
            try:
                stored = frontend.open(key)
            except DataNotAvailable:
                continue
            copied(stored, to, rechunk=rechunk, **options)
            return
        raise DataNotAvailable(f"{key} is not in {', '.join(map(str, sources)) or 'any frontend'}")

    # -- runs --------------------------------------------------------------------------------------

    def run_metadata(self, run: str, projection: str | Iterable[str] | None = None) -> Any:
        """Give what is known of a run; see `StorageFrontend.run_metadata`.

        What several frontends tell is put together. What was noted in one that can be written to
        counts more than what the documents of a scan say.
        """
        known: dict[str, Any] = {}
        for frontend in sorted(self.frontends, key=lambda each: each.readonly):
            if frontend.provide_run_metadata:
                with suppress(RunMetadataNotAvailable):
                    known = merged(known, frontend.run_metadata(run))
        if not known:
            raise RunMetadataNotAvailable(
                f"nothing is known of run {run!r} in {', '.join(map(str, self.frontends))}"
            )
        return projected(known, projection, run)

    def write_run_metadata(self, run: str, metadata: Mapping[str, Any]) -> None:
        """Note what is known of a run in every frontend that can be written to.

        Raises
        ------
        OptionError
            There is none.
        """
        writable = [f for f in self.frontends if not f.readonly and f.provide_run_metadata]
        if not writable:
            raise OptionError("no frontend of this store can note anything of runs")
        for frontend in writable:
            frontend.write_run_metadata(run, metadata)

    def __repr__(self) -> str:
        """Say what it is made of."""
        return f"Store({', '.join(map(repr, self.frontends))})"


def copied(
    stored: StoredData, to: StorageFrontend, *, rechunk: int | None = None, **options: Any
) -> None:
    """Copy stored data to a frontend, chunk by chunk, labels and metadata too."""
    key, metadata = stored.metadata.key, stored.metadata
    options.setdefault("axis", stored.axis if stored.axis != "0" else None)
    if metadata.schema is not None and metadata.schema.kind == "array":
        options.setdefault("index_by", sorted({n for each in stored.chunks for n in each.ranges}))
    with to.saver(key, metadata.extra, **options) as saver:
        for chunk in stored.loader(rechunk=rechunk):
            saver.save(chunk.data, label=chunk.label)
