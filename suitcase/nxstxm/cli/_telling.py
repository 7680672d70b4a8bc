"""What the commands say: lines on stdout, errors on stderr, a bar while there is much to do."""

from __future__ import annotations

import io
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from suitcase.nxstxm._errors import NXstxmError, NXstxmValueError

if TYPE_CHECKING:
    from suitcase.nxstxm.nexus import Problem

#: A table that is not shown on a screen is not cut to 80 columns.
_WIDTH_ELSEWHERE = 120
_STYLES = {"error": "bold red", "warning": "yellow"}
#: How messages of the package name an option, and how the command line does.
_SPELLINGS = {
    r"\boverwrite=True\b": "--overwrite",
    r"\bincomplete=True\b": "--incomplete",
    r"\btimeout=(?=[\s,.;])": "--timeout",
}
#: What a terminal obeys and does not show: controls, and marks that turn the direction of reading.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class UsageError(NXstxmValueError):
    """Arguments of the command that make no sense, alone or together; the exit status is 2."""


def make_console() -> Console:
    """Give the console of stdout; what its encoding does not have is written as its number."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_ELSEWHERE)


def one_line(text: str, longest: int | None = None) -> str:
    """Give a text of anybody's in one line, without anything that a terminal would obey.

    Parameters
    ----------
    text : str
        The text.
    longest : int, optional
        Characters that are shown.
    """
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]}..."
    shown = _OBEYED.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
    return shown.encode("utf-8", "backslashreplace").decode()


def say(message: str, kind: str = "error", style: str = "bold red") -> None:
    """Say something on stderr, in one line."""
    Console(stderr=True, highlight=False).print(
        Text.assemble((f"{kind}: ", style), one_line(message)), soft_wrap=True
    )


def complain(error: Exception | str, about: object = None) -> None:
    """Say on stderr, in one line, what went wrong; a mistake of ours keeps its traceback."""
    told = str(error)
    for pattern, option in _SPELLINGS.items():
        told = re.sub(pattern, option, told)
    if isinstance(error, Exception) and not isinstance(error, NXstxmError):
        told = f"{type(error).__name__}: {told}"
    if about is not None and str(about) not in told:
        told = f"{about}: {told}"
    say(told)
    if isinstance(error, Exception) and not isinstance(error, NXstxmError):
        lines = "".join(traceback.format_exception(error))
        Console(stderr=True, highlight=False).print(Text(lines), soft_wrap=True, end="")


def tell_problems(console: Console, file: Path, problems: Sequence[Problem]) -> None:
    """Say whether a file is good, and what is wrong with it."""
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    verdict = ("bad", "bold red") if errors else ("good", "bold green")
    console.print(Text.assemble(verdict, f"  {file}  {counts}"), soft_wrap=True)
    if not problems:
        return
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for problem in problems:
        told = Text.assemble((problem.path, "cyan"), f"  {problem.message}", overflow="fold")
        table.add_row(Text(problem.level, style=_STYLES[problem.level]), told)
    console.print(table)


class Report:
    """Tells what becomes of scans: a line for each file, and at the end what failed.

    Parameters
    ----------
    console : Console
        Where files are named. On a terminal it has a bar while there are several scans.
    doing : str
        What is done, before the bar.
    count : int
        How many scans there are.
    """

    def __init__(self, console: Console, doing: str, count: int) -> None:
        self.failures: list[tuple[str, Exception]] = []
        self._console = console
        self._doing = doing
        self._waited = False
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(doing, total=count)
        # not even started elsewhere: a bar that is switched off still leaves an empty line
        self._shown = console.is_terminal and count > 1
        self._open = ExitStack()

    def __enter__(self) -> Report:
        """Show the bar."""
        if self._shown:
            self._open.enter_context(self._bar)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        """Take the bar away, and tell what failed."""
        self._open.close()
        for name, failure in self.failures:
            complain(failure, name)
        return False

    def attempt(self, name: str, do: Callable[[], Path]) -> None:
        """Do something with a scan; if it fails the others still have their turn."""
        self._waited = False
        try:
            path = do()
        except Exception as error:  # noqa: BLE001 - told at the end, with its traceback
            self.failed(name, error)
        else:
            self.wrote(name, path)
        self._bar.update(self._task, advance=1, description=self._doing)

    def wrote(self, name: str, path: Path) -> None:
        """Name the file that was made of a scan."""
        told = Text.assemble((str(path), "green"), f"  from {name}")
        self._console.print(told, soft_wrap=True)

    def failed(self, name: str, error: Exception) -> None:
        """Note a scan that failed."""
        self.failures.append((name, error))

    def done(self, count: int) -> None:
        """Show how many scans are done, whatever became of them."""
        self._bar.update(self._task, completed=count)

    def waiting(self, what: str) -> None:
        """Tell what is waited for: beside the bar, or once a scan."""
        if self._shown:
            self._bar.update(self._task, description=what)
        elif not self._waited:
            say(what, "note", "yellow")
        self._waited = True
