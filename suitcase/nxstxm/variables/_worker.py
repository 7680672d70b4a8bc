"""Worker processes that run context files, and watching over them.

What is asked and answered are lines of JSON. What variables print goes to the log's end and is not
kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

from .._errors import NXstxmError
from ._context import VariableInfo
from ._errors import ContextError, Problem
from ._task import Done, Task, answer_of, request_of

#: What is kept of what variables print, bytes.
_TAIL = 16 * 1024
#: Seconds that the rest of what an ended process has said may take; another may hold its pipes.
_PATIENCE = 10.0
#: Seconds that a process may take to begin.
_START = 60.0
#: Seconds between looks whether a process that says nothing is still there.
_LOOK = 0.5
_PROGRAM = "from suitcase.nxstxm.variables._work import main; main()"


class WorkerDied(Exception):
    """The worker ended, or was ended, before it answered.

    Attributes
    ----------
    variable : str
        What it was computing; nothing where it was computing none.
    why : str
        Why it ended.
    """

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(why)
        self.variable = variable
        self.why = why


class Worker:
    """A worker process, begun when it is needed and again after it died.

    Parameters
    ----------
    timeout : float
        Seconds that the variables of a scan may take; also reading a context file, opening a scan,
        and, at least some, writing results.
    memory : int, optional
        Bytes that the process may have.
    python : str, optional
        The Python that runs it; by default this one.
    """

    def __init__(
        self, timeout: float = 600.0, memory: int | None = None, python: str | None = None
    ) -> None:
        self.timeout = timeout
        self.memory = memory
        self._python = python or sys.executable
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque()
        self._readers: list[threading.Thread] = []
        self._deadline = 0.0

    # -- asking ------------------------------------------------------------------------------------

    def describe(self, code: str, path: str) -> list[VariableInfo]:
        """Read a context file.

        Raises
        ------
        ContextError
            It can not be used.
        """
        try:
            answer = self._ask(
                {"do": "describe", "memory": self.memory, "code": code, "path": path}
            )
        except WorkerDied as died:
            message = f"reading it {died.why}"
            raise ContextError(path, [Problem(message)], self.printed) from died
        return [
            VariableInfo(**{**i, **{k: tuple(i[k]) for k in ("tags", "needs", "uses")}})
            for i in answer["done"]
        ]

    def compute(self, task: Task) -> Done:
        """Compute the variables of a scan; one that ends the worker fails, the others do not.

        When the time is over, what was done by then counts; the one at work fails, and those that
        had not begun say that there was no time left.

        Raises
        ------
        ContextError
            The context file can not be used.
        NXstxmError
            The scan can not be opened, or the results not be written.
        """
        failed: dict[str, tuple[str, str]] = {}
        printed: dict[str, str] = {}
        while True:
            wanted = tuple(name for name in task.wanted if name not in failed)
            asked = request_of(replace(task, wanted=wanted, failed=failed))
            try:
                done = self._ask(
                    {
                        "do": "compute",
                        "memory": self.memory,
                        "seconds": self.timeout,
                        "task": asked,
                    }
                )
            except WorkerDied as died:
                told = f"the worker {died.why}"
                if not died.variable:
                    raise NXstxmError(
                        f"{told} while it opened the scan, or wrote the results; nothing of it "
                        f"counts"
                    ) from died
                failed[died.variable] = ("WorkerDied", told)
                printed[died.variable] = self.printed
                continue
            answers = [answer_of(each) for each in done["done"]]
            if done.get("ended"):  # it was at a variable that did not come back
                self.close()
                late = (a.name for a in answers if a.error_type == "WorkerDied")
                printed = {**dict.fromkeys(late, self.printed), **printed}
            return Done(
                tuple(replace(a, trace=printed.get(a.name, a.trace)) for a in answers),
                done.get("stamp"),
                done.get("token", ""),
            )

    @property
    def printed(self) -> str:
        """The end of what variables printed."""
        return "".join(self._tail)[-_TAIL:]

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        known = self._process
        process = self._started()
        assert process.stdin is not None
        # its beginning is no fault of who is asked
        self._deadline = time.monotonic() + self.timeout + _START * (process is not known)
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except OSError:
            self.close()
            raise WorkerDied("", "ended before it was asked") from None
        variable, begun = "", False
        for answer in self._lines():
            if answer is None:
                status = self._status()
                raise WorkerDied(variable, f"ended with status {status}")
            if "ready" in answer:
                self._deadline = time.monotonic() + self.timeout
                continue
            if "begin" in answer:
                variable = answer["begin"]
                # the process counts itself from the first one on; this is for where it can not
                if not begun or not variable:
                    self._deadline = time.monotonic() + self.timeout + _PATIENCE
                begun = True
                continue
            if "late" in answer:  # it writes what was done by then
                self._deadline = time.monotonic() + self.timeout + _PATIENCE
                continue
            _raise(answer)
            return answer
        self.close()
        raise WorkerDied(variable, f"was ended after {self.timeout:g} s")

    def _lines(self) -> Iterator[dict[str, Any] | None]:
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return
            try:
                line = self._answers.get(timeout=min(left, _LOOK))
            except queue.Empty:
                if self._is_running():
                    continue
                # what it has left behind may hold its pipes: nothing more comes
                line = None
            if line is None:
                yield None
                return
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    # -- the process -------------------------------------------------------------------------------

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._answers = queue.SimpleQueue()
        self._tail = deque()
        self._readers = []
        self._process = subprocess.Popen(
            [self._python, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # to be ended with all that it has begun
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for stream, take in (
            (self._process.stdout, self._answer_reader(self._answers)),
            (self._process.stderr, self._tail_reader(self._tail)),
        ):
            reader = threading.Thread(target=take, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self._process

    @staticmethod
    def _answer_reader(answers: queue.SimpleQueue[str | None]) -> Callable[[IO[str]], None]:
        def read(stream: IO[str]) -> None:
            with contextlib.suppress(ValueError, OSError):
                for line in stream:
                    answers.put(line)
            answers.put(None)

        return read

    @staticmethod
    def _tail_reader(tail: deque[str]) -> Callable[[IO[str]], None]:
        def read(stream: IO[str]) -> None:
            size = 0
            with contextlib.suppress(ValueError, OSError):
                while part := stream.read(4096):
                    tail.append(part)
                    size += len(part)
                    while size - len(tail[0]) > _TAIL:
                        size -= len(tail.popleft())

        return read

    def _status(self) -> str:
        process = self._process
        if process is None:
            return "unknown"
        try:
            status = process.wait(10)
        except subprocess.TimeoutExpired:
            self.close()
            return "unknown"
        self._read_out()
        return str(status)

    def _read_out(self) -> None:
        """Wait until all that an ended process has said was read."""
        for reader in self._readers:
            reader.join(_PATIENCE)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        kill_all = getattr(os, "killpg", None)  # where processes have groups
        with contextlib.suppress(OSError):  # what it has begun, and left
            if kill_all is not None:
                kill_all(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._read_out()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        for stream, reader in zip((process.stdout, process.stderr), self._readers, strict=False):
            # to close what another thread reads from waits for that
            if stream is not None and not reader.is_alive():
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Worker:
        """Give the worker itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()


def _raise(answer: Mapping[str, Any]) -> None:
    """Raise what the worker could not raise here."""
    if "context" in answer:
        problems = [Problem(**each) for each in answer["context"]]
        raise ContextError(answer["path"], problems, answer["details"])
    if "failed" in answer:
        raise NXstxmError(f"{answer['kind']}: {answer['failed']}")


__all__ = ["Worker", "WorkerDied"]
