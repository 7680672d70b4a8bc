"""Which points of a picture can be trusted: a mask beside the pictures, which drops nothing.

Flags are combined as the CF conventions do it (``flag_masks``, ``flag_meanings``;
https://cfconventions.org/cf-conventions/cf-conventions.html#flags).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._h5write import mark, text
from ._blocks import PointBlock
from ._canvas import Canvas
from ._encoding import group

if TYPE_CHECKING:
    from ._entry import EntryWriter
    from ._record import AnyArray, RunRecord

Flags = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
#: Group of the mask.
HOME = "quality"
NOT_MEASURED, BEAM_LOST, SHUTTER_CLOSED, TOP_UP, UNKNOWN = 1, 2, 4, 8, 16
_MEANINGS = {
    NOT_MEASURED: "not_measured",
    BEAM_LOST: "beam_lost",
    SHUTTER_CLOSED: "shutter_closed",
    TOP_UP: "top_up",
    UNKNOWN: "unknown",
}
#: Below this part of the highest ring current of the entry the beam is lost.
LOST = 0.1
#: Words that were not understood, of which a message names so many.
_NAMED = 5


@dataclass(frozen=True)
class _Rule:
    """When a role says that a point is bad.

    Attributes
    ----------
    flag : int
        What such a point gets.
    bad : callable
        Tells it of numbers, and of the highest ring current of the entry.
    bad_words, good_words : frozenset of str
        Words that say so, and that say the contrary.
    """

    flag: int
    bad: Callable[[Floats, float], AnyArray]
    bad_words: frozenset[str] = frozenset()
    good_words: frozenset[str] = frozenset()


def _words(several: str) -> frozenset[str]:
    return frozenset(several.split())


#: The roles that tell, when they are read with the points or monitored.
_RULES = {
    "ring_current": _Rule(
        BEAM_LOST, lambda current, highest: (current <= 0) | (current < LOST * highest)
    ),
    "shutter": _Rule(
        SHUTTER_CLOSED,
        lambda state, _: state == 0,
        _words("close closed closing opening moving shut off false no blocked 0"),
        _words("open opened on true yes 1"),
    ),
    "top_up": _Rule(
        TOP_UP,
        lambda state, _: (state != 0) & ~np.isnan(state),
        _words("injecting injection inject filling refilling on active true yes 1"),
        _words("idle off inactive false no none stopped stored decay waiting standby ready 0"),
    ),
}


def write_quality(writer: EntryWriter) -> None:
    """Write the mask, where something was read with the points, or monitored, that tells.

    0 is a good point. The ring current tells that the beam was lost, a shutter that it was closed
    (0, or a word such as ``closed``), a gate of the top-up that electrons were injected. Of the
    samples of a line any one flags its point.
    """
    roles = [role for role in _RULES if any(_tells(writer, r, role) for r in writer.job.records)]
    _tell_baseline(writer, roles)
    if not roles:
        return
    highest = _highest_current(writer) if "ring_current" in roles else 0.0
    home = group(writer.entry, HOME, "NXcollection")
    points = writer.points
    canvas = Canvas(
        home, "mask", points.shape, "1", writer.options.compression,
        sparse=points.are_sparse, dtype=np.uint8, fill=NOT_MEASURED,
    )  # fmt: skip
    counts = dict.fromkeys(_MEANINGS, 0)
    strange: dict[str, set[str]] = {role: set() for role in roles}
    for block in points.blocks():
        flags: Flags = np.zeros(len(block), np.uint8)
        for role in roles:
            bad, known = _states(writer, block, role, highest, strange[role])
            flags[bad] |= _RULES[role].flag
            flags[~bad & ~known] |= UNKNOWN
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
    for role, words in strange.items():
        if words:
            writer.messages.append(
                f"{role} said {', '.join(map(repr, sorted(words)[:_NAMED]))}, which is not "
                f"understood; those points have the flag {_MEANINGS[UNKNOWN]} in {HOME}/mask"
            )


def _tells(writer: EntryWriter, record: RunRecord, role: str) -> bool:
    """Tell whether a run reads a role with its points, or monitors it."""
    measured = writer.measured
    return (
        measured.measured_key(record, role) is not None
        or measured.monitored(record, role) is not None
    )


def _tell_baseline(writer: EntryWriter, roles: list[str]) -> None:
    """Say that what was read before and after says nothing of the points in between.

    Only of plans that are the user's own: control programs read a lot of baseline, always.
    """
    for record in writer.job.records:
        for role in _RULES:
            device = record.plan.devices.get(role)
            key = None if device is None else device.read_key
            if role in roles or key is None or record.plan.dialect != "plain":
                continue
            if ("baseline", key) in record.columns:
                writer.messages.append(
                    f"{role} ({key!r}) was read before and after the run only, so that there is "
                    f"no {HOME}/mask of it: read it with the points, or monitor it"
                )


def _highest_current(writer: EntryWriter) -> float:
    """Give the highest ring current of an entry, of all samples; 0 where there was none."""
    highest = 0.0
    for record in writer.job.records:
        device = writer.measured.device(record, "ring_current")
        key = writer.measured.measured_key(record, "ring_current")
        monitored = writer.measured.monitored(record, "ring_current")
        if key is None and monitored is not None:
            highest = max(highest, _most(monitored.numbers))
        elif key is not None and device is not None:
            stream = record.measurement or ""
            for _, read in record.read(writer.source, stream, key, 0, record.n_rows[stream]):
                if read.dtype.kind in "biuf":
                    highest = max(highest, _most(device.scale * read.astype(float)))
    return highest


def _most(values: Floats) -> float:
    return float(values[np.isfinite(values)].max(initial=0.0))


def _states(
    writer: EntryWriter, block: PointBlock, role: str, highest: float, strange: set[str]
) -> tuple[Bools, Bools]:
    """Tell at which points a role says that they are bad, and at which it says anything."""
    rule, measured = _RULES[role], writer.measured
    words = measured.words(block, role)
    if words is not None:
        return _of_words(rule, words, strange)
    if measured.measured_key(block.part.record, role) is not None:
        bad, came = _any_sample(writer, block, role, lambda values: rule.bad(values, highest))
        gaps, _ = _any_sample(writer, block, role, lambda values: ~np.isfinite(values))
        return bad, came & ~gaps
    monitored = measured.monitored(block.part.record, role)
    if monitored is None:
        return np.zeros(len(block), bool), np.zeros(len(block), bool)
    numbers = monitored.numbers_at(block.times)
    said, understood = _of_words(rule, monitored.words_at(block.times), strange)
    known = np.isfinite(numbers)
    return said | (known & rule.bad(numbers, highest)), understood | known


def _any_sample(
    writer: EntryWriter, block: PointBlock, role: str, test: Callable[[Floats], AnyArray]
) -> tuple[Bools, Bools]:
    """Tell at which points any sample of a role passes a test, and at which there is one.

    The mean of the samples would hide a shutter that was closed for a part of a point.
    """
    measured, nowhere = writer.measured, np.zeros(len(block), bool)
    key = measured.measured_key(block.part.record, role)
    device = measured.device(block.part.record, role)
    if key is None or device is None:
        return nowhere, nowhere
    scale = device.scale

    def passes(values: AnyArray) -> AnyArray:
        real = np.abs(values) if values.dtype.kind == "c" else values
        return np.asarray(test(scale * real.astype(float)), float)

    read, present = writer.points.read(block, key, passes)
    if read.ndim != 1:
        return nowhere, nowhere  # not one state
    came = np.ones(len(block), bool) if present is None else present
    return (read > 0) & came, came


def _of_words(rule: _Rule, words: list[str], strange: set[str]) -> tuple[Bools, Bools]:
    """Tell of which words say that a point is bad, and which are understood."""
    meanings = {word: _meaning(rule, word) for word in set(words)}
    strange.update(word for word, is_bad in meanings.items() if is_bad is None and word.strip())
    bad = np.array([meanings[word] is True for word in words], bool)
    known = np.array([meanings[word] is not None for word in words], bool)
    return bad, known


def _meaning(rule: _Rule, said: str) -> bool | None:
    """Tell whether a state in words is bad; None where nobody knows."""
    words = set(re.findall(r"[a-z0-9]+", said.lower()))
    if len(words) > 1 and words & {"not", "no"}:
        turned = _meaning(rule, " ".join(words - {"not", "no"}))
        return None if turned is None else not turned
    is_bad, is_good = bool(words & rule.bad_words), bool(words & rule.good_words)
    return is_bad if is_bad != is_good else None
