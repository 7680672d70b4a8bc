"""What a worker is to compute, and what it answers; both as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..storage import of_json, to_json
from ._execute import Outcome
from ._results import Result
from ._run import RunRef
from ._summary import Summary


@dataclass(frozen=True)
class Task:
    """What a worker is to compute.

    Attributes
    ----------
    context : str
        The code of the context file.
    path : str
        Its path.
    directory : str
        The folder of the table.
    ref : RunRef
        The scan.
    wanted : tuple of str
        The variables.
    made : Mapping of str to str
        The hashes of how variables are made, all of them.
    params : Mapping
        Parameters.
    store : str
        The folder of stored data, for ``"data#..."``; nothing without any.
    data : Mapping
        How the data of the store are made that variables take: types, and lineages as JSON.
    failed : Mapping
        Variables that ended a worker and are not to be tried again: class and text of the error.
    """

    context: str
    path: str
    directory: str
    ref: RunRef
    wanted: tuple[str, ...]
    made: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    store: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of a variable.

    Attributes
    ----------
    name : str
        The variable.
    summary : Summary, optional
        What the table shows; None for an error.
    error, error_type, trace : str
        What went wrong.
    seconds : float
        How long it took.
    """

    name: str
    summary: Summary | None = None
    error: str = ""
    error_type: str = ""
    trace: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Done:
    """What a worker has done.

    Attributes
    ----------
    answers : tuple of Answer
        What became of each variable.
    stamp : str, optional
        Of the run's file in which the results are; None where it has not all of them.
    token : str
        Of the writing that put them there; nothing where nothing was written.
    """

    answers: tuple[Answer, ...]
    stamp: str | None = None
    token: str = ""


def request_of(task: Task) -> dict[str, Any]:
    """Give a task as JSON."""
    return {**asdict(task), "params": to_json(dict(task.params), "parameters")}


def task_of(made: Mapping[str, Any]) -> Task:
    """Undo `request_of`."""
    ref = {**made["ref"], "paths": tuple(made["ref"]["paths"])}
    undone = {
        "ref": RunRef(**ref),
        "wanted": tuple(made["wanted"]),
        "params": of_json(made["params"]),
        "failed": {name: (each[0], each[1]) for name, each in made["failed"].items()},
    }
    return Task(**{**made, **undone})


def answer_to(outcome: Outcome, result: Result) -> dict[str, Any]:
    """Give what became of a variable, and what was written of it, as JSON."""
    made: dict[str, Any] = {"name": outcome.name, "seconds": outcome.seconds}
    if result.summary is not None:
        made["summary"] = to_json(_plain(result.summary), "a summary")
    else:
        made |= {"error": result.error, "error_type": result.error_type, "trace": outcome.trace}
    return made


def _plain(summary: Summary) -> dict[str, Any]:
    value = summary.value
    if isinstance(value, complex):
        value = {"complex": [value.real, value.imag]}
    return {**asdict(summary), "value": value}


def answer_of(made: Mapping[str, Any]) -> Answer:
    """Undo `answer_to`."""
    if "summary" not in made:
        return Answer(**made)
    summary = of_json(made["summary"])
    value = summary["value"]
    if isinstance(value, dict):
        value = complex(*value["complex"])
    return Answer(made["name"], Summary(**{**summary, "value": value}), seconds=made["seconds"])
