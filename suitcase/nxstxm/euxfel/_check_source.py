"""What must be true of the sources of one file: index, data, values of the run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._h5tree import Field, Group, Problem

AnyArray = npt.NDArray[Any]
#: Attributes of keys that are text.
TEXT_ATTRIBUTES = (
    "alias", "description", "displayedName", "metricPrefixName", "metricPrefixSymbol", "unitName",
    "unitSymbol",
)  # fmt: skip
#: What may stand before a unit.
PREFIXES = frozenset({"", "y", "z", "a", "f", "p", "n", "u", "m", "c", "d", "da", "h", "k", "M",
                      "G", "T", "P", "E", "Z", "Y"})  # fmt: skip
#: Datasets that tell of each row which train and pulse it is of.
TRAIN_ID, PULSE_ID = "trainId", "pulseId"


@dataclass(frozen=True)
class Source:
    """A source of a file, as ``dataSourceId`` has it.

    Attributes
    ----------
    root : {"CONTROL", "INSTRUMENT"}
        Kind of source.
    name : str
        ``<device>``, or ``<device>:<channel>/<group>``.
    """

    root: str
    name: str

    @property
    def path(self) -> str:
        """Where its data are."""
        return f"/{self.root}/{self.name}"


def values(field: Group | Field | None) -> AnyArray | None:
    """Give the values of a dataset of one dimension that was read; None of anything else."""
    if not isinstance(field, Field) or len(field.shape) != 1 or field.value is None:
        return None
    return np.asarray(field.value)


def source_problems(root: Group, source: Source, train_ids: AnyArray | None) -> Iterator[Problem]:
    """Check a source."""
    counts = yield from _index(root, source, train_ids)
    home = root.at(source.path)
    if not isinstance(home, Group):
        yield Problem("error", source.path, f"dataSourceId has {source.name}, but no such group is")
        return
    if source.root == "CONTROL":
        yield from _control(root, home, source, counts)
    else:
        yield from _instrument(home, counts, train_ids)
    for field in fields_in(home):
        if "." in field.path[len(source.path) :]:
            yield Problem("error", field.path, "has a dot in its name, so that it can not be read")
        yield from _field(field)


def fields_in(group: Group) -> Iterator[Field]:
    """Give all datasets in a group and below it."""
    for each in group.walk():
        yield from each.fields.values()


# -- the index ------------------------------------------------------------------------------------


def _index(
    root: Group, source: Source, train_ids: AnyArray | None
) -> Generator[Problem, None, AnyArray | None]:
    """Check the index of a source, and return how many rows each train has."""
    path = f"/INDEX/{source.name}"
    group = root.at(path)
    if not isinstance(group, Group):
        yield Problem("error", path, f"source {source.name} has no index")
        return None
    found: list[AnyArray] = []
    for name in ("first", "count"):
        column = values(group.fields.get(name))
        if column is None:
            yield Problem("error", f"{path}/{name}", "is missing, or has not one dimension")
        elif column.dtype != np.uint64:
            yield Problem("error", f"{path}/{name}", f"is {column.dtype}, not uint64")
        else:
            found.append(column)
    if len(found) < 2:
        return None
    first, count = found
    if len(first) != len(count):
        yield Problem("error", path, f"has {len(first)} first and {len(count)} count")
        return None
    if train_ids is not None and len(first) != len(train_ids):
        yield Problem("error", path, f"has {len(first)} entries for {len(train_ids)} trains")
        return None
    expected = np.cumsum(count, dtype=np.uint64) - count
    wrong = np.flatnonzero((first != expected) & (count > 0))
    if len(wrong):
        at = int(wrong[0])
        yield Problem(
            "error", f"{path}/first",
            f"train {at} begins at row {first[at]}, but those before it end at {expected[at]}",
        )  # fmt: skip
        return None
    if source.root == "CONTROL" and not set(np.unique(count).tolist()) <= {0, 1}:
        yield Problem("error", f"{path}/count", "a control source has at most one value a train")
    return count


# -- CONTROL and RUN ------------------------------------------------------------------------------


def _control(
    root: Group, home: Group, source: Source, counts: AnyArray | None
) -> Iterator[Problem]:
    of_run = root.at(f"/RUN/{source.name}")
    if not isinstance(of_run, Group):
        yield Problem(
            "error", f"/RUN/{source.name}", "is missing: values of the run can not be read"
        )
    for key in home.walk():
        if "value" not in key.fields:
            if key.fields:
                yield Problem("error", key.path, f"has {', '.join(key.fields)}, but no value")
            continue
        value, n = key.fields["value"], None if counts is None else int(counts.sum())
        rows = value.shape[0] if value.shape else -1
        if n is not None and rows < n:
            yield Problem("error", value.path, f"has {rows} rows, the index {n}")
        yield from _timestamps(key, rows)
        if isinstance(of_run, Group):
            yield from _value_of_run(root, key, value)
        yield from _attributes(key.path, key.attrs)


def _timestamps(key: Group, rows: int) -> Iterator[Problem]:
    field = key.fields.get("timestamp")
    if field is None:
        yield Problem("warning", f"{key.path}/timestamp", "is missing")
        return
    times = values(field)
    if field.dtype != np.uint64:
        yield Problem("error", field.path, f"is {field.dtype}, not uint64 (nanoseconds)")
        return
    if not field.shape or field.shape[0] != rows:
        yield Problem("error", field.path, f"has {field.shape} values for {rows} rows")
    if times is not None:
        known = times[times > 0]
        back = np.flatnonzero(known[1:] < known[:-1])
        if len(back):
            at = int(back[0]) + 1
            yield Problem("error", field.path, f"goes back at row {at}, to {known[at]}")
        if len(known) < len(times) and (times[: len(known)] == 0).any():
            yield Problem("error", field.path, "is 0 before it is not")


def _value_of_run(root: Group, key: Group, value: Field) -> Iterator[Problem]:
    path = f"/RUN{key.path.removeprefix('/CONTROL')}/value"
    stored = root.at(path)
    if not isinstance(stored, Field):
        yield Problem("error", path, "is missing: it is the first value of the run")
    elif stored.shape[:1] != (1,) or stored.shape[1:] != value.shape[1:]:
        yield Problem("error", path, f"has the shape {stored.shape}, not {(1, *value.shape[1:])}")
    elif stored.dtype.kind != value.dtype.kind:
        yield Problem("error", path, f"is {stored.dtype}, in CONTROL {value.dtype}")


def run_problems(root: Group) -> Iterator[Problem]:
    """Check the values of the run: one each, with the time when it was read."""
    home = root.groups.get("RUN")
    for key in () if home is None else home.walk():
        for name, field in key.fields.items():
            if not field.shape or field.shape[0] != 1:
                yield Problem("error", field.path, f"has the shape {field.shape}, not one value")
            if name == "timestamp" and field.dtype != np.uint64:
                yield Problem("error", field.path, f"is {field.dtype}, not uint64 (nanoseconds)")
        if key.fields and "value" not in key.fields:
            yield Problem("error", key.path, f"has {', '.join(key.fields)}, but no value")
        yield from _attributes(key.path, key.attrs)


# -- INSTRUMENT -----------------------------------------------------------------------------------


def _instrument(
    home: Group, counts: AnyArray | None, train_ids: AnyArray | None
) -> Iterator[Problem]:
    found = list(fields_in(home))
    if not found:
        yield Problem("error", home.path, "has no dataset")
    lengths = {field.shape[0] if field.shape else -1 for field in found}
    if len(lengths) > 1:
        told = ", ".join(f"{field.path}: {field.shape}" for field in found)
        yield Problem("error", home.path, f"its datasets have different numbers of rows ({told})")
    n = None if counts is None else int(counts.sum())
    if n is not None:
        for field in found:
            if (field.shape[0] if field.shape else -1) < n:
                yield Problem("error", field.path, f"has the shape {field.shape}, the index {n}")
    if counts is None or n is None:
        return
    ids = values(home.fields.get(TRAIN_ID))
    if ids is not None and train_ids is not None and len(ids) >= n:
        expected = np.repeat(train_ids, counts.astype(np.int64))
        wrong = np.flatnonzero(ids[:n] != expected)
        if len(wrong):
            at = int(wrong[0])
            yield Problem(
                "error", f"{home.path}/{TRAIN_ID}",
                f"row {at} is of train {ids[at]}, by the index of {expected[at]}",
            )  # fmt: skip
    pulses = values(home.fields.get(PULSE_ID))
    if pulses is not None and len(pulses) >= n > 1:
        begins = np.zeros(n, bool)
        begins[(np.cumsum(counts) - counts)[counts > 0].astype(np.int64)] = True
        falls = pulses[1:n].astype(np.int64) <= pulses[: n - 1].astype(np.int64)
        if (falls & ~begins[1:]).any():
            at = int(np.flatnonzero(falls & ~begins[1:])[0]) + 1
            yield Problem("error", f"{home.path}/{PULSE_ID}", f"does not rise at row {at}")


# -- datasets -------------------------------------------------------------------------------------


def _field(field: Field) -> Iterator[Problem]:
    if field.dtype.kind == "S":
        yield Problem("warning", field.path, "has text of fixed length, which is read as bytes")
    elif field.dtype.kind not in "biufcOV":
        yield Problem("error", field.path, f"is {field.dtype}, neither numbers nor text")
    yield from _attributes(field.path, field.attrs)


def _attributes(path: str, attrs: Any) -> Iterator[Problem]:
    for name in TEXT_ATTRIBUTES:
        value = attrs.get(name)
        if value is not None and not isinstance(value, str):
            yield Problem("error", f"{path}@{name}", f"is {value!r}, no text")
    prefix = attrs.get("metricPrefixSymbol", "")
    if isinstance(prefix, str) and prefix not in PREFIXES:
        yield Problem("error", f"{path}@metricPrefixSymbol", f"is {prefix!r}, which is no prefix")
    if isinstance(prefix, str) and prefix and "unitSymbol" not in attrs:
        yield Problem("error", f"{path}@unitSymbol", f"is missing behind the prefix {prefix!r}")
