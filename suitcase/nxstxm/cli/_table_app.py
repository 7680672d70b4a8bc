"""``nxstxm table``: its commands, what they take, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.text import Text

from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._telling import UsageError, make_console

# typer reads these at run time, on 3.10 too: no `X | None` here
# ruff: noqa: UP045

table = typer.Typer(
    name="table",
    help="Keep a table of scans, and of what is computed of them.",
    no_args_is_help=True,
)

#: GB that a worker needs for itself.
_LEAST_MEMORY = 0.5
_ONLY = "Only this variable, by its name or title."

Dir = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of the table.", show_default=False)
]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The number of a run, PROPOSAL:RUN, or a scan's uid.",
        show_default=False,
    ),
]
Params = Annotated[
    Optional[list[str]],
    typer.Option(
        "--param", metavar="NAME=VALUE", help="A parameter, 'param#NAME'.", show_default=False
    ),
]
JobCount = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes.")]
Timeout = Annotated[
    float, typer.Option(min=1, help="Seconds that the variables of a scan may take.")
]
Memory = Annotated[
    Optional[float],
    typer.Option(
        metavar="GB", min=_LEAST_MEMORY, help="Memory that a worker may have.", show_default=False
    ),
]
Broker = Annotated[
    Optional[str],
    typer.Option(
        help="Tell what changes: 'host:port' of Kafka, 'tcp://...' for 0MQ, or 'none'. By default "
        "NXSTXM_BROKER of the environment, or AMORE_BROKER.",
        show_default=False,
    ),
]


def _ready() -> None:
    for module in ("pandas", "h5netcdf", "numcodecs"):
        require(module, "variables", "the run table")


def _open(directory: Path) -> Any:
    _ready()
    from suitcase.nxstxm.variables import RunTable

    return RunTable(directory)


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1e9)


@table.command("init")
def init(
    directory: Dir,
    proposal: Annotated[
        str, typer.Option(help="The proposal of scans that do not say theirs: a number, a name.")
    ] = "1",
) -> None:
    """Make a table, with a context file that has the usual variables."""
    _ready()
    from suitcase.nxstxm.cli._table_typed import number_or_text
    from suitcase.nxstxm.variables import RunTable
    from suitcase.nxstxm.variables._export import shown_proposals

    with RunTable.create(directory, proposal=number_or_text(proposal)) as made:
        console = make_console()
        name = shown_proposals(made).get(made.proposal, made.proposal)
        console.print(Text(f"table {made.path}, proposal {name}"), soft_wrap=True)
        console.print(Text(f"its variables are in {made.context_path}"), soft_wrap=True)


@table.command("process")
def process(
    directory: Dir,
    scans: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[FILE|RUN|UID]...",
            help="Files or folders of scans, runs of the table; all of the table without any.",
            show_default=False,
        ),
    ] = None,
    variables: Annotated[
        Optional[list[str]],
        typer.Option("--var", metavar="NAME", help=_ONLY, show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what is up to date.")] = False,
    params: Params = None,
    jobs: JobCount = 1,
    timeout: Timeout = 600.0,
    memory: Memory = None,
    broker: Broker = None,
) -> None:
    """Compute what is missing, or would be made otherwise by now."""
    with _open(directory) as opened:
        from suitcase.nxstxm.cli._table import process as process_scans
        from suitcase.nxstxm.cli._table_typed import parameters

        good = process_scans(
            make_console(),
            opened,
            scans or [],
            variables=variables or None,
            force=force,
            params=parameters(params or []),
            broker=broker,
            jobs=jobs,
            timeout=timeout,
            memory=_bytes(memory),
        )
    if not good:
        raise typer.Exit(1)


@table.command("watch")
def watch(
    directory: Dir,
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Where scans are written.", show_default=False),
    ],
    poll: Annotated[
        bool, typer.Option("--poll", help="For network disks that tell of no changes.")
    ] = False,
    params: Params = None,
    jobs: JobCount = 1,
    timeout: Timeout = 600.0,
    memory: Memory = None,
    broker: Broker = None,
) -> None:
    """Process scans as they are finished, until it is interrupted."""
    require("watchfiles", "variables", "to watch folders")
    with _open(directory) as opened:
        from suitcase.nxstxm.cli._table import follow
        from suitcase.nxstxm.cli._table_typed import parameters

        follow(
            make_console(),
            opened,
            folders,
            params=parameters(params or []),
            broker=broker,
            poll=poll,
            jobs=jobs,
            timeout=timeout,
            memory=_bytes(memory),
        )


@table.command("show")
def show(
    directory: Dir,
    last: Annotated[int, typer.Option(min=1, help="How many runs.")] = 50,
    columns: Annotated[
        Optional[list[str]],
        typer.Option("--var", metavar="NAME", help=_ONLY, show_default=False),
    ] = None,
    tag: Annotated[
        Optional[str], typer.Option(help="Only variables with this tag.", show_default=False)
    ] = None,
) -> None:
    """Print the last runs."""
    _ready()
    from suitcase.nxstxm.cli._table import show as show_rows
    from suitcase.nxstxm.variables import RunTable

    with RunTable(directory, readonly=True) as opened:
        show_rows(make_console(), opened, last=last, columns=columns or [], tag=tag)


# negative numbers are values, and no options
@table.command("set", context_settings={"ignore_unknown_options": True})
def set_value(
    directory: Dir,
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A variable of yours, or its title.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value; '' for none.")],
    kind: Annotated[
        Optional[str],
        typer.Option(
            "--type",
            help="Make the variable, where it is not there: boolean, integer, number or string.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        Optional[str], typer.Option(help="Its title, from now on.", show_default=False)
    ] = None,
) -> None:
    """Type a value in: of a variable that users fill, not the context file."""
    with _open(directory) as opened:
        from suitcase.nxstxm.cli._table_typed import set_typed

        set_typed(opened, run, name, value, kind, title)


@table.command("comment")
def comment(
    directory: Dir,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be said.")],
    run: Annotated[
        Optional[str],
        typer.Option("--run", help="Of this run; else of the moment.", show_default=False),
    ] = None,
) -> None:
    """Say something of a run, or of this moment."""
    import time

    with _open(directory) as opened:
        if run is None:
            opened.database.add_timed_comment(time.time(), text)
            return
        from suitcase.nxstxm.cli._table_typed import typed_run

        info = typed_run(opened, run)
        opened.database.set_comment(info.proposal, info.run, text)


@table.command("tag")
def tag(
    directory: Dir,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A variable, or its title.")],
    word: Annotated[str, typer.Argument(metavar="TAG", help="The tag.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
) -> None:
    """Tag a variable, for `show --tag`."""
    with _open(directory) as opened:
        from suitcase.nxstxm.cli._table_typed import typed_names

        act = opened.database.remove_tag if remove else opened.database.add_tag
        (variable,) = typed_names([name], opened.titles())
        act(variable, word)


@table.command("export")
def export(
    directory: Dir,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .csv, .xlsx or .html file.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
) -> None:
    """Write the table to a file; a page of HTML has the pictures inside."""
    _ready()
    from suitcase.nxstxm.variables import RunTable, export_table

    if output.suffix.lower() not in (".csv", ".xlsx", ".html"):
        raise UsageError(f"{output} is no .csv, .xlsx or .html file")
    with RunTable(directory, readonly=True) as opened:
        made = export_table(opened, output, overwrite=overwrite)
    make_console().print(Text(str(made)), soft_wrap=True)
