"""Work for a second core, while this one waits for the disk.

Checksums and sums of large arrays, and writing to a file, let other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Do some work in another thread, which is gone when the ``with`` block is left.

    A thread for each piece of work costs 0.1 ms, and nothing is left behind that a process which is
    forked, or about to end, could stumble over.

    Parameters
    ----------
    work : callable
        Takes nothing; what it gives or raises comes out of the future.
    """
    with ThreadPoolExecutor(1) as pool:
        try:
            future = pool.submit(work)
        except RuntimeError:  # Python is about to end and starts no more threads
            future = Future()
            future.set_result(work())
        yield future
