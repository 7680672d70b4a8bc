"""Which rows of a detector's files are which events.

Stream resources and stream datums say it. Resources and datums of area detectors do so too, in
other words: their HDF5 and TIFF files need no handler, since it is known where EPICS puts frames.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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


#: Kinds of resources whose rows are known without a handler, and where their frames are.
DIRECT = frozenset({"AD_HDF5", "AD_HDF5_SWMR", "AD_TIFF"})
_AD_DATASET = "/entry/data/data"


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
    direct : collection of str
        Specs of resources that it knows.
    messages : list of str
        What makes no sense.
    """

    direct: Collection[str] = DIRECT
    messages: list[str] = field(default_factory=list)
    #: Whether events may refer to datums whose rows are known.
    has_datums: bool = False
    _keys: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by descriptor
    _datums: dict[str, tuple[str, int]] = field(default_factory=dict)  # resource, row
    _streams: dict[str, str] = field(default_factory=dict)  # by descriptor
    _resources: dict[str, StreamResource] = field(default_factory=dict)
    _rows: dict[tuple[str, str], list[StreamRows]] = field(default_factory=dict)

    def take(self, name: str, doc: Document) -> None:
        """Note a document; other kinds are left."""
        note = _NOTES.get(name)
        if note is not None:
            note(self, doc)

    def _note_descriptor(self, doc: Document) -> None:
        uid, data_keys = str(doc.get("uid")), doc.get("data_keys")
        self._streams[uid] = str(doc.get("name", "primary"))
        if isinstance(data_keys, Mapping):
            self._keys[uid] = tuple(
                key
                for key, declared in data_keys.items()
                if isinstance(declared, Mapping) and isinstance(declared.get("external"), str)
                if not declared["external"].startswith("STREAM:")
            )

    def _note_file(self, doc: Document) -> None:
        """Note the resource of an area detector; others need a handler."""
        uid, spec, path = doc.get("uid"), doc.get("spec"), resource_path(doc)
        given = doc.get("resource_kwargs")
        if spec not in self.direct or not isinstance(uid, str) or path is None:
            return
        kwargs = given if isinstance(given, Mapping) else {}
        frames = kwargs.get("frame_per_point", 1)
        frames = frames if type(frames) is int and frames > 0 else 1
        parameters = {**kwargs, "dataset": _AD_DATASET, "frames": frames}
        self._resources[uid] = StreamResource(uid, "", "", _SPECS[str(spec)], path, parameters)
        self.has_datums = True

    def _note_point(self, doc: Document) -> None:
        """Note which row of its file a datum is."""
        resource, kwargs = str(doc.get("resource")), doc.get("datum_kwargs")
        if resource in self._resources and isinstance(kwargs, Mapping):
            point = kwargs.get("point_number", 0)
            if type(point) is int and point >= 0:
                self._datums[str(doc.get("datum_id"))] = resource, point

    def _note_points(self, doc: Document) -> None:
        kwargs, resource = doc.get("datum_kwargs"), doc.get("resource")
        points = kwargs.get("point_number", ()) if isinstance(kwargs, Mapping) else ()
        for datum, point in zip(doc.get("datum_id", ()), points, strict=False):
            self._note_point(
                {"datum_id": datum, "resource": resource, "datum_kwargs": {"point_number": point}}
            )

    def _note_bulk(self, doc: Document) -> None:
        """Note datums in an older form."""
        kwargs, resource = doc.get("datum_kwarg_list", ()), doc.get("resource")
        for datum, each in zip(doc.get("datum_ids", ()), kwargs, strict=False):
            self._note_point({"datum_id": datum, "resource": resource, "datum_kwargs": each})

    def _note_event(self, doc: Document) -> None:
        """Note which datums are the readings of an event."""
        descriptor, data, seq_num = str(doc.get("descriptor")), doc.get("data"), doc.get("seq_num")
        if not isinstance(data, Mapping) or type(seq_num) is not int:
            return
        for key in self._keys.get(descriptor, ()):
            datum = data.get(key)
            known = self._datums.pop(datum, None) if isinstance(datum, str) else None
            if known is not None:
                resource = replace(self._resources[known[0]], key=key)
                self._add(self._streams[descriptor], StreamRows(resource, seq_num, known[1], 1))

    def _note_page(self, doc: Document) -> None:
        data = doc.get("data")
        if not isinstance(data, Mapping):
            return
        for i, seq_num in enumerate(doc.get("seq_num", ())):
            row = {key: column[i] for key, column in data.items() if len(column) > i}
            self._note_event({"descriptor": doc.get("descriptor"), "seq_num": seq_num, "data": row})

    def rows(self) -> Mapping[tuple[str, str], list[StreamRows]]:
        """Give the rows by stream and data key, in the order in which they came."""
        return self._rows

    def _note_resource(self, doc: Document) -> None:
        uid, key = doc.get("uid"), doc.get("data_key")
        parameters = doc.get("parameters", doc.get("resource_kwargs"))
        mimetype: Any = doc.get("mimetype")
        path = resource_path(doc)
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
        self._add(stream, StreamRows(resource, seq_nums[0], indices[0], n))

    def _add(self, stream: str, new: StreamRows) -> None:
        """Add rows to a column, to the last ones where they go on."""
        rows = self._rows.setdefault((stream, new.resource.key), [])
        last = rows[-1] if rows else None
        if (
            last is not None
            and last.resource.uid == new.resource.uid
            and (last.seq_num + last.n, last.index + last.n) == (new.seq_num, new.index)
        ):
            rows[-1] = replace(last, n=last.n + new.n)
        else:
            rows.append(new)

    def _wrong(self, name: str, doc: Document, needed: str) -> None:
        self.messages.append(
            f"the {name} document {shown(doc.get('uid'))} needs {needed}; its readings are left out"
        )


#: What is noted of which documents; of events only where there are datums.
_NOTES: dict[str, Callable[[StreamAssets, Document], None]] = {
    "descriptor": StreamAssets._note_descriptor,
    "resource": StreamAssets._note_file,
    "datum": StreamAssets._note_point,
    "datum_page": StreamAssets._note_points,
    "bulk_datum": StreamAssets._note_bulk,
    "stream_resource": StreamAssets._note_resource,
    "stream_datum": StreamAssets._note_datum,
    "event": StreamAssets._note_event,
    "event_page": StreamAssets._note_page,
}


def _span(value: Any) -> tuple[int, int] | None:
    """Give start and stop of a range as documents have it."""
    if not isinstance(value, Mapping):
        return None
    start, stop = value.get("start"), value.get("stop")
    if type(start) is not int or type(stop) is not int or start < 0:
        return None
    return start, stop


def resource_path(doc: Document) -> str | None:
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
