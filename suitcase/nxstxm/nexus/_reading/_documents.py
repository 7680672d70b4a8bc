"""Files without an archive as documents: what is in them, and nothing that is not.

Each entry is a run. Its pictures come row by row; lists, facts and readings of the beamline come in
streams of their own. When a point was measured nobody knows: all events have the time of the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from .._archived import ArchivedRun, runs_of_file
from .._checks import validate
from ._complex import is_complex, magnitude, parts
from ._contents import Channel, Contents, Entry, Variable
from ._description import Description
from ._read import read_contents

Document = dict[str, Any]
#: What the definition requires that was missing is listed up to here.
_MOST_MISSING = 20


@dataclass(frozen=True)
class DescribedRun:
    """An entry of a file, as a run.

    Attributes
    ----------
    path : str
        The file.
    entry : str
        The entry.
    number, total : int
        Which of how many entries it is.
    """

    path: str
    entry: str
    number: int
    total: int

    @property
    def uid(self) -> str:
        """The run's uid: the same for the same file, wherever it is."""
        return str(self.start["uid"])

    @cached_property
    def start(self) -> Mapping[str, Any]:
        """Its start document."""
        return _Maker(self).start()

    @property
    def source(self) -> str:
        """The file."""
        return self.path

    @cached_property
    def notes(self) -> list[str]:
        """What was guessed, and what the file lacks of what NXstxm requires."""
        lacks = [p for p in validate(Path(self.path)) if p.level == "error"]
        lacks = [p for p in lacks if self.number == 0 or p.path.startswith(f"/{self.entry}/")]
        shown = [f"{self.path} lacked: {p.path}: {p.message}" for p in lacks[:_MOST_MISSING]]
        if len(lacks) > _MOST_MISSING:
            shown.append(f"{self.path} lacked {len(lacks) - _MOST_MISSING} more")
        guessed = self.start["nxstxm"].get("messages", ())
        return [*(f"{self.entry}: {each}" for each in guessed), *shown]

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Give the run's documents, as often as asked."""
        return _Maker(self).documents()


def runs_in_file(path: str | Path) -> list[ArchivedRun] | list[DescribedRun]:
    """Give the runs of a file: of its archive, or made of what is in it.

    Raises
    ------
    NXstxmOSError, NXstxmValueError
        As `read_contents`.
    """
    return runs_of_file(path) or described_runs(path)


def described_runs(path: str | Path) -> list[DescribedRun]:
    """Give the entries of a file that has no archive, each as a run.

    Raises
    ------
    NXstxmOSError, NXstxmValueError
        As `read_contents`.
    """
    contents = read_contents(path)
    with_data = [name for name, entry in contents.entries.items() if entry.channels]
    return [
        DescribedRun(str(path), name, number, len(with_data))
        for number, name in enumerate(with_data)
    ]


