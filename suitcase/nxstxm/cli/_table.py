"""The run table on the command line: filled, and shown."""

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
from suitcase.nxstxm.cli._table_typed import chosen, typed_names
from suitcase.nxstxm.cli._telling import complain, one_line, say
from suitcase.nxstxm.variables import (
    Processed,
    Processor,
    RunTable,
    Sinks,
    sink_of,
    watch,
)
from suitcase.nxstxm.variables._export import shown_proposals, with_units
from suitcase.nxstxm.variables._views import COMMENT, COMMENT_TITLE

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 16
#: Characters of a text that are shown at most, however wide the terminal is.
_LONGEST = 300
#: The widest column of the table, and of comments, which are wrapped.
_WIDEST, _WIDEST_COMMENT = 24, 40


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
            titles = {info.name: info.title for info in context.infos}
            wanted = variables and typed_names(variables, titles, f" in {context.path}")
            for done in processor.process(scans, variables=wanted, force=force, params=params):
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
    params: dict[str, Any],
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

            coming = watch(processor, places, stop=stop, ready=ready, poll=poll, params=params)
            for done in coming:
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
    line = Text.assemble((f"run {done.run}", "bold"), f"  {one_line(done.uid, _LONGEST)}  ")
    if done.failure:
        line.append(f"failed: {one_line(done.failure)}", "red")
    elif not done.computed:
        line.append("up to date", "green")
    else:
        reasons: dict[str, int] = {}
        for why in done.computed.values():
            reasons[why] = reasons.get(why, 0) + 1
        told = ", ".join(f"{count} {one_line(why, _LONGEST)}" for why, count in reasons.items())
        line.append(f"{len(done.computed)} computed in {done.seconds:.1f} s ({told})", "green")
    console.print(line, soft_wrap=True)
    for name, error in done.errors.items():
        first = one_line(error.splitlines()[0] if error else "", _LONGEST)
        console.print(Text.assemble("  ", (name, "red"), f"  {first}"), soft_wrap=True)


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
    titles = {name: each.title for name, each in variables.items() if name != COMMENT}
    titles[COMMENT] = COMMENT_TITLE  # behind all others
    names = typed_names(columns, titles) or [
        name for name in titles if tagged is None or name in tagged
    ]
    used = [name for name in names if any(_is_there(row.cells.get(name)) for row in rows)]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    proposals = shown_proposals(table)
    several = len({row.run.proposal for row in rows}) > 1
    if several:
        shown.add_column("Proposal")
    shown.add_column("Run", justify="right")
    for name in used:
        heading = Text(one_line(titles[name], _LONGEST))
        if name == COMMENT:
            shown.add_column(heading, overflow="fold", max_width=_WIDEST_COMMENT)
        else:
            shown.add_column(heading, overflow="ellipsis", max_width=_WIDEST)
    for row in rows:
        line: list[Any] = [str(row.run.run), *(cell_text(row.cells.get(name)) for name in used)]
        proposal = proposals.get(row.run.proposal, str(row.run.proposal))
        shown.add_row(*([Text(one_line(proposal, _LONGEST))] if several else []), *line)
    console.print(shown)


def _is_there(cell: Any) -> bool:
    """Tell whether a cell has something to show: a comment that was taken back has not."""
    return cell is not None and (cell.name != COMMENT or bool(cell.value))


def cell_text(cell: Any) -> Text:
    """Write a cell for a terminal: colours, and sparklines of blocks."""
    if cell is None:
        return Text("")
    if cell.error is not None:
        kind = cell.error_cls or "error"
        return Text("-", "dim") if kind == "Skip" else Text(one_line(kind, _LONGEST), "red")
    style = "bold" if cell.bold else ""
    if cell.background is not None:
        red, green, blue = (int(each) for each in cell.background[:3])
        style += f" black on rgb({red},{green},{blue})"
    if isinstance(cell.value, bytes):
        return Text("[image]", style or "cyan")
    if cell.curve is not None:
        return Text(sparkline(cell.curve[1]), style or "cyan")
    return Text(one_line(with_units(cell), _LONGEST), style)


def sparkline(values: Any) -> str:
    """Draw a curve with blocks."""
    y = np.asarray(values, float)
    y = y[np.isfinite(y)]
    if not y.size:
        return ""
    means = [float(part.mean()) for part in np.array_split(y, min(_SPARK, y.size))]
    low, spread = min(means), (max(means) - min(means)) or 1.0
    return "".join(_BARS[int((each - low) / spread * (len(_BARS) - 1))] for each in means)
