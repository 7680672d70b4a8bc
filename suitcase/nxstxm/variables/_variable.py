"""Variables: functions of a scan, as a context file has them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._cell import Cell, is_summary
from ._names import RESERVED, is_unicode
from ._views import COMMENT

#: What an annotation of an argument may begin with.
PREFIXES = ("var#", "self#", "meta#", "start#", "stop#", "param#", "data#", "mymdc#")
_TRIGGERS = ("raw", "proc")


class Variable:
    """A column of the run table: a function of a scan, made one by this decorator.

    The function's first argument is the run; others say by their annotation what they are:

    =========================  ====================================================================
    annotation                 what the argument gets
    =========================  ====================================================================
    ``"var#name"``             the result of another variable; with ``*``, ``?`` or ``[...]`` a dict
                               of all that match
    ``"self#name"``            in a group: of another variable of the same group
    ``"meta#uid"``             ``uid``, ``run_number``, ``proposal``, ``proposal_path``
    ``"start#sample.name"``    of the start document; ``"stop#exit_status"`` of the stop document
    ``"param#name"``           a parameter given by whoever processes
    ``"data#od"``              data of the store: ``od``, ``aligned``, ...
    =========================  ====================================================================

    An argument with a default value gets that where there is no such result.

    Parameters
    ----------
    title : str, optional
        The heading of the column; by default the function's name.
    description : str, optional
        What it is; by default the function's docstring.
    summary : str, optional
        The name of a function of numpy that makes one number of the result for the table.
    data : str, optional
        A data type under which the result is stored, for others to use as ``"data#..."``.
        ``"raw"`` and ``"proc"`` are taken as in DAMNIT.
    cluster : bool
        Taken, and of no effect: everything is computed where `process` runs.
    tags : str or iterable of str, optional
        Tags of the column.
    transient : bool
        Do not store the result; others may use it.
    units : str, optional
        Units of the result.
    version : str, optional
        Changed, the variable is computed again, as after any change of its code.

    Examples
    --------
    >>> from suitcase.nxstxm.variables import Variable
    >>> @Variable(title="Points", units="1", tags="overview")
    ... def points(run, number: "meta#run_number" = 0):
    ...     return number
    >>> points.name, points.title, points.annotations()
    ('points', 'Points', {'number': 'meta#run_number'})
    """

    def __init__(
        self,
        title: str | Callable[..., Any] | None = None,
        description: str | None = None,
        summary: str | None = None,
        data: str | None = None,
        cluster: bool = False,
        tags: str | Iterable[str] | None = None,
        transient: bool = False,
        units: str | None = None,
        *,
        version: str | None = None,
    ) -> None:
        self.title = title if isinstance(title, str) else ""
        self.description = description
        self.summary = summary
        self.data = data
        self.cluster = cluster
        self.tags = _tags(tags)
        self.transient = transient
        self.units = units
        self.version = version
        self.name = ""
        self.line = 0
        self.func: Callable[..., Any] | None = None
        self._annotations: Mapping[str, str] | None = None
        self._arguments: tuple[Any, list[inspect.Parameter]] = (None, [])
        if callable(title):  # @Variable without parentheses
            self._take(title)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Decorate a function; or, of a function that is decorated, call it."""
        if self.func is not None:
            return self.func(*arguments, **options)
        if len(arguments) != 1 or options or not callable(arguments[0]):
            raise TypeError("@Variable(...) decorates one function")
        self._take(arguments[0])
        return self

    def _take(self, function: Callable[..., Any]) -> None:
        self.func = function
        self.name = function.__name__
        self.title = self.title or self.name
        self.line = getattr(getattr(function, "__code__", None), "co_firstlineno", 0)
        if self.description is None:
            self.description = inspect.getdoc(function)

    def __get__(self, instance: Any, owner: type) -> Any:
        """Give the variable of a group's instance, or of the class itself."""
        from ._group import BoundVariable, is_group

        return BoundVariable(instance, self) if is_group(instance) else self

    # -- arguments ---------------------------------------------------------------------------------

    def arguments(self) -> list[inspect.Parameter]:
        """Give the arguments behind the run."""
        if self.func is None:
            return []
        if self._arguments[0] is not self.func:  # a copy may have got another function
            parameters = inspect.signature(self.func).parameters.values()
            self._arguments = (self.func, list(parameters)[1:])
        return list(self._arguments[1])

    def annotations(self) -> dict[str, str]:
        """Give what the arguments say they are."""
        if self._annotations is not None:
            return dict(self._annotations)
        found = {}
        for argument in self.arguments():
            text = annotation_of(argument)
            if text:
                found[argument.name] = text
        return found

    def bound_to(self, annotations: Mapping[str, str]) -> None:
        """Take other annotations: those of a group's instance."""
        self._annotations = dict(annotations)

    def needs(self, prefix: str = "var#") -> dict[str, str]:
        """Give arguments whose annotation begins in one way, and what follows."""
        return {
            name: text.removeprefix(prefix)
            for name, text in self.annotations().items()
            if text.startswith(prefix)
        }

    @property
    def data_type(self) -> str | None:
        """The data type under which the result is stored for others."""
        return None if self.data in _TRIGGERS else self.data

    def cell(self, result: Any) -> Cell:
        """Make a cell of what the function gave.

        Raises
        ------
        CellError
            It can not be stored.
        """
        cell = result if isinstance(result, Cell) else Cell(result)
        if cell.summary is None:
            cell.summary = self.summary
        if cell.units is None:
            cell.units = self.units
        return cell

    def problems(self) -> Iterable[str]:
        """Say what is wrong with what was given to the decorator."""
        if not all(part.isidentifier() for part in self.name.split(".")):
            yield f"variable {self.name!r} has no name that Python takes; give it one"
        for what in ("title", "description", "summary", "units", "data", "version"):
            value = getattr(self, what)
            if value == "" and what == "description":
                continue  # as in files that DAMNIT has begun for users
            if value is not None and (not isinstance(value, str) or not value):
                yield f"variable {self.name} has {what}={value!r:.50}; give text, or leave it out"
        if self.summary and isinstance(self.summary, str) and not is_summary(self.summary):
            yield (
                f"variable {self.name} has summary={self.summary!r:.50}, which is no function of "
                f"numpy; give a name such as 'nanmean'"
            )
        if self.name in (*RESERVED, COMMENT):
            yield (
                f"a variable can not have the name {self.name!r}, which a column of the table has; "
                f"give it another one"
            )
        if not all(isinstance(tag, str) and tag for tag in self.tags):
            yield f"variable {self.name} has tags={self.tags!r:.50}; tags are text"
        elif not all("\0" not in tag and is_unicode(tag) for tag in self.tags):
            yield (
                f"variable {self.name} has tags={self.tags!r:.50}, with a NUL or half a character; "
                f"leave that out"
            )
        if self.func is not None and not inspect.signature(self.func).parameters:
            yield f"variable {self.name} takes no argument; the first is the run"
        annotations = self.annotations()
        for argument in self.arguments():
            known = annotations.get(argument.name, "")
            if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
                yield (
                    f"variable {self.name} takes *{argument.name}, of which nobody knows what it "
                    f"needs; name its arguments"
                )
            elif not known.startswith(PREFIXES) and argument.default is argument.empty:
                yield (
                    f"argument {argument.name} of variable {self.name} does not say what it is; "
                    f'annotate it: {argument.name}: "var#..." ({", ".join(PREFIXES)})'
                )


def annotation_of(argument: inspect.Parameter) -> str:
    """Give the text of an annotation that is one; nothing for others.

    Where a file has ``from __future__ import annotations`` the text is a text of a text.
    """
    text = argument.annotation
    if not isinstance(text, str):
        return ""
    if text[:1] in ("'", '"'):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return ""
        text = found if isinstance(found, str) else ""
    return text if text.startswith(PREFIXES) else ""


def _tags(tags: Any) -> tuple[str, ...]:
    if tags is None:
        return ()
    if isinstance(tags, str):
        return (tags,)
    return tuple(tags)
