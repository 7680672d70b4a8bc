"""Calling the functions of variables, in order; each fails alone."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmError, NXstxmKeyError
from .._log import logger
from ..storage import own_copy
from ._cell import Cell
from ._context import ContextFile
from ._errors import DependencyError, MissingValueError, Skip
from ._run import RunRef, documents_of, told
from ._variable import Variable

#: Why there is no result where nothing went wrong.
_NOTHING = "it gave nothing"


class TimeOver(BaseException):
    """The time that variables may take is over; raised inside a function that is at work."""


@dataclass(frozen=True)
class Outcome:
    """What became of a variable.

    Attributes
    ----------
    name : str
        The variable.
    cell : Cell, optional
        Its result; None for an error.
    error, error_type, trace : str
        What went wrong, its class, and the traceback.
    seconds : float
        How long it took.
    """

    name: str
    cell: Cell | None = None
    error: str = ""
    error_type: str = ""
    trace: str = ""
    seconds: float = 0.0

    @property
    def is_error(self) -> bool:
        """Whether there is no result."""
        return bool(self.error_type)


@dataclass
class Inputs:
    """What variables take besides the run.

    Attributes
    ----------
    ref : RunRef
        Which scan it is.
    params : Mapping
        Parameters: ``"param#..."``.
    known : callable, optional
        Gives the result of a variable that is not computed this time, or raises MissingValueError.
    settled : callable, optional
        Says why such a variable has no result: the class of its error, which is nothing where it
        gave none, and what it says. None where it has to be computed.
    data : callable, optional
        Gives data of the store, ``"data#..."``.
    documents : Mapping, optional
        Start and stop documents, where they have been read already.
    """

    ref: RunRef
    params: Mapping[str, Any] = field(default_factory=dict)
    known: Callable[[str], Any] | None = None
    settled: Callable[[str], tuple[str, str] | None] | None = None
    data: Callable[[str], Any] | None = None
    documents: Mapping[str, Any] | None = None

    def value(self, text: str) -> Any:
        """Give what an annotation that names no variable asks for.

        Raises
        ------
        NXstxmError
            It is not there.
        """
        prefix, _, name = text.partition("#")
        if prefix == "meta":
            return self._meta(name)
        if prefix in ("start", "stop"):
            return told(self._told(), f"{prefix}.{name}" if name else prefix)
        if prefix == "param":
            if name not in self.params:
                raise NXstxmKeyError(f"no parameter {name!r} was given; give it with --param")
            return self.params[name]
        if prefix == "data" and self.data is not None:
            return self.data(name)
        raise NXstxmKeyError(
            f"{text!r} can not be had here"
            + (": the metadata catalogue of the European XFEL is not asked" * (prefix == "mymdc"))
        )

    def _meta(self, name: str) -> Any:
        values = {
            "uid": self.ref.uid,
            "run_number": self.ref.number,
            "proposal": self.ref.proposal,
            "proposal_path": Path(self.ref.proposal_path),
        }
        if name not in values:
            raise NXstxmKeyError(f"there is no 'meta#{name}'; there are {', '.join(values)}")
        return values[name]

    def _told(self) -> Mapping[str, Any]:
        if self.documents is None:
            self.documents = documents_of(self.ref)
        return self.documents


def execute(
    context: ContextFile,
    run: Any,
    inputs: Inputs,
    wanted: Iterable[str] | None = None,
    begin: Callable[[str], None] | None = None,
    failed: Mapping[str, tuple[str, str]] | None = None,
    inside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[Outcome]:
    """Compute variables.

    Parameters
    ----------
    context : ContextFile
        The variables.
    run : object
        What their functions get.
    inputs : Inputs
        What else they take.
    wanted : iterable of str, optional
        These; by default all. What they need is computed too, unless `inputs` knows it.
    begin : callable, optional
        Called with the name of each before it is computed.
    failed : Mapping, optional
        Variables that are known to fail and must not be tried again: the class of the error, and
        what it says.
    inside : callable, optional
        Gives a context in which each function is called.

    Yields
    ------
    Outcome
        Of each, those that others need first; of transient ones, too.
    """
    chosen = list(context.variables) if wanted is None else list(wanted)
    results: dict[str, Any] = {}
    errors = dict(failed or {})  # the class of the error, and what it says
    needed = _with_unknown(context, inputs, chosen, results, errors)
    # the order has also what is known, and what that was made from
    for name in [each for each in context.order(needed) if each in needed]:
        if name in errors:
            continue
        if begin is not None:
            begin(name)
        outcome = _computed(context, name, run, inputs, results, errors, inside)
        if outcome.cell is not None and outcome.cell.data is not None:
            data = outcome.cell.data
            # a number is given on as one, as it would be after it was read from the file
            results[name] = data[()] if isinstance(data, np.ndarray) and not data.ndim else data
        elif outcome.is_error:
            errors[name] = (outcome.error_type, outcome.error)
        yield outcome


def _with_unknown(
    context: ContextFile,
    inputs: Inputs,
    chosen: list[str],
    results: dict[str, Any],
    errors: dict[str, tuple[str, str]],
) -> list[str]:
    """Add what is needed and has to be computed; load what is known, and why there is none."""
    needed = list(dict.fromkeys(chosen))
    for name in needed:  # it grows
        for other in context.needs(name):
            if other in needed or other in results or other in errors:
                continue
            why = None
            try:
                if inputs.known is None or context.variables[other].transient:
                    raise MissingValueError(other)
                results[other] = inputs.known(other)
                continue
            except NXstxmError:
                if inputs.settled is not None and not context.variables[other].transient:
                    why = inputs.settled(other)
            if why is None:
                needed.append(other)
            else:
                errors[other] = (why[0], why[1] or _NOTHING)
    return needed


def _computed(
    context: ContextFile,
    name: str,
    run: Any,
    inputs: Inputs,
    results: Mapping[str, Any],
    errors: Mapping[str, tuple[str, str]],
    inside: Callable[[], AbstractContextManager[None]],
) -> Outcome:
    variable = context.variables[name]
    begun = time.perf_counter()
    try:
        arguments = _arguments(context, variable, inputs, results, errors)
        assert variable.func is not None
        with context._beside.importable(), inside():
            result = variable.func(run, **arguments)
        cell = _transient(result) if variable.transient else variable.cell(result)
    except Skip as error:
        return _failed(name, error, "", begun)
    except TimeOver as error:
        trace = "".join(traceback.format_exception(error))
        return Outcome(name, None, str(error), "WorkerDied", trace, time.perf_counter() - begun)
    except DependencyError as error:
        skipped = all(errors.get(cause, ("", ""))[0] in ("", "Skip") for cause, _ in error.causes)
        kind = Skip if skipped else type(error)
        return Outcome(name, None, str(error), kind.__name__, "", time.perf_counter() - begun)
    except Exception as error:  # noqa: BLE001 - it is a program of the user's
        trace = "".join(traceback.format_exception(error))
        logger.info("variable %s failed", name, exc_info=True)
        return _failed(name, error, trace, begun)
    return Outcome(name, cell, seconds=time.perf_counter() - begun)


def _transient(result: Any) -> Cell:
    """Wrap a result that is not stored, of whatever kind it is."""
    if isinstance(result, Cell):
        return result
    cell = Cell(None)
    cell.data = result
    return cell


def _failed(name: str, error: BaseException, trace: str, begun: float) -> Outcome:
    seconds = time.perf_counter() - begun
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - its class is the user's, too
        text = ""
    return Outcome(name, None, text or kind, kind, trace, seconds)


def _arguments(
    context: ContextFile,
    variable: Variable,
    inputs: Inputs,
    results: Mapping[str, Any],
    errors: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """Find what a function takes; leave out what has a default and is not there.

    Raises
    ------
    DependencyError
        Variables that it needs have no value.
    NXstxmError
        Something else is not there.
    """
    found: dict[str, Any] = {}
    causes: dict[str, str] = {}
    annotations = variable.annotations()
    for argument in variable.arguments():
        text = annotations.get(argument.name)
        if text is None:
            continue
        has_default = argument.default is not argument.empty
        names = context.taken(text)
        if names is None:
            try:
                found[argument.name] = inputs.value(text)
            except NXstxmError:
                if not has_default:
                    raise
            continue
        have = {name: own_copy(results[name]) for name in names if name in results}
        if have and (text.startswith("data#") or names == [text.removeprefix("var#")]):
            (found[argument.name],) = have.values()
        elif have:
            found[argument.name] = have
        elif not has_default:
            for name in names:
                kind, said = errors.get(name, ("", _NOTHING))
                causes[name] = f"{kind}: {said}" if kind else said
    if causes:
        raise DependencyError(causes.items())
    return found


def blocked(
    context: ContextFile, name: str, errors: Mapping[str, tuple[str, str]]
) -> Outcome | None:
    """Say that a variable can not be computed, as what it needs has failed.

    Parameters
    ----------
    context : ContextFile
        The variables.
    name : str
        The variable.
    errors : Mapping
        Variables that have failed: the class of the error, and what it says.

    Returns
    -------
    Outcome or None
        None where it may be computed.
    """
    variable = context.variables[name]
    annotations = variable.annotations()
    causes: dict[str, str] = {}
    for argument in variable.arguments():
        names = context.taken(annotations.get(argument.name, "")) or []
        if argument.default is argument.empty and names and all(each in errors for each in names):
            causes |= {each: f"{errors[each][0]}: {errors[each][1]}" for each in names}
    if not causes:
        return None
    error = DependencyError(causes.items())
    skipped = all(errors[each][0] == "Skip" for each in causes)
    return Outcome(name, None, str(error), "Skip" if skipped else type(error).__name__)
