"""Scans along a line, from files that tell of two dimensions where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from ._axes import Axes
from ._words import ALONG_A_LINE


def as_line(axes: Axes, label: str | None, shape: Sequence[int]) -> Axes:
    """Make the dimension along the line of a scan a ``line``, whatever it is called.

    Parameters
    ----------
    axes : Axes
        As they were found.
    label : str or None
        The scan type; others than scans along a line stay as they are.
    shape : sequence of int
        Of the stored array.
    """
    if label not in ALONG_A_LINE or "line" in axes.dims:
        return axes
    found = list(zip(axes.kept, axes.dims, axes.sources, strict=True))
    outer = [each for each in found if each[1] in ("energy", "zoneplate_z")]
    inner = [each for each in found if each not in outer]
    while len(inner) > 1 and (empty := next((e for e in inner if shape[e[0]] == 1), None)):
        inner.remove(empty)
    guessed: list[str] = []
    if label != "sample line spectrum":
        # an image's energy of length 1 is no axis of a focus scan
        outer = [e for e in outer if e[1] == "zoneplate_z" or shape[e[0]] != 1]
        if not any(dim == "zoneplate_z" for _, dim, _ in outer) and len(inner) == 2:
            number, _, _ = inner.pop(0)
            outer.append((number, "zoneplate_z", None))
            guessed.append("where the zone plate was is not in the file; its positions are counted")
    if len(inner) != 1:
        return axes
    number, dim, source = inner[0]
    if dim != "line":
        guessed.append(f"the line is along {source or dim}")
    ordered = [*outer, (number, "line", source)]
    return Axes(
        tuple(n for n, _, _ in ordered),
        tuple(d for _, d, _ in ordered),
        tuple(s for _, _, s in ordered),
        (*axes.guessed, *guessed),
    )
