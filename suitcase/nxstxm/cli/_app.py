"""The commands of ``nxstxm``: what they are called, what they take, and what they say.

Each does its work by calling one function of the package. An `NXstxmError` becomes one line on
stderr and exit status 1; what fails in another way is a mistake of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.text import Text

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.cli._extras import MissingExtraError
from suitcase.nxstxm.cli._options import (
    Channel,
    Energy,
    Files,
    Incomplete,
    Jobs,
    OneEntry,
    Output,
    Overwrite,
    SaveCsv,
    ScanIds,
    Since,
    Sources,
    Timeout,
    Uids,
    Until,
    WithoutSample,
)
from suitcase.nxstxm.cli._store_app import store
from suitcase.nxstxm.cli._table_app import table
from suitcase.nxstxm.cli._telling import UsageError, complain, make_console, tell_problems

app = typer.Typer(
    name="nxstxm",
    help="Turn Bluesky documents of X-ray microscopes into NXstxm files, and look at them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(store)
app.add_typer(table)


def run(argv: list[str] | None) -> int:
    """Run the program and give its exit status."""
    try:
        app(args=argv, prog_name="nxstxm")
    except UsageError as error:
        complain(error)
        return 2
    except NXstxmError as error:
        complain(error)
        return 1
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    return 0


def _for_each(files: Sequence[Path], do: Callable[[Path], bool]) -> None:
    """Do something with every file, whatever becomes of the others; exit with 1 if any failed."""
    well = True
    for file in files:
        try:
            well = do(file) and well
        except MissingExtraError:
            raise
        except NXstxmError as error:
            complain(error, file)
            well = False
    if not well:
        raise typer.Exit(1)


@app.command()
def export(
    sources: Sources,
    output: Output,
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Template of the names, filled from the start document: '{scan_id}-{uid:.8}'.",
            show_default=False,
        ),
    ] = None,
    uid: Uids = None,
    scan_id: ScanIds = None,
    since: Since = None,
    until: Until = None,
    timeout: Timeout = 10.0,
    incomplete: Incomplete = False,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write one NXstxm file for each scan of stored documents, or of a catalog."""
    from suitcase.nxstxm.cli._choice import Choice, patience_of
    from suitcase.nxstxm.cli._many import export_each
    from suitcase.nxstxm.cli._sources import find_scans

    patience = patience_of(timeout, incomplete)
    scans, failures = find_scans(sources, Choice.of(uid, scan_id, since, until))
    well = export_each(
        make_console(),
        scans,
        output,
        jobs=jobs,
        patience=patience,
        prefix=prefix,
        overwrite=overwrite,
    )
    _end(well, failures)


@app.command()
def euxfel(
    sources: Sources,
    output: Output,
    proposal: Annotated[
        str | None,
        typer.Option(metavar="N", help="Number of the proposal; else what the runs say, or 0."),
    ] = None,
    instrument: Annotated[
        str | None, typer.Option(help="Name of a folder around the cycle's.", show_default=False)
    ] = None,
    cycle: Annotated[
        str | None,
        typer.Option(help="Name of a folder around those of proposals.", show_default=False),
    ] = None,
    domain: Annotated[str, typer.Option(help="What names of sources begin with.")] = "STXM",
    version: Annotated[str, typer.Option(help="Version of the format: 1.2 or 1.3.")] = "1.3",
    external: Annotated[
        str, typer.Option(help="'copy' frames in files of detectors, or name them: 'vds'.")
    ] = "copy",
    uid: Uids = None,
    scan_id: ScanIds = None,
    since: Since = None,
    until: Until = None,
    timeout: Timeout = 10.0,
    incomplete: Incomplete = False,
) -> None:
    """Write a EuXFEL run of each run, as EXtra-data opens it."""
    from suitcase.nxstxm.cli._choice import Choice, patience_of
    from suitcase.nxstxm.cli._euxfel import write_each
    from suitcase.nxstxm.cli._sources import find_scans

    patience = patience_of(timeout, incomplete)
    scans, failures = find_scans(sources, Choice.of(uid, scan_id, since, until))
    well = write_each(
        make_console(),
        scans,
        output,
        patience=patience,
        proposal=proposal,
        instrument=instrument,
        cycle=cycle,
        domain=domain,
        version=version,
        external=external,
    )
    _end(well, failures)


