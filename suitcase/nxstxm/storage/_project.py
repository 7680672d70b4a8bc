"""A part of nested metadata, by dotted names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import RunMetadataNotAvailable

_MISSING = object()


def projected(known: Mapping[str, Any], projection: str | Iterable[str] | None, run_id: str) -> Any:
    """Give a part.

    Parameters
    ----------
    known : Mapping
        Everything.
    projection : str or iterable of str, optional
        One dotted name, whose value is given; several, of which those that are there are given.
    run_id : str
        Whose it is, for the message.

    Raises
    ------
    RunMetadataNotAvailable
        There is no value of that one name.
    """
    if projection is None:
        return dict(known)
    if isinstance(projection, str):
        found = _at(known, projection)
        if found is _MISSING:
            raise RunMetadataNotAvailable(
                f"run {run_id!r} has no {projection!r}; it has {', '.join(map(str, known))}"
            )
        return found
    pairs = ((name, _at(known, name)) for name in projection)
    return {name: value for name, value in pairs if value is not _MISSING}


def value_at(known: Any, name: str, default: Any = None) -> Any:
    """Follow a dotted name; a key that has dots itself is found, and a number is an index.

    Parameters
    ----------
    known : Mapping, list or other
        Nested values.
    name : str
        The name: ``"start.sample.name"``, ``"start.motors.0"``.
    default : object
        What is given when there is nothing under that name.
    """
    found = _at(known, name)
    return default if found is _MISSING else found


def _at(known: Any, name: str) -> Any:
    if isinstance(known, Mapping):
        if name in known:
            return known[name]
        for i, letter in enumerate(name):
            if letter == "." and name[:i] in known:
                found = _at(known[name[:i]], name[i + 1 :])
                if found is not _MISSING:
                    return found
        return _MISSING
    if isinstance(known, (list, tuple)):
        head, _, rest = name.partition(".")
        if head.isdigit() and int(head) < len(known):
            return _at(known[int(head)], rest) if rest else known[int(head)]
    return _MISSING


def merged(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Put two nested mappings together; where both have a value the first counts."""
    made = dict(other)
    for key, value in first.items():
        both = isinstance(value, Mapping) and isinstance(made.get(key), Mapping)
        made[key] = merged(value, made[key]) if both else value
    return made
