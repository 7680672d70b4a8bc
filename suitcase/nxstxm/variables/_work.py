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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import NXstxmError, NXstxmOSError
from ..nexus import H5_ERRORS
from ..storage import DataKey, Lineage, is_a, to_json
from ._beside import state_of
from ._cell import is_array
from ._context import ContextFile
from ._deadline import Deadline
from ._errors import ContextError
from ._execute import Inputs, Outcome, TimeOver, blocked, execute
from ._identity import Identity, identities
from ._results import Result
from ._run import open_ref, store_of
from ._run_file import RunFile, file_of
from ._run_layout import opened_file
from ._summary import summarised
from ._task import Task, answer_to, task_of

#: Results of more bytes have a key, as those have that declare a data type.
LARGE = 64 * 1024
#: How what there was no time for is made, in the file: in no way, so that it is computed next time.
_LATE = "no time left"
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

    tell(ready=True)
    contexts = _Contexts()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request.get("memory"):
                _limit(request["memory"])
            if request["do"] == "describe":
                context = contexts.read(request["code"], request["path"])
                tell(done=[asdict(info) for info in context.infos()])
            else:
                task = task_of(request["task"])
                context, made = contexts.made_as(task)
                tell(**_work(context, task, made, request["seconds"], tell))
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


class _Contexts:
    """The context file that was read last, with the modules beside it as they were then."""

    def __init__(self) -> None:
        self._key = ("", "")
        self._context: ContextFile | None = None
        self._asked = ""
        self._made: dict[str, Identity] = {}

    def read(self, code: str, path: str) -> ContextFile:
        """Give a context file as it is by now, and the modules beside it."""
        context = self._context
        if context is None or self._key != (code, path) or self._is_stale(context):
            context = ContextFile.from_str(code, Path(path))
            self._key, self._context, self._asked = (code, path), context, ""
        return context

    @staticmethod
    def _is_stale(context: ContextFile) -> bool:
        return context._beside.state() != state_of(context.code, Path(context.path).parent)

    def made_as(self, task: Task) -> tuple[ContextFile, dict[str, Identity]]:
        """Give the context file that makes what a task tells of, and how it makes that.

        Raises
        ------
        NXstxmOSError
            The modules beside the file have been changed since.
        """
        if self._key == (task.context, task.path) and self._context is not None:
            made = self._identities(self._context, task)
            if _is_as_told(self._context, task, made):
                return self._context, made
        context = self.read(task.context, task.path)
        made = self._identities(context, task)
        if not _is_as_told(context, task, made):
            raise NXstxmOSError(
                f"modules that {task.path} imports from beside it have changed since it was read; "
                f"process the scan again"
            )
        return context, made

    def _identities(self, context: ContextFile, task: Task) -> dict[str, Identity]:
        asked = json.dumps(to_json([dict(task.params), dict(task.data)], "parameters"))
        if self._asked != asked:
            data = {name: Lineage.of_json(each) for name, each in task.data.items()}
            self._made = identities(context.infos(), task.params, data)
            self._asked = asked
        return self._made


def _is_as_told(context: ContextFile, task: Task, made: Mapping[str, Identity]) -> bool:
    """Tell whether a context file makes results in the way under which they will be stored."""
    wanted = [name for name in task.wanted if name in made]
    return len(wanted) == len(task.wanted) and all(
        made[name].hash == task.made.get(name) for name in context.order(wanted)
    )