@app.command()
def archive(
    sources: Sources,
    output: Output,
    fill: Annotated[
        bool,
        typer.Option("--fill", help="Bring readings that lie in files of detectors into it."),
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option("--salvage", help="Of damaged files archive what can be read, and say what."),
    ] = False,
    uid: Uids = None,
    scan_id: ScanIds = None,
    since: Since = None,
    until: Until = None,
    timeout: Timeout = 10.0,
    incomplete: Incomplete = False,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write one archive of all documents for each scan, to be exported at any time."""
    from suitcase.nxstxm.cli._archive import salvaged, whole_file
    from suitcase.nxstxm.cli._choice import Choice, patience_of
    from suitcase.nxstxm.cli._many import archive_each
    from suitcase.nxstxm.cli._sources import find_scans

    patience = patience_of(timeout, incomplete)
    choice = Choice.of(uid, scan_id, since, until)
    scans, failures = find_scans(sources, choice, salvaged if salvage else whole_file)
    well = archive_each(
        make_console(),
        scans,
        output,
        jobs=jobs,
        patience=patience,
        fill=fill,
        overwrite=overwrite,
    )
    _end(well, failures)


def _end(well: bool, failures: Sequence[tuple[str, Exception]]) -> None:
    """Tell what could not be read, after all that could; exit with 1 if anything failed."""
    for name, error in failures:
        complain(error, name)
    if failures or not well:
        raise typer.Exit(1)


@app.command()
def recover(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders that scans were written to.")
    ],
    overwrite: Overwrite = False,
) -> None:
    """Make the files of scans whose process died while they were measured."""
    from suitcase.nxstxm.exchange import RecoverError
    from suitcase.nxstxm.exchange import recover as recover_scans

    console = make_console()
    options = {"overwrite": True} if overwrite else {}
    failures: list[tuple[str, Exception]] = []
    for directory in directories:
        if not directory.is_dir():
            failures.append((str(directory), UsageError(f"{directory} is no folder")))
            continue
        try:
            paths = recover_scans(directory, **options)
        except RecoverError as error:
            paths = error.paths
            failures += [(str(path), why) for path, why in error.failures]
        for path in paths:
            console.print(Text(str(path)), soft_wrap=True)
        if not paths and not failures:
            console.print(Text(f"nothing is left in {directory}"), soft_wrap=True)
    _end(True, failures)


@app.command()
def info(files: Files) -> None:
    """Tell what was measured: scan type, axes, energies, detectors, times."""
    from suitcase.nxstxm.cli._info import describe, render

    console = make_console()

    def tell(file: Path) -> bool:
        console.print(render(describe(file)))
        return True

    _for_each(files, tell)


@app.command()
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="NXstxm files, folders of EuXFEL runs.", show_default=False
        ),
    ],
    nexusformat: Annotated[
        Optional[bool],  # noqa: UP045 - typer reads it at run time, on 3.10 too
        typer.Option(
            "--nexusformat/--no-nexusformat",
            help="Show all that nexusformat finds, or do not ask it. Without either its errors "
            "are shown when it is installed.",
        ),
    ] = None,
) -> None:
    """Check files, and EuXFEL runs; the exit status is 1 when one of them has an error."""
    from suitcase.nxstxm import euxfel, nexus

    console = make_console()

    def check(file: Path) -> bool:
        is_run = file.is_dir() or euxfel.is_file_of_run(file)
        problems = euxfel.validate(file) if is_run else nexus.validate(file)
        if nexusformat is not False and not is_run:
            others = nexus.nexusformat_problems(file)
            if others is None and nexusformat:
                raise MissingExtraError("the option --nexusformat needs: pip install nexusformat")
            shown = [p for p in others or () if nexusformat or p.level == "error"]
            problems = [*problems, *shown]
        tell_problems(console, file, problems)
        return not any(problem.level == "error" for problem in problems)

    _for_each(files, check)


@app.command()
def convert(
    files: Files,
    to: Annotated[str, typer.Option("--to", metavar="ncb|xim|tiff|csv", help="The format.")],
    output: Output,
    entry: OneEntry = None,
    channel: Channel = None,
    overwrite: Overwrite = False,
) -> None:
    """Write files for aXis2000 and Mantis (ncb, xim), ImageJ (tiff) or spreadsheets (csv)."""
    from suitcase.nxstxm.cli._telling import say
    from suitcase.nxstxm.exchange import convert

    console = make_console()

    def do(file: Path) -> bool:
        made = convert(file, to, output, entry=entry, channel=channel, overwrite=overwrite)
        for path in made.paths:
            console.print(Text(str(path)), soft_wrap=True)
        for note in made.notes:
            say(f"{file}: {note}", "note", "yellow")
        return True

    _for_each(files, do)


@app.command()
def browse(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with the files.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="HTML",
            help="The page; by default scans.html in the folder.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Write one page of all scans below a folder: small pictures in a table that can be sorted."""
    from suitcase.nxstxm.cli._browse import browse_folder

    made = browse_folder(directory, output, jobs=jobs)
    console = make_console()
    console.print(Text(str(made.page)), soft_wrap=True)
    unread = f", {made.failed} can not be read" if made.failed else ""
    told = f"{made.files} files, {made.read} of them new or changed{unread}"
    console.print(Text(told), soft_wrap=True)


@app.command()
def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An NXstxm file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PNG", help="The picture to write.")
    ],
    entry: OneEntry = None,
    channel: Channel = None,
    energy: Energy = None,
    density: Annotated[bool, typer.Option("--od", help="Draw the optical density.")] = False,
    i0: WithoutSample = None,
    save_csv: SaveCsv = None,
) -> None:
    """Draw a file: images with a scale bar, stacks with their mean spectrum, spectra as curves."""
    from suitcase.nxstxm.cli._plot import plot_file

    made = plot_file(
        file,
        output,
        entry=entry,
        channel=channel,
        energy=energy,
        density=density,
        i0=i0,
        csv=save_csv,
    )
    make_console().print(Text(str(made)), soft_wrap=True)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for what it makes.")
    ] = Path("nxstxm-demo"),
) -> None:
    """Measure with a simulated microscope, and export, check and draw the scans."""
    from suitcase.nxstxm.cli._demo import run_demo

    run_demo(output, make_console())
