"""In what two lineages differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._canonical import as_text
from ._key import DataKey, Lineage

_NOTHING = object()


def differences(one: DataKey | Mapping[str, Any], other: DataKey | Mapping[str, Any]) -> list[str]:
    """Say in what the ways differ in which two pieces of data were made.

    Parameters
    ----------
    one, other : DataKey or lineage
        The two.

    Returns
    -------
    list of str
        ``"align.version 1 -> 2"``, ``"od.dark 0.0 -> 3.0"``; nothing where they are the same.
    """
    return list(_differences(_steps(one), _steps(other)))


def compared(one: DataKey | Mapping[str, Any], other: DataKey | Mapping[str, Any]) -> str:
    """Say it in one line: ``"same"``, or ``"differs: align.version 1 -> 2"``."""
    found = differences(one, other)
    return f"differs: {', '.join(found)}" if found else "same"


def _steps(given: DataKey | Mapping[str, Any]) -> Lineage:
    if isinstance(given, DataKey):
        return given.lineage
    return given if isinstance(given, Lineage) else Lineage(given)


def _differences(one: Lineage, other: Lineage) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if name not in one:
            yield f"{name} added"
        elif name not in other:
            yield f"{name} removed"
        else:
            a, b = one[name], other[name]
            if a.name != b.name:
                yield f"{name} made by {a.name} -> {b.name}"
            if a.version != b.version:
                yield f"{name}.version {a.version} -> {b.version}"
            yield from _values(name, a.options, b.options)


def _values(name: str, a: Any, b: Any) -> Iterator[str]:
    """Go down to the value that differs."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted({*a, *b}):
            yield from _values(f"{name}.{key}", a.get(key, _NOTHING), b.get(key, _NOTHING))
    elif a is _NOTHING or b is _NOTHING or as_text(a) != as_text(b):
        yield f"{name} {_shown(a)} -> {_shown(b)}"


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = as_text(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
