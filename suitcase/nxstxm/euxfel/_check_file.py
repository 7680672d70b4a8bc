"""What must be true of one file of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._errors import NXstxmError
from .._h5heap import refuse_broken_heaps
from .._h5tree import Field, Group, Problem, open_file, snapshot
from ._check_source import AnyArray, Source, fields_in, run_problems, source_problems, values
from ._check_virtual import virtual_problems

#: What files are called.
NAME = re.compile(r"([A-Z]+)-R(\d{4})-(\w{2,}\d{2})-S(\d{5})\.h5")
#: Versions of the format that are checked: what is before them is another.
VERSIONS = ("1.0", "1.2", "1.3")
#: Datasets of METADATA that are text, and such that are numbers.
TEXTS = ("creationDate", "daqLibrary", "karaboFramework", "updateDate")
NUMBERS = ("proposalNumber", "runNumber", "sequenceNumber")
#: Datasets of INDEX, their dtypes, and from which version on they are wanted.
INDEX = (
    ("timestamp", np.uint64, "1.0"), ("flag", np.int32, "1.0"), ("origin", np.int32, "1.2"),
)  # fmt: skip
#: Datasets up to this size (bytes) are looked into.
_VALUE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class CheckedFile:
    """What one file has.

    Attributes
    ----------
    path : Path
        The file.
    problems : list of Problem
        What is wrong with it.
    is_damaged : bool
        Whether parts of it can not be read.
    train_ids : ndarray of uint64, shape (n,), or None
        Its trains.
    sources : tuple of Source
        Its sources.
    numbers : dict of str to int
        What METADATA says of proposal, run and sequence.
    dtypes : dict of str to str
        Of each dataset of a source, its dtype and the shape of a row.
    """

    path: Path
    problems: list[Problem]
    is_damaged: bool = False
    train_ids: AnyArray | None = None
    sources: tuple[Source, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)


def check_file(path: Path) -> CheckedFile:
    """Check one file; damage is a problem, not an exception."""
    problems = list(_name_problems(path))
    try:
        with open_file(path) as h5:
            refuse_broken_heaps(path)
            root, damage = snapshot(h5, value_bytes=_VALUE_BYTES)
            if not damage:
                problems += virtual_problems(path, h5)
    except NXstxmError as error:
        return CheckedFile(path, [*problems, Problem("error", "/", str(error))], is_damaged=True)
    problems += damage
    for name in ("METADATA", "INDEX"):
        if name not in root.groups:
            problems.append(Problem("error", f"/{name}", "is missing: the file can not be opened"))
            return CheckedFile(path, problems, bool(damage))
    if root.at("METADATA/dataSourceId") is not None:
        told = "is missing, since the file is of version 0.5: only EXtra-data's own checks are made"
        problems.append(Problem("warning", "/METADATA/dataFormatVersion", told))
        return CheckedFile(path, problems, bool(damage))
    version = _version(root, problems)
    numbers = _metadata(root, problems)
    sources = _sources(root, problems)
    ids = _trains(root, version, problems)
    for source in sources:
        problems += source_problems(root, source, ids)
    problems += run_problems(root)
    problems += _unlisted(root, sources)
    problems += _number_problems(path, numbers)
    return CheckedFile(path, problems, bool(damage), ids, sources, numbers, _dtypes(root, sources))


def is_file_of_run(path: Path) -> bool:
    """Tell whether a file is called as those of runs are."""
    return NAME.fullmatch(path.name) is not None


def _name_problems(path: Path) -> Iterator[Problem]:
    if NAME.fullmatch(path.name) is None:
        yield Problem("warning", "/", f"{path.name} is not called as RAW-R0001-DA01-S00000.h5 is")


# -- METADATA -------------------------------------------------------------------------------------


def _version(root: Group, problems: list[Problem]) -> str:
    path = "/METADATA/dataFormatVersion"
    stored = root.at(path)
    found = stored.text() if isinstance(stored, Field) else None
    if found is None:
        problems.append(Problem("error", path, "is missing, or no text: readers take it for 0.5"))
    elif len(stored.shape) != 1:  # type: ignore[union-attr] # a Field: it has a text
        problems.append(Problem("error", path, "is no array of one"))
    elif found not in VERSIONS:
        problems.append(Problem("error", path, f"is {found!r}; checked are {', '.join(VERSIONS)}"))
    return found if found in VERSIONS else VERSIONS[-1]


def _metadata(root: Group, problems: list[Problem]) -> dict[str, int]:
    """Check METADATA; give its numbers."""
    home = root.groups["METADATA"]
    for each in home.fields.values():
        if len(each.shape) != 1:
            problems.append(
                Problem("error", each.path, f"has the shape {each.shape}; readers need an array")
            )
    for name in TEXTS:
        stored = home.fields.get(name)
        if stored is None:
            problems.append(Problem("warning", f"/METADATA/{name}", "is missing"))
        elif not stored.is_text:
            problems.append(Problem("error", stored.path, f"is {stored.dtype}, no text"))
    found: dict[str, int] = {}
    for name in NUMBERS:
        stored = home.fields.get(name)
        if stored is None:
            problems.append(Problem("warning", f"/METADATA/{name}", "is missing"))
        elif stored.dtype.kind not in "ui" or stored.shape != (1,) or stored.value is None:
            problems.append(Problem("error", stored.path, "is not one whole number"))
        else:
            found[name] = int(np.ravel(np.asarray(stored.value))[0])
    return found


def _number_problems(path: Path, numbers: dict[str, int]) -> Iterator[Problem]:
    named = NAME.fullmatch(path.name)
    if named is None:
        return
    for name, said in (("runNumber", named[2]), ("sequenceNumber", named[4])):
        if name in numbers and numbers[name] != int(said):
            yield Problem(
                "error",
                f"/METADATA/{name}",
                f"is {numbers[name]}, the name of the file says {said}",
            )


def _sources(root: Group, problems: list[Problem]) -> tuple[Source, ...]:
    """Check the table of sources; give them."""
    home = "/METADATA/dataSources"
    columns: dict[str, list[str]] = {}
    for name in ("dataSourceId", "root", "deviceId"):
        stored = values(root.at(f"{home}/{name}"))
        if stored is None:
            told = "is missing, or no array of text"
            problems.append(Problem(_level(name == "dataSourceId"), f"{home}/{name}", told))
        else:
            columns[name] = [_text(each) for each in stored]
    ids = columns.get("dataSourceId", [])
    for name, column in columns.items():
        if len(column) != len(ids):
            problems.append(
                Problem("error", f"{home}/{name}", f"has {len(column)} of {len(ids)} rows")
            )
    if len(columns) == 3:
        for name, *parts in zip(ids, columns["root"], columns["deviceId"], strict=False):
            if name and "/".join(parts) != name:
                told = f"root and deviceId say {'/'.join(parts)!r}, not {name!r}"
                problems.append(Problem("error", f"{home}/deviceId", told))
    found: dict[Source, None] = {}
    for name in filter(None, ids):
        source, told = _source(name)
        if source in found:
            told = "is there twice"
        if told:
            problems.append(Problem("error", f"{home}/dataSourceId", f"{name!r} {told}"))
        if source is not None:
            found[source] = None
    return tuple(found)


def _source(name: str) -> tuple[Source | None, str]:
    """Give the source of that name; or none, and what is wrong with it."""
    category, _, rest = name.partition("/")
    if category not in ("CONTROL", "INSTRUMENT") or not rest:
        return None, "is neither CONTROL nor INSTRUMENT"
    if category == "INSTRUMENT" and not re.fullmatch(r"[^:]+:[^:/]+/[^:/]+", rest):
        return None, "is no device:channel/group"
    return Source(category, rest), ""


def _level(is_error: bool) -> Literal["error", "warning"]:
    return "error" if is_error else "warning"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# -- INDEX ----------------------------------------------------------------------------------------


def _trains(root: Group, version: str, problems: list[Problem]) -> AnyArray | None:
    """Check the trains of a file; give their ids."""
    path = "/INDEX/trainId"
    ids = values(root.at(path))
    if ids is None or ids.dtype != np.uint64:
        problems.append(Problem("error", path, "is missing, or no array of uint64"))
        return None
    if (ids == 0).any():
        end = int(np.flatnonzero(ids == 0)[0])
        if (ids[end:] != 0).any():
            problems.append(Problem("error", path, f"is 0 at {end}, before the last train"))
        ids = ids[ids != 0]
    back = np.flatnonzero(ids[1:] <= ids[:-1])
    if len(back):
        at = int(back[0]) + 1
        problems.append(Problem("error", path, f"does not rise at {at}: {ids[at - 1]}, {ids[at]}"))
    for name, dtype, since in INDEX:
        _check_index(root, name, dtype, len(ids), since <= version, problems)
    return ids


def _check_index(
    root: Group, name: str, dtype: Any, n: int, wanted: bool, problems: list[Problem]
) -> None:
    path = f"/INDEX/{name}"
    column = values(root.at(path))
    if column is None:
        if wanted or root.at(path) is not None:
            told = "is missing, or has not one dimension"
            problems.append(Problem(_level(name == "flag"), path, told))
        return
    if column.dtype != dtype:
        problems.append(Problem("error", path, f"is {column.dtype}, not {np.dtype(dtype)}"))
        return
    if len(column) < n:
        problems.append(Problem("error", path, f"has {len(column)} values for {n} trains"))
    if name == "flag" and not set(np.unique(column).tolist()) <= {0, 1}:
        problems.append(Problem("error", path, "has other values than 0 and 1"))
    if name == "timestamp":
        known = column[:n]
        back = np.flatnonzero(known[1:] < known[:-1])
        if len(back):
            problems.append(Problem("warning", path, f"goes back at train {int(back[0]) + 1}"))


# -- what nobody names ----------------------------------------------------------------------------


def _unlisted(root: Group, sources: tuple[Source, ...]) -> Iterator[Problem]:
    """Find data that no source has: readers do not see them."""
    known = {source.path for source in sources}
    for name in ("CONTROL", "INSTRUMENT"):
        home = root.groups.get(name)
        if home is None:
            if any(source.root == name for source in sources):
                yield Problem("error", f"/{name}", "is missing")
            continue
        told: set[str] = set()
        for each in fields_in(home):
            parents = each.path.split("/")
            if any("/".join(parents[:i]) in known for i in range(3, len(parents))):
                continue
            place = "/".join(parents[:-1])
            if place not in told:
                told.add(place)
                yield Problem("error", place, "has data, but no dataSourceId names it")


def _dtypes(root: Group, sources: tuple[Source, ...]) -> dict[str, str]:
    found = {}
    for source in sources:
        home = root.at(source.path)
        for each in fields_in(home) if isinstance(home, Group) else ():
            found[each.path] = f"{each.dtype} {each.shape[1:]}"
    return found
