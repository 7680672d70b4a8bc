"""Events on their way into the archive: large arrays become references to rows of the run.

Their checksums are made here and not beside: a second thread would wait for the interpreter at each
array, and whoever writes the files for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..documents import ArchiveWriter, ArrayRef, array_crc32
from ._columns import AnyArray
from ._file import DIRECT_BYTES
from ._stream import Written

Document = Mapping[str, Any]


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

    def append(self, name: str, doc: Document) -> None:
        """Append a document that has no arrays."""
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
        refs = {
            each.key: ArrayRef(self._run, stream, each.key, each.row, array_crc32(data[each.key]))
            for each in written
            if _is_large(data.get(each.key))
        }
        self._archive.append("event", {**doc, "data": {**data, **refs}} if refs else doc)


def _is_large(value: AnyArray | object) -> bool:
    return isinstance(value, np.ndarray) and value.nbytes >= DIRECT_BYTES
