"""What there is in a run that others wrote, read with EXtra-data: streams, times, values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._columns import NANOSECONDS, AnyArray
from ._last import DOCUMENTS
from ._names import Names, safe
from ._trains import TRAINS_A_SECOND

#: Bytes, and trains, that are read at a time.
_BLOCK_BYTES, _BLOCK_TRAINS = 32 * 2**20, 256


@dataclass(frozen=True)
class Reading:
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
    stamps : KeyData or None
        What reads when its values were read, nanoseconds since the epoch; None where nobody told.
    """

    name: str
    source: str
    key: str
    data: Any
    is_single: bool
    stamps: Any = None


@dataclass
class Stream:
    """Sources that have data for the same trains.

    Attributes
    ----------
    name : str
        Of the stream.
    train_ids : ndarray of uint64, shape (n,)
        The trains.
    readings : list of Reading
        What each of them has.
    """

    name: str
    train_ids: AnyArray
    readings: list[Reading] = field(default_factory=list)

    def suspects(self) -> frozenset[int]:
        """Give its trains that are flagged as suspect by a file that has data of it."""
        files = {id(file): file for each in self.readings for file in each.data.files}
        return suspects(files.values()) & frozenset(self.train_ids.tolist())


@dataclass(frozen=True)
class Block:
    """The values of some trains of a stream.

    Attributes
    ----------
    train_ids : ndarray of uint64, shape (n,)
        The trains.
    values : dict of str to sequence
        Of each data key n values.
    times : dict of str to ndarray of uint64, shape (n,)
        Of the data keys for which it is known: when each was read, nanoseconds since the epoch;
        0 where it is not known.
    """

    train_ids: AnyArray
    values: dict[str, Sequence[Any]]
    times: dict[str, AnyArray]


def times_of(run: Any) -> dict[int, float]:
    """Give the time of each train, seconds; by its id where none is written."""
    ids = [int(train) for train in run.train_ids]
    stamps = np.asarray(run.train_timestamps(labelled=False)).astype("datetime64[ns]")
    known = ~np.isnat(stamps)
    seconds = stamps.astype(np.int64) / NANOSECONDS
    return {
        train: float(s) if k else train / TRAINS_A_SECOND
        for train, s, k in zip(ids, seconds, known, strict=True)
    }


def suspects(files: Iterable[Any]) -> frozenset[int]:
    """Give the trains that files flag as suspect."""
    found: set[int] = set()
    for file in files:
        flag = np.asarray(file.validity_flag, bool)
        found.update(np.asarray(file.train_ids)[~flag].tolist())
    return frozenset(found)


def streams_of(run: Any) -> tuple[list[Stream], list[str]]:
    """Find the streams of a run, that with most sources first; and what can not be read."""
    unreadable: list[str] = []
    found: dict[bytes, Stream] = {}
    names, run_ids = Names(), np.asarray(run.train_ids, np.uint64)
    for source in sources_of(run):
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
            stream = found.setdefault(ids.tobytes(), Stream("", ids))
            name = names[f"{source}-{key.removesuffix('.value')}".replace(".", "-")]
            is_single = its.is_control or bool((counts[counts > 0] == 1).all())
            stamps = _stamps(data, key) if its.is_control else None
            stream.readings.append(Reading(name, source, key, its, is_single, stamps))
    ordered = sorted(found.values(), key=lambda each: (-len(each.readings), each.train_ids[0]))
    stream_names = Names()
    for i, stream in enumerate(ordered):
        stream.name = stream_names["primary" if not i else safe(stream.readings[0].source)]
    return ordered, unreadable


def sources_of(run: Any) -> list[str]:
    """Name the sources of a run, each once."""
    return [source for source in sorted(run.all_sources) if source not in run.legacy_sources]


def _ids_of(data: Any, run_ids: AnyArray) -> AnyArray:
    ids = np.asarray(data.train_ids, np.uint64)
    return ids if len(ids) else run_ids[:0]


def _stamps(data: Any, key: str) -> Any:
    """Give what reads the times of a control key; None where there is no such thing."""
    try:
        stamps = data[f"{key.removesuffix('.value')}.timestamp"]
    except (KeyError, OSError, ValueError):
        return None
    return stamps if stamps.dtype.kind in "iu" and not stamps.entry_shape else None


def values_of_run(run: Any, source: str, known: Iterable[str]) -> dict[str, tuple[Any, float]]:
    """Give the values of the run of a source that do not come with trains.

    Parameters
    ----------
    run : DataCollection
        The run.
    source : str
        The source.
    known : iterable of str
        Keys of it that come with trains.

    Returns
    -------
    dict of str to tuple
        By key: the value as documents can have it, and when it was read, seconds since the epoch;
        0 where nobody told.
    """
    try:
        stored = run[source].run_values()
    except Exception:  # noqa: BLE001 - of arrays, of several runs, and of old ones, there are none
        return {}
    known = {key.removesuffix(".value") for key in known}
    if source == DOCUMENTS:
        known |= {"archive"}  # our documents, of which a part of the run was chosen
    found: dict[str, tuple[Any, float]] = {}
    for path, value in stored.items():
        key, _, what = path.rpartition(".")
        plain = plain_value(value)
        if what == "value" and key not in known and isinstance(plain, _PLAIN):
            stamp = stored.get(f"{key}.timestamp", 0)
            is_time = isinstance(stamp, (int, np.integer))
            found[key] = plain, int(stamp) / NANOSECONDS if is_time else 0.0
    return found


_PLAIN = (bool, int, float, str, list)


def plain_value(value: Any) -> Any:
    """Give a value that documents can have."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [plain_value(each) for each in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def blocks_of(stream: Stream) -> Iterator[Block]:
    """Read a stream, so many trains at a time that they are some megabytes."""
    n = len(stream.train_ids)
    row = sum(
        int(np.prod(r.data.entry_shape, dtype=np.int64)) * r.data.dtype.itemsize
        * (1 if r.is_single else max(int(r.data.shape[0]) // max(n, 1), 1))
        for r in stream.readings
    )  # fmt: skip
    step = int(min(max(_BLOCK_BYTES // max(row, 1), 1), _BLOCK_TRAINS))
    for first in range(0, n, step):
        ids = stream.train_ids[first : first + step]
        values = {r.name: _values(r, ids) for r in stream.readings}
        yield Block(ids, values, dict(_times(stream.readings, ids)))


def _values(reading: Reading, ids: AnyArray) -> Sequence[Any]:
    """Give the values of some trains, one of each."""
    from extra_data import by_id

    data = reading.data[by_id[ids.tolist()]]
    values = data.ndarray()
    if not reading.is_single:
        counts = np.asarray(data.data_counts(labelled=False), np.int64)
        parts: Sequence[Any] = np.split(values, np.cumsum(counts)[:-1])
        return parts
    if values.ndim == 1:
        plain: Sequence[Any] = [plain_value(each) for each in values.tolist()]
        return plain
    return [np.asarray(each) for each in values]


def _times(readings: Iterable[Reading], ids: AnyArray) -> Iterator[tuple[str, AnyArray]]:
    """Give when the values of some trains were read, of the keys for which that is written."""
    from extra_data import by_id

    for reading in readings:
        if reading.stamps is None:
            continue
        try:
            times = np.asarray(reading.stamps[by_id[ids.tolist()]].ndarray())
        except (KeyError, OSError, ValueError):
            continue  # shorter than its values
        if times.shape == ids.shape and times.any():
            yield reading.name, times
