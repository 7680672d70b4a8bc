"""Which rows of a detector's files are which events: stream resources and stream datums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from ._equal import shown

Document = Mapping[str, Any]
#: What older stream resources called kinds of files, in the words of newer ones.
_SPECS = {
    "AD_HDF5": "application/x-hdf5",
    "AD_HDF5_SWMR": "application/x-hdf5",
    "AD_HDF5_SWMR_STREAM": "application/x-hdf5",
    "AD_HDF5_SWMR_SLICE": "application/x-hdf5",
    "AD_TIFF": "multipart/related;type=image/tiff",
    "NPY_SEQ": "multipart/related;type=application/x-npy",
}


@dataclass(frozen=True)
class StreamResource:
    """A file, or a series of them, that a detector writes.

    Attributes
    ----------
    uid, run, key : str
        Of the document: its uid, the run, and the data key whose readings are in it.
    mimetype : str
        Kind of file.
    path : str
        The path, as the detector's machine calls it.
    parameters : Mapping
        What else must be known to read it.
    """

    uid: str
    run: str
    key: str
    mimetype: str
    path: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class StreamRows:
    """Rows of a file that are the readings of consecutive events.

    Attributes
    ----------
    resource : StreamResource
        The file.
    seq_num : int
        Sequence number of the first event.
    index : int
        Which row of the file is its reading.
    n : int
        How many.
    """

    resource: StreamResource
    seq_num: int
    index: int
    n: int


@dataclass
class StreamAssets:
    """Notes what the stream documents of a run tell.

    Attributes
    ----------
    messages : list of str
        What makes no sense.
    """

    messages: list[str] = field(default_factory=list)
    _streams: dict[str, str] = field(default_factory=dict)  # by descriptor
    _resources: dict[str, StreamResource] = field(default_factory=dict)
    _rows: dict[tuple[str, str], list[StreamRows]] = field(default_factory=dict)

    def take(self, name: str, doc: Document) -> None:
        """Note a document; other kinds are left."""
        if name == "descriptor":
            self._streams[str(doc.get("uid"))] = str(doc.get("name", "primary"))
        elif name == "stream_resource":
            self._note_resource(doc)
        elif name == "stream_datum":
            self._note_datum(doc)

    def rows(self) -> Mapping[tuple[str, str], list[StreamRows]]:
        """Give the rows by stream and data key, in the order in which they came."""
        return self._rows

    def _note_resource(self, doc: Document) -> None:
        uid, key = doc.get("uid"), doc.get("data_key")
        parameters = doc.get("parameters", doc.get("resource_kwargs"))
        mimetype: Any = doc.get("mimetype")
        path = _path(doc)
        if mimetype is None:
            mimetype = _SPECS.get(str(doc.get("spec")), doc.get("spec"))
        known = isinstance(uid, str) and isinstance(key, str) and isinstance(mimetype, str)
        if not known or path is None or not isinstance(parameters, Mapping):
            self._wrong("stream_resource", doc, "data_key, mimetype, uri and parameters")
            return
        run = str(doc.get("run_start", ""))
        self._resources[str(uid)] = StreamResource(
            str(uid), run, str(key), str(mimetype).replace(" ", ""), path, parameters
        )

    def _note_datum(self, doc: Document) -> None:
        resource = self._resources.get(str(doc.get("stream_resource")))
        stream = self._streams.get(str(doc.get("descriptor")))
        seq_nums, indices = _span(doc.get("seq_nums")), _span(doc.get("indices"))
        if resource is None or stream is None or seq_nums is None or indices is None:
            self._wrong("stream_datum", doc, "a stream_resource, a descriptor, seq_nums, indices")
            return
        n = min(seq_nums[1] - seq_nums[0], indices[1] - indices[0])
        if n <= 0:
            return
        rows = self._rows.setdefault((stream, resource.key), [])
        last = rows[-1] if rows else None
        if (
            last is not None
            and last.resource is resource
            and (last.seq_num + last.n, last.index + last.n) == (seq_nums[0], indices[0])
        ):
            rows[-1] = replace(last, n=last.n + n)
        else:
            rows.append(StreamRows(resource, seq_nums[0], indices[0], n))

    def _wrong(self, name: str, doc: Document, needed: str) -> None:
        self.messages.append(
            f"the {name} document {shown(doc.get('uid'))} needs {needed}; its readings are left out"
        )


def _span(value: Any) -> tuple[int, int] | None:
    """Give start and stop of a range as documents have it."""
    if not isinstance(value, Mapping):
        return None
    start, stop = value.get("start"), value.get("stop")
    if type(start) is not int or type(stop) is not int or start < 0:
        return None
    return start, stop


def _path(doc: Document) -> str | None:
    """Give the path of a resource: of its ``file:`` address, or as older documents have it."""
    uri = doc.get("uri")
    if isinstance(uri, str):
        parts = urlsplit(uri)
        if parts.scheme not in ("file", ""):
            return uri  # told when it is read: nothing here fetches files
        path = unquote(parts.path)
        has_drive = len(path) > 2 and path[0] == "/" and path[2] == ":"
        return path[1:] if has_drive else path
    root, rest = doc.get("root", ""), doc.get("resource_path")
    if not isinstance(rest, str) or not isinstance(root, str):
        return None
    return f"{root.rstrip('/')}/{rest}" if root else rest