class _Maker:
    """Makes the documents of one run."""

    def __init__(self, run: DescribedRun) -> None:
        self._run = run
        self._contents: Contents = read_contents(run.path, readings=True, entry=run.entry)
        self._entry: Entry = self._contents.entry(run.entry)
        self._channel: Channel = self._entry.channel()
        self._messages = [*self._entry.guessed, *self._channel.guessed]
        self._scan = self._identity()
        self._uid = str(uuid5(self._scan, run.entry))
        self._time = self._start_time()
        self._shown, self._beside = self._rows()
        self._description = Description(
            self._entry, self._channel, self._shown, has_monitor="control" in self._beside
        )

    def _identity(self) -> Any:
        """Give what names the scan: the file's own identifier, else what tells it from others."""
        own = str(self._entry.attrs.get("entry_identifier_uuid", ""))
        size = Path(self._run.path).stat().st_size
        name = own or f"{self._contents.path.name} {self._entry.attrs.get('start_time')} {size}"
        return uuid5(NAMESPACE_URL, f"nxstxm:{name}")

    # -- start and stop ----------------------------------------------------------------------------

    def start(self) -> Document:
        """Give the start document."""
        attrs, run = self._entry.attrs, self._run
        block = self._description.block(self._contents.path.name, self._messages)
        start: Document = {
            "uid": self._uid,
            "time": self._time,
            "plan_name": "nxstxm_file",
            "title": str(attrs.get("title", "")),
            "file": self._contents.path.name,
            "nxstxm": block,
        }
        numbers = re.findall(r"\d+", self._contents.path.stem)
        if numbers and len(numbers[-1]) < 10:
            start["scan_id"] = int(numbers[-1])
        for key, fact in (
            ("sample", "sample_name"),
            ("user", "user_name"),
            ("proposal", "proposal"),
        ):
            if isinstance(attrs.get(fact), str) and attrs[fact]:
                start[key] = attrs[fact]
        if run.total > 1:
            start["scan_group"] = {"id": str(self._scan), "index": run.number, "total": run.total}
        return start

    def _start_time(self) -> float:
        said = str(self._entry.attrs.get("start_time", ""))
        try:
            time = datetime.fromisoformat(said.replace("Z", "+00:00"))
        except ValueError:
            self._messages.append(
                "when it started is not in the file; the time of the file was taken"
            )
            return float(Path(self._run.path).stat().st_mtime)
        if time.tzinfo is None:
            self._messages.append("its times have no offset; they were taken as UTC")
            time = time.replace(tzinfo=timezone.utc)
        return time.timestamp()

    def _stop(self) -> Document:
        whole = bool(self._entry.attrs.get("complete", True))
        return {
            "uid": str(uuid5(self._scan, f"{self._run.entry} stop")),
            "run_start": self._uid,
            "time": self._time,
            "exit_status": "success" if whole else "abort",
            "reason": "" if whole else "the file says that it is not complete",
        }

    # -- streams -----------------------------------------------------------------------------------

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Give all documents."""
        yield "start", self.start()
        yield from self._pictures()
        yield from self._once("baseline", self._description.all_facts())
        yield from self._lists()
        for stream, readings in self._entry.readings.items():
            name = stream if stream != "baseline" else "beamline"
            yield from self._once(name, {v.name: (v, None) for v in readings})
        yield "stop", self._stop()

    def _rows(self) -> tuple[dict[str, Variable], dict[str, Variable]]:
        """Give the pictures that come row by row, and what comes with them."""
        first = self._channel
        shown = {first.name: first.data}
        for name, channel in self._entry.channels.items():
            if name == first.name:
                continue
            if channel.data.dims == first.data.dims and _shape(channel) == _shape(first):
                shown[name] = channel.data
            else:
                self._messages.append(f"{name} has another shape, and is a list")
        for name, data in shown.items():
            if is_complex(data):
                shown[name] = magnitude(data)
                self._messages.append(
                    f"{name} has complex numbers: the picture is their magnitude; the real and the "
                    f"imaginary part are in the streams {' and '.join(parts(name, data))}"
                )
        beside = {v.name: v for v in first.variables[1:] if v.name == "control"}
        return shown, beside

    def _further(self) -> dict[str, Variable]:
        """Give what is beside the pictures and comes not with them: errors, further signals.

        What all pictures have in common, as the monitor, comes once.
        """
        found: dict[str, Variable] = {}
        paths = {each.stored.path for each in self._beside.values()}
        for name, channel in self._entry.channels.items():
            if name in self._shown and is_complex(channel.data):
                found |= parts(name, channel.data)
            for each in channel.variables[1:]:
                if each.stored.path not in paths:
                    paths.add(each.stored.path)
                    found |= parts(f"{name}_{each.name}", each)
        return found

    def _pictures(self) -> Iterator[tuple[str, Document]]:
        arrays = {**self._shown, **self._beside}
        shape = self._channel.data.stored.shape
        row = shape[-1:] if len(shape) > 1 else ()
        keys = {name: _key(v, row) for name, v in arrays.items()}
        descriptor, uid = self._descriptor("primary", keys, hints=list(self._shown))
        yield "descriptor", descriptor
        number = 0
        for blocks in zip(*(_planes(v) for v in arrays.values()), strict=True):
            rows = blocks[0].shape[0]
            for place in range(rows):
                number += 1
                data = {name: b[place] for name, b in zip(arrays, blocks, strict=True)}
                main = np.asarray(data[self._channel.name])
                if main.dtype.kind == "f" and not np.isfinite(main).any():
                    continue  # was not measured
                yield "event", self._event(uid, number, {k: _value(v) for k, v in data.items()})

    def _lists(self) -> Iterator[tuple[str, Document]]:
        """Give the lists of the instrument: those of numbers at once, frames one by one."""
        lines: dict[str, tuple[Variable, Any]] = {}
        found = self._further()
        for each in self._entry.lists:
            found |= parts(f"{each.name}_list", each)
        others: dict[str, Variable] = {}
        for name, channel in self._entry.channels.items():
            if name not in self._shown:
                others |= parts(f"{name}_picture", channel.data)
        for name, variable in found.items():
            if variable.stored.ndim < 2:
                lines[name] = (variable, None)
            else:
                others[name] = variable
        yield from self._once("lists", lines)
        for name, variable in others.items():
            frame = variable.stored.shape[1:]
            descriptor, uid = self._descriptor(name, {name: _key(variable, frame)})
            yield "descriptor", descriptor
            for number in range(variable.stored.shape[0]):
                key: tuple[int | slice, ...] = (number, *(slice(None),) * len(frame))
                yield "event", self._event(uid, number + 1, {name: variable.stored.read(key)})

    def _once(
        self, stream: str, readings: Mapping[str, tuple[Any, str | None]]
    ) -> Iterator[tuple[str, Document]]:
        """Give a stream of one event."""
        keys: dict[str, Document] = {}
        data: dict[str, Any] = {}
        for name, (value, units) in readings.items():
            if isinstance(value, Variable):
                if not value.stored.is_number or 0 in value.stored.shape:
                    continue
                keys[name] = _key(value, value.stored.shape)
                data[name] = _value(value.stored.read())
            else:
                keys[name] = {**_kind(value), "source": self._from(name)}
                if units:
                    keys[name]["units"] = units
                data[name] = value
        if not data:
            return
        descriptor, uid = self._descriptor(stream, keys)
        yield "descriptor", descriptor
        yield "event", self._event(uid, 1, data)

    def _descriptor(
        self, stream: str, keys: Mapping[str, Document], hints: list[str] | None = None
    ) -> tuple[Document, str]:
        uid = str(uuid5(self._scan, f"{self._run.entry} {stream}"))
        return {
            "uid": uid,
            "run_start": self._uid,
            "time": self._time,
            "name": stream,
            "data_keys": {k: {**v, "object_name": k} for k, v in keys.items()},
            "object_keys": {key: [key] for key in keys},
            "configuration": {k: {"data": {}, "timestamps": {}, "data_keys": {}} for k in keys},
            "hints": {key: {"fields": [key]} for key in (hints or ())},
        }, uid

    def _event(self, descriptor: str, number: int, data: Mapping[str, Any]) -> Document:
        return {
            "uid": str(uuid5(self._scan, f"{descriptor} {number}")),
            "descriptor": descriptor,
            "time": self._time,
            "seq_num": number,
            "data": dict(data),
            "timestamps": dict.fromkeys(data, self._time),
            "filled": {},
        }

    def _from(self, name: str) -> str:
        return f"file:{self._contents.path.name}/{self._entry.name}#{name}"


def _shape(channel: Channel) -> tuple[int, ...]:
    return channel.data.stored.shape


def _planes(variable: Variable) -> Iterator[Any]:
    """Give a picture in blocks of rows, or of single values."""
    stored = variable.stored
    if stored.ndim < 3:
        values = stored.read()
        yield values.reshape(1) if values.ndim == 0 else values
        return
    for _, plane in stored.planes():
        yield plane


def _kind(value: Any) -> Document:
    """Give the type and shape of a fact: a number, a text, numbers."""
    if isinstance(value, str):
        return {"dtype": "string", "shape": []}
    if isinstance(value, np.ndarray):
        return {"dtype": "array", "shape": list(value.shape), "dtype_numpy": value.dtype.str}
    return {"dtype": "number", "shape": []}


def _key(variable: Variable, shape: tuple[int, ...]) -> Document:
    kind = variable.stored.dtype.kind
    single = "integer" if kind in "iu" else "number"
    key: Document = {
        "dtype": "array" if prod(shape) != 1 or shape else single,
        "shape": list(shape),
        "dtype_numpy": variable.stored.dtype.str,
        "source": f"file:{Path(variable.stored.file).name}{variable.stored.path}",
    }
    if units := variable.attrs.get("units"):
        key["units"] = str(units)
    return key


def _value(value: Any) -> Any:
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array
