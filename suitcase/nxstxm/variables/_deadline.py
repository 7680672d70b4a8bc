"""The time that the variables of a scan have, and what becomes of those that need longer."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._errors import NXstxmError
from ._execute import Outcome, TimeOver

#: Seconds in which a function has to come back after it was interrupted.
_GRACE = 5.0
#: Seconds between looks.
_LOOK = 0.5
#: What interrupts a function, where the system has it; it is ignored where nobody waits for it.
_SIGNAL = getattr(signal, "SIGURG", None)


class Deadline:
    """Interrupts the function that is at work when the time is over.

    One that took most of the time is to blame, and the others get as much time again. Else there is
    none left for those that have not begun. A function that can not be interrupted ends the
    process, after what was done by then was written: a thread does it, for nothing else can be had
    of a function that never returns.

    Parameters
    ----------
    seconds : float
        The time.
    tell : callable
        Tells who asked what happens.
    finish : callable
        Writes outcomes, and gives what is to be told of them; the second argument is the variable
        that used the time up.
    """

    def __init__(
        self,
        seconds: float,
        tell: Callable[..., None],
        finish: Callable[[list[Outcome], str], dict[str, Any]],
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.last = ""
        self._seconds = seconds
        self._tell = tell
        self._finish = finish
        self._end = time.monotonic() + seconds
        self._running = ""
        self._inside = False
        self._lock = threading.Lock()  # kept by the thread that ends the process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before: Any = None

    # -- of the thread that computes ---------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Note which variable is at work.

        Raises
        ------
        TimeOver
            There is no time left for it.
        """
        with self._lock:
            if time.monotonic() >= self._end:
                raise TimeOver("")
            self._running = name
            self._tell(begin=name)

    def add(self, outcome: Outcome) -> None:
        """Note what became of it."""
        with self._lock:
            self._running = ""
            self.outcomes.append(outcome)
            if outcome.error_type == "WorkerDied":
                self.last = outcome.name
                if outcome.seconds > self._seconds / 2:
                    self._end = time.monotonic() + self._seconds
                    self._tell(late=outcome.name)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let what is done inside be interrupted."""
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _interrupted(self, *_: object) -> None:
        if self._inside and time.monotonic() >= self._end:
            self._inside = False
            raise TimeOver(self._told())

    def _told(self) -> str:
        return f"the worker was ended after {self._seconds:g} s"

    def __enter__(self) -> Deadline:
        """Begin to count."""
        if _SIGNAL is not None:
            self._before = signal.signal(_SIGNAL, self._interrupted)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Have it all in time."""
        with self._lock:
            self._over.set()
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, self._before or signal.SIG_DFL)

    # -- of the thread that watches ----------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over.wait(max(self._end - time.monotonic(), 0.0) or _LOOK):
            # between two functions the other thread sees it itself
            if time.monotonic() >= self._end and self._running and not self._comes_back():
                self._end_process()

    def _comes_back(self) -> bool:
        """Interrupt a function; tell whether it is gone."""
        running, end = self._running, self._end
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            if _SIGNAL is not None:
                with contextlib.suppress(OSError):
                    signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            if self._over.wait(_LOOK) or self._running != running or self._end != end:
                return True
        return False

    def _end_process(self) -> None:
        self._lock.acquire()
        if not self._running or self._over.is_set():
            self._lock.release()
            return
        sys.setswitchinterval(1e-4)  # the function may leave no time to others
        try:
            self._tell(late=self._running)
            ended = Outcome(self._running, None, self._told(), "WorkerDied")
            self._tell(**self._finish([*self.outcomes, ended], self._running), ended=True)
        except (NXstxmError, OSError) as error:
            self._tell(failed=str(error), kind=type(error).__name__, ended=True)
        finally:
            os._exit(1)
