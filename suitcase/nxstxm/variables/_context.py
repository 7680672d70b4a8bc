"""Context files: the variables that somebody wrote, and how they depend on each other."""

from __future__ import annotations

import fnmatch
import sys
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from .._errors import NXstxmKeyError, NXstxmOSError
from ..storage import SCAN
from ._beside import SHIM as SHIM
from ._beside import Beside, anew
from ._errors import ContextError, GroupError, Problem
from ._fingerprint import fingerprint_of
from ._group import expanded, is_group, places_of
from ._source import Source
from ._variable import Variable

#: The name of the module that a context file becomes; that of the last one that was read.
_MODULE = "nxstxm_context"
_META = ("uid", "run_number", "proposal", "proposal_path")


@dataclass(frozen=True)
class VariableInfo:
    """What is known of a variable without running anything.

    Attributes
    ----------
    name, title, description : str
        Its names, and what it is.
    tags : tuple of str
        Its tags.
    units, summary, version, data_type : str, optional
        As given to the decorator.
    transient : bool
        Whether its result is not stored.
    line : int
        Where it is in the file.
    needs : tuple of str
        The variables that it takes, all that match being named; also those whose data it takes.
    uses : tuple of str
        What else it takes: ``"data#od"`` of the store, ``"param#threshold"``.
    fingerprint : str
        The hash of its code.
    """

    name: str
    title: str
    description: str | None
    tags: tuple[str, ...]
    units: str | None
    summary: str | None
    version: str | None
    data_type: str | None
    transient: bool
    line: int
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    fingerprint: str


