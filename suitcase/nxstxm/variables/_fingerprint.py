"""The fingerprint of a variable: the hash of its code, and of what its group was given."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

from .._errors import NXstxmError
from ..storage import canonical
from ._errors import GroupError
from ._group import BoundVariable, MisplacedError, is_group
from ._source import Source
from ._variable import Variable

#: What is said of an object that says no more of itself than where in the memory it is.
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


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

    Raises
    ------
    GroupError
        Its group was given something of which nobody can tell whether it changes.
    """
    code = _Code(source, module)
    place = _place_of(variable)
    made = code.of(variable.func).fingerprint(place, variable.line)
    return _with_closure(_with_fields(made, variable, code), variable, code)


class _Code:
    """Code of a context file, and of what it has imported."""

    def __init__(self, source: Source, own: str) -> None:
        self._source = source
        self._own = own

    def of(self, thing: Any) -> Source:
        """Give the code that has a function or class; that of the file where nobody can tell."""
        module = sys.modules.get(getattr(thing, "__module__", None) or "")
        file = getattr(module, "__file__", None)
        if module is None or module.__name__ == self._own or file is None:
            return self._source
        beside = self._source.beside
        try:
            if beside.has(Path(file)):
                return Source(beside.text(Path(file)), beside)
            return Source(Path(file).read_bytes())  # of an installed package only that module
        except (OSError, SyntaxError, ValueError):
            return self._source

    def is_here(self, thing: Any) -> bool:
        """Tell whether a function or class is of the file, or of a module beside it."""
        name = getattr(thing, "__module__", None) or ""
        file = getattr(sys.modules.get(name), "__file__", None)
        return name == self._own or (file is not None and self._source.beside.has(Path(file)))


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


def _with_fields(fingerprint: str, variable: Variable, code: _Code) -> str:
    """Let the fields of a group's instance count, too."""
    owner = getattr(variable.func, "__self__", None)
    if owner is None:
        return fingerprint

    fields: dict[str, Any] = {}
    for key, value in vars(owner).items():
        if key in ("name", "title", "tags", "sep"):
            continue
        try:
            fields[key] = _told(value, code)
        except GroupError as error:
            raise MisplacedError(
                f"field {key!r} of group {owner.name!r} {error}",
                owner.name,
                type(owner).__name__,
            ) from None
    text = json.dumps([fingerprint, fields], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _with_closure(fingerprint: str, variable: Variable, code: _Code) -> str:
    """Let the values count that a function, made by another one, was made with."""
    cells = getattr(variable.func, "__closure__", None) or ()
    if getattr(variable.func, "__self__", None) is not None or not cells:
        return fingerprint
    values = []
    for cell in cells:
        try:
            values.append(_told(cell.cell_contents, code))
        except (GroupError, ValueError):  # its code counts all the same
            values.append("")
    text = json.dumps([fingerprint, values], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _told(value: Any, code: _Code, above: tuple[int, ...] = ()) -> Any:
    """Say what a value is, the same in every process.

    Raises
    ------
    GroupError
        Nobody can say it.
    """
    if is_group(value) or isinstance(value, (Variable, BoundVariable)):
        return value.name
    try:
        return canonical(value, "it")
    except NXstxmError:
        pass
    above = (*above, id(value))

    def inner(each: Any) -> Any:
        return "..." if id(each) in above else _told(each, code, above)

    if isinstance(value, (list, tuple)):
        return [inner(each) for each in value]
    if isinstance(value, dict):
        return [[inner(key), inner(each)] for key, each in value.items()]
    if isinstance(value, functools.partial):
        return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]
    if callable(value) and hasattr(value, "__qualname__"):
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, (type, types.ModuleType)):
            return _of_code(value, code)
        return [_of_code(value, code), inner(owner)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: inner(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return [_of_code(type(value), code), fields]
    said = repr(value)
    if _ADDRESS.search(said):
        raise GroupError(
            f"is {said:.60}, of which nobody can tell whether it changes; give numbers, text, "
            f"lists, functions or classes, or make {type(value).__name__} a dataclass"
        )
    return [_of_code(type(value), code), said]


def _of_code(thing: Any, code: _Code) -> str:
    """Say which function or class it is; of those of the file what they do.

    Raises
    ------
    GroupError
        It was made in a function, of which nobody can tell with what.
    """
    name = getattr(thing, "__qualname__", "")
    if not code.is_here(thing):
        return f"{getattr(thing, '__module__', '')}.{name}"
    if "<locals>" in name:
        raise GroupError(f"is {name}, made in a function; give one of the file itself")
    line = getattr(getattr(thing, "__code__", None), "co_firstlineno", 0)
    if name.endswith("<lambda>"):
        return code.of(thing).fingerprint_of_lambda(line)
    return code.of(thing).fingerprint(name, line)
