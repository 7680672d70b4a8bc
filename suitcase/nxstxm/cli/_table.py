"""The run table on the command line: filled, shown, and what users add to it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from suitcase.nxstxm._errors import NXstxmKeyError
from suitcase.nxstxm.cli._telling import UsageError, complain, say
from suitcase.nxstxm.variables import (
    FoundScan,
    Processed,
    Processor,
    RunTable,
    Sinks,
    found_scans,
    shown_value,
    sink_of,
    watch,
)

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 16


def chosen(table: RunTable, what: Sequence[str]) -> list[FoundScan]:
    """Find the scans that somebody named.

    Parameters
    ----------
    table : RunTable
        The table.
    what : sequence of str
        Files, folders, numbers of runs, uids; nothing for all that are in the table.

    Raises
    ------
    NXstxmKeyError
        Something is none of these.
    """
    places: list[str] = []
    scans: list[FoundScan] = []
    if not what:
        return [scan for info in table.runs() if (scan := _of_table(info)) is not None]
    for each in what:
        if Path(each).exists():
            places.append(each)
            continue
        known: Any = int(each) if each.isdigit() else each
        if known not in table:
            raise NXstxmKeyError(
                f"{each!r} is neither a file, a folder, nor a run or a scan of {table.path}"
            )
        scan = _of_table(table.info(known))
        if scan is None:
            raise NXstxmKeyError(f"nobody knows where the scan of run {each} is stored")
        scans.append(scan)
    return [*scans, *found_scans(places)]


def _of_table(info: Any) -> FoundScan | None:
    if info.first_uid is None or not info.paths or info.kind is None:
        return None
    return FoundScan(
        info.first_uid, info.kind, info.paths, info.scan_id, info.proposal, info.start_time
    )


def process(
    console: Console,
    table: RunTable,
    what: Sequence[str],
    *,
    variables: Iterable[str] | None,
    force: bool,
    params: dict[str, Any],
    broker: str | None,
    **workers: Any,
) -> bool:
    """Process scans and say what was done; tell whether nothing went wrong."""
    scans = chosen(table, what)
    if not scans:
        say("there are no scans to process", "note", "yellow")
        return True
    sinks = Sinks(sink_of(broker, str(table.database.metameta["db_id"])))
    good = True
    try:
        with Processor(table, sink=sinks, **workers) as processor:
            context = processor.context()
            if context.error is not None:
                complain(context.error)
                say("the last good context file is used instead", "note", "yellow")
                good = False
            for done in processor.process(scans, variables=variables, force=force, params=params):
                tell(console, done)
                good = good and not done.failure
    finally:
        sinks.close()
    return good


def follow(
    console: Console,
    table: RunTable,
    places: Sequence[Path],
    *,
    broker: str | None,
    poll: bool,
    **workers: Any,
) -> None:
    """Process what comes into folders, until it is interrupted.

    An interrupt, or a request to end, counts after the scan that is being processed; a second one
    at once.
    """
    sinks = Sinks(sink_of(broker, str(table.database.metameta["db_id"])))
    try:
        with Processor(table, sink=sinks, **workers) as processor, _stopped_by_signals() as stop:

            def ready() -> None:
                console.print(Text(f"watching {', '.join(map(str, places))}"), soft_wrap=True)

            for done in watch(processor, places, stop=stop, ready=ready, poll=poll):
                tell(console, done)
    except KeyboardInterrupt:
        pass
    finally:
        sinks.close()


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that the first SIGINT or SIGTERM sets; the second acts as ever.

    An exception that a signal raises wherever the program happens to be is lost where C calls
    Python and can not pass it on, as in callbacks of HDF5.
    """
    stop = threading.Event()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    def noted(*_: object) -> None:
        stop.set()
        restore()

    for each in before:
        signal.signal(each, noted)
    try:
        yield stop
    finally:
        restore()


def tell(console: Console, done: Processed) -> None:
    """Say in a line what became of a scan."""
    line = Text.assemble((f"run {done.run}", "bold"), f"  {done.uid}  ")
    if done.failure:
        line.append(f"failed: {done.failure}", "red")
    elif not done.computed:
        line.append("up to date", "green")
    else:
        reasons: dict[str, int] = {}
        for why in done.computed.values():
            reasons[why] = reasons.get(why, 0) + 1
        told = ", ".join(f"{count} {why}" for why, count in reasons.items())
        line.append(f"{len(done.computed)} computed in {done.seconds:.1f} s ({told})", "green")
    console.print(line, soft_wrap=True)
    for name, error in done.errors.items():
        first = error.splitlines()[0] if error else ""
        console.print(Text.assemble("  ", (name, "red"), f"  {first}"), soft_wrap=True)


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value``: numbers, true, false, or text.

    Raises
    ------
    UsageError
        One has no ``=``.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise UsageError(f"--param {each!r} is no name=value")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


# -- showing ---------------------------------------------------------------------------------------


def show(
    console: Console, table: RunTable, *, last: int, columns: Sequence[str], tag: str | None
) -> None:
    """Print the last rows."""
    rows = table.database.rows(last=last)
    variables = table.database.variables()
    tagged = None
    if tag is not None:
        tagged = set(table.database.tags().get(tag, ()))
        if not tagged:
            raise NXstxmKeyError(f"no variable has the tag {tag!r}")
    by_title = {(each.title or name): name for name, each in variables.items()}
    names = [by_title.get(each, each) for each in columns] or [
        name for name in variables if tagged is None or name in tagged
    ]
    unknown = [name for name in names if name not in variables]
    if unknown:
        raise NXstxmKeyError(
            f"there is no variable {unknown[0]!r}; there are {', '.join(variables) or 'none'}"
        )
    used = [name for name in names if any(name in row.cells for row in rows)]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    proposals = len({row.run.proposal for row in rows}) > 1
    if proposals:
        shown.add_column("Proposal")
    shown.add_column("Run", justify="right")
    for name in used:
        shown.add_column(Text(variables[name].title or name), overflow="ellipsis", max_width=24)
    for row in rows:
        line: list[Any] = [str(row.run.run), *(cell_text(row.cells.get(name)) for name in used)]
        shown.add_row(*([str(row.run.proposal)] if proposals else []), *line)
    console.print(shown)


def cell_text(cell: Any) -> Text:
    """Write a cell for a terminal: colours, and sparklines of blocks."""
    if cell is None:
        return Text("")
    if cell.error is not None:
        kind = cell.error_cls or "error"
        return Text("-", "dim") if kind == "Skip" else Text(f"{kind}", "red")
    style = "bold" if cell.bold else ""
    if cell.background is not None:
        red, green, blue = (int(each) for each in cell.background[:3])
        style += f" black on rgb({red},{green},{blue})"
    if isinstance(cell.value, bytes):
        return Text("[image]", style or "cyan")
    if cell.summary_type == "trendline" and isinstance(cell.value, np.ndarray):
        return Text(sparkline(cell.value[1]), style or "cyan")
    number = isinstance(cell.value, (int, float, complex))
    units = f" {cell.units}" if cell.units and number else ""
    return Text(" ".join(f"{shown_value(cell)}{units}".split()), style)


def sparkline(values: Any) -> str:
    """Draw a curve with blocks."""
    y = np.asarray(values, float)
    y = y[np.isfinite(y)]
    if not y.size:
        return ""
    means = [float(part.mean()) for part in np.array_split(y, min(_SPARK, y.size))]
    low, spread = min(means), (max(means) - min(means)) or 1.0
    return "".join(_BARS[int((each - low) / spread * (len(_BARS) - 1))] for each in means)
