"""The options of those who write EuXFEL runs, checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from .._errors import NXstxmTypeError, OptionError
from ..documents import DIRECT, Filling
from ._names import safe

#: Of the format.
Version = Literal["1.2", "1.3"]
#: By time, or counted in each stream.
TrainIds = Literal["time", "seq"]
#: What an event is.
Events = Literal["train", "pulse"]
#: What becomes of frames that lie in files of a detector.
External = Literal["copy", "vds"]
CHOICES: Mapping[str, tuple[str, ...]] = {
    "version": get_args(Version), "train_ids": get_args(TrainIds), "events": get_args(Events),
    "external": get_args(External),
}  # fmt: skip
#: The format has four digits for a run, six for a proposal.
LAST_RUN, LAST_PROPOSAL = 9999, 999_999
_TEXT = ("domain", "instrument", "cycle")


@dataclass(frozen=True)
class RunOptions:
    """How EuXFEL runs are written.

    Attributes
    ----------
    proposal : int, str or None
        Number of the proposal; unless given what the start document says under ``proposal``,
        ``proposal_id`` or ``data_session``, else 0.
    instrument, cycle : str or None
        Names of two folders around those of the proposals, as ``SCS/202601``; both or none.
    domain : str
        What the names of sources begin with.
    trains_per_file : int
        How many trains a file has; then it is complete, and the next one begins.
    bytes_per_file : int
        After so many bytes of arrays as well.
    train_ids : {"time", "seq"}
        By time, ten a second and never one twice in a proposal; or counted in each stream from 1.
    events : {"train", "pulse"}
        Whether each event is a train, or those of a tenth of a second are the pulses of one.
    pulses : tuple of str, or None
        Data keys whose arrays have a row a pulse: the pixels of a line, frames of one event.
        Unless given, arrays of three and more dimensions, and the lines of a scan that is known
        to be one.
    monitors : tuple of str
        Streams, as patterns of names, whose events belong to the train that comes after them.
    external : {"copy", "vds"}
        Whether frames in HDF5 files of a detector are copied, or virtual datasets name them.
    legacy : Mapping of str to str
        Older names of sources of arrays, as ``SCS/CAM/1:output``, and the data keys that they had.
    version : {"1.2", "1.3"}
        Of the format.
    handler_registry : Mapping of str to callable
        Handlers for readings that lie in files, by spec, before those of installed packages.
    root_map : Mapping of str to str
        Root of such files, as the documents name it, to where it is now.
    fill_or_fail : bool
        Raise when such a reading can not be read; otherwise it is left out, and the run says so.

    Raises
    ------
    OptionError
        One of them makes no sense.
    """

    proposal: int | str | None = None
    instrument: str | None = None
    cycle: str | None = None
    domain: str = "STXM"
    trains_per_file: int = 500
    bytes_per_file: int = 8 * 2**30
    train_ids: TrainIds = "time"
    events: Events = "train"
    pulses: tuple[str, ...] | None = None
    monitors: tuple[str, ...] = ("*_monitor",)
    external: External = "copy"
    legacy: Mapping[str, str] = field(default_factory=dict)
    version: Version = "1.3"
    handler_registry: Mapping[str, Any] = field(default_factory=dict)
    root_map: Mapping[str, str] = field(default_factory=dict)
    fill_or_fail: bool = False

    @classmethod
    def of(cls, **options: Any) -> RunOptions:
        """Check options as a caller gives them.

        Raises
        ------
        NXstxmTypeError, OptionError
            One does not exist, or can not have this value.
        """
        known = [each.name for each in fields(cls)]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise NXstxmTypeError(
                f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}"
            )
        for name in ("pulses", "monitors"):
            value = options.get(name)
            if isinstance(value, str):
                options[name] = (value,)
            elif value is not None:
                options[name] = _names(name, value)
        for name in ("legacy", "handler_registry", "root_map"):
            given = options.get(name) or {}
            if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
                raise OptionError(f"{name} is {given!r}; give a mapping of text")
            options[name] = dict(given)
        return cls(**options)

    def __post_init__(self) -> None:
        """Check them."""
        if self.proposal is not None and number_of(self.proposal) is None:
            raise OptionError(
                f"proposal={self.proposal!r} is no number of a proposal, which are 0 to "
                f"{LAST_PROPOSAL}"
            )
        for name in _TEXT:
            value = getattr(self, name)
            is_none = value is None and name != "domain"
            if not is_none and (not isinstance(value, str) or not value or safe(value) == "_"):
                raise OptionError(f"{name}={value!r} is no name")
        if safe(self.domain) == "BLUESKY":
            raise OptionError(f"domain={self.domain!r} is taken by what Bluesky says")
        if (self.instrument is None) != (self.cycle is None):
            raise OptionError(
                f"instrument={self.instrument!r} and cycle={self.cycle!r}: give both or none"
            )
        for name in ("trains_per_file", "bytes_per_file"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise OptionError(f"{name}={value!r} is no positive number")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                told = ", ".join(map(repr, choices))
                raise OptionError(f"{name}={getattr(self, name)!r} is not one of {told}")
        for old, key in self.legacy.items():
            if old.count(":") != 1 or not isinstance(key, str):
                raise OptionError(
                    f"legacy has {old!r}: {key!r}; give older names of sources with their "
                    f"channel, as 'SCS/CAM/1:output', and data keys"
                )

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders around those of the proposals."""
        if self.instrument is None or self.cycle is None:
            return ()
        return safe(self.instrument), safe(self.cycle)

    @property
    def direct(self) -> frozenset[str]:
        """Kinds of resources that are read without a handler, when all is known of them."""
        return DIRECT - {*self.handler_registry}

    def filling(self) -> Filling:
        """Make what fills the events of a run."""
        return Filling(
            self.handler_registry, self.root_map, fill_or_fail=self.fill_or_fail, leave=self.direct
        )

    def saved(self) -> dict[str, Any]:
        """Give what a journal remembers, as arguments for `of`."""
        told = asdict(replace(self, handler_registry={}))
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}


def _names(name: str, value: Any) -> tuple[str, ...]:
    try:
        names = tuple(value)
    except TypeError:
        names = (None,)
    if not all(isinstance(each, str) for each in names):
        raise OptionError(f"{name}={value!r} are no names")
    return names


def number_of(value: Any) -> int | None:
    """Give the number of a proposal, however it is written; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    # 2026-123456 is a year and a number
    digits = "".join(c if c.isascii() and c.isdigit() else " " for c in str(value)).split()
    is_negative = isinstance(value, int) and value < 0
    number = -1 if is_negative or not digits else int(digits[-1])
    return number if 0 <= number <= LAST_PROPOSAL else None
