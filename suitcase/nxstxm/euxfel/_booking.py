"""Events on their way into the archive: large arrays become references to rows of the run.

The checksums of arrays take as long as writing them; another thread makes them meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._beside import Beside
from ..documents import ArchiveWriter, ArrayRef, array_crc32
from ._columns import AnyArray
from ._file import DIRECT_BYTES
from ._stream import Written

Document = Mapping[str, Any]
#: Bytes of arrays whose checksums are made together, and how many such lots may wait for them: as
#: long as others are written.
TOGETHER, MOST = 4 * 2**20, 6
Held = list[tuple[Document, str, list[Written]]]


class Booking:
    """Appends documents to an archive.

    Parameters
    ----------
    archive : ArchiveWriter
        The archive.
    run : str
        Uid of the run.
    """

    def __init__(self, archive: ArchiveWriter, run: str) -> None:
        self._archive, self._run = archive, run
        self._held: Held = []
        self._n_bytes = 0
        self._waiting: deque[tuple[Held, Beside[list[int]]]] = deque()

    def append(self, name: str, doc: Document) -> None:
        """Append a document that has no arrays."""
        self.flush()
        self._archive.append(name, doc)

    def add(self, doc: Document, stream: str, written: Sequence[Written]) -> None:
        """Append an event, some of whose arrays are written.

        Parameters
        ----------
        doc : Mapping
            The event.
        stream : str
            Its stream.
        written : sequence of Written
            Where arrays of it are.
        """
        data = doc["data"]
        large = [each for each in written if _is_large(data.get(each.key))]
        if not large and not self._held and not self._waiting:
            self._archive.append("event", doc)
            return
        self._held.append((doc, stream, large))
        self._n_bytes += sum(data[each.key].nbytes for each in large)
        if self._n_bytes > TOGETHER or len(self._held) > 1000:
            held, self._held, self._n_bytes = self._held, [], 0
            arrays = [doc["data"][each.key] for doc, _, large in held for each in large]
            self._waiting.append((held, Beside(lambda: [array_crc32(array) for array in arrays])))
            self._finish(MOST)

    def flush(self) -> None:
        """Append all that waits."""
        self._finish(0)
        held, self._held, self._n_bytes = self._held, [], 0
        for doc, stream, large in held:
            sums = [array_crc32(doc["data"][each.key]) for each in large]
            self._book(doc, stream, large, sums)

    def _finish(self, most: int) -> None:
        """Append what has its checksums, and wait until no more than so many lots have not."""
        while self._waiting and (len(self._waiting) > most or self._waiting[0][1].is_done):
            held, beside = self._waiting.popleft()
            sums = iter(beside.result())
            for doc, stream, large in held:
                self._book(doc, stream, large, [next(sums) for _ in large])

    def _book(
        self, doc: Document, stream: str, large: Sequence[Written], sums: Sequence[int]
    ) -> None:
        refs = {
            each.key: ArrayRef(self._run, stream, each.key, each.row, crc)
            for each, crc in zip(large, sums, strict=True)
        }
        self._archive.append("event", {**doc, "data": {**doc["data"], **refs}} if refs else doc)


def _is_large(value: AnyArray | object) -> bool:
    return isinstance(value, np.ndarray) and value.nbytes >= DIRECT_BYTES
