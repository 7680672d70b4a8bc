"""Work for a second core, while this one does something else.

Checksums, sums and compression of many bytes, and writing to a disk, let other threads run
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Some work that another thread does, from now on.

    A thread for each piece of work costs 0.1 ms, and nothing is left behind that a process which is
    forked, or about to end, could stumble over.

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

        try:
            Thread(target=run, name="nxstxm-beside").start()
        except RuntimeError:  # Python is about to end, or there are too many threads
            run()

    def result(self) -> T:
        """Wait until it is done, and give what came of it."""
        return self._future.result()

    @property
    def is_done(self) -> bool:
        """Whether it is done."""
        return self._future.done()
