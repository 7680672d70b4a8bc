"""What waits for the thread that writes files: first in, first out, within a limit of memory."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Any

from ._batch import Batch

#: Bytes of documents that wait in memory; beyond them they wait in the journal alone.
HELD_BYTES = 16 * 2**20

#: So many documents in a batch come from no RunEngine: they are kept back for so many seconds, for
#: the writer to catch up.
FLOOD, PATIENCE = 1000, 0.1


class Backlog:
    """Batches, and other things to do, on their way from one thread to another.

    Parameters
    ----------
    limit : int
        Bytes of documents that are kept in memory. A batch that comes when so many wait is let go,
        if the journal has it, and read from there when its turn comes. One that the journal has not
        waits when there are four times as many, and whoever brings it.
    """

    #: What `get` gives when nothing came.
    NOTHING = object()

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self._limit = limit
        self._items: deque[Any] = deque()
        self._there = Condition()
        self._held = 0

    def put(self, item: Any) -> None:
        """Add something at the end."""
        with self._there:
            if isinstance(item, Batch):
                if self._held > self._limit and item.n_documents >= FLOOD:
                    # reading them again costs more than whoever brings so many has to wait here
                    self._there.wait_for(self._has_room, PATIENCE)
                if not self._has_room():
                    item = item.without_documents()
                while item.segments is not None and self._held > 4 * self._limit:
                    self._there.wait()
                if item.segments is not None:
                    self._held += item.n_bytes
            self._items.append(item)
            self._there.notify_all()

    def put_first(self, item: Any) -> None:
        """Add something that is to be done before all that waits."""
        with self._there:
            self._items.appendleft(item)
            self._there.notify_all()

    def get(self, timeout: float | None = None) -> Any:
        """Take what came first; wait for it, or give `NOTHING` after so many seconds."""
        with self._there:
            if not self._there.wait_for(self._items.__len__, timeout):
                return self.NOTHING
            item = self._items.popleft()
            if isinstance(item, Batch) and item.segments is not None:
                self._held -= item.n_bytes
                self._there.notify_all()
            return item

    def _has_room(self) -> bool:
        return self._held <= self._limit

    @property
    def held_bytes(self) -> int:
        """Bytes of documents in memory."""
        return self._held
