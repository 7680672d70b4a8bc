"""From a RunEngine to a handler, without any file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..scans import PRIMARY, ScanPlan, may_measure, points_per_event, read_plan
from ._handler import DataHandler
from ._storage import as_array
from ._where import where

Document = Mapping[str, Any]


class FrameFeed:
    """Give a handler a frame for each detector of each event: ``RE.subscribe(FrameFeed(handler))``.

    The coordinates of a frame are the indices at which all of its points stand: a line of an image
    of a stack has ``energy`` and ``sample_y``, the ``sample_x`` along it being a dimension of the
    data. Where the plan has several entries they have ``region``, where it has several detectors
    ``channel``.

    Parameters
    ----------
    handler : DataHandler
        Takes the frames. It is not finished: several runs may go through it.
    keys : sequence of str, optional
        Data keys that make frames; unless given, those of the plan's detectors.

    Notes
    -----
    Frames are made of the events of the stream that the plan's dimensions name, else of
    ``primary``; in a run without either, of all streams but the baseline and monitors. ``put``
    waits when the handler's queue is full, and with it the RunEngine; an error that the handler has
    to tell is raised into it.
    """

    def __init__(self, handler: DataHandler, keys: Sequence[str] | None = None) -> None:
        self._handler = handler
        self._keys = None if keys is None else tuple(keys)
        self._plans: dict[str, ScanPlan] = {}  # by run
        self._streams: dict[str, dict[str, str]] = {}  # by run: name of each descriptor's stream
        self._runs: dict[str, str] = {}  # by descriptor

    def __call__(self, name: str, doc: Document) -> None:
        """Take a document of any run."""
        if name == "start":
            self._plans[doc["uid"]] = read_plan(doc)
            self._streams[doc["uid"]] = {}
        elif name == "descriptor":
            self._declare(doc)
        elif name in ("event", "event_page"):
            plan = self._plan(doc["descriptor"])
            if plan is not None:
                for event in [doc] if name == "event" else _rows(doc):
                    self._feed(plan, event)
        elif name == "stop":
            run = doc["run_start"]
            self._plans.pop(run, None)
            for descriptor in self._streams.pop(run, {}):
                del self._runs[descriptor]

    def _declare(self, doc: Document) -> None:
        run = doc["run_start"]
        if run in self._plans:
            self._plans[run] = self._plans[run].bind(doc)
            self._streams[run][doc["uid"]] = doc.get("name", PRIMARY)
            self._runs[doc["uid"]] = run

    def _plan(self, descriptor: str) -> ScanPlan | None:
        """Give the plan of a run, if a descriptor is of its measurement."""
        run = self._runs.get(descriptor)
        if run is None:
            return None
        plan, streams = self._plans[run], self._streams[run]
        return plan if may_measure(streams[descriptor], streams.values(), plan.stream) else None

    def _feed(self, plan: ScanPlan, event: Document) -> None:
        per = {d.data_key: d.per for d in plan.detectors if d.role != "other"}
        keys = [key for key in self._keys or per if key in event["data"]]
        for key in keys:
            data = as_array(event["data"][key])
            if data.dtype.kind not in "biufc":
                continue  # a datum of a file, or text
            covers = per.get(key)
            if covers is None and (data.ndim > 1 or plan.dialect == "plain"):
                covers = "point"  # a camera's frame; a plan of Bluesky's own has an event a point
            seq_num = int(event["seq_num"])
            coords = where(plan, seq_num, points_per_event(plan, data.size, seq_num, covers))
            if len(keys) > 1:
                coords["channel"] = str(key)
            metadata = {"data_key": key, "time": event["time"], "run": plan.run}
            self._handler.put(coords, data, metadata)


def _rows(page: Document) -> Iterator[Document]:
    """Give the events of a page, as far as frames need them."""
    for i, seq_num in enumerate(page["seq_num"]):
        row = {key: column[i] for key, column in page["data"].items()}
        yield {"seq_num": seq_num, "time": page["time"][i], "data": row}