@dataclass
class ContextFile:
    """The variables of a context file.

    Attributes
    ----------
    variables : Mapping of str to Variable
        By their names, in the order of the file.
    path : str
        The file.
    code : str
        Its text.

    Examples
    --------
    >>> from suitcase.nxstxm.variables import ContextFile
    >>> context = ContextFile.from_str('''
    ... from suitcase.nxstxm.variables import Variable
    ...
    ... @Variable
    ... def counts(run):
    ...     return run.picture().mean()
    ...
    ... @Variable(title="Twice")
    ... def twice(run, counts: "var#counts"):
    ...     return 2 * counts
    ... ''')
    >>> context.order()
    ['counts', 'twice']
    """

    variables: Mapping[str, Variable]
    path: str = "<context>"
    code: str = ""
    _fingerprints: Mapping[str, str] = field(default_factory=dict)
    _needs: dict[str, list[str]] = field(default_factory=dict)
    _beside: Beside = field(default_factory=lambda: Beside(None), repr=False, compare=False)

    @classmethod
    def from_file(cls, path: str | Path) -> ContextFile:
        """Read a context file.

        Raises
        ------
        NXstxmOSError
            It can not be read.
        ContextError
            It is no Python, raises something, or its variables can not work; the message names
            file, line and the way out.
        """
        place = Path(path)
        try:
            code = place.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise NXstxmOSError(f"the context file {place} can not be read ({error})") from error
        except UnicodeDecodeError as error:
            raise ContextError(
                str(place), [Problem(f"it is no text in UTF-8 ({error})")]
            ) from error
        return cls.from_str(code, place)

    @classmethod
    def from_str(cls, code: str, path: str | Path = "<context>") -> ContextFile:
        """Read the text of a context file; see `from_file`."""
        name = str(path)
        beside = Beside(path.parent.absolute() if isinstance(path, Path) else None)
        try:
            source = Source(code, beside)
            compiled = compile(code, name, "exec")
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 0
            message = f"it is no Python: {getattr(error, 'msg', None) or error}"
            raise ContextError(name, [Problem(message, line)]) from error
        with anew():
            names = _run(compiled, name, beside)
            return cls._of_names(names, name, code, source)

    @classmethod
    def _of_names(
        cls, names: Mapping[str, Any], path: str, code: str, source: Source
    ) -> ContextFile:
        problems: list[Problem] = []
        plain: dict[str, Variable] = {}
        variables = [v for v in names.values() if isinstance(v, Variable) and v.func is not None]
        for value in sorted(variables, key=lambda each: each.line):
            plain[value.name] = value
        for name, line in source.repeated():
            message = f"another variable is named {name!r}; give one of them another name"
            problems.append(Problem(message, line))
        try:
            grouped = expanded({name: v for name, v in names.items() if is_group(v)})
        except GroupError as error:
            line = source.line_of(*places_of(error))
            raise ContextError(path, [*problems, Problem(str(error), line)]) from error
        for name, variable in grouped.items():
            if name in plain:
                problems.append(Problem(f"two variables are named {name!r}", variable.line))
        found = {**plain, **grouped}
        fingerprints: dict[str, str] = {}
        for name, variable in found.items():
            try:
                fingerprints[name] = fingerprint_of(variable, source, _MODULE)
            except GroupError as error:
                line = source.line_of(*places_of(error)) or variable.line
                problem = Problem(str(error), line)
                problems += [problem] if problem not in problems else []
        context = cls(found, path, code, fingerprints, _beside=source.beside)
        problems += context._problems()
        if problems:
            raise ContextError(path, sorted(problems, key=lambda each: each.line))
        return context

    # -- checks ------------------------------------------------------------------------------------

    def _problems(self) -> Iterator[Problem]:
        titles: dict[str, str] = {}
        types: dict[str, str] = {SCAN: ""}
        for name, variable in self.variables.items():
            for message in variable.problems():
                yield Problem(message, variable.line)
            other = titles.setdefault(variable.title, name)
            if other != name:
                yield Problem(
                    f"variables {other} and {name} have the same title {variable.title!r}; give "
                    f"one another",
                    variable.line,
                )
            if variable.data_type is not None:
                maker = types.setdefault(variable.data_type, name)
                if maker != name:
                    yield Problem(
                        f"variable {name} declares data={variable.data_type!r}, which "
                        f"{f'variable {maker}' if maker else 'the scan itself'} is; give one of "
                        f"them another",
                        variable.line,
                    )
            for wanted in variable.needs().values():
                if not self.matching(wanted) and not self._has_default(variable, wanted):
                    yield Problem(
                        f"variable {name} needs {wanted!r}, which is not there"
                        f"{self._nearest(wanted)}",
                        variable.line,
                    )
            for wanted in variable.needs("meta#").values():
                if wanted not in _META:
                    yield Problem(
                        f"variable {name} needs 'meta#{wanted}'; there are "
                        f"{', '.join(f'meta#{each}' for each in _META)}",
                        variable.line,
                    )
        try:
            self.order()
        except CycleError as error:
            circle = error.args[1]
            yield Problem(
                f"variables need each other in a circle: {' <- '.join(circle)}",
                min(self.variables[each].line for each in circle),
            )

    def _has_default(self, variable: Variable, wanted: str) -> bool:
        named = [n for n, text in variable.annotations().items() if text == f"var#{wanted}"]
        defaults = {a.name for a in variable.arguments() if a.default is not a.empty}
        return all(name in defaults for name in named)

    def _nearest(self, wanted: str) -> str:
        import difflib

        near = difflib.get_close_matches(wanted, self.variables, 1)
        if near:
            return f"; is it {near[0]!r}?"
        return f"; there are {', '.join(self.variables) or 'none'}"

    # -- dependencies ------------------------------------------------------------------------------

    def matching(self, pattern: str) -> list[str]:
        """Give the names that a pattern matches."""
        if pattern in self.variables:
            return [pattern]
        return [name for name in self.variables if fnmatch.fnmatchcase(name, pattern)]

    def taken(self, text: str) -> list[str] | None:
        """Give the variables that an annotation names: ``"var#..."``, or data that one declares.

        Parameters
        ----------
        text : str
            The annotation.

        Returns
        -------
        list of str or None
            None where it names something else.
        """
        prefix, _, name = text.partition("#")
        if prefix == "var":
            return self.matching(name)
        if prefix == "data":
            return [n for n, v in self.variables.items() if v.data_type == name] or None
        return None

    def needs(self, name: str) -> list[str]:
        """Give the variables that one takes directly.

        Raises
        ------
        NXstxmKeyError
            There is no such variable.
        """
        if name not in self.variables:
            raise NXstxmKeyError(f"there is no variable {name!r}{self._nearest(name)}")
        if name in self._needs:
            return self._needs[name]
        found: dict[str, None] = {}
        variable = self.variables[name]
        for text in variable.annotations().values():
            found.update(dict.fromkeys(self.taken(text) or ()))
        # a pattern may match the variable itself, which does not need itself then
        exact = {*variable.needs().values(), *variable.needs("data#").values()}
        own = {name, variable.data_type}
        self._needs[name] = [each for each in found if each != name or own & exact]
        return self._needs[name]

    def order(self, wanted: Iterable[str] | None = None) -> list[str]:
        """Give variables, those that others need first.

        Parameters
        ----------
        wanted : iterable of str, optional
            Only these, and what they need.

        Raises
        ------
        CycleError
            They need each other.
        """
        graph: dict[str, list[str]] = {}
        waiting = list(self.variables if wanted is None else wanted)
        while waiting:
            name = waiting.pop(0)
            if name not in graph:
                graph[name] = self.needs(name)
                waiting += graph[name]
        return list(TopologicalSorter(graph).static_order())

    def dependents(self, names: Iterable[str]) -> set[str]:
        """Give all variables that need some, directly or not."""
        changed = set(names)
        for name in self.order():
            if changed & set(self.needs(name)):
                changed.add(name)
        return changed - set(names)

    def infos(self) -> list[VariableInfo]:
        """Describe all variables, those that others need first."""
        return [self._info(name) for name in self.order()]

    def _info(self, name: str) -> VariableInfo:
        v = self.variables[name]
        uses = [text for text in v.annotations().values() if self.taken(text) is None]
        return VariableInfo(
            name,
            v.title,
            v.description,
            v.tags,
            v.units,
            v.summary,
            v.version,
            v.data_type,
            v.transient,
            v.line,
            tuple(self.needs(name)),
            tuple(dict.fromkeys(uses)),
            self._fingerprints.get(name, ""),
        )


# -- running the file -----------------------------------------------------------------------------


def _run(compiled: types.CodeType, path: str, beside: Beside) -> Mapping[str, Any]:
    module = types.ModuleType(_MODULE)
    module.__file__ = path
    sys.modules[_MODULE] = module  # dataclasses look for the module of their class
    with beside.importable():
        try:
            exec(compiled, module.__dict__)  # the file is a program of the user's
        except (Exception, SystemExit) as error:
            line = _line_of(error, path)
            told = f"{type(error).__name__}: {error}"
            raise ContextError(
                path, [Problem(told, line)], "".join(traceback.format_exception(error))
            ) from error
    return vars(module)


def _line_of(error: BaseException, path: str) -> int:
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return (frames[-1].lineno or 0) if frames else 0
