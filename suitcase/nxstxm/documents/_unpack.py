"""Pages and bulk documents into single events and datums: one form for whoever compares or reads.

event-model can do this too; here a page whose columns have different lengths is an error instead
of a page of its shortest column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from suitcase.nxstxm._errors import NXstxmValueError

Document = dict[str, Any]


def unpack_documents(
    docs: Iterable[tuple[str, Mapping[str, Any]]],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Give a stream of documents with every page and bulk document unpacked.

    Parameters
    ----------
    docs : iterable of (name, document)
        ``event_page`` and ``bulk_events`` become ``event``, ``datum_page`` and ``bulk_datum``
        become ``datum``, as event-model defines them; all others pass as they are.

    Yields
    ------
    (name, document)
        Values are taken out of the columns as they stand: a row of an array is a view of it.

    Raises
    ------
    NXstxmValueError
        When a page lacks a column that it must have, or its columns have different lengths.
    """
    for name, doc in docs:
        unpack = _UNPACKERS.get(name)
        if unpack is None:
            yield name, doc
            continue
        single, unpacked = unpack
        try:
            for document in unpacked(doc):
                yield single, document
        except (AttributeError, KeyError, TypeError) as error:
            raise NXstxmValueError(
                f"this {name} can not be unpacked: {type(error).__name__} {error}; "
                f"event-model's schema says what it must hold"
            ) from error


def _events(page: Mapping[str, Any]) -> Iterator[Document]:
    descriptor = page["descriptor"]
    uids, times, seq_nums = page["uid"], page["time"], page["seq_num"]
    length = len(seq_nums)
    what = f"event_page of descriptor {descriptor}"
    if len(uids) != length or len(times) != length:
        raise NXstxmValueError(
            f"{what}: {len(uids)} uids, {len(times)} times and {length} seq_nums are not one page"
        )
    data = _rows(page["data"], length, f"{what}, data")
    timestamps = _rows(page["timestamps"], length, f"{what}, timestamps")
    filled = _rows(page.get("filled", {}), length, f"{what}, filled")
    for i in range(length):
        yield {
            "descriptor": descriptor,
            "uid": uids[i],
            "time": times[i],
            "seq_num": seq_nums[i],
            "data": data[i],
            "timestamps": timestamps[i],
            "filled": filled[i],
        }


def _datums(page: Mapping[str, Any]) -> Iterator[Document]:
    resource, ids = page["resource"], page["datum_id"]
    kwargs = _rows(page["datum_kwargs"], len(ids), f"datum_page of resource {resource}")
    for datum_id, datum_kwargs in zip(ids, kwargs, strict=True):
        yield {"resource": resource, "datum_id": datum_id, "datum_kwargs": datum_kwargs}


def _bulk_events(doc: Mapping[str, Any]) -> Iterator[Document]:
    for events in doc.values():
        yield from events


def _bulk_datums(doc: Mapping[str, Any]) -> Iterator[Document]:
    resource, ids, kwargs = doc["resource"], doc["datum_ids"], doc["datum_kwarg_list"]
    if len(ids) != len(kwargs):
        raise NXstxmValueError(
            f"bulk_datum of resource {resource}: {len(ids)} ids, {len(kwargs)} datum_kwargs"
        )
    for datum_id, datum_kwargs in zip(ids, kwargs, strict=True):
        yield {"resource": resource, "datum_id": datum_id, "datum_kwargs": datum_kwargs}


def _rows(columns: Mapping[str, Sequence[Any]], length: int, what: str) -> list[Document]:
    for key, column in columns.items():
        if len(column) != length:
            raise NXstxmValueError(f"{what}: {key!r} has {len(column)} values for {length} rows")
    if not columns:
        return [{} for _ in range(length)]
    keys = tuple(columns)
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]


_UNPACKERS = {
    "event_page": ("event", _events),
    "bulk_events": ("event", _bulk_events),
    "datum_page": ("datum", _datums),
    "bulk_datum": ("datum", _bulk_datums),
}
