"""Places in a file that HDF5 has given away, and that somebody else writes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class KeptFree:
    """Ranges of bytes, by who has them.

    They are added and cleared between the changes of a file, never while one goes on.
    """

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[int, int]]] = {}
        self._all: list[tuple[int, int]] = []  # sorted, apart

    def add(self, owner: str, spans: Iterable[tuple[int, int]]) -> None:
        """Add ranges: first byte, and first byte behind them."""
        self._of[owner] = _joined([*self._of.get(owner, ()), *spans])
        self._arrange()

    def clear(self, owner: str) -> None:
        """Take back what somebody has."""
        if self._of.pop(owner, None) is not None:
            self._arrange()

    def _arrange(self) -> None:
        self._all = _joined(span for spans in self._of.values() for span in spans)

    def others(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Give the parts of a range that are HDF5's own."""
        at = first
        for i in range(max(bisect_right(self._all, (first, first)) - 1, 0), len(self._all)):
            begin, end = self._all[i]
            if begin >= last:
                break
            if begin > at:
                yield at, begin
            at = max(at, end)
        if at < last:
            yield at, last


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort ranges, and join those that touch."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined
