"""The commands of ``nxstxm``: what they are called, what they take, and what they say.

Each does its work by calling one function of the package. An `NXstxmError` becomes one line on
stderr and exit status 1; what fails in another way is a mistake of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.cli._extras import MissingExtraError

if TYPE_CHECKING:
    from suitcase.nxstxm.nexus import Problem

#: A table that is not shown on a screen is not cut to 80 columns.
_WIDTH_ELSEWHERE = 120
_STYLES = {"error": "bold red", "warning": "yellow"}

app = typer.Typer(
    name="nxstxm",
    help="Turn Bluesky documents of X-ray microscopes into NXstxm files, and look at them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="NXstxm files.", show_default=False)
]


def run(argv: list[str] | None) -> int:
    """Run the program and give its exit status."""
    try:
        app(args=argv, prog_name="nxstxm")
    except NXstxmError as error:
        _complain(error)
        return 1
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    return 0


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_ELSEWHERE)


def _complain(error: Exception | str, about: object = None) -> None:
    """Say on stderr, in one line, what went wrong."""
    told = " ".join(str(error).split())
    if about is not None and str(about) not in told:
        told = f"{about}: {told}"
    Console(stderr=True, highlight=False).print(
        Text.assemble(("error: ", "bold red"), told), soft_wrap=True
    )


def _for_each(files: Sequence[Path], do: Callable[[Path], bool]) -> None:
    """Do something with every file, whatever becomes of the others; exit with 1 if any failed."""
    well = True
    for file in files:
        try:
            well = do(file) and well
        except MissingExtraError:
            raise
        except NXstxmError as error:
            _complain(error, file)
            well = False
    if not well:
        raise typer.Exit(1)


@app.command()
def export(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Stored documents: recorded JSON, JSON lines, msgpack, archives, NXstxm files.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")
    ],
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Template of the names, filled from the start document: '{scan_id}-{uid:.8}'.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there already.")
    ] = False,
) -> None:
    """Write one NXstxm file for each scan of stored documents."""
    from suitcase.nxstxm.exchange import StoredScan, export_scan, scans_in

    console = _console()
    failed = False
    scans: list[StoredScan] = []
    for file in files:
        try:
            scans.extend(scans_in([file]))
        except NXstxmError as error:
            _complain(error, file)
            failed = True
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    # not even started elsewhere: a bar that is switched off still leaves an empty line
    with bar if console.is_terminal else nullcontext():
        task = bar.add_task("export", total=len(scans))
        for scan in scans:
            try:
                path = export_scan(scan.runs, output, file_prefix=prefix, overwrite=overwrite)
            except NXstxmError as error:
                _complain(error, scan.source)
                failed = True
            else:
                told = Text.assemble((str(path), "green"), f"  from {scan.source}")
                console.print(told, soft_wrap=True)
            bar.advance(task)
    if failed:
        raise typer.Exit(1)


@app.command()
def info(files: Files) -> None:
    """Tell what was measured: scan type, axes, energies, detectors, times."""
    from suitcase.nxstxm.cli._info import describe, render

    console = _console()

    def tell(file: Path) -> bool:
        console.print(render(describe(file)))
        return True

    _for_each(files, tell)


@app.command()
def validate(
    files: Files,
    nexusformat: Annotated[
        Optional[bool],  # noqa: UP045 - typer reads it at run time, on 3.10 too
        typer.Option(
            "--nexusformat/--no-nexusformat",
            help="Show all that nexusformat finds, or do not ask it. Without either its errors "
            "are shown when it is installed.",
        ),
    ] = None,
) -> None:
    """Check files; the exit status is 1 when one of them has an error."""
    from suitcase.nxstxm import nexus

    console = _console()

    def check(file: Path) -> bool:
        problems = nexus.validate(file)
        if nexusformat is not False:
            others = nexus.nexusformat_problems(file)
            if others is None and nexusformat:
                raise MissingExtraError("the option --nexusformat needs: pip install nexusformat")
            shown = [p for p in others or () if nexusformat or p.level == "error"]
            problems = [*problems, *shown]
        _tell_problems(console, file, problems)
        return not any(problem.level == "error" for problem in problems)

    _for_each(files, check)


@app.command()
def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An NXstxm file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PNG", help="The picture to write.")
    ],
    entry: Annotated[
        str | None, typer.Option(help="Only this NXentry.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="This NXdata, not the default.", show_default=False)
    ] = None,
) -> None:
    """Draw a file: images with a scale bar, stacks with their mean spectrum, spectra as curves."""
    from suitcase.nxstxm.cli._plot import plot_file

    _console().print(Text(str(plot_file(file, output, entry=entry, data=data))), soft_wrap=True)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for what it makes.")
    ] = Path("nxstxm-demo"),
) -> None:
    """Measure with a simulated microscope, and export, check and draw the scans."""
    from suitcase.nxstxm.cli._demo import run_demo

    run_demo(output, _console())


def _tell_problems(console: Console, file: Path, problems: Sequence[Problem]) -> None:
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
