"""Arguments and options that several commands have, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

# typer reads these at run time, on 3.10 too: no `X | None` here
# ruff: noqa: UP045

_OF_CATALOGS = "Choose from catalogs"

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="NXstxm files.", show_default=False)
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Files of stored documents (recorded JSON, JSON lines, msgpack, archives, NXstxm "
        "files), folders of EuXFEL runs, or catalogs: 'tiled:URI_OR_PROFILE', 'databroker:NAME'.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there already.")
]
Uids = Annotated[
    Optional[list[str]],
    typer.Option(
        "--uid",
        metavar="UID",
        help="A run of the scan; its other runs are searched for. Again for more runs of it.",
        show_default=False,
        rich_help_panel=_OF_CATALOGS,
    ),
]
ScanIds = Annotated[
    Optional[list[int]],
    typer.Option(
        "--scan-id",
        metavar="N",
        help="All scans with a run of this number. Again for more numbers.",
        show_default=False,
        rich_help_panel=_OF_CATALOGS,
    ),
]
Since = Annotated[
    Optional[str],
    typer.Option(
        metavar="TIME",
        help="Scans with a run that began then or later: an ISO date or time, in UTC unless it "
        "says otherwise, or how long ago, such as '2h' or '3d'.",
        show_default=False,
        rich_help_panel=_OF_CATALOGS,
    ),
]
Until = Annotated[
    Optional[str],
    typer.Option(
        metavar="TIME",
        help="Only those with a run that began before.",
        show_default=False,
        rich_help_panel=_OF_CATALOGS,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="How long to wait for runs of a scan that have not stopped.",
        rich_help_panel=_OF_CATALOGS,
    ),
]
Incomplete = Annotated[
    bool,
    typer.Option(
        "--incomplete",
        help="After that time take runs that have not stopped, as far as they came.",
        rich_help_panel=_OF_CATALOGS,
    ),
]
Jobs = Annotated[int, typer.Option(metavar="N", min=1, help="Processes that share the scans.")]
OneEntry = Annotated[Optional[str], typer.Option(help="Only this entry.", show_default=False)]
Channel = Annotated[
    Optional[str],
    typer.Option("--channel", "--data", help="This channel, not the first.", show_default=False),
]
Energy = Annotated[
    Optional[float],
    typer.Option(metavar="EV", help="Only what is nearest to this energy.", show_default=False),
]
WithoutSample = Annotated[
    Optional[str],
    typer.Option(
        "--i0",
        metavar="LIST|FILE",
        help="The intensity without sample: a list or role of the file, or another file. "
        "By default the brightest twentieth of the points.",
        show_default=False,
    ),
]
SaveCsv = Annotated[
    Optional[Path], typer.Option(metavar="CSV", help="Write the numbers, too.", show_default=False)
]
