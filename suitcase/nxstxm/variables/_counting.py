"""The context file that counts: as it is, or the last one that could be used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._log import logger
from ._beside import state_of
from ._context import VariableInfo
from ._errors import ContextError, Problem, VariableError
from ._messages import Message, variable_set
from ._table import RunTable

#: Of the last context file that could be read, in the table's settings.
_GOOD, _BROKEN = "nxstxm_context", "nxstxm_context_error"


@dataclass(frozen=True)
class Context:
    """The context file that counts.

    Attributes
    ----------
    code, path : str
        Its text and where it is.
    infos : tuple of VariableInfo
        Its variables, those that others need first.
    error : ContextError, optional
        What is wrong with the file as it is: the last good one counts.
    beside : Mapping of str to str
        What the modules were like that it imports from beside it: hashes, by their paths.
    """

    code: str
    path: str
    infos: tuple[VariableInfo, ...]
    error: ContextError | None = None
    beside: Mapping[str, str] = field(default_factory=dict)


class CountingContext:
    """Follows the context file of a table.

    Parameters
    ----------
    table : RunTable
        The table, which keeps the last good one, and what is wrong with the file as it is.
    describe : callable
        Runs the text of a context file, of which the path is told, where it can do no harm.
    tell : callable
        Takes messages of variables that have changed.
    """

    def __init__(
        self,
        table: RunTable,
        describe: Callable[[str, str], tuple[VariableInfo, ...]],
        tell: Callable[[Message], Any],
    ) -> None:
        self._table = table
        self._describe = describe
        self._tell = tell
        self._known: Context | None = None
        self._lock = threading.Lock()

    def read(self) -> Context:
        """Read the context file, if it has changed; the last good one, if it can not be used.

        Raises
        ------
        ContextError
            It can not be used, and there is no earlier one.
        """
        with self._lock:
            path = self._table.context_path
            try:
                code = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                return self._last_good(str(path), ContextError(str(path), [_unreadable(error)]))
            known = self._known
            beside = state_of(code, path.parent)  # before it is read: a later change is seen next
            if (
                known is not None
                and known.error is None
                and (known.code, known.beside) == (code, beside)
            ):
                return known
            try:
                infos = self._describe(code, str(path))
            except ContextError as error:
                return self._last_good(str(path), error)
            try:
                return self._accept(Context(code, str(path), infos, beside=beside))
            except VariableError as error:
                told = ContextError(str(path), [Problem(str(error))])
                return self._last_good(str(path), told)

    def _accept(self, context: Context) -> Context:
        shown = [info for info in context.infos if not info.transient]
        changed = self._table.database.set_computed(shown)
        settings = self._table.database.metameta
        if settings.get(_GOOD) != context.code:
            settings[_GOOD] = context.code
        if settings.get(_BROKEN):
            del settings[_BROKEN]
        self._known = context
        for info in shown:
            if info.name in changed:
                marks = {"units": info.units} if info.units else None
                self._tell(variable_set(info.name, info.title, info.description, marks))
        return context

    def _last_good(self, path: str, error: ContextError) -> Context:
        """Go on with the last context file that could be used, and say that the new one can not."""
        settings = self._table.database.metameta
        if not self._table.readonly and settings.get(_BROKEN) != str(error):
            settings[_BROKEN] = str(error)
        known = self._known
        if known is None:
            code = settings.get(_GOOD)
            if code is None:
                raise error
            known = Context(str(code), path, self._describe(str(code), path))
        logger.error("the context file can not be used, the one before counts: %s", error)
        self._known = replace(known, error=error)
        return self._known


def _unreadable(error: Exception) -> Problem:
    return Problem(f"it can not be read ({error})")
