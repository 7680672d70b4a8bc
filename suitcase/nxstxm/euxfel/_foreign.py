"""A run that others wrote, as documents: what is in it, and nothing that is not.

Sources that have data for the same trains are one stream; each of these trains is an event. It is
read with EXtra-data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from .._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from ._columns import NANOSECONDS, AnyArray
from ._names import Names, safe
from ._place import TRAINS_A_SECOND

Document = dict[str, Any]
#: The data key of the train ids: no other has a name without a source.
TRAIN_ID = "train_id"
#: Bytes, and trains, that are read at a time.
_BLOCK_BYTES, _BLOCK_TRAINS = 32 * 2**20, 256


#: What Bluesky calls kinds of dtypes.
_KINDS = {"b": "boolean", "f": "number", "c": "number", "i": "integer", "u": "integer",
          "V": "array"}  # fmt: skip


class MissingExtraDataError(NXstxmError, ImportError):
    """EXtra-data is needed and not installed."""


@dataclass(frozen=True)
class _Reading:
    """A data key: where it is in the run.

    Attributes
    ----------
    name : str
        The data key.
    source, key : str
        In EXtra-data's words.
    data : KeyData
        What reads it.
    is_single : bool
        Whether each train has one value; else it has a series of them.
    """

    name: str
    source: str
    key: str
    data: Any
    is_single: bool


@dataclass
class _Stream:
    """Sources that have data for the same trains."""

    name: str
    train_ids: AnyArray
    readings: list[_Reading] = field(default_factory=list)


def opened_run(run: Any) -> Any:
    """Open a run with EXtra-data; a DataCollection stays as it is.

    Raises
    ------
    MissingExtraDataError
        It is not installed.
    NXstxmOSError
        There is no run that it can open.
    """
    try:
        import extra_data
    except ImportError as error:
        raise MissingExtraDataError(
            "to read runs that others wrote, install EXtra-data "
            "(pip install 'suitcase-nxstxm[euxfel]')"
        ) from error
    if isinstance(run, extra_data.DataCollection):
        return run
    path = Path(run)
    try:
        if path.is_dir():
            return extra_data.RunDirectory(str(path), parallelize=False)
        return extra_data.H5File(str(path))
    except Exception as error:  # it raises plain ones, too
        raise NXstxmOSError(f"EXtra-data can not open {path} ({error})") from error


def foreign_documents(run: Any) -> Iterator[tuple[str, Document]]:
    """Give the documents of a run that others wrote.

    Parameters
    ----------
    run : DataCollection
        The run.

    Yields
    ------
    name, document
        A start document; for each stream a descriptor and its events; a stop document.

    Raises
    ------
    NXstxmValueError
        It has no trains and no sources.
    """
    streams, unreadable = _streams(run)
    times = _times(run)
    start = _start(run, times)
    if unreadable:
        start["euxfel"]["unreadable"] = unreadable
    yield "start", start
    counts: dict[str, int] = {}
    for stream in streams:
        descriptor = _descriptor(run, stream, start)
        yield "descriptor", descriptor
        counts[stream.name] = len(stream.train_ids)
        yield from _events(stream, descriptor, times)
    end = max(times.values(), default=start["time"])
    yield "stop", {
        "uid": _uid(start["uid"], "stop"), "run_start": start["uid"], "time": end,
        "exit_status": "success", "num_events": counts,
    }  # fmt: skip


def _uid(*parts: object) -> str:
    """Give a uid that is the same each time."""
    return str(uuid5(NAMESPACE_URL, "\n".join(map(str, ("euxfel", *parts)))))


# -- what there is ------------------------------------------------------------------------------


def _times(run: Any) -> dict[int, float]:
    """Give the time of each train; by its id where none is written."""
    ids = [int(train) for train in run.train_ids]
    stamps = np.asarray(run.train_timestamps(labelled=False)).astype("datetime64[ns]")
    known = ~np.isnat(stamps)
    seconds = stamps.astype(np.int64) / NANOSECONDS
    return {
        train: float(s) if k else train / TRAINS_A_SECOND
        for train, s, k in zip(ids, seconds, known, strict=True)
    }


def _streams(run: Any) -> tuple[list[_Stream], list[str]]:
    """Find the streams of a run, that with most sources first; and what can not be read."""
    unreadable: list[str] = []
    found: dict[bytes, _Stream] = {}
    names, run_ids = Names(), np.asarray(run.train_ids, np.uint64)
    for source in sorted(run.all_sources):
        if source in run.legacy_sources:
            continue
        data = run[source]
        for key in sorted(data.keys(inc_timestamps=False)):
            if key.endswith(".trainId"):
                continue
            try:
                its = data[key]
                counts = np.asarray(its.data_counts(labelled=False))
            except (KeyError, OSError, ValueError):
                unreadable.append(f"{source} {key}")
                continue
            ids = _ids_of(its, run_ids)[counts > 0]
            if not len(ids):
                continue
            stream = found.setdefault(ids.tobytes(), _Stream("", ids))
            name = names[f"{source}-{key.removesuffix('.value')}".replace(".", "-")]
            is_single = its.is_control or bool((counts[counts > 0] == 1).all())
            stream.readings.append(_Reading(name, source, key, its, is_single))
    ordered = sorted(found.values(), key=lambda each: (-len(each.readings), each.train_ids[0]))
    stream_names = Names()
    for i, stream in enumerate(ordered):
        stream.name = stream_names["primary" if not i else safe(stream.readings[0].source)]
    return ordered, unreadable


def _ids_of(data: Any, run_ids: AnyArray) -> AnyArray:
    ids = np.asarray(data.train_ids, np.uint64)
    return ids if len(ids) else run_ids[:0]


def _start(run: Any, times: Mapping[int, float]) -> Document:
    ids = sorted(times)
    try:
        told = run.run_metadata()
    except Exception:  # noqa: BLE001 - of several runs, and of old ones, there is none
        told = {}
    about = {str(key): _plain(value) for key, value in told.items() if key != "dataSources"}
    if not ids and not run.all_sources:
        raise NXstxmValueError("the run has no trains and no sources")
    first = times[ids[0]] if ids else 0.0
    number, proposal = about.get("runNumber"), about.get("proposalNumber")
    start: Document = {
        "uid": _uid(proposal, number, ids[:1], ids[-1:], len(ids), *sorted(run.all_sources)),
        "time": first, "plan_name": "euxfel", "euxfel": about,
    }  # fmt: skip
    if isinstance(number, int):
        start["scan_id"] = number
    if isinstance(proposal, int):
        start["proposal"] = str(proposal)
    sample = about.get("sample")
    if isinstance(sample, str) and sample:
        start["sample"] = sample
    return start


def _plain(value: Any) -> Any:
    """Give a value that documents can have."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def _descriptor(run: Any, stream: _Stream, start: Document) -> Document:
    keys: Document = {
        TRAIN_ID: {"dtype": "integer", "shape": [], "source": "INDEX/trainId",
                   "dtype_numpy": "<u8"}
    }  # fmt: skip
    objects: dict[str, list[str]] = {"train": [TRAIN_ID]}
    configuration: Document = {}
    for reading in stream.readings:
        keys[reading.name] = _data_key(reading)
        device = safe(reading.source)
        objects.setdefault(device, []).append(reading.name)
        if device not in configuration:
            configuration[device] = _configuration(run, reading.source)
    return {
        "uid": _uid(start["uid"], stream.name), "run_start": start["uid"], "name": stream.name,
        "time": start["time"], "data_keys": keys, "object_keys": objects,
        "configuration": configuration, "hints": {},
    }  # fmt: skip


