"""Where a run is: the folders of proposals, run numbers that nobody else has, train ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock

from .._errors import NXstxmOSError, OptionError

#: The format has four digits for a run, six for a proposal.
LAST_RUN, LAST_PROPOSAL = 9999, 999_999
#: Train ids are counted ten a second, as at the machine.
TRAINS_A_SECOND = 10
#: By time, or counted in each stream.
TrainIds = Literal["time", "seq"]
TRAIN_IDS: tuple[str, ...] = get_args(TrainIds)
_LAST_TRAIN = ".last-train"


@dataclass(frozen=True)
class RunPlace:
    """The folder of a run.

    Attributes
    ----------
    proposal, number : int
        Of the proposal, and of the run.
    folder : Path
        ``.../p000123/raw/r0001``, which was made for it.
    """

    proposal: int
    number: int
    folder: Path

    @property
    def user_folder(self) -> Path:
        """Where EXtra-data looks for aliases by itself."""
        return self.folder.parents[1] / "usr"

    def file(self, aggregator: str, sequence: int) -> Path:
        """Name a file of the run."""
        return self.folder / f"RAW-R{self.number:04d}-{aggregator}-S{sequence:05d}.h5"


def proposal_of(start: Mapping[str, Any], given: int | str | None) -> int:
    """Give the number of a proposal: the one that was given, else that of the start document.

    Raises
    ------
    OptionError
        What was given has no digits, or too many.
    """
    for value in (
        given,
        start.get("proposal"),
        start.get("proposal_id"),
        start.get("data_session"),
    ):
        if isinstance(value, Mapping):
            value = value.get("proposal_id")
        digits = re.findall(r"\d+", str(value)) if isinstance(value, (int, str)) else []
        number = int(digits[-1]) if digits else -1
        if 0 <= number <= LAST_PROPOSAL:
            return number
        if value is given is not None:
            raise OptionError(
                f"proposal={given!r} is no number of a proposal, which are 0 to {LAST_PROPOSAL}"
            )
    return 0


def reserve(directory: Path, start: Mapping[str, Any], proposal: int) -> RunPlace:
    """Make the folder of a run: that of its scan_id, or the next that is free.

    Raises
    ------
    NXstxmOSError
        It can not be made, or all numbers are taken.
    """
    raw = directory / f"p{proposal:06d}" / "raw"
    scan_id = start.get("scan_id")
    first = scan_id if type(scan_id) is int and 1 <= scan_id <= LAST_RUN else 1
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for number in (*range(first, LAST_RUN + 1), *range(1, first)):
            try:
                (raw / f"r{number:04d}").mkdir()
            except FileExistsError:
                continue
            return RunPlace(proposal, number, raw / f"r{number:04d}")
    except OSError as error:
        raise NXstxmOSError(
            f"no run can be made in {raw} ({error}); choose another folder"
        ) from error
    raise NXstxmOSError(f"{raw} has all runs from 1 to {LAST_RUN}; choose another proposal")


class Trains:
    """Gives train ids that are larger than all that a proposal had before.

    Parameters
    ----------
    place : RunPlace
        The run.
    how : {"time", "seq"}
        By time, or counted from 1 in each stream.
    """

    def __init__(self, place: RunPlace, how: TrainIds) -> None:
        self._how = how
        self._book = place.folder.parent / _LAST_TRAIN
        self._last: dict[str, int] = {}
        self._before = self._known() if how == "time" else 0

    def next(self, stream: str, time: float) -> int:
        """Give the id of the next event of a stream."""
        last = self._last.get(stream, self._before)
        tick = int(time * TRAINS_A_SECOND) if self._how == "time" else 0
        self._last[stream] = max(last + 1, tick)
        return self._last[stream]

    def close(self) -> None:
        """Note the last id for the runs to come."""
        if self._how == "seq" or not self._last:
            return
        with FileLock(f"{self._book}.lock"):
            last = max(self._known(), *self._last.values())
            self._book.write_text(str(last), "ascii")

    def _known(self) -> int:
        try:
            return int(self._book.read_text("ascii"))
        except (OSError, ValueError):
            return 0
