"""The process that runs context files: what lines of JSON on its standard input ask for.

It writes the results into the file of the run itself and answers with summaries. What variables
print is no answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmError
from ..storage import DataKey, Lineage, is_a
from ._cell import is_array
from ._context import ContextFile
from ._errors import ContextError
from ._execute import Inputs, Outcome, execute
from ._identity import Identity, identities
from ._results import Result
from ._run import open_ref, store_of
from ._run_file import RunFile, file_of
from ._summary import summarised
from ._task import Task, answer_to, task_of

#: Results of more bytes have a key, as those have that declare a data type.
LARGE = 64 * 1024
#: Seconds between looks whether whoever asks is still there.
_LOOK = 1.0
_PARENT = os.getppid()


def main() -> None:
    """Do what the lines on standard input ask for, until they end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who asks, decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what variables print is no answer

    def tell(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    contexts: dict[tuple[str, str], ContextFile] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request.get("memory"):
                _limit(request["memory"])
            if request["do"] == "describe":
                context = _context(contexts, request["code"], request["path"])
                tell(done=[asdict(info) for info in context.infos()])
            else:
                task = task_of(request["task"])
                context = _context(contexts, task.context, task.path)
                done, stamp = _work(context, task, lambda name: tell(begin=name))
                tell(done=done, stamp=stamp)
        except ContextError as error:
            told = [asdict(problem) for problem in error.problems]
            tell(context=told, path=error.path, details=error.details)
        except (NXstxmError, OSError) as error:
            tell(failed=str(error), kind=type(error).__name__)


def _end_with_parent() -> None:
    """End this process when the one is gone that asks: nobody takes the results any more."""
    while os.getppid() == _PARENT:
        time.sleep(_LOOK)
    os._exit(1)


def _context(contexts: dict[tuple[str, str], ContextFile], code: str, path: str) -> ContextFile:
    key = (code, path)
    if key not in contexts:
        contexts.clear()
        contexts[key] = ContextFile.from_str(code, Path(path))
    return contexts[key]


def _limit(memory: int) -> None:
    """Let the system refuse more memory than this; the variable gets a MemoryError."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource: Any = import_module("resource")  # where the system has such limits
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _work(
    context: ContextFile, task: Task, begin: Callable[[str], None]
) -> tuple[list[Any], str | None]:
    """Compute variables and write their results; give answers, and the stamp of the file."""
    file = file_of(Path(task.directory), task.ref.proposal, task.ref.number)

    def known(name: str) -> Any:
        return file.read(name, task.made[name])

    inputs = Inputs(task.ref, task.params, known=known, data=_data_of(task))
    run = open_ref(task.ref)
    try:
        # those that ended a worker, too: what the file has of them is not what the table says
        outcomes = [Outcome(name, None, told, kind) for name, (kind, told) in task.failed.items()]
        outcomes += execute(context, run, inputs, task.wanted, begin, task.failed)
        outcomes = [each for each in outcomes if not context.variables[each.name].transient]
        return _written(context, task, outcomes, file, begin)  # while lazy results can be read
    finally:
        close = getattr(run, "close", None)
        if callable(close):
            close()
        if "matplotlib.pyplot" in sys.modules:  # which keeps every figure
            sys.modules["matplotlib.pyplot"].close("all")


def _written(
    context: ContextFile,
    task: Task,
    outcomes: list[Outcome],
    file: RunFile,
    begin: Callable[[str], None],
) -> tuple[list[Any], str | None]:
    if not outcomes:
        return [], None
    keys = _Keys(context, task)
    results = {each.name: _result(each, keys, task.made[each.name]) for each in outcomes}
    begin("")  # who dies from here on is no variable
    if os.getppid() != _PARENT:
        os._exit(1)  # whoever asked is gone, and another may have made newer results meanwhile
    written = file.write(results)
    results |= written.failed
    return [answer_to(each, results[each.name]) for each in outcomes], written.stamp


def _result(outcome: Outcome, keys: _Keys, lineage: str) -> Result:
    if outcome.cell is None:
        return Result(None, None, outcome.error, outcome.error_type, lineage=lineage)
    key = keys.of(outcome.name, outcome.cell.data)
    return Result(outcome.cell, summarised(outcome.cell), key=key, lineage=lineage)


class _Keys:
    """The keys of results: of those that declare a data type, and of large ones."""

    def __init__(self, context: ContextFile, task: Task) -> None:
        self._context = context
        self._task = task

    @cached_property
    def _identities(self) -> dict[str, Identity]:
        data = {name: Lineage.of_json(each) for name, each in self._task.data.items()}
        return identities(self._context.infos(), self._task.params, data)

    def of(self, name: str, data: Any) -> DataKey | None:
        """Give the key of a result; None where it needs none."""
        if self._context.variables[name].data_type is None and _size(data) <= LARGE:
            return None
        return self._identities[name].key(self._task.ref.uid)


def _size(data: Any) -> int:
    """Give the bytes of arrays and tables; of all else 0."""
    if is_a(data, "pandas", "DataFrame", "Series"):
        return int(np.sum(data.memory_usage()))
    if is_array(data) or is_a(data, "xarray", "Dataset"):
        return int(data.nbytes)
    return 0


def _data_of(task: Task) -> Callable[[str], Any] | None:
    if not task.store or task.ref.kind != "nxstxm":
        return None

    def get(data_type: str) -> Any:
        return store_of(task.ref.paths[0], task.store).get(task.ref.uid, data_type)

    return get
