"""Work for a second core, while this one does something else.

Checksums, sums and compression of many bytes, and writing to a disk, let other threads run
meanwhile.
"""

from __future__ import annotations

import atexit
import os
from _thread import start_new_thread
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")
#: What is not done yet; Python does not end before it is.
_going_on: set[Future[Any]] = set()


class Beside(Generic[T]):
    """Some work that another thread does, from now on.

    A thread for each piece of work leaves nothing behind that a process which is forked could
    stumble over. `threading.Thread` waits until its thread runs, for which that needs the
    interpreter: up to a millisecond while others are busy, instead of 15 microseconds.

    Parameters
    ----------
    work : callable
        Takes nothing; what it gives or raises comes out of `result`.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._future: Future[T] = Future()

        def run() -> None:
            try:
                self._future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
                self._future.set_exception(error)
            finally:
                _going_on.discard(self._future)

        _going_on.add(self._future)
        try:
            start_new_thread(run, ())
        except RuntimeError:  # Python is about to end, or there are too many threads
            run()

    def result(self) -> T:
        """Wait until it is done, and give what came of it."""
        return self._future.result()

    @property
    def is_done(self) -> bool:
        """Whether it is done."""
        return self._future.done()


@atexit.register
def _finish() -> None:
    """Wait for what goes on: a file that is complete gets its name."""
    wait(list(_going_on))


if hasattr(os, "register_at_fork"):  # the threads of a process are not those of its children
    os.register_at_fork(after_in_child=_going_on.clear)
