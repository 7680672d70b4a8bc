"""Where a run is: the folders of proposals, run numbers that nobody else has."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from .._errors import NXstxmOSError
from ._names import safe
from ._options import LAST_RUN, RunOptions, number_of
from ._trains import last_train

#: The aggregator of the last file.
LAST = "DA00"
#: Begins the name of what tells which run is being written into a folder.
UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class RunPlace:
    """The folder of a run.

    Attributes
    ----------
    proposal, number : int
        Of the proposal, and of the run.
    folder : Path
        ``.../p000123/raw/r0001``, which was made for it.
    uid : str
        The run.
    before : int
        The last train id that its proposal had.
    is_again : bool
        Whether it is written again, since whoever wrote it died.
    """

    proposal: int
    number: int
    folder: Path
    uid: str
    before: int = 0
    is_again: bool = False

    @property
    def user_folder(self) -> Path:
        """Where EXtra-data looks for aliases by itself."""
        return self.folder.parents[1] / "usr"

    def file(self, aggregator: str, sequence: int) -> Path:
        """Name a file of the run."""
        return self.folder / f"RAW-R{self.number:04d}-{aggregator}-S{sequence:05d}.h5"

    def mark(self) -> None:
        """Note in the folder which run is being written into it."""
        told = {"uid": self.uid, "before": self.before, "pid": os.getpid()}
        _mark_in(self.folder, self.uid).write_text(json.dumps(told), "utf-8")

    def unmark(self) -> None:
        """Note that the run is complete."""
        _mark_in(self.folder, self.uid).unlink(missing_ok=True)

    def give_back(self) -> None:
        """Remove the folder, in which nothing is yet."""
        self.unmark()
        with suppress(OSError):
            self.folder.rmdir()


def _mark_in(folder: Path, uid: str) -> Path:
    return folder / f"{UNFINISHED}{safe(uid)[:100]}"


def proposal_of(start: Mapping[str, Any], given: int | str | None) -> int:
    """Give the number of a proposal: the one that was given, else that of the start document."""
    told = (start.get(name) for name in ("proposal", "proposal_id", "data_session"))
    for value in (given, *told):
        plain = value.get("proposal_id") if isinstance(value, Mapping) else value
        number = number_of(plain)
        if number is not None:
            return number
    return 0


def _raw(directory: Path, options: RunOptions, proposal: int) -> Path:
    return directory.joinpath(*options.folders, f"p{proposal:06d}", "raw")


def reserve(directory: Path, start: Mapping[str, Any], options: RunOptions) -> RunPlace:
    """Make the folder of a run: that of its scan_id, or the next that is free.

    Raises
    ------
    NXstxmOSError
        It can not be made, or all numbers are taken.
    """
    proposal, uid = proposal_of(start, options.proposal), str(start["uid"])
    raw = _raw(directory, options, proposal)
    scan_id = start.get("scan_id")
    first = _whole(scan_id)
    first = first if 1 <= first <= LAST_RUN else 1
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for number in (*range(first, LAST_RUN + 1), *range(1, first)):
            folder = raw / f"r{number:04d}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            place = RunPlace(proposal, number, folder, uid)
            try:
                if options.train_ids == "time":
                    place = replace(place, before=last_train(raw))
                place.mark()
            except BaseException:
                place.give_back()
                raise
            return place
    except OSError as error:
        raise NXstxmOSError(
            f"no run can be made in {raw} ({error}); choose another folder"
        ) from error
    raise NXstxmOSError(f"{raw} has all runs from 1 to {LAST_RUN}; choose another proposal")


def _whole(number: Any) -> int:
    """Give a whole number; 0 for what is none."""
    try:
        return 0 if isinstance(number, bool) else operator.index(number)
    except TypeError:
        return 0


def unfinished(directory: Path, start: Mapping[str, Any], options: RunOptions) -> RunPlace | None:
    """Find the folder of a run that somebody began to write and did not finish."""
    proposal, uid = proposal_of(start, options.proposal), str(start["uid"])
    raw = _raw(directory, options, proposal)
    for folder in _runs(raw):
        mark = _mark_in(folder, uid)
        if not mark.is_file():
            continue
        before = last_train(raw)
        with suppress(OSError, ValueError, KeyError, TypeError):
            before = int(json.loads(mark.read_text("utf-8"))["before"])
        return RunPlace(proposal, int(folder.name[1:]), folder, uid, before, is_again=True)
    return None


def finished(directory: Path, start: Mapping[str, Any], options: RunOptions) -> Path | None:
    """Find the folder of a run that is complete."""
    uid = str(start["uid"])
    for folder in _runs(_raw(directory, options, proposal_of(start, options.proposal))):
        for path in folder.glob(f"*-{LAST}-S00000.h5"):
            with suppress(OSError, KeyError, ValueError), h5py.File(path, "r") as h5:
                if h5["METADATA/blueskyUid"].asstr()[0] == uid:
                    return folder
    return None


def _runs(raw: Path) -> Iterator[Path]:
    """Give the folders of runs, the latest first."""
    if raw.is_dir():
        found = (path for path in raw.iterdir() if path.is_dir() and path.name[1:].isdigit())
        yield from sorted((path for path in found if path.name[0] == "r"), reverse=True)
