"""Which points of a picture can be trusted: a mask beside the pictures, which drops nothing.

Flags are combined as the CF conventions do it (``flag_masks``, ``flag_meanings``;
https://cfconventions.org/cf-conventions/cf-conventions.html#flags).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._h5write import mark, text
from ._blocks import PointBlock
from ._canvas import Canvas
from ._encoding import group

if TYPE_CHECKING:
    from ._entry import EntryWriter

Flags = npt.NDArray[np.uint8]
#: Group of the mask.
HOME = "quality"
NOT_MEASURED, BEAM_LOST, SHUTTER_CLOSED, TOP_UP = 1, 2, 4, 8
_MEANINGS = {
    NOT_MEASURED: "not_measured",
    BEAM_LOST: "beam_lost",
    SHUTTER_CLOSED: "shutter_closed",
    TOP_UP: "top_up",
}
#: Roles that tell, when they are read with the points.
_ROLES = ("ring_current", "shutter", "top_up")
#: Below this part of the highest ring current of the entry the beam is lost.
LOST = 0.1
_CLOSED_WORDS = ("clos", "shut", "off", "false")


def write_quality(writer: EntryWriter) -> None:
    """Write the mask, where something was read with the points that tells.

    0 is a good point. The ring current tells that the beam was lost, a shutter that it was closed
    (0, or a word such as ``closed``), a gate of the top-up that electrons were injected.
    """
    roles = [role for role in _ROLES if writer.measured.has_readings(role)]
    if not roles:
        return
    limit = _lowest_current(writer) if "ring_current" in roles else None
    home = group(writer.entry, HOME, "NXcollection")
    points = writer.points
    canvas = Canvas(
        home, "mask", points.shape, "1", writer.options.compression,
        sparse=points.are_sparse, dtype=np.uint8, fill=NOT_MEASURED,
    )  # fmt: skip
    counts = dict.fromkeys((BEAM_LOST, SHUTTER_CLOSED, TOP_UP), 0)
    for block in points.blocks():
        flags = _flags(writer, block, limit)
        for flag in counts:
            counts[flag] += int(np.count_nonzero(flags & flag))
        canvas.put(block.position, flags)
    dataset = canvas.close()
    mark(dataset, "long_name", "quality of each point: 0 is good")
    dataset.attrs["flag_masks"] = np.array(list(_MEANINGS), np.uint8)
    mark(dataset, "flag_meanings", " ".join(_MEANINGS.values()))
    text(home, "based_on", ", ".join(roles))
    for flag, n in counts.items():
        if n:
            writer.messages.append(
                f"{n} points have the flag {_MEANINGS[flag]} in {HOME}/mask; they are in the "
                f"pictures all the same"
            )


def _lowest_current(writer: EntryWriter) -> float | None:
    """Give the ring current below which the beam is lost."""
    highest = -np.inf
    for block in writer.points.blocks():
        current = writer.measured.readings(block, "ring_current")
        if current is not None and np.isfinite(current).any():
            highest = max(highest, float(np.nanmax(current)))
    return LOST * highest if highest > 0 else None


def _flags(writer: EntryWriter, block: PointBlock, limit: float | None) -> Flags:
    flags: Flags = np.zeros(len(block), np.uint8)
    measured = writer.measured
    current = measured.readings(block, "ring_current")
    if limit is not None and current is not None:
        flags[current < limit] |= BEAM_LOST
    words = measured.words(block, "shutter")
    shutter = measured.readings(block, "shutter")
    if words is not None:
        closed = [word.strip().lower().startswith(_CLOSED_WORDS) for word in words]
        flags[np.array(closed, bool)] |= SHUTTER_CLOSED
    elif shutter is not None:
        flags[shutter == 0] |= SHUTTER_CLOSED
    gate = measured.readings(block, "top_up")
    if gate is not None:
        flags[np.nan_to_num(gate) != 0] |= TOP_UP
    return flags
