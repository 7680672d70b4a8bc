"""A queue between two threads that is bounded in items and in bytes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from threading import Condition, Lock, get_ident
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """Items go in one by one and come out all at once, which is what makes it quick.

    Parameters
    ----------
    max_items, max_bytes : int
        `put` waits while there is as much in it; one item always fits.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._items: deque[T] = deque()
        self._max_items, self._max_bytes = max_items, max_bytes
        self._bytes = 0
        self._closed = False
        lock = Lock()
        self._filled, self._emptied = Condition(lock), Condition(lock)
        self._lock = lock
        self._takers = 0
        #: Threads that are not made to wait: those that would have to make room.
        self.never_wait: set[int] = set()

    def put(self, item: T, n_bytes: int, timeout: float | None = None) -> bool:
        """Add an item; False when there was no room for so long (seconds), or it is closed."""
        with self._lock:
            if self._full(n_bytes) and get_ident() not in self.never_wait:
                end = None if timeout is None else time.monotonic() + timeout
                while self._full(n_bytes) and not self._closed:
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._emptied.wait(left)
            if self._closed:
                return False
            self._items.append(item)
            self._bytes += n_bytes
            if self._takers:
                self._filled.notify()
        return True

    def _full(self, n_bytes: int) -> bool:
        n = len(self._items)
        return n >= self._max_items or (n > 0 and self._bytes + n_bytes > self._max_bytes)

    def take(self) -> Sequence[T]:
        """Wait for items and take all; nothing when it is closed and empty."""
        with self._lock:
            while not self._items and not self._closed:
                self._takers += 1
                self._filled.wait()
                self._takers -= 1
            taken, self._items = self._items, deque()
            self._bytes = 0
            self._emptied.notify_all()
        return taken

    def close(self) -> None:
        """Take nothing more; what is in it can still be taken."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()
