"""A run that others wrote, as documents: what is in it, and nothing that is not.

Sources that have data for the same trains are one stream; each of these trains is an event. It is
read with EXtra-data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from .._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from ._columns import NANOSECONDS
from ._foreign_data import (
    Reading,
    Stream,
    blocks_of,
    plain_value,
    sources_of,
    streams_of,
    suspects,
    times_of,
    values_of_run,
)
from ._names import safe

Document = dict[str, Any]
#: The data keys of the train ids, and of their flags, which only streams with suspect trains have:
#: no others have a name without a source.
TRAIN_ID, TRAIN_FLAG = "train_id", "train_flag"


#: What Bluesky calls kinds of dtypes.
_KINDS = {"b": "boolean", "f": "number", "c": "number", "i": "integer", "u": "integer",
          "V": "array"}  # fmt: skip


class MissingExtraDataError(NXstxmError, ImportError):
    """EXtra-data is needed and not installed."""


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


def is_whole(run: Any, folder: Path) -> bool:
    """Tell whether a DataCollection has all sources, keys and trains of the run in a folder.

    Raises
    ------
    NXstxmOSError
        There is no run that EXtra-data can open.
    """
    whole = opened_run(folder)
    return run.selection == whole.selection and [*run.train_ids] == [*whole.train_ids]


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
    streams, unreadable = streams_of(run)
    times = times_of(run)
    start = _start(run, times)
    if unreadable:
        start["euxfel"]["unreadable"] = unreadable
    yield "start", start
    values = _Values(run, streams)
    if not streams and values.without_trains:
        streams = [Stream("primary", np.empty(0, np.uint64))]  # has nothing but configuration
    counts: dict[str, int] = {}
    for i, stream in enumerate(streams):
        flagged = stream.suspects()
        more = () if i else values.without_trains
        descriptor = _descriptor(stream, start, values, more, has_flags=bool(flagged))
        yield "descriptor", descriptor
        counts[stream.name] = len(stream.train_ids)
        yield from _events(stream, descriptor, times, flagged)
    end = max(times.values(), default=start["time"])
    yield "stop", {
        "uid": _uid(start["uid"], "stop"), "run_start": start["uid"], "time": end,
        "exit_status": "success", "num_events": counts,
    }  # fmt: skip


def _uid(*parts: object) -> str:
    """Give a uid that is the same each time."""
    return str(uuid5(NAMESPACE_URL, "\n".join(map(str, ("euxfel", *parts)))))


def _start(run: Any, times: Mapping[int, float]) -> Document:
    ids = sorted(times)
    try:
        told = run.run_metadata()
    except Exception:  # noqa: BLE001 - of several runs, and of old ones, there is none
        told = {}
    about = {str(key): plain_value(value) for key, value in told.items() if key != "dataSources"}
    if not ids and not run.all_sources:
        raise NXstxmValueError("the run has no trains and no sources")
    first = times[ids[0]] if ids else 0.0
    number, proposal = about.get("runNumber"), about.get("proposalNumber")
    start: Document = {
        "uid": _uid(proposal, number, ids[:1], ids[-1:], len(ids), *sorted(run.all_sources)),
        "time": first, "plan_name": "euxfel", "euxfel": about,
    }  # fmt: skip
    n_suspect = len(suspects(run.files) & times.keys())
    if n_suspect:
        about["suspect_trains"] = n_suspect
    if isinstance(number, int):
        start["scan_id"] = number
    if isinstance(proposal, int):
        start["proposal"] = str(proposal)
    sample = about.get("sample")
    if isinstance(sample, str) and sample:
        start["sample"] = sample
    return start


def _descriptor(
    stream: Stream, start: Document, values: _Values, more: Iterable[str], *, has_flags: bool
) -> Document:
    """Describe a stream; more sources have no data of it, only values of the run."""
    keys: Document = {
        TRAIN_ID: {"dtype": "integer", "shape": [], "source": "INDEX/trainId",
                   "dtype_numpy": "<u8"}
    }  # fmt: skip
    if has_flags:
        keys[TRAIN_FLAG] = {"dtype": "integer", "shape": [], "source": "INDEX/flag"}
    objects: dict[str, list[str]] = {"train": [*keys]}
    configuration: Document = {}
    for reading in stream.readings:
        keys[reading.name] = _data_key(reading)
        device = safe(reading.source)
        objects.setdefault(device, []).append(reading.name)
        if device not in configuration:
            configuration[device] = values.of(reading.source)
    for source in more:
        device = safe(source)
        objects.setdefault(device, [])
        configuration.setdefault(device, values.of(source))
    return {
        "uid": _uid(start["uid"], stream.name), "run_start": start["uid"], "name": stream.name,
        "time": start["time"], "data_keys": keys, "object_keys": objects,
        "configuration": configuration, "hints": {},
    }  # fmt: skip


def _data_key(reading: Reading) -> Document:
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


class _Values:
    """The values of a run that do not come with trains, as configuration of its sources.

    Attributes
    ----------
    without_trains : list of str
        Sources that have nothing else.
    """

    def __init__(self, run: Any, streams: Iterable[Stream]) -> None:
        self._run = run
        self._read: dict[str, set[str]] = {}
        for stream in streams:
            for each in stream.readings:
                self._read.setdefault(each.source, set()).add(each.key)
        others = [source for source in sources_of(run) if source not in self._read]
        self.without_trains = [source for source in others if values_of_run(run, source, ())]

    def of(self, source: str) -> Document:
        """Give those of a source."""
        found = values_of_run(self._run, source, self._read.get(source, ()))
        named = {key.replace(".", "-"): (key, *told) for key, told in found.items()}
        return {
            "data": {name: value for name, (_, value, _) in named.items()},
            "timestamps": {name: time for name, (_, _, time) in named.items()},
            "data_keys": {
                name: {"source": f"{source} {key}", **_declared(value)}
                for name, (key, value, _) in named.items()
            },
        }


def _declared(value: Any) -> Document:
    if isinstance(value, list):
        return {"dtype": "array", "shape": [*np.shape(value)]}
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    return {"dtype": next(name for kind, name in kinds if isinstance(value, kind)), "shape": []}


# -- events ---------------------------------------------------------------------------------------


def _events(
    stream: Stream, descriptor: Document, times: Mapping[int, float], flagged: frozenset[int]
) -> Iterator[tuple[str, Document]]:
    seq_num = 0
    for block in blocks_of(stream):
        for i, train in enumerate(block.train_ids.tolist()):
            seq_num += 1
            time = times[train]
            data: Document = {TRAIN_ID: train}
            if flagged:
                data[TRAIN_FLAG] = int(train not in flagged)
            data |= {name: column[i] for name, column in block.values.items()}
            read = {name: int(its[i]) for name, its in block.times.items()}
            yield "event", {
                "uid": _uid(descriptor["uid"], train), "descriptor": descriptor["uid"],
                "seq_num": seq_num, "time": time, "data": data,
                "timestamps": {
                    name: read[name] / NANOSECONDS if read.get(name) else time for name in data
                },
                "filled": {},
            }  # fmt: skip
