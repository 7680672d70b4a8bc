"""Documents on their way between threads, and what else goes that way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ._journal import Extent, Journal, Packed, has_arrays

Document = Mapping[str, Any]
#: What a document without arrays takes in memory, roughly: ten times of what it takes packed.
_DOCUMENT_BYTES = 1024
#: What nobody can change.
_FIXED = frozenset((bool, int, float, complex, str, bytes, type(None)))
#: Events that are read together, from a journal or from whoever has them.
_TOGETHER = 1000


class Segment(NamedTuple):
    """Documents of one kind, one after the other: events of one descriptor, or a single one.

    Attributes
    ----------
    name : str
        Kind of document.
    documents : list of Mapping
        The documents.
    packed : sequence
        What `Journal.add` gave for each; nothing where there is no journal, or it gave nothing.
    """

    name: str
    documents: list[Document]
    packed: Sequence[Packed] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    """Documents of one run, in the order in which they came.

    Attributes
    ----------
    run : str
        The run.
    segments : tuple of Segment, or None
        The documents; None when only the journal has them.
    journal : Journal or None
        The journal that has them.
    extent : Extent or None
        Where in it they are; None when it has not got them.
    """

    run: str
    segments: tuple[Segment, ...] | None
    journal: Journal | None = None
    extent: Extent | None = None

    @cached_property
    def n_documents(self) -> int:
        """Documents in memory."""
        return sum(len(segment.documents) for segment in self.segments or ())

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of memory that letting the documents go would free, roughly."""
        segments = self.segments or ()
        n_bytes = _DOCUMENT_BYTES * self.n_documents
        if self.extent is None:
            # events of one descriptor are alike
            return n_bytes + sum(len(s.documents) * array_bytes(s.documents[0]) for s in segments)
        # mostly all are bytes, which is seen quicker of all of them together
        some = (s.packed for s in segments if set(map(type, s.packed)) - {bytes})
        placed = (its for packed in some for its in packed if isinstance(its, Mapping))
        refs = (ref for its in placed for refs in its.values() for ref in refs)
        n_bytes += self.extent.last - self.extent.first
        return n_bytes + sum(ref.n_bytes for ref in refs if ref)

    def without_documents(self) -> Batch:
        """Let the documents go, if the journal has them."""
        if self.journal is None or self.extent is None:
            return self
        return Batch(self.run, None, self.journal, self.extent)

    def __iter__(self) -> Iterator[Segment]:
        """Give the documents, if need be from the journal."""
        if self.segments is not None:
            yield from self.segments
        elif self.journal is not None and self.extent is not None:
            yield from _segments(self.journal.read(self.extent))


def _segments(read: Iterator[tuple[str, dict[str, Any], Packed]]) -> Iterator[Segment]:
    """Part what is read from a journal, so that not all of it is in memory."""
    segment: Segment | None = None
    for name, doc, packed in read:
        if segment is not None and goes_on(segment, name, doc, _TOGETHER):
            segment.documents.append(doc)
            segment.packed.append(packed)  # type: ignore[attr-defined] # a list, made below
            continue
        if segment is not None:
            yield segment
        segment = Segment(name, [doc], [packed])
    if segment is not None:
        yield segment


def segments(documents: Iterable[tuple[str, Document]]) -> Iterator[Segment]:
    """Bring events of one descriptor together that come one after the other and have no arrays.

    Whatever the source raises comes behind all that it gave before.
    """
    plain: set[Any] = set()
    events: list[Document] = []
    failed: BaseException | None = None
    source = iter(documents)
    while True:
        try:
            name, doc = next(source)
        except StopIteration:
            break
        except BaseException as error:  # noqa: BLE001 - raised below
            failed = error
            break
        descriptor = doc.get("descriptor") if name == "event" and type(doc) is dict else None
        is_plain = type(descriptor) is str and descriptor in plain
        full = len(events) == _TOGETHER
        if events and (full or not is_plain or descriptor != events[0]["descriptor"]):
            yield Segment("event", events)
            events = []
        if is_plain:
            events.append(doc)
            continue
        if name == "descriptor" and isinstance(doc, Mapping) and not has_arrays(doc):
            plain.add(doc.get("uid") if isinstance(doc.get("uid"), str) else None)
        yield Segment(name, [doc])
    if events:
        yield Segment("event", events)
    if failed is not None:
        raise failed


def goes_on(segment: Segment, name: str, doc: Document, most: int) -> bool:
    """Tell whether a document belongs to the segment before it."""
    return (
        name == "event" == segment.name
        and len(segment.documents) < most
        and doc.get("descriptor") == segment.documents[0].get("descriptor")
    )


@dataclass(frozen=True)
class Closed:
    """Tells that the journal of a run is closed, and nothing more comes of it."""

    run: str


@dataclass(frozen=True)
class Pending:
    """Tells that a run is over and its journal can not be written: it is tried until it can."""

    run: str


def array_bytes(doc: Document) -> int:
    """Give the bytes of the arrays in an event or a page of events."""
    data = doc.get("data")
    if not isinstance(data, Mapping):
        return 0  # refused elsewhere, with a message
    n_bytes = 0
    for value in data.values():
        if type(value) is np.ndarray:
            n_bytes += value.nbytes
        elif type(value) is list and value and type(value[0]) is np.ndarray:
            n_bytes += sum(each.nbytes for each in value if type(each) is np.ndarray)
    return n_bytes


def copied(name: str, doc: Document) -> Document:
    """Copy the readings of an event, or of a page of events: a device may use its buffers again.

    Lists, tuples and dicts are copied with all that is in them. What can not be copied stays as it
    is: whatever is wrong with it is told elsewhere.
    """
    if name not in ("event", "event_page"):
        return doc
    try:
        return {**doc, "data": {key: _copy(value) for key, value in doc["data"].items()}}
    except Exception:  # noqa: BLE001 - no data, or so deep that there is no end of it
        return doc


def _copy(value: Any) -> Any:
    if type(value) in _FIXED:
        return value
    if isinstance(value, (list, tuple)):
        if _FIXED.issuperset(map(type, value)):
            return list(value)  # quick for long lists of numbers
        return [_copy(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in value.items()}
    return value.copy() if hasattr(value, "copy") else value
