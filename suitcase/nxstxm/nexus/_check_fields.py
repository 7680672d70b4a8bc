"""The rules for single datasets: type, shape, allowed values and units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from suitcase.nxstxm._h5tree import Field, Group, Problem, as_text
from suitcase.nxstxm.nexus._check_rules import (
    BINNED_BY,
    DATA_UNITS,
    SYMBOLS,
    UNITLESS,
    WRONG_UNIT_ATTRIBUTES,
    FieldRule,
)

_KINDS: Mapping[str, str] = {
    "text": "a string",
    "number": "a number",
    "float": "floating point",
    "float64": "float64",
}


def error(path: str, message: str) -> Problem:
    """Give a problem that keeps readers from the file."""
    return Problem("error", path, message)


def warning(path: str, message: str) -> Problem:
    """Give a problem that readers can live with."""
    return Problem("warning", path, message)


def listed(names: Sequence[object]) -> str:
    """Give names as one text, ``none`` for no name."""
    return ", ".join(str(name) for name in names) or "none"


def field_problems(
    group: Group, rules: Sequence[FieldRule], symbols: Mapping[str, int]
) -> Iterator[Problem]:
    """Hold the datasets of a group against a table; `symbols` are the lengths known so far."""
    for rule in rules:
        found = group.fields.get(rule.name)
        if found is not None:
            yield from _one_field(found, rule, symbols)
        elif rule.required:
            kind = "is a group, not a dataset" if rule.name in group.groups else "is missing"
            yield error(f"{group.path}/{rule.name}", f"the dataset {kind}")


def _one_field(found: Field, rule: FieldRule, symbols: Mapping[str, int]) -> Iterator[Problem]:
    if not _is_kind(found, rule.kind):
        yield error(found.path, f"is of type {found.dtype}, not {_KINDS[rule.kind]}")
        return
    if rule.fixed_bytes and not found.is_fixed_bytes:
        yield error(found.path, "must hold bytes of fixed length; some readers need them")
    if rule.shape is not None:
        yield from _shape_problems(found, rule, symbols)
    if rule.one_of:
        text = found.text()
        if text not in rule.one_of:
            yield error(found.path, f"{text!r} is not one of: {listed(rule.one_of)}")
    units = as_text(found.attrs.get("units"))
    if rule.units and units and units not in rule.units:
        yield error(f"{found.path}@units", f"{units!r} is not {listed(rule.units)}")


def _is_kind(found: Field, kind: str) -> bool:
    return {
        "text": found.is_text,
        "number": found.is_number or found.dtype.kind == "c",
        "float": found.dtype.kind == "f",
        "float64": found.dtype.kind == "f" and found.dtype.itemsize == 8,
    }[kind]


def _shape_problems(found: Field, rule: FieldRule, symbols: Mapping[str, int]) -> Iterator[Problem]:
    expected = rule.shape or ()
    rank_fits = len(found.shape) == len(expected) or (
        rule.trailing and len(found.shape) > len(expected)
    )
    if not rank_fits:
        wanted = "(" + ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "") + ")"
        yield error(found.path, f"has the shape {found.shape}, not {wanted}")
        return
    for length, wanted_length in zip(found.shape, expected, strict=False):
        if wanted_length == "n" and length == 0:
            yield error(found.path, "is empty")
        elif isinstance(wanted_length, int) and length != wanted_length:
            yield error(found.path, f"has the shape {found.shape}, not {expected}")
        elif wanted_length == "nP" and BINNED_BY in found.attrs:
            continue  # samples of lines, which are not the points
        elif symbols.get(str(wanted_length), length) != length:
            symbol = str(wanted_length)
            yield error(
                found.path,
                f"has the length {length}, not {symbol} = {symbols[symbol]}, {SYMBOLS[symbol]}",
            )


def unit_problems(entry: Group) -> Iterator[Problem]:
    """Every number outside the collection of readings is physical, and so has a unit."""
    for name, child in entry.groups.items():
        if name == "collection":
            continue
        for group in child.walk():
            for member in group.fields.values():
                name = member.path.rpartition("/")[2]
                if not member.is_number or name in UNITLESS:
                    continue
                if name == "data" and DATA_UNITS in group.attrs:
                    continue  # it is in a file of the detector
                if "units" not in member.attrs:
                    yield error(f"{member.path}@units", "the attribute is missing")
                elif not (as_text(member.attrs["units"]) or "").strip():
                    yield error(f"{member.path}@units", "the attribute names no unit")


def unit_value_problems(group: Group) -> Iterator[Problem]:
    """Give the units that name a category (NX_LENGTH) or stand in the wrong attribute."""
    for member in group.fields.values():
        units = as_text(member.attrs.get("units"))
        if units is not None and units.startswith("NX_"):
            yield error(
                f"{member.path}@units", f"{units!r} is a category of units; name the unit itself"
            )
        for name in WRONG_UNIT_ATTRIBUTES:
            if name in member.attrs:
                yield error(f"{member.path}@{name}", "readers look for units in @units only")
