"""Small pieces of a file, brought together: a call of the system costs more than writing them.

HDF5 writes its books in hundreds of pieces of some hundred bytes, most of them next to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

#: Bytes between two pieces that are written again with them, as they are on the disk.
GAP = 64


class Gathered:
    """Pieces that are to be written, in the order in which they came.

    Attributes
    ----------
    n_bytes : int
        Bytes of them.
    """

    def __init__(self) -> None:
        self.n_bytes = 0
        self._pieces: list[tuple[int, bytes]] = []

    def add(self, at: int, piece: bytes) -> None:
        """Add a piece for a place; where two are for one place the later counts."""
        self._pieces.append((at, piece))
        self.n_bytes += len(piece)

    def __len__(self) -> int:
        """Count the pieces."""
        return len(self._pieces)

    def meets(self, first: int, last: int) -> bool:
        """Tell whether a piece lies in the range from one byte until another."""
        return any(at < last and first < at + len(piece) for at, piece in self._pieces)

    def lay_over(self, first: int, view: memoryview) -> None:
        """Put what lies in a range that was read, which begins at one byte, over it."""
        last = first + len(view)
        for at, piece in self._pieces:
            if at < last and first < at + len(piece):
                begin, end = max(at, first), min(at + len(piece), last)
                view[begin - first : end - first] = piece[begin - at : end - at]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Give the pieces as they came."""
        return iter(self._pieces)

    def joined(self, read: Callable[[int, int], bytearray]) -> Iterator[tuple[int, bytes]]:
        """Give what is to be written where: pieces that are neighbours together.

        Parameters
        ----------
        read : callable
            Gives what is on the disk: from where on, and how many bytes.
        """
        for members in self._neighbours():
            pieces = [self._pieces[i] for i in members]
            first, last = pieces[0][0], max(at + len(piece) for at, piece in pieces)
            if _follow(pieces):
                yield first, b"".join(piece for _, piece in pieces)
                continue
            made = read(first, last - first)
            for i in sorted(members):
                at, piece = self._pieces[i]
                made[at - first : at - first + len(piece)] = piece
            yield first, bytes(made)

    def _neighbours(self) -> Iterator[list[int]]:
        """Give the numbers of pieces that are close to each other, by their places."""
        members: list[int] = []
        end = 0
        for i in sorted(range(len(self._pieces)), key=lambda i: self._pieces[i][0]):
            at, piece = self._pieces[i]
            if members and at > end + GAP:
                yield members
                members = []
            end = max(end, at + len(piece)) if members else at + len(piece)
            members.append(i)
        if members:
            yield members


def _follow(pieces: list[tuple[int, bytes]]) -> bool:
    """Tell whether each piece begins where the one before it ends."""
    return all(at + len(piece) == other for (at, piece), (other, _) in pairwise(pieces))
