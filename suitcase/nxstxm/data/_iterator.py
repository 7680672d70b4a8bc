"""The coordinates that something is expected to produce, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from .._errors import NXstxmStateError, NXstxmTypeError
from ..scans import ScanPlan, place
from ._coordinates import DataCoordinates, coordinates

#: Points of a plan that are placed at a time.
_POINTS = 4096


class DataCoordinatesIterator:
    """Coordinates one after the other, finite or not; made by `create`.

    Nothing is made before it is asked for.
    """

    def __init__(self) -> None:
        raise NXstxmTypeError("make it with DataCoordinatesIterator.create(...)")

    @classmethod
    def create(
        cls, source: ScanPlan | Mapping[str, Any] | Iterable[Mapping[str, Any]]
    ) -> DataCoordinatesIterator:
        """Make one.

        Parameters
        ----------
        source : sequence, generator, iterator or ScanPlan
            Coordinates or dicts; a single one is a sequence of one. A plan gives its points in the
            order in which they are measured, each with its indices and, where there are several
            entries, the name of its entry as ``region``.

        Raises
        ------
        NXstxmTypeError
            It is none of these; an item that is none is refused when it comes.
        """
        if isinstance(source, ScanPlan):
            return _OfPlan(source)
        if isinstance(source, Mapping):
            return _OfSequence([source])
        if isinstance(source, DataCoordinatesIterator):
            return source
        if isinstance(source, Sequence) and not isinstance(source, (str, bytes)):
            return _OfSequence(source)
        if isinstance(source, Iterable) and not isinstance(source, (str, bytes)):
            return _OfIterator(source)
        raise NXstxmTypeError(
            f"{source!r:.60} is a {type(source).__name__}; give coordinates, dicts, a generator of "
            f"them, or a ScanPlan"
        )

    def __iter__(self) -> Iterator[DataCoordinates]:
        """Give the coordinates."""
        raise NotImplementedError

    def might_produce_coordinates(self, coords: Mapping[str, Any]) -> bool | None:
        """Tell whether coordinates may come.

        Parameters
        ----------
        coords : DataCoordinates or Mapping
            Coordinates, or some axes of them.

        Returns
        -------
        bool or None
            None when it can not be known.
        """
        raise NotImplementedError


class _OfSequence(DataCoordinatesIterator):
    def __init__(self, items: Sequence[Mapping[str, Any]]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[DataCoordinates]:
        return map(coordinates, self._items)

    def __len__(self) -> int:
        return len(self._items)

    def might_produce_coordinates(self, coords: Mapping[str, Any]) -> bool | None:
        return any(each.matches(coords) for each in self)


class _OfIterator(DataCoordinatesIterator):
    """What can be walked through once, if that: a generator, or an object that gives iterators."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self._items = items
        self._walked = False

    def __iter__(self) -> Iterator[DataCoordinates]:
        if isinstance(self._items, Iterator):
            if self._walked:
                raise NXstxmStateError(
                    "these coordinates come from a generator, which can be walked through once; "
                    "give a list, or make a new generator"
                )
            self._walked = True
        return map(coordinates, self._items)

    def might_produce_coordinates(self, coords: Mapping[str, Any]) -> bool | None:
        coordinates(coords)  # refuses what is none
        return None


class _OfPlan(DataCoordinatesIterator):
    def __init__(self, plan: ScanPlan) -> None:
        self._plan = plan
        self._names = plan.entry_names

    def __iter__(self) -> Iterator[DataCoordinates]:
        plan, several = self._plan, len(self._names) > 1
        for first in count(0, _POINTS):
            placed = place(plan, np.arange(first, first + _POINTS, dtype=np.int64))
            axes = {name: index.tolist() for name, index in placed.axes.items()}
            for i, entry in enumerate(placed.entry.tolist()):
                if entry < 0:
                    return
                found = {name: index[i] for name, index in axes.items()}
                if several:
                    found["region"] = self._names[entry]
                yield coordinates(found)

    def might_produce_coordinates(self, coords: Mapping[str, Any]) -> bool | None:
        asked = coordinates(coords)
        fixed = dict(self._plan.fixed)
        unknown = False
        for name, entry in zip(self._names, self._plan.entries, strict=True):
            sizes: dict[str, int | None] = {axis.name: axis.size for axis in entry.axes}
            sizes.setdefault("energy", len(entry.energies) or 1)
            answers = [
                axis_value == name
                if axis == "region"
                else axis_value == fixed[axis]
                if axis in fixed
                else _within(axis_value, sizes.get(axis, 0))
                for axis, axis_value in asked.items()
            ]
            if all(answers):
                return True
            unknown = unknown or False not in answers
        return None if unknown else False


def _within(value: Any, size: int | None) -> bool | None:
    if not isinstance(value, int) or value < 0:
        return False
    return None if size is None else value < size
