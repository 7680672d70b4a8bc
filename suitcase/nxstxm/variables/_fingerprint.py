"""The fingerprint of a variable: the hash of its code, and of what its group was given."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from .._errors import NXstxmError
from ..storage import canonical
from ._group import is_group
from ._source import Source
from ._variable import Variable


def fingerprint_of(variable: Variable, source: Source, module: str) -> str:
    """Give the hash of what a variable does.

    Parameters
    ----------
    variable : Variable
        The variable.
    source : Source
        The context file, from which it may have come, or not: it may be imported.
    module : str
        The name of the module that the context file is.
    """
    return _with_fields(_of_code(variable, source, module), variable)


def _of_code(variable: Variable, source: Source, own: str) -> str:
    """Give the hash of a variable's code, which may be that of an installed package."""
    place = _place_of(variable)
    module = sys.modules.get(getattr(variable.func, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == own or file is None:
        return source.fingerprint(place, variable.line)
    try:
        code = Path(file).read_text(encoding="utf-8")
    except OSError:
        return source.fingerprint(place, variable.line)
    # of an installed package only that module counts
    folder = source.folder if Path(file).parent == source.folder else None
    return Source(code, folder).fingerprint(place, variable.line)


def _place_of(variable: Variable) -> str:
    """Name a variable as its code has it: ``name``, or ``Class.method``."""
    function = variable.func
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", variable.name)
    if owner is None:
        return name
    for cls in type(owner).__mro__:
        if name in vars(cls):
            return f"{cls.__name__}.{name}"
    return f"{type(owner).__name__}.{name}"


def _with_fields(fingerprint: str, variable: Variable) -> str:
    """Let the fields of a group's instance count, too."""
    owner = getattr(variable.func, "__self__", None)
    if owner is None:
        return fingerprint

    fields: dict[str, str] = {}
    for key, value in vars(owner).items():
        if key in ("name", "title", "tags", "sep"):
            continue
        if is_group(value):
            fields[key] = value.name
            continue
        try:
            fields[key] = canonical(value, f"field {key!r}")
        except NXstxmError:
            fields[key] = repr(value)
    text = json.dumps([fingerprint, fields], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
