"""The options that every writer takes, read once and checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._errors import NXstxmTypeError, NXstxmValueError, OptionError
from ..data import Chain, chain
from ..documents import DIRECT, Filling, shown
from ..scans import check_roles
from ._filters import Compression, filters

if TYPE_CHECKING:
    from ._entry import EntryWriter


@dataclass(frozen=True)
class Facility:
    """Where a file was measured; nothing in this package knows one by itself.

    Attributes
    ----------
    name : str
        Name of the source (``instrument/source/name``).
    type, probe : str
        Of NeXus's enumerations for NXsource.
    beamline : str or None
        Name of the instrument.
    """

    name: str = "unknown"
    type: str = "Synchrotron X-ray Source"
    probe: str = "x-ray"
    beamline: str | None = None

    @classmethod
    def of(cls, value: Facility | Mapping[str, str] | str | None) -> Facility:
        """Take a facility, its fields as a mapping, or only its name."""
        if value is None:
            return cls()
        if isinstance(value, Facility):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, Mapping):
            known = {f.name for f in fields(cls)}
            wrong = [str(k) for k in value if k not in known or not isinstance(value[k], str)]
            if wrong:
                raise OptionError(
                    f"facility has {', '.join(wrong)}; it takes text for {', '.join(sorted(known))}"
                )
            return cls(**value)
        raise NXstxmTypeError(f"facility is a {type(value).__name__}; give a name or a mapping")


@dataclass(frozen=True)
class WriterOptions:
    """What a user may choose about a file.

    Attributes
    ----------
    facility : Facility
        The source and the instrument.
    devices : Mapping of str to str
        Role to data key, over what the plan says.
    timezone : tzinfo
        Time zone of the times in the file; UTC unless given, never the machine's, so that the
        same documents give the same file everywhere.
    compression : str
        ``"none"``, ``"gzip"``, ``"bitshuffle-lz4"`` or ``"blosc2-zstd"`` for arrays above 64 KiB;
        the last two need hdf5plugin, also to be read.
    overwrite : bool
        Replace an existing file.
    entry_writer : type of EntryWriter or None
        A subclass whose ``write_*`` methods a facility overrides.
    handler_registry : Mapping of str to callable
        Handlers for readings that lie in files, by spec, before those of installed packages.
    root_map : Mapping of str to str
        Root of such files, as the documents name it, to where it is now.
    processors : Chain or None
        What is done to frames before they become pictures; a function, a `DataProcessor`, or a
        sequence of these. Each run has copies of its own.
    on_error : {"raise", "store_raw", "leave_out"}
        When a processor fails: raise; or take the frame as it came; or leave it out. The entry
        says so in any case.
    fill_or_fail : bool
        Raise when such a reading can not be read; otherwise it is left out, and the entry says so.
    external : {"auto", "link", "vds", "copy"}
        Frames in HDF5 files of a detector: ``"link"`` a whole dataset, ``"vds"`` make a virtual
        dataset of its rows, ``"copy"`` them; ``"auto"`` does the first of these that is possible.
    euxfel : str, Path, Mapping or None
        A folder in which each run is written as a EuXFEL run as well; or a mapping with a
        ``directory`` and options of `suitcase.nxstxm.euxfel.Serializer`.
    """

    facility: Facility = field(default_factory=Facility)
    devices: Mapping[str, str] = field(default_factory=dict)
    timezone: tzinfo = timezone.utc
    compression: Compression = "none"
    overwrite: bool = False
    entry_writer: type[EntryWriter] | None = None
    handler_registry: Mapping[str, Any] = field(default_factory=dict)
    root_map: Mapping[str, str] = field(default_factory=dict)
    fill_or_fail: bool = False
    processors: Chain | None = None
    on_error: Literal["raise", "store_raw", "leave_out"] = "raise"
    external: Literal["auto", "link", "vds", "copy"] = "auto"
    euxfel: Any = None

    @classmethod
    def of(cls, **options: Any) -> WriterOptions:
        """Check options as a caller gives them.

        Raises
        ------
        OptionError, NXstxmTypeError
            An option that does not exist or can not have this value.
        """
        known = [f.name for f in fields(cls)]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise NXstxmTypeError(
                f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}"
            )
        options["facility"] = Facility.of(options.get("facility"))
        options["timezone"] = _timezone(options.get("timezone"))
        devices = options.get("devices") or {}
        if not isinstance(devices, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in devices.items()
        ):
            raise OptionError(f"devices is {devices!r}; give a mapping of role to data key")
        check_roles(devices)
        options["devices"] = dict(devices)
        compression = options.get("compression") or "none"
        filters(compression)  # raises for one that can not be used here
        options["compression"] = compression
        for name in ("handler_registry", "root_map"):
            given = options.get(name) or {}
            if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
                raise OptionError(f"{name} is {shown(given)}; give a mapping of text")
            options[name] = dict(given)
        options["processors"] = _processors(options.get("processors"))
        on_error = options.setdefault("on_error", "raise")
        if on_error not in ("raise", "store_raw", "leave_out"):
            raise OptionError(
                f"on_error {on_error!r} is not one of 'raise', 'store_raw', 'leave_out'"
            )
        external = options.setdefault("external", "auto")
        if external not in ("auto", "link", "vds", "copy"):
            raise OptionError(f"external {external!r} is not one of 'auto', 'link', 'vds', 'copy'")
        options["overwrite"] = bool(options.get("overwrite", False))
        options["fill_or_fail"] = bool(options.get("fill_or_fail", False))
        return cls(**options)

    @property
    def direct(self) -> frozenset[str]:
        """Kinds of resources that are read without a handler, when lists and pictures are made."""
        return DIRECT - {*self.handler_registry}

    def filling(self) -> Filling:
        """Make what fills the events of a run."""
        return Filling(
            self.handler_registry,
            self.root_map,
            fill_or_fail=self.fill_or_fail,
            leave=self.direct,
        )

    def saved(self) -> dict[str, Any]:
        """Give what a temporary file remembers, as arguments for `of`."""
        zone = self.timezone
        name = zone.key if isinstance(zone, ZoneInfo) else "UTC"
        if name == "UTC" and zone is not timezone.utc:
            offset = datetime.now(zone).utcoffset()
            name = "UTC" if offset is None else f"{offset.total_seconds():+g}"
        facility = {k: v for k, v in vars(self.facility).items() if v is not None}
        return {
            "facility": facility,
            "devices": dict(self.devices),
            "timezone": name,
            "compression": self.compression,
            "external": self.external,
            "euxfel": None if self.euxfel is None else _saved(self.euxfel),
        }

    def time(self, seconds: float) -> str:
        """Write a time as ISO 8601 with its offset, as NXstxm asks."""
        try:
            return datetime.fromtimestamp(seconds, self.timezone).isoformat()
        except (OverflowError, OSError, ValueError) as error:
            raise NXstxmValueError(
                f"time {seconds!r} is no time in seconds since the epoch ({error})"
            ) from error


def _saved(value: Any) -> Any:
    """Give what JSON can hold of a folder, or of a mapping with one."""
    if isinstance(value, Mapping):
        told = {key: each for key, each in value.items() if key != "handler_registry"}
        return {**told, "directory": str(value.get("directory"))}
    return str(value)


def _processors(value: Any) -> Chain | None:
    found = chain(value)
    if found is not None:
        found.fresh()  # raises for what can not be copied
    return found


def _timezone(value: Any) -> tzinfo:
    if value is None:
        return timezone.utc
    if isinstance(value, tzinfo):
        return value
    if isinstance(value, str):
        if value.upper() == "UTC":
            return timezone.utc
        if value[:1] in ("+", "-") and value[1:].isdigit():
            return timezone(timedelta(seconds=int(value)))
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise OptionError(
                f"timezone {value!r} is not known; give a name such as 'America/Regina', a "
                f"tzinfo, or leave it out for UTC (on Windows, names need the package tzdata)"
            ) from error
    raise NXstxmTypeError(f"timezone is a {type(value).__name__}; give a name or a tzinfo")