def _limit(memory: int) -> None:
    """Let the system refuse more memory than this; the variable gets a MemoryError."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource: Any = import_module("resource")  # where the system has such limits
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _work(
    context: ContextFile,
    task: Task,
    made: Mapping[str, Identity],
    seconds: float,
    tell: Callable[..., None],
) -> dict[str, Any]:
    """Compute variables and write their results; give answers, and what is known of the file."""
    file = file_of(Path(task.directory), task.ref.proposal, task.ref.number)

    def known(name: str) -> Any:
        return file.read(name, task.made[name])

    def settled(name: str) -> tuple[str, str] | None:
        return _without_result(file, name, task.made[name])

    inputs = Inputs(task.ref, task.params, known=known, settled=settled, data=_data_of(task))
    run = open_ref(task.ref)
    try:
        writing = _Writing(context, task, made, file, seconds)
        with Deadline(seconds, tell, writing.written) as deadline, contextlib.suppress(TimeOver):
            for outcome in execute(
                context,
                run,
                inputs,
                task.wanted,
                deadline.begin,
                task.failed,
                deadline.inside,
            ):
                deadline.add(outcome)
        tell(begin="")  # who dies from here on is no variable
        return writing.written(deadline.outcomes, deadline.last)  # while lazies can be read
    finally:
        close = getattr(run, "close", None)
        if callable(close):
            close()
        if "matplotlib.pyplot" in sys.modules:  # which keeps every figure
            sys.modules["matplotlib.pyplot"].close("all")


def _without_result(file: RunFile, name: str, lineage: str) -> tuple[str, str] | None:
    """Say why a variable has no result, which it would not have again; None where it is to be had.

    Returns
    -------
    tuple of str or None
        The class of the error, which is nothing where the variable gave none, and what it said.
    """
    try:
        if file.lineages().get(name) != lineage or name in file.names():
            return None
        with opened_file(file.path) as opened:
            error = opened.get(f".errors/{name}")
            if error is None:
                return "", ""
            return str(error.attrs["type"]), error.asstr("utf-8", "surrogatepass")[()]
    except (NXstxmError, *H5_ERRORS):
        return None


class _Writing:
    """Writes what became of variables."""

    def __init__(
        self,
        context: ContextFile,
        task: Task,
        made: Mapping[str, Identity],
        file: RunFile,
        seconds: float,
    ) -> None:
        self._context = context
        self._task = task
        self._made = made
        self._file = file
        self._seconds = seconds
        self._late: set[str] = set()

    def _not_begun(self, outcomes: list[Outcome], last: str) -> Iterator[Outcome]:
        """Say of what is not done that no time was left for it."""
        errors = {each.name: (each.error_type, each.error) for each in outcomes if each.is_error}
        done = {each.name for each in outcomes}
        for name in self._context.order(self._task.wanted):
            if name in done or name not in self._task.wanted:
                continue
            outcome = blocked(self._context, name, errors)
            if outcome is not None:
                errors[name] = (outcome.error_type, outcome.error)
            else:
                self._late.add(name)
                told = f", and {last!r} had not come back by then" if last else ""
                outcome = Outcome(
                    name,
                    None,
                    f"there was no time left for it: the variables of a scan may take "
                    f"{self._seconds:g} s together{told}; process the scan again, or with a "
                    f"longer --timeout",
                    "TimeoutError",
                )
            yield outcome

    def written(self, outcomes: list[Outcome], last: str) -> dict[str, Any]:
        """Write results; give answers, and what is known of the file.

        Parameters
        ----------
        outcomes : list of Outcome
            What is done.
        last : str
            The variable that used the time up, of what is not; nothing where nobody knows.
        """
        task = self._task
        # those that ended a worker, too: what the file has of them is not what the table says
        failed = [Outcome(name, None, told, kind) for name, (kind, told) in task.failed.items()]
        known = [*failed, *outcomes]
        known += self._not_begun(known, last)
        shown = [each for each in known if not self._context.variables[each.name].transient]
        if not shown:
            return {"done": []}
        results = {each.name: self._result(each) for each in shown}
        if os.getppid() != _PARENT:
            os._exit(1)  # whoever asked is gone, and another may have made newer results meanwhile
        written = self._file.write(results)
        results |= written.failed
        return {
            "done": [answer_to(each, results[each.name]) for each in shown],
            # the file has nothing of what was too late: without its stamp it is asked again
            "stamp": None if self._late else written.stamp,
            "token": written.token,
        }

    def _result(self, outcome: Outcome) -> Result:
        name = outcome.name
        lineage = _LATE if name in self._late else self._task.made[name]
        if outcome.cell is None:
            return Result(None, None, outcome.error, outcome.error_type, lineage=lineage)
        key = self._key(name, outcome.cell.data)
        return Result(outcome.cell, summarised(outcome.cell), key=key, lineage=lineage)

    def _key(self, name: str, data: Any) -> DataKey | None:
        """Give the key of what declares a data type, or is large; None where it needs none."""
        if self._context.variables[name].data_type is None and _size(data) <= LARGE:
            return None
        return self._made[name].key(self._task.ref.uid)


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
