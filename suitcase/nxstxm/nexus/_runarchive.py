"""The archive of a run: its documents, with references to columns instead of large arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from ..documents import ArchiveWriter, ArrayRef, Packed, Placed, RunStreams, array_crc32
from ._columns import native
from ._record import AnyArray, RunRecord
from ._spill import REFERENCE_BYTES


class RunArchive:
    """Archives the documents of a run once they were entered into its books.

    Parameters
    ----------
    record : RunRecord
        The run; it is told which columns the archive refers to.
    streams : RunStreams
        Its books.
    hold : callable
        Takes the bytes of the archive.

    Attributes
    ----------
    unchecked_bytes : int
        Bytes of arrays that are held because their checksums are still to be taken.
    """

    def __init__(
        self, record: RunRecord, streams: RunStreams, hold: Callable[[bytes], None]
    ) -> None:
        self._record = record
        self._streams = streams
        self._writer = ArchiveWriter(hold)
        #: Arrays that it refers to and whose checksums it has not got yet.
        self._unchecked: list[AnyArray] = []
        self.unchecked_bytes = 0

    def take(self, name: str, doc: Mapping[str, Any], packed: Packed = None) -> None:
        """Archive a document, which may be packed already, or whose arrays may be placed."""
        if self._streams.plain:
            known = packed if isinstance(packed, bytes) else None
            self._writer.append(name, doc, packed=known)
            return
        large: list[tuple[ArrayRef, AnyArray]] = []
        placed = packed if isinstance(packed, Mapping) else {}
        archived = self._referring(name, doc, large, placed)
        self._writer.append(name, archived, [ref for ref, _ in large])
        for _, array in large:
            self._unchecked.append(array)
            self.unchecked_bytes += array.nbytes

    def take_events(self, docs: Sequence[Mapping[str, Any]], packed: Sequence[Packed]) -> None:
        """Archive events that are plain; those that are packed all at once."""
        if len(packed) == len(docs) and set(map(type, packed)) == {bytes}:
            self._writer.extend(cast(Sequence[bytes], packed))
        else:
            self._writer.append_events(docs)

    def checksums(self) -> list[int]:
        """Take the checksums of these arrays, for `note`; any thread may."""
        return [array_crc32(array) for array in self._unchecked]

    def note(self, checksums: list[int]) -> None:
        """Write down the checksums that are missing, and let the arrays go."""
        self._writer.check(checksums)
        self._unchecked, self.unchecked_bytes = [], 0

    def close(self) -> int:
        """Complete the archive; give the number of its documents."""
        self._writer.close()
        return self._writer.n_documents

    def _referring(
        self,
        name: str,
        doc: Mapping[str, Any],
        large: list[tuple[ArrayRef, AnyArray]],
        placed: Placed,
    ) -> Mapping[str, Any]:
        """Replace large arrays of an event by references to the columns that will hold them.

        The references that lack a checksum, and what they stand for, are added to `large`.
        """
        if name not in ("event", "event_page"):
            return doc
        data = doc.get("data")
        if type(data) is not dict and not isinstance(data, Mapping):
            return doc
        refs: dict[str, Any]
        if name == "event":
            for value in data.values():
                if _is_large(value):
                    break
            else:
                return doc
            stream, row = self._row(doc, 1)
            refs = {
                k: self._refer(stream, k, row, v, large, _checksum(placed, k, 0))
                for k, v in data.items()
                if _is_large(v)
            }
        else:
            keys = [k for k, column in data.items() if _has_large(column)]
            if not keys:
                return doc
            stream, row = self._row(doc, len(doc["seq_num"]))
            refs = {
                k: [
                    self._refer(stream, k, row + i, v, large, _checksum(placed, k, i))
                    if _is_large(v)
                    else v
                    for i, v in enumerate(data[k])
                ]
                for k in keys
            }
        return {**doc, "data": {**data, **refs}}

    def _row(self, doc: Mapping[str, Any], n: int) -> tuple[str, int]:
        """Give the stream of a document that was entered, and the first of its `n` rows."""
        stream = self._streams.stream_of(doc.get("descriptor"))
        return stream, self._streams.n_rows[stream] - n

    def _refer(
        self,
        stream: str,
        key: str,
        row: int,
        value: AnyArray,
        large: list[tuple[ArrayRef, AnyArray]],
        checksum: int | None,
    ) -> ArrayRef:
        self._record.references.add((stream, key))
        ref = ArrayRef(self._record.uid, stream, key, row, checksum or 0)
        if checksum is None:
            large.append((ref, native(value)))
        return ref


def _checksum(placed: Placed, key: str, i: int) -> int | None:
    """Give the checksum that was taken when an array was placed."""
    refs = placed.get(key)
    ref = None if refs is None else refs[i]
    return None if ref is None else ref.crc32


def _is_large(value: Any) -> bool:
    return (
        type(value) is np.ndarray and value.nbytes >= REFERENCE_BYTES and value.dtype.kind in "biuf"
    )


def _has_large(column: Any) -> bool:
    """Tell whether a page's column holds large arrays."""
    if isinstance(column, np.ndarray):
        return column.ndim > 1 and len(column) > 0 and _is_large(column[0])
    return isinstance(column, (list, tuple)) and any(_is_large(value) for value in column)
