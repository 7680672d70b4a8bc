"""The rules of `_check_rules`, held against the snapshot of one NXentry.

Pure functions from what was read to the problems found; nothing here opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from suitcase.nxstxm._h5tree import Group, Problem, as_text
from suitcase.nxstxm.nexus._check_data import control_problems, picture_problems
from suitcase.nxstxm.nexus._check_fields import (
    error,
    field_problems,
    listed,
    unit_problems,
    warning,
)
from suitcase.nxstxm.nexus._check_rules import (
    BINNED_BY,
    ENTRY_FIELDS,
    INSTRUMENT_FIELDS,
    MONOCHROMATOR_FIELDS,
    POSITION_FIELDS,
    POSITION_NAMES,
    SAMPLE_FIELDS,
    SOURCE_FIELDS,
)

_ISO_8601 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def entry_problems(entry: Group) -> Iterator[Problem]:
    """Give everything that is wrong with one NXentry."""
    yield from field_problems(entry, ENTRY_FIELDS, {})
    yield from _time_problems(entry)
    yield from _default_problems(entry)
    complete = entry.attrs.get("complete")
    if not isinstance(complete, bool | np.bool_):
        found = "is missing" if complete is None else f"is {complete!r}, not a boolean"
        yield warning(f"{entry.path}@complete", f"the attribute {found}")

    symbols: dict[str, int] = {}
    instruments = entry.of_class("NXinstrument")
    if len(instruments) != 1:
        yield error(entry.path, f"has {len(instruments)} NXinstrument instead of exactly one")
    for instrument in instruments[:1]:
        yield from _instrument_problems(instrument, symbols)
        yield from _binned_problems(entry, instrument)
    samples = entry.of_class("NXsample")
    if not samples:
        yield error(entry.path, "has no NXsample, where rotation_angle belongs")
    for sample in samples:
        yield from field_problems(sample, SAMPLE_FIELDS, symbols)

    pictures = entry.of_class("NXdata")
    if not pictures:
        yield error(entry.path, "has no NXdata")
    for picture in pictures:
        yield from picture_problems(picture)
    if "control" in entry.groups:
        yield from control_problems(entry.groups["control"], pictures)
    yield from unit_problems(entry)


def _time_problems(entry: Group) -> Iterator[Problem]:
    times: dict[str, datetime] = {}
    for name in ("start_time", "end_time"):
        found = entry.fields.get(name)
        text = found.text() if found is not None else None
        if found is None or text is None:
            continue
        time = _time(text)
        if time is None:
            yield error(
                found.path,
                f"{text!r} is not an ISO 8601 time with its UTC offset, "
                "such as 2019-07-12T15:04:05+00:00",
            )
        else:
            times[name] = time
    if len(times) == 2 and times["end_time"] < times["start_time"]:
        start, end = times["start_time"], times["end_time"]
        yield error(
            f"{entry.path}/end_time",
            f"{end.isoformat()} is before start_time {start.isoformat()}",
        )


def _time(text: str) -> datetime | None:
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, offset = match.groups()
    # Python 3.10 reads neither "Z" nor fractions of any other length than 3 and 6.
    micro = ((fraction or "") + "000000")[:6]
    try:
        return datetime.fromisoformat(f"{seconds}.{micro}{'+00:00' if offset == 'Z' else offset}")
    except ValueError:
        return None


def _default_problems(entry: Group) -> Iterator[Problem]:
    name = as_text(entry.attrs.get("default"))
    path = f"{entry.path}@default"
    if name is None:
        yield error(path, "the attribute is missing; viewers then show nothing")
    elif name not in entry.groups:
        yield error(path, f"{name!r} does not exist")
    elif entry.groups[name].nx_class != "NXdata":
        yield error(path, f"{name!r} is an {entry.groups[name].nx_class}, not an NXdata")


def _instrument_problems(instrument: Group, symbols: dict[str, int]) -> Iterator[Problem]:
    """Check the instrument; the number of points it shows becomes ``symbols["nP"]``."""
    sources = instrument.of_class("NXsource")
    if len(sources) != 1:
        yield error(instrument.path, f"has {len(sources)} NXsource instead of exactly one")
    for source in sources:
        yield from field_problems(source, SOURCE_FIELDS, symbols)

    mono = instrument.groups.get("monochromator")
    if mono is None or mono.nx_class != "NXmonochromator":
        yield error(f"{instrument.path}/monochromator", "the NXmonochromator is missing")
    else:
        yield from field_problems(mono, MONOCHROMATOR_FIELDS, symbols)
        energy = mono.fields.get("energy")
        if energy is not None and len(energy.shape) == 1 and BINNED_BY not in energy.attrs:
            symbols["nP"] = energy.shape[0]

    detectors = [
        group for group in instrument.of_class("NXdetector") if _name(group) not in POSITION_NAMES
    ]
    if not detectors:
        yield error(
            instrument.path,
            f"has no NXdetector that counts anything ({listed(POSITION_NAMES)} are positions)",
        )
    for name, group in instrument.groups.items():
        if group.nx_class == "NXdetector" and name in POSITION_NAMES:
            yield from field_problems(group, POSITION_FIELDS, symbols)
        else:
            rules = INSTRUMENT_FIELDS.get(group.nx_class or "", ())
            yield from field_problems(group, rules, symbols)


def _binned_problems(entry: Group, instrument: Group) -> Iterator[Problem]:
    """Check that a list of samples has as many as the binning says of its lines."""
    for group in instrument.groups.values():
        for found in group.fields.values():
            place = as_text(found.attrs.get(BINNED_BY))
            if place is None:
                continue
            home, _, name = place.rpartition("/")
            lengths = entry.groups[home].fields.get(name) if home in entry.groups else None
            if lengths is None:
                yield error(f"{found.path}@{BINNED_BY}", f"{place!r} does not exist")
            elif lengths.value is not None and found.shape:
                n = int(np.sum(np.asarray(lengths.value)))
                if n != found.shape[0]:
                    yield error(found.path, f"has {found.shape[0]} samples, but {place} counts {n}")


def _name(group: Group) -> str:
    return group.path.rpartition("/")[2]
