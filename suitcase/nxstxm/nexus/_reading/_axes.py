"""Which axis each dimension is, from names that may be wrong and lengths that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TypeAlias

#: More dimensions than these are not tried in every order.
_MOST_TRIED = 5
#: The order in which dimensions are given, where all of an array are known.
_ORDER = ("theta", "polarization", "energy", "zoneplate_z", "y", "line", "x")

Names: TypeAlias = tuple[str, ...]
Lengths: TypeAlias = Mapping[str, int]


@dataclass(frozen=True)
class Axes:
    """The dimensions of an array.

    Attributes
    ----------
    kept : tuple of int
        Which dimensions of the stored array, in the order in which they are given.
    dims : tuple of str
        The name of each.
    sources : tuple of str or None
        The member with the coordinates of each; None where its points are only counted.
    guessed : tuple of str
        What was guessed, a sentence each.
    """

    kept: tuple[int, ...]
    dims: Names
    sources: tuple[str | None, ...]
    guessed: tuple[str, ...]


def find_axes(
    shape: Sequence[int],
    named: Sequence[str],
    lengths: Lengths,
    expected: Sequence[str] = (),
    dim_of: Callable[[str], str | None] = lambda _: None,
) -> Axes:
    """Find the axes of an array.

    Parameters
    ----------
    shape : sequence of int
        As it is stored.
    named : sequence of str
        Names of axes as the file has them; may be empty, too many, too few or wrong.
    lengths : mapping of str to int
        Of every member that can be an axis.
    expected : sequence of str
        Names of axes that an array of its kind has.
    dim_of : callable
        Gives the name of the dimension for that of an axis, or None when that is as good.

    Returns
    -------
    Axes
        One for each dimension that is no empty shell of length 1.
    """
    search = _Search(tuple(shape), lengths, tuple(expected))
    kept, names, sources = search.found(tuple(named))
    called = _called(names, expected, dim_of)
    if set(called) <= set(_ORDER):
        order = sorted(range(len(kept)), key=lambda number: _ORDER.index(called[number]))
    else:
        order = list(range(len(kept)))
    return Axes(
        tuple(kept[number] for number in order),
        tuple(called[number] for number in order),
        tuple(sources[number] for number in order),
        tuple(search.guessed),
    )


class _Search:
    """The search for the axes of one array."""

    def __init__(self, shape: tuple[int, ...], lengths: Lengths, expected: Names) -> None:
        self.shape, self.lengths, self.expected = shape, lengths, expected
        self.guessed: list[str] = []

    def found(self, named: Names) -> tuple[tuple[int, ...], Names, tuple[str | None, ...]]:
        """Give dimensions, names of axes, and members."""
        for names in dict.fromkeys(each for each in (named, self.expected) if each):
            fitting = self._fitting(names)
            if fitting is not None:
                order, kept = fitting
                self._tell(named, names, order)
                return kept, order, order
        return self._partly(named)

    def _fitting(self, names: Names) -> tuple[Names, tuple[int, ...]] | None:
        """Give the best way in which names fit all dimensions; None when there is none.

        A way in another order than that of the names counts only where there is no other such.
        """
        for count in range(len(names), -1, -1):
            for chosen in combinations(names, count):
                if any(self._length(name) != 1 for name in names if name not in chosen):
                    continue  # only an axis of length 1 can be left out
                ways = [kept for kept in self._kept(count) if self._fits(chosen, kept)]
                if ways:
                    return chosen, ways[0]
                if 1 < count <= _MOST_TRIED:
                    turned = [
                        (order, kept)
                        for order in permutations(chosen)
                        for kept in self._kept(count)
                        if self._fits(order, kept)
                    ]
                    if len({order for order, _ in turned}) == 1:
                        return turned[0]
        return None

    def _kept(self, count: int) -> Iterable[tuple[int, ...]]:
        """Give the choices of so many dimensions in which only those of length 1 are left out."""
        numbers = range(len(self.shape))
        choices = [
            chosen
            for chosen in combinations(numbers, count)
            if all(self.shape[number] == 1 for number in numbers if number not in chosen)
        ]
        return reversed(choices)  # a leading 1 is left out before others

    def _fits(self, names: Names, kept: tuple[int, ...]) -> bool:
        pairs = zip(names, kept, strict=True)
        return all(self._length(name) == self.shape[number] for name, number in pairs)

    def _length(self, name: str) -> int | None:
        return self.lengths.get(name)

    def _tell(self, named: Names, names: Names, order: Names) -> None:
        if not named:
            self.guessed.append(f"the file names no axes; they were taken as {_list(order)}")
        elif names != named:
            self.guessed.append(
                f"the axes {_list(named)} do not fit an array of shape {self.shape}; they were "
                f"taken as {_list(order)}"
            )
        elif order != tuple(name for name in named if name in order):
            self.guessed.append(
                f"the axes are named as {_list(named)}; by their lengths they are {_list(order)}"
            )
        elif len(order) < len(named):
            left = tuple(name for name in named if name not in order)
            self.guessed.append(f"{_list(left)} of length 1 is no dimension of the array")

    def _partly(self, named: Names) -> tuple[tuple[int, ...], Names, tuple[str | None, ...]]:
        """Keep of the names what fits, and look for members that fit the other dimensions."""
        names = named or self.expected
        kept = self._kept_partly(names)
        chosen: list[str] = []
        sources: list[str | None] = []
        for place, number in enumerate(kept):
            name = names[place] if place < len(names) else ""
            size = self.shape[number]
            if name and self._length(name) == size and name not in sources:
                chosen.append(name)
                sources.append(name)
                continue
            source = self._like(name or self._expected(place, len(kept)), size, (*names, *sources))
            chosen.append(source or name or self._expected(place, len(kept)) or f"dim_{place}")
            sources.append(source)
            self.guessed.append(self._why(number, name, source))
        return kept, tuple(chosen), tuple(sources)

    def _kept_partly(self, names: Names) -> tuple[int, ...]:
        """Leave out dimensions of length 1 in front: so many that most of the names fit."""
        whole = tuple(range(len(self.shape)))
        leading = next((n for n in whole if self.shape[n] != 1), len(whole))
        usual = min(leading, max(len(whole) - max(len(names), 1), 0))
        choices = [whole[n:] for n in (usual, *range(leading + 1)) if n < len(whole)]
        return max(choices, key=lambda kept: self._hits(names, kept), default=whole)

    def _hits(self, names: Names, kept: tuple[int, ...]) -> int:
        pairs = zip(names, kept, strict=False)
        return sum(self._length(name) == self.shape[number] for name, number in pairs)

    def _expected(self, place: int, count: int) -> str:
        return self.expected[place] if len(self.expected) == count else ""

    def _like(self, name: str, size: int, used: Iterable[str | None]) -> str | None:
        """Give the one member that may be the axis of a dimension."""
        if size == 1:
            return None
        taken = set(used)
        fitting = [n for n, length in self.lengths.items() if length == size and n not in taken]
        if len(fitting) > 1 and name:
            fitting = [n for n in fitting if n[-1:].lower() == name[-1:].lower()]
        return fitting[0] if len(fitting) == 1 else None

    def _why(self, number: int, name: str, source: str | None) -> str:
        size = self.shape[number]
        what = f"dimension {number} (of {size})"
        if source is not None:
            return f"{what} was taken as {source}, for its length" + (
                f"; {name} does not fit" if name else ""
            )
        if not name:
            return f"nothing says what {what} is; its points are counted"
        length = self._length(name)
        there = "is missing" if length is None else f"has {length} values"
        return f"{name}, the axis of {what}, {there}; its points are counted"


def _called(names: Names, expected: Sequence[str], dim_of: Callable[[str], str | None]) -> Names:
    """Name the dimensions; those without a name of their own get what is left of the expected."""
    known = [dim_of(name) for name in names]
    left = [dim for dim in map(dim_of, expected) if dim is not None and dim not in known]
    missing = known.count(None)
    if len(expected) == len(names) and missing == len(left):
        known = [name if name is not None else left.pop(0) for name in known]
    called: list[str] = []
    for name, dim in zip(names, known, strict=True):
        wanted = dim or name
        number = 1
        while wanted in called:
            number += 1
            wanted = f"{dim or name}_{number}"
        called.append(wanted)
    return tuple(called)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
