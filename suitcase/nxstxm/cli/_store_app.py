"""``nxstxm store``: its commands, what they take, and what they say."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._telling import UsageError, make_console

# typer reads these at run time, on 3.10 too: no `X | None` here
# ruff: noqa: UP045

store = typer.Typer(name="store", help="Look after stored results.", no_args_is_help=True)

Dir = Annotated[
    str,
    typer.Argument(
        metavar="DIR", help="A folder of stored data, or an address of fsspec.", show_default=False
    ),
]
Keys = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[KEY]...",
        help="Keys as `ls` and `show` print them, or their beginnings; all without any.",
        show_default=False,
    ),
]


def _ready() -> None:
    require("numcodecs", "storage", "to read stored data")
    require("fsspec", "storage", "to read stored data")


@store.command("ls")
def ls(
    directory: Dir,
    run: Annotated[
        Optional[str], typer.Option(help="Only data of this run.", show_default=False)
    ] = None,
    data_type: Annotated[
        Optional[str], typer.Option("--type", help="Only data of this type.", show_default=False)
    ] = None,
) -> None:
    """List what is stored."""
    _ready()
    from suitcase.nxstxm.cli._store import list_store, open_store

    list_store(make_console(), open_store(directory), run, data_type)


@store.command("show")
def show(
    directory: Dir,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A key, or its beginning.")],
    compare: Annotated[
        Optional[str],
        typer.Option(metavar="KEY", help="Say how this one was made otherwise."),
    ] = None,
) -> None:
    """Show how something was made: functions, versions and options; and what broke it."""
    _ready()
    from suitcase.nxstxm.cli._store import open_store
    from suitcase.nxstxm.cli._store import show as show_one

    show_one(make_console(), open_store(directory), key, compare)


@store.command("verify")
def verify(directory: Dir, keys: Keys = None) -> None:
    """Read everything again and compare its checksums; the exit status is 1 if one is wrong."""
    _ready()
    from suitcase.nxstxm.cli._store import open_store
    from suitcase.nxstxm.cli._store import verify as verify_all

    if not verify_all(make_console(), open_store(directory), keys or []):
        raise typer.Exit(1)


@store.command("copy")
def copy(
    directory: Dir,
    to: Annotated[str, typer.Argument(metavar="TO", help="Where to.", show_default=False)],
    keys: Keys = None,
    compression: Annotated[
        Optional[str],
        typer.Option(help="Compress otherwise: lz4, zstd or none.", show_default=False),
    ] = None,
    rechunk: Annotated[
        Optional[float],
        typer.Option(metavar="MB", help="Chunks of about this size.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.")
    ] = False,
) -> None:
    """Copy results, and what is known of their runs, to another folder or address."""
    _ready()
    from suitcase.nxstxm.cli._store import copy as copy_all
    from suitcase.nxstxm.cli._store import open_store

    if rechunk is not None and rechunk <= 0:
        raise UsageError(f"--rechunk {rechunk} is no size in MB")
    target = open_store(to, overwrite="always" if overwrite else "if_broken")
    size = None if rechunk is None else max(int(rechunk * 1_000_000), 1)
    source = open_store(directory)
    good = copy_all(
        make_console(), source, target, keys or [], rechunk=size, compression=compression
    )
    if not good:
        raise typer.Exit(1)


@store.command("clean")
def clean(
    directory: Dir,
    broken: Annotated[
        bool, typer.Option("--broken", help="Also data that could not be finished.")
    ] = False,
    older: Annotated[
        Optional[float],
        typer.Option(
            metavar="SECONDS",
            help="Of an address: what another machine began so long ago, too.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Remove what writers that died have left; data being written are left alone."""
    _ready()
    from suitcase.nxstxm.cli._store import clean as clean_all
    from suitcase.nxstxm.cli._store import open_store
    from suitcase.nxstxm.storage import FsspecDirectory

    opened = open_store(directory)
    if older is not None and not isinstance(opened, FsspecDirectory):
        raise UsageError("--older is for addresses of fsspec; of a folder it is known who is dead")
    options = {} if older is None else {"older": older}
    found = opened.clean(broken=broken, dry_run=dry_run, **options)
    clean_all(make_console(), found, dry_run=dry_run)
