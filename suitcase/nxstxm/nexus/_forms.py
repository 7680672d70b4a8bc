"""What the readings of a column are about, in a run whose rows have several points.

The shapes that came decide: the values of the points of a line, samples of it in another number, a
number for all of its points, or a block that nobody can part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from ..scans import is_line, is_short, without_brackets
from ._record import Piece

Shape = tuple[int, ...]
Kind = Literal["points", "samples", "row", "block"]


@dataclass(frozen=True)
class Form:
    """What the readings of a column are about.

    Attributes
    ----------
    kind : str
        ``points``: a value for each point of the row; ``samples``: of the line, in another number;
        ``row``: one number for all of its points; ``block``: none of these.
    each : tuple of int
        Shape of the value at one point, of one sample, or of a block.
    usual : int
        Values along most lines.
    """

    kind: Kind
    each: Shape = ()
    usual: int = 1

    def along(self, shape: Shape, dtype: np.dtype[Any]) -> int:
        """Tell how many values along its row a reading has; 0 for one that has no place there."""
        if dtype.kind not in "biufc":
            return 0
        if self.kind == "row":
            return 1 if prod(shape) == 1 else 0
        if self.kind == "block":
            return 1 if shape == self.each else 0
        n = len(shape) - len(self.each)
        along = shape[:n]
        if n < 0 or shape[n:] != self.each or (self.each and prod(along) > max(along, default=1)):
            return 0
        return prod(along)


ROW = Form("row")


def form_of(
    pieces: Sequence[Piece], width: int, lengths: Collection[int], per: str | None, parts: bool
) -> Form:
    """Tell what the readings of a column are about.

    Parameters
    ----------
    pieces : sequence of Piece
        The column.
    width : int
        Points of a row.
    lengths : collection of int
        How many positions, or counts, lines of the run have; empty where no positions were read.
    per : str or None
        What the plan says that one reading covers.
    parts : bool
        Whether a reading may be one of each point, side by side.
    """
    came = [p for p in pieces if p.dtype.kind in "biufc" and prod(p.shape) > 0]
    if width == 1 or not came:
        return ROW
    each = _each(came, {width, *lengths}) if parts else None
    if each is not None:
        form = Form("samples", each)
        along = [(p.n, form.along(p.shape, p.dtype)) for p in came]
        usual = _usual(along)
        if lengths and {n for _, n in along} - {0, width} and not _has_complex(came):
            return Form("samples", each, usual)
        if usual == width:
            return Form("points", each, width)
    elif per != "point":
        found = _of_lines(came, width, bool(lengths), per)
        if found is not None:
            return found
    shapes = Counter[Shape]()
    for piece in came:
        shapes[() if prod(piece.shape) == 1 else piece.shape] += piece.n
    most = shapes.most_common(1)[0][0]
    return Form("block", most) if most else ROW


def are_lines(pieces: Sequence[Piece]) -> bool:
    """Tell whether readings are lines; of some that were broken off one value came, or none."""
    numbers = [p for p in pieces if p.dtype.kind in "biufc"]
    return any(is_line(p.shape) for p in numbers) and all(
        is_line(p.shape) or is_short(p.shape) for p in numbers
    )


def usual_length(pieces: Sequence[Piece]) -> int:
    """Give the number of values that most lines have."""
    return _usual([(p.n, prod(p.shape)) for p in pieces if p.dtype.kind in "biufc"])


def spectra(pieces: Sequence[Piece], size: int) -> bool:
    """Tell whether readings have one of several values for each of `size` points, side by side."""
    return _each([p for p in pieces if p.dtype.kind in "biufc"], {size}) is not None


def _of_lines(came: Sequence[Piece], width: int, placed: bool, per: str | None) -> Form | None:
    """Tell whether readings are values along the line, by their number alone."""
    usual = usual_length(came)
    sizes = {prod(p.shape) for p in came}
    if are_lines(came) and sizes != {width} and not _has_complex(came):
        # without positions only what can be shared equally
        shared = all(n % width == 0 or n < usual for n in sizes)
        often = any(n > width and n % width == 0 for n in sizes)
        if placed or (per == "line" and shared and often):
            return Form("samples", (), usual)
    if per == "line" or usual == width:
        return Form("points", (), width)
    return None


def _each(came: Sequence[Piece], lengths: Collection[int]) -> Shape | None:
    """Give the shape of what most readings have at each point; None where they have none such."""
    shapes = Counter[Shape]()
    for piece in came:
        shapes[without_brackets(piece.shape)] += piece.n
    most = shapes.most_common(1)[0][0] if shapes else ()
    if len(most) < 2 or most[0] not in lengths or prod(most[1:]) == 0:
        return None
    return most[1:] if prod(most[1:]) > 1 else ()  # one value, however many brackets it has


def _usual(numbers: Sequence[tuple[int, int]]) -> int:
    """Give the most frequent number above 1 of (how often, number)."""
    found: Counter[int] = Counter()
    for n, number in numbers:
        if number > 1:
            found[number] += n
    return found.most_common(1)[0][0] if found else 1


def _has_complex(pieces: Sequence[Piece]) -> bool:
    return any(piece.dtype.kind == "c" for piece in pieces)
