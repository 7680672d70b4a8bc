"""A file's summary as tables for the terminal.

Facts that all entries share are told once; those that differ become the columns of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from suitcase.nxstxm.cli._summary import (
    AxisSummary,
    DetectorSummary,
    EntrySummary,
    FileSummary,
    describe,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["FileSummary", "describe", "render"]

_TIMES = " \N{MULTIPLICATION SIGN} "
_UNITS = {"um": "µm", "deg": "°", "degree": "°", "degrees": "°", "1": ""}
_PREFIXES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def render(summary: FileSummary) -> RenderableType:
    """Give a summary as something that a rich console prints.

    Parameters
    ----------
    summary : FileSummary
        From `describe`.

    Returns
    -------
    rich renderable
        A heading, the facts, and tables of entries (when there are several), axes and detectors.
    """
    from rich.console import Group
    from rich.padding import Padding

    entries = summary.entries
    facts = {label: [tell(entry) for entry in entries] for label, tell in _FACTS.items()}
    known = {label: told for label, told in facts.items() if any(told)}
    shared = {label: told[0] for label, told in known.items() if len(set(told)) == 1}
    differing = {label: told for label, told in known.items() if label not in shared}
    parts: list[RenderableType] = [_heading(summary), Padding(_facts_table(shared), (0, 0, 0, 2))]
    if differing:
        parts.append(_entries_table(entries, differing))
    axes = [(entry.name, axis) for entry in entries for axis in _shown_axes(entry)]
    if axes:
        parts.append(_grouped_table("Axes", _AXIS_COLUMNS, axes))
    detectors = [(entry.name, detector) for entry in entries for detector in entry.detectors]
    if detectors:
        parts.append(_grouped_table("Detectors", _DETECTOR_COLUMNS, detectors))
    parts += _guesses(entries)
    return Group(*parts)


def _guesses(entries: Iterable[EntrySummary]) -> Iterable[RenderableType]:
    """Say what the file does not: once, also when all entries lack it."""
    from rich.padding import Padding
    from rich.text import Text

    guessed = dict.fromkeys(each for entry in entries for each in entry.guessed)
    for each in guessed:
        yield Padding(Text(f"guessed: {each}", style="yellow"), (0, 0, 0, 2))


# --- what is told of an entry -------------------------------------------------------------


def _shape(entry: EntrySummary) -> str:
    size = _TIMES.join(map(str, entry.shape))
    names = _TIMES.join(axis.name for axis in entry.axes)
    return f"{size} ({names})" if names else size


def _points(entry: EntrySummary) -> str:
    arrived = max((detector.points for detector in entry.detectors), default=None)
    planned = int(np.prod(entry.shape)) if entry.shape else None
    if arrived is None or planned is None or arrived == planned:
        return "" if arrived is None else f"{arrived}"
    return f"{arrived} of {planned}"


def _energies(entry: EntrySummary) -> str:
    axis = entry.energies
    if axis is None or axis.first is None or not np.isfinite(axis.first):
        return ""
    if axis.size == 1 or axis.last is None:
        return _quantity(axis.first, axis.units)
    return f"{_plain(axis.first)} to {_quantity(axis.last, axis.units)}, {axis.size} energies"


def _position(entry: EntrySummary) -> str:
    known = ((axis, axis.first) for axis in entry.position if axis.first is not None)
    return ", ".join(
        f"{axis.name} {_quantity(value, axis.units)}" for axis, value in known if np.isfinite(value)
    )


def _dwell(entry: EntrySummary) -> str:
    known = sorted({round(value * 1e3, 6) for value in entry.dwell if np.isfinite(value)})
    if not known:
        return ""
    ends = _plain(known[0]) if len(known) == 1 else f"{_plain(known[0])} to {_plain(known[-1])}"
    return f"{ends} ms a point"


def _duration(entry: EntrySummary) -> str:
    if entry.duration is None:
        return ""
    if entry.duration < 60:
        return f"{entry.duration:.3g} s"
    minutes, seconds = divmod(round(entry.duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _start(entry: EntrySummary) -> str:
    return "" if entry.start is None else f"{entry.start:%Y-%m-%d %H:%M:%S %Z}".strip()


def _angle(entry: EntrySummary) -> str:
    return "" if entry.rotation_angle is None else f"{_plain(entry.rotation_angle)}°"


def _complete(entry: EntrySummary) -> str:
    return {None: "", True: "yes", False: "no"}[entry.complete]


#: What is told of an entry, in this order; an empty string is not told.
_FACTS: Mapping[str, Callable[[EntrySummary], str]] = {
    "Scan type": lambda entry: entry.scan_type or "",
    "Title": lambda entry: entry.title or "",
    "Sample": lambda entry: entry.sample or "",
    "Shape": _shape,
    "Points": _points,
    "Energy": _energies,
    "Position": _position,
    "Dwell": _dwell,
    "Start": _start,
    "Duration": _duration,
    "Rotation": _angle,
    "Polarization": lambda entry: entry.polarization or "",
    "Complete": _complete,
}

_AXIS_COLUMNS: Mapping[str, Callable[[AxisSummary], str]] = {
    "Axis": lambda axis: axis.name,
    "Points": lambda axis: str(axis.size),
    "From": lambda axis: _plain(axis.first),
    "To": lambda axis: _plain(axis.last) if axis.size > 1 else "",
    "Step": lambda axis: "" if axis.size < 2 else _plain(axis.step, unknown="uneven"),
    "Unit": lambda axis: _unit(axis.units),
}

_DETECTOR_COLUMNS: Mapping[str, Callable[[DetectorSummary], str]] = {
    "Detector": lambda detector: detector.name,
    "Points": lambda detector: str(detector.points),
    "Each": lambda detector: _TIMES.join(map(str, detector.frame)) or "one number",
    "Type": lambda detector: detector.dtype,
    "Role": lambda detector: detector.role,
    "Unit": lambda detector: _unit(detector.units),
}
_NUMERIC = {"Points", "From", "To", "Step"}


def _shown_axes(entry: EntrySummary) -> list[AxisSummary]:
    named = {axis.name for axis in entry.axes}
    alone = [entry.energies] if entry.energies is not None and "energy" not in named else []
    return [*alone, *entry.axes]


# --- tables -------------------------------------------------------------------------------


def _heading(summary: FileSummary) -> Text:
    from rich.text import Text

    count = len(summary.entries)
    details = [f"{count} entr{'y' if count == 1 else 'ies'}", _size(summary.size)]
    if summary.creator:
        details.append(f"by {summary.creator}")
    return Text.assemble(
        (summary.path.name, "bold cyan"), ("  " + " · ".join(details), "dim"), overflow="fold"
    )


def _facts_table(facts: Mapping[str, str]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, told in facts.items():
        table.add_row(label, _styled(label, told))
    return table


def _entries_table(entries: Iterable[EntrySummary], facts: Mapping[str, list[str]]) -> Table:
    table = _table("Entries")
    table.add_column("Entry", style="cyan", overflow="fold")
    for label in facts:
        table.add_column(label, overflow="fold")
    for number, entry in enumerate(entries):
        told = [_styled(label, values[number]) for label, values in facts.items()]
        table.add_row(_literal(entry.name), *told)
    return table


def _grouped_table(
    title: str,
    columns: Mapping[str, Callable[..., str]],
    rows: Iterable[tuple[str, Hashable]],
) -> Table:
    """Make a table of rows in which equal rows of several entries are one."""
    owners: dict[tuple[str, ...], list[str]] = {}
    everyone: list[str] = []
    for entry, item in rows:
        cells = tuple(tell(item) for tell in columns.values())
        owners.setdefault(cells, []).append(entry)
        if entry not in everyone:
            everyone.append(entry)
    # A column that says the same for all rows would be noise.
    telling = any(names != everyone for names in owners.values())
    table = _table(title)
    for label in columns:
        table.add_column(label, justify="right" if label in _NUMERIC else "left", overflow="fold")
    if telling:
        table.add_column("Entries", style="cyan", overflow="fold")
    for cells, names in owners.items():
        owner = ["all" if names == everyone else ", ".join(names)] if telling else []
        table.add_row(*(_literal(cell) for cell in (*cells, *owner)))
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1)
    )


def _styled(label: str, told: str) -> Text:
    from rich.text import Text

    incomplete = (label, told) == ("Complete", "no") or (label == "Points" and " of " in told)
    return Text(told, style="bold red" if incomplete else "")


def _literal(told: str) -> Text:
    """Give text from a file as it is: rich would take ``[bold]`` in a name for markup."""
    from rich.text import Text

    return Text(told)


# --- numbers ------------------------------------------------------------------------------


def _plain(value: float | None, unknown: str = "unknown") -> str:
    return unknown if value is None or not np.isfinite(value) else f"{value:.7g}"


def _unit(units: str) -> str:
    return _UNITS.get(units, units)


def _quantity(value: float, units: str) -> str:
    return f"{_plain(value)} {_unit(units)}".strip()


def _size(size: int) -> str:
    for name, factor in _PREFIXES:
        if size >= factor:
            return f"{size / factor:.3g} {name}"
    return f"{size} bytes"
