"""The run table on the command line: filled, shown, and what users add to it."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from suitcase.nxstxm._errors import NXstxmKeyError
from suitcase.nxstxm.cli._telling import UsageError, complain, one_line, say
from suitcase.nxstxm.variables import (
    FoundScan,
    Processed,
    Processor,
    RunTable,
    Sinks,
    VariableError,
    found_scans,
    sink_of,
    watch,
)
from suitcase.nxstxm.variables._export import shown_proposals, with_units
from suitcase.nxstxm.variables._runs import RunInfo
from suitcase.nxstxm.variables._user_variables import TYPES, parse
from suitcase.nxstxm.variables._views import COMMENT, COMMENT_TITLE

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 16
#: Characters of a text that are shown at most, however wide the terminal is.
_LONGEST = 300
#: The widest column of the table, and of comments, which are wrapped.
_WIDEST, _WIDEST_COMMENT = 24, 40
#: What is a number when it is typed; no database has one of more digits.
_NUMBER = re.compile("[0-9]{1,18}")


def number_or_text(text: str) -> int | str:
    """Give a number that somebody typed, or the text where it is none."""
    return int(text) if _NUMBER.fullmatch(text) else text


def typed_run(table: RunTable, text: str) -> RunInfo:
    """Find the run that somebody typed.

    Parameters
    ----------
    table : RunTable
        The table.
    text : str
        The number of a run in the table's proposal, a ``first_uid``, or ``PROPOSAL:RUN``.

    Raises
    ------
    NXstxmKeyError
        The table has no such run.
    """
    asked: Any = number_or_text(text)
    if isinstance(asked, str) and asked not in table:
        name, _, number = text.rpartition(":")
        run = number_or_text(number)
        if name and isinstance(run, int):
            names = {known: each for each, known in shown_proposals(table).items()}
            proposal = names.get(name, number_or_text(name))
            asked = (proposal, run) if isinstance(proposal, int) else text
    if asked not in table:
        raise NXstxmKeyError(
            f"{text!r} is no run of {table.path}; give its number in proposal "
            f"{_proposal(table, table.proposal)}, PROPOSAL:RUN, or a scan's uid"
        )
    return table.info(asked)


def _proposal(table: RunTable, number: int) -> str:
    """Give a proposal as people read it."""
    return shown_proposals(table).get(number, str(number))


def typed_names(asked: Iterable[str], titles: Mapping[str, str], where: str = "") -> list[str]:
    """Find the variables that somebody typed.

    Parameters
    ----------
    asked : iterable of str
        Names, or else titles.
    titles : Mapping of str to str
        The titles of variables, by their names.
    where : str
        Where they are, for errors: ``" in context.py"``.

    Raises
    ------
    NXstxmKeyError
        There is no such variable, or several have the title.
    """
    found: dict[str, None] = {}
    for each in asked:
        names = [each] if each in titles else [n for n, title in titles.items() if title == each]
        if not names:
            raise NXstxmKeyError(
                f"there is no variable {each!r}{where}; there are {', '.join(titles) or 'none'}"
            )
        if len(names) > 1:
            raise NXstxmKeyError(
                f"{each!r} is the title of {' and '.join(names)}; give one of these names"
            )
        found[names[0]] = None
    return list(found)


def chosen(table: RunTable, what: Sequence[str]) -> list[FoundScan]:
    """Find the scans that somebody named.

    Parameters
    ----------
    table : RunTable
        The table.
    what : sequence of str
        Files, folders, runs as of `typed_run`; nothing for all that are in the table.

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
        if _exists(each):
            places.append(each)
            continue
        try:
            scan = _of_table(typed_run(table, each))
        except NXstxmKeyError as error:
            raise NXstxmKeyError(
                f"{each!r} is neither a file, a folder, nor a run or a scan of {table.path}"
            ) from error
        if scan is None:
            raise NXstxmKeyError(f"nobody knows where the scan of run {each} is stored")
        scans.append(scan)
    return [*scans, *found_scans(places)]


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()  # nothing would be this folder
    except OSError:  # longer than any name is
        return False


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


# -- what users say --------------------------------------------------------------------------------


def set_typed(
    table: RunTable, run: str, variable: str, text: str, kind: str | None, title: str | None
) -> None:
    """Set a variable of users; make it where it is not there, and a type is given.

    Parameters
    ----------
    table : RunTable
        The table.
    run : str
        As of `typed_run`.
    variable : str
        Its name, or its title.
    text : str
        The value; nothing for none.
    kind, title : str, optional
        The type of a new variable, or that which it has; and its title.

    Raises
    ------
    VariableError
        The variable has another type, or is none of users; or the value is not of its type.
    NXstxmKeyError
        There is no such run, or no such variable.
    """
    database = table.database
    info = typed_run(table, run)
    titles = table.titles()
    name = variable
    if variable in (*titles, *titles.values()):
        (name,) = typed_names([variable], titles)
    known = database.variables().get(name)
    value = text or None
    if known is None and kind is None and title is not None:
        raise VariableError(
            f"there is no variable {name!r} that could get the title {title!r}; --type makes one"
        )
    if known is not None and known.type is None and (kind, title) != (None, None):
        given = f"type {kind!r}" if kind is not None else f"title {title!r}"
        raise VariableError(
            f"{name!r} can not get the {given}: it is no variable of users, but computed; give "
            f"another name"
        )
    if known is not None and kind is not None and known.type != kind:
        raise VariableError(
            f"{name!r} is of type {known.type!r} and can not become of type {kind!r}; leave "
            f"--type out, or give another name"
        )
    if known is None and kind in TYPES:
        parse(kind, value, name)  # or it would be made, and then not be set
    if known is None and kind is not None:
        database.add_user_variable(name, kind, title=title or name)
    database.set_user_value(info.proposal, info.run, name, value)
    if known is not None and known.type is not None and title is not None:
        database.add_user_variable(name, known.type, title, known.description, exist_ok=True)


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
