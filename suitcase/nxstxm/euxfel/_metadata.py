"""METADATA of a file of a run: which run it is of, and what it has."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import h5py
import numpy as np

from ._columns import write_column
from ._options import Version


@dataclass(frozen=True)
class RunFacts:
    """What every file of a run says of it.

    Attributes
    ----------
    proposal, run : int
        The numbers.
    version : {"1.2", "1.3"}
        Of the format.
    about : Mapping of str to str
        Of Bluesky: its uid, its scan_id, the name of its plan.
    overwrite : bool
        Whether files that are there are replaced: the run is written again.
    """

    proposal: int
    run: int
    version: Version
    about: Mapping[str, str]
    overwrite: bool = False


def write_metadata(metadata: h5py.Group, facts: RunFacts, sequence: int) -> None:
    """Write which run a file is of, and its number in the order of those of its stream."""
    now = datetime.fromtimestamp(time.time(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    texts = {
        "dataFormatVersion": facts.version, "creationDate": now, "updateDate": now,
        "karaboFramework": "bluesky", "daqLibrary": "suitcase.nxstxm", **facts.about,
    }  # fmt: skip
    for name, text in texts.items():
        write_column(metadata, name, np.asarray([text], object), grows=False)
    numbers = {
        "proposalNumber": facts.proposal, "runNumber": facts.run, "sequenceNumber": sequence,
    }  # fmt: skip
    for name, number in numbers.items():
        write_column(metadata, name, np.asarray([number], np.uint32), grows=False)


def write_sources(group: h5py.Group, sources: Iterable[str]) -> None:
    """Write which sources a file has: ``<root>/<name>``."""
    parts = [(name, *name.split("/", 1)) for name in sources]
    for i, name in enumerate(("dataSourceId", "root", "deviceId")):
        write_column(group, name, np.asarray([part[i] for part in parts], object))
