"""What goes wrong in context files and the variables in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._errors import (
    NXstxmError,
    NXstxmKeyError,
    NXstxmOSError,
    NXstxmTypeError,
    NXstxmValueError,
)


class Skip(Exception):
    """Raised by a variable that has nothing to say of this scan; the reason is its text.

    Examples
    --------
    >>> from suitcase.nxstxm.variables import Skip, Variable
    >>> @Variable(title="Focus")
    ... def focus(run):
    ...     if run.scan_type != "sample focus":
    ...         raise Skip("only focus scans have a focus")
    """


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a context file.

    Attributes
    ----------
    message : str
        What, and the way out.
    line : int
        Where, counted from 1; 0 where nobody can tell.
    """

    message: str
    line: int = 0


class ContextError(NXstxmValueError):
    """A context file that can not be used.

    Attributes
    ----------
    path : str
        The file.
    problems : tuple of Problem
        What is wrong.
    details : str
        The traceback of what it raised, where it did.
    """

    def __init__(self, path: str, problems: Iterable[Problem], details: str = "") -> None:
        self.path = path
        self.problems = tuple(problems)
        self.details = details
        super().__init__("\n".join(self._told()))

    def _told(self) -> Iterable[str]:
        for problem in self.problems:
            where = f"{self.path}, line {problem.line}" if problem.line else self.path
            yield f"{where}: {problem.message}"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it: it comes out of a worker process."""
        return type(self), (self.path, self.problems, self.details)


class DependencyError(NXstxmError, RuntimeError):
    """A variable was not computed because others, which it needs, have no value.

    Attributes
    ----------
    causes : tuple of (str, str)
        Each of the others, and why.
    """

    def __init__(self, causes: Iterable[tuple[str, str]]) -> None:
        self.causes = tuple(causes)
        lines = [f"{name}: {why}" for name, why in self.causes]
        super().__init__(
            f"not computed, for {' and '.join(name for name, _ in self.causes)} "
            f"{'has' if len(self.causes) == 1 else 'have'} no value\n" + "\n".join(lines)
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it: it comes out of a worker process."""
        return type(self), (self.causes,)


class CellError(NXstxmTypeError):
    """A result that can not be stored or shown."""


class MissingValueError(NXstxmKeyError):
    """A cell that is empty."""


class GroupError(NXstxmValueError):
    """A group of variables that can not be used."""


class TableError(NXstxmOSError):
    """A run table that can not be opened, read or written: locked, read-only, on a full disk."""


class TableFormatError(NXstxmValueError):
    """A file that is no run table, or one of a version that is not known here."""


class VariableError(NXstxmValueError):
    """A variable, tag or number that can not be what was asked: a name that is taken, a value."""


class UnknownError(NXstxmKeyError):
    """A run, variable, tag or comment that the table does not have."""


__all__ = [
    "CellError",
    "ContextError",
    "DependencyError",
    "GroupError",
    "MissingValueError",
    "Problem",
    "Skip",
    "TableError",
    "TableFormatError",
    "UnknownError",
    "VariableError",
]
