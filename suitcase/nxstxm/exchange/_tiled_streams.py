"""The streams of a run on a Tiled server: documents made of tables and arrays."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._errors import NXstxmOSError
from ._catalog import Document, plain
from ._tiled_files import TiledFile, file_behind

#: Bytes of arrays that are asked for at a time.
ASKED_BYTES = 16 * 2**20
#: Columns of a stream's table that are no readings, and what begins the times of readings.
_BOOKS, _TIME_OF = ("seq_num", "time"), "ts_"


class TiledStreams:
    """The streams of a run: what is in their tables, and their arrays."""

    def __init__(self, node: Any) -> None:
        home = node.get("streams", node)
        self._nodes = {name: home[name] for name in home if "data_keys" in home[name].metadata}
        self._known: dict[str, dict[str, Any]] = {}
        self._of_descriptor: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._rows: dict[str, int] = {}
        self._blocks: dict[tuple[str, str], tuple[int, np.ndarray[Any, Any]]] = {}
        self._read: set[str] = set()  # data keys, and resources, whose readings are in the events
        self._in_files: dict[tuple[str, str], dict[str, TiledFile]] = {}  # run, descriptor
        self._told: set[str] = set()  # data keys of which the server's documents tell the files

    def __iter__(self) -> Iterator[str]:
        """Give the names of the streams, the baseline's first as a RunEngine does."""
        return iter(sorted(self._nodes, key=lambda name: (name != "baseline", name)))

    def given(self, stream: str) -> tuple[str | None, int]:
        """Tell which descriptor and how many events of a stream went through `completed`."""
        for uid, (name, _) in self._of_descriptor.items():
            if name == stream:
                return uid, self._rows.get(stream, 0)
        return None, 0

    def _arrays(self, stream: str) -> dict[str, Any]:
        """Give the readings of a stream that are arrays.

        Short ones may be in its tables, as text: the server makes arrays of them.
        """
        if stream not in self._known:
            node: Any = self._nodes.get(stream)
            declared = {} if node is None else plain(node.metadata["data_keys"])
            parts = {
                key: node[key]
                for key, said in declared.items()
                if (said.get("dtype") == "array" or said.get("external")) and key in node
            }
            self._known[stream] = {k: part for k, part in parts.items() if hasattr(part, "dtype")}
        return self._known[stream]

    def descriptor(self, stream: str, start: Document) -> dict[str, Any]:
        """Make the descriptor of a stream."""
        said = plain(self._nodes[stream].metadata)
        data_keys = said["data_keys"]
        objects: dict[str, list[str]] = {}
        for key, declared in data_keys.items():
            objects.setdefault(str(declared.get("object_name") or key), []).append(key)
        return {
            "uid": said.get("uid") or str(uuid.uuid5(_space(start), stream)),
            "run_start": start["uid"],
            "time": said.get("time", start.get("time", 0.0)),
            "name": stream,
            "data_keys": data_keys,
            "object_keys": objects,
            "configuration": said.get("configuration") or {},
            "hints": said.get("hints") or {},
        }

    def pages(self, stream: str, descriptor: Document) -> Iterator[tuple[str, Document]]:
        """Make pages of a stream's tables, one of each of their parts."""
        declared = set(descriptor["data_keys"]) - set(self._arrays(stream))
        node = self._nodes[stream]
        parts = getattr(node, "base", node)
        for part in (parts[name] for name in parts):
            if part.structure_family != "table":
                continue
            for number in range(part.structure().npartitions):
                table = part.read_partition(number)
                columns = {str(key): _listed(table[key]) for key in table}
                seq_nums = [int(n) for n in columns.get("seq_num", ())]
                if not seq_nums:
                    continue
                data = {key: column for key, column in columns.items() if key in declared}
                times = {
                    key.removeprefix(_TIME_OF): column
                    for key, column in columns.items()
                    if key.startswith(_TIME_OF) and key not in declared
                }
                yield (
                    "event_page",
                    {
                        "uid": _uids(descriptor["uid"], seq_nums),
                        "descriptor": descriptor["uid"],
                        "seq_num": seq_nums,
                        "time": [float(t) for t in columns["time"]],
                        "data": data,
                        "timestamps": times,
                        "filled": {},
                    },
                )

    def _without_events(self) -> Iterator[tuple[str, Document]]:
        """Make pages of streams that have arrays here and no events, as fly scans write them."""
        for uid, (stream, keys) in self._of_descriptor.items():
            if not keys or self._rows.get(stream):
                continue
            n = min(int(self._arrays(stream)[key].shape[0]) for key in keys)
            began = float(self._nodes[stream].metadata.get("time") or 0.0)
            numbers = list(range(1, n + 1))
            page = {
                "uid": _uids(uid, numbers),
                "descriptor": uid,
                "seq_num": numbers,
                "time": [began] * n,  # nobody noted when
                "data": {},
                "timestamps": {},
                "filled": {},
            }
            yield from self._cut(stream, keys, 0, page)

    def completed(self, name: str, doc: dict[str, Any]) -> Iterator[tuple[str, Document]]:
        """Add to a document the readings that only the server has."""
        if name == "descriptor":
            doc = self._note(doc)
        elif name in ("event", "event_page"):
            stream, keys = self._of_descriptor.get(doc["descriptor"], ("", ()))
            n = len(doc["seq_num"]) if name == "event_page" else 1
            at = self._rows.get(stream, 0)
            self._rows[stream] = at + n
            if keys and name == "event":
                # an exporter may have made lists of them, with the dtype lost on the way
                read = {key: self._values(stream, key, at, 1)[0] for key in keys}
                doc = {**doc, "data": {**doc["data"], **read}}
            elif keys:
                yield from self._cut(stream, keys, at, doc)
                return
        elif name == "stop":
            yield from self.rest()
        elif name == "stream_resource" and doc.get("data_key") in self._read:
            self._read.add(str(doc.get("uid")))
            return
        elif name == "stream_resource":
            self._told.add(str(doc.get("data_key")))
        elif name == "stream_datum" and doc.get("stream_resource") in self._read:
            return
        yield name, doc

    def rest(self) -> Iterator[tuple[str, Document]]:
        """Make documents of what has no events, and tell of files; behind all others, once."""
        yield from self._without_events()
        for (run, uid), files in self._in_files.items():
            stream, _ = self._of_descriptor[uid]
            for key, file in files.items():
                n = self._rows.get(stream) or int(self._arrays(stream)[key].shape[0])
                if key not in self._told and n:
                    yield from file.documents(run, uid, key, n)
        self._in_files.clear()

    def _note(self, doc: dict[str, Any]) -> dict[str, Any]:
        """Note which readings of a stream are arrays: they will be in its events, or in files."""
        stream = doc.get("name", "primary")
        arrays = self._arrays(stream)
        files: dict[str, TiledFile] = {}
        for key, declared in doc["data_keys"].items():
            file = file_behind(arrays[key]) if key in arrays and "external" in declared else None
            if file is not None:
                files[key] = file
        keys = tuple(key for key in doc["data_keys"] if key in arrays and key not in files)
        self._of_descriptor[doc["uid"]] = (stream, keys)
        self._in_files[str(doc.get("run_start")), doc["uid"]] = files
        self._read.update(keys)
        data_keys = {
            key: {k: v for k, v in declared.items() if key not in keys or k != "external"}
            | ({"external": "STREAM:"} if key in files else {})
            for key, declared in doc["data_keys"].items()
        }
        return {**doc, "data_keys": data_keys}

    def _per_event(self, stream: str, array: Any) -> int:
        """Tell how many rows of an array belong to an event: a detector may take several frames."""
        node = self._nodes[stream]
        n_events = int(node["seq_num"].shape[0]) if "seq_num" in node else 0
        n_rows = int(array.shape[0])
        return n_rows // n_events if n_events and n_rows % n_events == 0 and n_rows else 1

    def _values(self, stream: str, key: str, at: int, n: int) -> np.ndarray[Any, Any]:
        """Read an array for some events, asking the server for many at a time."""
        first, block = self._blocks.get((stream, key), (0, np.empty(0)))
        if not first <= at <= at + n <= first + len(block):
            array = self._arrays(stream)[key]
            each = self._per_event(stream, array)
            last = at + max(n, _rows_of(array) // each)
            first, block = at, np.asarray(array[at * each : last * each])
            if each > 1:
                block = block.reshape(-1, each, *block.shape[1:])
            while block.ndim > 3 and block.shape[1] == 1:
                block = block[:, 0]  # a stack of one frame is a frame
            self._blocks[stream, key] = first, block
        found = block[at - first : at - first + n]
        if len(found) < n:
            raise NXstxmOSError(
                f"stream {stream!r} has an event {at + n}, but {key!r} has only "
                f"{first + len(block)} values"
            )
        return found

    def _cut(
        self, stream: str, keys: tuple[str, ...], at: int, page: dict[str, Any]
    ) -> Iterator[tuple[str, Document]]:
        """Cut a page so that no more is asked for at a time than memory can hold."""
        n = len(page["seq_num"])
        step = min(_rows_of(self._arrays(stream)[key]) for key in keys)
        for first in range(0, n, step):
            rows = slice(first, min(first + step, n))
            read = {
                key: list(self._values(stream, key, at + first, rows.stop - first)) for key in keys
            }
            columns = {
                part: {key: column[rows] for key, column in (page.get(part) or {}).items()}
                for part in ("data", "timestamps", "filled")
            }
            columns["data"] |= read
            books = {name: page[name][rows] for name in ("uid", "seq_num", "time")}
            yield "event_page", {**page, **books, **columns}


def without_first(page: Document, n: int) -> dict[str, Any]:
    """Give a page without its first events."""
    if not n:
        return dict(page)
    columns = {
        part: {key: column[n:] for key, column in page[part].items()}
        for part in ("data", "timestamps", "filled")
    }
    books = {name: page[name][n:] for name in ("uid", "seq_num", "time")}
    return {**page, **books, **columns}


def _rows_of(array: Any) -> int:
    """Tell how many rows of an array are asked for at a time."""
    one = int(np.prod(array.shape[1:], dtype=np.int64)) * int(array.dtype.itemsize)
    return max(ASKED_BYTES // max(one, 1), 1)


def _uids(descriptor: str, seq_nums: list[int]) -> list[str]:
    """Make uids of events that are always the same ones."""
    space = _space({"uid": descriptor})
    return [str(uuid.uuid5(space, str(n))) for n in seq_nums]


def _listed(column: Any) -> list[Any]:
    """Give a column of a table as a list; arrays in it stay arrays."""
    return list(column.tolist())


def _space(start: Document) -> uuid.UUID:
    try:
        return uuid.UUID(str(start["uid"]))
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, str(start["uid"]))