def _data_key(reading: _Reading) -> Document:
    data = reading.data
    shape: list[int | None] = [int(n) for n in data.entry_shape]
    is_text = data.dtype.kind not in "biufcV"
    found: Document = {"source": f"{reading.source} {reading.key}"}
    if not reading.is_single:
        shape = [None, *shape]
    if shape:
        found["dtype"] = "array"
    else:
        found["dtype"] = _KINDS.get(data.dtype.kind, "string")
    found["shape"] = shape
    if not is_text:
        found["dtype_numpy"] = data.dtype.str
    if data.dtype.kind == "V":
        found["dtype_descr"] = data.dtype.descr
    try:
        units = data.units
    except (OSError, KeyError, AttributeError):  # of older EXtra-data, and of no trains
        units = None
    if units:
        found["units"] = units
    return found


def _configuration(run: Any, source: str) -> Document:
    """Give the values of the run of a source that do not come with trains."""
    data: Document = {}
    try:
        values = run[source].run_values(inc_timestamps=False)
        known = set(run[source].keys(inc_timestamps=False))
    except Exception:  # noqa: BLE001 - of arrays, of several runs, and of old ones, there are none
        return {"data": {}, "timestamps": {}, "data_keys": {}}
    for key, value in values.items():
        if key not in known:
            plain = _plain(value)
            if isinstance(plain, (bool, int, float, str, list)):
                data[key.removesuffix(".value").replace(".", "-")] = plain
    keys = {key: {"source": f"{source} {key}", **_declared(value)} for key, value in data.items()}
    return {"data": data, "timestamps": dict.fromkeys(data, 0.0), "data_keys": keys}


def _declared(value: Any) -> Document:
    if isinstance(value, list):
        return {"dtype": "array", "shape": [len(value)]}
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    return {"dtype": next(name for kind, name in kinds if isinstance(value, kind)), "shape": []}


# -- events ---------------------------------------------------------------------------------------


def _events(
    stream: _Stream, descriptor: Document, times: Mapping[int, float]
) -> Iterator[tuple[str, Document]]:
    n = len(stream.train_ids)
    row = sum(
        int(np.prod(r.data.entry_shape, dtype=np.int64)) * r.data.dtype.itemsize
        * (1 if r.is_single else max(int(r.data.shape[0]) // max(n, 1), 1))
        for r in stream.readings
    )  # fmt: skip
    step = int(min(max(_BLOCK_BYTES // max(row, 1), 1), _BLOCK_TRAINS))
    for first in range(0, n, step):
        ids = stream.train_ids[first : first + step]
        columns = {r.name: _column(r, ids) for r in stream.readings}
        for i, train in enumerate(ids.tolist()):
            time = times[train]
            data: Document = {TRAIN_ID: train}
            data |= {name: column[i] for name, column in columns.items()}
            yield "event", {
                "uid": _uid(descriptor["uid"], train), "descriptor": descriptor["uid"],
                "seq_num": first + i + 1, "time": time, "data": data,
                "timestamps": dict.fromkeys(data, time), "filled": {},
            }  # fmt: skip


def _column(reading: _Reading, ids: AnyArray) -> Sequence[Any]:
    """Give the values of some trains, one of each."""
    from extra_data import by_id

    data = reading.data[by_id[ids.tolist()]]
    values = data.ndarray()
    if not reading.is_single:
        counts = np.asarray(data.data_counts(labelled=False), np.int64)
        parts: Sequence[Any] = np.split(values, np.cumsum(counts)[:-1])
        return parts
    if values.ndim == 1:
        plain: Sequence[Any] = [_plain(each) for each in values.tolist()]
        return plain
    return [np.asarray(each) for each in values]
