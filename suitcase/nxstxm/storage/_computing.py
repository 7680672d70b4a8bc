"""Making data that are not stored, and what they are made from."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._errors import OptionError
from .._log import logger
from ._errors import (
    DataCorrupted,
    DataExistsError,
    DataLockedError,
    DataNotAvailable,
    FormatError,
)
from ._fan import Fan
from ._kinds import joined, part, put_together, taken_apart
from ._loading import StoredData, Wanted
from ._metadata import ChunkInfo, StoredMetadata
from ._own import own_copy
from ._producer import Producer
from ._rechunk import rechunked
from ._recipes import Recipe
from ._saver import ranges_of

if TYPE_CHECKING:
    from ._store import Store


class Computation:
    """One request to a store: what several types are made from is got once.

    Parameters
    ----------
    store : Store
        The store.
    save : bool
        Whether to save what is made.
    """

    def __init__(self, store: Store, save: bool) -> None:
        self._store = store
        self._save = save
        self._known: dict[str, Any] = {}  # data in memory, by their type
        self._errors: list[Exception] = []
        self._loose: set[str] = set()  # types of which others than those asked for were found
        self._uses: Counter[str] = Counter()  # how many functions take a type

    def get(self, recipe: Recipe, wanted: Wanted | None = None) -> Any:
        """Give data, or a part of them."""
        wanted = wanted or Wanted()
        self._uses = self._uses or uses_in(recipe)
        data_type = recipe.key.data_type
        if data_type not in self._known:
            for found in self._found(recipe):
                try:
                    loaded = found.load(wanted)
                except DataCorrupted as error:
                    logger.warning("%s is damaged: %s", recipe.key, error)
                    continue
                if wanted == Wanted():
                    self._known[data_type] = loaded
                return loaded
            self._known[data_type] = self._made(recipe)
        if wanted == Wanted():
            return self._known[data_type]
        axis = None if recipe.producer is None else recipe.producer.axis
        return _Held(recipe, self._known[data_type], axis).load(wanted)

    def stored(self, recipe: Recipe) -> StoredData:
        """Give data as they are stored; make and save them first where they are not.

        Raises
        ------
        OptionError
            They can not be saved.
        """
        self._uses = self._uses or uses_in(recipe)
        for found in self._found(recipe):
            return found
        self._made(recipe, keep=False)
        for found in self._found(recipe):
            return found
        if self._errors:
            raise self._errors[0]
        raise OptionError(f"{recipe.key} can not be saved: no frontend of {self._store} takes it")

    def _found(self, recipe: Recipe) -> Iterator[StoredData]:
        for stored, exact in self._store.found(recipe.key):
            if not exact:
                self._loose.add(recipe.key.data_type)
            yield stored

    # -- making ------------------------------------------------------------------------------------

    def _made(self, recipe: Recipe, *, keep: bool = True) -> Any:
        """Make data, save them, and give them where they are to be kept."""
        producer = recipe.producer
        if producer is None:
            raise DataNotAvailable(
                f"{recipe.key.data_type!r} of run {recipe.key.run_id!r} is not in "
                f"{', '.join(map(str, self._store.frontends))}, and nothing makes it"
            )
        make = self._made_by_chunk if producer.by_chunk else self._made_at_once
        try:
            return make(recipe, producer, keep=keep)
        except DataExistsError:
            for found in self._found(recipe):  # another process has made them meanwhile
                try:
                    return found.load() if keep else None
                except DataCorrupted as error:
                    logger.warning("%s is damaged: %s", recipe.key, error)
            return make(recipe, producer, keep=keep, past_protected=True)

    def _taken(self, recipe: Recipe) -> Any:
        """Give what a function takes, which it may change."""
        data = self.get(recipe)
        return own_copy(data) if self._uses[recipe.key.data_type] > 1 else data

    def _made_at_once(
        self, recipe: Recipe, producer: Producer, *, keep: bool, past_protected: bool = False
    ) -> Any:
        inputs = [self._taken(each) for each in recipe.inputs]
        # before anything is computed: another may be about to compute the same
        with self._saver(recipe, past_protected) as saver:
            data = producer(*inputs, **copy.deepcopy(dict(recipe.options)))
            if keep and producer.save:
                data = as_loaded(data, producer.axis)
            for chunk in rechunked([data], self._store.chunk_bytes, producer.axis):
                saver.save(chunk)
        self._errors += saver.errors
        return data if keep else None

    def _made_by_chunk(
        self, recipe: Recipe, producer: Producer, *, keep: bool, past_protected: bool = False
    ) -> Any:
        first, *others = recipe.inputs
        rest = [self.get(each) for each in others]
        chunks = self._chunks(first)  # before the saver: they may match loosely only
        made: list[Any] = []
        with self._saver(recipe, past_protected) as saver:
            for chunk in chunks:
                options = copy.deepcopy(dict(recipe.options))
                result = producer(chunk, *map(own_copy, rest), **options)
                saver.save(result)
                if keep:
                    made.append(as_loaded(result, producer.axis))
        self._errors += saver.errors
        if not keep:
            return None
        if not made:
            raise DataNotAvailable(f"{first.key} has no chunks that {recipe.key} is made from")
        return joined(taken_apart(made[0], producer.axis).schema, made)

    def _chunks(self, recipe: Recipe) -> Iterator[Any]:
        """Find what a function is called with chunk by chunk, which may change each."""
        producer = recipe.producer
        stored = next(self._found(recipe), None)
        if stored is None and producer is not None and producer.save and self._save:
            with suppress(OptionError):
                stored = self.stored(recipe)
        if stored is None:
            return rechunked([self._taken(recipe)], self._store.chunk_bytes)
        return (chunk.data for chunk in stored.loader())

    def _saver(self, recipe: Recipe, past_protected: bool) -> Fan:
        producer = recipe.producer
        assert producer is not None
        if not self._save or not producer.save:
            return Fan([])
        loose = {each.key.data_type for each in _all(recipe)} & self._loose
        if loose:
            logger.info(
                "%s is not saved: it is made of other %s than its key says",
                recipe.key,
                ", ".join(sorted(loose)),
            )
            return Fan([])
        options: dict[str, Any] = {} if producer.axis is None else {"axis": producer.axis}
        try:
            return self._store.saver(recipe.key, past_protected=past_protected, **options)
        except DataLockedError as error:
            logger.warning("%s is made here too, and not saved: %s", recipe.key, error)
            return Fan([], [error])


class _Held(StoredData):
    """Data in memory, of which a part is wanted."""

    def __init__(self, recipe: Recipe, data: Any, axis: str | None) -> None:
        parts = taken_apart(data, axis)
        key = recipe.key
        self.metadata = StoredMetadata(key.run_id, key.data_type, key.lineage, parts.schema)
        self.chunks = (ChunkInfo(0, parts.rows, ranges=ranges_of(parts)),)
        self._data = data

    def read(
        self,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,  # noqa: ARG002
    ) -> Any:
        """Give the data, or some rows."""
        low, high = rows or (0, info.rows)
        return part(self._data, low, high, self.axis)


def uses_in(recipe: Recipe) -> Counter[str]:
    """Count how many functions take each type that something is made from."""
    known = {each.key.data_type: each for each in (recipe, *_all(recipe))}
    return Counter(one.key.data_type for each in known.values() for one in each.inputs)


def as_loaded(data: Any, axis: str | None) -> Any:
    """Give data as they will be when they are loaded; what can not be stored as it is."""
    try:
        parts = taken_apart(data, axis)
    except FormatError:
        return data
    return put_together(parts.schema, parts.arrays, parts.constants)


def _all(recipe: Recipe) -> Iterator[Recipe]:
    for each in recipe.inputs:
        yield each
        yield from _all(each)
