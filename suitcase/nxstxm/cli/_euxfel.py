"""EuXFEL runs of scans, one for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from suitcase.nxstxm import euxfel
from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.cli._sources import FoundScan
from suitcase.nxstxm.cli._telling import Report, say
from suitcase.nxstxm.exchange._scan_in import Patience
from suitcase.nxstxm.exchange._sources import FoundRun, runs_of


def write_each(
    console: Console,
    scans: Sequence[FoundScan],
    output: Path,
    *,
    patience: Patience,
    **options: Any,
) -> bool:
    """Write EuXFEL runs of scans.

    Parameters
    ----------
    console : Console
        Where folders are named.
    scans : sequence of FoundScan
        The scans.
    output : Path
        The folder of the proposals.
    patience : Patience
        How long to wait for runs of catalogs.
    **options
        As of `euxfel.Serializer`.

    Returns
    -------
    bool
        Whether all went well; what did not was told.
    """
    euxfel.RunOptions.of(**options)  # a wrong one is told before anything is done
    with Report(console, "writing", len(scans)) as report:
        asking = replace(patience, progress=report.waiting)
        for scan in scans:
            try:
                runs = runs_of(scan.runs(asking), None, asking)
            except NXstxmError as error:
                report.failed(scan.name, error)
                continue
            for run in runs:
                report.attempt(scan.name, partial(_write, run, output, options))
    return not report.failures


def _write(run: FoundRun, output: Path, options: dict[str, Any]) -> Path:
    common = {"handler_registry": run.handlers, "root_map": run.roots}
    with euxfel.Serializer(output, **common, **options) as serializer:
        for name, doc in run.documents:
            serializer(name, doc)
    folder = serializer.folder
    if folder is None:
        raise AssertionError("a run that was written has a folder")
    for message in serializer.messages:
        say(f"{folder}: {message}", "note", "yellow")
    return folder
